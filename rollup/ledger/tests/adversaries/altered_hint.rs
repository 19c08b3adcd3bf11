//! A prover who writes something else wherever the machine would write a hint: a bit, a quotient, the place of a frame. Whatever
//! it is, the run is refused, or says the same.

use crate::world::{ALICE, BOB, World};
use p3_field::PrimeCharacteristicRing;
use sinter_ledger::Ledger;
use sinter_ledger::transaction::Action;
use sinter_machine::{Context, Hint, Host, HostError};
use sinter_program::F;
use sinter_rollup::StatementHost;

/// Alters the n-th hint.
struct Liar<'a> {
    honest: StatementHost<'a>,
    hints: usize,
    altered: usize,
    by: F,
}

impl Host for Liar<'_> {
    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError> {
        self.honest.answer(question, context)
    }

    fn amend(&mut self, _: &Hint, values: &mut [F]) {
        if self.hints == self.altered {
            let at = self.altered % values.len();
            values[at] += self.by;
        }
        self.hints += 1;
    }
}

#[test]
fn an_altered_hint_changes_nothing() {
    let mut world = World::with_accounts();
    let mut forged = world.sign(BOB, Action::Transfer { to: ALICE as u32, wei: 900 });
    forged[100] ^= 1;
    let payloads = [
        world.sign(ALICE, Action::Withdraw { recipient: [7; 20], wei: 300 }),
        forged,
        world.sign(BOB, Action::Transfer { to: ALICE as u32, wei: 2_000 }),
    ];
    let lane = world.lane(&payloads);
    let run = |altered: usize, by: F| {
        let mut ledger: Ledger = world.ledger.clone();
        let honest = StatementHost::new(&world.state, &lane, &mut ledger).unwrap();
        let mut liar = Liar { honest, hints: 0, altered, by };
        let run = world.prover.machine().execute(&mut liar);
        (run.map(|run| run.public_values()), liar.hints)
    };
    let (honest, hints) = run(usize::MAX, F::ONE);
    let honest = honest.unwrap();
    let (mut refused, mut same) = (0, 0);
    // Every seventh, which meets each place of the code in one turn or another of its loops.
    for altered in (0..hints).step_by(7) {
        for by in [F::ONE, -F::ONE, F::from_u32(8), F::from_u32(1 << 24), F::TWO.halve().halve()] {
            match run(altered, by).0 {
                Ok(public_values) => {
                    assert_eq!(public_values, honest, "hint {altered} by {by}");
                    same += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    println!("{hints} hints: {refused} alterations refused, {same} without effect");
    assert!(refused > 10 * same, "{refused} refused, {same} without effect");
}
