//! The transport's metrics. Peers are labelled by the first eight bytes of their key, in hex.

use super::reason::{ClosedBy, Reason};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use quinn::{ConnectionStats, Side};
use std::time::Duration;

/// Connections that are open now.
const CONNECTIONS_OPEN: &str = "sinter_quic_connections_open";
/// Connections that were authenticated, by `side` (`dialer`, `listener`).
const CONNECTIONS_OPENED: &str = "sinter_quic_connections_opened_total";
/// Connections and attempts that ended, by `reason` and `by` (`local`, `peer`).
const CONNECTIONS_CLOSED: &str = "sinter_quic_connections_closed_total";
/// Seconds from the first packet to the answered hello, by `side`.
const HANDSHAKE_SECONDS: &str = "sinter_quic_handshake_seconds";
/// Round trip to a `peer`, smoothed.
const RTT_SECONDS: &str = "sinter_quic_rtt_seconds";
/// Congestion window towards a `peer`.
const CONGESTION_WINDOW_BYTES: &str = "sinter_quic_congestion_window_bytes";
/// Path MTU towards a `peer`.
const MTU_BYTES: &str = "sinter_quic_mtu_bytes";
/// UDP payload sent to a `peer`.
const SENT_BYTES: &str = "sinter_quic_sent_bytes_total";
/// UDP payload received from a `peer`.
const RECEIVED_BYTES: &str = "sinter_quic_received_bytes_total";
/// Packets to a `peer` that were lost.
const LOST_PACKETS: &str = "sinter_quic_lost_packets_total";
/// Bytes that wait to be sent to a `peer`, by `channel`.
const QUEUE_BYTES: &str = "sinter_quic_queue_bytes";
/// Messages refused by a full queue, by `channel`.
const MESSAGES_DROPPED: &str = "sinter_quic_messages_dropped_total";
/// Messages held back to keep below a channel's quota, by `channel`.
const MESSAGES_PACED: &str = "sinter_quic_messages_paced_total";

/// Names every metric to the recorder.
pub fn describe() {
    use metrics::Unit;
    describe_gauge!(CONNECTIONS_OPEN, Unit::Count, "QUIC connections open now");
    describe_counter!(CONNECTIONS_OPENED, Unit::Count, "QUIC connections authenticated");
    describe_counter!(CONNECTIONS_CLOSED, Unit::Count, "QUIC connections and attempts ended, by reason");
    describe_histogram!(HANDSHAKE_SECONDS, Unit::Seconds, "Duration of successful QUIC handshakes");
    describe_gauge!(RTT_SECONDS, Unit::Seconds, "Smoothed round trip to a peer");
    describe_gauge!(CONGESTION_WINDOW_BYTES, Unit::Bytes, "Congestion window towards a peer");
    describe_gauge!(MTU_BYTES, Unit::Bytes, "Path MTU towards a peer");
    describe_counter!(SENT_BYTES, Unit::Bytes, "UDP payload sent to a peer");
    describe_counter!(RECEIVED_BYTES, Unit::Bytes, "UDP payload received from a peer");
    describe_counter!(LOST_PACKETS, Unit::Count, "Packets to a peer declared lost");
    describe_gauge!(QUEUE_BYTES, Unit::Bytes, "Bytes waiting to be sent to a peer on a channel");
    describe_counter!(MESSAGES_DROPPED, Unit::Count, "Messages refused by a full send queue");
    describe_counter!(MESSAGES_PACED, Unit::Count, "Received messages held back to keep below a quota");
}

pub(super) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Client => "dialer",
        Side::Server => "listener",
    }
}

pub(super) fn opened(side: Side, handshake: Duration) {
    gauge!(CONNECTIONS_OPEN).increment(1.0);
    counter!(CONNECTIONS_OPENED, "side" => side_name(side)).increment(1);
    histogram!(HANDSHAKE_SECONDS, "side" => side_name(side)).record(handshake.as_secs_f64());
}

/// An attempt that never became a connection.
pub(super) fn attempt_failed(reason: Reason, by: ClosedBy) {
    counter!(CONNECTIONS_CLOSED, "reason" => reason.name(), "by" => by.name()).increment(1);
}

pub(super) fn closed(reason: Reason, by: ClosedBy) {
    gauge!(CONNECTIONS_OPEN).decrement(1.0);
    attempt_failed(reason, by);
}

pub(super) fn dropped(channel: &'static str) {
    counter!(MESSAGES_DROPPED, "channel" => channel).increment(1);
}

pub(super) fn paced(channel: &'static str) {
    counter!(MESSAGES_PACED, "channel" => channel).increment(1);
}

pub(super) fn queued(peer: &str, channel: &'static str, bytes: usize) {
    gauge!(QUEUE_BYTES, "peer" => peer.to_owned(), "channel" => channel).set(bytes as f64);
}

/// Records a connection's state, and what passed since `last`.
pub(super) fn sample(peer: &str, last: &ConnectionStats, now: &ConnectionStats) {
    let label = || peer.to_owned();
    gauge!(RTT_SECONDS, "peer" => label()).set(now.path.rtt.as_secs_f64());
    gauge!(CONGESTION_WINDOW_BYTES, "peer" => label()).set(now.path.cwnd as f64);
    gauge!(MTU_BYTES, "peer" => label()).set(f64::from(now.path.current_mtu));
    counter!(SENT_BYTES, "peer" => label()).increment(now.udp_tx.bytes.saturating_sub(last.udp_tx.bytes));
    counter!(RECEIVED_BYTES, "peer" => label()).increment(now.udp_rx.bytes.saturating_sub(last.udp_rx.bytes));
    counter!(LOST_PACKETS, "peer" => label()).increment(now.path.lost_packets.saturating_sub(last.path.lost_packets));
}
