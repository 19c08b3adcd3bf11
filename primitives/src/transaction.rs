//! A namespace's opaque payload, with its kind and expiry.
//!
//! The committee orders bytes and never reads them: whether a payload is a valid transaction is for
//! the namespace's rollup to say. What the committee does read is this envelope around it.
//!
//! ```text
//! +----------+---------------+-----------------------+---------------------+---------+
//! | kind (1) | namespace (8) | expiry height (8)     | length (varint 1-5) | payload |
//! +----------+---------------+-----------------------+---------------------+---------+
//! ```
//!
//! Integers are big-endian. The id of a transaction is
//! `SHA-256("SINTER_TRANSACTION" ‖ chain id (8) ‖ the encoding above)`.

use crate::Digest;
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256};
use serde::{Deserialize, Serialize};
use std::fmt;

const ID_TAG: &[u8] = b"SINTER_TRANSACTION";
/// Most bytes in front of a payload.
pub const ENCODED_HEAD_BYTES_MAX: usize = 1 + 8 + 8 + 5;

/// One rollup's lane in the shared order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Namespace(pub u64);

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Write for Namespace {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl Read for Namespace {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        Ok(Self(u64::read(buf)?))
    }
}

impl FixedSize for Namespace {
    const SIZE: usize = 8;
}

/// Who may put a transaction into a block, and where in its lane it may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum TransactionKind {
    /// Sent by a user, over RPC.
    User = 0,
    /// Taken from the L1 inbox by the block's origin. Users cannot send this kind.
    Inbox = 1,
    /// A bundle signed by a namespace's auction key; opens the lane (`express` ordering).
    Express = 2,
}

impl TryFrom<u8> for TransactionKind {
    type Error = Error;
    fn try_from(tag: u8) -> Result<Self, Error> {
        match tag {
            0 => Ok(Self::User),
            1 => Ok(Self::Inbox),
            2 => Ok(Self::Express),
            other => Err(Error::InvalidEnum(other)),
        }
    }
}

/// A transaction's identity on one chain: see the module's first lines for its preimage.
pub type TransactionId = Digest;

/// A namespace's opaque payload, with its kind and expiry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// Who put it here.
    pub kind: TransactionKind,
    /// The lane it is ordered in.
    pub namespace: Namespace,
    /// The last height at which a block may hold it. A block at height `h` holds only transactions
    /// with `h <= expiry_height < h + expiry_blocks`, so a node that knows the last `expiry_blocks`
    /// blocks knows every transaction that could repeat. Of kind [`Inbox`](TransactionKind::Inbox), it is the
    /// entry's number instead ([`crate::forced_inbox`]).
    pub expiry_height: u64,
    /// Opaque bytes: at most [`crate::Parameters::payload_bytes_max`].
    #[serde(with = "crate::hexadecimal::payload")]
    pub payload: Bytes,
}

impl Transaction {
    /// The id of this transaction on chain `chain_id`.
    #[must_use]
    pub fn id(&self, chain_id: u64) -> TransactionId {
        let mut head = Vec::with_capacity(ENCODED_HEAD_BYTES_MAX);
        self.write_head(&mut head);
        Sha256::hash(&[ID_TAG, &chain_id.to_be_bytes(), &head, &self.payload])
    }

    fn write_head(&self, buf: &mut impl BufMut) {
        (self.kind as u8).write(buf);
        self.namespace.write(buf);
        self.expiry_height.write(buf);
        self.payload.len().write(buf);
    }
}

impl Write for Transaction {
    fn write(&self, buf: &mut impl BufMut) {
        self.write_head(buf);
        buf.put_slice(&self.payload);
    }
}

impl EncodeSize for Transaction {
    fn encode_size(&self) -> usize {
        1 + Namespace::SIZE + u64::SIZE + self.payload.encode_size()
    }
}

impl Read for Transaction {
    /// The most payload bytes admitted.
    type Cfg = usize;
    fn read_cfg(buf: &mut impl Buf, payload_bytes_max: &usize) -> Result<Self, Error> {
        Ok(Self {
            kind: TransactionKind::try_from(u8::read(buf)?)?,
            namespace: Namespace::read(buf)?,
            expiry_height: u64::read(buf)?,
            payload: Bytes::read_cfg(buf, &RangeCfg::new(0..=*payload_bytes_max))?,
        })
    }
}
