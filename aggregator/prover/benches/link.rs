//! What linking a full batch costs, at each capacity.
//!
//! `cargo bench -p sinter-prover --bench link -- 16 64 256`
//!
//! Each capacity is measured in a process of its own, so that the peak of memory is its own. Rows are those of the link's tables,
//! then of each wrap's Poseidon2 and Alu table.

use std::process::Command;
use std::time::{Duration, Instant};

use p3_field::PrimeCharacteristicRing;
use sinter_program::soundness::Report;
use sinter_program::{Digest, F};
use sinter_prover::link::{Capacity, Linker};
use sinter_prover::{CpuProver, stages};
use sinter_recursion::Statement;

/// Says to a process which capacity is its own.
const CHILD: &str = "SINTER_BENCH_LINK";

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    if let Ok(capacity) = std::env::var(CHILD) {
        return measure(capacity.parse()?);
    }
    println!(
        "| capacity | proven bits | build s | link s (cpu) | wraps s (cpu) | peak GB | leaf bytes | rows used of available |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let wanted: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    for capacity in Capacity::ALL.map(Capacity::statements) {
        if wanted.is_empty() || wanted.contains(&capacity) {
            Command::new(std::env::current_exe()?).env(CHILD, capacity.to_string()).status()?;
        }
    }
    Ok(())
}

/// Statements that differ from each other.
fn statements(count: usize) -> Vec<Statement> {
    let element = |at: usize, index: usize| F::from_usize(1 + at * 72 + index) * F::new(1_029_491);
    let statement = |at| Statement {
        program_id: std::array::from_fn::<F, 8, _>(|index| element(at, index)) as Digest,
        public_values: std::array::from_fn(|index| element(at, 8 + index)),
    };
    (0..count).map(statement).collect()
}

fn measure(capacity: usize) -> Result<(), Failure> {
    let start = Instant::now();
    let linker = Linker::new(Capacity::of(capacity).ok_or("no such capacity")?)?;
    let build = start.elapsed();
    let cpu = || stages::processor_time().unwrap_or_default();
    let before = cpu();
    let (leaf, link) = linker.prove_leaf(&CpuProver, &statements(capacity))?;
    let between = cpu();
    let (proof, wraps) = linker.wrapper().wrap(&CpuProver, &leaf)?;
    let (link_cpu, wraps_cpu) = (between - before, cpu() - between);
    let count = linker.verify(&proof)?.count;
    if count as usize != capacity {
        return Err(format!("expected {capacity} statements, got {count}").into());
    }
    let circuit = linker.link().circuit();
    let tables = circuit.rows().iter().chain(circuit.keccak_rows().into_iter().flatten());
    let mut rows: Vec<String> = tables.map(|rows| format!("{} {} of {}", rows.table, rows.used, rows.height)).collect();
    for layer in linker.wrapper().layers() {
        rows.push(format!("wrap {} and {} of {}", layer[0].used, layer[1].used, layer[0].height));
    }
    let report = Report::new(linker.program().shape());
    let seconds = |duration: Duration| duration.as_secs_f64();
    println!(
        "| {capacity} | {:.1} | {:.1} | {:.1} ({:.1}) | {:.1} ({:.1}) | {:.2} | {} | {} |",
        report.proven_bits,
        seconds(build),
        seconds(link.wall),
        seconds(link_cpu),
        seconds(wraps.wall),
        seconds(wraps_cpu),
        stages::peak_memory_bytes().unwrap_or(0) as f64 / 1e9,
        leaf.encode(linker.program().shape())?.len(),
        rows.join("; "),
    );
    Ok(())
}
