//! Takes Ethereum transactions in, and remembers which transaction a hash stands for until it is final.

use super::transaction::{Checked, TransactionError, check};
use crate::{
    handle::Handle,
    index::Location,
    mempool::{Refusal, Source, Visibility},
    rpc::{
        error::{self, RpcFailure, refused},
        methods::default_expiry,
        proofs::Inconsistent,
        types::Accepted,
    },
};
use alloy::primitives::B256;
use bytes::Bytes;
use sinter_primitives::{Namespace, Transaction, TransactionId, TransactionKind};
use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Hashes that are remembered at most: as many as the mempool holds by default.
const HASHES_MAX: usize = 1 << 18;

type Key = (Namespace, B256);

/// Ids by hash, of what was sent to this node and is not final.
#[derive(Debug, Default)]
pub struct Pending {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ids: HashMap<Key, TransactionId>,
    /// The same keys in order of arrival.
    arrival: VecDeque<Key>,
}

/// What was sent.
pub struct Submission {
    pub namespace: Namespace,
    /// The namespace's EIP-155 chain id.
    pub chain_id: u64,
    pub payload: Bytes,
    pub expiry_height: Option<u64>,
    pub visibility: Visibility,
    /// Who hands it in.
    pub client: IpAddr,
}

/// What became of it.
pub struct Submitted {
    pub accepted: Accepted,
    pub hash: B256,
}

impl Pending {
    /// Checks a transaction and hands it to the mempool.
    pub fn submit(&self, handle: &Handle, submission: Submission) -> Result<Submitted, RpcFailure> {
        let Submission { namespace, chain_id, payload, expiry_height, visibility, client } = submission;
        let payload_bytes_max = handle.chain.file.parameters.payload_bytes_max;
        if payload.len() > payload_bytes_max {
            // Before the work of decoding it.
            return Err(refused(&Refusal::PayloadTooLarge { max: payload_bytes_max, got: payload.len() }).into());
        }
        let Checked { hash, sender } = check(&payload, chain_id).map_err(|error| not_acceptable(&error))?;
        let expiry_height = expiry_height.unwrap_or_else(|| default_expiry(handle));
        let transaction = Transaction { kind: TransactionKind::User, namespace, expiry_height, payload };

        // Wallets send again what they are not sure of, and with a later expiry it is another
        // transaction: who sends the same hash a second time is told so.
        let snapshot = handle.index.snapshot()?;
        if let Some(Location { height, index, .. }) = snapshot.locate_ethereum(namespace, hash.0)? {
            let id = snapshot.ids(height, namespace)?.get(index as usize).copied();
            let id = id.ok_or_else(|| RpcFailure(error::internal(&Inconsistent { height })))?;
            return Err(refused(&Refusal::AlreadyOrdered { id }).into());
        }
        let mut state = self.state();
        let key = (namespace, hash);
        if let Some(id) = state.ids.get(&key).copied().filter(|id| handle.mempool.stage(id).is_some()) {
            return Err(refused(&Refusal::AlreadyPending { id }).into());
        }
        let source = Source::Account { namespace, account: sender.into_array(), client };
        let id = handle.mempool.insert(transaction, source, visibility).map_err(|refusal| refused(&refusal))?;
        state.remember(key, id, |id| handle.mempool.stage(id).is_some());
        handle.status.timeline.received(id);
        Ok(Submitted { accepted: Accepted { transaction_id: id, expiry_height }, hash })
    }

    /// The transaction that a hash stands for, as far as it was sent to this node lately.
    pub fn id(&self, namespace: Namespace, hash: B256) -> Option<TransactionId> {
        self.state().ids.get(&(namespace, hash)).copied()
    }

    /// No holder of the lock panics half-way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds a hash, and forgets the oldest ones that are final or expired.
    fn remember(&mut self, key: Key, id: TransactionId, is_pending: impl Fn(&TransactionId) -> bool) {
        if self.ids.insert(key, id).is_none() {
            self.arrival.push_back(key);
        }
        while let Some(oldest) = self.arrival.front() {
            let pending = self.ids.get(oldest).is_some_and(&is_pending);
            if pending && self.arrival.len() <= HASHES_MAX {
                break;
            }
            self.ids.remove(oldest);
            self.arrival.pop_front();
        }
    }
}

fn not_acceptable(error: &TransactionError) -> RpcFailure {
    RpcFailure(error::own(error::code::ETHEREUM_TRANSACTION, error.to_string(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sinter_primitives::Digest;

    #[test]
    fn what_is_no_longer_pending_is_forgotten_in_order() {
        let mut state = State::default();
        let key = |n: u8| (Namespace(1), B256::repeat_byte(n));
        for n in 0..5 {
            state.remember(key(n), Digest([n; 32]), |_| true);
        }
        assert_eq!(state.ids.len(), 5);
        // 0 and 1 are final, 3 too; 2 is not, so 3 waits behind it.
        let is_pending = |id: &TransactionId| ![0, 1, 3].contains(&id.0[0]);
        state.remember(key(5), Digest([5; 32]), is_pending);
        assert_eq!(state.arrival, [key(2), key(3), key(4), key(5)]);
        assert_eq!(state.ids.len(), 4);
        state.remember(key(5), Digest([6; 32]), is_pending);
        assert_eq!(state.arrival.len(), 4);
    }
}
