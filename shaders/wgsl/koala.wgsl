// The base field, KoalaBear: P = 2^31 - 2^24 + 1. An element is one word below P, in Montgomery form (times 2^32).
// Reference: p3-monty-31 (`add`, `sub`, `halve_u32`, `monty_reduce`). Products are in koala_u64.wgsl or koala_u32.wgsl.

const P: u32 = 0x7f000001u;
// The inverse of P modulo 2^32.
const MU: u32 = 0x81000001u;
// 1 in Montgomery form.
const ONE: u32 = 0x01fffffeu;

// Below, the smaller of a word and the word reduced once is the reduced one: the other has wrapped around.

fn f_add(a: u32, b: u32) -> u32 {
    let sum = a + b;
    return min(sum, sum - P);
}

fn f_sub(a: u32, b: u32) -> u32 {
    let difference = a - b;
    return min(difference, difference + P);
}

fn f_neg(a: u32) -> u32 {
    return f_sub(0u, a);
}

fn f_double(a: u32) -> u32 {
    return f_add(a, a);
}

fn f_halve(a: u32) -> u32 {
    return (a + (a & 1u) * P) >> 1u;
}

// a / 2^k for k <= 24. P = 1 mod 2^k, so a - (a mod 2^k) * P is divisible by 2^k.
fn f_shift(a: u32, k: u32) -> u32 {
    return f_sub(a >> k, ((a & ((1u << k) - 1u)) * 127u) << (24u - k));
}

// 1 / a, and 0 for 0: a^(P - 2), with P - 2 = 0x7effffff.
fn f_inverse(a: u32) -> u32 {
    var result = ONE;
    for (var bit = 31u; bit > 0u; bit--) {
        result = f_mul(result, result);
        if bit != 25u {
            result = f_mul(result, a);
        }
    }
    return result;
}
