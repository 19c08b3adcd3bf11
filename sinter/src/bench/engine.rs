//! One validator: simplex and marshal, as `sinter_sequencer` runs them, around an application that does nothing.

use super::block::BareBlock;
use bytes::Bytes;
use commonware_actor::Feedback;
use commonware_broadcast::buffered;
use commonware_consensus::{
    Application, Reporter,
    marshal::{
        self, Start, Update,
        ancestry::Ancestry,
        core::Actor,
        resolver::p2p as backfill,
        standard::{Inline, Standard},
    },
    simplex::{
        self, ForwardPolicy,
        config::{SkipBudget, SkipPolicy},
        elector::RoundRobin,
        scheme::bls12381_multisig,
    },
    types::{Epoch, FixedEpocher, ViewDelta},
};
use commonware_cryptography::{
    Digested, Digestible, Sha256,
    bls12381::primitives::variant::MinSig,
    certificate::{ConstantProvider, Verifier as _},
    ed25519::PublicKey,
    sha256::Digest,
};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{
    Clock, Metrics, Spawner, Storage,
    buffer::paged::{self, CacheRef},
};
use commonware_storage::{archive::prunable, translator::EightCap};
use commonware_utils::{Acknowledgement as _, NZU64, NZUsize, NonZeroDuration};
use futures::StreamExt as _;
use rand_core::CryptoRng;
use std::{
    num::{NonZeroU16, NonZeroU64, NonZeroUsize},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The committee's signatures: what the sequencer uses.
pub type Scheme = bls12381_multisig::Scheme<PublicKey, MinSig>;
type Context = simplex::types::Context<Digest, PublicKey>;

const MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
const PENDING_BLOCKS_MAX: NonZeroUsize = NZUsize!(16);
const REPAIR_BLOCKS_MAX: NonZeroUsize = NZUsize!(16);
const BROADCAST_BLOCKS_PER_PEER: usize = 6;
const RETAINED_VIEWS: ViewDelta = ViewDelta::new(128);
/// Few enough that a long run of 5 MB blocks prunes what it has behind it.
const ARCHIVE_BLOCKS_PER_SECTION: NonZeroU64 = NZU64!(64);
const PAGE_SIZE: NonZeroU16 = paged::page_size(4096);
const PAGES: NonZeroUsize = NZUsize!(1024);
const KEY_WRITE_BUFFER_BYTES: NonZeroUsize = NZUsize!(64 << 10);
const VALUE_WRITE_BUFFER_BYTES: NonZeroUsize = NZUsize!(1 << 20);
const REPLAY_BUFFER_BYTES: NonZeroUsize = NZUsize!(1 << 20);
const LEADER_TIMEOUT: Duration = Duration::from_secs(1);
const CERTIFICATION_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT_RETRY: Duration = Duration::from_secs(2);
const SKIP_TIMEOUT: Duration = Duration::from_secs(4);
const FETCH_RETRY: Duration = Duration::from_millis(100);

/// What one validator saw become final.
#[derive(Clone, Debug)]
pub struct Finalized {
    /// When, since the round began.
    pub at: Duration,
    /// From its proposal until then.
    pub latency: Duration,
    /// The payload's bytes.
    pub bytes: usize,
}

/// Takes final blocks and notes when they came.
#[derive(Clone)]
pub struct Observer {
    pub started: Instant,
    pub finalized: Arc<Mutex<Vec<Finalized>>>,
}

impl Reporter for Observer {
    type Activity = Update<BareBlock>;

    fn report(&mut self, update: Self::Activity) -> Feedback {
        if let Update::Block(block, acknowledgement) = update {
            let at = self.started.elapsed();
            let block = block.inner();
            let latency = at.saturating_sub(Duration::from_nanos(block.proposed_ns));
            let finalized = Finalized { at, latency, bytes: block.payload.len() };
            self.finalized.lock().unwrap_or_else(PoisonError::into_inner).push(finalized);
            acknowledgement.acknowledge();
        }
        Feedback::Ok
    }
}

/// Proposes the same random bytes again and again, and finds every block valid.
#[derive(Clone)]
struct Idle {
    started: Instant,
    payload: Bytes,
}

impl<E: Clock> Application<E> for Idle {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = BareBlock;
    type Input = ();

    async fn propose(
        &mut self,
        _context: (E, Context),
        mut ancestry: impl Ancestry<BareBlock>,
        (): (),
    ) -> Option<Digested<BareBlock>> {
        let parent = ancestry.next().await?;
        let block = BareBlock {
            parent: parent.digest(),
            height: parent.inner().height + 1,
            proposed_ns: self.started.elapsed().as_nanos() as u64, // 584 years
            payload: self.payload.clone(),
        };
        let digest = block.digest();
        Some(Digested::precomputed(block, digest))
    }

    async fn verify(&mut self, _context: (E, Context), _ancestry: impl Ancestry<BareBlock>) -> bool {
        true
    }
}

/// A validator's channels, and what knows its peers.
pub struct Channels<S, R, O> {
    pub votes: (S, R),
    pub certificates: (S, R),
    pub resolver: (S, R),
    pub blocks: (S, R),
    pub backfill: (S, R),
    pub oracle: O,
}

/// Most bytes that any of a validator's messages has.
pub fn message_bytes_max(validators: u32, block_bytes: usize) -> u32 {
    let bound = marshal::max_payload_size::<Standard<BareBlock>, Scheme>(validators, &block_bytes);
    commonware_p2p::max_message_size(&[bound])
}

/// Starts a validator. `partition` keeps its files apart from those of others.
///
/// # Errors
/// What the storage says.
pub async fn start<E, S, R, O>(
    context: E,
    partition: String,
    scheme: Scheme,
    node_key: PublicKey,
    payload: Bytes,
    observer: Observer,
    channels: Channels<S, R, O>,
) -> Result<(), commonware_storage::archive::Error>
where
    E: CryptoRng + Spawner + Metrics + Clock + Storage,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    O: Blocker<PublicKey = PublicKey> + Provider<PublicKey = PublicKey>,
{
    let block_bytes = payload.len();
    let page_cache = CacheRef::new(PAGE_SIZE, PAGES);
    let archive = |name: &str| {
        (format!("{partition}-{name}-metadata"), format!("{partition}-{name}-key"), format!("{partition}-{name}-value"))
    };
    let certificates = prunable::Archive::init(
        context.child("finalizations"),
        archive_config(archive("finalizations"), &page_cache, scheme.certificate_codec_config()),
    )
    .await?;
    let blocks =
        prunable::Archive::init(context.child("blocks"), archive_config(archive("blocks"), &page_cache, block_bytes))
            .await?;

    let genesis = BareBlock { parent: Digest([0; 32]), height: 0, proposed_ns: 0, payload: Bytes::new() };
    let genesis_digest = genesis.digest();
    let epocher = FixedEpocher::new(NonZeroU64::MAX);
    let (actor, mailbox, _) = Actor::<_, Standard<BareBlock>, _, _, _, _, _>::init(
        context.child("marshal"),
        certificates,
        blocks,
        marshal::Config {
            provider: ConstantProvider::new(scheme.clone()),
            epocher: epocher.clone(),
            start: Start::Genesis(Digested::precomputed(genesis, genesis_digest)),
            partition_prefix: format!("{partition}-marshal"),
            mailbox_size: MAILBOX_MESSAGES,
            view_retention: RETAINED_VIEWS,
            prunable_items_per_section: ARCHIVE_BLOCKS_PER_SECTION,
            page_cache: page_cache.clone(),
            replay_buffer: REPLAY_BUFFER_BYTES,
            key_write_buffer: KEY_WRITE_BUFFER_BYTES,
            value_write_buffer: VALUE_WRITE_BUFFER_BYTES,
            block_codec_config: block_bytes,
            max_repair: REPAIR_BLOCKS_MAX,
            max_pending_acks: PENDING_BLOCKS_MAX,
            strategy: Sequential,
        },
    )
    .await;
    let (broadcast, buffer) = buffered::Engine::new(
        context.child("broadcast"),
        buffered::Config {
            public_key: node_key.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            deque_size: BROADCAST_BLOCKS_PER_PEER,
            priority: false,
            codec_config: block_bytes,
            peer_provider: channels.oracle.clone(),
            strategy: Sequential,
        },
    );
    broadcast.start(channels.blocks);
    let fetch_timeout = NonZeroDuration::new_panic(LEADER_TIMEOUT);
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: node_key,
            peer_provider: channels.oracle.clone(),
            blocker: channels.oracle.clone(),
            mailbox_size: MAILBOX_MESSAGES,
            fetch_timeout,
            fetch_retry_delay: FETCH_RETRY,
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let idle = Idle { started: observer.started, payload };
    actor.start(observer, buffer, resolver);
    let adapter = Inline::new(context.child("application"), idle, mailbox, epocher);
    let engine = simplex::Engine::new(
        context.child("simplex"),
        simplex::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            blocker: channels.oracle,
            automaton: adapter.clone(),
            relay: adapter.clone(),
            reporter: adapter,
            track_historical_votes: true,
            strategy: Sequential,
            partition: format!("{partition}-votes"),
            mailbox_size: MAILBOX_MESSAGES,
            epoch: Epoch::zero(),
            floor: simplex::Floor::Genesis(genesis_digest),
            replay_buffer: REPLAY_BUFFER_BYTES,
            write_buffer: KEY_WRITE_BUFFER_BYTES,
            page_cache,
            leader_timeout: LEADER_TIMEOUT,
            certification_timeout: CERTIFICATION_TIMEOUT,
            timeout_retry: TIMEOUT_RETRY,
            view_retention: RETAINED_VIEWS,
            skip: SkipPolicy::Enabled { timeout: SKIP_TIMEOUT, budget: SkipBudget::Participants },
            fetch_timeout,
            fetch_retry_delay: FETCH_RETRY,
            forward: ForwardPolicy::SilentLeader,
        },
    );
    engine.start(channels.votes, channels.certificates, channels.resolver);
    Ok(())
}

fn archive_config<C>(
    (metadata, key, value): (String, String, String),
    page_cache: &CacheRef,
    codec_config: C,
) -> prunable::Config<EightCap, C> {
    prunable::Config {
        translator: EightCap,
        metadata_partition: metadata,
        key_partition: key,
        key_page_cache: page_cache.clone(),
        value_partition: value,
        compression: None,
        codec_config,
        items_per_section: ARCHIVE_BLOCKS_PER_SECTION,
        key_write_buffer: KEY_WRITE_BUFFER_BYTES,
        value_write_buffer: VALUE_WRITE_BUFFER_BYTES,
        replay_buffer: REPLAY_BUFFER_BYTES,
    }
}
