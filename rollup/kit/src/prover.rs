//! From a state and a lane to a statement.

use std::sync::OnceLock;

use sinter_machine::{Capacity, ExecuteError, Execution, Machine, MachineError};
use sinter_primitives::inbox::{Withdrawal, Words, withdrawals_root};
use sinter_primitives::{Accumulator, Transition};
use sinter_program::{ParameterSet, Program, ProofFile};
use sinter_prover::leaf::{self, LeafError};
use sinter_prover::{ProveError, Prover as Backend, ProvingKey};
use thiserror::Error;

use crate::code::{self, CodeError, Rules, public};
use crate::host::{Application, InputError, StatementHost};
use crate::lane::Lane;
use crate::state::{Digest, State, to_words};

/// Why there is no statement.
#[derive(Debug, Error)]
pub enum StatementError {
    /// The rules are no code.
    #[error("rules: {0}")]
    Code(#[from] CodeError),
    /// The code is no program.
    #[error("program: {0}")]
    Machine(#[from] MachineError),
    /// The lane does not go on where the state is.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The code does not run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The host's state after the run is not the code's.
    #[error("expected state {expected:?}, which the code gives, got {got:?}")]
    Diverged {
        /// The code's digest.
        expected: Digest,
        /// The host's.
        got: Digest,
    },
    /// There is no key to prove with.
    #[error(transparent)]
    Key(#[from] ProveError),
    /// The statement is not proved.
    #[error(transparent)]
    Prove(#[from] LeafError),
}

/// A rollup's step from one state to the next, and what proves it.
#[derive(Debug)]
#[must_use]
pub struct Statement {
    /// Where it begins.
    pub before: State,
    /// Where it ends.
    pub after: State,
    /// The accumulator before the block in which it ends, if it ends inside one.
    pub previous: Option<Digest>,
    /// Ether that leaves the rollup by it.
    pub withdrawals: Vec<Withdrawal>,
    /// Whether it ends because the machine is full: there is more to consume in the lane.
    pub full: bool,
    /// The run, of which [`Machine::traces`] makes what a prover takes.
    pub execution: Execution,
}

impl Statement {
    /// What the statement claims, as `RollupSettlement` reads it.
    ///
    /// # Panics
    /// Never: a withdrawal's wei has 96 bits.
    #[must_use]
    pub fn transition(&self) -> Transition {
        let leaves: Vec<Words> =
            self.withdrawals.iter().map(|withdrawal| withdrawal.leaf().expect("96 bits of wei")).collect();
        Transition {
            domain: to_words(&self.after.domain),
            state_before: to_words(&self.before.digest()),
            state_after: to_words(&self.after.digest()),
            accumulator: Accumulator(to_words(&self.after.accumulator)),
            inbox_rolling: to_words(&self.after.inbox),
            withdrawals_root: withdrawals_root(&leaves),
            height: self.after.height,
            offset: self.after.offset.into(),
            inbox_entries: self.after.entries,
            withdrawals: leaves.len() as u64,
        }
    }
}

/// A rollup's program, and what proves its statements.
#[derive(Debug)]
pub struct Prover {
    machine: Machine,
    key: OnceLock<ProvingKey>,
}

impl Prover {
    /// The program of statements under `rules`, for runs of at most `capacity`.
    ///
    /// # Errors
    /// [`StatementError::Code`], [`StatementError::Machine`].
    pub fn new(rules: &dyn Rules, capacity: Capacity, parameters: ParameterSet) -> Result<Self, StatementError> {
        let machine = Machine::new(code::statement(rules)?, capacity, parameters)?;
        Ok(Self { machine, key: OnceLock::new() })
    }

    /// The machine.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        self.machine.program()
    }

    /// Goes from `state` as far through `lane` as the machine can. `application` goes along; where this fails, it stands
    /// anywhere, and must be thrown away.
    ///
    /// # Errors
    /// [`StatementError::Input`], [`StatementError::Execute`].
    pub fn statement(
        &self,
        state: &State,
        lane: &Lane,
        application: &mut dyn Application,
    ) -> Result<Statement, StatementError> {
        let mut host = StatementHost::new(state, lane, application)?;
        let execution = self.machine.execute(&mut host)?;
        let StatementHost { state: after, previous, withdrawals, full, .. } = host;
        let public_values = execution.public_values();
        let expected: Digest = std::array::from_fn(|limb| public_values[public::AFTER + limb]);
        let got = after.digest();
        if expected != got {
            return Err(StatementError::Diverged { expected, got });
        }
        let previous = (!after.is_between_blocks()).then_some(previous);
        Ok(Statement { before: state.clone(), after, previous, withdrawals, full, execution })
    }

    /// Proves a statement: a leaf proof, to hand to an aggregator.
    ///
    /// # Errors
    /// [`StatementError::Key`], [`StatementError::Prove`].
    pub fn prove(&self, backend: &dyn Backend, statement: &Statement) -> Result<ProofFile, StatementError> {
        let key = match self.key.get() {
            Some(key) => key,
            None => {
                let key = leaf::proving_key(self.program())?;
                self.key.get_or_init(|| key)
            }
        };
        let traces = self.machine.traces(&statement.execution);
        let public_values = statement.execution.public_values();
        Ok(leaf::prove(backend, self.program(), key, &traces, &public_values)?.0)
    }
}
