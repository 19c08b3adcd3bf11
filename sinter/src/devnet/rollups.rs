//! The rollups of a devnet and the appliance that folds for them, from wallets to L1: two ledgers and a counter.
//!
//! Circuits → hub and contracts on the L1 → deposits → the appliance and each rollup's node, as processes → transactions of
//! wallets, and garbage → wait until every contract is where its lane ends, and withdrawals are paid → what is left adds up.

use super::{
    l1::POLL,
    machines::{self, Machine, NICENESS, Party},
    network::{COUNTER, LEDGERS, loopback},
    ports,
    processes::{Killing, Processes},
    snapshot::{RollupView, Snapshot},
    traffic::{self, SentTransaction},
};
use crate::{
    aggregation::seal,
    config::lower_priority,
    exit::{Exit, Failure, OrFail},
    hub,
    l1::connect,
    rollup::{CapacityTable, Kind, program_id, site},
};
use alloy::{
    primitives::{B256, TxKind, U256},
    providers::{DynProvider, Provider},
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use sinter_ledger::Wallet;
use sinter_primitives::{Chain, Namespace};
use sinter_prover::Folder;
use sinter_rollup::Digest;
use sinter_rollup_node::{
    Aggregator, RollupContract, Sequencers, Status,
    aggregator::BatchView,
    checkpoint::Record,
    trace::{Sources, Trail},
};
use sinter_seal::sealer::SealLayers;
use sinter_settlement::deployment::Deployment;
use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

/// What a ledger can hold in one statement if there are few transfers: some twenty transactions.
const SMALL_LEDGER: CapacityTable = CapacityTable { log_cycles: 17, log_hashes: 13, log_words: 15 };
/// The most transfers of a user that are few.
const FEW_TRANSFERS: u32 = 6;
/// What every wallet pays in.
const DEPOSIT_WEI: u128 = 1_000_000;
/// What every rollup's node has for gas.
const GAS_WEI: u128 = 10_000_000_000_000_000_000;
/// How long the appliance has to say what it is doing.
const UP_MAX: Duration = Duration::from_secs(120);
/// How long everything has to be settled.
const SETTLED_MAX: Duration = Duration::from_secs(600);

/// What came of the rollups.
#[derive(Clone, Debug)]
pub struct Rolled {
    /// Transactions that their wallets sent.
    pub sent: Vec<SentTransaction>,
    /// Statements that the contracts have.
    pub statements: Vec<Record>,
    /// Batches that the hub has.
    pub batches: Vec<SettledBatch>,
    /// Gas of the transactions that advanced the contracts.
    pub advancing_gas: u64,
    /// Whether what each contract holds is what its rollup's accounts have.
    pub balances_match: bool,
    /// One transaction's way in each rollup, every link of it checked.
    pub trails: Vec<Trail>,
    /// Times that one of their machines was killed.
    pub kills: u64,
}

/// A batch that the hub has.
#[derive(Clone, Debug, PartialEq)]
pub struct SettledBatch {
    /// The appliance's number for it.
    pub number: i64,
    /// Statements under it.
    pub statements: u32,
    /// The transaction that brought it.
    pub transaction: String,
    /// What that used.
    pub gas_used: u64,
    /// From its first proof to its root.
    pub folding: Duration,
    /// From its root to its seal.
    pub sealing: Duration,
    /// From its seal to the hub's having it for good.
    pub settling: Duration,
    /// When that was, in milliseconds since 1970.
    pub settled_ms: u64,
}

/// Tells where machines listen.
pub type Announcement = Box<dyn Fn(&[Machine]) -> Result<(), Failure> + Send + Sync>;

/// Where everything is.
pub struct Setting {
    /// The devnet's folder.
    pub directory: PathBuf,
    /// The folder of the users' keys.
    pub wallets: PathBuf,
    /// The network.
    pub chain: Chain,
    /// The nodes.
    pub urls: Vec<String>,
    /// The L1.
    pub l1_url: String,
    /// An account there that nobody else uses: first it deploys, then it is the appliance's.
    pub signer: PrivateKeySigner,
    /// Whether seals have production's parameters.
    pub production_seal: bool,
    /// Transfers of each user who pays in.
    pub transfers: u32,
    /// How often a machine is killed.
    pub kill_every: Option<Duration>,
    /// When wallets send again what is not final.
    pub resend_after: Option<Duration>,
    /// Told when the machines are started.
    pub announce: Announcement,
    /// Learns how far everything is.
    pub snapshot: Arc<watch::Sender<Snapshot>>,
}

/// The rollups on their way. They end when this is dropped.
pub struct Rolling(JoinSet<Result<Rolled, Failure>>);

impl Rolling {
    /// Begins.
    pub fn start(setting: Setting) -> Self {
        let mut work = JoinSet::new();
        work.spawn(roll(setting));
        Self(work)
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

async fn roll(setting: Setting) -> Result<Rolled, Failure> {
    let (stage, mut people) = Stage::set(&setting).await?;
    let mut processes = Processes::default();
    let kills = AtomicU64::new(0);
    let outcome = async {
        let machines = machines::start(&mut processes, &stage.parties, &stage.home)?;
        (setting.announce)(&machines)?;
        let over = CancellationToken::new();
        let killing = Killing {
            interval: setting.kill_every,
            over: over.clone(),
            kills: &kills,
            // Any number of them may be away.
            back: &|_| Box::pin(std::future::ready(Ok(()))),
        };
        tokio::select! {
            outcome = stage.play(&setting, &mut people, &over) => outcome,
            failure = processes.killed_in_turn(killing) => Err(failure),
        }
    };
    let outcome = outcome.await;
    let stopped = processes.stop().await;
    let rolled = outcome?;
    stopped?;
    Ok(Rolled { kills: kills.into_inner(), ..rolled })
}

/// What the machines need to be there.
struct Stage {
    home: machines::Home,
    parties: Vec<Party>,
    aggregator: Aggregator,
    provider: DynProvider,
}

/// The users of the ledgers, with what their signatures are for.
type People = Vec<(Namespace, Digest, Vec<Wallet>)>;

/// What is made of circuits: identities, in the order of the kinds, and the contracts that take seals.
fn circuits(ledger: &CapacityTable, layers: &SealLayers) -> Result<([B256; 2], Deployment), Failure> {
    let ledger = program_id(&*Kind::Ledger.prover(ledger)?)?;
    let counter = program_id(&*Kind::Counter.prover(&Kind::Counter.capacity())?)?;
    let folder = Folder::new().or_fail(Exit::Failed, "the fold circuit")?;
    let deployment = hub::deployment(&seal::program(&seal::sealer(&folder, layers)?)?)?;
    Ok(([ledger, counter], deployment))
}

impl Stage {
    async fn set(setting: &Setting) -> Result<(Self, People), Failure> {
        let layers = if setting.production_seal { SealLayers::PRODUCTION } else { SealLayers::DEV };
        let room = if setting.transfers > FEW_TRANSFERS { Kind::Ledger.capacity() } else { SMALL_LEDGER };
        // On threads that take what the nodes leave: a vote is worth more than a circuit.
        let pool = rayon::ThreadPoolBuilder::new().start_handler(|_| lower_priority(NICENESS)).build();
        let pool = pool.or_fail(Exit::Failed, "starting threads")?;
        let made = spawn_blocking(move || pool.install(|| circuits(&room, &layers))).await;
        let ([ledger, counter], deployment) = made.or_fail(Exit::Failed, "building the circuits")??;

        let account = setting.signer.address();
        let provider = connect(&setting.l1_url, Some(&setting.signer))?;
        let deployed = deployment.deploy(&provider, account, &mut |_, _| {}).await;
        deployed.or_fail(Exit::Failed, "deploying the hub")?;
        let site = site(&setting.chain, deployment.hub())?;
        let home = machines::Home::make(setting, site.hub)?;

        let mut parties = Vec::new();
        let mut people = Vec::new();
        let ledgers = LEDGERS.map(|(namespace, name)| (namespace, name, Kind::Ledger, room, ledger));
        let counters = [(COUNTER.0, COUNTER.1, Kind::Counter, Kind::Counter.capacity(), counter)];
        for (namespace, name, kind, capacity, id) in ledgers.into_iter().chain(counters) {
            let (url, signer) = (setting.l1_url.clone(), setting.signer.clone());
            let deployed = RollupContract::deploy(url, signer, &site, namespace, id, kind.genesis()).await;
            let (contract, state) = deployed.or_fail(Exit::Failed, format_args!("deploying {name}'s contract"))?;
            let mut deposits = 0;
            if kind == Kind::Ledger {
                let users = traffic::wallets(&setting.wallets, name)?;
                for wallet in &users[..traffic::DEPOSITORS] {
                    let deposited = contract.deposit(traffic::key_bytes(wallet), DEPOSIT_WEI).await;
                    deposited.or_fail(Exit::Failed, format_args!("paying into {name}"))?;
                    deposits += 1;
                }
                people.push((namespace, state.domain, users));
            }
            let party = home.party(setting, name, namespace, kind, capacity, contract, deposits)?;
            fund(&setting.l1_url, &setting.signer, party.account).await?;
            parties.push(party);
        }
        let aggregator = home.client()?;
        Ok((Self { home, parties, aggregator, provider }, people))
    }

    /// Sends transactions, and waits until all of it is on the L1. Then nobody is killed any more.
    async fn play(
        &self,
        setting: &Setting,
        people: &mut People,
        killing_over: &CancellationToken,
    ) -> Result<Rolled, Failure> {
        let wallets = traffic::Senders::new(&setting.urls, &setting.chain, setting.resend_after)?;
        let sent = wallets.send(people, COUNTER.0, setting.transfers).await?;
        let deadline = Instant::now() + SETTLED_MAX;
        let mut up = Instant::now();
        let statuses = loop {
            tokio::time::sleep(POLL).await;
            let mut statuses = Vec::new();
            for party in &self.parties {
                statuses.push(party.status().await);
            }
            self.show(&statuses, setting).await;
            let all: Option<Vec<Status>> = statuses.into_iter().collect();
            let Some(all) = all else {
                // Nobody who was killed answers at once.
                if up.elapsed() > UP_MAX {
                    return Err(Failure::new(Exit::Failed, "a rollup's node has not answered for two minutes"));
                }
                continue;
            };
            up = Instant::now();
            if self.parties.iter().zip(&all).all(|(party, status)| party.is_through(status, &sent)) {
                break all;
            }
            if Instant::now() > deadline {
                let problems: Vec<_> =
                    all.iter().flat_map(|it| it.problems.iter().map(|p| format!("{}: {p}", it.name))).collect();
                let message =
                    format!("not everything is settled after {} s: {}", SETTLED_MAX.as_secs(), problems.join("; "));
                return Err(Failure::new(Exit::Failed, message));
            }
        };
        let mut advancing_gas = 0;
        let mut balances_match = true;
        for (party, status) in self.parties.iter().zip(&statuses) {
            let what = format!("{}'s contract", party.name);
            let held = party.contract.views.wei().await.or_fail(Exit::Failed, &what)?;
            balances_match &= status.application["wei"] == held.to_string();
            let settlements = party.contract.views.settlements(setting.chain.file.l1.origin.number).await;
            for settlement in settlements.or_fail(Exit::Failed, &what)? {
                advancing_gas += self.gas_used(settlement.transaction).await?;
            }
        }
        // What is asked from here on has to be answered.
        killing_over.cancel();
        let mut batches = Vec::new();
        for batch in self.settled_batches().await? {
            batches.push(self.settled(&batch).await?);
        }
        let trails = self.trails(&statuses, &sent, setting).await?;
        let statements = statuses.into_iter().flat_map(|status| status.records).collect();
        Ok(Rolled { sent, statements, batches, advancing_gas, balances_match, trails, kills: 0 })
    }

    /// Follows one transaction of each rollup to the L1, and checks every link, as anybody can.
    async fn trails(
        &self,
        statuses: &[Status],
        sent: &[SentTransaction],
        setting: &Setting,
    ) -> Result<Vec<Trail>, Failure> {
        let sequencers = Sequencers::new(&setting.urls).or_fail(Exit::Failed, "")?;
        let mut trails = Vec::new();
        for (party, status) in self.parties.iter().zip(statuses) {
            let Some(transaction) = sent.iter().find(|it| it.namespace == party.namespace) else { continue };
            let sources = Sources {
                sequencers: &sequencers,
                contract: Some(&party.contract.views),
                l1_origin: setting.chain.file.l1.origin.number,
                rollup: Some(status),
                aggregator: Some(&self.aggregator),
                verify: true,
            };
            let what = format!("the trail of 0x{}", transaction.id);
            let trail = sources.trace(&transaction.id).await.or_fail(Exit::Refused, &what)?;
            if let Some(waits_for) = &trail.waits_for {
                return Err(Failure::new(Exit::Failed, format!("{what} waits for {waits_for}")));
            }
            trails.push(trail);
        }
        Ok(trails)
    }

    async fn show(&self, statuses: &[Option<Status>], setting: &Setting) {
        let batch = self.batch_under_way().await;
        let views = self.parties.iter().zip(statuses).map(|(party, status)| {
            let mut view = RollupView { name: party.name.clone(), ..RollupView::default() };
            if let Some(status) = status {
                view.answers = true;
                view.followed_height = status.followed_height;
                view.proved_height = status.proved_height;
                view.settled_height = status.settled.height;
                view.pending = status.records.iter().filter(|record| record.settled_ms.is_none()).count() as u64;
                view.statements = status.statements;
            }
            view
        });
        let views: Vec<_> = views.collect();
        setting.snapshot.send_modify(|snapshot| {
            snapshot.trail.rollups = views;
            if let Some(batch) = batch {
                snapshot.trail.batch = batch;
            }
        });
    }

    /// The newest batch, in words. None while the appliance does not answer.
    async fn batch_under_way(&self) -> Option<String> {
        for state in ["sealed", "folded", "closed", "open", "settled"] {
            let batches = self.aggregator.batches(state).await.ok()?;
            if let Some(batch) = batches.last().filter(|batch| batch.count > 0) {
                return Some(format!("batch {} of {} {state}", batch.batch, batch.count));
            }
        }
        Some(String::new())
    }

    /// The batches that the L1 has. The appliance may have been killed a moment ago.
    async fn settled_batches(&self) -> Result<Vec<BatchView>, Failure> {
        let deadline = Instant::now() + UP_MAX;
        loop {
            match self.aggregator.batches("settled").await {
                Err(_) if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                batches => return batches.or_fail(Exit::Failed, ""),
            }
        }
    }

    async fn settled(&self, batch: &BatchView) -> Result<SettledBatch, Failure> {
        let transaction = batch.settled_by.clone().unwrap_or_default();
        // What somebody else brought cost us nothing.
        let gas_used = match transaction.parse() {
            Ok(hash) => self.gas_used(hash).await?,
            Err(_) => 0,
        };
        let between = |from: Option<u64>, to: Option<u64>| {
            Duration::from_millis(to.unwrap_or_default().saturating_sub(from.unwrap_or_default()))
        };
        Ok(SettledBatch {
            number: batch.batch,
            statements: batch.count,
            transaction,
            gas_used,
            folding: between(batch.started_ms, batch.folded_ms),
            sealing: between(batch.folded_ms, batch.sealed_ms),
            settling: between(batch.sealed_ms, batch.finished_ms),
            settled_ms: batch.finished_ms.unwrap_or_default(),
        })
    }

    async fn gas_used(&self, transaction: B256) -> Result<u64, Failure> {
        let receipt = self.provider.get_transaction_receipt(transaction).await;
        let receipt = receipt.or_fail(Exit::Failed, format_args!("the receipt of {transaction}"))?;
        let missing = || Failure::new(Exit::Failed, format!("the L1 does not know {transaction}"));
        Ok(receipt.ok_or_else(missing)?.gas_used)
    }
}

/// Gives an account something for gas.
async fn fund(url: &str, signer: &PrivateKeySigner, account: alloy::primitives::Address) -> Result<(), Failure> {
    // Connected anew: contracts were deployed over another connection meanwhile.
    let provider = connect(url, Some(signer))?;
    let request = TransactionRequest {
        from: Some(signer.address()),
        to: Some(TxKind::Call(account)),
        value: Some(U256::from(GAS_WEI)),
        ..Default::default()
    };
    let what = format!("funding {account}");
    let pending = provider.send_transaction(request).await.or_fail(Exit::Failed, &what)?;
    pending.get_receipt().await.or_fail(Exit::Failed, &what)?;
    Ok(())
}

/// A free address on the loopback interface.
pub fn free_address() -> Result<std::net::SocketAddr, Failure> {
    let free = ports::free(1).or_fail(Exit::Failed, "looking for a free port")?;
    Ok(free.first().copied().unwrap_or(loopback(0)))
}
