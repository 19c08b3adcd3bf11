//! The Poseidon2 table: one permutation of width 16 a row.
//!
//! Rows stand in **reverse**: the row that a permutation continues is the *next* row of the table, so that every flag a
//! constraint needs is in its own row. Primed columns are the next row's, which is the permutation before.
//!
//! # Columns
//!
//! Main (192):
//!
//! | columns | what |
//! |---|---|
//! | 0..16 | in: the permutation's input |
//! | 16..80 | state after each of the first four full rounds |
//! | 80..100 | lane 0 after the S-box of each of the 20 partial rounds |
//! | 100..164 | state after each of the last four full rounds; 148..164 is `out` |
//! | 164, 165 | index of the node this row computes; bit: whether the node before is the right child |
//! | 166..171 | β |
//! | 171..186 | the accumulator after lanes 0–1, 0–3, 0–5 |
//! | 186..191 | acc: the accumulator after all lanes |
//! | 191 | the address of out |
//!
//! Preprocessed (24): z_0 … z_7 (lane is not absorbed), `horner`, `fresh` (a sponge's first row), `cont` (a sponge's other
//! rows), `keep`, `tag`, `merkle`, `at` (index is on the bus), then address and multiplicity of left, of right, of out,
//! of acc, and the address of index. β's address is in the column of right's: no row has both.
//!
//! # Constraints
//!
//! - **Permutation** (degree 3): the first 164 columns are those of [`crate::permutation`].
//! - **Rate** (3), i in 0..8: z_i · (in_i − keep · out′_i) = 0
//! - **Capacity** (2), i in 0..8: (fresh + cont) · (in_{8+i} − \[i = 0\] tag) = cont · out′_{8+i}
//! - **Merkle** (3), i in 0..8: merkle · (in_i + bit · (in_{8+i} − in_i) − out′_i) = 0; bit · (bit − 1) = 0;
//!   (1 − merkle) · bit = 0; merkle · (index′ − 2 · index − bit) = 0
//! - **Inject** (3): z_0 · (1 − fresh − cont) · (index′ − index) = 0
//! - **Horner** (3): (1 − horner) · β = 0, and with a_0 = acc′, a_4 = acc, for pairs j in 0..4:
//!   a_{j+1} = a_j · β² + (1 − z_{2j}) · in_{2j} · β + horner · (1 − z_{2j+1}) · in_{2j+1}.
//!   On a row without `horner` β is zero, hence every a_j is zero: the accumulator starts again after such a row.
//! - **Address** (2): out address = preprocessed + at · index
//!
//! Ports, all linear: (in_0 … in_7, left address), (in_8 … in_15, right address), (out_0 … out_7, out address), (acc, acc
//! address), (β, right's address) with multiplicity −horner, (index, index address) with multiplicity −at.
//!
//! # What a row does, by its flags
//!
//! | row | z | flags | in |
//! |---|---|---|---|
//! | first block of a hash, n lanes | lanes ≥ n | fresh | n lanes free, the rest zero |
//! | later block of a hash | lanes ≥ n | cont, keep | n lanes free, the rest out′ |
//! | challenger absorbs n lanes, first | lanes ≥ n | fresh, tag = n | n lanes free, rest of the rate zero, lane 8 is n |
//! | challenger absorbs n lanes | lanes ≥ n | cont, tag = n | n lanes free, rest of the rate zero, capacity out′, lane 8 plus n |
//! | challenger squeezes | all | cont, keep | out′ |
//! | compress | none | | free: both words are on the bus |
//! | Merkle step | none | merkle | out′ left or right by bit, the sibling free |
//! | inject | all | keep | out′ left, right on the bus |
//!
//! A free lane is tied by a port where the circuit connects one; a leaf's lanes and a path's siblings are otherwise the
//! prover's, held by the digest that the path ends in.
//!
//! **Paths.** A leaf's last row has `at` with the index's address and out's multiplicity zero (so its dynamic address
//! does not matter); each step halves the index with a boolean bit; the last row has `at` with the address of index >>
//! depth, a word known from canonical bits. Both ends being canonical, 2^depth · last + Σ bit_i 2^i = first holds over
//! the integers and the bits are the index's. out is then a dynamic read of the cap at index >> depth.
//!
//! A row that is not used has no flags: any permutation satisfies it; that of zero is filled in. Nothing wraps around: the
//! last row's flags need a next row only if it continues a permutation, and the first permutation recorded continues none.

use std::sync::LazyLock;

use p3_air::{AirBuilder, WindowAccess};
use p3_field::{BasedVectorSpace, Dup, PrimeCharacteristicRing};
use p3_lookup::InteractionBuilder;
use rayon::prelude::*;

use super::alu::ext_mul;
use super::{exprs, port};
use crate::field::{DEGREE, EF, F, LIMBS};
use crate::permutation;
pub(crate) use crate::permutation::{OUT, STATE};

/// Main column: index.
pub(crate) const INDEX: usize = permutation::WIDTH;
/// Main column: bit.
pub(crate) const BIT: usize = INDEX + 1;
/// Main column: β.
pub(crate) const BETA: usize = BIT + 1;
/// Main column: the accumulators.
pub(crate) const ACCS: usize = BETA + DEGREE;
/// Main column: the accumulator after all lanes.
pub(crate) const ACC: usize = ACCS + 3 * DEGREE;
/// Main column: the address of out.
pub(crate) const OUT_ADDRESS: usize = ACC + DEGREE;
/// Main columns.
pub(crate) const WIDTH: usize = OUT_ADDRESS + 1;

/// Preprocessed column: z_0.
pub(crate) const Z: usize = 0;
/// Preprocessed column: horner.
pub(crate) const HORNER: usize = 8;
/// Preprocessed column: fresh.
pub(crate) const FRESH: usize = 9;
/// Preprocessed column: cont.
pub(crate) const CONT: usize = 10;
/// Preprocessed column: keep.
pub(crate) const KEEP: usize = 11;
/// Preprocessed column: tag.
pub(crate) const TAG: usize = 12;
/// Preprocessed column: merkle.
pub(crate) const MERKLE: usize = 13;
/// Preprocessed column: at.
pub(crate) const AT: usize = 14;
/// Preprocessed column: address of left, followed by its multiplicity.
pub(crate) const LEFT: usize = 15;
/// Preprocessed column: address of right or of β, followed by right's multiplicity.
pub(crate) const RIGHT: usize = 17;
/// Preprocessed column: address of out, followed by its multiplicity.
pub(crate) const OUT_PORT: usize = 19;
/// Preprocessed column: address of acc, followed by its multiplicity.
pub(crate) const ACC_PORT: usize = 21;
/// Preprocessed column: address of index.
pub(crate) const INDEX_PORT: usize = 23;
/// Preprocessed columns.
pub(crate) const PREP: usize = 24;

pub(crate) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let row = exprs::<AB>(main.current_slice());
    let before = exprs::<AB>(main.next_slice());
    let prep = exprs::<AB>(builder.preprocessed().current_slice());

    permutation::eval(builder, &row);

    let one = AB::Expr::ONE;
    let (fresh, cont) = (prep[FRESH].dup(), prep[CONT].dup());
    for i in 0..LIMBS {
        let kept = prep[KEEP].dup() * before[OUT + i].dup();
        builder.assert_zero(prep[Z + i].dup() * (row[i].dup() - kept));
    }
    for i in LIMBS..STATE {
        let tagged = if i == LIMBS { row[i].dup() - prep[TAG].dup() } else { row[i].dup() };
        builder.assert_zero((fresh.dup() + cont.dup()) * tagged - cont.dup() * before[OUT + i].dup());
    }

    let (merkle, bit) = (prep[MERKLE].dup(), row[BIT].dup());
    for i in 0..LIMBS {
        let chosen = row[i].dup() + bit.dup() * (row[LIMBS + i].dup() - row[i].dup());
        builder.assert_zero(merkle.dup() * (chosen - before[OUT + i].dup()));
    }
    builder.assert_bool(bit.dup());
    builder.assert_zero((one.dup() - merkle.dup()) * bit.dup());
    let (index, index_before) = (row[INDEX].dup(), before[INDEX].dup());
    builder.assert_zero(merkle * (index_before.dup() - index.double() - bit));
    builder.assert_zero(prep[Z].dup() * (one - fresh - cont) * (index_before - index.dup()));

    eval_horner(builder, &row, &before, &prep);

    builder.assert_zero(row[OUT_ADDRESS].dup() - prep[OUT_PORT].dup() - prep[AT].dup() * index.dup());

    port(builder, &row[..LIMBS], prep[LEFT].dup(), prep[LEFT + 1].dup());
    port(builder, &row[LIMBS..STATE], prep[RIGHT].dup(), prep[RIGHT + 1].dup());
    port(builder, &row[OUT..OUT + LIMBS], row[OUT_ADDRESS].dup(), prep[OUT_PORT + 1].dup());
    port(builder, &row[ACC..ACC + DEGREE], prep[ACC_PORT].dup(), prep[ACC_PORT + 1].dup());
    port(builder, &row[BETA..BETA + DEGREE], prep[RIGHT].dup(), -prep[HORNER].dup());
    port(builder, &[index], prep[INDEX_PORT].dup(), -prep[AT].dup());
}

fn eval_horner<AB: AirBuilder<F = F>>(builder: &mut AB, row: &[AB::Expr], before: &[AB::Expr], prep: &[AB::Expr]) {
    let one = AB::Expr::ONE;
    let horner = prep[HORNER].dup();
    let beta = &row[BETA..BETA + DEGREE];
    for limb in beta {
        builder.assert_zero((one.dup() - horner.dup()) * limb.dup());
    }
    let square = ext_mul(beta, beta);
    let mut acc = &before[ACC..ACC + DEGREE];
    for pair in 0..LIMBS / 2 {
        let even = (one.dup() - prep[Z + 2 * pair].dup()) * row[2 * pair].dup();
        let odd = (one.dup() - prep[Z + 2 * pair + 1].dup()) * row[2 * pair + 1].dup();
        let mut sum = ext_mul(acc, &square);
        for (limb, beta) in sum.iter_mut().zip(beta) {
            *limb += even.dup() * beta.dup();
        }
        sum[0] += horner.dup() * odd;
        acc = &row[ACCS + pair * DEGREE..][..DEGREE];
        for (sum, acc) in sum.into_iter().zip(acc) {
            builder.assert_zero(sum - acc.dup());
        }
    }
}

/// The accumulators after each pair of lanes: the native twin of the Horner constraints. `lanes` are absorbed.
pub(crate) fn horner(acc: EF, beta: EF, input: &[F], lanes: usize) -> [EF; LIMBS / 2] {
    let square = beta * beta;
    let value = |lane: usize| if lane < lanes { input[lane] } else { F::ZERO };
    let mut acc = acc;
    std::array::from_fn(|pair| {
        acc = acc * square + beta * value(2 * pair) + value(2 * pair + 1);
        acc
    })
}

/// A row that is not used.
static UNUSED: LazyLock<[F; WIDTH]> = LazyLock::new(|| {
    let mut row = [F::ZERO; WIDTH];
    permutation::fill(&mut row);
    row
});

/// What the executor knows of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PermState {
    pub input: [F; STATE],
    pub output: [F; STATE],
    pub acc: EF,
    pub index: u32,
    pub bit: bool,
}

impl Default for PermState {
    fn default() -> Self {
        Self { input: [F::ZERO; STATE], output: [F::ZERO; STATE], acc: EF::ZERO, index: 0, bit: false }
    }
}

/// A row's part of the trace besides its state.
pub(crate) struct Extra {
    /// β, on a row that accumulates.
    pub beta: Option<EF>,
    pub lanes: usize,
    pub acc_before: EF,
    pub out_address: u32,
}

/// Fills the main trace. `rows` are in the order of the table.
pub(crate) fn fill<'a>(trace: &mut [F], used: usize, state: impl Fn(usize) -> Option<(&'a PermState, Extra)> + Sync) {
    trace.par_chunks_exact_mut(WIDTH).enumerate().with_min_len(64).for_each(|(at, row)| {
        let known = if at < used { state(at) } else { None };
        let Some((state, extra)) = known else {
            row.copy_from_slice(&*UNUSED);
            return;
        };
        row[..STATE].copy_from_slice(&state.input);
        permutation::fill(row);
        row[INDEX] = F::from_u32(state.index);
        row[BIT] = F::from_bool(state.bit);
        if let Some(beta) = extra.beta {
            row[BETA..BETA + DEGREE].copy_from_slice(beta.as_basis_coefficients_slice());
            let accs = horner(extra.acc_before, beta, &state.input, extra.lanes);
            for (cells, acc) in row[ACCS..OUT_ADDRESS].chunks_exact_mut(DEGREE).zip(accs) {
                cells.copy_from_slice(acc.as_basis_coefficients_slice());
            }
        }
        row[OUT_ADDRESS] = F::from_u32(extra.out_address);
    });
}
