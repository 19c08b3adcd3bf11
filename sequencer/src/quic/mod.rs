//! The transport: QUIC under `commonware_p2p::authenticated::lookup`.
//!
//! `lookup` keeps its tracker, dialing, blocking, quotas and priorities. It is generic over the runtime's
//! `Network` and over `commonware_stream`'s `Upgrader`, and that is where this module enters:
//!
//! ```text
//!   lookup::Network ── QuicContext: bind, dial ──▶ a token (no bytes move)
//!                   ── QuicUpgrader: dial, listen(token) ──▶ handshake ──▶ Sender, Receiver (whole messages)
//! ```
//!
//! # Handshake
//!
//! 1. The listener answers a first packet with a Retry, so that a spoofed address costs it nothing.
//! 2. TLS 1.3, mutual, with raw ed25519 public keys (RFC 7250). The dialer accepts only the key it dialed. The
//!    ALPN is `sinter/1/<chain hash in hex>`: a node of another network is refused before it shows its key.
//! 3. The listener asks `lookup`'s bouncer about the authenticated key.
//! 4. Both send a hello over the control stream: a TLS exporter (RFC 5705) over the p2p namespace, the chain
//!    hash, both keys and the sender's role. The dialer sends first, and is connected only when the answer holds.
//!
//! Each accept runs in its own task of `lookup`, which bounds their number and their time.
//!
//! # Streams
//!
//! ```text
//!   control   bidirectional, opened by the dialer   hello (32 bytes each way), then frames (pings)
//!   channel   unidirectional, one per channel and direction, opened with the first message
//!             channel id (1 byte), then frames
//!   frame     length n (4 bytes, big-endian, 1 ≤ n ≤ limit) ‖ p2p message (n bytes)
//! ```
//!
//! One stream per channel keeps the order within a channel, which is all that p2p's users rely on, and
//! leaves no order between channels. A stream's QUIC priority is its channel's [`Class`]: with every packet
//! the highest class that has bytes goes first, so a vote overtakes a block in flight.
//!
//! # Bounds
//!
//! | what | bound | when it is reached |
//! |---|---|---|
//! | bytes queued to send, per channel | [`QuicConfig::queue_bytes`] | see "Overflow" |
//! | bytes received and not yet read, per stream | [`QuicConfig::stream_window_bytes`] | QUIC stops that stream, and only it |
//! | a frame | p2p's limit, checked before its buffer is made | `oversized_frame` |
//! | messages a second, per channel | the channel's quota less a little | that stream waits, others do not |
//! | streams | one per channel and direction, one for control | QUIC refuses |
//! | unaccepted first packets | 1,024, of 4 MiB together | QUIC refuses |
//!
//! The connection's own flow-control window is the sum of its streams' windows, so a stream that nobody
//! reads never takes the credit of another.
//!
//! # Overflow
//!
//! `lookup` sends to a peer from one loop, so a sender that waits makes votes wait for blocks. Ours never
//! waits: it queues and returns. p2p's contract is that a message may be lost, never that it is reordered
//! or cut: above us, `lookup` refuses the newest message when a peer's mailbox is full. A full channel
//! queue does just that, for that channel alone, and counts it (`messages_dropped_total`). Losing votes
//! one by one would leave a peer connected and of no use, so a full queue of the consensus class ends the
//! connection (`queue_overflow`), as does a queue that has not moved for [`QuicConfig::stall_timeout`]
//! (`stalled`): the peer comes back with empty queues and catches up through certificates.

mod config;
mod context;
mod endpoint;
mod frame;
mod handshake;
mod metrics;
mod pacer;
mod reason;
mod receiver;
mod sender;
mod session;
mod socket;
mod upgrader;

pub use config::{QuicConfig, QuicError};
pub use context::{QuicContext, QuicListener, QuicSink, QuicStream};
pub use endpoint::Transport;
pub use frame::MESSAGE_BYTES_MAX;
pub use handshake::HandshakeError;
pub use metrics::describe;
pub use reason::{ClosedBy, Reason};
pub use receiver::{QuicReceiver, ReceiveError};
pub use sender::{QuicSender, SendError};
pub use upgrader::QuicUpgrader;

#[cfg(doc)]
use crate::channels::Class;
