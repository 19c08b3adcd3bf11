//! `sinter trace`: a transaction's way, from a client to the L1.

use crate::{
    chain::load,
    config::read_line,
    exit::{Exit, Failure, OrFail, print_result},
};
use alloy::primitives::Address;
use clap::Args;
use sinter_primitives::{Digest, TransactionId};
use sinter_rollup_node::{
    Aggregator, RollupViews, Sequencers, Status,
    trace::{Sources, Step, Trail},
};
use std::{path::PathBuf, time::Duration};

/// How long a rollup's node has to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// `sinter trace`.
#[derive(Debug, Args)]
pub struct TraceArguments {
    /// The transaction's id: 0x and 64 hex digits
    #[arg(value_name = "TRANSACTION_ID")]
    pub id: String,
    /// Members' RPCs
    #[arg(long, value_name = "URL", required = true, num_args = 1..)]
    pub rpc: Vec<String>,
    /// The L1's RPC
    #[arg(long, value_name = "URL", requires = "contract")]
    pub l1: Option<String>,
    /// The rollup's contract there
    #[arg(long, value_name = "ADDRESS", requires = "l1")]
    pub contract: Option<Address>,
    /// The network's chain.toml: says from which L1 block on to look
    #[arg(long, value_name = "FILE")]
    pub chain: Option<PathBuf>,
    /// The rollup's node, which knows when a statement was proved
    #[arg(long, value_name = "URL")]
    pub rollup: Option<String>,
    /// The appliance, which knows when a batch was folded and sealed
    #[arg(long, value_name = "URL", requires = "token_file")]
    pub aggregator: Option<String>,
    /// File with the account's token there
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Check every link, trusting nothing but the L1 and the contract's address
    #[arg(long, requires = "l1")]
    pub verify: bool,
    /// Print one JSON object, with every proof
    #[arg(long)]
    pub json: bool,
}

/// Carries the command out.
///
/// # Errors
/// With [`Exit::Refused`] when a link does not hold, or is not there yet and was to be checked.
pub fn run(arguments: &TraceArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let trail = runtime.block_on(trace(arguments))?;
    if arguments.json {
        print_result(serde_json::to_string(&trail).or_fail(Exit::Failed, "writing the trail as JSON")?)?;
    } else {
        print_result(as_text(&trail))?;
    }
    match &trail.waits_for {
        Some(waits_for) if arguments.verify => {
            Err(Failure::new(Exit::Refused, format!("the trail ends before the L1: it waits for {waits_for}")))
        }
        _ => Ok(()),
    }
}

/// A transaction's id from its digits.
///
/// # Errors
/// When they are none.
pub fn transaction_id(text: &str) -> Result<TransactionId, Failure> {
    let mut bytes = [0; 32];
    match hex::decode_to_slice(text.trim_start_matches("0x"), &mut bytes) {
        Ok(()) => Ok(Digest(bytes)),
        Err(_) => Err(Failure::new(Exit::Usage, format!("expected 0x and 64 hex digits, got {text:?}"))),
    }
}

async fn trace(arguments: &TraceArguments) -> Result<Trail, Failure> {
    let id = transaction_id(&arguments.id)?;
    let sequencers = Sequencers::new(&arguments.rpc).or_fail(Exit::Usage, "")?;
    let contract = arguments.l1.clone().zip(arguments.contract).map(|(url, address)| RollupViews::new(url, address));
    let l1_origin = match &arguments.chain {
        Some(file) => load(file)?.file.l1.origin.number,
        None => 0,
    };
    let rollup = match &arguments.rollup {
        Some(url) => Some(status(url).await.or_fail(Exit::Failed, format_args!("--rollup: {url}"))?),
        None => None,
    };
    let aggregator = match (&arguments.aggregator, &arguments.token_file) {
        (Some(url), Some(file)) => Some(Aggregator::new(url, &read_line(file)?).or_fail(Exit::Usage, "")?),
        _ => None,
    };
    let sources = Sources {
        sequencers: &sequencers,
        contract: contract.as_ref(),
        l1_origin,
        rollup: rollup.as_ref(),
        aggregator: aggregator.as_ref(),
        verify: arguments.verify,
    };
    sources.trace(&id).await.map_err(|error| {
        let exit = if error.is_refusal() { Exit::Refused } else { Exit::Failed };
        Failure::because(exit, "", &error)
    })
}

/// What a rollup's node tells of itself.
///
/// # Errors
/// When it does not answer.
pub async fn status(url: &str) -> Result<Status, reqwest::Error> {
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).build()?;
    let answer = client.get(format!("{}/status", url.trim_end_matches('/'))).send().await?.error_for_status()?;
    answer.json().await
}

/// A line for each step: when, after the first one, and what shows it.
pub fn as_text(trail: &Trail) -> String {
    let first_ms = trail.steps.iter().find_map(|step| step.at_ms);
    let mut lines = vec![format!("transaction 0x{}", trail.transaction)];
    for step in &trail.steps {
        let when = match (step.at_ms, first_ms) {
            (Some(at_ms), Some(first_ms)) => {
                format!("{:>+10.3} s", (i128::from(at_ms) - i128::from(first_ms)) as f64 / 1000.0)
            }
            _ => format!("{:>12}", "-"),
        };
        lines.push(format!("  {:<10}{when}   {}", step.step, shown(step)).trim_end().to_owned());
        lines.extend(step.checked.iter().map(|checked| format!("{:>27}checked: {checked}", "")));
    }
    if let Some(waits_for) = &trail.waits_for {
        lines.push(format!("  waits for {waits_for}"));
    } else if trail.verified {
        lines.push("  every link holds, from the transaction to the L1".into());
    }
    lines.join("\n")
}

/// What of a step's proof fits a line.
fn shown(step: &Step) -> String {
    let keys: &[&str] = match step.step.as_str() {
        "notarized" => &["height", "index"],
        "proved" => &["height", "offset", "program_id", "proving_ms"],
        "folded" => &["depth", "index", "root", "batch"],
        "settled" => &["statements", "transaction", "gas_used", "gas_share"],
        "advanced" => &["contract", "transaction", "gas_used", "gas_share"],
        _ => &[],
    };
    let pairs = keys.iter().filter_map(|key| {
        let value = step.proof.get(key).filter(|value| !value.is_null())?;
        Some(format!("{key} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    pairs.collect::<Vec<_>>().join("  ")
}
