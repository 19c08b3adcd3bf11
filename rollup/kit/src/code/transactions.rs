//! A block's transactions: where each begins and ends, and which of them the rules see.

use sinter_machine::{Assembler, Function, Value};
use sinter_primitives::TransactionKind;
use sinter_primitives::accumulator::HEAD_ELEMENTS;
use sinter_primitives::poseidon2::ELEMENT_BYTES;

use super::question;

/// (application, next withdrawal, offset, base, end of what is open, elements, address of the root) → (application, next
/// withdrawal, offset) after any number of transactions.
pub(super) fn transactions(
    assembler: &mut Assembler,
    ensure: Function,
    transaction: Function,
    payload_bytes_max: u32,
) -> Function {
    let transactions = assembler.declare("transactions", 7, 3);
    assembler.define(transactions, |f| {
        let [application, next, offset, base, end, elements, root] = f.arguments();
        let go = f.cell();
        f.ask(question::TRANSACTION, &[next.into(), offset.into()], &[go]);
        let finished = f.is_equal(offset, elements);
        f.branch(
            finished,
            |f| f.give(&[application, next, offset].map(Value::from)),
            |f| {
                f.branch(
                    go,
                    |f| {
                        let payload = f.add(offset, HEAD_ELEMENTS as u32);
                        let open = f.call(ensure, &[offset, payload, base, end, elements, root].map(Value::from));
                        let at = f.add(open[0], offset);
                        let (kind, bytes) = (f.load(at, 0), f.load(at, 1));
                        let padded = f.add(bytes, ELEMENT_BYTES as u32 - 1);
                        let (payload_elements, rest) = f.divide(padded, ELEMENT_BYTES as u32);
                        f.range(rest, ELEMENT_BYTES as u32 - 1);
                        f.range24(payload_elements);
                        let following = f.add(payload, payload_elements);

                        // Of what the committee ordered it is so; rules may rely on it whatever the committee did.
                        f.range24(bytes);
                        // What users sent, and what was forced on L1; a bundle is its auction's business.
                        let is_bundle = f.is_equal(kind, TransactionKind::Express as u32);
                        let is_short = f.at_most(bytes, payload_bytes_max);
                        let is_short_bundle = f.mul(is_bundle, is_short);
                        let is_seen = f.sub(is_short, is_short_bundle);
                        let [then, withdrawal, base, end] = std::array::from_fn(|_| f.cell());
                        f.branch(
                            is_seen,
                            |f| {
                                let needed = [offset, following, open[0], open[1], elements, root].map(Value::from);
                                let open = f.call(ensure, &needed);
                                f.set(base, open[0]);
                                f.set(end, open[1]);
                                let at = f.add(base, payload);
                                let applied = f.call(transaction, &[application, next, at, bytes].map(Value::from));
                                f.set(then, applied[0]);
                                f.set(withdrawal, applied[1]);
                            },
                            |f| {
                                f.set(base, open[0]);
                                f.set(end, open[1]);
                                f.set(then, application);
                                f.set(withdrawal, next);
                            },
                        );
                        f.ask(question::APPLIED, &[then.into()], &[]);
                        let rest = [then, withdrawal, following, base, end, elements, root].map(Value::from);
                        f.tail_call(transactions, &rest);
                    },
                    |f| f.give(&[application, next, offset].map(Value::from)),
                );
            },
        );
    });
    transactions
}
