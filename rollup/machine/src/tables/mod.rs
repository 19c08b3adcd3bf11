//! The five tables of a run, and the three buses that join them.
//!
//! | table | a row | rows |
//! |---|---|---|
//! | cycles | an instruction that ran | 2^`log_cycles` |
//! | memory | a word and how often it is read | 2^`log_words` |
//! | hashes | a permutation | 2^`log_hashes` |
//! | code | an instruction and how often it ran | as many as the code needs |
//! | publics | eight public values | the fewest there can be |
//!
//! | bus | tuple | provided by | taken by |
//! |---|---|---|---|
//! | `cell` | address, value | memory, eight cells a row | cycles, up to three |
//! | `word` | address, eight values | memory | hashes: two inputs, one or two outputs; publics |
//! | `hash` | three addresses, whether all is written | hashes, where used | cycles |
//! | `code` | place, three numbers, thirteen flags | code | cycles |
//!
//! **Why a run is what the code says.** The code and the memory's addresses are preprocessed, so that the program's digest
//! fixes them. A bus balances only if every tuple taken is one provided: what is provided stands once for each place of
//! the code and each address, whatever its multiplicity, so a place has one instruction and an address one value. The number of
//! tuples taken is below p (checked when the program is built), so that no count wraps around. The first cycle is
//! instruction 1 in the first frame, each next one is where the one before leads, the last is instruction 0. A cycle's flags
//! are the code's, so exactly one is an instruction's.

pub(crate) mod code;
pub(crate) mod cycles;
pub(crate) mod hashes;
pub(crate) mod memory;
pub(crate) mod publics;

use std::sync::Arc;

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::F;

use crate::PUBLIC_VALUES;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Cycles,
    Memory,
    Hashes,
    Code,
    Publics,
}

/// A table's constraints, with its preprocessed columns.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub kind: Kind,
    pub preprocessed: Option<Arc<RowMajorMatrix<F>>>,
}

impl BaseAir<F> for Table {
    fn width(&self) -> usize {
        match self.kind {
            Kind::Cycles => cycles::WIDTH,
            Kind::Memory => memory::WIDTH,
            Kind::Hashes => hashes::WIDTH,
            Kind::Code => code::WIDTH,
            Kind::Publics => publics::WIDTH,
        }
    }

    fn preprocessed_trace(&self) -> Option<RowMajorMatrix<F>> {
        self.preprocessed.as_deref().cloned()
    }

    fn preprocessed_width(&self) -> usize {
        match self.kind {
            Kind::Cycles | Kind::Hashes => 0,
            Kind::Memory => memory::PREPROCESSED,
            Kind::Code => code::PREPROCESSED,
            Kind::Publics => publics::PREPROCESSED,
        }
    }

    fn num_public_values(&self) -> usize {
        if self.kind == Kind::Publics { PUBLIC_VALUES } else { 0 }
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Table {
    fn eval(&self, builder: &mut AB) {
        match self.kind {
            Kind::Cycles => cycles::eval(builder),
            Kind::Memory => memory::eval(builder),
            Kind::Hashes => hashes::eval(builder),
            Kind::Code => code::eval(builder),
            Kind::Publics => publics::eval(builder),
        }
    }
}

/// Takes a tuple `count` times: 0 or 1.
fn take<AB: InteractionBuilder>(builder: &mut AB, bus: &str, tuple: Vec<AB::Expr>, count: AB::Expr) {
    builder.push_interaction(bus, tuple, Count::bounded(count, 1));
}

/// Provides a tuple any number of times.
fn provide<AB: InteractionBuilder>(builder: &mut AB, bus: &str, tuple: Vec<AB::Expr>, count: AB::Expr) {
    builder.push_interaction(bus, tuple, Count::provided(-count));
}

/// This row of the main columns.
fn main_row<AB: AirBuilder>(builder: &AB) -> Vec<AB::Expr> {
    builder.main().current_slice().iter().map(|&variable| variable.into()).collect()
}

/// This row of the preprocessed columns.
fn preprocessed_row<AB: AirBuilder>(builder: &AB) -> Vec<AB::Expr> {
    builder.preprocessed().current_slice().iter().map(|&variable| variable.into()).collect()
}
