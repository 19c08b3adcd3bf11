//! A prover who consumes something else than was ordered, or than stands in the inbox.

use crate::world::{ALICE, BOB, World, block, deposit, key_bytes, user};
use p3_field::PrimeCharacteristicRing;
use sinter_ledger::Ledger;
use sinter_ledger::transaction::Action;
use sinter_machine::{Context, Host, HostError, WORD};
use sinter_primitives::accumulator::{CHUNK_ELEMENTS, Stream};
use sinter_program::F;
use sinter_rollup::code::question;
use sinter_rollup::{Lane, StatementHost};

/// Opens the block that was ordered, and reads another stream.
struct Liar<'a> {
    honest: StatementHost<'a>,
    stream: Stream,
}

impl Host for Liar<'_> {
    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError> {
        if question != question::CHUNK {
            return self.honest.answer(question, context);
        }
        let words = (CHUNK_ELEMENTS / WORD) as u32;
        let run = context.memory.allocate(4 * words)?;
        context.set(3, F::ONE)?;
        context.set(4, F::from_u32(run))?;
        let mut elements: Vec<F> = self.stream.chunk(0).map(F::new).collect();
        elements.resize(elements.len().next_multiple_of(WORD), F::ZERO);
        Ok(context.memory.write_all(run, &elements)?)
    }
}

#[test]
fn nobody_reads_what_was_not_ordered() {
    let world = World::with_accounts();
    let small = |byte: u8| block(9, vec![user(vec![byte; 100]), user(vec![byte; 200])]);
    let lane = Lane { blocks: vec![small(1)], ..Lane::default() };
    let run = |stream: Stream| {
        let mut ledger: Ledger = world.ledger.clone();
        let honest = StatementHost::new(&world.state, &lane, &mut ledger).unwrap();
        world.prover.machine().execute(&mut Liar { honest, stream })
    };
    let _ = run(Stream::new(&small(1).transactions)).unwrap();
    assert!(run(Stream::new(&small(2).transactions)).is_err(), "other bytes");
    assert!(run(Stream::new(&small(1).transactions[..1])).is_err(), "one transaction less");
    let mut swapped = small(1).transactions;
    swapped.reverse();
    assert!(run(Stream::new(&swapped)).is_err(), "another order");
}

/// These runs are complete, and name an accumulator or an inbox hash that the L1 does not have: it refuses their statements.
#[test]
fn what_the_l1_compares_tells_another_order_and_another_inbox() {
    let mut world = World::with_accounts();
    let transfer = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 5 });
    let ordered = world.lane(&[transfer, vec![1]]);
    let public_values = |lane: &Lane| {
        let statement = world.prover.statement(&world.state, lane, &mut world.ledger.clone()).unwrap();
        statement.execution.public_values()
    };
    let honest = public_values(&ordered);
    let mut less = ordered.clone();
    less.blocks[0].transactions.pop();
    let mut later = ordered.clone();
    later.blocks[0].position.height += 1;
    let mut other_namespace = ordered.clone();
    other_namespace.blocks[0].position.namespace.0 += 1;
    for (what, lane) in [("a transaction less", less), ("another height", later), ("a foreign lane", other_namespace)] {
        assert_ne!(public_values(&lane)[24..32], honest[24..32], "{what}");
    }
    let minted = Lane { entries: vec![deposit(1_000_000, &[0, 0, 0])], ..ordered.clone() };
    assert_ne!(public_values(&minted)[32..40], honest[32..40], "a deposit that nobody made");
    let more = Lane { entries: vec![deposit(1_000_001, &key_bytes(&Default::default()))], ..ordered };
    assert_ne!(public_values(&more)[32..40], public_values(&minted)[32..40], "a deposit of another amount");
}
