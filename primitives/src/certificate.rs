//! A certificate: a finalization by a quorum of the committee, as one aggregated BLS signature.
//!
//! Its encoding is that of commonware's `Finalization` over `bls12381_multisig` (MinSig) and SHA-256
//! digests, byte for byte, and [`Certificate::verify`] accepts the same ones:
//!
//! | size | field |
//! |---|---|
//! | 1–10 | epoch (uvarint, minimal) |
//! | 1–10 | view (uvarint, minimal) |
//! | 1–10 | parent view (uvarint, minimal) |
//! | 32 | payload: the header's digest |
//! | 8 | seats in the bitmap (u64 BE) |
//! | ⌈seats / 8⌉ | who signed: seat `i` is bit `i mod 8` of byte `i / 8`; the bits past the last seat are zero |
//! | 48 | compressed point of G1: the sum of the signers' signatures |
//!
//! What each signed is `uvarint(41) ‖ chain hash ‖ "_FINALIZE" ‖ epoch ‖ view ‖ parent view ‖ payload`,
//! hashed to G1 under [`MESSAGE_DST`].
//!
//! The view may exceed the header's: a boundary block can be proposed again in a later view.

use crate::{
    Committee, Digest,
    chain::SEATS_MAX,
    committee::{framed, reason},
};
use blst::{BLST_ERROR, min_sig::Signature};
use bytes::BufMut;
use commonware_codec::{Buf, Copying, DecodeExt, Encode, EncodeSize, Error, Read, ReadExt, Write, varint::UInt};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Hash-to-curve tag of votes.
pub const MESSAGE_DST: &[u8] = b"BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
/// What follows the chain hash in the namespace of finalize votes.
pub const FINALIZE_SUFFIX: &[u8] = b"_FINALIZE";
/// Bytes of the longest certificate.
pub const CERTIFICATE_BYTES_MAX: usize = 3 * 10 + 32 + 8 + SEATS_MAX / 8 + 48;

/// Why a certificate does not prove finality.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The bitmap is for a committee of another size.
    #[error("expected a bitmap of {expected} seats, got one of {got}")]
    BitmapLength {
        /// Seats of the committee.
        expected: usize,
        /// Bits of the bitmap.
        got: usize,
    },
    /// Too few signed.
    #[error("expected {expected} signers or more, got {got}")]
    BelowQuorum {
        /// The committee's quorum.
        expected: u32,
        /// How many signed.
        got: u32,
    },
    /// The signature is not a point that could be one.
    #[error("expected a compressed G1 point of the subgroup, not the identity: {reason}")]
    Signature {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The signature is not the signers' over this payload.
    #[error("the signature is not the signers' over this chain, round and payload: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// Which seats signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signers {
    seats: u8,
    bits: u128,
}

// One word holds the bitmap, and one byte its length.
const _: () = assert!(SEATS_MAX == u128::BITS as usize);

impl Signers {
    /// The seats that signed, of a committee of `seats`. `None` when there are more than
    /// [`SEATS_MAX`] seats, or a signer is none of them.
    #[must_use]
    pub fn new(seats: usize, signers: impl IntoIterator<Item = usize>) -> Option<Self> {
        let mut bits = 0u128;
        for signer in signers {
            if signer >= seats {
                return None;
            }
            bits |= 1u128.checked_shl(u32::try_from(signer).ok()?)?;
        }
        (seats <= SEATS_MAX).then_some(Self { seats: seats as u8, bits })
    }

    /// Seats of the committee that the bitmap is for.
    #[must_use]
    pub const fn seats(&self) -> usize {
        self.seats as usize
    }

    /// How many signed.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.bits.count_ones()
    }

    /// Whether a seat signed.
    #[must_use]
    pub const fn contains(&self, seat: usize) -> bool {
        seat < self.seats as usize && self.bits >> seat & 1 == 1
    }

    /// The seats that signed, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.seats()).filter(|seat| self.contains(*seat))
    }

    /// The bitmap as a number: seat `i` is bit `i`, counted from the least significant.
    #[must_use]
    pub const fn bits(&self) -> u128 {
        self.bits
    }
}

impl Write for Signers {
    fn write(&self, buf: &mut impl BufMut) {
        (self.seats as u64).write(buf);
        buf.put_slice(&self.bits.to_le_bytes()[..self.seats().div_ceil(8)]);
    }
}

impl EncodeSize for Signers {
    fn encode_size(&self) -> usize {
        8 + self.seats().div_ceil(8)
    }
}

impl Read for Signers {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let seats = u64::read(buf)?;
        let seats = usize::try_from(seats)
            .ok()
            .filter(|seats| *seats <= SEATS_MAX)
            .ok_or(Error::Invalid("Signers", "more seats than a committee has"))?;
        let mut bytes = [0; SEATS_MAX / 8];
        let bytes_used = &mut bytes[..seats.div_ceil(8)];
        if buf.remaining() < bytes_used.len() {
            return Err(Error::EndOfBuffer);
        }
        buf.copy_to_slice(bytes_used);
        let bits = u128::from_le_bytes(bytes);
        if bits.checked_shr(seats as u32).unwrap_or(0) != 0 {
            return Err(Error::Invalid("Signers", "a bit past the last seat is set"));
        }
        Ok(Self { seats: seats as u8, bits })
    }
}

/// A finalization by a quorum. Layout in the module's first lines.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// The epoch whose committee signed.
    pub epoch: u64,
    /// The view that was finalized.
    pub view: u64,
    /// The view that it builds on.
    pub parent_view: u64,
    /// The header's digest.
    pub payload: Digest,
    /// Who signed.
    pub signers: Signers,
    /// The aggregated signature, compressed; [`Certificate::verify`] decides whether it is a point.
    pub signature: [u8; 48],
}

impl Certificate {
    /// Checks that a quorum of `committee` finalized the payload on the chain named by `chain_hash`.
    ///
    /// Does not look at the epoch: the caller picks the committee by it.
    ///
    /// # Errors
    /// [`CertificateError`], with what was expected and what came.
    pub fn verify(&self, chain_hash: &Digest, committee: &Committee) -> Result<(), CertificateError> {
        let seats = committee.seats().len();
        if self.signers.seats() != seats {
            return Err(CertificateError::BitmapLength { expected: seats, got: self.signers.seats() });
        }
        if self.signer_count() < committee.quorum() {
            return Err(CertificateError::BelowQuorum { expected: committee.quorum(), got: self.signer_count() });
        }
        // `true`: the identity is refused.
        let signature = Signature::sig_validate(&self.signature, true)
            .map_err(|error| CertificateError::Signature { reason: reason(error) })?;
        let invalid = |error| CertificateError::Invalid { reason: reason(error) };
        // A quorum is at least one seat, so there is a sum; proofs of possession do not stop members from
        // choosing keys that cancel, so it may be the identity.
        let key = committee
            .aggregate_of(|seat| self.signers.contains(seat))
            .ok_or(invalid(BLST_ERROR::BLST_PK_IS_INFINITY))?;
        key.validate().map_err(invalid)?;
        match signature.verify(false, &self.signed_message(chain_hash), MESSAGE_DST, &[], &key, false) {
            BLST_ERROR::BLST_SUCCESS => Ok(()),
            error => Err(invalid(error)),
        }
    }

    /// How many seats signed.
    #[must_use]
    pub const fn signer_count(&self) -> u32 {
        self.signers.count()
    }

    /// The bytes that every signer signed.
    #[must_use]
    pub fn signed_message(&self, chain_hash: &Digest) -> Vec<u8> {
        let namespace = [chain_hash.as_ref(), FINALIZE_SUFFIX].concat();
        let mut proposal = Vec::with_capacity(3 * 10 + 32);
        self.write_proposal(&mut proposal);
        framed(&namespace, &proposal)
    }

    fn write_proposal(&self, buf: &mut impl BufMut) {
        UInt(self.epoch).write(buf);
        UInt(self.view).write(buf);
        UInt(self.parent_view).write(buf);
        self.payload.write(buf);
    }
}

/// A compressed G1 point, uncompressed as EIP-2537 orders it but without its padding: `x ‖ y`.
///
/// # Errors
/// [`CertificateError::Signature`] when the bytes are no point of the curve.
pub fn uncompress_g1(compressed: &[u8; 48]) -> Result<[u8; 96], CertificateError> {
    let point =
        Signature::uncompress(compressed).map_err(|error| CertificateError::Signature { reason: reason(error) })?;
    Ok(point.serialize())
}

impl Write for Certificate {
    fn write(&self, buf: &mut impl BufMut) {
        self.write_proposal(buf);
        self.signers.write(buf);
        buf.put_slice(&self.signature);
    }
}

impl EncodeSize for Certificate {
    fn encode_size(&self) -> usize {
        UInt(self.epoch).encode_size()
            + UInt(self.view).encode_size()
            + UInt(self.parent_view).encode_size()
            + self.payload.encode_size()
            + self.signers.encode_size()
            + self.signature.len()
    }
}

impl Read for Certificate {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let certificate = Self {
            epoch: UInt::read(buf)?.into(),
            view: UInt::read(buf)?.into(),
            parent_view: UInt::read(buf)?.into(),
            payload: Digest::read(buf)?,
            signers: Signers::read(buf)?,
            signature: <[u8; 48]>::read(buf)?,
        };
        if certificate.signer_count() == 0 {
            return Err(Error::Invalid("Certificate", "signed by nobody"));
        }
        Ok(certificate)
    }
}

impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("0x{}", hex::encode(self.encode())))
    }
}

impl<'de> Deserialize<'de> for Certificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        if digits.len() > 2 * CERTIFICATE_BYTES_MAX {
            return Err(D::Error::custom(format!(
                "expected a certificate of at most {CERTIFICATE_BYTES_MAX} bytes, got {} hex digits",
                digits.len()
            )));
        }
        let bytes = hex::decode(digits).map_err(|error| D::Error::custom(format!("expected hex: {error}")))?;
        Self::decode(Copying(&bytes)).map_err(|error| D::Error::custom(format!("expected a certificate: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::committee::tests::committee;
    use blst::min_sig::{AggregateSignature, SecretKey};
    use proptest::prelude::*;

    const CHAIN: Digest = Digest([7; 32]);

    fn sign(secrets: &[SecretKey], signers: &[usize], view: u64) -> Certificate {
        let mut certificate = Certificate {
            epoch: 0,
            view,
            parent_view: view - 1,
            payload: Digest([9; 32]),
            signers: Signers::new(secrets.len(), signers.iter().copied()).expect("seats of this committee"),
            signature: [0; 48],
        };
        let message = certificate.signed_message(&CHAIN);
        let signatures: Vec<_> = signers.iter().map(|seat| secrets[*seat].sign(&message, MESSAGE_DST, &[])).collect();
        let aggregate = AggregateSignature::aggregate(&signatures.iter().collect::<Vec<_>>(), false).expect("some");
        certificate.signature = aggregate.to_signature().compress();
        certificate
    }

    #[test]
    fn a_quorum_convinces() {
        let (committee, secrets) = committee(4, 1);
        for signers in [&[0, 1, 2][..], &[0, 2, 3], &[1, 2, 3], &[0, 1, 2, 3]] {
            sign(&secrets, signers, 300).verify(&CHAIN, &committee).expect("a quorum");
        }
        let (committee, secrets) = super::tests::committee(1, 1);
        sign(&secrets, &[0], 1).verify(&CHAIN, &committee).expect("alone, and a quorum");
    }

    #[test]
    fn less_than_a_quorum_does_not() {
        let (committee, secrets) = committee(4, 1);
        assert_eq!(
            sign(&secrets, &[0, 3], 300).verify(&CHAIN, &committee),
            Err(CertificateError::BelowQuorum { expected: 3, got: 2 })
        );
    }

    #[test]
    fn another_committee_chain_round_or_payload_does_not() {
        let (ours, secrets) = committee(4, 1);
        let (theirs, _) = committee(4, 2);
        let good = sign(&secrets, &[0, 1, 2], 300);
        let invalid = Err(CertificateError::Invalid { reason: "does not verify" });
        assert_eq!(good.verify(&CHAIN, &theirs), invalid);
        assert_eq!(good.verify(&Digest([8; 32]), &ours), invalid);
        assert_eq!(Certificate { epoch: 1, ..good }.verify(&CHAIN, &ours), invalid);
        assert_eq!(Certificate { view: 301, ..good }.verify(&CHAIN, &ours), invalid);
        assert_eq!(Certificate { parent_view: 298, ..good }.verify(&CHAIN, &ours), invalid);
        assert_eq!(Certificate { payload: Digest([1; 32]), ..good }.verify(&CHAIN, &ours), invalid);
        // One more signer than signed.
        let signers = Signers::new(4, 0..4).expect("four seats");
        assert_eq!(Certificate { signers, ..good }.verify(&CHAIN, &ours), invalid);
    }

    #[test]
    fn a_bitmap_of_another_length_does_not() {
        let (committee, secrets) = committee(4, 1);
        for seats in [3, 5, 8, 128] {
            let signers = Signers::new(seats, 0..3).expect("three seats or more");
            let certificate = Certificate { signers, ..sign(&secrets, &[0, 1, 2], 300) };
            assert_eq!(
                certificate.verify(&CHAIN, &committee),
                Err(CertificateError::BitmapLength { expected: 4, got: seats })
            );
        }
    }

    #[test]
    fn points_that_are_no_signature_do_not() {
        let (committee, secrets) = committee(4, 1);
        let good = sign(&secrets, &[0, 1, 2], 300);
        let mut identity = [0; 48];
        identity[0] = 0xc0;
        let mut uncompressed = good.signature;
        uncompressed[0] &= 0x7f;
        let mut beyond_the_field = [0xff; 48];
        beyond_the_field[0] = 0x9f;
        // x = 4 is on the curve and outside the subgroup.
        let mut off_subgroup = [0; 48];
        (off_subgroup[0], off_subgroup[47]) = (0x80, 4);
        // x = 1 is on no point.
        let mut off_curve = off_subgroup;
        off_curve[47] = 1;
        for (signature, expected) in [
            (identity, "is the identity"),
            (uncompressed, "not a canonical encoding"),
            (beyond_the_field, "not a canonical encoding"),
            (off_subgroup, "not in the subgroup"),
            (off_curve, "not on the curve"),
        ] {
            let certificate = Certificate { signature, ..good };
            assert_eq!(certificate.verify(&CHAIN, &committee), Err(CertificateError::Signature { reason: expected }));
        }
        // The negated point is a fine point, and no signature.
        let mut negated = good.signature;
        negated[0] ^= 0x20;
        assert!(Certificate { signature: negated, ..good }.verify(&CHAIN, &committee).is_err());
    }

    #[test]
    fn malleable_encodings_are_refused() {
        let (_, secrets) = committee(4, 1);
        let good = sign(&secrets, &[0, 1, 2], 300).encode();
        assert_eq!(good.len(), 1 + 2 + 2 + 32 + 8 + 1 + 48);
        // Epoch 0 as two bytes.
        let long = [&[0x80, 0x00], &good[1..]].concat();
        assert!(matches!(Certificate::decode(Copying(&long)), Err(Error::InvalidVarint(_))));
        // A fifth seat's bit in a bitmap of four.
        let mut padded = good.to_vec();
        padded[45] |= 0x10;
        assert!(matches!(Certificate::decode(Copying(&padded)), Err(Error::Invalid("Signers", _))));
        // Nobody.
        padded[45] = 0;
        assert!(matches!(Certificate::decode(Copying(&padded)), Err(Error::Invalid("Certificate", _))));
        // A bitmap longer than any committee.
        let mut wide = good.to_vec();
        wide[37..45].copy_from_slice(&129u64.to_be_bytes());
        assert!(matches!(Certificate::decode(Copying(&wide)), Err(Error::Invalid("Signers", _))));
        let longer = [&good[..], &[0]].concat();
        assert!(matches!(Certificate::decode(Copying(&longer)), Err(Error::ExtraData(1))));
    }

    #[test]
    fn json_is_the_encoding_in_hex() {
        let (_, secrets) = committee(4, 1);
        let certificate = sign(&secrets, &[0, 1, 3], 300);
        let json = serde_json::to_string(&certificate).expect("serializes");
        assert_eq!(json, format!("\"0x{}\"", hex::encode(certificate.encode())));
        assert_eq!(serde_json::from_str::<Certificate>(&json).expect("the same"), certificate);
    }

    proptest! {
        #[test]
        fn what_decodes_encodes_to_itself(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(certificate) = Certificate::decode(Copying(&bytes)) {
                prop_assert_eq!(certificate.encode().to_vec(), bytes);
            }
        }

        #[test]
        fn encodings_round_trip(
            (epoch, view, parent_view) in any::<(u64, u64, u64)>(),
            payload in any::<[u8; 32]>(),
            seats in 1usize..=SEATS_MAX,
            bits in any::<u128>(),
        ) {
            let signers = Signers::new(seats, (0..seats).filter(|seat| bits >> seat & 1 == 1 || *seat == 0)).expect("in range");
            let certificate = Certificate { epoch, view, parent_view, payload: Digest(payload), signers, signature: [3; 48] };
            let bytes = certificate.encode();
            prop_assert!(bytes.len() <= CERTIFICATE_BYTES_MAX);
            prop_assert_eq!(Certificate::decode(bytes).expect("its own encoding"), certificate);
        }
    }
}
