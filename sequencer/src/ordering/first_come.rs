//! First come, first ordered: in order of arrival at the proposer.

use super::{Admission, LaneContext, OrderingError, OrderingRule, admit_kind};
use sinter_primitives::{Transaction, TransactionKind};

const KINDS: &[TransactionKind] = &[TransactionKind::User];

/// In order of arrival at the proposer. Nobody else knows that order, so nothing about it can be checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct FirstCome;

impl OrderingRule for FirstCome {
    fn version(&self) -> u16 {
        1
    }

    fn kinds(&self) -> &'static [TransactionKind] {
        KINDS
    }

    fn admit(&self, transaction: &Transaction, _chain_id: u64) -> Result<Admission, OrderingError> {
        admit_kind(KINDS, transaction.kind)?;
        Ok(Admission::InTurn)
    }

    fn build(&self, candidates: &mut Vec<Transaction>, _context: &LaneContext) {
        candidates.retain(|transaction| KINDS.contains(&transaction.kind));
    }

    fn check(&self, transactions: &[Transaction], _context: &LaneContext) -> Result<(), OrderingError> {
        transactions.iter().try_for_each(|transaction| admit_kind(KINDS, transaction.kind))
    }
}
