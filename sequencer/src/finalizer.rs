//! Takes final blocks from marshal, in order, and makes them history: indexed, out of the mempool, the tip
//! of the ledger tree, a new head for whoever follows.
//!
//! Marshal delivers a block once its archive has it on disk. The index need not be there as soon: it
//! synchronizes once in a while, and what a crash takes from it is read back from the archive at the next
//! start. A block that is delivered again after a crash is one that the index knows already.

use crate::{
    block::SequencedBlock,
    clock::unix_ms,
    committees::{Committees, CommitteesError},
    consensus::{self, Marshal},
    epochs::EpochStart,
    handle::Head,
    history::RecentBlocks,
    index::{FinalizedBlock, Index, IndexError, Persist},
    ledgers::{Ledgers, State},
    mempool::Mempool,
    status::Status,
    telemetry::{self, timed},
    upgrades::{UnknownProtocol, Upgrades},
    validity::{self, InvalidBlock},
};
use commonware_actor::Feedback;
use commonware_consensus::{Reporter, marshal::Update, types::Height};
use commonware_cryptography::{Digested, Digestible};
use commonware_runtime::{Clock, Handle, Spawner};
use commonware_utils::{Acknowledgement, acknowledgement::Exact, vec::NonEmptyVec};
use sinter_primitives::{Chain, hand_over::HandOver};
use std::{sync::Arc, time::Duration};
use tokio::sync::{mpsc, watch};
use tracing::{error, info, warn};

/// Blocks that one index transaction takes at most: they share its synchronization.
const BATCH_BLOCKS_MAX: usize = 32;
/// Time between two synchronizations of the index: what a restart after a crash replays at most. The disk is
/// what blocks wait for, and votes need it more.
const PERSIST_EVERY_MS: u64 = 1_000;
/// Time between two looks for a certificate that this node has lost.
const CERTIFICATE_RETRY: Duration = Duration::from_millis(500);
/// Blocks between two prunings.
const PRUNE_EVERY_BLOCKS: u64 = 1024;

/// Why the node cannot go on: what it has on disk does not fit what the committee finalized.
#[derive(Debug, thiserror::Error)]
pub enum FinalizerError {
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// Blocks between the index and marshal's archive are on neither.
    #[error(
        "index ends at height {tip}, but the next final block that this node holds is {got}: \
         rejoin with an empty data directory and a new BLS key"
    )]
    Gap {
        /// The index's last height.
        tip: u64,
        /// The height that was delivered.
        got: u64,
    },
    /// The next committee is another than this node's.
    #[error(transparent)]
    Committees(#[from] CommitteesError),
    /// The committee that an epoch's last block names is not known.
    #[error("expected the committee of epoch {epoch} to be known, found none")]
    Unseated {
        /// The committee's epoch.
        epoch: u64,
    },
    /// The chain has gone over to rules that this node does not take part in.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// A final block does not follow from its parent.
    #[error("final block at height {height} does not follow from its parent: {source}")]
    Invalid {
        /// The block's height.
        height: u64,
        /// Why.
        source: InvalidBlock,
    },
}

/// How the finalizer ended, with what it did not acknowledge: dropping that stops marshal, which would
/// otherwise seem to have stopped first.
pub struct Failed {
    /// Why.
    pub error: FinalizerError,
    _unacknowledged: Vec<Exact>,
}

/// What the finalizer works on.
pub struct Parts {
    /// The network.
    pub chain: Arc<Chain>,
    /// Who votes in which epoch.
    pub committees: Committees,
    /// Which rules this node takes part in.
    pub upgrades: Upgrades,
    /// Told of every epoch that begins.
    pub epochs: watch::Sender<EpochStart>,
    /// The states above the tip.
    pub ledgers: Arc<Ledgers>,
    /// Where ordered transactions leave.
    pub mempool: Mempool,
    /// Where they arrive.
    pub index: Arc<Index>,
    /// The node's vital signs.
    pub status: Arc<Status>,
    /// Told of every new head.
    pub heads: watch::Sender<Head>,
    /// The last final blocks, for those who follow.
    pub recent: Arc<RecentBlocks>,
    /// Prunes its archive with the index.
    pub marshal: Marshal,
    /// Blocks that stay on disk behind the tip.
    pub retention_blocks: u64,
}

type Delivery = (Digested<SequencedBlock>, Exact);

/// Hands marshal's updates to the finalizer.
pub struct Deliveries<E> {
    clock: Arc<E>,
    status: Arc<Status>,
    sender: mpsc::Sender<Delivery>,
}

impl<E> Clone for Deliveries<E> {
    fn clone(&self) -> Self {
        Self { clock: self.clock.clone(), status: self.status.clone(), sender: self.sender.clone() }
    }
}

impl<E: Clock> Reporter for Deliveries<E> {
    type Activity = Update<SequencedBlock>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        match update {
            Update::Tip(round, height, _) => {
                self.status.observe_round(round.epoch().get(), round.view().get());
                self.status.observe_finalized(height.get(), unix_ms(self.clock.as_ref()));
                Feedback::Ok
            }
            // Marshal has at most as many blocks out as it awaits acknowledgements for, which is the capacity:
            // this fails only when the finalizer has ended, and then the node is stopping.
            Update::Block(block, acknowledgement) => match self.sender.try_send((block, acknowledgement)) {
                Ok(()) => Feedback::Ok,
                Err(refused) => {
                    error!(%refused, "final block was not taken");
                    Feedback::Closed
                }
            },
        }
    }
}

/// Starts the finalizer on a thread of its own, where the index may block. Marshal delivers at most
/// `pending_max` blocks ahead of their acknowledgements.
pub fn start<E: Clock + Spawner>(
    context: E,
    parts: Parts,
    pending_max: usize,
) -> (Deliveries<E>, Handle<Result<(), Failed>>) {
    let (sender, receiver) = mpsc::channel(pending_max);
    let deliveries = Deliveries { clock: Arc::new(context.child("clock")), status: parts.status.clone(), sender };
    let handle = context.shared(true).spawn(move |context| run(context, parts, receiver));
    (deliveries, handle)
}

async fn run<E: Clock>(context: E, parts: Parts, mut receiver: mpsc::Receiver<Delivery>) -> Result<(), Failed> {
    let mut pruned_at = parts.ledgers.tip().header.height;
    let mut persisted_at_ms = None;
    let parameters = parts.chain.file.parameters;
    while let Some(first) = receiver.recv().await {
        let mut batch = vec![first];
        // What ends an epoch ends a batch: the next epoch's committees stand on it.
        while batch.len() < BATCH_BLOCKS_MAX
            && batch.last().is_none_or(|(block, _)| !parameters.is_last_of_epoch(block.inner().header.height))
            && let Ok(next) = receiver.try_recv()
        {
            batch.push(next);
        }
        let (blocks, unacknowledged): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let now_ms = unix_ms(&context);
        // A clock that is set back must not put this off.
        let is_due = persisted_at_ms.is_none_or(|at_ms: u64| now_ms.abs_diff(at_ms) >= PERSIST_EVERY_MS);
        if is_due {
            persisted_at_ms = Some(now_ms);
        }
        let persist = if is_due { Persist::Now } else { Persist::Later };
        let finalized = match finalize(now_ms, &parts, &blocks, persist).await {
            Ok(()) => hand_over(&context, &parts, &blocks).await,
            Err(error) => Err(error),
        };
        if let Err(error) = finalized {
            return Err(Failed { error, _unacknowledged: unacknowledged });
        }
        for acknowledgement in unacknowledged {
            acknowledgement.acknowledge();
        }
        let tip = parts.ledgers.tip().header.height;
        if tip >= pruned_at + PRUNE_EVERY_BLOCKS {
            prune(&parts, tip).map_err(|error| Failed { error, _unacknowledged: Vec::new() })?;
            pruned_at = tip;
        }
    }
    Ok(())
}

/// Keeps the proofs that epochs ended as they did, before the blocks are acknowledged: where that does not come about, they are
/// delivered again.
///
/// Nothing of an epoch stands on its last block, so the network has a certificate of its own for it. This node's archive may have
/// lost it: a crash can leave the block there alone. Then peers are asked until one has it.
async fn hand_over<E: Clock>(
    context: &E,
    parts: &Parts,
    blocks: &[Digested<SequencedBlock>],
) -> Result<(), FinalizerError> {
    let headers = blocks.iter().map(|block| block.inner().header);
    for header in headers.filter(|header| parts.chain.file.parameters.is_last_of_epoch(header.height)) {
        let height = Height::new(header.height);
        let seated = parts.committees.get(header.epoch.saturating_add(2));
        let seated = seated.ok_or(FinalizerError::Unseated { epoch: header.epoch.saturating_add(2) })?;
        let certificate = loop {
            let finalization = parts.marshal.get_finalization(height).await;
            if let Some(certificate) = finalization.as_ref().and_then(consensus::certificate) {
                break certificate;
            }
            warn!(height = header.height, "the certificate of an epoch's last block is not here: peers are asked");
            if let Ok(peers) = NonEmptyVec::try_from(parts.committees.peers(header.epoch)) {
                parts.marshal.hint_finalized(height, peers);
            }
            context.sleep(CERTIFICATE_RETRY).await;
        };
        parts.index.put_hand_over(&HandOver { header, certificate, seats: seated.committee.seats().to_vec() })?;
    }
    Ok(())
}

/// Makes blocks history.
async fn finalize(
    now_ms: u64,
    parts: &Parts,
    blocks: &[Digested<SequencedBlock>],
    persist: Persist,
) -> Result<(), FinalizerError> {
    let new = index_blocks(parts, blocks, persist).await?;
    for (block, state) in new {
        let header = state.header;
        // Before the head: who sees it may ask for the block at once.
        parts.recent.push(block.inner());
        parts.mempool.see(&state.ledger);
        parts.mempool.finalized(header.height, &state.ids);
        let lag_ms = now_ms.saturating_sub(header.timestamp_ms);
        metrics::histogram!(telemetry::FINALITY_SECONDS).record(lag_ms as f64 / 1e3);
        metrics::gauge!(telemetry::L1_ORIGIN_HEIGHT).set(header.l1_origin.number as f64);
        metrics::gauge!(telemetry::INBOX_CURSOR).set(header.inbox_cursor as f64);
        if parts.chain.file.fees.is_some() {
            tell_fees(&parts.chain, &state);
        }
        metrics::counter!(telemetry::TRANSACTIONS_FINALIZED).increment(state.ids.len() as u64);
        let head =
            Head { height: header.height, digest: state.digest, timestamp_ms: header.timestamp_ms, view: header.view };
        parts.ledgers.finalize(state);
        parts.heads.send_replace(head);
        // Last: the next committee builds on this block as soon as it hears of it.
        if parts.chain.file.parameters.is_last_of_epoch(header.height) {
            parts.epochs.send_replace(EpochStart::above(header.epoch.saturating_add(1), &header));
        }
    }
    Ok(())
}

/// Says what the next block costs, and what the namespaces that were active have left.
fn tell_fees(chain: &Chain, state: &State) {
    metrics::gauge!(telemetry::BASE_FEE_WEI).set(state.ledger.base_fee_wei(chain.file.fees) as f64);
    for namespace in state.table.leaves().iter().map(|leaf| leaf.namespace) {
        if let Some(account) = state.ledger.entry(namespace).and_then(|entry| entry.account) {
            let label = namespace.to_string();
            metrics::gauge!(telemetry::NAMESPACE_BALANCE_WEI, "namespace" => label).set(account.balance_wei as f64);
        }
    }
}

/// Writes blocks to the index, and gives those that were new with the states after them.
async fn index_blocks<'a>(
    parts: &Parts,
    blocks: &'a [Digested<SequencedBlock>],
    persist: Persist,
) -> Result<Vec<(&'a Digested<SequencedBlock>, State)>, FinalizerError> {
    let mut tip = parts.ledgers.tip();
    let mut new = Vec::new();
    for block in blocks {
        let height = block.inner().header.height;
        if height <= tip.header.height {
            continue; // delivered again after a crash
        }
        if height != tip.header.height + 1 {
            return Err(FinalizerError::Gap { tip: tip.header.height, got: height });
        }
        parts.upgrades.check(height, block.inner().header.protocol)?;
        tip = state_after(&parts.chain, &parts.ledgers, &tip, block)?;
        parts.committees.finalized(&tip).await?;
        new.push((block, tip.clone()));
    }
    let finalized: Vec<_> = new
        .iter()
        .map(|(block, state)| FinalizedBlock { block: block.inner(), ids: &state.ids, table: &state.table })
        .collect();
    if !finalized.is_empty() {
        timed("index", || parts.index.apply(&finalized, &tip.ledger, persist))?;
    }
    Ok(new)
}

/// The state after a final block, which must be a child of `parent`: a state that the tree knows, and roots
/// that happen to agree, say nothing about what the block stands on.
fn state_after(
    chain: &Chain,
    ledgers: &Ledgers,
    parent: &State,
    block: &Digested<SequencedBlock>,
) -> Result<State, FinalizerError> {
    let header = &block.inner().header;
    let invalid = |source| FinalizerError::Invalid { height: header.height, source };
    if header.parent != parent.digest {
        let field = "parent";
        return Err(invalid(InvalidBlock::Digest { field, expected: parent.digest, got: header.parent }));
    }
    if let Some(state) = ledgers.get(&block.digest()) {
        return Ok(state);
    }
    // This node did not vote on it: it was away, or the block took another way around.
    let ids = validity::ids(chain, &block.inner().body);
    validity::follow(chain, parent, block.inner(), ids).map_err(invalid)
}

fn prune(parts: &Parts, tip: u64) -> Result<(), FinalizerError> {
    let below = tip.saturating_sub(parts.retention_blocks);
    if below > 0 {
        parts.marshal.prune(Height::new(below));
        let earliest = parts.index.prune(below)?;
        info!(earliest, "pruned");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_primitives::{Block, Body, Digest, Header, NamespaceTable, testkit::Network};

    /// An empty child of `parent`, as if it stood on `on`.
    fn child(parent: &State, view: u64, on: Digest) -> Digested<SequencedBlock> {
        let header = Header {
            height: parent.header.height + 1,
            view,
            timestamp_ms: parent.header.timestamp_ms + 1,
            parent: on,
            body_root: Body::default().root(),
            namespaces_root: NamespaceTable::default().root(),
            ledger_root: parent.ledger.root(),
            ..parent.header
        };
        let block = SequencedBlock::new(Block { header, body: Body::default() });
        let digest = block.digest();
        Digested::precomputed(block, digest)
    }

    #[test]
    fn a_final_block_on_another_parent_is_refused() {
        let chain = Network::new(1).chain;
        let genesis = State::genesis(&chain);
        let ledgers = Ledgers::new(8, genesis.clone(), Vec::new());
        let sound = child(&genesis, 1, genesis.digest);
        assert_eq!(state_after(&chain, &ledgers, &genesis, &sound).unwrap().digest, sound.digest());

        // Its roots are right, and so it would pass unseen; the same once the tree knows it.
        let elsewhere = Digest([7; 32]);
        let stray = child(&genesis, 1, elsewhere);
        for known in [false, true] {
            if known {
                let state = validity::follow(&chain, &genesis, stray.inner(), Vec::new()).unwrap();
                ledgers.insert(state).unwrap();
                assert!(ledgers.get(&stray.digest()).is_some());
            }
            let error = state_after(&chain, &ledgers, &genesis, &stray).unwrap_err();
            let FinalizerError::Invalid { height: 1, source } = error else { panic!("{error}") };
            let (expected, got) = (genesis.digest, elsewhere);
            assert_eq!(source, InvalidBlock::Digest { field: "parent", expected, got });
        }
    }
}
