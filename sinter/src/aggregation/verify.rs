//! `sinter verify`: a proof file against what it has to be a proof of.
//!
//! | file | with | what is checked |
//! |---|---|---|
//! | a leaf's | `--program` | the program's constraints, from its file alone |
//! | a node's | `--program` | it is that program's wrap: under its `program_id` |
//! | a node's | `--statements` | it is the root of that batch: under the fold key, over those statements in that order |
//! | a node's | neither | it is a proof under the key that it carries: a fold's root and count, or a statement |

use super::{VerifyArguments, input, nodes, program::remark, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use serde_json::{Value, json};
use sinter_program::{Program, ProofFile, ProofKind, soundness::Report};
use sinter_prover::{Folder, Root, aggregate::tree::batch_root, files, fold::RootError, statements};
use sinter_recursion::{Universal, node};
use std::path::Path;

/// What was found to hold, in the order in which it is told.
struct Found {
    what: &'static str,
    lines: Vec<(&'static str, Value)>,
}

/// Verifies a proof and prints what it proves.
///
/// # Errors
/// With [`Exit::Refused`] when it does not hold.
pub fn run(arguments: &VerifyArguments) -> Result<(), Failure> {
    let VerifyArguments { file, program, statements, json } = arguments;
    let kind = input::header(file)?.kind;
    let found = match (kind, program, statements) {
        (ProofKind::Leaf, Some(program), None) => leaf(file, program)?,
        (ProofKind::Leaf, ..) => {
            let message = format!("{}: a leaf proof: expected its program with --program", file.display());
            return Err(Failure::new(Exit::Usage, message));
        }
        (ProofKind::Node, Some(program), _) => wrapped(file, program)?,
        (ProofKind::Node, None, Some(statements)) => root(file, statements)?,
        (ProofKind::Node, None, None) => any(file)?,
    };
    print_result(if *json { found.into_json() } else { found.into_text() })
}

/// A failure that says that a proof does not hold.
fn does_not_hold(file: &Path) -> String {
    format!("{} does not hold", file.display())
}

fn leaf(file: &Path, path: &Path) -> Result<Found, Failure> {
    let program = input::program(path)?;
    input::same_program(file, program.digest(), &input::header(file)?.digest)?;
    let proof = input::proof(file, program.shape())?;
    program.verify(&proof).or_fail(Exit::Refused, does_not_hold(file))?;
    let mut lines = vec![("program", text::digest(program.digest()).into())];
    lines.push(("public_values", text::elements(&proof.public_values).into()));
    lines.extend(bits(&program, f64::INFINITY));
    Ok(Found { what: "leaf", lines })
}

fn wrapped(file: &Path, path: &Path) -> Result<Found, Failure> {
    let program = input::program(path)?;
    let proof = nodes::node(file)?;
    let program_id = *nodes::wrapper(path, &program)?.program_id();
    input::same_program(file, &program_id, &proof.digest)?;
    let mut lines = vec![("program_id", text::digest(&program_id).into())];
    lines.push(("program", text::digest(program.digest()).into()));
    lines.push(("public_values", text::elements(&proof.public_values).into()));
    lines.extend(bits(&program, Report::new(Universal::fold().shape()).proven_bits));
    Ok(Found { what: "wrap", lines })
}

/// What a program's proofs prove, and no more than `most`: that of what is wrapped around them.
fn bits(program: &Program, most: f64) -> [(&'static str, Value); 2] {
    let report = Report::new(program.shape());
    [
        ("proven_bits", report.proven_bits.min(most).into()),
        ("parameter_set", format!("{}{}", report.parameter_set, remark(&report)).into()),
    ]
}

fn root(file: &Path, path: &Path) -> Result<Found, Failure> {
    let text = files::read(path, statements::BYTES_MAX).or_fail(Exit::Usage, "")?;
    let list = statements::decode(&text).or_fail(Exit::Usage, path.display())?;
    let proof = read_node(file)?;
    let folder = nodes::folder()?;
    let root = folder.verify(&proof).map_err(|error| refused(file, &error))?;
    let expected = batch_root(&folder, &list).or_fail(Exit::Failed, "the null statement")?;
    let Some((expected, count)) = expected else {
        return Err(Failure::new(
            Exit::Usage,
            format!("{}: expected at least one statement, got none", path.display()),
        ));
    };
    if (expected, count) != (root.statements_root, root.count) {
        let (expected, got) = (text::digest(&expected), text::digest(&root.statements_root));
        let message = format!(
            "{}: expected the root {expected} of the {count} statements in {}, got {got} of {}",
            does_not_hold(file),
            path.display(),
            root.count
        );
        return Err(Failure::new(Exit::Refused, message));
    }
    let mut lines = root_lines(&folder, &root);
    lines.push(("statements", list.len().into()));
    Ok(Found { what: "root", lines })
}

fn any(file: &Path) -> Result<Found, Failure> {
    let proof = nodes::node(file)?;
    let folder = nodes::folder()?;
    if proof.digest == folder.key().digest {
        let root = folder.verify(&proof).map_err(|error| refused(file, &error))?;
        return Ok(Found { what: "fold", lines: root_lines(&folder, &root) });
    }
    let statement = node::statement(&proof);
    let lines = vec![
        ("program_id", text::digest(&statement.program_id).into()),
        ("public_values", text::elements(&statement.public_values).into()),
    ];
    Ok(Found { what: "node", lines })
}

/// Reads a node's proof, and leaves verifying it to the caller.
fn read_node(file: &Path) -> Result<ProofFile, Failure> {
    if input::header(file)?.kind == ProofKind::Node {
        return input::proof(file, Universal::fold().shape());
    }
    Err(Failure::new(Exit::Usage, format!("{}: expected a node's proof, got a leaf's", file.display())))
}

/// Why a proof is no root, with digests that a person can compare.
fn refused(file: &Path, error: &RootError) -> Failure {
    let what = does_not_hold(file);
    match error {
        RootError::OtherKey { expected, got } => {
            let (expected, got) = (text::digest(expected), text::digest(got));
            Failure::new(
                Exit::Refused,
                format!("{what}: expected a proof under the fold key {expected}, got one under {got}"),
            )
        }
        RootError::OtherFoldKey { expected, got } => {
            let (expected, got) = (text::digest(expected), text::digest(got));
            Failure::new(
                Exit::Refused,
                format!("{what}: expected the fold key {expected} in its public values, got {got}"),
            )
        }
        RootError::Node(_) => Failure::because(Exit::Refused, what, error),
    }
}

/// What a root says. The bits are those of wraps and folds: a leaf's own are its program's.
fn root_lines(folder: &Folder<'_>, root: &Root) -> Vec<(&'static str, Value)> {
    let report = Report::new(folder.shape().shape());
    vec![
        ("fold_key", text::digest(&folder.key().digest).into()),
        ("statements_root", text::digest(&root.statements_root).into()),
        ("count", root.count.into()),
        ("node_proven_bits", report.proven_bits.into()),
        ("parameter_set", report.parameter_set.into()),
    ]
}

impl Found {
    fn into_json(self) -> String {
        let mut object = json!({ "verified": self.what });
        if let Some(map) = object.as_object_mut() {
            map.extend(self.lines.into_iter().map(|(name, value)| (name.to_owned(), value)));
        }
        object.to_string()
    }

    fn into_text(self) -> String {
        let mut lines: Vec<String> = self.lines.into_iter().map(line).collect();
        lines.push(format!("VERIFIED: a {}", self.what));
        lines.join("\n")
    }
}

fn line((name, value): (&'static str, Value)) -> String {
    let value = match value {
        Value::String(text) => text,
        Value::Number(number) if name.ends_with("proven_bits") => text::bits(number.as_f64().unwrap_or(0.0)),
        other => other.to_string(),
    };
    format!("{:<16} {value}", name.replace('_', " "))
}
