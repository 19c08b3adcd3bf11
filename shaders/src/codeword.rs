//! Vectors over the challenge field: powers, codewords, and the steps of DEEP and FRI on them.

use std::ops::Range;

use p3_field::PrimeCharacteristicRing;

use crate::columns::Columns;
use crate::device::{Buffer, Recorder, threads};
use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::ntt::Span;
use crate::words::{DEGREE, EF, F, ext_planes, ext_words, from_planes, from_runs, to_word};

/// 2^`log_len` extension elements in device memory, in planes.
#[derive(Debug)]
pub struct Codeword {
    buffer: Buffer,
    log_len: u32,
}

impl Codeword {
    /// log2 of its length.
    #[must_use]
    pub const fn log_len(&self) -> u32 {
        self.log_len
    }

    /// Its words.
    #[must_use]
    pub const fn buffer(&self) -> &Buffer {
        &self.buffer
    }
}

/// A list of extension elements that kernels weigh with.
#[derive(Debug)]
pub struct Weights {
    buffer: Buffer,
    count: usize,
}

impl Kernels {
    /// A codeword of zeros.
    ///
    /// # Errors
    /// As [`crate::Device::buffer`].
    pub fn codeword(&self, log_len: u32) -> Result<Codeword, DeviceError> {
        Ok(Codeword { buffer: self.device().buffer((DEGREE as u64) << log_len)?, log_len })
    }

    /// A codeword from the host.
    ///
    /// # Errors
    /// As [`crate::Device::buffer`].
    pub fn upload_codeword(&self, elements: &[EF]) -> Result<Codeword, DeviceError> {
        debug_assert!(elements.len().is_power_of_two(), "{} elements", elements.len());
        Ok(Codeword { buffer: self.device().upload(&ext_planes(elements))?, log_len: elements.len().ilog2() })
    }

    /// The elements of a codeword.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn download_codeword(&self, codeword: &Codeword) -> Result<Vec<EF>, DeviceError> {
        Ok(from_planes(&self.device().download(&codeword.buffer, 0..codeword.buffer.words())?))
    }

    /// Weights from the host.
    ///
    /// # Errors
    /// As [`crate::Device::buffer`].
    pub fn weights(&self, weights: &[EF]) -> Result<Weights, DeviceError> {
        Ok(Weights { buffer: self.device().upload(&ext_planes(weights))?, count: weights.len() })
    }

    /// The first 2^`log_len` powers of a point.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn powers(&self, recorder: &mut Recorder<'_>, point: EF, log_len: u32) -> Result<Codeword, DeviceError> {
        let output = self.codeword(log_len)?;
        let squares = (0..log_len.max(1)).scan(point, |power, _| {
            let this = *power;
            *power = power.square();
            Some(ext_words(this))
        });
        let squares = self.device().upload(&squares.flatten().collect::<Vec<u32>>())?;
        let count = 1u32 << log_len;
        recorder.dispatch(&self.powers, &[(1, &squares), (2, &output.buffer)], &[count], threads(count.into()))?;
        Ok(output)
    }

    /// The values of polynomials at the point whose powers these are; the powers may be more than the coefficients.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn evaluate(&self, polynomials: Span<'_>, powers: &Codeword) -> Result<Vec<EF>, DeviceError> {
        debug_assert!(powers.log_len >= polynomials.log_rows, "2^{} powers", powers.log_len);
        let output = self.device().buffer((DEGREE * polynomials.columns) as u64)?;
        let mut recorder = self.device().record();
        let buffers = [(1, polynomials.buffer), (2, &powers.buffer), (3, &output)];
        // A dimension has at most 65,535 workgroups.
        for start in (0..polynomials.columns).step_by(32768) {
            let count = (polynomials.columns - start).min(32768) as u32;
            let params = [
                1 << polynomials.log_rows,
                (polynomials.first + start as u64 * polynomials.stride) as u32,
                polynomials.stride as u32,
                1 << powers.log_len,
                (DEGREE * start) as u32,
            ];
            recorder.dispatch(&self.evaluate, &buffers, &params, [count, 1, 1])?;
        }
        recorder.submit()?;
        Ok(from_runs(&self.device().download(&output, 0..output.words())?))
    }

    /// 1 / (point − x) for every x of the coset `shift` · ⟨w⟩ with 2^`log_len` elements, in bit-reversed order. Its first
    /// 2^k elements are those of the coset with 2^k elements.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn inverse_distances(
        &self,
        recorder: &mut Recorder<'_>,
        point: EF,
        shift: F,
        log_len: u32,
    ) -> Result<Codeword, DeviceError> {
        let output = self.codeword(log_len)?;
        let twiddles = self.twiddles(log_len)?;
        let point = self.device().upload(&ext_words(point))?;
        let buffers = [(1, &twiddles.buffer), (2, &point), (3, &output.buffer)];
        let params = [log_len, twiddles.log, to_word(shift)];
        recorder.dispatch(&self.inverse_distances, &buffers, &params, threads((1u64 << log_len).div_ceil(8)))?;
        Ok(output)
    }

    /// The sum of a range of columns, each times its weight: column i of the range has weight `first_weight + i`.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn combine(
        &self,
        recorder: &mut Recorder<'_>,
        matrix: &Columns,
        range: Range<usize>,
        weights: &Weights,
    ) -> Result<Codeword, DeviceError> {
        let output = self.codeword(matrix.log_rows())?;
        debug_assert!(range.len() <= weights.count, "{} weights for {} columns", weights.count, range.len());
        let rows = 1u32 << matrix.log_rows();
        for run in matrix.runs(range) {
            let params = [
                rows,
                (run.first as u32) << matrix.log_rows(),
                run.count as u32,
                run.before as u32,
                weights.count as u32,
                u32::from(run.before == 0),
            ];
            let buffers = [(1, run.slab), (2, &weights.buffer), (3, &output.buffer)];
            recorder.dispatch(&self.combine_columns, &buffers, &params, threads(rows.into()))?;
        }
        Ok(output)
    }

    /// Adds one opening to the codeword of its height: (claim − scale · compressed) · distances, elementwise. The first opening of a
    /// codeword is `fresh` and replaces what was there.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    #[allow(clippy::too_many_arguments)] // The terms of one formula.
    pub fn deep(
        &self,
        recorder: &mut Recorder<'_>,
        compressed: &Codeword,
        distances: &Codeword,
        claim: EF,
        scale: EF,
        fresh: bool,
        output: &Codeword,
    ) -> Result<(), DeviceError> {
        let scalars = self.device().upload(&[ext_words(claim), ext_words(scale)].concat())?;
        let rows = 1u32 << output.log_len;
        let params = [rows, 1 << distances.log_len, u32::from(fresh)];
        let buffers = [(1, &compressed.buffer), (2, &distances.buffer), (3, &scalars), (4, &output.buffer)];
        recorder.dispatch(&self.deep, &buffers, &params, threads(rows.into()))
    }

    /// Folds a codeword of FRI to a 2^`log_arity`-th of its length and adds what joins there, times beta^arity.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn fold(
        &self,
        recorder: &mut Recorder<'_>,
        codeword: &Codeword,
        beta: EF,
        log_arity: u32,
        joining: Option<&Codeword>,
    ) -> Result<Codeword, DeviceError> {
        let twiddles = self.twiddles(codeword.log_len)?;
        let mut beta = beta;
        let mut folded: Option<Codeword> = None;
        for step in 1..=log_arity {
            let log_pairs = codeword.log_len - step;
            let output = self.codeword(log_pairs)?;
            let from = folded.as_ref().unwrap_or(codeword);
            let joins = joining.filter(|_| step == log_arity);
            let scalars = self.device().upload(&[ext_words(beta), ext_words(beta.square())].concat())?;
            let buffers = [
                (1, &twiddles.buffer),
                (2, &scalars),
                (3, &from.buffer),
                // Where nothing joins, something must still be bound; it is not read.
                (4, joins.map_or(&twiddles.buffer, |codeword| &codeword.buffer)),
                (5, &output.buffer),
            ];
            let params = [1 << log_pairs, log_pairs, twiddles.log, u32::from(joins.is_some())];
            recorder.dispatch(&self.fri_fold, &buffers, &params, threads(1 << log_pairs))?;
            beta = beta.square();
            folded = Some(output);
        }
        match folded {
            Some(folded) => Ok(folded),
            None => self.codeword(codeword.log_len),
        }
    }
}
