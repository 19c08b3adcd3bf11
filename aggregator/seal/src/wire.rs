//! Big-endian pieces, as the EVM reads them.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32};
use sinter_program::field::{EXTENSION_DEGREE, element};
use sinter_program::{EF, F, WireError};

use crate::hash::Digest;

/// A cursor over bytes.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.first_chunk::<N>() else {
            return Err(WireError::End { at: self.at, expected: N, got: rest.len() });
        };
        self.at += N;
        Ok(*taken)
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, WireError> {
        self.array()
    }

    pub(crate) fn element(&mut self) -> Result<F, WireError> {
        let at = self.at;
        let got = u32::from_be_bytes(self.array()?);
        element(got).ok_or(WireError::Element { at, got })
    }

    pub(crate) fn elements(&mut self, count: usize) -> Result<Vec<F>, WireError> {
        self.need(4 * count)?;
        (0..count).map(|_| self.element()).collect()
    }

    pub(crate) fn ext(&mut self) -> Result<EF, WireError> {
        let mut coefficients = [F::ZERO; EXTENSION_DEGREE];
        for coefficient in &mut coefficients {
            *coefficient = self.element()?;
        }
        Ok(EF::from_basis_coefficients_fn(|i| coefficients[i]))
    }

    pub(crate) fn exts(&mut self, count: usize) -> Result<Vec<EF>, WireError> {
        self.need(4 * EXTENSION_DEGREE * count)?;
        (0..count).map(|_| self.ext()).collect()
    }

    pub(crate) fn digests(&mut self, count: usize) -> Result<Vec<Digest>, WireError> {
        (0..count).map(|_| self.digest()).collect()
    }

    /// Check that so many bytes are left, before anything is allocated for them.
    fn need(&self, expected: usize) -> Result<(), WireError> {
        let got = self.bytes.len() - self.at;
        if got < expected { Err(WireError::End { at: self.at, expected, got }) } else { Ok(()) }
    }

    pub(crate) const fn finish(self) -> Result<(), WireError> {
        let (expected, got) = (self.at, self.bytes.len());
        if expected == got { Ok(()) } else { Err(WireError::Trailing { expected, got }) }
    }
}

pub(crate) fn put_element(bytes: &mut Vec<u8>, value: F) {
    bytes.extend_from_slice(&value.as_canonical_u32().to_be_bytes());
}

pub(crate) fn put_exts(bytes: &mut Vec<u8>, values: &[EF]) {
    let coefficients = values.iter().flat_map(|value| value.as_basis_coefficients_slice());
    coefficients.for_each(|&coefficient| put_element(bytes, coefficient));
}
