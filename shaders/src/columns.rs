//! Matrices in device memory, column after column.
//!
//! A column is contiguous, and neighbouring threads take neighbouring rows. No binding reaches more than 2 GiB − 1 anywhere, so
//! columns lie in *slabs*: buffers of the same number of columns each, a multiple of 8, so that a row is absorbed slab by slab by a
//! sponge of rate 8.

use std::ops::Range;

use crate::device::{Buffer, Device, Recorder, threads};
use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::words::{F, to_word};

/// Words that travel to the device at once, and how many times so many may be on their way.
const STAGING_WORDS: u64 = 1 << 22;
const STAGED: usize = 4;

/// A matrix of 2^`log_rows` rows in device memory.
#[derive(Debug)]
pub struct Columns {
    log_rows: u32,
    width: usize,
    per_slab: usize,
    slabs: Vec<Buffer>,
}

/// Columns of a matrix that lie in one slab.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// The slab.
    pub slab: &'a Buffer,
    /// The number of the slab.
    pub slab_index: usize,
    /// The first of the columns, counted in the slab.
    pub first: usize,
    /// How many there are.
    pub count: usize,
    /// How many columns of the range come before.
    pub before: usize,
}

/// How many columns of 2^`log_rows` rows a slab holds on a device.
///
/// # Errors
/// [`DeviceError::Binding`] when eight columns are more than one binding reaches.
pub fn per_slab(device: &Device, log_rows: u32) -> Result<usize, DeviceError> {
    let columns = (device.binding_words_max() >> log_rows) & !7;
    if columns == 0 {
        let max_bytes = 4 * device.binding_words_max();
        return Err(DeviceError::Binding { what: "eight columns", got_bytes: 32 << log_rows, max_bytes });
    }
    Ok(columns as usize)
}

impl Columns {
    /// A matrix of zeros whose slabs hold `per_slab` columns.
    ///
    /// # Errors
    /// As [`Device::buffer`].
    pub fn new(device: &Device, log_rows: u32, width: usize, per_slab: usize) -> Result<Self, DeviceError> {
        let slabs = (0..width)
            .step_by(per_slab)
            .map(|first| device.buffer(((width - first).min(per_slab) as u64) << log_rows))
            .collect::<Result<_, _>>()?;
        Ok(Self { log_rows, width, per_slab, slabs })
    }

    /// log2 of the number of rows.
    #[must_use]
    pub const fn log_rows(&self) -> u32 {
        self.log_rows
    }

    /// The number of columns.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// The number of columns in each slab but the last.
    #[must_use]
    pub const fn per_slab(&self) -> usize {
        self.per_slab
    }

    /// The slabs.
    #[must_use]
    pub fn slabs(&self) -> &[Buffer] {
        &self.slabs
    }

    /// A range of columns, slab by slab.
    pub fn runs(&self, range: Range<usize>) -> impl Iterator<Item = Run<'_>> {
        let per_slab = self.per_slab;
        let slabs = range.start / per_slab..range.end.div_ceil(per_slab).max(range.start / per_slab);
        slabs.filter_map(move |slab_index| {
            let start = range.start.max(slab_index * per_slab);
            let end = range.end.min((slab_index + 1) * per_slab);
            (start < end).then(|| Run {
                slab: &self.slabs[slab_index],
                slab_index,
                first: start - slab_index * per_slab,
                count: end - start,
                before: start - range.start,
            })
        })
    }

    /// The slab and the word of a cell.
    #[must_use]
    pub const fn place(&self, row: usize, column: usize) -> (usize, u32) {
        // A slab has fewer than 2^29 words.
        (column / self.per_slab, (((column % self.per_slab) << self.log_rows) + row) as u32)
    }
}

impl Kernels {
    /// A copy of a matrix.
    ///
    /// # Errors
    /// [`DeviceError`] when the device is full.
    pub fn copy(&self, recorder: &mut Recorder<'_>, columns: &Columns) -> Result<Columns, DeviceError> {
        let copy = Columns::new(self.device(), columns.log_rows, columns.width, columns.per_slab)?;
        columns.slabs.iter().zip(&copy.slabs).for_each(|(from, to)| recorder.copy(from, to));
        Ok(copy)
    }

    /// Takes rows from the host, `width` values each, into columns from `first_column` on, in bit-reversed order.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn upload_rows(
        &self,
        recorder: &mut Recorder<'_>,
        columns: &Columns,
        first_column: usize,
        values: &[F],
        width: usize,
    ) -> Result<(), DeviceError> {
        debug_assert_eq!(values.len(), width << columns.log_rows, "values of a matrix of {width} columns");
        let staging_words = STAGING_WORDS.min(self.device().binding_words_max()) as usize;
        let rows_at_once = (staging_words / width).max(1);
        for (part, chunk) in values.chunks(rows_at_once * width).enumerate() {
            let words: Vec<u32> = chunk.iter().map(|&value| to_word(value)).collect();
            let staging = self.device().upload(&words)?;
            let rows = chunk.len() / width;
            for run in columns.runs(first_column..first_column + width) {
                recorder.dispatch(
                    &self.upload_rows,
                    &[(1, &staging), (2, run.slab)],
                    &[
                        rows as u32,
                        columns.log_rows,
                        (part * rows_at_once) as u32,
                        width as u32,
                        run.before as u32,
                        run.count as u32,
                        run.first as u32,
                    ],
                    threads((rows * run.count) as u64),
                )?;
            }
            // What is on its way is bounded.
            if part % STAGED == STAGED - 1 {
                drop(staging);
                recorder.settle()?;
            }
        }
        Ok(())
    }

    /// Single words of a buffer, in the order of `places`.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn gather(&self, source: &Buffer, places: &[u32]) -> Result<Vec<u32>, DeviceError> {
        let at_once = self.device().binding_words_max() as usize;
        let mut words = Vec::with_capacity(places.len());
        for part in places.chunks(at_once) {
            let list = self.device().upload(part)?;
            let output = self.device().buffer(part.len() as u64)?;
            let mut recorder = self.device().record();
            let buffers = [(1, &list), (2, source), (3, &output)];
            recorder.dispatch(&self.gather, &buffers, &[part.len() as u32], threads(part.len() as u64))?;
            recorder.submit()?;
            words.extend(self.device().download(&output, 0..part.len() as u64)?);
        }
        Ok(words)
    }
}
