//! Point 1: the key must come from outside. A prover with preprocessed columns of its own.

use p3_field::PrimeCharacteristicRing;
use sinter_program::F;
use sinter_program::dag::DagAir;
use sinter_recursion::{Verifier, inputs};

use super::{Cap, Victim, circuit, execute};
use crate::puppet::{Cheat, Script};
use crate::toy::{Parts, USER_WIDTH};

/// The victim's tables with another range: its row 63 holds `value`, which the first table then looks up.
fn other_range(victim: &Victim, value: F) -> Parts {
    let mut parts = victim.parts.clone();
    let mut range = parts.airs[1].preprocessed().unwrap().clone();
    range.values[63] = value;
    parts.airs[1] = DagAir::new(parts.airs[1].dag().clone()).with_preprocessed(range).unwrap();
    let (old, public) = (F::from_u32(63), parts.publics[0][0]);
    for cells in parts.traces[0].values.chunks_exact_mut(USER_WIDTH) {
        for cell in &mut cells[..2] {
            if *cell == old {
                *cell = value;
            }
        }
        let (a, b) = (cells[0], cells[1]);
        cells[2..].fill(a.square() * b + public);
    }
    parts
}

/// The prover proves with its own range. Everything is honest but the key.
#[test]
fn a_proof_under_another_key_is_refused() {
    let victim = Victim::mixed();
    let parts = other_range(&victim, F::from_u32(1_000_000));
    // With its own key absorbed, every challenge differs.
    let proof = victim.cheat(&parts).prove(Script::default());
    victim.both_refuse(&proof, &parts.publics, "");
    // With the victim's key absorbed, only the opened preprocessed rows are wrong.
    let key = victim.program.commitment();
    let proof = Cheat { claimed_key: key, ..victim.cheat(&parts) }.prove(Script::default());
    victim.both_refuse(&proof, &parts.publics, "");
    let error = victim.in_circuit(&proof, &parts.publics).unwrap_err();
    assert!(error.contains("digest"), "expected a path that ends in another digest, got {error}");
}

/// The control: a circuit that reads the preprocessed commitment from the proof, as the published recursion does, accepts.
#[test]
fn a_circuit_that_takes_the_key_from_the_proof_accepts_it() {
    let victim = Victim::mixed();
    let parts = other_range(&victim, F::from_u32(1_000_000));
    let proof = victim.cheat(&parts).prove(Script::default());
    let own = parts.program(*victim.program.parameters()).0;
    let key = own.commitment().unwrap();
    assert_ne!(own.digest(), victim.program.digest());

    let careless = circuit(&Verifier::new(&victim.program).unwrap(), &victim.program, Cap::Proof);
    let mut values: Vec<F> = key.roots().iter().flatten().copied().collect();
    let digest = victim.program.digest();
    inputs::append(&mut values, &victim.layout, digest, Some(key), &proof, &parts.publics).unwrap();
    execute(&careless, values.clone()).unwrap();

    // The same inputs, without the key's, are refused by the circuit that holds the key.
    let error = execute(&victim.circuit, values.split_off(8 * key.num_roots())).unwrap_err();
    println!("{error}");
}
