//! Poseidon2's rounds, as expressions and natively, and the inverse of its external layer.

use std::sync::LazyLock;

use p3_field::{Dup, Field, PrimeCharacteristicRing};
use p3_koala_bear::{
    GenericPoseidon2LinearLayersKoalaBear as Layers, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL, KOALABEAR_POSEIDON2_RC_16_INTERNAL,
};
use p3_poseidon2::GenericPoseidon2LinearLayers;

use crate::field::F;
use crate::tables::poseidon2::STATE;

/// The external layer mixes blocks of this many lanes by one matrix, then adds the sum of all blocks to each.
const BLOCK: usize = 4;
/// Partial rounds.
pub(super) const PARTIAL: usize = KOALABEAR_POSEIDON2_RC_16_INTERNAL.len();

/// The constants of full round `round`, of the eight.
pub(super) const fn full_constants(round: usize) -> &'static [F; STATE] {
    if round < 4 {
        &KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL[round]
    } else {
        &KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL[round - 4]
    }
}

/// The constants of partial round `round`.
pub(super) const fn partial_constant(round: usize) -> F {
    KOALABEAR_POSEIDON2_RC_16_INTERNAL[round]
}

/// The external layer.
pub(super) fn external<R: PrimeCharacteristicRing>(state: &mut [R; STATE]) {
    Layers::external_linear_layer(state);
}

/// The internal layer.
pub(super) fn internal<R: PrimeCharacteristicRing>(state: &mut [R; STATE]) {
    Layers::internal_linear_layer(state);
}

/// A full round with the constants already added.
pub(super) fn full<R: PrimeCharacteristicRing>(state: &mut [R; STATE]) {
    for lane in state.iter_mut() {
        *lane = lane.cube();
    }
    external(state);
}

/// What the input of the external layer was.
///
/// With M the matrix of a block, s_k = M·x_k + Σ_l M·x_l, so Σ_k s_k = (blocks + 1) · Σ_l M·x_l.
pub(super) fn external_inverse<R: PrimeCharacteristicRing + Dup>(state: &[R], constant: impl Fn(F) -> R) -> [R; STATE] {
    static INVERSES: LazyLock<([[F; BLOCK]; BLOCK], F)> = LazyLock::new(|| {
        let mut columns = [[F::ZERO; BLOCK]; BLOCK];
        for (j, column) in columns.iter_mut().enumerate() {
            let mut unit = [F::ZERO; STATE];
            unit[j] = F::ONE;
            external(&mut unit);
            // Another block than the one that was set: the matrix once, not twice.
            column.copy_from_slice(&unit[BLOCK..2 * BLOCK]);
        }
        let matrix = std::array::from_fn(|i| std::array::from_fn(|j| columns[j][i]));
        (invert(matrix), F::from_usize(STATE / BLOCK + 1).inverse())
    });
    let (matrix, share) = &*INVERSES;
    let mixed: [R; STATE] = {
        let means: [R; BLOCK] = std::array::from_fn(|j| {
            let sum = (1..STATE / BLOCK).fold(state[j].dup(), |sum, k| sum + state[k * BLOCK + j].dup());
            sum * constant(*share)
        });
        std::array::from_fn(|lane| state[lane].dup() - means[lane % BLOCK].dup())
    };
    std::array::from_fn(|lane| {
        let block = lane - lane % BLOCK;
        let row = &matrix[lane % BLOCK];
        (1..BLOCK).fold(mixed[block].dup() * constant(row[0]), |sum, j| sum + mixed[block + j].dup() * constant(row[j]))
    })
}

/// The inverse of an invertible matrix, by Gauss and Jordan.
fn invert(mut matrix: [[F; BLOCK]; BLOCK]) -> [[F; BLOCK]; BLOCK] {
    let mut inverse: [[F; BLOCK]; BLOCK] = std::array::from_fn(|i| std::array::from_fn(|j| F::from_bool(i == j)));
    for column in 0..BLOCK {
        let pivot = (column..BLOCK).find(|&row| matrix[row][column] != F::ZERO).unwrap_or(column);
        matrix.swap(column, pivot);
        inverse.swap(column, pivot);
        let scale = matrix[column][column].inverse();
        for j in 0..BLOCK {
            matrix[column][j] *= scale;
            inverse[column][j] *= scale;
        }
        for row in (0..BLOCK).filter(|&row| row != column) {
            let factor = matrix[row][column];
            for j in 0..BLOCK {
                let (m, i) = (matrix[column][j], inverse[column][j]);
                matrix[row][j] -= factor * m;
                inverse[row][j] -= factor * i;
            }
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inverse_undoes_the_external_layer() {
        let input: [F; STATE] = std::array::from_fn(|i| F::from_usize(i * i + 7));
        let mut state = input;
        external(&mut state);
        assert_eq!(external_inverse(&state, |c| c), input);
    }
}
