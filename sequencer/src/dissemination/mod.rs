//! Passes on the transactions that this node took in from clients: to the next leaders at once, to
//! everybody else if that was not enough.
//!
//! # Protocol
//!
//! Every seat is connected to every other, so one hop reaches all of them.
//!
//! 1. A transaction that a client sent to this node goes, within [`flush_interval_ms`], to the seats that
//!    lead the next views ([`Leaders`]): one of them orders it soonest.
//! 2. If it is public and still waits for a block [`gossip_delay_ms`] later, it goes to the other seats.
//!    On a healthy network it does not wait that long, and nothing is gossiped at all.
//! 3. If it still waits [`resend_interval_ms`] later (twice that each time, up to
//!    [`resend_interval_ms_max`]), both steps start again with the leaders of then. It ends when the
//!    transaction is ordered or expires.
//! 4. A private transaction takes steps 1 and 3 only: nobody but leaders gets it. They are told that it
//!    is private, and who it came from is the only one to send it anywhere.
//! 5. What came from another seat is never passed on. So a seat that floods costs each other seat one
//!    reception and nothing to send, nothing circulates, and quotas tell who is behind it.
//!
//! Transactions travel in batches, each to all of its receivers at once:
//!
//! ```text
//! +----------------+----------------+-------------------------------------+
//! | visibility (1) | count (varint) | transactions, one after the other   |
//! +----------------+----------------+-------------------------------------+
//! visibility: 0 public, 1 private; count: 1 to 4,096
//! ```
//!
//! A batch that no honest node could have sent (it does not decode, or it holds a transaction that no
//! node of this chain admits, whatever its state) blocks the peer that sent it. One that only this node
//! has no room or no use for does not.
//!
//! # Bounds
//!
//! The schedule holds a few words for each transaction and at most `scheduled_max` of them; the
//! transactions stay in the mempool. A transaction that finds the schedule full displaces the one that is
//! due last, which has been sent most often. Each peer may make us read `peer_bytes_per_second_max`;
//! what comes on top is dropped unread, as the origin sends again what matters.
//!
//! [`flush_interval_ms`]: DisseminationConfig::flush_interval_ms
//! [`gossip_delay_ms`]: DisseminationConfig::gossip_delay_ms
//! [`resend_interval_ms`]: DisseminationConfig::resend_interval_ms
//! [`resend_interval_ms_max`]: DisseminationConfig::resend_interval_ms_max

mod actor;
mod batch;
mod intake;
mod metrics;
mod schedule;
mod seats;
#[cfg(test)]
mod tests;

pub use actor::Actor;
pub use batch::{BATCH_TRANSACTIONS_MAX, message_bytes_max};

use commonware_cryptography::ed25519::PublicKey;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Who leads the next views.
pub trait Leaders: Send + 'static {
    /// The epoch: members are others only in another one.
    fn epoch(&self) -> u64;

    /// The members of that epoch's committee.
    fn members(&self) -> Vec<PublicKey>;

    /// The members that lead the next views, soonest first: up to `count` different ones, fewer where they
    /// are not known. This node may be among them.
    fn next_leaders(&self, count: usize) -> Vec<PublicKey>;
}

/// How eagerly transactions are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DisseminationConfig {
    /// How many of the next leaders get a transaction at once.
    pub leaders: usize,
    /// Least time between two rounds of sending: what comes in between travels together.
    pub flush_interval_ms: u64,
    /// How long a public transaction waits for a block before it goes to the other seats.
    pub gossip_delay_ms: u64,
    /// How long it then waits before it goes to the leaders again, the first time.
    pub resend_interval_ms: u64,
    /// Most time between two such rounds.
    pub resend_interval_ms_max: u64,
    /// Most transactions that are on their way.
    pub scheduled_max: usize,
    /// Most bytes a second that are read from one peer.
    pub peer_bytes_per_second_max: u64,
}

impl Default for DisseminationConfig {
    fn default() -> Self {
        Self {
            leaders: 2,
            flush_interval_ms: 5,
            gossip_delay_ms: 250,
            resend_interval_ms: 1_000,
            resend_interval_ms_max: 60_000,
            scheduled_max: 1 << 16,
            peer_bytes_per_second_max: 32 << 20,
        }
    }
}

impl DisseminationConfig {
    const fn flush_interval(&self) -> Duration {
        Duration::from_millis(self.flush_interval_ms)
    }

    const fn gossip_delay(&self) -> Duration {
        Duration::from_millis(self.gossip_delay_ms)
    }

    /// How long a transaction waits that has gone around `rounds` times.
    fn resend_interval(&self, rounds: u32) -> Duration {
        let doubled = self.resend_interval_ms.saturating_mul(1u64.checked_shl(rounds).unwrap_or(u64::MAX));
        Duration::from_millis(doubled.min(self.resend_interval_ms_max))
    }
}
