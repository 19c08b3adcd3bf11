//! Connections: bounded in number, and in the time that each may take to say something.
//!
//! Without a certificate the interface is HTTP/1.1 in the clear, for a proxy that stands before it; with one it is HTTP/1.1 over
//! TLS, and over QUIC beside it where that is wanted.

use super::{
    Options,
    quic::{self, Quic},
    tls::Tls,
};
use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// After an error of the listening socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// How long requests that are being served may take after the service is stopped.
pub(super) const FAREWELL: Duration = Duration::from_secs(10);

/// Where the interface is listened for.
pub struct Listener {
    tcp: TcpListener,
    tls: Option<Tls>,
    quic: Option<Quic>,
}

impl From<TcpListener> for Listener {
    /// In the clear.
    fn from(tcp: TcpListener) -> Self {
        Self { tcp, tls: None, quic: None }
    }
}

impl Listener {
    /// Listens at an address.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn bind(address: SocketAddr, tls: Option<Tls>) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, tls, quic: None })
    }

    /// The same, and over QUIC beside it.
    #[must_use]
    pub fn and(self, quic: Quic) -> Self {
        Self { quic: Some(quic), ..self }
    }

    /// The address.
    ///
    /// # Errors
    /// When the socket has none.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// How connections are treated.
#[derive(Clone)]
pub(super) struct Manners {
    pub router: Router,
    /// Time for a head, and for a handshake.
    pub head_timeout: Duration,
    /// Time in which some of an answer is taken.
    pub stall_timeout: Duration,
    pub stop: CancellationToken,
}

pub(super) async fn serve(listener: Listener, options: &Options, manners: Manners) {
    let Listener { tcp, tls, quic } = listener;
    let over_quic = async {
        if let Some(quic) = quic {
            quic::serve(quic, options, manners.clone()).await;
        }
    };
    tokio::join!(over_tcp(tcp, tls, options.connections_max, manners.clone()), over_quic);
}

async fn over_tcp(tcp: TcpListener, tls: Option<Tls>, connections_max: usize, manners: Manners) {
    let tls = tls.map(|tls| TlsAcceptor::from(tls.0));
    let slots = Arc::new(Semaphore::new(connections_max));
    let connections = TaskTracker::new();
    loop {
        // Beyond the bound, connections wait in the system's own bounded queue.
        let slot = tokio::select! {
            () = manners.stop.cancelled() => break,
            slot = slots.clone().acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let socket = tokio::select! {
            () = manners.stop.cancelled() => break,
            accepted = tcp.accept() => accepted,
        };
        match socket {
            Ok((socket, _)) => {
                let (tls, manners) = (tls.clone(), manners.clone());
                connections.spawn(async move {
                    encrypted(socket, tls, manners).await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection cannot be taken");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    connections.close();
    let _ = tokio::time::timeout(FAREWELL, connections.wait()).await;
}

async fn encrypted(socket: TcpStream, tls: Option<TlsAcceptor>, manners: Manners) {
    let Some(tls) = tls else { return connection(socket, true, manners).await };
    match tokio::time::timeout(manners.head_timeout, tls.accept(socket)).await {
        Ok(Ok(stream)) => connection(stream, true, manners).await,
        Ok(Err(error)) => tracing::debug!(%error, "a handshake failed"),
        Err(_) => tracing::debug!("a handshake took too long"),
    }
}

/// Serves HTTP/1.1: many exchanges if it is kept alive, or one.
pub(super) async fn connection(
    socket: impl AsyncRead + AsyncWrite + Send + 'static,
    keep_alive: bool,
    manners: Manners,
) {
    let Manners { router, head_timeout, stall_timeout, stop } = manners;
    let mut socket = TimeoutStream::new(socket);
    socket.set_write_timeout(Some(stall_timeout));
    let connection = http1::Builder::new()
        .keep_alive(keep_alive)
        // Of one exchange, the end of what the client sends is the end of its request.
        .half_close(!keep_alive)
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(Box::pin(socket)), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a connection failed");
    }
}
