//! The verifier circuit of a program, and its inputs for a proof.

use sinter_circuit::{Builder, Circuit, Heights};
use sinter_program::{F, Program};
use sinter_recursion::{KeyWords, Layout, Verifier, inputs};

use crate::toy::Proved;

/// A circuit that verifies one proof of a program and exposes its public values.
pub struct Checker {
    pub verifier: Verifier,
    pub circuit: Circuit,
}

impl Checker {
    pub fn new(program: &Program) -> Self {
        let verifier = Verifier::new(program).unwrap();
        let mut b = Builder::new();
        let digest = b.constant_word(*program.digest());
        let preprocessed = program.commitment().map(|cap| b.constant_block(cap.roots()));
        let publics = verifier.verify(&mut b, KeyWords { digest, preprocessed });
        for (i, word) in publics.into_iter().enumerate() {
            b.expose(i, word);
        }
        Self { verifier, circuit: b.finish(Heights::Smallest).unwrap() }
    }
}

/// What the circuit reads of a proof.
pub fn inputs_of(proved: &Proved, layout: &Layout) -> Vec<F> {
    let Proved { program, proof, publics } = proved;
    let mut values = Vec::new();
    inputs::append(&mut values, layout, program.digest(), program.commitment(), proof, publics).unwrap();
    values
}
