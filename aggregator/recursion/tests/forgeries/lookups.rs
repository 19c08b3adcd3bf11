//! The bus: values that nobody provides, terminals that do not sum to zero or are not the table's, buses mixed up.

use p3_air::{Air, BaseAir, WindowAccess};
use p3_field::{Field, PrimeCharacteristicRing};
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::dag::DagAir;
use sinter_program::{EF, F};
use sinter_recursion::plan::Step;

use super::{Victim, coefficients, x};
use crate::puppet::{Script, position};
use crate::toy::{Parts, USER_WIDTH};

/// A row of the first table with other values looked up, its other columns as its constraints want them.
fn look_up(parts: &mut Parts, row: usize, a: F, b: F) {
    let public = parts.publics[0][0];
    let cells = &mut parts.traces[0].values[row * USER_WIDTH..][..USER_WIDTH];
    cells.fill(a.square() * b + public);
    (cells[0], cells[1]) = (a, b);
}

/// The traces satisfy every constraint; a value is looked up that is in no row of the range.
#[test]
fn a_value_that_nobody_provides_unbalances_the_sum() {
    let victim = Victim::mixed();
    for value in [F::from_u32(64), F::NEG_ONE, F::TWO.inverse()] {
        let mut parts = victim.parts.clone();
        look_up(&mut parts, 17, value, F::ONE);
        let proof = victim.cheat(&parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "lookups");
    }
}

/// Counts that are wrong by one, by a whole table, and by p.
#[test]
fn counts_are_those_of_the_lookups() {
    let victim = Victim::mixed();
    for (row, change) in [(0, F::ONE), (5, F::NEG_ONE), (63, F::from_u32(256)), (20, F::TWO.inverse())] {
        let mut parts = victim.parts.clone();
        parts.traces[1].values[row] += change;
        let proof = victim.cheat(&parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "lookups");
    }
    // A count moved from one value to another: the sum of the counts is right.
    let mut parts = victim.parts.clone();
    parts.traces[1].values[3] += F::ONE;
    parts.traces[1].values[4] -= F::ONE;
    let proof = victim.cheat(&parts).prove(Script::default());
    victim.both_refuse(&proof, &parts.publics, "lookups");
}

/// The sum does not balance, and the prover says it does: it absorbs a terminal that makes it zero, and goes on.
#[test]
fn a_terminal_that_makes_the_sum_zero_is_not_the_tables() {
    let victim = Victim::mixed();
    let mut parts = victim.parts.clone();
    look_up(&mut parts, 17, F::from_u32(64), F::ONE);
    // The terminals do not depend on what is absorbed after the permutation commitment.
    let honest = victim.cheat(&parts).prove(Script::default());
    let sum: EF = honest.lookup_terminals.iter().flatten().map(|terminal| terminal.0).sum();
    assert!(!sum.is_zero());
    for table in [0, 1] {
        let at = position(&victim.layout, |step| *step == Step::Terminal(table));
        let mut proof = victim.cheat(&parts).prove(Script::lying(coefficients(at, -sum)));
        proof.lookup_terminals[table].as_mut().unwrap().0 -= sum;
        let sum: EF = proof.lookup_terminals.iter().flatten().map(|terminal| terminal.0).sum();
        assert!(sum.is_zero());
        victim.both_refuse(&proof, &parts.publics, "constraints");
    }
}

/// Honest traces, terminals shifted against each other.
#[test]
fn each_terminal_is_bound_by_itself() {
    let victim = Victim::mixed();
    let [first, second] = [0, 1].map(|table| position(&victim.layout, |step| *step == Step::Terminal(table)));
    let lies = coefficients(first, x()).chain(coefficients(second, -x()));
    let mut proof = victim.cheat(&victim.parts).prove(Script::lying(lies));
    proof.lookup_terminals[0].as_mut().unwrap().0 += x();
    proof.lookup_terminals[1].as_mut().unwrap().0 -= x();
    victim.both_refuse(&proof, &victim.parts.publics, "constraints");
}

/// One column, sent on one bus and received on another, or on the same.
#[derive(Clone)]
struct Sender(&'static str, bool);

impl BaseAir<F> for Sender {
    fn width(&self) -> usize {
        2
    }
    fn main_next_row_columns(&self) -> Vec<usize> {
        vec![]
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Sender {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let [a, b]: [AB::Expr; 2] = [main.current_slice()[0].into(), main.current_slice()[1].into()];
        builder.assert_zero(a.clone() * b.clone() - b.clone() * a.clone());
        let count = if self.1 { AB::Expr::ONE } else { AB::Expr::NEG_ONE };
        builder.push_interaction(self.0, [a, b], Count::bounded(count, 1));
    }
}

fn senders(buses: [&'static str; 2]) -> Parts {
    let airs = [Sender(buses[0], true), Sender(buses[1], false)];
    let trace = RowMajorMatrix::new((0..128).map(F::from_u32).collect(), 2);
    Parts {
        airs: airs.iter().map(|air| DagAir::from_air(air).unwrap()).collect(),
        traces: vec![trace.clone(), trace],
        publics: vec![vec![], vec![]],
    }
}

/// The same messages on two buses do not cancel; on one bus they do (the control).
#[test]
fn a_message_on_one_bus_is_none_on_another() {
    let control = Victim::new(senders(["one", "one"]));
    let proof = control.cheat(&control.parts).prove(Script::default());
    control.both_accept(&proof, &control.parts.publics);
    let victim = Victim::new(senders(["one", "other"]));
    let proof = victim.cheat(&victim.parts).prove(Script::default());
    victim.both_refuse(&proof, &victim.parts.publics, "lookups");
}

/// (a, b) and (b, a), and a shorter message that is a longer one's end.
#[test]
fn the_fields_of_a_message_do_not_change_places() {
    let victim = Victim::new(senders(["one", "one"]));
    let mut parts = victim.parts.clone();
    for row in parts.traces[0].values.chunks_exact_mut(2) {
        row.swap(0, 1);
    }
    let proof = victim.cheat(&parts).prove(Script::default());
    victim.both_refuse(&proof, &parts.publics, "lookups");
}
