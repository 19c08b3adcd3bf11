//! Code to run, and what proves a run and checks the proof.

use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use sinter_machine::{
    Assembler, Capacity, Cell, Code, Context, Frame, Host, HostError, Machine, NoHost, PUBLIC_VALUES, Usage, Value,
    WORD,
};
use sinter_program::{F, ParameterSet, VerifyError};
use sinter_prover::{CpuProver, leaf};

/// Large enough for everything here.
pub const SMALL: Capacity = Capacity { log_cycles: 10, log_hashes: 6, log_words: 9 };

/// Code of one function.
pub fn code(main: impl FnOnce(&mut Frame<'_>)) -> Code {
    let mut assembler = Assembler::new();
    assembler.main(main);
    assembler.finish().unwrap()
}

pub fn machine(code: Code) -> Machine {
    Machine::new(code, SMALL, ParameterSet::DEV).unwrap()
}

/// Runs code that asks nothing; the first public value.
pub fn run(main: impl FnOnce(&mut Frame<'_>)) -> F {
    let machine = machine(code(main));
    let run = Claim::of(&machine);
    prove(&machine, &run).unwrap();
    run.public_values[0]
}

/// What a prover claims: that a run has these traces and public values.
pub struct Claim {
    pub traces: Vec<RowMajorMatrix<F>>,
    pub public_values: [F; PUBLIC_VALUES],
    pub usage: Usage,
}

impl Claim {
    /// The run's own, of code that asks nothing.
    pub fn of(machine: &Machine) -> Self {
        let run = machine.execute(&mut NoHost).unwrap();
        Self { traces: machine.traces(&run), public_values: run.public_values(), usage: run.usage() }
    }
}

/// Proves what traces say and checks the proof.
pub fn prove(machine: &Machine, run: &Claim) -> Result<(), VerifyError> {
    let key = leaf::proving_key(machine.program()).unwrap();
    let (proof, _) = leaf::prove(&CpuProver, machine.program(), &key, &run.traces, &run.public_values).unwrap();
    machine.program().verify(&proof)
}

/// A host that answers question n with its n-th list of values.
pub struct Answers(pub Vec<Vec<u32>>);

impl Host for Answers {
    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError> {
        for (operand, &value) in self.0[question as usize].iter().enumerate() {
            context.set(operand, F::from_u32(value))?;
        }
        Ok(())
    }
}

/// Everything that the machine has, in some forty instructions: a loop, branches, ranges, hashes, a jump into unrolled
/// turns. It exposes 10!, and a digest.
pub fn everything() -> Code {
    let mut assembler = Assembler::new();
    // product, left → product · left!
    let factorial = assembler.declare("factorial", 2, 1);
    assembler.define(factorial, |f| {
        let [product, left] = f.arguments();
        let done = f.is_zero(left);
        f.branch(
            done,
            |f| f.give(&[product.into()]),
            |f| {
                let (product, left) = (f.mul(product, left), f.sub(left, 1));
                f.tail_call(factorial, &[product.into(), left.into()]);
            },
        );
    });
    assembler.main(|f| {
        let result = f.call(factorial, &[1.into(), 10.into()])[0];
        f.expose(0, result);
        let (high, low) = f.divide(result, 1 << 12);
        f.range(low, 4095);
        f.range(high, 4095);
        let word = f.constant(std::array::from_fn(F::from_usize));
        let digest = chain(f, word, 3);
        let out = f.words(2);
        f.permute(digest, word, out);
        for limb in 0..WORD {
            let value = f.load(digest, limb as u32);
            f.expose(1 + limb, value);
        }
    });
    assembler.finish().unwrap()
}

/// The last `steps` of four hashes in a row with `word`.
pub fn chain(f: &mut Frame<'_>, word: Value, steps: u32) -> Cell {
    let pointers = f.row(5);
    let pointer = |at: u32| pointers.next(at);
    f.set(pointer(4 - steps), word);
    f.last_turns(steps, 4, |f, turn| f.hash(pointer(turn as u32), word, pointer(turn as u32 + 1)));
    pointer(4)
}
