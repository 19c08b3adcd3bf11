//! What transactions and entries do.

use crate::world::{ALICE, BOB, KEYS, World, deposit, force, key_bytes};
use sinter_ledger::Outcome::{Done, Failed, Skipped};
use sinter_ledger::signature::LEAVES;
use sinter_ledger::transaction::Action;
use sinter_primitives::inbox::{Withdrawal, withdrawals_root};
use sinter_prover::CpuProver;
use sinter_rollup::{Application, Lane, from_words};

#[test]
fn a_transfer_is_proved() {
    let mut world = World::with_accounts();
    let transfer = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 300 });
    let statement = world.block(&[transfer]);
    assert_eq!((world.wei(ALICE), world.wei(BOB)), (700, 1_300));
    assert_eq!(world.ledger.outcomes, [Done]);
    let proof = world.prover.prove(&CpuProver, &statement).unwrap();
    world.prover.program().verify(&proof).unwrap();
}

#[test]
fn every_action() {
    let mut world = World::with_accounts();
    let carol = KEYS[2].public();
    let open = world.sign(ALICE, Action::Open { key: carol, wei: 100 });
    let withdraw = world.sign(BOB, Action::Withdraw { recipient: [0xcd; 20], wei: 50 });
    let statement = world.block(&[open, withdraw]);
    assert_eq!(world.ledger.accounts.len(), 3);
    assert_eq!((world.wei(ALICE), world.wei(BOB), world.wei(2)), (900, 950, 100));
    assert_eq!(world.ledger.accounts.get(2).unwrap().key, carol);
    let withdrawal = Withdrawal { recipient: [0xcd; 20], wei: 50 };
    assert_eq!(statement.withdrawals, [withdrawal]);
    assert_eq!(
        statement.execution.public_values()[40..48],
        from_words(&withdrawals_root(&[withdrawal.leaf().unwrap()]))
    );

    // Carol's account exists only from here on. Alice takes Carol's key.
    let back = world.sign(2, Action::Transfer { to: ALICE as u32, wei: 40 });
    let rotate = world.sign(ALICE, Action::Rotate { key: carol });
    let _ = world.block(&[back, rotate]);
    let alice = *world.ledger.accounts.get(0).unwrap();
    assert_eq!((alice.key, alice.nonce, alice.base, alice.wei), (carol, 2, 2, 940));
    assert_eq!(world.ledger.outcomes, [Done; 4]);
    let sign = |nonce: u32, leaf: u32| {
        let body = world.body(ALICE, nonce, Action::Transfer { to: 2, wei: 1 });
        body.sign(&world.state.domain, &KEYS[2], leaf).unwrap()
    };
    // A nonce from before the key came is of none of its leaves.
    let (early, first) = (sign(1, 0), sign(2, 0));
    let _ = world.block(&[early, first]);
    assert_eq!(world.ledger.outcomes[4..], [Skipped, Done]);
    assert_eq!(world.wei(ALICE), 939);
}

#[test]
fn a_valid_transaction_that_cannot_be_done_takes_its_nonce() {
    let mut world = World::with_accounts();
    let dear = world.sign(ALICE, Action::Transfer { to: BOB as u32, wei: 1_001 });
    let nowhere = world.sign(BOB, Action::Transfer { to: 2, wei: 1 });
    let _ = world.block(&[dear, nowhere]);
    assert_eq!(world.ledger.outcomes, [Failed, Failed]);
    assert_eq!((world.wei(ALICE), world.wei(BOB)), (1_000, 1_000));
    assert!(world.ledger.accounts.all().iter().all(|account| account.nonce == 1));
}

#[test]
fn what_is_not_valid_is_skipped() {
    let mut world = World::with_accounts();
    let action = Action::Transfer { to: BOB as u32, wei: 1 };
    let good = world.sign(ALICE, action);
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let mut other_amount = good.clone();
    other_amount[9] ^= 1;
    let mut salted = good.clone();
    salted[70] ^= 1;
    let foreign = world.body(ALICE, 0, action).sign(&Default::default(), &KEYS[ALICE], 0).unwrap();
    let other_leaf = world.body(ALICE, 1, action).sign(&world.state.domain, &KEYS[ALICE], 0).unwrap();
    let far = world.body(ALICE, LEAVES, action).sign(&world.state.domain, &KEYS[ALICE], 0).unwrap();
    let nobody = world.body(9, 0, action).sign(&world.state.domain, &KEYS[ALICE], 0).unwrap();
    let bobs = world.body(BOB, 0, action).sign(&world.state.domain, &KEYS[ALICE], 0).unwrap();
    let short = good[1..].to_vec();
    let long = [&good[..], &[0]].concat();
    let skipped =
        [forged, other_amount, salted, foreign, other_leaf, far, nobody, bobs, short, long, vec![0; 1_725], vec![1]];
    let _ = world.block(&skipped);
    // Nobody, the short and the long are not of an account that exists; the zeros name account 0 with nonce 0.
    assert_eq!(world.ledger.outcomes, [Skipped; 8]);
    assert_eq!((world.wei(ALICE), world.wei(BOB)), (1_000, 1_000));

    // A replay: the second is of a nonce that was taken.
    let _ = world.block(&[good.clone(), good]);
    assert_eq!(world.ledger.outcomes[8..], [Done, Skipped]);
    assert_eq!((world.wei(ALICE), world.wei(BOB)), (999, 1_001));
}

#[test]
fn entries_of_the_inbox() {
    let mut world = World::with_accounts();
    let forced = world.sign(BOB, Action::Transfer { to: ALICE as u32, wei: 7 });
    let entries = vec![
        deposit((1 << 95) + 5, &[1, 0, 0]),
        deposit(11, &key_bytes(&KEYS[2].public())),
        // For nobody: they go back, unless they are nothing.
        deposit(0, b"nothing"),
        deposit(12, &[9, 0, 0]),
        deposit(13, b"hello"),
        force(forced),
        force(b"hello".to_vec()),
    ];
    let statement = world.statement(&Lane { entries, ..Lane::default() });
    assert_eq!((world.wei(ALICE), world.wei(BOB), world.wei(2)), (1_007, (1 << 95) + 998, 11));
    let back = |wei| Withdrawal { recipient: [0xaa; 20], wei };
    assert_eq!(statement.withdrawals, [back(12), back(13)]);
    let leaves = [back(12), back(13)].map(|withdrawal| withdrawal.leaf().unwrap());
    assert_eq!(statement.execution.public_values()[40..48], from_words(&withdrawals_root(&leaves)));
    assert_eq!(world.state.entries, 9);
}

#[test]
fn a_later_nonce_replaces_an_earlier_one() {
    let mut world = World::with_accounts();
    let sign = |nonce: u32, wei| {
        let body = world.body(ALICE, nonce, Action::Transfer { to: BOB as u32, wei });
        body.sign(&world.state.domain, &KEYS[ALICE], nonce).unwrap()
    };
    let (first, instead, next) = (sign(0, 1), sign(3, 10), sign(4, 100));
    let _ = world.block(&[instead, first, next]);
    assert_eq!(world.ledger.outcomes, [Done, Skipped, Done]);
    assert_eq!((world.wei(BOB), world.ledger.accounts.get(0).unwrap().nonce), (1_110, 5));
}

/// What docs/rollup.md says of a transfer, and that the ledger's reserve for one is enough for the dearest of all.
#[test]
fn capacity_of_a_batch_and_cost_of_a_transaction() {
    let usage = |world: &mut World, lane: &Lane| world.statement(lane).execution.usage();
    let mut world = World::with_accounts();
    let idle = usage(&mut world, &Lane { entries: vec![deposit(0, &[0, 0, 0])], ..Lane::default() });
    let [one, two] = [1, 2].map(|transfers: u32| {
        let payloads: Vec<_> = (0..transfers)
            .map(|at| {
                let nonce = world.ledger.accounts.get(0).unwrap().nonce + at;
                let body = world.body(ALICE, nonce, Action::Transfer { to: BOB as u32, wei: 1 });
                body.sign(&world.state.domain, &KEYS[ALICE], nonce).unwrap()
            })
            .collect();
        world.block(&payloads).execution.usage()
    });
    println!(
        "a transfer takes {} cycles, {} hashes, {} words",
        two.cycles - one.cycles,
        two.hashes - one.hashes,
        two.words - one.words
    );
    let opened = world.sign(ALICE, Action::Open { key: KEYS[2].public(), wei: 1 });
    let forced = usage(&mut world, &Lane { entries: vec![force(opened)], ..Lane::default() });
    let paid = world.sign(ALICE, Action::Withdraw { recipient: [1; 20], wei: 1 });
    let withdrawn = usage(&mut world, &Lane { entries: vec![force(paid)], ..Lane::default() });
    let cost = world.ledger.cost();
    for dearest in [forced, withdrawn] {
        println!("forced: {dearest:?}, less what an entry takes anyhow, of {idle:?}");
        assert!(dearest.cycles <= cost.cycles && dearest.hashes <= cost.hashes && dearest.words <= cost.words);
    }
}

/// 127 · 2^24 = −1 modulo p: (5, 0) and (6, 127) are the same target as an element, and are not the same as what is signed.
#[test]
fn nobody_redirects_what_somebody_signed() {
    let mut world = World::with_accounts();
    let transfer = world.sign(ALICE, Action::Transfer { to: ALICE as u32, wei: 300 });
    let mut redirected = transfer;
    let target = 3 * 7;
    redirected[target] = BOB as u8;
    redirected[target + 3] = 127;
    let withdrawal = world.sign(BOB, Action::Withdraw { recipient: [0xcd; 20], wei: 300 });
    let mut stolen = withdrawal;
    stolen[target] += 1;
    stolen[target + 3] = 127;
    let statement = world.block(&[redirected, stolen]);
    assert_eq!(world.ledger.outcomes, [Skipped, Skipped]);
    assert_eq!((world.wei(ALICE), world.wei(BOB)), (1_000, 1_000));
    assert_eq!(statement.withdrawals, []);
}
