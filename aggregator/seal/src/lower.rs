//! The constraints as a straight list of operations on slots.

use std::collections::HashMap;

use p3_field::Field as _;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, TwoAdicField};
use sinter_program::dag::{ExtNode, Row};
use sinter_program::field::EXTENSION_DEGREE;
use sinter_program::{F, ProgramError};
use sinter_recursion::layout::{Point, Round};

use crate::evm::{FIRST_SLOT, SLOTS_MAX, chunk_factors};
use crate::seal::{PUBLIC_VALUES, Seal, SealError};

/// A value: an input, a constant, or the result of an operation.
type Id = usize;

/// How a value comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Value {
    /// The input of that number.
    Input(usize),
    /// A constant of the base field.
    Constant(F),
    /// The product of two values.
    Mul(Id, Id),
    /// The sum of two values.
    Add(Id, Id),
    /// The first less the second.
    Sub(Id, Id),
    /// The product with a value of the base field.
    Scale(Id, Id),
    /// The product with X.
    MulX(Id),
    /// The inverse.
    Inverse(Id),
}

/// An operation of the contract's interpreter. Codes are those of `SealConstraints.sol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    code: u8,
    to: usize,
    a: usize,
    b: usize,
}

impl Operation {
    /// Its five bytes.
    pub(crate) const fn encode(self) -> [u8; 5] {
        let word = (self.code as u64) << 36 | (self.to as u64) << 24 | (self.a as u64) << 12 | self.b as u64;
        let [_, _, _, bytes @ ..] = word.to_be_bytes();
        bytes
    }
}

/// The constraints as the contract runs them.
pub(crate) struct Lowered {
    pub(crate) constants: Vec<F>,
    pub(crate) operations: Vec<Operation>,
    /// One more than the highest slot.
    pub(crate) slots: usize,
    /// The slot that must be zero in the end.
    pub(crate) result: usize,
}

/// The values under construction; equal ones are one.
#[derive(Default)]
struct Builder {
    values: Vec<Value>,
    base: Vec<bool>,
    ids: HashMap<Value, Id>,
}

impl Builder {
    fn intern(&mut self, value: Value, base: bool) -> Id {
        if let Some(&id) = self.ids.get(&value) {
            return id;
        }
        self.values.push(value);
        self.base.push(base);
        self.ids.insert(value, self.values.len() - 1);
        self.values.len() - 1
    }

    fn constant(&mut self, value: F) -> Id {
        self.intern(Value::Constant(value), true)
    }

    fn known(&self, id: Id) -> Option<F> {
        match self.values[id] {
            Value::Constant(value) => Some(value),
            _ => None,
        }
    }

    fn add(&mut self, a: Id, b: Id) -> Id {
        match (self.known(a), self.known(b)) {
            (Some(a), Some(b)) => self.constant(a + b),
            (Some(F::ZERO), _) => b,
            (_, Some(F::ZERO)) => a,
            _ => self.intern(Value::Add(a.min(b), a.max(b)), self.base[a] && self.base[b]),
        }
    }

    fn sub(&mut self, a: Id, b: Id) -> Id {
        match (self.known(a), self.known(b)) {
            (Some(a), Some(b)) => self.constant(a - b),
            (_, Some(F::ZERO)) => a,
            _ => self.intern(Value::Sub(a, b), self.base[a] && self.base[b]),
        }
    }

    fn mul(&mut self, a: Id, b: Id) -> Id {
        match (self.known(a), self.known(b)) {
            (Some(a), Some(b)) => self.constant(a * b),
            (Some(F::ZERO), _) | (_, Some(F::ONE)) => a,
            (_, Some(F::ZERO)) | (Some(F::ONE), _) => b,
            _ if self.base[b] => self.intern(Value::Scale(a, b), self.base[a]),
            _ if self.base[a] => self.intern(Value::Scale(b, a), false),
            _ => self.intern(Value::Mul(a.min(b), a.max(b)), false),
        }
    }

    fn scale(&mut self, a: Id, by: F) -> Id {
        let by = self.constant(by);
        self.mul(a, by)
    }

    fn power(&mut self, a: Id, exponent: usize) -> Id {
        let one = self.constant(F::ONE);
        (0..exponent).fold(one, |product, _| self.mul(product, a))
    }

    /// The element whose coefficients are these values, by Horner.
    fn recompose(&mut self, coefficients: impl DoubleEndedIterator<Item = Id>) -> Id {
        let zero = self.constant(F::ZERO);
        coefficients.rev().fold(zero, |sum, coefficient| {
            let times_x = if sum == zero { zero } else { self.intern(Value::MulX(sum), false) };
            self.add(times_x, coefficient)
        })
    }
}

/// The inputs, in the order of their slots.
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
    zeta: Id,
}

impl Inputs {
    fn new(seal: &Seal, builder: &mut Builder) -> Self {
        let layout = seal.layout();
        let mut next = 0;
        let mut take = |count: usize, base: bool| -> Vec<Id> {
            let ids = (next..next + count).map(|input| builder.intern(Value::Input(input), base)).collect();
            next += count;
            ids
        };
        let openings: Vec<Vec<Id>> = layout.openings.iter().map(|opening| take(opening.width, false)).collect();
        let public_values = take(PUBLIC_VALUES, true);
        let challenges = take(4, false);
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
            lookup_alpha: challenges[0],
            lookup_beta: challenges[1],
            alpha: challenges[2],
            zeta: challenges[3],
        }
    }
}

/// The selectors of first row, last row and transitions, unnormalised as stock has them, and the vanishing polynomial.
fn selectors(seal: &Seal, builder: &mut Builder, zeta: Id) -> [Id; 4] {
    let log_height = seal.table().log_height;
    let power = (0..log_height).fold(zeta, |power, _| builder.mul(power, power));
    let one = builder.constant(F::ONE);
    let last_point = builder.constant(F::two_adic_generator(log_height).inverse());
    let vanishing = builder.sub(power, one);
    let from_first = builder.sub(zeta, one);
    let from_last = builder.sub(zeta, last_point);
    let both = builder.mul(from_first, from_last);
    let inverse = builder.intern(Value::Inverse(both), false);
    let over_both = builder.mul(vanishing, inverse);
    [builder.mul(over_both, from_last), builder.mul(over_both, from_first), from_last, vanishing]
}

/// The quotient at ζ from its chunks.
fn quotient(seal: &Seal, builder: &mut Builder, inputs: &Inputs, vanishing: Id) -> Id {
    let one = builder.constant(F::ONE);
    let power = builder.add(vanishing, one);
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
    let [is_first, is_last, is_transition, vanishing] = selectors(seal, &mut builder, inputs.zeta);
    let permutation = [0, 1].map(|row: usize| -> Vec<Id> {
        let columns = inputs.permutation[row].chunks(EXTENSION_DEGREE);
        columns.map(|column| builder.recompose(column.iter().copied())).collect()
    });
    let bus_power = builder.power(inputs.lookup_beta, seal.shape().message_width);
    let dag = seal.program().with_lookups(0).map_err(|source| ProgramError::Air { table: 0, source })?;
    let mut ids: Vec<Id> = Vec::with_capacity(dag.nodes().len());
    let mut folded = builder.constant(F::ZERO);
    let mut roots = dag.constraints().iter().copied().peekable();
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
            ExtNode::IsFirstRow => is_first,
            ExtNode::IsLastRow => is_last,
            ExtNode::IsTransition => is_transition,
            ExtNode::Add(a, b) => builder.add(at(a), at(b)),
            ExtNode::Sub(a, b) => builder.sub(at(a), at(b)),
            ExtNode::Mul(a, b) => builder.mul(at(a), at(b)),
            ExtNode::Neg(a) => {
                let zero = builder.constant(F::ZERO);
                builder.sub(zero, at(a))
            }
        };
        ids.push(id);
        // As soon as a constraint is there it is folded, so that few values are held at a time.
        while let Some(root) = roots.next_if(|&root| (root as usize) < ids.len()) {
            let times = builder.mul(folded, inputs.alpha);
            folded = builder.add(times, ids[root as usize]);
        }
    }
    let quotient = quotient(seal, &mut builder, &inputs, vanishing);
    let divided = builder.mul(vanishing, quotient);
    let result = builder.sub(folded, divided);
    allocate(&builder, result)
}

/// Give every value that the result needs a slot, reusing those of values that are needed no more.
fn allocate(builder: &Builder, result: Id) -> Result<Lowered, SealError> {
    let operands = |id: Id| -> [Option<Id>; 2] {
        match builder.values[id] {
            Value::Input(_) | Value::Constant(_) => [None, None],
            Value::Mul(a, b) | Value::Add(a, b) | Value::Sub(a, b) | Value::Scale(a, b) => [Some(a), Some(b)],
            Value::MulX(a) | Value::Inverse(a) => [Some(a), None],
        }
    };
    // The operation that needs a value last; none needs the values that the result does not.
    let mut last = vec![None; builder.values.len()];
    last[result] = Some(usize::MAX);
    for id in (0..builder.values.len()).rev().filter(|&id| id <= result) {
        if last[id].is_some() {
            operands(id).into_iter().flatten().for_each(|operand| last[operand] = last[operand].or(Some(id)));
        }
    }
    let inputs = builder.values.iter().filter(|value| matches!(value, Value::Input(_))).count();
    let mut constants = Vec::new();
    let mut slots = vec![0; builder.values.len()];
    let mut free = Vec::new();
    for (id, value) in builder.values.iter().enumerate() {
        let slot = match *value {
            Value::Input(input) => FIRST_SLOT + input,
            Value::Constant(constant) if last[id].is_some() => {
                constants.push(constant);
                FIRST_SLOT + inputs + constants.len() - 1
            }
            _ => continue,
        };
        slots[id] = slot;
        if last[id].is_none() {
            free.push(slot);
        }
    }
    let mut count = FIRST_SLOT + inputs + constants.len();
    let mut operations = Vec::new();
    for id in 0..=result {
        let [a, b] = operands(id);
        let (Some(a), Some(_)) = (a, last[id]) else { continue };
        // The interpreter reads its operands before it writes, so one of their slots may be the destination.
        let mut ending: Vec<Id> = [Some(a), b].into_iter().flatten().filter(|&x| last[x] == Some(id)).collect();
        ending.dedup();
        free.extend(ending.into_iter().map(|x| slots[x]));
        slots[id] = free.pop().unwrap_or_else(|| {
            count += 1;
            count - 1
        });
        let code = match builder.values[id] {
            Value::Mul(..) => 0,
            Value::Add(..) => 1,
            Value::Sub(..) => 2,
            Value::Scale(..) => 3,
            Value::MulX(_) => 4,
            Value::Inverse(_) | Value::Input(_) | Value::Constant(_) => 5,
        };
        // Both operands are read, so that of one that there is not is any slot.
        operations.push(Operation { code, to: slots[id], a: slots[a], b: slots[b.unwrap_or(a)] });
    }
    if count > SLOTS_MAX {
        return Err(SealError::Size { what: "slots", max: SLOTS_MAX, got: count });
    }
    Ok(Lowered { constants, operations, slots: count, result: slots[result] })
}
