//! Reduced openings: all claimed values and all opened rows in one value a height.
//!
//! For one height, with x the query's point on that height's coset, `λ` the ladder position of an opening, z its point:
//!
//! ```text
//! r(x) = Σ over openings  α^λ · (Σ_j α^j·p_j(z) − Σ_j α^j·p_j(x)) / (z − x)
//! ```
//!
//! There are two points a height (ζ, and ζ times the generator of that height's trace domain), so two divisions. The
//! claimed half is the same for every query and is computed once. The opened half comes out of the Poseidon2 rows that
//! hash the leaf: with β = 1/α they accumulate Σ_j β^(L−1−j)·p_j, which is α^(1−L) times what is wanted.

use p3_field::{Field, TwoAdicField};
use sinter_circuit::{Base, Builder, Ext, Sum};
use sinter_program::F;

use crate::layout::{Layout, Point};

/// What one height's reduction needs that no query changes.
#[derive(Clone, Debug)]
pub struct HeightContext {
    /// Log of the extended height.
    pub log_height: usize,
    /// ζ and ζ·h.
    points: [Ext; 2],
    /// Σ over openings at each point of α^λ·Σ_j α^j·p_j(z); `None` where nothing is opened at the point.
    claimed: [Option<Ext>; 2],
}

/// Computes the claimed half of every height's reduction.
pub fn claimed(b: &mut Builder, layout: &Layout, values: &[Vec<Ext>], alpha: Ext, zeta: Ext) -> Vec<HeightContext> {
    b.set_label("claimed openings");
    let heights = layout.log_heights.clone();
    heights
        .into_iter()
        .map(|log_height| {
            let mut claimed: [Option<Ext>; 2] = [None, None];
            for (opening, values) in layout.openings.iter().zip(values).filter(|(o, _)| o.log_height == log_height) {
                let mut sum: Option<Ext> = None;
                for &value in values.iter().rev() {
                    sum = Some(match sum {
                        None => value,
                        Some(sum) => b.mul_add(sum, alpha, value),
                    });
                }
                // Every matrix has at least one column.
                let Some(sum) = sum else { continue };
                let slot = &mut claimed[usize::from(opening.point == Point::Next)];
                let power = b.power(alpha, opening.ladder);
                *slot = Some(match *slot {
                    None => b.mul(power, sum),
                    Some(total) => b.mul_add(power, sum, total),
                });
            }
            let generator = b.constant_base(F::two_adic_generator(log_height - layout.fri.log_blowup));
            let next = if claimed[1].is_some() { b.mul(zeta, generator) } else { zeta };
            HeightContext { log_height, points: [zeta, next], claimed }
        })
        .collect()
}

/// One query's accumulators: a numerator a point.
#[derive(Clone, Debug)]
pub struct Reduction {
    numerators: [Option<Ext>; 2],
}

impl Reduction {
    /// The claimed half.
    #[must_use]
    pub const fn new(context: &HeightContext) -> Self {
        Self { numerators: context.claimed }
    }

    /// Subtracts a segment's opened half at each of its uses.
    pub fn subtract(&mut self, b: &mut Builder, alpha: Ext, uses: &[(Point, usize)], sum: Sum) {
        for &(point, ladder) in uses {
            let power = b.power(alpha, ladder + sum.lanes - 1);
            let slot = &mut self.numerators[usize::from(point == Point::Next)];
            if let Some(numerator) = *slot {
                *slot = Some(b.mul_sub_from(numerator, power, sum.value));
            }
        }
    }

    /// The reduced opening at the query's point g·x, where `x` is in the subgroup of the height's size.
    pub fn finish(&self, b: &mut Builder, context: &HeightContext, x: Base) -> Ext {
        let shift = b.constant_base(F::GENERATOR);
        let mut reduced: Option<Ext> = None;
        for (numerator, point) in self.numerators.iter().zip(context.points) {
            let Some(numerator) = *numerator else { continue };
            // z − g·x is zero with probability 2^-130 over z, which is drawn after all traces are fixed.
            let denominator = b.mul_sub_from(point, x, shift);
            let quotient = b.div(numerator, denominator);
            reduced = Some(match reduced {
                None => quotient,
                Some(sum) => b.add(sum, quotient),
            });
        }
        reduced.unwrap_or_else(|| b.zero().into())
    }
}

/// x^(2^times).
pub fn square(b: &mut Builder, x: Base, times: usize) -> Base {
    let zero = b.zero();
    (0..times).fold(x, |x, _| b.base_mul_add(x, x, zero))
}

/// Factors of the product Π g_(i+1)^(bit i) over `count` bits, with g_k the generator of order 2^k: the subgroup element
/// whose bit-reversed exponent the bits are.
#[must_use]
pub fn point_factors(count: usize) -> Vec<F> {
    (0..count).map(|i| F::two_adic_generator(i + 1)).collect()
}

/// The inverses of the same factors.
pub fn inverse_factor(i: usize) -> F {
    F::two_adic_generator(i + 1).inverse()
}
