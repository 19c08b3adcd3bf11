//! Committees that change from epoch to epoch: the relayer takes the contract from one to the next.

use super::*;
use sinter_primitives::{
    committee::PAGE_SEATS,
    hand_over::{HandOver, HandOverError},
    network::TrustedNetwork,
};
use sinter_settlement::{light_client::Refusal, relayer::Ends};

/// Heights of an epoch.
const HEIGHTS: u64 = 10;
/// Committees of many sizes, disjoint but for one that stays and the first, which comes back; the third has two pages of keys.
const MANY: [(usize, u8); 7] = [(7, 2), (7, 2), (65, 3), (40, 4), (4, 1), (1, 5), (5, 6)];
/// The epoch of the committee with two pages of keys.
const LARGE: u64 = 4;

/// A chain of epochs whose committees change.
struct Rotation {
    /// By epoch.
    committees: Vec<Members>,
}

impl Rotation {
    /// Epochs 0 and 1 have the committee of [`World`]; those after them committees of so many seats and with this salt.
    fn new(committees: &[(usize, u8)]) -> Self {
        let genesis = [(4, 1), (4, 1)];
        Self { committees: genesis.iter().chain(committees).map(|(seats, salt)| Members::new(*seats, *salt)).collect() }
    }

    fn certified(&self, height: u64) -> CertifiedHeader {
        let epoch = height / HEIGHTS;
        let is_last = height % HEIGHTS == HEIGHTS - 1;
        let named = if is_last { self.committees[epoch as usize + 2].committee.digest() } else { Digest([0; 32]) };
        let header = Header { epoch, next_committee: named, ..header(height, 0) };
        CertifiedHeader { certificate: self.committees[epoch as usize].certify(&header), header }
    }

    fn end(&self, epoch: u64) -> HandOver {
        let CertifiedHeader { header, certificate } = self.certified(epoch * HEIGHTS + HEIGHTS - 1);
        HandOver { header, certificate, seats: self.committees[epoch as usize + 2].committee.seats().to_vec() }
    }

    /// No ends yet, for a contract whose newest epoch is this one.
    fn ends(&self, newest_epoch: u64) -> Ends {
        let genesis = self.committees[0].committee.clone();
        Ends::new(TrustedNetwork::genesis(CHAIN_HASH, CHAIN_ID, genesis), newest_epoch)
    }

    /// What there is to post when the chain is at `newest`, to a contract whose newest epoch was `newest_epoch` when this began.
    fn to_post(&self, newest: u64, newest_epoch: u64) -> Certified {
        let mut ends = self.ends(newest_epoch);
        for epoch in 0..newest / HEIGHTS {
            ends.take(&self.end(epoch)).unwrap();
        }
        let newest = self.certified(newest);
        newest.verify(ends.trusted()).unwrap();
        Certified { newest, ends: ends.kept().to_vec() }
    }

    fn register_calls(&self, epoch: u64) -> Vec<alloy::primitives::Bytes> {
        light_client::register_calls(epoch, &self.committees[epoch as usize].committee).unwrap()
    }
}

impl World {
    async fn pages(&self, epoch: u64) -> u8 {
        light_client::registered_pages(&L1::beside(&self.chain, 0).provider, self.contract, epoch).await.unwrap()
    }

    /// Somebody else registers a page.
    async fn register(&self, call: alloy::primitives::Bytes) {
        let other = L1::beside(&self.chain, 2);
        let outcome = other.execute_mining(TxKind::Call(self.contract), call, || self.chain.mine()).await;
        assert!(outcome.status, "{outcome:?}");
    }

    /// Rounds and blocks until the head is here and nothing is left to do.
    async fn reaches(&self, relayer: &mut Relayer, certified: &Certified, height: u64) {
        for _ in 0..64 {
            let sent = self.proxy.distinct_sends();
            relayer.round(Some(certified)).await.unwrap();
            if self.head().await.height == height && self.proxy.distinct_sends() == sent {
                return;
            }
            self.chain.mine();
        }
        panic!("expected height {height}, got {:?}", self.head().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn committees_with_other_keys_are_opened_as_they_are_named() {
    let (world, chain) = (World::new().await, Rotation::new(&MANY));
    let mut relayer = world.relayer();
    for newest in (3..70).step_by(6) {
        world.reaches(&mut relayer, &chain.to_post(newest, 0), newest).await;
        // An epoch before it is needed.
        let named = newest / HEIGHTS + 1;
        if named > 1 && named != 3 {
            let pages = chain.committees[named as usize].committee.seats().len().div_ceil(PAGE_SEATS);
            assert_eq!(world.pages(named).await.count_ones() as usize, pages, "epoch {named}");
        }
    }
    // The one that stayed got its keys from the epoch before.
    assert_eq!(world.pages(3).await, 1);
    // Of epochs 2, 4 (two), 5, 6 and 7.
    assert_eq!(world.relayer_nonce().await, world.head().await.posts + 6, "posts and pages, each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relayer_that_was_away_opens_what_each_end_needs() {
    let (world, chain) = (World::new().await, Rotation::new(&MANY));
    let mut relayer = world.relayer();
    world.reaches(&mut relayer, &chain.to_post(63, 0), 63).await;
    let head = world.head().await;
    assert_eq!(head.posts, 7, "the ends of six epochs, and the newest header");
    // Of epochs 2, 4 (two), 5, 6 and 7: that of 8 is not named.
    assert_eq!(world.relayer_nonce().await, head.posts + 6);
    // A relayer that begins here needs to know no earlier ends than those two whose committees may not be open.
    drop(relayer);
    let mut relayer = world.relayer();
    let mut certified = chain.to_post(68, 6);
    certified.ends.drain(..4);
    world.reaches(&mut relayer, &certified, 68).await;
    assert_eq!(world.relayer_nonce().await, world.head().await.posts + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_round_while_committees_are_opened() {
    let (world, chain) = (World::new().await, Rotation::new(&MANY));
    let moods = [Mood::Pass, Mood::SwallowSends, Mood::FailAfterSends, Mood::Down];
    for step in 0..60u64 {
        world.proxy.set(moods[(step % 4) as usize]);
        let mut relayer = world.relayer();
        // Down and swallowed rounds fail, and that is all that they do.
        let _ = relayer.round(Some(&chain.to_post(3 + step, 0))).await;
        if step % 3 == 0 {
            world.chain.mine();
        }
        if step % 7 == 6 {
            world.chain.rollback(2, step % 2 == 0);
        }
    }
    world.proxy.set(Mood::Pass);
    let mut relayer = world.relayer();
    world.reaches(&mut relayer, &chain.to_post(63, 0), 63).await;
    let posts = world.head().await.posts;
    assert_eq!(world.relayer_nonce().await, posts + 6, "no transaction but successful posts and pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_taken_back_are_made_good() {
    for resubmit in [true, false] {
        let (world, chain) = (World::new().await, Rotation::new(&[(4, 2), (65, 3), (4, 4), (4, 5)]));
        let mut relayer = world.relayer();
        world.reaches(&mut relayer, &chain.to_post(23, 0), 23).await;
        assert_eq!((world.pages(3).await, world.relayer_nonce().await), (0b11, 6));
        let sends = world.proxy.distinct_sends();
        assert_eq!(world.chain.rollback(2, resubmit), 2);
        assert_eq!(world.pages(3).await, 0);
        drop(relayer);
        let mut relayer = world.relayer();
        // The journal alone makes it good.
        for _ in 0..6 {
            relayer.round(None).await.unwrap();
            world.chain.mine();
        }
        assert_eq!((world.pages(3).await, world.head().await.height), (0b11, 23));
        assert_eq!((world.relayer_nonce().await, world.proxy.distinct_sends()), (6, sends), "the same transactions");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_opened_is_not_opened_again() {
    let (world, chain) = (World::new().await, Rotation::new(&MANY));
    let mut relayer = world.relayer();
    // The end that names the first of other committees is somebody else's post, and so are its keys.
    let CertifiedHeader { header, certificate } = chain.certified(HEIGHTS - 1);
    world.register(light_client::post_call(&header, &certificate).unwrap()).await;
    world.register(chain.register_calls(2).remove(0)).await;
    world.reaches(&mut relayer, &chain.to_post(23, 0), 23).await;
    assert_eq!(world.relayer_nonce().await, 2, "the end of epoch 1, and the newest");
    // One page of two: whichever it is, the other one is missing.
    let world = World::new().await;
    let mut relayer = world.relayer();
    world.reaches(&mut relayer, &chain.to_post(23, 0), 23).await;
    let nonce = world.relayer_nonce().await;
    // While the header of the end is on its way, nobody can be faster.
    relayer.round(Some(&chain.to_post(33, 0))).await.unwrap();
    world.chain.mine();
    world.register(chain.register_calls(LARGE).remove(1)).await;
    world.reaches(&mut relayer, &chain.to_post(33, 0), 33).await;
    world.reaches(&mut relayer, &chain.to_post(43, 0), 43).await;
    assert_eq!(world.pages(LARGE).await, 0b11);
    // Heights 29, 33, 39, 43, one page of epoch 4 and one of epoch 5.
    assert_eq!(world.relayer_nonce().await, nonce + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_waits_while_somebody_else_registers_it_is_cancelled() {
    let (world, chain) = (World::new().await, Rotation::new(&MANY));
    let certified = chain.to_post(13, 0);
    let mut relayer = world.relayer();
    for _ in 0..2 {
        relayer.round(Some(&certified)).await.unwrap();
        world.chain.mine();
    }
    assert_eq!(world.head().await.height, 13);
    // Journalled, and never on the wire.
    world.proxy.set(Mood::SwallowSends);
    relayer.round(Some(&certified)).await.unwrap_err();
    drop(relayer);
    world.register(chain.register_calls(2).remove(0)).await;
    world.proxy.set(Mood::Pass);
    let (sends, mut relayer) = (world.proxy.distinct_sends(), world.relayer());
    world.reaches(&mut relayer, &certified, 13).await;
    assert_eq!((world.relayer_nonce().await, world.proxy.distinct_sends()), (3, sends + 1));
    let block = L1::beside(&world.chain, 0).provider.get_block_by_number(Default::default()).await.unwrap().unwrap();
    assert_eq!(block.header.gas_used, 21_000, "what takes its place does nothing");
    world.reaches(&mut relayer, &chain.to_post(23, 0), 23).await;
    assert_eq!(
        *relayer.status().borrow(),
        RelayerStatus { sent_height: 23, posted_height: 23, verified_height: 23, ..RelayerStatus::default() }
    );
}

/// Keys that the contract refuses, or that cost too much, keep nothing back that does not need them.
#[tokio::test(flavor = "multi_thread")]
async fn headers_do_not_wait_for_keys_that_they_do_not_need() {
    let (world, chain) = (World::new().await, Rotation::new(&MANY));
    let mut wrong = chain.to_post(18, 0);
    wrong.ends[0] = Arc::new(EpochEnd { opens: Some(Members::new(7, 99).committee), ..(*wrong.ends[0]).clone() });
    let mut relayer = world.relayer();
    for expected in [9, 18] {
        relayer.round(Some(&wrong)).await.unwrap();
        world.chain.mine();
        assert_eq!(world.head().await.height, expected);
    }
    let error = relayer.round(Some(&wrong)).await.unwrap_err();
    assert!(
        matches!(&error, RelayerError::PageRefused { epoch: 2, page: 0, refusal: Some(refusal) }
            if matches!(**refusal, Refusal::OpeningMismatch(_))),
        "{error}"
    );
    // A header that needs keys of which nobody told it.
    let mut untold = chain.to_post(23, 0);
    untold.ends.remove(0);
    for expected in [19, 19] {
        let _ = relayer.round(Some(&untold)).await;
        world.chain.mine();
        assert_eq!(world.head().await.height, expected);
    }
    let error = relayer.round(Some(&untold)).await.unwrap_err();
    assert!(
        matches!(&error, RelayerError::Refused { height: 23, refusal: Some(refusal) }
            if matches!(**refusal, Refusal::CommitteeNotOpened(_))),
        "{error}"
    );
    world.reaches(&mut relayer, &chain.to_post(23, 0), 23).await;
}

/// Months away: however many epochs were missed, few are in memory at a time, each is checked, and they are posted in order.
#[tokio::test(flavor = "multi_thread")]
async fn many_missed_epochs_are_caught_up_with_in_little_memory() {
    const EPOCHS: u64 = 60;
    let committees: Vec<_> = (0..EPOCHS).map(|epoch| (1 + epoch as usize % 2, epoch as u8 + 2)).collect();
    let (world, chain) = (World::new().await, Rotation::new(&committees));
    let (mut relayer, mut ends) = (world.relayer(), chain.ends(0));
    for epoch in 0..EPOCHS {
        let skipped = ends.take(&chain.end((epoch + 1) % EPOCHS)).unwrap_err();
        assert!(matches!(skipped, HandOverError::Epoch { expected, .. } if expected == epoch), "{skipped}");
        while let Some(height) = ends.waits_for().filter(|_| epoch > 0) {
            let head = world.head().await.height;
            ends.forget(head);
            if head >= height {
                break;
            }
            let newest = chain.certified(epoch * HEIGHTS - 1);
            let certified = Certified { newest, ends: ends.kept().to_vec() };
            relayer.round(Some(&certified)).await.unwrap();
            world.chain.mine();
        }
        ends.take(&chain.end(epoch)).unwrap();
        assert!(ends.kept().len() <= 24, "{}", ends.kept().len());
    }
    let newest = chain.certified(EPOCHS * HEIGHTS - 1);
    let certified = Certified { newest, ends: ends.kept().to_vec() };
    world.reaches(&mut relayer, &certified, EPOCHS * HEIGHTS - 1).await;
    let posts = world.head().await.posts;
    assert_eq!((posts, world.relayer_nonce().await), (EPOCHS, 2 * EPOCHS), "the end of each, and a page of each named");
    // Its keys were opened when the last end was posted.
    assert_eq!((world.pages(EPOCHS).await, world.pages(EPOCHS + 1).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn follows_committees_on_anvil() {
    let Some(l1) = L1::anvil().await else { return };
    let chain = Rotation::new(&MANY);
    let (contract, _) = l1.deploy_with(&chain.committees[0].committee).await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("relayer.json");
    let config = RelayerConfig {
        interval: Duration::ZERO,
        ..RelayerConfig::new(l1.url.clone(), L1_CHAIN_ID, contract, dev_l1::dev_signer(1), journal)
    };
    let certified = chain.to_post(63, 0);
    for _ in 0..15 {
        // Every transaction is in a block at once.
        Relayer::open(config.clone()).unwrap().round(Some(&certified)).await.unwrap();
    }
    let head = light_client::head(&l1.provider, contract).await.unwrap();
    assert_eq!((head.height, head.posts), (63, 7));
    let nonce = l1.provider.get_transaction_count(dev_l1::dev_signer(1).address()).await.unwrap();
    assert_eq!(nonce, head.posts + 6);
}
