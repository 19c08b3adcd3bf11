//! What travels: transactions of one visibility. Layout in the module's first lines.

use crate::mempool::Visibility;
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use sinter_primitives::{Namespace, Parameters, Transaction};

/// Most transactions in a batch.
pub const BATCH_TRANSACTIONS_MAX: usize = 4096;

/// Most bytes of a batch, unless one transaction alone needs more.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// Visibility, and a count of at most 5 bytes.
const HEAD_BYTES_MAX: usize = 1 + 5;
/// Kind, namespace, expiry height, and a length of at most 5 bytes.
const TRANSACTION_HEAD_BYTES_MAX: usize = 1 + Namespace::SIZE + u64::SIZE + 5;

/// Most bytes of a message on the transactions channel of a chain with these parameters: the network
/// must admit messages of that size.
#[must_use]
pub const fn message_bytes_max(parameters: &Parameters) -> usize {
    let largest = HEAD_BYTES_MAX + TRANSACTION_HEAD_BYTES_MAX + parameters.payload_bytes_max;
    if largest > BATCH_BYTES_MAX { largest } else { BATCH_BYTES_MAX }
}

/// Transactions of one visibility.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub visibility: Visibility,
    pub transactions: Vec<Transaction>,
}

impl Batch {
    /// Splits `transactions` into batches of at most `bytes_max` bytes, in order.
    pub fn pack(visibility: Visibility, transactions: Vec<Transaction>, bytes_max: usize) -> Vec<Self> {
        let mut batches: Vec<Self> = Vec::new();
        let mut bytes_left = 0;
        for transaction in transactions {
            let bytes = transaction.encode_size();
            match batches.last_mut() {
                Some(batch) if bytes <= bytes_left && batch.transactions.len() < BATCH_TRANSACTIONS_MAX => {
                    bytes_left -= bytes;
                    batch.transactions.push(transaction);
                }
                _ => {
                    bytes_left = bytes_max.saturating_sub(HEAD_BYTES_MAX + bytes);
                    batches.push(Self { visibility, transactions: vec![transaction] });
                }
            }
        }
        batches
    }
}

impl Write for Batch {
    fn write(&self, buf: &mut impl BufMut) {
        buf.put_u8(match self.visibility {
            Visibility::Public => 0,
            Visibility::Private => 1,
        });
        self.transactions.len().write(buf);
        for transaction in &self.transactions {
            transaction.write(buf);
        }
    }
}

impl EncodeSize for Batch {
    fn encode_size(&self) -> usize {
        1 + self.transactions.len().encode_size() + self.transactions.iter().map(EncodeSize::encode_size).sum::<usize>()
    }
}

impl Read for Batch {
    /// The most payload bytes of a transaction.
    type Cfg = usize;
    fn read_cfg(buf: &mut impl Buf, payload_bytes_max: &usize) -> Result<Self, Error> {
        let visibility = match u8::read(buf)? {
            0 => Visibility::Public,
            1 => Visibility::Private,
            other => return Err(Error::InvalidEnum(other)),
        };
        let count = usize::read_cfg(buf, &RangeCfg::new(1..=BATCH_TRANSACTIONS_MAX))?;
        // Grows as transactions arrive: a count alone reserves nothing.
        let mut transactions = Vec::new();
        for _ in 0..count {
            let mut transaction = Transaction::read_cfg(buf, payload_bytes_max)?;
            // A payload must not keep the message alive that it came in: one small transaction that is
            // admitted would hold on to a whole batch.
            transaction.payload = Bytes::copy_from_slice(&transaction.payload);
            transactions.push(transaction);
        }
        Ok(Self { visibility, transactions })
    }
}
