//! Transactions that wait, in bounded number, by sender and nonce.

use super::{error::RpcError, evm::BlockTransaction};
use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256},
};
use std::collections::{BTreeMap, HashMap};

/// Most transactions that wait.
const TRANSACTIONS_MAX: usize = 4096;
/// Most nonces that one sender may be ahead.
const SENDER_TRANSACTIONS_MAX: u64 = 64;
/// A replacement pays this many percent more, in both fees (geth's `PriceBump`).
const PRICE_BUMP_PERCENT: u128 = 10;

/// A transaction that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub(super) transaction: BlockTransaction,
    pub(super) sender: Address,
}

/// Everything that waits.
#[derive(Debug, Default)]
pub(super) struct Pool {
    senders: HashMap<Address, BTreeMap<u64, Waiting>>,
    hashes: HashMap<B256, (Address, u64)>,
}

impl Pool {
    /// Takes a transaction in; `next` is its sender's nonce at the head.
    pub(super) fn insert(&mut self, waiting: Waiting, next: u64) -> Result<(), RpcError> {
        let hash = *waiting.transaction.tx_hash();
        let nonce = waiting.transaction.nonce();
        if self.hashes.contains_key(&hash) {
            return Err(RpcError::AlreadyKnown);
        }
        if nonce < next {
            return Err(RpcError::NonceTooLow { next, got: nonce });
        }
        if nonce - next >= SENDER_TRANSACTIONS_MAX {
            return Err(RpcError::NonceTooHigh { next, got: nonce, most: SENDER_TRANSACTIONS_MAX });
        }
        let queued = self.senders.get(&waiting.sender).and_then(|queue| queue.get(&nonce));
        match queued {
            Some(old) => {
                check_replacement(&old.transaction, &waiting.transaction)?;
                self.hashes.remove(old.transaction.tx_hash());
            }
            None if self.hashes.len() >= TRANSACTIONS_MAX => return Err(RpcError::PoolFull),
            None => {}
        }
        self.hashes.insert(hash, (waiting.sender, nonce));
        self.senders.entry(waiting.sender).or_default().insert(nonce, waiting);
        Ok(())
    }

    /// The nonce after the last that is ready to run, where `next` is the one at the head.
    pub(super) fn pending_nonce(&self, sender: &Address, next: u64) -> u64 {
        let Some(queue) = self.senders.get(sender) else { return next };
        let mut nonce = next;
        while queue.contains_key(&nonce) {
            nonce += 1;
        }
        nonce
    }

    pub(super) fn get(&self, hash: &B256) -> Option<&Waiting> {
        let (sender, nonce) = self.hashes.get(hash)?;
        self.senders.get(sender)?.get(nonce)
    }

    /// The best-paying of the transactions that could run next, given every sender's nonce.
    pub(super) fn best(&self, base_fee: u64, nonce: impl Fn(&Address) -> u64) -> Option<Waiting> {
        self.senders
            .iter()
            .filter_map(|(sender, queue)| queue.get(&nonce(sender)))
            .filter_map(|waiting| Some((waiting.transaction.effective_tip_per_gas(base_fee)?, waiting)))
            // Equal tips: by hash, so that a run can be repeated.
            .max_by_key(|(tip, waiting)| (*tip, *waiting.transaction.tx_hash()))
            .map(|(_, waiting)| waiting.clone())
    }

    pub(super) fn remove(&mut self, hash: &B256) {
        let Some((sender, nonce)) = self.hashes.remove(hash) else { return };
        if let Some(queue) = self.senders.get_mut(&sender) {
            queue.remove(&nonce);
            if queue.is_empty() {
                self.senders.remove(&sender);
            }
        }
    }

    /// Forgets what can run no more, given every sender's nonce.
    pub(super) fn prune(&mut self, nonce: impl Fn(&Address) -> u64) {
        let stale: Vec<B256> = self
            .senders
            .iter()
            .flat_map(|(sender, queue)| queue.range(..nonce(sender)).map(|(_, waiting)| *waiting.transaction.tx_hash()))
            .collect();
        for hash in stale {
            self.remove(&hash);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }
}

fn check_replacement(old: &BlockTransaction, new: &BlockTransaction) -> Result<(), RpcError> {
    let bumped = |price: u128| price.saturating_add(price.saturating_mul(PRICE_BUMP_PERCENT).div_ceil(100));
    let fee_needed = bumped(old.max_fee_per_gas());
    let tip_needed = bumped(old.max_priority_fee_per_gas().unwrap_or_else(|| old.max_fee_per_gas()));
    let fee = new.max_fee_per_gas();
    let tip = new.max_priority_fee_per_gas().unwrap_or(fee);
    if fee < fee_needed || tip < tip_needed {
        return Err(RpcError::ReplacementUnderpriced { fee, tip, fee_needed, tip_needed });
    }
    Ok(())
}
