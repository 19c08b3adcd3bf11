//! What a device keeps of a proving key.

use p3_air::symbolic::AirLayout;
use p3_batch_stark::symbolic::get_log_num_quotient_chunks_for_domain;
use p3_commit::{Pcs, PolynomialSpace};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::LogUpGadget;
use p3_matrix::Matrix;
use p3_uni_stark::StarkGenericConfig;
use p3_util::reverse_slice_index_bits;
use sinter_program::dag::ExtDag;
use sinter_program::{Challenger, EF, F};
use sinter_shaders::columns::per_slab;
use sinter_shaders::graph::{Program, Shape, compile};
use sinter_shaders::words::{DEGREE, to_word};
use sinter_shaders::{Buffer, Columns, Kernels};

use super::commit::{Committed, Place, Polynomials, cap, layout};
use super::lower;
use crate::prover::{ProveError, ProvingKey};

/// One table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) log_rows: u32,
    /// log2 of the chunks of its quotient.
    pub(super) log_chunks: u32,
    pub(super) lookups: usize,
    pub(super) constraint_count: usize,
    pub(super) constraints: Program,
    /// On the quotient's domain: the selectors, and the inverse of the vanishing polynomial.
    pub(super) selectors: Columns,
    pub(super) inverse_vanishing: Buffer,
    /// The numerators and denominators of its lookups, if it has any.
    pub(super) terms: Option<Program>,
    /// On the trace's domain: the preprocessed columns, and the selectors.
    pub(super) preprocessed_trace: Columns,
    pub(super) trace_selectors: Columns,
    pub(super) next_row: bool,
    pub(super) preprocessed_next_row: bool,
}

/// A key on the device.
#[derive(Debug)]
pub(super) struct DeviceKey {
    pub(super) tables: Vec<Table>,
    pub(super) preprocessed: Option<Committed>,
    /// Of each table, which of the preprocessed matrices is its own.
    pub(super) preprocessed_matrix: Vec<Option<usize>>,
}

impl DeviceKey {
    /// Takes a key to the device.
    pub(super) fn new(kernels: &Kernels, key: &ProvingKey) -> Result<Self, ProveError> {
        let log_blowup = u32::from(key.parameters().log_blowup);
        let mut recorder = kernels.device().record();
        let own_slabs = |log_rows: u32| per_slab(kernels.device(), log_rows);

        // The preprocessed columns, and the tree over them, which must be the key's.
        let mut traces = Vec::new();
        let mut polynomials = Vec::new();
        let mut preprocessed_matrix = Vec::new();
        for (air, &log_height) in key.airs().iter().zip(key.log_heights()) {
            let log_rows = log_height as u32;
            let values = air.preprocessed().filter(|trace| trace.width() > 0);
            let width = values.map_or(0, |trace| trace.width());
            let trace = Columns::new(kernels.device(), log_rows, width, own_slabs(log_rows)?)?;
            if let Some(values) = values {
                kernels.upload_rows(&mut recorder, &trace, 0, &values.values, width)?;
                let copy = kernels.copy(&mut recorder, &trace)?;
                polynomials.push(Polynomials::interpolate(kernels, &mut recorder, copy)?);
            }
            preprocessed_matrix.push(values.map(|_| polynomials.len() - 1));
            traces.push(trace);
        }
        let preprocessed = match polynomials.is_empty() {
            true => None,
            false => Some(Committed::new(kernels, &mut recorder, polynomials, log_blowup)?),
        };
        recorder.submit()?;
        if let (Some(committed), Some(expected)) = (&preprocessed, key.preprocessed_commitment()) {
            let got = cap(kernels, &committed.tree, key.parameters().cap_height)?;
            if got != *expected {
                return Err(ProveError::Wrong(
                    "the preprocessed columns have another commitment on the device".to_owned(),
                ));
            }
        }

        let heights: Vec<u32> = key.log_heights().iter().map(|&height| height as u32).collect();
        let committed_shapes = |widths: &[usize]| {
            let shapes: Vec<_> = heights.iter().zip(widths).map(|(h, &w)| (h + log_blowup, w)).collect();
            layout(&shapes).1
        };
        let main_widths: Vec<usize> = key.airs().iter().map(|air| air.dag().main_width()).collect();
        let main_places = committed_shapes(&main_widths);
        let with_lookups = |table: usize| !key.common().lookups[table].is_empty();
        let lookup_shapes: Vec<_> = (0..heights.len())
            .filter(|&table| with_lookups(table))
            .map(|table| (heights[table] + log_blowup, DEGREE * (key.common().lookups[table].len() + 1)))
            .collect();
        let mut lookup_places = layout(&lookup_shapes).1.into_iter();

        let mut tables = Vec::with_capacity(heights.len());
        for (table, preprocessed_trace) in traces.into_iter().enumerate() {
            let (air, log_rows) = (&key.airs()[table], heights[table]);
            let lookups = &key.common().lookups[table];
            let domain = <_ as Pcs<EF, Challenger>>::natural_domain_for_degree(key.config().pcs(), 1 << log_rows);
            let log_chunks = log_chunks(key, table);
            let lowest = key.parameters().min_log_height() as usize;
            if (log_rows as usize) < lowest {
                let (what, expected, got) = ("log2 of the rows, at least,", lowest, log_rows as usize);
                return Err(ProveError::Shape { what, table: Some(table), expected, got });
            }
            if log_chunks > log_blowup {
                // No program has such a table: the verifier could not fold its quotient.
                let (what, expected, got) = ("chunks of the quotient", 1 << log_blowup, 1 << log_chunks);
                return Err(ProveError::Shape { what, table: Some(table), expected, got });
            }
            let log_quotient = log_rows + log_chunks;

            // The selectors on the quotient's domain, as stock has them.
            let on_coset = domain.selectors_on_coset(domain.create_disjoint_domain(1 << log_quotient));
            let columns = [&on_coset.is_first_row, &on_coset.is_last_row, &on_coset.is_transition];
            let selectors = selector_columns(kernels, log_quotient, |row| columns.map(|column| column[row]))?;
            let mut inverse_vanishing: Vec<u32> = on_coset.inv_vanishing.iter().map(|&value| to_word(value)).collect();
            reverse_slice_index_bits(&mut inverse_vanishing);
            let last = (1usize << log_rows) - 1;
            let on_trace = |row: usize| [row == 0, row == last, row != last].map(F::from_bool);
            let trace_selectors = selector_columns(kernels, log_rows, on_trace)?;

            // Lookup c has its own offset among the challenges, so the buses are told apart by the lookup.
            let buses: Vec<u32> = (0..lookups.len() as u32).collect();
            let dag = ExtDag::new(air, lookups, &buses).map_err(ProveError::stock)?;
            let public_values = air.dag().public_values();
            let lookup_place = with_lookups(table).then(|| lookup_places.next()).flatten();
            let own =
                |log: u32| Ok::<_, ProveError>(Shape { first_column: 0, per_slab: own_slabs(log)?, log_rows: log });
            let extended = |place: Option<Place>| {
                let first_column = place.map_or(0, |place| place.first_column);
                Ok::<_, ProveError>(Shape { first_column, ..own(log_rows + log_blowup)? })
            };
            let preprocessed_place = preprocessed_matrix[table].zip(preprocessed.as_ref()).map(|(m, p)| p.places[m]);
            let shapes = [
                extended(Some(main_places[table]))?,
                extended(preprocessed_place)?,
                extended(lookup_place)?,
                own(log_quotient)?,
            ];
            let label = format!("constraints_{table}");
            let constraints = compile(&label, &lower::constraints(&dag, public_values, lookups.len()), &shapes);
            let terms = match lookups.is_empty() {
                true => None,
                false => {
                    let graph = lower::terms(&dag, public_values, lookups.len())?;
                    let shapes = [own(log_rows)?; 4];
                    Some(compile(&format!("lookups_{table}"), &graph, &shapes))
                }
            };
            kernels.can_run(&constraints)?;
            terms.as_ref().map_or(Ok(()), |terms| kernels.can_run(terms))?;
            tables.push(Table {
                log_rows,
                log_chunks,
                lookups: lookups.len(),
                constraint_count: dag.constraints().len(),
                constraints,
                selectors,
                inverse_vanishing: kernels.device().upload(&inverse_vanishing)?,
                terms,
                preprocessed_trace,
                trace_selectors,
                next_row: !air.dag().main_next().is_empty(),
                preprocessed_next_row: !air.dag().preprocessed_next().is_empty(),
            });
        }
        Ok(Self { tables, preprocessed, preprocessed_matrix })
    }
}

/// log2 of the chunks of a table's quotient, as stock counts them: its lookups' constraints are of it, too.
fn log_chunks(key: &ProvingKey, table: usize) -> u32 {
    let (air, lookups) = (&key.airs()[table], &key.common().lookups[table]);
    let rows = 1 << key.log_heights()[table];
    let domain = <_ as Pcs<EF, Challenger>>::natural_domain_for_degree(key.config().pcs(), rows);
    let layout = AirLayout::from_air::<F>(air);
    let log =
        get_log_num_quotient_chunks_for_domain::<F, EF, _, _>(air, layout, domain, lookups, 0, &LogUpGadget::new());
    log as u32
}

/// Three columns of selectors, from the rows in natural order.
fn selector_columns(kernels: &Kernels, log_rows: u32, row: impl Fn(usize) -> [F; 3]) -> Result<Columns, ProveError> {
    let columns = Columns::new(kernels.device(), log_rows, 3, per_slab(kernels.device(), log_rows)?)?;
    let values: Vec<F> = (0..1 << log_rows).flat_map(row).collect();
    let mut recorder = kernels.device().record();
    kernels.upload_rows(&mut recorder, &columns, 0, &values, 3)?;
    recorder.submit()?;
    Ok(columns)
}

/// A bound of the device memory that a key and one proof of it take, in bytes.
#[must_use]
pub fn device_bytes(key: &ProvingKey) -> u64 {
    let blowup = 1u64 << key.parameters().log_blowup;
    let mut words = 0;
    let mut highest = 0;
    for (table, ((air, lookups), &log_height)) in
        key.airs().iter().zip(&key.common().lookups).zip(key.log_heights()).enumerate()
    {
        let rows = 1u64 << log_height;
        let dag = air.dag();
        let (main, preprocessed) = (dag.main_width() as u64, dag.preprocessed_width() as u64);
        let lookups = if lookups.is_empty() { 0 } else { lookups.len() as u64 + 1 };
        let chunks = 1u64 << log_chunks(key, table);
        let extension = DEGREE as u64;
        // A trace twice (values and coefficients) and extended; lookups once, their terms, and extended; the quotient, extended.
        words += rows * (main + preprocessed) * (2 + blowup);
        words += rows * extension * lookups * (1 + 2 + blowup);
        words += rows * extension * chunks * (1 + blowup);
        // Selectors, and codewords for each height: compressed (of four commitments), reduced, distances, powers.
        words += rows * chunks * 4 + rows * blowup * extension * 8;
        // What waits between kernels, at most.
        words += (rows * chunks * 256).min(1 << 24);
        highest = highest.max(rows * blowup);
    }
    // Trees: four and FRI's, 8 words a node, two nodes a leaf; FRI's codewords; uploads on their way, and tables of constants.
    4 * (words + highest * (5 * 16 + 4 * DEGREE as u64)) + (128 << 20)
}
