//! The forced inbox, read ahead: what came in some L1 blocks in a row, from where the chain is to where the L1 is final.
//!
//! Nobody waits for an L1 node when a block has to be built: whoever asks says where the chain is, which is where the window begins, and
//! finds there what was read since. Of what is behind the chain, a little stays, for blocks that do not become final.
//!
//! It is read in steps of up to [`WIDTH_MAX`] L1 blocks, less where there is more than one block of the order takes, or than an L1 node
//! tells at once. A step ends at a multiple of its width, or where the L1 is final: so all members know the same L1 blocks before
//! anybody names them.

use super::follower::{Follower, Refusal, Reminder, Told, agreed, answered};
use commonware_cryptography::{Hasher as _, Sha256};
use futures::FutureExt as _;
use sinter_primitives::forced_inbox::{ForcedEntry, L1_BLOCK_BYTES_MAX, L1_BLOCK_ENTRIES_MAX, ORIGIN_STEP_MAX};
use sinter_sequencer::l1::{L1Block, L1Step};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{sync::watch, time::sleep};
use tracing::error;

/// L1 blocks that stay behind those that are asked for.
const BLOCKS_KEPT: u64 = 2 * ORIGIN_STEP_MAX;
/// L1 blocks that are read before they are asked for.
const BLOCKS_AHEAD: u64 = 2 * ORIGIN_STEP_MAX;
/// Most L1 blocks that are read at once: an L1 epoch.
const WIDTH_MAX: u64 = 32;
/// Time until a single L1 block is asked for again.
const PAUSE: Duration = Duration::from_secs(1);
/// Failures in a row after which what was read is thought to be wrong, and read again.
const FAILURES_MAX: u32 = 16;

impl Told for Vec<ForcedEntry> {
    fn told(&self) -> String {
        let mut bytes = Vec::new();
        for ForcedEntry { index, l1_block, namespace, payload } in self {
            let numbers = [*index, *l1_block, namespace.0, payload.len() as u64];
            numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_be_bytes()));
            bytes.extend_from_slice(payload);
        }
        format!("{} entries with hash {}", self.len(), Sha256::hash(&[&bytes]))
    }
}

/// What came after the L1 block before, up to this one.
#[derive(Clone, Debug)]
struct Step {
    until: L1Block,
    forced: Vec<ForcedEntry>,
}

/// L1 blocks in a row.
#[derive(Clone, Debug)]
struct Read {
    /// The L1 block before the first, and how many entries there were by its end.
    after: (u64, u64),
    steps: VecDeque<Step>,
    /// The newest place that somebody asked from.
    wanted: u64,
}

impl Read {
    fn entries(&self) -> impl Iterator<Item = &ForcedEntry> {
        self.steps.iter().flat_map(|step| &step.forced)
    }

    /// Where it ends: the last L1 block, and how many entries there are by then.
    fn end(&self) -> (u64, u64) {
        let until = self.steps.back().map_or(self.after.0, |step| step.until.origin.number);
        (until, self.after.1 + self.entries().count() as u64)
    }

    /// Whether this is a place in it.
    fn has(&self, (block, entries): (u64, u64)) -> bool {
        let before = self.entries().take_while(|entry| entry.l1_block <= block).count() as u64;
        (self.after.0..=self.end().0).contains(&block) && self.after.1 + before == entries
    }

    /// Forgets what came long before `block`.
    fn forget(&mut self, block: u64) {
        let is_old = |step: &mut Step| step.until.origin.number.saturating_add(BLOCKS_KEPT) <= block;
        while let Some(step) = self.steps.pop_front_if(is_old) {
            self.after = (step.until.origin.number, self.after.1 + step.forced.len() as u64);
        }
    }

    /// The L1 blocks after a place, each with what was forced since the one before.
    fn steps(&self, after: (u64, u64)) -> Vec<L1Step> {
        if !self.has(after) {
            return Vec::new();
        }
        let since =
            |entries: &[ForcedEntry]| entries.iter().filter(|entry| entry.l1_block > after.0).cloned().collect();
        let steps = self.steps.iter().filter(|step| step.until.origin.number > after.0);
        steps.map(|step| L1Step { origin: step.until.origin, forced: since(&step.forced) }).collect()
    }

    /// What came after `after` up to `until`, if all of it is here.
    fn get(&self, after: (u64, u64), until: u64) -> Option<Arc<[ForcedEntry]>> {
        let entries = self.entries().filter(|entry| entry.l1_block > after.0 && entry.l1_block <= until).cloned();
        (self.has(after) && until <= self.end().0).then(|| entries.collect())
    }
}

/// What was read, and what is asked for.
#[derive(Debug)]
pub(super) struct Window(watch::Sender<Option<Read>>);

impl Default for Window {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Window {
    /// L1 blocks after a place, as far as they are read.
    pub(super) fn steps(&self, after: (u64, u64)) -> Vec<L1Step> {
        self.want(after);
        self.0.borrow().as_ref().map(|read| read.steps(after)).unwrap_or_default()
    }

    /// An L1 block that a step ends with.
    pub(super) fn block(&self, number: u64) -> Option<L1Block> {
        let read = self.0.borrow();
        let mut steps = read.as_ref()?.steps.iter();
        steps.find(|step| step.until.origin.number == number).map(|step| step.until)
    }

    /// What came after an L1 block, with the number of entries by then, up to another one. Waits until it is read.
    pub(super) async fn get(&self, after: (u64, u64), until: u64) -> Arc<[ForcedEntry]> {
        let mut changes = self.0.subscribe();
        loop {
            self.want(after);
            let found = changes.borrow_and_update().as_ref().and_then(|read| read.get(after, until));
            if let Some(entries) = found {
                return entries;
            }
            // Fails without a sender, which `self` has.
            let _ = changes.changed().await;
        }
    }

    /// Makes sure that the window has this place, or soon will; begins anew there if not.
    fn want(&self, after: (u64, u64)) {
        self.0.send_if_modified(|read| match read {
            Some(read) if read.has(after) || (1..=BLOCKS_AHEAD).contains(&after.0.saturating_sub(read.end().0)) => {
                let further = after.0 > read.wanted;
                if further {
                    read.wanted = after.0;
                    read.forget(after.0);
                }
                further
            }
            read => {
                *read = Some(Read { after, steps: VecDeque::new(), wanted: after.0 });
                true
            }
        });
    }

    /// Adds a step, if the window still ends where it begins.
    fn push(&self, after: (u64, u64), step: Step) {
        self.0.send_if_modified(|read| match read {
            Some(read) if read.end() == after => {
                read.steps.push_back(step);
                true
            }
            _ => false,
        });
    }
}

impl Follower {
    /// Reads on for ever, as far as the L1 is final and somebody is near.
    pub(super) async fn read_ahead(&self) {
        let Some(_) = self.forced_inbox else { return };
        let (mut wanted, mut heights) = (self.window.0.subscribe(), self.final_height.subscribe());
        let (mut width, mut failures, mut reminder) = (WIDTH_MAX, 0, Reminder::default());
        loop {
            let read = wanted.borrow_and_update().as_ref().map(|read| (read.end(), read.wanted));
            let final_height = *heights.borrow_and_update();
            let step = read.zip(final_height).and_then(|((end, wanted), final_height)| {
                let last = final_height.min(wanted.saturating_add(BLOCKS_AHEAD));
                let until = (end.0 / width + 1).saturating_mul(width).min(last);
                (until > end.0).then_some((end, until))
            });
            let Some((after, until)) = step else {
                tokio::select! {
                    _ = wanted.changed() => {}
                    _ = heights.changed() => {}
                }
                continue;
            };
            let outcome = tokio::select! {
                outcome = self.try_step(after, until) => outcome,
                // Somebody has asked from elsewhere.
                _ = wanted.wait_for(|read| read.as_ref().is_none_or(|read| read.end() != after)) => continue,
            };
            match outcome {
                Ok(step) if fits(&step, after.0) => {
                    self.window.push(after, step);
                    (width, failures) = ((2 * width).min(WIDTH_MAX), 0);
                }
                // Too much for a block, or for the L1 node.
                _ if width > 1 => width /= 2,
                Ok(_) => {}
                Err(refusal) => {
                    failures += 1;
                    if reminder.due() {
                        error!(block = until, %refusal, "the L1 does not tell what was forced");
                    }
                    if failures % FAILURES_MAX == 0 {
                        // What an L1 node left out earlier is missed now.
                        self.window.0.send_replace(None);
                    }
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_step(&self, after: (u64, u64), until: u64) -> Result<Step, Refusal> {
        let contract = self.forced_inbox.unwrap_or_default();
        let final_block = self.final_height.borrow().unwrap_or(until);
        let answers = self.ask_all(|endpoint| endpoint.forced(contract, after, until, final_block).boxed()).await;
        let agreed = agreed(format!("what was forced in blocks {} to {until}", after.0 + 1), answered(answers)?)?;
        let until = self.try_block(until).await?;
        // Somebody has answered, and all say the same.
        Ok(Step { until, forced: agreed.into_iter().next().unwrap_or_default() })
    }
}

/// Whether a block of the order can open with it: with what one L1 block appends, it always can.
fn fits(step: &Step, after: u64) -> bool {
    let bytes: usize = step.forced.iter().map(ForcedEntry::bytes).sum();
    step.until.origin.number == after + 1 || (bytes <= L1_BLOCK_BYTES_MAX && step.forced.len() <= L1_BLOCK_ENTRIES_MAX)
}
