//! `sinter leaf`: proofs of Plonky3's programs, whose traces this binary can make.

use super::{LeafCommand, input, text};
use crate::exit::{Exit, Failure, OrFail, print_result};
use serde_json::json;
use sinter_program::{ParameterSet, Program};
use sinter_prover::{CpuProver, Prover, leaf, stages::available_memory_bytes, standard::Standard};
use std::{
    path::{Path, PathBuf},
    time::Instant,
};

/// Carries the command out.
///
/// # Errors
/// When the program is not one whose traces can be made here, or the proof cannot be made or written.
pub fn run(command: &LeafCommand) -> Result<(), Failure> {
    let LeafCommand::Prove { program, log_rows, set, seed, output, json } = command;
    let (program, standard) = choose(program, *log_rows, *set)?;
    let proved = prove(&program, standard, *seed)?;
    input::write(output, &proved.bytes)?;
    print_result(if *json { proved.as_json(&program, output) } else { proved.as_text(&program, output) })
}

/// The program that is meant, and whose traces it takes.
fn choose(name: &str, log_rows: Option<u8>, set: Option<ParameterSet>) -> Result<(Program, Standard), Failure> {
    if let Ok(standard) = name.parse::<Standard>() {
        let (Some(log_rows), Some(set)) = (log_rows, set) else {
            return Err(Failure::new(Exit::Usage, format!("{standard}: expected --log-rows and --set with it")));
        };
        return Ok((standard.program(log_rows, set).or_fail(Exit::Usage, standard)?, standard));
    }
    if log_rows.is_some() || set.is_some() {
        let message = format!("--log-rows and --set are for {}: {name} says both itself", names());
        return Err(Failure::new(Exit::Usage, message));
    }
    let path = PathBuf::from(name);
    let program = input::program(&path)?;
    let standard = Standard::of(&program).ok_or_else(|| {
        let message =
            format!("{name}: this command makes the traces of {} alone: a program's own prover makes its", names());
        Failure::new(Exit::Usage, message)
    })?;
    Ok((program, standard))
}

fn names() -> String {
    Standard::ALL.map(Standard::name).join(", ")
}

struct Proved {
    standard: Standard,
    permutations: usize,
    bytes: Vec<u8>,
    wall_s: f64,
    stages: sinter_prover::stages::Stages,
}

fn prove(program: &Program, standard: Standard, seed: u64) -> Result<Proved, Failure> {
    let what = format!("proving {standard}");
    let prover = CpuProver;
    let key = leaf::proving_key(program).or_fail(Exit::Failed, &what)?;
    let log_rows = program.log_heights()[0];
    let needed = prover.memory_bytes(&key, 1);
    if let Some(available) = available_memory_bytes().filter(|available| *available < needed) {
        let (needed, available) = (text::bytes(needed), text::bytes(available));
        let message = format!("{what}: 2^{log_rows} rows may take {needed} of memory, and {available} are free");
        return Err(Failure::new(Exit::Failed, message));
    }
    let started = Instant::now();
    let trace = standard.trace(log_rows, seed).or_fail(Exit::Usage, "")?;
    let traces_took = started.elapsed();
    let (proof, mut stages) = leaf::prove(&prover, program, &key, &[trace], &[]).or_fail(Exit::Failed, &what)?;
    stages.traces = traces_took;
    let wall_s = text::seconds(started.elapsed());
    // What was just made is checked before anybody relies on it.
    program.verify(&proof).or_fail(Exit::Failed, &what)?;
    let bytes = proof.encode(program.shape()).or_fail(Exit::Failed, &what)?;
    Ok(Proved { standard, permutations: standard.permutations(log_rows), bytes, wall_s, stages })
}

impl Proved {
    fn as_json(&self, program: &Program, output: &Path) -> String {
        json!({
            "proof": output,
            "program": text::digest(program.digest()),
            "standard": self.standard.name(),
            "permutations": self.permutations,
            "parameter_set": program.parameters().name(),
            "proof_bytes": self.bytes.len(),
            "wall_s": self.wall_s,
            "stages_s": text::stages(&self.stages),
        })
        .to_string()
    }

    fn as_text(&self, program: &Program, output: &Path) -> String {
        format!(
            "{}: {} permutations of {} in {:.2} s, {}, parameter set {}\nprogram {}",
            output.display(),
            self.permutations,
            self.standard,
            self.wall_s,
            text::bytes(self.bytes.len() as u64),
            program.parameters().name(),
            text::digest(program.digest()),
        )
    }
}
