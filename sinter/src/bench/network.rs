//! A network of bare validators in one process, over real sockets on loopback.

use super::{
    engine::{self, Channels, Finalized, Observer, Scheme},
    measure::Measured,
};
use bytes::Bytes;
use commonware_cryptography::{
    ChaCha20Poly1305, Signer as _,
    bls12381::primitives::{group::Private, ops::compute_public, variant::MinSig},
    ed25519::{PrivateKey, PublicKey},
    sha256::Digest,
};
use commonware_math::algebra::Random as _;
use commonware_p2p::{
    Address, AddressableManager as _,
    authenticated::lookup::{self, Network, Oracle},
};
use commonware_runtime::{
    Clock, Metrics, Network as RuntimeNetwork, Quota, Resolver, Runner as _, Spawner, Supervisor as _,
    tokio::{self, Context},
};
use commonware_stream::{
    Upgrader,
    cups::{self, Cups},
    sake::{self, Sake},
};
use commonware_utils::{
    NZU32, NZUsize,
    ordered::{BiMap, Map},
};
use rand_core::{CryptoRng, Rng as _};
use sinter_sequencer::{
    channels::{ALL, BACKFILL, BLOCKS, CERTIFICATES, RESOLVER, VOTES},
    quic::{QuicConfig, QuicContext, QuicError, Transport},
};
use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    num::NonZeroUsize,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

const NAMESPACE: Digest = Digest([0x53; 32]);
/// Left out of the measurement: connections, first views, congestion windows.
const WARM_UP: Duration = Duration::from_secs(2);
/// Blocks of each leader before the warm-up begins.
const START_TURNS: usize = 3;
/// A network that has not come so far by then has failed.
const START_LIMIT: Duration = Duration::from_secs(120);

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The sequencer's transport.
    Quic,
    /// commonware's own: TCP under its handshake and ChaCha20-Poly1305.
    Tcp,
}

/// One run of the bare engine.
#[derive(Clone, Debug)]
pub struct Round {
    /// Validators.
    pub validators: u32,
    /// What carries their messages.
    pub carrier: Carrier,
    /// Bytes of payload in every block.
    pub block_bytes: usize,
    /// How long to measure, after the warm-up.
    pub duration: Duration,
    /// Where journals and archives go; a fresh directory below it is used and removed.
    pub storage: PathBuf,
    /// Threads that run the validators.
    pub worker_threads: NonZeroUsize,
}

/// Why a round gave no numbers.
#[derive(Debug, thiserror::Error)]
pub enum RoundError {
    /// No directory, or no address to listen on.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The transport's settings.
    #[error("{0}")]
    Quic(#[from] QuicError),
    /// A validator's storage.
    #[error("storage: {0}")]
    Storage(#[from] commonware_storage::archive::Error),
    /// Keys that do not make a committee.
    #[error("no committee: {0}")]
    Committee(&'static str),
    /// Nothing became final.
    #[error("no block became final within {0:?}")]
    NoProgress(Duration),
}

/// Runs a network for a round's time and measures it.
///
/// # Errors
/// [`RoundError`].
pub fn run(round: &Round) -> Result<Measured, RoundError> {
    let storage = tempfile::tempdir_in(&round.storage)?;
    let config =
        tokio::Config::new().with_worker_threads(round.worker_threads.get()).with_storage_directory(storage.path());
    tokio::Runner::new(config).start(|context| measure(context, round.clone()))
}

struct Seat {
    node_key: PrivateKey,
    scheme: Scheme,
    address: SocketAddr,
}

async fn measure(mut context: Context, round: Round) -> Result<Measured, RoundError> {
    let seats = seats(&mut context, &round)?;
    let peers: Map<PublicKey, Address> =
        Map::from_iter_dedup(seats.iter().map(|seat| (seat.node_key.public_key(), Address::Symmetric(seat.address))));
    let mut payload = vec![0; round.block_bytes];
    context.fill_bytes(&mut payload);
    let payload = Bytes::from(payload);
    let started = Instant::now();
    let mut seen = Vec::new();
    let mut transports = Vec::new();
    for (index, seat) in seats.into_iter().enumerate() {
        let finalized = Arc::new(Mutex::new(Vec::new()));
        seen.push(finalized.clone());
        let observer = Observer { started, finalized };
        let node = context.child("validator").with_attribute("index", index);
        let start = StartSeat {
            node,
            partition: format!("v{index}"),
            round: &round,
            peers: &peers,
            payload: payload.clone(),
            observer,
        };
        match round.carrier {
            Carrier::Quic => {
                let transport = Transport::new(QuicConfig::new(seat.node_key.clone(), NAMESPACE))?;
                let network = QuicContext::new(start.node.child("network"), transport.clone());
                let upgrader = transport.upgrader();
                transports.push(transport);
                start.run(network, upgrader, seat).await?;
            }
            Carrier::Tcp => {
                let network = start.node.child("network");
                let sake = Sake {
                    signer: seat.node_key.clone(),
                    synchrony_bound: Duration::from_secs(5),
                    max_handshake_age: Duration::from_secs(10),
                    version: sake::Version::V1,
                };
                let upgrader = Cups::<_, ChaCha20Poly1305>::new(sake, cups::Version::V1);
                start.run(network, upgrader, seat).await?;
            }
        }
    }
    await_progress(&context, &seen).await?;
    context.sleep(WARM_UP).await;
    let from = started.elapsed();
    context.sleep(round.duration).await;
    let until = started.elapsed();
    let seen: Vec<Vec<Finalized>> = seen.iter().map(|one| lock(one).clone()).collect();
    for transport in transports {
        transport.shutdown(Duration::from_millis(50)).await;
    }
    Measured::new(&seen, from, until).ok_or(RoundError::NoProgress(round.duration))
}

/// Waits until every validator has delivered several blocks of each leader: all are connected, more or less.
async fn await_progress(context: &Context, seen: &[Arc<Mutex<Vec<Finalized>>>]) -> Result<(), RoundError> {
    let started = Instant::now();
    while seen.iter().any(|one| lock(one).len() < START_TURNS * seen.len()) {
        if started.elapsed() > START_LIMIT {
            return Err(RoundError::NoProgress(START_LIMIT));
        }
        context.sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn lock(finalized: &Mutex<Vec<Finalized>>) -> std::sync::MutexGuard<'_, Vec<Finalized>> {
    finalized.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seats(rng: &mut impl CryptoRng, round: &Round) -> Result<Vec<Seat>, RoundError> {
    let nodes: Vec<PrivateKey> = (0..round.validators).map(|_| PrivateKey::random(&mut *rng)).collect();
    let votes: Vec<Private> = (0..round.validators).map(|_| Private::random(&mut *rng)).collect();
    let keys: Vec<_> =
        nodes.iter().map(PrivateKey::public_key).zip(votes.iter().map(compute_public::<MinSig>)).collect();
    let participants = BiMap::try_from(keys).map_err(|_| RoundError::Committee("two keys are equal"))?;
    let addresses = free_addresses(round)?;
    let seat = |((node_key, vote), address): ((PrivateKey, Private), SocketAddr)| {
        let scheme = Scheme::signer(NAMESPACE.as_ref(), participants.clone(), vote)
            .ok_or(RoundError::Committee("a key has no seat"))?;
        Ok(Seat { node_key, scheme, address })
    };
    nodes.into_iter().zip(votes).zip(addresses).map(seat).collect()
}

/// Loopback addresses that nobody listens on just now.
fn free_addresses(round: &Round) -> Result<Vec<SocketAddr>, io::Error> {
    let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    match round.carrier {
        Carrier::Quic => {
            let sockets = (0..round.validators).map(|_| UdpSocket::bind(any)).collect::<Result<Vec<_>, _>>()?;
            sockets.iter().map(UdpSocket::local_addr).collect()
        }
        Carrier::Tcp => {
            let sockets = (0..round.validators).map(|_| TcpListener::bind(any)).collect::<Result<Vec<_>, _>>()?;
            sockets.iter().map(TcpListener::local_addr).collect()
        }
    }
}

struct StartSeat<'a> {
    node: Context,
    partition: String,
    round: &'a Round,
    peers: &'a Map<PublicKey, Address>,
    payload: Bytes,
    observer: Observer,
}

impl StartSeat<'_> {
    /// The same settings whatever the carrier.
    async fn run<E, U>(self, network: E, upgrader: U, seat: Seat) -> Result<(), RoundError>
    where
        E: Spawner + Clock + CryptoRng + RuntimeNetwork + Resolver + Metrics,
        U: Upgrader<PublicKey = PublicKey>,
    {
        let message_bytes_max = engine::message_bytes_max(self.round.validators, self.round.block_bytes);
        let peers_max = NonZeroUsize::new(self.round.validators as usize).unwrap_or(NonZeroUsize::MIN);
        let mut config = lookup::Config::local(
            upgrader,
            NAMESPACE.as_ref(),
            seat.address,
            peers_max,
            message_bytes_max,
            NZUsize!(1024),
        );
        config.bypass_ip_check = true;
        config.tracked_peer_sets = NZUsize!(1);
        config.peer_connection_cooldown = Duration::from_millis(200);
        config.dial_frequency = Duration::from_millis(100);
        config.allowed_handshake_rate_per_ip = Quota::per_second(NZU32!(1024));
        config.allowed_handshake_rate_per_subnet = Quota::per_second(NZU32!(1024));
        let (mut network, mut oracle): (_, Oracle<PublicKey>) = Network::new(network, config);
        let _ = oracle.track(0, self.peers.clone());
        let mut register = |id: u64| network.register(id, ALL[id as usize].quota());
        let channels = Channels {
            votes: register(VOTES),
            certificates: register(CERTIFICATES),
            resolver: register(RESOLVER),
            blocks: register(BLOCKS),
            backfill: register(BACKFILL),
            oracle,
        };
        network.start();
        let node_key = seat.node_key.public_key();
        engine::start(self.node, self.partition, seat.scheme, node_key, self.payload, self.observer, channels).await?;
        Ok(())
    }
}
