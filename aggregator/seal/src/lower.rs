//! The constraints as a straight list of operations on slots.

use std::collections::HashMap;

use p3_field::Field as _;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32, PrimeField64, TwoAdicField};
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
    /// The inverse.
    Inverse(Id),
}

impl Value {
    /// The code of its operation in `SealConstraints.sol`.
    const fn code(self) -> u8 {
        match self {
            Self::Mul(..) => 0,
            Self::Add(..) => 1,
            Self::Sub(..) => 2,
            Self::MulReduced(..) => 3,
            Self::Reduce(_) => 5,
            Self::Times(..) => 6,
            Self::Horner(..) => 7,
            Self::Inverse(_) | Self::Input(_) | Self::Constant(_) => 8,
        }
    }

    const fn operands(self) -> [Option<Id>; 2] {
        match self {
            Self::Input(_) | Self::Constant(_) => [None, None],
            Self::Mul(a, b) | Self::MulReduced(a, b) | Self::Add(a, b) | Self::Sub(a, b) | Self::Horner(a, b) => {
                [Some(a), Some(b)]
            }
            Self::Times(a, _) | Self::Reduce(a) | Self::Inverse(a) => [Some(a), None],
        }
    }
}

/// The code of an operation that folds a constraint, and has no destination.
const FOLD: u8 = 4;
/// The codes of operations, and the longest run of one.
const CODES: usize = 9;
const RUN_MAX: usize = (1 << 12) - 1;

/// The constraints as the contract runs them.
pub(crate) struct Lowered {
    /// In Montgomery form.
    pub(crate) constants: Vec<F>,
    /// The runs of operations, as bytes.
    pub(crate) operations: Vec<u8>,
    /// One more than the highest slot.
    pub(crate) slots: usize,
    /// The slot that must hold in the end what the constraints fold to.
    pub(crate) result: usize,
}

// What lanes may hold. The bounds are those of `Lanes.sol`, where it is said why they are enough.

const P: u64 = F::ORDER_U64;
/// The lanes of a product, of Montgomery's reduction by 24 bits: below p + 2^27.
const PRODUCT: u64 = P + (1 << 27) - 1;
/// What is added to the lanes of a product before its reductions, a multiple of p.
const BIAS: u64 = 0x61c52 * P;
/// Lanes that a value may have: one reduction makes them fit for a product, and sums are far below the lanes' 51 bits.
const LARGEST: u64 = (1 << 37) - 1;
/// Numbers that a value is multiplied by without reduction: those that an operand has room for.
const SMALL: u32 = (1 << 12) - 1;

// Four products are subtracted, and BIAS - p must be at least that; six are added, to at most BIAS + 2^35.
const FACTORS: u64 = (BIAS - P) / 4;
const _: () = assert!(6 * FACTORS + BIAS + (1 << 35) < 1 << 51);
// Two reduced values can be multiplied, and one can be subtracted.
const _: () = assert!(fits(reduced(LARGEST), reduced(LARGEST)) && reduced(LARGEST) <= 2 * P && PRODUCT <= 2 * P);
// The fold of a constraint: the challenge's lanes are those of a product.
const _: () = assert!(fits(PRODUCT, reduced(LARGEST)));

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
        let mut take = |count: usize| -> Vec<Id> {
            let ids = (next..next + count).map(|input| builder.intern(Value::Input(input), PRODUCT)).collect();
            next += count;
            ids
        };
        let openings: Vec<Vec<Id>> = layout.openings.iter().map(|opening| take(opening.width)).collect();
        let public_values = take(PUBLIC_VALUES);
        let challenges = take(4);
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
    let inverse = builder.intern(Value::Inverse(both), PRODUCT);
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
    let mut folds = Vec::new();
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
    }
    for &root in dag.constraints() {
        // To it a product is added, before the sum is reduced.
        folds.push(builder.within(ids[root as usize], LARGEST - PRODUCT));
    }
    let quotient = quotient(seal, &mut builder, &inputs, vanishing);
    let divided = builder.mul(vanishing, quotient);
    schedule(&builder, &folds, divided, inputs.alpha)
}

/// The operations that are left to do.
struct Schedule<'a> {
    builder: &'a Builder,
    folds: &'a [Id],
    /// Of every value the operands that are not there yet, the operations that wait for it, and how often it is read yet.
    missing: Vec<usize>,
    waiting: Vec<Vec<Id>>,
    reads: Vec<usize>,
    /// The values whose operands are there, by code.
    ready: [Vec<Id>; CODES],
    there: Vec<bool>,
    folded: usize,
    slots: Vec<usize>,
    free: Vec<usize>,
    count: usize,
}

impl Schedule<'_> {
    fn arrive(&mut self, id: Id) {
        self.there[id] = true;
        for next in std::mem::take(&mut self.waiting[id]) {
            self.missing[next] -= 1;
            if self.missing[next] == 0 {
                self.ready[usize::from(self.builder.values[next].code())].push(next);
            }
        }
    }

    /// The slot of an operand, which is free when nobody reads it any more.
    fn read(&mut self, id: Id) -> usize {
        self.reads[id] -= 1;
        if self.reads[id] == 0 {
            self.free.push(self.slots[id]);
        }
        self.slots[id]
    }

    /// How many folds could be done now.
    fn foldable(&self) -> usize {
        self.folds[self.folded..].iter().take_while(|&&id| self.there[id]).count()
    }

    /// All operations of a kind that can be done now or once those are.
    fn run(&mut self, code: u8) -> Vec<[usize; 3]> {
        let mut run = Vec::new();
        while run.len() < RUN_MAX {
            if code == FOLD {
                if self.foldable() == 0 {
                    break;
                }
                let id = self.folds[self.folded];
                self.folded += 1;
                run.push([0, self.read(id), 0]);
                continue;
            }
            let Some(id) = self.ready[usize::from(code)].pop() else { break };
            let value = self.builder.values[id];
            // The interpreter reads its operands before it writes, so one of their slots may be the destination.
            let [a, b] = value.operands().map(|operand| operand.map(|operand| self.read(operand)));
            let b = if let Value::Times(_, number) = value { number as usize } else { b.unwrap_or(0) };
            self.slots[id] = self.free.pop().unwrap_or_else(|| {
                self.count += 1;
                self.count - 1
            });
            run.push([self.slots[id], a.unwrap_or(0), b]);
            self.arrive(id);
            if code == 8 {
                break;
            }
        }
        run
    }
}

/// Put the operations that are needed in an order of few and long runs, and give every value a slot, reusing those of
/// values that are needed no more.
fn schedule(builder: &Builder, folds: &[Id], result: Id, alpha: Id) -> Result<Lowered, SealError> {
    let mut reads = vec![0; builder.values.len()];
    // What the contract reads itself.
    folds.iter().chain([&result, &alpha]).for_each(|&id| reads[id] += 1);
    // An operation's operands have lower numbers than it.
    for (id, value) in builder.values.iter().enumerate().rev() {
        if reads[id] > 0 {
            value.operands().into_iter().flatten().for_each(|operand| reads[operand] += 1);
        }
    }
    let inputs = builder.values.iter().filter(|value| matches!(value, Value::Input(_))).count();
    let mut schedule = Schedule {
        builder,
        folds,
        missing: vec![0; builder.values.len()],
        waiting: vec![Vec::new(); builder.values.len()],
        reads,
        ready: Default::default(),
        there: vec![false; builder.values.len()],
        folded: 0,
        slots: vec![0; builder.values.len()],
        free: Vec::new(),
        count: 0,
    };
    let mut constants = Vec::new();
    let mut operations = 0;
    for (id, value) in builder.values.iter().enumerate() {
        let slot = match *value {
            Value::Input(input) => FIRST_SLOT + input,
            Value::Constant(constant) if schedule.reads[id] > 0 => {
                constants.push(constant * F::TWO.exp_u64(40));
                FIRST_SLOT + inputs + constants.len() - 1
            }
            _ => {
                if schedule.reads[id] > 0 {
                    operations += 1;
                    let operands = value.operands().into_iter().flatten();
                    operands.clone().for_each(|operand| schedule.waiting[operand].push(id));
                    schedule.missing[id] = operands.count();
                }
                continue;
            }
        };
        schedule.slots[id] = slot;
        if schedule.reads[id] == 0 {
            schedule.free.push(slot);
        }
    }
    schedule.count = FIRST_SLOT + inputs + constants.len();
    let given = |value: &Value| matches!(value, Value::Input(_) | Value::Constant(_));
    for (id, _) in builder.values.iter().enumerate().filter(|(_, value)| given(value)) {
        schedule.arrive(id);
    }
    let mut bytes = Vec::new();
    while operations > 0 || schedule.folded < folds.len() {
        let waiting = |&code: &u8| {
            if code == FOLD { schedule.foldable() } else { schedule.ready[usize::from(code)].len() }
        };
        let code = (0..CODES as u8).max_by_key(waiting).unwrap_or(0);
        let run = schedule.run(code);
        operations -= if code == FOLD { 0 } else { run.len() };
        bytes.extend_from_slice(&(u16::from(code) << 12 | run.len() as u16).to_be_bytes());
        for [to, a, b] in run {
            let word = (to as u64) << 27 | (a as u64) << 14 | (b as u64) << 1;
            bytes.extend_from_slice(&word.to_be_bytes()[3..]);
        }
    }
    if schedule.count > SLOTS_MAX {
        return Err(SealError::Size { what: "slots", max: SLOTS_MAX, got: schedule.count });
    }
    Ok(Lowered { constants, operations: bytes, slots: schedule.count, result: schedule.slots[result] })
}
