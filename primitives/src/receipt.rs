//! Proofs for people who trust nobody but a committee: checked offline, from one JSON document.

pub use crate::{
    header_chain::{CertifiedHeader, HeaderChain, HeaderChainError},
    network::{NetworkError, TrustedNetwork},
    range::{NamespaceBlock, NamespaceRange, RangeError, VerifiedRange},
};

use crate::{
    Digest, Namespace, NamespaceLeaf, TransactionId,
    merkle::{MerkleProof, ProofError},
    table::{ProvenLeaf, TableError},
};
use serde::{Deserialize, Serialize};

/// Why a receipt was refused.
#[derive(Debug, thiserror::Error)]
pub enum ReceiptError {
    /// The headers, or the certificate over them.
    #[error(transparent)]
    Headers(#[from] HeaderChainError),
    /// The headers do not begin at the receipt's height.
    #[error("expected headers from height {expected}, got {got}")]
    Height {
        /// The receipt's height.
        expected: u64,
        /// The first header's height.
        got: u64,
    },
    /// The namespace's leaf is not under the header.
    #[error(transparent)]
    Leaf(#[from] TableError),
    /// The transaction is claimed at one place and proven at another.
    #[error("expected a proof of place {expected_index} among {expected_count}, got {index} among {count}")]
    Place {
        /// The receipt's index.
        expected_index: u64,
        /// The leaf's transaction count.
        expected_count: u64,
        /// The proof's index.
        index: u64,
        /// The proof's leaf count.
        count: u64,
    },
    /// The transaction is not under the leaf.
    #[error("transaction: {0}")]
    Transaction(#[from] ProofError),
}

/// That a transaction is final: its place in a block, and the certificate over that block.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The transaction.
    #[serde(with = "crate::hexadecimal::digest")]
    pub transaction_id: TransactionId,
    /// Its namespace.
    pub namespace: Namespace,
    /// The height of its block.
    pub height: u64,
    /// Its place in the namespace's lane, from 0.
    pub index: u32,
    /// Its path to the leaf's `tx_root`.
    pub proof: MerkleProof,
    /// The namespace's leaf in the block.
    pub leaf: NamespaceLeaf,
    /// The leaf's path to the header's `namespaces_root`.
    pub leaf_proof: MerkleProof,
    /// The block's header first, up to a certified one.
    pub header_chain: HeaderChain,
}

/// What a verified receipt says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The transaction.
    #[serde(with = "crate::hexadecimal::digest")]
    pub transaction_id: TransactionId,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its block's height.
    pub height: u64,
    /// Its place in the lane.
    pub index: u32,
    /// Its block's timestamp, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Its block's digest.
    #[serde(with = "crate::hexadecimal::digest")]
    pub block: Digest,
    /// The height whose certificate covers it.
    pub certified_height: u64,
    /// Seats that signed.
    pub signers: u32,
    /// Seats in the committee.
    pub seats: u32,
}

impl Receipt {
    /// Checks everything from the certificate down to the transaction, without any other input.
    ///
    /// # Errors
    /// [`ReceiptError`], naming the step that fails.
    pub fn verify(&self, network: &TrustedNetwork) -> Result<Verified, ReceiptError> {
        self.header_chain.verify(network)?;
        // A verified chain has at least one header.
        let (Some(header), Some(last)) = (self.header_chain.headers.first(), self.header_chain.headers.last()) else {
            return Err(HeaderChainError::Empty.into());
        };
        if header.height != self.height {
            return Err(ReceiptError::Height { expected: self.height, got: header.height });
        }
        if self.leaf.namespace != self.namespace {
            return Err(TableError::Foreign { expected: self.namespace, got: self.leaf.namespace }.into());
        }
        ProvenLeaf { leaf: self.leaf, proof: self.leaf_proof.clone() }.verify(&header.namespaces_root)?;
        let (expected_index, expected_count) = (u64::from(self.index), u64::from(self.leaf.tx_count));
        if (self.proof.index, self.proof.count) != (expected_index, expected_count) {
            return Err(ReceiptError::Place {
                expected_index,
                expected_count,
                index: self.proof.index,
                count: self.proof.count,
            });
        }
        self.proof.verify(&self.leaf.tx_root, &self.transaction_id)?;
        Ok(Verified {
            transaction_id: self.transaction_id,
            namespace: self.namespace,
            height: self.height,
            index: self.index,
            timestamp_ms: header.timestamp_ms,
            block: header.digest(),
            certified_height: last.height,
            signers: self.header_chain.certificate.signer_count(),
            // A bitmap has at most `SEATS_MAX` seats.
            seats: self.header_chain.certificate.signers.seats() as u32,
        })
    }
}
