//! What a block orders: for each active namespace, in ascending order, its transactions; what its proposer reveals for the draw; and
//! where its share of the fees goes.
//!
//! ```text
//! body: 0, or 1 ‖ reveal (48) ‖ 0, or 1 ‖ fee recipient (20) ‖ lane count (varint) ‖ lanes
//! lane: namespace (8) ‖ transaction count (varint) ‖ transactions without their namespace field
//! transaction in a lane: kind (1) ‖ expiry height (8) ‖ payload length (varint) ‖ payload
//! ```
//!
//! A lane is never empty, and namespaces strictly ascend: a body has one encoding.

use crate::{
    Digest, Namespace, Transaction, TransactionId, TransactionKind, fees::Address, reveals::REVEAL_BYTES,
    transaction::ENCODED_HEAD_BYTES_MAX,
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256};

/// Most bytes of an encoded body beside its lanes.
pub const HEAD_BYTES_MAX: usize = 1 + REVEAL_BYTES + 1 + size_of::<Address>();

/// The bounds that a body is decoded under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyBounds {
    /// Most bytes of the encoded lanes, with their count.
    pub bytes_max: usize,
    /// Most transactions in a body, over all lanes.
    pub transactions_max: usize,
    /// Most bytes of one payload.
    pub payload_bytes_max: usize,
}

/// One namespace's transactions in a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The namespace.
    pub namespace: Namespace,
    /// Its transactions in order; never empty; each one's `namespace` is the lane's.
    pub transactions: Vec<Transaction>,
}

/// What a block orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// The proposer's reveal ([`crate::reveals`]), compressed, where the block has one.
    pub reveal: Option<[u8; REVEAL_BYTES]>,
    /// The proposer's address on L1, where it wants its share of the epoch's fees ([`crate::fees`]). Only on a chain with fees.
    pub fee_recipient: Option<Address>,
    /// Active lanes, ascending by namespace.
    pub lanes: Vec<Lane>,
}

impl Body {
    /// SHA-256 of the encoding.
    #[must_use]
    pub fn root(&self) -> Digest {
        // Fed piece by piece: a whole encoding would be a copy of the block. A test compares the two.
        let mut hasher = Sha256::default();
        let mut piece = Vec::with_capacity(ENCODED_HEAD_BYTES_MAX);
        self.reveal.write(&mut piece);
        self.fee_recipient.write(&mut piece);
        self.lanes.len().write(&mut piece);
        for lane in &self.lanes {
            lane.namespace.write(&mut piece);
            lane.transactions.len().write(&mut piece);
            for transaction in &lane.transactions {
                write_head_in_lane(transaction, &mut piece);
                hasher.update(&piece);
                hasher.update(&transaction.payload);
                piece.clear();
            }
        }
        hasher.update(&piece);
        hasher.finalize().1
    }

    /// The ids of all transactions on chain `chain_id`, in the order of [`Self::transactions`].
    #[must_use]
    pub fn ids(&self, chain_id: u64) -> Vec<TransactionId> {
        self.transactions().map(|transaction| transaction.id(chain_id)).collect()
    }

    /// All transactions, lane by lane.
    pub fn transactions(&self) -> impl Iterator<Item = &Transaction> {
        self.lanes.iter().flat_map(|lane| &lane.transactions)
    }

    /// Bytes of the encoded lanes, with their count: what [`BodyBounds::bytes_max`] bounds.
    #[must_use]
    pub fn lanes_bytes(&self) -> usize {
        let lane = |lane: &Lane| {
            let transactions = lane.transactions.iter().map(encoded_bytes_in_lane).sum::<usize>();
            Namespace::SIZE + lane.transactions.len().encode_size() + transactions
        };
        self.lanes.len().encode_size() + self.lanes.iter().map(lane).sum::<usize>()
    }

    /// The lane of `namespace`, if it is active in this block.
    #[must_use]
    pub fn lane(&self, namespace: Namespace) -> Option<&Lane> {
        let index = self.lanes.binary_search_by_key(&namespace, |lane| lane.namespace).ok()?;
        self.lanes.get(index)
    }
}

impl Write for Body {
    fn write(&self, buf: &mut impl BufMut) {
        self.reveal.write(buf);
        self.fee_recipient.write(buf);
        self.lanes.len().write(buf);
        for lane in &self.lanes {
            lane.namespace.write(buf);
            lane.transactions.len().write(buf);
            for transaction in &lane.transactions {
                write_head_in_lane(transaction, buf);
                buf.put_slice(&transaction.payload);
            }
        }
    }
}

impl EncodeSize for Body {
    fn encode_size(&self) -> usize {
        self.reveal.encode_size() + self.fee_recipient.encode_size() + self.lanes_bytes()
    }
}

/// What stands in front of a transaction's payload inside its lane.
fn write_head_in_lane(transaction: &Transaction, buf: &mut impl BufMut) {
    (transaction.kind as u8).write(buf);
    transaction.expiry_height.write(buf);
    transaction.payload.len().write(buf);
}

/// Bytes that a transaction takes inside its lane.
#[must_use]
pub fn encoded_bytes_in_lane(transaction: &Transaction) -> usize {
    1 + u64::SIZE + transaction.payload.encode_size()
}

impl Read for Body {
    type Cfg = BodyBounds;
    fn read_cfg(buf: &mut impl Buf, bounds: &BodyBounds) -> Result<Self, Error> {
        let reveal = Option::<[u8; REVEAL_BYTES]>::read_cfg(buf, &())?;
        let fee_recipient = Option::<Address>::read_cfg(buf, &())?;
        let bytes_at_start = buf.remaining();
        let mut transactions_left = bounds.transactions_max;
        let lane_count = usize::read_cfg(buf, &RangeCfg::new(0..=transactions_left))?;
        let mut lanes: Vec<Lane> = Vec::new();
        for _ in 0..lane_count {
            let namespace = Namespace::read(buf)?;
            if lanes.last().is_some_and(|last| last.namespace >= namespace) {
                return Err(Error::Invalid("Body", "namespaces must strictly ascend"));
            }
            let count = usize::read_cfg(buf, &RangeCfg::new(1..=transactions_left))?;
            transactions_left -= count;
            let mut transactions = Vec::new();
            for _ in 0..count {
                transactions.push(Transaction {
                    kind: TransactionKind::try_from(u8::read(buf)?)?,
                    namespace,
                    expiry_height: u64::read(buf)?,
                    payload: Bytes::read_cfg(buf, &RangeCfg::new(0..=bounds.payload_bytes_max))?,
                });
                let bytes_read = bytes_at_start - buf.remaining();
                if bytes_read > bounds.bytes_max {
                    return Err(Error::InvalidLength(bytes_read));
                }
            }
            lanes.push(Lane { namespace, transactions });
        }
        Ok(Self { reveal, fee_recipient, lanes })
    }
}
