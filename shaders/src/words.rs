//! Field elements as the words that kernels work with: Montgomery form, below the modulus.

use p3_field::extension::QuinticTrinomialExtensionField;
use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, PrimeField32};
use p3_koala_bear::KoalaBear;

/// The base field, KoalaBear.
pub type F = KoalaBear;
/// The challenge field, F\[X\]/(X^5 + X^2 − 1).
pub type EF = QuinticTrinomialExtensionField<F>;

/// The degree of [`EF`] over [`F`].
pub const DEGREE: usize = 5;
/// The words of a digest.
pub const DIGEST_WORDS: usize = 8;

/// The word of an element.
#[must_use]
pub fn to_word(element: F) -> u32 {
    element.to_unique_u32()
}

/// The elements of words that a device has written.
#[must_use]
pub fn to_elements(words: &[u32]) -> Vec<F> {
    // The inverse of the Montgomery factor 2^32.
    let unit = F::from_u64(1 << 32).inverse();
    words.iter().map(|&word| F::from_u32(word) * unit).collect()
}

/// The words of an extension element.
#[must_use]
pub fn ext_words(element: EF) -> [u32; DEGREE] {
    let coordinates = element.as_basis_coefficients_slice();
    core::array::from_fn(|c| to_word(coordinates[c]))
}

/// The words of extension elements in planes, as kernels read them.
#[must_use]
pub fn ext_planes(elements: &[EF]) -> Vec<u32> {
    (0..DEGREE).flat_map(|c| elements.iter().map(move |e| to_word(e.as_basis_coefficients_slice()[c]))).collect()
}

/// The extension elements of words in planes.
#[must_use]
pub fn from_planes(words: &[u32]) -> Vec<EF> {
    let elements = to_elements(words);
    let n = elements.len() / DEGREE;
    (0..n).map(|i| EF::from_basis_coefficients_fn(|c| elements[c * n + i])).collect()
}

/// The extension elements of words that lie together.
#[must_use]
pub fn from_runs(words: &[u32]) -> Vec<EF> {
    to_elements(words).chunks_exact(DEGREE).map(|run| EF::from_basis_coefficients_fn(|c| run[c])).collect()
}
