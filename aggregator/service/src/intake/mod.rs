//! The HTTP interface: proofs in, answers out. Every refusal is a [`Problem`].
//!
//! | request | does |
//! |---|---|
//! | `POST /v1/jobs?program=…&deadline_ms=…&price_gwei=…&priority=…` | hands in the proof that is the body |
//! | `GET /v1/jobs/N`, `GET /v1/jobs?proof=…` | what became of a job |
//! | `DELETE /v1/jobs/N` | takes a job back that has no place in a batch yet |
//! | `PUT /v1/jobs/N/priority?priority=…` | changes its priority |
//! | `GET /v1/batches?state=…`, `GET /v1/batches/N` | what became of batches |
//! | `GET /v1/batches/N/statements`, `…/root`, `…/seal` | what a batch proves, and its proofs |
//! | `POST /v1/programs` | uploads the program file that is the body |
//! | `GET /v1/programs`, `GET /v1/programs/DIGEST` | which programs are known |
//! | `GET /health` | whether the service can do its work; needs no token |
//!
//! Bounds: connections, bodies at a time, bytes of a head and of a body, time for each of them and for an answer to be taken, bytes
//! a second for each account. They are the same over TCP, TLS and QUIC.

mod auth;
mod batches;
mod error;
mod jobs;
mod listener;
mod programs;
mod quic;
mod tls;

pub use auth::{Client, new_token};
pub use error::Problem;
pub use listener::Listener;
pub use quic::{Quic, QuicError};
pub use tls::{Tls, TlsError};

use crate::{
    admission::Policy,
    blobs::Blobs,
    ids::Account,
    queue::{ProgramsMax, Queue, QueueError},
};
use auth::Clients;
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{DefaultBodyLimit, FromRequestParts},
    http::{HeaderMap, StatusCode, header, request::Parts},
    routing::{get, post, put},
};
use bytes::Bytes;
use listener::Manners;
use std::{sync::Arc, time::Duration};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// Times that a blob is written again because the last one was being deleted.
const DOOMED_MAX: u32 = 5;
/// Between two of them.
const DOOMED_WAIT: Duration = Duration::from_millis(100);

/// How the interface behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may use it.
    pub clients: Vec<Client>,
    /// What is taken.
    pub policy: Policy,
    /// The largest body.
    pub body_bytes_max: u64,
    /// Bodies that are read at a time: with their size, the memory that they take.
    pub bodies_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// Connections over QUIC at a time.
    pub quic_connections_max: usize,
    /// Requests at a time on one of them.
    pub streams_max: u32,
    /// Time for a request's head, and between two requests.
    pub head_timeout: Duration,
    /// Time for a body.
    pub body_timeout: Duration,
    /// Time in which some of an answer has to be taken.
    pub stall_timeout: Duration,
    /// Programs that there may be.
    pub programs_max: ProgramsMax,
    /// The statement that a batch of one is joined by when it is folded.
    pub null_statement: Option<Vec<u8>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            clients: Vec::new(),
            policy: Policy::default(),
            body_bytes_max: 16 << 20,
            bodies_max: 64,
            connections_max: 1024,
            quic_connections_max: 256,
            streams_max: 8,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            programs_max: ProgramsMax { all: 256, account: 16 },
            null_statement: None,
        }
    }
}

/// The interface.
pub struct Intake {
    queue: Queue,
    blobs: Blobs,
    options: Options,
    clients: Clients,
    bodies: Semaphore,
}

impl Intake {
    /// The interface of a queue and its blobs.
    #[must_use]
    pub fn new(queue: Queue, blobs: Blobs, options: Options) -> Self {
        let clients = Clients::new(options.clients.clone(), options.body_bytes_max);
        let bodies = Semaphore::new(options.bodies_max);
        Self { queue, blobs, options, clients, bodies }
    }

    /// Its routes.
    pub fn router(self) -> Router {
        Router::new()
            .route("/v1/jobs", post(jobs::submit).get(jobs::find))
            .route("/v1/jobs/{job}", get(jobs::status).delete(jobs::cancel))
            .route("/v1/jobs/{job}/priority", put(jobs::prioritise))
            .route("/v1/batches", get(batches::list))
            .route("/v1/batches/{batch}", get(batches::status))
            .route("/v1/batches/{batch}/statements", get(batches::statements))
            .route("/v1/batches/{batch}/root", get(batches::root))
            .route("/v1/batches/{batch}/seal", get(batches::seal))
            .route("/v1/programs", post(programs::upload).get(programs::list))
            .route("/v1/programs/{digest}", get(programs::status))
            .route("/health", get(jobs::health))
            .fallback(async || {
                let expected = "a path of the interface";
                Problem::new(StatusCode::NOT_FOUND, "path_unknown", expected, "another", "see docs/aggregator.md")
            })
            // Bodies are read within bounds of their own.
            .layer(DefaultBodyLimit::disable())
            .with_state(Arc::new(self))
    }

    /// Serves until it is stopped; requests that are being served are finished.
    pub async fn serve(self, listener: impl Into<Listener>, stop: CancellationToken) {
        let options = self.options.clone();
        let Options { head_timeout, stall_timeout, .. } = options;
        let manners = Manners { router: self.router(), head_timeout, stall_timeout, stop };
        listener::serve(listener.into(), &options, manners).await;
    }

    /// Reads a body within its bounds. It is charged to its account before it is read.
    async fn body(
        &self,
        account: &Account,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(Bytes, SemaphorePermit<'_>), Problem> {
        let max = self.options.body_bytes_max;
        let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
        let Some(length) = length else {
            let (expected, remedy) = ("a request with `Content-Length`", "say how long the body is");
            return Err(Problem::new(StatusCode::LENGTH_REQUIRED, "length_missing", expected, "none", remedy));
        };
        if !(1..=max).contains(&length) {
            return Err(Problem::body_size(max, format!("{length} bytes")));
        }
        self.clients.charge(account, length).map_err(|(refusal, wait)| Problem::from(refusal).after(wait))?;
        let permit = self.bodies.try_acquire().map_err(|_| Problem::busy())?;
        let limit = usize::try_from(length).unwrap_or(usize::MAX);
        match tokio::time::timeout(self.options.body_timeout, to_bytes(body, limit)).await {
            Ok(Ok(bytes)) => Ok((bytes, permit)),
            Ok(Err(_)) => Err(Problem::body_size(max, "a body that broke off")),
            Err(_) => {
                let expected = format!("a body within {} s", self.options.body_timeout.as_secs());
                Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", expected, "a part of one", "send faster"))
            }
        }
    }
}

/// Whether a blob has to be written again, because the last one was just being deleted; waits a little.
async fn is_doomed<T>(outcome: &Result<T, QueueError>) -> bool {
    let doomed = matches!(outcome, Err(QueueError::Doomed { .. }));
    if doomed {
        tokio::time::sleep(DOOMED_WAIT).await;
    }
    doomed
}

/// The account of a request's token.
struct Caller(Account);

impl FromRequestParts<Arc<Intake>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, intake: &Arc<Intake>) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|header| header.to_str().ok());
        let token = header.and_then(|header| header.strip_prefix("Bearer "));
        let account = token.and_then(|token| intake.clients.of(token));
        account.cloned().map(Self).ok_or_else(Problem::unauthorized)
    }
}
