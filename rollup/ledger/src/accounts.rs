//! The accounts, natively: what answers the rules' questions, and what a node looks up.
//!
//! An account is a leaf of a tree of height 24, at the index at which it was opened:
//!
//! ```text
//! leaf        = sponge(ACCOUNT = 11, 16, key ‖ nonce ‖ base ‖ wei (4) ‖ 0 ‖ 0)      8 zeros where there is none
//! application = compress(root, accounts ‖ LEDGER = 12 ‖ 0 …)
//! ```
//!
//! A leaf is a sponge's, because `compress` alone runs backwards: who may choose 8 of its elements finds an input of any output.

use p3_field::{Field, PrimeCharacteristicRing, PrimeField32};
use serde::{Deserialize, Serialize};
use sinter_machine::{Context, HostError, Usage, WORD};
use sinter_program::F;
use sinter_rollup::{Application, Digest, compress, digest_text, sponge};
use thiserror::Error;

use crate::rules::question;
use crate::signature;
use crate::transaction::{WEI_LIMBS, wei_from_limbs, wei_limbs};

/// Height of the accounts' tree.
pub const TREE_HEIGHT: usize = 24;
/// Most accounts there can be.
pub const ACCOUNTS_MAX: u32 = (1 << TREE_HEIGHT) - 1;
/// The sponge's tag for an account.
pub const TAG_ACCOUNT: u32 = 11;
/// What stands behind the number of accounts in the application's word.
pub const TAG_LEDGER: u32 = 12;

/// One account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its public key.
    #[serde(with = "digest_text")]
    pub key: Digest,
    /// The lowest nonce that was not taken.
    pub nonce: u32,
    /// The nonce that the key's first leaf signs.
    pub base: u32,
    /// What it has.
    pub wei: u128,
}

impl Account {
    /// The lowest leaf of the key that may sign, if there is one left.
    #[must_use]
    pub fn leaf(&self) -> Option<u32> {
        self.nonce.checked_sub(self.base).filter(|leaf| *leaf < signature::LEAVES)
    }

    fn digest(&self) -> Digest {
        let mut rest = [F::ZERO; WORD];
        rest[0] = F::from_u32(self.nonce);
        rest[1] = F::from_u32(self.base);
        for (limb, wei) in rest[2..].iter_mut().zip(wei_limbs(self.wei)) {
            *limb = F::from_u32(wei);
        }
        sponge(TAG_ACCOUNT, [self.key, rest].as_flattened())
    }
}

/// All accounts, and the tree over them. In files, only the accounts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Account>", into = "Vec<Account>")]
pub struct Accounts {
    accounts: Vec<Account>,
    /// The tree's nodes, level by level, as far as there are accounts below them.
    levels: Vec<Vec<Digest>>,
    /// The root of a tree of each height without accounts.
    empty: Vec<Digest>,
}

impl Default for Accounts {
    fn default() -> Self {
        let mut empty = vec![Digest::default()];
        for level in 0..TREE_HEIGHT {
            empty.push(compress(&empty[level], &empty[level]));
        }
        Self { accounts: Vec::new(), levels: vec![Vec::new(); TREE_HEIGHT + 1], empty }
    }
}

impl Accounts {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        // At most ACCOUNTS_MAX.
        self.accounts.len() as u32
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Account> {
        self.accounts.get(index as usize)
    }

    /// All of them, by index.
    #[must_use]
    pub fn all(&self) -> &[Account] {
        &self.accounts
    }

    /// The tree's root.
    pub fn root(&self) -> Digest {
        self.node(TREE_HEIGHT, 0)
    }

    /// What stands beside the way from a leaf to the root, bottom up.
    #[must_use]
    pub fn path(&self, index: u32) -> Vec<Digest> {
        (0..TREE_HEIGHT).map(|level| self.node(level, (index as usize >> level) ^ 1)).collect()
    }

    /// Puts an account at an index: one that there is, or the next one.
    ///
    /// # Errors
    /// [`LedgerError::Index`].
    pub fn set(&mut self, index: u32, account: Account) -> Result<(), LedgerError> {
        let len = self.len();
        if index > len || index >= ACCOUNTS_MAX {
            return Err(LedgerError::Index { max: len.min(ACCOUNTS_MAX - 1), got: index });
        }
        if index == len {
            self.accounts.push(account);
        } else {
            self.accounts[index as usize] = account;
        }
        let (mut at, mut node) = (index as usize, account.digest());
        for level in 0..=TREE_HEIGHT {
            let nodes = &mut self.levels[level];
            if at == nodes.len() {
                nodes.push(node)
            } else {
                nodes[at] = node
            }
            if level < TREE_HEIGHT {
                let (left, right) = (self.node(level, at & !1), self.node(level, at | 1));
                node = compress(&left, &right);
            }
            at >>= 1;
        }
        Ok(())
    }

    fn node(&self, level: usize, at: usize) -> Digest {
        self.levels[level].get(at).copied().unwrap_or(self.empty[level])
    }
}

impl TryFrom<Vec<Account>> for Accounts {
    type Error = LedgerError;

    fn try_from(list: Vec<Account>) -> Result<Self, LedgerError> {
        let mut accounts = Self::default();
        for (index, account) in (0..).zip(list) {
            accounts.set(index, account)?;
        }
        Ok(accounts)
    }
}

impl From<Accounts> for Vec<Account> {
    fn from(accounts: Accounts) -> Self {
        accounts.accounts
    }
}

/// Why the ledger cannot go along with its rules.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// An account that there is not.
    #[error("expected an account of index at most {max}, got {got}")]
    Index {
        /// The greatest index.
        max: u32,
        /// The index.
        got: u32,
    },
    /// The rules stand elsewhere than the accounts.
    #[error("the rules give {expected:?}, the accounts {got:?}")]
    Diverged {
        /// The rules' word.
        expected: Digest,
        /// The accounts'.
        got: Digest,
    },
}

/// What became of a transaction of an account that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was not valid: nothing happened.
    Skipped,
    /// Its nonce was taken, and nothing else happened.
    Failed,
    /// It did what it says.
    Done,
}

/// The reference rollup's state.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The accounts.
    pub accounts: Accounts,
    /// What became of transactions of the statement, in order.
    #[serde(skip)]
    pub outcomes: Vec<Outcome>,
}

impl Ledger {
    fn set(&mut self, context: &Context<'_>) -> Result<(), HostError> {
        let value = |operand: usize| context.value(operand).map(|value| value.as_canonical_u32());
        let mut wei = [0; WEI_LIMBS];
        for (limb, operand) in wei.iter_mut().zip(4..) {
            *limb = value(operand)?;
        }
        let key = context.memory.read_word(context.address(1)?)?;
        let account = Account { key, nonce: value(2)?, base: value(3)?, wei: wei_from_limbs(&wei) };
        Ok(self.accounts.set(value(0)?, account)?)
    }

    fn account(&self, context: &mut Context<'_>) -> Result<(), HostError> {
        let index = context.value(0)?.as_canonical_u32();
        let max = self.accounts.len();
        let account = *self.accounts.get(index).ok_or(LedgerError::Index { max, got: index })?;
        let key = context.place(&account.key)?;
        context.set(1, key)?;
        let numbers = [account.nonce, account.base].into_iter().chain(wei_limbs(account.wei));
        for (number, operand) in numbers.zip(2..) {
            context.set(operand, F::from_u32(number))?;
        }
        Ok(())
    }
}

impl Application for Ledger {
    fn word(&self) -> Digest {
        let mut rest = [F::ZERO; WORD];
        rest[0] = F::from_u32(self.accounts.len());
        rest[1] = F::from_u32(TAG_LEDGER);
        compress(&self.accounts.root(), &rest)
    }

    fn cost(&self) -> Usage {
        // A forced transaction that opens an account: the test `capacity_of_a_batch_and_cost_of_a_transaction` holds these
        // against what it takes.
        Usage { cycles: 14_000, hashes: 640, words: 2_400 }
    }

    fn applied(&mut self, word: &Digest) -> Result<(), HostError> {
        let got = self.word();
        if got == *word { Ok(()) } else { Err(LedgerError::Diverged { expected: *word, got }.into()) }
    }

    fn completed(&mut self) {
        self.outcomes.clear();
    }

    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError> {
        match question {
            question::LEDGER => {
                let root = context.place(&self.accounts.root())?;
                context.set(0, root)?;
                Ok(context.set(1, F::from_u32(self.accounts.len()))?)
            }
            question::ACCOUNT => self.account(context),
            question::PATH => {
                let path = self.accounts.path(context.value(0)?.as_canonical_u32());
                let at = context.place(path.as_flattened())?;
                Ok(context.set(1, at)?)
            }
            question::SET => self.set(context),
            question::OUTCOME => {
                let (valid, done) = (context.value(0)?, context.value(1)?);
                self.outcomes.push(match (valid.is_one(), done.is_one()) {
                    (false, _) => Outcome::Skipped,
                    (true, false) => Outcome::Failed,
                    (true, true) => Outcome::Done,
                });
                Ok(())
            }
            question => Err(format!("the ledger's rules ask no question {question}").into()),
        }
    }
}
