//! Poseidon2 of width 16 in one row: the columns of a permutation, and its constraints. Tables that hash share them.
//!
//! | columns | what |
//! |---|---|
//! | 0..16 | the input |
//! | 16..80 | the state after each of the first four full rounds |
//! | 80..100 | lane 0 after the S-box of each of the 20 partial rounds |
//! | 100..164 | the state after each of the last four full rounds; 148..164 is the output |
//!
//! Each committed state is the round function of the one before: external layer, then four full rounds (add constants,
//! cube, external layer), 20 partial rounds (add a constant to lane 0, cube it, internal layer), four full rounds; p3's
//! constants for width 16. 64 + 20 + 64 equations of degree 3.

use p3_air::AirBuilder;
use p3_field::{Dup, PrimeCharacteristicRing};
use p3_koala_bear::{
    GenericPoseidon2LinearLayersKoalaBear as Layers, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL, KOALABEAR_POSEIDON2_RC_16_INTERNAL,
};
use p3_poseidon2::GenericPoseidon2LinearLayers;

use crate::field::F;

/// Lanes of the permutation; the input is the first columns.
pub const STATE: usize = 16;
/// Full rounds before, and after, the partial rounds.
const HALF: usize = 4;
/// Partial rounds.
const PARTIAL: usize = 20;
const BEGIN: usize = STATE;
const MIDDLE: usize = BEGIN + HALF * STATE;
const END: usize = MIDDLE + PARTIAL;
/// The first column of the output.
pub const OUT: usize = END + (HALF - 1) * STATE;
/// Columns of a permutation.
pub const WIDTH: usize = OUT + STATE;

/// Constrains the first [`WIDTH`] columns of `row` to be a permutation.
pub fn eval<AB: AirBuilder<F = F>>(builder: &mut AB, row: &[AB::Expr]) {
    let mut state: [AB::Expr; STATE] = std::array::from_fn(|i| row[i].dup());
    Layers::external_linear_layer(&mut state);
    for (round, constants) in KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL.iter().enumerate() {
        eval_full_round(builder, &mut state, constants, &row[BEGIN + round * STATE..][..STATE]);
    }
    for (round, constant) in KOALABEAR_POSEIDON2_RC_16_INTERNAL.iter().enumerate() {
        let post = row[MIDDLE + round].dup();
        builder.assert_zero((state[0].dup() + *constant).cube() - post.dup());
        state[0] = post;
        Layers::internal_linear_layer(&mut state);
    }
    for (round, constants) in KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL.iter().enumerate() {
        eval_full_round(builder, &mut state, constants, &row[END + round * STATE..][..STATE]);
    }
}

fn eval_full_round<AB: AirBuilder<F = F>>(
    builder: &mut AB,
    state: &mut [AB::Expr; STATE],
    constants: &[F; STATE],
    post: &[AB::Expr],
) {
    for (lane, constant) in state.iter_mut().zip(constants) {
        *lane = (lane.dup() + *constant).cube();
    }
    Layers::external_linear_layer(state);
    for (lane, post) in state.iter_mut().zip(post) {
        builder.assert_zero(lane.dup() - post.dup());
        *lane = post.dup();
    }
}

/// Writes the columns of a permutation, whose input is there already.
pub fn fill(row: &mut [F]) {
    let mut state: [F; STATE] = std::array::from_fn(|i| row[i]);
    Layers::external_linear_layer(&mut state);
    for (round, constants) in KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL.iter().enumerate() {
        full_round(&mut state, constants);
        row[BEGIN + round * STATE..][..STATE].copy_from_slice(&state);
    }
    for (round, constant) in KOALABEAR_POSEIDON2_RC_16_INTERNAL.iter().enumerate() {
        state[0] = (state[0] + *constant).cube();
        row[MIDDLE + round] = state[0];
        Layers::internal_linear_layer(&mut state);
    }
    for (round, constants) in KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL.iter().enumerate() {
        full_round(&mut state, constants);
        row[END + round * STATE..][..STATE].copy_from_slice(&state);
    }
}

fn full_round(state: &mut [F; STATE], constants: &[F; STATE]) {
    for (lane, constant) in state.iter_mut().zip(constants) {
        *lane = (*lane + *constant).cube();
    }
    Layers::external_linear_layer(state);
}
