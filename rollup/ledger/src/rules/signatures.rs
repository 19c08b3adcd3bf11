//! Signatures: the native half is [`crate::signature`].

use p3_field::PrimeCharacteristicRing;
use sinter_machine::library::capacity;
use sinter_machine::{Assembler, Cell, Function, Value, WORD};
use sinter_program::F;

use crate::signature::{
    CHAINS, DIGIT_BITS, DIGIT_SUM, DIGITS_PER_ELEMENT, STEPS, TAG_KEY, TREE_HEIGHT, step_constants,
};

/// Steps of all chains together.
const STEP_SUM: u32 = CHAINS as u32 * STEPS - DIGIT_SUM;
/// Words of a signature, and how many of them one turn of decoding takes: three are a whole number of elements.
const WORDS: usize = CHAINS + TREE_HEIGHT;
const TURN_WORDS: usize = 3;
const TURN_ELEMENTS: u32 = (TURN_WORDS * WORD * 4 / 3) as u32;
/// The part of an element that no digit takes: its greatest value, with which all digits are zero.
const REST_MAX: u32 = 0x7f00_0000 >> (DIGIT_BITS * DIGITS_PER_ELEMENT as u32);

/// (address of the message's digest, leaf, address of the signature's first element, address of the key) → whether the
/// signature is the key's. The leaf is shown to be below 2^`TREE_HEIGHT`.
pub(super) fn verify(assembler: &mut Assembler) -> Function {
    let (decode, chain) = (decode(assembler), chain(assembler));
    let walk = walk(assembler, decode, chain);
    assembler.function("verify", 4, 1, |f| {
        let [digest, leaf, signature, key] = f.arguments();
        let mut steps = Vec::with_capacity(CHAINS);
        let mut sum = f.cell();
        f.set(sum, 0);
        for element in f.load_word(digest) {
            let mut rest = element;
            let mut low = Vec::with_capacity(DIGITS_PER_ELEMENT);
            for _ in 0..DIGITS_PER_ELEMENT {
                let (above, digit) = f.divide(rest, 1 << DIGIT_BITS);
                f.range(digit, STEPS);
                let left = f.sub(STEPS, digit);
                sum = f.add(sum, left);
                steps.push(left);
                low.push(digit);
                rest = above;
            }
            // An element has one representation below p: the one above it would begin with the greatest rest.
            f.range(rest, REST_MAX);
            let is_max = f.is_equal(rest, REST_MAX);
            let digits = f.sum(&low, F::from_u32(1 << DIGIT_BITS));
            f.assert_mul(is_max, digits, 0);
        }
        let is_signed = f.is_equal(sum, STEP_SUM);
        let valid = f.cell();
        f.branch(
            is_signed,
            |f| {
                let mut arguments: Vec<Value> = vec![leaf.into(), signature.into()];
                arguments.extend(steps.iter().map(|&cell| Value::from(cell)));
                let root = f.call(walk, &arguments)[0];
                let is_key = f.words_equal(root, key);
                f.set(valid, is_key);
            },
            |f| f.set(valid, 0),
        );
        f.give(&[valid.into()]);
    })
}

/// (leaf, address of the signature's first element, steps of each chain) → address of the root that they lead to.
fn walk(assembler: &mut Assembler, decode: Function, chain: Function) -> Function {
    assembler.function("walk", 2 + CHAINS, 1, |f| {
        let (leaf, signature) = (f.argument(0), f.argument(1));
        let words = f.words(WORDS.div_ceil(WORD) as u32);
        let turns = (WORDS / TURN_WORDS) as u32;
        f.call(decode, &[signature.into(), words.into(), turns.into()]);
        let mut state = f.constant(capacity(TAG_KEY, (CHAINS * WORD) as u32));
        let mut node = f.cell();
        for index in 0..CHAINS {
            let start = f.load(words, index as u32);
            let steps = f.argument(2 + index);
            let end = f.call(chain, &[start.into(), steps.into()])[0];
            if index + 1 == CHAINS {
                f.hash(end, state, node);
            } else {
                state = f.absorb(end, state);
            }
        }
        let mut position = leaf;
        for level in 0..TREE_HEIGHT {
            let (is_right, up) = f.halve(position);
            let sibling = f.load(words, (CHAINS + level) as u32);
            let parent = f.cell();
            f.branch(is_right, |f| f.hash(sibling, node, parent), |f| f.hash(node, sibling, parent));
            (node, position) = (parent, up);
        }
        f.set(position, 0);
        f.give(&[node.into()]);
    })
}

/// (address of a chain's value, steps) → address of the chain's end.
fn chain(assembler: &mut Assembler) -> Function {
    assembler.function("chain", 2, 1, |f| {
        let [start, steps] = f.arguments();
        let step = f.constant(step_constants());
        let turns = STEPS as usize;
        // values[i] is the address of the value i steps after the start of the turns; the signature's stands where it enters.
        let values = f.row(turns + 1);
        let last = f.address_of(values.next(STEPS));
        let entry = f.sub(last, steps);
        f.store(entry, 0, start);
        f.last_turns(steps, turns, |f, turn| {
            let turn = turn as u32;
            f.hash(values.next(turn), step, values.next(turn + 1));
        });
        f.give(&[values.next(STEPS).into()]);
    })
}

/// (address of packed elements, address of cells for addresses, turns): 32 elements of three bytes each are 24 of four, three
/// words, whose addresses are written down; so many times.
fn decode(assembler: &mut Assembler) -> Function {
    let decode = assembler.declare("decode", 3, 0);
    assembler.define(decode, |f| {
        let [from, to, turns] = f.arguments();
        let words = f.words_here(TURN_WORDS);
        let limbs: Vec<Cell> = words.iter().flat_map(|word| word.cells()).collect();
        for (group, limbs) in limbs.chunks_exact(3).enumerate() {
            // Bytes 0–2, 3–5, 6–8, 9–11 become 0–3, 4–7, 8–11.
            let [p0, p1, p2, p3] = [0, 1, 2, 3].map(|at| f.load(from, (4 * group + at) as u32));
            let (high1, low1) = f.divide(p1, 1 << 8);
            f.range(low1, 0xff);
            f.range(high1, 0xffff);
            let (high2, low2) = f.divide(p2, 1 << 16);
            f.range(low2, 0xffff);
            f.range(high2, 0xff);
            for (limb, (low, (high, shift))) in
                limbs.iter().zip([(p0, (low1, 24)), (high1, (low2, 16)), (high2, (p3, 8))])
            {
                let scaled = f.mul(high, 1 << shift);
                f.assert_add(low, scaled, *limb);
            }
        }
        for (at, word) in (0..).zip(&words) {
            f.store(to, at, *word);
        }
        let last = f.is_equal(turns, 1);
        f.branch(
            last,
            |f| f.give(&[]),
            |f| {
                let (from, to) = (f.add(from, TURN_ELEMENTS), f.add(to, TURN_WORDS as u32));
                let turns = f.sub(turns, 1);
                f.tail_call(decode, &[from, to, turns].map(Value::from));
            },
        );
    });
    decode
}
