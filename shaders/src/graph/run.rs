//! Running a compiled graph.

use super::Output;
use super::compile::{Binding, Program};
use crate::columns::Columns;
use crate::device::{Buffer, Recorder, threads};
use crate::error::DeviceError;
use crate::kernels::Kernels;

/// Words that may wait between kernels: rows are taken in parts when there are more.
const WAITING_WORDS_MAX: u64 = 1 << 24;

/// What a graph is run on.
#[derive(Clone, Copy, Debug)]
pub struct Arguments<'a> {
    /// The matrices, of the shapes that the graph was compiled for.
    pub matrices: &'a [&'a Columns],
    /// The scalars.
    pub scalars: &'a Buffer,
    /// The weights of a sum, five words each; unused otherwise.
    pub weights: &'a Buffer,
    /// A word for each row that a sum is multiplied by; unused otherwise.
    pub factor: &'a Buffer,
    /// log2 of the rows that are evaluated: the first ones of the matrices.
    pub log_rows: u32,
    /// How far the next row is, in natural order: row i is followed by row i + step.
    pub step: u32,
    /// Where the results go: five planes of rows for a sum, five for each node otherwise.
    pub output: &'a Buffer,
}

impl Kernels {
    /// Whether every kernel of a compiled graph can bind what it needs here.
    ///
    /// # Errors
    /// [`DeviceError::Unsuitable`] with the most that is needed.
    pub fn can_run(&self, program: &Program) -> Result<(), DeviceError> {
        let expected = program.kernels.iter().map(|(_, bindings)| bindings.len() as u64).max().unwrap_or(0);
        let got = u64::from(self.device().storage_buffers());
        let adapter = || self.device().name().to_owned();
        let limit = "storage buffers of a kernel";
        if expected <= got { Ok(()) } else { Err(DeviceError::Unsuitable { adapter: adapter(), limit, expected, got }) }
    }

    /// Evaluates a compiled graph on every row.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn run(
        &self,
        recorder: &mut Recorder<'_>,
        program: &Program,
        arguments: &Arguments<'_>,
    ) -> Result<(), DeviceError> {
        let rows = 1u64 << arguments.log_rows;
        let room = WAITING_WORDS_MAX.min(self.device().binding_words_max());
        let at_once = match program.waiting_words {
            0 => rows,
            words => rows.min((room / u64::from(words)).next_power_of_two().max(512) / 2),
        };
        let waiting = self.device().buffer(at_once * u64::from(program.waiting_words))?;
        for first in (0..rows).step_by(at_once as usize) {
            for (i, (kernel, bindings)) in program.kernels.iter().enumerate() {
                let buffers: Vec<(u32, &Buffer)> = (1..)
                    .zip(bindings)
                    .map(|(number, binding)| {
                        let buffer = match *binding {
                            Binding::Scalars => arguments.scalars,
                            Binding::Weights => arguments.weights,
                            Binding::Waiting => &waiting,
                            Binding::Output => arguments.output,
                            Binding::Factor => arguments.factor,
                            Binding::Slab { matrix, slab } => &arguments.matrices[matrix as usize].slabs()[slab],
                        };
                        (number, buffer)
                    })
                    .collect();
                let fresh = i == 0 && matches!(program.output, Output::Sum(_));
                let params = [at_once as u32, first as u32, arguments.log_rows, arguments.step, u32::from(fresh)];
                recorder.dispatch(kernel, &buffers, &params, threads(at_once))?;
            }
        }
        Ok(())
    }
}
