//! What settles, and what it costs.

use super::fixture::{Rollup, accumulator, block, digest};
use crate::{
    suite::{Suite, both, gas_of},
    support::child,
};
use alloy::primitives::{B256, U256};
use sinter_primitives::{Header, inbox::Withdrawal};
use sinter_settlement::rollup::{self, Ordered, Transition, contract::RollupSettlement as Contract};

async fn progress(suite: &Suite, rollup: &Rollup) -> (u64, u64, u64, u64) {
    let reached = suite.reads(rollup.address, &Contract::progressCall {}).await;
    (reached.height, reached.offset, reached.inboxEntries, reached.batches)
}

async fn chains(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    assert_eq!(progress(suite, &rollup).await, (0, 0, 0, 0));

    // One statement, to the end of a block; by anybody.
    suite.act_as(3);
    let first = rollup.next(10, &[]);
    rollup.settles(suite, "settle a chain of 1", &[first]).await;
    assert_eq!(suite.reads(rollup.address, &Contract::stateCall {}).await, B256::from(first.state_after));
    assert_eq!(suite.reads(rollup.address, &Contract::accumulatorCall {}).await, B256::from(accumulator(10).0));
    assert_eq!(progress(suite, &rollup).await, (10, 100, 0, 0));

    // Longer ones, over several blocks, of which the last one alone need be certified.
    for length in [2, 8, 32] {
        let mut chain: Vec<Transition> = Vec::new();
        let before = rollup.last;
        for _ in 0..length {
            let next = rollup.next(rollup.last.height + 1, &[]);
            chain.push(next);
            rollup.last = next;
        }
        rollup.last = before;
        rollup.settles(suite, &format!("settle a chain of {length}"), &chain).await;
    }
    let height = rollup.last.height;

    // A block too full for one settlement: the accumulator is the whole block's from the first statement in it, so
    // each can be the last one, and nothing need be shown again while the cursor stays in that block.
    let begins = Transition { offset: 7, ..rollup.next(height + 5, &[]) };
    rollup.settles(suite, "settle the beginning of a block", &[begins]).await;
    assert_eq!(progress(suite, &rollup).await, (height + 5, 7, 0, 0));
    let middle = rollup.next(height + 5, &[Withdrawal { recipient: [9; 20], wei: 1 }]);
    rollup.settles(suite, "settle the middle of a block", &[middle]).await;
    let end = Transition { offset: 1 << 40, ..rollup.next(height + 5, &[]) };
    rollup.settles(suite, "settle the end of a block", &[end]).await;
    assert_eq!(progress(suite, &rollup).await, (height + 5, 1 << 40, 0, 1));

    // The largest integers there are.
    let far = Transition { height: u64::MAX, offset: u64::MAX, ..rollup.next(1 << 50, &[]) };
    let chain = rollup.proves(suite, &[far]).await;
    let mismatch = Contract::HeightMismatch { expected: u64::MAX, got: 1 << 50 };
    let (header, leaf) = block(1 << 50);
    let post = rollup.posts(suite, &header).await;
    let ordered = Ordered { headers: &[header], post, leaf: &leaf };
    let call = rollup::settle_call(rollup.hub.address, &chain, Some(&ordered));
    suite.refuses_raw("another height than the header's", rollup.address, call, mismatch).await;
    let far = Transition { offset: u64::MAX, ..rollup.next(1 << 50, &[]) };
    let call = rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[far]).await, Some(&ordered));
    suite.accepts_raw("settle far away", rollup.address, call, U256::ZERO).await;
    assert_eq!(progress(suite, &rollup).await, (1 << 50, u64::MAX, 0, 1));
}

/// A block that was not posted itself: its descendants lead to one that was.
async fn descendants(suite: &mut Suite) {
    let mut rollup = Rollup::new(suite).await;
    let (own, leaf) = block(10);
    for (length, name) in [(1, "its child"), (16, "its sixteenth descendant")] {
        let mut headers: Vec<Header> = vec![own];
        for _ in 0..length {
            headers.push(child(headers.last().unwrap(), 0));
        }
        let post = rollup.posts(suite, headers.last().unwrap()).await;
        let next = rollup.next(10, &[]);
        let ordered = Ordered { headers: &headers, post, leaf: &leaf };
        let call = rollup::settle_call(rollup.hub.address, &rollup.proves(suite, &[next]).await, Some(&ordered));
        let name = format!("settle under {name}");
        if length == 1 {
            // Tried, not sent: the next round settles the same statement.
            let to = alloy::primitives::TxKind::Call(rollup.address);
            suite.l1.read(suite.me(), to, call, U256::ZERO).await.unwrap();
        } else {
            suite.accepts_raw(&name, rollup.address, call, U256::ZERO).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_statements_settle() {
    let record = both(chains).await;
    let (one, many) = (gas_of(&record, "settle a chain of 2"), gas_of(&record, "settle a chain of 32"));
    println!("a statement more in a chain: {} gas", (many - one) / 30);
    assert!((many - one) / 30 <= 25_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_settles_under_a_descendant() {
    both(descendants).await;
}

/// The layout on the page and in the contract, from the other side: every field where it should stand.
#[test]
fn public_values_lie_where_they_should() {
    let transition = Transition {
        domain: digest(1),
        state_before: digest(2),
        state_after: digest(3),
        accumulator: accumulator(4),
        inbox_rolling: digest(5),
        withdrawals_root: digest(6),
        height: 0x0102_0304_0506_0708,
        offset: 0xffff_ffff_ffff_ffff,
        inbox_entries: 1,
        withdrawals: 1 << 63,
    };
    let bytes = transition.public_values();
    let elements: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
    for (at, number) in [(0, 1), (8, 2), (16, 3), (24, 50_004), (32, 5), (40, 6)] {
        assert_eq!(elements[at], number);
    }
    assert_eq!(elements[48..56], [0x06_0708, 0x03_0405, 0x0102, 0xff_ffff, 0xff_ffff, 0xffff, 0, 0]);
    assert_eq!(elements[56..64], [1, 0, 0, 0, 0, 1 << 15, 0, 0]);
}
