//! `sinter aggregator`: the proof-aggregation appliance.

pub mod config;
mod gpus;

pub use config::{AggregatorFile, BatchTable, L1Table};

use crate::{
    config::{RunArguments, load, lower_priority, start_log, write_secret},
    exit::{Exit, Failure, OrFail, print_result},
    metrics::{self, MetricsArguments},
    signals,
};
use clap::{Args, Subcommand};
use serde::Serialize;
use sinter_ops::metrics::Machine;
use sinter_seal::sealer::SealLayers;
use sinter_service::{
    Account, BatchId, Blobs, JobId, Provers, Queue, Service, intake,
    intake::{Client, Listener, Quic, Tls},
    metrics as numbers, provers, queue, scheduler,
    submitter::watch_gas,
    worker,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// How long requests and leases have when the appliance is stopped.
const FAREWELL: Duration = Duration::from_secs(5);

/// `sinter aggregator …`.
#[derive(Debug, Subcommand)]
pub enum AggregatorCommand {
    /// Take proofs in, fold, seal and settle them until SIGINT or SIGTERM
    Run(RunArguments),
    /// Make a token for an account, and print what the configuration file says of it
    Token(TokenArguments),
    /// The GPUs of this machine: what they offer, whether they compute what they should, how fast they are
    Gpus(gpus::GpusArguments),
    /// Have something tried again that was set aside: a batch that is stuck, or a job in quarantine
    Retry(RetryArguments),
}

/// `sinter aggregator retry`.
#[derive(Debug, Args)]
pub struct RetryArguments {
    /// The appliance's configuration file; the appliance may run
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A batch that is stuck: it is sealed again
    #[arg(long, value_name = "N", required_unless_present = "job", conflicts_with = "job")]
    pub batch: Option<i64>,
    /// A job in quarantine: it is verified and wrapped again
    #[arg(long, value_name = "N")]
    pub job: Option<i64>,
}

/// `sinter aggregator token`.
#[derive(Debug, Args)]
pub struct TokenArguments {
    /// The account's name: a-z, 0-9, `-`, `_`, `.`
    #[arg(value_name = "ACCOUNT")]
    pub account: String,
    /// Where the token goes; nobody else may read that file
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,
    /// Bytes that the account may send a second
    #[arg(long, value_name = "N", default_value_t = 10_000_000)]
    pub bytes_per_second: u64,
}

/// Carries the command out.
///
/// # Errors
/// When the configuration is wrong, or what it names cannot be used.
pub fn run(command: &AggregatorCommand) -> Result<(), Failure> {
    match command {
        AggregatorCommand::Run(arguments) => serve(arguments),
        AggregatorCommand::Token(arguments) => make_token(arguments),
        AggregatorCommand::Gpus(arguments) => gpus::run(arguments),
        AggregatorCommand::Retry(arguments) => retry(arguments),
    }
}

/// A new token in a file, and the account as the configuration has it.
///
/// # Errors
/// When the account's name is none, or the file exists or cannot be written.
pub fn new_client(account: &str, output: &Path, bytes_per_second: u64) -> Result<Client, Failure> {
    let account = Account::new(account).or_fail(Exit::Usage, "the account")?;
    let (token, token_sha256) = intake::new_token();
    write_secret(output, &token)?;
    Ok(Client { account, token_sha256, bytes_per_second })
}

fn make_token(arguments: &TokenArguments) -> Result<(), Failure> {
    /// A piece of the configuration.
    #[derive(Serialize)]
    struct Clients {
        clients: [Client; 1],
    }
    let client = new_client(&arguments.account, &arguments.output, arguments.bytes_per_second)?;
    let text = toml::to_string(&Clients { clients: [client] }).or_fail(Exit::Failed, "writing TOML")?;
    print_result(text.trim_end())
}

fn retry(arguments: &RetryArguments) -> Result<(), Failure> {
    let (file, folder) = load::<AggregatorFile>(&arguments.config)?;
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    runtime.block_on(async {
        let queue = open_queue(&file, &folder.join(&file.data_dir)).await?;
        if let Some(batch) = arguments.batch {
            queue.retry_batch(BatchId(batch)).await.or_fail(Exit::Usage, "")?;
            print_result(format_args!("batch {batch} is sealed again"))?;
        }
        if let Some(job) = arguments.job {
            queue.release_job(JobId(job)).await.or_fail(Exit::Usage, "")?;
            print_result(format_args!("job {job} is tried again"))?;
        }
        queue.close().await;
        Ok(())
    })
}

/// The queue of a configuration.
async fn open_queue(file: &AggregatorFile, data_dir: &Path) -> Result<Queue, Failure> {
    let url = file.queue.clone().unwrap_or_else(|| queue::sqlite_url(&data_dir.join("queue.sqlite")));
    let places_max = file.batch.places_max.into();
    let options = queue::Options { places_max, lease_ms: file.lease_ms, ..queue::Options::default() };
    Queue::open(&url, options).await.or_fail(Exit::Failed, "`queue`")
}

fn serve(arguments: &RunArguments) -> Result<(), Failure> {
    let (file, folder) = load::<AggregatorFile>(&arguments.config)?;
    start_log(&file.log, arguments.log_format)?;
    lower_priority(file.niceness);
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let stop = CancellationToken::new();
    let outcome = runtime.block_on(async {
        let mut running = Box::pin(appliance(file, folder, stop.clone()));
        tokio::select! {
            outcome = &mut running => outcome,
            reason = signals::told_to_stop(arguments.stop_with_input) => {
                tracing::info!(reason, "stopping");
                stop.cancel();
                // Requests are answered and leases given back; a proof that is being made is not waited for.
                tokio::time::timeout(FAREWELL, running).await.unwrap_or(Ok(()))
            }
        }
    });
    // Its task is somebody's again when its lease has ended.
    runtime.shutdown_background();
    outcome
}

/// Where the interface is listened for.
async fn listen(file: &AggregatorFile, folder: &Path) -> Result<Listener, Failure> {
    let tls = match &file.tls {
        Some(tls) => {
            Some(Tls::read(&folder.join(&tls.certificate), &folder.join(&tls.key)).or_fail(Exit::Usage, "`tls`")?)
        }
        None => None,
    };
    let quic = match (file.listen_quic, &tls) {
        (None, _) => None,
        (Some(address), Some(tls)) => {
            Some(Quic::bind(address, tls).or_fail(Exit::Usage, format_args!("`listen_quic`: {address}"))?)
        }
        (Some(_), None) => {
            return Err(Failure::new(
                Exit::Usage,
                "`listen_quic`: expected `tls` with a certificate and its key, got none",
            ));
        }
    };
    let listener = Listener::bind(file.listen, tls).await;
    let listener = listener.or_fail(Exit::Usage, format_args!("`listen`: {}", file.listen))?;
    Ok(match quic {
        Some(quic) => listener.and(quic),
        None => listener,
    })
}

async fn appliance(file: AggregatorFile, folder: PathBuf, stop: CancellationToken) -> Result<(), Failure> {
    let _metrics = metrics::serve(Machine::Aggregator, MetricsArguments { address: file.metrics }).await?;
    numbers::describe();
    let data_dir = folder.join(&file.data_dir);
    std::fs::create_dir_all(&data_dir).or_fail(Exit::Usage, format_args!("`data_dir`: {}", data_dir.display()))?;
    let queue = open_queue(&file, &data_dir).await?;
    let blobs = match &file.bucket {
        Some(bucket) => Blobs::s3(bucket, file.body_bytes_max),
        None => Blobs::local(&data_dir.join("blobs"), file.body_bytes_max),
    };
    let blobs = blobs.or_fail(Exit::Usage, "the store of proofs")?;
    let settle = file.l1.as_ref().map(|l1| l1.config(&folder, &data_dir)).transpose()?;
    let listener = listen(&file, &folder).await?;

    let seal = if file.development_seal { SealLayers::DEV } else { SealLayers::PRODUCTION };
    let options = provers::Options { seal, ..provers::Options::default() };
    let pipelines = data_dir.join("pipelines");
    std::fs::create_dir_all(&pipelines).or_fail(Exit::Usage, format_args!("`data_dir`: {}", pipelines.display()))?;
    let device = sinter_shaders::Options {
        budget_bytes: file.gpu_memory_bytes,
        pipelines: Some(pipelines),
        ..sinter_shaders::Options::default()
    };
    let (prove, gpus) = Provers::wanted(&file.prover, device, options)
        .or_fail(Exit::Usage, format_args!("`prover = \"{}\"`", file.prover))?;
    let prove = Arc::new(prove);
    numbers::gpus(gpus.len());
    match &gpus[..] {
        [] => tracing::info!(wanted = %file.prover, "proving on the processor"),
        gpus => tracing::info!(wanted = %file.prover, ?gpus, "proving on GPUs, with the processor behind them"),
    }
    tracing::info!("building the fold circuit");
    let built = prove.clone();
    let at_once = file.proofs_at_once.unwrap_or((2 * gpus.len() as u32).max(1));
    let known = tokio::task::spawn_blocking(move || Ok((built.prover_bytes(at_once)?, built.null_statement()?))).await;
    let known: Result<_, sinter_service::Fault> = known.or_fail(Exit::Failed, "building the fold circuit")?;
    let (prover_bytes, null_statement) = known.or_fail(Exit::Failed, "the fold circuit")?;

    let name = file.name.clone().unwrap_or_else(|| format!("{}-{}", file.listen, std::process::id()));
    let intake = intake::Options {
        policy: file.admission(prover_bytes),
        clients: file.clients.clone(),
        body_bytes_max: file.body_bytes_max,
        null_statement: Some(null_statement),
        ..intake::Options::default()
    };
    let scheduler = scheduler::Options { batches: file.batch.policy(), ..scheduler::Options::default() };
    let address = listener.local_addr().or_fail(Exit::Failed, "`listen`")?;
    let (encrypted, quic) = (file.tls.is_some(), file.listen_quic);
    tracing::info!(%address, ?quic, name, settles = settle.is_some(), encrypted, "the appliance is up");
    let worker = worker::Options::new(name).with_proofs_at_once(at_once);
    let (gas, gas_gwei) = watch::channel(None);
    let mut gas_watch = JoinSet::new();
    if let Some(config) = &settle {
        gas_watch.spawn(watch_gas(config.url.clone(), gas, stop.clone()));
    }
    Service { queue, blobs, prove, worker, scheduler, intake, gas_gwei, settle }.run(listener, stop).await;
    Ok(())
}
