//! The draw: pinned, fair as computed exactly, and the same whoever asks.

use commonware_cryptography::{Hasher, Sha256};
use proptest::prelude::*;
use serde::Deserialize;
use sinter_primitives::{
    Committee, Digest,
    chain::SEATS_MAX,
    draw::{
        CANDIDATES_MAX, COVER, Candidate, DrawError, Leaders, PREVRANDAO_DELAY_S, STAKE_BITS, Seed, comes_after, draw,
        seats_covered,
    },
    reveals::Mix,
    testkit::Network,
};
use std::collections::{BTreeMap, BTreeSet};

const ETHER: u128 = 1_000_000_000_000_000_000;

/// `fixtures/draws.json`: what a client in another language, written from `docs/protocol.md`, has drawn.
#[derive(Deserialize)]
struct Pinned {
    chain_hash: String,
    draws: Vec<PinnedDraw>,
}

#[derive(Deserialize)]
struct PinnedDraw {
    name: String,
    epoch: u64,
    mix: String,
    prevrandao: String,
    seed: String,
    /// Ids and wei.
    candidates: Vec<(u64, String)>,
    seats: usize,
    drawn: Vec<u64>,
    /// Of the first terms of the epoch, above a header with the same mix, the seats being in the order of ids.
    leaders: Vec<usize>,
}

fn bytes(hex: &str) -> [u8; 32] {
    hex::decode(hex.strip_prefix("0x").expect("0x")).expect("hex").try_into().expect("32 bytes")
}

fn seed(number: u64) -> Seed {
    Seed::new(&Digest([1; 32]), number, &Digest([2; 32]), &[3; 32])
}

fn candidates(stakes: impl IntoIterator<Item = u128>) -> Vec<Candidate> {
    stakes.into_iter().zip(1..).map(|(stake_wei, id)| Candidate { id, stake_wei }).collect()
}

/// Seats with these stakes.
fn committee(stakes_wei: &[u128]) -> Committee {
    let mut seats = Network::new(stakes_wei.len()).chain.committee.seats().to_vec();
    seats.iter_mut().zip(stakes_wei).for_each(|(seat, stake)| seat.stake_wei = *stake);
    Committee::new(seats).expect("a committee")
}

#[test]
fn draws_are_those_of_another_client() {
    let pinned: Pinned = serde_json::from_str(include_str!("fixtures/draws.json")).expect("the fixture");
    let chain_hash = Digest(bytes(&pinned.chain_hash));
    assert!(!pinned.draws.is_empty());
    for case in pinned.draws {
        let seed = Seed::new(&chain_hash, case.epoch, &Digest(bytes(&case.mix)), &bytes(&case.prevrandao));
        assert_eq!(seed.0, Digest(bytes(&case.seed)), "{}", case.name);
        let stakes: BTreeMap<u64, u128> =
            case.candidates.iter().map(|(id, wei)| (*id, wei.parse().expect("wei"))).collect();
        let given: Vec<_> =
            case.candidates.iter().map(|(id, _)| Candidate { id: *id, stake_wei: stakes[id] }).collect();
        let drawn = draw(&seed, &given, case.seats).expect("a draw");
        assert_eq!(drawn, case.drawn, "{}", case.name);
        let seats: BTreeSet<u64> = drawn.into_iter().collect();
        let committee = committee(&seats.iter().map(|id| stakes[id]).collect::<Vec<_>>());
        let leaders = Leaders::new(Mix(Digest(bytes(&case.mix))), case.epoch, &committee).expect("seats with stake");
        let got: Vec<_> = (0..case.leaders.len() as u64).map(|term| leaders.leader(term)).collect();
        assert_eq!(got, case.leaders, "{}", case.name);
    }
}

/// The draw as the page says it, without a tree: the slow way.
fn slowly(seed: &Seed, candidates: &[Candidate], seats: usize) -> Vec<u64> {
    let mut left: Vec<_> = candidates.iter().filter(|candidate| candidate.stake_wei > 0).collect();
    left.sort_by_key(|candidate| candidate.id);
    let mut drawn = Vec::new();
    while drawn.len() < seats && !left.is_empty() {
        let total: u128 = left.iter().map(|candidate| candidate.stake_wei).sum();
        let message = [&b"SINTER_SEAT"[..], seed.0.as_ref(), &(drawn.len() as u64).to_be_bytes()].concat();
        let hash = Sha256::hash(&[&message]);
        // Bit by bit: double, add, reduce.
        let bits = (0..256).map(|bit| u128::from(hash.as_ref()[bit / 8] >> (7 - bit % 8) & 1));
        let mut rest = bits.fold(0, |rest, bit| (2 * rest + bit) % total);
        let mut place = 0;
        while rest >= left[place].stake_wei {
            rest -= left[place].stake_wei;
            place += 1;
        }
        drawn.push(left.remove(place).id);
    }
    drawn
}

proptest! {
    #[test]
    fn the_tree_draws_what_the_page_says(
        stakes in proptest::collection::vec(prop_oneof![Just(0), 1..10u128, 1..1u128 << 112], 1..80),
        seats in 1..=SEATS_MAX,
        number: u64,
    ) {
        let candidates = candidates(stakes);
        match draw(&seed(number), &candidates, seats) {
            Ok(drawn) => prop_assert_eq!(drawn, slowly(&seed(number), &candidates, seats)),
            Err(error) => {
                prop_assert!(candidates.iter().all(|candidate| candidate.stake_wei == 0));
                prop_assert_eq!(error, DrawError::NoStake { got: candidates.len() });
            }
        }
    }

    #[test]
    fn nobody_sits_twice_and_nobody_without_stake(
        stakes in proptest::collection::vec(prop_oneof![Just(0), 1..1u128 << 100], 1..200),
        seats in 1..=SEATS_MAX,
        number: u64,
        turn: usize,
    ) {
        let given = candidates(stakes);
        let staked = given.iter().filter(|candidate| candidate.stake_wei > 0).count();
        prop_assume!(staked > 0);
        let drawn = draw(&seed(number), &given, seats).expect("somebody has stake");
        prop_assert_eq!(drawn.len(), seats.min(staked));
        prop_assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
        prop_assert!(drawn.iter().all(|id| given[*id as usize - 1].stake_wei > 0));
        // In another order, the same; with fewer seats, the first of them.
        let mut other = given.clone();
        other.reverse();
        other.rotate_left(turn % given.len());
        prop_assert_eq!(&draw(&seed(number), &other, seats).expect("the same"), &drawn);
        prop_assert_eq!(&draw(&seed(number), &given, 1).expect("the same")[..], &drawn[..1]);
    }
}

/// The probability with which each sits, by summing over all orders in which the seats can be drawn.
fn exact(stakes: &[u128], seats: usize) -> Vec<f64> {
    fn go(stakes: &[u128], taken: &mut Vec<usize>, seats: usize, probability: f64, sits: &mut [f64]) {
        if seats == 0 {
            taken.iter().for_each(|place| sits[*place] += probability);
            return;
        }
        let total: u128 = (0..stakes.len()).filter(|place| !taken.contains(place)).map(|place| stakes[place]).sum();
        for place in 0..stakes.len() {
            if !taken.contains(&place) {
                taken.push(place);
                go(stakes, taken, seats - 1, probability * stakes[place] as f64 / total as f64, sits);
                taken.pop();
            }
        }
    }
    let mut sits = vec![0.0; stakes.len()];
    go(stakes, &mut Vec::new(), seats, 1.0, &mut sits);
    sits
}

/// How often each sits, against the exact expectation. The seeds are fixed, so the outcome is, too; that it lies within
/// four standard deviations of what is expected is what a fair draw does and a biased one does not.
#[test]
fn everybody_sits_as_often_as_his_stake_says() {
    const DRAWS: u64 = 20_000;
    let equal = vec![7; 6];
    let mixed = vec![1, 2, 3, 5, 8, 13, 21];
    let giant = vec![1_000_000, 1, 1, 1, 1];
    let ether: Vec<u128> = [32, 64, 33, 500, 32].iter().map(|stake| stake * ETHER).collect();
    for (stakes, seats) in [(equal, 3), (mixed.clone(), 1), (mixed, 4), (giant, 2), (ether, 3)] {
        let candidates = candidates(stakes.iter().copied());
        let mut sat = vec![0u32; stakes.len()];
        for number in 0..DRAWS {
            for id in draw(&seed(number), &candidates, seats).expect("a draw") {
                sat[id as usize - 1] += 1;
            }
        }
        for (place, probability) in exact(&stakes, seats).into_iter().enumerate() {
            let expected = DRAWS as f64 * probability;
            let deviation = (expected * (1.0 - probability)).sqrt();
            let off = (f64::from(sat[place]) - expected).abs();
            assert!(off <= 4.0 * deviation + 1e-6, "{stakes:?}, {seats} seats, {place}: {} for {expected}", sat[place]);
        }
    }
}

#[test]
fn leaders_lead_as_often_as_their_stake_says() {
    const TERMS: u64 = 40_000;
    let stakes = [32, 64, 100, 1].map(|stake| stake * ETHER);
    let total: u128 = stakes.iter().sum();
    let leaders = Leaders::new(Mix(Digest([9; 32])), 7, &committee(&stakes)).expect("seats with stake");
    let mut led = [0u32; 4];
    (0..TERMS).for_each(|term| led[leaders.leader(term)] += 1);
    for (seat, stake) in stakes.into_iter().enumerate() {
        let probability = stake as f64 / total as f64;
        let expected = TERMS as f64 * probability;
        let deviation = (expected * (1.0 - probability)).sqrt();
        assert!(
            (f64::from(led[seat]) - expected).abs() <= 4.0 * deviation,
            "seat {seat}: {} for {expected}",
            led[seat]
        );
    }
}

#[test]
fn leaders_follow_from_the_mix_and_the_epoch() {
    let committee = committee(&[ETHER; 10]);
    let led = |mix: u8, epoch: u64| -> Vec<usize> {
        let leaders = Leaders::new(Mix(Digest([mix; 32])), epoch, &committee).expect("seats with stake");
        (0..50).map(|term| leaders.leader(term)).collect()
    };
    assert_eq!(led(1, 2), led(1, 2));
    // An epoch in which nobody revealed has other leaders than the one before, all the same.
    assert_ne!(led(1, 2), led(1, 3));
    assert_ne!(led(1, 2), led(2, 2));
}

#[test]
fn a_giant_has_one_seat() {
    let mut stakes = vec![32 * ETHER; 200];
    stakes[77] = 1_000_000_000 * ETHER;
    let candidates = candidates(stakes);
    for number in 0..200 {
        let drawn = draw(&seed(number), &candidates, 64).expect("a draw");
        assert_eq!(drawn.len(), 64);
        assert_eq!(drawn[0], 78, "nearly all stake is his");
        assert_eq!(drawn.iter().filter(|id| **id == 78).count(), 1);
    }
}

/// The least share of all stake that is to expect a third of `seats` and more: everybody's seats, the smallest first.
fn least_share(stakes: &[u128], seats: usize) -> f64 {
    let mut ascending: Vec<f64> = stakes.iter().map(|stake| *stake as f64).collect();
    ascending.sort_by(f64::total_cmp);
    let total: f64 = ascending.iter().sum();
    // Seats for a unit of stake, when nobody has more than one: more and more, until all are given.
    let (mut low, mut high) = (0.0, 2.0 / ascending[0]);
    for _ in 0..200 {
        let rate = f64::midpoint(low, high);
        let given: f64 = ascending.iter().map(|stake| (stake * rate).min(1.0)).sum();
        if given < seats as f64 { low = rate } else { high = rate }
    }
    let mut wanted = ((seats - 1) / 3 + 1) as f64;
    let mut least = 0.0;
    for stake in ascending {
        let expected = (stake * high).min(1.0);
        least += stake * (wanted / expected).min(1.0);
        wanted = (wanted - expected).max(0.0);
    }
    least / total
}

proptest! {
    #[test]
    fn stake_covers_what_the_page_says(
        stakes in proptest::collection::vec(prop_oneof![1..4u128, 1..100u128, 1..10_000u128], 1..40),
        seats in 1..48usize,
    ) {
        let most = seats.min(stakes.len());
        let shares: Vec<f64> = (1..=most).map(|seats| least_share(&stakes, seats) * COVER as f64).collect();
        prop_assume!(shares.iter().all(|share| (share - 1.0).abs() > 1e-6));
        let expected = shares.iter().rposition(|share| *share > 1.0).expect("one seat is covered") + 1;
        prop_assert_eq!(seats_covered(&candidates(stakes.clone()), seats), expected);
        // Who has nothing changes nothing, and no order does.
        let mut others = candidates(stakes.iter().rev().copied());
        others.push(Candidate { id: 1_000, stake_wei: 0 });
        prop_assert_eq!(seats_covered(&others, seats), expected);
    }
}

#[test]
fn equal_stakes_cover_every_seat() {
    for registrants in [1, 4, 5, 64, 65, 200, 10_000] {
        for seats in [1, 4, 7, 64, SEATS_MAX] {
            let covered = seats_covered(&candidates(vec![32 * ETHER; registrants]), seats);
            assert_eq!(covered, seats.min(registrants), "{registrants} for {seats} seats");
        }
    }
    assert_eq!(seats_covered(&[], 64), 1, "the draw says that there is nobody");
    assert_eq!(seats_covered(&candidates([u128::MAX, u128::MAX, 1]), 3), 2, "no snapshot: the draw says so, too");
}

/// Without the rule, registrants with one percent of the stake would decide alone.
#[test]
fn many_who_have_little_get_no_third_of_the_seats() {
    const SEATS: usize = 64;
    let mut stakes = vec![4_950 * ETHER; 20];
    stakes.extend(vec![20 * ETHER; 50]);
    let candidates = candidates(stakes);
    let small = |drawn: &[u64]| drawn.iter().filter(|id| **id > 20).count();
    let covered = seats_covered(&candidates, SEATS);
    assert!((20..SEATS / 2).contains(&covered), "{covered}");
    for number in 0..500 {
        let without = draw(&seed(number), &candidates, SEATS).expect("a draw");
        assert!(small(&without) > 2 * SEATS / 3, "{} of {SEATS}", small(&without));
        let with = draw(&seed(number), &candidates, covered).expect("a draw");
        assert!(small(&with) <= (covered - 1) / 3, "{} of {covered}", small(&with));
    }
}

/// Whoever has less than half of all stake takes nobody's seat by having so much.
#[test]
fn a_giant_makes_no_committee_smaller_unless_he_has_half_of_all_stake() {
    let with = |giant: u128| {
        let mut stakes = vec![32 * ETHER; 200];
        stakes.push(giant * 32 * ETHER);
        seats_covered(&candidates(stakes), 64)
    };
    assert_eq!([1, 20, 100, 199].map(with), [64; 4]);
    let above = [250, 400, 800].map(with);
    assert!(above.is_sorted_by(|one, other| one > other) && above[0] < 64, "{above:?}");
}

#[test]
fn ten_thousand_registrants() {
    let candidates = candidates((0..10_000).map(|index| (32 + index % 100) * ETHER));
    let drawn = draw(&seed(0), &candidates, SEATS_MAX).expect("a draw");
    assert_eq!(drawn, slowly(&seed(0), &candidates, SEATS_MAX));
    assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), SEATS_MAX);
    // Everybody's turn comes: with other seeds, others sit.
    let mut sat = BTreeSet::new();
    (0..3000).for_each(|number| sat.extend(draw(&seed(number), &candidates, SEATS_MAX).expect("a draw")));
    assert_eq!(sat.len(), 10_000);
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let two = candidates([1, 2]);
    for seats in [0, SEATS_MAX + 1] {
        assert_eq!(draw(&seed(0), &two, seats), Err(DrawError::Seats { got: seats }));
    }
    let many = candidates((0..=CANDIDATES_MAX).map(|_| 1));
    assert_eq!(draw(&seed(0), &many, 4), Err(DrawError::Candidates { got: CANDIDATES_MAX + 1 }));
    assert_eq!(draw(&seed(0), &many[..CANDIDATES_MAX], 4).map(|drawn| drawn.len()), Ok(4));
    let twice = [two[0], two[1], Candidate { id: 1, stake_wei: 0 }];
    assert_eq!(draw(&seed(0), &twice, 4), Err(DrawError::Duplicate { id: 1 }));
    assert_eq!(draw(&seed(0), &[], 4), Err(DrawError::NoStake { got: 0 }));
    assert_eq!(draw(&seed(0), &candidates([0, 0]), 4), Err(DrawError::NoStake { got: 2 }));
    let most = 1 << STAKE_BITS;
    for stakes in [vec![most], vec![most - 1, 1], vec![most / 2, most / 2], vec![u128::MAX, u128::MAX]] {
        assert_eq!(draw(&seed(0), &candidates(stakes), 2), Err(DrawError::TotalStake));
    }
    assert_eq!(draw(&seed(0), &candidates([most - 2, 1]), 2).map(|drawn| drawn.len()), Ok(2));
}

#[test]
fn a_seed_depends_on_all_that_goes_into_it() {
    let seeds = [
        Seed::new(&Digest([1; 32]), 2, &Digest([3; 32]), &[4; 32]),
        Seed::new(&Digest([9; 32]), 2, &Digest([3; 32]), &[4; 32]),
        Seed::new(&Digest([1; 32]), 9, &Digest([3; 32]), &[4; 32]),
        Seed::new(&Digest([1; 32]), 2, &Digest([9; 32]), &[4; 32]),
        Seed::new(&Digest([1; 32]), 2, &Digest([3; 32]), &[9; 32]),
    ];
    assert_eq!(seeds.iter().map(|seed| seed.0).collect::<BTreeSet<_>>().len(), seeds.len());
}

#[test]
fn the_seed_is_completed_after_the_last_reveal() {
    for (cutoff_ms, second) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (1_700_000_000_999, 1_700_000_001)] {
        let first = second + PREVRANDAO_DELAY_S;
        assert!(!comes_after(first - 1, cutoff_ms, PREVRANDAO_DELAY_S), "{cutoff_ms}");
        assert!(comes_after(first, cutoff_ms, PREVRANDAO_DELAY_S), "{cutoff_ms}");
    }
    assert!(!comes_after(u64::MAX / 1000, u64::MAX, PREVRANDAO_DELAY_S), "a time that cannot be");
}
