//! From a state and a lane to a statement.

use sinter_machine::{AssemblyError, Capacity, ExecuteError, Execution, Machine, MachineError};
use sinter_primitives::inbox::Withdrawal;
use sinter_program::{ParameterSet, Program};
use thiserror::Error;

use crate::code::{self, Rules};
use crate::host::{Application, InputError, StatementHost};
use crate::lane::Lane;
use crate::state::State;

/// Why there is no statement.
#[derive(Debug, Error)]
pub enum StatementError {
    /// The rules are no code.
    #[error("rules: {0}")]
    Assembly(#[from] AssemblyError),
    /// The code is no program.
    #[error("program: {0}")]
    Machine(#[from] MachineError),
    /// The lane does not go on where the state is.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The code does not run.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
}

/// A rollup's step from one state to the next, and what proves it.
#[derive(Debug)]
#[must_use]
pub struct Statement {
    /// Where it begins.
    pub before: State,
    /// Where it ends.
    pub after: State,
    /// Ether that leaves the rollup by it.
    pub withdrawals: Vec<Withdrawal>,
    /// Whether it ends because the machine is full: there is more to consume in the lane.
    pub full: bool,
    /// The run, of which [`Machine::traces`] makes what a prover takes.
    pub execution: Execution,
}

/// A rollup's program.
#[derive(Debug)]
pub struct Prover {
    machine: Machine,
}

impl Prover {
    /// The program of statements under `rules`, for runs of at most `capacity`.
    ///
    /// # Errors
    /// [`StatementError::Assembly`], [`StatementError::Machine`].
    pub fn new(rules: &dyn Rules, capacity: Capacity, parameters: ParameterSet) -> Result<Self, StatementError> {
        Ok(Self { machine: Machine::new(code::statement(rules)?, capacity, parameters)? })
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
        let StatementHost { state: after, withdrawals, full, .. } = host;
        Ok(Statement { before: state.clone(), after, withdrawals, full, execution })
    }
}
