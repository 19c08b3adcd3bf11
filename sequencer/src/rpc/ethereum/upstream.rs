//! The rollup's own RPC: what the node does not serve is asked there, within bounds.

use crate::rpc::{
    config::RpcConfig,
    error::{self, code, method_not_available, own},
};
use alloy::transports::http::reqwest;
use jsonrpsee::{core::JsonRawValue, types::ErrorObjectOwned};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Semaphore;

/// Calls that wait for one upstream at a time: a rollup whose RPC hangs must not stop the others.
const CALLS_MAX: usize = 64;

/// How the names of methods begin that are never passed on: they use keys that the rollup's node may hold, or send
/// past the shared order.
const NEVER: [&str; 4] = ["eth_accounts", "eth_send", "eth_sign", "eth_submit"];

/// A client of one rollup's RPC.
pub struct Upstream {
    client: reqwest::Client,
    url: String,
    calls: Semaphore,
    methods: Vec<String>,
    bytes_max: usize,
    timeout_ms: u64,
}

/// The part of a JSON-RPC response that matters: a result (which may be null) or an error.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Option<Box<JsonRawValue>>,
    #[serde(default)]
    error: Option<UpstreamError>,
}

/// Not [`ErrorObjectOwned`], which takes no fields beyond those of the specification.
#[derive(Deserialize)]
struct UpstreamError {
    code: i32,
    message: String,
    #[serde(default)]
    data: Option<serde_json::Value>,
}

impl Upstream {
    /// A client of the RPC at `url`.
    ///
    /// # Errors
    /// When the system has no TLS to offer.
    pub fn new(url: String, config: &RpcConfig) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(config.upstream_timeout())
            // What is configured is what is asked, and nobody else.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            url,
            calls: Semaphore::new(CALLS_MAX),
            methods: config.upstream_methods.clone(),
            bytes_max: config.upstream_bytes_max,
            timeout_ms: config.upstream_timeout_ms,
        })
    }

    /// Passes a call on. The upstream's own errors come back as they are.
    pub async fn call(
        &self,
        method: &str,
        params: Option<&JsonRawValue>,
    ) -> Result<Box<JsonRawValue>, ErrorObjectOwned> {
        if !self.methods.iter().any(|prefix| method.starts_with(prefix.as_str())) {
            let reason = format!("this node passes on methods that begin with {}", self.methods.join(", "));
            return Err(method_not_available(method, &reason));
        }
        if NEVER.iter().any(|prefix| method.starts_with(prefix)) {
            let reason =
                "it uses the rollup's own keys, or sends past the shared order; `eth_sendRawTransaction` is served";
            return Err(method_not_available(method, reason));
        }
        let Ok(_calling) = self.calls.try_acquire() else { return Err(error::busy()) };
        let body = match params {
            Some(params) => json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }),
            None => json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": [] }),
        };
        let bytes = self.exchange(body.to_string()).await?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|_| odd("expected a JSON-RPC response"))?;
        match answer {
            Answer { error: Some(error), .. } => Err(ErrorObjectOwned::owned(error.code, error.message, error.data)),
            // serde takes a null result for an absent one.
            Answer { result, .. } => Ok(result.unwrap_or_else(|| JsonRawValue::NULL.to_owned())),
        }
    }

    async fn exchange(&self, body: String) -> Result<Vec<u8>, ErrorObjectOwned> {
        let request = self.client.post(&self.url).header("content-type", "application/json").body(body);
        let mut response = request.send().await.map_err(|error| self.failed(&error))?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(&error))? {
            if bytes.len() + chunk.len() > self.bytes_max {
                return Err(odd(&format!("expected at most {} bytes", self.bytes_max)));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Where the upstream is, is for the log and not for the client.
    fn failed(&self, error: &reqwest::Error) -> ErrorObjectOwned {
        tracing::warn!(%error, "rpc: a rollup's own RPC failed");
        if error.is_timeout() {
            let timeout_ms = self.timeout_ms;
            let message = format!("the rollup's own RPC took more than {timeout_ms} ms");
            return own(code::UPSTREAM_TIMEOUT, message, json!({ "timeout_ms": timeout_ms }));
        }
        own(code::UPSTREAM_UNREACHABLE, "the rollup's own RPC cannot be reached", None::<()>)
    }
}

fn odd(reason: &str) -> ErrorObjectOwned {
    let message = format!("the rollup's own RPC gave an odd answer: {reason}");
    own(code::UPSTREAM_ANSWER, message, json!({ "reason": reason }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_uses_the_rollups_keys_is_never_passed_on() {
        // Nobody listens there: what is passed on fails for that.
        let upstream = Upstream::new("http://127.0.0.1:9".into(), &RpcConfig::default()).expect("a client");
        for method in ["eth_accounts", "eth_sendTransaction", "eth_sign", "eth_signTypedData_v4", "eth_submitWork"] {
            let error = upstream.call(method, None).await.expect_err("refused");
            assert_eq!(error.code(), -32601, "{method}: {error}");
        }
        let error = upstream.call("eth_call", None).await.expect_err("nobody there");
        assert_eq!(error.code(), code::UPSTREAM_UNREACHABLE);
    }
}
