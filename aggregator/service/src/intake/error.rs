//! What a request is refused with: always the same five fields.
//!
//! ```json
//! { "code": "deadline_too_soon", "message": "deadline: expected at least 59010 ms from now, got 1000 ms",
//!   "expected": "at least 59010 ms from now", "got": "1000 ms", "remedy": "ask for a later deadline, …" }
//! ```

use crate::{admission::Refusal, blobs::BlobError, metrics, queue::QueueError};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::time::Duration;

/// Why a request is not served.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    retry_after: Option<Duration>,
    details: Box<Details>,
}

/// What is told of it.
#[derive(Debug, Serialize)]
struct Details {
    code: &'static str,
    message: String,
    expected: String,
    got: String,
    remedy: &'static str,
}

impl Problem {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        expected: impl Into<String>,
        got: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        let (expected, got) = (expected.into(), got.into());
        let message = format!("expected {expected}, got {got}");
        Self { status, retry_after: None, details: Box::new(Details { code, message, expected, got, remedy }) }
    }

    pub(super) fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    pub(super) fn unauthorized() -> Self {
        let expected = "the token of an account, as `Authorization: Bearer …`";
        let remedy = "ask the operator for a token";
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", expected, "none that is known", remedy)
    }

    pub(super) fn query(error: &impl ToString) -> Self {
        let expected = "a query as the interface has it";
        Self::new(StatusCode::BAD_REQUEST, "query_invalid", expected, error.to_string(), "mend the query")
    }

    pub(super) fn busy() -> Self {
        let (expected, got) = ("fewer requests at a time", "one more");
        let busy = Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", expected, got, "try again");
        busy.after(Duration::from_secs(1))
    }

    pub(super) fn body_size(max: u64, got: impl Into<String>) -> Self {
        let (expected, remedy) = (format!("a body of 1 to {max} bytes"), "send a proof or a program file");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_size", expected, got, remedy)
    }

    fn storage(full: bool, error: &impl ToString) -> Self {
        metrics::storage_error();
        tracing::error!(error = error.to_string(), "a request cannot be served");
        let (status, code, expected, remedy) = if full {
            (StatusCode::INSUFFICIENT_STORAGE, "storage_full", "space for it", "tell the operator, and try again")
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", "storage that answers", "try again")
        };
        // What the database says is the operator's to read.
        Self::new(status, code, expected, "none", remedy).after(Duration::from_secs(5))
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        metrics::refused(refusal.code());
        let status = match &refusal {
            Refusal::Price { .. } => StatusCode::PAYMENT_REQUIRED,
            Refusal::Priority { .. } => StatusCode::BAD_REQUEST,
            Refusal::UnknownProgram | Refusal::NewProgram | Refusal::RefusedProgram => StatusCode::CONFLICT,
            Refusal::Paused { .. } | Refusal::AccountJobs { .. } | Refusal::Rate { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Refusal::Jobs { .. } | Refusal::NoProver => StatusCode::SERVICE_UNAVAILABLE,
            Refusal::Memory { .. } | Refusal::TooSoon { .. } | Refusal::TooFar { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
        };
        let retry_after = match &refusal {
            Refusal::Paused { got_ms } => Some(Duration::from_millis(*got_ms)),
            other => other.is_temporary().then_some(Duration::from_secs(5)),
        };
        let (expected, got) = refusal.expected_got();
        let (code, remedy, message) = (refusal.code(), refusal.remedy(), refusal.to_string());
        Self { status, retry_after, details: Box::new(Details { code, message, expected, got, remedy }) }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        match error {
            QueueError::Refused(refusal) => refusal.into(),
            QueueError::Unknown { what, got } => {
                let remedy = "check the number and the account";
                Self::new(StatusCode::NOT_FOUND, "unknown", format!("a {what} that is here"), got, remedy)
            }
            QueueError::State { what, expected, got } => {
                let expected = format!("a {what} that is {expected}");
                Self::new(StatusCode::CONFLICT, "wrong_state", expected, got, "ask for its state")
            }
            other => Self::storage(other.is_full(), &other),
        }
    }
}

impl From<BlobError> for Problem {
    fn from(error: BlobError) -> Self {
        Self::storage(error.is_full(), &error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.details)).into_response();
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).clamp(1, 86_400);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
