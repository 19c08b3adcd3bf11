//! Traces that violate a constraint, proved by stock `prove_batch` as well as can be, and public values that are not theirs.

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use sinter_program::F;
use sinter_program::dag::DagAir;
use sinter_recursion::Verifier;
use sinter_recursion::plan::Step;

use super::{Cap, Victim, circuit, execute};
use crate::puppet::{Script, position};
use crate::toy::{Parts, fibonacci_parts};

#[test]
fn no_cell_of_a_trace_can_be_changed() {
    let victim = Victim::mixed();
    // A cell of each column but the lookups' (see `lookups`): User's 2 to 10, both of Fibonacci.
    let cells = (2..11).map(|column| (0, 11, 7 * column + 1, column)).chain([(2, 2, 9, 0), (2, 2, 31, 1)]);
    for (table, width, row, column) in cells {
        let mut parts = victim.parts.clone();
        parts.traces[table].values[row * width + column] += F::ONE;
        let proof = victim.cheat(&parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "constraints");
    }
}

#[test]
fn public_values_are_those_of_the_trace() {
    let victim = Victim::mixed();
    for (table, index) in [(0, 0), (2, 0), (2, 1), (2, 2)] {
        let mut parts = victim.parts.clone();
        parts.publics[table][index] += F::TWO;
        // Everything is proved for the false value: only the constraints are wrong.
        let proof = victim.cheat(&parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "constraints");
        // The true value is proved, the false one claimed.
        let proof = victim.cheat(&victim.parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "");
        // The true value is proved, the false one absorbed and claimed.
        let at = position(&victim.layout, |step| *step == Step::Publics(table)) + index;
        let proof = victim.cheat(&victim.parts).prove(Script::lying([(at, F::TWO)]));
        victim.both_refuse(&proof, &parts.publics, "constraints");
    }
}

/// Fibonacci whose last number is anything: the same columns, public values and number of constraints.
#[derive(Clone)]
struct AnyEnd;

impl BaseAir<F> for AnyEnd {
    fn width(&self) -> usize {
        2
    }
    fn num_public_values(&self) -> usize {
        3
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for AnyEnd {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (a, b) = (main.current_slice()[0], main.current_slice()[1]);
        let (c, d) = (main.next_slice()[0], main.next_slice()[1]);
        let [x, y] = [0, 1].map(|i| builder.public_values()[i]);
        builder.when_first_row().assert_eq(a, x);
        builder.when_first_row().assert_eq(b, y);
        builder.when_transition().assert_eq(c, b);
        builder.when_transition().assert_eq(d, a + b);
        builder.when_first_row().assert_eq(b, y);
    }
}

/// The prover folds other constraints than the program's, under the program's digest. The control verifies with the
/// prover's constraints, and accepts.
#[test]
fn a_prover_that_forgets_a_constraint_is_refused() {
    let victim = Victim::new(fibonacci_parts(6, 3, 4));
    let mut parts = Parts { airs: vec![DagAir::from_air(&AnyEnd).unwrap()], ..victim.parts.clone() };
    parts.publics[0][2] = F::from_u32(1_000_000);
    let proof = victim.cheat(&parts).prove(Script::default());
    victim.both_refuse(&proof, &parts.publics, "constraints");

    let weak = parts.program(*victim.program.parameters()).0;
    let mut verifier = Verifier::new(&victim.program).unwrap();
    verifier.constraints = Verifier::new(&weak).unwrap().constraints;
    let control = circuit(&verifier, &victim.program, Cap::Key);
    let mut values = Vec::new();
    let digest = victim.program.digest();
    sinter_recursion::inputs::append(&mut values, &victim.layout, digest, None, &proof, &parts.publics).unwrap();
    execute(&control, values).unwrap();
}

/// The digest starts the transcript. Stock absorbs widths and heights, never the constraints: without the digest a proof for
/// the other constraints would draw the same challenges.
#[test]
fn a_proof_for_another_digest_is_refused() {
    let victim = Victim::mixed();
    let mut digest = *victim.program.digest();
    for limb in 0..digest.len() {
        digest[limb] += F::ONE;
        let cheat = crate::puppet::Cheat { digest: &digest, ..victim.cheat(&victim.parts) };
        let proof = cheat.prove(Script::default());
        victim.both_refuse(&proof, &victim.parts.publics, "");
    }
}
