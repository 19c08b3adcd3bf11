//! A runtime whose network is QUIC and whose everything else is the runtime that it wraps.

use super::endpoint::Transport;
use commonware_parallel::Rayon;
use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, IoBufs, Metrics, Name, Network, Resolver, Sink, Spawner, Storage, Strategizer,
    Stream, Supervisor,
    signal::Signal,
    telemetry::metrics::{Metric, Registered},
};
use quinn::{Endpoint, Incoming};
use rand_core::{TryCryptoRng, TryRng};
use std::{
    future::{Future, pending},
    io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tracing::error;

/// Wraps commonware's tokio runtime `E` and replaces its network.
pub struct QuicContext<E> {
    inner: E,
    transport: Arc<Transport>,
}

impl<E> QuicContext<E> {
    /// Gives `inner` the network of `transport`.
    pub fn new(inner: E, transport: Arc<Transport>) -> Self {
        Self { inner, transport }
    }
}

/// Where a connection comes from.
pub(super) enum Origin {
    Dial(SocketAddr),
    Accepted(Box<Incoming>),
}

/// A connection to be: [`QuicUpgrader`](super::QuicUpgrader) makes it. Carries no bytes itself.
pub struct QuicStream {
    origin: Origin,
}

impl QuicStream {
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(super) fn into_origin(self) -> Origin {
        self.origin
    }
}

/// The other half of the token, which holds nothing.
pub struct QuicSink {
    _private: (),
}

impl Stream for QuicStream {
    async fn recv(&mut self, _len: usize) -> Result<IoBufs, Error> {
        Err(Error::Closed)
    }

    fn peek(&self, _max_len: usize) -> &[u8] {
        &[]
    }
}

impl Sink for QuicSink {
    async fn send(&mut self, _bufs: impl Into<IoBufs> + Send) -> Result<(), Error> {
        Err(Error::Closed)
    }
}

/// Hands out attempts from peers whose address is proven, before their handshake: who takes one runs it, so a slow
/// peer delays nobody.
pub struct QuicListener {
    endpoint: Endpoint,
}

impl commonware_runtime::Listener for QuicListener {
    type Sink = QuicSink;
    type Stream = QuicStream;

    async fn accept(&mut self) -> Result<(SocketAddr, QuicSink, QuicStream), Error> {
        loop {
            let Some(incoming) = self.endpoint.accept().await else {
                // The endpoint was shut down. `lookup` asks again at once after an error, for ever.
                return pending().await;
            };
            if incoming.remote_address_validated() {
                let remote = incoming.remote_address();
                let address = SocketAddr::new(remote.ip().to_canonical(), remote.port());
                let origin = Origin::Accepted(Box::new(incoming));
                return Ok((address, QuicSink { _private: () }, QuicStream { origin }));
            }
            // `lookup` counts attempts per address: a spoofed one must not use up another's share. An attempt that
            // is not validated may always be retried, and the peer comes back with proof in one round trip.
            if let Err(error) = incoming.retry() {
                error.into_incoming().refuse();
            }
        }
    }

    fn local_addr(&self) -> Result<SocketAddr, io::Error> {
        self.endpoint.local_addr()
    }
}

impl<E: Send + Sync + 'static> Network for QuicContext<E> {
    type Listener = QuicListener;

    async fn bind(&self, socket: SocketAddr) -> Result<QuicListener, Error> {
        let endpoint = self.transport.listen(socket).map_err(|error| {
            error!(address = %socket, %error, "cannot listen for peers");
            Error::BindFailed
        })?;
        Ok(QuicListener { endpoint })
    }

    async fn dial(&self, socket: SocketAddr) -> Result<(QuicSink, QuicStream), Error> {
        Ok((QuicSink { _private: () }, QuicStream { origin: Origin::Dial(socket) }))
    }
}

impl<E: Supervisor> Supervisor for QuicContext<E> {
    fn name(&self) -> Name {
        self.inner.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { inner: self.inner.child(label), transport: self.transport.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl std::fmt::Display) -> Self {
        Self { inner: self.inner.with_attribute(key, value), transport: self.transport }
    }
}

impl<E: Spawner> Spawner for QuicContext<E> {
    fn shared(self, blocking: bool) -> Self {
        Self { inner: self.inner.shared(blocking), transport: self.transport }
    }

    fn dedicated(self) -> Self {
        Self { inner: self.inner.dedicated(), transport: self.transport }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let transport = self.transport;
        self.inner.spawn(move |inner| f(Self { inner, transport }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.inner.stop(value, timeout).await
    }

    fn stopped(&self) -> Signal {
        self.inner.stopped()
    }
}

impl<E: Strategizer> Strategizer for QuicContext<E> {
    fn strategy(&self, parallelism: NonZeroUsize) -> Rayon {
        self.inner.strategy(parallelism)
    }
}

impl<E: Metrics> Metrics for QuicContext<E> {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(&self, name: N, help: H, metric: M) -> Registered<M> {
        self.inner.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.inner.encode()
    }
}

impl<E: Clock> Clock for QuicContext<E> {
    fn current(&self) -> SystemTime {
        self.inner.current()
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep(duration)
    }

    fn sleep_until(&self, deadline: SystemTime) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.inner.sleep_until(deadline)
    }
}

impl<E: Clock> governor::clock::Clock for QuicContext<E> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.inner.now()
    }
}

impl<E: Clock> governor::clock::ReasonablyRealtime for QuicContext<E> {}

impl<E: Resolver> Resolver for QuicContext<E> {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        self.inner.resolve(host).await
    }
}

impl<E: TryRng> TryRng for QuicContext<E> {
    type Error = E::Error;

    fn try_next_u32(&mut self) -> Result<u32, E::Error> {
        self.inner.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, E::Error> {
        self.inner.try_next_u64()
    }

    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), E::Error> {
        self.inner.try_fill_bytes(dest)
    }
}

impl<E: TryCryptoRng> TryCryptoRng for QuicContext<E> {}

impl<E: Storage> Storage for QuicContext<E> {
    type Blob = E::Blob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(E::Blob, u64, BlobVersion), Error> {
        self.inner.open_versioned(partition, name, versions).await
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.inner.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.scan(partition).await
    }
}
