//! A prover who alters what a run did: no proof of it verifies.

use crate::kit::{Claim, everything, machine, prove};
use p3_field::PrimeCharacteristicRing;
use sinter_machine::Machine;
use sinter_program::F;

fn honest() -> (Machine, Claim) {
    let machine = machine(everything());
    let run = Claim::of(&machine);
    prove(&machine, &run).unwrap();
    (machine, run)
}

/// The tables, in the order of the program.
const TABLES: [&str; 5] = ["cycles", "memory", "hashes", "code", "publics"];

/// Every column of every table, altered in one row that the run uses.
#[test]
fn every_column_is_bound() {
    let (machine, mut run) = honest();
    let mut free = Vec::new();
    for (table, name) in TABLES.into_iter().enumerate() {
        let width = run.traces[table].width;
        // The second row: of cycles one that ran, of memory a public word, of hashes one that was asked for.
        for column in 0..width {
            let at = width + column;
            let honest = run.traces[table].values[at];
            run.traces[table].values[at] += F::ONE;
            if prove(&machine, &run).is_ok() {
                free.push((name, column));
            }
            run.traces[table].values[at] = honest;
        }
    }
    assert_eq!(free, [], "columns that nothing binds");
}

#[test]
fn every_public_value_is_bound() {
    let (machine, mut run) = honest();
    for index in [0, 1, 8, 9, 63] {
        run.public_values[index] += F::ONE;
        assert!(prove(&machine, &run).is_err(), "public value {index}");
        run.public_values[index] -= F::ONE;
    }
}

#[test]
fn a_run_must_begin_at_the_beginning_and_be_complete() {
    let (machine, run) = honest();
    let cycles = run.traces[0].clone();
    let mut run = run;
    // Every step one later: the first instruction did not run.
    let width = cycles.width;
    let mut values = cycles.values[width..].to_vec();
    values.extend_from_slice(&cycles.values[cycles.values.len() - width..]);
    run.traces[0].values = values;
    run.traces[3].values[0] += F::ONE;
    run.traces[3].values[1] -= F::ONE;
    assert!(prove(&machine, &run).is_err());
}
