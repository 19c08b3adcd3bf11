//! A program: an AIR set at fixed heights.

use std::collections::BTreeMap;

use p3_air::symbolic::AirLayout;
use p3_batch_stark::common::{GlobalPreprocessed, PreprocessedInstanceMeta};
use p3_batch_stark::symbolic::{get_log_num_quotient_chunks, get_symbolic_constraints};
use p3_batch_stark::{CommonData, ProverData};
use p3_field::{PrimeField32, TwoAdicField};
use p3_lookup::{Kind, LogUpGadget, Lookup, Lookups};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::Config;
use crate::dag::{DagAir, ExportError, ExtDag, limits};
use crate::field::{Cap, DIGEST_LEN, Digest, EF, F};
use crate::file;
use crate::parameters::{ParameterError, ParameterSet};
use crate::shape::{RoundKind, Shape, TableShape};

/// The most tables a program may have.
pub const TABLES: usize = 32;

/// How a program's public values lie in the 64 elements of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StatementLayout {
    /// The public values of all tables, in table order, then zeros.
    Raw,
    /// SHA-256 of a journal as 16 big-endian 16-bit limbs, then zeros: the program has exactly those 16 public values.
    Journal,
}

/// The public values of a journal's digest.
pub const JOURNAL_LIMBS: usize = 16;

/// A program that is malformed, or that the proof system cannot prove.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProgramError {
    /// A count is outside its range.
    #[error("{what}: expected {min}..={max}, got {got}")]
    Range {
        /// What is counted.
        what: &'static str,
        /// The least value allowed.
        min: usize,
        /// The greatest value allowed.
        max: usize,
        /// The value found.
        got: usize,
    },
    /// The parameter set is out of bounds.
    #[error(transparent)]
    Parameters(#[from] ParameterError),
    /// A graph cannot be evaluated, or a preprocessed trace does not fit it.
    #[error("table {table}: {source}")]
    Air {
        /// The table.
        table: usize,
        /// What is wrong with it.
        source: ExportError,
    },
    /// Constraints of too high a degree for the blow-up factor.
    #[error("table {table}: expected at most {max} quotient chunks at this blow-up, got {got}")]
    Degree {
        /// The table.
        table: usize,
        /// The blow-up factor.
        max: usize,
        /// The chunks needed.
        got: usize,
    },
    /// Two tables send tuples of different widths on one bus.
    #[error("bus {bus}: expected tuples of {expected} fields, got {got} from table {table}")]
    BusWidth {
        /// The name of the bus.
        bus: String,
        /// The width that an earlier table uses.
        expected: usize,
        /// The width that this table uses.
        got: usize,
        /// The table.
        table: usize,
    },
    /// Multiplicities could wrap around the field's characteristic.
    #[error("sum of count weights times heights: expected below {max}, got {got}")]
    Multiplicity {
        /// The characteristic.
        max: u64,
        /// The sum.
        got: u64,
    },
    /// The preprocessed commitment is missing, superfluous or of the wrong height.
    #[error("preprocessed commitment: expected {expected} digests, got {got}")]
    Commitment {
        /// The digests of the commitment that the shape implies.
        expected: usize,
        /// The digests given.
        got: usize,
    },
    /// The preprocessed traces do not have the program's commitment.
    #[error("the preprocessed traces have another commitment than the program's")]
    OtherPreprocessed,
    /// A table has preprocessed columns whose trace is not at hand.
    #[error("table {table}: its preprocessed trace is needed and missing")]
    NoPreprocessed {
        /// The table.
        table: usize,
    },
    /// A preprocessed trace is not as tall as its table.
    #[error("table {table}: expected a preprocessed trace of {expected} rows, got {got}")]
    PreprocessedHeight {
        /// The table.
        table: usize,
        /// The table's height.
        expected: usize,
        /// The trace's.
        got: usize,
    },
    /// The public values do not lie as the layout demands.
    #[error("journal layout: expected {JOURNAL_LIMBS} public values, got {got}")]
    Journal {
        /// The program's public values.
        got: usize,
    },
    /// Plonky3 failed to commit to the preprocessed traces.
    #[error("committing to the preprocessed traces: {reason}")]
    Commit {
        /// Its reason.
        reason: String,
    },
}

/// An AIR set at fixed heights, with the commitment to its preprocessed traces, a parameter set and a statement layout.
///
/// Its [digest](Program::digest) covers all of that and starts the transcript of every proof.
#[derive(Clone, Debug)]
pub struct Program {
    airs: Vec<DagAir>,
    log_heights: Vec<u8>,
    parameters: ParameterSet,
    layout: StatementLayout,
    commitment: Option<Cap>,
    lookups: Vec<Lookups<F>>,
    shape: Shape,
    digest: Digest,
}

impl Program {
    /// A program of tables that have their preprocessed traces at hand, and what stock `prove_batch` needs to prove it.
    ///
    /// # Errors
    /// When a bound is broken, or a preprocessed trace is missing or of the wrong height.
    pub fn build(
        airs: Vec<DagAir>,
        log_heights: Vec<u8>,
        parameters: ParameterSet,
        layout: StatementLayout,
    ) -> Result<(Self, ProverData<Config>), ProgramError> {
        let shape = check(&airs, &log_heights, parameters, layout)?;
        let data = preprocess(&airs, &shape)?;
        let commitment = data.common.preprocessed.as_ref().map(|global| global.commitment.clone());
        Ok((Self::new(airs, log_heights, parameters, layout, commitment)?, data))
    }

    /// A program from its parts, with a preprocessed commitment from elsewhere.
    ///
    /// # Errors
    /// When a bound is broken, or the commitment is not of the height that the tables imply.
    pub fn new(
        airs: Vec<DagAir>,
        log_heights: Vec<u8>,
        parameters: ParameterSet,
        layout: StatementLayout,
        commitment: Option<Cap>,
    ) -> Result<Self, ProgramError> {
        let shape = check(&airs, &log_heights, parameters, layout)?;
        let expected = shape.round(RoundKind::Preprocessed).map_or(0, |(_, round)| shape.cap_len(round.log_height()));
        let got = commitment.as_ref().map_or(0, Cap::num_roots);
        if expected != got {
            return Err(ProgramError::Commitment { expected, got });
        }
        let lookups = packed_lookups(&airs, &log_heights)?;
        let digest = [F::default(); DIGEST_LEN];
        let mut program = Self { airs, log_heights, parameters, layout, commitment, lookups, shape, digest };
        program.digest = file::digest(&file::encode(&program));
        Ok(program)
    }

    /// The same program with another preprocessed commitment, to verify with.
    ///
    /// # Errors
    /// When the commitment is not of the height that the tables imply.
    pub fn with_commitment(&self, commitment: Cap) -> Result<Self, ProgramError> {
        let expected = self.commitment.as_ref().map_or(0, Cap::num_roots);
        let got = commitment.num_roots();
        if expected != got {
            return Err(ProgramError::Commitment { expected, got });
        }
        let airs = self.airs.iter().map(DagAir::without_preprocessed).collect();
        let mut program = Self { airs, commitment: Some(commitment), ..self.clone() };
        program.digest = file::digest(&file::encode(&program));
        Ok(program)
    }

    /// The tables.
    #[must_use]
    pub fn airs(&self) -> &[DagAir] {
        &self.airs
    }

    /// log2 of the height of each table.
    #[must_use]
    pub fn log_heights(&self) -> &[u8] {
        &self.log_heights
    }

    /// The parameter set.
    #[must_use]
    pub const fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }

    /// Where the public values lie in a statement.
    #[must_use]
    pub const fn layout(&self) -> StatementLayout {
        self.layout
    }

    /// The commitment to the preprocessed traces, if a table has one.
    #[must_use]
    pub const fn commitment(&self) -> Option<&Cap> {
        self.commitment.as_ref()
    }

    /// The lookups of each table, packed as stock packs them.
    #[must_use]
    pub fn lookups(&self) -> &[Lookups<F>] {
        &self.lookups
    }

    /// The shape of the program's proofs.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The digest of the program's file.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The configuration under which the program's proofs are made and verified.
    #[must_use]
    pub fn config(&self) -> Config {
        Config::new(self.parameters, &self.digest)
    }

    /// What stock `verify_batch` needs to know besides the AIRs. Nothing in it comes from a proof.
    #[must_use]
    pub fn common(&self) -> CommonData<Config> {
        let tables = &self.shape.tables;
        let preprocessed = self.commitment.clone().map(|commitment| {
            let matrix_to_instance: Vec<usize> =
                (0..tables.len()).filter(|&table| tables[table].preprocessed_width > 0).collect();
            let mut instances: Vec<Option<PreprocessedInstanceMeta>> = vec![None; tables.len()];
            for (matrix_index, &table) in matrix_to_instance.iter().enumerate() {
                let TableShape { preprocessed_width: width, log_height: degree_bits, .. } = tables[table];
                instances[table] = Some(PreprocessedInstanceMeta { matrix_index, width, degree_bits });
            }
            GlobalPreprocessed { commitment, instances, matrix_to_instance }
        });
        CommonData::new(preprocessed, self.lookups.clone())
    }

    /// What stock `prove_batch` needs besides the AIRs: commits to the preprocessed traces again.
    ///
    /// # Errors
    /// When a trace is missing or does not have the program's commitment.
    pub fn prover_data(&self) -> Result<ProverData<Config>, ProgramError> {
        let data = preprocess(&self.airs, &self.shape)?;
        let commitment = data.common.preprocessed.as_ref().map(|global| &global.commitment);
        if commitment != self.commitment.as_ref() {
            return Err(ProgramError::OtherPreprocessed);
        }
        Ok(data)
    }

    /// All constraints of a table, LogUp's included, as the verifier evaluates them.
    ///
    /// # Errors
    /// See [`ExtDag::new`].
    ///
    /// # Panics
    /// When there is no such table.
    pub fn with_lookups(&self, table: usize) -> Result<ExtDag, ExportError> {
        ExtDag::new(&self.airs[table], &self.lookups[table], &self.shape.tables[table].buses)
    }

    /// The public values of each table, from those of all tables in a row. `None` when their number is not the program's.
    #[must_use]
    pub fn split_public_values(&self, values: &[F]) -> Option<Vec<Vec<F>>> {
        if values.len() != self.shape.public_values() {
            return None;
        }
        let mut rest = values;
        let tables = self.shape.tables.iter().map(|table| {
            let (own, others) = rest.split_at(table.public_values);
            rest = others;
            own.to_vec()
        });
        Some(tables.collect())
    }
}

/// Check tables, heights and parameters, and compute the shape.
fn check(
    airs: &[DagAir],
    log_heights: &[u8],
    parameters: ParameterSet,
    layout: StatementLayout,
) -> Result<Shape, ProgramError> {
    let range = |what, got, min, max| {
        if (min..=max).contains(&got) { Ok(()) } else { Err(ProgramError::Range { what, min, max, got }) }
    };
    parameters.validate()?;
    range("tables", airs.len(), 1, TABLES)?;
    range("heights", log_heights.len(), airs.len(), airs.len())?;
    let (min, max) = (parameters.min_log_height(), F::TWO_ADICITY as u8 - parameters.log_blowup);
    for &log_height in log_heights {
        range("log2 of a height", log_height.into(), min.into(), max.into())?;
    }
    let public_values = airs.iter().map(|air| air.dag().public_values()).sum();
    range("public values", public_values, 0, limits::PUBLIC_VALUES)?;
    if layout == StatementLayout::Journal && public_values != JOURNAL_LIMBS {
        return Err(ProgramError::Journal { got: public_values });
    }
    check_buses(airs)?;
    let got: u64 = airs
        .iter()
        .zip(log_heights)
        .flat_map(|(air, &height)| air.dag().interactions().tuples().map(move |(_, t)| u64::from(t.weight) << height))
        .fold(0, u64::saturating_add);
    if got >= F::ORDER_U32.into() {
        return Err(ProgramError::Multiplicity { max: F::ORDER_U32.into(), got });
    }

    let lookups = packed_lookups(airs, log_heights)?;
    let Buses { ids, count, message_width } = number_buses(&lookups);
    let mut tables = Vec::with_capacity(airs.len());
    for (table, ((air, buses), &log_height)) in airs.iter().zip(ids).zip(log_heights).enumerate() {
        let shape = table_shape(air, &lookups[table], buses, log_height.into());
        let (max, got) = (1 << parameters.log_blowup, 1usize << shape.log_quotient_chunks);
        if got > max {
            return Err(ProgramError::Degree { table, max, got });
        }
        tables.push(shape);
    }
    Ok(Shape::new(parameters, tables, count, message_width))
}

/// The shape of one table, with stock's own measure of its constraints.
fn table_shape(air: &DagAir, lookups: &[Lookup<F>], buses: Vec<u32>, log_height: usize) -> TableShape {
    let dag = air.dag();
    let layout = AirLayout::from_air::<F>(air);
    let gadget = LogUpGadget::new();
    let (base, extension) = get_symbolic_constraints::<F, EF, _, _>(air, layout, lookups, &gadget);
    let degrees = base.iter().map(|c| c.degree_multiple()).chain(extension.iter().map(|c| c.degree_multiple()));
    TableShape {
        log_height,
        main_width: dag.main_width(),
        main_next: !dag.main_next().is_empty(),
        preprocessed_width: dag.preprocessed_width(),
        preprocessed_next: !dag.preprocessed_next().is_empty(),
        public_values: dag.public_values(),
        log_quotient_chunks: get_log_num_quotient_chunks::<F, EF, _, _>(
            air,
            layout,
            1 << log_height,
            lookups,
            0,
            &gadget,
        ),
        buses,
        messages: dag.interactions().tuples().count(),
        constraints: base.len() + extension.len(),
        constraint_degree: degrees.max().unwrap_or(0),
    }
}

/// Check that all tables send tuples of one width on each bus.
fn check_buses(airs: &[DagAir]) -> Result<(), ProgramError> {
    let mut widths: BTreeMap<&str, usize> = BTreeMap::new();
    for (table, air) in airs.iter().enumerate() {
        for (bus, got) in air.dag().bus_widths() {
            let expected = *widths.entry(bus).or_insert(got);
            if expected != got {
                return Err(ProgramError::BusWidth { bus: bus.to_owned(), expected, got, table });
            }
        }
    }
    Ok(())
}

/// The lookups of each table as stock packs them, from stock itself.
fn packed_lookups(airs: &[DagAir], log_heights: &[u8]) -> Result<Vec<Lookups<F>>, ProgramError> {
    let airs: Vec<DagAir> = airs.iter().map(DagAir::without_preprocessed).collect();
    let degree_bits: Vec<usize> = log_heights.iter().map(|&height| height.into()).collect();
    // The parameters play no part without a trace to commit to.
    let config = Config::new(ParameterSet::DEV, &[F::default(); DIGEST_LEN]);
    let data = ProverData::from_airs_and_degrees(&config, &airs, &degree_bits)
        .map_err(|error| ProgramError::Commit { reason: format!("{error:?}") })?;
    Ok(data.common.lookups)
}

/// Commit to the preprocessed traces.
fn preprocess(airs: &[DagAir], shape: &Shape) -> Result<ProverData<Config>, ProgramError> {
    for (table, (air, table_shape)) in airs.iter().zip(&shape.tables).enumerate() {
        let expected = 1 << table_shape.log_height;
        match air.preprocessed() {
            None if table_shape.preprocessed_width > 0 => return Err(ProgramError::NoPreprocessed { table }),
            Some(trace) if trace.values.len() != expected * trace.width => {
                let got = trace.values.len() / trace.width.max(1);
                return Err(ProgramError::PreprocessedHeight { table, expected, got });
            }
            _ => {}
        }
    }
    let degree_bits: Vec<usize> = shape.tables.iter().map(|table| table.log_height).collect();
    // The digest plays no part in a commitment.
    let config = Config::new(shape.parameters, &[F::default(); DIGEST_LEN]);
    ProverData::from_airs_and_degrees(&config, airs, &degree_bits)
        .map_err(|error| ProgramError::Commit { reason: format!("{error:?}") })
}

struct Buses {
    ids: Vec<Vec<u32>>,
    count: usize,
    message_width: usize,
}

/// Number the buses as stock does: in order of appearance, a shared bus once, a local lookup by itself.
fn number_buses(lookups: &[Lookups<F>]) -> Buses {
    let mut named: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut count, mut message_width) = (0u32, 1);
    let mut ids = Vec::with_capacity(lookups.len());
    for table in lookups {
        let mut own = Vec::with_capacity(table.len());
        for lookup in table.iter() {
            message_width = lookup.elements.iter().map(Vec::len).fold(message_width, usize::max);
            let mut fresh = || {
                count += 1;
                count - 1
            };
            own.push(match &lookup.kind {
                Kind::Local => fresh(),
                Kind::Global(name) => *named.entry(name).or_insert_with(fresh),
            });
        }
        ids.push(own);
    }
    Buses { ids, count: count as usize, message_width }
}
