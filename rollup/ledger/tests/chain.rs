//! Chains of statements: however a lane is cut, the end is the same; and no block is too much.

use crate::world::{ALICE, BOB, World, block, deposit, user};
use sinter_ledger::transaction::{Action, TRANSACTION_BYTES};
use sinter_machine::Capacity;
use sinter_primitives::TransactionKind;
use sinter_rollup::{Application, Lane, State};

/// Goes through a lane in as many statements as it takes.
fn consume(world: &mut World, lane: &Lane) -> Vec<State> {
    let mut rest = lane.clone();
    let mut states = vec![world.state.clone()];
    loop {
        let before = world.state.clone();
        let statement = world.statement(&rest);
        assert_eq!(statement.execution.public_values()[8..16], before.digest());
        assert_eq!(statement.execution.public_values()[16..24], world.state.digest());
        assert_ne!(before, world.state, "every statement goes on");
        states.push(world.state.clone());
        if !statement.full {
            return states;
        }
        rest.advance(&statement);
    }
}

/// A block of what takes the longest to refuse, many times what one statement holds, and one of the shortest transactions.
#[test]
fn a_block_full_of_garbage_does_not_halt_the_rollup() {
    let capacity = Capacity { log_cycles: 17, log_hashes: 13, log_words: 15 };
    let mut world = World::with_accounts();
    assert_eq!(*world.prover.machine().capacity(), capacity);
    let mut forged = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 5 });
    forged[TRANSACTION_BYTES - 1] ^= 1;
    let good = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 5 });
    let mut worst: Vec<_> = (0..60).map(|_| user(forged.clone())).collect();
    worst.push(user(good));
    let tiny: Vec<_> = (0..6_000).map(|at| user(vec![at as u8])).collect();
    let mut huge = vec![user(vec![0; 100_000]), user(vec![0; TRANSACTION_BYTES])];
    huge[0].kind = TransactionKind::Express;
    let blocks = vec![block(1, worst), block(2, tiny), block(3, huge)];
    let lane = Lane { blocks, entries: vec![deposit(3, &[0, 0, 0])], ..Lane::default() };
    let states = consume(&mut world, &lane);
    assert!(states.len() > 8, "{} statements", states.len());
    assert!(states.iter().any(|state| !state.is_between_blocks()), "one ends inside a block");
    let last = states.last().unwrap();
    assert_eq!((last.height, last.is_between_blocks()), (3, true));
    assert_eq!((world.wei(ALICE), world.wei(BOB)), (998, 1_005));
    assert_eq!(last.application, world.ledger.word());
}
