//! A proof-aggregation appliance (docs/aggregator.md), over HTTP, HTTPS or QUIC: proofs in, and what became of them.

mod quic;

pub use quic::QuicError;

use bytes::Bytes;
use quic::Quic;
use reqwest::{Certificate, Client, Method, StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sinter_primitives::statements::STATEMENT_BYTES;
use std::{sync::Arc, time::Duration};
use thiserror::Error;

/// Longer than the appliance gives a body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(90);
/// Most bytes of an answer: a batch of 1,024 statements in hex is 600 KB.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Why the appliance did not do what it was asked for.
#[derive(Debug, Error)]
pub enum AggregatorError {
    /// It was not reached, or broke off.
    #[error("aggregator {url}: {source}")]
    Connection {
        /// Its URL.
        url: String,
        /// Why.
        source: reqwest::Error,
    },
    /// The same over QUIC.
    #[error("aggregator {url}: {source}")]
    Quic {
        /// Its URL.
        url: String,
        /// Why.
        source: QuicError,
    },
    /// It refuses: its own words.
    #[error("aggregator {url}: {code}: {message}; {remedy}")]
    Refused {
        /// Its URL.
        url: String,
        /// The refusal's name.
        code: String,
        /// What was expected, and what came.
        message: String,
        /// What to do.
        remedy: String,
    },
    /// It says something else than its interface has.
    #[error("aggregator {url}: expected {expected}, got {got}")]
    Answer {
        /// Its URL.
        url: String,
        /// What the interface has.
        expected: &'static str,
        /// What came.
        got: String,
    },
}

impl AggregatorError {
    /// The name of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            Self::Connection { .. } | Self::Quic { .. } | Self::Answer { .. } => None,
        }
    }
}

/// On which terms a proof is handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// How long until it should be settled.
    pub deadline_ms: u64,
    /// What is paid for it.
    #[serde(default)]
    pub price_gwei: u64,
    /// 0 to 3: higher is wrapped sooner, and costs more.
    #[serde(default)]
    pub priority: u8,
}

/// A program that the appliance knows.
#[derive(Clone, Debug, Deserialize)]
pub struct ProgramView {
    /// The digest of its file, in hex.
    pub digest: String,
    /// `new`, `known` or `refused`.
    pub state: String,
    /// The id that contracts know it by, in hex, once its circuit is built.
    pub program_id: Option<String>,
    /// Why it is refused.
    pub reason: Option<String>,
}

/// A job that was taken in.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Submitted {
    /// Its number.
    pub job: i64,
}

/// How far a job is.
#[derive(Clone, Debug, Deserialize)]
pub struct JobView {
    /// `queued`, `verified`, `placed`, or why it goes no further.
    pub state: String,
    /// Why it is where it is.
    pub reason: Option<String>,
    /// Its place in its batch.
    pub position: Option<u32>,
    /// Its batch.
    pub batch: Option<BatchView>,
}

/// How far a batch is. Times are the appliance's, in milliseconds since 1970.
#[derive(Clone, Debug, Deserialize)]
pub struct BatchView {
    /// Its number.
    pub batch: i64,
    /// `open`, `closed`, `folded`, `sealed`, `settled`, `stuck` or `dissolved`.
    pub state: String,
    /// Proofs in it.
    pub count: u32,
    /// When it got its first.
    pub started_ms: Option<u64>,
    /// When it closed.
    pub closed_ms: Option<u64>,
    /// When it had its root.
    pub folded_ms: Option<u64>,
    /// When it had its seal.
    pub sealed_ms: Option<u64>,
    /// When the L1 had it.
    pub finished_ms: Option<u64>,
    /// The L1's transaction.
    pub settled_by: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    remedy: String,
}

/// An appliance, and an account there. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Aggregator {
    url: String,
    token: String,
    way: Way,
}

/// How it is reached.
#[derive(Clone, Debug)]
enum Way {
    Http(Client),
    Quic(Arc<Quic>),
}

/// What it says; without a body if that is longer than any answer.
struct Answer {
    status: StatusCode,
    body: Option<Bytes>,
}

impl Aggregator {
    /// The appliance at `http://…`, `https://…` or `quic://…`, for the account of a token.
    ///
    /// # Errors
    /// When there can be no client.
    pub fn new(url: &str, token: &str) -> Result<Self, AggregatorError> {
        Self::with(url, token, None)
    }

    /// As [`Aggregator::new`], where the appliance's certificate is signed by one in this PEM.
    ///
    /// # Errors
    /// When there can be no client, or no such certificate.
    pub fn signed_by(url: &str, token: &str, certificate: &[u8]) -> Result<Self, AggregatorError> {
        Self::with(url, token, Some(certificate))
    }

    fn with(url: &str, token: &str, certificate: Option<&[u8]>) -> Result<Self, AggregatorError> {
        let (url, token) = (url.trim_end_matches('/').to_owned(), token.trim().to_owned());
        let way = if url.starts_with(quic::SCHEME) {
            match Quic::new(&url, certificate) {
                Ok(quic) => Way::Quic(Arc::new(quic)),
                Err(source) => return Err(AggregatorError::Quic { url, source }),
            }
        } else {
            let builder = Client::builder().timeout(REQUEST_TIMEOUT);
            let builder = match certificate {
                Some(pem) => Certificate::from_pem(pem).map(|root| builder.tls_certs_merge([root])),
                None => Ok(builder),
            };
            match builder.and_then(|builder| builder.build()) {
                Ok(client) => Way::Http(client),
                Err(source) => return Err(AggregatorError::Connection { url, source }),
            }
        };
        Ok(Self { url, token, way })
    }

    /// Uploads a program's file; again is the same as once.
    ///
    /// # Errors
    /// [`AggregatorError`].
    pub async fn upload(&self, file: Vec<u8>) -> Result<ProgramView, AggregatorError> {
        self.ask(Method::POST, "/v1/programs", file, "a program").await
    }

    /// A program, by the digest of its file.
    ///
    /// # Errors
    /// [`AggregatorError`].
    pub async fn program(&self, digest: &str) -> Result<ProgramView, AggregatorError> {
        self.get(&format!("/v1/programs/{digest}"), "a program").await
    }

    /// Hands a proof in; again is the same as once.
    ///
    /// # Errors
    /// [`AggregatorError`].
    pub async fn hand_in(&self, program: &str, proof: Vec<u8>, terms: &Terms) -> Result<Submitted, AggregatorError> {
        let Terms { deadline_ms, price_gwei, priority } = terms;
        let path =
            format!("/v1/jobs?program={program}&deadline_ms={deadline_ms}&price_gwei={price_gwei}&priority={priority}");
        self.ask(Method::POST, &path, proof, "a job").await
    }

    /// How far a job is.
    ///
    /// # Errors
    /// [`AggregatorError`].
    pub async fn job(&self, job: i64) -> Result<JobView, AggregatorError> {
        self.get(&format!("/v1/jobs/{job}"), "a job").await
    }

    /// The batches in a state, oldest first.
    ///
    /// # Errors
    /// [`AggregatorError`].
    pub async fn batches(&self, state: &str) -> Result<Vec<BatchView>, AggregatorError> {
        self.get(&format!("/v1/batches?state={state}"), "batches").await
    }

    /// A batch's statements by their places.
    ///
    /// # Errors
    /// [`AggregatorError`].
    pub async fn statements(&self, batch: i64) -> Result<Vec<[u8; STATEMENT_BYTES]>, AggregatorError> {
        let expected = "statements of 288 bytes in hex";
        let texts: Vec<String> = self.get(&format!("/v1/batches/{batch}/statements"), expected).await?;
        let decode = |text: String| {
            let bytes = hex::decode(text.trim_start_matches("0x")).ok();
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(text)
        };
        let statements = texts.into_iter().map(decode).collect::<Result<_, _>>();
        statements.map_err(|got| AggregatorError::Answer { url: self.url.clone(), expected, got: start(&got) })
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, expected: &'static str) -> Result<T, AggregatorError> {
        self.ask(Method::GET, path, Vec::new(), expected).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        expected: &'static str,
    ) -> Result<T, AggregatorError> {
        let url = || self.url.clone();
        let answer = match &self.way {
            Way::Http(client) => {
                let answer = over_http(client, method, &format!("{}{path}", self.url), &self.token, body).await;
                answer.map_err(|source| AggregatorError::Connection { url: url(), source })
            }
            Way::Quic(quic) => {
                let answer = quic.ask(&method, path, &self.token, &body.into()).await;
                answer.map_err(|source| AggregatorError::Quic { url: url(), source })
            }
        };
        let Answer { status, body } = answer?;
        let Some(body) = body else { return Err(self.strange(expected, status, "more bytes than any answer has")) };
        let text = String::from_utf8_lossy(&body);
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|_| self.strange(expected, status, &text));
        }
        match serde_json::from_slice(&body) {
            Ok(Refusal { code, message, remedy }) => {
                Err(AggregatorError::Refused { url: url(), code, message, remedy })
            }
            Err(_) => Err(self.strange(expected, status, &text)),
        }
    }

    fn strange(&self, expected: &'static str, status: StatusCode, text: &str) -> AggregatorError {
        AggregatorError::Answer { url: self.url.clone(), expected, got: format!("{status}: {}", start(text)) }
    }
}

async fn over_http(client: &Client, method: Method, url: &str, token: &str, body: Vec<u8>) -> reqwest::Result<Answer> {
    let mut response = client.request(method, url).bearer_auth(token).body(body).send().await?;
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(part) = response.chunk().await? {
        body.extend_from_slice(&part);
        if body.len() > ANSWER_BYTES_MAX {
            return Ok(Answer { status, body: None });
        }
    }
    Ok(Answer { status, body: Some(body.into()) })
}

/// What is told of an answer that may be of any length.
fn start(text: &str) -> String {
    text.chars().take(200).collect()
}
