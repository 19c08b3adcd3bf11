//! What a transaction of the rollup's does, as the journal writes it.

use crate::submitter::Subject;
use alloy::primitives::{B256, Bytes};
use serde::{Deserialize, Serialize};
use sinter_primitives::Transition;
use std::fmt;

/// How far a contract is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reached {
    /// The height of the block in which it stands.
    pub height: u64,
    /// Elements of that block that are consumed.
    pub offset: u64,
    /// Entries of the inbox that are consumed.
    pub entries: u64,
}

impl Reached {
    /// Whether nothing is missing to another place: contracts go back in nothing.
    pub(super) fn is_at_least(&self, other: &Self) -> bool {
        (self.height, self.offset) >= (other.height, other.offset) && self.entries >= other.entries
    }
}

impl From<&Transition> for Reached {
    fn from(transition: &Transition) -> Self {
        let Transition { height, offset, inbox_entries: entries, .. } = *transition;
        Self { height, offset, entries }
    }
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum Step {
    /// Goes on by a chain of statements.
    Advance {
        /// The state that the chain begins in.
        before: B256,
        /// Where the contract is then.
        from: Reached,
        /// Where the chain ends.
        to: Reached,
    },
    /// Pays a withdrawal.
    Pay {
        /// The contract's number for the statement's withdrawals.
        batch: u64,
        /// Its place among them.
        index: u64,
    },
}

impl Step {
    /// Whether at most one of two can be done.
    pub(super) fn excludes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Advance { before, .. }, Self::Advance { before: other, .. }) => before == other,
            _ => self == other,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advance { to: Reached { height, offset, entries }, .. } => {
                write!(f, "the advance to height {height}, element {offset}, entry {entries}")
            }
            Self::Pay { batch, index } => write!(f, "the payment of withdrawal {index} of batch {batch}"),
        }
    }
}

impl Subject for Step {
    /// What to do next follows from where the contract is.
    type Lost = ();

    fn lose(self, _: Bytes, (): &mut ()) {}

    fn make_good(&self, (): &mut ()) {}
}
