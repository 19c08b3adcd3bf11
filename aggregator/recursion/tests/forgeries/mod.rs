//! What a cheating prover may try on a proof that is verified, natively and in-circuit. Every file is one kind of forgery.
//!
//! A forgery is made as a prover would make it: by stock `prove_batch`, under a transcript that is consistent with the lie
//! (see [`crate::puppet`]). Where it can be shown, a *control* follows: a verifier without the check accepts the forgery, so
//! it is that check, and no other, that refuses it.

mod constraints;
mod fold;
mod grinding;
mod link;
mod lookups;
mod openings;
mod preprocessed;
mod shape;
mod witness;
mod wrap;

use p3_batch_stark::BatchProof;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_circuit::{Builder, Circuit, Heights, Inputs};
use sinter_program::{Config, EF, F, Program};
use sinter_recursion::layout::Layout;
use sinter_recursion::{KeyWords, Verifier, inputs};

use crate::puppet::Cheat;
use crate::toy::{GROUND, Parts, mixed_parts};

/// A program under attack, with its verifier in both forms.
pub struct Victim {
    pub parts: Parts,
    pub program: Program,
    pub layout: Layout,
    pub circuit: Circuit,
}

impl Victim {
    pub fn new(parts: Parts) -> Self {
        let (program, _) = parts.program(GROUND);
        let verifier = Verifier::new(&program).unwrap();
        let circuit = circuit(&verifier, &program, Cap::Key);
        Self { parts, layout: verifier.layout, circuit, program }
    }

    /// The program with everything in it.
    pub fn mixed() -> Self {
        Self::new(mixed_parts(3))
    }

    /// A cheat with the victim's own tables and traces: it may be changed.
    pub fn cheat<'a>(&'a self, parts: &'a Parts) -> Cheat<'a> {
        Cheat {
            parameters: *self.program.parameters(),
            digest: self.program.digest(),
            airs: &parts.airs,
            traces: &parts.traces,
            publics: &parts.publics,
            claimed_key: None,
        }
    }

    /// What the native verifier says.
    pub fn native(&self, proof: &BatchProof<Config>, publics: &[Vec<F>]) -> Result<(), String> {
        let result = self.program.verify_with(&self.program.config(), proof, &publics.concat());
        result.map_err(|error| error.to_string())
    }

    /// What the verifier circuit says: the label of the check that fails.
    pub fn in_circuit(&self, proof: &BatchProof<Config>, publics: &[Vec<F>]) -> Result<(), String> {
        let mut values = Vec::new();
        let (digest, key) = (self.program.digest(), self.program.commitment());
        inputs::append(&mut values, &self.layout, digest, key, proof, publics).map_err(|e| format!("inputs: {e}"))?;
        execute(&self.circuit, values)
    }

    /// Checks that both refuse, the circuit by the check of that label.
    pub fn both_refuse(&self, proof: &BatchProof<Config>, publics: &[Vec<F>], label: &str) {
        let (native, circuit) = (self.native(proof, publics), self.in_circuit(proof, publics));
        println!("native: {native:?}, circuit: {circuit:?}");
        assert!(native.is_err(), "the native verifier accepts; the circuit says {circuit:?}");
        let circuit = circuit.expect_err("the circuit accepts what the native verifier refuses");
        assert!(circuit.starts_with(label), "expected a failure of {label:?}, got {circuit}");
    }

    /// Checks that both accept: the honest proof, or a control.
    pub fn both_accept(&self, proof: &BatchProof<Config>, publics: &[Vec<F>]) {
        self.native(proof, publics).unwrap();
        self.in_circuit(proof, publics).unwrap();
    }
}

/// Where a circuit gets the preprocessed cap from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cap {
    /// From the program: constants.
    Key,
    /// From the proof, as the first inputs: the mistake.
    Proof,
}

/// The verifier circuit, exposing the public values.
pub fn circuit(verifier: &Verifier, program: &Program, cap: Cap) -> Circuit {
    let mut b = Builder::new();
    let digest = b.constant_word(*program.digest());
    let preprocessed = program.commitment().map(|key| match cap {
        Cap::Key => b.constant_block(key.roots()),
        Cap::Proof => b.block_of_words(key.num_roots()),
    });
    for (i, word) in verifier.verify(&mut b, KeyWords { digest, preprocessed }).into_iter().enumerate() {
        b.expose(i, word);
    }
    b.finish(Heights::Smallest).unwrap()
}

/// Runs a circuit.
pub fn execute(circuit: &Circuit, values: Vec<F>) -> Result<(), String> {
    let mut inputs = Inputs::new();
    inputs.extend(values);
    circuit.execute(&inputs).map(|_| ()).map_err(|error| error.to_string())
}

/// X, as an element of the extension.
pub fn x() -> EF {
    EF::from_basis_coefficients_fn(|i| if i == 1 { F::ONE } else { F::ZERO })
}

/// The coefficients of an element, to be added at consecutive positions of a transcript.
pub fn coefficients(at: usize, value: EF) -> impl Iterator<Item = (usize, F)> {
    let coefficients: Vec<F> = value.as_basis_coefficients_slice().to_vec();
    coefficients.into_iter().enumerate().map(move |(i, c)| (at + i, c))
}

#[test]
fn the_honest_proof_is_accepted() {
    let victim = Victim::mixed();
    let proof = victim.cheat(&victim.parts).prove(crate::puppet::Script::default());
    victim.both_accept(&proof, &victim.parts.publics);
}
