//! Connections: admitted while there is room, refused at little cost otherwise, ended when the node stops.
//!
//! A connection holds one file. As many are admitted as are configured, and never more than half of
//! what the process may have open; who comes when all are taken is told so and let go.

use super::{
    RpcError,
    clients::ConnectionSlot,
    config::RpcConfig,
    error,
    metrics::{self, ConnectionGauge, Exporter, RegistryText},
    site::{Scope, Site},
    stream::GuardedStream,
};
use crate::{archive::Bounded, handle::Handle};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use jsonrpsee::{
    server::{ServerHandle, StopHandle, stop_channel},
    types::ErrorObjectOwned,
};
use serde_json::json;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{sleep, timeout},
};

/// Connections that are waited for while they are told that there is no room; others are told in passing.
const FAREWELLS_MAX: usize = 128;
/// Most time for a farewell.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(1);
/// Connections to the listener of `/metrics` alone.
const SCRAPERS_MAX: usize = 32;
/// Pause after a failed accept: the system is out of files, and asking at once helps nobody.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Time between looks after the recorder's histograms.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Most time that connections have to end once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// A running interface. Dropping it stops it without waiting.
#[derive(Debug)]
pub struct RpcServer {
    address: SocketAddr,
    metrics_address: SocketAddr,
    stop: ServerHandle,
}

impl RpcServer {
    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `/metrics` is.
    #[must_use]
    pub const fn metrics_address(&self) -> SocketAddr {
        self.metrics_address
    }

    /// Takes no more connections, lets running calls end, and ends subscriptions.
    pub async fn stop(self) {
        // The only error is that it has stopped already.
        let _ = self.stop.stop();
        if timeout(STOP_TIMEOUT, self.stop.stopped()).await.is_err() {
            tracing::warn!("rpc: connections were still open when the time to stop was over");
        }
    }
}

/// Starts the interface of a node.
///
/// `registry_text` gives the text of the consensus library's registry, which `/metrics` shows behind
/// the prefix `commonware_`.
///
/// # Errors
/// [`RpcError`] when the configuration is not sound, an address is taken, or another metrics recorder
/// is installed.
pub async fn serve(handle: Handle, config: RpcConfig, registry_text: RegistryText) -> Result<RpcServer, RpcError> {
    let recorder = metrics::install()?;
    config.check(&handle.chain.file.parameters)?;
    let handle = Handle { archive: Arc::new(Bounded::new(handle.archive)), ..handle };
    let (listener, address) = bind(config.listen).await?;
    let scrapers = match config.metrics_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let metrics_address = scrapers.as_ref().map_or(address, |(_, address)| *address);

    let (stop_handle, stop) = stop_channel();
    let exporter = Arc::new(Exporter::new(recorder, registry_text, handle.clone(), config.behind_blocks_max));
    let scope = if scrapers.is_some() { Scope::NoMetrics } else { Scope::Everything };
    let site = Arc::new(Site::new(handle, config, exporter.clone(), stop_handle.clone(), scope)?);
    if let Some((listener, _)) = scrapers {
        let door = Door::new(Arc::new(site.for_scrapers()), SCRAPERS_MAX);
        tokio::spawn(door.accept(listener, stop_handle.clone()));
    }
    let places = places(site.config().connections_max);
    tokio::spawn(Door::new(site, places).accept(listener, stop_handle.clone()));
    tokio::spawn(upkeep(exporter, stop_handle));
    tracing::info!(%address, %metrics_address, "rpc: listening");
    Ok(RpcServer { address, metrics_address, stop })
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RpcError> {
    let failed = |source| RpcError::Bind { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Connections to admit: what is configured, or half of the files that the process may have open.
/// The other half is for storage and peers.
fn places(configured: usize) -> usize {
    let files = metrics::open_files_max().and_then(|files| usize::try_from(files / 2).ok());
    match files {
        Some(files) if files < configured => {
            tracing::warn!(configured, admitted = files, "rpc: the limit of open files admits fewer connections");
            files.max(1)
        }
        _ => configured,
    }
}

async fn upkeep(exporter: Arc<Exporter>, stop: StopHandle) {
    let stopped = stop.shutdown();
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = sleep(UPKEEP_INTERVAL) => exporter.upkeep(),
        }
    }
}

/// What a connection holds while it is open: its places, here and in its client's count. A WebSocket
/// takes it along.
#[derive(Debug)]
pub(super) struct Held {
    _place: OwnedSemaphorePermit,
    _slot: ConnectionSlot,
    _gauge: ConnectionGauge,
}

/// Where connections come in.
struct Door {
    site: Arc<Site>,
    places: Arc<Semaphore>,
    places_max: usize,
    farewells: Arc<Semaphore>,
}

impl Door {
    fn new(site: Arc<Site>, places_max: usize) -> Self {
        Self {
            site,
            places: Arc::new(Semaphore::new(places_max)),
            places_max,
            farewells: Arc::new(Semaphore::new(FAREWELLS_MAX)),
        }
    }

    async fn accept(self, listener: TcpListener, stop: StopHandle) {
        let stopped = stop.clone().shutdown();
        tokio::pin!(stopped);
        loop {
            let accepted = tokio::select! {
                () = &mut stopped => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((socket, address)) => self.admit(socket, address.ip(), &stop),
                Err(error) => {
                    metrics::connection_refused("accept-failed");
                    tracing::warn!(%error, "rpc: cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn admit(&self, socket: TcpStream, address: IpAddr, stop: &StopHandle) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            metrics::connection_refused("node-full");
            return self.refuse(socket, &error::too_many_connections(self.places_max, "on this node"));
        };
        let Some(slot) = self.site.clients().connect(address) else {
            metrics::connection_refused("client-full");
            let max = self.site.config().connections_per_client_max;
            return self.refuse(socket, &error::too_many_connections(max, "from one client"));
        };
        let held = Arc::new(Held { _place: place, _slot: slot, _gauge: ConnectionGauge::new() });
        tokio::spawn(serve_connection(self.site.clone(), socket, address, held, stop.clone()));
    }

    /// Tells a client that there is no room, if that can be done at little cost.
    fn refuse(&self, socket: TcpStream, error: &ErrorObjectOwned) {
        let body = json!({ "jsonrpc": "2.0", "id": null, "error": error }).to_string();
        let response = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             retry-after: 1\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let Ok(farewell) = self.farewells.clone().try_acquire_owned() else {
            // Without waiting for the client: it reads this, unless it has sent something already.
            if let Ok(mut socket) = socket.into_std() {
                let _ = std::io::Write::write(&mut socket, response.as_bytes());
            }
            return;
        };
        tokio::spawn(async move {
            // A client that goes away meanwhile needs no answer.
            let _ = timeout(FAREWELL_TIMEOUT, say_farewell(socket, response)).await;
            drop(farewell);
        });
    }
}

/// Reads what the client has to say before it answers, and a little after: a socket that is closed
/// with something unread in it takes its last words along.
async fn say_farewell(mut socket: TcpStream, response: String) -> std::io::Result<()> {
    let mut unread = [0; 4096];
    if socket.read(&mut unread).await? == 0 {
        return Ok(());
    }
    socket.write_all(response.as_bytes()).await?;
    socket.shutdown().await?;
    while socket.read(&mut unread).await? > 0 {}
    Ok(())
}

async fn serve_connection(site: Arc<Site>, socket: TcpStream, address: IpAddr, held: Arc<Held>, stop: StopHandle) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "rpc: the connection was gone before it was served");
        return;
    }
    let config = site.config();
    let stream = GuardedStream::new(socket, config.write_timeout());
    let idle_timeout = config.idle_timeout();
    let service = service_fn(move |request| {
        let (site, held) = (site.clone(), held.clone());
        async move { Ok::<_, std::convert::Infallible>(site.answer(request, address, held).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(idle_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        () = stop.shutdown() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, client = %address, "rpc: a connection failed");
    }
}
