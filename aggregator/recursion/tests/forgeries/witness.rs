//! A prover of the verifier circuit who goes on where an assertion fails: he fills the tables with what he has, and proves them
//! with stock `prove_batch`. What the executor refuses, the constraints and the bus refuse.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{Circuit, Inputs};
use sinter_program::dag::DagAir;
use sinter_program::{F, ParameterSet, Program, StatementLayout};
use sinter_recursion::inputs;
use sinter_recursion::layout::{Point, Round};
use sinter_recursion::plan::{Grind, Step};

use super::{Victim, coefficients, x};
use crate::puppet::{Cheat, Idle, Script, position};

/// The verifier circuit as a program of its own.
struct Outer<'a> {
    circuit: &'a Circuit,
    program: Program,
    airs: Vec<DagAir>,
}

impl<'a> Outer<'a> {
    fn new(circuit: &'a Circuit) -> Self {
        let airs: Vec<DagAir> = circuit.airs().iter().map(|air| DagAir::from_air(air).unwrap()).collect();
        let heights = circuit.log_heights().into_iter().map(|height| height as u8).collect();
        let (program, _) = Program::build(airs.clone(), heights, ParameterSet::DEV, StatementLayout::Raw).unwrap();
        Self { circuit, program, airs }
    }

    /// Whether a proof of the circuit is accepted on these inputs, whatever its executor says.
    fn accepts(&self, values: Vec<F>) -> bool {
        let mut inputs = Inputs::new();
        inputs.extend(values);
        let witness = self.circuit.execute_regardless(&inputs).unwrap();
        let publics = self.circuit.public_values(&witness);
        let cheat = Cheat {
            parameters: ParameterSet::DEV,
            digest: self.program.digest(),
            airs: &self.airs,
            traces: &self.circuit.traces(&witness),
            publics: &publics,
            claimed_key: None,
        };
        let proof = cheat.prove(Script::default());
        self.program.verify_with(&self.program.config(), &proof, &publics.concat()).is_ok()
    }
}

#[test]
fn what_the_executor_refuses_has_no_proof() {
    let victim = Victim::mixed();
    let outer = Outer::new(&victim.circuit);
    let (layout, key) = (&victim.layout, victim.program.commitment());
    let inputs_of = |proof: &_, publics: &[Vec<F>]| {
        let mut values = Vec::new();
        inputs::append(&mut values, layout, victim.program.digest(), key, proof, publics).unwrap();
        values
    };
    let refused = |label: &str, values: Vec<F>| {
        let error = super::execute(&victim.circuit, values.clone()).unwrap_err();
        assert!(error.starts_with(label), "expected a failure of {label:?}, got {error}");
        assert!(!outer.accepts(values), "{label}: a false witness has a proof");
    };
    let publics = &victim.parts.publics;
    let honest = inputs_of(&victim.cheat(&victim.parts).prove(Script::default()), publics);
    assert!(outer.accepts(honest.clone()), "the honest witness");

    let steps = layout.transcript().into_iter();
    let grinds: Vec<Grind> = steps.filter_map(|s| if let Step::Grind(g, _) = s { Some(g) } else { None }).collect();
    for step in [0, grinds.len() - 1] {
        let proof = victim.cheat(&victim.parts).prove(Script::idle(step, Idle::Fails));
        refused("grinding", inputs_of(&proof, publics));
    }

    let mut parts = victim.parts.clone();
    parts.traces[2].values[9] += F::ONE;
    refused("constraints", inputs_of(&victim.cheat(&parts).prove(Script::default()), publics));

    let mut parts = victim.parts.clone();
    parts.traces[1].values[5] += F::ONE;
    refused("lookups", inputs_of(&victim.cheat(&parts).prove(Script::default()), publics));

    let opening = layout.opening(Round::Quotient, 0, 0, Point::Zeta).unwrap();
    let at = position(layout, |step| *step == Step::Opening(opening));
    let lies = coefficients(at, -x()).chain(coefficients(at + 5, sinter_program::EF::ONE));
    let mut proof = victim.cheat(&victim.parts).prove(Script::lying(lies));
    super::openings::shift(&mut proof.opened_values.instances[0].base_opened_values.quotient_chunks[0]);
    refused("FRI rows", inputs_of(&proof, publics));

    let at = position(layout, |step| *step == Step::FinalPoly);
    let mut proof = victim.cheat(&victim.parts).prove(Script::lying([(at, F::ONE)]));
    proof.opening_proof.final_poly[0] += sinter_program::EF::ONE;
    refused("final polynomial", inputs_of(&proof, publics));

    let mut proof = victim.cheat(&victim.parts).prove(Script::default());
    proof.opening_proof.input_openings[0].opening_proof.sibling_hashes[0][0] += F::ONE;
    refused("paths", inputs_of(&proof, publics));

    // A limb behind the public values, and the inputs of the last query.
    let mut values = honest.clone();
    values[7] += F::ONE;
    refused("public values", values);
    let mut values = honest;
    *values.last_mut().unwrap() += F::ONE;
    refused("FRI rows", values);
}
