// KoalaBear products with 64-bit integers.

// The Montgomery product a * b / 2^32 mod P, below P. Reduction by subtraction: P * MU = 1 mod 2^32, so the low words cancel.
fn f_mul(a: u32, b: u32) -> u32 {
    let product = u64(a) * u64(b);
    let quotient = u32(product & 0xfffffffflu) * MU;
    let below = u32((u64(quotient) * u64(P)) >> 32u);
    let difference = u32(product >> 32u) - below;
    return min(difference, difference + P);
}
