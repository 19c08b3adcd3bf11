//! The appliance's piece of a run: a proof for each namespace, wrapped, folded into one and sealed while the network is
//! under load.
//!
//! What the proofs prove are Plonky3's own hash permutations: no rollup is integrated here that would prove what was
//! ordered. Everything after the proofs is what an appliance does. It takes what processor time the nodes leave. The seal
//! has development's parameters unless production's are asked for.

use super::snapshot::{FoldView, Snapshot};
use crate::{
    aggregation::{
        seal::{self, Sealed},
        text,
    },
    exit::{Exit, Failure, OrFail},
};
use sinter_program::{ParameterSet, ProofFile};
use sinter_prover::{
    CpuProver, Folder, Wrapper,
    aggregate::{
        Aggregation, Event, State,
        tree::{Tree, batch_root},
    },
    leaf,
    standard::Standard,
};
use sinter_recursion::Statement;
use sinter_seal::sealer::SealLayers;
use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};
use tokio::sync::{oneshot, watch};

/// What each namespace's proof is of: programs of different constraints and heights.
const PROGRAMS: [(Standard, u8); 3] = [(Standard::Poseidon2, 8), (Standard::Keccak, 7), (Standard::Poseidon2, 10)];
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
    /// From the first circuit to the verified root.
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

/// A batch that is being folded and sealed.
pub struct Folding(oneshot::Receiver<Result<Proved, Failure>>);

impl Folding {
    /// Begins, on threads of its own. Nodes of the tree go to `state`. The seal has these layers.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn start(state: PathBuf, layers: SealLayers, snapshot: Arc<watch::Sender<Snapshot>>) -> Result<Self, Failure> {
        let (done, folded) = oneshot::channel();
        let pool = rayon::ThreadPoolBuilder::new().start_handler(|_| yield_to_nodes()).build();
        let pool = pool.or_fail(Exit::Failed, "starting the threads that fold")?;
        let work = move || {
            // Nobody may be left to be told.
            let _ = done.send(pool.install(|| fold(state, &layers, &snapshot)));
        };
        thread::Builder::new().name("fold".into()).spawn(work).or_fail(Exit::Failed, "starting the folding thread")?;
        Ok(Self(folded))
    }

    /// Waits for the seal.
    ///
    /// # Errors
    /// When something could not be proved, stored or verified.
    pub async fn finish(self) -> Result<Proved, Failure> {
        self.0.await.or_fail(Exit::Failed, "waiting for the seal")?
    }
}

/// Lowers this thread's priority. Where that is not possible it stays.
fn yield_to_nodes() {
    let _ = rustix::process::setpriority_process(None, NICENESS);
}

fn fold(state: PathBuf, layers: &SealLayers, snapshot: &watch::Sender<Snapshot>) -> Result<Proved, Failure> {
    let started = Instant::now();
    snapshot.send_modify(|snapshot| snapshot.fold = FoldView { proofs: PROGRAMS.len() as u64, ..FoldView::default() });
    let state = State::open(&state).or_fail(Exit::Failed, "the folder of the tree")?;
    let folder = Folder::new().or_fail(Exit::Failed, "")?;
    let mut leaves = Vec::new();
    let mut wrappers = Vec::new();
    for (namespace, (standard, log_rows)) in PROGRAMS.into_iter().enumerate() {
        let program = standard.program(log_rows, ParameterSet::FOLD).or_fail(Exit::Failed, standard)?;
        let key = leaf::proving_key(&program).or_fail(Exit::Failed, standard)?;
        let trace = standard.trace(log_rows, namespace as u64).or_fail(Exit::Failed, standard)?;
        let (proof, _) = leaf::prove(&CpuProver, &program, &key, &[trace], &[]).or_fail(Exit::Failed, standard)?;
        leaves.push(proof.encode(program.shape()).or_fail(Exit::Failed, standard)?);
        wrappers.push(Wrapper::new(&program).or_fail(Exit::Failed, standard)?);
    }
    let (statements, root) = aggregate(&folder, &wrappers, &leaves, state, snapshot)?;
    let found = folder.verify(&root).or_fail(Exit::Refused, "the root of the batch")?;
    let expected = batch_root(&folder, &statements).or_fail(Exit::Failed, "the null statement")?;
    if expected != Some((found.statements_root, found.count)) {
        return Err(Failure::new(Exit::Refused, "the root of the batch is of other statements"));
    }
    let proof_bytes = root.encode(folder.shape().shape()).or_fail(Exit::Failed, "the root of the batch")?.len();
    let statements_root = text::digest(&found.statements_root);
    let folded = Folded { statements: statements.len() as u64, statements_root, proof_bytes, took: started.elapsed() };
    let sealed = seal::seal(&folder, &root, &statements, layers, &mut |_| {})?;
    snapshot.send_modify(|snapshot| snapshot.fold.sealed = true);
    Ok(Proved { folded, statements, sealed, production: *layers == SealLayers::PRODUCTION })
}

/// Wraps and folds; returns the statements and the root.
fn aggregate(
    folder: &Folder<'static>,
    wrappers: &[Wrapper],
    leaves: &[Vec<u8>],
    state: State,
    snapshot: &watch::Sender<Snapshot>,
) -> Result<(Vec<Statement>, ProofFile), Failure> {
    let tree = Tree::new(&CpuProver, folder, wrappers);
    let count = |event: Event| {
        snapshot.send_modify(|snapshot| match event {
            Event::Wrapped { .. } => snapshot.fold.wrapped += 1,
            Event::Folded { .. } => snapshot.fold.folded += 1,
            Event::Null { .. } | Event::Discarded { .. } => {}
        });
    };
    let mut statements = Vec::new();
    let mut aggregation = Aggregation::new(&tree, state, count);
    for leaf in leaves {
        let leaf = tree.leaf(leaf).or_fail(Exit::Refused, "a leaf's proof")?;
        statements.push(leaf.statement().clone());
        aggregation.push(&leaf).or_fail(Exit::Failed, "folding")?;
    }
    let root = aggregation.close().or_fail(Exit::Failed, "folding")?.into_proof();
    Ok((statements, root))
}
