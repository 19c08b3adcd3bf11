//! Four seats on a simulated network.

use super::liar::{Liar, Lie};
use bytes::Bytes;
use commonware_cryptography::{
    Signer,
    bls12381::primitives::group::Private,
    ed25519::{PrivateKey, PublicKey},
};
use commonware_math::algebra::Random;
use commonware_p2p::{
    simulated::{self, Link, Oracle},
    utils::mux::{Muxer, SubReceiver, SubSender},
};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Runner as _, Spawner, Supervisor, deterministic};
use commonware_utils::{NZUsize, TestRng, probability};
use sinter_primitives::{
    Chain, Digest, Namespace, Parameters, Transaction, TransactionKind,
    chain::{ChainFile, ForcedInboxSpec, L1Spec, NamespaceSpec, Ordering, RegistrySpec},
    committee::Seat,
    header::{L1Origin, PROTOCOL_MAX},
};
use sinter_sequencer::{
    channels,
    committees::{Repeat, Succession},
    dissemination::DisseminationConfig,
    draw::Drawing,
    engine::{self, EngineError, Settings, Shared},
    evidence::EvidenceStore,
    handle::Head,
    index::Index,
    keys,
    l1::L1View,
    mempool::{Mempool, MempoolConfig, Source, Visibility},
    scheme::{LocalVoter, Voter},
    shards::ShardsConfig,
    status::{Status, stall_bound_ms},
};
use std::{future::Future, net::Ipv4Addr, num::NonZeroUsize, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

pub const SEATS: usize = 4;
pub const CHAIN_ID: u64 = 77;
pub const NAMESPACE: Namespace = Namespace(1);
pub const OTHER_NAMESPACE: Namespace = Namespace(2);
pub const CLOSED_NAMESPACE: Namespace = Namespace(3);

/// A node's channels.
pub const CHANNELS: [u64; 8] = [
    channels::VOTES,
    channels::CERTIFICATES,
    channels::RESOLVER,
    channels::BLOCKS,
    channels::BACKFILL,
    channels::TRANSACTIONS,
    channels::EVIDENCE,
    channels::READINESS,
];

pub type Context = deterministic::Context;
pub type Sender = simulated::Sender<PublicKey, Context>;
pub type Receiver = simulated::Receiver<PublicKey>;

/// Runs a test under each of `seeds`, or under `SINTER_SEED` alone.
pub fn run<F, Fut>(seeds: std::ops::Range<u64>, test: F)
where
    F: Fn(Context) -> Fut,
    Fut: Future<Output = ()>,
{
    let replayed = std::env::var("SINTER_SEED").ok().map(|seed| seed.parse::<u64>().unwrap());
    for seed in replayed.map_or(seeds, |seed| seed..seed + 1) {
        println!("SINTER_SEED={seed}");
        let config = deterministic::Config::new().with_seed(seed).with_timeout(Some(Duration::from_secs(1_800)));
        deterministic::Runner::new(config).start(&test);
    }
}

/// One member's secrets.
#[derive(Clone)]
pub struct Member {
    pub node_key: PrivateKey,
    pub bls_key: Private,
}

impl Member {
    /// Votes with its key.
    pub fn voter(&self, chain: &Chain) -> Arc<dyn Voter> {
        Arc::new(LocalVoter::new(&chain.hash, self.bls_key.clone()))
    }
}

/// A running seat.
pub struct Node {
    pub mempool: Mempool,
    pub index: Arc<Index>,
    pub status: Arc<Status>,
    pub evidence: EvidenceStore,
    pub heads: watch::Receiver<Head>,
    task: Handle<EngineError>,
}

pub struct Cluster {
    pub context: Context,
    pub chain: Arc<Chain>,
    /// Everybody who may ever have a seat; where nobody rotates, by seat.
    pub members: Vec<Member>,
    pub succession: Arc<dyn Succession>,
    /// What members see of the L1. Who sees it draws, whatever `succession` says.
    pub l1: Vec<Option<Arc<dyn L1View>>>,
    /// When the members' blocks go in shards.
    pub shards: ShardsConfig,
    /// The last protocol that members take part in, by seat.
    pub protocol_max: Vec<u8>,
    pub oracle: Oracle<PublicKey, Context>,
    pub nodes: Vec<Option<Node>>,
    directory: TempDir,
    starts: u64,
    sent: u64,
}

/// Short timeouts: the simulated network takes ten milliseconds a hop.
pub fn parameters() -> Parameters {
    Parameters {
        leader_timeout_ms: 400,
        certification_timeout_ms: 800,
        timeout_retry_ms: 800,
        idle_interval_ms: 50,
        expiry_blocks: 64,
        ..Parameters::default()
    }
}

pub const LINK: Link =
    Link { latency: Duration::from_millis(10), jitter: Duration::from_millis(2), success_rate: probability!(1.0) };

impl Cluster {
    /// A connected network without running nodes.
    pub async fn new(context: Context) -> Self {
        Self::with(context, parameters()).await
    }

    pub async fn with(context: Context, parameters: Parameters) -> Self {
        let members = members(SEATS);
        let chain = Arc::new(test_chain(&members, parameters));
        Self::of(context, chain, members, Arc::new(Repeat)).await
    }

    /// A network whose seats go from one to the other as `succession` says.
    pub async fn of(
        context: Context,
        chain: Arc<Chain>,
        members: Vec<Member>,
        succession: Arc<dyn Succession>,
    ) -> Self {
        let count = members.len();
        let peers: Vec<_> = members.iter().map(|member| member.node_key.public_key()).collect();
        let (network, oracle) = simulated::Network::new_with_peers(
            context.child("network"),
            simulated::Config {
                // A block, what is around it, and the largest batch of transactions.
                max_size: (2 * chain.file.parameters.block_bytes_max).max(4 << 20) as u32,
                max_peers_per_set: NonZeroUsize::new(count).unwrap(),
                // As on the real network: who is blocked is gone.
                disconnect_on_block: true,
                tracked_peer_sets: NZUsize!(1),
            },
            peers.clone(),
        )
        .await;
        network.start();
        let cluster = Self {
            context,
            chain,
            members,
            succession,
            l1: (0..count).map(|_| None).collect(),
            shards: ShardsConfig::default(),
            protocol_max: vec![PROTOCOL_MAX; count],
            oracle,
            nodes: (0..count).map(|_| None).collect(),
            directory: tempfile::tempdir().unwrap(),
            starts: 0,
            sent: 0,
        };
        cluster.connect(&(0..count).collect::<Vec<_>>()).await;
        cluster
    }

    pub fn key(&self, seat: usize) -> PublicKey {
        self.members[seat].node_key.public_key()
    }

    /// Links these seats with each other.
    pub async fn connect(&self, seats: &[usize]) {
        for from in seats {
            for to in seats.iter().filter(|to| *to != from) {
                let _ = self.oracle.add_link(self.key(*from), self.key(*to), LINK).await;
            }
        }
    }

    /// Cuts every link between the two groups.
    pub async fn cut(&self, ones: &[usize], others: &[usize]) {
        for one in ones {
            for other in others {
                let _ = self.oracle.remove_link(self.key(*one), self.key(*other)).await;
                let _ = self.oracle.remove_link(self.key(*other), self.key(*one)).await;
            }
        }
    }

    /// Registers one of a seat's channels.
    pub async fn channel(&self, seat: usize, channel: u64) -> (Sender, Receiver) {
        self.oracle.control(self.key(seat)).register(channel, channels::quota(channel)).await.unwrap()
    }

    /// An epoch's part of one of a seat's channels.
    pub async fn subchannel(
        &self,
        seat: usize,
        channel: u64,
        epoch: u64,
    ) -> (SubSender<Sender>, SubReceiver<PublicKey>) {
        let (sender, receiver) = self.channel(seat, channel).await;
        let (mux, mut handle) =
            Muxer::new(self.context.child("mux").with_attribute("channel", channel), sender, receiver);
        mux.start();
        handle.register(epoch).await.unwrap()
    }

    pub fn prefix(seat: usize) -> String {
        format!("seat-{seat}-")
    }

    pub async fn start_all(&mut self) {
        for seat in 0..self.members.len() {
            self.start(seat).await;
        }
    }

    pub async fn start(&mut self, seat: usize) {
        self.try_start(seat, None).await.unwrap();
    }

    /// Starts a seat's node, on whatever it left behind the last time. A node with a lie tells it in every
    /// block that it proposes.
    pub async fn try_start(&mut self, seat: usize, lie: Option<Lie>) -> Result<(), EngineError> {
        let mut channels = Vec::new();
        for channel in CHANNELS {
            channels.push(self.channel(seat, channel).await);
        }
        self.launch(seat, lie, channels).await
    }

    /// Starts a seat's node on these channels, as [`CHANNELS`] has them.
    pub async fn launch<S, R>(
        &mut self,
        seat: usize,
        lie: Option<Lie>,
        channels: impl IntoIterator<Item = (S, R)>,
    ) -> Result<(), EngineError>
    where
        S: commonware_p2p::Sender<PublicKey = PublicKey>,
        R: commonware_p2p::Receiver<PublicKey = PublicKey>,
    {
        self.starts += 1;
        let chain = self.chain.clone();
        let index = Arc::new(self.open_index(seat));
        let mempool = Mempool::new(self.chain.clone(), MempoolConfig::default());
        let now_ms = sinter_sequencer::clock::unix_ms(&self.context);
        let status = Arc::new(Status::new(now_ms, stall_bound_ms(&self.chain.file.parameters, SEATS)));
        let tip = index.tip();
        let head = Head {
            height: tip.header.height,
            digest: tip.digest,
            timestamp_ms: tip.header.timestamp_ms,
            view: tip.header.view,
        };
        let evidence = EvidenceStore::in_memory();
        let (heads, heads_receiver) = watch::channel(head);
        let shared = Shared {
            chain: self.chain.clone(),
            index: index.clone(),
            mempool: mempool.clone(),
            status: status.clone(),
            evidence: evidence.clone(),
            heads,
        };
        let l1 = self.l1[seat].clone();
        let succession = match l1.clone().and_then(|l1| Drawing::new(chain.clone(), l1)) {
            Some(drawing) => Arc::new(drawing),
            None => self.succession.clone(),
        };
        let settings = Settings {
            node_key: self.key(seat),
            voters: [self.members[seat].voter(&self.chain)].into(),
            succession,
            l1,
            fee_recipient: Some([seat as u8 + 1; 20]),
            retention_blocks: 1 << 20,
            dissemination: DisseminationConfig::default(),
            shards: self.shards,
            protocol_max: self.protocol_max[seat],
            partition_prefix: Self::prefix(seat),
        };
        let mut channels = channels.into_iter();
        let mut next = || channels.next().unwrap();
        let network = engine::Network {
            votes: next(),
            certificates: next(),
            resolver: next(),
            blocks: next(),
            backfill: next(),
            transactions: next(),
            evidence: next(),
            readiness: next(),
            blocker: self.oracle.control(self.key(seat)),
            peers: self.oracle.manager(),
            // Everybody sees everybody.
            track: Box::new(|_, _| {}),
        };
        let (started, start) = oneshot::channel();
        let context = self.context.child("node").with_attribute("seat", seat).with_attribute("start", self.starts);
        let task = context.spawn(move |context| async move {
            let honest_or_not = |sequencer| Liar::new(sequencer, chain, lie);
            match engine::start(context, shared, settings, network, Sequential, honest_or_not).await {
                Ok(engine) => {
                    let _ = started.send(());
                    engine.stopped().await
                }
                Err(error) => error,
            }
        });
        if start.await.is_err() {
            return Err(task.await.unwrap());
        }
        self.nodes[seat] = Some(Node { mempool, index, status, evidence, heads: heads_receiver, task });
        Ok(())
    }

    /// The index of a seat whose node does not run.
    pub fn open_index(&self, seat: usize) -> Index {
        Index::open(&self.directory.path().join(format!("{seat}.redb")), self.chain.clone()).unwrap()
    }

    /// Kills a seat's node where it stands.
    pub async fn kill(&mut self, seat: usize) {
        let Node { task, .. } = self.nodes[seat].take().unwrap();
        task.abort();
        let _ = task.await;
        // Its subtasks let go of their files when the runtime next turns to them.
        self.sleep_ms(10).await;
    }

    /// Waits until a seat's node ends by itself, and says why it did.
    pub async fn stopped(&mut self, seat: usize) -> EngineError {
        self.nodes[seat].take().unwrap().task.await.unwrap()
    }

    pub fn node(&self, seat: usize) -> &Node {
        self.nodes[seat].as_ref().unwrap()
    }

    pub fn height(&self, seat: usize) -> u64 {
        self.node(seat).heads.borrow().height
    }

    /// Waits until every running node is at `height`; fails after `seconds`.
    pub async fn reach(&self, height: u64, seconds: u64) {
        let running: Vec<_> = (0..self.nodes.len()).filter(|seat| self.nodes[*seat].is_some()).collect();
        self.reach_all(&running, height, seconds).await;
    }

    pub async fn reach_all(&self, seats: &[usize], height: u64, seconds: u64) {
        let deadline = self.context.current() + Duration::from_secs(seconds);
        loop {
            let heights: Vec<_> = seats.iter().map(|seat| self.height(*seat)).collect();
            if heights.iter().all(|reached| *reached >= height) {
                return;
            }
            assert!(self.context.current() < deadline, "at {heights:?} of {height} after {seconds} s");
            self.context.sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn sleep_ms(&self, milliseconds: u64) {
        self.context.sleep(Duration::from_millis(milliseconds)).await;
    }

    /// A transaction that nobody sent before.
    pub fn transaction(&mut self, namespace: Namespace, expiry_height: u64) -> Transaction {
        self.sent += 1;
        let mut payload = self.sent.to_be_bytes().to_vec();
        payload.resize(200, 7);
        Transaction { kind: TransactionKind::User, namespace, expiry_height, payload: Bytes::from(payload) }
    }

    /// Sends transactions to one seat, which orders them when it leads.
    pub fn send(&mut self, seat: usize, count: usize) -> Vec<Digest> {
        let expiry_height = self.height(seat) + self.chain.file.parameters.expiry_blocks - 1;
        let transactions: Vec<_> = (0..count)
            .map(|number| {
                let namespace = if number % 2 == 0 { NAMESPACE } else { OTHER_NAMESPACE };
                self.transaction(namespace, expiry_height)
            })
            .collect();
        let source = Source::Client(Ipv4Addr::LOCALHOST.into());
        transactions
            .into_iter()
            .map(|transaction| self.node(seat).mempool.insert(transaction, source, Visibility::Public).unwrap())
            .collect()
    }

    /// Checks that nothing that `seat` proposed became final anywhere.
    pub fn assert_no_block_of(&self, seat: usize) {
        for node in self.nodes.iter().flatten() {
            let snapshot = node.index.snapshot().unwrap();
            for height in 1..=node.index.tip().header.height {
                let header = snapshot.header(height).unwrap().unwrap();
                assert_ne!(header.proposer_seat as usize, seat, "{header:?}");
            }
        }
    }

    /// Checks that all running nodes hold the same headers and ledger up to the lowest of their heights.
    pub fn assert_agreement(&self) -> u64 {
        let running: Vec<_> = self.nodes.iter().flatten().collect();
        let height = running.iter().map(|node| node.index.tip().header.height).min().unwrap();
        for at in 0..=height {
            let headers: Vec<_> =
                running.iter().map(|node| node.index.snapshot().unwrap().header(at).unwrap().unwrap()).collect();
            // The header commits to the ledger after it.
            assert!(headers.windows(2).all(|pair| pair[0] == pair[1]), "height {at}: {headers:?}");
        }
        for node in running {
            assert_eq!(node.index.ledger().unwrap().root(), node.index.tip().header.ledger_root);
        }
        height
    }
}

/// So many members, ascending by node key.
pub fn members(count: usize) -> Vec<Member> {
    let mut members: Vec<_> = (0..count as u64)
        .map(|seed| Member { node_key: PrivateKey::from_seed(seed), bls_key: Private::random(TestRng::new(seed)) })
        .collect();
    members.sort_by_key(|member| member.node_key.public_key());
    members
}

/// These members' seats, as `chain.toml` writes them.
pub fn seats(members: &[Member]) -> Vec<Seat> {
    let seats = members.iter().enumerate();
    seats
        .map(|(seat, member)| keys::seat(&member.node_key, &member.bls_key, &format!("127.0.0.1:{}", 4000 + seat)))
        .collect::<Result<_, _>>()
        .unwrap()
}

pub fn test_chain(members: &[Member], parameters: Parameters) -> Chain {
    chain_with(members, parameters, None, None)
}

pub fn chain_with(
    members: &[Member],
    parameters: Parameters,
    registry: Option<RegistrySpec>,
    forced_inbox: Option<ForcedInboxSpec>,
) -> Chain {
    let file = chain_file(members, parameters, registry, forced_inbox);
    Chain::parse(toml::to_string(&file).unwrap().as_bytes()).unwrap()
}

pub fn chain_file(
    members: &[Member],
    parameters: Parameters,
    registry: Option<RegistrySpec>,
    forced_inbox: Option<ForcedInboxSpec>,
) -> ChainFile {
    let seats = seats(members);
    let namespace = |id: Namespace| NamespaceSpec {
        id,
        name: format!("namespace {id}"),
        evm_chain_id: None,
        ordering: Ordering::FirstCome,
    };
    ChainFile {
        chain_id: CHAIN_ID,
        name: "faults".into(),
        genesis_timestamp_ms: 0,
        parameters,
        l1: L1Spec {
            chain_id: 1,
            light_client: format!("0x{}", "ab".repeat(20)),
            origin: L1Origin { number: 5, hash: Digest([5; 32]) },
            registry,
            forced_inbox,
        },
        fees: None,
        seats,
        namespaces: vec![namespace(NAMESPACE), namespace(OTHER_NAMESPACE)],
    }
}
