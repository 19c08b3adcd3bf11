//! Consensus, put together: the one assembly that runs on a real node and, unchanged, in the
//! deterministic tests.
//!
//! ```text
//!   peers ── votes, certificates, resolver ──► an epoch's simplex ──► observer ──► inline adapter ──► marshal
//!                                                 │  propose, verify         ▲               │ final blocks
//!   peers ── blocks ──► shards ──► broadcast ──────┼──────────────────────────┘               ▼
//!   peers ── backfill ──► marshal's resolver      └──► Sequencer ◄── ledgers ◄── finalizer ── index, mempool
//!   peers ── transactions ──► dissemination ──► mempool
//!   peers ── evidence ──► gossip ──► evidence store ◄── observer
//!   peers ── readiness ──► announcer ──► upgrades ◄── Sequencer
//! ```

use crate::{
    application::Sequencer,
    block::SequencedBlock,
    committees::{Committees, CommitteesError, Seated, Succession},
    consensus::{Context, Marshal, Scheme},
    dissemination::{self, DisseminationConfig},
    draw, epochs,
    evidence::{EvidenceStore, Gossip},
    finalizer::{self, FinalizerError},
    handle::Head,
    history::RecentBlocks,
    index::{Index, IndexError},
    l1::L1View,
    leaders::NextLeaders,
    mempool::Mempool,
    recovery::{epoch_start, header_at, known_committees, marshal_start, recover},
    scheme::Voter,
    shards::{self, ShardsConfig},
    status::Status,
    upgrades::{Announcer, UnknownProtocol, Upgrades},
};
use commonware_broadcast::buffered;
use commonware_consensus::{
    Application,
    marshal::{
        self,
        core::Actor,
        resolver::p2p as backfill,
        standard::{Inline, Standard},
    },
    types::{FixedEpocher, ViewDelta},
};
use commonware_cryptography::{certificate::Verifier as _, ed25519::PublicKey};
use commonware_macros::select;
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::{
    Blob as _, Clock, Handle, Metrics, Spawner, Storage,
    buffer::paged::{self, CacheRef},
};
use commonware_storage::{archive::prunable, translator::EightCap};
use commonware_utils::{NZU64, NZUsize, NonZeroDuration};
use rand_core::CryptoRng;
use sinter_primitives::{Chain, Digest, Parameters, Transaction, committee::Seat, draw::DrawError, fees::Address};
use std::{
    num::{NonZeroU16, NonZeroU64, NonZeroUsize},
    sync::Arc,
    time::Duration,
};
use tokio::sync::watch;
use tracing::warn;

const VOTES_PARTITION: &str = "votes-";
const WATCHED_PARTITION: &str = "watched-";
const MARSHAL_PARTITION: &str = "marshal";
/// Names the epochs in which this node does not vote.
const ABSTENTIONS_PARTITION: &str = "abstentions";

// Mailboxes preallocate their slots, and most messages carry only a pointer to a block.
pub(crate) const MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
/// Final blocks that wait for the index at most.
const PENDING_BLOCKS_MAX: NonZeroUsize = NZUsize!(16);
/// Missing blocks that are asked for at once: each answer may be a whole block.
const REPAIR_BLOCKS_MAX: NonZeroUsize = NZUsize!(16);
/// Memory for blocks that peers sent before consensus asked for them, over all peers.
const BROADCAST_BYTES_MAX: usize = 256 << 20;
/// Blocks kept per peer at most: a block, those of its term that follow, and a re-send or two. More are never of use.
const BROADCAST_BLOCKS_PER_PEER_MAX: usize = 6;
/// Blocks kept per peer at least, whatever they take: the one that is voted on, and the next of its term, which a leader sends before
/// the former is certified.
const BROADCAST_BLOCKS_PER_PEER_MIN: usize = 2;
/// Views behind the last finalized one for which votes are tracked as evidence, and blocks kept for peers.
pub(crate) const RETAINED_VIEWS: ViewDelta = ViewDelta::new(128);
/// Blocks in one file of the archive: the grain of pruning, and one pair of open files each.
const ARCHIVE_BLOCKS_PER_SECTION: NonZeroU64 = NZU64!(16_384);
const CACHE_VIEWS_PER_SECTION: NonZeroU64 = NZU64!(64);
pub(crate) const PAGE_SIZE: NonZeroU16 = paged::page_size(4096);
/// Pages of journals in memory: 4 MiB.
const PAGES: NonZeroUsize = NZUsize!(1024);
pub(crate) const KEY_WRITE_BUFFER_BYTES: NonZeroUsize = NZUsize!(64 << 10);
const VALUE_WRITE_BUFFER_BYTES: NonZeroUsize = NZUsize!(1 << 20);
pub(crate) const REPLAY_BUFFER_BYTES: NonZeroUsize = NZUsize!(1 << 20);
pub(crate) const FETCH_RETRY: Duration = Duration::from_millis(100);

/// Where simplex keeps an epoch's votes, behind the settings' prefix. Losing this partition can make the node vote twice in a view.
#[must_use]
pub fn votes_partition(prefix: &str, epoch: u64) -> String {
    format!("{prefix}{VOTES_PARTITION}{epoch}")
}

/// Where simplex keeps what it saw of an epoch in which this node has no vote. Apart from the votes, which simplex reads back only under
/// the key that signed them: a node that goes by its other node key for a while ([`crate::identity`]) has signed none of those.
#[must_use]
pub fn watched_partition(prefix: &str, epoch: u64) -> String {
    format!("{prefix}{WATCHED_PARTITION}{epoch}")
}

/// The epoch whose votes are in a partition without prefix.
pub(crate) fn epoch_of_votes(partition: &str) -> Option<u64> {
    partition.strip_prefix(VOTES_PARTITION)?.parse().ok()
}

/// Told, with every epoch that begins and whenever they change, of its committee and the next, and of those who may be drawn: whom
/// to be connected to.
pub type Track = Box<dyn Fn(&[&Seated], &[Seat]) + Send + Sync>;

/// What makes this node's engine its own.
pub struct Settings {
    /// What its peers know it by.
    pub node_key: PublicKey,
    /// Who votes for it: in each epoch, who has the key of its seat.
    pub voters: Arc<[Arc<dyn Voter>]>,
    /// How committees follow on each other.
    pub succession: Arc<dyn Succession>,
    /// What it sees of the L1, which a chain that draws its committees needs.
    pub l1: Option<Arc<dyn L1View>>,
    /// Where its share of the fees goes, on a chain that has any.
    pub fee_recipient: Option<Address>,
    /// Blocks that stay on disk behind the last final one.
    pub retention_blocks: u64,
    /// How eagerly it passes transactions on.
    pub dissemination: DisseminationConfig,
    /// When its blocks go in shards.
    pub shards: ShardsConfig,
    /// The last protocol that it takes part in.
    pub protocol_max: u8,
    /// Opens the names of this node's partitions; empty where it has the storage for itself.
    pub partition_prefix: String,
}

/// What every part of the node shares.
#[derive(Clone)]
pub struct Shared {
    /// The network.
    pub chain: Arc<Chain>,
    /// What is final.
    pub index: Arc<Index>,
    /// What waits to be ordered.
    pub mempool: Mempool,
    /// The node's vital signs.
    pub status: Arc<Status>,
    /// What seats did that they must not.
    pub evidence: EvidenceStore,
    /// Told of every new head.
    pub heads: watch::Sender<Head>,
}

/// The channels of consensus, and what knows the peers.
pub struct Network<S, R, B, P> {
    /// Votes.
    pub votes: (S, R),
    /// Certificates.
    pub certificates: (S, R),
    /// Certificates that were missed.
    pub resolver: (S, R),
    /// Proposed blocks.
    pub blocks: (S, R),
    /// Final blocks that were missed.
    pub backfill: (S, R),
    /// Transactions on their way to the next leaders.
    pub transactions: (S, R),
    /// Votes that exclude each other.
    pub evidence: (S, R),
    /// Which protocols members are ready for.
    pub readiness: (S, R),
    /// Cuts off a peer that breaks the protocol.
    pub blocker: B,
    /// The committee, as the network knows it.
    pub peers: P,
    /// Tells the network whom to connect to.
    pub track: Track,
}

/// Why the engine did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journals failed.
    #[error("storage: {0}")]
    Storage(String),
    /// The node has history but no record of its votes.
    #[error(
        "index is at height {height}, but the voting journal is gone, and a node that \
         forgot its votes could vote twice: rejoin with a new BLS key"
    )]
    VotesLost {
        /// The index's last height.
        height: u64,
    },
    /// The index could not be read or written.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The finalizer stopped.
    #[error(transparent)]
    Finalizer(#[from] FinalizerError),
    /// A committee cannot vote.
    #[error(transparent)]
    Committees(#[from] CommitteesError),
    /// The block that the epoch stands on is not in the index.
    #[error(
        "index ends at height {height} and lacks the header at {boundary}, which its epoch stands on: rejoin with an empty data directory"
    )]
    Boundary {
        /// The index's last height.
        height: u64,
        /// The height that is missing.
        boundary: u64,
    },
    /// The chain has gone over to rules that this node does not take part in.
    #[error(transparent)]
    Protocol(#[from] UnknownProtocol),
    /// A committee has nobody to lead it.
    #[error("leaders: {0}")]
    Leaders(#[from] DrawError),
    /// A part of consensus ended by itself.
    #[error("{0} stopped")]
    Stopped(&'static str),
}

/// A running engine.
pub struct Engine {
    /// Asks marshal for blocks and certificates.
    pub marshal: Marshal,
    /// The last final blocks.
    pub recent: Arc<RecentBlocks>,
    finalizer: Handle<Result<(), finalizer::Failed>>,
    consensus: Handle<Result<(), EngineError>>,
    delivery: Handle<()>,
    shards: Handle<()>,
    broadcast: Handle<()>,
    dissemination: Handle<()>,
    gossip: Handle<()>,
    announcer: Handle<()>,
}

impl Engine {
    /// Waits until a part of the engine ends, which none does by itself while the node is well.
    pub async fn stopped(mut self) -> EngineError {
        select! {
            outcome = &mut self.finalizer => match outcome {
                Ok(Err(failed)) => failed.error.into(),
                _ => EngineError::Stopped("finalizer"),
            },
            outcome = &mut self.consensus => match outcome {
                Ok(Err(error)) => error,
                _ => EngineError::Stopped("consensus"),
            },
            _ = &mut self.delivery => EngineError::Stopped("marshal"),
            _ = &mut self.shards => EngineError::Stopped("shards of blocks"),
            _ = &mut self.broadcast => EngineError::Stopped("block broadcast"),
            _ = &mut self.dissemination => EngineError::Stopped("dissemination"),
            _ = &mut self.gossip => EngineError::Stopped("gossip of evidence"),
            _ = &mut self.announcer => EngineError::Stopped("readiness"),
        }
    }
}

/// Starts consensus for the node of `settings`, with a seat or without. `application` may wrap the [`Sequencer`]:
/// nodes run it as it is.
///
/// # Errors
/// [`EngineError`] when what is on disk cannot be read or does not fit together.
pub async fn start<E, S, R, B, P, T, A>(
    context: E,
    shared: Shared,
    settings: Settings,
    network: Network<S, R, B, P>,
    strategy: T,
    application: impl FnOnce(Sequencer<T>) -> A,
) -> Result<Engine, EngineError>
where
    A: Application<E, Block = SequencedBlock, SigningScheme = Scheme, Context = Context, Input = ()>,
    E: CryptoRng + Spawner + Metrics + Clock + Storage,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    P: Provider<PublicKey = PublicKey>,
    T: Strategy,
{
    let Shared { chain, index, mempool, status, evidence, heads } = shared;
    let Settings {
        node_key,
        voters,
        succession,
        l1,
        fee_recipient,
        retention_blocks,
        dissemination,
        shards,
        protocol_max,
        partition_prefix,
    } = settings;
    let marshal_partition = format!("{partition_prefix}{MARSHAL_PARTITION}");
    let parameters = chain.file.parameters;
    let page_cache = CacheRef::new(PAGE_SIZE, PAGES);
    let bounds = Scheme::certificate_codec_config_unbounded();
    let certificates = open_archive(&context, &marshal_partition, "finalizations", &page_cache, bounds).await?;
    let blocks = open_archive(&context, &marshal_partition, "blocks", &page_cache, parameters.body_bounds()).await?;
    let ledgers = Arc::new(recover(&chain, &index, &blocks, protocol_max).await?);
    let start = epoch_start(&chain, &index)?;
    let known = known_committees(&chain, &index, &*succession, start.epoch).await?;
    let begun_ms = index.snapshot()?.beginning()?.map(|beginning| beginning.begun_ms);
    let committees = Committees::new(chain.clone(), (node_key.clone(), voters), succession.clone(), begun_ms, known)?;
    let upgrades = Upgrades::new(protocol_max, node_key.clone(), committees.clone());
    upgrades.check(parameters.boundary_before(start.epoch).saturating_add(1), start.protocol)?;
    check_votes(&context, &partition_prefix, &chain, &index, &committees, start.epoch).await?;
    let mut window = index.recent_ids(parameters.expiry_blocks)?;
    // Idle heights hold no ids, but the mempool must know how far the chain is.
    window.push((index.tip().header.height, Vec::new()));
    mempool.see(&ledgers.tip().ledger);
    mempool.restore_window(window);

    let epocher = FixedEpocher::new(parameters.epoch_blocks.unwrap_or(NonZeroU64::MAX));
    let (actor, mailbox, _) = Actor::<_, Standard<SequencedBlock>, _, _, _, _, _>::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal::Config {
            provider: committees.clone(),
            epocher: epocher.clone(),
            start: marshal_start(&chain, &index, start.epoch)?,
            partition_prefix: marshal_partition,
            mailbox_size: MAILBOX_MESSAGES,
            view_retention: RETAINED_VIEWS,
            prunable_items_per_section: CACHE_VIEWS_PER_SECTION,
            page_cache: page_cache.clone(),
            replay_buffer: REPLAY_BUFFER_BYTES,
            key_write_buffer: KEY_WRITE_BUFFER_BYTES,
            value_write_buffer: VALUE_WRITE_BUFFER_BYTES,
            block_codec_config: parameters.body_bounds(),
            max_repair: REPAIR_BLOCKS_MAX,
            max_pending_acks: PENDING_BLOCKS_MAX,
            strategy: strategy.clone(),
        },
    )
    .await;

    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: node_key.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            deque_size: broadcast_blocks_per_peer(&parameters, chain.seats_max()),
            priority: false,
            codec_config: parameters.body_bounds(),
            peer_provider: network.peers.clone(),
            strategy: strategy.clone(),
        },
    );
    let (epochs, epochs_receiver) = watch::channel(start);
    let parts = shards::Parts {
        chain: chain.clone(),
        committees: committees.clone(),
        epochs: epochs_receiver.clone(),
        status: status.clone(),
        me: node_key.clone(),
        blocker: network.blocker.clone(),
        strategy: strategy.clone(),
        config: shards,
    };
    let (outbox, inbox, shards) = shards::start(context.child("shards"), parts, network.blocks)?;
    let broadcast = broadcast.start((outbox, inbox));

    let fetch_timeout = fetch_timeout(&parameters);
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: node_key.clone(),
            peer_provider: network.peers,
            blocker: network.blocker.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            fetch_timeout,
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        network.backfill,
    );

    let heads_receiver = heads.subscribe();
    let recent = Arc::new(RecentBlocks::default());
    let (deliveries, finalizer) = finalizer::start(
        context.child("finalizer"),
        finalizer::Parts {
            chain: chain.clone(),
            committees: committees.clone(),
            upgrades: upgrades.clone(),
            epochs,
            ledgers: ledgers.clone(),
            mempool: mempool.clone(),
            index,
            status: status.clone(),
            heads,
            recent: recent.clone(),
            marshal: mailbox.clone(),
            retention_blocks,
        },
        PENDING_BLOCKS_MAX.get(),
    );
    let delivery = actor.start(deliveries, buffer, resolver);

    let sequencer = Sequencer::new(
        chain.clone(),
        (committees.clone(), upgrades.clone()),
        ledgers.clone(),
        mempool.clone(),
        l1.clone(),
        fee_recipient,
        strategy.clone(),
    );
    status.observe_round(start.epoch, 0);
    let dissemination = dissemination::Actor::new(
        context.child("dissemination"),
        dissemination,
        parameters,
        &node_key,
        mempool.clone(),
        NextLeaders {
            chain: chain.clone(),
            committees: committees.clone(),
            epochs: epochs_receiver.clone(),
            status: status.clone(),
        },
        network.blocker.clone(),
    )
    .start(network.transactions);
    let gossip = Gossip::new(
        context.child("evidence"),
        chain.hash,
        committees.clone(),
        evidence.clone(),
        network.blocker.clone(),
    )
    .start(network.evidence);
    let blocker = network.blocker.clone();
    let announcer =
        Announcer::new(context.child("readiness"), upgrades.clone(), ledgers.clone(), status.clone(), blocker)
            .start(network.readiness);
    if let Some(l1) = l1 {
        let (ledgers, heads) = (ledgers.clone(), heads_receiver);
        context.child("draw").spawn(move |context| draw::anticipate(context, l1, succession, ledgers, heads));
    }
    let adapter = Inline::new(context.child("application"), application(sequencer), mailbox.clone(), epocher);
    let parts = epochs::Parts {
        chain,
        committees,
        upgrades,
        adapter,
        marshal: mailbox.clone(),
        ledgers,
        mempool,
        status,
        evidence,
        blocker: network.blocker,
        track: network.track,
        votes_prefix: partition_prefix,
        page_cache,
    };
    let channels =
        epochs::Channels { votes: network.votes, certificates: network.certificates, resolver: network.resolver };
    let consensus =
        context.child("epochs").spawn(move |context| epochs::run(context, parts, channels, epochs_receiver, strategy));
    Ok(Engine {
        marshal: mailbox,
        recent,
        finalizer,
        consensus,
        delivery,
        shards,
        broadcast,
        dissemination,
        gossip,
        announcer,
    })
}

/// Refuses to vote in an epoch when the record of earlier votes in it is gone while other history of it is there. Where the epoch
/// ends, the node abstains until then, and remembers that it does: what it signed is unknown only here.
async fn check_votes<E: Storage>(
    context: &E,
    prefix: &str,
    chain: &Chain,
    index: &Index,
    committees: &Committees,
    epoch: u64,
) -> Result<(), EngineError> {
    let parameters = &chain.file.parameters;
    let height = index.tip().header.height;
    let abstentions = format!("{prefix}{ABSTENTIONS_PARTITION}");
    let has_votes = async |epoch| {
        let has = async |partition: String| Ok::<_, EngineError>(!names(context, &partition).await?.is_empty());
        Ok::<_, EngineError>(has(votes_partition(prefix, epoch)).await? || has(watched_partition(prefix, epoch)).await?)
    };
    // At its boundary an epoch's journal may not have begun; then the one before it must be there.
    let at_boundary = height == parameters.boundary_before(epoch);
    let is_lost = height > 0
        && !has_votes(epoch).await?
        && !(at_boundary && (epoch == 0 || has_votes(epoch.saturating_sub(1)).await?));
    if is_lost && parameters.epoch_blocks.is_none() {
        return Err(EngineError::VotesLost { height });
    }
    let boundary = header_at(chain, index, parameters.boundary_before(epoch))?;
    let abstained = noted(context, &abstentions).await?.contains(&epoch)
        || boundary.is_some_and(|boundary| committees.is_from_before(&boundary));
    if is_lost && !abstained {
        note(context, &abstentions, epoch).await?;
    }
    if is_lost || abstained {
        let last = parameters.boundary_before(epoch.saturating_add(1));
        warn!(
            epoch,
            height, last, "there is no journal of what this node voted in this epoch: it abstains until the epoch ends"
        );
        committees.abstain(epoch)?;
    }
    Ok(())
}

/// Notes an epoch in a partition of such notes. It is on disk when this returns.
pub(crate) async fn note<E: Storage>(context: &E, partition: &str, epoch: u64) -> Result<(), EngineError> {
    let (blob, _) = context.open(partition, &epoch.to_be_bytes()).await.map_err(storage)?;
    blob.sync().await.map_err(storage)
}

/// The epochs that are noted in a partition, in no order.
pub(crate) async fn noted<E: Storage>(context: &E, partition: &str) -> Result<Vec<u64>, EngineError> {
    let names = names(context, partition).await?;
    Ok(names.iter().filter_map(|name| name.as_slice().try_into().ok()).map(u64::from_be_bytes).collect())
}

/// The blobs of a partition; none where there is no such partition.
async fn names<E: Storage>(context: &E, partition: &str) -> Result<Vec<Vec<u8>>, EngineError> {
    match context.scan(partition).await {
        Ok(names) => Ok(names),
        Err(commonware_runtime::Error::PartitionMissing(_)) => Ok(Vec::new()),
        Err(error) => Err(storage(error)),
    }
}

pub(crate) fn storage(error: commonware_runtime::Error) -> EngineError {
    EngineError::Storage(error.to_string())
}

/// Where marshal keeps values by height.
pub(crate) type Archive<E, V> = prunable::Archive<EightCap, E, Digest, V>;

async fn open_archive<E, V>(
    context: &E,
    partition: &str,
    name: &'static str,
    page_cache: &CacheRef,
    codec_config: V::Cfg,
) -> Result<Archive<E, V>, EngineError>
where
    E: Storage + Metrics + Clock,
    V: commonware_codec::CodecShared,
{
    let partition = |part: &str| format!("{partition}-{name}-{part}");
    Archive::init(
        context.child(name),
        prunable::Config {
            translator: EightCap,
            metadata_partition: partition("metadata"),
            key_partition: partition("key"),
            key_page_cache: page_cache.clone(),
            value_partition: partition("value"),
            compression: None,
            codec_config,
            items_per_section: ARCHIVE_BLOCKS_PER_SECTION,
            key_write_buffer: KEY_WRITE_BUFFER_BYTES,
            value_write_buffer: VALUE_WRITE_BUFFER_BYTES,
            replay_buffer: REPLAY_BUFFER_BYTES,
        },
    )
    .await
    .map_err(|error| EngineError::Storage(format!("archive of {name}: {error}")))
}

/// Most bytes that a decoded block takes: its encoding, which payloads are slices of, and what describes each
/// transaction.
const fn block_memory_max(parameters: &Parameters) -> usize {
    parameters.block_bytes_max + parameters.block_transactions_max * size_of::<Transaction>()
}

/// Blocks kept for each of `seats` peers so that all of them stay within [`BROADCAST_BYTES_MAX`], where two a
/// peer do.
fn broadcast_blocks_per_peer(parameters: &Parameters, seats: usize) -> usize {
    let affordable = BROADCAST_BYTES_MAX / block_memory_max(parameters).saturating_mul(seats.max(1));
    affordable.clamp(BROADCAST_BLOCKS_PER_PEER_MIN, BROADCAST_BLOCKS_PER_PEER_MAX)
}

pub(crate) fn fetch_timeout(parameters: &Parameters) -> NonZeroDuration {
    // Long enough for a whole block from one peer, short enough to try others within a view's timeouts.
    NonZeroDuration::new_panic(Duration::from_millis(parameters.leader_timeout_ms.max(500)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinter_primitives::chain::SEATS_MAX;

    #[test]
    fn blocks_that_nobody_asked_for_are_bounded_by_bytes() {
        let with = |block_bytes_max, block_transactions_max| Parameters {
            block_bytes_max,
            block_transactions_max,
            ..Parameters::default()
        };
        // A small network of the default size keeps as many as are of use.
        assert_eq!(broadcast_blocks_per_peer(&Parameters::default(), 4), BROADCAST_BLOCKS_PER_PEER_MAX);
        // Larger blocks, more of them, or more transactions in them: fewer, and never more than the budget.
        for (bytes, transactions) in [(1 << 10, 1), (1 << 20, 1 << 14), (5 << 20, 1 << 14), (16 << 20, 1 << 20)] {
            let parameters = with(bytes, transactions);
            for seats in [1, 4, 10, 64, SEATS_MAX] {
                let kept = broadcast_blocks_per_peer(&parameters, seats);
                let memory = kept * seats * block_memory_max(&parameters);
                let floor = kept == BROADCAST_BLOCKS_PER_PEER_MIN;
                assert!(floor || memory <= BROADCAST_BYTES_MAX, "{seats} seats, {bytes} bytes: {memory}");
                assert!((BROADCAST_BLOCKS_PER_PEER_MIN..=BROADCAST_BLOCKS_PER_PEER_MAX).contains(&kept));
            }
        }
        assert_eq!(broadcast_blocks_per_peer(&with(16 << 20, 1 << 14), 4), 3);
        assert_eq!(broadcast_blocks_per_peer(&with(5 << 20, 1 << 14), SEATS_MAX), BROADCAST_BLOCKS_PER_PEER_MIN);
        assert_eq!(broadcast_blocks_per_peer(&with(16 << 20, 1 << 20), SEATS_MAX), BROADCAST_BLOCKS_PER_PEER_MIN);
    }
}
