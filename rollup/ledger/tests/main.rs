//! The ledger: its signatures, its rules against a second definition of them, and what a dishonest prover can try.
#![allow(clippy::unwrap_used)]

mod adversaries {
    //! Provers that lie: of none of their runs is there a proof.
    mod altered_hint;
    mod foreign_order;
    mod lying_accounts;
}
mod chain;
mod model;
mod rules;
mod signatures;
mod wallet;
mod world;
