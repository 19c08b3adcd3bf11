//! Why a connection ended: one list for the wire, the log and the metrics.

use quinn::{ConnectionError, VarInt};
use std::fmt;

/// Why a connection, or an attempt at one, ended.
///
/// Those with a code travel in QUIC's application close, with their name as its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The node is stopping.
    Shutdown,
    /// p2p let go of the peer: blocked, no longer in a peer set, or already connected.
    Released,
    /// The peer connected anew, which says that it has lost this connection.
    Replaced,
    /// The peer's key is not the one dialed, or it proved none.
    WrongKey,
    /// The peer belongs to another network.
    WrongNetwork,
    /// The bouncer does not want this peer now.
    Refused,
    /// The hello was cut short or otherwise not one.
    MalformedHello,
    /// A frame longer than the limit.
    OversizedFrame,
    /// A frame that is empty, cut short, or of another channel than its stream's.
    MalformedFrame,
    /// A stream of a channel that this node does not know.
    UnknownChannel,
    /// A second stream for one channel.
    DuplicateStream,
    /// Nothing of a queue could be sent for too long.
    Stalled,
    /// The peer reads its votes too slowly to follow.
    QueueOverflow,
    /// Nothing was heard from the peer for the idle time-out.
    IdleTimeout,
    /// The peer restarted and does not know this connection.
    PeerRestarted,
    /// The attempt was given up (time-out, or the node stopped).
    Abandoned,
    /// TLS failed for another reason.
    Tls,
    /// The peer broke QUIC, speaks another version, or closed with a code that is not ours.
    Transport,
}

/// The application codes, which never change their meaning.
const CODES: [(u32, Reason); 13] = [
    (0x01, Reason::Shutdown),
    (0x02, Reason::Released),
    (0x03, Reason::Replaced),
    (0x10, Reason::WrongKey),
    (0x11, Reason::WrongNetwork),
    (0x12, Reason::Refused),
    (0x13, Reason::MalformedHello),
    (0x20, Reason::OversizedFrame),
    (0x21, Reason::MalformedFrame),
    (0x22, Reason::UnknownChannel),
    (0x23, Reason::DuplicateStream),
    (0x30, Reason::Stalled),
    (0x31, Reason::QueueOverflow),
];

/// TLS alerts (RFC 8446, section 6) as QUIC carries them, and the range they lie in.
const ALERTS: std::ops::Range<u64> = 0x100..0x200;
const ALERT_NO_APPLICATION_PROTOCOL: u64 = 0x100 + 120;
/// handshake_failure (what a peer without a raw key gets), bad_certificate, unsupported_certificate,
/// certificate_unknown, access_denied, decrypt_error, certificate_required
const ALERTS_OF_A_KEY: [u64; 7] = [0x100 + 40, 0x100 + 42, 0x100 + 43, 0x100 + 46, 0x100 + 49, 0x100 + 51, 0x100 + 116];

impl Reason {
    /// The name in logs, metrics and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shutdown => "shutdown",
            Self::Released => "released",
            Self::Replaced => "replaced",
            Self::WrongKey => "wrong_key",
            Self::WrongNetwork => "wrong_network",
            Self::Refused => "refused",
            Self::MalformedHello => "malformed_hello",
            Self::OversizedFrame => "oversized_frame",
            Self::MalformedFrame => "malformed_frame",
            Self::UnknownChannel => "unknown_channel",
            Self::DuplicateStream => "duplicate_stream",
            Self::Stalled => "stalled",
            Self::QueueOverflow => "queue_overflow",
            Self::IdleTimeout => "idle_timeout",
            Self::PeerRestarted => "peer_restarted",
            Self::Abandoned => "abandoned",
            Self::Tls => "tls",
            Self::Transport => "transport",
        }
    }

    /// The application code to close with. Reasons that only QUIC itself gives have none of their own.
    pub(super) fn code(self) -> VarInt {
        let code = CODES.iter().find(|(_, reason)| *reason == self).map_or(0, |(code, _)| *code);
        VarInt::from_u32(code)
    }

    fn from_code(code: VarInt) -> Self {
        let code = code.into_inner();
        CODES.iter().find(|(known, _)| u64::from(*known) == code).map_or(Self::Transport, |(_, reason)| *reason)
    }

    fn from_transport_code(code: u64) -> Self {
        match code {
            ALERT_NO_APPLICATION_PROTOCOL => Self::WrongNetwork,
            code if ALERTS_OF_A_KEY.contains(&code) => Self::WrongKey,
            code if ALERTS.contains(&code) => Self::Tls,
            code if code == u64::from(quinn::TransportErrorCode::CONNECTION_REFUSED) => Self::Refused,
            _ => Self::Transport,
        }
    }

    /// Whether it says that a peer does what no honest peer of this network does.
    pub const fn is_misbehaviour(self) -> bool {
        matches!(
            self,
            Self::WrongKey
                | Self::WrongNetwork
                | Self::MalformedHello
                | Self::OversizedFrame
                | Self::MalformedFrame
                | Self::UnknownChannel
                | Self::DuplicateStream
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClosedBy {
    /// This node.
    Local,
    /// The peer.
    Peer,
}

impl ClosedBy {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Peer => "peer",
        }
    }
}

/// Reads a QUIC error. `local` is the reason that this node gave, where it closed the connection itself.
pub(super) fn classify(error: &ConnectionError, local: Option<Reason>) -> (Reason, ClosedBy) {
    match error {
        ConnectionError::LocallyClosed => (local.unwrap_or(Reason::Shutdown), ClosedBy::Local),
        ConnectionError::ApplicationClosed(close) => (Reason::from_code(close.error_code), ClosedBy::Peer),
        ConnectionError::ConnectionClosed(close) => {
            (Reason::from_transport_code(close.error_code.into()), ClosedBy::Peer)
        }
        ConnectionError::TransportError(error) => (Reason::from_transport_code(error.code.into()), ClosedBy::Local),
        ConnectionError::Reset => (Reason::PeerRestarted, ClosedBy::Peer),
        ConnectionError::TimedOut => (Reason::IdleTimeout, ClosedBy::Local),
        ConnectionError::VersionMismatch => (Reason::Transport, ClosedBy::Peer),
        ConnectionError::CidsExhausted => (Reason::Transport, ClosedBy::Local),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn codes_and_names_are_distinct_and_read_back() {
        let codes: HashSet<u32> = CODES.iter().map(|(code, _)| *code).collect();
        let names: HashSet<&str> = CODES.iter().map(|(_, reason)| reason.name()).collect();
        assert_eq!((codes.len(), names.len()), (CODES.len(), CODES.len()));
        for (code, reason) in CODES {
            assert_eq!(Reason::from_code(VarInt::from_u32(code)), reason);
            assert_eq!(reason.code(), VarInt::from_u32(code));
        }
    }

    #[test]
    fn an_unknown_code_is_a_transport_failure() {
        assert_eq!(Reason::from_code(VarInt::from_u32(0xdead)), Reason::Transport);
    }
}
