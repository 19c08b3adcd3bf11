//! The reference rollup: a ledger whose whole trail, from wallet to settlement, rests on hashes.
//!
//! - [`signature`]: hash-based signatures, their parameters and their security.
//! - [`transaction`]: what is signed, byte by byte, and what is valid.
//! - [`LedgerRules`]: the same as code, which is what is proved. There is no second definition: a node runs this.
//! - [`Ledger`]: the accounts beside the code.

#![deny(missing_docs)]

pub mod accounts;
mod rules;
pub mod signature;
pub mod transaction;
pub mod wallet;

pub use accounts::{Account, Ledger, LedgerError, Outcome};
pub use rules::LedgerRules;
pub use wallet::{Wallet, WalletError};

use sinter_machine::Capacity;

/// The usual room of one statement: 64 transfers. It is part of the program and its id.
pub const CAPACITY: Capacity = Capacity { log_cycles: 19, log_hashes: 15, log_words: 17 };
