//! Whether a job can be promised: pure functions of what it asks for, the load, and the policy.
//!
//! What cannot meet its deadline is refused with the deadline that could be met; what is taken is never lost. The estimate
//! is careful: it counts every job that waits as if it went before, and a batch as if it were full.

use crate::queue::ProgramState;
use serde::Serialize;
use thiserror::Error;

/// The highest priority that there is.
pub const PRIORITY_MAX: u8 = 3;

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// How long from now until it should be settled.
    pub deadline_ms: u64,
    /// What is paid for it.
    pub price_gwei: u64,
    /// 0 to [`PRIORITY_MAX`].
    pub priority: u8,
}

/// How long each stage takes, as it was measured; none for what was never done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Native verification.
    pub verify_ms: Option<u64>,
    /// A wrap.
    pub wrap_ms: Option<u64>,
    /// A fold.
    pub fold_ms: Option<u64>,
    /// A seal.
    pub seal_ms: Option<u64>,
}

impl Stages {
    /// Sets the one of this name. Others do not matter for a job.
    pub fn set(&mut self, kind: &str, average_ms: u64) {
        let stage = match kind {
            "verify" => &mut self.verify_ms,
            "wrap" => &mut self.wrap_ms,
            "fold" => &mut self.fold_ms,
            "seal" => &mut self.seal_ms,
            _ => return,
        };
        *stage = Some(average_ms);
    }
}

/// What there is to do, and who does it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Jobs of everybody without a place in a batch.
    pub jobs: u64,
    /// Those of the account.
    pub account_jobs: u64,
    /// How long nothing more is taken from the account.
    pub paused_ms: u64,
    /// Provers that were seen lately.
    pub provers: u64,
    /// How long things take.
    pub stages: Stages,
    /// The job's program, if it is here.
    pub program: Option<ProgramState>,
}

/// What is taken.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The least that is paid for a job of priority 0; each step of priority doubles it.
    pub price_floor_gwei: u64,
    /// Jobs of everybody that may wait.
    pub jobs_max: u64,
    /// Jobs of one account that may wait.
    pub account_jobs_max: u64,
    /// The farthest deadline.
    pub deadline_max_ms: u64,
    /// Places in a batch.
    pub places_max: u64,
    /// Time for the L1 to take a seal.
    pub settle_ms: u64,
    /// What stages are believed to take until they were measured.
    pub assumed: Assumed,
    /// Memory that the provers of one box may use.
    pub memory_bytes: u64,
    /// Memory that one prover needs.
    pub prover_bytes: u64,
    /// Whether batches are sealed.
    pub seal: bool,
}

/// What stages are believed to take until they were measured.
#[derive(Clone, Copy, Debug)]
pub struct Assumed {
    /// Native verification.
    pub verify_ms: u64,
    /// A wrap.
    pub wrap_ms: u64,
    /// A fold.
    pub fold_ms: u64,
    /// A seal.
    pub seal_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            price_floor_gwei: 0,
            jobs_max: 200_000,
            account_jobs_max: 10_000,
            deadline_max_ms: 30 * 24 * 3_600_000,
            places_max: 256,
            settle_ms: 120_000,
            assumed: Assumed { verify_ms: 50, wrap_ms: 5000, fold_ms: 5000, seal_ms: 120_000 },
            memory_bytes: 16 << 30,
            prover_bytes: 4 << 30,
            seal: true,
        }
    }
}

/// Why a job is not taken. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The price is below the floor.
    #[error("price: expected at least {expected} gwei at priority {priority}, got {got}")]
    Price {
        /// The floor at this priority.
        expected: u64,
        /// The price.
        got: u64,
        /// The priority.
        priority: u8,
    },
    /// There is no such priority.
    #[error("priority: expected at most {PRIORITY_MAX}, got {got}")]
    Priority {
        /// The priority.
        got: u8,
    },
    /// The program is not here.
    #[error("program: expected one that is known here, got one that is not")]
    UnknownProgram,
    /// The program's wrap circuit is not built yet.
    #[error("program: expected one whose wrap circuit is built, got one that waits for it")]
    NewProgram,
    /// The program cannot be wrapped.
    #[error("program: expected one that can be wrapped, got one that was refused")]
    RefusedProgram,
    /// The account handed in proofs that do not hold.
    #[error("account: expected proofs that hold, got too many that do not: paused for {got_ms} ms")]
    Paused {
        /// How long.
        got_ms: u64,
    },
    /// The account has too many jobs waiting.
    #[error("account: expected at most {expected} jobs that wait, got {got}")]
    AccountJobs {
        /// The quota.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// The queue is full.
    #[error("queue: expected at most {expected} jobs that wait, got {got}")]
    Jobs {
        /// The bound.
        expected: u64,
        /// How many there are.
        got: u64,
    },
    /// A prover does not fit into the memory.
    #[error("memory: expected a prover of at most {expected} bytes, got one of {got}")]
    Memory {
        /// The budget.
        expected: u64,
        /// What it needs.
        got: u64,
    },
    /// Nobody proves.
    #[error("provers: expected at least 1, got none")]
    NoProver,
    /// The deadline cannot be met.
    #[error("deadline: expected at least {expected_ms} ms from now, got {got_ms} ms")]
    TooSoon {
        /// The soonest that can be promised.
        expected_ms: u64,
        /// The deadline.
        got_ms: u64,
    },
    /// The deadline is farther than anything is kept for.
    #[error("deadline: expected at most {expected_ms} ms from now, got {got_ms} ms")]
    TooFar {
        /// The farthest.
        expected_ms: u64,
        /// The deadline.
        got_ms: u64,
    },
    /// More bytes than the account may send a second.
    #[error("rate: expected at most {expected} bytes a second, got {got} more")]
    Rate {
        /// The quota.
        expected: u64,
        /// The size of what came.
        got: u64,
    },
}

impl Refusal {
    /// Its name for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Price { .. } => "price_below_floor",
            Self::Priority { .. } => "priority_unknown",
            Self::UnknownProgram => "program_unknown",
            Self::NewProgram => "program_new",
            Self::RefusedProgram => "program_refused",
            Self::Paused { .. } => "account_paused",
            Self::AccountJobs { .. } => "account_full",
            Self::Jobs { .. } => "queue_full",
            Self::Memory { .. } => "memory_budget",
            Self::NoProver => "no_prover",
            Self::TooSoon { .. } => "deadline_too_soon",
            Self::TooFar { .. } => "deadline_too_far",
            Self::Rate { .. } => "rate_exceeded",
        }
    }

    /// What would have been taken, and what came.
    #[must_use]
    pub fn expected_got(&self) -> (String, String) {
        let text = self.to_string();
        let rest = text.split_once("expected ").map_or(text.as_str(), |(_, rest)| rest);
        let (expected, got) = rest.split_once(", got ").unwrap_or((rest, ""));
        (expected.into(), got.into())
    }

    /// What to do about it.
    #[must_use]
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Price { .. } => "pay at least the floor, or ask for a lower priority",
            Self::Priority { .. } => "ask for a priority from 0 to 3",
            Self::UnknownProgram => "upload the program's file first, and check the digest",
            Self::NewProgram => "hand the proof in again when the program is known",
            Self::RefusedProgram => "ask for the program: it says why; upload one that is mended",
            Self::Paused { .. } => "verify proofs before you hand them in, and wait",
            Self::AccountJobs { .. } => "wait until some of your jobs have their place, or cancel some",
            Self::Jobs { .. } => "hand the proof in again later",
            Self::Memory { .. } => "hand the proof in at a box with more memory",
            Self::NoProver => "hand the proof in again when a worker runs",
            Self::TooSoon { .. } => "ask for a later deadline, or hand the proof in when the queue is shorter",
            Self::TooFar { .. } => "ask for an earlier deadline",
            Self::Rate { .. } => "send more slowly",
        }
    }

    /// Whether the same request may be taken later.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::NewProgram
                | Self::Paused { .. }
                | Self::AccountJobs { .. }
                | Self::Jobs { .. }
                | Self::NoProver
                | Self::TooSoon { .. }
                | Self::Rate { .. }
        )
    }
}

/// The least price at a priority.
#[must_use]
pub fn floor_gwei(policy: &Policy, priority: u8) -> u64 {
    policy.price_floor_gwei.saturating_mul(1 << priority.min(PRIORITY_MAX))
}

/// Whether a price is enough for a priority.
///
/// # Errors
/// [`Refusal::Priority`] and [`Refusal::Price`].
pub fn priced(policy: &Policy, priority: u8, price_gwei: u64) -> Result<(), Refusal> {
    if priority > PRIORITY_MAX {
        return Err(Refusal::Priority { got: priority });
    }
    let expected = floor_gwei(policy, priority);
    if price_gwei < expected { Err(Refusal::Price { expected, got: price_gwei, priority }) } else { Ok(()) }
}

/// How long it takes at most until a job that is handed in now is settled, as far as can be known.
#[must_use]
pub fn estimate_ms(load: &Load, policy: &Policy) -> u64 {
    let Stages { verify_ms, wrap_ms, fold_ms, .. } = load.stages;
    let verify_ms = verify_ms.unwrap_or(policy.assumed.verify_ms);
    let fold_ms = fold_ms.unwrap_or(policy.assumed.fold_ms);
    let each_ms = wrap_ms.unwrap_or(policy.assumed.wrap_ms).saturating_add(fold_ms);
    let jobs = load.jobs.saturating_add(1);
    let verifying_ms = verify_ms.saturating_mul(jobs);
    let proving_ms = each_ms.saturating_mul(jobs).div_ceil(load.provers.max(1));
    // What is left when the batch closes: the right edge of a full tree.
    let folds = u64::from(policy.places_max.max(2).next_power_of_two().trailing_zeros());
    tail_ms(load, policy).saturating_add(verifying_ms).saturating_add(proving_ms).saturating_add(fold_ms * folds)
}

/// The part of it that comes after the folds: sealing and settling.
#[must_use]
pub fn tail_ms(load: &Load, policy: &Policy) -> u64 {
    let seal_ms = if policy.seal { load.stages.seal_ms.unwrap_or(policy.assumed.seal_ms) } else { 0 };
    seal_ms.saturating_add(policy.settle_ms)
}

/// Whether a job is taken.
///
/// # Errors
/// The first [`Refusal`] that applies: those that time does not mend go first.
pub fn admit(request: &Request, load: &Load, policy: &Policy) -> Result<(), Refusal> {
    priced(policy, request.priority, request.price_gwei)?;
    match load.program {
        None => return Err(Refusal::UnknownProgram),
        Some(ProgramState::Refused) => return Err(Refusal::RefusedProgram),
        Some(ProgramState::New) => return Err(Refusal::NewProgram),
        Some(ProgramState::Known) => {}
    }
    if policy.prover_bytes > policy.memory_bytes {
        return Err(Refusal::Memory { expected: policy.memory_bytes, got: policy.prover_bytes });
    }
    let got_ms = request.deadline_ms;
    if got_ms > policy.deadline_max_ms {
        return Err(Refusal::TooFar { expected_ms: policy.deadline_max_ms, got_ms });
    }
    if load.paused_ms > 0 {
        return Err(Refusal::Paused { got_ms: load.paused_ms });
    }
    if load.account_jobs >= policy.account_jobs_max {
        return Err(Refusal::AccountJobs { expected: policy.account_jobs_max, got: load.account_jobs });
    }
    if load.jobs >= policy.jobs_max {
        return Err(Refusal::Jobs { expected: policy.jobs_max, got: load.jobs });
    }
    if load.provers == 0 {
        return Err(Refusal::NoProver);
    }
    let expected_ms = estimate_ms(load, policy);
    if got_ms < expected_ms { Err(Refusal::TooSoon { expected_ms, got_ms }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        let assumed = Assumed { verify_ms: 10, wrap_ms: 1000, fold_ms: 2000, seal_ms: 20_000 };
        Policy { price_floor_gwei: 5, places_max: 8, settle_ms: 30_000, assumed, ..Policy::default() }
    }

    fn load() -> Load {
        Load { provers: 1, program: Some(ProgramState::Known), ..Load::default() }
    }

    const GOOD: Request = Request { deadline_ms: 3_600_000, price_gwei: 5, priority: 0 };

    #[test]
    fn the_estimate_counts_everything_before_and_after() {
        // Verify 10, wrap and fold 3000, three folds of the edge 6000, seal and settle 50,000.
        assert_eq!(estimate_ms(&load(), &policy()), 59_010);
        let nine_more = Load { jobs: 9, provers: 3, ..load() };
        assert_eq!(estimate_ms(&nine_more, &policy()), 100 + 10_000 + 6000 + 50_000);
        let mut measured = load();
        for (kind, ms) in [("verify", 1), ("wrap", 100), ("fold", 10), ("seal", 1000), ("null", 9)] {
            measured.stages.set(kind, ms);
        }
        assert_eq!(estimate_ms(&measured, &policy()), 1 + 110 + 30 + 31_000);
        assert_eq!(tail_ms(&measured, &Policy { seal: false, ..policy() }), 30_000);
        // Absurd numbers are absurdly late, not early.
        let absurd = Load { jobs: u64::MAX, ..load() };
        assert_eq!(estimate_ms(&absurd, &policy()), u64::MAX);
    }

    #[test]
    fn each_refusal_says_what_would_have_been_taken() {
        let refused = |request: Request, load: Load, policy: Policy| {
            let refusal = admit(&request, &load, &policy).expect_err("a refusal");
            let (expected, got) = refusal.expected_got();
            assert!(!refusal.remedy().is_empty() && !got.is_empty(), "{refusal}");
            (refusal.code(), expected, got)
        };
        let is =
            |(code, expected, got): (&'static str, String, String), as_code: &str, as_expected: &str, as_got: &str| {
                assert_eq!((code, expected.as_str(), got.as_str()), (as_code, as_expected, as_got));
            };
        let cheap = Request { price_gwei: 39, priority: 3, ..GOOD };
        is(refused(cheap, load(), policy()), "price_below_floor", "at least 40 gwei at priority 3", "39");
        is(refused(Request { priority: 4, ..GOOD }, load(), policy()), "priority_unknown", "at most 3", "4");
        let program = |program| Load { program, ..load() };
        assert_eq!(refused(GOOD, program(None), policy()).0, "program_unknown");
        assert_eq!(refused(GOOD, program(Some(ProgramState::New)), policy()).0, "program_new");
        assert_eq!(refused(GOOD, program(Some(ProgramState::Refused)), policy()).0, "program_refused");
        assert_eq!(refused(GOOD, Load { paused_ms: 7, ..load() }, policy()).0, "account_paused");
        let full = Load { account_jobs: 10_000, ..load() };
        is(refused(GOOD, full, policy()), "account_full", "at most 10000 jobs that wait", "10000");
        assert_eq!(refused(GOOD, Load { jobs: 200_000, ..load() }, policy()).0, "queue_full");
        let small = Policy { memory_bytes: 1, ..policy() };
        is(refused(GOOD, load(), small), "memory_budget", "a prover of at most 1 bytes", "one of 4294967296");
        assert_eq!(refused(GOOD, Load { provers: 0, ..load() }, policy()).0, "no_prover");
        let soon = Request { deadline_ms: 59_009, ..GOOD };
        is(refused(soon, load(), policy()), "deadline_too_soon", "at least 59010 ms from now", "59009 ms");
        let far = Request { deadline_ms: u64::MAX, ..GOOD };
        assert_eq!(refused(far, load(), policy()).0, "deadline_too_far");
        assert_eq!(admit(&Request { deadline_ms: 59_010, ..GOOD }, &load(), &policy()), Ok(()));
    }
}
