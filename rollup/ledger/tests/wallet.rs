//! Wallets, and what can happen to their files.

use crate::world::{KEYS, domain};
use p3_field::PrimeCharacteristicRing;
use sinter_ledger::signature::LEAVES;
use sinter_ledger::transaction::Action;
use sinter_ledger::{Account, Wallet, WalletError};
use std::path::PathBuf;
use tempfile::TempDir;

const ACTION: Action = Action::Transfer { to: 1, wei: 5 };

fn account(nonce: u32, base: u32) -> Account {
    Account { key: KEYS[0].public(), nonce, base, wei: 9 }
}

fn wallet() -> (TempDir, PathBuf, Wallet) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("wallet");
    let wallet = Wallet::create(&path, &[1; 32]).unwrap();
    (folder, path, wallet)
}

/// The leaf that signed, from the payload's nonce.
fn nonce(payload: &[u8]) -> u32 {
    u32::from_le_bytes([payload[6], payload[7], payload[8], 0])
}

#[test]
fn a_leaf_signs_once_whatever_the_ledger_says() {
    let (_folder, path, mut wallet) = wallet();
    assert_eq!(wallet.public(), KEYS[0].public());
    let sign = |wallet: &mut Wallet, account: &Account| nonce(&wallet.sign(&domain(), 0, account, ACTION).unwrap());
    assert_eq!(sign(&mut wallet, &account(0, 0)), 0);
    assert_eq!(sign(&mut wallet, &account(0, 0)), 1, "the ledger has not got the first one");
    drop(wallet);
    let mut wallet = Wallet::open(&path).unwrap();
    assert_eq!(sign(&mut wallet, &account(0, 0)), 2, "after a restart");
    assert_eq!(sign(&mut wallet, &account(107, 100)), 107, "the ledger is further: leaf 7");
    drop(wallet);
    assert_eq!(Wallet::open(&path).unwrap().next_leaf(), 8);
}

#[test]
fn a_wallet_is_one_process_s() {
    let (_folder, path, wallet) = wallet();
    assert!(matches!(Wallet::open(&path), Err(WalletError::Locked { .. })));
    assert!(matches!(Wallet::create(&path, &[2; 32]), Err(WalletError::File { .. })));
    drop(wallet);
    Wallet::open(&path).unwrap();
}

#[test]
fn a_torn_note_is_cut_off_and_an_altered_file_refused() {
    let (_folder, path, mut wallet) = wallet();
    for _ in 0..3 {
        let _ = wallet.sign(&domain(), 0, &account(0, 0), ACTION).unwrap();
    }
    drop(wallet);
    let whole = std::fs::read(&path).unwrap();
    for torn in 1..8 {
        std::fs::write(&path, &whole[..whole.len() - torn]).unwrap();
        let mut wallet = Wallet::open(&path).unwrap();
        assert_eq!(wallet.next_leaf(), 2);
        let _ = wallet.sign(&domain(), 0, &account(0, 0), ACTION).unwrap();
        drop(wallet);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
    // A note whose bytes never came to the disk, at the end and before it.
    let mut zeros = whole.clone();
    zeros[54..].fill(0);
    std::fs::write(&path, &zeros).unwrap();
    assert_eq!(Wallet::open(&path).unwrap().next_leaf(), 2);
    for (at, what) in [(0, "magic"), (5, "version"), (40, "a note")] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        std::fs::write(&path, &altered).unwrap();
        assert!(matches!(Wallet::open(&path), Err(WalletError::Format { .. })), "{what}");
    }
    for bytes in [&whole[..20], &vec![0; 40_000]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(Wallet::open(&path), Err(WalletError::Format { .. })), "{} bytes", bytes.len());
    }
}

#[test]
fn what_cannot_be_signed_takes_no_leaf() {
    let (_folder, _, mut wallet) = wallet();
    let mut sign = |account: Account, action| wallet.sign(&domain(), 0, &account, action).unwrap_err();
    assert!(matches!(sign(account(LEAVES, 0), ACTION), WalletError::Exhausted { next: LEAVES }));
    assert!(matches!(sign(account(LEAVES - 1, 0), ACTION), WalletError::Exhausted { .. }), "kept for a rotation");
    let mut other = account(0, 0);
    other.key[0] += sinter_program::F::ONE;
    assert!(matches!(sign(other, ACTION), WalletError::Key { .. }));
    let dear = Action::Transfer { to: 1, wei: 1 << 96 };
    assert!(matches!(sign(account(0, 0), dear), WalletError::Transaction(_)));
    assert_eq!(wallet.next_leaf(), 0);
}
