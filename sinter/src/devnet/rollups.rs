//! The rollups of a devnet, from a wallet to L1: two ledgers and a counter.
//!
//! Circuits → contracts on the L1 → deposits → transactions of wallets, and garbage → their lanes, followed and verified →
//! statements → one batch, folded and sealed → the hub → each rollup's contract → withdrawals, and what is left adds up.

use super::{
    directory::Directory,
    fold::{Circuits, Folding, Job},
    l1::{L1, light_client_address},
    network::{COUNTER, LEDGERS, Network},
    settle::{Batch, Settler},
    snapshot::Snapshot,
    traffic,
};
use crate::{
    exit::{Exit, Failure, OrFail},
    l1::connect,
    rollup::{
        contract::{RollupContract, Site},
        node::{RollupNode, ordered},
    },
};
use alloy::{primitives::Address, providers::DynProvider};
use sinter_counter::{Counter, CounterRules};
use sinter_ledger::{Ledger, LedgerRules};
use sinter_machine::Capacity;
use sinter_primitives::{Transition, inbox::Withdrawal, receipt::TrustedNetwork};
use sinter_program::ParameterSet;
use sinter_rollup::{Application, Prover};
use sinter_seal::sealer::SealLayers;
use sinter_settlement::{
    light_client::{self, Posted},
    rollup::Ordered,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::watch, task::JoinSet};

/// What a devnet's ledger can hold in one statement: some twenty transactions.
const LEDGER: Capacity = Capacity { log_cycles: 17, log_hashes: 13, log_words: 15 };
/// The same of its counter.
const COUNTER_CAPACITY: Capacity = Capacity { log_cycles: 16, log_hashes: 12, log_words: 15 };
/// Which of the batch's programs is whose.
const LEDGER_PROGRAM: usize = 0;
const COUNTER_PROGRAM: usize = 1;
/// What every wallet pays in.
const DEPOSIT_WEI: u128 = 1_000_000;
/// How long the relayer has to post a header.
const POSTED_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(200);

/// What came of the rollups.
#[derive(Clone, Debug, PartialEq)]
pub struct Rolled {
    /// The batch of their statements.
    pub batch: Batch,
    /// From "sent" to "final", half of the transactions.
    pub to_final: Duration,
    /// Transactions that their wallets sent.
    pub sent: u64,
    /// Running the rules over what was ordered.
    pub executing: Duration,
    /// From the hub to every rollup's contract.
    pub advancing: Duration,
    /// Gas of all that settled: the batch, and each rollup's part.
    pub gas: u64,
    /// Whether what each contract holds is what its rollup's accounts have.
    pub balances_match: bool,
}

/// Where everything is.
pub struct Surroundings {
    urls: Vec<String>,
    trusted: TrustedNetwork,
    l1_url: String,
    chain_id: u64,
    l1_chain_id: u64,
    light_client: Address,
    origin: u64,
    wallets: std::path::PathBuf,
    signer: alloy::signers::local::PrivateKeySigner,
    settler: Settler,
}

impl Surroundings {
    /// Of a network and its L1.
    ///
    /// # Errors
    /// When the chain file names no light client, or an old journal cannot be removed.
    pub fn new(
        directory: &Directory,
        network: &Network,
        l1: &L1,
        snapshot: Arc<watch::Sender<Snapshot>>,
    ) -> Result<Self, Failure> {
        Ok(Self {
            urls: network.rpc_urls(),
            trusted: TrustedNetwork::from(&network.chain),
            l1_url: l1.url.clone(),
            chain_id: network.chain.file.chain_id,
            l1_chain_id: network.chain.file.l1.chain_id,
            light_client: light_client_address(&network.chain)?,
            origin: network.chain.file.l1.origin.number,
            wallets: directory.wallets(),
            signer: l1.settler.clone(),
            settler: Settler::new(directory, network, l1, snapshot)?,
        })
    }
}

/// The rollups on their way. They end when this is dropped.
pub struct Rolling(JoinSet<Result<Rolled, Failure>>);

impl Rolling {
    /// Begins.
    ///
    /// # Errors
    /// When the programs cannot be made, or no thread be started.
    pub fn start(
        directory: &Directory,
        surroundings: Surroundings,
        layers: SealLayers,
        snapshot: Arc<watch::Sender<Snapshot>>,
    ) -> Result<Self, Failure> {
        let prover = |rules: &dyn sinter_rollup::code::Rules, capacity| {
            Prover::new(rules, capacity, ParameterSet::FOLD).or_fail(Exit::Failed, "a rollup's program").map(Arc::new)
        };
        let ledger = prover(&LedgerRules, LEDGER)?;
        let counter = prover(&CounterRules, COUNTER_CAPACITY)?;
        let folding = Folding::start(vec![ledger.clone(), counter.clone()], directory.tree(), layers, snapshot)?;
        let mut work = JoinSet::new();
        work.spawn(roll(surroundings, folding, ledger, counter));
        Ok(Self(work))
    }

    /// Waits until the L1 has everything.
    ///
    /// # Errors
    /// When something could not be ordered, proved, stored, verified or settled.
    pub async fn finish(mut self) -> Result<Rolled, Failure> {
        let outcome = self.0.join_next().await;
        let outcome = outcome.ok_or_else(|| Failure::new(Exit::Failed, "the rollups were finished before"))?;
        outcome.or_fail(Exit::Failed, "waiting for the rollups")?
    }
}

/// A rollup, its contract, and what of it is in the batch.
struct Rollup<A> {
    node: RollupNode<A>,
    contract: RollupContract,
    /// The places of its statements in the batch, and what they claim.
    chain: Vec<(usize, Transition)>,
    withdrawals: Vec<Vec<Withdrawal>>,
}

async fn roll(
    surroundings: Surroundings,
    folding: Folding,
    ledger: Arc<Prover>,
    counter: Arc<Prover>,
) -> Result<Rolled, Failure> {
    let Surroundings { urls, trusted, l1_url, chain_id, l1_chain_id, light_client, origin, wallets, signer, settler } =
        surroundings;
    let (account, provider) = (signer.address(), connect(&l1_url, Some(&signer))?);
    let Folding { circuits, jobs, proved } = folding;
    let Ok(Circuits { program_ids, deployment }) = circuits.await else {
        // What went wrong is what the thread ended with.
        return Err(match proved.await {
            Ok(Err(failure)) => failure,
            _ => Failure::new(Exit::Failed, "the folding thread ended early"),
        });
    };
    let deployed = deployment.deploy(&provider, account, &mut |_, _| {}).await;
    deployed.or_fail(Exit::Failed, "deploying the hub")?;
    let site = Site { l1_chain_id, hub: deployment.hub(), light_client, chain_id };

    let mut ledgers = Vec::new();
    let mut parties = Vec::new();
    for (namespace, name) in LEDGERS {
        let (id, application) = (program_ids[LEDGER_PROGRAM], Ledger::default());
        let deployed = RollupContract::deploy(provider.clone(), account, &site, namespace, id, application.word());
        let (contract, state) = deployed.await?;
        let people = traffic::wallets(&wallets, name)?;
        for wallet in &people[..traffic::DEPOSITORS] {
            contract.deposit(traffic::key_bytes(wallet), DEPOSIT_WEI).await?;
        }
        parties.push((namespace, state.domain, people));
        let node = RollupNode::new(name, namespace, trusted.clone(), ledger.clone(), state, application);
        ledgers.push(Rollup { node, contract, chain: Vec::new(), withdrawals: Vec::new() });
    }
    let (namespace, name) = COUNTER;
    let (id, application) = (program_ids[COUNTER_PROGRAM], Counter::default());
    let deployed = RollupContract::deploy(provider.clone(), account, &site, namespace, id, application.word());
    let (contract, state) = deployed.await?;
    let node = RollupNode::new(name, namespace, trusted.clone(), counter, state, application);
    let mut counter = Rollup { node, contract, chain: Vec::new(), withdrawals: Vec::new() };

    let sent = traffic::send(&urls, &mut parties, namespace).await?;

    let started = Instant::now();
    let mut statements = 0;
    for ledger in &mut ledgers {
        consume(ledger, &urls, sent.height, LEDGER_PROGRAM, &jobs, &mut statements).await?;
    }
    consume(&mut counter, &urls, sent.height, COUNTER_PROGRAM, &jobs, &mut statements).await?;
    let executing = started.elapsed();
    drop(jobs);

    let proved = proved.await.or_fail(Exit::Failed, "waiting for the seal")??;
    let batch = settler.settle(proved, site.hub).await?;

    let started = Instant::now();
    // The submitter shared the account meanwhile.
    let provider = connect(&l1_url, Some(&signer))?;
    for ledger in &mut ledgers {
        ledger.contract.reconnect(provider.clone());
    }
    counter.contract.reconnect(provider.clone());
    let shown = Shown { provider: &provider, urls: &urls, light_client, origin };
    let mut gas = batch.gas_used;
    let mut balances_match = true;
    for ledger in &mut ledgers {
        gas += settle(ledger, &batch, &shown).await?;
        let accounts: u128 = ledger.node.application.accounts.all().iter().map(|account| account.wei).sum();
        balances_match &= ledger.contract.wei().await? == accounts;
    }
    gas += settle(&mut counter, &batch, &shown).await?;
    balances_match &= counter.contract.wei().await? == 0;
    Ok(Rolled {
        batch,
        to_final: sent.to_final,
        sent: sent.count,
        executing,
        advancing: started.elapsed(),
        gas,
        balances_match,
    })
}

/// Follows a rollup's lane and inbox, and hands its statements in.
async fn consume<A: Application + Clone>(
    rollup: &mut Rollup<A>,
    urls: &[String],
    height: u64,
    program: usize,
    jobs: &std::sync::mpsc::Sender<Job>,
    statements: &mut usize,
) -> Result<(), Failure> {
    let node = &mut rollup.node;
    node.follow(&urls[0], height).await?;
    node.learn(rollup.contract.entries(node.entries()).await?);
    while let Some((statement, full)) = node.advance()? {
        rollup.chain.push((*statements, statement.transition()));
        *statements += 1;
        if !statement.withdrawals.is_empty() {
            rollup.withdrawals.push(statement.withdrawals.clone());
        }
        jobs.send(Job { program, statement }).or_fail(Exit::Failed, "the folding thread ended early")?;
        if !full {
            break;
        }
    }
    Ok(())
}

/// What is shown to a rollup's contract, and where that is.
struct Shown<'a> {
    provider: &'a DynProvider,
    urls: &'a [String],
    light_client: Address,
    origin: u64,
}

impl Shown<'_> {
    /// The lowest header at a height or above that the relayer has posted.
    async fn posted(&self, height: u64) -> Result<Posted, Failure> {
        let deadline = Instant::now() + POSTED_MAX;
        loop {
            let posted = light_client::posted(self.provider, self.light_client, height, self.origin).await;
            if let Some(posted) = posted.or_fail(Exit::Failed, "the light client")? {
                return Ok(posted);
            }
            if Instant::now() > deadline {
                let message = format!("no header of height {height} or above was posted in {} s", POSTED_MAX.as_secs());
                return Err(Failure::new(Exit::Failed, message));
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Advances a rollup's contract, and has its withdrawals paid; the gas of the former.
async fn settle<A: Application + Clone>(
    rollup: &mut Rollup<A>,
    batch: &Batch,
    shown: &Shown<'_>,
) -> Result<u64, Failure> {
    let chain: Vec<_> =
        rollup.chain.iter().map(|(place, transition)| (batch.places[*place].clone(), *transition)).collect();
    let Some((_, last)) = chain.last() else { return Ok(0) };
    let posted = shown.posted(last.height).await?;
    let (headers, leaf) = ordered(&shown.urls[0], rollup.node.namespace, last.height, posted.height).await?;
    let ordered = Ordered { headers: &headers, post: posted.post, leaf: &leaf };
    let receipt = rollup.contract.settle(&chain, Some(&ordered)).await?;
    for withdrawals in &rollup.withdrawals {
        rollup.contract.pay_out(withdrawals).await?;
    }
    Ok(receipt.gas_used)
}
