//! `sinter hub`: the contracts of this version, which stand at the same addresses on every L1.

use crate::{
    aggregation::{seal, text},
    exit::{Exit, Failure, OrFail, print_result},
    l1::connect,
    relayer::read_key,
};
use alloy::primitives::TxHash;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use sinter_prover::Folder;
use sinter_seal::{evm::Program, sealer::SealLayers};
use sinter_settlement::deployment::{Contract, Deployment};
use std::path::PathBuf;

/// `sinter hub`.
#[derive(Debug, Subcommand)]
pub enum HubCommand {
    /// Compute the addresses from the circuits, and say which of the contracts stand on an L1
    Show(ShowArguments),
    /// Deploy those of the contracts that do not stand yet
    Deploy(DeployArguments),
}

/// `sinter hub show`.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// An L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// `sinter hub deploy`.
#[derive(Debug, Args)]
pub struct DeployArguments {
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// File with the hex private key of the account that pays, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// Print one JSON object as the last line of standard output
    #[arg(long)]
    pub json: bool,
}

/// Carries a command out.
///
/// # Errors
/// When an argument is wrong, or the L1 does not answer or refuses.
pub fn run(command: &HubCommand) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    match command {
        HubCommand::Show(arguments) => show(arguments, &runtime),
        HubCommand::Deploy(arguments) => deploy(arguments, &runtime),
    }
}

/// The contracts, from the circuits: nothing about them is written down in this program.
fn contracts() -> Result<Deployment, Failure> {
    eprintln!("building the circuits, from which the addresses follow");
    let folder = Folder::new().or_fail(Exit::Failed, "building the fold circuit")?;
    deployment(&seal::program(&seal::sealer(&folder, &SealLayers::PRODUCTION)?)?)
}

/// The contracts of a program.
///
/// # Errors
/// When it does not fit contracts.
pub fn deployment(program: &Program) -> Result<Deployment, Failure> {
    Deployment::new(&program.data, &program.parts).or_fail(Exit::Failed, "the contracts")
}

fn show(arguments: &ShowArguments, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    let provider = arguments.l1.as_deref().map(|url| connect(url, None)).transpose()?;
    let deployment = contracts()?;
    let standing = match &provider {
        Some(provider) => Some(runtime.block_on(deployment.standing(provider)).or_fail(Exit::Failed, "asking the L1")?),
        None => None,
    };
    let stands = |i: usize| standing.as_ref().and_then(|standing| standing.get(i).copied());
    let contracts = deployment.contracts().iter().enumerate();
    print_result(if arguments.json {
        let contracts: Vec<Value> = contracts
            .map(|(i, contract)| json!({ "name": contract.name, "address": contract.address, "stands": stands(i) }))
            .collect();
        json!({ "hub": deployment.hub(), "contracts": contracts }).to_string()
    } else {
        let word = |stands: Option<bool>| stands.map_or("", |stands| if stands { "stands" } else { "not deployed" });
        let rows =
            contracts.map(|(i, it)| vec![it.name.to_owned(), it.address.to_string(), word(stands(i)).to_owned()]);
        text::table(&rows.collect::<Vec<_>>())
    })
}

fn deploy(arguments: &DeployArguments, runtime: &tokio::runtime::Runtime) -> Result<(), Failure> {
    let signer = read_key(&arguments.key_file)?;
    let provider = connect(&arguments.l1, Some(&signer))?;
    let deployment = contracts()?;
    let mut made = Vec::new();
    let mut tell = |contract: &Contract, transaction: Option<TxHash>| {
        let how = transaction.map_or_else(|| "stood already".to_owned(), |hash| format!("by {hash}"));
        eprintln!("{} at {}: {how}", contract.name, contract.address);
        made.push(json!({ "name": contract.name, "address": contract.address, "transaction": transaction }));
    };
    let outcome = runtime.block_on(deployment.deploy(&provider, signer.address(), &mut tell));
    outcome.or_fail(Exit::Failed, "the same command goes on; this run")?;
    print_result(if arguments.json {
        json!({ "hub": deployment.hub(), "contracts": made }).to_string()
    } else {
        format!("the hub is at {}", deployment.hub())
    })
}
