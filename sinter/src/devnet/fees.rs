//! A namespace that somebody opens on the L1 while the network runs: it pays for what is ordered in it, and a member is paid.

use super::{directory::Directory, l1::L1, network::Network, registry};
use crate::{
    client,
    exit::{Exit, Failure, OrFail},
    l1::connect,
    namespace::Contract,
};
use alloy::primitives::{Address, U256};
use serde::Serialize;
use sinter_primitives::{
    Namespace, Transaction, TransactionKind,
    chain::Ordering,
    fees::{FeeSpec, TRANSACTION_BYTES},
};
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, SendTransaction, TransactionStatus},
};
use sinter_settlement::namespaces;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// What a devnet whose namespaces can be opened charges: the load of a few hundred small transactions a second is about what it aims at.
pub const FEES: FeeSpec = FeeSpec { floor_wei: 1_000_000, target_bytes_per_s: 100_000 };
/// What opening a namespace costs there.
pub const OPENING_FEE_WEI: u64 = 1_000_000_000_000_000;
const PREPAID_WEI: u64 = 10_000_000_000_000_000;
/// How many transactions are ordered in it, and of how many bytes.
const TRANSACTIONS: usize = 10;
const PAYLOAD_BYTES: usize = 200;
/// How long each step has.
const STEP_MAX: Duration = Duration::from_secs(180);
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Fees {
    /// The namespace that was opened.
    pub namespace: Namespace,
    /// From its L1 block to its being open in the order.
    pub to_open_ms: u64,
    /// Transactions that are final in it.
    pub ordered: usize,
    /// What it paid for them.
    pub paid_wei: u128,
    /// What one member was paid on the L1, out of that and no more.
    pub earned_wei: u128,
}

/// All of that on its way. It ends when this is dropped.
pub struct Paying(JoinSet<Result<Fees, Failure>>);

/// Where a node of a devnet wants its fees. Whoever asks the contract to pay, it pays there.
pub const fn fee_recipient(number: usize) -> Address {
    let mut bytes = [0xfe; 20];
    bytes[19] = number as u8;
    Address::new(bytes)
}

impl Paying {
    /// Opens a namespace, by the account of the second node's owner; does nothing on a network without fees.
    ///
    /// # Errors
    /// When the account's key cannot be read.
    pub fn start(directory: &Directory, network: &Network, l1: &L1) -> Result<Self, Failure> {
        let mut tasks = JoinSet::new();
        if network.chain.file.fees.is_some() {
            let owner = registry::owner(directory, 1)?;
            let contract = Contract::of(network.chain.clone(), connect(&l1.url, Some(&owner))?)?;
            tasks.spawn(pay(contract, owner.address(), network.chain.file.chain_id, network.rpc_urls()));
        }
        Ok(Self(tasks))
    }

    /// Waits until all of it has come about. Nothing, on a network without fees.
    ///
    /// # Errors
    /// When it does not, in time.
    pub async fn finish(mut self) -> Result<Option<Fees>, Failure> {
        match self.0.join_next().await {
            Some(ended) => ended.or_fail(Exit::Failed, "opening a namespace")?.map(Some),
            None => Ok(None),
        }
    }
}

async fn pay(contract: Contract, owner: Address, chain_id: u64, urls: Vec<String>) -> Result<Fees, Failure> {
    let url = urls.last().map_or("", String::as_str);
    let node = client::http(url)?;
    let call = namespaces::open_call(Ordering::FirstCome, None, u32::MAX, u128::MAX);
    let value = U256::from(PREPAID_WEI) + contract.opening_fee().await?;
    let receipt = contract.send(owner, "opening a namespace", &call, value).await?;
    let opened = Instant::now();
    let namespace = namespaces::opened_in(&receipt)
        .ok_or_else(|| Failure::new(Exit::Failed, "the contract took the call and says nothing of a namespace"))?;
    let awaited = Awaited::new("the namespace to be open");
    while node.namespace(namespace).await.is_err() {
        awaited.pause().await?;
    }
    let to_open_ms = u64::try_from(opened.elapsed().as_millis()).unwrap_or(u64::MAX);

    let mut sent = Vec::new();
    for number in 0..TRANSACTIONS {
        let payload = vec![number as u8; PAYLOAD_BYTES];
        let accepted = node.send_transaction(SendTransaction::new(namespace, payload.clone())).await;
        let accepted = accepted.or_fail(Exit::Failed, "sending to the namespace")?;
        let (kind, expiry_height) = (TransactionKind::User, accepted.expiry_height);
        sent.push(Transaction { kind, namespace, expiry_height, payload: payload.into() }.id(chain_id));
    }
    let awaited = Awaited::new("what was sent to the namespace to be final");
    for id in &sent {
        while !matches!(node.receipt(Id(*id)).await, Ok(TransactionStatus::Finalized { .. })) {
            awaited.pause().await?;
        }
    }
    let view = node.namespace(namespace).await.or_fail(Exit::Failed, url)?;
    let left_wei = view.account.map_or(0, |account| account.balance_wei);
    let paid_wei = u128::from(PREPAID_WEI).saturating_sub(left_wei);
    let least_wei =
        u128::from(FEES.floor_wei) * (TRANSACTIONS as u128) * (PAYLOAD_BYTES as u128 + u128::from(TRANSACTION_BYTES));
    if paid_wei < least_wei {
        let message = format!("namespace {namespace}: expected it to pay {least_wei} wei or more, got {paid_wei}");
        return Err(Failure::new(Exit::Failed, message));
    }

    // Whoever has earned, once the end of the epoch is on the L1.
    let awaited = Awaited::new("a member's earnings to be posted on L1");
    let (shown, to) = loop {
        if let Ok(shown) = contract.shown(url).await {
            let mut recipients = (0..urls.len()).map(fee_recipient);
            if let Some(to) = recipients.find(|to| shown.ledger.credits().of(&to.0.0) > 0) {
                break (shown, to);
            }
        }
        awaited.pause().await?;
    };
    let earned_wei = shown.ledger.credits().of(&to.0.0);
    let call = namespaces::claim_call(to, &shown.header, shown.post, &shown.ledger)
        .ok_or_else(|| Failure::new(Exit::Failed, format!("{to}: expected a credit, got none")))?;
    contract.send(owner, "claiming", &call, U256::ZERO).await?;
    let paid = contract.paid(to).await?;
    if paid != U256::from(earned_wei) || earned_wei > paid_wei {
        let message = format!("{to}: expected {earned_wei} of {paid_wei} wei to be paid, got {paid}");
        return Err(Failure::new(Exit::Failed, message));
    }
    Ok(Fees { namespace, to_open_ms, ordered: sent.len(), paid_wei, earned_wei })
}

/// A step that has to come about.
struct Awaited {
    what: &'static str,
    deadline: Instant,
}

impl Awaited {
    fn new(what: &'static str) -> Self {
        Self { what, deadline: Instant::now() + STEP_MAX }
    }

    /// Waits a little, before another look.
    async fn pause(&self) -> Result<(), Failure> {
        if Instant::now() >= self.deadline {
            let message = format!("expected {} within {} s", self.what, STEP_MAX.as_secs());
            return Err(Failure::new(Exit::Failed, message));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
        Ok(())
    }
}
