//! How far a draw can be bent by whoever decides last: members who withhold their reveals, or L1 proposers who skip their slots. And
//! what uneven stake does to one.
//!
//! `cargo run -p sinter-primitives --example draw_bias` prints what `docs/protocol.md` quotes. Nothing in it is random: every
//! run prints the same.
//!
//! Whoever has `k` decisions left, each between two outcomes that nobody can compute before, chooses among `2^k` draws, each of
//! which is an honest one. That is all the model there is; the draws and leaders are the protocol's own.

use commonware_cryptography::{Hasher, Sha256};
use sinter_primitives::{
    Committee, Digest,
    draw::{Candidate, Leaders, Seed, draw, seats_covered},
    reveals::Mix,
    testkit::Network,
};

/// Registrants of equal stake, of whom the coalition has the first ones.
const REGISTRANTS: u64 = 200;
const SEATS: usize = 64;
/// Seats with which a coalition can stop finality: one more than a third, rounded down.
const BLOCKING: u32 = (SEATS as u32 - 1) / 3 + 1;
const DECISIONS: [u32; 5] = [0, 1, 2, 4, 8];
/// Draws of each experiment, from each of which one is chosen.
const TRIALS: u64 = 1_000;
/// Epochs of which the last leaders are counted.
const EPOCHS: u64 = 100_000;
/// Shares of all stake that one more registrant has.
const GIANT_PERCENT: [u64; 6] = [0, 20, 30, 40, 49, 60];
/// Terms of an epoch before the cutoff that are looked at: the coalition never leads so many in a row here.
const LAST_TERMS: u64 = 64;

fn digest(tag: &str, trial: u64, choice: u64) -> Digest {
    Sha256::hash(&[tag.as_bytes(), &trial.to_be_bytes(), &choice.to_be_bytes()])
}

/// What a coalition got: seats on average, and how often it could block.
#[derive(Default)]
struct Outcome {
    draws: u64,
    seats: u64,
    blocking: u64,
}

impl Outcome {
    fn count(&mut self, seats: u32) {
        self.draws += 1;
        self.seats += u64::from(seats);
        self.blocking += u64::from(seats >= BLOCKING);
    }

    fn mean(&self) -> f64 {
        self.seats as f64 / self.draws as f64
    }

    fn blocks(&self) -> f64 {
        self.blocking as f64 / self.draws as f64
    }
}

/// Seats of the coalition when this outcome of its decisions meets this `prevrandao`.
fn seats(candidates: &[Candidate], coalition: u64, mix: &Digest, prevrandao: &Digest) -> Result<u32, String> {
    let seed = Seed::new(&Digest([0x5a; 32]), 2, mix, &prevrandao.0);
    let drawn = draw(&seed, candidates, SEATS).map_err(|error| error.to_string())?;
    Ok(drawn.iter().filter(|id| **id <= coalition).count() as u32)
}

/// The coalition knows everything but its own decisions, and takes the best of the `2^k` draws; and the same when
/// `prevrandao` comes after the decisions, so that it chooses by one that it has guessed.
fn experiment(percent: u64) -> Result<(), String> {
    let candidates: Vec<_> =
        (1..=REGISTRANTS).map(|id| Candidate { id, stake_wei: 32_000_000_000_000_000_000 }).collect();
    let coalition = REGISTRANTS * percent / 100;
    let mut honest = Outcome::default();
    let mut known: Vec<Outcome> = DECISIONS.iter().map(|_| Outcome::default()).collect();
    let mut unknown: Vec<Outcome> = DECISIONS.iter().map(|_| Outcome::default()).collect();
    for trial in 0..TRIALS {
        let (guessed, actual) = (digest("guessed", trial, 0), digest("actual", trial, 0));
        let mixes: Vec<Digest> =
            (0..1 << DECISIONS[DECISIONS.len() - 1]).map(|choice| digest("mix", trial, choice)).collect();
        let outcomes: Vec<u32> =
            mixes.iter().map(|mix| seats(&candidates, coalition, mix, &guessed)).collect::<Result<_, _>>()?;
        outcomes.iter().for_each(|seats| honest.count(*seats));
        for (place, decisions) in DECISIONS.iter().enumerate() {
            let choices = outcomes[..1 << decisions].iter().enumerate();
            let Some((best, most)) = choices.max_by_key(|(_, seats)| **seats) else { continue };
            known[place].count(*most);
            unknown[place].count(seats(&candidates, coalition, &mixes[best], &actual)?);
        }
    }
    println!(
        "\ncoalition of {percent}% of the stake; an honest draw gives it {:.2} of {SEATS} seats, and {BLOCKING} or more in {:.3}%\n",
        honest.mean(),
        100.0 * honest.blocks()
    );
    println!("| decisions | seats | blocks | bound | seats, `prevrandao` after | blocks, `prevrandao` after |");
    println!("|---|---|---|---|---|---|");
    for (place, decisions) in DECISIONS.iter().enumerate() {
        let bound = (f64::from(1 << decisions) * honest.blocks()).min(1.0);
        println!(
            "| {decisions} | {:.2} | {:.1}% | {:.1}% | {:.2} | {:.1}% |",
            known[place].mean(),
            100.0 * known[place].blocks(),
            100.0 * bound,
            unknown[place].mean(),
            100.0 * unknown[place].blocks()
        );
    }
    Ok(())
}

/// How many of the last terms before the cutoff a coalition leads without a gap, over epochs with the protocol's own leaders.
fn last_leaders(percent: u64, committee: &Committee) -> Result<(), String> {
    let mut counts = [0u64; LAST_TERMS as usize + 1];
    for epoch in 0..EPOCHS {
        let mix = Mix(digest("mix", percent, epoch));
        let leaders = Leaders::new(mix, epoch, committee).map_err(|error| error.to_string())?;
        let run = (0..LAST_TERMS).take_while(|term| (leaders.leader(*term) as u64) < percent).count();
        counts[run] += 1;
    }
    let share = percent as f64 / 100.0;
    let of = |run: usize| 100.0 * counts[run] as f64 / EPOCHS as f64;
    let choices: f64 = counts.iter().zip(0..).map(|(count, run)| *count as f64 / EPOCHS as f64 * 2f64.powi(run)).sum();
    let more: u64 = counts[4..].iter().sum();
    println!(
        "| {percent}% | {:.1}% | {:.1}% | {:.1}% | {:.1}% | {:.2}% | {choices:.2} | {:.2} |",
        of(0),
        of(1),
        of(2),
        of(3),
        100.0 * more as f64 / EPOCHS as f64,
        (1.0 - share) / (1.0 - 2.0 * share)
    );
    Ok(())
}

/// What those with least stake, a tenth of it together at most, get of honest draws: of as many seats as stake covers, and of all.
fn uneven(name: &str, stakes: &[u64]) -> Result<(), String> {
    let mut ascending = stakes.to_vec();
    ascending.sort_unstable();
    let candidates: Vec<_> =
        ascending.iter().zip(1..).map(|(stake, id)| Candidate { id, stake_wei: u128::from(*stake) }).collect();
    let total: u64 = stakes.iter().sum();
    let mut together = 0;
    let coalition = ascending.iter().take_while(|stake| {
        together += **stake;
        together * 10 <= total
    });
    let coalition = coalition.count() as u64;
    let covered = seats_covered(&candidates, SEATS);
    let mut row = format!("| {name} | {covered} |");
    for seats in [covered, SEATS.min(stakes.len())] {
        let (mut sat, mut blocked) = (0, 0);
        for trial in 0..TRIALS {
            let seed = Seed::new(&Digest([0x5a; 32]), 2, &digest("uneven", trial, 0), &[0; 32]);
            let drawn = draw(&seed, &candidates, seats).map_err(|error| error.to_string())?;
            let of_them = drawn.iter().filter(|id| **id <= coalition).count();
            sat += of_them;
            blocked += u64::from(of_them > (seats - 1) / 3);
        }
        let (share, often) = (sat as f64 / (seats as u64 * TRIALS) as f64, blocked as f64 / TRIALS as f64);
        row += &format!(" {:.0}% | {:.1}% |", 100.0 * share, 100.0 * often);
    }
    println!("{row}");
    Ok(())
}

/// How many seats stake covers when one more registers, with so much of all stake then.
fn giant(name: &str, stakes: &[u64]) {
    let total: u64 = stakes.iter().sum();
    let covered = GIANT_PERCENT.map(|percent| {
        let all = stakes.iter().copied().chain((percent > 0).then_some(total * percent / (100 - percent)));
        let candidates: Vec<_> =
            all.zip(1..).map(|(stake, id)| Candidate { id, stake_wei: u128::from(stake) }).collect();
        seats_covered(&candidates, SEATS).to_string()
    });
    println!("| {name} | {} |", covered.join(" | "));
}

fn main() -> Result<(), String> {
    println!("last terms before the cutoff that a coalition leads without a gap, {EPOCHS} epochs\n");
    println!("| share of the seats' stake | none | 1 | 2 | 3 | 4 or more | draws to choose among, mean | computed |");
    println!("|---|---|---|---|---|---|---|---|");
    let committee = Network::new(100).chain.committee;
    for percent in [15, 20, 25, 30, 33] {
        last_leaders(percent, &committee)?;
    }
    println!("\n{REGISTRANTS} registrants of equal stake, {SEATS} seats, {TRIALS} trials");
    for percent in [15, 20, 25] {
        experiment(percent)?;
    }
    println!(
        "\nthose with least stake, a tenth of it together, in honest draws of as many seats as it covers, and of {SEATS}\n"
    );
    println!("| stakes | seats covered | theirs | blocks | theirs, of {SEATS} | blocks |");
    println!("|---|---|---|---|---|---|");
    let with = |many: &[(usize, u64)]| -> Vec<u64> {
        many.iter().flat_map(|(count, stake)| std::iter::repeat_n(*stake, *count)).collect()
    };
    uneven("200 equal", &with(&[(200, 1)]))?;
    uneven("200, from 1 to 200", &(1..=200).collect::<Vec<_>>())?;
    uneven("64, from 1 to 64", &(1..=64).collect::<Vec<_>>())?;
    uneven("100, the k-th with 1/k", &(1..=100).map(|rank| 1_000_000 / rank).collect::<Vec<_>>())?;
    uneven("4 with 15% each, 100 with 40%", &with(&[(4, 1_500), (100, 40)]))?;
    uneven("20 with 99%, 50 with 1%", &with(&[(20, 4_950), (50, 20)]))?;
    uneven("one with 40%, 1,000 with 60%", &with(&[(1, 4_000), (1_000, 6)]))?;
    uneven("one with 75%, 64 with 25%", &with(&[(1, 19_200), (64, 100)]))?;
    println!("\nseats covered, of {SEATS}, when one more registers\n");
    println!("| stakes | {} |", GIANT_PERCENT.map(|percent| format!("and one with {percent}%")).join(" | "));
    println!("|---|{}", "---|".repeat(GIANT_PERCENT.len()));
    giant("200 equal", &with(&[(200, 1_000_000)]));
    giant("100, the k-th with 1/k", &(1..=100).map(|rank| 1_000_000 / rank).collect::<Vec<_>>());
    Ok(())
}
