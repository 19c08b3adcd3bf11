//! `Namespaces`: what is done there is appended for the order to carry out, by owners alone and in the ledger's own encoding; and whoever
//! proves a credit by a posted header is paid it once.

use crate::{
    suite::{Suite, both},
    support::{CHAIN_ID, Members, header},
};
use alloy::{
    primitives::{Address, Bytes, U256},
    sol_types::SolCall as _,
};
use commonware_codec::{Copying, DecodeExt as _};
use sinter_primitives::{
    Body, Chain, Digest, Header, Ledger, Namespace, Transaction, TransactionKind,
    body::Lane,
    chain::{ForcedInboxSpec, Ordering},
    fees::{ACCOUNTS, FeeSpec, OPENED_FIRST, OPENED_MAX, Operation, credit_of},
    forced_inbox::ForcedEntry,
    ledger::Place,
    testkit::Network,
};
use sinter_settlement::{
    forced_inbox, light_client,
    namespaces::{self, contract::Namespaces as Contract},
};
use std::num::NonZeroU64;

pub const OPENING_FEE: U256 = U256::from_limbs([1_000_000, 0, 0, 0]);
const PREPAID: u64 = 5_000_000_000;
const EPOCH_BLOCKS: u64 = 8;

/// A light client whose genesis committee is opened, and the contract of its order.
pub async fn deployed(suite: &mut Suite, members: &Members) -> (Address, Address) {
    let light_client = suite.light_client(members).await;
    let code = namespaces::creation_code(light_client, OPENING_FEE);
    (light_client, suite.deploy("namespaces", code).await)
}

pub fn open(ordering: Ordering) -> Contract::openCall {
    namespaces::open_call(ordering, Some(4_242), 70_000, 1 << 90)
}

/// What the order reads, decoded as the ledger decodes it.
pub async fn operations(suite: &Suite, contract: Address) -> Vec<Operation> {
    let entries = forced_inbox::entries(&suite.l1.provider, contract, (0, 0), suite.block().await).await.unwrap();
    let decode = |entry: &ForcedEntry| {
        assert_eq!(entry.namespace, ACCOUNTS);
        Operation::decode(Copying(&entry.payload)).unwrap()
    };
    entries.iter().map(decode).collect()
}

async fn owning(suite: &mut Suite) {
    let (_, contract) = deployed(suite, &Members::new(4, 1)).await;
    let first = Namespace(OPENED_FIRST);
    let id = first.0;
    assert_eq!(suite.reads(contract, &Contract::FIRSTCall {}).await, OPENED_FIRST);
    assert_eq!(suite.reads(contract, &Contract::OPENED_MAXCall {}).await, OPENED_MAX as u64);
    let auction_key = Digest([0xab; 32]);
    let paid = OPENING_FEE + U256::from(PREPAID);
    let me = suite.me();
    let receipt = suite.accepts_paid("open a namespace", contract, &open(Ordering::FirstCome), paid).await;
    assert_eq!(namespaces::opened_in(&receipt), Some(first));
    let receipt = suite
        .accepts_paid("open one with an auction", contract, &open(Ordering::Express { auction_key }), OPENING_FEE)
        .await;
    assert_eq!(namespaces::opened_in(&receipt), Some(Namespace(id + 1)));
    suite.accepts_paid("top up", contract, &Contract::topUpCall { namespace: id }, U256::from(77)).await;
    let limit = Contract::limitCall { namespace: id, blockBytesMax: 9, epochWeiMax: 10 };
    suite.accepts("limit", contract, &limit).await;
    suite.accepts("withdraw", contract, &Contract::withdrawCall { namespace: id, amount: 11 }).await;

    let express = Ordering::Express { auction_key: Digest([0xcd; 32]) };
    for ordering in [express, Ordering::FirstCome] {
        suite.accepts("reorder", contract, &namespaces::reorder_call(first, ordering)).await;
    }

    // What is wrong with a call, it says.
    let maximum = OPENING_FEE + U256::from((1u128 << 96) - 1);
    let data: Bytes = open(Ordering::FirstCome).abi_encode().into();
    let too_little = OPENING_FEE - U256::ONE;
    let refused = Contract::Payment { minimum: OPENING_FEE, maximum, got: too_little };
    suite.refuses_paid("open for too little", contract, data, too_little, refused).await;
    let unknown = Contract::openCall { rule: 2, ..open(Ordering::FirstCome) };
    suite.refuses("a rule that is none", contract, &unknown, Contract::RuleUnknown { maximum: 1, got: 2 }).await;
    for (rule, key) in [(0, [1; 32]), (1, [0; 32])] {
        let call = Contract::openCall { rule, auctionKey: key.into(), ..open(Ordering::FirstCome) };
        let refused = Contract::AuctionKey { rule, got: key.into() };
        suite.refuses("a key that does not belong to the rule", contract, &call, refused).await;
        let call = Contract::reorderCall { namespace: id, rule, auctionKey: key.into() };
        let refused = Contract::AuctionKey { rule, got: key.into() };
        suite.refuses("nor to this one", contract, &call, refused).await;
    }
    let nobodys = Contract::NamespaceUnknown { got: id + 2 };
    let data: Bytes = Contract::topUpCall { namespace: id + 2 }.abi_encode().into();
    suite.refuses_paid("top up nobody's", contract, data, U256::ONE, nobodys).await;
    let data: Bytes = Contract::topUpCall { namespace: id }.abi_encode().into();
    let refused = Contract::Payment { minimum: U256::ONE, maximum: U256::from((1u128 << 96) - 1), got: U256::ZERO };
    suite.refuses_paid("top up with nothing", contract, data, U256::ZERO, refused).await;
    let reserved = forced_inbox::contract::ForcedInbox::NamespaceReserved {};
    let forge = forced_inbox::forceCall { namespace: 0, payload: Bytes::from_static(b"\x01") };
    suite.refuses("speak for the contract", contract, &forge, reserved).await;
    // Anybody may force a transaction beside.
    suite
        .accepts("force", contract, &forced_inbox::forceCall { namespace: id, payload: Bytes::from_static(b"x") })
        .await;

    let thief = suite.act_as(1);
    let not_his = || Contract::NotTheOwner { expected: me, got: thief };
    suite.refuses("another's limit", contract, &limit, not_his()).await;
    let withdraw = Contract::withdrawCall { namespace: id, amount: 1 };
    suite.refuses("another's order", contract, &namespaces::reorder_call(first, express), not_his()).await;
    suite.refuses("another's money", contract, &withdraw, not_his()).await;
    suite
        .refuses("another's namespace", contract, &Contract::transferCall { namespace: id, to: thief }, not_his())
        .await;
    suite.act_as(0);
    suite.accepts("transfer", contract, &Contract::transferCall { namespace: id, to: thief }).await;
    let no_more = Contract::NotTheOwner { expected: thief, got: me };
    suite.refuses("what was one's own", contract, &withdraw, no_more).await;

    let entries = forced_inbox::entries(&suite.l1.provider, contract, (0, 0), suite.block().await).await.unwrap();
    assert_eq!(entries.len(), 8);
    assert_eq!((entries[7].namespace, &entries[7].payload[..]), (first, &b"x"[..]));
    let opening = |namespace, ordering, prepaid_wei| Operation::Open {
        namespace,
        ordering,
        evm_chain_id: Some(4_242),
        block_bytes_max: 70_000,
        epoch_wei_max: 1 << 90,
        prepaid_wei,
    };
    let said: Vec<_> = entries[..7].iter().map(|entry| Operation::decode(Copying(&entry.payload)).unwrap()).collect();
    assert_eq!(
        said,
        [
            opening(first, Ordering::FirstCome, PREPAID.into()),
            opening(Namespace(id + 1), Ordering::Express { auction_key }, 0),
            Operation::TopUp { namespace: first, wei: 77 },
            Operation::Limit { namespace: first, block_bytes_max: 9, epoch_wei_max: 10 },
            Operation::Withdraw { namespace: first, wei: 11 },
            Operation::Reorder { namespace: first, ordering: express },
            Operation::Reorder { namespace: first, ordering: Ordering::FirstCome },
        ]
    );
}

#[tokio::test]
async fn owners_and_nobody_else_say_what_becomes_of_a_namespace() {
    both(owning).await;
}

/// A chain with fees under the ids that the light client knows.
fn chain() -> Chain {
    let adjust = |file: &mut sinter_primitives::chain::ChainFile| {
        file.chain_id = CHAIN_ID;
        file.parameters.epoch_blocks = NonZeroU64::new(EPOCH_BLOCKS);
        file.l1.forced_inbox = Some(ForcedInboxSpec { address: format!("0x{}", "fe".repeat(20)) });
        file.fees = Some(FeeSpec { floor_wei: 1_000, target_bytes_per_s: 1_000_000 });
    };
    Network::with(1, 0, adjust).chain
}

/// The ledger after an epoch in which so many seats led, the namespace paid, and its owner took something back.
fn after_an_epoch(chain: &Chain, operations: &[Operation], seats: u32) -> Ledger {
    let mut ledger = Ledger::genesis(&chain.file);
    for height in 1..EPOCH_BLOCKS {
        let of =
            |kind, namespace, payload: Bytes| Transaction { kind, namespace, expiry_height: 9, payload: payload.0 };
        let said = |operation| of(TransactionKind::Inbox, ACCOUNTS, commonware_codec::Encode::encode(operation).into());
        let lane = match height {
            1 => Lane { namespace: ACCOUNTS, transactions: operations.iter().map(said).collect() },
            _ => {
                let opened = Namespace(OPENED_FIRST);
                let payload = vec![height as u8; 1_000].into();
                Lane { namespace: opened, transactions: vec![of(TransactionKind::User, opened, payload)] }
            }
        };
        let seat = height as u32 % seats;
        let place = Place {
            height,
            timestamp_ms: height * 1_000,
            parent_timestamp_ms: (height - 1) * 1_000,
            l1_origin_number: 100,
            proposer_seat: seat,
        };
        let body = Body { fee_recipient: Some([seat as u8 + 0xd0; 20]), lanes: vec![lane], ..Body::default() };
        ledger.apply(chain, &place, &body).unwrap();
    }
    ledger
}

async fn claiming(suite: &mut Suite) {
    let members = Members::new(4, 1);
    let (light_client, contract) = deployed(suite, &members).await;
    let owner = suite.act_as(2);
    let paid = OPENING_FEE + U256::from(PREPAID);
    suite.accepts_paid("open a namespace", contract, &open(Ordering::FirstCome), paid).await;
    let id = OPENED_FIRST;
    suite.accepts("withdraw", contract, &Contract::withdrawCall { namespace: id, amount: 1_000 }).await;
    let said = operations(suite, contract).await;
    suite.act_as(0);
    // The withdrawal comes with the opening here: the ledger carries both out in order.
    let chain = chain();
    let posts = async |suite: &mut Suite, height: u64, ledger: &Ledger| {
        let header = Header { ledger_root: ledger.root(), ..header(height, 0) };
        let call = light_client::post_call(&header, &members.certify(&header)).unwrap();
        suite.accepts_raw("post", light_client, call, U256::ZERO).await;
        header
    };
    let ledger = after_an_epoch(&chain, &said, 3);
    let one = posts(suite, 7, &ledger).await;
    let earners: Vec<Address> = (0..3).map(|seat| Address::from([seat + 0xd0; 20])).collect();
    let withdrawn = Address::from(credit_of(Namespace(id)));
    let accounts = [(withdrawn, owner, "claim what was withdrawn"), (earners[1], earners[1], "claim, one of four")];
    for (account, to, name) in accounts {
        let before = suite.balance(to).await;
        let credit = U256::from(ledger.credits().of(&account.0.0));
        assert!(!credit.is_zero());
        let call = namespaces::claim_call(account, &one, 0, &ledger).unwrap();
        suite.accepts(name, contract, &call).await;
        assert_eq!(suite.balance(to).await, before + credit);
        // Paid once.
        suite.accepts("claim what was paid", contract, &call).await;
        assert_eq!(suite.balance(to).await, before + credit);
        assert_eq!(suite.reads(contract, &Contract::paidCall { account }).await, credit);
    }

    // Later, more: only what was not paid before. An older header pays nothing any more.
    let mut more = said.clone();
    more.push(Operation::Withdraw { namespace: Namespace(id), wei: 500 });
    let later = after_an_epoch(&chain, &more, 3);
    let two = posts(suite, 15, &later).await;
    let before = suite.balance(owner).await;
    suite.accepts("claim more", contract, &namespaces::claim_call(withdrawn, &two, 1, &later).unwrap()).await;
    assert_eq!(suite.balance(owner).await, before + U256::from(500));
    suite.accepts("an old claim", contract, &namespaces::claim_call(withdrawn, &one, 0, &ledger).unwrap()).await;
    assert_eq!(suite.balance(owner).await, before + U256::from(500));

    // Forgeries: another sum, another's leaf, another place, another ledger, a header that nobody posted.
    let good = namespaces::claim_call(earners[0], &two, 1, &later).unwrap();
    let forgeries: [fn(&mut Contract::claimCall); 6] = [
        |call| call.credit += 1,
        |call| call.account = Address::from([0x66; 20]),
        |call| call.index ^= 1,
        |call| call.rest.entries = [7; 32].into(),
        |call| call.rest.meter = [7; 32].into(),
        |call| call.path[0] = [7; 32].into(),
    ];
    for (number, forge) in forgeries.into_iter().enumerate() {
        let mut call = good.clone();
        forge(&mut call);
        let got = suite
            .l1
            .read(suite.me(), alloy::primitives::TxKind::Call(contract), call.abi_encode().into(), U256::ZERO)
            .await;
        let data = got.expect_err("a forged claim");
        let refusal = namespaces::refusal(&data).unwrap();
        assert!(matches!(refusal, namespaces::Refusal::OtherLedger(_)), "forgery {number}: {refusal:?}");
    }
    let short = Contract::claimCall { path: Vec::new(), ..good.clone() };
    suite.refuses("no path", contract, &short, Contract::LeafPathLength { expected: U256::ONE, got: U256::ZERO }).await;
    let beyond = Contract::claimCall { index: good.count, ..good.clone() };
    let refused = Contract::LeafIndexOutOfRange { count: good.count, index: good.count };
    suite.refuses("a place beyond", contract, &beyond, refused).await;
    let unposted = Contract::claimCall { post: 0, ..good.clone() };
    let refused = light_client::contract::FinalityLightClient::NotThePostedHeader {
        expected: one.digest().0.into(),
        got: two.digest().0.into(),
    };
    suite.refuses("a header of another post", contract, &unposted, refused).await;
    // All is paid out, and what opening cost is left, with what the namespace still has.
    for account in earners.iter().copied().chain([withdrawn]) {
        suite.accepts("claim the rest", contract, &namespaces::claim_call(account, &two, 1, &later).unwrap()).await;
    }
    let credited: u128 = later.credits().iter().map(|(_, wei)| wei).sum();
    assert_eq!(suite.balance(contract).await, paid - U256::from(credited));
    let has = later.entry(Namespace(id)).and_then(|entry| entry.account).unwrap().balance_wei;
    let lost = u128::from(PREPAID) - has - credited;
    assert!(lost < 9, "rounding takes less than a wei for each pair of seats, got {lost}");

    // Who refuses his ether gets nothing, and keeps his credit; a namespace that is somebody else's by then pays him.
    suite.act_as(2);
    let other = Contract::transferCall { namespace: id, to: contract };
    suite.accepts("transfer to who takes no ether", contract, &other).await;
    suite.act_as(0);
    let mut last = more.clone();
    last.push(Operation::Withdraw { namespace: Namespace(id), wei: 3 });
    let last = after_an_epoch(&chain, &last, 3);
    let three = posts(suite, 23, &last).await;
    let call = namespaces::claim_call(withdrawn, &three, 2, &last).unwrap();
    suite
        .refuses("ether for who takes none", contract, &call, Contract::Unpaid { to: contract, amount: U256::from(3) })
        .await;
}

#[tokio::test]
async fn a_credit_is_paid_once_and_to_whom_it_is() {
    both(claiming).await;
}
