//! Poseidon2 on 8 states at a time with AVX2, where the processor turns out to have it.
//!
//! Elements are in Montgomery form (`x · 2^32 mod p`), canonical between steps. `p = 127 · 2^24 + 1`.
//!
//! **Why `unsafe`**: a function compiled for an instruction set may only be called where the processor
//! has it, which the compiler cannot see. The one way to the kernel is a token that [`Avx2::detect`]
//! gives out after asking the processor. Loads and stores go through references to arrays of a vector's
//! size. Vectors of 16 lanes (AVX-512) were measured as well, and were not faster (Zen 4).
#![allow(unsafe_code)]

use super::{Kernel, PRIME, RATE, States, WIDTH};
use p3_field::PrimeField32;
use p3_koala_bear::{
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
    KOALABEAR_POSEIDON2_RC_16_INTERNAL, KoalaBear,
};
use std::{arch::x86_64::*, sync::LazyLock};

/// States in a vector.
const LANES: usize = super::GROUP;
/// `p` as a signed vector element.
const P: i32 = PRIME as i32;
/// `p^-1 mod 2^32`.
const P_INVERSE: i32 = 0x8100_0001_u32 as i32;
/// `2^64 mod p`: a Montgomery product with it enters Montgomery form.
const R_SQUARED: i32 = ((1_u128 << 64) % PRIME as u128) as i32;
/// `2^-1 mod p`.
const HALF: i32 = (P + 1) / 2;

const _: () = assert!(PRIME.wrapping_mul(P_INVERSE as u32) == 1);
const _: () = assert!(size_of::<__m256i>() == size_of::<[u32; LANES]>());

/// Round constants in Montgomery form, less `p`: added to a canonical element they give a signed one in
/// `[-p, p)`, which a signed product takes as it is.
struct Constants {
    initial: [[i32; WIDTH]; 4],
    internal: [i32; 20],
    terminal: [[i32; WIDTH]; 4],
}

static CONSTANTS: LazyLock<Constants> = LazyLock::new(|| {
    let lowered = |constant: KoalaBear| Avx2::enter(constant.as_canonical_u32()) as i32 - P;
    Constants {
        initial: KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL.map(|round| round.map(lowered)),
        internal: KOALABEAR_POSEIDON2_RC_16_INTERNAL.map(lowered),
        terminal: KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL.map(|round| round.map(lowered)),
    }
});

/// The kernel: that it exists shows that the processor has AVX2.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// The kernel, where the processor has what it needs.
    pub fn detect() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Kernel<LANES> for Avx2 {
    fn enter(element: u32) -> u32 {
        ((u64::from(element) << 32) % u64::from(PRIME)) as u32
    }

    fn leave(element: u32) -> u32 {
        // Montgomery reduction: the difference is a multiple of 2^32, in (-p · 2^32, 0].
        let quotient = element.wrapping_mul(P_INVERSE as u32);
        let reduced = (i64::from(element) - i64::from(quotient) * i64::from(PRIME)) >> 32;
        (if reduced < 0 { reduced + i64::from(PRIME) } else { reduced }) as u32
    }

    fn permute(&self, states: &mut States<LANES>) {
        // SAFETY: `self` exists, so `detect` found AVX2.
        unsafe { permute(states, &CONSTANTS) }
    }

    fn absorb(&self, states: &mut States<LANES>, block: &[[u32; LANES]; RATE]) {
        // SAFETY: `self` exists, so `detect` found AVX2.
        unsafe { absorb(states, block, &CONSTANTS) }
    }
}

#[target_feature(enable = "avx2")]
fn permute(states: &mut States<LANES>, constants: &Constants) {
    let mut state = states.each_ref().map(|lanes| load(lanes));
    permutation(&mut state, constants);
    for (to, from) in states.iter_mut().zip(state) {
        store(to, from);
    }
}

#[target_feature(enable = "avx2")]
fn absorb(states: &mut States<LANES>, block: &[[u32; LANES]; RATE], constants: &Constants) {
    let mut state = states.each_ref().map(|lanes| load(lanes));
    for (to, from) in state.iter_mut().zip(block) {
        *to = multiply(load(from), _mm256_set1_epi32(R_SQUARED));
    }
    permutation(&mut state, constants);
    for (to, from) in states.iter_mut().zip(state) {
        store(to, from);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn permutation(state: &mut [__m256i; WIDTH], constants: &Constants) {
    external_layer(state);
    for round in &constants.initial {
        external_round(state, round);
    }
    for constant in &constants.internal {
        internal_round(state, *constant);
    }
    for round in &constants.terminal {
        external_round(state, round);
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn external_round(state: &mut [__m256i; WIDTH], round: &[i32; WIDTH]) {
    for (element, constant) in state.iter_mut().zip(round) {
        *element = add_and_cube(*element, *constant);
    }
    external_layer(state);
}

/// Multiplies by circ(2M, M, M, M), where M = circ(2, 3, 1, 1).
#[inline]
#[target_feature(enable = "avx2")]
fn external_layer(state: &mut [__m256i; WIDTH]) {
    let quads = state.as_chunks_mut::<4>().0;
    for quad in quads.iter_mut() {
        let [a, b, c, d] = *quad;
        let (ab, cd) = (add(a, b), add(c, d));
        let abcd = add(ab, cd);
        let (abbcd, abcdd) = (add(abcd, b), add(abcd, d));
        *quad = [add(abbcd, ab), add(abbcd, add(c, c)), add(abcdd, cd), add(abcdd, add(a, a))];
    }
    let mut sums = quads[0];
    for quad in &quads[1..] {
        for (sum, element) in sums.iter_mut().zip(quad) {
            *sum = add(*sum, *element);
        }
    }
    for quad in quads {
        for (element, sum) in quad.iter_mut().zip(sums) {
            *element = add(*element, sum);
        }
    }
}

/// Cubes the first element, then multiplies by 1 + diag(-2, 1, 2, 1/2, 3, 4, -1/2, -3, -4, 2^-8, 2^-3,
/// 2^-24, -2^-8, -2^-3, -2^-4, -2^-24), where 1 is the matrix of ones.
#[inline]
#[target_feature(enable = "avx2")]
fn internal_round(state: &mut [__m256i; WIDTH], constant: i32) {
    let [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15] = *state;
    let s0 = add_and_cube(s0, constant);
    let tail = add(
        add(add(add(s1, s2), add(s3, s4)), add(add(s5, s6), add(s7, s8))),
        add(add(add(s9, s10), add(s11, s12)), add(add(s13, s14), s15)),
    );
    let sum = add(tail, s0);
    *state = [
        subtract(tail, s0),
        add(sum, s1),
        add(sum, add(s2, s2)),
        add(sum, half(s3)),
        add(sum, triple(s4)),
        add(sum, quadruple(s5)),
        subtract(sum, half(s6)),
        subtract(sum, triple(s7)),
        subtract(sum, quadruple(s8)),
        add(sum, canonical(divided::<8, 16>(s9))),
        add(sum, canonical(divided::<3, 21>(s10))),
        add(sum, canonical(divided_by_2_to_24(s11))),
        subtract(sum, canonical(divided::<8, 16>(s12))),
        subtract(sum, canonical(divided::<3, 21>(s13))),
        subtract(sum, canonical(divided::<4, 20>(s14))),
        subtract(sum, canonical(divided_by_2_to_24(s15))),
    ];
}

/// `(x + constant)^3`, canonical, for a canonical `x` and a constant less `p`.
#[inline]
#[target_feature(enable = "avx2")]
fn add_and_cube(x: __m256i, constant: i32) -> __m256i {
    let x = _mm256_add_epi32(x, _mm256_set1_epi32(constant));
    joined(cubed(x), cubed(upper(x)))
}

/// The cube of the signed elements in the lower halves; the result is in the upper halves.
#[inline]
#[target_feature(enable = "avx2")]
fn cubed(x: __m256i) -> __m256i {
    let square = upper(reduced(_mm256_mul_epi32(x, x)));
    reduced(_mm256_mul_epi32(square, x))
}

/// The product, canonical, of a canonical `y` and any `x` below 2^31.
#[inline]
#[target_feature(enable = "avx2")]
fn multiply(x: __m256i, y: __m256i) -> __m256i {
    joined(reduced(_mm256_mul_epi32(x, y)), reduced(_mm256_mul_epi32(upper(x), upper(y))))
}

/// Reduces signed 64-bit products within `±p · 2^31` to signed elements within (-p, p), in the upper
/// halves; the lower halves are zero.
#[inline]
#[target_feature(enable = "avx2")]
fn reduced(product: __m256i) -> __m256i {
    let quotient = _mm256_mul_epi32(product, _mm256_set1_epi32(P_INVERSE));
    _mm256_sub_epi64(product, _mm256_mul_epi32(quotient, _mm256_set1_epi32(P)))
}

/// The upper half of each 64 bits, moved to the lower half: the only one that a product reads.
#[inline]
#[target_feature(enable = "avx2")]
fn upper(x: __m256i) -> __m256i {
    _mm256_srli_epi64::<32>(x)
}

/// Brings even and odd elements, each in upper halves and within (-p, p), together, canonical.
#[inline]
#[target_feature(enable = "avx2")]
fn joined(even: __m256i, odd: __m256i) -> __m256i {
    canonical(_mm256_blend_epi32::<0b1010_1010>(upper(even), odd))
}

/// A signed element within (-p, p), canonical: of `x` and `x + p`, read as unsigned, the wrong one is
/// the greater one.
#[inline]
#[target_feature(enable = "avx2")]
fn canonical(x: __m256i) -> __m256i {
    _mm256_min_epu32(x, _mm256_add_epi32(x, _mm256_set1_epi32(P)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    let sum = _mm256_add_epi32(x, y);
    _mm256_min_epu32(sum, _mm256_sub_epi32(sum, _mm256_set1_epi32(P)))
}

#[inline]
#[target_feature(enable = "avx2")]
fn subtract(x: __m256i, y: __m256i) -> __m256i {
    canonical(_mm256_sub_epi32(x, y))
}

#[inline]
#[target_feature(enable = "avx2")]
fn triple(x: __m256i) -> __m256i {
    add(add(x, x), x)
}

#[inline]
#[target_feature(enable = "avx2")]
fn quadruple(x: __m256i) -> __m256i {
    let double = add(x, x);
    add(double, double)
}

/// `x / 2`: the half of an odd `x = 2k + 1` is `k + 1/2`.
#[inline]
#[target_feature(enable = "avx2")]
fn half(x: __m256i) -> __m256i {
    let odd = _mm256_and_si256(x, _mm256_set1_epi32(1));
    // The sign operation keeps the constant where `odd` is 1, and gives 0 where it is 0.
    _mm256_add_epi32(_mm256_srli_epi32::<1>(x), _mm256_sign_epi32(_mm256_set1_epi32(HALF), odd))
}

/// `x / 2^N` within (-p, p), for N up to 15 and N + M = 24.
///
/// With `x = 2^N · high + low`, and `2^-N = -127 · 2^M` since `127 · 2^24 = -1`, this is
/// `high - 127 · low · 2^M`. `low` is below 2^15, where a product of 16-bit pairs is the product.
#[inline]
#[target_feature(enable = "avx2")]
fn divided<const N: i32, const M: i32>(x: __m256i) -> __m256i {
    const { assert!(N <= 15 && N + M == 24) }
    let low = _mm256_and_si256(x, _mm256_set1_epi32((1 << N) - 1));
    let low_by_127 = _mm256_madd_epi16(low, _mm256_set1_epi32(127));
    _mm256_sub_epi32(_mm256_srli_epi32::<N>(x), _mm256_slli_epi32::<M>(low_by_127))
}

/// `x / 2^24` within (-p, p): as [`divided`], with `127 · low` as `2^7 · low - low`.
#[inline]
#[target_feature(enable = "avx2")]
fn divided_by_2_to_24(x: __m256i) -> __m256i {
    let low = _mm256_and_si256(x, _mm256_set1_epi32((1 << 24) - 1));
    _mm256_sub_epi32(_mm256_add_epi32(_mm256_srli_epi32::<24>(x), low), _mm256_slli_epi32::<7>(low))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(lanes: &[u32; LANES]) -> __m256i {
    // SAFETY: the reference is to as many bytes as a vector has; this load asks no alignment.
    unsafe { _mm256_loadu_si256(std::ptr::from_ref(lanes).cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store(lanes: &mut [u32; LANES], vector: __m256i) {
    // SAFETY: the reference is to as many bytes as a vector has; this store asks no alignment.
    unsafe { _mm256_storeu_si256(std::ptr::from_mut(lanes).cast(), vector) }
}

#[cfg(test)]
mod tests {
    use super::super::Portable;
    use super::*;
    use proptest::prelude::*;

    /// Elements with the ends of the range often among them.
    fn element() -> impl Strategy<Value = u32> {
        prop_oneof![
            4 => 0..PRIME,
            1 => proptest::sample::select(vec![0, 1, 2, PRIME - 1, PRIME - 2, 1 << 24, (1 << 24) - 1]),
        ]
    }

    proptest! {
        #[test]
        fn montgomery_form_is_left_as_it_was_entered(x in element()) {
            prop_assert_eq!(Avx2::leave(Avx2::enter(x)), x);
        }

        #[test]
        fn agrees_with_plonky3(
            elements in proptest::collection::vec(element(), WIDTH * LANES),
            absorbed in proptest::collection::vec(0u32..1 << 24, RATE * LANES),
        ) {
            let Some(kernel) = Avx2::detect() else { return Ok(()) };
            let elements: States<LANES> = std::array::from_fn(|i| std::array::from_fn(|lane| elements[i * LANES + lane]));
            let block: [[u32; LANES]; RATE] =
                std::array::from_fn(|i| std::array::from_fn(|lane| absorbed[i * LANES + lane]));
            let mut states = elements.map(|lanes| lanes.map(Avx2::enter));
            kernel.permute(&mut states);
            let permuted = states.map(|lanes| lanes.map(Avx2::leave));
            kernel.absorb(&mut states, &block);
            let absorbed = states.map(|lanes| lanes.map(Avx2::leave));
            for lane in 0..LANES {
                let mut expected = elements.map(|lanes| [lanes[lane]]);
                Portable.permute(&mut expected);
                prop_assert_eq!(expected, permuted.map(|lanes| [lanes[lane]]));
                Portable.absorb(&mut expected, &block.map(|lanes| [lanes[lane]]));
                prop_assert_eq!(expected, absorbed.map(|lanes| [lanes[lane]]));
            }
        }
    }
}
