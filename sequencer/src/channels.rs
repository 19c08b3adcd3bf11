//! The channels that two sequencers share, each with its quota and its class.
//!
//! A channel's id is its p2p [`Channel`](commonware_p2p::Channel) and its place in [`ALL`]. Both ends of a
//! connection must agree on this table: a peer that exceeds a quota is slowed to it, and a frame on a
//! channel that is not here ends the connection.
//!
//! Quotas bound two things: what a peer can make us do, and memory. `lookup` preallocates
//! `peers × tracked peer sets × burst` mailbox slots for a channel, and every slot may hold a full
//! message, so bursts are small. Senders drop what exceeds the quota, so the rate must leave room above
//! the fastest network we expect (some 200 views a second, with at most three messages a view on a channel).

use commonware_runtime::Quota;
use std::num::NonZeroU32;

/// Votes of simplex: notarize, nullify, finalize.
pub const VOTES: u64 = 0;
/// Certificates of simplex: notarizations, nullifications, finalizations.
pub const CERTIFICATES: u64 = 1;
/// Requests for certificates that a node missed, and their answers.
pub const RESOLVER: u64 = 2;
/// Proposed blocks, from their proposers, whole or in shards ([`crate::shards`]).
pub const BLOCKS: u64 = 3;
/// Requests for notarized and final blocks that a node has not got, and their answers (marshal's resolver).
pub const BACKFILL: u64 = 4;
/// Transactions on their way to the next leaders.
pub const TRANSACTIONS: u64 = 5;
/// Votes that exclude each other, with their signatures.
pub const EVIDENCE: u64 = 6;
/// Which protocols members are ready for.
pub const READINESS: u64 = 7;

/// How urgent a channel is. Within a connection, a message of a higher class overtakes all queued bytes of lower ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// May wait for everything else.
    Transactions,
    /// Serves nodes that are behind; never at the cost of those that are not.
    Backfill,
    /// The block that the committee is about to vote on.
    Block,
    /// Small, and the next view waits for it.
    Consensus,
}

/// One channel's place in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The p2p channel.
    pub id: u64,
    /// Its name in logs and metrics.
    pub name: &'static str,
    /// How urgent it is.
    pub class: Class,
    /// Most messages a second, from and to each peer.
    pub per_second: NonZeroU32,
    /// Most messages at once, from and to each peer.
    pub burst: NonZeroU32,
}

impl Channel {
    const fn new(id: u64, name: &'static str, class: Class, per_second: u32, burst: u32) -> Self {
        let (Some(per_second), Some(burst)) = (NonZeroU32::new(per_second), NonZeroU32::new(burst)) else {
            panic!("a quota of zero"); // reached only while compiling: `ALL` is the one caller
        };
        Self { id, name, class, per_second, burst }
    }

    /// The quota to register the channel with.
    pub const fn quota(&self) -> Quota {
        Quota::per_second(self.per_second).allow_burst(self.burst)
    }
}

/// Every channel, by id.
pub const ALL: [Channel; 8] = [
    Channel::new(VOTES, "votes", Class::Consensus, 2048, 256),
    Channel::new(CERTIFICATES, "certificates", Class::Consensus, 2048, 256),
    Channel::new(RESOLVER, "resolver", Class::Consensus, 512, 64),
    Channel::new(BLOCKS, "blocks", Class::Block, 512, 16),
    Channel::new(BACKFILL, "backfill", Class::Backfill, 256, 16),
    Channel::new(TRANSACTIONS, "transactions", Class::Transactions, 512, 32),
    // Each is a pairing to check, and there is one a seat, epoch and kind.
    Channel::new(EVIDENCE, "evidence", Class::Transactions, 8, 16),
    Channel::new(READINESS, "readiness", Class::Consensus, 2, 4),
];

/// The quota of one of this file's channels, for `lookup::Network::register`.
///
/// # Panics
///
/// When `id` is none of this file's constants.
pub const fn quota(id: u64) -> Quota {
    ALL[id as usize].quota()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_places() {
        for (place, channel) in ALL.iter().enumerate() {
            assert_eq!(channel.id, place as u64, "{}", channel.name);
        }
    }

    #[test]
    fn votes_go_before_blocks_before_backfill_before_transactions() {
        for urgent in [VOTES, CERTIFICATES, RESOLVER] {
            assert_eq!(ALL[urgent as usize].class, Class::Consensus);
        }
        assert!(Class::Consensus > Class::Block);
        assert!(Class::Block > Class::Backfill);
        assert!(Class::Backfill > Class::Transactions);
    }
}
