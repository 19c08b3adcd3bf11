//! The Bits table: two base values side by side, decomposed into canonical bits over 31 rows, bit 0 first.
//!
//! # Columns
//!
//! Main (8), for each lane: v (the value shifted down to this bit), bit, ones (1 when this bit, if it is among bits 24 to
//! 30, and all above it are ones), x (a product). Preprocessed (16), for each lane: address and multiplicity of v, of bit,
//! and of x, and γ = g − 1 for the factor g of this bit; shared: `last` (bit 30, and rows not used), `high` (bits 24 to
//! 29).
//!
//! # Constraints
//!
//! Primed columns are the next row's, which is the next bit's. For each lane:
//!
//! - bit · (bit − 1) = 0
//! - v = bit + 2 · (1 − last) · v′, so v on row k is Σ_{j≥k} 2^(j−k) bit_j
//! - last · (ones − bit) + high · (ones − bit · ones′) + (1 − last − high) · (ones − ones′) = 0
//! - (1 − last − high) · ones · bit = 0: when bits 24 to 30 are all ones, bits 0 to 23 are zero. As
//!   p − 1 = 127 · 2^24, exactly the numbers below p pass: the bits are canonical
//! - x = x′ · (1 − last + γ · bit) + last, so x on row k is Π_{j≥k, j<30} g_j^(bit_j). (γ is zero on row 30.)
//!
//! Largest degree 3. Ports: (v, 0, …), (bit, 0, …), (x, 0, …).
//!
//! A row that is not used has last = 1: v = bit, ones = bit, x = 1, and all multiplicities zero; v = 0 is filled in. A
//! lane without a value is decomposed as zero. The last row of the table is either not used or bit 30, so nothing wraps
//! around.

use p3_air::WindowAccess;
use p3_field::{Dup, PrimeCharacteristicRing, PrimeField32};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;

use super::{exprs, port};
use crate::field::{F, LIMBS};
use crate::record::Frame;

/// Bits of a base value.
pub(crate) const VALUE_BITS: usize = 31;
/// The lowest of the bits that are all ones in p − 1.
pub(crate) const HIGH_FROM: usize = 24;
/// Values side by side.
pub(crate) const LANES: usize = 2;
/// Main columns of a lane.
const LANE_WIDTH: usize = 4;
/// Main columns.
pub(crate) const WIDTH: usize = LANES * LANE_WIDTH;
/// Preprocessed columns of a lane.
pub(crate) const LANE_PREP: usize = 7;
/// Preprocessed column: γ within a lane.
pub(crate) const GAMMA: usize = 6;
/// Preprocessed column: bit 30, or not used.
pub(crate) const LAST: usize = LANES * LANE_PREP;
/// Preprocessed column: bits 24 to 29.
pub(crate) const HIGH: usize = LAST + 1;
/// Preprocessed columns.
pub(crate) const PREP: usize = HIGH + 1;

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let row = exprs::<AB>(main.current_slice());
    let next = exprs::<AB>(main.next_slice());
    let prep = exprs::<AB>(builder.preprocessed().current_slice());
    let (last, high) = (prep[LAST].dup(), prep[HIGH].dup());
    let more = AB::Expr::ONE - last.dup();
    let low = more.dup() - high.dup();
    for lane in 0..LANES {
        let [v, bit, ones, x] = std::array::from_fn(|column| row[lane * LANE_WIDTH + column].dup());
        let [v_next, _, ones_next, x_next] = std::array::from_fn(|column| next[lane * LANE_WIDTH + column].dup());
        let at = lane * LANE_PREP;
        builder.assert_bool(bit.dup());
        builder.assert_zero(v.dup() - bit.dup() - more.dup() * v_next.double());
        builder.assert_zero(
            last.dup() * (ones.dup() - bit.dup())
                + high.dup() * (ones.dup() - bit.dup() * ones_next.dup())
                + low.dup() * (ones.dup() - ones_next),
        );
        builder.assert_zero(low.dup() * (ones * bit.dup()));
        builder.assert_zero(x.dup() - x_next * (more.dup() + prep[at + GAMMA].dup() * bit.dup()) - last.dup());
        for (index, value) in [v, bit, x].into_iter().enumerate() {
            port(builder, &[value], prep[at + 2 * index].dup(), prep[at + 2 * index + 1].dup());
        }
    }
}

/// Fills the main trace. Rows past the frames get the values of an unused row.
pub(crate) fn fill(trace: &mut [F], frames: &[Frame], word: impl Fn(u32) -> [F; LIMBS] + Sync) {
    let used = frames.len().div_ceil(LANES) * VALUE_BITS * WIDTH;
    let (used, unused) = trace.split_at_mut(used);
    for row in unused.chunks_exact_mut(WIDTH) {
        for lane in row.chunks_exact_mut(LANE_WIDTH) {
            lane[3] = F::ONE;
        }
    }
    used.par_chunks_mut(VALUE_BITS * WIDTH).zip(frames.par_chunks(LANES)).for_each(|(rows, frames)| {
        for lane in 0..LANES {
            let frame = frames.get(lane);
            let value = frame.map_or(0, |frame| word(frame.value)[0].as_canonical_u32());
            let (mut ones, mut x) = (F::ONE, F::ONE);
            for k in (0..VALUE_BITS).rev() {
                let bit = F::from_u32((value >> k) & 1);
                if k >= HIGH_FROM {
                    ones *= bit;
                }
                if bit == F::ONE {
                    x *= frame.and_then(|frame| frame.factors.get(k)).copied().unwrap_or(F::ONE);
                }
                let cells = &mut rows[k * WIDTH + lane * LANE_WIDTH..][..LANE_WIDTH];
                cells.copy_from_slice(&[F::from_u32(value >> k), bit, ones, x]);
            }
        }
    });
}
