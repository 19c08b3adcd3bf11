//! Entries of the inbox, each into the rolling hash and to the rules.

use sinter_machine::{Assembler, Function, Value};

use super::question;
use sinter_primitives::inbox::{ENTRY_HEAD_BYTES, PAYLOAD_BYTES_MAX, TAG_INBOX};
use sinter_primitives::poseidon2;

/// Bytes that a permutation takes.
const BLOCK_BYTES: u32 = poseidon2::BLOCK_BYTES as u32;
/// The longest entry.
const ENTRY_BYTES_MAX: u32 = (ENTRY_HEAD_BYTES + PAYLOAD_BYTES_MAX) as u32;
/// Half of a count of entries: its low part is below.
const COUNT_LIMB: u32 = 1 << 24;

/// (application, next withdrawal, rolling hash, entries taken: low, high) → the same after any number of entries.
pub(super) fn inbox(assembler: &mut Assembler, sponge: Function, entry: Function) -> Function {
    let inbox = assembler.declare("inbox", 5, 5);
    assembler.define(inbox, |f| {
        let [application, next, rolling, low, high] = f.arguments();
        let [go, at, bytes] = std::array::from_fn(|_| f.cell());
        f.ask(question::ENTRY, &[next.into()], &[go, at, bytes]);
        f.branch(
            go,
            |f| {
                // The contract's hash has one preimage: that the entry is well formed need not be shown.
                f.range(bytes, ENTRY_BYTES_MAX);
                let padded = f.add(bytes, BLOCK_BYTES - 1);
                let (words, rest) = f.divide(padded, BLOCK_BYTES);
                f.range(rest, BLOCK_BYTES - 1);
                f.range(words, ENTRY_BYTES_MAX.div_ceil(BLOCK_BYTES));
                let capacity = f.word_of(&[TAG_INBOX.into(), bytes.into()]);
                let digest = f.call(sponge, &[at.into(), words.into(), capacity.into()])[0];
                let rolled = f.cell();
                f.hash(rolling, digest, rolled);

                let applied = f.call(entry, &[application.into(), next.into(), at.into(), bytes.into()]);
                f.ask(question::APPLIED, &[applied[0].into()], &[]);
                let (one_more, next_low, next_high) = (f.add(low, 1), f.cell(), f.cell());
                let carry = f.is_equal(one_more, COUNT_LIMB);
                f.branch(
                    carry,
                    |f| {
                        f.set(next_low, 0);
                        f.assert_add(high, 1, next_high);
                    },
                    |f| {
                        f.set(next_low, one_more);
                        f.set(next_high, high);
                    },
                );
                f.tail_call(inbox, &[applied[0], applied[1], rolled, next_low, next_high].map(Value::from));
            },
            |f| f.give(&[application, next, rolling, low, high].map(Value::from)),
        );
    });
    inbox
}
