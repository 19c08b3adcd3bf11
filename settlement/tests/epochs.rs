//! `FinalityLightClient` from epoch to epoch: which committee it believes, in what, and for how long.

use crate::{
    suite::{Suite, both, gas_of},
    support::{CHAIN_HASH, CHAIN_ID, Members, child, header},
};
use alloy::primitives::{Address, B256, Bytes, U256};
use commonware_codec::Encode;
use sinter_primitives::Header;
use sinter_settlement::light_client::{self, contract::FinalityLightClient as Contract};

const DAY: u64 = 86_400;
const TRUSTING_PERIOD: u64 = light_client::TRUSTING_PERIOD_S;
/// Heights of an epoch: its last one is the one before the next's first.
const HEIGHTS: u64 = 10;

/// A light client, and the committee of every epoch; no two but those of epochs 0 and 1 have a key in common.
struct World {
    at: Address,
    committees: Vec<Members>,
}

impl World {
    /// Deploys with the genesis committee opened; `seats` are those of the committees of epochs 0 and 1, 2, 3, …
    async fn new(suite: &mut Suite, seats: &[usize]) -> Self {
        Self::believing(suite, seats, TRUSTING_PERIOD).await
    }

    /// The same with another trusting period.
    async fn believing(suite: &mut Suite, seats: &[usize], trusting_period_s: u64) -> Self {
        let mut committees: Vec<Members> =
            seats.iter().enumerate().map(|(salt, seats)| Members::new(*seats, salt as u8 + 1)).collect();
        committees.insert(0, Members::new(seats[0], 1));
        suite.act_as(0);
        let digest = committees[0].committee.digest();
        let code = light_client::creation_code(&CHAIN_HASH, CHAIN_ID, &digest, trusting_period_s);
        let world = Self { at: suite.deploy("light client", code).await, committees };
        world.opens(suite, 0).await;
        world
    }

    /// The header at a place of an epoch, as the chain has it at the L1's present; the epoch's last one names a committee.
    async fn header(&self, suite: &Suite, epoch: u64, place: u64) -> Header {
        let plain = header(epoch * HEIGHTS + place, 0);
        let named = self.committees.get(epoch as usize + 2).filter(|_| place == HEIGHTS - 1);
        let next_committee = named.map_or(plain.next_committee, |named| named.committee.digest());
        Header { epoch, next_committee, timestamp_ms: suite.l1.now().await * 1_000, ..plain }
    }

    async fn last(&self, suite: &Suite, epoch: u64) -> Header {
        self.header(suite, epoch, HEIGHTS - 1).await
    }

    /// The call that posts a header, certified by its epoch's committee.
    fn post(&self, header: &Header) -> Bytes {
        light_client::post_call(header, &self.committees[header.epoch as usize].certify(header)).unwrap()
    }

    async fn posts(&self, suite: &mut Suite, name: &str, header: &Header) {
        suite.accepts_raw(name, self.at, self.post(header), U256::ZERO).await;
    }

    async fn opens(&self, suite: &mut Suite, epoch: u64) {
        for call in light_client::register_calls(epoch, &self.committees[epoch as usize].committee).unwrap() {
            suite.accepts_raw("open a page", self.at, call, U256::ZERO).await;
        }
    }

    /// Posts the last headers of these epochs, and opens what they name.
    async fn passes(&self, suite: &mut Suite, epochs: std::ops::Range<u64>) {
        for epoch in epochs {
            let last = self.last(suite, epoch).await;
            assert_eq!(self.end(suite, epoch).await, (0, 0));
            self.posts(suite, "last of an epoch", &last).await;
            assert_eq!(self.end(suite, epoch).await, (suite.l1.now().await, last.l1_origin.number));
            self.opens(suite, epoch + 2).await;
        }
    }

    /// When an epoch's end was posted, and how far it had seen the L1.
    async fn end(&self, suite: &Suite, epoch: u64) -> (u64, u64) {
        let end = suite.reads(self.at, &Contract::epochEndCall { epoch }).await;
        (end.postedAt.to(), end.l1Origin)
    }

    async fn newest(&self, suite: &Suite) -> (u64, u64) {
        light_client::newest_epoch(&suite.l1.provider, self.at).await.unwrap()
    }

    async fn is_frozen(&self, suite: &Suite) -> bool {
        light_client::head(&suite.l1.provider, self.at).await.unwrap().frozen
    }
}

fn trust_over(epoch: u64, until: u64) -> Contract::TrustOver {
    Contract::TrustOver { epoch, until: U256::from(until) }
}

async fn following(suite: &mut Suite) {
    let world = World::new(suite, &[4, 7, 1, 65, 5, 4, 4]).await;
    let at = world.at;
    for epoch in 0..=5 {
        let ordinary = world.header(suite, epoch, 3).await;
        if epoch >= 2 {
            // Named two epochs ago, and not opened yet.
            let committee = &world.committees[epoch as usize].committee;
            let not_opened = Contract::CommitteeNotOpened { epoch };
            suite.refuses_raw("a committee not opened", at, world.post(&ordinary), not_opened).await;
            let stranger = Members::new(committee.seats().len(), 99).committee;
            let expected = B256::from_slice(&committee.digest());
            let mismatch = Contract::OpeningMismatch { expected, got: B256::from_slice(&stranger.digest()) };
            let wrong = light_client::register_calls(epoch, &stranger).unwrap().remove(0);
            suite.refuses_raw("a wrong opening", at, wrong, mismatch).await;
            world.opens(suite, epoch).await;
        }
        if epoch == 3 {
            // Its one seat, and a member of the committee before in its place.
            let certificate = world.committees[2].certify_by(&ordinary, ordinary.view, [0]);
            let call = light_client::post_call(&ordinary, &certificate).unwrap();
            suite.refuses_raw("signed by the committee before", at, call, Contract::InvalidSignature {}).await;
        }
        world.posts(suite, "first of an epoch", &ordinary).await;
        let next = world.header(suite, epoch, 4).await;
        world.posts(suite, "another one", &next).await;
        assert_eq!(world.newest(suite).await.0, epoch);
        let unknown = Contract::CommitteeUnknown { epoch: epoch + 2 };
        let early = light_client::register_calls(epoch + 2, &world.committees[epoch as usize + 2].committee).unwrap();
        suite.refuses_raw("opened before it is named", at, early[0].clone(), unknown).await;
        let last = world.last(suite, epoch).await;
        world.posts(suite, "last of an epoch", &last).await;
        let digest = suite.reads(at, &Contract::committeeDigestCall { epoch: epoch + 2 }).await;
        assert_eq!(digest, B256::from_slice(&world.committees[epoch as usize + 2].committee.digest()));
    }
    // The genesis committee was opened once, for two epochs.
    let genesis = suite.reads(at, &Contract::committeeCall { epoch: 0 }).await;
    let second = suite.reads(at, &Contract::committeeCall { epoch: 1 }).await;
    assert_eq!((second.seats, second.pagesRegistered, second.page0), (4, 1, genesis.page0));
    assert_eq!(suite.reads(at, &Contract::headCall {}).await.posts, 18);
}

async fn out_of_turn(suite: &mut Suite) {
    let world = World::new(suite, &[4, 4, 4, 4]).await;
    let at = world.at;
    world.opens(suite, 1).await;
    let (first, second) = (world.header(suite, 0, 1).await, world.header(suite, 1, 1).await);
    let not_over = |epoch| Contract::EpochNotOver { epoch };
    let over = |epoch| Contract::EpochOver { epoch };
    suite.refuses_raw("before the last header of the first", at, world.post(&second), not_over(0)).await;
    world.posts(suite, "ordinary", &first).await;
    suite.refuses_raw("before the last header", at, world.post(&second), not_over(0)).await;
    let ended = world.last(suite, 0).await;
    world.posts(suite, "last", &ended).await;
    world.opens(suite, 2).await;
    // Whoever could skip an epoch would leave the committee unnamed that its last header names.
    let third = world.header(suite, 2, 1).await;
    suite.refuses_raw("an epoch skipped", at, world.post(&third), not_over(1)).await;
    let fourth = world.header(suite, 3, 1).await;
    let unknown = Contract::CommitteeUnknown { epoch: 3 };
    suite.refuses_raw("a committee that nobody named", at, world.post(&fourth), unknown).await;
    // An epoch that is over has no more headers, above or below its last one.
    let above = Header { height: HEIGHTS + 3, ..world.header(suite, 0, 1).await };
    suite.refuses_raw("above the last header", at, world.post(&above), over(0)).await;
    let renamed = Header { height: HEIGHTS + 3, ..ended };
    suite.refuses_raw("another last header", at, world.post(&renamed), over(0)).await;
    world.posts(suite, "next epoch", &second).await;
    suite.refuses_raw("an epoch before", at, world.post(&above), over(0)).await;
    let stale = Contract::StaleHeader { latest: second.height, got: ended.height };
    suite.refuses_raw("a header posted before", at, world.post(&ended), stale).await;
    assert_eq!(world.newest(suite).await.0, 1);
}

/// Nobody posted for weeks: the last header of each epoch is enough, in order.
async fn catching_up(suite: &mut Suite) {
    let world = World::new(suite, &[4, 5, 6, 7, 4, 4]).await;
    let mut missed = Vec::new();
    for epoch in 0..4 {
        missed.push(world.last(suite, epoch).await);
        suite.l1.pass(5 * DAY).await;
    }
    // The newest one alone is of no use.
    let newest = world.header(suite, 4, 2).await;
    let unknown = Contract::CommitteeUnknown { epoch: 4 };
    suite.refuses_raw("the newest alone", world.at, world.post(&newest), unknown).await;
    for last in &missed {
        world.posts(suite, "last of a missed epoch", last).await;
        world.opens(suite, last.epoch + 2).await;
        // It vouches for what came soon after it, not for what comes now.
        let said = last.timestamp_ms / 1_000;
        assert_eq!(world.newest(suite).await, (last.epoch, said + TRUSTING_PERIOD));
    }
    world.posts(suite, "the newest", &newest).await;
    assert_eq!(world.newest(suite).await, (4, newest.timestamp_ms / 1_000 + TRUSTING_PERIOD));
}

/// What is said after a committee's stake may have left moves nothing and freezes nothing.
async fn trust(suite: &mut Suite) {
    let world = World::new(suite, &[4, 4, 4]).await;
    let at = world.at;
    let start = suite.l1.now().await;
    let ordinary = world.header(suite, 0, 1).await;
    world.posts(suite, "ordinary", &ordinary).await;
    suite.l1.pass(15 * DAY).await;
    // An old header that is posted late does not prolong the trust by more than a new one would have at its time.
    let old = Header { timestamp_ms: (start + 5 * DAY) * 1_000, ..world.header(suite, 0, 2).await };
    world.posts(suite, "posted late", &old).await;
    let until = start + 5 * DAY + TRUSTING_PERIOD;
    assert_eq!(world.newest(suite).await, (0, until));
    suite.l1.pass(until - suite.l1.now().await - 10).await;
    let conflicting = Header { body_root: ordinary.parent, ..old };
    let call = world.post(&conflicting);
    let answer = suite.l1.read(suite.me(), alloy::primitives::TxKind::Call(at), call.clone(), U256::ZERO).await;
    assert!(answer.is_ok(), "in time, it would freeze");
    suite.l1.pass(20).await;
    let next = world.last(suite, 0).await;
    suite.refuses_raw("a header too late", at, world.post(&next), trust_over(0, until)).await;
    suite.refuses_raw("a conflict too late", at, call, trust_over(0, until)).await;
    let prove =
        light_client::conflict_call(&old, 1, &[conflicting], &world.committees[0].certify(&conflicting)).unwrap();
    suite.refuses_raw("a proof too late", at, prove, trust_over(0, until)).await;
    assert!(!world.is_frozen(suite).await);
    // What was certified in time is so still.
    let certified = Contract::certifiedCall { header: ordinary.encode().to_vec().into(), index: 0 };
    assert_eq!(suite.reads(at, &certified).await.height, ordinary.height);

    // A header from before the deployment says nothing newer than that.
    let world = World::new(suite, &[4]).await;
    let deployed = world.newest(suite).await;
    let before = Header { timestamp_ms: 1_000, ..header(1, 0) };
    world.posts(suite, "from before the deployment", &before).await;
    assert_eq!(world.newest(suite).await, deployed);

    // Where no registry is behind it, it believes for ever.
    let world = World::believing(suite, &[4], light_client::TRUST_FOR_EVER_S).await;
    suite.l1.pass(1_000 * DAY).await;
    let late = world.header(suite, 0, 1).await;
    world.posts(suite, "after years", &late).await;
    assert_eq!(world.newest(suite).await, (0, u64::MAX));

    // A header from the future vouches for the present.
    let world = World::new(suite, &[4]).await;
    let now = suite.l1.now().await;
    let future = Header { timestamp_ms: (now + 400 * DAY) * 1_000, ..header(1, 0) };
    world.posts(suite, "from the future", &future).await;
    assert_eq!(world.newest(suite).await, (0, suite.l1.now().await + TRUSTING_PERIOD));
}

/// The committee of an epoch that is over can still be caught with two chains, for as long as its stake is bound, and then
/// freezes nothing any more, however lively the chain is.
async fn old_conflicts(suite: &mut Suite) {
    let world = World::new(suite, &[4, 4, 4, 4, 4]).await;
    let at = world.at;
    let ours = world.header(suite, 0, 5).await;
    world.posts(suite, "ordinary", &ours).await;
    let ended = suite.l1.now().await;
    world.passes(suite, 0..2).await;
    let alive = world.header(suite, 2, 1).await;
    world.posts(suite, "third epoch", &alive).await;

    let theirs = Header { body_root: ours.parent, ..ours };
    let end = child(&theirs, 1);
    let freezes = |path: &[Header], signed_by: usize| {
        let last = path[path.len() - 1];
        light_client::conflict_call(&ours, 0, path, &world.committees[signed_by].certify(&last)).unwrap()
    };
    let by_the_first = freezes(&[theirs, end], 0);
    // A chain of the first epoch that a later committee went on with.
    let crossing = Header { epoch: 2, ..end };
    let by_the_third = freezes(&[theirs, crossing], 2);
    for call in [&by_the_first, &by_the_third] {
        let answer = suite.l1.read(suite.me(), alloy::primitives::TxKind::Call(at), call.clone(), U256::ZERO).await;
        assert!(answer.is_ok(), "in time: {answer:?}");
    }
    let stranger = freezes(&[theirs, crossing], 1);
    suite.refuses_raw("signed by another epoch's", at, stranger, Contract::InvalidSignature {}).await;

    suite.l1.pass(TRUSTING_PERIOD - DAY).await;
    let later = world.last(suite, 2).await;
    world.posts(suite, "the chain goes on", &later).await;
    suite.l1.pass(2 * DAY).await;
    let got = suite.l1.read(suite.me(), alloy::primitives::TxKind::Call(at), by_the_first.clone(), U256::ZERO).await;
    // Its last header's time is that of the L1 block before the post.
    let until = ended + TRUSTING_PERIOD;
    assert_eq!(got, Err(alloy::sol_types::SolError::abi_encode(&trust_over(0, until)).into()));
    suite.refuses_raw("a committee of long ago", at, by_the_first, trust_over(0, until)).await;
    assert!(!world.is_frozen(suite).await);
    let next = world.header(suite, 3, 1).await;
    world.posts(suite, "fourth epoch", &next).await;
    suite.accepts_raw("a committee of late", at, by_the_third, U256::ZERO).await;
    assert!(world.is_frozen(suite).await);
    // What was known of epochs by then stays: who has left waits for evidence, and not for the escape.
    assert!(world.end(suite, 0).await.0 > 0);
}

async fn bounds(suite: &mut Suite) {
    let digest = Members::new(1, 1).committee.digest();
    for got in [1, 3_599, 365 * DAY + 1] {
        let code = light_client::creation_code(&CHAIN_HASH, CHAIN_ID, &digest, got);
        let [minimum, maximum, got] = [3_600, 365 * DAY, got].map(U256::from);
        let refusal = Contract::TrustingPeriodOutOfRange { minimum, maximum, got };
        suite.refuses_to_deploy("a trusting period", code, refusal).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn committees_are_followed_by_headers_alone() {
    let record = both(following).await;
    let (ordinary, last) = (gas_of(&record, "another one"), gas_of(&record, "last of an epoch"));
    assert!(last - ordinary < 52_000, "two words more an epoch: {ordinary} and {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn epochs_come_one_after_the_other() {
    both(out_of_turn).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missed_epochs_are_caught_up_with() {
    both(catching_up).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_ends_where_stake_may_leave() {
    both(trust).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_committees_neither_post_nor_freeze() {
    both(old_conflicts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trusting_periods_have_bounds() {
    both(bounds).await;
}
