//! Fractions and their running sums.

use p3_field::{Field, PrimeCharacteristicRing};
use p3_util::reverse_bits_len;
use sinter_shaders::words::{EF, ext_planes, from_planes};
use sinter_shaders::{Columns, Options};

use crate::kit::{POISON, extensions, variants};

#[test]
fn fractions_are_summed_in_the_rows_natural_order() {
    for kernels in variants("lookups", Options::default()) {
        for (log_rows, lookups) in [(0u32, 1usize), (3, 2), (8, 3), (11, 1)] {
            let rows = 1usize << log_rows;
            let place = |row: usize| reverse_bits_len(row, log_rows as usize);
            let numerators: Vec<Vec<EF>> = (0..lookups).map(|c| extensions(rows, 30 + c as u64)).collect();
            let denominators: Vec<Vec<EF>> = (0..lookups)
                .map(|c| {
                    extensions(rows, 40 + c as u64).into_iter().map(|d| if d.is_zero() { EF::ONE } else { d }).collect()
                })
                .collect();
            let terms: Vec<u32> = numerators
                .iter()
                .zip(&denominators)
                .flat_map(|(numerators, denominators)| [ext_planes(numerators), ext_planes(denominators)].concat())
                .collect();
            let terms = kernels.device().upload(&terms).unwrap();
            let width = 5 * (lookups + 1);
            let columns = Columns::new(kernels.device(), log_rows, width, width.next_multiple_of(8)).unwrap();
            kernels.device().write(&columns.slabs()[0], 0, &vec![POISON; width << log_rows]);
            let mut recorder = kernels.device().record();
            let terminal = kernels.lookup_columns(&mut recorder, &terms, lookups, &columns, 0).unwrap();
            recorder.submit().unwrap();

            let words = kernels.device().download(&columns.slabs()[0], 0..(width << log_rows) as u64).unwrap();
            let got: Vec<Vec<EF>> = words.chunks_exact(5 << log_rows).map(from_planes).collect();
            let mut sum = EF::ZERO;
            for row in 0..rows {
                let at = place(row);
                assert_eq!(got[0][at], sum, "sum before row {row} of 2^{log_rows}");
                for lookup in 0..lookups {
                    let fraction = numerators[lookup][at] * denominators[lookup][at].inverse();
                    assert_eq!(got[lookup + 1][at], fraction, "fraction {lookup} of row {row} of 2^{log_rows}");
                    sum += fraction;
                }
            }
            assert_eq!(kernels.terminal(&terminal).unwrap(), sum);
        }
    }
}
