//! The block as consensus sees it.
//!
//! Consensus and its archives are generic over a block. [`SequencedBlock`] gives them ours, shared:
//! a block is held at once by the broadcast cache, the archive, the ledger tree and the RPC.

use crate::telemetry::timed;
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, Write};
use commonware_consensus::{Block as ConsensusBlock, BoundedBlock, Heightable, types::Height};
use commonware_cryptography::Digestible;
use sinter_primitives::{
    Block, Digest, Header,
    body::{BodyBounds, HEAD_BYTES_MAX},
};
use std::{ops::Deref, sync::Arc};

// The encoding of no lanes is their count: at most a varint of this many bytes.
const VARINT_BYTES_MAX: usize = 10;

/// A block, shared. Its digest is the SHA-256 of its header, which is what the committee signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SequencedBlock(Arc<Block>);

impl SequencedBlock {
    /// Wraps a block.
    #[must_use]
    pub fn new(block: Block) -> Self {
        Self(Arc::new(block))
    }

    /// The block itself.
    #[must_use]
    pub const fn shared(&self) -> &Arc<Block> {
        &self.0
    }
}

impl Deref for SequencedBlock {
    type Target = Block;
    fn deref(&self) -> &Block {
        &self.0
    }
}

impl Write for SequencedBlock {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.write(buf);
    }
}

impl EncodeSize for SequencedBlock {
    fn encode_size(&self) -> usize {
        self.0.encode_size()
    }
}

impl Read for SequencedBlock {
    type Cfg = BodyBounds;
    fn read_cfg(buf: &mut impl Buf, bounds: &BodyBounds) -> Result<Self, Error> {
        Ok(Self::new(timed("decode", || Block::read_cfg(buf, bounds))?))
    }
}

impl Digestible for SequencedBlock {
    type Digest = Digest;
    fn digest(&self) -> Digest {
        self.0.header.digest()
    }
}

impl Heightable for SequencedBlock {
    fn height(&self) -> Height {
        Height::new(self.0.header.height)
    }
}

impl ConsensusBlock for SequencedBlock {
    fn parent(&self) -> Digest {
        self.0.header.parent
    }
}

impl BoundedBlock for SequencedBlock {
    fn max_encode_size(bounds: &BodyBounds) -> usize {
        Header::SIZE + HEAD_BYTES_MAX + bounds.bytes_max.max(VARINT_BYTES_MAX)
    }
}
