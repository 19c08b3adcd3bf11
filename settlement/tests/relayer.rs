//! The relayer, killed and started again at every step, on L1s that lie down, reorganize and start anew.

mod openings;

use crate::{
    proxy::{Mood, Proxy},
    support::{CHAIN_HASH, CHAIN_ID, L1, L1_CHAIN_ID, Members, header},
};
use alloy::{
    primitives::{Address, TxKind},
    providers::Provider,
};
use sinter_primitives::{Digest, Header, receipt::CertifiedHeader};
use sinter_settlement::{
    dev_l1::{self, DevL1, DevL1Config, Mining},
    light_client,
    relayer::{Certified, EpochEnd, Relayer, RelayerConfig, RelayerError, RelayerStatus},
    submitter::SubmitError,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

/// Who deploys; account 0 is the relayer's alone.
const DEPLOYER: usize = 1;

/// A chain that mines when told, a contract on it, and a proxy between it and the relayer.
struct World {
    chain: DevL1,
    proxy: Proxy,
    contract: Address,
    members: Members,
    folder: TempDir,
}

async fn start_chain(listen: SocketAddr, members: &Members) -> (DevL1, Address) {
    let config =
        DevL1Config { listen, mining: Mining::Manual, genesis_timestamp: 1_700_000_000, ..DevL1Config::default() };
    let chain = dev_l1::spawn(config).await.unwrap();
    let l1 = L1::beside(&chain, DEPLOYER);
    let contract = light_client::predicted_address(l1.account(), 0);
    let (digest, period) = (members.committee.digest(), light_client::TRUSTING_PERIOD_S);
    let creation = light_client::creation_code(&CHAIN_HASH, CHAIN_ID, &digest, period);
    let mut calls = vec![(TxKind::Create, creation)];
    let registrations = light_client::register_calls(0, &members.committee).unwrap();
    calls.extend(registrations.into_iter().map(|call| (TxKind::Call(contract), call)));
    for (to, data) in calls {
        let outcome = l1.execute_mining(to, data, || chain.mine()).await;
        assert!(outcome.status, "{outcome:?}");
    }
    (chain, contract)
}

impl World {
    async fn new() -> Self {
        let members = Members::new(4, 1);
        let (chain, contract) = start_chain(SocketAddr::from(([127, 0, 0, 1], 0)), &members).await;
        let proxy = Proxy::start(chain.url()).await;
        Self { chain, proxy, contract, members, folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> RelayerConfig {
        let journal = self.folder.path().join("relayer.json");
        RelayerConfig {
            interval: Duration::ZERO,
            poll: Duration::from_millis(20),
            replace_after: Duration::from_secs(3600),
            backoff_max: Duration::from_millis(100),
            ..RelayerConfig::new(self.proxy.url(), L1_CHAIN_ID, self.contract, dev_l1::dev_signer(0), journal)
        }
    }

    /// Opens the relayer, as a process that starts does.
    fn relayer(&self) -> Relayer {
        Relayer::open(self.config()).unwrap()
    }

    fn certified(&self, height: u64) -> CertifiedHeader {
        self.certified_header(header(height, 0))
    }

    fn certified_header(&self, header: Header) -> CertifiedHeader {
        CertifiedHeader { certificate: self.members.certify(&header), header }
    }

    /// The newest header, where no epoch ended.
    fn alone(&self, height: u64) -> Certified {
        Certified { newest: self.certified(height), ends: Vec::new() }
    }

    async fn head(&self) -> light_client::Head {
        light_client::head(&L1::beside(&self.chain, 0).provider, self.contract).await.unwrap()
    }

    async fn relayer_nonce(&self) -> u64 {
        let l1 = L1::beside(&self.chain, 0);
        l1.provider.get_transaction_count(l1.account()).await.unwrap()
    }

    /// Exactly `posts` posts were ever included, by as many transactions, and the last is of this height.
    async fn assert_posted(&self, posts: u64, height: u64) {
        let head = self.head().await;
        assert_eq!((head.posts, head.height), (posts, height));
        assert_eq!(self.relayer_nonce().await, posts, "every transaction was a successful post");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_the_newest_header_and_reads_it_back() {
    let world = World::new().await;
    let mut relayer = world.relayer();
    let status = relayer.status();
    relayer.round(None).await.unwrap();
    assert_eq!(*status.borrow(), RelayerStatus::default());

    relayer.round(Some(&world.alone(10))).await.unwrap();
    assert_eq!(*status.borrow(), RelayerStatus { sent_height: 10, pending: 1, ..RelayerStatus::default() });
    // A newer one waits for its turn.
    relayer.round(Some(&world.alone(12))).await.unwrap();
    world.chain.mine();
    relayer.round(Some(&world.alone(13))).await.unwrap();
    let expected = RelayerStatus {
        sent_height: 13,
        posted_height: 10,
        verified_height: 10,
        pending: 1,
        ..RelayerStatus::default()
    };
    assert_eq!(*status.borrow(), expected);
    world.chain.mine();
    relayer.round(Some(&world.alone(13))).await.unwrap();
    assert_eq!((status.borrow().posted_height, status.borrow().verified_height, status.borrow().pending), (13, 13, 0));
    world.assert_posted(2, 13).await;
    // Old news is no news.
    relayer.round(Some(&world.alone(13))).await.unwrap();
    relayer.round(Some(&world.alone(11))).await.unwrap();
    world.chain.mine();
    world.assert_posted(2, 13).await;
}

/// The contract takes nothing of an epoch before it has the last header of the one before. Here the committee stays.
#[tokio::test(flavor = "multi_thread")]
async fn ends_of_epochs_go_first_in_order_and_at_once() {
    const HEIGHTS: u64 = 10;
    let world = World::new().await;
    let digest = world.members.committee.digest();
    let of = |height: u64| {
        let is_last = height % HEIGHTS == HEIGHTS - 1;
        let next_committee = if is_last { digest } else { Digest([0; 32]) };
        world.certified_header(Header { epoch: height / HEIGHTS, next_committee, ..header(height, 0) })
    };
    let certified = |newest: u64| {
        let ends = (0..=newest).filter(|height| height % HEIGHTS == HEIGHTS - 1);
        let end = |height| Arc::new(EpochEnd { last: of(height), opens: None });
        Certified { newest: of(newest), ends: ends.map(end).collect() }
    };
    // An hour between posts, but for ends.
    let config = RelayerConfig { interval: Duration::from_secs(3_600), ..world.config() };
    let mut relayer = Relayer::open(config.clone()).unwrap();
    for (newest, expected) in [(3, 3), (5, 3), (47, 9), (47, 19), (47, 29), (48, 39), (48, 39)] {
        relayer.round(Some(&certified(newest))).await.unwrap();
        world.chain.mine();
        assert_eq!(world.head().await.height, expected, "newest {newest}");
    }
    // A relayer that starts anew knows none of the ends that are posted, and needs none.
    drop(relayer);
    let mut relayer = Relayer::open(RelayerConfig { interval: Duration::ZERO, ..config }).unwrap();
    let newest = Certified { newest: of(48), ends: Vec::new() };
    for _ in 0..2 {
        relayer.round(Some(&newest)).await.unwrap();
        world.chain.mine();
    }
    world.assert_posted(6, 48).await;
    assert_eq!(light_client::newest_epoch(&L1::beside(&world.chain, 0).provider, world.contract).await.unwrap().0, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_journal_and_the_wire() {
    let world = World::new().await;
    let mut relayer = world.relayer();
    world.proxy.set(Mood::SwallowSends);
    relayer.round(Some(&world.alone(10))).await.unwrap_err();
    drop(relayer);
    world.proxy.set(Mood::Pass);
    // The journal alone carries on: no header has come yet.
    let mut relayer = world.relayer();
    relayer.round(None).await.unwrap();
    world.chain.mine();
    relayer.round(None).await.unwrap();
    world.assert_posted(1, 10).await;
    assert_eq!(world.proxy.distinct_sends(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_the_wire_and_the_answer() {
    let world = World::new().await;
    let mut relayer = world.relayer();
    world.proxy.set(Mood::FailAfterSends);
    relayer.round(Some(&world.alone(10))).await.unwrap_err();
    drop(relayer);
    world.proxy.set(Mood::Pass);
    let mut relayer = world.relayer();
    relayer.round(Some(&world.alone(11))).await.unwrap();
    world.chain.mine();
    world.assert_posted(1, 10).await;
    assert_eq!(world.proxy.distinct_sends(), 1, "the header that came meanwhile had to wait");
    relayer.round(Some(&world.alone(11))).await.unwrap();
    world.chain.mine();
    world.assert_posted(2, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_between_inclusion_and_noticing() {
    let world = World::new().await;
    let mut relayer = world.relayer();
    relayer.round(Some(&world.alone(10))).await.unwrap();
    drop(relayer);
    world.chain.mine();
    let mut relayer = world.relayer();
    let status = relayer.status();
    relayer.round(Some(&world.alone(10))).await.unwrap();
    assert_eq!((status.borrow().posted_height, status.borrow().pending), (10, 0));
    drop(relayer);
    let mut relayer = world.relayer();
    relayer.round(Some(&world.alone(10))).await.unwrap();
    world.chain.mine();
    world.assert_posted(1, 10).await;
    assert_eq!(world.proxy.distinct_sends(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_round_of_a_long_run() {
    let world = World::new().await;
    let moods = [Mood::Pass, Mood::SwallowSends, Mood::FailAfterSends, Mood::Down];
    for step in 0..40u64 {
        world.proxy.set(moods[(step % 4) as usize]);
        let mut relayer = world.relayer();
        // Down and swallowed rounds fail, and that is all that they do.
        let _ = relayer.round(Some(&world.alone(10 + step))).await;
        if step % 3 == 0 {
            world.chain.mine();
        }
        if step % 7 == 6 {
            world.chain.rollback(2, step % 2 == 0);
        }
    }
    world.proxy.set(Mood::Pass);
    let mut relayer = world.relayer();
    for _ in 0..8 {
        relayer.round(Some(&world.alone(60))).await.unwrap();
        world.chain.mine();
    }
    let head = world.head().await;
    assert_eq!(head.height, 60);
    assert_eq!(world.relayer_nonce().await, head.posts, "no transaction but successful posts");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_waits_is_replaced_and_included_once() {
    let world = World::new().await;
    let config = RelayerConfig { replace_after: Duration::ZERO, ..world.config() };
    for _ in 0..4 {
        let mut relayer = Relayer::open(config.clone()).unwrap();
        relayer.round(Some(&world.alone(10))).await.unwrap();
    }
    assert_eq!(world.proxy.distinct_sends(), 4);
    world.chain.mine();
    world.assert_posted(1, 10).await;
    let mut relayer = Relayer::open(config).unwrap();
    relayer.round(None).await.unwrap();
    world.chain.mine();
    world.assert_posted(1, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_attempt_may_be_the_one_that_is_included() {
    let world = World::new().await;
    let mut relayer = world.relayer();
    relayer.round(Some(&world.alone(10))).await.unwrap();
    drop(relayer);
    // The replacement is journalled and never arrives.
    world.proxy.set(Mood::SwallowSends);
    let config = RelayerConfig { replace_after: Duration::ZERO, ..world.config() };
    let mut relayer = Relayer::open(config.clone()).unwrap();
    relayer.round(None).await.unwrap_err();
    drop(relayer);
    world.chain.mine();
    world.proxy.set(Mood::Pass);
    let mut relayer = Relayer::open(config).unwrap();
    let status = relayer.status();
    relayer.round(None).await.unwrap();
    assert_eq!((status.borrow().posted_height, status.borrow().pending), (10, 0));
    world.assert_posted(1, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_never_exceed_the_ceiling() {
    let world = World::new().await;
    // Below the base fee of a young chain: nothing is signed at all.
    let low = RelayerConfig { fee_ceiling_wei: 1_000, ..world.config() };
    Relayer::open(low).unwrap().round(Some(&world.alone(10))).await.unwrap();
    assert_eq!(world.proxy.distinct_sends(), 0);
    // Room for a few bumps, not for more.
    let config = RelayerConfig { fee_ceiling_wei: 3_500_000_000, replace_after: Duration::ZERO, ..world.config() };
    let mut relayer = Relayer::open(config).unwrap();
    for _ in 0..20 {
        relayer.round(Some(&world.alone(10))).await.unwrap();
    }
    assert!((2..8).contains(&world.proxy.distinct_sends()), "{}", world.proxy.distinct_sends());
    world.chain.mine();
    world.assert_posted(1, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_taken_back_is_made_good() {
    for resubmit in [true, false] {
        let world = World::new().await;
        let mut relayer = world.relayer();
        for height in [10, 11] {
            relayer.round(Some(&world.alone(height))).await.unwrap();
            world.chain.mine();
        }
        relayer.round(Some(&world.alone(11))).await.unwrap();
        world.assert_posted(2, 11).await;
        assert_eq!(world.chain.rollback(2, resubmit), 2);
        world.assert_posted(0, 0).await;
        drop(relayer);
        let mut relayer = world.relayer();
        for _ in 0..3 {
            relayer.round(None).await.unwrap();
            world.chain.mine();
        }
        world.assert_posted(2, 11).await;
        assert_eq!(world.proxy.distinct_sends(), 2, "the same transactions as before");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_starts_anew_gets_the_header_again() {
    let mut world = World::new().await;
    let mut relayer = world.relayer();
    relayer.round(Some(&world.alone(10))).await.unwrap();
    // Final, so that the journal lets it go.
    for _ in 0..4 {
        world.chain.mine();
    }
    relayer.round(Some(&world.alone(10))).await.unwrap();
    relayer.round(Some(&world.alone(11))).await.unwrap();
    world.chain.mine();
    relayer.round(Some(&world.alone(11))).await.unwrap();
    world.assert_posted(2, 11).await;
    drop(relayer);

    let address = world.chain.address();
    let old = std::mem::replace(&mut world.chain, dev_l1::spawn(DevL1Config::default()).await.unwrap());
    old.shutdown().await;
    (world.chain, _) = start_chain(address, &world.members).await;
    let mut relayer = world.relayer();
    for _ in 0..3 {
        relayer.round(None).await.unwrap();
        world.chain.mine();
    }
    world.assert_posted(1, 11).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_is_down_is_waited_for() {
    let world = World::new().await;
    world.proxy.set(Mood::Down);
    let relayer = world.relayer();
    let mut status = relayer.status();
    let (headers, receiver) = watch::channel(Some(world.alone(10)));
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(relayer.run(receiver, async {
        let _ = stopped.await;
    }));
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, status.wait_for(|status| status.failures >= 3)).await.unwrap().unwrap();
    world.proxy.set(Mood::Pass);
    tokio::time::timeout(patience, status.wait_for(|status| status.sent_height == 10)).await.unwrap().unwrap();
    assert_eq!(status.borrow().failures, 0);
    world.chain.mine();
    tokio::time::timeout(patience, status.wait_for(|status| status.verified_height == 10)).await.unwrap().unwrap();
    headers.send(Some(world.alone(11))).unwrap();
    tokio::time::timeout(patience, status.wait_for(|status| status.sent_height == 11)).await.unwrap().unwrap();
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_l1_than_configured_is_refused() {
    let world = World::new().await;
    let config = RelayerConfig { l1_chain_id: 1, ..world.config() };
    let relayer = Relayer::open(config).unwrap();
    let (_headers, receiver) = watch::channel(None);
    let error = relayer.run(receiver, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, RelayerError::Submit(SubmitError::ChainId { expected: 1, got: L1_CHAIN_ID })), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn others_may_post_too_and_a_frozen_contract_is_left_alone() {
    let world = World::new().await;
    let other = L1::beside(&world.chain, 2);
    let post = |header: &CertifiedHeader| light_client::post_call(&header.header, &header.certificate).unwrap();
    let to = TxKind::Call(world.contract);
    assert!(other.execute_mining(to, post(&world.certified(20)), || world.chain.mine()).await.status);
    let mut relayer = world.relayer();
    let status = relayer.status();
    relayer.round(Some(&world.alone(19))).await.unwrap();
    assert_eq!((world.proxy.distinct_sends(), status.borrow().verified_height), (0, 20));

    let conflict = world.certified_header(header(20, 1));
    assert!(other.execute_mining(to, post(&conflict), || world.chain.mine()).await.status);
    relayer.round(Some(&world.alone(21))).await.unwrap();
    assert_eq!((world.proxy.distinct_sends(), status.borrow().frozen), (0, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_the_contract_refuses_is_not_sent() {
    let world = World::new().await;
    let mut relayer = world.relayer();
    let mut wrong = world.alone(10);
    wrong.newest.certificate.view += 1;
    let error = relayer.round(Some(&wrong)).await.unwrap_err();
    assert!(
        matches!(&error, RelayerError::Refused { height: 10, refusal: Some(refusal) }
            if matches!(**refusal, light_client::Refusal::InvalidSignature(_))),
        "{error}"
    );
    assert_eq!(world.proxy.distinct_sends(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_the_first_version_is_read() {
    let world = World::new().await;
    let (hash, raw) = (format!("0x{}", "1".repeat(64)), "0x02");
    let attempt = serde_json::json!({ "hash": hash, "raw": raw, "fee_wei": 1, "tip_wei": 1, "signed_at_ms": 5 });
    let post = serde_json::json!({
        "nonce": 0, "height": 10, "gas_limit": 7, "call": "0x03", "attempts": [attempt],
        "included": { "hash": hash, "block": 3 }, "unseen_rounds": 0,
    });
    let journal = serde_json::json!({
        "version": 1, "l1_chain_id": L1_CHAIN_ID, "contract": world.contract, "sender": dev_l1::dev_signer(0).address(),
        "last_post_ms": 0, "posts": [post], "lost": { "height": 9, "call": "0x04" },
    });
    std::fs::write(world.config().journal, journal.to_string()).unwrap();
    let mut relayer = world.relayer();
    let status = relayer.status();
    // The L1 does not know that inclusion: the transaction waits again, and these bytes are none that an L1 takes.
    relayer.round(None).await.unwrap_err();
    assert_eq!((status.borrow().sent_height, status.borrow().pending), (10, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn relays_to_anvil() {
    let Some(l1) = L1::anvil().await else { return };
    let members = Members::new(4, 1);
    let (contract, _) = l1.deploy_with(&members.committee).await;
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("relayer.json");
    let config = RelayerConfig {
        interval: Duration::ZERO,
        ..RelayerConfig::new(l1.url.clone(), L1_CHAIN_ID, contract, dev_l1::dev_signer(1), journal)
    };
    let mut relayer = Relayer::open(config).unwrap();
    let status = relayer.status();
    for height in [10, 11, 12] {
        let header = header(height, 0);
        let newest = CertifiedHeader { certificate: members.certify(&header), header };
        let certified = Certified { newest, ends: Vec::new() };
        // A busy anvil mines some rounds later.
        for _ in 0..250 {
            relayer.round(Some(&certified)).await.unwrap();
            if status.borrow().verified_height == height {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(status.borrow().verified_height, height);
    }
    assert_eq!(light_client::head(&l1.provider, contract).await.unwrap().posts, 3);
}
