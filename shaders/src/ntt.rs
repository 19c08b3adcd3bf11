//! Number-theoretic transforms, and extensions of polynomials onto cosets.
//!
//! # The planner
//! A transform of 2^n elements is cut into passes, each of which reads and writes every element once. The pass over neighbours takes
//! up to [`LOG_TILE`] levels; the levels above it are shared evenly among strided passes of at most [`LOG_TILE`] − [`LOG_RUN`] levels,
//! which read runs of 2^[`LOG_RUN`] neighbours. So 2^12 elements take one pass, 2^20 two, 2^24 three.
//!
//! # Orders
//! Evaluations are kept in bit-reversed order, coefficients in natural order. Then the forward transform goes from coefficients to
//! evaluations and the inverse back, and nothing is reordered. In bit-reversed order the evaluations on a coset of a subgroup are
//! runs: of the extension by 2^b, run c holds the evaluations on the coset of w^reversed(c).

use p3_field::{Field, PrimeCharacteristicRing, TwoAdicField};

use crate::device::{Buffer, Recorder};
use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::words::{F, to_word};

/// log2 of the elements that a workgroup holds.
pub const LOG_TILE: u32 = 12;
/// log2 of the neighbours that a strided pass reads at once.
pub const LOG_RUN: u32 = 4;
/// Columns of one dispatch: a dimension has at most 65,535 workgroups.
const COLUMNS_AT_ONCE: usize = 32768;

/// One pass: `levels` butterfly levels over pairs at least 2^`log_stride` apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// log2 of the distance between neighbours that are transformed together.
    pub log_stride: u32,
    /// How many levels.
    pub levels: u32,
    /// log2 of the other neighbours in a tile.
    pub log_run: u32,
}

/// The passes of a transform of 2^`log_rows` elements, in the order of the forward transform.
#[must_use]
pub fn plan(log_rows: u32) -> Vec<Pass> {
    let neighbours = log_rows.min(LOG_TILE);
    let above = log_rows - neighbours;
    let strided = above.div_ceil(LOG_TILE - LOG_RUN);
    let mut passes = Vec::new();
    let mut log_stride = log_rows;
    for left in (1..=strided).rev() {
        let levels = (log_stride - neighbours).div_ceil(left);
        log_stride -= levels;
        passes.push(Pass { log_stride, levels, log_run: LOG_RUN });
    }
    passes.push(Pass { log_stride: 0, levels: neighbours, log_run: 0 });
    passes
}

/// Columns of 2^`log_rows` elements in a buffer.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// The buffer.
    pub buffer: &'a Buffer,
    /// The first word of the first column.
    pub first: u64,
    /// Words from one column to the next.
    pub stride: u64,
    /// How many columns.
    pub columns: usize,
    /// log2 of their length.
    pub log_rows: u32,
}

impl Kernels {
    /// Coefficients in natural order to evaluations in bit-reversed order, on the subgroup, in place.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn transform(&self, recorder: &mut Recorder<'_>, span: Span<'_>) -> Result<(), DeviceError> {
        plan(span.log_rows).iter().try_for_each(|&pass| self.in_place(recorder, span, pass, false, F::ZERO))
    }

    /// Evaluations in bit-reversed order on the subgroup to coefficients in natural order, in place.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn interpolate(&self, recorder: &mut Recorder<'_>, span: Span<'_>) -> Result<(), DeviceError> {
        let passes = plan(span.log_rows);
        for (i, &pass) in passes.iter().rev().enumerate() {
            let last = i + 1 == passes.len();
            let scale = if last { F::from_u64(1 << span.log_rows).inverse() } else { F::ZERO };
            self.in_place(recorder, span, pass, true, scale)?;
        }
        Ok(())
    }

    /// Extends coefficients onto 2^`log_cosets` cosets of the subgroup: together, in bit-reversed order, the coset
    /// `shift` · ⟨w⟩ of the subgroup that is 2^`log_cosets` times larger. A column of the destination starts `stride` words after
    /// the one before it, of which the first `columns · 2^(log_rows + log_cosets)` words are written.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn extend(
        &self,
        recorder: &mut Recorder<'_>,
        coefficients: Span<'_>,
        shift: F,
        log_cosets: u32,
        destination: (&Buffer, u64),
    ) -> Result<(), DeviceError> {
        let Span { log_rows, columns, .. } = coefficients;
        let generator = F::two_adic_generator((log_rows + log_cosets) as usize);
        let cosets = 1u32 << log_cosets;
        let reversed = |c: u32| if log_cosets == 0 { 0 } else { c.reverse_bits() >> (32 - log_cosets) };
        let shifts: Vec<F> = (0..cosets).map(|c| shift * generator.exp_u64(reversed(c).into())).collect();
        let shifts = self.shifts(&shifts)?;
        let twiddles = self.twiddles(log_rows)?;
        let (buffer, first) = destination;
        let stride = 1u64 << (log_rows + log_cosets);

        let passes = plan(log_rows);
        let pass = passes[0];
        for start in (0..columns).step_by(COLUMNS_AT_ONCE) {
            let count = (columns - start).min(COLUMNS_AT_ONCE);
            let params = [
                log_rows,
                pass.log_stride,
                pass.levels,
                pass.log_run,
                twiddles.log,
                0,
                (coefficients.first + start as u64 * coefficients.stride) as u32,
                coefficients.stride as u32,
                (first + start as u64 * stride) as u32,
                stride as u32,
            ];
            let buffers = [(1, &twiddles.buffer), (2, buffer), (3, coefficients.buffer), (4, &*shifts)];
            recorder.dispatch(&self.coset_ntt, &buffers, &params, [tiles(log_rows, pass), count as u32, cosets])?;
        }
        // From here on every coset is a column of its own.
        let span = Span { buffer, first, stride: 1 << log_rows, columns: columns << log_cosets, log_rows };
        passes[1..].iter().try_for_each(|&pass| self.in_place(recorder, span, pass, false, F::ZERO))
    }

    fn in_place(
        &self,
        recorder: &mut Recorder<'_>,
        span: Span<'_>,
        pass: Pass,
        inverse: bool,
        scale: F,
    ) -> Result<(), DeviceError> {
        let twiddles = self.twiddles(span.log_rows)?;
        let kernel = if inverse { &self.inverse_ntt } else { &self.ntt };
        for start in (0..span.columns).step_by(COLUMNS_AT_ONCE) {
            let count = (span.columns - start).min(COLUMNS_AT_ONCE);
            let first = (span.first + start as u64 * span.stride) as u32;
            let stride = span.stride as u32;
            let params = [
                span.log_rows,
                pass.log_stride,
                pass.levels,
                pass.log_run,
                twiddles.log,
                to_word(scale),
                first,
                stride,
                first,
                stride,
            ];
            let buffers = [(1, &twiddles.buffer), (2, span.buffer)];
            recorder.dispatch(kernel, &buffers, &params, [tiles(span.log_rows, pass), count as u32, 1])?;
        }
        Ok(())
    }
}

const fn tiles(log_rows: u32, pass: Pass) -> u32 {
    1 << (log_rows - pass.levels - pass.log_run)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_is_in_exactly_one_pass() {
        for log_rows in 0..=24 {
            let passes = plan(log_rows);
            let mut top = log_rows;
            for pass in &passes {
                assert_eq!(pass.log_stride + pass.levels, top, "2^{log_rows}: {passes:?}");
                assert!(pass.levels + pass.log_run <= LOG_TILE);
                assert!(pass.log_stride >= pass.log_run, "a run lies within a stride");
                top = pass.log_stride;
            }
            assert_eq!(top, 0);
        }
        assert_eq!([12, 13, 20, 21, 24].map(|log_rows| plan(log_rows).len()), [1, 2, 2, 3, 3]);
    }
}
