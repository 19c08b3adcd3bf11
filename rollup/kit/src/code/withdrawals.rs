//! Withdrawals: their leaves in a row, and the root over them (`sinter_primitives::inbox`).

use sinter_machine::{Assembler, Function, Value, WORD};
use sinter_primitives::inbox::TAG_WITHDRAWAL;

use super::question;

/// Most withdrawals of one statement.
pub const WITHDRAWALS_MAX: u32 = 256;
/// Elements of one: recipient and wei.
const ELEMENTS: usize = 11;

/// (address of the next withdrawal, its eleven elements) → address of the next withdrawal.
pub(super) fn withdraw(assembler: &mut Assembler) -> Function {
    assembler.function("withdraw", 1 + ELEMENTS, 1, |f| {
        let next = f.argument(0);
        let elements: Vec<Value> = (1..=ELEMENTS).map(|element| f.argument(element).into()).collect();
        f.ask(question::WITHDRAWAL, &elements, &[]);
        let left = f.word_of(&elements[..WORD]);
        let right = f.word_of(&[&elements[WORD..], &[TAG_WITHDRAWAL.into()]].concat());
        f.hash(left, right, next);
        let following = f.add(next, WORD as u32);
        f.give(&[following.into()]);
    })
}

/// (address of the first leaf, how many) → address of the root over them.
pub(super) fn root(assembler: &mut Assembler) -> Function {
    // (first of a level, first of the next, how many): one pair after the other.
    let level = assembler.declare("withdrawals_level", 3, 0);
    assembler.define(level, |f| {
        let [from, to, count] = f.arguments();
        let none = f.is_zero(count);
        f.branch(
            none,
            |f| f.give(&[]),
            |f| {
                let one = f.is_equal(count, 1);
                f.branch(
                    one,
                    |f| {
                        f.copy_word(from, to);
                        f.give(&[]);
                    },
                    |f| {
                        let right = f.add(from, WORD as u32);
                        f.hash(from, right, to);
                        let (from, to) = (f.add(right, WORD as u32), f.add(to, WORD as u32));
                        let count = f.sub(count, 2);
                        f.tail_call(level, &[from, to, count].map(Value::from));
                    },
                );
            },
        );
    });

    let root = assembler.declare("withdrawals_root", 2, 1);
    assembler.define(root, |f| {
        let [first, count] = f.arguments();
        let zeros = f.constant(Default::default());
        let none = f.is_zero(count);
        f.branch(
            none,
            |f| f.give(&[zeros]),
            |f| {
                let one = f.is_equal(count, 1);
                f.branch(
                    one,
                    |f| f.give(&[first.into()]),
                    |f| {
                        // A half that is none is far too many to ever be taken in pairs.
                        let (odd, half) = f.halve(count);
                        let parents = f.add(half, odd);
                        let above = f.words(parents);
                        f.call(level, &[first, above, count].map(Value::from));
                        f.tail_call(root, &[above.into(), parents.into()]);
                    },
                );
            },
        );
    });
    root
}
