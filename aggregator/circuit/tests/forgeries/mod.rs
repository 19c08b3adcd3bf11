//! What a cheating prover may try on the tables' level. Every file is one kind of forgery.

mod bits;
mod bytes;
mod cells;
mod keccak;
mod paths;
mod publics;
mod reads;
mod stock;

use sinter_circuit::Heights;

use crate::support::checker::Checker;
use crate::support::sample::sample;

/// The sample circuit's valid traces at low heights.
fn valid() -> Checker {
    let (circuit, inputs) = sample(Heights::Forced([8, 8, 9, 6, 7]));
    let witness = circuit.execute(&inputs).unwrap();
    Checker::new(&circuit, circuit.traces(&witness), witness.publics())
}
