//! The constraints of the narrow table, in the order in which [the layout's page](super) has them.

use p3_air::WindowAccess;
use p3_field::{Dup, PrimeCharacteristicRing};
use p3_lookup::{Count, InteractionBuilder};

use super::columns::{
    ALU, AT, BITS, BLOCK, CONSTANT, CONT, FRESH, GAMMA, GROUP, HIGH, HORNER_A, HORNER_B, INDEX, KEEP, LAST, LEFT, M,
    MERKLE, OUT, PART, PARTS, PORTS, READS, RIGHT, S, SHIFT, SLOTS, TAG, THREE, WINDOW, Z, cell,
};
use super::rounds::{PARTIAL, external_inverse, full, full_constants, internal, partial_constant};
use crate::field::{DEGREE, F, LIMBS};
use crate::tables::alu::ext_mul;
use crate::tables::poseidon2::STATE;
use crate::tables::{BUS, exprs};

/// Limbs of a word in its second port.
const UPPER: usize = LIMBS - DEGREE;

/// A row's view.
struct View<E> {
    row: Vec<E>,
    next: Vec<E>,
    prep: Vec<E>,
}

impl<E: Dup> View<E> {
    fn prep(&self, column: usize) -> E {
        self.prep[column].dup()
    }

    fn cell(&self, slot: usize) -> &[E] {
        &self.row[cell(slot)..][..DEGREE]
    }

    fn next_cell(&self, slot: usize) -> &[E] {
        &self.next[cell(slot)..][..DEGREE]
    }
}

pub(super) fn eval<AB: InteractionBuilder<F = F>>(builder: &mut AB) {
    let main = builder.main();
    let view = View {
        row: exprs::<AB>(main.current_slice()),
        next: exprs::<AB>(main.next_slice()),
        prep: exprs::<AB>(builder.preprocessed().current_slice()),
    };
    let input = external_inverse(&view.row[S..S + STATE], AB::Expr::from);
    let input_before = external_inverse(&view.next[S..S + STATE], AB::Expr::from);

    eval_rounds(builder, &view);
    eval_chain(builder, &view, &input);
    eval_index(builder, &view);
    eval_horner(builder, &view, &input, &input_before);
    eval_wires(builder, &view, &input_before);
    eval_alu(builder, &view);
    eval_bits(builder, &view);
    eval_window(builder, &view);
    eval_constant(builder, &view);

    for slot in 0..SLOTS {
        let mut tuple = view.cell(slot).to_vec();
        let address = view.prep(PORTS + 2 * slot);
        tuple.push(if slot < 2 { address + view.row[SHIFT].dup() } else { address });
        let mut multiplicity = view.prep(PORTS + 2 * slot + 1);
        if slot == SLOTS - 1 {
            multiplicity += view.prep(BLOCK) * view.row[READS].dup();
        }
        builder.push_interaction(BUS, tuple, Count::bounded(multiplicity, 1));
    }
}

/// Adds each kind's constants to a state.
fn add_constants<E: PrimeCharacteristicRing + Dup + From<F>>(state: &mut [E; STATE], kinds: &[(&E, usize)]) {
    for (lane, value) in state.iter_mut().enumerate() {
        for (kind, round) in kinds {
            *value += (*kind).dup() * E::from(full_constants(*round)[lane]);
        }
    }
}

fn state<E: Dup>(cells: &[E]) -> [E; STATE] {
    std::array::from_fn(|lane| cells[lane].dup())
}

/// The kinds of a permutation's rows, A to D.
fn kinds<E: Dup>(view: &View<E>) -> [E; PARTS] {
    std::array::from_fn(|part| view.prep(PART + part))
}

fn eval_rounds<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>) {
    let [a, b, c, d] = kinds(view);
    let mids = &view.row[M..];

    let mut first = state(&view.row[S..]);
    add_constants(&mut first, &[(&a, 0), (&b, 3), (&c, 4), (&d, 7)]);
    full(&mut first);
    for (lane, value) in first.into_iter().enumerate() {
        builder.assert_zero(value - mids[lane].dup());
    }

    let mut second = state(mids);
    add_constants(&mut second, &[(&a, 1), (&c, 5)]);
    full(&mut second);
    let not_b = AB::Expr::ONE - b.dup();
    for (lane, value) in second.into_iter().enumerate() {
        builder.assert_zero(not_b.dup() * (value - mids[STATE + lane].dup()));
    }

    let mut partial = state(mids);
    for round in 0..PARTIAL {
        let boxed = (partial[0].dup() + AB::Expr::from(partial_constant(round))).cube();
        let committed = mids[STATE + round].dup();
        builder.assert_zero(b.dup() * (boxed - committed.dup()));
        partial[0] = committed;
        internal(&mut partial);
    }

    let before = &view.next[M..];
    let mut third = state(&before[STATE..]);
    add_constants(&mut third, &[(&b, 2), (&d, 6)]);
    full(&mut third);
    let mut left = state(before);
    for round in 0..PARTIAL {
        left[0] = before[STATE + round].dup();
        internal(&mut left);
    }
    for (lane, (third, left)) in third.into_iter().zip(left).enumerate() {
        let value = &view.row[S + lane];
        builder.assert_zero((b.dup() + d.dup()) * (value.dup() - third));
        builder.assert_zero(c.dup() * (value.dup() - left));
    }
}

/// What a permutation takes over from the one before it.
fn eval_chain<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>, input: &[AB::Expr; STATE]) {
    let out = &view.next[M..M + STATE];
    let (fresh, cont) = (view.prep(FRESH), view.prep(CONT));
    for lane in 0..LIMBS {
        let kept = view.prep(KEEP) * out[lane].dup();
        builder.assert_zero(view.prep(Z + lane) * (input[lane].dup() - kept));
    }
    for lane in LIMBS..STATE {
        let tagged = if lane == LIMBS { input[lane].dup() - view.prep(TAG) } else { input[lane].dup() };
        builder.assert_zero((fresh.dup() + cont.dup()) * tagged - cont.dup() * out[lane].dup());
    }

    let (merkle, bit) = (view.prep(MERKLE), view.cell(0)[0].dup());
    for lane in 0..LIMBS {
        let chosen = input[lane].dup() + bit.dup() * (input[LIMBS + lane].dup() - input[lane].dup());
        builder.assert_zero(merkle.dup() * (chosen - out[lane].dup()));
    }
    builder.assert_zero(merkle.dup() * (bit.square() - bit.dup()));
    let (index, before) = (view.row[INDEX].dup(), view.next[INDEX].dup());
    builder.assert_zero(merkle * (before.dup() - index.double() - bit));
    let inject = view.prep(KEEP) * (AB::Expr::ONE - fresh - cont);
    builder.assert_zero(inject * (before - index));
}

fn eval_index<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>) {
    let [_, b, c, d] = kinds(view);
    let index = view.row[INDEX].dup();
    builder.assert_zero((b + c + d) * (index.dup() - view.next[INDEX].dup()));
    let at = view.prep(AT);
    builder.assert_zero(view.row[SHIFT].dup() - at.dup() * index.double());
    for (limb, value) in view.cell(2).iter().enumerate() {
        let expected = if limb == 0 { index.dup() } else { AB::Expr::ZERO };
        builder.assert_zero(at.dup() * (value.dup() - expected));
    }
}

/// `sum · β^n + Σ lanes[i] · β^(n − 1 − i)`, given the powers of β.
fn horner_step<E: PrimeCharacteristicRing + Dup>(sum: &[E], powers: &[&[E]], lanes: &[E]) -> [E; DEGREE] {
    let count = lanes.len();
    let mut result = ext_mul(sum, powers[count - 1]);
    for (i, lane) in lanes.iter().enumerate() {
        if i == count - 1 {
            result[0] += lane.dup();
        } else {
            for (limb, power) in result.iter_mut().zip(powers[count - 2 - i]) {
                *limb += lane.dup() * power.dup();
            }
        }
    }
    result
}

fn eval_horner<AB: InteractionBuilder<F = F>>(
    builder: &mut AB,
    view: &View<AB::Expr>,
    input: &[AB::Expr; STATE],
    input_before: &[AB::Expr; STATE],
) {
    let beta = view.cell(1);
    let square = ext_mul(beta, beta);
    let cube = ext_mul(&square, beta);
    let powers = [beta, &square[..], &cube[..]];
    let lanes: [AB::Expr; 6] = std::array::from_fn(|lane| (AB::Expr::ONE - view.prep(Z + lane)) * input[lane].dup());
    let on_a = view.prep(HORNER_A);
    for (from, to, lanes) in [(0, 2, &lanes[..3]), (2, 3, &lanes[3..])] {
        let sum = horner_step(view.cell(from), &powers, lanes);
        for (sum, value) in sum.into_iter().zip(view.cell(to)) {
            builder.assert_zero(on_a.dup() * (value.dup() - sum));
        }
    }

    let beta = view.next_cell(1);
    let square = ext_mul(beta, beta);
    let lanes: [AB::Expr; 2] =
        [(THREE, 6), (TAG, 7)].map(|(absorbed, lane)| view.prep(absorbed) * input_before[lane].dup());
    let sum = horner_step(view.next_cell(3), &[beta, &square[..]], &lanes);
    let on_b = view.prep(HORNER_B);
    for (sum, value) in sum.into_iter().zip(view.cell(3)) {
        builder.assert_zero(on_b.dup() * (value.dup() - sum));
    }
}

/// A half of a state in two cells, the first at `slot`.
fn eval_half<AB: InteractionBuilder<F = F>>(
    builder: &mut AB,
    view: &View<AB::Expr>,
    flag: usize,
    slot: usize,
    half: &[AB::Expr],
) {
    let flag = view.prep(flag);
    for (value, expected) in view.cell(slot).iter().zip(&half[..DEGREE]) {
        builder.assert_zero(flag.dup() * (value.dup() - expected.dup()));
    }
    for (limb, value) in view.cell(slot + 1).iter().enumerate() {
        let difference = if limb < UPPER { value.dup() - half[DEGREE + limb].dup() } else { value.dup() };
        builder.assert_zero(flag.dup() * difference);
    }
}

fn eval_wires<AB: InteractionBuilder<F = F>>(
    builder: &mut AB,
    view: &View<AB::Expr>,
    input_before: &[AB::Expr; STATE],
) {
    eval_half(builder, view, LEFT, 0, &input_before[..LIMBS]);
    eval_half(builder, view, RIGHT, 2, &input_before[LIMBS..]);
    eval_half(builder, view, OUT, 0, &view.row[M..M + LIMBS]);
}

fn eval_alu<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>) {
    let product = ext_mul(view.cell(0), view.cell(1));
    let alu = view.prep(ALU);
    for (product, (c, d)) in product.into_iter().zip(view.cell(2).iter().zip(view.cell(3))) {
        builder.assert_zero(alu.dup() * (product + c.dup() - d.dup()));
    }
}

fn eval_bits<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>) {
    let flag = view.prep(BITS);
    let (last, high, gamma) = (view.prep(LAST), view.prep(HIGH), view.prep(GAMMA));
    let more = AB::Expr::ONE - last.dup();
    let low = more.dup() - high.dup();
    let [v, bit, x, ones] = std::array::from_fn(|slot| view.cell(slot)[0].dup());
    let [v_next, _, x_next, ones_next] = std::array::from_fn(|slot| view.next_cell(slot)[0].dup());
    builder.assert_zero(flag.dup() * (bit.square() - bit.dup()));
    builder.assert_zero(flag.dup() * (v - bit.dup() - more.dup() * v_next.double()));
    builder.assert_zero(
        flag.dup()
            * (last.dup() * (ones.dup() - bit.dup())
                + high * (ones.dup() - bit.dup() * ones_next.dup())
                + low.dup() * (ones.dup() - ones_next)),
    );
    builder.assert_zero(flag.dup() * low * ones * bit.dup());
    builder.assert_zero(flag.dup() * (x - x_next * (more + gamma * bit) - last));
    for slot in 0..SLOTS - 1 {
        for value in &view.cell(slot)[1..] {
            builder.assert_zero(flag.dup() * value.dup());
        }
    }
}

fn eval_window<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>) {
    let flag = view.prep(WINDOW);
    let source: Vec<&AB::Expr> = view.cell(0).iter().chain(&view.cell(1)[..UPPER]).chain(view.cell(2)).collect();
    for (limb, value) in view.cell(3).iter().enumerate() {
        let mut sum = view.prep(Z) * source[limb].dup();
        for k in 1..LIMBS {
            sum += view.prep(Z + k) * source[k + limb].dup();
        }
        let sum = match limb {
            0 => sum,
            1..UPPER => view.prep(THREE) * sum,
            _ => view.prep(TAG) * sum,
        };
        builder.assert_zero(flag.dup() * (value.dup() - sum));
    }
}

fn eval_constant<AB: InteractionBuilder<F = F>>(builder: &mut AB, view: &View<AB::Expr>) {
    let publics: Vec<AB::Expr> = builder.public_values().iter().map(|value| (*value).into()).collect();
    let flag = view.prep(CONSTANT);
    let bits: [AB::Expr; 3] = std::array::from_fn(|bit| view.prep(GROUP + bit));
    let groups: Vec<AB::Expr> = (1..=2 * super::NARROW_PUBLIC_WORDS)
        .map(|group| {
            let factor = |bit: usize| {
                if group >> bit & 1 == 1 { bits[bit].dup() } else { AB::Expr::ONE - bits[bit].dup() }
            };
            factor(0) * factor(1) * factor(2)
        })
        .collect();
    for (limb, value) in view.cell(3).iter().enumerate() {
        let mut sum = view.prep(Z + limb);
        for (group, is_group) in groups.iter().enumerate() {
            let (word, upper) = (group / 2, group % 2 == 1);
            let public = match (upper, limb) {
                (false, limb) => word * LIMBS + limb,
                (true, 0..UPPER) => word * LIMBS + DEGREE + limb,
                _ => continue,
            };
            // The last word is a base element: its other limbs are zero.
            if let Some(public) = publics.get(public) {
                sum += is_group.dup() * public.dup();
            }
        }
        builder.assert_zero(flag.dup() * (value.dup() - sum));
    }
}
