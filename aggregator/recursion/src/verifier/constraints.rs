//! Constraints at the out-of-domain point: does the committed quotient match?
//!
//! For each table with trace domain H of size n, generator h:
//!
//! ```text
//! Z(zeta)      = zeta^n - 1
//! first row    = Z / (zeta - 1)      last row = Z / (zeta - 1/h)      transition = zeta - 1/h
//! C            = constraints of the table and of its lookups, Horner-folded by the constraint challenge
//! Q            = sum over chunks i of  q_i * prod_{j != i} Z_j(zeta) / Z_j(s_i),   Z_j(x) = (x / s_j)^n - 1
//! C            = Q * Z
//! ```
//!
//! with s_i = g * w^i the shift of chunk i (g the field's generator, w the generator of order 2^chunks * n) and q_i and the
//! LogUp columns recomposed from their 5 base columns. A value that the graph negates is kept with its sign, so that
//! negation costs nothing and a product and the sum it enters are one operation.

use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, TwoAdicField};
use sinter_circuit::{Base, Builder, Ext};
use sinter_program::dag::{ExtDag, ExtNode, Row};
use sinter_program::field::EXTENSION_DEGREE;
use sinter_program::{EF, F};

use crate::layout::TableShape;

/// What a table's constraints read.
#[derive(Clone, Debug)]
pub struct TableValues {
    /// Main row and next row.
    pub main: [Vec<Ext>; 2],
    /// Preprocessed row and next row.
    pub preprocessed: [Vec<Ext>; 2],
    /// Flattened permutation row and next row.
    pub permutation: [Vec<Ext>; 2],
    /// Flattened quotient chunks.
    pub quotient: Vec<Vec<Ext>>,
    /// Public values.
    pub publics: Vec<Base>,
    /// Terminal of a table that is on a bus.
    pub terminal: Option<Ext>,
}

/// Challenges that the constraints read.
#[derive(Clone, Debug)]
pub struct ConstraintChallenges {
    /// Folds constraints.
    pub alpha: Ext,
    /// The out-of-domain point.
    pub zeta: Ext,
    /// LogUp's tuple challenge, where any table is on a bus.
    pub beta: Option<Ext>,
    /// Offset of each bus.
    pub bus_prefixes: Vec<Ext>,
}

/// A value up to its sign.
#[derive(Clone, Copy, Debug)]
struct Signed {
    value: Ext,
    negative: bool,
}

impl Signed {
    const fn positive(value: Ext) -> Self {
        Self { value, negative: false }
    }
}

/// a·b + c, one operation whatever the signs.
fn fused(b: &mut Builder, left: Signed, right: Signed, addend: Signed) -> Signed {
    let negative = left.negative != right.negative;
    if negative == addend.negative {
        Signed { value: b.mul_add(left.value, right.value, addend.value), negative }
    } else {
        Signed { value: b.mul_sub_from(addend.value, left.value, right.value), negative: addend.negative }
    }
}

/// An extension element from its 5 coefficients, themselves extension elements: Σ cᵢ·Xⁱ.
pub fn recompose(b: &mut Builder, coefficients: &[Ext]) -> Ext {
    let mut value = coefficients[0];
    for (i, &coefficient) in coefficients.iter().enumerate().skip(1) {
        let basis = EF::from_basis_coefficients_fn(|j| if i == j { F::ONE } else { F::ZERO });
        let basis = b.constant(basis);
        value = b.mul_add(coefficient, basis, value);
    }
    value
}

/// The selectors of one trace domain.
struct Selectors {
    vanishing: Ext,
    zeta_n: Ext,
    zeta: Ext,
    generator_inverse: F,
    first: Option<Signed>,
    last: Option<Signed>,
    transition: Option<Signed>,
}

impl Selectors {
    fn new(b: &mut Builder, zeta: Ext, log_height: usize) -> Self {
        let zeta_n = b.power(zeta, 1 << log_height);
        let minus_one = b.constant_base(F::NEG_ONE);
        let vanishing = b.add(zeta_n, minus_one);
        let generator_inverse = F::two_adic_generator(log_height).inverse();
        Self { vanishing, zeta_n, zeta, generator_inverse, first: None, last: None, transition: None }
    }

    fn distance(&self, b: &mut Builder, point: F) -> Ext {
        let minus = b.constant_base(-point);
        b.add(self.zeta, minus)
    }

    fn first(&mut self, b: &mut Builder) -> Signed {
        *self.first.get_or_insert_with(|| {
            let minus_one = b.constant_base(F::NEG_ONE);
            let distance = b.add(self.zeta, minus_one);
            Signed::positive(b.div(self.vanishing, distance))
        })
    }

    fn transition(&mut self, b: &mut Builder) -> Signed {
        if let Some(known) = self.transition {
            return known;
        }
        let value = Signed::positive(self.distance(b, self.generator_inverse));
        self.transition = Some(value);
        value
    }

    fn last(&mut self, b: &mut Builder) -> Signed {
        if let Some(known) = self.last {
            return known;
        }
        let distance = self.transition(b).value;
        let value = Signed::positive(b.div(self.vanishing, distance));
        self.last = Some(value);
        value
    }
}

/// Asserts that a table's quotient matches its constraints.
pub fn check(
    b: &mut Builder,
    table: &TableShape,
    dag: &ExtDag,
    values: &TableValues,
    challenges: &ConstraintChallenges,
) {
    b.set_label("constraints");
    let mut selectors = Selectors::new(b, challenges.zeta, table.log_height);
    let folded = fold(b, dag, values, challenges, &mut selectors);
    let quotient = quotient(b, table, &values.quotient, selectors.zeta_n);
    let zero = b.zero();
    if folded.negative {
        b.assert_mul_add(quotient, selectors.vanishing, folded.value, zero);
    } else {
        b.assert_mul_add(quotient, selectors.vanishing, zero, folded.value);
    }
}

/// The quotient at zeta, from its chunks.
fn quotient(b: &mut Builder, table: &TableShape, chunks: &[Vec<Ext>], zeta_n: Ext) -> Ext {
    let log_order = table.log_height + table.log_chunks;
    let shifts: Vec<F> =
        F::two_adic_generator(log_order).powers().take(table.chunks()).map(|power| F::GENERATOR * power).collect();
    let vanishing = |j: usize, x: F| (x * shifts[j].inverse()).exp_power_of_2(table.log_height) - F::ONE;
    let minus_one = b.constant_base(F::NEG_ONE);
    let at_zeta: Vec<Ext> = shifts
        .iter()
        .map(|shift| {
            let scale = b.constant_base(shift.exp_power_of_2(table.log_height).inverse());
            if table.chunks() == 1 { zeta_n } else { b.mul_add(zeta_n, scale, minus_one) }
        })
        .collect();
    let mut total: Option<Ext> = None;
    for (i, chunk) in chunks.iter().enumerate() {
        let mut term = recompose(b, chunk);
        let mut scale = F::ONE;
        for j in (0..chunks.len()).filter(|&j| j != i) {
            term = b.mul(term, at_zeta[j]);
            scale *= vanishing(j, shifts[i]).inverse();
        }
        let scale = b.constant_base(scale);
        let addend = total.unwrap_or_else(|| Ext::from(b.zero()));
        total = Some(b.mul_add(term, scale, addend));
    }
    total.unwrap_or_else(|| Ext::from(b.zero()))
}

/// All constraints of a table, folded.
fn fold(
    b: &mut Builder,
    dag: &ExtDag,
    values: &TableValues,
    challenges: &ConstraintChallenges,
    selectors: &mut Selectors,
) -> Signed {
    let permutation: [Vec<Ext>; 2] = [0, 1]
        .map(|row| values.permutation[row].chunks_exact(EXTENSION_DEGREE).map(|chunk| recompose(b, chunk)).collect());
    let nodes = dag.nodes();
    let mut uses = vec![0u32; nodes.len()];
    for node in nodes {
        if let ExtNode::Add(x, y) | ExtNode::Sub(x, y) | ExtNode::Mul(x, y) = *node {
            uses[x as usize] += 1;
            uses[y as usize] += 1;
        } else if let ExtNode::Neg(x) = *node {
            uses[x as usize] += 1;
        }
    }
    for &root in dag.constraints() {
        uses[root as usize] += 1;
    }
    let row_of = |row: Row| usize::from(row == Row::Next);
    // A product used once is not computed by itself but with the sum that it enters.
    let mut pending: Vec<Option<(Signed, Signed)>> = vec![None; nodes.len()];
    let mut known: Vec<Option<Signed>> = vec![None; nodes.len()];
    let zero = Ext::from(b.zero());
    for (id, node) in nodes.iter().enumerate() {
        let value = match *node {
            ExtNode::Constant(value) => Signed::positive(b.constant(value)),
            ExtNode::Main { row, column } => Signed::positive(values.main[row_of(row)][column as usize]),
            ExtNode::Preprocessed { row, column } => {
                Signed::positive(values.preprocessed[row_of(row)][column as usize])
            }
            ExtNode::Permutation { row, column } => Signed::positive(permutation[row_of(row)][column as usize]),
            ExtNode::Public(index) => Signed::positive(values.publics[index as usize].into()),
            ExtNode::Beta => Signed::positive(challenges.beta.unwrap_or(zero)),
            ExtNode::BusPrefix(bus) => Signed::positive(challenges.bus_prefixes[bus as usize]),
            ExtNode::Terminal => Signed::positive(values.terminal.unwrap_or(zero)),
            ExtNode::IsFirstRow => selectors.first(b),
            ExtNode::IsLastRow => selectors.last(b),
            ExtNode::IsTransition => selectors.transition(b),
            ExtNode::Neg(x) => {
                let x = settle(b, &mut pending, &mut known, x as usize, zero);
                Signed { value: x.value, negative: !x.negative }
            }
            ExtNode::Mul(x, y) => {
                let x = settle(b, &mut pending, &mut known, x as usize, zero);
                let y = settle(b, &mut pending, &mut known, y as usize, zero);
                if uses[id] == 1 {
                    pending[id] = Some((x, y));
                    continue;
                }
                fused(b, x, y, Signed { value: zero, negative: x.negative != y.negative })
            }
            ExtNode::Add(x, y) | ExtNode::Sub(x, y) => {
                let flip = matches!(node, ExtNode::Sub(..));
                sum(b, &mut pending, &mut known, x as usize, y as usize, flip, zero)
            }
        };
        known[id] = Some(value);
    }
    let mut folded = Signed::positive(zero);
    let alpha = Signed::positive(challenges.alpha);
    for (i, &root) in dag.constraints().iter().enumerate() {
        let value = settle(b, &mut pending, &mut known, root as usize, zero);
        folded = if i == 0 { value } else { fused(b, folded, alpha, value) };
    }
    folded
}

/// The value of a node, computing a product that was put off.
fn settle(
    b: &mut Builder,
    pending: &mut [Option<(Signed, Signed)>],
    known: &mut [Option<Signed>],
    id: usize,
    zero: Ext,
) -> Signed {
    if let Some(value) = known[id] {
        return value;
    }
    let value = match pending[id].take() {
        Some((x, y)) => fused(b, x, y, Signed { value: zero, negative: x.negative != y.negative }),
        // Operands come before the node that uses them, so every node is known or pending.
        None => Signed::positive(zero),
    };
    known[id] = Some(value);
    value
}

/// x + y, or x − y where `flip`.
fn sum(
    b: &mut Builder,
    pending: &mut [Option<(Signed, Signed)>],
    known: &mut [Option<Signed>],
    x: usize,
    y: usize,
    flip: bool,
    zero: Ext,
) -> Signed {
    if let Some((left, right)) = pending[y].take() {
        let addend = settle(b, pending, known, x, zero);
        let left = Signed { value: left.value, negative: left.negative != flip };
        return fused(b, left, right, addend);
    }
    let mut addend = settle(b, pending, known, y, zero);
    addend.negative ^= flip;
    if let Some((left, right)) = pending[x].take() {
        return fused(b, left, right, addend);
    }
    let x = settle(b, pending, known, x, zero);
    let one = Signed::positive(b.one().into());
    fused(b, x, one, addend)
}
