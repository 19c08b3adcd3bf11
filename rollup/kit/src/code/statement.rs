//! The whole of a statement: the state before, what happens, the state after.

use sinter_machine::library::capacity;
use sinter_machine::{Assembler, Cell, Frame, Function, Value, WORD};

use super::{public, question, withdrawals};
use crate::state::{STATE_WORDS, TAG_STATE};

pub(super) struct Parts {
    pub inbox: Function,
    pub blocks: Function,
    pub root: Function,
}

/// The five words of a state besides the domain, as addresses.
struct Words {
    application: Value,
    accumulator: Value,
    inbox: Value,
    position: Value,
}

pub(super) fn main(assembler: &mut Assembler, parts: &Parts) {
    assembler.main(|f| {
        let [application, accumulator, inbox, position] = std::array::from_fn(|_| f.cell());
        f.ask(question::BEGIN, &[], &[application, accumulator, inbox, position]);
        let before = Words {
            application: application.into(),
            accumulator: accumulator.into(),
            inbox: inbox.into(),
            position: position.into(),
        };
        digest(f, &before, public::BEFORE as u32);
        let [h0, h1, h2, offset, elements, low, high, zero] = f.load_word(position);
        f.set(zero, 0);

        let first = f.words(withdrawals::WITHDRAWALS_MAX);
        let entered = f.call(parts.inbox, &[application, first, inbox, low, high].map(Value::from));
        let [application, next, inbox, low, high] = array(&entered);
        let ordered = [application, next, accumulator, h0, h1, h2, offset, elements].map(Value::from);
        let ordered = f.call(parts.blocks, &ordered);
        let [application, next, accumulator, h0, h1, h2, offset, elements] = array(&ordered);

        let position = [h0, h1, h2, offset, elements, low, high].map(Value::from);
        let position = f.word_of(&position);
        let after = Words {
            application: application.into(),
            accumulator: accumulator.into(),
            inbox: inbox.into(),
            position: position.into(),
        };
        digest(f, &after, public::AFTER as u32);
        f.copy_word(accumulator, public::ACCUMULATOR as u32);
        f.copy_word(inbox, public::INBOX as u32);
        expose_all(f, public::HEIGHT, &[h0.into(), h1.into(), h2.into()]);
        expose_all(f, public::OFFSET, &[offset.into(), 0.into(), 0.into(), 0.into(), 0.into()]);
        expose_all(f, public::ENTRIES, &[low.into(), high.into(), 0.into()]);

        let (cells, count) = (f.sub(next, first), f.cell());
        f.assert_mul(count, WORD as u32, cells);
        expose_all(f, public::WITHDRAWALS, &[count.into(), 0.into(), 0.into(), 0.into(), 0.into()]);
        let root = f.call(parts.root, &[first.into(), count.into()])[0];
        f.copy_word(root, public::WITHDRAWALS_ROOT as u32);
    });
}

/// The digest of a state, which stands at `out` afterwards.
fn digest(f: &mut Frame<'_>, words: &Words, out: u32) {
    let elements = (STATE_WORDS * WORD) as u32;
    let mut state = f.constant(capacity(TAG_STATE, elements));
    for word in [(public::DOMAIN as u32).into(), words.application, words.accumulator, words.inbox] {
        state = f.absorb(word, state);
    }
    f.hash(words.position, state, out);
}

fn expose_all(f: &mut Frame<'_>, first: usize, values: &[Value]) {
    for (index, value) in (first..).zip(values) {
        f.expose(index, *value);
    }
}

fn array<const N: usize>(cells: &[Cell]) -> [Cell; N] {
    std::array::from_fn(|index| cells[index])
}
