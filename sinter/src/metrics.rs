//! The numbers of commands that serve nothing else: `/metrics` and the dashboard at an address of its own.

use crate::exit::{Exit, Failure, OrFail};
use axum::{Router, routing::get};
use clap::Args;
use sinter_ops::{metrics::Machine, page};
pub use sinter_sequencer::rpc::metrics::install;
use std::{net::SocketAddr, sync::Arc};
use tokio::{net::TcpListener, task::JoinSet};

/// Where numbers are shown.
#[derive(Clone, Copy, Debug, Args)]
pub struct MetricsArguments {
    /// Serve Prometheus metrics at this address, such as 127.0.0.1:9100, under /metrics, and the dashboard under /dashboard
    #[arg(long = "metrics", value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
}

/// Serves the metrics of this process, which is a `machine`, if an address is given, until what is returned is dropped. Call it
/// before anything takes a handle to a metric: what is taken earlier records nothing.
///
/// # Errors
/// When nobody can listen there.
pub async fn serve(machine: Machine, arguments: MetricsArguments) -> Result<JoinSet<()>, Failure> {
    let mut serving = JoinSet::new();
    let Some(address) = arguments.address else { return Ok(serving) };
    let listener = TcpListener::bind(address).await.or_fail(Exit::Usage, format_args!("--metrics: {address}"))?;
    let handle = install().or_fail(Exit::Failed, "")?;
    let render = handle.clone();
    let routes = Router::new()
        .route("/metrics", get(move || std::future::ready(handle.render())))
        .merge(page::routes(machine, Arc::new(move || render.render())));
    serving.spawn(async move {
        if let Err(error) = axum::serve(listener, routes).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(serving)
}
