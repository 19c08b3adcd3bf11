//! A prover who says something else about accounts: of a balance, a nonce, a key, a path.

use crate::world::{ALICE, BOB, KEYS, World};
use sinter_ledger::transaction::Action;
use sinter_ledger::{Account, Ledger};
use sinter_machine::{Context, HostError, Usage};
use sinter_rollup::{Application, Digest, Lane, StatementError};

/// A ledger that says it stands where it does, and has another account.
struct Liar {
    word: Digest,
    ledger: Ledger,
}

impl Application for Liar {
    fn word(&self) -> Digest {
        self.word
    }

    fn cost(&self) -> Usage {
        self.ledger.cost()
    }

    fn applied(&mut self, word: &Digest) -> Result<(), HostError> {
        self.word = *word;
        Ok(())
    }

    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError> {
        self.ledger.answer(question, context)
    }
}

/// What the run of a lane says if Alice's account is another.
fn claim(world: &World, lane: &Lane, lie: impl FnOnce(&mut Account)) -> Result<(), StatementError> {
    let mut ledger = world.ledger.clone();
    let mut alice = *ledger.accounts.get(ALICE as u32).unwrap();
    lie(&mut alice);
    ledger.accounts.set(ALICE as u32, alice).unwrap();
    let mut liar = Liar { word: world.ledger.word(), ledger };
    world.prover.statement(&world.state, lane, &mut liar).map(|_| ())
}

#[test]
fn nobody_spends_what_is_not_there() {
    let mut world = World::with_accounts();
    let dear = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 5_000 });
    let lane = world.lane(&[dear]);
    claim(&world, &lane, |_| {}).unwrap();
    assert!(claim(&world, &lane, |alice| alice.wei = 5_000).is_err());
}

#[test]
fn nobody_skips_a_valid_transaction() {
    let mut world = World::with_accounts();
    let valid = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 5 });
    let lane = world.lane(&[valid]);
    // It would be one of another nonce, of another key, of a key without leaves.
    assert!(claim(&world, &lane, |alice| alice.nonce = 1).is_err());
    assert!(claim(&world, &lane, |alice| alice.key = KEYS[2].public()).is_err());
    assert!(claim(&world, &lane, |alice| (alice.nonce, alice.base) = (0, 1)).is_err());
}

#[test]
fn nobody_replays_a_nonce() {
    let mut world = World::with_accounts();
    let transfer = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 5 });
    let _ = world.block(std::slice::from_ref(&transfer));
    let lane = world.lane(&[transfer]);
    claim(&world, &lane, |_| {}).unwrap();
    assert!(claim(&world, &lane, |alice| alice.nonce = 0).is_err());
}

#[test]
fn nobody_signs_with_another_key() {
    let mut world = World::with_accounts();
    let body = world.body(ALICE, 0, Action::Transfer { to: BOB as u32, wei: 5 });
    let stolen = body.sign(&world.state.domain, &KEYS[2], 0).unwrap();
    let lane = world.lane(&[stolen]);
    claim(&world, &lane, |_| {}).unwrap();
    assert!(claim(&world, &lane, |alice| alice.key = KEYS[2].public()).is_err());
}
