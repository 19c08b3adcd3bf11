//! The rollups that this program knows: their rules, their state, and the room of their statements.

use crate::exit::{Exit, Failure, OrFail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sinter_counter::{Counter, CounterRules};
use sinter_ledger::{Ledger, LedgerRules};
use sinter_machine::Capacity;
use sinter_program::ParameterSet;
use sinter_rollup::{Application, Digest, Prover};
use std::sync::Arc;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The reference rollup: accounts, transfers, withdrawals.
    Ledger,
    /// The smallest one: it counts.
    Counter,
}

/// The room of one statement, in powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacityTable {
    /// Cycles.
    pub log_cycles: u8,
    /// Permutations.
    pub log_hashes: u8,
    /// Words of memory.
    pub log_words: u8,
}

/// The same on the command line.
#[derive(Clone, Copy, Debug, Args)]
pub struct CapacityArguments {
    /// Cycles of a statement, as a power of two
    #[arg(long, value_name = "N", requires_all = ["log_hashes", "log_words"])]
    log_cycles: Option<u8>,
    /// Permutations of a statement, as a power of two
    #[arg(long, value_name = "N", requires = "log_cycles")]
    log_hashes: Option<u8>,
    /// Words of memory of a statement, as a power of two
    #[arg(long, value_name = "N", requires = "log_cycles")]
    log_words: Option<u8>,
}

impl CapacityArguments {
    /// What was asked for, or what this kind usually has.
    pub fn table(self, kind: Kind) -> CapacityTable {
        match (self.log_cycles, self.log_hashes, self.log_words) {
            (Some(log_cycles), Some(log_hashes), Some(log_words)) => {
                CapacityTable { log_cycles, log_hashes, log_words }
            }
            _ => kind.capacity(),
        }
    }
}

impl Kind {
    /// The usual room.
    pub const fn capacity(self) -> CapacityTable {
        match self {
            Self::Ledger => {
                let Capacity { log_cycles, log_hashes, log_words } = sinter_ledger::CAPACITY;
                CapacityTable { log_cycles, log_hashes, log_words }
            }
            Self::Counter => CapacityTable { log_cycles: 16, log_hashes: 12, log_words: 15 },
        }
    }

    /// What proves its statements.
    ///
    /// # Errors
    /// When there is no machine of that capacity.
    pub fn prover(self, capacity: &CapacityTable) -> Result<Arc<Prover>, Failure> {
        let &CapacityTable { log_cycles, log_hashes, log_words } = capacity;
        let capacity = Capacity { log_cycles, log_hashes, log_words };
        let made = match self {
            Self::Ledger => Prover::new(&LedgerRules, capacity, ParameterSet::FOLD),
            Self::Counter => Prover::new(&CounterRules, capacity, ParameterSet::FOLD),
        };
        made.or_fail(Exit::Usage, "the rollup's program").map(Arc::new)
    }

    /// The word of the state that it begins in.
    pub fn genesis(self) -> Digest {
        match self {
            Self::Ledger => Ledger::default().word(),
            Self::Counter => Counter::default().word(),
        }
    }
}

/// What a ledger's node tells of its accounts.
pub fn describe_ledger(ledger: &Ledger) -> Value {
    let wei: u128 = ledger.accounts.all().iter().map(|account| account.wei).sum();
    json!({ "accounts": ledger.accounts.len(), "wei": wei.to_string() })
}

/// What a counter's node tells.
pub fn describe_counter(counter: &Counter) -> Value {
    json!({ "count": counter.0, "wei": "0" })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sinter_program::field::digest_bytes;

    /// The digests of the programs that contracts pin. Whoever changes the machine, the code that all statements share, or these
    /// rules makes other programs, whose statements no contract that stands takes: a hard fork of every rollup.
    #[test]
    fn the_programs_are_the_ones_that_contracts_pin() {
        let digest = |kind: Kind| {
            let prover = kind.prover(&kind.capacity()).unwrap();
            let CapacityTable { log_cycles, log_hashes, log_words } = kind.capacity();
            let digest = hex::encode(digest_bytes(prover.program().digest()));
            format!("{log_cycles} {log_hashes} {log_words} {digest}")
        };
        assert_eq!(
            [digest(Kind::Ledger), digest(Kind::Counter)],
            [
                "19 15 17 323de0da6dc670ac5818eeea5f8758fb170ecc74482a225b41cf7c1873a9f838",
                "16 12 15 4ab8f18e1eaf92c2465d1c6159bc81202c20467c02dbf8871caee33b6f26e8d6",
            ]
        );
    }
}
