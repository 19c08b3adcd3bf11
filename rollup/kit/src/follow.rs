//! Following a namespace: what was ordered, block by block, verified, from wherever one left off.
//!
//! A [`Follower`] takes the answers of nodes (`sinter_getNamespaceRange`, docs/protocol.md) and trusts none of them: every range is
//! checked against the committee's certificates and against the accumulator of the range before, so that nothing can be
//! missing, foreign or out of order. What it has to remember is its [`Place`]: two numbers and a digest.

use serde::{Deserialize, Serialize};
use sinter_primitives::accumulator::Position;
use sinter_primitives::range::{NamespaceRange, RangeError};
use sinter_primitives::receipt::TrustedNetwork;
use sinter_primitives::{Accumulator, Namespace};
use thiserror::Error;

use crate::lane::Block;

/// Why a range is not taken.
#[derive(Debug, Error)]
pub enum FollowError {
    /// It is of another namespace.
    #[error("expected a range of namespace {expected}, got one of {got}")]
    Namespace {
        /// The follower's.
        expected: Namespace,
        /// The range's.
        got: Namespace,
    },
    /// It does not go on where the follower is.
    #[error("expected a range from height {expected}, got one from {got}")]
    Height {
        /// Where the follower goes on.
        expected: u64,
        /// Where the range begins.
        got: u64,
    },
    /// It does not hold.
    #[error(transparent)]
    Range(#[from] RangeError),
}

/// Where a follower stands: all that it needs to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The next height.
    pub next_height: u64,
    /// The namespace's accumulator before it.
    pub accumulator: Accumulator,
}

/// Somebody who follows a namespace.
#[derive(Clone, Debug)]
pub struct Follower {
    network: TrustedNetwork,
    namespace: Namespace,
    place: Place,
}

impl Follower {
    /// One who begins with the chain's first block.
    #[must_use]
    pub fn new(network: TrustedNetwork, namespace: Namespace) -> Self {
        let place = Place { next_height: 1, accumulator: Accumulator::genesis(network.chain_id, namespace) };
        Self::resume(network, namespace, place)
    }

    /// One who goes on.
    #[must_use]
    pub const fn resume(network: TrustedNetwork, namespace: Namespace, place: Place) -> Self {
        Self { network, namespace, place }
    }

    /// What it trusts.
    #[must_use]
    pub const fn network(&self) -> &TrustedNetwork {
        &self.network
    }

    /// What it trusts, to go on from one committee to the next before it takes ranges that a later one certified.
    pub const fn network_mut(&mut self) -> &mut TrustedNetwork {
        &mut self.network
    }

    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Takes a range that a node sent; gives the blocks in which the namespace was active. A range that is refused changes
    /// nothing.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn take(&mut self, range: &NamespaceRange) -> Result<Vec<Block>, FollowError> {
        if range.namespace != self.namespace {
            return Err(FollowError::Namespace { expected: self.namespace, got: range.namespace });
        }
        if range.from_height != self.place.next_height {
            return Err(FollowError::Height { expected: self.place.next_height, got: range.from_height });
        }
        let verified = range.verify(&self.network, Some(self.place.accumulator))?;
        let blocks = range.blocks.iter().zip(&range.header_chain.headers);
        let active = blocks.filter(|(block, _)| !block.transactions.is_empty()).map(|(block, header)| Block {
            position: Position {
                chain_id: header.chain_id,
                namespace: self.namespace,
                height: header.height,
                timestamp_ms: header.timestamp_ms,
                l1_origin_number: header.l1_origin.number,
            },
            transactions: block.transactions.clone(),
        });
        let active = active.collect();
        self.place = Place {
            next_height: verified.to_height + 1,
            accumulator: verified.accumulator.unwrap_or(self.place.accumulator),
        };
        Ok(active)
    }
}
