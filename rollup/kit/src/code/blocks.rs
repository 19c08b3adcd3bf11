//! Blocks: each one's head, under the accumulator, and its transactions.

use sinter_machine::library::capacity;
use sinter_machine::{Assembler, Frame, Function, Value, WORD};
use sinter_primitives::accumulator::{HEAD_PREIMAGE_ELEMENTS, TAG_HEAD};

use super::question;

/// Elements of a head (`sinter_primitives::accumulator`, step 4), and where in it they stand.
const HEAD_ELEMENTS: u32 = HEAD_PREIMAGE_ELEMENTS as u32;
const HEIGHT: u32 = 14;
const STREAM_ELEMENTS: u32 = 26;

/// (application, next withdrawal, accumulator, height (3), offset, elements) → the same after any number of blocks, the last
/// of which may be unfinished.
pub(super) fn blocks(assembler: &mut Assembler, transactions: Function) -> Function {
    let blocks = assembler.declare("blocks", 8, 8);
    assembler.define(blocks, |f| {
        let [application, next, accumulator, h0, h1, h2, offset, elements] = f.arguments();
        let [go, head, previous] = std::array::from_fn(|_| f.cell());
        f.ask(question::BLOCK, &[], &[go, head, previous]);
        f.branch(
            go,
            |f| {
                let commitment = commitment(f, head.into());
                let (after, start) = (f.cell(), f.cell());
                let finished = f.is_equal(offset, elements);
                f.branch(
                    finished,
                    |f| {
                        f.hash(accumulator, commitment, after);
                        f.set(start, 0);
                    },
                    |f| {
                        // The block in which the state stands: the accumulator is the one after it already.
                        f.set(after, accumulator);
                        f.hash(previous, commitment, accumulator);
                        f.set(start, offset);
                    },
                );
                let [h0, h1, h2] = [0, 1, 2].map(|limb| f.load(head, HEIGHT + limb));
                let elements = f.load(head, STREAM_ELEMENTS);
                f.store(head, STREAM_ELEMENTS + 1, 0);
                f.store(head, STREAM_ELEMENTS + 2, 0);
                let arguments = [application, next, start].map(Value::from);
                // Nothing is open yet: what is open ends where the cursor is.
                let rest = [0.into(), start.into(), elements.into(), head.into()];
                let taken = f.call(transactions, &[&arguments[..], &rest].concat());
                let [application, next, offset] = [taken[0], taken[1], taken[2]];
                f.tail_call(blocks, &[application, next, after, h0, h1, h2, offset, elements].map(Value::from));
            },
            |f| f.give(&[application, next, accumulator, h0, h1, h2, offset, elements].map(Value::from)),
        );
    });
    blocks
}

/// The address of the commitment to a head of four words.
fn commitment(f: &mut Frame<'_>, head: Value) -> Value {
    let words = HEAD_ELEMENTS.div_ceil(WORD as u32);
    let mut state = f.constant(capacity(TAG_HEAD, HEAD_ELEMENTS));
    for word in 0..words - 1 {
        let at = f.add(head, word * WORD as u32);
        state = f.absorb(at, state);
    }
    let (at, commitment) = (f.add(head, (words - 1) * WORD as u32), f.cell());
    f.hash(at, state, commitment);
    commitment.into()
}
