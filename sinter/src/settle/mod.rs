//! `sinter settle`: seals to the hub on L1, when gas is cheap enough.

mod arguments;
mod progress;
mod time;

pub use arguments::SettleArguments;

use crate::{
    exit::{Exit, Failure, OrFail, print_result},
    l1::connect,
    metrics,
    relayer::read_key,
    signals,
};
use alloy::{primitives::Bytes, providers::Provider};
use progress::{Progress, summary};
use sinter_ops::metrics::Machine;
use sinter_settlement::seals::{Depth, FeePolicy, SealState, SealSubmitter, SealsConfig, SealsStatus};
use std::{fs::File, io::Read, path::Path, time::Duration};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// Far more than fits a transaction, so that what is too long is named by the submitter.
const SEAL_BYTES_MAX: u64 = 1 << 20;

/// Carries the command out.
///
/// # Errors
/// When the input is wrong, waiting cannot help, a seal is refused, or a signal came before all were settled.
pub fn run(arguments: &SettleArguments) -> Result<(), Failure> {
    // The lines below tell a person what happens; RUST_LOG adds the rest.
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::OFF.into()).from_env_lossy();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(filter).init();
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(settle(arguments))
}

async fn settle(arguments: &SettleArguments) -> Result<(), Failure> {
    let _metrics = metrics::serve(Machine::Aggregator, arguments.metrics).await?;
    let seals = arguments.seals.iter().map(|file| read_seal(file)).collect::<Result<Vec<_>, _>>()?;
    let submitter = SealSubmitter::open(config(arguments).await?, &seals).or_fail(Exit::Usage, "")?;
    let mut status = submitter.status();
    let names = arguments.seals.iter().map(|file| file.display().to_string()).collect();
    let mut progress = Progress::new(names, arguments.deadline);
    let running = submitter.run(async {
        if let Err(error) = signals::interrupted().await {
            tracing::error!(%error, "no signal handlers");
        }
    });
    tokio::pin!(running);
    let outcome = loop {
        tokio::select! {
            outcome = &mut running => break outcome,
            // It cannot end before the submitter does, which is waited for here, too.
            Ok(()) = status.changed() => tell(&mut progress, &status.borrow_and_update()),
        }
    };
    let status = status.borrow().clone();
    tell(&mut progress, &status);
    if arguments.json {
        print_result(summary(&status, &progress, seals.len()))?;
    }
    outcome.or_fail(Exit::Failed, "")?;
    verdict(&status)
}

fn tell(progress: &mut Progress, status: &SealsStatus) {
    for line in progress.lines(status) {
        eprintln!("{line}");
    }
}

fn verdict(status: &SealsStatus) -> Result<(), Failure> {
    let count = |test: fn(&SealState) -> bool| status.seals.iter().filter(|seal| test(&seal.state)).count();
    let (all, settled) = (status.seals.len(), count(|state| matches!(state, SealState::Settled)));
    let refused = count(|state| matches!(state, SealState::Refused(_)));
    if status.is_settled() {
        Ok(())
    } else if settled + refused == all && all > 0 {
        Err(Failure::new(Exit::Refused, format!("{refused} of {all} seals were not sent")))
    } else {
        let message = format!("stopped with {settled} of {all} seals settled; the same command goes on");
        Err(Failure::new(Exit::Failed, message))
    }
}

async fn config(arguments: &SettleArguments) -> Result<SealsConfig, Failure> {
    let signer = read_key(&arguments.key_file)?;
    let provider = connect(&arguments.l1, None)?;
    std::fs::create_dir_all(&arguments.data_dir).or_fail(Exit::Usage, arguments.data_dir.display())?;
    let journal = arguments.data_dir.join("settle.journal");
    let l1_chain_id = match arguments.l1_chain_id {
        Some(id) => id,
        None => provider.get_chain_id().await.or_fail(Exit::Failed, "asking the L1 for its chain id")?,
    };
    let fees = FeePolicy {
        target_wei: arguments.target_fee,
        deadline_ms: arguments.deadline,
        ..FeePolicy::at_once(arguments.fee_ceiling)
    };
    let usual = SealsConfig::new(arguments.l1.clone(), l1_chain_id, arguments.hub, signer, journal);
    let depth = arguments.confirmations.map_or(Depth::Finalized, Depth::Blocks);
    // A development L1 has a block a second.
    let poll = if l1_chain_id == 1 { usual.poll } else { Duration::from_secs(1) };
    Ok(SealsConfig { fees, depth, poll, ..usual })
}

fn read_seal(file: &Path) -> Result<Bytes, Failure> {
    let what = format!("seal {}", file.display());
    let mut bytes = Vec::new();
    let opened = File::open(file).or_fail(Exit::Usage, &what)?;
    opened.take(SEAL_BYTES_MAX + 1).read_to_end(&mut bytes).or_fail(Exit::Usage, &what)?;
    match bytes.len() as u64 {
        1..=SEAL_BYTES_MAX => Ok(bytes.into()),
        0 => Err(Failure::new(Exit::Usage, format!("{what}: expected a seal, got no bytes"))),
        _ => Err(Failure::new(Exit::Usage, format!("{what}: expected at most {SEAL_BYTES_MAX} bytes, got more"))),
    }
}
