//! A transaction of the ledger, element by element.
//!
//! | elements | field |
//! |---|---|
//! | 1 | operation: 1 transfer, 2 open, 3 withdraw, 4 rotate |
//! | 1 | account that signs |
//! | 1 | nonce |
//! | 4 | wei: bits 0–23, 24–47, 48–71, 72–95 |
//! | 16 | target, see below |
//! | 8 | salt |
//! | 544 | 40 chain values and 11 siblings: 408 elements as little-endian `u32`s, in a row |
//!
//! Three bytes make an element, little-endian: 1,725 bytes, and a payload of another length is no transaction. All elements
//! before the salt are signed, with the domain, as they stand there; those of a target that the operation does not name are not read.
//!
//! | operation | target | does |
//! |---|---|---|
//! | transfer | the account: element 0 | moves wei |
//! | open | a public key: eight elements, each as its low 24 bits and the rest | makes a new account with that key and that wei |
//! | withdraw | an address: 20 bytes, three an element, in elements 0, 2, …, 12 | wei leaves to the L1 |
//! | rotate | a public key | the account has that key from now on |
//!
//! # Validity
//!
//! A transaction is **valid** if its account exists, its nonce was not taken (it is at least the account's), it is one of the
//! account's key (2,048 from where the key came), and the signature is that key's by the leaf of that nonce. An invalid one is
//! skipped. A valid one takes its nonce and all below it, and then does what it says if it can: the wei is there, the target
//! exists. If it cannot, the nonce is taken all the same.
//!
//! So a leaf that has signed is never needed again: whoever wants something else than what he sent signs it with the next nonce,
//! and of the two the one that is ordered first counts, and the other one only if it is the later.
//!
//! A nonce is at most 2^24 − 2. A key whose last leaf signs anything but a rotation leaves its account without a signature for good;
//! [`crate::wallet`] keeps that leaf for one.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_machine::WORD;
use sinter_primitives::poseidon2::ELEMENT_BYTES;
use sinter_program::F;
use sinter_rollup::Digest;
use thiserror::Error;

use crate::signature::{CHAINS, MESSAGE_WORDS, Message, SecretKey, Signature, TREE_HEIGHT};

/// Elements of a transaction before its signature's words.
pub const HEAD_ELEMENTS: usize = 3 + WEI_LIMBS + 2 * WORD + WORD;
/// Elements of the signature's words.
pub const SIGNATURE_ELEMENTS: usize = (CHAINS + TREE_HEIGHT) * WORD * 4 / ELEMENT_BYTES;
/// Bytes of a transaction.
pub const TRANSACTION_BYTES: usize = (HEAD_ELEMENTS + SIGNATURE_ELEMENTS) * ELEMENT_BYTES;
/// Elements of an amount.
pub const WEI_LIMBS: usize = 4;
/// The element at which the target begins.
pub const TARGET: usize = 3 + WEI_LIMBS;
/// The element at which the salt begins.
pub const SALT: usize = TARGET + 2 * WORD;

/// An operation's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Operation {
    Transfer = 1,
    Open = 2,
    Withdraw = 3,
    Rotate = 4,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Wei goes to another account.
    Transfer {
        /// Which.
        to: u32,
        /// How much.
        wei: u128,
    },
    /// A new account comes to be.
    Open {
        /// Its public key.
        key: Digest,
        /// How much it gets.
        wei: u128,
    },
    /// Wei goes to the L1.
    Withdraw {
        /// To whom.
        recipient: [u8; 20],
        /// How much.
        wei: u128,
    },
    /// The account gets another key.
    Rotate {
        /// The public key.
        key: Digest,
    },
}

/// What is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    /// The account that signs.
    pub account: u32,
    /// Its nonce.
    pub nonce: u32,
    /// What it does.
    pub action: Action,
}

/// A number that has no place in a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TransactionError {
    /// More wei than there is room for.
    #[error("expected less than 2^96 wei, got {0}")]
    Wei(u128),
    /// A number beyond three bytes.
    #[error("{what}: expected less than 2^24, got {got}")]
    Element {
        /// Of what.
        what: &'static str,
        /// The number.
        got: u32,
    },
}

impl Body {
    fn parts(&self) -> (Operation, u128, Digest) {
        match self.action {
            Action::Transfer { to, wei } => {
                let mut target = Digest::default();
                target[0] = F::from_u32(to);
                (Operation::Transfer, wei, target)
            }
            Action::Open { key, wei } => (Operation::Open, wei, key),
            Action::Withdraw { recipient, wei } => {
                let mut target = Digest::default();
                for (limb, bytes) in target.iter_mut().zip(recipient.chunks(ELEMENT_BYTES)) {
                    *limb = F::from_u32(bytes.iter().rev().fold(0, |element, &byte| (element << 8) | u32::from(byte)));
                }
                (Operation::Withdraw, wei, target)
            }
            Action::Rotate { key } => (Operation::Rotate, 0, key),
        }
    }

    /// Whether its numbers fit.
    pub(crate) fn check(&self) -> Result<(), TransactionError> {
        let (_, wei, target) = self.parts();
        if wei >> 96 != 0 {
            return Err(TransactionError::Wei(wei));
        }
        let to = if matches!(self.action, Action::Transfer { .. }) { target[0].as_canonical_u32() } else { 0 };
        for (what, got) in [("account", self.account), ("nonce", self.nonce), ("target account", to)] {
            if got >> 24 != 0 {
                return Err(TransactionError::Element { what, got });
            }
        }
        Ok(())
    }

    /// The elements before the salt.
    fn elements(&self) -> [u32; SALT] {
        let (operation, wei, target) = self.parts();
        let mut elements = [0; SALT];
        elements[..3].copy_from_slice(&[operation as u32, self.account, self.nonce]);
        elements[3..TARGET].copy_from_slice(&wei_limbs(wei));
        for (halves, limb) in elements[TARGET..].as_chunks_mut::<2>().0.iter_mut().zip(target) {
            *halves = [limb.as_canonical_u32() & 0xff_ffff, limb.as_canonical_u32() >> 24];
        }
        elements
    }

    /// What is signed.
    pub fn message(&self, domain: &Digest) -> Message {
        message(domain, &self.elements())
    }

    /// The payload of the transaction that `key` signs with a leaf, **which must not have signed another**.
    ///
    /// # Errors
    /// [`TransactionError`] when a number does not fit.
    pub fn sign(&self, domain: &Digest, key: &SecretKey, leaf: u32) -> Result<Vec<u8>, TransactionError> {
        self.check()?;
        Ok(self.encode(&key.sign(leaf, &self.message(domain))))
    }

    /// The payload with a signature.
    #[must_use]
    pub fn encode(&self, signature: &Signature) -> Vec<u8> {
        let mut payload = Vec::with_capacity(TRANSACTION_BYTES);
        for element in self.elements().into_iter().chain(signature.salt) {
            payload.extend_from_slice(&element.to_le_bytes()[..ELEMENT_BYTES]);
        }
        for limb in signature.chains.iter().chain(&signature.path).flatten() {
            payload.extend_from_slice(&limb.as_canonical_u32().to_le_bytes());
        }
        debug_assert_eq!(payload.len(), TRANSACTION_BYTES);
        payload
    }
}

/// What is signed of the elements before the salt.
pub fn message(domain: &Digest, elements: &[u32; SALT]) -> Message {
    let mut message = [*domain; MESSAGE_WORDS];
    let mut rest = [F::ZERO; (MESSAGE_WORDS - 1) * WORD];
    for (limb, &element) in rest.iter_mut().zip(elements) {
        *limb = F::from_u32(element);
    }
    for (word, limbs) in message[1..].iter_mut().zip(rest.as_chunks::<WORD>().0) {
        *word = *limbs;
    }
    message
}

/// An amount as four elements.
#[must_use]
pub fn wei_limbs(wei: u128) -> [u32; WEI_LIMBS] {
    std::array::from_fn(|limb| (wei >> (24 * limb)) as u32 & 0xff_ffff)
}

/// Four elements as an amount.
#[must_use]
pub fn wei_from_limbs(limbs: &[u32; WEI_LIMBS]) -> u128 {
    limbs.iter().rev().fold(0, |wei, &limb| (wei << 24) | u128::from(limb))
}
