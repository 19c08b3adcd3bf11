//! The lookup columns of LogUp: fractions and their running sum.

use crate::columns::Columns;
use crate::device::{Buffer, Recorder, threads};
use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::words::{DEGREE, EF, from_runs};

impl Kernels {
    /// Fills the lookup columns of one table from the terms of its lookups: of lookup c, five columns of numerators from `10 c` on and
    /// five of denominators from `10 c + 5` on, rows in bit-reversed order. The first five columns from `first_column` on become the
    /// sum of all fractions of the rows before; five more of each lookup its fraction. Returns where the sum over all rows will be.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full, or when the table's columns do not lie in one slab.
    pub fn lookup_columns(
        &self,
        recorder: &mut Recorder<'_>,
        terms: &Buffer,
        lookups: usize,
        columns: &Columns,
        first_column: usize,
    ) -> Result<Terminal, DeviceError> {
        let log_rows = columns.log_rows();
        let rows = 1u64 << log_rows;
        let width = DEGREE * (lookups + 1);
        let mut runs = columns.runs(first_column..first_column + width);
        let (Some(run), None) = (runs.next(), runs.next()) else {
            let max_bytes = 4 * self.device().binding_words_max();
            return Err(DeviceError::Binding {
                what: "a table's lookup columns",
                got_bytes: 4 * rows * width as u64,
                max_bytes,
            });
        };
        let totals = self.device().buffer(DEGREE as u64 * rows)?;
        let first = (run.first as u32) << log_rows;
        let buffers = [(1, terms), (2, run.slab), (3, &totals)];
        recorder.dispatch(&self.fractions, &buffers, &[log_rows, lookups as u32, first], threads(rows))?;

        let runs = rows.div_ceil(256) as u32;
        let carried = self.device().buffer(DEGREE as u64 * u64::from(runs))?;
        let params = [log_rows, runs, first];
        let planes = DEGREE as u32;
        recorder.dispatch(&self.sums_blocks, &[(1, &totals), (2, &carried)], &params, [runs, planes, 1])?;
        recorder.dispatch(&self.sums_carry, &[(2, &carried)], &params, [1, planes, 1])?;
        let buffers = [(1, &totals), (2, &carried), (3, run.slab)];
        recorder.dispatch(&self.sums_spread, &buffers, &params, [runs, planes, 1])?;
        Ok(Terminal { sums: carried, runs })
    }

    /// The sum of all fractions of a table.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails.
    pub fn terminal(&self, terminal: &Terminal) -> Result<EF, DeviceError> {
        let last: Vec<u32> = (1..=DEGREE as u32).map(|plane| plane * terminal.runs - 1).collect();
        let words = self.gather(&terminal.sums, &last)?;
        Ok(from_runs(&words)[0])
    }
}

/// Where a table's sum of fractions is, once its lookup columns are filled.
#[derive(Debug)]
pub struct Terminal {
    sums: Buffer,
    runs: u32,
}
