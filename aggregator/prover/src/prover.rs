//! The seam between what is proved and what proves it.
//!
//! A [`Prover`] takes the traces of a [`ProvingKey`] and returns a stock `p3_batch_stark` proof. What a key holds is
//! all that a backend may cache: AIRs as data, heights, the configuration with the program's digest in its transcript,
//! and the committed preprocessed columns. Every backend must return the same bytes for the same input:
//! the transcript is deterministic, grinding included.

use crate::stages::{Stages, measured};
use p3_batch_stark::{BatchProof, CommonData, ProverData, StarkInstance, prove_batch};
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use sinter_program::{Config, DagAir, Digest, F, ParameterSet, field::Cap};
use sinter_shaders::DeviceError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;

/// A proof as stock `p3_batch_stark` makes and verifies it.
pub type Proof = BatchProof<Config>;

/// What does not change from proof to proof: made once for each program or circuit.
pub struct ProvingKey {
    id: u64,
    config: Config,
    airs: Vec<DagAir>,
    log_heights: Vec<usize>,
    data: ProverData<Config>,
}

impl fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvingKey").field("log_heights", &self.log_heights).finish_non_exhaustive()
    }
}

impl ProvingKey {
    /// Commits to the preprocessed columns of `airs`, which must be at hand, at 2^`log_heights` rows.
    ///
    /// # Errors
    /// [`ProveError`] when a height is missing or is not that of the AIR's preprocessed columns.
    pub fn new(config: Config, airs: Vec<DagAir>, log_heights: Vec<usize>) -> Result<Self, ProveError> {
        expect("heights", None, airs.len(), log_heights.len())?;
        for (table, (air, &log_height)) in airs.iter().zip(&log_heights).enumerate() {
            let declared = air.dag().preprocessed_width();
            expect("preprocessed columns", Some(table), declared, air.preprocessed().map_or(0, Matrix::width))?;
            if let Some(trace) = air.preprocessed() {
                expect("preprocessed rows", Some(table), 1 << log_height, trace.height())?;
            }
        }
        let data = ProverData::from_airs_and_degrees(&config, &airs, &log_heights).map_err(ProveError::stock)?;
        static KEYS: AtomicU64 = AtomicU64::new(0);
        let id = KEYS.fetch_add(1, Ordering::Relaxed);
        Ok(Self { id, config, airs, log_heights, data })
    }

    /// A number that no key of other tables has in this process: what a backend caches, it caches under this.
    #[must_use]
    pub const fn id(&self) -> u64 {
        self.id
    }

    /// The same key under another digest: what is committed does not depend on it.
    #[must_use]
    pub fn with_digest(mut self, digest: &Digest) -> Self {
        self.config = self.config.with_digest(digest);
        self
    }

    /// The configuration, the digest in its transcript included.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The parameter set.
    #[must_use]
    pub const fn parameters(&self) -> &ParameterSet {
        self.config.parameters()
    }

    /// The tables.
    #[must_use]
    pub fn airs(&self) -> &[DagAir] {
        &self.airs
    }

    /// log2 of each table's height.
    #[must_use]
    pub fn log_heights(&self) -> &[usize] {
        &self.log_heights
    }

    /// What stock `verify_batch` needs besides: lookups and the preprocessed commitment.
    #[must_use]
    pub const fn common(&self) -> &CommonData<Config> {
        &self.data.common
    }

    /// What stock `prove_batch` needs besides: the same, and the preprocessed columns' Merkle tree.
    #[must_use]
    pub const fn data(&self) -> &ProverData<Config> {
        &self.data
    }

    /// The commitment to all preprocessed columns; none when there are none.
    #[must_use]
    pub fn preprocessed_commitment(&self) -> Option<&Cap> {
        self.data.common.preprocessed.as_ref().map(|preprocessed| &preprocessed.commitment)
    }

    /// A bound of what one proof holds in memory at once, in bytes, beyond the key and the traces: every column extended,
    /// lookups and quotient over the extension field, each with its Merkle tree.
    #[must_use]
    pub fn working_bytes(&self) -> u64 {
        let blowup = 1u64 << self.parameters().log_blowup;
        let rows_and_cells = self.airs.iter().zip(&self.log_heights).map(|(air, &log_height)| {
            let dag = air.dag();
            // A fraction for each interaction and the running sum; quotient chunks, one for each degree above 1.
            let lookups = if dag.interactions().is_empty() { 0 } else { dag.interactions().len() as u64 + 1 };
            let quotient = u64::from(dag.constraint_degree().max(2) - 1).next_power_of_two();
            let cells = dag.main_width() as u64 + 5 * (lookups + quotient);
            ((1u64 << log_height) * blowup, cells)
        });
        // Field elements of 4 bytes; a digest of 8 a row for each of three trees, and half as many above; the quotient's
        // copies of the columns on its own domain are bounded by the columns themselves.
        rows_and_cells.map(|(rows, cells)| rows * (2 * 4 * cells + 3 * 2 * 32)).sum()
    }

    /// What the traces of one proof hold in memory, in bytes.
    #[must_use]
    pub fn traces_bytes(&self) -> u64 {
        let cells = |(air, &log_height): (&DagAir, &usize)| (air.dag().main_width() as u64) << log_height;
        4 * self.airs.iter().zip(&self.log_heights).map(cells).sum::<u64>()
    }

    pub(crate) fn check(&self, traces: &[RowMajorMatrix<F>], public_values: &[Vec<F>]) -> Result<(), ProveError> {
        expect("traces", None, self.airs.len(), traces.len())?;
        expect("lists of public values", None, self.airs.len(), public_values.len())?;
        for (table, (air, trace)) in self.airs.iter().zip(traces).enumerate() {
            expect("columns", Some(table), air.dag().main_width(), trace.width())?;
            expect("rows", Some(table), 1 << self.log_heights[table], trace.height())?;
            expect("public values", Some(table), air.dag().public_values(), public_values[table].len())?;
        }
        Ok(())
    }
}

/// Why there is no proof.
#[derive(Debug, Error)]
pub enum ProveError {
    /// What was handed in does not fit the key.
    #[error("{what}{}: expected {expected}, got {got}", table.map(|table| format!(" of table {table}")).unwrap_or_default())]
    Shape {
        /// Of what.
        what: &'static str,
        /// Of which table.
        table: Option<usize>,
        /// As the key has it.
        expected: usize,
        /// As it was handed in.
        got: usize,
    },
    /// Plonky3 refused.
    #[error("Plonky3: {0}")]
    Stock(String),
    /// A GPU's own trouble: a device that is gone, memory that is full.
    #[error("GPU: {0}")]
    Device(#[from] DeviceError),
    /// The GPU made a proof that does not verify.
    #[error("GPU: the proof does not verify: {0}")]
    Wrong(String),
}

impl ProveError {
    pub(crate) fn stock(error: impl fmt::Display) -> Self {
        Self::Stock(error.to_string())
    }
}

fn expect(what: &'static str, table: Option<usize>, expected: usize, got: usize) -> Result<(), ProveError> {
    if expected == got { Ok(()) } else { Err(ProveError::Shape { what, table, expected, got }) }
}

/// Whatever makes proofs.
pub trait Prover: Send + Sync {
    /// Its name, for people and reports.
    fn name(&self) -> &'static str;

    /// The most memory of this machine that it will hold for so many proofs of this key at once, traces included, in bytes: a
    /// scheduler asks before it hands out work.
    fn memory_bytes(&self, key: &ProvingKey, at_once: u32) -> u64;

    /// Proves that `traces`, one a table, satisfy the key's AIRs with these public values, and tells where the time
    /// went. Whether they do is the caller's to know: of traces that do not, the proof does not verify.
    ///
    /// # Errors
    /// [`ProveError`] when what is handed in does not fit the key, or the backend fails.
    fn prove(
        &self,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError>;
}

/// Stock `p3_batch_stark::prove_batch` on all cores.
#[derive(Clone, Copy, Debug, Default)]
pub struct CpuProver;

impl Prover for CpuProver {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn memory_bytes(&self, key: &ProvingKey, at_once: u32) -> u64 {
        u64::from(at_once) * (key.working_bytes() + key.traces_bytes())
    }

    fn prove(
        &self,
        key: &ProvingKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[Vec<F>],
    ) -> Result<(Proof, Stages), ProveError> {
        key.check(traces, public_values)?;
        let instances: Vec<_> = key
            .airs
            .iter()
            .zip(traces)
            .zip(public_values)
            .map(|((air, trace), public_values)| StarkInstance { air, trace, public_values: public_values.clone() })
            .collect();
        let (proof, stages) = measured(|| prove_batch(&key.config, &instances, &key.data));
        Ok((proof.map_err(ProveError::stock)?, stages))
    }
}
