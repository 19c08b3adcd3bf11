//! Where the time of a proof goes, stage by stage, from Plonky3's own spans.
//!
//! Plonky3 marks what it does with `tracing` spans, not where its phases begin. On the thread that proves, these
//! marks separate them:
//!
//! | stage | from | to |
//! |---|---|---|
//! | `commit` | `prove_batch` is entered | the first Merkle tree is built |
//! | `lookups` | then | the second one is, if `generate lookup permutation` was seen; grinding included |
//! | `quotient` | then | `compute_inverse_denominators`, the first thing that opening does; grinding included |
//! | `opening` | then | `prove_batch` returns |
//!
//! What comes before a proof is measured where it is done: `build` (a circuit's, once a process), `witness`
//! (executing it) and `traces` (filling the tables).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tracing::{Subscriber, span};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

/// How long each stage took. A stage that did not happen took nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stages {
    /// Building circuits and committing to their preprocessed columns: once a process.
    pub build: Duration,
    /// Executing a circuit.
    pub witness: Duration,
    /// Filling the tables.
    pub traces: Duration,
    /// Extending the tables and hashing them.
    pub commit: Duration,
    /// Running sums of the lookups, extended and hashed.
    pub lookups: Duration,
    /// Constraints on the extended domain, divided, extended and hashed.
    pub quotient: Duration,
    /// Values out of the domain, FRI and its queries.
    pub opening: Duration,
}

impl Stages {
    /// Each stage under the name that reports use, in the order in which they happen.
    #[must_use]
    pub const fn named(&self) -> [(&'static str, Duration); 7] {
        [
            ("build", self.build),
            ("witness", self.witness),
            ("traces", self.traces),
            ("commit", self.commit),
            ("lookups", self.lookups),
            ("quotient", self.quotient),
            ("opening", self.opening),
        ]
    }

    /// The sum of all stages but `build`, which a process does once.
    #[must_use]
    pub fn proving(&self) -> Duration {
        self.named().iter().skip(1).map(|(_, took)| *took).sum()
    }

    /// The sums of both, stage by stage.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self {
            build: self.build + other.build,
            witness: self.witness + other.witness,
            traces: self.traces + other.traces,
            commit: self.commit + other.commit,
            lookups: self.lookups + other.lookups,
            quotient: self.quotient + other.quotient,
            opening: self.opening + other.opening,
        }
    }
}

/// What Plonky3 is doing on this thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Doing {
    #[default]
    Nothing,
    Commit,
    /// After the first Merkle tree: the quotient, unless a lookup's sum is seen.
    Committed,
    Lookups,
    Quotient,
    Opening,
}

#[derive(Debug, Default)]
struct Clock {
    doing: Doing,
    since: Option<Instant>,
    stages: Stages,
}

impl Clock {
    /// Ends the current stage, and begins the next one.
    fn turn(&mut self, next: Doing) {
        let now = Instant::now();
        let took = self.since.replace(now).map_or(Duration::ZERO, |since| now - since);
        let spent = match (self.doing, next) {
            (Doing::Nothing, _) => None,
            (Doing::Commit, _) => Some(&mut self.stages.commit),
            (Doing::Committed, Doing::Lookups) | (Doing::Lookups, _) => Some(&mut self.stages.lookups),
            (Doing::Committed | Doing::Quotient, _) => Some(&mut self.stages.quotient),
            (Doing::Opening, _) => Some(&mut self.stages.opening),
        };
        if let Some(spent) = spent {
            *spent += took;
        }
        self.doing = next;
    }

    fn entered(&mut self, name: &str) {
        match (name, self.doing) {
            ("prove_batch", Doing::Nothing) => self.turn(Doing::Commit),
            ("generate lookup permutation", Doing::Committed) => self.turn(Doing::Lookups),
            ("compute_inverse_denominators", Doing::Committed | Doing::Quotient) => self.turn(Doing::Opening),
            _ => {}
        }
    }

    fn left(&mut self, name: &str) {
        match (name, self.doing) {
            ("build merkle tree", Doing::Commit) => self.turn(Doing::Committed),
            ("build merkle tree", Doing::Lookups) => self.turn(Doing::Quotient),
            ("prove_batch", _) => self.turn(Doing::Nothing),
            _ => {}
        }
    }
}

/// A layer that keeps the time of Plonky3's phases on the threads that it is the default of.
#[derive(Clone, Debug, Default)]
pub struct StageLayer(Arc<Mutex<Clock>>);

impl StageLayer {
    /// What was measured until now.
    #[must_use]
    pub fn stages(&self) -> Stages {
        self.clock().stages
    }

    fn clock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for StageLayer {
    fn on_enter(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            self.clock().entered(span.name());
        }
    }

    fn on_exit(&self, id: &span::Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            self.clock().left(span.name());
        }
    }
}

/// Does something on this thread and tells the stages of the proofs in it. Their spans go nowhere else meanwhile.
pub fn measured<T>(work: impl FnOnce() -> T) -> (T, Stages) {
    let layer = StageLayer::default();
    let subscriber = tracing_subscriber::registry().with(layer.clone());
    let result = tracing::subscriber::with_default(subscriber, work);
    (result, layer.stages())
}

/// The most memory that this process has held at once, in bytes, if the system tells.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    memory_line("/proc/self/status", "VmHWM:")
}

/// The memory that a process could take now without swapping, in bytes, if the system tells.
#[must_use]
pub fn available_memory_bytes() -> Option<u64> {
    memory_line("/proc/meminfo", "MemAvailable:")
}

/// The memory of this machine, in bytes, if the system tells.
#[must_use]
pub fn total_memory_bytes() -> Option<u64> {
    memory_line("/proc/meminfo", "MemTotal:")
}

fn memory_line(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Processor time of this process until now, over all threads, if the system tells.
#[must_use]
pub fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold anything; 11 fields after it come user and system time.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    // The interface's unit, whatever the kernel's own is: USER_HZ, 100 everywhere.
    Some(Duration::from_millis(ticks * 10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::sleep;

    fn pause() {
        sleep(Duration::from_millis(5));
    }

    fn span(name: &str, clock: &mut Clock) {
        clock.entered(name);
        pause();
        clock.left(name);
    }

    #[test]
    fn phases_are_told_apart_by_plonky3s_spans() {
        for lookups in [true, false] {
            let mut clock = Clock::default();
            clock.entered("prove_batch");
            span("build merkle tree", &mut clock);
            if lookups {
                span("generate lookup permutation", &mut clock);
                span("generate lookup permutation", &mut clock);
                span("build merkle tree", &mut clock);
            }
            span("build merkle tree", &mut clock);
            span("compute_inverse_denominators", &mut clock);
            span("build merkle tree", &mut clock);
            clock.left("prove_batch");
            let Stages { commit, lookups: sums, quotient, opening, .. } = clock.stages;
            let least = Duration::from_millis(5);
            assert!(commit >= least && quotient >= least && opening >= 2 * least, "{:?}", clock.stages);
            assert!(if lookups { sums >= 3 * least } else { sums.is_zero() }, "{:?}", clock.stages);
            assert_eq!(clock.doing, Doing::Nothing);
        }
    }

    #[test]
    fn the_system_tells_memory_and_time() {
        if cfg!(target_os = "linux") {
            assert!(peak_memory_bytes().is_some_and(|bytes| bytes > 1 << 20));
            assert!(available_memory_bytes().is_some());
            assert!(processor_time().is_some());
        }
    }
}
