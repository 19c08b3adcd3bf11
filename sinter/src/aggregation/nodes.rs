//! `sinter wrap` and `sinter fold`: one node at a time.

use super::{FoldArguments, WrapArguments, input, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use p3_field::PrimeField32;
use serde_json::{Map, Value, json};
use sinter_circuit::TableRows;
use sinter_program::{ProofFile, ProofKind, soundness::Report as Soundness};
use sinter_prover::{
    CpuProver, Folder, Report, Wrapper,
    fold::FoldError,
    node::CircuitProofError,
    wrap::{WrapProofError, WrapperError},
};
use sinter_recursion::Universal;
use std::path::Path;

/// The circuits of a program's wrap.
///
/// # Errors
/// When it cannot be wrapped.
pub fn wrapper(path: &Path, program: &sinter_program::Program) -> Result<Wrapper, Failure> {
    Wrapper::new(program).map_err(|error: WrapperError| {
        Failure::because(Exit::Usage, format_args!("{}: it cannot be wrapped", path.display()), &error)
    })
}

/// The fold circuit.
///
/// # Errors
/// Never, but for a machine without memory.
pub fn folder() -> Result<Folder<'static>, Failure> {
    Folder::new().or_fail(Exit::Failed, "building the fold circuit")
}

/// Wraps a proof.
///
/// # Errors
/// With [`Exit::Refused`] when the proof does not hold.
pub fn wrap(arguments: &WrapArguments) -> Result<(), Failure> {
    let WrapArguments { proof, program: program_file, output, json } = arguments;
    let program = input::program(program_file)?;
    let header = input::header(proof)?;
    if header.kind != ProofKind::Leaf {
        return Err(Failure::new(Exit::Usage, format!("{}: expected a leaf proof, got a node's", proof.display())));
    }
    input::same_program(proof, program.digest(), &header.digest)?;
    let leaf = input::proof(proof, program.shape())?;
    program.verify(&leaf).or_fail(Exit::Refused, format_args!("{} does not hold", proof.display()))?;
    warn_below_target(program_file, &program);
    let wrapper = wrapper(program_file, &program)?;
    let (node, report) = wrapper.wrap(&CpuProver, &leaf).map_err(|error| {
        let exit = match &error {
            WrapProofError::Prove(CircuitProofError::Prove(_)) => Exit::Failed,
            _ => Exit::Refused,
        };
        Failure::because(exit, format_args!("wrapping {}", proof.display()), &error)
    })?;
    let bytes = encode(&node)?;
    input::write(output, &bytes)?;
    let program_id = text::digest(wrapper.program_id());
    let layers = wrapper.layers();
    print_result(if *json {
        let rows: Vec<Value> = layers.iter().map(|layer| rows_json(layer)).collect();
        let (wall_s, stages_s) = (text::seconds(report.wall), text::stages(&report.stages));
        json!({
            "node": output,
            "program_id": program_id,
            "layers": rows,
            "build_s": text::seconds(wrapper.node().build()),
            "wall_s": wall_s,
            "stages_s": stages_s,
            "proof_bytes": bytes.len(),
        })
        .to_string()
    } else {
        let layers = match layers.len() {
            1 => String::new(),
            count => format!(" in {count} layers"),
        };
        let build_s = text::seconds(wrapper.node().build());
        format!("{} (circuits {build_s} s{layers})\nprogram id {program_id}", made(output, &bytes, &report))
    })
}

/// Folds two nodes.
///
/// # Errors
/// With [`Exit::Refused`] when one of them does not hold.
pub fn fold(arguments: &FoldArguments) -> Result<(), Failure> {
    let FoldArguments { left, right, output, json } = arguments;
    let [left_proof, right_proof] = [node(left)?, node(right)?];
    let folder = folder()?;
    let counts = [&left_proof, &right_proof].map(|proof| leaves(&folder, proof));
    let [left_leaves, right_leaves] = counts;
    if !left_leaves.is_power_of_two() || left_leaves < right_leaves || right_leaves == 0 {
        let message = format!(
            "expected a left node over 2^k leaves and a right one over 1 to 2^k, got {left_leaves} and {right_leaves}"
        );
        return Err(Failure::new(Exit::Usage, message));
    }
    let (node, report) = folder.fold(&CpuProver, &left_proof, &right_proof).map_err(|error| {
        let exit = match &error {
            FoldError::Prove(CircuitProofError::Prove(_)) => Exit::Failed,
            _ => Exit::Refused,
        };
        Failure::because(exit, format_args!("folding {} and {}", left.display(), right.display()), &error)
    })?;
    let root = folder.verify(&node).or_fail(Exit::Failed, "the fold that was just made")?;
    let bytes = encode(&node)?;
    input::write(output, &bytes)?;
    let statements_root = text::digest(&root.statements_root);
    print_result(if *json {
        json!({
            "node": output,
            "fold_key": text::digest(&folder.key().digest),
            "statements_root": statements_root,
            "count": root.count,
            "build_s": text::seconds(folder.node().build()),
            "wall_s": text::seconds(report.wall),
            "stages_s": text::stages(&report.stages),
            "proof_bytes": bytes.len(),
        })
        .to_string()
    } else {
        format!("{}\nroot of {} statements {statements_root}", made(output, &bytes, &report), root.count)
    })
}

/// Reads a node's proof and verifies it.
///
/// # Errors
/// With [`Exit::Refused`] when it does not hold.
pub fn node(path: &Path) -> Result<ProofFile, Failure> {
    if input::header(path)?.kind != ProofKind::Node {
        let message =
            format!("{}: expected a node's proof, got a leaf's: `sinter wrap` makes one of it", path.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    let shape = Universal::fold();
    let proof = input::proof(path, shape.shape())?;
    shape.verify(&proof).or_fail(Exit::Refused, format_args!("{} does not hold", path.display()))?;
    Ok(proof)
}

/// The leaves below a node that was verified.
fn leaves(folder: &Folder<'_>, proof: &ProofFile) -> u32 {
    if proof.digest == folder.key().digest { proof.public_values[16].as_canonical_u32() } else { 1 }
}

/// A node's proof as a file.
///
/// # Errors
/// Never for one that was just made.
pub fn encode(node: &ProofFile) -> Result<Vec<u8>, Failure> {
    node.encode(Universal::fold().shape()).or_fail(Exit::Failed, "encoding the proof")
}

/// Says aloud that a program's proofs prove too little: whatever is made of them proves no more.
pub fn warn_below_target(path: &Path, program: &sinter_program::Program) {
    let report = Soundness::new(program.shape());
    if !report.meets_target() {
        let bits = text::bits(report.proven_bits);
        eprintln!("warning: {} proves {bits} bits: for development alone", path.display());
    }
}

fn made(output: &Path, bytes: &[u8], report: &Report) -> String {
    let size = text::bytes(bytes.len() as u64);
    format!("{}: {size} in {:.2} s", output.display(), report.wall.as_secs_f64())
}

/// Rows used by table.
pub fn rows_json(rows: &[TableRows]) -> Value {
    rows.iter().map(|row| (row.table.name().to_owned(), Value::from(row.used))).collect::<Map<_, _>>().into()
}
