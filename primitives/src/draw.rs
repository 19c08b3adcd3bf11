//! The draw: who has a seat in an epoch, and who leads in it.
//!
//! Seats are equal, and drawn one after the other **without replacement**, each with probability by stake among those that
//! are not drawn yet. Everything is a pure function of a seed and of the registry's snapshot, in integers, so that every node
//! and every second client draws the same committee.
//!
//! # The seed
//!
//! `seed = H("SINTER_DRAW" ‖ chain hash ‖ epoch (8) ‖ reveals' mix (32) ‖ prevrandao (32))`, where the epoch is the one that
//! the committee is for, the mix is that of [`crate::reveals`] after the last block that may carry one (the *cutoff*), and
//! `prevrandao` is of the first L1 block that [`comes_after`] it. What may be chosen by whom is argued in `docs/protocol.md`.
//!
//! # Seats
//!
//! Candidates ascend by id; those without stake are left out. For seat `j = 0, 1, …`, with `total` the stake of all who are
//! left:
//!
//! ```text
//! r = H("SINTER_SEAT" ‖ seed ‖ j (8))  as a big-endian number, modulo total
//! ```
//!
//! and the seat goes to the first candidate, in ascending order of those left, up to whom the stakes add up to more than `r`.
//! He is left out from then on. It ends when all seats are drawn, or everybody is.
//!
//! All stake is below 2^120 wei, so the modulo favours nobody by more than 2^-136.
//!
//! A committee has as many seats as stake covers ([`seats_covered`]): where few have much, what they have beyond a seat each would
//! otherwise go to those who have little.
//!
//! # Leaders
//!
//! The leader of term `t` is chosen among the epoch's seats in the same way, by the stake of the snapshot that drew them:
//!
//! ```text
//! r = H("SINTER_LEADER" ‖ mix of the last header before the epoch (32) ‖ epoch (8) ‖ t (8))  modulo the stake of all seats
//! ```
//!
//! Nobody is left out: who led leads again. The mix is younger than the registry that the seats are from, so nobody chooses
//! keys by where they would lead; and whoever enters the epoch has that header.

use crate::{Committee, Digest, chain::SEATS_MAX, reveals::Mix};
use commonware_cryptography::{Hasher, Sha256};

/// Most candidates: as many as the registry takes.
pub const CANDIDATES_MAX: usize = 16_384;
/// All stake together is below `2^STAKE_BITS` wei, which is more than a billion times the ether there is.
pub const STAKE_BITS: u32 = 120;

/// A third of the seats stands for at least this part of all stake, one in so many: with equal stakes it is one in three, so that
/// nobody gets more than twice the seats that his stake is good for, as long as others have the rest.
pub const COVER: u128 = 6;

/// Seconds from the cutoff to the L1 block that completes the seed, unless the chain says otherwise: an L1 epoch, by the end of
/// which nobody who revealed or withheld could have known what 32 other proposers would do.
pub const PREVRANDAO_DELAY_S: u64 = 384;

const SEED_TAG: &[u8] = b"SINTER_DRAW";
const SEAT_TAG: &[u8] = b"SINTER_SEAT";
const LEADER_TAG: &[u8] = b"SINTER_LEADER";

/// Why nobody can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawError {
    /// Too few or too many seats.
    #[error("expected 1 to {SEATS_MAX} seats to draw, got {got}")]
    Seats {
        /// How many were asked for.
        got: usize,
    },
    /// More candidates than the registry takes.
    #[error("expected at most {CANDIDATES_MAX} candidates, got {got}")]
    Candidates {
        /// How many there are.
        got: usize,
    },
    /// Two candidates have the same id, so what was given is no snapshot.
    #[error("expected every candidate once, got {id} twice")]
    Duplicate {
        /// The id.
        id: u64,
    },
    /// Nobody has stake.
    #[error("expected somebody with stake, got {got} without any")]
    NoStake {
        /// How many there are.
        got: usize,
    },
    /// All stake together does not fit.
    #[error("expected less than 2^{STAKE_BITS} wei of stake in all, got more")]
    TotalStake,
}

/// Somebody who may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The registry's number for him.
    pub id: u64,
    /// Wei that stand behind him.
    pub stake_wei: u128,
}

/// What decides an epoch's draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub Digest);

impl Seed {
    /// The seed for `epoch`'s committee, from the reveals' mix and the `prevrandao` of the L1 block after them.
    #[must_use]
    pub fn new(chain_hash: &Digest, epoch: u64, mix: &Digest, prevrandao: &[u8; 32]) -> Self {
        Self(Sha256::hash(&[SEED_TAG, chain_hash.as_ref(), &epoch.to_be_bytes(), mix.as_ref(), prevrandao]))
    }
}

/// The hash of the parts, as a number, modulo `total`, which is above zero.
fn below(parts: &[&[u8]], total: u128) -> u128 {
    // A total has at most `STAKE_BITS` bits, so that a byte more fits.
    Sha256::hash(parts).as_ref().iter().fold(0, |rest, byte| (rest << 8 | u128::from(*byte)) % total)
}

/// Whether an L1 block's `prevrandao` may complete a seed whose last reveal is in a block of the given time. By time, and not by
/// number after that block's L1 origin: an origin is final when it is taken, so a hundred blocks after it may be there
/// already, and whoever reveals last would know them.
#[must_use]
pub const fn comes_after(l1_timestamp_s: u64, cutoff_timestamp_ms: u64, delay_s: u64) -> bool {
    l1_timestamp_s >= cutoff_timestamp_ms.div_ceil(1000).saturating_add(delay_s)
}

/// As many of the `seats` as stake covers: most of them such that who is to expect more than a third of them has at least a
/// [`COVER`]th of all stake; one, where nobody has any.
///
/// Of `n` seats, whoever has at least an `n`th expects one: an `n`th of what is left of the stake and the seats when the larger have
/// theirs. The others expect as many of the rest as their stake says. So the `⌊(n − 1) / 3⌋ + 1` seats that stand for least stake are
/// those of others, and of the smallest of the large where there are not enough.
#[must_use]
pub fn seats_covered(candidates: &[Candidate], seats: usize) -> usize {
    let mut stakes: Vec<u128> = candidates.iter().map(|candidate| candidate.stake_wei).filter(|wei| *wei > 0).collect();
    stakes.sort_unstable_by(|one, other| other.cmp(one));
    let total = sum(&stakes);
    (1..=seats.min(stakes.len())).rev().find(|seats| covers(&stakes, total, *seats)).unwrap_or(seats.min(1))
}

/// Whether these stakes, which descend, cover so many seats, of which there are no more than stakes.
fn covers(stakes: &[u128], total: u128, seats: usize) -> bool {
    let (mut large, mut rest) = (0, total);
    while large < seats && stakes[large].saturating_mul((seats - large) as u128) >= rest {
        rest = rest.saturating_sub(stakes[large]);
        large += 1;
    }
    let (least, others) = ((seats - 1) / 3 + 1, seats - large);
    if least > others {
        return rest.saturating_add(sum(&stakes[seats - least..large])).saturating_mul(COVER) >= total;
    }
    // A product that does not fit is above the other, which has at most 127 bits.
    let stand_for = rest.checked_mul(COVER * least as u128);
    stand_for.is_none_or(|stand_for| stand_for >= total.saturating_mul(others as u128))
}

/// Of what is no snapshot, the most there may be: whoever draws from it is told so.
fn sum(stakes: &[u128]) -> u128 {
    stakes.iter().fold(0, |sum, stake| sum.saturating_add(*stake))
}

/// Draws `seats` of the candidates, or all with stake if there are no more: their ids, in the order in which they are drawn.
/// The candidates' order does not matter.
///
/// # Errors
/// [`DrawError`].
pub fn draw(seed: &Seed, candidates: &[Candidate], seats: usize) -> Result<Vec<u64>, DrawError> {
    if seats == 0 || seats > SEATS_MAX {
        return Err(DrawError::Seats { got: seats });
    }
    if candidates.len() > CANDIDATES_MAX {
        return Err(DrawError::Candidates { got: candidates.len() });
    }
    let mut sorted = candidates.to_vec();
    sorted.sort_unstable_by_key(|candidate| candidate.id);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(DrawError::Duplicate { id: pair[0].id });
    }
    // Those without stake cost nothing here: no number falls on them.
    let staked = sorted.iter().filter(|candidate| candidate.stake_wei > 0).count();
    let mut left = Sums::new(sorted.iter().map(|candidate| candidate.stake_wei))?;
    let mut drawn = Vec::with_capacity(seats);
    for seat in 0..seats.min(staked) as u64 {
        let place = left.place_of(below(&[SEAT_TAG, seed.0.as_ref(), &seat.to_be_bytes()], left.total));
        left.remove(place, sorted[place].stake_wei);
        drawn.push(sorted[place].id);
    }
    Ok(drawn)
}

/// Who leads the terms of an epoch.
#[derive(Clone, Debug)]
pub struct Leaders {
    mix: Mix,
    epoch: u64,
    sums: Sums,
}

impl Leaders {
    /// Those of an epoch with this committee, below which the last header has `mix`.
    ///
    /// # Errors
    /// [`DrawError`], which a [`Committee`] rules out.
    pub fn new(mix: Mix, epoch: u64, committee: &Committee) -> Result<Self, DrawError> {
        let sums = Sums::new(committee.seats().iter().map(|seat| seat.stake_wei))?;
        Ok(Self { mix, epoch, sums })
    }

    /// The seat that leads term `term`.
    #[must_use]
    pub fn leader(&self, term: u64) -> usize {
        let parts = [LEADER_TAG, self.mix.0.as_ref(), &self.epoch.to_be_bytes(), &term.to_be_bytes()];
        self.sums.place_of(below(&parts, self.sums.total))
    }
}

/// Numbers of which any prefix adds up, and any one goes, in logarithmic time: a Fenwick tree. Node `i`, from 1, holds the sum of
/// the `i & -i` numbers that end at the `i`-th.
#[derive(Clone, Debug)]
struct Sums {
    nodes: Vec<u128>,
    total: u128,
}

impl Sums {
    /// Refuses numbers of which none is above zero, or whose sum is too large.
    fn new(numbers: impl Iterator<Item = u128>) -> Result<Self, DrawError> {
        let mut nodes: Vec<u128> = std::iter::once(0).chain(numbers).collect();
        let mut total: u128 = 0;
        for number in &nodes {
            total =
                total.checked_add(*number).filter(|total| *total >> STAKE_BITS == 0).ok_or(DrawError::TotalStake)?;
        }
        if total == 0 {
            return Err(DrawError::NoStake { got: nodes.len() - 1 });
        }
        for node in 1..nodes.len() {
            let above = node + (node & node.wrapping_neg());
            if above < nodes.len() {
                nodes[above] += nodes[node];
            }
        }
        Ok(Self { nodes, total })
    }

    /// The first place up to and with which the numbers add up to more than `rest`, which is below the total.
    fn place_of(&self, mut rest: u128) -> usize {
        debug_assert!(rest < self.total, "a number below the total");
        let mut node = 0;
        let mut step = self.nodes.len().next_power_of_two() / 2;
        while step > 0 {
            if let Some(sum) = self.nodes.get(node + step)
                && *sum <= rest
            {
                node += step;
                rest -= sum;
            }
            step /= 2;
        }
        node
    }

    /// Makes the number at `place` zero.
    fn remove(&mut self, place: usize, number: u128) {
        self.total -= number;
        let mut node = place + 1;
        while node < self.nodes.len() {
            self.nodes[node] -= number;
            node += node & node.wrapping_neg();
        }
    }
}
