//! Statements that were proven, in chains that are none: permuted, dropped, doubled, replayed, or going back.

use super::fixture::{Rollup, digest};
use crate::suite::{Suite, both};
use alloy::primitives::{B256, Bytes, U256};
use sinter_primitives::{Accumulator, inbox::Withdrawal};
use sinter_settlement::{
    hub::{Place, contract::AggregationHub},
    rollup::{self, Genesis, Transition, contract::RollupSettlement as Contract},
};

async fn broken(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let mut three: Vec<Transition> = Vec::new();
    let genesis = rollup.last;
    for height in [10, 11, 12] {
        let next = rollup.next(height, &[]);
        three.push(next);
        rollup.last = next;
    }
    rollup.last = genesis;
    let proven = rollup.proves(suite, &three).await;
    let post = rollup.posts(suite, &super::fixture::block(12).0).await;
    let state = |number: u32| B256::from(digest(number));
    let mismatch = |statement: u64, expected: u32, got: u32| Contract::StateMismatch {
        statement: U256::from(statement),
        expected: state(expected),
        got: state(got),
    };
    let chain_of = |order: &[usize]| order.iter().map(|at| proven[*at].clone()).collect::<Vec<_>>();
    for (name, order, refusal) in [
        ("the first one dropped", vec![1, 2], mismatch(0, 0, 1)),
        ("the middle one dropped", vec![0, 2], mismatch(1, 1, 2)),
        ("two permuted", vec![1, 0, 2], mismatch(0, 0, 1)),
        ("the last two permuted", vec![0, 2, 1], mismatch(1, 1, 2)),
        ("one doubled", vec![0, 0, 1, 2], mismatch(1, 1, 0)),
        ("the last one doubled", vec![0, 1, 2, 2], mismatch(3, 3, 2)),
    ] {
        suite.refuses_raw(name, rollup.address, rollup.settle_call(&chain_of(&order), post), refusal).await;
    }
    let call = rollup::settle_call(rollup.hub.address, &[], None);
    suite.refuses_raw("no statement", rollup.address, call, Contract::EmptyChain {}).await;
    // Where a statement stands is not where it is said to stand.
    let mut moved = chain_of(&[0, 1, 2]);
    moved[1].0.index = 0;
    let got = crate::hub::forged_root(&(rollup.program_id, three[1].public_values()), &moved[1].0, 6);
    let refusal = AggregationHub::StatementNotUnderRoot { expected: moved[1].0.root, got };
    suite.refuses_raw("another place", rollup.address, rollup.settle_call(&moved, post), refusal).await;

    suite.accepts_raw("settle", rollup.address, rollup.settle_call(&proven, post), U256::ZERO).await;
    rollup.last = three[2];
    let again = mismatch(0, 3, 0);
    suite.refuses_raw("the chain again", rollup.address, rollup.settle_call(&proven, post), again).await;
}

/// A program that returns to an earlier state, or stands still: its statements still settle once each.
async fn progress(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let wanted = [Withdrawal { recipient: [9; 20], wei: 5 }];
    let first = Transition { state_after: digest(0), ..rollup.next(10, &wanted) };
    rollup.settles(suite, "to the same state", &[first]).await;
    let replay = rollup.proves(suite, &[first]).await;
    let call = rollup::settle_call(rollup.hub.address, &replay, None);
    let no_progress = |statement: u64| Contract::NoProgress { statement: U256::from(statement) };
    suite.refuses_raw("the same statement again", rollup.address, call, no_progress(0)).await;

    let base = rollup.last;
    rollup.appends(suite, "deposit", sinter_primitives::inbox::EntryKind::Deposit, b"to somebody", 7).await;
    let inbox = |transition: Transition| Transition { inbox_entries: 1, inbox_rolling: rollup.inbox[1], ..transition };
    let stands = Transition {
        state_before: digest(0),
        state_after: digest(1),
        withdrawals: 0,
        withdrawals_root: [0; 32],
        ..base
    };
    for (name, transition) in [
        ("a statement that stands still", stands),
        ("the offset goes back", Transition { offset: base.offset - 1, ..stands }),
        ("the height goes back", Transition { height: 9, offset: 500, ..stands }),
        ("the height goes back while the inbox goes on", inbox(Transition { height: 9, ..stands })),
    ] {
        let call = rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[transition]).await, None);
        suite.refuses_raw(name, rollup.address, call, no_progress(0)).await;
    }
    // The inbox alone goes on, and then back, in one chain.
    let on = inbox(stands);
    let back = Transition { state_before: digest(1), state_after: digest(2), offset: 900, ..stands };
    let call = rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[on, back]).await, None);
    suite.refuses_raw("the inbox goes back", rollup.address, call, no_progress(1)).await;
    rollup.settles(suite, "the inbox alone goes on", &[on]).await;

    // Another block's accumulator without another height, and another height without another accumulator.
    let other = Transition { accumulator: Accumulator(digest(77)), offset: 901, ..rollup.next(10, &[]) };
    let post = rollup.posts(suite, &super::fixture::block(20).0).await;
    let (header, leaf) = super::fixture::block(20);
    let ordered = rollup::Ordered { headers: &[header], post, leaf: &leaf };
    let call = rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[other]).await, Some(&ordered));
    let refusal = Contract::HeightMismatch { expected: 10, got: 20 };
    suite.refuses_raw("another accumulator at this height", rollup.address, call, refusal).await;
    let other = Transition { accumulator: rollup.last.accumulator, ..rollup.next(20, &[]) };
    let call = rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[other]).await, Some(&ordered));
    let refusal = Contract::HeightMismatch { expected: 10, got: 20 };
    suite.refuses_raw("another height with this accumulator", rollup.address, call, refusal).await;
}

/// Public values that no honest program has.
async fn malformed(suite: &mut Suite) {
    let rollup = Rollup::new(suite).await;
    let next = rollup.next(10, &[]);
    for (element, value) in
        [(48, 1 << 24), (50, 1 << 16), (53, 1 << 16), (54, 1), (55, 1), (57, 1 << 24), (61, 1 << 16), (62, 1), (63, 1)]
    {
        let mut bytes = next.public_values();
        bytes[4 * element..4 * element + 4].copy_from_slice(&u32::to_be_bytes(value));
        let word = B256::from_slice(&bytes[element / 8 * 32..][..32]);
        let statement = (rollup.program_id, bytes);
        let place = rollup.hub.settles(suite, "settle a batch", &[statement]).await.remove(0);
        let call = raw(&rollup, place, &bytes);
        let name = format!("element {element} is {value}");
        suite.refuses_raw(&name, rollup.address, call, Contract::MalformedPosition { word }).await;
    }
    for (name, root, count) in [("a root over nothing", digest(5), 0), ("nothing under a root", [0; 32], 5)] {
        let next = Transition { withdrawals_root: root, withdrawals: count, ..next };
        let call = rollup.settle_call(&rollup.proves(suite, &[next]).await, 0);
        let refusal = Contract::WithdrawalsMismatch { statement: U256::ZERO, root: root.into(), count };
        suite.refuses_raw(name, rollup.address, call, refusal).await;
    }
    genesis(suite, &rollup).await;
}

/// What a contract cannot be created with.
async fn genesis(suite: &mut Suite, rollup: &Rollup) {
    let sound = Genesis {
        hubs: rollup.hub.address,
        light_client: rollup.light_client,
        program_id: rollup.program_id,
        namespace: super::fixture::NAMESPACE,
        state: digest(0),
        inbox_delay_s: 3600,
    };
    let word = B256::repeat_byte(0x7f);
    let code = rollup::creation_code(&Genesis { state: word.0, ..sound });
    suite.refuses_to_deploy("a state that is none", code, Contract::NotCanonical { word }).await;
    for delay in [0, 3599, 30 * 86_400 + 1] {
        let code = rollup::creation_code(&Genesis { inbox_delay_s: delay, ..sound });
        let expected = Contract::InboxDelayOutOfRange {
            minimum: U256::from(3600),
            maximum: U256::from(30 * 86_400),
            got: U256::from(delay),
        };
        suite.refuses_to_deploy(&format!("an inbox delay of {delay} s"), code, expected).await;
    }
}

/// A call whose public values are no transition's.
fn raw(rollup: &Rollup, place: Place, public_values: &[u8; 256]) -> Bytes {
    let call = Contract::settleCall {
        selector: sinter_settlement::hub::selector(rollup.hub.address),
        chain: vec![Contract::Statement {
            root: place.root,
            index: place.index,
            path: place.path,
            publicValues: public_values.to_vec().into(),
        }],
        ordered: Contract::Ordered {
            headers: Vec::new(),
            post: 0,
            leaf: Bytes::new(),
            leafIndex: 0,
            leafCount: 0,
            leafPath: Vec::new(),
        },
    };
    alloy::sol_types::SolCall::abi_encode(&call).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_has_every_statement_once_and_in_order() {
    both(broken).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stands_still_or_goes_back() {
    both(progress).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_statements_settle_nothing() {
    both(malformed).await;
}
