//! A header and the body that it commits to.

use crate::{Body, Digest, Header, body::BodyBounds};
use bytes::BufMut;
use commonware_codec::{Buf, EncodeSize, Error, FixedSize, Read, ReadExt, Write};

/// A header and the body that it commits to: decoding checks that `header.body_root` is the body's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// What the committee signs.
    pub header: Header,
    /// What it orders.
    pub body: Body,
}

impl Block {
    /// The header's digest.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.header.digest()
    }
}

impl Write for Block {
    fn write(&self, buf: &mut impl BufMut) {
        self.header.write(buf);
        self.body.write(buf);
    }
}

impl EncodeSize for Block {
    fn encode_size(&self) -> usize {
        Header::SIZE + self.body.encode_size()
    }
}

impl Read for Block {
    type Cfg = BodyBounds;
    fn read_cfg(buf: &mut impl Buf, bounds: &BodyBounds) -> Result<Self, Error> {
        let header = Header::read(buf)?;
        let body = Body::read_cfg(buf, bounds)?;
        if header.body_root != body.root() {
            return Err(Error::Invalid("Block", "body does not match the header's body root"));
        }
        Ok(Self { header, body })
    }
}
