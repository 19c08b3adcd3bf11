//! Errors as JSON-RPC speaks them: what went wrong, what was expected and what came, and never what
//! the node looks like inside.
//!
//! | code | name | `data` |
//! |---|---|---|
//! | −32700, −32600 | not JSON, not a JSON-RPC request | |
//! | −32601 | method not served here | what to configure, for `eth_` methods |
//! | −32602 | wrong parameters | what was expected and what came |
//! | −32603 | the node failed; its log says why | |
//! | −32006 | too many subscriptions on the connection | the bound |
//! | −32007, −32008 | request, response too big | the bound |
//! | −32010, −32011 | batch, batch response too big | the bound |
//! | −32020 … −32032 | the mempool refused a transaction | the [`Refusal`], tagged by `code` |
//! | −32040 | no such block | `{height}` of the head |
//! | −32041 | pruned | `{earliest_height}` |
//! | −32042 | final, and not provable yet | `{height}` |
//! | −32050 | too many calls from this client | `{retry_after_ms}` |
//! | −32051 | the node is busy | |
//! | −32052 | the call took too long | `{timeout_ms}` |
//! | −32053 | too many connections | `{expected, scope}` |
//! | −32054 | too many subscriptions in all | `{expected}` |
//! | −32055 | dropped: the subscriber is too slow | `{next_height}` |
//! | −32056 | the node is shutting down | `{next_height}`, for subscribers |
//! | −32060 | not an acceptable Ethereum transaction | `{code, …}`: [`super::ethereum::TransactionError`] |
//! | −32061 | the rollup's own RPC cannot be reached | |
//! | −32062 | the rollup's own RPC took too long | `{timeout_ms}` |
//! | −32063 | the rollup's own RPC answered with something else than a response | `{reason}` |
//!
//! The codes −32020 … −32032 are, in this order: unknown namespace, empty, payload too large, expired,
//! expiry too far, already pending, already ordered, ordering rule, bundle taken, sender full,
//! namespace full, mempool full, client full.

use crate::{index::IndexError, mempool::Refusal};
use jsonrpsee::types::{
    ErrorObjectOwned,
    error::{INTERNAL_ERROR_CODE, INTERNAL_ERROR_MSG, INVALID_PARAMS_CODE, METHOD_NOT_FOUND_CODE},
};
use serde::Serialize;
use serde_json::json;

/// The codes of this interface's own errors: see the module's table.
pub mod code {
    /// The first of the mempool's refusals.
    pub const REFUSED: i32 = -32020;
    /// No such block.
    pub const NOT_FOUND: i32 = -32040;
    /// The height is pruned.
    pub const PRUNED: i32 = -32041;
    /// The height is final, and no certificate above it is at hand yet.
    pub const NOT_PROVABLE_YET: i32 = -32042;
    /// Too many calls from this client.
    pub const RATE_LIMITED: i32 = -32050;
    /// Too many calls at a time.
    pub const BUSY: i32 = -32051;
    /// The call took too long.
    pub const TIMEOUT: i32 = -32052;
    /// Too many connections.
    pub const TOO_MANY_CONNECTIONS: i32 = -32053;
    /// Too many subscriptions, over all connections.
    pub const TOO_MANY_SUBSCRIPTIONS: i32 = -32054;
    /// The subscriber is too slow.
    pub const SLOW_SUBSCRIBER: i32 = -32055;
    /// The node is shutting down.
    pub const SHUTTING_DOWN: i32 = -32056;
    /// Not an acceptable Ethereum transaction.
    pub const ETHEREUM_TRANSACTION: i32 = -32060;
    /// The rollup's own RPC cannot be reached.
    pub const UPSTREAM_UNREACHABLE: i32 = -32061;
    /// The rollup's own RPC took too long.
    pub const UPSTREAM_TIMEOUT: i32 = -32062;
    /// The rollup's own RPC answered with something else than a response.
    pub const UPSTREAM_ANSWER: i32 = -32063;
}

/// The JSON-RPC code of a refusal.
#[must_use]
pub const fn refusal_code(refusal: &Refusal) -> i32 {
    let place = match refusal {
        Refusal::UnknownNamespace { .. } => 0,
        Refusal::Empty => 1,
        Refusal::PayloadTooLarge { .. } => 2,
        Refusal::Expired { .. } => 3,
        Refusal::ExpiryTooFar { .. } => 4,
        Refusal::AlreadyPending { .. } => 5,
        Refusal::AlreadyOrdered { .. } => 6,
        Refusal::OrderingRule { .. } => 7,
        Refusal::BundleTaken { .. } => 8,
        Refusal::SenderFull { .. } => 9,
        Refusal::NamespaceFull { .. } => 10,
        Refusal::MempoolFull { .. } => 11,
        Refusal::ClientFull { .. } => 12,
        Refusal::NotOpen { .. } => 13,
        Refusal::Account { .. } => 14,
    };
    code::REFUSED - place
}

pub(super) fn refused(refusal: &Refusal) -> ErrorObjectOwned {
    ErrorObjectOwned::owned(refusal_code(refusal), refusal.to_string(), Some(refusal))
}

pub(super) fn invalid_params(parameter: &str, expected: impl ToString, got: impl ToString) -> ErrorObjectOwned {
    let (expected, got) = (expected.to_string(), got.to_string());
    let message = format!("{parameter}: expected {expected}, got {got}");
    let data = json!({ "parameter": parameter, "expected": expected, "got": got });
    ErrorObjectOwned::owned(INVALID_PARAMS_CODE, message, Some(data))
}

pub(super) fn method_not_available(method: &str, reason: &str) -> ErrorObjectOwned {
    // The method's name comes from outside: enough of it to recognise, and no more.
    let method: String = method.chars().take(64).collect();
    ErrorObjectOwned::owned(METHOD_NOT_FOUND_CODE, format!("method {method:?} is not available: {reason}"), None::<()>)
}

/// The details go to the log, and only there.
pub(super) fn internal(error: &dyn std::error::Error) -> ErrorObjectOwned {
    tracing::error!(%error, "rpc: a call failed");
    ErrorObjectOwned::owned(INTERNAL_ERROR_CODE, INTERNAL_ERROR_MSG, None::<()>)
}

impl From<IndexError> for RpcFailure {
    fn from(error: IndexError) -> Self {
        Self(internal(&error))
    }
}

/// An error on its way to the client; `?` turns the node's own errors into it.
#[derive(Debug)]
pub(super) struct RpcFailure(pub ErrorObjectOwned);

impl From<ErrorObjectOwned> for RpcFailure {
    fn from(error: ErrorObjectOwned) -> Self {
        Self(error)
    }
}

impl From<RpcFailure> for ErrorObjectOwned {
    fn from(failure: RpcFailure) -> Self {
        failure.0
    }
}

pub(super) fn not_found(what: impl std::fmt::Display, head: u64) -> ErrorObjectOwned {
    own(code::NOT_FOUND, format!("{what} is not final here: the head is at height {head}"), json!({ "height": head }))
}

pub(super) fn pruned(height: u64, earliest_height: u64) -> ErrorObjectOwned {
    let message = format!("height {height} is pruned: the earliest one here is {earliest_height}");
    own(code::PRUNED, message, json!({ "earliest_height": earliest_height }))
}

pub(super) fn not_provable_yet(height: u64) -> ErrorObjectOwned {
    let message = format!("height {height} is final, and this node holds no certificate near above it yet");
    own(code::NOT_PROVABLE_YET, message, json!({ "height": height }))
}

pub(super) fn rate_limited(retry_after_ms: u64) -> ErrorObjectOwned {
    let message = format!("too many calls from this client: try again in {retry_after_ms} ms");
    own(code::RATE_LIMITED, message, json!({ "retry_after_ms": retry_after_ms }))
}

pub(super) fn busy() -> ErrorObjectOwned {
    own(code::BUSY, "the node is busy: try again later", None::<()>)
}

pub(super) fn timeout(timeout_ms: u64) -> ErrorObjectOwned {
    own(code::TIMEOUT, format!("the call took more than {timeout_ms} ms"), json!({ "timeout_ms": timeout_ms }))
}

pub(super) fn too_many_connections(expected: usize, scope: &'static str) -> ErrorObjectOwned {
    let message = format!("too many connections: expected at most {expected} {scope}");
    own(code::TOO_MANY_CONNECTIONS, message, json!({ "expected": expected, "scope": scope }))
}

pub(super) fn too_many_subscriptions(expected: usize) -> ErrorObjectOwned {
    let message = format!("too many subscriptions: expected at most {expected} on this node");
    own(code::TOO_MANY_SUBSCRIPTIONS, message, json!({ "expected": expected }))
}

pub(super) fn slow_subscriber(next_height: u64) -> ErrorObjectOwned {
    let message = format!("dropped, because its buffer stayed full: resume from height {next_height}");
    own(code::SLOW_SUBSCRIBER, message, json!({ "next_height": next_height }))
}

pub(super) fn shutting_down(next_height: u64) -> ErrorObjectOwned {
    let message = format!("the node is shutting down: resume from height {next_height}");
    own(code::SHUTTING_DOWN, message, json!({ "next_height": next_height }))
}

pub(super) fn own(code: i32, message: impl Into<String>, data: impl Serialize) -> ErrorObjectOwned {
    // `None` must leave the field out, and serializes as null.
    let data = serde_json::to_value(data).ok().filter(|data| !data.is_null());
    ErrorObjectOwned::owned(code, message, data)
}
