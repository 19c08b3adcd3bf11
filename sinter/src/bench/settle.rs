//! `sinter bench settle`: what a batch's settlement costs on the L1, and what its seal takes.

use super::light_client;
use crate::{
    aggregation::{seal, text},
    exit::{Exit, Failure, OrFail, print_result},
};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use sinter_program::ProofFile;
use sinter_prover::{CpuProver, Folder, aggregate::tree::null_statement, stages::peak_memory_bytes};
use sinter_seal::{evm::Program, sealer::SealLayers};
use sinter_settlement::{
    dev_l1::TRANSACTION_BYTES_MAX,
    hub::settle_call,
    seal::{Bench, Profile},
};
use std::collections::BTreeMap;

/// Seats of the committee whose certificate is posted.
const SEATS: u8 = 64;
/// The statements that the promise is about.
const PROMISED: u32 = 256;

/// `sinter bench settle`.
#[derive(Clone, Debug, Args)]
pub struct SettleArguments {
    /// Numbers of statements to seal, powers of two of at least 2
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "256", value_parser = statements)]
    pub statements: Vec<u32>,
}

fn statements(text: &str) -> Result<u32, String> {
    let count: u32 = text.parse().map_err(|_| format!("expected a number, got `{text}`"))?;
    let fits = count.is_power_of_two() && (2..=1024).contains(&count);
    if fits { Ok(count) } else { Err(format!("expected a power of two from 2 to 1024, got {count}")) }
}

/// What settling one batch costs.
#[derive(Debug, Serialize)]
struct Batch {
    statements: u32,
    /// The transaction that settles the batch: the floor of EIP-7623, or what its parts cost, whichever is more.
    gas: u64,
    gas_per_statement: f64,
    calldata_bytes: usize,
    transactions: usize,
    seal_wall_s: f64,
    steps_s: Value,
    build_s: f64,
    gas_by_part: Parts,
    bytes_by_part: BTreeMap<&'static str, usize>,
    proven_bits: f64,
}

/// The gas of a transaction that settles a batch, by part.
#[derive(Debug, Serialize)]
struct Parts {
    /// The transaction itself and its calldata.
    calldata: u64,
    #[serde(flatten)]
    verification: Profile,
    /// What the hub does with the root.
    statements: u64,
}

/// Measures and prints one JSON object; progress goes to standard error.
///
/// # Errors
/// When a seal cannot be made, or the contract refuses it.
pub fn run(arguments: &SettleArguments) -> Result<(), Failure> {
    let folder = Folder::new().or_fail(Exit::Failed, "building the fold circuit")?;
    let mut report = Map::new();
    let mut batches = Vec::new();
    for &count in &arguments.statements {
        let batch = measure(&folder, count)?;
        eprintln!("{count} statements: {} gas, {} bytes, {} s", batch.gas, batch.calldata_bytes, batch.seal_wall_s);
        if count == PROMISED {
            report.insert(format!("gas_{count}"), batch.gas.into());
            report.insert(format!("calldata_bytes_{count}"), batch.calldata_bytes.into());
            report.insert(format!("transactions_{count}"), batch.transactions.into());
            report.insert("gas_per_statement".into(), batch.gas_per_statement.into());
            report.insert("seal_wall_s".into(), batch.seal_wall_s.into());
        }
        batches.push(batch);
    }
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting tokio")?;
    let light_client_gas = runtime.block_on(light_client::post_gas(SEATS))?;
    report.insert(format!("light_client_gas_{SEATS}"), light_client_gas.into());
    report.insert("batches".into(), serde_json::to_value(batches).or_fail(Exit::Failed, "writing the report")?);
    report.insert("peak_rss_mb".into(), (peak_memory_bytes().unwrap_or(0) as f64 / 1e6).into());
    print_result(Value::Object(report))
}

/// A root over `count` null statements: the two halves are the same proof.
fn root(folder: &Folder<'static>, count: u32) -> Result<ProofFile, Failure> {
    let mut node = folder.null(&CpuProver).or_fail(Exit::Failed, "the null proof")?;
    for _ in 0..count.trailing_zeros() {
        node = folder.fold(&CpuProver, &node, &node).or_fail(Exit::Failed, "folding")?.0;
    }
    Ok(node)
}

fn measure(folder: &Folder<'static>, count: u32) -> Result<Batch, Failure> {
    eprintln!("folding {count} statements");
    let root = root(folder, count)?;
    let statement = null_statement(folder).or_fail(Exit::Failed, "the null statement")?;
    let list = vec![statement; count as usize];
    let sealed = seal::seal(folder, &root, &list, &SealLayers::PRODUCTION, &mut |what| eprintln!("{what}"))?;
    let Program { data, parts } = &sealed.program;
    let mut bench = Bench::new(data, parts).or_fail(Exit::Failed, "deploying the verifier")?;
    let (claim, gas) = bench.verify(&sealed.bytes).or_fail(Exit::Failed, "verifying in the EVM")?;
    if claim != Ok((sealed.claim.root.into(), sealed.claim.count)) {
        return Err(Failure::new(Exit::Failed, format!("the contract answers {claim:?}")));
    }
    let root = sealed.claim.root.into();
    let settled = bench.settle(root, &sealed.bytes).or_fail(Exit::Failed, "settling in the EVM")?;
    let verification = bench.profile(&sealed.bytes).or_fail(Exit::Failed, "measuring in the EVM")?;
    let statements = settled.execution.saturating_sub(gas.execution);
    let gas_by_part = Parts { calldata: settled.calldata, verification, statements };
    let calldata_bytes = settle_call(root, sealed.bytes.clone().into()).len();
    Ok(Batch {
        statements: count,
        gas: settled.transaction,
        gas_per_statement: settled.transaction as f64 / f64::from(count),
        calldata_bytes,
        transactions: calldata_bytes.div_ceil(TRANSACTION_BYTES_MAX),
        seal_wall_s: text::seconds(sealed.wall()),
        steps_s: sealed.steps(),
        build_s: text::seconds(sealed.build),
        gas_by_part,
        bytes_by_part: sealed.bytes_by_part,
        proven_bits: sealed.proven_bits,
    })
}
