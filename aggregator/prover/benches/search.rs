//! The search for the fold's parameters: what each choice costs, in one run.
//!
//! `cargo bench -p sinter-prover --bench search`
//!
//! For each parameter set, at the universal heights: rows that the fold circuit uses of the two tables that bind, the wall
//! time of a fold (the best of some), the bytes of its proof, the bits that it proves. A set at which two verifiers do not
//! fit is said so: there the fold does not close.

use std::time::Duration;

use sinter_circuit::CircuitError;
use sinter_program::ParameterSet;
use sinter_program::soundness::Report;
use sinter_prover::fold::FolderError;
use sinter_prover::{CpuProver, Folder};
use sinter_recursion::Universal;

const ROUNDS: usize = 5;

/// What is tried: the set in use, and one number changed at a time; then the other rates, with their queries.
const SETS: [(&str, ParameterSet); 10] = [
    ("fold", ParameterSet::FOLD),
    ("final polynomial 2^3", ParameterSet { log_final_poly_len: 3, ..ParameterSet::FOLD }),
    ("final polynomial 2^5", ParameterSet { log_final_poly_len: 5, ..ParameterSet::FOLD }),
    ("cap 2^2", ParameterSet { cap_height: 2, ..ParameterSet::FOLD }),
    ("cap 2^6", ParameterSet { cap_height: 6, ..ParameterSet::FOLD }),
    ("arity 4", ParameterSet { max_log_arity: 2, ..ParameterSet::FOLD }),
    ("arity 16", ParameterSet { max_log_arity: 4, ..ParameterSet::FOLD }),
    ("86 queries, 16 bits", ParameterSet { queries: 86, query_pow_bits: 16, ..ParameterSet::FOLD }),
    ("fold-wide", ParameterSet::FOLD_WIDE),
    ("blow-up 2^4, 46 queries", ParameterSet { log_blowup: 4, queries: 46, ..ParameterSet::FOLD }),
];

fn main() {
    println!("| set | poseidon2 rows | alu rows | wall s | bytes | proven bits |");
    println!("|---|---|---|---|---|---|");
    for (name, set) in SETS {
        match row(set) {
            Ok(row) => println!("| {name} | {row} |"),
            Err(error) => println!("| {name} | {error} |"),
        }
    }
}

/// A line of the table.
fn row(set: ParameterSet) -> Result<String, Box<dyn std::error::Error>> {
    let shape = Universal::new(set, Universal::LOG_HEIGHTS)?;
    let bits = Report::new(shape.shape()).proven_bits;
    let folder = match Folder::of(&shape) {
        Err(FolderError::Circuit(CircuitError::Height { table, needed, available })) => {
            return Ok(format!("does not close: {table} needs {needed} of {available} | | | | {bits:.1}"));
        }
        folder => folder?,
    };
    let null = folder.null(&CpuProver)?;
    let mut best: Option<(Duration, usize)> = None;
    for _ in 0..ROUNDS {
        let (proof, report) = folder.fold(&CpuProver, &null, &null)?;
        let bytes = proof.encode(shape.shape())?.len();
        best = best.min(Some((report.wall, bytes))).or(Some((report.wall, bytes)));
    }
    let (wall, bytes) = best.unwrap_or_default();
    let used = folder.node().rows().map(|rows| rows.used);
    Ok(format!("{} | {} | {:.2} | {bytes} | {bits:.1}", used[0], used[1], wall.as_secs_f64()))
}
