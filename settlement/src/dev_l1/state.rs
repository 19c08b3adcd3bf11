//! Accounts, code and storage at the head, and what it takes to step back a block.

use alloy::primitives::{Address, B256, KECCAK256_EMPTY, U256};
use revm::{
    DatabaseRef,
    bytecode::Bytecode,
    state::{AccountInfo, EvmState},
};
use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
};

/// Blocks whose hashes the `BLOCKHASH` opcode sees.
const BLOCK_HASHES: usize = 256;

/// The state after a block.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    accounts: HashMap<Address, AccountInfo>,
    storage: HashMap<(Address, U256), U256>,
    /// Code is never removed: rolled-back blocks may be mined again.
    codes: HashMap<B256, Bytecode>,
    hashes: VecDeque<(u64, B256)>,
}

/// What a transaction changed, as it was before.
#[derive(Clone, Debug, Default)]
pub(super) struct Undo {
    accounts: Vec<(Address, Option<AccountInfo>)>,
    storage: Vec<((Address, U256), U256)>,
}

impl State {
    pub(super) fn credit(&mut self, address: Address, wei: U256) {
        let account = self.accounts.entry(address).or_default();
        account.balance = account.balance.saturating_add(wei);
    }

    /// Puts code at an address, as a genesis block does.
    pub(super) fn place(&mut self, address: Address, code: &[u8]) {
        let code = Bytecode::new_raw(code.to_vec().into());
        let account = self.accounts.entry(address).or_default();
        account.code_hash = code.hash_slow();
        account.code = None;
        account.nonce = 1;
        self.codes.insert(account.code_hash, code);
    }

    pub(super) fn account(&self, address: &Address) -> AccountInfo {
        self.accounts.get(address).cloned().unwrap_or_default()
    }

    pub(super) fn code(&self, address: &Address) -> Bytecode {
        let hash = self.accounts.get(address).map_or(KECCAK256_EMPTY, |account| account.code_hash);
        self.codes.get(&hash).cloned().unwrap_or_default()
    }

    pub(super) fn slot(&self, address: Address, slot: U256) -> U256 {
        self.storage.get(&(address, slot)).copied().unwrap_or_default()
    }

    /// Takes in a transaction's changes.
    pub(super) fn apply(&mut self, changes: EvmState) -> Undo {
        let mut undo = Undo::default();
        for (address, account) in changes {
            if !account.is_touched() {
                continue;
            }
            let mut info = account.info.clone();
            if let Some(code) = info.code.take()
                && !code.is_empty()
            {
                self.codes.insert(info.code_hash, code);
            }
            // EIP-161: empty accounts do not exist. EIP-6780: a self-destructed account was made by the same
            // transaction, so nothing of it is in `storage`.
            let gone = account.is_selfdestructed() || info.is_empty();
            let before = if gone { self.accounts.remove(&address) } else { self.accounts.insert(address, info) };
            undo.accounts.push((address, before));
            if gone {
                continue;
            }
            for (slot, value) in account.storage {
                if value.is_changed() {
                    undo.storage.push(((address, slot), self.set_slot((address, slot), value.present_value)));
                }
            }
        }
        undo
    }

    /// Takes changes back; the last applied first.
    pub(super) fn revert(&mut self, undo: Undo) {
        for (key, value) in undo.storage.into_iter().rev() {
            self.set_slot(key, value);
        }
        for (address, info) in undo.accounts.into_iter().rev() {
            match info {
                Some(info) => self.accounts.insert(address, info),
                None => self.accounts.remove(&address),
            };
        }
    }

    fn set_slot(&mut self, key: (Address, U256), value: U256) -> U256 {
        let before = if value.is_zero() { self.storage.remove(&key) } else { self.storage.insert(key, value) };
        before.unwrap_or_default()
    }

    pub(super) fn push_hash(&mut self, number: u64, hash: B256) {
        self.hashes.push_back((number, hash));
        if self.hashes.len() > BLOCK_HASHES {
            self.hashes.pop_front();
        }
    }

    pub(super) fn pop_hash(&mut self) {
        self.hashes.pop_back();
    }
}

impl DatabaseRef for State {
    type Error = Infallible;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Infallible> {
        Ok(self.accounts.get(&address).cloned())
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Infallible> {
        Ok(self.codes.get(&code_hash).cloned().unwrap_or_default())
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Infallible> {
        Ok(self.slot(address, index))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Infallible> {
        Ok(self.hashes.iter().find(|(known, _)| *known == number).map(|(_, hash)| *hash).unwrap_or_default())
    }
}
