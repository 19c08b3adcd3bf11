//! Hash-based signatures: Winternitz one-time keys under a Merkle tree, all of Poseidon2.
//!
//! # Parameters
//!
//! | | |
//! |---|---|
//! | digest | 8 elements, 248 bits |
//! | chains | 40, of 15 steps: a digit of four bits each, 160 bits of the message's digest |
//! | sum of digits | 360: a digest of another sum is not signed, the signer takes another salt |
//! | tree | height 11: a key signs 2,048 times |
//! | signature | salt 24 bytes, 40 chain values, 11 siblings: 1,656 bytes |
//! | to verify | 240 steps, 40 permutations for the leaf, 11 for the path, 5 for the message: always the same |
//!
//! - **step**: x → compress(x, (CHAIN = 8, 0, …)). A one-time key's public half is the 15th step of each of its 40 starts.
//! - **leaf**: sponge(KEY = 9, 320, the 40 ends). **tree**: compress; the root is the public key.
//! - **message**: sponge(MESSAGE = 10, 40, domain ‖ the transaction's 23 elements before the salt ‖ 0 ‖ salt). Of each of its 8
//!   elements the low 20 bits are five digits, the lowest first.
//! - **signature**: for a digit d the d-th step of the start; who verifies walks the other 15 − d.
//!
//! # Security
//!
//! 124 bits: what a tree of digests of 248 bits has, and a sponge of that capacity. In the order of what they would cost:
//!
//! - Forging without having seen a signature, by meeting a key's leaf in the middle of its sponge: 2^124 permutations. So with a
//!   collision under a tree of leaves that are sponges.
//! - A message with the digits of one that was signed: 2^153, as the message's sponge can be met in the middle as well. The salt,
//!   which nobody knows before, keeps the forger from preparing two messages with the same digits.
//! - The sum of digits is fixed, so of two digests that are signed one has a smaller digit somewhere: to sign it, a step has to be
//!   inverted, x → P(x ‖ CHAIN)\[0..8\]. Backwards each try meets the constant half with 2^-248; forwards, with 2^64 values
//!   published by all keys together, it takes 2^184. This is why steps take no key and no mask, as WOTS+ has: these lower what a
//!   proof needs of the hash, and here there is room. (A checksum instead of the sum would take three chains more. A fixed sum
//!   makes every verification the same length, and this one, above the mean of 300, a fifth shorter. It costs the signer some 600 salts.)
//! - Figures above 128 hold of an ideal permutation; Poseidon2's rounds are chosen for 128.
//!
//! **A leaf that signs two messages gives its key away**: forging takes 2^46 to 2^54 digests then. A key's leaves are counted from the
//! nonce at which an account took it, so the ledger does not see that a leaf signs twice where a key is in two accounts or domains, or
//! comes back to one. Hence: leaf use is counted by key, never by account, and a wallet notes a leaf as used, durably, before it
//! lets go of a signature ([`crate::wallet`]).
//!
//! Sources: Winternitz chains and Merkle trees as in RFC 8391 (XMSS), without its keys and masks; the fixed sum as in
//! ePrint 2025/055 (generalized XMSS).

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use rayon::prelude::*;
use sinter_machine::WORD;
use sinter_primitives::poseidon2::{self, Elements};
use sinter_program::F;
use sinter_rollup::{Digest, sponge};

/// Chains of a one-time key, digits of a message.
pub const CHAINS: usize = 40;
/// Steps of a chain: the greatest digit.
pub const STEPS: u32 = 15;
/// Digits that an element of a message's digest gives.
pub const DIGITS_PER_ELEMENT: usize = CHAINS / WORD;
/// Bits of a digit.
pub const DIGIT_BITS: u32 = 4;
/// What a signed message's digits add up to.
pub const DIGIT_SUM: u32 = 360;
/// log2 of the one-time keys under a public key.
pub const TREE_HEIGHT: usize = 11;
/// One-time keys under a public key.
pub const LEAVES: u32 = 1 << TREE_HEIGHT;
/// Salts after which signing gives up: the chance is below 2^-100.
const SALTS_MAX: u32 = 1 << 16;

/// The capacity of a step, and with it the half of the permutation that is not the chain's value.
pub const TAG_CHAIN: u32 = 8;
/// The sponge's tag for a leaf.
pub const TAG_KEY: u32 = 9;
/// The sponge's tag for a message.
pub const TAG_MESSAGE: u32 = 10;
const TAG_START: u32 = 13;
const TAG_SALT: u32 = 14;
const TAG_SEED: u32 = 15;
const TAG_TRY: u32 = 16;

/// Words of a message before its salt.
pub const MESSAGE_WORDS: usize = 4;
/// What is signed: the domain, and a transaction's elements before its salt, filled up with a zero.
pub type Message = [Digest; MESSAGE_WORDS];
/// 192 bits with which a message is hashed.
pub type Salt = [u32; WORD];

/// A signature by one leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// What the message was hashed with: elements below 2^24.
    pub salt: Salt,
    /// A value of each chain.
    pub chains: [Digest; CHAINS],
    /// What stands beside the way from the leaf to the root, bottom up.
    pub path: [Digest; TREE_HEIGHT],
}

/// A secret key: all its one-time keys' starts follow from a seed.
#[derive(Clone)]
pub struct SecretKey {
    seed: Elements,
    /// The tree, level by level from the leaves.
    levels: Vec<Vec<Elements>>,
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SecretKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SecretKey {
    /// The key of a seed: about 1.4 million permutations.
    #[must_use]
    pub fn new(seed: &[u8; 32]) -> Self {
        let bytes: Vec<u32> = seed.iter().map(|&byte| byte.into()).collect();
        let seed = poseidon2::sponge(TAG_SEED, &bytes);
        let leaves: Vec<Elements> = (0..LEAVES).into_par_iter().map(|leaf| leaf_digest(&seed, leaf)).collect();
        let mut levels = vec![leaves];
        for level in 0..TREE_HEIGHT {
            levels.push(poseidon2::compress_pairs(&levels[level]));
        }
        Self { seed, levels }
    }

    /// The public key.
    pub fn public(&self) -> Digest {
        self.levels[TREE_HEIGHT][0].map(F::new)
    }

    /// Signs a message with a leaf, **which must not have signed another**.
    ///
    /// # Panics
    /// When the key has no such leaf, or 65,536 salts do not give the sum, which does not happen.
    #[must_use]
    pub fn sign(&self, leaf: u32, message: &Message) -> Signature {
        assert!(leaf < LEAVES, "expected a leaf below {LEAVES}, got {leaf}");
        // The salt follows from seed, leaf and message, so that nothing is random and nothing can be foreseen.
        let bound = message.as_flattened().iter().map(F::as_canonical_u32);
        let secret = poseidon2::sponge(TAG_SALT, &self.seed.into_iter().chain(bound).collect::<Vec<_>>());
        let salted = (0..SALTS_MAX).find_map(|attempt| {
            let tweak = [TAG_TRY, leaf, attempt, 0, 0, 0, 0, 0];
            let salt = poseidon2::compress(&secret, &tweak).map(|limb| limb & 0xff_ffff);
            let digits = digits(&digest(message, &salt));
            (digits.iter().sum::<u32>() == DIGIT_SUM).then_some((salt, digits))
        });
        let (salt, digits) = salted.expect("a fixed share of salts gives the sum");
        let starts = starts(&self.seed, leaf);
        let chains = std::array::from_fn(|chain| walk(starts[chain].map(F::new), digits[chain]));
        let path = std::array::from_fn(|level| self.levels[level][(leaf as usize >> level) ^ 1].map(F::new));
        Signature { salt, chains, path }
    }
}

/// The starts of a leaf's chains.
fn starts(seed: &Elements, leaf: u32) -> Vec<Elements> {
    let pairs: Vec<Elements> =
        (0..CHAINS as u32).flat_map(|chain| [*seed, [TAG_START, leaf, chain, 0, 0, 0, 0, 0]]).collect();
    poseidon2::compress_pairs(&pairs)
}

/// A leaf of the tree.
fn leaf_digest(seed: &Elements, leaf: u32) -> Elements {
    let mut values = starts(seed, leaf);
    for _ in 0..STEPS {
        let pairs: Vec<Elements> = values.iter().flat_map(|value| [*value, step_word()]).collect();
        values = poseidon2::compress_pairs(&pairs);
    }
    poseidon2::sponge(TAG_KEY, values.as_flattened())
}

/// What a chain's value is compressed with.
const fn step_word() -> Elements {
    [TAG_CHAIN, 0, 0, 0, 0, 0, 0, 0]
}

/// So many steps from a value.
fn walk(value: Digest, steps: u32) -> Digest {
    let step = step_word().map(F::new);
    (0..steps).fold(value, |value, _| sinter_rollup::compress(&value, &step))
}

/// The digest that is signed.
pub fn digest(message: &Message, salt: &Salt) -> Digest {
    let salt = salt.map(F::new);
    sponge(TAG_MESSAGE, [message.as_flattened(), &salt].concat().as_slice())
}

/// A digest's digits.
#[must_use]
pub fn digits(digest: &Digest) -> [u32; CHAINS] {
    std::array::from_fn(|chain| {
        let element = digest[chain / DIGITS_PER_ELEMENT].as_canonical_u32();
        (element >> (DIGIT_BITS * (chain % DIGITS_PER_ELEMENT) as u32)) & STEPS
    })
}

/// Whether `signature` is that of the public key's leaf over the message.
#[must_use]
pub fn verify(public: &Digest, leaf: u32, message: &Message, signature: &Signature) -> bool {
    let digits = digits(&digest(message, &signature.salt));
    if digits.iter().sum::<u32>() != DIGIT_SUM || leaf >= LEAVES {
        return false;
    }
    let ends: Vec<Digest> =
        signature.chains.iter().zip(digits).map(|(value, digit)| walk(*value, STEPS - digit)).collect();
    let mut node = sponge(TAG_KEY, ends.as_flattened());
    for (level, sibling) in signature.path.iter().enumerate() {
        let is_right = (leaf >> level) & 1 == 1;
        let (left, right) = if is_right { (sibling, &node) } else { (&node, sibling) };
        node = sinter_rollup::compress(left, right);
    }
    node == *public
}

/// A word of constants for code: the step's.
pub(crate) fn step_constants() -> [F; WORD] {
    step_word().map(F::from_u32)
}
