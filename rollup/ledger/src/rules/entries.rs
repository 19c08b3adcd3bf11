//! Entries of the inbox (`sinter_primitives::inbox`): deposits, and transactions that the committee would not order.
//!
//! A deposit's payload says whom it is for: a public key (32 bytes, eight little-endian `u32`s) opens an account, an
//! account's index (3 bytes, little-endian) adds to one. What is for nobody goes back to the sender, as a withdrawal.

use sinter_machine::{Assembler, Cell, Frame, Function, Value};
use sinter_primitives::inbox::{ENTRY_HEAD_BYTES, EntryKind};
use sinter_program::F;

use super::Parts;
use super::accounts::Ledger;
use super::amounts::RECIPIENT;
use crate::accounts::ACCOUNTS_MAX;
use crate::transaction::{HEAD_ELEMENTS, SIGNATURE_ELEMENTS, TRANSACTION_BYTES, WEI_LIMBS};

const HEAD: u32 = ENTRY_HEAD_BYTES as u32;
/// Payloads of a deposit.
pub(crate) const KEY_BYTES: u32 = 32;
pub(crate) const INDEX_BYTES: u32 = 3;
/// Where fields stand in an entry.
const SENDER: usize = 1;
const WEI: usize = 21;
/// The first element of the payload, which begins with its second byte.
const SEAM: u32 = HEAD / 3;
/// Elements that one turn of aligning makes.
const TURN: usize = 25;
const TRANSACTION_ELEMENTS: usize = HEAD_ELEMENTS + SIGNATURE_ELEMENTS;

/// See [`sinter_rollup::code::Entrypoints`].
pub(super) fn entry(assembler: &mut Assembler, parts: &Parts, transaction: Function) -> Function {
    let (align, deposit) = (align(assembler), deposit(assembler, parts));
    assembler.function("entry", 4, 2, |f| {
        let [application, withdrawals, entry, bytes] = f.arguments();
        let first = f.load(entry, 0);
        let [kind, ..] = f.bytes(first);
        let is_deposit = f.is_equal(kind, EntryKind::Deposit as u32);
        f.branch(
            is_deposit,
            |f| f.tail_call(deposit, &[application, withdrawals, entry, bytes].map(Value::from)),
            |f| {
                let is_long = f.is_equal(bytes, HEAD + TRANSACTION_BYTES as u32);
                f.branch(
                    is_long,
                    |f| {
                        let payload = f.words(TRANSACTION_ELEMENTS.div_ceil(sinter_machine::WORD) as u32);
                        let from = f.add(entry, SEAM);
                        let turns = (TRANSACTION_ELEMENTS / TURN) as u32;
                        f.call(align, &[from.into(), payload.into(), turns.into()]);
                        let bytes = TRANSACTION_BYTES as u32;
                        f.tail_call(
                            transaction,
                            &[application.into(), withdrawals.into(), payload.into(), bytes.into()],
                        );
                    },
                    |f| f.give(&[application.into(), withdrawals.into()]),
                );
            },
        );
    })
}

/// (application, next withdrawal, entry, bytes) → (application, next withdrawal).
fn deposit(assembler: &mut Assembler, parts: &Parts) -> Function {
    assembler.function("deposit", 4, 2, |f| {
        let [application, withdrawals, entry, bytes] = f.arguments();
        let head: Vec<Cell> = bytes_at(f, entry, 0, SEAM);
        let wei: [Value; WEI_LIMBS] = std::array::from_fn(|limb| {
            // Big-endian: the lowest three bytes stand last.
            let end = PAYLOAD_OF_WEI - 3 * limb;
            sum(f, &[head[end - 1], head[end - 2], head[end - 3]])
        });
        let sender: Vec<Value> = head[SENDER..WEI].chunks(3).map(|three| sum(f, three)).collect();
        debug_assert_eq!(sender.len(), RECIPIENT);
        let back = |f: &mut Frame<'_>| {
            // Four elements of three bytes: only zeros add up to zero.
            let mut all: Value = 0.into();
            for limb in wei {
                all = f.add(all, limb).into();
            }
            let nothing = f.is_zero(all);
            f.branch(
                nothing,
                |f| f.give(&[application.into(), withdrawals.into()]),
                |f| {
                    let paid = f.call(parts.withdraw, &[&[withdrawals.into()], &sender[..], &wei].concat())[0];
                    f.give(&[application.into(), paid.into()]);
                },
            );
        };
        let ledger = Ledger::open(f, application);
        let state = [ledger.root, ledger.accounts, withdrawals].map(Value::from);
        let is_key = f.is_equal(bytes, HEAD + KEY_BYTES);
        f.branch(
            is_key,
            |f| {
                let has_room = f.at_most(ledger.accounts, ACCOUNTS_MAX - 1);
                f.branch(
                    has_room,
                    |f| {
                        let payload = bytes_at(f, entry, SEAM, KEY_BYTES.div_ceil(3));
                        let key =
                            payload[1..=KEY_BYTES as usize].chunks(4).map(|four| sum(f, four)).collect::<Vec<_>>();
                        let key = f.word_of(&key);
                        f.tail_call(parts.open, &[&state[..], &[key.into()], &wei].concat());
                    },
                    back,
                );
            },
            |f| {
                let is_index = f.is_equal(bytes, HEAD + INDEX_BYTES);
                f.branch(
                    is_index,
                    |f| {
                        let payload = bytes_at(f, entry, SEAM, 2);
                        let index = sum(f, &payload[1..=INDEX_BYTES as usize]);
                        let exists = ledger.has(f, index);
                        f.branch(exists, |f| f.tail_call(parts.receive, &[&state[..], &[index], &wei].concat()), back);
                    },
                    back,
                );
            },
        );
    })
}

/// The byte behind the wei.
const PAYLOAD_OF_WEI: usize = WEI + 12;

/// The bytes of so many elements.
fn bytes_at(f: &mut Frame<'_>, entry: Cell, first: u32, elements: u32) -> Vec<Cell> {
    (first..first + elements)
        .flat_map(|at| {
            let element = f.load(entry, at);
            f.bytes(element)
        })
        .collect()
}

/// Bytes as one element, little-endian.
fn sum(f: &mut Frame<'_>, bytes: &[Cell]) -> Value {
    f.sum(bytes, F::new(256)).into()
}

/// (address of packed elements whose second byte is the first, address of as many elements, turns): makes them begin with the
/// first byte, [`TURN`] a turn.
fn align(assembler: &mut Assembler) -> Function {
    let align = assembler.declare("align", 3, 0);
    assembler.define(align, |f| {
        let [from, to, turns] = f.arguments();
        let mut above: Option<Cell> = None;
        for at in 0..=TURN as u32 {
            let element = f.load(from, at);
            let (high, low) = f.divide(element, 1 << 8);
            f.range(low, 0xff);
            f.range(high, 0xffff);
            if let Some(above) = above {
                let scaled = f.mul(low, 1 << 16);
                let aligned = f.add(above, scaled);
                f.store(to, at - 1, aligned);
            }
            above = Some(high);
        }
        let last = f.is_equal(turns, 1);
        f.branch(
            last,
            |f| f.give(&[]),
            |f| {
                let (from, to) = (f.add(from, TURN as u32), f.add(to, TURN as u32));
                let turns = f.sub(turns, 1);
                f.tail_call(align, &[from, to, turns].map(Value::from));
            },
        );
    });
    align
}
