//! Chunks of a block's stream: opened when something in them is read.
//!
//! What is open of a block is a **run** of chunks in a row: the element at offset x is at address base + x, from where the
//! cursor stands to the run's end. A new run may begin anywhere in memory, at the chunk in which the cursor stands.

use sinter_machine::{Assembler, Cell, Function, Value, WORD};
use sinter_primitives::accumulator::{CHUNK_ELEMENTS, TAG_CHUNK};
use sinter_primitives::poseidon2::ELEMENT_BYTES;

use super::question;

const CHUNK: u32 = CHUNK_ELEMENTS as u32;
/// The greatest number of a chunk: a stream has at most 2^24 elements.
const CHUNKS_MAX: u32 = (1 << 24) / CHUNK - 1;

/// (offset, up to, base, end of what is open, elements, address of the root) → (base, end) so that everything from offset up
/// to there is open.
pub(super) fn ensure(assembler: &mut Assembler, sponge: Function) -> Function {
    let chunk = chunk(assembler, sponge);
    let ensure = assembler.declare("ensure", 6, 2);
    // Mostly everything is open already: what opens is a function of its own, so that the frame without it is small.
    let open = assembler.function("open", 6, 2, |f| {
        let [offset, up_to, base, end, elements, root] = f.arguments();
        let [fresh, run] = std::array::from_fn(|_| f.cell());
        f.ask(question::CHUNK, &[offset.into(), end.into(), base.into()], &[fresh, run]);
        let (index, next_base) = (f.cell(), f.cell());
        f.branch(
            fresh,
            |f| {
                let (quotient, rest) = f.divide(offset, CHUNK);
                f.range(rest, CHUNK - 1);
                f.set(index, quotient);
                let start = f.mul(index, CHUNK);
                f.assert_add(next_base, start, run);
            },
            |f| {
                f.assert_mul(index, CHUNK, end);
                f.set(next_base, base);
            },
        );
        f.range(index, CHUNKS_MAX);
        let start = f.mul(index, CHUNK);
        let at = f.add(next_base, start);
        let length = f.call(chunk, &[index.into(), elements.into(), root.into(), at.into()])[0];
        let next_end = f.add(start, length);
        f.tail_call(ensure, &[offset, up_to, next_base, next_end, elements, root].map(Value::from));
    });
    assembler.define(ensure, |f| {
        let arguments: [Cell; 6] = f.arguments();
        let [_, up_to, base, end, ..] = arguments;
        let enough = f.at_most(up_to, end);
        f.branch(enough, |f| f.give(&[base.into(), end.into()]), |f| f.tail_call(open, &arguments.map(Value::from)));
    });
    ensure
}

/// (index, elements of the stream, address of the root, address of the chunk) → the chunk's elements, which are shown to be
/// those under the root.
fn chunk(assembler: &mut Assembler, sponge: Function) -> Function {
    let path = path(assembler);
    assembler.function("chunk", 4, 1, |f| {
        let [index, elements, root, at] = f.arguments();
        let before_last = f.sub(elements, 1);
        let (last, rest) = f.divide(before_last, CHUNK);
        f.range(rest, CHUNK - 1);
        f.range(last, CHUNKS_MAX);
        let chunks_after = f.sub(last, index);
        f.range(chunks_after, CHUNKS_MAX);
        let is_last = f.is_zero(chunks_after);
        let (length, words) = (f.cell(), f.cell());
        f.branch(
            is_last,
            |f| {
                f.assert_add(rest, 1, length);
                let (before, limb) = f.divide(rest, WORD as u32);
                f.range(limb, WORD as u32 - 1);
                f.range(before, CHUNK);
                f.assert_add(before, 1, words);
            },
            |f| {
                f.set(length, CHUNK);
                f.set(words, CHUNK / WORD as u32);
            },
        );
        let bytes = f.mul(length, ELEMENT_BYTES as u32);
        let capacity = f.word_of(&[TAG_CHUNK.into(), bytes.into()]);
        let digest = f.call(sponge, &[at.into(), words.into(), capacity.into()])[0];
        f.call(path, &[digest, index, last, root].map(Value::from));
        f.give(&[length.into()]);
    })
}

/// (address of a node, its index, the last index of its level, address of the root): the node is under the root. Neighbours
/// pair, an odd last one moves up.
fn path(assembler: &mut Assembler) -> Function {
    let path = assembler.declare("path", 4, 0);
    assembler.define(path, |f| {
        let [node, index, last, root] = f.arguments();
        let at_root = f.is_zero(last);
        f.branch(
            at_root,
            |f| f.copy_word(node, root),
            |f| {
                let (is_right, up) = f.halve(index);
                let (_, last_up) = f.halve(last);
                f.range(up, CHUNKS_MAX);
                f.range(last_up, CHUNKS_MAX);
                let (is_last, is_left) = (f.is_equal(index, last), f.not(is_right));
                let is_alone = f.mul(is_last, is_left);
                let parent = f.cell();
                f.branch(
                    is_alone,
                    |f| f.set(parent, node),
                    |f| {
                        let sibling = f.cell();
                        f.ask(question::SIBLING, &[], &[sibling]);
                        f.branch(is_right, |f| f.hash(sibling, node, parent), |f| f.hash(node, sibling, parent));
                    },
                );
                f.tail_call(path, &[parent, up, last_up, root].map(Value::from));
            },
        );
    });
    path
}
