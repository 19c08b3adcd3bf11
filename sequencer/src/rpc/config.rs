//! What the interface admits.

use serde::{Deserialize, Serialize};
use sinter_primitives::{Namespace, Parameters};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// Bytes of JSON around a payload, a block or a range, beyond two hex digits a byte.
const JSON_BYTES: usize = 1 << 20;

/// What the interface admits. Everything has a default that suits a node with a public interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcConfig {
    /// Where it listens, over HTTP and WebSocket; set from the node's own key.
    #[serde(skip, default = "any_loopback_port")]
    pub listen: SocketAddr,
    /// Where `/metrics` listens; without it, `listen` serves them. Set from the node's own key.
    #[serde(skip)]
    pub metrics_listen: Option<SocketAddr>,
    /// The rollups' own Ethereum JSON-RPC, by namespace; set from the node's own keys.
    #[serde(skip)]
    pub upstreams: BTreeMap<Namespace, String>,

    /// Most connections at a time. Lowered where the process may not open that many files.
    pub connections_max: usize,
    /// Most connections of one client at a time.
    pub connections_per_client_max: usize,
    /// Most bytes of a request; at least what a transaction of the chain's largest payload needs.
    pub request_bytes_max: usize,
    /// Most bytes of a response. Raised to what the chain's largest block needs.
    pub response_bytes_max: usize,
    /// Most calls in a batch.
    pub batch_max: u32,
    /// Calls that may run at a time, over all clients.
    pub calls_max: usize,
    /// Proofs and blocks that may be put together at a time, over all clients.
    pub proofs_max: usize,
    /// Most time for a call.
    pub call_timeout_ms: u64,
    /// Most time for a request's head to come in, and for a connection to lie idle.
    pub idle_timeout_ms: u64,
    /// Most time for which a client may take nothing of what was sent to it.
    pub write_timeout_ms: u64,

    /// Tokens that a client (an address; of IPv6, a /64) gains a second. A call costs one, every
    /// 4 KiB of a response another one.
    pub tokens_per_second: u32,
    /// Most tokens that a client can save up.
    pub tokens_max: u32,
    /// Most clients that are remembered; beyond it, new ones share one allowance.
    pub clients_max: usize,
    /// Clients that are not limited: this machine's own by default.
    pub unlimited: Vec<IpAddr>,
    /// Reverse proxies whose `X-Forwarded-For` names the client. Empty: the header is ignored.
    pub trusted_proxies: Vec<IpAddr>,

    /// Most subscriptions of one connection.
    pub subscriptions_per_connection_max: u32,
    /// Most subscriptions in all.
    pub subscriptions_max: usize,
    /// Messages that wait for one WebSocket client.
    pub subscription_buffer: u32,
    /// Most time that a subscriber may leave its buffer full before it is dropped.
    pub slow_subscriber_timeout_ms: u64,

    /// Most heights in one range.
    pub range_heights_max: u64,
    /// Payload bytes after which a range ends; a single height may hold more.
    pub range_bytes_max: u64,
    /// Most headers between a height and the certified one that proves it.
    pub header_chain_max: u64,
    /// Blocks that the index may lie behind what is final before the node calls itself unhealthy.
    pub behind_blocks_max: u64,

    /// Web pages that may call: origins such as `https://wallet.example`, or `*` for all of them.
    pub cors_origins: Vec<String>,
    /// Prefixes of methods that an upstream may be asked; all else is refused.
    pub upstream_methods: Vec<String>,
    /// Most time for an upstream to answer.
    pub upstream_timeout_ms: u64,
    /// Most bytes of an upstream's answer.
    pub upstream_bytes_max: usize,
}

const fn any_loopback_port() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: any_loopback_port(),
            metrics_listen: None,
            upstreams: BTreeMap::new(),
            connections_max: 1024,
            connections_per_client_max: 64,
            request_bytes_max: 2 << 20,
            response_bytes_max: 16 << 20,
            batch_max: 256,
            calls_max: 1024,
            proofs_max: 8,
            call_timeout_ms: 10_000,
            idle_timeout_ms: 30_000,
            write_timeout_ms: 10_000,
            tokens_per_second: 2_000,
            tokens_max: 10_000,
            clients_max: 1 << 16,
            unlimited: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
            trusted_proxies: Vec::new(),
            subscriptions_per_connection_max: 16,
            subscriptions_max: 1024,
            subscription_buffer: 8,
            slow_subscriber_timeout_ms: 10_000,
            range_heights_max: 512,
            range_bytes_max: 2 << 20,
            header_chain_max: 256,
            behind_blocks_max: 16,
            cors_origins: Vec::new(),
            upstream_methods: vec!["eth_".into(), "net_".into(), "web3_".into()],
            upstream_timeout_ms: 5_000,
            upstream_bytes_max: 8 << 20,
        }
    }
}

/// A key that holds a value out of its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rpc.{key}: expected {expected}, got {got}")]
pub struct RpcConfigError {
    /// The key.
    pub key: &'static str,
    /// What is admitted.
    pub expected: String,
    /// What was configured.
    pub got: String,
}

impl RpcConfig {
    /// Checks every bound, given the chain's own.
    ///
    /// # Errors
    /// [`RpcConfigError`], naming the key.
    pub fn check(&self, parameters: &Parameters) -> Result<(), RpcConfigError> {
        let hour_ms = 3_600_000;
        within("connections_max", self.connections_max, 1, 1 << 20)?;
        within("connections_per_client_max", self.connections_per_client_max, 1, 1 << 20)?;
        let request_bytes_min = 2 * parameters.payload_bytes_max + 4096;
        within("request_bytes_max", self.request_bytes_max, request_bytes_min, 1 << 30)?;
        within("response_bytes_max", self.response_bytes_max, 1 << 16, 1 << 30)?;
        within("batch_max", self.batch_max, 1, 1 << 16)?;
        within("calls_max", self.calls_max, 1, 1 << 20)?;
        within("proofs_max", self.proofs_max, 1, 1 << 10)?;
        within("call_timeout_ms", self.call_timeout_ms, 100, hour_ms)?;
        within("idle_timeout_ms", self.idle_timeout_ms, 100, hour_ms)?;
        within("write_timeout_ms", self.write_timeout_ms, 100, hour_ms)?;
        within("tokens_per_second", self.tokens_per_second, 1, 1 << 30)?;
        within("tokens_max", self.tokens_max, 1, 1 << 30)?;
        within("clients_max", self.clients_max, 1, 1 << 24)?;
        within("subscriptions_per_connection_max", self.subscriptions_per_connection_max, 1, 1 << 16)?;
        within("subscriptions_max", self.subscriptions_max, 1, 1 << 20)?;
        within("subscription_buffer", self.subscription_buffer, 1, 1 << 10)?;
        within("slow_subscriber_timeout_ms", self.slow_subscriber_timeout_ms, 100, hour_ms)?;
        within("range_heights_max", self.range_heights_max, 1, 1 << 14)?;
        within("range_bytes_max", self.range_bytes_max, 1, 1 << 28)?;
        within("header_chain_max", self.header_chain_max, 1, 1 << 14)?;
        within("upstream_timeout_ms", self.upstream_timeout_ms, 100, hour_ms)?;
        within("upstream_bytes_max", self.upstream_bytes_max, 1 << 10, 1 << 30)?;
        for url in self.upstreams.values() {
            if !(url.starts_with("http://") || url.starts_with("https://")) {
                return Err(RpcConfigError {
                    key: "upstreams",
                    expected: "a URL with http:// or https://".into(),
                    got: url.clone(),
                });
            }
        }
        Ok(())
    }

    /// Most bytes of a response: what is configured, or what the largest block or range takes.
    pub(super) fn response_bytes(&self, parameters: &Parameters) -> u32 {
        // A range stops after the block that passes its bound.
        let payloads = parameters.block_bytes_max + self.range_bytes_max as usize;
        let proofs = 4096 * (self.range_heights_max + self.header_chain_max) as usize;
        let needed = (2 * payloads).saturating_add(proofs).saturating_add(JSON_BYTES);
        u32::try_from(self.response_bytes_max.max(needed)).unwrap_or(u32::MAX)
    }

    pub(super) const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    pub(super) const fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }

    pub(super) const fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }

    pub(super) const fn slow_subscriber_timeout(&self) -> Duration {
        Duration::from_millis(self.slow_subscriber_timeout_ms)
    }

    pub(super) const fn upstream_timeout(&self) -> Duration {
        Duration::from_millis(self.upstream_timeout_ms)
    }
}

fn within<T: PartialOrd + std::fmt::Display>(key: &'static str, got: T, min: T, max: T) -> Result<(), RpcConfigError> {
    if got < min || got > max {
        return Err(RpcConfigError { key, expected: format!("{min} to {max}"), got: got.to_string() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_sound() {
        RpcConfig::default().check(&Parameters::default()).expect("sound");
    }

    #[test]
    fn errors_name_the_key() {
        let parameters = Parameters::default();
        let small = RpcConfig { request_bytes_max: 1000, ..RpcConfig::default() };
        assert_eq!(small.check(&parameters).map_err(|error| error.key), Err("request_bytes_max"));
        let odd = RpcConfig { upstreams: [(Namespace(1), "ftp://x".into())].into(), ..RpcConfig::default() };
        assert_eq!(odd.check(&parameters).map_err(|error| error.key), Err("upstreams"));
    }

    #[test]
    fn the_largest_block_fits_a_response() {
        let parameters = Parameters { block_bytes_max: 16 << 20, ..Parameters::default() };
        assert!(RpcConfig::default().response_bytes(&parameters) as usize > 32 << 20);
    }
}
