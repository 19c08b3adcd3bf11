//! A lane of the L1's alone.

use super::{Admission, LaneContext, OrderingError, OrderingRule, admit_kind};
use sinter_primitives::{Transaction, TransactionKind};

/// Nothing stands behind what was forced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl OrderingRule for Closed {
    fn version(&self) -> u16 {
        1
    }

    fn kinds(&self) -> &'static [TransactionKind] {
        &[]
    }

    fn admit(&self, transaction: &Transaction, _chain_id: u64) -> Result<Admission, OrderingError> {
        admit_kind(self.kinds(), transaction.kind).map(|()| Admission::InTurn)
    }

    fn build(&self, candidates: &mut Vec<Transaction>, _context: &LaneContext) {
        candidates.clear();
    }

    fn check(&self, transactions: &[Transaction], _context: &LaneContext) -> Result<(), OrderingError> {
        transactions.iter().try_for_each(|transaction| admit_kind(self.kinds(), transaction.kind))
    }
}
