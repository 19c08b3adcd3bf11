//! The bare engine's block: random bytes under a digest, and nothing to check.

use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, BufsMut, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use commonware_consensus::{Block, BoundedBlock, Heightable, types::Height};
use commonware_cryptography::{Digestible, Hasher, Sha256, sha256::Digest};

/// Bytes of a payload's length at most: a varint.
const LENGTH_BYTES_MAX: usize = 10;

/// A block of the bare engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BareBlock {
    pub parent: Digest,
    pub height: u64,
    /// When it was proposed, in nanoseconds since the round began: all validators share one clock.
    pub proposed_ns: u64,
    pub payload: Bytes,
}

impl Write for BareBlock {
    fn write(&self, buf: &mut impl BufMut) {
        self.parent.write(buf);
        self.height.write(buf);
        self.proposed_ns.write(buf);
        self.payload.write(buf);
    }

    fn write_bufs(&self, buf: &mut impl BufsMut) {
        self.parent.write(buf);
        self.height.write(buf);
        self.proposed_ns.write(buf);
        self.payload.write_bufs(buf);
    }
}

const FIXED_BYTES: usize = Digest::SIZE + u64::SIZE + u64::SIZE;

impl EncodeSize for BareBlock {
    fn encode_size(&self) -> usize {
        FIXED_BYTES + self.payload.encode_size()
    }

    fn encode_inline_size(&self) -> usize {
        FIXED_BYTES + self.payload.encode_inline_size()
    }
}

impl Read for BareBlock {
    /// Most bytes of payload.
    type Cfg = usize;

    fn read_cfg(buf: &mut impl Buf, payload_bytes_max: &usize) -> Result<Self, Error> {
        Ok(Self {
            parent: Digest::read(buf)?,
            height: u64::read(buf)?,
            proposed_ns: u64::read(buf)?,
            payload: Bytes::read_cfg(buf, &RangeCfg::from(..=*payload_bytes_max))?,
        })
    }
}

impl Digestible for BareBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        let mut hasher = Sha256::default();
        hasher.update(&self.parent);
        hasher.update(&self.height.to_be_bytes());
        hasher.update(&self.proposed_ns.to_be_bytes());
        hasher.update(&self.payload);
        hasher.finalize().1
    }
}

impl Heightable for BareBlock {
    fn height(&self) -> Height {
        Height::new(self.height)
    }
}

impl Block for BareBlock {
    fn parent(&self) -> Digest {
        self.parent
    }
}

impl BoundedBlock for BareBlock {
    fn max_encode_size(payload_bytes_max: &usize) -> usize {
        FIXED_BYTES + LENGTH_BYTES_MAX + payload_bytes_max
    }
}
