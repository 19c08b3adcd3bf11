//! What travels on the blocks channel. Layout in the module's first lines.

use crate::block::SequencedBlock;
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};
use commonware_coding::{Config, ReedSolomon, Scheme};
use commonware_consensus::BoundedBlock as _;
use commonware_cryptography::Sha256;
use commonware_utils::{Faults as _, N3f1};
use sinter_primitives::Parameters;
use std::num::NonZeroU16;

/// First byte of a message that is a block.
pub(super) const WHOLE: u8 = 0;
/// First byte of a message that is a shard.
pub(super) const SHARD: u8 = 1;

/// The code, with SHA-256 over its shards.
pub(super) type Code = ReedSolomon<Sha256>;
/// A shard with its place and its path.
pub(super) type Shard = <Code as Scheme>::Shard;
/// A shard that is under its root.
pub(super) type Checked = <Code as Scheme>::CheckedShard;
/// What a block's shards are under.
pub(super) type Root = <Code as Scheme>::Commitment;

/// Why a message on the blocks channel is none that an honest member sends.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// Neither a block nor a shard.
    #[error("blocks channel: expected a first byte of 0 (a block) or 1 (a shard), got {got}")]
    Form {
        /// The byte; -1 for an empty message.
        got: i16,
    },
    /// It does not decode.
    #[error("shard: {0}")]
    Encoding(#[from] Error),
    /// The committee is too small for shards.
    #[error("shard: expected none in a committee of {seats}, which has its blocks whole")]
    Committee {
        /// Its seats.
        seats: usize,
    },
    /// Who sent it has none to send.
    #[error("shard: expected one of a member of epoch {epoch}, got one of a node without a seat")]
    NoSeat {
        /// The epoch that it is of.
        epoch: u64,
    },
    /// It is not under the root that it came with, or not the one of its seat.
    #[error("shard: expected that of seat {seat} in view {view} under the root that came with it: {problem}")]
    Path {
        /// The seat whose shard was expected.
        seat: usize,
        /// Its view.
        view: u64,
        /// What is wrong with it.
        problem: String,
    },
}

/// A shard on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    /// The epoch of its block.
    pub epoch: u64,
    /// The view that its block was proposed in.
    pub view: u64,
    /// What it is under.
    pub root: Root,
    /// The shard.
    pub shard: Shard,
}

impl Write for Share {
    fn write(&self, buf: &mut impl BufMut) {
        SHARD.write(buf);
        self.epoch.write(buf);
        self.view.write(buf);
        self.root.write(buf);
        self.shard.write(buf);
    }
}

impl EncodeSize for Share {
    fn encode_size(&self) -> usize {
        HEAD_BYTES + self.shard.encode_size()
    }
}

const HEAD_BYTES: usize = u8::SIZE + 2 * u64::SIZE + Root::SIZE;

impl Share {
    /// The epoch that a message is of, which says how the rest of it reads.
    pub fn epoch_of(message: &mut impl Buf) -> Result<u64, Error> {
        u8::read(message)?;
        u64::read(message)
    }
}

impl Read for Share {
    /// The code of its epoch's committee, and the most bytes of a block.
    type Cfg = (Config, usize);
    fn read_cfg(buf: &mut impl Buf, cfg: &Self::Cfg) -> Result<Self, Error> {
        let epoch = Self::epoch_of(buf)?;
        Ok(Self { epoch, view: u64::read(buf)?, root: Root::read(buf)?, shard: Shard::read_cfg(buf, cfg)? })
    }
}

/// The code for a committee of `seats`: any `f + 1` of as many shards as seats. `None` where a shard would be a whole block.
pub(super) fn code(seats: usize) -> Option<Config> {
    let faulty = u16::try_from(N3f1::max_faults(u32::try_from(seats).ok().filter(|seats| *seats > 0)?)).ok()?;
    let minimum_shards = faulty.checked_add(1).filter(|shards| *shards > 1)?;
    let extra_shards = u16::try_from(seats).ok()?.checked_sub(minimum_shards)?;
    Some(Config { minimum_shards: NonZeroU16::new(minimum_shards)?, extra_shards: NonZeroU16::new(extra_shards)? })
}

/// Most bytes of a block.
pub(super) fn block_bytes_max(parameters: &Parameters) -> usize {
    SequencedBlock::max_encode_size(&parameters.body_bounds())
}

/// Most bytes of a message on the blocks channel of a chain with these parameters: a whole block's, since a shard is at most half
/// of one, and a path.
#[must_use]
pub fn message_bytes_max(parameters: &Parameters) -> usize {
    // A path in a tree of at most 2^16 shards; length, place and count take less than one more of its digests.
    const PATH_BYTES_MAX: usize = 17 * Root::SIZE + Root::SIZE;
    HEAD_BYTES + PATH_BYTES_MAX + block_bytes_max(parameters)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use commonware_codec::{Decode as _, Encode as _};
    use commonware_parallel::Sequential;

    fn shares(seats: usize, block: &[u8]) -> Vec<Share> {
        let (root, shards) = Code::encode(&code(seats).unwrap(), block, &Sequential).unwrap();
        shards.into_iter().map(|shard| Share { epoch: 3, view: 9, root, shard }).collect()
    }

    #[test]
    fn any_third_of_the_shards_and_one_is_the_block() {
        for (seats, needed) in [(4, 2), (5, 2), (7, 3), (10, 4), (50, 17), (128, 43)] {
            let config = code(seats).unwrap();
            assert_eq!((usize::from(config.minimum_shards.get()), config.total_shards()), (needed, seats as u32));
        }
        for seats in 0..4 {
            assert_eq!(code(seats), None, "{seats} seats tolerate no fault");
        }
    }

    #[test]
    fn what_is_sent_is_read() {
        let parameters = Parameters::default();
        for share in shares(7, &[5; 1_000]) {
            let encoded = share.encode();
            assert_eq!(encoded[0], SHARD);
            assert!(encoded.len() <= message_bytes_max(&parameters));
            let cfg = (code(7).unwrap(), block_bytes_max(&parameters));
            assert_eq!(Share::decode_cfg(encoded.clone(), &cfg).unwrap(), share);
            assert_eq!(Share::epoch_of(&mut encoded.clone()).unwrap(), 3);
            assert!(Share::decode_cfg(encoded.slice(..encoded.len() - 1), &cfg).is_err());
        }
    }

    #[test]
    fn a_shard_of_more_than_a_block_is_refused() {
        let share = shares(4, &[5; 1_000]).remove(0);
        let cfg = |bytes| (code(4).unwrap(), bytes);
        assert!(Share::decode_cfg(share.encode(), &cfg(1_000)).is_ok());
        assert!(Share::decode_cfg(share.encode(), &cfg(990)).is_err());
    }

    #[test]
    fn every_message_fits() {
        let parameters = Parameters { block_bytes_max: 1 << 10, ..Parameters::default() };
        let block = vec![1; block_bytes_max(&parameters)];
        for seats in [4, 128] {
            let largest = shares(seats, &block).iter().map(EncodeSize::encode_size).max().unwrap();
            assert!(largest <= message_bytes_max(&parameters), "{seats} seats: {largest}");
        }
    }
}
