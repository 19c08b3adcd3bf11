//! The committee's seats, and sets of them.

use commonware_cryptography::ed25519::PublicKey;
use sinter_primitives::chain::SEATS_MAX;
use std::ops::{BitOr, BitOrAssign, Sub};

/// A set of seats, by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatSet(u128);

const _: () = assert!(SEATS_MAX <= u128::BITS as usize, "a seat set has a bit for each seat");

impl SeatSet {
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }
}

impl BitOr for SeatSet {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for SeatSet {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl Sub for SeatSet {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// The committee, ascending by node key: a seat's number is its place.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    keys: Vec<PublicKey>,
    /// All seats but this node's.
    others: SeatSet,
}

impl Seats {
    /// The committee of `keys`, seen by `me`. Keys beyond the most that a chain file may list are ignored.
    pub fn new(mut keys: Vec<PublicKey>, me: &PublicKey) -> Self {
        keys.sort_unstable();
        keys.dedup();
        keys.truncate(SEATS_MAX);
        let mut seats = Self { keys, others: SeatSet::default() };
        let everybody = seats.keys.iter().filter(|key| *key != me);
        seats.others = seats.set(everybody);
        seats
    }

    /// The seats of `keys`; keys that have none are left out.
    pub fn set<'a>(&self, keys: impl IntoIterator<Item = &'a PublicKey>) -> SeatSet {
        let numbers = keys.into_iter().filter_map(|key| self.keys.binary_search(key).ok());
        numbers.fold(SeatSet::default(), |set, number| set | SeatSet(1 << number))
    }

    /// The seats of `keys` that are not this node's.
    pub fn others_of(&self, keys: &[PublicKey]) -> SeatSet {
        let others = self.others;
        self.set(keys) - (self.set(&self.keys) - others)
    }

    pub const fn others(&self) -> SeatSet {
        self.others
    }

    pub fn keys(&self, set: SeatSet) -> Vec<PublicKey> {
        self.keys
            .iter()
            .enumerate()
            .filter(|(number, _)| set.0 >> number & 1 == 1)
            .map(|(_, key)| key.clone())
            .collect()
    }
}
