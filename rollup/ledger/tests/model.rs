//! The rules against a second definition of them, in plain Rust from the words of `transaction.rs`, over random lanes.

use crate::world::{DOMAIN, KEYS, World, block, deposit, domain, force, key_bytes, user};
use p3_field::PrimeCharacteristicRing;
use proptest::prelude::*;
use proptest::sample::Index;
use sinter_ledger::signature::{CHAINS, LEAVES, Signature, TREE_HEIGHT, verify};
use sinter_ledger::transaction::{Action, Body, TRANSACTION_BYTES, message};
use sinter_primitives::TransactionKind;
use sinter_primitives::inbox::{EntryKind, InboxEntry, Withdrawal};
use sinter_program::F;
use sinter_rollup::{Digest, Lane};

#[derive(Clone, Debug, PartialEq)]
struct Account {
    key: Digest,
    nonce: u32,
    base: u32,
    wei: u128,
}

#[derive(Clone, Debug, Default)]
struct Model {
    accounts: Vec<Account>,
    withdrawals: Vec<Withdrawal>,
}

fn element(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[3 * at], bytes[3 * at + 1], bytes[3 * at + 2], 0])
}

fn limb(bytes: &[u8]) -> F {
    F::from_u64(u64::from(u32::from_le_bytes(bytes.try_into().unwrap())))
}

impl Model {
    fn transaction(&mut self, payload: &[u8]) {
        if payload.len() != TRANSACTION_BYTES {
            return;
        }
        let head = |at| element(payload, at);
        let (operation, index, nonce) = (head(0), head(1) as usize, head(2));
        let wei = (0..4).map(|limb| u128::from(head(3 + limb)) << (24 * limb)).sum::<u128>();
        let target: Digest = std::array::from_fn(|limb| {
            F::from_u64(u64::from(head(7 + 2 * limb)) + (u64::from(head(8 + 2 * limb)) << 24))
        });
        let words = payload[93..].chunks(4).map(limb).collect::<Vec<F>>();
        let word = |at: usize| -> Digest { words[8 * at..8 * at + 8].try_into().unwrap() };
        let signature = Signature {
            salt: std::array::from_fn(|at| head(23 + at)),
            chains: std::array::from_fn(word),
            path: std::array::from_fn(|level| word(CHAINS + level)),
        };
        assert_eq!(words.len(), 8 * (CHAINS + TREE_HEIGHT));

        let count = self.accounts.len();
        let Some(sender) = self.accounts.get_mut(index) else { return };
        let message = message(&domain(), &std::array::from_fn(head));
        let leaf = nonce.wrapping_sub(sender.base);
        if nonce < sender.nonce || leaf >= LEAVES || !verify(&sender.key, leaf, &message, &signature) {
            return;
        }
        sender.nonce = nonce + 1;
        let to = head(7) as usize;
        let recipient = &payload[3 * 7..];
        let address: Vec<u8> = (0..7).flat_map(|at| recipient[6 * at..6 * at + 3].to_vec()).collect();
        match operation {
            1 if sender.wei >= wei && to < count => {
                sender.wei -= wei;
                self.accounts[to].wei += wei;
            }
            2 if sender.wei >= wei => {
                sender.wei -= wei;
                self.accounts.push(Account { key: target, nonce: 0, base: 0, wei });
            }
            3 if sender.wei >= wei && address[20] == 0 => {
                sender.wei -= wei;
                self.withdrawals.push(Withdrawal { recipient: address[..20].try_into().unwrap(), wei });
            }
            4 => (sender.key, sender.base) = (target, sender.nonce),
            _ => {}
        }
    }

    fn entry(&mut self, entry: &InboxEntry) {
        let payload = &entry.payload;
        match (entry.kind, payload.len()) {
            (EntryKind::Forced, _) => self.transaction(payload),
            (EntryKind::Deposit, 32) => {
                let key = std::array::from_fn(|at| limb(&payload[4 * at..4 * at + 4]));
                self.accounts.push(Account { key, nonce: 0, base: 0, wei: entry.wei });
            }
            (EntryKind::Deposit, 3) if (element(payload, 0) as usize) < self.accounts.len() => {
                self.accounts[element(payload, 0) as usize].wei += entry.wei;
            }
            (EntryKind::Deposit, _) if entry.wei == 0 => {}
            (EntryKind::Deposit, _) => self.withdrawals.push(Withdrawal { recipient: entry.sender, wei: entry.wei }),
        }
    }
}

/// One thing that somebody sends: a transaction that may be wrong in some way.
#[derive(Clone, Debug)]
struct Send {
    sender: u32,
    action: u8,
    to: u32,
    wei: u128,
    key: usize,
    nonce_off: i32,
    flip: Option<Index>,
    kind: u8,
}

fn sends() -> impl Strategy<Value = Vec<Send>> {
    let wei = prop_oneof![0..2_000u128, Just(1 << 24), Just((1 << 48) + 7), Just((1 << 95) - 1), any::<u128>()];
    let send = (
        0..4u32,
        0..6u8,
        0..5u32,
        wei,
        0..3usize,
        prop_oneof![9 => Just(0), 2 => -1..3i32],
        prop_oneof![4 => Just(None), 1 => any::<Index>().prop_map(Some)],
        prop_oneof![6 => Just(0u8), 1 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)],
    );
    let send = send.prop_map(|(sender, action, to, wei, key, nonce_off, flip, kind)| {
        let wei = wei & ((1 << 96) - 1);
        Send { sender, action, to, wei, key, nonce_off, flip, kind }
    });
    proptest::collection::vec(send, 1..14)
}

impl Send {
    fn payload(&self, model: &Model) -> Vec<u8> {
        let key = KEYS[self.key].public();
        let action = match self.action {
            0 | 1 => Action::Transfer { to: self.to, wei: self.wei % 1_500 },
            2 => Action::Open { key, wei: self.wei },
            3 => Action::Withdraw { recipient: [self.to as u8 + 200; 20], wei: self.wei % 100 },
            4 => Action::Rotate { key },
            _ => Action::Transfer { to: self.to, wei: self.wei },
        };
        let account = model.accounts.get(self.sender as usize);
        let nonce = account.map_or(0, |account| account.nonce);
        let signer =
            account.and_then(|account| KEYS.iter().find(|key| key.public() == account.key)).unwrap_or(&KEYS[0]);
        let nonce = nonce.saturating_add_signed(self.nonce_off);
        let leaf = account.map_or(0, |account| nonce.saturating_sub(account.base));
        let body = Body { account: self.sender, nonce, action };
        let mut payload = body.sign(&domain(), signer, leaf).unwrap();
        if let Some(flip) = &self.flip {
            payload[flip.index(TRANSACTION_BYTES)] ^= 1 << self.to;
        }
        payload
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_rules_are_the_model(sends in sends()) {
        let mut world = World::with_accounts();
        let mut model = Model::default();
        for who in 0..2 {
            model.accounts.push(Account { key: KEYS[who].public(), nonce: 0, base: 0, wei: 1_000 });
        }
        prop_assert_eq!(world.state.domain, domain());
        prop_assert_eq!(DOMAIN.chain_id, 5);
        // Entries are taken first, so they are played first.
        let mut lane = Lane::default();
        for send in &sends {
            let entry = match send.kind {
                1 => deposit(send.wei >> 2, &send.to.to_le_bytes()[..3]),
                2 => deposit(send.wei >> 2, &key_bytes(&KEYS[send.key].public())),
                3 => deposit(send.wei >> 2, &vec![5; send.to as usize * 7 + 1]),
                4 => force(send.payload(&model)),
                _ => continue,
            };
            model.entry(&entry);
            lane.entries.push(entry);
        }
        let mut transactions = Vec::new();
        for send in sends.iter().filter(|send| send.kind == 0) {
            let payload = send.payload(&model);
            model.transaction(&payload);
            transactions.push(user(payload));
            if send.to == 4 {
                // What is no user's is nobody's.
                let mut express = user(send.payload(&model));
                express.kind = TransactionKind::Express;
                transactions.push(express);
            }
        }
        if !transactions.is_empty() {
            lane.blocks.push(block(1, transactions));
        }
        let statement = world.statement(&lane);
        prop_assert!(!statement.full);
        let accounts: Vec<Account> = world
            .ledger
            .accounts
            .all()
            .iter()
            .map(|account| Account { key: account.key, nonce: account.nonce, base: account.base, wei: account.wei })
            .collect();
        prop_assert_eq!(accounts, model.accounts);
        prop_assert_eq!(statement.withdrawals, model.withdrawals);
    }
}
