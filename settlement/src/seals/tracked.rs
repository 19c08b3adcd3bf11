//! A seal and what is known of it, in memory and in the journal.

use super::status::{Delivery, Refusal};
use crate::submitter::Subject;
use alloy::primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A seal on its way to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SealPost {
    pub(super) root: B256,
}

/// A seal that was signed for and is in no transaction any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LostSeal {
    pub(super) root: B256,
    pub(super) call: Bytes,
}

impl fmt::Display for SealPost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seal of {}", self.root)
    }
}

impl Subject for SealPost {
    type Lost = Vec<LostSeal>;

    fn lose(self, call: Bytes, lost: &mut Self::Lost) {
        if lost.iter().all(|lost| lost.root != self.root) {
            lost.push(LostSeal { root: self.root, call });
        }
    }

    fn make_good(&self, lost: &mut Self::Lost) {
        lost.retain(|lost| lost.root != self.root);
    }
}

/// A seal, and what is known of it.
#[derive(Clone, Debug)]
pub(super) struct Tracked {
    pub(super) call: Bytes,
    pub(super) root: Option<B256>,
    /// As the hub says at the L1's head; zero while it has not got the root.
    pub(super) count: u32,
    pub(super) settled: bool,
    pub(super) reverts: u32,
    pub(super) refusal: Option<Refusal>,
    pub(super) delivery: Option<Delivery>,
}

impl Tracked {
    pub(super) const fn new(call: Bytes, root: Option<B256>) -> Self {
        Self { call, root, count: 0, settled: false, reverts: 0, refusal: None, delivery: None }
    }

    /// Whether it is still to be brought to the hub.
    pub(super) const fn is_open(&self) -> bool {
        self.count == 0 && !self.settled && self.refusal.is_none()
    }
}

/// Whether the hub has a root, at the L1's head.
pub(super) fn has(seals: &[Tracked], root: &B256) -> bool {
    seals.iter().any(|seal| seal.root.as_ref() == Some(root) && (seal.count > 0 || seal.settled))
}
