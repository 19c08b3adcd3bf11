//! How much the mempool holds, and for whom.

use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;

/// Bounds of the mempool. Bytes are those that transactions take inside a block's lane.
///
/// What another seat may have pending here through dissemination is not configured: it is one part of as
/// many as there are seats, and at most a quarter, of the pool and of each namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MempoolConfig {
    /// Most bytes, over all namespaces.
    pub bytes_max: usize,
    /// Most transactions, over all namespaces.
    pub transactions_max: usize,
    /// Most bytes of one namespace.
    pub namespace_bytes_max: usize,
    /// Most transactions of one namespace.
    pub namespace_transactions_max: usize,
    /// Most transactions that one account of a namespace has pending here.
    pub sender_transactions_max: usize,
    /// Most bytes that one account of a namespace has pending here.
    pub sender_bytes_max: usize,
    /// Most transactions that one address (of IPv6, one /64) has pending here, over all its accounts.
    pub client_transactions_max: usize,
    /// Most bytes that one such address has pending here.
    pub client_bytes_max: usize,
}

impl Default for MempoolConfig {
    fn default() -> Self {
        Self {
            bytes_max: 128 << 20,
            transactions_max: 1 << 18,
            namespace_bytes_max: 64 << 20,
            namespace_transactions_max: 1 << 17,
            sender_transactions_max: 1 << 10,
            sender_bytes_max: 4 << 20,
            client_transactions_max: 1 << 14,
            client_bytes_max: 32 << 20,
        }
    }
}

/// A configured bound that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mempool.{key}: expected {expected}, got {got}")]
pub struct MempoolConfigError {
    /// The key.
    pub key: &'static str,
    /// What is admitted.
    pub expected: String,
    /// What was configured.
    pub got: usize,
}

impl MempoolConfig {
    /// Whether every bound is at least what one transaction of `transaction_bytes_max` bytes needs, and
    /// no part is larger than the whole.
    ///
    /// # Errors
    /// [`MempoolConfigError`], naming the key.
    pub fn check(&self, transaction_bytes_max: usize) -> Result<(), MempoolConfigError> {
        let within = |key, got, min: usize, max: usize| {
            if (min..=max).contains(&got) {
                return Ok(());
            }
            Err(MempoolConfigError { key, expected: format!("{min} to {max}"), got })
        };
        // Pending transactions are counted in metrics and indices of 32 bits.
        let transactions_ceiling = 1 << 24;
        within("bytes_max", self.bytes_max, transaction_bytes_max, 1 << 40)?;
        within("transactions_max", self.transactions_max, 1, transactions_ceiling)?;
        within("namespace_bytes_max", self.namespace_bytes_max, transaction_bytes_max, self.bytes_max)?;
        within("namespace_transactions_max", self.namespace_transactions_max, 1, self.transactions_max)?;
        within("sender_transactions_max", self.sender_transactions_max, 1, transactions_ceiling)?;
        within("sender_bytes_max", self.sender_bytes_max, transaction_bytes_max, self.bytes_max)?;
        within("client_transactions_max", self.client_transactions_max, 1, transactions_ceiling)?;
        within("client_bytes_max", self.client_bytes_max, transaction_bytes_max, self.bytes_max)
    }

    /// The pool as a whole.
    pub(super) const fn pool(&self) -> Size {
        Size { transactions: self.transactions_max, bytes: self.bytes_max }
    }

    /// Most of one namespace.
    pub(super) const fn namespace(&self) -> Size {
        Size { transactions: self.namespace_transactions_max, bytes: self.namespace_bytes_max }
    }

    /// What each of `namespaces` open namespaces has room for, whatever the others do: half of the pool,
    /// in equal parts. The other half goes to who comes first, so that a busy namespace may use an idle
    /// one's part of it, and no flood ever takes a namespace's own room.
    pub(super) fn reserved(&self, namespaces: NonZeroUsize) -> Size {
        let part =
            Size { transactions: self.transactions_max / 2 / namespaces, bytes: self.bytes_max / 2 / namespaces };
        part.min(self.namespace())
    }

    /// What one seat may have pending here through dissemination, of a whole that is the pool or one
    /// namespace: one part of as many as there are seats, this node's own included, and a quarter in a
    /// small committee. So no peer fills the pool, and all of them together leave this node's own
    /// clients their part.
    pub(super) fn peer_share(whole: Size, seats: usize) -> Size {
        let parts = seats.max(4);
        Size { transactions: (whole.transactions / parts).max(1), bytes: whole.bytes / parts }
    }
}

/// An amount of transactions, or a bound on one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub transactions: usize,
    pub bytes: usize,
}

impl Size {
    /// One transaction of `bytes` bytes.
    pub const fn one(bytes: usize) -> Self {
        Self { transactions: 1, bytes }
    }

    pub fn min(self, other: Self) -> Self {
        Self { transactions: self.transactions.min(other.transactions), bytes: self.bytes.min(other.bytes) }
    }

    /// One of as many equal parts.
    pub const fn part(self, parts: usize) -> Self {
        Self { transactions: self.transactions / parts, bytes: self.bytes / parts }
    }

    /// What of `self` exceeds `part`.
    pub const fn beyond(self, part: Self) -> Self {
        Self {
            transactions: self.transactions.saturating_sub(part.transactions),
            bytes: self.bytes.saturating_sub(part.bytes),
        }
    }

    /// Whether `self` fits in `bound`.
    #[cfg(test)]
    pub const fn fits(self, bound: Self) -> bool {
        self.transactions <= bound.transactions && self.bytes <= bound.bytes
    }
}

impl std::ops::Add for Size {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { transactions: self.transactions + other.transactions, bytes: self.bytes + other.bytes }
    }
}

impl std::ops::AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl std::ops::SubAssign for Size {
    fn sub_assign(&mut self, other: Self) {
        self.transactions -= other.transactions;
        self.bytes -= other.bytes;
    }
}
