//! The smallest rollup: it counts the transactions of at most a byte that were ordered for it.

#![deny(missing_docs)]

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use serde::{Deserialize, Serialize};
use sinter_machine::{Assembler, Context, HostError, Usage, Value, WORD};
use sinter_program::F;
use sinter_rollup::code::{Entrypoints, Library, Rules};
use sinter_rollup::{Application, Digest};

/// The rules: what is proved.
#[derive(Clone, Copy, Debug)]
pub struct CounterRules;

impl Rules for CounterRules {
    fn payload_bytes_max(&self) -> u32 {
        1
    }

    fn write(&self, assembler: &mut Assembler, _: &Library) -> Entrypoints {
        let transaction = assembler.function("count", 4, 2, |f| {
            let [counter, withdrawals, _payload, _bytes] = f.arguments();
            let count = f.load(counter, 0);
            let next = f.add(count, 1);
            let counter = f.word_of(&[next.into()]);
            f.give(&[counter.into(), withdrawals.into()]);
        });
        // What comes from the L1 does not count.
        let entry = assembler.function("entry", 4, 2, |f| {
            let [counter, withdrawals, _entry, _bytes] = f.arguments();
            f.give(&[counter, withdrawals].map(Value::from));
        });
        Entrypoints { transaction, entry }
    }
}

/// The rollup's state, which is the word that stands for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter(pub u32);

impl Application for Counter {
    fn word(&self) -> Digest {
        let mut word = [F::ZERO; WORD];
        word[0] = F::from_u32(self.0);
        word
    }

    fn cost(&self) -> Usage {
        Usage { cycles: 64, hashes: 0, words: 8 }
    }

    fn applied(&mut self, word: &Digest) -> Result<(), HostError> {
        self.0 = word[0].as_canonical_u32();
        Ok(())
    }

    fn answer(&mut self, question: u32, _: &mut Context<'_>) -> Result<(), HostError> {
        Err(format!("the counter's rules ask nothing, got question {question}").into())
    }
}
