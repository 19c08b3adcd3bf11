//! Reading and writing the little pieces of which the file formats consist.
//!
//! Integers are little-endian, field elements 4-byte integers below the modulus. What a reader allocates is a small
//! multiple of the bytes it is given.

use p3_field::{BasedVectorSpace, PrimeField32};
use thiserror::Error;

use crate::field::{Cap, DIGEST_LEN, Digest, EF, EXTENSION_DEGREE, F, element};

/// Bytes that are not what the format says.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum WireError {
    /// The bytes end too early.
    #[error("at byte {at}: expected {expected} more bytes, got {got}")]
    End {
        /// Where reading stopped.
        at: usize,
        /// The bytes needed.
        expected: usize,
        /// The bytes left.
        got: usize,
    },
    /// There are bytes after the end of the format.
    #[error("expected {expected} bytes, got {got}")]
    Trailing {
        /// Where the format ends.
        expected: usize,
        /// Where the bytes end.
        got: usize,
    },
    /// A value is outside its range.
    #[error("at byte {at}: {what}: expected {min}..={max}, got {got}")]
    Range {
        /// Where it is.
        at: usize,
        /// What it is.
        what: &'static str,
        /// The least value allowed.
        min: u64,
        /// The greatest value allowed.
        max: u64,
        /// The value found.
        got: u64,
    },
    /// A field element is at or above the modulus.
    #[error("at byte {at}: expected a field element below {}, got {got}", F::ORDER_U32)]
    Element {
        /// Where it is.
        at: usize,
        /// The value found.
        got: u32,
    },
    /// The file does not start with its magic bytes.
    #[error("expected magic {expected:02x?}, got {got:02x?}")]
    Magic {
        /// The magic of the format.
        expected: [u8; 4],
        /// The first bytes of the file.
        got: [u8; 4],
    },
    /// A name is not printable ASCII.
    #[error("at byte {at}: expected printable ASCII, got byte {got:#04x}")]
    Name {
        /// Where it is.
        at: usize,
        /// The byte found.
        got: u8,
    },
}

/// A cursor over bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The position of the cursor.
    pub(crate) const fn at(&self) -> usize {
        self.at
    }

    /// Check that `count` bytes remain, before anything is allocated for them.
    pub(crate) const fn need(&self, count: usize) -> Result<(), WireError> {
        let got = self.bytes.len() - self.at;
        if got < count {
            return Err(WireError::End { at: self.at, expected: count, got });
        }
        Ok(())
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        self.need(count)?;
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(crate) fn magic(&mut self, expected: [u8; 4]) -> Result<(), WireError> {
        let got = self.array()?;
        if got == expected { Ok(()) } else { Err(WireError::Magic { expected, got }) }
    }

    pub(crate) fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, WireError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Check a value that was read just before.
    pub(crate) const fn range(&self, what: &'static str, got: u64, min: u64, max: u64) -> Result<(), WireError> {
        if got < min || got > max {
            return Err(WireError::Range { at: self.at, what, min, max, got });
        }
        Ok(())
    }

    /// A count of things of at least `size` bytes each, which must fit in what is left.
    pub(crate) fn count(
        &mut self,
        what: &'static str,
        min: usize,
        max: usize,
        size: usize,
    ) -> Result<usize, WireError> {
        let count = self.u32()?;
        self.range(what, count.into(), min as u64, max as u64)?;
        self.need(count as usize * size)?;
        Ok(count as usize)
    }

    pub(crate) fn element(&mut self) -> Result<F, WireError> {
        let at = self.at;
        let got = self.u32()?;
        element(got).ok_or(WireError::Element { at, got })
    }

    pub(crate) fn elements(&mut self, count: usize) -> Result<Vec<F>, WireError> {
        self.need(count * 4)?;
        (0..count).map(|_| self.element()).collect()
    }

    pub(crate) fn ext(&mut self) -> Result<EF, WireError> {
        let mut coefficients = [F::default(); EXTENSION_DEGREE];
        for coefficient in &mut coefficients {
            *coefficient = self.element()?;
        }
        Ok(EF::from_basis_coefficients_fn(|i| coefficients[i]))
    }

    pub(crate) fn exts(&mut self, count: usize) -> Result<Vec<EF>, WireError> {
        self.need(count * 4 * EXTENSION_DEGREE)?;
        (0..count).map(|_| self.ext()).collect()
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, WireError> {
        let mut digest = [F::default(); DIGEST_LEN];
        for element in &mut digest {
            *element = self.element()?;
        }
        Ok(digest)
    }

    pub(crate) fn digests(&mut self, count: usize) -> Result<Vec<Digest>, WireError> {
        self.need(count * 4 * DIGEST_LEN)?;
        (0..count).map(|_| self.digest()).collect()
    }

    /// A commitment of `count` digests, a power of two.
    pub(crate) fn cap(&mut self, count: usize) -> Result<Cap, WireError> {
        Ok(Cap::new(self.digests(count)?))
    }

    /// A name of printable ASCII, its length in one byte.
    pub(crate) fn name(&mut self, max: usize) -> Result<String, WireError> {
        let length = self.u8()?;
        self.range("length of a name", length.into(), 1, max as u64)?;
        let at = self.at;
        let bytes = self.take(length.into())?;
        match bytes.iter().position(|byte| !(b' '..=b'~').contains(byte)) {
            Some(i) => Err(WireError::Name { at: at + i, got: bytes[i] }),
            None => Ok(bytes.iter().map(|&byte| char::from(byte)).collect()),
        }
    }

    /// Check that everything has been read.
    pub(crate) const fn finish(self) -> Result<(), WireError> {
        if self.at != self.bytes.len() {
            return Err(WireError::Trailing { expected: self.at, got: self.bytes.len() });
        }
        Ok(())
    }
}

/// A growing byte string.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// A count, which the caller has bounded far below 2^32.
    pub(crate) fn count(&mut self, value: usize) {
        self.u32(value as u32);
    }

    pub(crate) fn element(&mut self, value: F) {
        self.u32(value.as_canonical_u32());
    }

    pub(crate) fn elements(&mut self, values: &[F]) {
        values.iter().for_each(|&value| self.element(value));
    }

    pub(crate) fn ext(&mut self, value: &EF) {
        self.elements(value.as_basis_coefficients_slice());
    }

    pub(crate) fn exts(&mut self, values: &[EF]) {
        values.iter().for_each(|value| self.ext(value));
    }

    pub(crate) fn digests(&mut self, digests: &[Digest]) {
        digests.iter().for_each(|digest| self.elements(digest));
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.u8(name.len() as u8);
        self.bytes(name.as_bytes());
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0
    }
}
