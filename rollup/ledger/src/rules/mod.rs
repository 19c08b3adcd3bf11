//! The ledger's rules, as code: the one definition of what is valid and what it does.
//!
//! ```text
//! transaction ─▶ state: opens the application's word          entry ─▶ state
//!     ├─▶ account: opens the sender                               ├─▶ deposit: opens or credits an account, or
//!     ├─▶ verify ─▶ decode, chain                                 │   sends the wei back
//!     ├─▶ update: the sender's new leaf                           └─▶ align ─▶ transaction
//!     └─▶ credit, open or withdraw
//! ```

mod accounts;
mod amounts;
mod entries;
mod signatures;
mod transactions;

use sinter_machine::{Assembler, Function};
use sinter_rollup::code::{Entrypoints, Library, Rules, question::RULES};

use crate::transaction::TRANSACTION_BYTES;

/// What the rules ask.
pub(crate) mod question {
    use super::RULES;
    /// The address of the accounts' root, how many accounts there are.
    pub const LEDGER: u32 = RULES;
    /// About an index: the account's key's address, nonce, base, wei (4).
    pub const ACCOUNT: u32 = RULES + 1;
    /// About an index: the address of the siblings on its way to the root, bottom up.
    pub const PATH: u32 = RULES + 2;
    /// Nothing: tells of an index, and the account that stands there now: key's address, nonce, base, wei (4).
    pub const SET: u32 = RULES + 3;
    /// Nothing: tells what became of a transaction: valid, done.
    pub const OUTCOME: u32 = RULES + 4;
}

/// The rules of the reference ledger.
#[derive(Clone, Copy, Debug)]
pub struct LedgerRules;

impl Rules for LedgerRules {
    fn payload_bytes_max(&self) -> u32 {
        TRANSACTION_BYTES as u32
    }

    fn write(&self, assembler: &mut Assembler, library: &Library) -> Entrypoints {
        let (update, credit) = (accounts::update(assembler), amounts::credit(assembler));
        let parts = Parts {
            verify: signatures::verify(assembler),
            update,
            debit: amounts::debit(assembler),
            withdraw: amounts::withdraw(assembler, library.withdraw),
            receive: accounts::receive(assembler, update, credit),
            open: accounts::open(assembler, update),
        };
        let transaction = transactions::transaction(assembler, &parts);
        let entry = entries::entry(assembler, &parts, transaction);
        Entrypoints { transaction, entry }
    }
}

/// The functions that the rules are made of.
struct Parts {
    verify: Function,
    update: Function,
    debit: Function,
    withdraw: Function,
    /// (address of the root, accounts, next withdrawal, index, wei (4)) → (application, next withdrawal).
    receive: Function,
    /// (address of the root, accounts, next withdrawal, key's address, wei (4)) → (application, next withdrawal).
    open: Function,
}
