//! `sinter chain`: what a chain.toml defines.

use crate::{
    args::ChainCommand,
    exit::{Exit, Failure, OrFail, print_result},
};
use serde_json::json;
use sinter_primitives::{Chain, fees::FeeSpec};
use std::path::Path;

/// Carries the command out.
///
/// # Errors
/// When the file cannot be read or is not a sound chain.toml.
pub fn run(command: &ChainCommand) -> Result<(), Failure> {
    match command {
        ChainCommand::Hash { file } => print_result(format_args!("0x{}", hex::encode(load(file)?.hash))),
        ChainCommand::Check { file, json } => {
            let chain = load(file)?;
            print_result(if *json { as_json(&chain) } else { as_text(&chain) })
        }
    }
}

/// Reads and checks a chain.toml.
///
/// # Errors
/// When the file cannot be read or is not a sound chain.toml.
pub fn load(file: &Path) -> Result<Chain, Failure> {
    let bytes = std::fs::read(file).or_fail(Exit::Usage, format_args!("reading {}", file.display()))?;
    Chain::parse(&bytes).or_fail(Exit::Usage, file.display())
}

fn as_json(chain: &Chain) -> String {
    let genesis = chain.genesis();
    json!({
        "hash": format!("0x{}", hex::encode(chain.hash)),
        "chain_id": chain.file.chain_id,
        "name": chain.file.name,
        "genesis": format!("0x{}", hex::encode(genesis.digest())),
        "committee": format!("0x{}", hex::encode(chain.committee.digest())),
        "seats": chain.committee.seats().len(),
        "quorum": chain.committee.quorum(),
        "namespaces": chain.file.namespaces.len(),
        "light_client": chain.file.l1.light_client,
        "fees": chain.file.fees,
    })
    .to_string()
}

fn as_text(chain: &Chain) -> String {
    let mut lines = vec![
        format!("{} (chain id {})", chain.file.name, chain.file.chain_id),
        format!("hash       0x{}", hex::encode(chain.hash)),
        format!("genesis    0x{}", hex::encode(chain.genesis().digest())),
        format!("committee  0x{}", hex::encode(chain.committee.digest())),
        format!("L1         chain id {}, light client {}", chain.file.l1.chain_id, chain.file.l1.light_client),
        format!("seats      {}, {} certify", chain.committee.seats().len(), chain.committee.quorum()),
    ];
    for (number, seat) in chain.committee.seats().iter().enumerate() {
        lines.push(format!("  {number:>3}  0x{}  {}", hex::encode(seat.node_key), seat.address));
    }
    lines.push(match &chain.file.fees {
        Some(FeeSpec { floor_wei, target_bytes_per_s }) => {
            format!("fees       {floor_wei} wei a byte or more, rising above {target_bytes_per_s} bytes a second")
        }
        None => "fees       none".into(),
    });
    lines.push(format!("namespaces {}", chain.file.namespaces.len()));
    for spec in &chain.file.namespaces {
        let evm = spec.evm_chain_id.map_or_else(|| "not Ethereum".into(), |id| format!("EVM chain id {id}"));
        lines.push(format!("  {:>3}  {}  {evm}  {:?}", spec.id, spec.name, spec.ordering));
    }
    lines.join("\n")
}
