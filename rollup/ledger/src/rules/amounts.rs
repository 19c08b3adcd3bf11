//! Amounts: four elements of 24 bits, the lowest first.

use sinter_machine::{Assembler, Cell, Frame, Function, Value};
use sinter_program::F;

use crate::transaction::WEI_LIMBS;

const LIMB: u32 = 1 << 24;

/// (balance (4), wei (4)) → (whether the wei is there, balance without it (4)). Both are below 2^24 an element; the wei is
/// shown to be.
pub(super) fn debit(assembler: &mut Assembler) -> Function {
    assembler.function("debit", 2 * WEI_LIMBS, 1 + WEI_LIMBS, |f| {
        let arguments: [Cell; 2 * WEI_LIMBS] = f.arguments();
        let (balance, wei) = arguments.split_at(WEI_LIMBS);
        let mut borrow: Value = 0.into();
        let mut results = Vec::with_capacity(1 + WEI_LIMBS);
        for (balance, wei) in balance.iter().zip(wei) {
            f.range24(*wei);
            let taken = f.add(*wei, borrow);
            let fits = f.guess_at_most(taken, *balance);
            f.assert_mul(fits, fits, fits);
            let next = f.not(fits);
            let (lent, difference) = (f.mul(next, LIMB), f.sub(*balance, taken));
            let rest = f.add(difference, lent);
            // Only the right guess leaves a rest in this range.
            f.range24(rest);
            results.push(rest.into());
            borrow = next.into();
        }
        results.insert(0, f.not(borrow).into());
        f.give(&results);
    })
}

/// (balance (4), wei (4)) → the sum (4). It is shown to be below 2^96: more wei than ever was cannot be there.
pub(super) fn credit(assembler: &mut Assembler) -> Function {
    assembler.function("credit", 2 * WEI_LIMBS, WEI_LIMBS, |f| {
        let arguments: [Cell; 2 * WEI_LIMBS] = f.arguments();
        let (balance, wei) = arguments.split_at(WEI_LIMBS);
        let mut carry: Value = 0.into();
        let mut results = Vec::with_capacity(WEI_LIMBS);
        for (balance, wei) in balance.iter().zip(wei) {
            let sum = f.add(*balance, *wei);
            let sum = f.add(sum, carry);
            let (next, rest) = f.divide(sum, LIMB);
            f.assert_mul(next, next, next);
            f.range24(rest);
            results.push(rest.into());
            carry = next.into();
        }
        f.set(carry, 0);
        f.give(&results);
    })
}

/// (address of the next withdrawal, recipient's seven elements, wei (4)) → address of the next withdrawal. The seventh element
/// is shown to be below 2^16: two bytes; the wei is shown to be below 2^24 an element.
pub(super) fn withdraw(assembler: &mut Assembler, withdraw: Function) -> Function {
    assembler.function("pay_out", 1 + RECIPIENT + WEI_LIMBS, 1, |f| {
        let arguments: [Cell; 1 + RECIPIENT + WEI_LIMBS] = f.arguments();
        let [next, ..] = arguments;
        let (recipient, wei) = arguments[1..].split_at(RECIPIENT);
        // The contract has wei's bytes in the other order, right behind the recipient's twenty.
        let bytes: Vec<Cell> = wei.iter().flat_map(|limb| f.bytes(*limb)).rev().collect();
        let last = recipient[RECIPIENT - 1];
        f.range(last, 0xffff);
        let shifted = f.mul(bytes[0], 1 << 16);
        let seam = f.add(last, shifted);
        let mut elements: Vec<Value> = vec![next.into()];
        elements.extend(recipient[..RECIPIENT - 1].iter().map(|&cell| Value::from(cell)));
        elements.push(seam.into());
        for three in bytes[1..].chunks(3) {
            elements.push(f.sum(three, F::new(256)).into());
        }
        let next = f.call(withdraw, &elements)[0];
        f.give(&[next.into()]);
    })
}

/// Elements of an address.
pub(super) const RECIPIENT: usize = 7;

/// An amount among a function's results.
pub(super) fn limbs(results: &[Cell]) -> [Value; WEI_LIMBS] {
    std::array::from_fn(|limb| results[limb].into())
}

/// One of two amounts.
pub(super) fn choose(
    f: &mut Frame<'_>,
    condition: Cell,
    then: [Value; WEI_LIMBS],
    otherwise: [Value; WEI_LIMBS],
) -> [Value; WEI_LIMBS] {
    let chosen: [Cell; WEI_LIMBS] = std::array::from_fn(|_| f.cell());
    f.branch(
        condition,
        |f| chosen.iter().zip(then).for_each(|(cell, value)| f.set(*cell, value)),
        |f| chosen.iter().zip(otherwise).for_each(|(cell, value)| f.set(*cell, value)),
    );
    chosen.map(Value::from)
}
