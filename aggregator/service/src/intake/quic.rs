//! The interface over QUIC.
//!
//! ```text
//!  connection (TLS 1.3, ALPN sinter-intake/1) ── stream 0: POST /v1/jobs … HTTP/1.1 ──▶ ◀── HTTP/1.1 201 …
//!                                             ├─ stream 4: GET /v1/jobs/7 …
//!                                             └─ …
//! ```
//!
//! A client opens a bidirectional stream for each request, and the stream carries that request and its answer as a connection
//! over TCP would. So whatever is true of the interface over TCP, its bounds, tokens and errors, is true here by being the same
//! code. What QUIC adds is bounded here:
//!
//! | what | bound |
//! |---|---|
//! | who has not shown that the address is theirs | nothing is kept of them: they are sent a retry |
//! | connections | [`Options::quic_connections_max`]; one more is refused |
//! | a handshake | as long as a head may take |
//! | streams of a connection | [`Options::streams_max`]; a client that wants one more waits |
//! | bytes of a stream and of a connection that nobody has read | [`STREAM_BYTES_MAX`], [`CONNECTION_BYTES_MAX`] |
//! | bytes that were sent to a connection and not acknowledged | [`CONNECTION_BYTES_MAX`] |
//! | a connection without a request, or without a sound | as long as a head may take |

use super::{
    Options,
    listener::{FAREWELL, Manners, connection},
    tls::{Tls, TlsError},
};
use quinn::{
    Endpoint, EndpointConfig, Incoming, RecvStream, SendStream, ServerConfig, TokioRuntime, TransportConfig, VarInt,
    crypto::rustls::QuicServerConfig,
};
use std::{
    future::Future,
    io,
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_util::task::TaskTracker;

/// The protocol: HTTP/1.1, one exchange a stream.
pub(super) const ALPN: &[u8] = b"sinter-intake/1";
/// Bytes of a stream that nobody has read yet.
const STREAM_BYTES_MAX: u32 = 512 << 10;
/// The same of a connection: one stream that is not read does not stop the others.
const CONNECTION_BYTES_MAX: u32 = 2 * STREAM_BYTES_MAX;
/// First packets that wait to be looked at, and their bytes.
const INCOMING_MAX: usize = 256;
const INCOMING_BYTES_MAX: u64 = 16 << 10;
const INCOMING_BYTES_TOTAL_MAX: u64 = 1 << 20;

/// Why a connection or a stream is ended, as the other end is told.
#[derive(Clone, Copy)]
enum Reason {
    /// The service is stopped.
    Stopped = 0,
    /// Nothing was asked for too long.
    Idle = 1,
    /// The exchange failed before its answer was taken.
    Broken = 2,
}

impl Reason {
    fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }
}

/// Where the interface is listened for over QUIC.
pub struct Quic {
    endpoint: Endpoint,
    crypto: Arc<QuicServerConfig>,
}

/// Why there is no QUIC.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The UDP port is taken, or not ours.
    #[error(transparent)]
    Socket(#[from] io::Error),
    /// There is a certificate, but no cipher for QUIC's first packets.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl Quic {
    /// Listens at a UDP address, with the certificate of the interface.
    ///
    /// # Errors
    /// [`QuicError`].
    pub fn bind(address: SocketAddr, tls: &Tls) -> Result<Self, QuicError> {
        let crypto = Arc::new(tls.quic(ALPN)?);
        let socket = UdpSocket::bind(address)?;
        // Who comes before it is served gets no answer.
        let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, Arc::new(TokioRuntime))?;
        Ok(Self { endpoint, crypto })
    }

    /// The address.
    ///
    /// # Errors
    /// When the socket has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }
}

fn config(crypto: Arc<QuicServerConfig>, options: &Options) -> ServerConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(options.streams_max))
        .max_concurrent_uni_streams(VarInt::from_u32(0))
        .datagram_receive_buffer_size(None)
        .stream_receive_window(VarInt::from_u32(STREAM_BYTES_MAX))
        .receive_window(VarInt::from_u32(CONNECTION_BYTES_MAX))
        .send_window(CONNECTION_BYTES_MAX.into())
        // 2^62 ms is the longest that QUIC can say, and nobody's head takes as long.
        .max_idle_timeout(options.head_timeout.try_into().ok());
    let mut config = ServerConfig::with_crypto(crypto);
    config
        .transport_config(Arc::new(transport))
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES_MAX)
        .incoming_buffer_size_total(INCOMING_BYTES_TOTAL_MAX);
    config
}

pub(super) async fn serve(quic: Quic, options: &Options, manners: Manners) {
    let Quic { endpoint, crypto } = quic;
    endpoint.set_server_config(Some(config(crypto, options)));
    let places = Arc::new(Semaphore::new(options.quic_connections_max));
    let connections = TaskTracker::new();
    loop {
        let incoming = tokio::select! {
            () = manners.stop.cancelled() => break,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { break };
        if !incoming.remote_address_validated() {
            // Who was sent one already and comes without it is not answered a second time.
            if let Err(error) = incoming.retry() {
                error.into_incoming().ignore();
            }
            continue;
        }
        let Ok(place) = places.clone().try_acquire_owned() else {
            tracing::debug!(address = %incoming.remote_address(), "a connection is refused: there are too many");
            incoming.refuse();
            continue;
        };
        let manners = manners.clone();
        connections.spawn(async move {
            converse(incoming, manners).await;
            drop(place);
        });
    }
    endpoint.set_server_config(None);
    connections.close();
    let farewell = async {
        connections.wait().await;
        endpoint.wait_idle().await;
    };
    let _ = timeout(FAREWELL, farewell).await;
}

/// A connection, from its handshake to its end.
async fn converse(incoming: Incoming, manners: Manners) {
    let head_timeout = manners.head_timeout;
    let handshake = async { incoming.accept()?.await };
    let client = match timeout(head_timeout, handshake).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return tracing::debug!(%error, "a handshake failed"),
        Err(_) => return tracing::debug!("a handshake took too long"),
    };
    let mut exchanges = JoinSet::new();
    let reason = loop {
        tokio::select! {
            () = manners.stop.cancelled() => break Reason::Stopped,
            stream = client.accept_bi() => match stream {
                Ok((send, receive)) => {
                    let stream = Stream { send, receive, taken: None };
                    exchanges.spawn(connection(stream, false, manners.clone()));
                }
                // Nobody is there to take an answer.
                Err(error) => return tracing::debug!(%error, "a connection ended"),
            },
            () = idle(&mut exchanges, head_timeout) => break Reason::Idle,
        }
    };
    while exchanges.join_next().await.is_some() {}
    client.close(reason.code(), b"");
}

/// Returns when nothing was asked for so long.
async fn idle(exchanges: &mut JoinSet<()>, wait: Duration) {
    while exchanges.join_next().await.is_some() {}
    tokio::time::sleep(wait).await;
}

type Taken = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// A stream as a connection of its own. It is shut down when the other end has all that was written; what is dropped before is
/// said to be broken, so that nobody takes a part of an answer for the whole.
struct Stream {
    send: SendStream,
    receive: RecvStream,
    /// The wait for the other end, once there is no more to write.
    taken: Option<Taken>,
}

impl Drop for Stream {
    fn drop(&mut self) {
        // Refused after all was taken.
        let _ = self.send.reset(Reason::Broken.code());
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receive).poll_read(context, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.send), context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.send).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.taken.is_none() {
            ready!(Pin::new(&mut self.send).poll_shutdown(context))?;
            let stopped = self.send.stopped();
            self.taken = Some(Box::pin(async move { stopped.await.map(|_| ()).map_err(io::Error::from) }));
        }
        match &mut self.taken {
            Some(taken) => taken.as_mut().poll(context),
            None => Poll::Ready(Ok(())),
        }
    }
}
