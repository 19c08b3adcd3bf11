//! `sinter bench fold`: what one fold costs, stage by stage, and what a tree costs.

use crate::{
    aggregation::text::{seconds, stages},
    exit::{Exit, Failure, OrFail, print_result},
};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};
use sinter_program::{ParameterSet, ProofFile, soundness};
use sinter_prover::{
    CpuProver, Folder, Wrapper, leaf,
    stages::{Stages, peak_memory_bytes, processor_time},
    standard::Standard,
    variants,
};
use std::time::{Duration, Instant};

/// log2 of the rows of the leaves that are folded: small, for what is measured is above them.
const LEAF_LOG_ROWS: u8 = 8;

/// `sinter bench fold`.
#[derive(Clone, Debug, Args)]
pub struct FoldArguments {
    /// Folds to measure; the one of the median wall time is reported
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Also fold a tree, and report at 1, 2, 4, … leaves what it cost, and what its root takes
    #[arg(long)]
    pub tree: bool,
    /// The leaves of that tree
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub leaves: u32,
}

/// The one object that is printed.
#[derive(Debug, Serialize)]
struct Report {
    /// Inputs, witness, traces and proof of one fold: the median round's.
    fold_wall_s: f64,
    /// Processor time of it, over all threads.
    fold_cpu_s: f64,
    /// Of every round.
    fold_wall_s_all: Vec<f64>,
    proof_bytes: usize,
    verify_ms: f64,
    /// The most that the process held until the last measured fold.
    peak_rss_mb: f64,
    proven_bits: f64,
    parameter_set: &'static str,
    /// Rows that the fold circuit uses, by table.
    verifier_rows: Map<String, Value>,
    /// Of the median round; `build` is once a process.
    stages_s: Value,
    /// What the wrap of a leaf costs.
    wrap_wall_s: f64,
    /// What the binary is compiled for.
    compiled_for: String,
    processors: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    tree: Option<Vec<Tree>>,
}

/// A tree of some leaves.
#[derive(Debug, Serialize)]
struct Tree {
    leaves: u32,
    folds: u32,
    /// All wraps and folds of it.
    wall_s: f64,
    /// The folds alone.
    folds_wall_s: f64,
    proof_bytes: usize,
    verify_ms: f64,
}

struct Bench {
    prover: CpuProver,
    folder: Folder<'static>,
    wrapper: Wrapper,
}

/// Measures and prints one JSON object; progress goes to standard error.
///
/// # Errors
/// When a proof cannot be made or does not hold.
pub fn run(arguments: &FoldArguments) -> Result<(), Failure> {
    let bench = Bench::new()?;
    let (first, _) = bench.wrapped(0)?;
    let (second, wrap) = bench.wrapped(1)?;
    let mut rounds = Vec::new();
    for round in 1..=arguments.rounds {
        let measured = bench.fold(&first, &second)?;
        let Measured { wall, cpu, .. } = &measured;
        eprintln!("fold {round}: {:.3} s, {:.2} s of processors", wall.as_secs_f64(), cpu.as_secs_f64());
        rounds.push(measured);
    }
    let fold_wall_s_all = rounds.iter().map(|round| seconds(round.wall)).collect();
    rounds.sort_by_key(|round| round.wall);
    let peak_rss_mb = peak_memory_bytes().unwrap_or(0) as f64 / 1e6;
    let median = &rounds[rounds.len() / 2];
    let (proof_bytes, verify_ms) = bench.root(&median.proof)?;
    let soundness = soundness::Report::new(bench.folder.shape().shape());
    let rows = bench.folder.node().rows().iter();
    let report = Report {
        fold_wall_s: seconds(median.wall),
        fold_cpu_s: seconds(median.cpu),
        fold_wall_s_all,
        proof_bytes,
        verify_ms,
        peak_rss_mb,
        proven_bits: soundness.proven_bits,
        parameter_set: soundness.parameter_set,
        verifier_rows: rows.map(|row| (row.table.name().to_owned(), Value::from(row.used))).collect(),
        stages_s: stages(&Stages { build: bench.folder.node().build(), ..median.stages }),
        wrap_wall_s: seconds(wrap),
        compiled_for: variants::running().compiled.to_string(),
        processors: std::thread::available_parallelism().map_or(1, Into::into),
        tree: arguments.tree.then(|| bench.tree(arguments.leaves)).transpose()?,
    };
    print_result(serde_json::to_string(&report).or_fail(Exit::Failed, "writing the report")?)
}

struct Measured {
    proof: ProofFile,
    wall: Duration,
    cpu: Duration,
    stages: Stages,
}

impl Bench {
    fn new() -> Result<Self, Failure> {
        let what = "building the circuits";
        let program = Standard::Poseidon2.program(LEAF_LOG_ROWS, ParameterSet::FOLD).or_fail(Exit::Failed, what)?;
        let wrapper = Wrapper::new(&program).or_fail(Exit::Failed, what)?;
        let folder = Folder::new().or_fail(Exit::Failed, what)?;
        eprintln!("{what}: fold {:.2} s", folder.node().build().as_secs_f64());
        Ok(Self { prover: CpuProver, folder, wrapper })
    }

    /// A leaf's node, and what its wrap took.
    fn wrapped(&self, seed: u64) -> Result<(ProofFile, Duration), Failure> {
        let what = "proving a leaf";
        let program = self.wrapper.program();
        let key = leaf::proving_key(program).or_fail(Exit::Failed, what)?;
        let trace = Standard::Poseidon2.trace(LEAF_LOG_ROWS, seed).or_fail(Exit::Failed, what)?;
        let (proof, _) = leaf::prove(&self.prover, program, &key, &[trace], &[]).or_fail(Exit::Failed, what)?;
        let (node, report) = self.wrapper.wrap(&self.prover, &proof).or_fail(Exit::Failed, "wrapping a leaf")?;
        Ok((node, report.wall))
    }

    fn fold(&self, left: &ProofFile, right: &ProofFile) -> Result<Measured, Failure> {
        let before = processor_time();
        let (proof, report) = self.folder.fold(&self.prover, left, right).or_fail(Exit::Failed, "folding")?;
        let cpu = processor_time().zip(before).map_or(Duration::ZERO, |(after, before)| after - before);
        Ok(Measured { proof, wall: report.wall, cpu, stages: report.stages })
    }

    /// The bytes of a root, and the milliseconds that verifying it takes.
    fn root(&self, root: &ProofFile) -> Result<(usize, f64), Failure> {
        let bytes = root.encode(self.folder.shape().shape()).or_fail(Exit::Failed, "encoding the root")?;
        let started = Instant::now();
        self.folder.verify(root).or_fail(Exit::Failed, "verifying the root")?;
        Ok((bytes.len(), seconds(started.elapsed()) * 1e3))
    }

    /// Folds one tree leaf by leaf. Each power of two of leaves is a tree of its own on the way.
    fn tree(&self, leaves: u32) -> Result<Vec<Tree>, Failure> {
        let (mut wraps, mut folds, mut count) = (Duration::ZERO, Duration::ZERO, 0);
        let mut peaks: Vec<(u32, ProofFile)> = Vec::new();
        let mut trees = Vec::new();
        for leaf in 0..leaves {
            let (node, took) = self.wrapped(leaf.into())?;
            wraps += took;
            if leaf == 0 {
                let null = self.folder.null(&self.prover).or_fail(Exit::Failed, "the null statement")?;
                let alone = self.fold(&node, &null)?;
                trees.push(self.tree_of(1, 1, wraps, alone.wall, &alone.proof)?);
            }
            let mut peak = (1, node);
            while let Some((_, left)) = peaks.pop_if(|(leaves, _)| *leaves == peak.0) {
                let folded = self.fold(&left, &peak.1)?;
                folds += folded.wall;
                count += 1;
                peak = (2 * peak.0, folded.proof);
            }
            if peaks.is_empty() && peak.0 > 1 {
                trees.push(self.tree_of(peak.0, count, wraps, folds, &peak.1)?);
            }
            peaks.push(peak);
        }
        Ok(trees)
    }

    fn tree_of(
        &self,
        leaves: u32,
        folds: u32,
        wraps: Duration,
        folding: Duration,
        root: &ProofFile,
    ) -> Result<Tree, Failure> {
        let (proof_bytes, verify_ms) = self.root(root)?;
        let tree = Tree {
            leaves,
            folds,
            wall_s: seconds(wraps + folding),
            folds_wall_s: seconds(folding),
            proof_bytes,
            verify_ms,
        };
        eprintln!("leaves {leaves}: {:.1} s, root of {proof_bytes} bytes, verified in {verify_ms} ms", tree.wall_s);
        Ok(tree)
    }
}
