//! The verifier circuit runs on real stock proofs, and on none that stock refuses.

use p3_batch_stark::verify_batch;
use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{Circuit, Inputs};
use sinter_program::{F, ParameterSet};

use crate::support::{Checker, inputs_of};
use crate::toy::{GROUND, Proved, fibonacci, mixed};

fn executes(circuit: &Circuit, values: &[F]) -> bool {
    let mut inputs = Inputs::new();
    inputs.extend(values.iter().copied());
    circuit.execute(&inputs).is_ok()
}

fn check(proved: &Proved) {
    let Proved { program, proof, publics } = proved;
    verify_batch(&program.config(), program.airs(), proof, publics, &program.common()).unwrap();
    let Checker { verifier, circuit } = Checker::new(program);
    let values = inputs_of(proved, &verifier.layout);
    let mut inputs = Inputs::new();
    inputs.extend(values.iter().copied());
    let witness = circuit.execute(&inputs).unwrap();
    let flat: Vec<F> = publics.iter().flatten().copied().collect();
    assert_eq!(&witness.publics()[..flat.len()], &flat[..]);

    // Whatever the prover changes in what the circuit reads is noticed.
    let stride = (values.len() / 97).max(1);
    let mut changed = 0;
    for at in (0..values.len()).step_by(stride) {
        let mut forged = values.clone();
        forged[at] += F::ONE;
        assert!(!executes(&circuit, &forged), "input {at} of {} was changed and not noticed", values.len());
        changed += 1;
    }
    println!("{changed} of {} inputs changed, none unnoticed", values.len());
}

#[test]
fn the_circuit_accepts_a_proof_of_one_table_and_no_change_of_it() {
    check(&fibonacci(ParameterSet::DEV, 6, 3, 4));
}

#[test]
fn the_circuit_accepts_a_proof_of_tables_joined_by_a_bus_and_no_change_of_it() {
    check(&mixed(ParameterSet::DEV, 1));
}

#[test]
fn the_circuit_checks_every_grinding_step() {
    check(&mixed(GROUND, 2));
}

#[test]
fn the_circuit_refuses_another_proofs_public_values() {
    let proved = fibonacci(ParameterSet::DEV, 6, 3, 4);
    let other = fibonacci(ParameterSet::DEV, 6, 5, 4);
    let Checker { verifier, circuit } = Checker::new(&proved.program);
    let mut values = inputs_of(&proved, &verifier.layout);
    assert!(executes(&circuit, &values));
    values[..3].copy_from_slice(&other.publics[0]);
    assert!(!executes(&circuit, &values));
}
