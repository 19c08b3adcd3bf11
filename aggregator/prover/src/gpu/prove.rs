//! The protocol, step by step, as `p3_batch_stark::prove_batch` runs it.

use std::sync::Arc;
use std::time::Instant;

use p3_batch_stark::proof::OpenedValuesWithLookups;
use p3_batch_stark::{BatchCommitments, BatchOpenedValues, BatchProof, BatchProverTranscript, BatchShape};
use p3_commit::OpenedValues;
use p3_field::{Field, PrimeCharacteristicRing, TwoAdicField};
use p3_lookup::{LogUpGadget, LookupTerminal};
use p3_matrix::Matrix;
use p3_matrix::dense::RowMajorMatrix;
use p3_uni_stark::{PreprocessedOpenedValues, StarkGenericConfig};
use sinter_program::field::Cap;
use sinter_program::{EF, F};
use sinter_shaders::columns::per_slab;
use sinter_shaders::graph::Arguments;
use sinter_shaders::words::{DEGREE, ext_words};
use sinter_shaders::{Columns, DeviceError, Kernels};

use super::challenger::GpuChallenger;
use super::commit::{Committed, Polynomials, Source, cap};
use super::key::{DeviceKey, Table};
use super::lower;
use super::open::{Opening, Round};
use crate::prover::{Proof, ProveError, ProvingKey};
use crate::stages::Stages;

type Transcript<'t, 'k> = BatchProverTranscript<'t, GpuChallenger<'k>, F, EF, Cap>;

/// One proof on its way.
pub(super) struct Session<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) key: &'a ProvingKey,
    pub(super) on_device: &'a DeviceKey,
}

/// The tables' lookup columns, and the sum of each table's fractions.
struct Lookups {
    committed: Option<Committed>,
    terminals: Vec<Option<EF>>,
    /// Of each table, which of the committed matrices is its own.
    matrix: Vec<Option<usize>>,
}

impl Session<'_> {
    pub(super) fn prove(
        &self,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        let mut challenger = GpuChallenger::new(self.key.config().initialise_challenger(), self.kernels);
        let mut transcript = Transcript::new(&mut challenger, self.shape(public_values));
        match self.run(&mut transcript, traces, public_values) {
            Ok(proved) => {
                transcript.finish();
                challenger.check()?;
                Ok(proved)
            }
            Err(error) => {
                transcript.abort();
                Err(error)
            }
        }
    }

    /// What the transcript describes itself with.
    fn shape(&self, public_values: &[Vec<F>]) -> BatchShape {
        let (key, parameters) = (self.key, self.key.parameters());
        BatchShape {
            trace_widths: key.airs().iter().map(|air| air.dag().main_width()).collect(),
            public_value_counts: public_values.iter().map(Vec::len).collect(),
            preprocessed_widths: key.airs().iter().map(|air| air.dag().preprocessed_width()).collect(),
            has_preprocessed_commitment: self.on_device.preprocessed.is_some(),
            num_lookup_instances: self.on_device.tables.iter().filter(|table| table.lookups > 0).count(),
            lookup_pow_bits: parameters.lookup_pow_bits.into(),
            has_randomization_commitment: false,
            ood_pow_bits: parameters.ood_pow_bits.into(),
        }
    }

    fn run(
        &self,
        transcript: &mut Transcript<'_, '_>,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        let Self { kernels, key, .. } = *self;
        let cap_height = key.parameters().cap_height;
        let mut stages = Stages::default();

        let clock = Instant::now();
        transcript.instance_bindings(key.log_heights());
        let (values, main) = self.commit_traces(traces)?;
        let main_cap = cap(kernels, &main.tree, cap_height)?;
        transcript.main_phase(main_cap.clone(), public_values);
        transcript.preprocessed_phase(key.preprocessed_commitment().cloned());
        stages.commit = clock.elapsed();

        let clock = Instant::now();
        let all_lookups: Vec<_> = key.common().lookups.iter().map(|lookups| &**lookups).collect();
        let (challenges, lookup_pow_witness) = transcript.lookup_phase(&all_lookups, &LogUpGadget::new());
        let lookups = self.commit_lookups(&values, public_values, &challenges)?;
        drop(values);
        let lookups_cap = lookups.committed.as_ref().map(|committed| cap(kernels, &committed.tree, cap_height));
        let lookups_cap = lookups_cap.transpose()?;
        let terminals: Vec<EF> = lookups.terminals.iter().flatten().copied().collect();
        let alpha = transcript.permutation_phase(lookups_cap.clone(), &terminals);
        stages.lookups = clock.elapsed();

        let clock = Instant::now();
        let quotient = self.commit_quotient(&main, &lookups, public_values, &challenges, alpha)?;
        let quotient_cap = cap(kernels, &quotient.tree, cap_height)?;
        transcript.quotient_phase(quotient_cap.clone(), None);
        let (zeta, ood_pow_witness) = transcript.ood_phase();
        stages.quotient = clock.elapsed();

        let clock = Instant::now();
        let rounds = self.rounds(&main, &quotient, &lookups, zeta);
        let opening = Opening { kernels, parameters: key.parameters(), rounds: &rounds };
        let (opened, opening_proof) = transcript.delegate(|challenger| opening.prove(challenger))?;
        stages.opening = clock.elapsed();

        let proof = BatchProof {
            commitments: BatchCommitments {
                main: main_cap,
                permutation: lookups_cap,
                quotient_chunks: quotient_cap,
                random: None,
            },
            opened_values: BatchOpenedValues { instances: self.opened_values(opened, &lookups) },
            opening_proof,
            lookup_terminals: lookups.terminals.iter().map(|terminal| terminal.map(LookupTerminal)).collect(),
            degree_bits: key.log_heights().to_vec(),
            lookup_pow_witness,
            ood_pow_witness,
        };
        Ok((proof, stages))
    }

    /// Takes the traces up and commits to them. Of tables with lookups the values stay, too.
    fn commit_traces(&self, traces: &[RowMajorMatrix<F>]) -> Result<(Vec<Option<Columns>>, Committed), DeviceError> {
        let kernels = self.kernels;
        let mut recorder = kernels.device().record();
        let mut values = Vec::with_capacity(traces.len());
        let mut polynomials = Vec::with_capacity(traces.len());
        for (table, trace) in self.on_device.tables.iter().zip(traces) {
            let slabs = per_slab(kernels.device(), table.log_rows)?;
            let columns = Columns::new(kernels.device(), table.log_rows, trace.width(), slabs)?;
            kernels.upload_rows(&mut recorder, &columns, 0, &trace.values, trace.width())?;
            values.push(match table.lookups {
                0 => None,
                _ => Some(kernels.copy(&mut recorder, &columns)?),
            });
            polynomials.push(Polynomials::interpolate(kernels, &mut recorder, columns)?);
        }
        let committed = Committed::new(kernels, &mut recorder, polynomials, self.log_blowup())?;
        recorder.submit()?;
        Ok((values, committed))
    }

    /// Fills the lookup columns and commits to them.
    fn commit_lookups(
        &self,
        values: &[Option<Columns>],
        public_values: &[Vec<F>],
        challenges: &[Vec<EF>],
    ) -> Result<Lookups, DeviceError> {
        let kernels = self.kernels;
        let device = kernels.device();
        let mut recorder = device.record();
        let mut polynomials = Vec::new();
        let mut sums = Vec::new();
        let mut matrix = Vec::new();
        let unused = device.buffer(1)?;
        for (i, table) in self.on_device.tables.iter().enumerate() {
            let (Some(values), Some(program)) = (&values[i], &table.terms) else {
                matrix.push(None);
                sums.push(None);
                continue;
            };
            let terms = device.buffer((2 * DEGREE * table.lookups) as u64 * (1 << table.log_rows))?;
            let scalars = device.upload(&lower::scalars(&public_values[i], &challenges[i], EF::ZERO))?;
            let arguments = Arguments {
                matrices: &[values, &table.preprocessed_trace, values, &table.trace_selectors],
                scalars: &scalars,
                weights: &unused,
                factor: &unused,
                log_rows: table.log_rows,
                step: 1,
                output: &terms,
            };
            kernels.run(&mut recorder, program, &arguments)?;
            let slabs = per_slab(device, table.log_rows)?;
            let columns = Columns::new(device, table.log_rows, DEGREE * (table.lookups + 1), slabs)?;
            sums.push(Some(kernels.lookup_columns(&mut recorder, &terms, table.lookups, &columns, 0)?));
            matrix.push(Some(polynomials.len()));
            polynomials.push(Polynomials::interpolate(kernels, &mut recorder, columns)?);
            // What this table alone needs is free before the next one's.
            drop(terms);
            recorder.settle()?;
        }
        let committed = match polynomials.is_empty() {
            true => None,
            false => Some(Committed::new(kernels, &mut recorder, polynomials, self.log_blowup())?),
        };
        recorder.submit()?;
        let terminal = |sum: &Option<_>| sum.as_ref().map(|sum| kernels.terminal(sum)).transpose();
        let terminals = sums.iter().map(terminal).collect::<Result<_, _>>()?;
        Ok(Lookups { committed, terminals, matrix })
    }

    /// Evaluates the constraints of every table, divides them by the vanishing polynomial, and commits to the chunks.
    fn commit_quotient<'c>(
        &'c self,
        main: &'c Committed,
        lookups: &'c Lookups,
        public_values: &[Vec<F>],
        challenges: &[Vec<EF>],
        alpha: EF,
    ) -> Result<Committed, DeviceError> {
        let kernels = self.kernels;
        let device = kernels.device();
        let mut recorder = device.record();
        let mut chunks = Vec::new();
        for (i, table) in self.on_device.tables.iter().enumerate() {
            let Table { log_rows, log_chunks, .. } = *table;
            let log_quotient = log_rows + log_chunks;
            let preprocessed = self.on_device.preprocessed.as_ref().zip(self.on_device.preprocessed_matrix[i]);
            let permutation = lookups.committed.as_ref().zip(lookups.matrix[i]);
            // In bit-reversed order the quotient's domain is the first rows of an extension. What a table does not have, its
            // constraints do not read.
            let extension =
                |of: Option<(&'c Committed, usize)>| of.map_or(&table.selectors, |(c, matrix)| c.extension(matrix).0);
            let matrices =
                [extension(Some((main, i))), extension(preprocessed), extension(permutation), &table.selectors];
            let mut weights: Vec<EF> = alpha.powers().collect_n(table.constraint_count);
            weights.reverse();
            let weights: Vec<u32> = weights.into_iter().flat_map(ext_words).collect();
            let terminal = lookups.terminals[i].unwrap_or(EF::ZERO);
            let scalars = device.upload(&lower::scalars(&public_values[i], &challenges[i], terminal))?;
            let quotient = Arc::new(device.buffer((DEGREE as u64) << log_quotient)?);
            let arguments = Arguments {
                matrices: &matrices,
                scalars: &scalars,
                weights: &device.upload(&weights)?,
                factor: &table.inverse_vanishing,
                log_rows: log_quotient,
                step: 1 << log_chunks,
                output: &quotient,
            };
            kernels.run(&mut recorder, &table.constraints, &arguments)?;

            // In bit-reversed order chunk t, the values on the coset of w^t, is run number reversed(t) of each plane.
            let generator = F::two_adic_generator(log_quotient as usize);
            let count = 1u32 << log_chunks;
            for chunk in 0..count {
                let run = if log_chunks == 0 { 0 } else { chunk.reverse_bits() >> (32 - log_chunks) };
                let source = Source::Chunk {
                    buffer: Arc::clone(&quotient),
                    first: u64::from(run) << log_rows,
                    stride: 1 << log_quotient,
                };
                let domain_shift = F::GENERATOR * generator.exp_u64(chunk.into());
                let chunk = Polynomials { source, log_rows, width: DEGREE, domain_shift };
                for (_, span) in chunk.spans() {
                    kernels.interpolate(&mut recorder, span)?;
                }
                chunks.push(chunk);
            }
            recorder.settle()?;
        }
        let committed = Committed::new(kernels, &mut recorder, chunks, self.log_blowup())?;
        recorder.submit()?;
        Ok(committed)
    }

    /// What is opened where, in stock's order: the traces, the quotients, the preprocessed columns, the lookups.
    fn rounds<'c>(
        &'c self,
        main: &'c Committed,
        quotient: &'c Committed,
        lookups: &'c Lookups,
        zeta: EF,
    ) -> Vec<Round<'c>> {
        let tables = &self.on_device.tables;
        let next = |table: &Table| zeta * F::two_adic_generator(table.log_rows as usize);
        let points = |table: &Table, reads_next: bool| if reads_next { vec![zeta, next(table)] } else { vec![zeta] };
        let mut rounds = vec![
            Round { committed: main, points: tables.iter().map(|table| points(table, table.next_row)).collect() },
            Round { committed: quotient, points: vec![vec![zeta]; quotient.polynomials.len()] },
        ];
        if let Some(committed) = &self.on_device.preprocessed {
            let own = tables.iter().zip(&self.on_device.preprocessed_matrix).filter(|(_, matrix)| matrix.is_some());
            let points = own.map(|(table, _)| points(table, table.preprocessed_next_row)).collect();
            rounds.push(Round { committed, points });
        }
        if let Some(committed) = &lookups.committed {
            let points = tables.iter().filter(|table| table.lookups > 0).map(|table| points(table, true)).collect();
            rounds.push(Round { committed, points });
        }
        rounds
    }

    /// The opened values, table by table.
    fn opened_values(&self, opened: OpenedValues<EF>, lookups: &Lookups) -> Vec<OpenedValuesWithLookups<EF>> {
        let mut rounds = opened.into_iter().map(Vec::into_iter);
        let mut round = || rounds.next().unwrap_or_default();
        let (mut main, mut quotient) = (round(), round());
        let mut preprocessed = if self.on_device.preprocessed.is_some() { round() } else { Vec::new().into_iter() };
        let mut permutation = round();
        // Each round has as many matrices as are taken from it, each with as many points: `rounds` made them.
        let local_and_next = |matrix: Option<Vec<Vec<EF>>>| {
            let mut points = matrix.unwrap_or_default().into_iter();
            (points.next().unwrap_or_default(), points.next())
        };
        let mut instances = Vec::with_capacity(self.on_device.tables.len());
        for (i, table) in self.on_device.tables.iter().enumerate() {
            let (trace_local, trace_next) = local_and_next(main.next());
            let chunks = quotient.by_ref().take(1 << table.log_chunks);
            let quotient_chunks = chunks.map(|matrix| local_and_next(Some(matrix)).0).collect();
            let preprocessed = self.on_device.preprocessed_matrix[i].map(|_| {
                let (local, next) = local_and_next(preprocessed.next());
                PreprocessedOpenedValues { local, next }
            });
            let (permutation_local, permutation_next) = match lookups.matrix[i] {
                Some(_) => local_and_next(permutation.next()),
                None => (Vec::new(), None),
            };
            let base_opened_values =
                p3_uni_stark::OpenedValues { trace_local, trace_next, preprocessed, quotient_chunks, random: None };
            instances.push(OpenedValuesWithLookups {
                base_opened_values,
                permutation_local,
                permutation_next: permutation_next.unwrap_or_default(),
            });
        }
        instances
    }

    fn log_blowup(&self) -> u32 {
        self.key.parameters().log_blowup.into()
    }
}
