//! JSON-RPC 2.0 over HTTP: single requests, batches and notifications, each within bounds.

use super::{
    Shared,
    error::RpcError,
    methods::{self, Effect},
};
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Most bytes of a request: a transaction with six blobs is 1.6 MB in hex.
const BODY_BYTES_MAX: usize = 5 << 20;
/// Most requests in a batch (geth's default).
const BATCH_MAX: usize = 1000;

/// The server's routes.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new().route("/", post(handle)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(shared)
}

async fn handle(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    // Execution takes milliseconds to, at the gas cap, a good part of a second: not on the reactor.
    let answered = tokio::task::spawn_blocking(move || answer(&shared, &body)).await;
    match answered {
        Ok(Some(response)) => axum::Json(response).into_response(),
        // Only notifications: JSON-RPC has nothing to say.
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::error!(%error, "a request failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn answer(shared: &Shared, body: &[u8]) -> Option<Value> {
    match serde_json::from_slice(body) {
        Err(error) => Some(failure(Value::Null, &RpcError::Parse(error.to_string()))),
        Ok(Value::Array(requests)) if requests.is_empty() => {
            Some(failure(Value::Null, &RpcError::InvalidRequest("empty batch".into())))
        }
        Ok(Value::Array(requests)) if requests.len() > BATCH_MAX => {
            Some(failure(Value::Null, &RpcError::BatchTooLarge { limit: BATCH_MAX, got: requests.len() }))
        }
        Ok(Value::Array(requests)) => {
            let answers: Vec<Value> = requests.into_iter().filter_map(|request| one(shared, request)).collect();
            (!answers.is_empty()).then_some(Value::Array(answers))
        }
        Ok(request) => one(shared, request),
    }
}

fn one(shared: &Shared, mut request: Value) -> Option<Value> {
    let id = request.get_mut("id").map(Value::take);
    let Some(method) = request.get("method").and_then(Value::as_str).map(str::to_owned) else {
        return Some(failure(
            id.unwrap_or_default(),
            &RpcError::InvalidRequest("expected an object with a method".into()),
        ));
    };
    let params = request.get_mut("params").map(Value::take).unwrap_or_default();
    let outcome = shared.with_chain(|chain| methods::dispatch(chain, &method, params));
    if matches!(outcome, Ok((_, Effect::Submitted))) {
        shared.submitted();
    }
    // A request without an id wants no answer.
    let id = id?;
    Some(match outcome {
        Ok((result, _)) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => failure(id, &error),
    })
}

fn failure(id: Value, error: &RpcError) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": error.to_json() })
}
