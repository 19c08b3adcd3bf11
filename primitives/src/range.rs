//! All that a namespace had ordered over a range of heights: none missing, none foreign, in order.

use crate::{
    Accumulator, Digest, Header, Namespace, NamespaceLeaf, Transaction,
    accumulator::Position,
    ledger::{payload_bytes, transactions_root},
    receipt::{HeaderChain, HeaderChainError, TrustedNetwork},
    table::{NamespaceProof, TableError},
};
use serde::{Deserialize, Serialize};

/// Why a range was refused.
#[derive(Debug, thiserror::Error)]
pub enum RangeError {
    /// The headers, or the certificate over them.
    #[error(transparent)]
    Headers(#[from] HeaderChainError),
    /// Ends before it begins.
    #[error("heights {from_height} to {to_height} are not a range")]
    Bounds {
        /// The first height.
        from_height: u64,
        /// The last height.
        to_height: u64,
    },
    /// Not one block a height.
    #[error("expected {expected} blocks, one a height, got {got}")]
    BlockCount {
        /// Heights in the range.
        expected: u64,
        /// Blocks that came.
        got: usize,
    },
    /// The headers do not begin with the range.
    #[error("expected headers from height {expected}, got {got}")]
    FirstHeader {
        /// The range's first height.
        expected: u64,
        /// The first header's height.
        got: u64,
    },
    /// The headers end before the range does.
    #[error("expected headers up to height {expected} or above, got {got}")]
    LastHeader {
        /// The range's last height.
        expected: u64,
        /// The last header's height.
        got: u64,
    },
    /// A block's proof of the namespace's leaf or of its absence.
    #[error("height {height}: {source}")]
    Table {
        /// The block's height.
        height: u64,
        /// What is wrong with the proof.
        source: TableError,
    },
    /// Transactions for a block in which the namespace was idle.
    #[error("height {height}: the namespace was idle, got {got} transactions")]
    Idle {
        /// The block's height.
        height: u64,
        /// How many came.
        got: usize,
    },
    /// A transaction of another namespace.
    #[error("height {height}: expected transactions of namespace {expected}, got one of {got}")]
    Foreign {
        /// The block's height.
        height: u64,
        /// The range's namespace.
        expected: Namespace,
        /// The transaction's namespace.
        got: Namespace,
    },
    /// Transactions missing or added.
    #[error("height {height}: expected {expected} transactions, got {got}")]
    TransactionCount {
        /// The block's height.
        height: u64,
        /// The leaf's count.
        expected: u32,
        /// How many came.
        got: usize,
    },
    /// Other transactions, or another order.
    #[error("height {height}: expected transaction root {expected}, got {got}")]
    TransactionRoot {
        /// The block's height.
        height: u64,
        /// The leaf's root.
        expected: Digest,
        /// The root over the transactions that came.
        got: Digest,
    },
    /// A byte count that is not the payloads'.
    #[error("height {height}: expected {expected} payload bytes, got {got}")]
    ByteCount {
        /// The block's height.
        height: u64,
        /// The leaf's count.
        expected: u64,
        /// The sum over the transactions that came.
        got: u64,
    },
    /// An accumulator that does not follow from the one before.
    #[error("height {height}: expected accumulator {expected}, got {got}")]
    Accumulator {
        /// The block's height.
        height: u64,
        /// The leaf's accumulator.
        expected: Accumulator,
        /// What the previous one and the transactions give.
        got: Accumulator,
    },
}

/// One height of a [`NamespaceRange`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceBlock {
    /// The namespace's transactions, in order; none where it was idle.
    pub transactions: Vec<Transaction>,
    /// Its leaf under the header's `namespaces_root`, or that it has none.
    pub proof: NamespaceProof,
}

/// A namespace's transactions over the heights `from_height..=to_height`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamespaceRange {
    /// The namespace.
    pub namespace: Namespace,
    /// The first height.
    pub from_height: u64,
    /// The last height.
    pub to_height: u64,
    /// One block a height, ascending.
    pub blocks: Vec<NamespaceBlock>,
    /// The headers from `from_height` up to a certified one at `to_height` or above.
    pub header_chain: HeaderChain,
}

/// What a verified range says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerifiedRange {
    /// The namespace.
    pub namespace: Namespace,
    /// The first height.
    pub from_height: u64,
    /// The last height.
    pub to_height: u64,
    /// Transactions in the range.
    pub transactions: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// The namespace's accumulator after the range, where it is known: it was given at the start, or
    /// the range begins at genesis, or the namespace was active in the range.
    pub accumulator: Option<Accumulator>,
    /// The height whose certificate covers the range.
    pub certified_height: u64,
}

impl NamespaceRange {
    /// Checks that the range holds every transaction ordered for the namespace at these heights, no
    /// other one, and in order.
    ///
    /// `start` is the namespace's accumulator before `from_height`. It is not needed for the above:
    /// with it, the first active block's accumulator is recomputed too, as later ones always are. A
    /// range that begins at height 0 or 1 starts from the genesis accumulator by itself.
    ///
    /// # Errors
    /// [`RangeError`], naming the height and the step that fails.
    pub fn verify(&self, network: &TrustedNetwork, start: Option<Accumulator>) -> Result<VerifiedRange, RangeError> {
        let certified_height = self.check_shape()?;
        self.header_chain.verify(network)?;
        let genesis = (self.from_height <= 1).then(|| Accumulator::genesis(network.chain_id, self.namespace));
        let mut accumulator = start.or(genesis);
        let (mut transactions, mut payload_bytes) = (0, 0);
        for (block, header) in self.blocks.iter().zip(&self.header_chain.headers) {
            let height = header.height;
            let leaf = block
                .proof
                .verify(&header.namespaces_root, self.namespace)
                .map_err(|source| RangeError::Table { height, source })?;
            match leaf {
                Some(leaf) => {
                    check_active(header, leaf, &block.transactions, accumulator)?;
                    accumulator = Some(leaf.accumulator);
                    transactions += u64::from(leaf.tx_count);
                    payload_bytes += leaf.byte_count;
                }
                None if block.transactions.is_empty() => {}
                None => return Err(RangeError::Idle { height, got: block.transactions.len() }),
            }
        }
        Ok(VerifiedRange {
            namespace: self.namespace,
            from_height: self.from_height,
            to_height: self.to_height,
            transactions,
            payload_bytes,
            accumulator,
            certified_height,
        })
    }

    /// One block a height, and headers for all of them; gives the last header's height.
    fn check_shape(&self) -> Result<u64, RangeError> {
        let (from_height, to_height) = (self.from_height, self.to_height);
        let expected = to_height
            .checked_sub(from_height)
            .and_then(|span| span.checked_add(1))
            .ok_or(RangeError::Bounds { from_height, to_height })?;
        if self.blocks.len() as u64 != expected {
            return Err(RangeError::BlockCount { expected, got: self.blocks.len() });
        }
        let headers = &self.header_chain.headers;
        let (Some(first), Some(last)) = (headers.first(), headers.last()) else {
            return Err(HeaderChainError::Empty.into());
        };
        if first.height != from_height {
            return Err(RangeError::FirstHeader { expected: from_height, got: first.height });
        }
        if last.height < to_height {
            return Err(RangeError::LastHeader { expected: to_height, got: last.height });
        }
        Ok(last.height)
    }
}

/// Checks the transactions of one block against its leaf, and the leaf's accumulator against the one
/// before, where that is known.
fn check_active(
    header: &Header,
    leaf: &NamespaceLeaf,
    transactions: &[Transaction],
    previous: Option<Accumulator>,
) -> Result<(), RangeError> {
    let height = header.height;
    if let Some(foreign) = transactions.iter().find(|transaction| transaction.namespace != leaf.namespace) {
        return Err(RangeError::Foreign { height, expected: leaf.namespace, got: foreign.namespace });
    }
    if transactions.len() as u64 != u64::from(leaf.tx_count) {
        return Err(RangeError::TransactionCount { height, expected: leaf.tx_count, got: transactions.len() });
    }
    let got = transactions_root(header.chain_id, transactions);
    if got != leaf.tx_root {
        return Err(RangeError::TransactionRoot { height, expected: leaf.tx_root, got });
    }
    let got = payload_bytes(transactions);
    if got != leaf.byte_count {
        return Err(RangeError::ByteCount { height, expected: leaf.byte_count, got });
    }
    if let Some(previous) = previous {
        let position = Position {
            chain_id: header.chain_id,
            namespace: leaf.namespace,
            height,
            timestamp_ms: header.timestamp_ms,
            l1_origin_number: header.l1_origin.number,
        };
        let got = previous.advance(&position, transactions);
        if got != leaf.accumulator {
            return Err(RangeError::Accumulator { height, expected: leaf.accumulator, got });
        }
    }
    Ok(())
}
