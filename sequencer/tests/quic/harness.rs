//! Nodes, messages and what they record.

use ::tokio::sync::oneshot;
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
    sha256::Digest,
};
use commonware_runtime::{IoBuf, IoBufs, Listener as _, Network as _, Runner as _, Supervisor as _, tokio};
use commonware_stream::Upgrader as _;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sinter_sequencer::quic::{
    HandshakeError, QuicConfig, QuicContext, QuicListener, QuicReceiver, QuicSender, QuicUpgrader, Transport,
};
use std::{
    future::Future,
    net::SocketAddr,
    sync::{Arc, OnceLock, mpsc},
    time::{Duration, Instant},
};

pub type Context = tokio::Context;
pub type Halves = (QuicSender, QuicReceiver);

pub const CHAIN: Digest = Digest([7; 32]);
pub const NAMESPACE: &[u8] = b"sinter_STREAM";
/// The largest message of most tests.
pub const LIMIT: u32 = 6 << 20;
/// Longer than anything here should take.
pub const SOON: Duration = Duration::from_secs(20);

/// Runs a test on commonware's tokio runtime.
pub fn run<F: Future>(test: impl FnOnce(Context) -> F) -> F::Output {
    recorder();
    tokio::Runner::new(tokio::Config::new().with_worker_threads(2)).start(test)
}

/// This process' metrics.
fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| PrometheusBuilder::new().install_recorder().unwrap())
}

/// How often connections ended for `reason`, on whichever side.
pub fn ended(reason: &str) -> u64 {
    let label = format!("reason=\"{reason}\"");
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap();
    let text = recorder().render();
    let lines = text.lines().filter(|line| line.starts_with("sinter_quic_connections_closed_total{"));
    lines.filter(|line| line.contains(&label)).map(count).sum()
}

/// The value of a metric's first series that has `label`.
pub fn metric(name: &str, label: &str) -> f64 {
    let text = recorder().render();
    let line = text.lines().find(|line| line.starts_with(name) && line.contains(label));
    line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

/// Waits until `holds`, or fails.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < SOON, "never: {what}");
        ::tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub fn key(seed: u64) -> PublicKey {
    PrivateKey::from_seed(seed).public_key()
}

pub fn config(seed: u64) -> QuicConfig {
    QuicConfig::new(PrivateKey::from_seed(seed), CHAIN)
}

/// A p2p message as `lookup` frames it, as far as the transport looks.
pub fn message(channel: u64, payload: &[u8]) -> IoBufs {
    let head = IoBuf::from(vec![0, channel as u8]);
    IoBufs::from(vec![head, IoBuf::copy_from_slice(payload)])
}

pub fn ping() -> IoBufs {
    IoBufs::from(vec![1_u8])
}

pub struct Node {
    pub transport: Arc<Transport>,
    pub context: QuicContext<Context>,
    runtime: Context,
}

impl Node {
    pub fn new(context: &Context, config: QuicConfig) -> Self {
        let transport = Transport::new(config).unwrap();
        let quic = QuicContext::new(context.child("quic"), transport.clone());
        Self { transport, context: quic, runtime: context.child("node") }
    }

    pub async fn bind(&self) -> (SocketAddr, QuicListener) {
        let listener = self.context.bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        (listener.local_addr().unwrap(), listener)
    }

    /// Binds a given address, which its last owner may just have left.
    pub async fn bind_at(&self, address: SocketAddr) -> QuicListener {
        self.context.bind(address).await.unwrap()
    }

    pub async fn dial(&self, address: SocketAddr, peer: PublicKey) -> Result<Halves, HandshakeError> {
        let (sink, stream) = self.context.dial(address).await.unwrap();
        self.transport.upgrader().dial(self.runtime.child("dial"), NAMESPACE, LIMIT, peer, stream, sink).await
    }

    pub async fn accept(&self, listener: &mut QuicListener) -> Result<(PublicKey, Halves), HandshakeError> {
        self.accept_if(listener, |_| true).await
    }

    pub async fn accept_if(
        &self,
        listener: &mut QuicListener,
        wanted: impl Fn(PublicKey) -> bool + Send + Sync,
    ) -> Result<(PublicKey, Halves), HandshakeError> {
        let (_, sink, stream) = listener.accept().await.unwrap();
        let upgrader: QuicUpgrader = self.transport.upgrader();
        let bouncer = |peer| {
            let wanted = wanted(peer);
            async move { wanted }
        };
        let context = self.runtime.child("listen");
        let (peer, sender, receiver) = upgrader.listen(context, NAMESPACE, LIMIT, bouncer, stream, sink).await?;
        Ok((peer, (sender, receiver)))
    }
}

/// Two connected nodes: the dialer's halves, then the listener's.
pub struct Pair {
    pub dialer: Node,
    pub listener: Node,
    pub near: Halves,
    pub far: Halves,
    pub address: SocketAddr,
    /// Dropping it closes the socket to newcomers.
    pub accepting: QuicListener,
}

pub async fn pair(context: &Context) -> Pair {
    pair_with(context, config(1), config(2), |address| async move { address }).await
}

/// Connects two nodes; `via` may put a link between them.
pub async fn pair_with<F: Future<Output = SocketAddr>>(
    context: &Context,
    dialer: QuicConfig,
    listener: QuicConfig,
    via: impl FnOnce(SocketAddr) -> F,
) -> Pair {
    let (dialer, listener) = (Node::new(context, dialer), Node::new(context, listener));
    let (address, mut accepting) = listener.bind().await;
    let address = via(address).await;
    let (near, far) = ::tokio::join!(dialer.dial(address, key(2)), listener.accept(&mut accepting));
    let (peer, far) = far.unwrap();
    assert_eq!(peer, key(1));
    Pair { dialer, listener, near: near.unwrap(), far, address, accepting }
}

/// A node in a runtime of its own: sends its address, accepts one peer, and dies without a word when told to stop
/// (the channel then closes).
pub fn elsewhere(config: QuicConfig) -> (mpsc::Receiver<SocketAddr>, oneshot::Sender<()>) {
    let (address, addresses) = mpsc::channel();
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let remains = run(|context| async move {
            let node = Node::new(&context, config);
            let (bound, mut listener) = node.bind().await;
            address.send(bound).unwrap();
            let connected = node.accept(&mut listener).await.unwrap();
            let _ = stopped.await;
            // Dropped after the runtime, when nothing is left that could send a goodbye.
            (connected, node, listener, address)
        });
        drop(remains);
    });
    (addresses, stop)
}
