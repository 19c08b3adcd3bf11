//! The field, its extension, the permutation, and the hash and commitment types that everything else is made of.
//!
//! All of them are stock Plonky3 0.8: KoalaBear (p = 2^31 − 2^24 + 1), its degree-5 extension by X^5 + X^2 − 1, and
//! Poseidon2 of width 16 with Plonky3's published constants, as an overwrite sponge of rate 8 and as a truncated 2-to-1
//! compression. A digest is 8 field elements, 124 bits of collision resistance.

use p3_commit::ExtensionMmcs;
use p3_dft::Radix2DitParallel;
use p3_field::extension::QuinticTrinomialExtensionField;
use p3_field::{Field, PrimeCharacteristicRing, PrimeField32};
use p3_fri::{BatchMultiOpening, FriProof, TwoAdicFriPcs};
use p3_koala_bear::{KoalaBear, Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_merkle_tree::{MerkleCap, MerkleTreeMmcs};
use p3_symmetric::{CryptographicHasher, PaddingFreeSponge, TruncatedPermutation};

/// The base field, KoalaBear.
pub type F = KoalaBear;
/// The field of challenges: F\[X\]/(X^5 + X^2 − 1).
pub type EF = QuinticTrinomialExtensionField<F>;
/// The packing of [`F`] on the machine this was compiled for.
pub type PackedF = <F as Field>::Packing;

/// The degree of [`EF`] over [`F`].
pub const EXTENSION_DEGREE: usize = 5;
/// The width of the permutation, in field elements.
pub const WIDTH: usize = 16;
/// The rate of the sponge, in field elements.
pub const RATE: usize = 8;
/// The length of a digest, in field elements.
pub const DIGEST_LEN: usize = 8;
/// The bits of collision resistance that a digest gives: half of 8 · log2(p).
pub const COLLISION_BITS: usize = 123;
/// A lower bound of log2 of the size of [`EF`].
pub const CHALLENGE_BITS: usize = 154;

/// Poseidon2 of width 16 over [`F`].
pub type Perm = Poseidon2KoalaBear<WIDTH>;
/// The sponge that hashes rows and byte strings.
pub type Hasher = PaddingFreeSponge<Perm, WIDTH, RATE, DIGEST_LEN>;
/// The compression of two digests into one.
pub type Compress = TruncatedPermutation<Perm, 2, DIGEST_LEN, WIDTH>;
/// A digest: 8 field elements.
pub type Digest = [F; DIGEST_LEN];
/// A commitment: one layer of a Merkle tree.
pub type Cap = MerkleCap<F, Digest>;
/// The commitment scheme for matrices over [`F`].
pub type ValMmcs = MerkleTreeMmcs<PackedF, PackedF, Hasher, Compress, 2, DIGEST_LEN>;
/// The commitment scheme for matrices over [`EF`].
pub type ChallengeMmcs = ExtensionMmcs<F, EF, ValMmcs>;
/// The discrete Fourier transform.
pub type Dft = Radix2DitParallel<F>;
/// The polynomial commitment scheme.
pub type Pcs = TwoAdicFriPcs<F, Dft, ValMmcs, ChallengeMmcs>;
/// The opening argument inside a proof.
pub type OpeningProof = FriProof<EF, ChallengeMmcs, F, Vec<BatchMultiOpening<F, ValMmcs>>>;
/// The permutation-based transcript that [`Challenger`](crate::Challenger) wraps.
pub type Duplex = p3_challenger::DuplexChallenger<F, Perm, WIDTH, RATE>;

/// Poseidon2 with Plonky3's published constants.
#[must_use]
pub fn permutation() -> Perm {
    default_koalabear_poseidon2_16()
}

/// The sponge that hashes rows and byte strings.
#[must_use]
pub fn hasher() -> Hasher {
    Hasher::new(permutation())
}

/// The compression of two digests into one.
#[must_use]
pub fn compress() -> Compress {
    Compress::new(permutation())
}

/// The commitment scheme for matrices over [`F`], whose commitments are the layer `cap_height` below the root.
#[must_use]
pub fn val_mmcs(cap_height: usize) -> ValMmcs {
    ValMmcs::new(hasher(), compress(), cap_height)
}

/// Hash a list of field elements. Lists of different lengths must be kept apart by the caller: the sponge does not pad.
pub fn hash_elements(elements: impl IntoIterator<Item = F>) -> Digest {
    hasher().hash_iter(elements)
}

/// Hash a byte string under a domain tag, injectively.
///
/// The sponge absorbs `tag`, the length as two elements (its low 24 bits, then the rest), and the bytes three to an
/// element, little-endian, the last element zero-filled.
pub fn hash_bytes(tag: u32, bytes: &[u8]) -> Digest {
    let length = bytes.len() as u64;
    let head = [F::from_u32(tag), F::from_u64(length & 0xff_ffff), F::from_u64(length >> 24)];
    let body = bytes.chunks(3).map(|chunk| {
        let value = chunk.iter().rev().fold(0u32, |value, &byte| value << 8 | u32::from(byte));
        F::from_u32(value)
    });
    hash_elements(head.into_iter().chain(body))
}

/// Read a canonical field element: `None` at or above the modulus.
#[must_use]
pub fn element(value: u32) -> Option<F> {
    (value < F::ORDER_U32).then(|| F::from_u32(value))
}

/// The 8 elements of a digest as 32 bytes, each element a big-endian `u32`.
#[must_use]
pub fn digest_bytes(digest: &Digest) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, element) in bytes.chunks_exact_mut(4).zip(digest) {
        chunk.copy_from_slice(&element.as_canonical_u32().to_be_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_hash_injectively_in_their_length() {
        let zeros = [0u8; 16];
        let digests: Vec<Digest> = (0..16).map(|n| hash_bytes(1, &zeros[..n])).collect();
        for (i, a) in digests.iter().enumerate() {
            assert!(digests[..i].iter().all(|b| a != b), "length {i}");
        }
        assert_ne!(hash_bytes(1, b"abc"), hash_bytes(2, b"abc"));
    }

    #[test]
    fn elements_are_canonical() {
        assert_eq!(element(0), Some(F::ZERO));
        assert_eq!(element(F::ORDER_U32 - 1), Some(F::NEG_ONE));
        assert_eq!(element(F::ORDER_U32), None);
        assert_eq!(element(u32::MAX), None);
    }
}
