//! `sinter aggregate`: many proofs into one.

use super::{AggregateArguments, input, nodes, progress::Progress, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use serde_json::json;
use sinter_program::{Program, ProofKind};
use sinter_prover::{
    CpuProver, Folder, Wrapper,
    aggregate::{
        AggregateError, Aggregation, State, StateError,
        tree::{Leaf, Tree, TreeError, batch_root},
    },
    node::CircuitProofError,
    statements,
    wrap::WrapProofError,
};
use sinter_recursion::statement::Statement;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Aggregates proofs and prints the root.
///
/// # Errors
/// With [`Exit::Refused`] when one of them does not hold. What was finished is in the state directory then.
pub fn run(arguments: &AggregateArguments) -> Result<(), Failure> {
    let programs = programs(arguments)?;
    let state = State::open(&arguments.dir).map_err(|error| {
        let exit = if matches!(error, StateError::InUse { .. }) { Exit::Failed } else { Exit::Usage };
        Failure::because(exit, "--dir", &error)
    })?;
    let started = Instant::now();
    let mut progress = Progress::new(arguments.files.len() as u64);
    progress.say("building the fold circuit");
    let folder = nodes::folder()?;
    let mut wrappers = Vec::new();
    for (path, program) in &programs {
        nodes::warn_below_target(path, program);
        progress.say(&format!("building the circuits that wrap {}", path.display()));
        wrappers.push(nodes::wrapper(path, program)?);
    }
    let built = started.elapsed();
    let batch = batch(arguments, &folder, &wrappers, state, &mut progress)?;
    progress.finish();
    let result = Finished { arguments, folder: &folder, batch: &batch, built, took: started.elapsed() };
    print_result(if arguments.json { result.as_json() } else { result.as_text() })
}

/// The programs that the proofs are of, each once, and no other.
fn programs(arguments: &AggregateArguments) -> Result<Vec<(PathBuf, Program)>, Failure> {
    let mut known: Vec<(PathBuf, Program)> = Vec::new();
    for path in &arguments.program {
        let program = input::program(path)?;
        if known.iter().all(|(_, other)| other.digest() != program.digest()) {
            known.push((path.clone(), program));
        }
    }
    let mut used = vec![false; known.len()];
    for file in &arguments.files {
        let header = input::header(file)?;
        if header.kind == ProofKind::Node {
            continue;
        }
        match known.iter().position(|(_, program)| *program.digest() == header.digest) {
            Some(index) => used[index] = true,
            None => {
                let digest = text::digest(&header.digest);
                let message = format!("{}: a proof of program {digest}, which no --program is", file.display());
                return Err(Failure::new(Exit::Usage, message));
            }
        }
    }
    let mut used = used.into_iter();
    known.retain(|_| used.next() == Some(true));
    Ok(known)
}

/// A batch that was folded, checked and written.
struct Batch {
    statements: Vec<Statement>,
    statements_root: String,
    proof_bytes: usize,
    verify: Duration,
}

fn batch(
    arguments: &AggregateArguments,
    folder: &Folder<'static>,
    wrappers: &[Wrapper],
    state: State,
    progress: &mut Progress,
) -> Result<Batch, Failure> {
    let prover = CpuProver;
    let tree = Tree::new(&prover, folder, wrappers);
    let mut statements = Vec::new();
    let root = {
        let mut aggregation = Aggregation::new(&tree, state, |event| progress.show(&event));
        for file in &arguments.files {
            let leaf: Leaf = tree.read_leaf(file).map_err(|error| refused(file, &error))?;
            statements.push(leaf.statement().clone());
            aggregation.push(&leaf).map_err(|error| failed(file, &error))?;
        }
        aggregation.close().map_err(|error| failed(Path::new("the batch"), &error))?
    };
    let started = Instant::now();
    let found = folder.verify(root.proof()).or_fail(Exit::Failed, "the root that was just made")?;
    let verify = started.elapsed();
    let expected = batch_root(folder, &statements).or_fail(Exit::Failed, "the null statement")?;
    if expected != Some((found.statements_root, found.count)) {
        return Err(Failure::new(Exit::Failed, "the root that was just made is of other statements"));
    }
    let bytes = nodes::encode(root.proof())?;
    input::write(&statements_file(arguments), statements::encode(&statements).as_bytes())?;
    input::write(&arguments.output, &bytes)?;
    let statements_root = text::digest(&found.statements_root);
    Ok(Batch { statements, statements_root, proof_bytes: bytes.len(), verify })
}

/// Where the list of statements goes.
fn statements_file(arguments: &AggregateArguments) -> PathBuf {
    arguments.statements.clone().unwrap_or_else(|| {
        let mut name = arguments.output.as_os_str().to_owned();
        name.push(".statements.json");
        name.into()
    })
}

/// Why a file is no leaf.
fn refused(file: &Path, error: &TreeError) -> Failure {
    let exit = if matches!(error, TreeError::Node(_)) { Exit::Refused } else { Exit::Usage };
    Failure::because(exit, file.display(), error)
}

/// Why a batch does not go on.
fn failed(file: &Path, error: &AggregateError<TreeError>) -> Failure {
    match error {
        AggregateError::State(error) if error.is_full() => {
            let what = "the disk is full: what was finished is kept, and the same command goes on where there is space";
            Failure::because(Exit::Failed, what, error)
        }
        AggregateError::Node { source: TreeError::Wrap(error), .. }
            if !matches!(error, WrapProofError::Prove(CircuitProofError::Prove(_))) =>
        {
            Failure::because(Exit::Refused, format_args!("{} does not hold", file.display()), error)
        }
        AggregateError::Empty => Failure::because(Exit::Usage, "", error),
        _ => Failure::because(Exit::Failed, file.display(), error),
    }
}

struct Finished<'a> {
    arguments: &'a AggregateArguments,
    folder: &'a Folder<'static>,
    batch: &'a Batch,
    built: Duration,
    took: Duration,
}

impl Finished<'_> {
    fn as_json(&self) -> String {
        let Self { arguments, folder, batch, built, took } = self;
        json!({
            "root": arguments.output,
            "statements": statements_file(arguments),
            "statements_root": batch.statements_root,
            "count": batch.statements.len(),
            "fold_key": text::digest(&folder.key().digest),
            "proof_bytes": batch.proof_bytes,
            "verify_ms": text::seconds(batch.verify) * 1e3,
            "build_s": text::seconds(*built),
            "wall_s": text::seconds(*took),
        })
        .to_string()
    }

    fn as_text(&self) -> String {
        let Self { arguments, folder, batch, took, .. } = self;
        [
            format!("{} proofs in one, {:.1} s", batch.statements.len(), took.as_secs_f64()),
            format!(
                "root        {}, {}, verified in {} ms",
                arguments.output.display(),
                text::bytes(batch.proof_bytes as u64),
                batch.verify.as_millis()
            ),
            format!("statements  {}", statements_file(arguments).display()),
            format!("their root  {}", batch.statements_root),
            format!("fold key    {}", text::digest(&folder.key().digest)),
        ]
        .join("\n")
    }
}
