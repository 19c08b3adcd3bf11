//! Connections: bounded in number, and in the time that each may take to say something.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The most bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// After an error of the listening socket, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);
/// How long requests that are being served may take after the service is stopped.
const FAREWELL: Duration = Duration::from_secs(10);

pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    connections_max: usize,
    head_timeout: Duration,
    stop: CancellationToken,
) {
    let slots = Arc::new(Semaphore::new(connections_max));
    let connections = TaskTracker::new();
    loop {
        // Beyond the bound, connections wait in the system's own bounded queue.
        let slot = tokio::select! {
            () = stop.cancelled() => break,
            slot = slots.clone().acquire_owned() => slot,
        };
        let Ok(slot) = slot else { break };
        let socket = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match socket {
            Ok((socket, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(socket, router, head_timeout, stop).await;
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

async fn connection(socket: TcpStream, router: Router, head_timeout: Duration, stop: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(socket), TowerToHyperService::new(router));
    let mut connection = std::pin::pin!(connection);
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
