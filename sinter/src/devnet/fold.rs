//! The appliance's piece of a run: the rollups' statements are proved, wrapped, folded into one and sealed while the network
//! is under load.
//!
//! It takes what processor time the nodes leave. The seal has development's parameters unless production's are asked for.

use super::snapshot::Snapshot;
use crate::{
    aggregation::{
        seal::{self, Sealed},
        text,
    },
    exit::{Exit, Failure, OrFail},
    hub,
};
use alloy::primitives::B256;
use sinter_program::{ProofFile, field::digest_bytes};
use sinter_prover::{
    CpuProver, Folder, Wrapper,
    aggregate::{
        Aggregation, Event, State,
        tree::{Tree, batch_root},
    },
};
use sinter_recursion::Statement;
use sinter_rollup::{Prover as RollupProver, Statement as Step};
use sinter_seal::sealer::SealLayers;
use sinter_settlement::deployment::Deployment;
use std::{
    path::PathBuf,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// The lowest priority there is: a node's vote is worth more than a fold.
const NICENESS: i32 = 19;

/// What was folded.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    /// Statements under the root.
    pub statements: u64,
    /// The root over them.
    pub statements_root: String,
    /// Bytes of the one proof.
    pub proof_bytes: usize,
    /// What proving the statements took.
    pub proving: Duration,
    /// What wrapping and folding them took.
    pub took: Duration,
}

/// A batch that is proved.
pub struct Proved {
    /// Its root.
    pub folded: Folded,
    /// Its statements.
    pub statements: Vec<Statement>,
    /// Its seal.
    pub sealed: Sealed,
    /// Whether that has production's parameters.
    pub production: bool,
}

/// A statement to be proved, and by whose program.
pub struct Job {
    /// Which of the programs.
    pub program: usize,
    /// The statement.
    pub statement: Step,
}

/// What is known once the circuits are there.
pub struct Circuits {
    /// The identity of each program.
    pub program_ids: Vec<B256>,
    /// The contracts that take the seal.
    pub deployment: Deployment,
}

/// A batch that is being folded and sealed.
pub struct Folding {
    /// What the rollups and the L1 have to know.
    pub circuits: oneshot::Receiver<Circuits>,
    /// Takes statements; the batch closes when this is dropped.
    pub jobs: mpsc::Sender<Job>,
    /// The seal.
    pub proved: oneshot::Receiver<Result<Proved, Failure>>,
}

impl Folding {
    /// Begins, on threads of its own. Nodes of the tree go to `state`. The seal has these layers.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn start(
        programs: Vec<Arc<RollupProver>>,
        state: PathBuf,
        layers: SealLayers,
        snapshot: Arc<watch::Sender<Snapshot>>,
    ) -> Result<Self, Failure> {
        let (done, proved) = oneshot::channel();
        let (ready, circuits) = oneshot::channel();
        let (jobs, taken) = mpsc::channel();
        let pool = rayon::ThreadPoolBuilder::new().start_handler(|_| yield_to_nodes()).build();
        let pool = pool.or_fail(Exit::Failed, "starting the threads that fold")?;
        let work = move || {
            // Nobody may be left to be told.
            let _ = done.send(pool.install(move || fold(&programs, state, &layers, ready, taken, &snapshot)));
        };
        thread::Builder::new().name("fold".into()).spawn(work).or_fail(Exit::Failed, "starting the folding thread")?;
        Ok(Self { circuits, jobs, proved })
    }
}

/// Lowers this thread's priority. Where that is not possible it stays.
fn yield_to_nodes() {
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

fn fold(
    programs: &[Arc<RollupProver>],
    state: PathBuf,
    layers: &SealLayers,
    ready: oneshot::Sender<Circuits>,
    jobs: mpsc::Receiver<Job>,
    snapshot: &watch::Sender<Snapshot>,
) -> Result<Proved, Failure> {
    let state = State::open(&state).or_fail(Exit::Failed, "the folder of the tree")?;
    let folder = Folder::new().or_fail(Exit::Failed, "")?;
    let wrapper =
        |prover: &Arc<RollupProver>| Wrapper::new(prover.program()).or_fail(Exit::Failed, "a rollup's program");
    let wrappers = programs.iter().map(wrapper).collect::<Result<Vec<_>, _>>()?;
    let program_ids = wrappers.iter().map(|wrapper| B256::from(digest_bytes(wrapper.program_id()))).collect();
    let deployment = hub::deployment(&seal::program(&seal::sealer(&folder, layers)?)?)?;
    // Nobody may be left to be told.
    let _ = ready.send(Circuits { program_ids, deployment });

    let mut started = Instant::now();
    let tree = Tree::new(&CpuProver, &folder, &wrappers);
    let count = |event: Event| {
        snapshot.send_modify(|snapshot| match event {
            Event::Wrapped { .. } => snapshot.fold.wrapped += 1,
            Event::Folded { .. } => snapshot.fold.folded += 1,
            Event::Null { .. } | Event::Discarded { .. } => {}
        });
    };
    let mut statements: Vec<Statement> = Vec::new();
    let mut proving = Duration::ZERO;
    let mut aggregation = Aggregation::new(&tree, state, count);
    for Job { program, statement } in jobs {
        if statements.is_empty() {
            started = Instant::now();
        }
        let begun = Instant::now();
        let proof = programs[program].prove(&CpuProver, &statement).or_fail(Exit::Failed, "a rollup's statement")?;
        proving += begun.elapsed();
        snapshot.send_modify(|snapshot| snapshot.fold.proofs += 1);
        let proof = proof.encode(programs[program].program().shape()).or_fail(Exit::Failed, "a rollup's proof")?;
        let leaf = tree.leaf(&proof).or_fail(Exit::Refused, "a rollup's proof")?;
        statements.push(leaf.statement().clone());
        aggregation.push(&leaf).or_fail(Exit::Failed, "folding")?;
    }
    let root = aggregation.close().or_fail(Exit::Failed, "folding")?.into_proof();
    verify(&folder, &root, &statements)?;
    let proof_bytes = root.encode(folder.shape().shape()).or_fail(Exit::Failed, "the root of the batch")?.len();
    let found = folder.verify(&root).or_fail(Exit::Refused, "the root of the batch")?;
    let statements_root = text::digest(&found.statements_root);
    let folded = Folded {
        statements: statements.len() as u64,
        statements_root,
        proof_bytes,
        proving,
        took: started.elapsed().saturating_sub(proving),
    };
    let sealed = seal::seal(&folder, &root, &statements, layers, &mut |_| {})?;
    snapshot.send_modify(|snapshot| snapshot.fold.sealed = true);
    Ok(Proved { folded, statements, sealed, production: *layers == SealLayers::PRODUCTION })
}

/// The root is over these statements.
fn verify(folder: &Folder<'static>, root: &ProofFile, statements: &[Statement]) -> Result<(), Failure> {
    let found = folder.verify(root).or_fail(Exit::Refused, "the root of the batch")?;
    let expected = batch_root(folder, statements).or_fail(Exit::Failed, "the null statement")?;
    if expected == Some((found.statements_root, found.count)) {
        return Ok(());
    }
    Err(Failure::new(Exit::Refused, "the root of the batch is of other statements"))
}
