//! The fields of the circuit, and a word's view of their elements.

use p3_field::BasedVectorSpace;
use p3_field::PrimeCharacteristicRing;
use p3_field::extension::QuinticTrinomialExtensionField;
use p3_koala_bear::KoalaBear;

/// The base field: KoalaBear, p = 2^31 − 2^24 + 1.
pub type F = KoalaBear;
/// The extension that challenges come from: F\[X\] / (X^5 + X^2 − 1).
pub type EF = QuinticTrinomialExtensionField<F>;
/// Degree of the extension.
pub const DEGREE: usize = 5;
/// Limbs of a word, lanes of the hash's rate, and elements of a digest.
pub const LIMBS: usize = 8;

/// The first five limbs of a word as an extension element.
pub(crate) fn ext_of(word: &[F; LIMBS]) -> EF {
    EF::from_basis_coefficients_fn(|limb| word[limb])
}

/// An extension element as a word whose last three limbs are zero.
pub(crate) fn word_of(value: EF) -> [F; LIMBS] {
    let mut word = [F::ZERO; LIMBS];
    word[..DEGREE].copy_from_slice(value.as_basis_coefficients_slice());
    word
}

/// A base element as a word whose last seven limbs are zero.
pub(crate) fn base_word(value: F) -> [F; LIMBS] {
    let mut word = [F::ZERO; LIMBS];
    word[0] = value;
    word
}
