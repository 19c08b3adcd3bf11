//! `sinter rollup`: a rollup's node, and its contract on the L1.

mod config;
mod kind;

pub use config::{AggregatorTable, L1Table, RollupFile};
pub use kind::{CapacityTable, Kind};

use crate::{
    chain,
    config::{RunArguments, load, lower_priority, read_line, start_log},
    exit::{Exit, Failure, OrFail, print_result},
    metrics::install,
    relayer::read_key,
    signals,
    trace::transaction_id,
};
use alloy::primitives::{Address, B256};
use axum::{
    Json, Router,
    extract::{Path as UrlPath, State},
    http::StatusCode,
    routing::get,
};
use clap::{Args, Subcommand};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sinter_counter::Counter;
use sinter_ledger::Ledger;
use sinter_ops::{metrics::Machine, page};
use sinter_primitives::{Namespace, receipt::TrustedNetwork};
use sinter_program::field::digest_bytes;
use sinter_prover::Wrapper;
use sinter_rollup::{Application, Prover};
use sinter_rollup_node::{
    Aggregator, Config, RollupContract, RollupNode, RollupViews, Sequencers, Status, aggregator::Terms, contract::Site,
    status, told, trace::Sources,
};
use sinter_settlement::advances::AdvancerConfig;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// `sinter rollup …`.
#[derive(Debug, Subcommand)]
pub enum RollupCommand {
    /// Follow a rollup's lane, prove it, and settle it until SIGINT or SIGTERM
    Run(RunArguments),
    /// Deploy a rollup's contract on the L1, and print where it stands
    Deploy(DeployArguments),
}

/// `sinter rollup deploy`.
#[derive(Debug, Args)]
pub struct DeployArguments {
    /// Which rules
    #[arg(long, value_enum)]
    pub kind: Kind,
    /// The rollup's lane
    #[arg(long, value_name = "N")]
    pub namespace: u64,
    /// The network's chain.toml
    #[arg(long, value_name = "FILE")]
    pub chain: PathBuf,
    /// The L1's RPC
    #[arg(long, value_name = "URL")]
    pub l1: String,
    /// The hub that knows the rollup's statements: `sinter hub show`
    #[arg(long, value_name = "ADDRESS")]
    pub hub: Address,
    /// File with the hex private key of the account that pays, mode 0600
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// The room of one statement: how many powers of two of cycles, hashes and words
    #[command(flatten)]
    pub capacity: kind::CapacityArguments,
}

/// Carries the command out.
///
/// # Errors
/// When the configuration is wrong, or what it names cannot be used.
pub fn run(command: &RollupCommand) -> Result<(), Failure> {
    match command {
        RollupCommand::Run(arguments) => serve(arguments),
        RollupCommand::Deploy(arguments) => deploy(arguments),
    }
}

/// The id under which contracts know a program.
///
/// # Errors
/// When its wrap circuit cannot be built.
pub fn program_id(prover: &Prover) -> Result<B256, Failure> {
    let wrapper = Wrapper::new(prover.program()).or_fail(Exit::Failed, "the circuit that wraps a rollup's program")?;
    Ok(B256::from(digest_bytes(wrapper.program_id())))
}

/// Where a rollup of a network settles.
///
/// # Errors
/// When the chain file names no light client.
pub fn site(chain: &sinter_primitives::Chain, hub: Address) -> Result<Site, Failure> {
    let light_client = chain.file.l1.light_client.parse().or_fail(Exit::Usage, "chain.toml: `l1.light_client`")?;
    Ok(Site { l1_chain_id: chain.file.l1.chain_id, hub, light_client, chain_id: chain.file.chain_id })
}

fn deploy(arguments: &DeployArguments) -> Result<(), Failure> {
    let DeployArguments { kind, namespace, l1, hub, .. } = arguments;
    let site = site(&chain::load(&arguments.chain)?, *hub)?;
    let signer = read_key(&arguments.key_file)?;
    let capacity = arguments.capacity.table(*kind);
    let id = program_id(&*kind.prover(&capacity)?)?;
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let deployed = RollupContract::deploy(l1.clone(), signer, &site, Namespace(*namespace), id, kind.genesis());
    let (contract, _) = runtime.block_on(deployed).or_fail(Exit::Failed, "deploying")?;
    print_result(json!({ "contract": contract.views.address, "program_id": id, "capacity": capacity }))
}

fn serve(arguments: &RunArguments) -> Result<(), Failure> {
    let (file, folder) = load::<RollupFile>(&arguments.config)?;
    start_log(&file.log, arguments.log_format)?;
    lower_priority(file.niceness);
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let outcome = runtime.block_on(async {
        let stop = CancellationToken::new();
        let node = async {
            match file.kind {
                Kind::Ledger => node(&file, &folder, Ledger::default(), kind::describe_ledger, stop.clone()).await,
                Kind::Counter => node(&file, &folder, Counter::default(), kind::describe_counter, stop.clone()).await,
            }
        };
        tokio::select! {
            outcome = node => outcome,
            reason = signals::told_to_stop(arguments.stop_with_input) => {
                tracing::info!(reason, "stopping");
                // Wherever it is: what is done is on the disk.
                Ok(())
            }
        }
    });
    // A proof that is being made is made again: what it proves is still there.
    runtime.shutdown_background();
    outcome
}

async fn node<A>(
    file: &RollupFile,
    folder: &Path,
    application: A,
    describe: fn(&A) -> Value,
    stop: CancellationToken,
) -> Result<(), Failure>
where
    A: Application + Clone + Serialize + DeserializeOwned + Send + 'static,
{
    let numbers = install().or_fail(Exit::Failed, "")?;
    status::describe();
    let chain = chain::load(&folder.join(&file.chain))?;
    let site = site(&chain, file.l1.hub)?;
    let signer = read_key(&folder.join(&file.l1.key_file))?;
    let token = read_line(&folder.join(&file.aggregator.token_file))?;
    let aggregator = match &file.aggregator.certificate {
        Some(certificate) => {
            let path = folder.join(certificate);
            let pem = std::fs::read(&path).or_fail(Exit::Usage, path.display())?;
            Aggregator::signed_by(&file.aggregator.url, &token, &pem)
        }
        None => Aggregator::new(&file.aggregator.url, &token),
    };
    let directory = folder.join(&file.data_dir);
    let journal = directory.join("l1.json");
    let config = Config {
        name: file.name.clone(),
        namespace: file.namespace,
        network: TrustedNetwork::from(&chain),
        sequencers: Sequencers::new(&file.sequencers).or_fail(Exit::Usage, "")?,
        contract: RollupViews::new(file.l1.url.clone(), file.l1.contract),
        hub: file.l1.hub,
        advances: AdvancerConfig {
            fee_ceiling_wei: u128::from(file.l1.fee_ceiling_gwei) * 1_000_000_000,
            confirmations: file.l1.confirmations,
            ..AdvancerConfig::new(file.l1.url.clone(), site.l1_chain_id, file.l1.contract, signer, journal)
        },
        light_client: site.light_client,
        l1_origin: chain.file.l1.origin.number,
        confirmations: file.l1.confirmations,
        aggregator: aggregator.or_fail(Exit::Usage, "")?,
        terms: Terms {
            deadline_ms: file.aggregator.deadline_ms,
            price_gwei: file.aggregator.price_gwei,
            priority: file.aggregator.priority,
        },
        directory,
        statement_wait: Duration::from_millis(file.statement_wait_ms),
        statement_transactions: file.statement_transactions,
        pays_out: file.l1.pays_out,
        poll: Duration::from_millis(file.poll_ms),
    };
    let genesis = RollupContract::genesis(&site, file.l1.contract, file.namespace, application.word());
    let prover = file.kind.prover(&file.capacity.unwrap_or(file.kind.capacity()))?;
    let told = config.clone();
    let node = RollupNode::open(config, prover, &genesis, application, describe).or_fail(Exit::Usage, "")?;
    let listener =
        TcpListener::bind(file.listen).await.or_fail(Exit::Usage, format_args!("`listen`: {}", file.listen))?;
    tracing::info!(name = file.name, listen = %file.listen, contract = %file.l1.contract, "the rollup's node is up");
    let render = numbers.clone();
    let shown = Arc::new(Shown { status: node.status(), config: told });
    let routes = Router::new()
        .route("/status", get(async |State(shown): State<Arc<Shown>>| Json(shown.status.borrow().clone())))
        .route("/trace/{id}", get(trace))
        .route("/metrics", get(move || std::future::ready(numbers.render())))
        .with_state(shown)
        .merge(page::routes(Machine::Rollup, Arc::new(move || render.render())));
    tokio::select! {
        () = node.run(stop) => Ok(()),
        outcome = axum::serve(listener, routes) => outcome.or_fail(Exit::Failed, "serving the status"),
    }
}

/// What a node shows over HTTP.
struct Shown {
    status: watch::Receiver<Status>,
    config: Config,
}

/// A transaction's trail, as far as it has come: what `sinter trace --json` prints.
async fn trace(State(shown): State<Arc<Shown>>, UrlPath(id): UrlPath<String>) -> (StatusCode, Json<Value>) {
    let problem = |status, message: String| (status, Json(json!({ "message": message })));
    let id = match transaction_id(&id) {
        Ok(id) => id,
        Err(failure) => return problem(StatusCode::BAD_REQUEST, failure.to_string()),
    };
    let Shown { status, config } = &*shown;
    let status = status.borrow().clone();
    let sources = Sources {
        sequencers: &config.sequencers,
        contract: Some(&config.contract),
        l1_origin: config.l1_origin,
        rollup: Some(&status),
        aggregator: Some(&config.aggregator),
        verify: false,
    };
    match sources.trace(&id).await {
        Ok(trail) => (StatusCode::OK, Json(json!(trail))),
        Err(error) => problem(StatusCode::BAD_GATEWAY, told(&error)),
    }
}
