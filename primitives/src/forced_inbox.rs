//! What the committee must order: transactions that somebody appended to the `ForcedInbox` contract on L1.
//!
//! A block whose L1 origin advances from `a` to `b` opens with what came in the L1 blocks of `(a, b]`: in the lane of each namespace,
//! before everything else, in the order of the entries' numbers. The header's inbox cursor counts the entries up to its origin, those of
//! namespaces that the chain does not order for among them: they are passed over.
//!
//! An entry is ordered as a transaction of kind [`Inbox`](TransactionKind::Inbox), whose expiry height is the entry's number. So no two
//! are the same, and none repeats.

use crate::{Chain, Ledger, Namespace, Transaction, TransactionKind};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Most bytes of a payload: `ForcedInbox.PAYLOAD_BYTES_MAX`.
pub const PAYLOAD_BYTES_MAX: usize = 16_384;
/// What an entry counts for beside its payload: more than it takes in a body, a lane of its own included. `ForcedInbox.ENTRY_BYTES`.
pub const ENTRY_BYTES: usize = 64;
/// Most bytes that one L1 block appends: `ForcedInbox.BLOCK_BYTES_MAX`.
pub const L1_BLOCK_BYTES_MAX: usize = 65_536;
/// Most entries that one L1 block appends, each having a payload.
pub const L1_BLOCK_ENTRIES_MAX: usize = L1_BLOCK_BYTES_MAX / (ENTRY_BYTES + 1);
/// Most L1 blocks by which a block advances its origin, so that what it has to open with can be looked up.
pub const ORIGIN_STEP_MAX: u64 = 128;

/// An entry of the contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForcedEntry {
    /// Its number, from 0.
    pub index: u64,
    /// The L1 block in which it came.
    pub l1_block: u64,
    /// Whose lane it is for.
    pub namespace: Namespace,
    /// What it says, 1 to [`PAYLOAD_BYTES_MAX`] bytes.
    pub payload: Bytes,
}

impl ForcedEntry {
    /// The transaction that orders it.
    #[must_use]
    pub fn transaction(&self) -> Transaction {
        Transaction {
            kind: TransactionKind::Inbox,
            namespace: self.namespace,
            expiry_height: self.index,
            payload: self.payload.clone(),
        }
    }

    /// What it counts for: no less than what it takes in a body.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.payload.len() + ENTRY_BYTES
    }
}

/// Entries by the namespace that they are for, those of namespaces that are open in `ledger`, the parent's [as it is opened by
/// them](Ledger::opened_by): each namespace's open its lane, in order.
#[must_use]
pub fn openings<'a>(ledger: &Ledger, entries: &'a [ForcedEntry]) -> BTreeMap<Namespace, Vec<&'a ForcedEntry>> {
    let mut openings: BTreeMap<Namespace, Vec<&ForcedEntry>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| ledger.entry(entry.namespace).is_some()) {
        openings.entry(entry.namespace).or_default().push(entry);
    }
    openings
}

/// Whether a block that opens with these entries has half of its room left for others. One with those of a single L1 block always has.
#[must_use]
pub fn fits(chain: &Chain, entries: &[ForcedEntry]) -> bool {
    let parameters = &chain.file.parameters;
    entries.iter().map(ForcedEntry::bytes).sum::<usize>() <= parameters.block_bytes_max / 2
        && entries.len() <= parameters.block_transactions_max / 2
}
