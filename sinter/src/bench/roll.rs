//! `sinter bench roll`: a batch of transfers on its whole way, what the appliance adds to proving, and its queue.
//!
//! Four measurements, one after the other: the proof of a batch, with both processors to itself; a devnet, whose wallets send as
//! many transfers to each ledger, without other load; an appliance in this process, whose prover's time is counted; and the
//! intake with a long queue.

use crate::{
    devnet::key_bytes,
    exit::{Exit, Failure, OrFail, print_result},
    rollup::Kind,
};
use clap::Args;
use serde_json::{Value, json};
use sinter_counter::Counter;
use sinter_ledger::{Account as LedgerAccount, Ledger, Outcome, Wallet, transaction::Action};
use sinter_primitives::{
    Namespace, Transaction, TransactionKind,
    accumulator::Position,
    inbox::{Domain, EntryKind, InboxEntry},
};
use sinter_program::{field::digest_bytes, file};
use sinter_prover::CpuProver;
use sinter_rollup::{Application, Block, Lane, State};
use sinter_rollup_node::{Aggregator, aggregator::Terms};
use sinter_seal::sealer::SealLayers;
use sinter_service::{
    Account, Blobs, Fault, Prove, Provers, Queue, Service, bench,
    ids::Hash,
    intake::{self, Client},
    prove::ProgramFile,
    provers, queue, scheduler, worker,
};
use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

/// Proofs in the appliance's batch.
const PROOFS: u8 = 4;
/// Between two looks at it.
const POLL: Duration = Duration::from_millis(5);
/// How long its batch may take.
const SEALED_MAX: Duration = Duration::from_secs(600);

/// `sinter bench roll`.
#[derive(Clone, Debug, Args)]
pub struct RollArguments {
    /// Transfers in the batch: even
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=64))]
    pub transfers: u32,
    /// Jobs that wait while the intake is timed
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub jobs: u64,
    /// Seal the batch with development's parameters: faster, and cheaper on the L1 than what counts
    #[arg(long)]
    pub development_seal: bool,
}

/// Measures, and prints one JSON object.
///
/// # Errors
/// When something does not work.
pub fn run(arguments: &RollArguments) -> Result<(), Failure> {
    let folder = tempfile::tempdir().or_fail(Exit::Failed, "making a temporary directory")?;
    eprintln!("the proof of {} transfers", arguments.transfers);
    let batch_proof = batch_proof(folder.path(), arguments.transfers)?;
    eprintln!("a devnet with {} transfers in each ledger", arguments.transfers);
    let devnet = devnet(arguments)?;
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    eprintln!("an appliance with {PROOFS} proofs");
    let overhead = runtime.block_on(overhead(&folder.path().join("appliance")))?;
    eprintln!("the intake with {} jobs", arguments.jobs);
    let intake_folder = folder.path().join("intake");
    std::fs::create_dir_all(&intake_folder).or_fail(Exit::Failed, intake_folder.display())?;
    let options = bench::Options { jobs: arguments.jobs, ..bench::Options::default() };
    let intake = runtime.block_on(bench::intake(&intake_folder, options)).or_fail(Exit::Failed, "")?;

    let gas_per_statement = devnet["gas_per_statement"].as_u64().unwrap_or_default();
    print_result(json!({
        "batch_proof_s": (batch_proof.as_secs_f64() * 100.0).round() / 100.0,
        "transfers_per_batch": arguments.transfers,
        "send_to_final_ms_p50": devnet["step_latency_ms"]["final"],
        "send_to_settled_s_p50": devnet["send_to_settled_s_p50"],
        "aggregator_overhead": (overhead * 10_000.0).round() / 10_000.0,
        "queue_jobs": intake.queue_jobs,
        "intake_ms_p99": (intake.intake_ms_p99 * 100.0).round() / 100.0,
        "gas_per_transfer": gas_per_statement / u64::from(arguments.transfers),
        "seal_production": devnet["seal_production"],
        "statements": devnet["statements"],
        "step_latency_ms": devnet["step_latency_ms"],
    }))
}

/// What proving a statement of so many transfers takes, beside what is once a process.
fn batch_proof(folder: &Path, transfers: u32) -> Result<Duration, Failure> {
    let prover = Kind::Ledger.prover(&Kind::Ledger.capacity())?;
    let domain = Domain { l1_chain_id: 1, settlement: [2; 20], chain_id: 3, namespace: Namespace(4) };
    let mut ledger = Ledger::default();
    let state = State::genesis(&domain, ledger.word());
    let mut wallets = Vec::new();
    let mut entries = Vec::new();
    for number in 0..2u8 {
        let wallet = Wallet::create(&folder.join(format!("wallet-{number}")), &[number + 1; 32]);
        let wallet = wallet.or_fail(Exit::Failed, "a wallet")?;
        let payload = key_bytes(&wallet);
        entries.push(InboxEntry { kind: EntryKind::Deposit, sender: [3; 20], wei: 1 << 40, deadline: 0, payload });
        wallets.push(wallet);
    }
    let mut transactions = Vec::new();
    for transfer in 0..transfers {
        let from = (transfer % 2) as usize;
        // As it is once the deposit is taken.
        let account = LedgerAccount { key: wallets[from].public(), nonce: 0, base: 0, wei: 0 };
        let action = Action::Transfer { to: 1 - from as u32, wei: 1 };
        let signed = wallets[from].sign(&state.domain, from as u32, &account, action);
        transactions.push(user(&domain, 1, signed.or_fail(Exit::Failed, "signing")?));
    }
    let lane = Lane { blocks: vec![block(&domain, 1, transactions)], entries, ..Lane::default() };
    let statement = prover.statement(&state, &lane, &mut ledger).or_fail(Exit::Failed, "a statement")?;
    let done = ledger.outcomes.iter().filter(|outcome| **outcome == Outcome::Done).count();
    // The two deposits are done, too.
    if !statement.after.is_between_blocks() || done < transfers as usize {
        return Err(Failure::new(Exit::Failed, format!("expected {transfers} transfers in one statement, got {done}")));
    }
    // The first proof makes the key, which is once a process.
    let _ = prover.prove(&CpuProver, &statement).or_fail(Exit::Failed, "a statement's proof")?;
    let started = Instant::now();
    let _ = prover.prove(&CpuProver, &statement).or_fail(Exit::Failed, "a statement's proof")?;
    Ok(started.elapsed())
}

fn user(domain: &Domain, height: u64, payload: Vec<u8>) -> Transaction {
    let kind = TransactionKind::User;
    Transaction { kind, namespace: domain.namespace, expiry_height: height, payload: payload.into() }
}

fn block(domain: &Domain, height: u64, transactions: Vec<Transaction>) -> Block {
    let Domain { chain_id, namespace, .. } = *domain;
    let position = Position { chain_id, namespace, height, timestamp_ms: height, l1_origin_number: 0 };
    Block { position, transactions }
}

/// The summary of a devnet that only the wallets load.
fn devnet(arguments: &RollArguments) -> Result<Value, Failure> {
    let program = sinter_prover::variants::own_executable().or_fail(Exit::Failed, "finding this program's file")?;
    let mut command = Command::new(program);
    command.args(["devnet", "--json", "--for", "5", "--rate", "0", "--transfers"]);
    command.arg((arguments.transfers / 2).to_string()).stderr(Stdio::null());
    if !arguments.development_seal {
        command.arg("--production-seal");
    }
    let output = command.output().or_fail(Exit::Failed, "starting a devnet")?;
    let text = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str(text.lines().last().unwrap_or_default()) {
        Ok(summary) if output.status.success() => Ok(summary),
        _ => Err(Failure::new(Exit::Failed, format!("the devnet: {}: run it by hand to see why", output.status))),
    }
}

/// A prover that counts the time in which it works.
struct Counted {
    provers: Provers,
    /// When it began and ended, each time.
    spans: Mutex<Vec<(Instant, Instant)>>,
}

impl Counted {
    fn timed<T>(&self, work: impl FnOnce(&Provers) -> T) -> T {
        let started = Instant::now();
        let outcome = work(&self.provers);
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).push((started, Instant::now()));
        outcome
    }

    /// The time in which it worked since a moment: what overlaps counts once.
    fn busy(&self, since: Instant) -> Duration {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone();
        spans.sort_unstable();
        let (mut busy, mut counted_to) = (Duration::ZERO, since);
        for (from, to) in spans {
            busy += to.saturating_duration_since(from.max(counted_to));
            counted_to = counted_to.max(to);
        }
        busy
    }
}

impl Prove for Counted {
    fn register(&self, program: ProgramFile<'_>) -> Result<Hash, Fault> {
        self.timed(|provers| provers.register(program))
    }

    fn verify(&self, program: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault> {
        self.timed(|provers| provers.verify(program, proof))
    }

    fn wrap(&self, program: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault> {
        self.timed(|provers| provers.wrap(program, proof))
    }

    fn null(&self) -> Result<Vec<u8>, Fault> {
        self.timed(Prove::null)
    }

    fn fold(&self, left: &[u8], right: &[u8]) -> Result<Vec<u8>, Fault> {
        self.timed(|provers| provers.fold(left, right))
    }

    fn seal(&self, root: &[u8], statements: &[Vec<u8>]) -> Result<Vec<u8>, Fault> {
        self.timed(|provers| provers.seal(root, statements))
    }
}

/// The share of the time from the first proof handed in to the batch's seal in which nothing was proved.
async fn overhead(folder: &Path) -> Result<f64, Failure> {
    let handed = counter_proofs()?;
    std::fs::create_dir_all(folder).or_fail(Exit::Failed, folder.display())?;
    let places_max = i64::from(PROOFS);
    let options = queue::Options { places_max, ..queue::Options::default() };
    let queue = Queue::open(&queue::sqlite_url(&folder.join("queue.sqlite")), options).await;
    let queue = queue.or_fail(Exit::Failed, "the queue")?;
    let blobs = Blobs::local(folder, 16 << 20).or_fail(Exit::Failed, "the blobs")?;
    let options = provers::Options { seal: SealLayers::DEV, ..provers::Options::default() };
    let prove = Arc::new(Counted { provers: Provers::cpu(options), spans: Mutex::default() });
    let (token, token_sha256) = intake::new_token();
    let account = Account::new("measured").or_fail(Exit::Failed, "")?;
    let client = Client { account, token_sha256, bytes_per_second: u64::MAX };
    let listener = TcpListener::bind("127.0.0.1:0").await.or_fail(Exit::Failed, "a port")?;
    let url = format!("http://{}", listener.local_addr().or_fail(Exit::Failed, "a port")?);
    let (_gas, gas_gwei) = watch::channel(None);
    let stop = CancellationToken::new();
    let service = Service {
        queue,
        blobs,
        prove: prove.clone(),
        worker: worker::Options::new("measured"),
        scheduler: scheduler::Options::default(),
        intake: intake::Options { clients: vec![client], ..intake::Options::default() },
        gas_gwei,
        settle: None,
    };
    let running = tokio::spawn(service.run(listener, stop.clone()));
    let aggregator = Aggregator::new(&url, &token).or_fail(Exit::Failed, "")?;
    let outcome = hand_in(&aggregator, handed, &prove).await;
    stop.cancel();
    running.await.or_fail(Exit::Failed, "the appliance")?;
    outcome
}

async fn hand_in(
    aggregator: &Aggregator,
    Proofs { program, digest, proofs }: Proofs,
    prove: &Counted,
) -> Result<f64, Failure> {
    let deadline = Instant::now() + SEALED_MAX;
    while aggregator.upload(program.clone()).await.or_fail(Exit::Failed, "")?.state != "known" {
        late(deadline)?;
        tokio::time::sleep(POLL).await;
    }
    let terms = Terms { deadline_ms: 24 * 3_600_000, price_gwei: 0, priority: 0 };
    let started = Instant::now();
    for proof in proofs {
        aggregator.hand_in(&digest, proof, &terms).await.or_fail(Exit::Failed, "")?;
    }
    while aggregator.batches("sealed").await.or_fail(Exit::Failed, "")?.is_empty() {
        late(deadline)?;
        tokio::time::sleep(POLL).await;
    }
    let wall = started.elapsed();
    Ok(1.0 - prove.busy(started).as_secs_f64() / wall.as_secs_f64())
}

fn late(deadline: Instant) -> Result<(), Failure> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("the appliance has not sealed after {} s", SEALED_MAX.as_secs())))
}

/// What is handed in.
struct Proofs {
    /// The program's file.
    program: Vec<u8>,
    /// Its digest, in hex.
    digest: String,
    /// Its proofs.
    proofs: Vec<Vec<u8>>,
}

/// Proofs of as many steps of a counter.
fn counter_proofs() -> Result<Proofs, Failure> {
    let prover = Kind::Counter.prover(&Kind::Counter.capacity())?;
    let domain = Domain { l1_chain_id: 1, settlement: [2; 20], chain_id: 3, namespace: Namespace(4) };
    let mut counter = Counter::default();
    let mut state = State::genesis(&domain, counter.word());
    let mut proofs = Vec::new();
    for height in 1..=u64::from(PROOFS) {
        let tick = user(&domain, height, vec![1]);
        let lane = Lane { blocks: vec![block(&domain, height, vec![tick])], ..Lane::default() };
        let statement = prover.statement(&state, &lane, &mut counter).or_fail(Exit::Failed, "a statement")?;
        let proof = prover.prove(&CpuProver, &statement).or_fail(Exit::Failed, "a statement's proof")?;
        proofs.push(proof.encode(prover.program().shape()).or_fail(Exit::Failed, "a statement's proof")?);
        state = statement.after;
    }
    let program = prover.program();
    Ok(Proofs { program: file::encode(program), digest: hex::encode(digest_bytes(program.digest())), proofs })
}
