//! `ForcedInbox`: whatever is appended is there, in order; an L1 block appends no more than it may; and what the committee leaves for too
//! long is overdue.

use crate::{
    suite::{Suite, both},
    support::{L1, Members, header},
};
use alloy::{
    primitives::{Address, Bytes, TxKind, U256},
    providers::Provider as _,
    sol_types::SolCall as _,
};
use commonware_codec::Encode as _;
use sinter_primitives::{
    Header, Namespace,
    forced_inbox::{ENTRY_BYTES, ForcedEntry, L1_BLOCK_BYTES_MAX, PAYLOAD_BYTES_MAX},
};
use sinter_settlement::{
    dev_l1::{self, DevL1Config, Mining, dev_signer},
    forced_inbox::{self, EntriesError, contract::ForcedInbox as Contract},
    light_client::{self, contract::FinalityLightClient},
};

const DEADLINE_S: u64 = 1_800;
const NAMESPACE: Namespace = Namespace(11);

fn force(payload: Vec<u8>) -> Contract::forceCall {
    Contract::forceCall { namespace: NAMESPACE.0, payload: payload.into() }
}

/// A light client whose genesis committee is opened, and the forced inbox of its order.
async fn deployed(suite: &mut Suite, members: &Members) -> (Address, Address) {
    let light_client = suite.light_client(members).await;
    (light_client, suite.deploy("forced inbox", forced_inbox::creation_code(light_client)).await)
}

async fn appending(suite: &mut Suite) {
    let (light_client, inbox) = deployed(suite, &Members::new(4, 1)).await;
    assert_eq!(suite.reads(inbox, &Contract::lightClientCall {}).await, light_client);
    assert_eq!(suite.reads(inbox, &Contract::PAYLOAD_BYTES_MAXCall {}).await, U256::from(PAYLOAD_BYTES_MAX));
    assert_eq!(suite.reads(inbox, &Contract::ENTRY_BYTESCall {}).await, U256::from(ENTRY_BYTES));
    assert_eq!(suite.reads(inbox, &Contract::BLOCK_BYTES_MAXCall {}).await, U256::from(L1_BLOCK_BYTES_MAX));

    suite.refuses("nothing", inbox, &force(Vec::new()), Contract::PayloadEmpty {}).await;
    let (maximum, got) = (U256::from(PAYLOAD_BYTES_MAX), U256::from(PAYLOAD_BYTES_MAX + 1));
    let too_long = Contract::PayloadTooLong { maximum, got };
    suite.refuses("too much", inbox, &force(vec![1; PAYLOAD_BYTES_MAX + 1]), too_long).await;
    let unknown = Contract::EntryUnknown { entries: 0, got: 0 };
    suite.refuses("no entry", inbox, &Contract::arrivedAtCall { index: 0 }, unknown).await;

    let before = suite.block().await;
    let mut expected = Vec::new();
    for (index, bytes) in [200, 1, 1_725, 1_024, 200, 7, 200, PAYLOAD_BYTES_MAX].into_iter().enumerate() {
        let payload = vec![index as u8 + 1; bytes];
        let name = format!("force {bytes} bytes, number {index}");
        let receipt = suite.accepts(&name, inbox, &force(payload.clone())).await;
        assert_eq!(
            suite.reads(inbox, &Contract::arrivedAtCall { index: index as u64 }).await.to::<u64>(),
            suite.l1.now().await
        );
        let (index, l1_block) = (index as u64, receipt.block_number.unwrap());
        expected.push(ForcedEntry { index, l1_block, namespace: NAMESPACE, payload: payload.into() });
    }
    let provider = &suite.l1.provider;
    let last = suite.block().await;
    assert_eq!(forced_inbox::count(provider, inbox, last).await.unwrap(), 8);
    assert_eq!(forced_inbox::count(provider, inbox, before).await.unwrap(), 0);
    assert_eq!(forced_inbox::entries(provider, inbox, (before, 0), last).await.unwrap(), expected);
    // From the middle, as far as the middle.
    let (from, until) = (expected[2].l1_block, expected[5].l1_block);
    assert_eq!(forced_inbox::entries(provider, inbox, (from, 3), until).await.unwrap(), expected[3..6]);
    forced_inbox::check_count(provider, inbox, until, 6).await.unwrap();
    // Who has another number of them by then has another history.
    let error = forced_inbox::entries(provider, inbox, (from, 2), until).await.unwrap_err();
    assert!(matches!(error, EntriesError::Gap { expected: 2, got: 3, .. }), "{error}");
    let error = forced_inbox::check_count(provider, inbox, last, 7).await.unwrap_err();
    assert!(matches!(error, EntriesError::Count { expected: 8, got: 7, .. }), "{error}");
}

#[tokio::test]
async fn entries_are_appended_in_order_and_read_back() {
    both(appending).await;
}

async fn overdue(suite: &mut Suite) {
    let members = Members::new(4, 1);
    let (light_client, inbox) = deployed(suite, &members).await;
    let call = |header: Option<&Header>, post| {
        let header = header.map(|header| Bytes::from(header.encode().to_vec())).unwrap_or_default();
        Contract::overdueCall { header, post }
    };
    assert!(!suite.reads(inbox, &call(None, 0)).await);
    suite.accepts("force", inbox, &force(vec![1; 100])).await;
    suite.l1.pass(DEADLINE_S - 60).await;
    suite.accepts("force", inbox, &force(vec![2; 100])).await;
    assert!(!suite.reads(inbox, &call(None, 0)).await);
    suite.l1.pass(120).await;
    assert!(suite.reads(inbox, &call(None, 0)).await, "nobody has posted a header");

    let posts = async |suite: &mut Suite, height: u64, inbox_cursor: u64| {
        let header = Header { inbox_cursor, timestamp_ms: suite.l1.now().await * 1_000, ..header(height, 0) };
        let call = light_client::post_call(&header, &members.certify(&header)).unwrap();
        suite.accepts_raw("post", light_client, call, U256::ZERO).await;
        header
    };
    // The committee has seen the first one; half an hour after the second one, it still has not seen that.
    let one = posts(suite, 10, 1).await;
    assert!(!suite.reads(inbox, &call(Some(&one), 0)).await);
    suite.l1.pass(DEADLINE_S).await;
    assert!(suite.reads(inbox, &call(Some(&one), 0)).await);
    let late = posts(suite, 20, 1).await;
    assert!(suite.reads(inbox, &call(Some(&late), 1)).await);
    // Of an older header, time alone says nothing: others came after it.
    assert!(!suite.reads(inbox, &call(Some(&one), 0)).await);
    let both = posts(suite, 30, 2).await;
    assert!(!suite.reads(inbox, &call(Some(&both), 2)).await);
    // That it was late stays so, whatever else is posted.
    assert!(suite.reads(inbox, &call(Some(&late), 1)).await);
    // A header that nobody posted shows nothing, nor does one as another's post.
    for (other, post, posted) in [(Header { inbox_cursor: 9, ..both }, 2, both), (late, 2, both), (both, 1, late)] {
        let (expected, got) = (posted.digest(), other.digest());
        let refused = FinalityLightClient::NotThePostedHeader { expected: expected.0.into(), got: got.0.into() };
        suite.refuses("another header", inbox, &call(Some(&other), post), refused).await;
    }
    // Who shows that the committee finalized two chains has opened the way for good.
    let conflicting = Header { body_root: both.parent, ..both };
    let post = light_client::post_call(&conflicting, &members.certify(&conflicting)).unwrap();
    suite.accepts_raw("freeze", light_client, post, U256::ZERO).await;
    assert!(suite.reads(inbox, &call(None, 0)).await);
}

#[tokio::test]
async fn what_is_left_for_too_long_is_overdue() {
    both(overdue).await;
}

#[tokio::test]
async fn an_l1_block_appends_no_more_than_fits_into_a_block_of_the_order() {
    let chain = dev_l1::spawn(DevL1Config { mining: Mining::Manual, ..DevL1Config::default() }).await.unwrap();
    let l1 = L1::beside(&chain, 0);
    let nonce = l1.provider.get_transaction_count(dev_signer(0).address()).await.unwrap();
    l1.submit(nonce, 1, TxKind::Create, forced_inbox::creation_code(Address::ZERO)).await;
    chain.mine();
    let inbox = dev_signer(0).address().create(nonce);
    // Three of the largest, a fourth that is too much, and one that still fits.
    let sizes = [PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX, PAYLOAD_BYTES_MAX, 10_000];
    let mut sent = Vec::new();
    for (number, bytes) in (1..).zip(sizes) {
        let call = force(vec![number; bytes]).abi_encode();
        sent.push(l1.submit(nonce + u64::from(number), 1, TxKind::Call(inbox), call.into()).await);
    }
    chain.mine();
    let mut taken = Vec::new();
    for hash in sent {
        let receipt = l1.provider.get_transaction_receipt(hash).await.unwrap().unwrap();
        assert_eq!(receipt.block_number, Some(2));
        taken.push(receipt.status());
    }
    assert_eq!(taken, [true, true, true, false, true]);
    assert_eq!(forced_inbox::count(&l1.provider, inbox, 2).await.unwrap(), 4);
    // The next block begins anew.
    let call = force(vec![9; PAYLOAD_BYTES_MAX]).abi_encode();
    let hash = l1.submit(nonce + 6, 1, TxKind::Call(inbox), call.into()).await;
    chain.mine();
    assert!(l1.provider.get_transaction_receipt(hash).await.unwrap().unwrap().status());
    let entries = forced_inbox::entries(&l1.provider, inbox, (0, 0), 3).await.unwrap();
    let said: Vec<_> = entries.iter().map(|entry| (entry.l1_block, entry.payload[0])).collect();
    assert_eq!(said, [(2, 1), (2, 2), (2, 3), (2, 5), (3, 9)]);
}
