//! Powers, evaluations, distances, combinations and FRI's folding, against the formulas on the host.

use p3_field::{Field, PrimeCharacteristicRing, TwoAdicField, batch_multiplicative_inverse, dot_product};
use p3_matrix::bitrev::BitReversibleMatrix;
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use p3_util::{reverse_bits_len, reverse_slice_index_bits};
use sinter_shaders::words::{EF, F};
use sinter_shaders::{Columns, Options, Span};

use crate::kit::{elements, extensions, variants};

#[test]
fn polynomials_are_evaluated_at_a_point() {
    for kernels in variants("evaluate", Options::default()) {
        for log_rows in [0u32, 3, 9] {
            let width = 5;
            let point = extensions(9, 1)[8];
            let values = elements(width << log_rows, 2);
            let columns = Columns::new(kernels.device(), log_rows, width, 8).unwrap();
            let mut recorder = kernels.device().record();
            kernels.upload_rows(&mut recorder, &columns, 0, &values, width).unwrap();
            // More powers than coefficients, as when tables of different heights share a point.
            let powers = kernels.powers(&mut recorder, point, log_rows + 1).unwrap();
            recorder.submit().unwrap();
            let expected: Vec<EF> = point.powers().take(2 << log_rows).collect();
            assert_eq!(kernels.download_codeword(&powers).unwrap(), expected);
            let stride = 1 << log_rows;
            let span = Span { buffer: &columns.slabs()[0], first: stride, stride, columns: width - 1, log_rows };
            let got = kernels.evaluate(span, &powers).unwrap();
            let rows = RowMajorMatrix::new(values, width).bit_reverse_rows().to_row_major_matrix();
            let expected: Vec<EF> = (1..width)
                .map(|column| {
                    let coefficients = (0..1 << log_rows).map(|row| rows.get(row, column).unwrap());
                    coefficients.zip(&expected).map(|(c, &power)| power * c).sum()
                })
                .collect();
            assert_eq!(got, expected, "2^{log_rows}");
        }
    }
}

#[test]
fn distances_are_inverted_in_bit_reversed_order() {
    for kernels in variants("inverse distances", Options::default()) {
        for log_len in [0u32, 1, 2, 3, 4, 11] {
            let point = extensions(6, 3)[5];
            let mut recorder = kernels.device().record();
            let got = kernels.inverse_distances(&mut recorder, point, F::GENERATOR, log_len).unwrap();
            recorder.submit().unwrap();
            let generator = F::two_adic_generator(log_len as usize);
            let mut xs: Vec<F> = generator.shifted_powers(F::GENERATOR).take(1 << log_len).collect();
            reverse_slice_index_bits(&mut xs);
            let expected = batch_multiplicative_inverse(&xs.iter().map(|&x| point - x).collect::<Vec<EF>>());
            assert_eq!(kernels.download_codeword(&got).unwrap(), expected, "2^{log_len}");
        }
    }
}

#[test]
fn openings_join_the_codeword_of_their_height() {
    // Two slabs of 8 and 3 columns, and the range 2..10 across them.
    for kernels in variants("deep", Options::default()) {
        let (log_rows, width) = (6u32, 11usize);
        let values = elements(width << log_rows, 8);
        let columns = Columns::new(kernels.device(), log_rows, width, 8).unwrap();
        let weights = extensions(9, 4);
        let [claim, scale] = extensions(2, 5).try_into().unwrap();
        let distances = extensions(2 << log_rows, 6);
        let before = extensions(1 << log_rows, 7);

        let mut recorder = kernels.device().record();
        kernels.upload_rows(&mut recorder, &columns, 0, &values, width).unwrap();
        let compressed = kernels.combine(&mut recorder, &columns, 2..10, &kernels.weights(&weights).unwrap()).unwrap();
        let device_distances = kernels.upload_codeword(&distances).unwrap();
        let output = kernels.upload_codeword(&before).unwrap();
        kernels.deep(&mut recorder, &compressed, &device_distances, claim, scale, false, &output).unwrap();
        let fresh = kernels.upload_codeword(&before).unwrap();
        kernels.deep(&mut recorder, &compressed, &device_distances, claim, scale, true, &fresh).unwrap();
        recorder.submit().unwrap();

        let rows = RowMajorMatrix::new(values, width).bit_reverse_rows().to_row_major_matrix();
        let combined: Vec<EF> = (0..1 << log_rows)
            .map(|row| dot_product(weights.iter().copied(), rows.row(row).unwrap().into_iter().skip(2).take(8)))
            .collect();
        assert_eq!(kernels.download_codeword(&compressed).unwrap(), combined);
        let term = |row: usize| (claim - scale * combined[row]) * distances[row];
        let expected: Vec<EF> = (0..1 << log_rows).map(|row| before[row] + term(row)).collect();
        assert_eq!(kernels.download_codeword(&output).unwrap(), expected);
        let expected: Vec<EF> = (0..1 << log_rows).map(term).collect();
        assert_eq!(kernels.download_codeword(&fresh).unwrap(), expected);
    }
}

/// One halving, by the formula.
fn halve(codeword: &[EF], beta: EF) -> Vec<EF> {
    let pairs = codeword.len() / 2;
    let generator = F::two_adic_generator(codeword.len().ilog2() as usize);
    let fold = |i: usize| {
        let x = generator.exp_u64(reverse_bits_len(i, pairs.ilog2() as usize) as u64);
        let (lo, hi) = (codeword[2 * i], codeword[2 * i + 1]);
        (lo + hi).halve() + (lo - hi) * beta * x.double().inverse()
    };
    (0..pairs).map(fold).collect()
}

#[test]
fn codewords_fold_by_any_arity_and_take_in_shorter_ones() {
    for kernels in variants("fold", Options::default()) {
        for (log_len, log_arity) in [(1u32, 1u32), (4, 1), (7, 2), (9, 3), (8, 4)] {
            let elements = extensions(1 << log_len, 20);
            let joining = extensions(1 << (log_len - log_arity), 21);
            let beta = extensions(3, 22)[2];
            let mut expected = elements.clone();
            for step in 0..log_arity {
                expected = halve(&expected, beta.exp_power_of_2(step as usize));
            }
            let codeword = kernels.upload_codeword(&elements).unwrap();
            let shorter = kernels.upload_codeword(&joining).unwrap();
            let mut recorder = kernels.device().record();
            let alone = kernels.fold(&mut recorder, &codeword, beta, log_arity, None).unwrap();
            let joined = kernels.fold(&mut recorder, &codeword, beta, log_arity, Some(&shorter)).unwrap();
            recorder.submit().unwrap();
            assert_eq!(kernels.download_codeword(&alone).unwrap(), expected, "2^{log_len} by 2^{log_arity}");
            let weight = beta.exp_power_of_2(log_arity as usize);
            expected.iter_mut().zip(&joining).for_each(|(value, &other)| *value += weight * other);
            assert_eq!(kernels.download_codeword(&joined).unwrap(), expected, "2^{log_len} by 2^{log_arity}, joined");
        }
    }
}
