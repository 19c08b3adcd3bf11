//! Accounts, and the tree that they stand in.

use sinter_machine::library::capacity;
use sinter_machine::{Assembler, Cell, Frame, Function, Value, WORD};

use super::{amounts, question};
use crate::accounts::{TAG_ACCOUNT, TAG_LEDGER, TREE_HEIGHT};
use crate::transaction::WEI_LIMBS;

/// What the application's word stands for.
pub(super) struct Ledger {
    pub root: Cell,
    pub accounts: Cell,
}

impl Ledger {
    /// Opens an application's word.
    pub fn open(f: &mut Frame<'_>, application: Cell) -> Self {
        let (root, accounts) = (f.cell(), f.cell());
        f.ask(question::LEDGER, &[], &[root, accounts]);
        let rest = f.word_of(&[accounts.into(), TAG_LEDGER.into()]);
        f.hash(root, rest, application);
        Self { root, accounts }
    }

    /// The address of the application's word.
    pub fn close(f: &mut Frame<'_>, root: impl Into<Value>, accounts: impl Into<Value>) -> Cell {
        let rest = f.word_of(&[accounts.into(), TAG_LEDGER.into()]);
        let application = f.cell();
        f.hash(root, rest, application);
        application
    }

    /// 1 if there is an account of that index. The index must be below 2^24.
    pub fn has(&self, f: &mut Frame<'_>, index: impl Into<Value>) -> Cell {
        let count = f.add(index, 1);
        f.at_most(count, self.accounts)
    }
}

/// An account's contents.
#[derive(Clone, Copy)]
pub(super) struct Account {
    /// The address of its key.
    pub key: Value,
    pub nonce: Value,
    /// The nonce of the key's first leaf.
    pub base: Value,
    pub wei: [Value; WEI_LIMBS],
}

impl Account {
    /// What the host says stands at an index. Its leaf must be shown to be there.
    pub fn ask(f: &mut Frame<'_>, index: Cell) -> Self {
        let cells: [Cell; 3 + WEI_LIMBS] = std::array::from_fn(|_| f.cell());
        f.ask(question::ACCOUNT, &[index.into()], &cells);
        let [key, nonce, base, wei @ ..] = cells.map(Value::from);
        Self { key, nonce, base, wei }
    }

    /// The address of its leaf.
    pub fn leaf(&self, f: &mut Frame<'_>) -> Cell {
        let [w0, w1, w2, w3] = self.wei;
        let rest = f.word_of(&[self.nonce, self.base, w0, w1, w2, w3]);
        let start = f.constant(capacity(TAG_ACCOUNT, 2 * WORD as u32));
        let (state, leaf) = (f.absorb(self.key, start), f.cell());
        f.hash(rest, state, leaf);
        leaf
    }

    /// Tells the host that this stands at an index now.
    pub fn tell(&self, f: &mut Frame<'_>, index: impl Into<Value>) {
        let mut about = vec![index.into(), self.key, self.nonce, self.base];
        about.extend(self.wei);
        f.ask(question::SET, &about, &[]);
    }
}

/// (index, address of the leaf there, address of the next leaf, address of the root) → address of the root with the next leaf.
/// The leaf is shown to be there; the index is shown to be below 2^`TREE_HEIGHT`.
pub(super) fn update(assembler: &mut Assembler) -> Function {
    assembler.function("update", 4, 1, |f| {
        let [index, mut before, mut after, root] = f.arguments();
        let siblings = f.cell();
        f.ask(question::PATH, &[index.into()], &[siblings]);
        let mut index = index;
        for level in 0..TREE_HEIGHT {
            let (is_right, up) = f.halve(index);
            let sibling = f.add(siblings, (level * WORD) as u32);
            let parent = if level + 1 == TREE_HEIGHT { root } else { f.cell() };
            let next = f.cell();
            f.branch(
                is_right,
                |f| {
                    f.hash(sibling, before, parent);
                    f.hash(sibling, after, next);
                },
                |f| {
                    f.hash(before, sibling, parent);
                    f.hash(after, sibling, next);
                },
            );
            (before, after, index) = (parent, next, up);
        }
        f.set(index, 0);
        f.give(&[after.into()]);
    })
}

/// (address of the root, accounts, next withdrawal, index, which exists, wei (4)) → (application, next withdrawal).
pub(super) fn receive(assembler: &mut Assembler, update: Function, credit: Function) -> Function {
    assembler.function("receive", 4 + WEI_LIMBS, 2, |f| {
        let [root, accounts, withdrawals, index, wei @ ..]: [Cell; 4 + WEI_LIMBS] = f.arguments();
        let account = Account::ask(f, index);
        let before = account.leaf(f);
        let sum = f.call(credit, &[account.wei, wei.map(Value::from)].concat());
        let account = Account { wei: amounts::limbs(&sum), ..account };
        let after = account.leaf(f);
        let root = f.call(update, &[index, before, after, root].map(Value::from))[0];
        account.tell(f, index);
        let application = Ledger::close(f, root, accounts);
        f.give(&[application.into(), withdrawals.into()]);
    })
}

/// (address of the root, accounts, next withdrawal, key's address, wei (4)) → (application, next withdrawal). There must be room.
pub(super) fn open(assembler: &mut Assembler, update: Function) -> Function {
    assembler.function("open_account", 4 + WEI_LIMBS, 2, |f| {
        let [root, accounts, withdrawals, key, wei @ ..]: [Cell; 4 + WEI_LIMBS] = f.arguments();
        let account = Account { key: key.into(), nonce: 0.into(), base: 0.into(), wei: wei.map(Value::from) };
        let after = account.leaf(f);
        let none = f.constant(Default::default());
        let root = f.call(update, &[accounts.into(), none, after.into(), root.into()])[0];
        account.tell(f, accounts);
        let count = f.add(accounts, 1);
        let application = Ledger::close(f, root, count);
        f.give(&[application.into(), withdrawals.into()]);
    })
}
