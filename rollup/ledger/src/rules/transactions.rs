//! A transaction: whether it is valid, and what it does.

use sinter_machine::library::capacity;
use sinter_machine::{Assembler, Cell, Frame, Function, Value, WORD, Word};

use super::accounts::{Account, Ledger};
use super::amounts::{self, RECIPIENT};
use super::{Parts, question};
use crate::accounts::ACCOUNTS_MAX;
use crate::signature::{LEAVES, MESSAGE_WORDS, TAG_MESSAGE};
use crate::transaction::{HEAD_ELEMENTS, Operation, SALT, TARGET, TRANSACTION_BYTES, WEI_LIMBS};

/// The greatest nonce that can be taken.
const NONCE_MAX: u32 = (1 << 24) - 2;
/// Elements of a message: domain, what stands before the salt, salt.
const MESSAGE_ELEMENTS: u32 = (MESSAGE_WORDS + 1) as u32 * WORD as u32;
/// Where the domain stands: it is the first public value.
const DOMAIN: u32 = 0;

/// See [`sinter_rollup::code::Entrypoints`].
pub(super) fn transaction(assembler: &mut Assembler, parts: &Parts) -> Function {
    let known = known(assembler, parts);
    assembler.function("transaction", 4, 2, |f| {
        let [application, withdrawals, payload, bytes] = f.arguments();
        let is_long = f.is_equal(bytes, TRANSACTION_BYTES as u32);
        let skip = |f: &mut Frame<'_>| f.give(&[application.into(), withdrawals.into()]);
        f.branch(
            is_long,
            |f| {
                let ledger = Ledger::open(f, application);
                let account = f.load(payload, 1);
                let exists = ledger.has(f, account);
                f.branch(
                    exists,
                    |f| {
                        let arguments = [ledger.root, ledger.accounts, withdrawals, payload, account];
                        f.tail_call(known, &arguments.map(Value::from));
                    },
                    skip,
                );
            },
            skip,
        );
    })
}

/// (address of the root, accounts, next withdrawal, payload, account, which exists) → (application, next withdrawal).
fn known(assembler: &mut Assembler, parts: &Parts) -> Function {
    let (message, act) = (message(assembler), act(assembler, parts));
    assembler.function("known", 5, 2, |f| {
        let [root, accounts, withdrawals, payload, account] = f.arguments();
        let sender = Account::ask(f, account);
        let before = sender.leaf(f);

        let nonce = f.load(payload, 2);
        let is_free = f.at_most(sender.nonce, nonce);
        let (leaf, can_sign) = (f.sub(nonce, sender.base), f.cell());
        f.branch(
            is_free,
            |f| {
                // Not below zero: no base is above its account's nonce.
                let has_leaf = f.at_most(leaf, LEAVES - 1);
                let is_not_last = f.at_most(nonce, NONCE_MAX);
                f.assert_mul(has_leaf, is_not_last, can_sign);
            },
            |f| f.set(can_sign, 0),
        );
        let valid = f.cell();
        f.branch(
            can_sign,
            |f| {
                let digest = f.call(message, &[payload.into()])[0];
                let signature = f.add(payload, HEAD_ELEMENTS as u32);
                let is_signed = f.call(parts.verify, &[digest.into(), leaf.into(), signature.into(), sender.key])[0];
                f.set(valid, is_signed);
            },
            |f| f.set(valid, 0),
        );
        f.branch(
            valid,
            |f| {
                let mut arguments = [root, accounts, withdrawals, payload, account, before].map(Value::from).to_vec();
                arguments.extend([sender.key, nonce.into(), sender.base]);
                arguments.extend(sender.wei);
                f.tail_call(act, &arguments);
            },
            |f| {
                // That the account is what the host says is shown even if nothing comes of it.
                f.call(parts.update, &[account, before, before, root].map(Value::from));
                f.ask(question::OUTCOME, &[0.into(), 0.into()], &[]);
                let application = Ledger::close(f, root, accounts);
                f.give(&[application.into(), withdrawals.into()]);
            },
        );
    })
}

/// (payload) → address of the digest that is signed.
fn message(assembler: &mut Assembler) -> Function {
    assembler.function("message", 1, 1, |f| {
        let payload = f.argument(0);
        // The elements as they stand there, and not what they are taken for: two targets can be one element modulo p.
        let body = f.words_here(MESSAGE_WORDS - 1);
        let mut cells = body.iter().flat_map(|word| word.cells());
        for (at, cell) in (0..SALT as u32).zip(&mut cells) {
            f.store(payload, at, cell);
        }
        for cell in cells {
            f.set(cell, 0);
        }
        let salt = f.word();
        for (at, cell) in (SALT as u32..).zip(salt.cells()) {
            f.store(payload, at, cell);
        }
        let mut state = f.constant(capacity(TAG_MESSAGE, MESSAGE_ELEMENTS));
        for word in std::iter::once(Value::from(DOMAIN)).chain(body.iter().map(|&word| word.into())) {
            state = f.absorb(word, state);
        }
        let digest = f.cell();
        f.hash(salt, state, digest);
        f.give(&[digest.into()]);
    })
}

/// A transaction's target as the key that it is for `open` and `rotate`.
fn target_key(f: &mut Frame<'_>, payload: Cell) -> Word {
    let target = f.word();
    for (at, cell) in (TARGET as u32..).step_by(2).zip(target.cells()) {
        let (low, high) = (f.load(payload, at), f.load(payload, at + 1));
        let scaled = f.mul(high, 1 << 24);
        f.assert_add(low, scaled, cell);
    }
    target
}

/// (address of the root, accounts, next withdrawal, payload, account, address of its leaf; its key's address, the transaction's
/// nonce, the key's base, wei (4)) → (application, next withdrawal), of a valid transaction.
fn act(assembler: &mut Assembler, parts: &Parts) -> Function {
    assembler.function("act", 9 + WEI_LIMBS, 2, |f| {
        let arguments: [Cell; 9 + WEI_LIMBS] = f.arguments();
        let [root, accounts, withdrawals, payload, account, before, key, nonce, base, balance @ ..] = arguments;
        let ledger = Ledger { root, accounts };
        let balance = balance.map(Value::from);
        let operation = f.load(payload, 0);
        let [is_transfer, is_open, is_withdrawal, is_rotation] =
            [Operation::Transfer, Operation::Open, Operation::Withdraw, Operation::Rotate]
                .map(|known| f.is_equal(operation, known as u32));
        let wei: [Value; WEI_LIMBS] = std::array::from_fn(|limb| f.load(payload, 3 + limb as u32).into());
        let to = f.load(payload, TARGET as u32);
        let recipient: [Value; RECIPIENT] =
            std::array::from_fn(|element| f.load(payload, (TARGET + 2 * element) as u32).into());

        let has_target = f.cell();
        let has = |f: &mut Frame<'_>, value: Cell| f.set(has_target, value);
        f.branch(
            is_transfer,
            |f| {
                let exists = ledger.has(f, to);
                has(f, exists);
            },
            |f| {
                f.branch(
                    is_open,
                    |f| {
                        let has_room = f.at_most(accounts, ACCOUNTS_MAX - 1);
                        has(f, has_room);
                    },
                    |f| {
                        let is_address = f.at_most(recipient[RECIPIENT - 1], 0xffff);
                        let both = f.mul(is_withdrawal, is_address);
                        has(f, both);
                    },
                );
            },
        );
        let debited = f.call(parts.debit, &[balance, wei].concat());
        let done = f.mul(debited[0], has_target);

        let [next_key, next_base] = std::array::from_fn(|_| f.cell());
        let next_nonce = f.add(nonce, 1);
        f.branch(
            is_rotation,
            |f| {
                let target = target_key(f, payload);
                f.set(next_key, target);
                f.set(next_base, next_nonce);
            },
            |f| {
                f.set(next_key, key);
                f.set(next_base, base);
            },
        );
        let next_wei = amounts::choose(f, done, amounts::limbs(&debited[1..]), balance);
        let sender = Account { key: next_key.into(), nonce: next_nonce.into(), base: next_base.into(), wei: next_wei };
        let after = sender.leaf(f);
        let root = f.call(parts.update, &[account, before, after, root].map(Value::from))[0];
        sender.tell(f, account);
        let is_done = f.add(done, is_rotation);
        f.ask(question::OUTCOME, &[1.into(), is_done.into()], &[]);

        let head = [root, accounts, withdrawals].map(Value::from);
        f.branch(
            done,
            |f| {
                f.branch(
                    is_transfer,
                    |f| f.tail_call(parts.receive, &[&head[..], &[to.into()], &wei].concat()),
                    |f| {
                        f.branch(
                            is_open,
                            |f| {
                                let key = target_key(f, payload);
                                f.tail_call(parts.open, &[&head[..], &[key.into()], &wei].concat());
                            },
                            |f| {
                                let paid = f.call(parts.withdraw, &[&head[2..], &recipient, &wei].concat())[0];
                                let application = Ledger::close(f, root, accounts);
                                f.give(&[application.into(), paid.into()]);
                            },
                        );
                    },
                );
            },
            |f| {
                let application = Ledger::close(f, root, accounts);
                f.give(&[application.into(), withdrawals.into()]);
            },
        );
    })
}
