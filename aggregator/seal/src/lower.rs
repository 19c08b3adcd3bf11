//! The constraints as operations of `Lanes.sol`, of which it is known how large their lanes become.

use std::collections::HashMap;

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32, PrimeField64};
use sinter_program::dag::{ExtNode, NodeId, Row};
use sinter_program::field::EXTENSION_DEGREE;
use sinter_program::{F, ProgramError};
use sinter_recursion::layout::{Point, Round};

use crate::evm::chunk_factors;
use crate::seal::{PUBLIC_VALUES, Seal, SealError};

/// A value: an input, a constant, or the result of an operation.
pub(crate) type Id = usize;

/// How a value comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value {
    /// The input of that number.
    Input(usize),
    /// A constant of the base field.
    Constant(F),
    /// The product of two values, the second in digits.
    Mul(Id, Id),
    /// The product of two values of which the second is reduced first.
    MulReduced(Id, Id),
    /// The sum of two values.
    Add(Id, Id),
    /// The first less the second.
    Sub(Id, Id),
    /// The value in smaller lanes.
    Reduce(Id),
    /// The product with a small number.
    Times(Id, u32),
    /// The product of the first with X, and the second added.
    Horner(Id, Id),
}

impl Value {
    pub(crate) fn operands(self) -> impl Iterator<Item = Id> {
        let operands = match self {
            Self::Input(_) | Self::Constant(_) => [None, None],
            Self::Mul(a, b) | Self::MulReduced(a, b) | Self::Add(a, b) | Self::Sub(a, b) | Self::Horner(a, b) => {
                [Some(a), Some(b)]
            }
            Self::Times(a, _) | Self::Reduce(a) => [Some(a), None],
        };
        operands.into_iter().flatten()
    }
}

/// The constraints of a seal.
pub(crate) struct Lowered {
    /// All values; an operation's operands have lower numbers than it.
    pub(crate) values: Vec<Value>,
    /// What the constraints fold to after each group of them, the last of all after all.
    pub(crate) folds: Vec<Id>,
    /// What they must fold to: (ζ^n − 1) · quotient(ζ).
    pub(crate) expected: Id,
    /// How many inputs there are.
    pub(crate) inputs: usize,
}

// What lanes may hold. The bounds are those of `Lanes.sol`, where it is said why they are enough.

pub(crate) const P: u64 = F::ORDER_U64;
/// The lanes of a product, of Montgomery's reduction by 24 bits: below p + 2^27.
const PRODUCT: u64 = P + (1 << 27) - 1;
/// What is added to the lanes of a product before its reductions, a multiple of p.
pub(crate) const BIAS: u64 = 0x61c52 * P;
/// Lanes that a value may have: one reduction makes them fit for a product, and sums are far below the lanes' 51 bits.
const LARGEST: u64 = (1 << 37) - 1;
/// Numbers that a value is multiplied by without reduction.
const SMALL: u32 = (1 << 12) - 1;

// Four products are subtracted, and BIAS - p must be at least that; six are added, to at most BIAS + 2^35.
const FACTORS: u64 = (BIAS - P) / 4;
const _: () = assert!(6 * FACTORS + BIAS + (1 << 35) < 1 << 51);
// Two reduced values can be multiplied, and one can be subtracted.
const _: () = assert!(fits(reduced(LARGEST), reduced(LARGEST)) && reduced(LARGEST) <= 2 * P && PRODUCT <= 2 * P);

/// The lanes of a value whose lanes are at most `bound`, when it is reduced.
const fn reduced(bound: u64) -> u64 {
    (1 << 31) - 1 + (bound >> 31) * ((1 << 24) - 1)
}

/// Whether values with these lanes can be multiplied; the second is taken in digits of 16 bits and what is above.
const fn fits(a: u64, b: u64) -> bool {
    let (low, high) = ((1 << 16) - 1, b >> 16);
    a * (if low > high { low } else { high }) <= FACTORS
}

/// The values under construction; equal ones are one.
#[derive(Default)]
struct Builder {
    values: Vec<Value>,
    /// What each one's lanes are at most.
    bounds: Vec<u64>,
    ids: HashMap<Value, Id>,
}

impl Builder {
    fn intern(&mut self, value: Value, bound: u64) -> Id {
        assert!(bound <= LARGEST, "{value:?} has lanes of up to {bound}");
        if let Some(&id) = self.ids.get(&value) {
            return id;
        }
        self.values.push(value);
        self.bounds.push(bound);
        self.ids.insert(value, self.values.len() - 1);
        self.values.len() - 1
    }

    fn constant(&mut self, value: F) -> Id {
        self.intern(Value::Constant(value), P - 1)
    }

    fn known(&self, id: Id) -> Option<F> {
        match self.values[id] {
            Value::Constant(value) => Some(value),
            _ => None,
        }
    }

    fn reduce(&mut self, a: Id) -> Id {
        let bound = reduced(self.bounds[a]);
        if bound >= self.bounds[a] { a } else { self.intern(Value::Reduce(a), bound) }
    }

    /// The value in lanes of at most `bound`.
    fn within(&mut self, a: Id, bound: u64) -> Id {
        if self.bounds[a] <= bound { a } else { self.reduce(a) }
    }

    fn add(&mut self, a: Id, b: Id) -> Id {
        match (self.known(a), self.known(b)) {
            (Some(a), Some(b)) => self.constant(a + b),
            (Some(F::ZERO), _) => b,
            (_, Some(F::ZERO)) => a,
            _ => {
                let (a, b) = (self.within(a, LARGEST / 2), self.within(b, LARGEST / 2));
                self.intern(Value::Add(a.min(b), a.max(b)), self.bounds[a] + self.bounds[b])
            }
        }
    }

    fn sub(&mut self, a: Id, b: Id) -> Id {
        match (self.known(a), self.known(b)) {
            (Some(a), Some(b)) => self.constant(a - b),
            (_, Some(F::ZERO)) => a,
            _ => {
                let (a, b) = (self.within(a, LARGEST / 2), self.within(b, 2 * P));
                self.intern(Value::Sub(a, b), self.bounds[a] + 2 * P)
            }
        }
    }

    fn mul(&mut self, a: Id, b: Id) -> Id {
        match (self.known(a), self.known(b)) {
            (Some(a), Some(b)) => self.constant(a * b),
            (Some(F::ZERO), _) | (_, Some(F::ONE)) => a,
            (_, Some(F::ZERO)) | (Some(F::ONE), _) => b,
            (Some(a), _) => self.scale(b, a),
            (_, Some(b)) => self.scale(a, b),
            _ => self.product(a, b),
        }
    }

    fn product(&mut self, a: Id, b: Id) -> Id {
        // That with the smaller lanes first.
        let (a, b) = if (self.bounds[a], a) <= (self.bounds[b], b) { (a, b) } else { (b, a) };
        if fits(self.bounds[a], self.bounds[b]) {
            return self.intern(Value::Mul(a, b), PRODUCT);
        }
        let again = self.ids.get(&Value::Reduce(b)).copied();
        if let Some(b) = again.filter(|&b| fits(self.bounds[a], self.bounds[b])) {
            return self.intern(Value::Mul(a, b), PRODUCT);
        }
        if a != b && fits(self.bounds[a], reduced(self.bounds[b])) {
            return self.intern(Value::MulReduced(a, b), PRODUCT);
        }
        let a = self.reduce(a);
        let b = self.reduce(b);
        self.intern(Value::Mul(a.min(b), a.max(b)), PRODUCT)
    }

    fn scale(&mut self, a: Id, by: F) -> Id {
        let number = by.as_canonical_u32();
        let negative = (-by).as_canonical_u32();
        if number <= SMALL && self.bounds[a] * u64::from(number) <= LARGEST / 2 {
            return match number {
                0 => self.constant(F::ZERO),
                1 => a,
                _ => self.intern(Value::Times(a, number), self.bounds[a] * u64::from(number)),
            };
        }
        if negative == 1 {
            let zero = self.constant(F::ZERO);
            return self.sub(zero, a);
        }
        let by = self.constant(by);
        self.product(a, by)
    }

    fn power(&mut self, a: Id, exponent: usize) -> Id {
        let one = self.constant(F::ONE);
        (0..exponent).fold(one, |product, _| self.mul(product, a))
    }

    /// The element whose coefficients are these values, by Horner.
    fn recompose(&mut self, coefficients: impl DoubleEndedIterator<Item = Id>) -> Id {
        let mut coefficients = coefficients.rev();
        let first = coefficients.next().expect("an element with coefficients");
        coefficients.fold(first, |sum, coefficient| {
            let sum = self.within(sum, 2 * P);
            let coefficient = self.within(coefficient, LARGEST / 2);
            let bound = reduced(self.bounds[sum] + self.bounds[coefficient] + 2 * P);
            self.intern(Value::Horner(sum, coefficient), bound)
        })
    }
}

/// The inputs, in their order: see [`crate::evm`]. The lanes of each are at most those of a product.
struct Inputs {
    main: [Vec<Id>; 2],
    preprocessed: [Vec<Id>; 2],
    /// Coordinates of all columns.
    permutation: [Vec<Id>; 2],
    chunks: Vec<Vec<Id>>,
    public_values: Vec<Id>,
    lookup_alpha: Id,
    lookup_beta: Id,
    alpha: Id,
    is_first: Id,
    is_last: Id,
    is_transition: Id,
    vanishing: Id,
    count: usize,
}

impl Inputs {
    fn new(seal: &Seal, builder: &mut Builder) -> Self {
        let layout = seal.layout();
        let mut next = 0;
        let mut take = |count: usize| -> Vec<Id> {
            let ids = (next..next + count).map(|input| builder.intern(Value::Input(input), PRODUCT)).collect();
            next += count;
            ids
        };
        let openings: Vec<Vec<Id>> = layout.openings.iter().map(|opening| take(opening.width)).collect();
        let public_values = take(PUBLIC_VALUES);
        let points = take(7);
        let opened = |round: Round, chunk: usize, point: Point| {
            layout.opening(round, 0, chunk, point).map(|opening| openings[opening].clone()).unwrap_or_default()
        };
        let both = |round: Round| [Point::Zeta, Point::Next].map(|point| opened(round, 0, point));
        let chunks = 0..1 << seal.table().log_quotient_chunks;
        Self {
            main: both(Round::Main),
            preprocessed: both(Round::Preprocessed),
            permutation: both(Round::Permutation),
            chunks: chunks.map(|chunk| opened(Round::Quotient, chunk, Point::Zeta)).collect(),
            public_values,
            lookup_alpha: points[0],
            lookup_beta: points[1],
            alpha: points[2],
            is_first: points[3],
            is_last: points[4],
            is_transition: points[5],
            vanishing: points[6],
            count: next,
        }
    }
}

/// The quotient at ζ from its chunks.
fn quotient(seal: &Seal, builder: &mut Builder, inputs: &Inputs) -> Id {
    let one = builder.constant(F::ONE);
    let power = builder.add(inputs.vanishing, one);
    let factors = chunk_factors(seal.table().log_height, seal.table().log_quotient_chunks);
    let zeros: Vec<Id> = factors
        .iter()
        .map(|&(shift, _)| {
            let scaled = builder.scale(power, shift);
            builder.sub(scaled, one)
        })
        .collect();
    let mut sum = builder.constant(F::ZERO);
    for (i, (chunk, &(_, factor))) in inputs.chunks.iter().zip(&factors).enumerate() {
        let chunk = builder.recompose(chunk.iter().copied());
        let mut product = builder.scale(chunk, factor);
        for (_, &zero) in zeros.iter().enumerate().filter(|&(j, _)| j != i) {
            product = builder.mul(product, zero);
        }
        sum = builder.add(sum, product);
    }
    sum
}

/// Lower a seal's constraints.
pub(crate) fn lower(seal: &Seal) -> Result<Lowered, SealError> {
    let mut builder = Builder::default();
    let inputs = Inputs::new(seal, &mut builder);
    let permutation = [0, 1].map(|row: usize| -> Vec<Id> {
        let columns = inputs.permutation[row].chunks(EXTENSION_DEGREE);
        columns.map(|column| builder.recompose(column.iter().copied())).collect()
    });
    let bus_power = builder.power(inputs.lookup_beta, seal.shape().message_width);
    let dag = seal.program().with_lookups(0).map_err(|source| ProgramError::Air { table: 0, source })?;
    let mut ids: Vec<Id> = Vec::with_capacity(dag.nodes().len());
    let row = |row: Row| usize::from(row == Row::Next);
    for node in dag.nodes() {
        let at = |id: u32| ids[id as usize];
        let id = match *node {
            ExtNode::Constant(value) => {
                let coefficients: &[F] = value.as_basis_coefficients_slice();
                let coefficients: Vec<Id> = coefficients.iter().map(|&c| builder.constant(c)).collect();
                // Constants of the base field, but for what LogUp might have.
                let degree = coefficients.iter().rposition(|&c| builder.known(c) != Some(F::ZERO)).map_or(1, |i| i + 1);
                builder.recompose(coefficients.into_iter().take(degree))
            }
            ExtNode::Main { row: r, column } => inputs.main[row(r)][column as usize],
            ExtNode::Preprocessed { row: r, column } => inputs.preprocessed[row(r)][column as usize],
            ExtNode::Permutation { row: r, column } => permutation[row(r)][column as usize],
            ExtNode::Public(index) => inputs.public_values[index as usize],
            ExtNode::Beta => inputs.lookup_beta,
            ExtNode::BusPrefix(bus) => {
                let times = builder.scale(bus_power, F::from_u32(bus + 1));
                builder.add(inputs.lookup_alpha, times)
            }
            // Of a single table, which is alone in the sum that must be zero.
            ExtNode::Terminal => builder.constant(F::ZERO),
            ExtNode::IsFirstRow => inputs.is_first,
            ExtNode::IsLastRow => inputs.is_last,
            ExtNode::IsTransition => inputs.is_transition,
            ExtNode::Add(a, b) => builder.add(at(a), at(b)),
            ExtNode::Sub(a, b) => builder.sub(at(a), at(b)),
            ExtNode::Mul(a, b) => builder.mul(at(a), at(b)),
            ExtNode::Neg(a) => {
                let zero = builder.constant(F::ZERO);
                builder.sub(zero, at(a))
            }
        };
        ids.push(id);
    }
    let factors = |root: NodeId| match dag.nodes()[root as usize] {
        ExtNode::Mul(a, b) => Some([a, b]),
        _ => None,
    };
    let mut folds = Vec::new();
    let mut folded = builder.constant(F::ZERO);
    let mut constraints = dag.constraints();
    while !constraints.is_empty() {
        let (factor, count) = shared_factor(constraints, factors);
        let (group, rest) = constraints.split_at(count);
        let mut sum = builder.constant(F::ZERO);
        for &root in group {
            // Without the factor, of which it is sure that it is one.
            let cofactor = factor.and_then(|s| factors(root).map(|[a, b]| if a == s { b } else { a }));
            sum = builder.mul(sum, inputs.alpha);
            sum = builder.add(sum, ids[cofactor.unwrap_or(root) as usize]);
        }
        if let Some(factor) = factor {
            sum = builder.mul(sum, ids[factor as usize]);
        }
        let power = builder.power(inputs.alpha, count);
        folded = builder.mul(folded, power);
        folded = builder.add(folded, sum);
        folds.push(folded);
        constraints = rest;
    }
    let quotient = quotient(seal, &mut builder, &inputs);
    let expected = builder.mul(inputs.vanishing, quotient);
    Ok(Lowered { values: builder.values, folds, expected, inputs: inputs.count })
}

/// The factor that the most of the first constraints have in common, and how many have it: it is multiplied with once.
/// None, and one constraint, when the first two have none in common.
fn shared_factor(constraints: &[NodeId], factors: impl Fn(NodeId) -> Option<[NodeId; 2]>) -> (Option<NodeId>, usize) {
    let has = |root: &NodeId, s: NodeId| factors(*root).is_some_and(|factors| factors.contains(&s));
    let candidates = constraints.first().and_then(|&first| factors(first)).into_iter().flatten();
    let counted = candidates.map(|s| (constraints.iter().take_while(|root| has(root, s)).count(), s));
    match counted.max() {
        Some((count, factor)) if count > 1 => (Some(factor), count),
        _ => (None, 1),
    }
}
