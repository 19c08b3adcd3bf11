// KoalaBear products with 32-bit integers alone, for adapters without 64-bit ones.

// The high word of a * b, from 16-bit limbs.
fn high_word(a: u32, b: u32) -> u32 {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let a0b1 = a0 * b1;
    let a1b0 = a1 * b0;
    let middle = ((a0 * b0) >> 16u) + (a0b1 & 0xffffu) + (a1b0 & 0xffffu);
    return a1 * b1 + (a0b1 >> 16u) + (a1b0 >> 16u) + (middle >> 16u);
}

// The high word of t * P, with P = 127 * 2^24 + 1: that of 127 * t, shifted, and the carry of the low words' sum.
fn high_word_of_multiple(t: u32) -> u32 {
    let rest = (t & 0xffu) * 127u;
    let low = rest << 24u;
    return (t >> 8u) * 127u + (rest >> 8u) + select(0u, 1u, low + t < low);
}

// The Montgomery product a * b / 2^32 mod P, below P. Reduction by subtraction: P * MU = 1 mod 2^32, so the low words cancel.
fn f_mul(a: u32, b: u32) -> u32 {
    let difference = high_word(a, b) - high_word_of_multiple(a * b * MU);
    return min(difference, difference + P);
}
