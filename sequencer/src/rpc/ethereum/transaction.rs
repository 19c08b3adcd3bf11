//! What an Ethereum transaction must be before the node takes it in. What depends on the rollup's
//! state (nonce, balance, gas price) is for the rollup to judge.

use alloy::{
    consensus::{Transaction, TxEnvelope, transaction::SignerRecoverable},
    eips::{Decodable2718, Encodable2718},
    primitives::{Address, B256},
};
use serde::{Deserialize, Serialize};

/// Why bytes are not an acceptable Ethereum transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum TransactionError {
    /// No bytes.
    #[error("expected a signed transaction, got no bytes")]
    Empty,
    /// Not an encoding of a transaction (EIP-2718, RLP).
    #[error("expected an EIP-2718 encoding of a signed transaction: {reason}")]
    Encoding {
        /// What is wrong with it.
        reason: String,
    },
    /// The same transaction has another, shorter or stricter encoding, under another hash.
    #[error("expected the transaction's one canonical encoding, of {expected} bytes, got {got} bytes")]
    NotCanonical {
        /// Bytes of the canonical encoding.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// A type that is not ordered here.
    #[error("expected a transaction of type 0, 1, 2 or 4, got type {got}")]
    Type {
        /// The type byte.
        got: u8,
    },
    /// A blob transaction: a rollup's transactions carry no blobs.
    #[error("expected a transaction of type 0, 1, 2 or 4, got a blob transaction (type 3): this chain orders no blobs")]
    Blob,
    /// A transaction without a chain id could be replayed on any chain.
    #[error("expected a transaction with a chain id (EIP-155), got one without: it could be replayed elsewhere")]
    NotReplayProtected,
    /// Another chain's transaction.
    #[error("expected chain id {expected}, got {got}")]
    ChainId {
        /// The namespace's.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// The upper one of the two signatures that fit (EIP-2).
    #[error("expected a signature with s at most n/2 (EIP-2), got the upper one")]
    HighS,
    /// No key made this signature.
    #[error("expected a signature that a public key can be recovered from")]
    Signature,
    /// No account gets to this nonce (EIP-2681).
    #[error("expected a nonce below 2^64 - 1 (EIP-2681), got {got}")]
    Nonce {
        /// The transaction's.
        got: u64,
    },
    /// Pays the proposer more than it pays in all (EIP-1559).
    #[error("expected a priority fee of at most the maximum fee, {expected}, got {got}")]
    PriorityFee {
        /// The maximum fee a gas.
        expected: u128,
        /// The maximum priority fee a gas.
        got: u128,
    },
    /// A type-4 transaction that sets no code (EIP-7702).
    #[error("expected at least one authorization in a type-4 transaction (EIP-7702), got none")]
    NoAuthorization,
}

/// A transaction that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The Keccak-256 of its bytes.
    pub hash: B256,
    /// Who signed it.
    pub sender: Address,
}

/// Checks everything that does not depend on a state: encoding, type, chain id, signature, and the
/// bounds that the EIPs set.
///
/// EIP-7702 has a client skip an authorization of another chain or with a bad signature, and the
/// transaction go on; so they are decoded within their bounds here, and not judged.
pub(in crate::rpc) fn check(bytes: &[u8], chain_id: u64) -> Result<Checked, TransactionError> {
    match bytes.first().copied().ok_or(TransactionError::Empty)? {
        1 | 2 | 4 | 0xc0.. => {}
        3 => return Err(TransactionError::Blob),
        got @ 0..=0x7f => return Err(TransactionError::Type { got }),
        got => {
            let reason = format!("the first byte is 0x{got:02x}, neither a type nor a list");
            return Err(TransactionError::Encoding { reason });
        }
    }
    let transaction = TxEnvelope::decode_2718_exact(bytes)
        .map_err(|error| TransactionError::Encoding { reason: error.to_string() })?;
    let canonical = transaction.encoded_2718();
    if canonical != bytes {
        return Err(TransactionError::NotCanonical { expected: canonical.len(), got: bytes.len() });
    }
    match transaction.chain_id() {
        None => return Err(TransactionError::NotReplayProtected),
        Some(got) if got != chain_id => return Err(TransactionError::ChainId { expected: chain_id, got }),
        Some(_) => {}
    }
    check_bounds(&transaction)?;
    if transaction.signature().normalize_s().is_some() {
        return Err(TransactionError::HighS);
    }
    let sender = transaction.recover_signer().map_err(|_| TransactionError::Signature)?;
    Ok(Checked { hash: *transaction.tx_hash(), sender })
}

fn check_bounds(transaction: &TxEnvelope) -> Result<(), TransactionError> {
    let nonce = transaction.nonce();
    if nonce == u64::MAX {
        return Err(TransactionError::Nonce { got: nonce });
    }
    let expected = transaction.max_fee_per_gas();
    if let Some(got) = transaction.max_priority_fee_per_gas().filter(|got| *got > expected) {
        return Err(TransactionError::PriorityFee { expected, got });
    }
    if transaction.authorization_list().is_some_and(<[_]>::is_empty) {
        return Err(TransactionError::NoAuthorization);
    }
    Ok(())
}
