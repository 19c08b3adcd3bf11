//! Seals on their way to the hub, on L1s that lie down, reorganize, become dear and are shared with thieves.

mod anvil;
mod cheap_gas;
mod long_outage;
mod others;
mod refusals;
mod reorganizations;
mod restarts;
mod underpriced;
mod wrong_l1;

use crate::{
    proxy::Proxy,
    support::{GWEI, L1, L1_CHAIN_ID, base_fee, burn},
};
use alloy::{
    primitives::{Address, B256, Bytes, TxKind},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::{SolCall, SolConstructor, SolValue},
};
use sinter_settlement::{
    dev_l1::{self, DevL1, DevL1Config, Mining},
    seals::{Depth, SealState, SealSubmitter, SealsConfig, SealsStatus},
};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

mod contracts {
    #![allow(clippy::pedantic)]
    alloy::sol!(AggregationHub, "artifacts/AggregationHub.json");
    alloy::sol!(ToldVerifier, "tests/artifacts/ToldVerifier.json");
}
use contracts::{AggregationHub, ToldVerifier};

/// Who deploys and tells; account 0 is the submitter's alone.
const DEPLOYER: usize = 1;

/// The root of this number, and as many statements.
fn root(number: u64) -> B256 {
    B256::left_padding_from(&number.to_be_bytes())
}

fn seal(number: u64) -> Bytes {
    (root(number), number as u32).abi_encode().into()
}

/// Deploys a hub with a verifier that has to be told what to accept; `mine` makes a block where none comes by itself.
async fn deploy(l1: &L1, mine: impl Fn()) -> (Address, Address) {
    let outcome = l1.execute_mining(TxKind::Create, ToldVerifier::BYTECODE.clone(), &mine).await;
    let verifier = outcome.contract.unwrap();
    let arguments = AggregationHub::constructorCall { verifier_: verifier }.abi_encode();
    let creation = [AggregationHub::BYTECODE.as_ref(), &arguments].concat();
    let outcome = l1.execute_mining(TxKind::Create, creation.into(), &mine).await;
    (verifier, outcome.contract.unwrap())
}

/// Makes the verifier accept the seal of this number.
async fn tell(l1: &L1, verifier: Address, number: u64, count: u32, mine: impl Fn()) {
    let call = ToldVerifier::tellCall { root: root(number), count }.abi_encode();
    assert!(l1.execute_mining(TxKind::Call(verifier), call.into(), mine).await.status);
}

/// A chain that mines when told, a hub on it, and a proxy between it and the submitter.
struct World {
    chain: DevL1,
    proxy: Proxy,
    verifier: Address,
    hub: Address,
    folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with_base_fee(GWEI as u64).await
    }

    /// On a chain whose first block asks this much, in wei per gas; every empty block asks an eighth less.
    async fn with_base_fee(genesis_base_fee_wei: u64) -> Self {
        let config = DevL1Config {
            mining: Mining::Manual,
            genesis_timestamp: 1_700_000_000,
            genesis_base_fee_wei,
            ..DevL1Config::default()
        };
        let chain = dev_l1::spawn(config).await.unwrap();
        let (verifier, hub) = deploy(&L1::beside(&chain, DEPLOYER), || chain.mine()).await;
        let proxy = Proxy::start(chain.url()).await;
        let world = Self { chain, proxy, verifier, hub, folder: tempfile::tempdir().unwrap() };
        // Deep enough for a young chain to have final blocks.
        world.mine(3);
        world
    }

    /// With the seals of these numbers, as many as the number from 1.
    async fn with_seals(numbers: u64) -> Self {
        let world = Self::new().await;
        for number in 1..=numbers {
            world.tell(number).await;
        }
        world
    }

    async fn tell(&self, number: u64) {
        tell(&L1::beside(&self.chain, DEPLOYER), self.verifier, number, number as u32, || self.chain.mine()).await;
    }

    fn mine(&self, blocks: usize) {
        (0..blocks).for_each(|_| self.chain.mine());
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("settle.json")
    }

    fn config(&self) -> SealsConfig {
        SealsConfig {
            poll: Duration::from_millis(20),
            replace_after: Duration::from_secs(3600),
            backoff_max: Duration::from_millis(100),
            depth: Depth::Finalized,
            ..SealsConfig::new(self.proxy.url(), L1_CHAIN_ID, self.hub, dev_l1::dev_signer(0), self.journal())
        }
    }

    /// Opens the submitter, as a process that starts does.
    fn submitter(&self, numbers: &[u64]) -> SealSubmitter {
        self.submitter_with(self.config(), numbers)
    }

    fn submitter_with(&self, config: SealsConfig, numbers: &[u64]) -> SealSubmitter {
        SealSubmitter::open(config, &numbers.iter().map(|number| seal(*number)).collect::<Vec<_>>()).unwrap()
    }

    async fn count(&self, number: u64) -> u32 {
        let call: Bytes = AggregationHub::countCall { root: root(number) }.abi_encode().into();
        let request = TransactionRequest { to: Some(self.hub.into()), input: call.into(), ..Default::default() };
        let answer = L1::beside(&self.chain, 0).provider.call(request).await.unwrap();
        AggregationHub::countCall::abi_decode_returns(&answer).unwrap()
    }

    async fn nonce(&self) -> u64 {
        let l1 = L1::beside(&self.chain, 0);
        l1.provider.get_transaction_count(l1.account()).await.unwrap()
    }

    /// What the next block asks per gas.
    async fn base_fee(&self) -> u128 {
        base_fee(&self.chain).await
    }

    /// Makes blocks dearer until one asks this much, and lets nothing else into them. A round after each.
    async fn make_dear(&self, base_fee_wei: u128, submitter: &mut SealSubmitter) {
        burn(&self.chain, base_fee_wei, async || {
            submitter.round().await.unwrap();
        })
        .await;
    }

    /// Gas of each transaction of an account, oldest first.
    async fn spent(&self, l1: &L1) -> Vec<u64> {
        let mut gas = Vec::new();
        for number in 0..=self.chain.block_number() {
            let receipts = l1.provider.get_block_receipts(number.into()).await.unwrap().unwrap();
            gas.extend(receipts.iter().filter(|receipt| receipt.from == l1.account()).map(|receipt| receipt.gas_used));
        }
        gas
    }

    /// Rounds with a block after each, until everything is settled.
    async fn settle(&self, submitter: &mut SealSubmitter) -> SealsStatus {
        for _ in 0..60 {
            let done = submitter.round().await.unwrap();
            if done {
                return submitter.status().borrow().clone();
            }
            self.chain.mine();
        }
        panic!("not settled: {:?}", *submitter.status().borrow());
    }

    /// The hub has the seals from 1 to this one, each brought by the submitter in one transaction of its own.
    async fn assert_settled_once(&self, numbers: u64) {
        for number in 1..=numbers {
            assert_eq!(self.count(number).await, number as u32);
        }
        assert_eq!(self.nonce().await, numbers, "one transaction a seal");
    }
}

fn states(status: &SealsStatus) -> Vec<&'static str> {
    let name = |state: &SealState| match state {
        SealState::Unknown => "unknown",
        SealState::Waiting => "waiting",
        SealState::Sent { .. } => "sent",
        SealState::Included => "included",
        SealState::Settled => "settled",
        SealState::Refused(_) => "refused",
    };
    status.seals.iter().map(|seal| name(&seal.state)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn seals_go_one_after_the_other_and_are_settled_when_final() {
    let world = World::with_seals(2).await;
    let mut submitter = world.submitter(&[1, 2]);
    let status = submitter.status();
    assert!(!submitter.round().await.unwrap());
    assert_eq!(states(&status.borrow()), ["sent", "waiting"]);
    world.chain.mine();
    assert!(!submitter.round().await.unwrap());
    assert_eq!(states(&status.borrow()), ["included", "sent"]);
    world.mine(2);
    assert!(!submitter.round().await.unwrap());
    assert_eq!(states(&status.borrow()), ["settled", "included"]);
    world.chain.mine();
    assert!(submitter.round().await.unwrap());
    let status = status.borrow().clone();
    assert!(status.is_settled());
    let seal = &status.seals[1];
    assert_eq!((seal.root, seal.count), (Some(root(2)), Some(2)));
    let delivery = seal.delivery.unwrap();
    assert!(delivery.gas_used > 40_000 && delivery.gas_price_wei > GWEI, "{delivery:?}");
    world.assert_settled_once(2).await;
    assert_eq!(world.proxy.distinct_sends(), 2);
    // Again, with another journal: there is nothing left to do.
    let config = SealsConfig { journal: world.folder.path().join("another.json"), ..world.config() };
    let mut again = world.submitter_with(config, &[2, 1, 2]);
    assert!(again.round().await.unwrap());
    assert_eq!(world.proxy.distinct_sends(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_depth_is_the_one_that_is_asked_for() {
    let world = World::with_seals(1).await;
    let config = SealsConfig { depth: Depth::Blocks(5), ..world.config() };
    let mut submitter = world.submitter_with(config, &[1]);
    assert!(!submitter.round().await.unwrap());
    for blocks in 1..=5 {
        world.chain.mine();
        assert_eq!(submitter.round().await.unwrap(), blocks == 5, "{blocks}");
    }
    let mut shallow = SealSubmitter::open(
        SealsConfig { depth: Depth::Blocks(1), journal: world.folder.path().join("b.json"), ..world.config() },
        &[seal(1)],
    )
    .unwrap();
    assert!(shallow.round().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_with_the_same_root_are_paid_for_once() {
    let world = World::with_seals(1).await;
    let mut submitter = world.submitter(&[1, 1]);
    assert!(world.settle(&mut submitter).await.is_settled());
    world.assert_settled_once(1).await;
}
