//! `ExpressAuction`: who bids most has his key say what comes first, who is outbid gets his ether back, and what is paid is the
//! namespace's revenue; nothing of a bidder's is ever anybody else's.

use crate::{
    namespaces::{OPENING_FEE, deployed, open, operations},
    suite::{Suite, both, gas_of},
    support::Members,
};
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::SolCall as _;
use sinter_primitives::{
    Namespace,
    chain::Ordering,
    fees::{OPENED_FIRST, Operation},
};
use sinter_settlement::{
    express_auction::{self, Terms, contract::ExpressAuction as Contract},
    namespaces::contract::Namespaces,
};

const TERM_S: u64 = 3_600;
const BID_MIN: u64 = 1_000;
const NAMESPACE: Namespace = Namespace(OPENED_FIRST);
const REVENUE: Address = Address::repeat_byte(0x77);
const ONE: B256 = B256::repeat_byte(1);
const TWO: B256 = B256::repeat_byte(2);

fn wei(amount: u64) -> U256 {
    U256::from(amount)
}

/// A namespace of account 0, and the auction that is to sell its first place.
async fn auction(suite: &mut Suite) -> (Address, Address) {
    let (_, namespaces) = deployed(suite, &Members::new(4, 1)).await;
    suite.accepts_paid("open a namespace", namespaces, &open(Ordering::FirstCome), OPENING_FEE).await;
    let owner = suite.me();
    let terms =
        Terms { namespaces, namespace: NAMESPACE, owner, revenue: REVENUE, term_s: TERM_S, bid_min_wei: wei(BID_MIN) };
    for (term_s, bid_min_wei) in [(0, wei(1)), (1, wei(0))] {
        let code = express_auction::creation_code(&Terms { term_s, bid_min_wei, ..terms });
        suite.refuses_to_deploy("without terms", code, Contract::ParameterMissing {}).await;
    }
    for nobody in [Terms { owner: Address::ZERO, ..terms }, Terms { revenue: Address::ZERO, ..terms }] {
        let code = express_auction::creation_code(&nobody);
        suite.refuses_to_deploy("for nobody", code, Contract::ParameterMissing {}).await;
    }
    let (maximum, got) = (366 * 86_400, 366 * 86_400 + 1);
    let code = express_auction::creation_code(&Terms { term_s: got, ..terms });
    suite.refuses_to_deploy("for ever", code, Contract::TermTooLong { maximum, got }).await;
    let auction = suite.deploy("auction", express_auction::creation_code(&terms)).await;
    (namespaces, auction)
}

async fn transfer(suite: &mut Suite, namespaces: Address, to: Address) {
    suite.accepts("transfer", namespaces, &Namespaces::transferCall { namespace: NAMESPACE.0, to }).await;
}

async fn current(suite: &Suite, auction: Address) -> u64 {
    suite.reads(auction, &Contract::currentCall {}).await
}

/// Goes on into the next term.
async fn next_term(suite: &Suite) {
    suite.l1.pass(TERM_S - suite.l1.now().await % TERM_S).await;
}

fn bid(term: u64, key: B256) -> Contract::bidCall {
    Contract::bidCall { term, key }
}

async fn refuses_bid(suite: &mut Suite, what: &str, auction: Address, call: Contract::bidCall, paid: u64, says: Says) {
    let data: Bytes = call.abi_encode().into();
    match says {
        Says::Closed => suite.refuses_paid(what, auction, data, wei(paid), Contract::Closed {}).await,
        Says::KeyMissing => suite.refuses_paid(what, auction, data, wei(paid), Contract::KeyMissing {}).await,
        Says::TooLow(minimum) => {
            let refused = Contract::BidTooLow { minimum: wei(minimum), got: wei(paid) };
            suite.refuses_paid(what, auction, data, wei(paid), refused).await;
        }
        Says::Term(expected) => {
            let refused = Contract::TermClosed { expected, got: call.term };
            suite.refuses_paid(what, auction, data, wei(paid), refused).await;
        }
    }
}

enum Says {
    Closed,
    KeyMissing,
    TooLow(u64),
    Term(u64),
}

async fn selling(suite: &mut Suite) {
    let (namespaces, auction) = auction(suite).await;
    let next = current(suite, auction).await + 1;
    refuses_bid(suite, "before it owns the namespace", auction, bid(next, ONE), BID_MIN, Says::Closed).await;
    transfer(suite, namespaces, auction).await;
    refuses_bid(suite, "for the term that runs", auction, bid(next - 1, ONE), BID_MIN, Says::Term(next)).await;
    refuses_bid(suite, "for a later one", auction, bid(next + 1, ONE), BID_MIN, Says::Term(next)).await;
    refuses_bid(suite, "without a key", auction, bid(next, B256::ZERO), BID_MIN, Says::KeyMissing).await;
    refuses_bid(suite, "for too little", auction, bid(next, ONE), BID_MIN - 1, Says::TooLow(BID_MIN)).await;
    suite.refuses("begin again", auction, &Contract::beginCall {}, Contract::Begins { current: next - 1 }).await;

    // The higher bid wins, and the other is its bidder's again, whoever asks for it.
    let loser = suite.act_as(1);
    suite.accepts_paid("bid", auction, &bid(next, ONE), wei(BID_MIN)).await;
    suite.act_as(2);
    let minimum = BID_MIN + BID_MIN / 16 + 1;
    refuses_bid(suite, "for hardly more", auction, bid(next, TWO), minimum - 1, Says::TooLow(minimum)).await;
    suite.accepts_paid("outbid", auction, &bid(next, TWO), wei(minimum)).await;
    let before = suite.balance(loser).await;
    for _ in 0..2 {
        suite.accepts("refund", auction, &Contract::refundCall { bidder: loser }).await;
        assert_eq!(suite.balance(loser).await, before + wei(BID_MIN), "once");
    }
    // A bid is nobody's revenue before its term.
    suite.accepts("collect nothing", auction, &Contract::collectCall {}).await;
    assert_eq!(suite.balance(REVENUE).await, U256::ZERO);
    let not_over = Contract::NotOver { last: next, current: next - 1 };
    suite.refuses("take a bid back", auction, &Contract::lapseCall { term: next }, not_over).await;

    next_term(suite).await;
    suite.accepts("begin", auction, &Contract::beginCall {}).await;
    let said = operations(suite, namespaces).await;
    let express = Ordering::Express { auction_key: TWO.0.into() };
    assert_eq!(said.last(), Some(&Operation::Reorder { namespace: NAMESPACE, ordering: express }));
    suite.refuses("begin twice", auction, &Contract::beginCall {}, Contract::Begins { current: next }).await;
    // What has passed of the term is not paid for.
    let winner = suite.me();
    let passed = suite.reads(auction, &Contract::refundsCall { bidder: winner }).await;
    assert!(passed < wei(minimum / 100), "a few seconds of an hour: {passed}");
    suite.accepts("collect", auction, &Contract::collectCall {}).await;
    let mut revenue = wei(minimum) - passed;
    assert_eq!(suite.balance(REVENUE).await, revenue);
    suite.accepts("refund of what passed before it began", auction, &Contract::refundCall { bidder: winner }).await;

    // Nobody bids: first come, first ordered. What comes from elsewhere is revenue, too.
    next_term(suite).await;
    suite.accepts("begin without a bid", auction, &Contract::beginCall {}).await;
    let said = operations(suite, namespaces).await;
    assert_eq!(said.last(), Some(&Operation::Reorder { namespace: NAMESPACE, ordering: Ordering::FirstCome }));
    suite.accepts_raw("a credit of the namespace", auction, Bytes::new(), wei(9)).await;
    suite.accepts("collect that", auction, &Contract::collectCall {}).await;
    revenue += wei(9);
    assert_eq!(suite.balance(REVENUE).await, revenue);

    // A term that nobody began in its time is nobody's, and its bid goes back.
    let bidder = suite.act_as(1);
    let term = current(suite, auction).await + 1;
    suite.accepts_paid("bid for a term that passes", auction, &bid(term, ONE), wei(5_000)).await;
    next_term(suite).await;
    let not_over = Contract::NotOver { last: term, current: term };
    suite.refuses("before it has passed", auction, &Contract::lapseCall { term }, not_over).await;
    next_term(suite).await;
    suite.act_as(2);
    for _ in 0..2 {
        suite.accepts("lapse", auction, &Contract::lapseCall { term }).await;
    }
    suite.accepts("begin after that", auction, &Contract::beginCall {}).await;
    suite.accepts("collect none of it", auction, &Contract::collectCall {}).await;
    assert_eq!(suite.balance(REVENUE).await, revenue);
    let before = suite.balance(bidder).await;
    suite.accepts("refund of what passed", auction, &Contract::refundCall { bidder }).await;
    assert_eq!(suite.balance(bidder).await, before + wei(5_000));
    assert_eq!(suite.balance(auction).await, U256::ZERO);

    // Who keeps others from beginning a term until it is nearly over has nothing of it.
    let bidder = suite.act_as(1);
    let term = current(suite, auction).await + 1;
    suite.accepts_paid("bid for a term that begins late", auction, &bid(term, ONE), wei(1 << 20)).await;
    next_term(suite).await;
    suite.l1.pass(TERM_S * 3 / 4 - suite.l1.now().await % TERM_S).await;
    suite.accepts("begin late", auction, &Contract::beginCall {}).await;
    let at = suite.l1.now().await % TERM_S;
    let passed = suite.reads(auction, &Contract::refundsCall { bidder }).await;
    assert_eq!(passed, wei((1 << 20) * at / TERM_S));
    suite.accepts("collect what is left", auction, &Contract::collectCall {}).await;
    assert_eq!(suite.balance(REVENUE).await, revenue + wei(1 << 20) - passed);
    assert_eq!(suite.balance(auction).await, passed);
}

async fn ending(suite: &mut Suite) {
    let (namespaces, auction) = auction(suite).await;
    transfer(suite, namespaces, auction).await;
    let owner = suite.me();
    let back = Contract::handBackCall { to: owner };
    let limit = Contract::limitCall { blockBytesMax: 5, epochWeiMax: 6 };
    let withdraw = Contract::withdrawCall { amount: 7 };
    let stranger = suite.act_as(1);
    let not_his = || Contract::NotTheOwner { expected: owner, got: stranger };
    suite.refuses("another's limit", auction, &limit, not_his()).await;
    suite.refuses("another's money", auction, &withdraw, not_his()).await;
    suite.refuses("another's end", auction, &Contract::closeCall {}, not_his()).await;
    suite.refuses("another's namespace", auction, &back, not_his()).await;
    suite.act_as(0);
    suite.accepts("limit", auction, &limit).await;
    suite.accepts("withdraw", auction, &withdraw).await;
    let said = operations(suite, namespaces).await;
    let expected = [
        Operation::Limit { namespace: NAMESPACE, block_bytes_max: 5, epoch_wei_max: 6 },
        Operation::Withdraw { namespace: NAMESPACE, wei: 7 },
    ];
    assert_eq!(said[said.len() - 2..], expected);

    // Who has paid for a term has it: the namespace goes back when that is over, and not before.
    let now = current(suite, auction).await;
    let open_ended = Contract::NotOver { last: u64::MAX, current: now };
    suite.refuses("take it back", auction, &back, open_ended).await;
    suite.act_as(1);
    suite.accepts_paid("bid for the last term", auction, &bid(now + 1, ONE), wei(BID_MIN)).await;
    suite.act_as(0);
    suite.accepts("close", auction, &Contract::closeCall {}).await;
    next_term(suite).await;
    // Closing again puts nothing off.
    suite.accepts("close again", auction, &Contract::closeCall {}).await;
    assert_eq!(suite.reads(auction, &Contract::lastCall {}).await, now + 1);
    refuses_bid(suite, "behind the last", auction, bid(now + 2, ONE), BID_MIN, Says::Closed).await;
    let not_over = Contract::NotOver { last: now + 1, current: now + 1 };
    suite.refuses("take it back in the last", auction, &back, not_over).await;
    next_term(suite).await;
    suite.accepts("hand back", auction, &back).await;
    let owned = Namespaces::ownerOfCall { namespace: NAMESPACE.0 };
    assert_eq!(suite.reads(namespaces, &owned).await, owner);
    refuses_bid(suite, "when it is gone", auction, bid(now + 3, ONE), BID_MIN, Says::Closed).await;
    let gone = Namespaces::NotTheOwner { expected: owner, got: auction };
    suite.refuses("begin when it is gone", auction, &Contract::beginCall {}, gone).await;
    // Nobody began the last term: its bid is its bidder's.
    suite.accepts("lapse", auction, &Contract::lapseCall { term: now + 1 }).await;
    suite.accepts("refund", auction, &Contract::refundCall { bidder: stranger }).await;
    assert_eq!(suite.balance(auction).await, U256::ZERO);

    // Revenue that nobody takes stays.
    let terms = Terms {
        namespaces,
        namespace: NAMESPACE,
        owner,
        revenue: namespaces,
        term_s: TERM_S,
        bid_min_wei: wei(BID_MIN),
    };
    let other = suite.deploy("another auction", express_auction::creation_code(&terms)).await;
    suite.accepts_raw("ether", other, Bytes::new(), wei(3)).await;
    let unpaid = Contract::Unpaid { to: namespaces, amount: wei(3) };
    suite.refuses("revenue for who takes none", other, &Contract::collectCall {}, unpaid).await;
}

#[tokio::test]
async fn the_highest_bid_has_the_first_place_and_the_others_their_ether() {
    let record = both(selling).await;
    for step in ["bid", "outbid", "begin", "refund", "collect"] {
        assert!(gas_of(&record, step) < 150_000, "{step}: {} gas", gas_of(&record, step));
    }
}

#[tokio::test]
async fn what_was_sold_is_kept_until_it_is_over() {
    both(ending).await;
}
