//! Small programs with everything in them: buses, preprocessed columns, public values, next rows, three heights.

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_batch_stark::{BatchProof, ProverData, StarkInstance, prove_batch};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::dag::DagAir;
use sinter_program::{Config, F, ParameterSet, Program, StatementLayout};

/// Fibonacci from two public values to a third.
#[derive(Clone)]
pub struct Fibonacci;

impl BaseAir<F> for Fibonacci {
    fn width(&self) -> usize {
        2
    }
    fn num_public_values(&self) -> usize {
        3
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for Fibonacci {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (a, b) = (main.current_slice()[0], main.current_slice()[1]);
        let (c, d) = (main.next_slice()[0], main.next_slice()[1]);
        let [x, y, z] = [0, 1, 2].map(|i| builder.public_values()[i]);
        builder.when_first_row().assert_eq(a, x);
        builder.when_first_row().assert_eq(b, y);
        builder.when_transition().assert_eq(c, b);
        builder.when_transition().assert_eq(d, a + b);
        builder.when_last_row().assert_eq(b, z);
    }
}

/// Looks two of its columns up in [`Range`], and ties the others to them.
#[derive(Clone)]
pub struct User;

pub const USER_WIDTH: usize = 11;

impl BaseAir<F> for User {
    fn width(&self) -> usize {
        USER_WIDTH
    }
    fn num_public_values(&self) -> usize {
        1
    }
    fn main_next_row_columns(&self) -> Vec<usize> {
        vec![]
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for User {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let row: Vec<AB::Expr> = main.current_slice().iter().map(|&v| v.into()).collect();
        let public: AB::Expr = builder.public_values()[0].into();
        for i in 2..USER_WIDTH {
            builder.assert_eq(row[i].clone(), row[0].clone().square() * row[1].clone() + public.clone());
        }
        for value in &row[..2] {
            let pair = [value.clone(), value.clone() + value.clone()];
            builder.push_interaction("range", pair, Count::bounded(AB::Expr::ONE, 1));
        }
    }
}

/// The numbers below its height, preprocessed, with how often each is looked up.
#[derive(Clone)]
pub struct Range(pub usize);

impl BaseAir<F> for Range {
    fn width(&self) -> usize {
        1
    }
    fn preprocessed_width(&self) -> usize {
        1
    }
    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        Some(RowMajorMatrix::new((0..1 << self.0).map(F::from_usize).collect(), 1))
    }
    fn main_next_row_columns(&self) -> Vec<usize> {
        vec![]
    }
    fn preprocessed_next_row_columns(&self) -> Vec<usize> {
        vec![]
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Range {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let count: AB::Expr = main.current_slice()[0].into();
        let value: AB::Expr = builder.preprocessed().current_slice()[0].into();
        let pair = [value.clone(), value.clone() + value];
        builder.push_interaction("range", pair, Count::provided(-count));
    }
}

/// A program with what it takes to prove it, and one proof.
pub struct Proved {
    pub program: Program,
    pub proof: BatchProof<Config>,
    pub publics: Vec<Vec<F>>,
}

/// Tables, their traces and their public values.
#[derive(Clone)]
pub struct Parts {
    pub airs: Vec<DagAir>,
    pub traces: Vec<RowMajorMatrix<F>>,
    pub publics: Vec<Vec<F>>,
}

impl Parts {
    /// The program of these tables, and what stock needs to prove it.
    pub fn program(&self, set: ParameterSet) -> (Program, ProverData<Config>) {
        let heights = self.traces.iter().map(|t| p3_util::log2_strict_usize(t.values.len() / t.width) as u8).collect();
        Program::build(self.airs.clone(), heights, set, StatementLayout::Raw).unwrap()
    }

    /// The program and an honest proof.
    pub fn prove(self, set: ParameterSet) -> Proved {
        let (program, data) = self.program(set);
        let proof = prove_traces(&program, &data, &self.traces, &self.publics);
        Proved { program, proof, publics: self.publics }
    }
}

pub fn prove_traces(
    program: &Program,
    data: &ProverData<Config>,
    traces: &[RowMajorMatrix<F>],
    publics: &[Vec<F>],
) -> BatchProof<Config> {
    let instances: Vec<_> = program
        .airs()
        .iter()
        .zip(traces)
        .zip(publics)
        .map(|((air, trace), publics)| StarkInstance { air, trace, public_values: publics.clone() })
        .collect();
    prove_batch(&program.config(), &instances, data).unwrap()
}

fn fibonacci_trace(log_height: usize, x: u32, y: u32) -> (RowMajorMatrix<F>, Vec<F>) {
    let mut values = vec![F::from_u32(x), F::from_u32(y)];
    for _ in 1..1 << log_height {
        let n = values.len();
        let (a, b) = (values[n - 2], values[n - 1]);
        values.extend([b, a + b]);
    }
    let last = *values.last().unwrap();
    (RowMajorMatrix::new(values, 2), vec![F::from_u32(x), F::from_u32(y), last])
}

/// Fibonacci alone.
pub fn fibonacci(set: ParameterSet, log_height: usize, x: u32, y: u32) -> Proved {
    fibonacci_parts(log_height, x, y).prove(set)
}

/// The table and trace of [`fibonacci`].
pub fn fibonacci_parts(log_height: usize, x: u32, y: u32) -> Parts {
    let (trace, publics) = fibonacci_trace(log_height, x, y);
    Parts { airs: vec![DagAir::from_air(&Fibonacci).unwrap()], traces: vec![trace], publics: vec![publics] }
}

/// Three tables of three heights, two of them joined by a bus.
pub fn mixed(set: ParameterSet, seed: u32) -> Proved {
    mixed_parts(seed).prove(set)
}

/// The tables and traces of [`mixed`]: [`User`], [`Range`], [`Fibonacci`].
pub fn mixed_parts(seed: u32) -> Parts {
    let (users, range) = (8, 6);
    let public = F::from_u32(seed + 5);
    let mut counts = vec![0u32; 1 << range];
    let mut user = Vec::new();
    for i in 0..1u32 << users {
        let looked: [u32; 2] = [0, 1].map(|k| (i * 7 + k * 11 + seed) % (1 << range));
        looked.iter().for_each(|&v| counts[v as usize] += 1);
        let [a, b] = looked.map(F::from_u32);
        user.extend([a, b]);
        user.extend([a.square() * b + public; USER_WIDTH - 2]);
    }
    let (fib, fib_publics) = fibonacci_trace(5, seed, 1);
    let airs = vec![
        DagAir::from_air(&User).unwrap(),
        DagAir::from_air(&Range(range)).unwrap(),
        DagAir::from_air(&Fibonacci).unwrap(),
    ];
    let traces = vec![
        RowMajorMatrix::new(user, USER_WIDTH),
        RowMajorMatrix::new(counts.into_iter().map(F::from_u32).collect(), 1),
        fib,
    ];
    Parts { airs, traces, publics: vec![vec![public], vec![], fib_publics] }
}

/// A development set with grinding, so that grinding steps are in the transcript.
pub const GROUND: ParameterSet = ParameterSet {
    query_pow_bits: 3,
    commit_pow_bits: 2,
    batch_pow_bits: 3,
    ood_pow_bits: 2,
    lookup_pow_bits: 3,
    queries: 4,
    ..ParameterSet::DEV
};
