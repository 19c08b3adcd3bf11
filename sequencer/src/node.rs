//! A node: configuration, storage, transport, consensus and interface, started in that order and stopped in
//! the other.

use crate::{
    archive::Archive,
    block::SequencedBlock,
    channels,
    clock::unix_ms,
    committees::{Repeat, Seated, Succession},
    config::{ConfigError, NodeConfig, VotingKey},
    consensus::{self, Scheme, SeatError},
    disk::{self, DiskError},
    dissemination,
    draw::{Drawing, STANDBY_MAX},
    engine::{self, Engine, EngineError, Settings, Shared},
    evidence::{self, EVIDENCE_DIRECTORY, EvidenceError, EvidenceStore},
    finalizer::FinalizerError,
    handle::{Handle, Head},
    history::History,
    identity,
    index::{Index, IndexError},
    keys::{self, KeyError},
    l1::L1View,
    mark::{self, MarkError},
    mempool::{Mempool, MempoolConfigError},
    peers::{self, PeerError},
    quic::{QuicConfig, QuicContext, QuicError, Transport},
    rpc::{self, RpcConfigError, RpcError},
    scheme::{LocalVoter, Voter},
    shards,
    signer::{RemoteConfig, RemoteError, RemoteVoter},
    status::{Status, stall_bound_ms},
    telemetry,
    votes::CONSENSUS_DIRECTORY,
};
use ::tokio::sync::watch;
use commonware_consensus::{marshal, simplex};
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use commonware_macros::select;
use commonware_p2p::{AddressableManager, AddressableTrackedPeers, authenticated::lookup, utils::mux};
use commonware_runtime::{Metrics as _, Quota, Runner as _, Spawner, Strategizer, Supervisor, tokio};
use commonware_utils::{NZU32, NZUsize, ordered::Map};
use sinter_primitives::{Chain, Digest, Namespace, chain::ChainError, committee::Seat, fees::OPENED_FIRST};
use std::{
    any::Any,
    future::Future,
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tracing::{error, info, warn};

/// The index, in the data directory.
pub const INDEX_FILE: &str = "index.redb";
/// Domain of the p2p layer; the chain's hash, in the handshake, tells networks apart.
const P2P_NAMESPACE: &[u8] = b"SINTER_P2P";
const P2P_MAILBOX_MESSAGES: NonZeroUsize = NZUsize!(256);
/// A committee member that restarts is back before its next turn to lead.
const RECONNECT_COOLDOWN: Duration = Duration::from_secs(1);
const DIAL_INTERVAL: Duration = Duration::from_millis(500);
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Threads for blocking calls: storage mostly, which one node never needs more of at a time.
const BLOCKING_THREADS_MAX: usize = 64;
/// Time that tasks have to finish what they are writing.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a node did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// Its configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A bound of the mempool makes no sense for this chain.
    #[error(transparent)]
    Mempool(#[from] MempoolConfigError),
    /// A bound of the interface makes no sense for this chain.
    #[error(transparent)]
    RpcConfig(#[from] RpcConfigError),
    /// A namespace has an entry, but the chain does not order for it.
    #[error("`namespaces.{id}`: expected a namespace of the chain, got one that it does not order for")]
    UnknownNamespace {
        /// The entry.
        id: Namespace,
    },
    /// A file or directory that it names cannot be used.
    #[error("`{key}`: {path}: {source}")]
    Path {
        /// The configuration's key.
        key: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The chain file is wrong.
    #[error("`chain`: {0}")]
    Chain(#[from] ChainError),
    /// A key file is wrong.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The keys are not those of a seat.
    #[error(transparent)]
    Seat(#[from] SeatError),
    /// A seat's address is none.
    #[error("address of a seat: {0}")]
    Peer(#[from] PeerError),
    /// Blocks depend on the L1, and this node does not see it.
    #[error(
        "`l1_rpc`: expected the URL of an L1 node, since blocks of this chain depend on what happens on the L1, got none"
    )]
    NoL1,
    /// The signer will not vote for this node.
    #[error(transparent)]
    Signer(#[from] RemoteError),
    /// The transport could not be made.
    #[error("transport: {0}")]
    Quic(#[from] QuicError),
    /// The BLS key votes with another data directory.
    #[error(transparent)]
    Mark(#[from] MarkError),
    /// The evidence could not be read.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// The index could not be opened.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The interface could not be started.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// Consensus stopped.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The disk is full.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The transport stopped.
    #[error("the peer-to-peer network stopped")]
    Network,
    /// A task of the node panicked: commonware's answer to a disk that fails, or a bug.
    #[error("the node failed: {0}")]
    Panicked(String),
}

impl NodeError {
    /// Whether starting again mends nothing: it is about what the operator wrote, or installed.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Mempool(_)
                | Self::RpcConfig(_)
                | Self::UnknownNamespace { .. }
                | Self::Path { .. }
                | Self::Chain(_)
                | Self::Key(_)
                | Self::Seat(_)
                | Self::Peer(_)
                | Self::NoL1
                | Self::Signer(_)
                | Self::Quic(_)
                | Self::Engine(EngineError::Protocol(_) | EngineError::Finalizer(FinalizerError::Protocol(_)))
        )
    }
}

/// What a node sees of the L1, if it looks.
pub type L1 = Option<Arc<dyn L1View>>;

/// Runs a node until `shutdown` resolves, or something ends it. Blocks the calling thread, which must not be
/// a thread of a tokio runtime.
///
/// # Errors
/// [`NodeError`].
pub fn run(config: NodeConfig, l1: L1, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<(), NodeError> {
    run_with(config, l1, |_| {}, shutdown)
}

/// Like [`run`], for a program that has more to do with the node than to wait: `started` gets what the
/// interface sees of it, once it serves: of a node that goes by two keys, as long as it goes by the first.
///
/// # Errors
/// [`NodeError`].
pub fn run_with(
    config: NodeConfig,
    l1: L1,
    started: impl FnOnce(Handle) + Send + 'static,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), NodeError> {
    // Everything below is compiled once, here, and not again for every caller's future.
    run_until(config, l1, Box::new(started), Box::pin(shutdown))
}

type Started = Box<dyn FnOnce(Handle) + Send>;
type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How a node ends that nothing is wrong with.
enum Ended {
    Told,
    /// It goes on by its other key.
    OtherKey,
}

fn run_until(config: NodeConfig, l1: L1, started: Started, mut shutdown: Shutdown) -> Result<(), NodeError> {
    let (mut started, mut place) = (Some(started), None);
    loop {
        let prepared = Prepared::new(config.clone(), l1.clone(), place)?;
        let other = prepared.node_keys.other();
        match run_once(prepared, &mut started, &mut shutdown)? {
            Ended::Told => return Ok(()),
            Ended::OtherKey => place = Some(other),
        }
    }
}

fn run_once(prepared: Prepared, started: &mut Option<Started>, shutdown: &mut Shutdown) -> Result<Ended, NodeError> {
    let (data_dir, min_bytes) = (prepared.config.data_dir.clone(), prepared.config.disk_free_bytes_min);
    let runner = tokio::Runner::new(
        tokio::Config::new()
            .with_worker_threads(prepared.config.worker_threads)
            .with_max_blocking_threads(BLOCKING_THREADS_MAX)
            .with_storage_directory(data_dir.join(CONSENSUS_DIRECTORY)),
    );
    // commonware ends a task whose journal fails with a panic, and the runtime ends with the task.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| runner.start(|context| serve(context, prepared, started, shutdown))));
    outcome.unwrap_or_else(|panic| {
        disk::check(&data_dir, min_bytes)?;
        Err(NodeError::Panicked(panic_message(panic.as_ref())))
    })
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").into()
}

/// All that can be wrong with a configuration has been found out, and nothing has been started.
struct Prepared {
    config: NodeConfig,
    chain: Arc<Chain>,
    node_keys: NodeKeys,
    voters: Arc<[Arc<dyn Voter>]>,
    transport: Arc<Transport>,
    index: Arc<Index>,
    evidence: EvidenceStore,
    l1: L1,
    succession: Arc<dyn Succession>,
}

/// What peers may know this node by.
struct NodeKeys {
    /// The newest first.
    keys: Vec<PublicKey>,
    /// The one that it goes by.
    place: usize,
}

impl NodeKeys {
    fn own(&self) -> &PublicKey {
        &self.keys[self.place]
    }

    /// The place of the next one; its own, where there is one.
    fn other(&self) -> usize {
        (self.place + 1) % self.keys.len()
    }
}

impl Prepared {
    /// Goes by the key at `place`, or else by the one that its epoch's committee has.
    fn new(config: NodeConfig, l1: L1, place: Option<usize>) -> Result<Self, NodeError> {
        // Before anything takes a handle to a metric.
        rpc::metrics::install().map_err(RpcError::from)?;
        telemetry::describe();
        let chain = Arc::new(read_chain(&config.chain)?);
        check_bounds(&config, &chain)?;
        let succession = succession(&chain, l1.clone())?;
        let files = [Some(&config.node_key_file), config.node_key_file_old.as_ref()];
        let own: Result<Vec<_>, _> = files.into_iter().flatten().map(|file| keys::read_node_key(file)).collect();
        let own = own?;
        let voting_keys = config.voting_keys()?;
        peers::addresses(chain.committee.seats(), &config.peers)?;
        peers::check(&config.peers)?;
        std::fs::create_dir_all(&config.data_dir).map_err(|source| NodeError::Path {
            key: "data_dir",
            path: config.data_dir.clone(),
            source,
        })?;
        disk::check(&config.data_dir, config.disk_free_bytes_min)?;
        // The index refuses a directory that another node holds, before consensus touches it.
        let index = Arc::new(Index::open(&config.data_dir.join(INDEX_FILE), chain.clone())?);
        let keys: Vec<_> = own.iter().map(keys::node_public).collect();
        let epoch = chain.file.parameters.epoch_of(index.tip().header.height.saturating_add(1));
        let place = match place {
            Some(place) => place,
            None => identity::of_epoch(&chain, &index, &keys, epoch)?.unwrap_or(0),
        };
        let known_by = NodeKeys { keys, place };
        let node_key = own[place].clone();
        let voters = voting_keys.iter().map(|key| voter(&config, key, &chain, (&node_key, &known_by.keys)));
        let voters: Arc<[_]> = voters.collect::<Result<Vec<_>, _>>()?.into();
        match consensus::voter(&chain.hash, &chain.committee, known_by.own(), &voters) {
            // It may be drawn; and who has been may have another key since.
            Err(SeatError::NoSeat { .. } | SeatError::OtherSeat { .. }) if chain.file.l1.registry.is_some() => {}
            seat => drop(seat?),
        }
        let transport = Transport::new(QuicConfig::new(node_key, chain.hash))?;
        for key in voting_keys {
            if let VotingKey::File { file, .. } = key {
                mark::enter(&chain.hash, file, &config.data_dir)?;
            }
        }
        let evidence = EvidenceStore::open(&config.data_dir.join(EVIDENCE_DIRECTORY), &chain.hash)?;
        Ok(Self { config, chain, node_keys: known_by, voters, transport, index, evidence, l1, succession })
    }
}

/// How the chain's committees follow on each other.
fn succession(chain: &Arc<Chain>, l1: L1) -> Result<Arc<dyn Succession>, NodeError> {
    if l1.is_none() && chain.file.l1.is_followed() {
        return Err(NodeError::NoL1);
    }
    Ok(match l1.and_then(|l1| Drawing::new(chain.clone(), l1)) {
        Some(drawing) => Arc::new(drawing),
        None => Arc::new(Repeat),
    })
}

/// Who votes for this node: the key itself, or a signer that has it.
fn voter(
    config: &NodeConfig,
    voting_key: &VotingKey<'_>,
    chain: &Chain,
    (node_key, known_by): (&PrivateKey, &[PublicKey]),
) -> Result<Arc<dyn Voter>, NodeError> {
    match voting_key {
        VotingKey::File { file, passphrase_file } => {
            Ok(Arc::new(LocalVoter::new(&chain.hash, keys::read_bls_key(file, *passphrase_file)?)))
        }
        VotingKey::Signer { endpoint, signer_key, public_key } => Ok(Arc::new(RemoteVoter::start(RemoteConfig {
            endpoint: (*endpoint).clone(),
            signer_key: signer_key.clone(),
            node_key: node_key.clone(),
            chain: chain.hash,
            // What the configuration says, or the key of the node's seat in `chain.toml`, which has one node key of its own.
            bls_key: match public_key {
                Some(key) => **key,
                None => {
                    let has_seat = |key: &&PublicKey| consensus::bls_key(&chain.committee, key).is_ok();
                    let own = keys::node_public(node_key);
                    consensus::bls_key(&chain.committee, known_by.iter().find(has_seat).unwrap_or(&own))?
                }
            },
            timeout: Duration::from_millis(config.bls_signer_timeout_ms),
        })?)),
    }
}

/// Checks what only the chain can tell about a configuration.
fn check_bounds(config: &NodeConfig, chain: &Chain) -> Result<(), NodeError> {
    let parameters = &chain.file.parameters;
    // A transaction's kind, expiry height and length stand before its payload.
    config.mempool.check(parameters.payload_bytes_max + 1 + 8 + 5)?;
    config.rpc_config().check(parameters)?;
    let epoch_blocks = parameters.epoch_blocks.map_or(0, |blocks| blocks.get());
    let out_of_range = |expected| ConfigError::OutOfRange {
        key: "retention_blocks".into(),
        expected,
        got: config.retention_blocks.to_string(),
    };
    if config.retention_blocks <= 2 * epoch_blocks {
        // What a draw depends on begins with the block before its epoch, and a restart may have to draw again.
        return Err(out_of_range(format!("above twice the chain's `epoch_blocks`, {epoch_blocks}")).into());
    }
    if config.retention_blocks < parameters.expiry_blocks + epoch_blocks {
        // After a restart the index alone knows what was ordered, and so what would repeat; and who begins at the end of an epoch
        // asks for what was ordered before it.
        let expiry_blocks = parameters.expiry_blocks;
        let expected =
            format!("at least the chain's `expiry_blocks` and `epoch_blocks`, {expiry_blocks} + {epoch_blocks}");
        return Err(out_of_range(expected).into());
    }
    // What is opened on L1 may not be open yet.
    let may_open = |id: Namespace| chain.file.fees.is_some() && id.0 >= OPENED_FIRST;
    match config.namespaces.keys().find(|id| chain.namespace(id.0).is_none() && !may_open(id.0)) {
        Some(id) => Err(NodeError::UnknownNamespace { id: id.0 }),
        None => Ok(()),
    }
}

fn read_chain(path: &Path) -> Result<Chain, NodeError> {
    let bytes = std::fs::read(path).map_err(|source| NodeError::Path { key: "chain", path: path.into(), source })?;
    Ok(Chain::parse(&bytes)?)
}

async fn serve(
    context: tokio::Context,
    prepared: Prepared,
    started: &mut Option<Started>,
    shutdown: &mut Shutdown,
) -> Result<Ended, NodeError> {
    let outcome = start_and_wait(&context, &prepared, started, shutdown).await;
    // Whatever ended it: let tasks finish what they write, then say goodbye to the peers.
    if context.stop(0, Some(STOP_TIMEOUT)).await.is_err() {
        warn!(?STOP_TIMEOUT, "some tasks did not stop in time");
    }
    prepared.transport.shutdown(CLOSE_TIMEOUT).await;
    outcome
}

async fn start_and_wait(
    context: &tokio::Context,
    prepared: &Prepared,
    started: &mut Option<Started>,
    shutdown: &mut Shutdown,
) -> Result<Ended, NodeError> {
    let Prepared { config, chain, index, evidence, .. } = prepared;
    let public_key = prepared.node_keys.own().clone();
    let mempool = Mempool::new(chain.clone(), config.mempool);
    let seats = chain.seats_max();
    let status = Arc::new(Status::new(unix_ms(context), stall_bound_ms(&chain.file.parameters, seats)));
    let tip = index.tip();
    let (heads, heads_receiver) = watch::channel(Head {
        height: tip.header.height,
        digest: tip.digest,
        timestamp_ms: tip.header.timestamp_ms,
        view: tip.header.view,
    });

    let (network, network_task) = join_network(context, prepared);
    let engine = Box::pin(engine::start(
        context.child("engine"),
        Shared {
            chain: chain.clone(),
            index: index.clone(),
            mempool: mempool.clone(),
            status: status.clone(),
            evidence: evidence.clone(),
            heads,
        },
        Settings {
            node_key: public_key.clone(),
            voters: prepared.voters.clone(),
            succession: prepared.succession.clone(),
            l1: prepared.l1.clone(),
            fee_recipient: config.fee_recipient()?,
            retention_blocks: config.retention_blocks,
            dissemination: config.dissemination,
            shards: config.shards,
            protocol_max: config.protocol_max,
            partition_prefix: String::new(),
        },
        network,
        context.strategy(NonZeroUsize::new(config.worker_threads).unwrap_or(NonZeroUsize::MIN)),
        |sequencer| sequencer,
    ));
    let engine = select! {
        engine = engine => engine?,
        // Where it fell at an epoch's end it waits for the L1, which may be away.
        () = &mut *shutdown => return Ok(Ended::Told),
    };
    let heads_seen = heads_receiver.clone();
    let handle = Handle {
        chain: chain.clone(),
        index: index.clone(),
        mempool,
        archive: Arc::new(History::new(engine.recent.clone(), engine.marshal.clone())) as Arc<dyn Archive>,
        heads: heads_receiver,
        status: status.clone(),
        evidence: evidence.clone(),
    };
    let metrics_context = context.child("metrics");
    let registry_text = Arc::new(move || metrics_context.encode());
    let rpc = rpc::serve(handle.clone(), config.rpc_config(), registry_text).await?;
    info!(
        chain = %chain.hash,
        node = %public_key,
        listen = %config.listen,
        rpc = %rpc.address(),
        height = tip.header.height,
        "node started"
    );
    if let Some(started) = started.take() {
        started(handle);
    }
    let outcome = wait(context, prepared, engine, network_task, (&status, heads_seen), shutdown).await;
    rpc.stop().await;
    outcome
}

async fn wait(
    context: &tokio::Context,
    prepared: &Prepared,
    engine: Engine,
    mut network: commonware_runtime::Handle<()>,
    (status, heads): (&Status, watch::Receiver<Head>),
    shutdown: &mut Shutdown,
) -> Result<Ended, NodeError> {
    let Prepared { config, chain, index, transport, node_keys, .. } = prepared;
    let other_key =
        identity::ended(context, (chain, index), (&node_keys.keys, node_keys.place), &heads, || transport.peers());
    let disk = disk::watch(context, &config.data_dir, config.disk_free_bytes_min, status, || transport.peers());
    select! {
        () = shutdown => {
            info!("stopping");
            Ok(Ended::Told)
        },
        ended = other_key => {
            ended?;
            info!("going on by the other node key");
            Ok(Ended::OtherKey)
        },
        error = disk => Err(error.into()),
        error = engine.stopped() => {
            // A journal that fails for want of space stops its engine: say so.
            disk::check(&config.data_dir, config.disk_free_bytes_min)?;
            Err(error.into())
        },
        _ = &mut network => Err(NodeError::Network),
    }
}

type Sender = lookup::Sender<PublicKey, QuicContext<tokio::Context>>;
type Receiver = lookup::Receiver<PublicKey>;
type Oracle = lookup::Oracle<PublicKey>;

/// Starts the peer-to-peer network over QUIC and opens consensus's channels on it.
fn join_network(
    context: &tokio::Context,
    prepared: &Prepared,
) -> (engine::Network<Sender, Receiver, Oracle, Oracle>, commonware_runtime::Handle<()>) {
    let Prepared { config, chain, transport, .. } = prepared;
    let mut lookup_config = lookup::Config::recommended(
        transport.upgrader(),
        P2P_NAMESPACE,
        config.listen,
        peers_max(chain),
        message_bytes_max(chain),
        P2P_MAILBOX_MESSAGES,
    );
    // Peers are known by key. Their addresses may be private, translated, or change while they are connected.
    lookup_config.allow_private_ips = true;
    lookup_config.bypass_ip_check = true;
    // An epoch's set has the members of the next one, too, and mailboxes are allocated for every tracked set.
    lookup_config.tracked_peer_sets = NZUsize!(1);
    lookup_config.peer_connection_cooldown = RECONNECT_COOLDOWN;
    lookup_config.dial_frequency = DIAL_INTERVAL;
    lookup_config.ping_frequency = PING_INTERVAL;
    // A whole committee may live behind one address.
    lookup_config.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(32));
    lookup_config.allowed_handshake_rate_per_subnet = Quota::per_second(NZU32!(128));
    let quic = QuicContext::new(context.child("p2p"), transport.clone());
    let (mut network, oracle) = lookup::Network::new(quic, lookup_config);
    let track = {
        let (overrides, oracle) = (config.peers.clone(), commonware_utils::sync::Mutex::new(oracle.clone()));
        // Sets are numbered in the order in which they come.
        let next = AtomicU64::new(0);
        let this = hex::encode(prepared.node_keys.own());
        Box::new(move |seated: &[&Seated], standby: &[Seat]| {
            let members = seated.iter().flat_map(|seated| seated.committee.seats());
            match (peers::addresses(members, &overrides), peers::addresses(standby, &overrides)) {
                (Ok(primary), Ok(secondary)) => {
                    // Only primary peers are dialed, and nobody dials who has no seat.
                    let is_member = primary.keys().iter().any(|key| hex::encode(key) == this);
                    let (primary, secondary) = match is_member {
                        true => (primary, secondary),
                        false => (Map::from_iter_dedup(primary.into_iter().chain(secondary)), Map::default()),
                    };
                    let peers = AddressableTrackedPeers::new(primary, secondary);
                    oracle.lock().track(next.fetch_add(1, Ordering::Relaxed), peers);
                }
                (Err(error), _) | (_, Err(error)) => error!(%error, "peers are not dialed"),
            }
        })
    };
    let mut register = |channel| network.register(channel, channels::quota(channel));
    let channels = engine::Network {
        votes: register(channels::VOTES),
        certificates: register(channels::CERTIFICATES),
        resolver: register(channels::RESOLVER),
        blocks: register(channels::BLOCKS),
        backfill: register(channels::BACKFILL),
        transactions: register(channels::TRANSACTIONS),
        evidence: register(channels::EVIDENCE),
        readiness: register(channels::READINESS),
        blocker: oracle.clone(),
        peers: oracle,
        track,
    };
    (channels, network.start())
}

/// Most peers at once, and this node: the members of an epoch and of the next one, and who may be drawn.
fn peers_max(chain: &Chain) -> NonZeroUsize {
    let seats = chain.seats_max();
    let peers = if chain.file.l1.registry.is_some() { 2 * seats + STANDBY_MAX + 1 } else { seats };
    NonZeroUsize::new(peers).unwrap_or(NonZeroUsize::MIN)
}

/// The largest message that any part of a node sends: a peer that sends more is cut off.
fn message_bytes_max(chain: &Chain) -> u32 {
    let seats = u32::try_from(chain.seats_max()).unwrap_or(u32::MAX);
    let bounds = chain.file.parameters.body_bounds();
    commonware_p2p::max_message_size(&[
        mux::prefixed(simplex::max_payload_size::<Scheme, Digest>(seats)),
        marshal::max_payload_size::<marshal::standard::Standard<SequencedBlock>, Scheme>(seats, &bounds),
        shards::message_bytes_max(&chain.file.parameters),
        dissemination::message_bytes_max(&chain.file.parameters),
        evidence::MESSAGE_BYTES_MAX,
    ])
}
