//! One query's walk down the folds.
//!
//! A round at height 2^h folds groups of 2^a values. The group of a query lies on the coset s·⟨w⟩, w of order 2^a, in
//! bit-reversed order; the query's own point is x = s · Π_{i<a} g_(i+1)^(bit i). The group is interpolated and evaluated
//! at the round's challenge b by a halvings, each
//!
//! ```text
//! 2·f'(y²) = (f(y) + f(−y)) + (f(y) − f(−y)) · b/y            b/y = (b/s) · (inverse of a power of w), squared each time
//! ```
//!
//! so that the last value is 2^a times the fold. The same differences select the queried element by the index bits; it
//! must equal what the round before folded to. Where a height's openings join, b^(2^a) times their reduction is added.

use p3_field::{Field, PrimeCharacteristicRing, TwoAdicField};
use p3_util::reverse_bits_len;
use sinter_circuit::{Base, Builder, Ext};
use sinter_program::F;

use super::openings::{inverse_factor, square};

/// The queried element of a group, and the group's fold before scaling.
struct Folded {
    own: Ext,
    scaled: Ext,
}

/// Folds one group and checks its queried element.
///
/// `x` is the query's point at this height, `bits` the low index bits, `folded` what came before. Returns the fold and the
/// point at the folded height.
pub fn fold(b: &mut Builder, group: &[Ext], bits: &[Base], x: Base, challenge: Ext, folded: Ext) -> (Ext, Base) {
    let zero = b.zero();
    let one = b.one();
    let mut start = x;
    for (i, &bit) in bits.iter().enumerate() {
        let factor = b.constant_base(inverse_factor(i) - F::ONE);
        let factor = b.base_mul_add(bit, factor, one);
        start = b.base_mul_add(start, factor, zero);
    }
    let ratio = b.div(challenge, start);
    let Folded { own, scaled } = halve(b, group, bits, ratio);
    b.assert_eq(own, folded);
    let scale = b.constant_base(F::from_usize(group.len()).inverse());
    let fold = b.mul(scaled, scale);
    let x = square(b, x, bits.len());
    (fold, x)
}

/// The halvings. `ratio` is the challenge over the coset's first point.
fn halve(b: &mut Builder, group: &[Ext], bits: &[Base], ratio: Ext) -> Folded {
    let mut values = group.to_vec();
    let mut owns = group.to_vec();
    let mut ratio = ratio;
    for (level, &bit) in bits.iter().enumerate() {
        let log_size = bits.len() - level;
        if level > 0 {
            ratio = b.mul(ratio, ratio);
        }
        let generator = F::two_adic_generator(log_size).inverse();
        let mut folded = Vec::with_capacity(values.len() / 2);
        let mut selected = Vec::with_capacity(owns.len() / 2);
        for (pair, (values, owns)) in values.chunks_exact(2).zip(owns.chunks_exact(2)).enumerate() {
            let exponent = reverse_bits_len(2 * pair, log_size) as u64;
            let weight = if pair == 0 {
                ratio
            } else {
                let power = b.constant_base(generator.exp_u64(exponent));
                b.mul(ratio, power)
            };
            let difference = b.sub(values[0], values[1]);
            let sum = b.add(values[0], values[1]);
            folded.push(b.mul_add(difference, weight, sum));
            // At the first level the differences are those of the group's own elements.
            selected.push(if level == 0 {
                b.mul_sub_from(owns[0], bit, difference)
            } else {
                b.select(bit, owns[1], owns[0])
            });
        }
        values = folded;
        owns = selected;
    }
    Folded { own: owns[0], scaled: values[0] }
}

/// Evaluates the final polynomial, constant coefficient first.
pub fn final_value(b: &mut Builder, coefficients: &[Ext], x: Base) -> Ext {
    let mut value: Option<Ext> = None;
    for &coefficient in coefficients.iter().rev() {
        value = Some(match value {
            None => coefficient,
            Some(value) => b.mul_add(value, x, coefficient),
        });
    }
    value.unwrap_or_else(|| b.zero().into())
}
