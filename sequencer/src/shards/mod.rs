//! How a proposed block gets to the members: whole from its leader, or in shards that members pass on to each other.
//!
//! # Protocol
//!
//! A leader that sends a block whole to `n - 1` others uploads it `n - 1` times, and everybody waits for that. So whole ones go to the
//! seats alone, but for an epoch's last, on which the next epoch's members build at once. Where shards save much
//! ([`ShardsConfig::saved_bytes_min`]), the leader encodes the block as `n` shards of which any `f + 1` rebuild it (Reed–Solomon,
//! with a Merkle tree over the shards), and sends each member the shard of its seat; each member sends that one to the others. The
//! leader uploads some three blocks whatever `n` is, and so does everybody else (twice that where the next epoch has other members).
//!
//! ```text
//!   whole: +---+-------+      shard: +---+-----------+----------+-----------+-----------------------------------+
//!          | 0 | block |             | 1 | epoch (8) | view (8) | root (32) | shard, its place, its Merkle path |
//!          +---+-------+             +---+-----------+----------+-----------+-----------------------------------+
//! ```
//!
//! 1. A member takes from the leader of a view the shard of its own seat, and from any other member the shard of that member's
//!    seat. What is not under the root that comes with it, nobody honest sends: who does is cut off.
//! 2. It passes on what the view's leader sent it, and nothing else: once a block, and at most [`CANDIDATES_MAX`] a view. So nobody
//!    but a view's leader makes others send anything. An honest leader has another block in a view only if it came back from a crash.
//! 3. With `f + 1` shards under one root it rebuilds the block, and treats it as if the leader had sent it whole.
//! 4. Shards go to the members of the next epoch too, who build on those blocks. Everybody else, such as who waits to be drawn, gets
//!    blocks by asking for them once they are notarized (`marshal`), as does whoever missed too many shards.
//!
//! # Why no vote and no header has the root
//!
//! Commonware's `marshal::coding` lets members vote on a shard alone, so its votes must commit to the code's root, and its
//! certificates are 68 bytes longer on L1. Here a vote says that a member checked the whole block (see
//! [`application`](crate::application)), and so more than a third of the members have it once it is notarized, however it came.
//! What the shards are for is time, not availability: a leader that sends wrong ones, or too few, is one that sends no block, and
//! its view fails. Both forms live side by side, each leader chooses by itself, and certificates, headers and the contracts are the
//! same with either.
//!
//! # Bounds
//!
//! Shards are kept for views from [`VIEWS_BEHIND_MAX`] below to [`VIEWS_AHEAD_MAX`] above the highest certified one, and of a seat at
//! most [`CANDIDATES_MAX`] a view. A shard is at most a block's `f + 1`th part, so `f` seats that lie take less than 2 blocks' bytes
//! for each of these 9 views. For the next epoch, which a node may hear of before it is there, [`HELD_MAX`] shards of each of its members
//! are held, of its first views: less than 12 blocks' bytes if all of them lie.

mod actor;
mod channel;
mod collector;
mod message;
mod metrics;

pub use actor::{Parts, start};
pub use channel::{Inbox, Outbox};
pub use message::{ShareError, message_bytes_max};

use serde::{Deserialize, Serialize};

/// Views below the highest certified one whose shards are still taken.
pub const VIEWS_BEHIND_MAX: u64 = 2;
/// Views above it.
pub const VIEWS_AHEAD_MAX: u64 = 6;
/// Blocks that a leader may have in a view: one, and another if it came back from a crash before it voted for the first.
pub const CANDIDATES_MAX: usize = 2;
/// Shards of one member that are kept until this node is in the epoch that they are of.
pub const HELD_MAX: usize = 4;

/// When blocks go in shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardsConfig {
    /// They do where that saves so many bytes of upload, one after the other: `(n - 1)(1 - 2 / (f + 1))` times the block's. 0: always; the
    /// largest number: never. A committee of three or less tolerates no fault, so its shards would be blocks: they stay whole.
    pub saved_bytes_min: u64,
}

impl Default for ShardsConfig {
    fn default() -> Self {
        // A gigabit a second takes 50 ms for them, and shards for their second hop not much less: docs/benchmarks.md, "How blocks travel".
        Self { saved_bytes_min: 6 << 20 }
    }
}

/// How much less is uploaded, one after the other, if a block goes to `others` in shards of which `needed` rebuild it: the leader sends
/// each of them one shard instead of the block, and then each of them sends its own to the others.
const fn saved_bytes(block_bytes: usize, others: usize, needed: usize) -> u64 {
    let whole = block_bytes.saturating_mul(others);
    whole.saturating_sub(2 * whole.div_ceil(needed)) as u64
}
