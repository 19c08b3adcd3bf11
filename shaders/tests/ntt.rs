//! Transforms of every size, against Plonky3's.

use p3_dft::{Radix2DitParallel, TwoAdicSubgroupDft};
use p3_field::{Field, PrimeCharacteristicRing};
use p3_matrix::Matrix;
use p3_matrix::bitrev::BitReversibleMatrix;
use p3_matrix::dense::RowMajorMatrix;
use sinter_shaders::columns::per_slab;
use sinter_shaders::words::{F, to_elements};
use sinter_shaders::{Columns, Kernels, Options, Span};

use crate::kit::{POISON, elements, variants};

/// The largest transform that is tried: on a software driver larger ones take minutes.
const LOG_ROWS_MAX: u32 = 16;

/// All cells, row after row.
fn rows(kernels: &Kernels, columns: &Columns) -> Vec<F> {
    let height = 1usize << columns.log_rows();
    let mut values = vec![F::ZERO; height * columns.width()];
    for run in columns.runs(0..columns.width()) {
        let first = (run.first as u64) << columns.log_rows();
        let words =
            kernels.device().download(run.slab, first..first + ((run.count as u64) << columns.log_rows())).unwrap();
        for (i, value) in to_elements(&words).into_iter().enumerate() {
            values[(i % height) * columns.width() + run.before + i / height] = value;
        }
    }
    values
}

fn spans(columns: &Columns) -> impl Iterator<Item = (usize, Span<'_>)> {
    let log_rows = columns.log_rows();
    columns.runs(0..columns.width()).map(move |run| {
        let first = (run.first as u64) << log_rows;
        (run.before, Span { buffer: run.slab, first, stride: 1 << log_rows, columns: run.count, log_rows })
    })
}

fn poisoned(kernels: &Kernels, log_rows: u32, width: usize, per_slab: usize) -> Columns {
    let columns = Columns::new(kernels.device(), log_rows, width, per_slab).unwrap();
    for slab in columns.slabs() {
        kernels.device().write(slab, 0, &vec![POISON; slab.words() as usize]);
    }
    columns
}

/// Takes a trace to its extension, as `TwoAdicFriPcs::commit` does, and compares coefficients and evaluations.
fn extend(kernels: &Kernels, log_rows: u32, width: usize, log_cosets: u32) {
    let case = format!("2^{log_rows} x {width}, {log_cosets}, {:?}", kernels.device().arithmetic());
    let trace = RowMajorMatrix::new(elements(width << log_rows, u64::from(log_rows)), width);
    let dft = Radix2DitParallel::<F>::default();
    let coefficients = dft.idft_batch(trace.clone());
    let expected = dft.coset_lde_batch(trace.clone(), log_cosets as usize, F::GENERATOR).bit_reverse_rows();
    let expected = expected.to_row_major_matrix();

    let from = poisoned(kernels, log_rows, width, per_slab(kernels.device(), log_rows).unwrap());
    let to =
        poisoned(kernels, log_rows + log_cosets, width, per_slab(kernels.device(), log_rows + log_cosets).unwrap());
    let mut recorder = kernels.device().record();
    kernels.upload_rows(&mut recorder, &from, 0, &trace.values, width).unwrap();
    for (_, span) in spans(&from) {
        kernels.interpolate(&mut recorder, span).unwrap();
    }
    for (first_column, span) in spans(&from) {
        // Where slabs of both sides overlap.
        for run in to.runs(first_column..first_column + span.columns) {
            let part = Span { first: span.first + ((run.before as u64) << log_rows), columns: run.count, ..span };
            let destination = (run.slab, (run.first as u64) << (log_rows + log_cosets));
            kernels.extend(&mut recorder, part, F::GENERATOR, log_cosets, destination).unwrap();
        }
    }
    recorder.submit().unwrap();
    assert_eq!(rows(kernels, &from), coefficients.values, "coefficients of {case}");
    assert_eq!(rows(kernels, &to), expected.values, "evaluations of {case}");
}

#[test]
fn every_size_is_extended_as_plonky3_extends_it() {
    for kernels in variants("ntt", Options::default()) {
        for log_rows in 0..=LOG_ROWS_MAX - 2 {
            extend(&kernels, log_rows, if log_rows < 10 { 3 } else { 2 }, 2);
        }
        extend(&kernels, 5, 1, 0);
        extend(&kernels, 4, 2, 8);
    }
}

#[test]
fn columns_in_slabs_of_odd_sizes_are_the_same_columns() {
    // 8 columns of 2^13 rows, or 32 of 2^11: the extension's slabs are not the trace's.
    let options = Options { binding_bytes_max: Some((4 * 8) << 13), ..Options::default() };
    for kernels in variants("ntt in slabs", options) {
        assert_eq!(per_slab(kernels.device(), 11).unwrap(), 32);
        for width in [1, 8, 9, 37] {
            extend(&kernels, 11, width, 2);
        }
    }
}

#[test]
fn a_transform_undoes_its_inverse() {
    for kernels in variants("ntt inverse", Options::default()) {
        for log_rows in [1, 6, 12, 13] {
            let values = elements(2 << log_rows, 5);
            let columns = poisoned(&kernels, log_rows, 2, 8);
            let mut recorder = kernels.device().record();
            kernels.upload_rows(&mut recorder, &columns, 0, &values, 2).unwrap();
            for (_, span) in spans(&columns) {
                kernels.interpolate(&mut recorder, span).unwrap();
                kernels.transform(&mut recorder, span).unwrap();
            }
            recorder.submit().unwrap();
            let expected = RowMajorMatrix::new(values, 2).bit_reverse_rows().to_row_major_matrix();
            assert_eq!(rows(&kernels, &columns), expected.values, "2^{log_rows}");
        }
    }
}
