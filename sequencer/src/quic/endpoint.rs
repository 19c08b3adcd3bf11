//! Endpoints: one that listens, one that dials, and what they share.

use super::{
    config::{QuicConfig, QuicError},
    handshake::{self, HandshakeError},
    metrics,
    reason::Reason,
    session::{Session, Sessions},
    socket::Socket,
    upgrader::QuicUpgrader,
};
use crate::tls::{Identity, Peers, SERVER_NAME};
use commonware_codec::Encode as _;
use commonware_cryptography::{ed25519::PublicKey, sha256::Digest};
use quinn::{
    AckFrequencyConfig, ConnectError, Connecting, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig,
    Incoming, MtuDiscoveryConfig, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    congestion::CubicConfig,
    crypto::{
        CryptoError, HmacKey,
        rustls::{QuicClientConfig, QuicServerConfig},
    },
};
use sha2::{Digest as _, Sha256};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tracing::{debug, info};
use zeroize::Zeroizing;

/// First packets that wait for `lookup` to accept them, and their bytes.
const INCOMING_MAX: usize = 1024;
const INCOMING_BYTES_MAX: u64 = 16 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 4 << 20;
/// quinn makes its receive buffers of this size; a batch of segments is never larger.
const DATAGRAM_BYTES_MAX: u16 = 65_527;

/// A node's QUIC transport: its identity, its endpoints and its connections.
///
/// Share one between [`QuicContext`](super::QuicContext), which binds and dials, and [`QuicUpgrader`], which authenticates.
pub struct Transport {
    pub(super) config: QuicConfig,
    identity: Identity,
    loopback: Arc<TransportConfig>,
    network: Arc<TransportConfig>,
    accept_loopback: Arc<ServerConfig>,
    accept_network: Arc<ServerConfig>,
    endpoints: Mutex<Endpoints>,
    pub(super) sessions: Sessions,
}

/// The protocol's name and version together with the network's.
fn alpn(chain_hash: &Digest) -> Vec<u8> {
    format!("sinter/1/{}", hex::encode(chain_hash.as_ref())).into_bytes()
}

fn quic_server(config: Result<rustls::ServerConfig, rustls::Error>) -> Result<QuicServerConfig, QuicError> {
    QuicServerConfig::try_from(config?).map_err(|_| QuicError::NoInitialCipher)
}

fn quic_client(config: Result<rustls::ClientConfig, rustls::Error>) -> Result<QuicClientConfig, QuicError> {
    QuicClientConfig::try_from(config?).map_err(|_| QuicError::NoInitialCipher)
}

#[derive(Default)]
struct Endpoints {
    listening: Vec<Endpoint>,
    dialing_v4: Option<Endpoint>,
    dialing_v6: Option<Endpoint>,
}

impl Endpoints {
    fn all(&self) -> impl Iterator<Item = &Endpoint> {
        self.listening.iter().chain(&self.dialing_v4).chain(&self.dialing_v6)
    }
}

impl Transport {
    /// Makes the transport. Nothing is bound before `lookup` starts.
    pub fn new(config: QuicConfig) -> Result<Arc<Self>, QuicError> {
        config.check()?;
        metrics::describe();
        let identity = Identity::new(&config.node_key, alpn(&config.chain_hash))?;
        let loopback = Arc::new(transport(&config, config.mtu_loopback_max, config.initial_window_loopback_bytes)?);
        let network = Arc::new(transport(&config, config.mtu_max, config.initial_window_bytes)?);
        let crypto = Arc::new(quic_server(identity.server(Peers::Any))?);
        let accept = |transport: &Arc<TransportConfig>| {
            let mut server = ServerConfig::with_crypto(crypto.clone());
            server
                .transport_config(transport.clone())
                .max_incoming(INCOMING_MAX)
                .incoming_buffer_size(INCOMING_BYTES_MAX)
                .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
            Arc::new(server)
        };
        Ok(Arc::new(Self {
            accept_loopback: accept(&loopback),
            accept_network: accept(&network),
            identity,
            loopback,
            network,
            endpoints: Mutex::default(),
            sessions: Sessions::default(),
            config,
        }))
    }

    /// The half that `lookup::Config` takes.
    pub fn upgrader(self: &Arc<Self>) -> QuicUpgrader {
        QuicUpgrader::new(self.clone())
    }

    /// Peers that are connected now.
    pub fn peers(&self) -> usize {
        self.sessions.len()
    }

    /// Moves the dialing endpoints to fresh sockets, after this host's addresses changed. Their connections live
    /// on: the peers see them come from another address, and check it.
    pub fn rebind(&self) -> io::Result<()> {
        let endpoints = self.endpoints();
        for (endpoint, address) in [(&endpoints.dialing_v4, any_v4()), (&endpoints.dialing_v6, any_v6())] {
            if let Some(endpoint) = endpoint {
                endpoint.rebind_abstract(Socket::bind(address, self.config.socket_buffer_bytes)?)?;
                info!(address = ?endpoint.local_addr(), "moved to another socket");
            }
        }
        Ok(())
    }

    /// Tells all peers that the node stops, and waits until they know or `limit` has passed.
    pub async fn shutdown(&self, limit: Duration) {
        let endpoints: Vec<Endpoint> = self.endpoints().all().cloned().collect();
        self.sessions.close_all(Reason::Shutdown);
        for endpoint in &endpoints {
            endpoint.close(Reason::Shutdown.code(), Reason::Shutdown.name().as_bytes());
        }
        let idle = async {
            for endpoint in &endpoints {
                endpoint.wait_idle().await;
            }
        };
        if tokio::time::timeout(limit, idle).await.is_err() {
            debug!(?limit, "some peers did not confirm the close");
        }
    }

    pub(super) fn listen(&self, address: SocketAddr) -> io::Result<Endpoint> {
        let endpoint = self.endpoint(Some((*self.accept_network).clone()), address)?;
        self.endpoints().listening.push(endpoint.clone());
        Ok(endpoint)
    }

    pub(super) fn connect(&self, address: SocketAddr, peer: &PublicKey) -> Result<Connecting, DialError> {
        let mut client = quinn::ClientConfig::new(Arc::new(quic_client(self.identity.client(peer))?));
        client.transport_config(if is_loopback(address) { self.loopback.clone() } else { self.network.clone() });
        Ok(self.dialing(address)?.connect_with(client, address, SERVER_NAME)?)
    }

    pub(super) fn accept(&self, incoming: Incoming) -> Result<Connecting, HandshakeError> {
        let server = if is_loopback(incoming.remote_address()) { &self.accept_loopback } else { &self.accept_network };
        incoming.accept_with(server.clone()).map_err(handshake::ended)
    }

    pub(super) fn sessions_of(&self, peer: &PublicKey) -> Option<Arc<Session>> {
        self.sessions.get(peer)
    }

    fn dialing(&self, address: SocketAddr) -> io::Result<Endpoint> {
        let mut endpoints = self.endpoints();
        let (slot, any) = match address {
            SocketAddr::V4(_) => (&mut endpoints.dialing_v4, any_v4()),
            SocketAddr::V6(_) => (&mut endpoints.dialing_v6, any_v6()),
        };
        if let Some(endpoint) = slot {
            return Ok(endpoint.clone());
        }
        Ok(slot.insert(self.endpoint(None, any)?).clone())
    }

    fn endpoint(&self, server: Option<ServerConfig>, address: SocketAddr) -> io::Result<Endpoint> {
        let socket = Socket::bind(address, self.config.socket_buffer_bytes)?;
        let mut config = EndpointConfig::new(Arc::new(ResetKey::new(&self.config)));
        config.cid_generator(|| Box::new(RandomIds));
        // The one error is a size below 1200.
        config.max_udp_payload_size(DATAGRAM_BYTES_MAX).map_err(io::Error::other)?;
        Endpoint::new_with_abstract_socket(config, server, socket, Arc::new(TokioRuntime))
    }

    fn endpoints(&self) -> std::sync::MutexGuard<'_, Endpoints> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a connection could not even be attempted.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No TLS configuration for this peer.
    #[error("{0}")]
    Config(#[from] QuicError),
    /// No socket to dial from.
    #[error("bind: {0}")]
    Io(#[from] io::Error),
    /// The address cannot be dialed, or the endpoint is stopping.
    #[error("connect: {0}")]
    Connect(#[from] ConnectError),
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

fn any_v4() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0)
}

fn any_v6() -> SocketAddr {
    SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 0)
}

fn transport(config: &QuicConfig, mtu_max: u16, initial_window_bytes: u64) -> Result<TransportConfig, QuicError> {
    let streams = config.channels.len() as u32; // at most 64: checked
    let window = VarInt::from_u32(config.stream_window_bytes);
    // Every stream's window fits into the connection's: no stream takes another's credit, in either direction.
    let windows = u64::from(config.stream_window_bytes) * u64::from(streams + 1);
    let idle = config.idle_timeout.try_into().map_err(|_| QuicError::OutOfRange {
        key: "idle_timeout",
        expected: "less than 2^62 ms",
        got: format!("{:?}", config.idle_timeout),
    })?;
    let mut mtu = MtuDiscoveryConfig::default();
    mtu.upper_bound(mtu_max);
    // A vote travels alone in its packet: acknowledging every second packet doubles the packets of a quiet network.
    let mut acknowledgements = AckFrequencyConfig::default();
    acknowledgements.ack_eliciting_threshold(ACK_ELICITING_THRESHOLD);
    let mut cubic = CubicConfig::default();
    cubic.initial_window(initial_window_bytes);

    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_uni_streams(VarInt::from_u32(streams))
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .stream_receive_window(window)
        .receive_window(VarInt::from_u64(windows).unwrap_or(VarInt::MAX))
        .send_window(windows)
        // Without fairness quinn finishes the stream it has begun, whatever its priority.
        .send_fairness(true)
        .datagram_receive_buffer_size(None)
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(config.keep_alive))
        .mtu_discovery_config(Some(mtu))
        .ack_frequency_config(Some(acknowledgements))
        .congestion_controller_factory(Arc::new(cubic));
    Ok(transport)
}

/// Packets that a peer may leave unacknowledged for `max_ack_delay` (draft-ietf-quic-ack-frequency).
const ACK_ELICITING_THRESHOLD: VarInt = VarInt::from_u32(8);

/// Connection ids without a mark of who issued them. quinn's own carry one, by which a restarted node would take its
/// earlier life's packets for garbage and leave them without the reset that [`ResetKey`] is for.
struct RandomIds;

const ID_BYTES: usize = 8;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; ID_BYTES]>())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

/// HMAC-SHA256 (RFC 2104) under a key that follows from the node key: a restarted node can tell its peers that it
/// does not know their connections, and they come back at once instead of after the idle time-out.
struct ResetKey(Zeroizing<[u8; 32]>);

const HMAC_BLOCK_BYTES: usize = 64;

impl ResetKey {
    fn new(config: &QuicConfig) -> Self {
        let seed = Zeroizing::new(config.node_key.encode().to_vec());
        let mut hasher = Sha256::new();
        hasher.update(b"sinter/1/stateless reset");
        hasher.update(&*seed);
        Self(Zeroizing::new(hasher.finalize().into()))
    }

    fn tag(&self, data: &[u8]) -> [u8; 32] {
        let pad = |with: u8| {
            let mut block = Zeroizing::new([with; HMAC_BLOCK_BYTES]);
            for (byte, key) in block.iter_mut().zip(self.0.iter()) {
                *byte ^= key;
            }
            block
        };
        let inner = Sha256::new().chain_update(*pad(0x36)).chain_update(data).finalize();
        Sha256::new().chain_update(*pad(0x5c)).chain_update(inner).finalize().into()
    }
}

impl HmacKey for ResetKey {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(&self.tag(data)[..signature_out.len()]);
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let tag = self.tag(data);
        let differs =
            tag.iter().zip(signature).fold(tag.len() ^ signature.len(), |sum, (a, b)| sum | usize::from(a ^ b));
        if differs == 0 { Ok(()) } else { Err(CryptoError) }
    }
}
