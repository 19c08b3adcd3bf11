//! How a proposed block gets to the members: whole from its leader, or in shards that members pass on to each other.
//!
//! # Protocol
//!
//! A leader that sends a block whole to `n - 1` others uploads it `n - 1` times, and everybody waits for that. So where it is much
//! ([`ShardsConfig::upload_bytes_min`]), the leader encodes the block as `n` shards of which any `f + 1` rebuild it (Reed–Solomon,
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
//!    but a view's leader makes others send anything. An honest leader may have more than one block in a view: it builds early on a
//!    parent that then fails, and again on another.
//! 3. With `f + 1` shards under one root it rebuilds the block, and treats it as if the leader had sent it whole.
//! 4. Shards go to the members of the next epoch too, who build on those blocks. Everybody else, such as who waits to be drawn, gets
//!    final blocks by asking for them (`marshal`), as does whoever missed too many shards.
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
//! most [`CANDIDATES_MAX`] a view. A shard is at most a block's `f + 1`th part, so `f` seats that lie take less than 3 blocks' bytes
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
/// Blocks that a leader may have in a view: two early ones, on parents that may fail, and one when its view comes.
pub const CANDIDATES_MAX: usize = 3;
/// Shards of one member that are kept until this node is in the epoch that they are of.
pub const HELD_MAX: usize = 4;

/// When blocks go in shards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShardsConfig {
    /// The bytes from which on they do: of a block, times the committee's other seats. 0: always; the largest number: never. A
    /// committee of three or less tolerates no fault, so its shards would be blocks: they stay whole.
    pub upload_bytes_min: u64,
}

impl Default for ShardsConfig {
    fn default() -> Self {
        // What a gigabit a second takes a quarter of a second to upload: docs/benchmarks.md, "How blocks travel".
        Self { upload_bytes_min: 28 << 20 }
    }
}
