//! What the transport is made of, and why it may refuse to be.

use crate::channels::{self, Channel};
use commonware_cryptography::{ed25519::PrivateKey, sha256::Digest};
use std::time::Duration;

/// Why a transport could not be made.
#[derive(Debug, thiserror::Error)]
pub enum QuicError {
    /// The node key did not make a TLS identity.
    #[error("TLS identity: {0}")]
    Tls(#[from] rustls::Error),
    /// The cipher that QUIC's first packets need is missing from the TLS library.
    #[error("TLS library lacks AES-128-GCM, which QUIC's first packets need")]
    NoInitialCipher,
    /// A value is out of its range.
    #[error("quic: `{key}`: expected {expected}, got {got}")]
    OutOfRange {
        /// The field of [`QuicConfig`].
        key: &'static str,
        /// What is admitted.
        expected: &'static str,
        /// What was given.
        got: String,
    },
}

/// The transport's settings. The two ends of a connection need not agree on them, except for the chain hash
/// and the channels.
#[derive(Clone)]
pub struct QuicConfig {
    /// The node's identity on the network.
    pub node_key: PrivateKey,
    /// Names the network: part of the ALPN and of the hello.
    pub chain_hash: Digest,
    /// The channels, with ids below 128.
    pub channels: Vec<Channel>,
    /// A connection on which nothing is heard for this long is over. The shorter of both ends' counts.
    pub idle_timeout: Duration,
    /// An otherwise silent connection says so this often. Below half of `idle_timeout`.
    pub keep_alive: Duration,
    /// A queue of which nothing could be sent for this long ends its connection.
    pub stall_timeout: Duration,
    /// Most bytes of one stream received and not yet read. At 100 ms of round trip, 8 MiB carry 640 Mbit/s.
    pub stream_window_bytes: u32,
    /// Most bytes that wait to be sent to one peer on one channel; one message always may.
    pub queue_bytes: usize,
    /// UDP socket buffers to ask for. The system may grant less (`net.core.rmem_max`), which is logged.
    pub socket_buffer_bytes: usize,
    /// Bytes that a new connection may send before its first acknowledgement. quinn's pacer lets bursts of ten
    /// packets go, and waits for a whole burst's worth of credit: a window below that makes votes wait for several
    /// round trips.
    pub initial_window_bytes: u64,
    /// The same where the peer is this host: there is no network to be gentle with.
    pub initial_window_loopback_bytes: u64,
    /// Largest UDP payload to try on a network path; path MTU discovery finds what fits. Jumbo frames by default.
    pub mtu_max: u16,
    /// Largest UDP payload to try where the peer is this host.
    pub mtu_loopback_max: u16,
}

impl QuicConfig {
    /// What a node asks of the system for each UDP buffer: `net.core.rmem_max` and `wmem_max` have to admit it.
    pub const SOCKET_BUFFER_BYTES: usize = 8 << 20;

    /// The settings for production.
    pub fn new(node_key: PrivateKey, chain_hash: Digest) -> Self {
        Self {
            node_key,
            chain_hash,
            channels: channels::ALL.to_vec(),
            idle_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(30),
            stream_window_bytes: 8 << 20,
            queue_bytes: 32 << 20,
            socket_buffer_bytes: Self::SOCKET_BUFFER_BYTES,
            initial_window_bytes: 256 << 10,
            initial_window_loopback_bytes: 4 << 20,
            mtu_max: 8952,
            mtu_loopback_max: 16_000,
        }
    }

    pub(super) fn check(&self) -> Result<(), QuicError> {
        let out = |key, expected, got: String| Err(QuicError::OutOfRange { key, expected, got });
        if let Some(channel) = self.channels.iter().find(|channel| channel.id >= 128) {
            return out("channels", "ids below 128", channel.id.to_string());
        }
        if self.channels.is_empty() || self.channels.len() > 64 {
            return out("channels", "1 to 64 of them", self.channels.len().to_string());
        }
        let hour = Duration::from_secs(3600);
        if self.idle_timeout < Duration::from_millis(100) || self.idle_timeout > hour {
            return out("idle_timeout", "100 ms to 1 h", format!("{:?}", self.idle_timeout));
        }
        if self.keep_alive.is_zero() || self.keep_alive > self.idle_timeout / 2 {
            return out("keep_alive", "at most half of `idle_timeout`", format!("{:?}", self.keep_alive));
        }
        if self.stall_timeout.is_zero() {
            return out("stall_timeout", "more than zero", format!("{:?}", self.stall_timeout));
        }
        if !(1 << 16..=1 << 28).contains(&self.stream_window_bytes) {
            return out("stream_window_bytes", "64 KiB to 256 MiB", self.stream_window_bytes.to_string());
        }
        if self.queue_bytes == 0 {
            return out("queue_bytes", "more than zero", "0".to_owned());
        }
        for (key, window) in [
            ("initial_window_bytes", self.initial_window_bytes),
            ("initial_window_loopback_bytes", self.initial_window_loopback_bytes),
        ] {
            if window < 2400 {
                return out(key, "at least 2400", window.to_string());
            }
        }
        for (key, mtu) in [("mtu_max", self.mtu_max), ("mtu_loopback_max", self.mtu_loopback_max)] {
            if !(1200..=65_507).contains(&mtu) {
                return out(key, "1200 to 65507", mtu.to_string());
            }
        }
        Ok(())
    }
}
