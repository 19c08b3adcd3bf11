//! Who is drawn: an epoch's committee, from what leaders revealed and from the L1's registry.
//!
//! ```text
//!   last block of e − 1 ─── … ─── cutoff of e ─── … ─── last block of e: names the committee of e + 2
//!        │ its L1 origin:             │ mix of reveals,       │ its L1 origin: up to where the L1 counts
//!        ▼ the registry               ▼ and its time          ▼
//!   ─────█───────────────────────────────────────█────────────█──────────► L1
//!                                                └ the first block that comes long enough after: `prevrandao`
//! ```
//!
//! All of it is in the last block's ancestors, itself, and the L1 up to its origin, so that every node draws the same. The rule is
//! argued in `docs/protocol.md`, section 9.

use crate::{
    committees::Succession,
    handle::Head,
    l1::{L1Block, L1View},
    ledgers::{Ledgers, State},
    telemetry,
};
use commonware_macros::select;
use commonware_runtime::Clock;
use commonware_utils::sync::Mutex;
use futures::{FutureExt as _, future::BoxFuture};
use metrics::gauge;
use sinter_primitives::{
    Chain, Committee, Header, Parameters,
    chain::RegistrySpec,
    committee::Seat,
    draw::{Seed, comes_after, seats_covered},
    header::L1Origin,
    registry::Registry,
    reveals::Mix,
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;
use tracing::{info, warn};

/// Time between two looks at the L1 while the chain stands still.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Most registrants that a member lets follow: those with the most stake.
pub const STANDBY_MAX: usize = 128;

/// The block after which nobody reveals in an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cutoff {
    /// All reveals up to it.
    pub mix: Mix,
    /// Its time.
    pub timestamp_ms: u64,
}

/// What an epoch's blocks so far say about the draw at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// The L1 origin that the epoch began with: the registry counts as it is there.
    pub registry_at: L1Origin,
    /// The cutoff, once it is there.
    pub cutoff: Option<Cutoff>,
}

impl Marks {
    /// Those where a chain, or a node, begins: after genesis, or after an epoch's last block.
    #[must_use]
    pub const fn beginning(header: &Header) -> Self {
        Self { registry_at: header.l1_origin, cutoff: None }
    }

    /// Those after one block more.
    #[must_use]
    pub fn after(self, parameters: &Parameters, parent: &Header, header: &Header) -> Self {
        let marks =
            if header.epoch == parent.epoch { self } else { Self { registry_at: parent.l1_origin, cutoff: None } };
        if parameters.cutoff_of(header.epoch) != Some(header.height) {
            return marks;
        }
        let cutoff = Cutoff { mix: Mix(header.randomness), timestamp_ms: header.timestamp_ms };
        Self { cutoff: Some(cutoff), ..marks }
    }

    /// Those after the block of `header`, from the headers of its epoch and the one before it. `None` when `header_at` lacks one.
    ///
    /// # Errors
    /// Those of `header_at`.
    pub fn of<E>(
        parameters: &Parameters,
        header: &Header,
        header_at: impl Fn(u64) -> Result<Option<Header>, E>,
    ) -> Result<Option<Self>, E> {
        let Some(boundary) = header_at(parameters.boundary_before(header.epoch))? else { return Ok(None) };
        let cutoff = match parameters.cutoff_of(header.epoch).filter(|cutoff| *cutoff <= header.height) {
            None => None,
            Some(height) => {
                let Some(at) = (if height == header.height { Some(*header) } else { header_at(height)? }) else {
                    return Ok(None);
                };
                Some(Cutoff { mix: Mix(at.randomness), timestamp_ms: at.timestamp_ms })
            }
        };
        Ok(Some(Self { registry_at: boundary.l1_origin, cutoff }))
    }

    /// The draw that the last block of an epoch decides, if its L1 origin is `until`. `None` before the cutoff.
    #[must_use]
    pub fn draw(&self, epoch: u64, until: L1Origin) -> Option<Draw> {
        Some(Draw { epoch: epoch.saturating_add(2), registry_at: self.registry_at, cutoff: self.cutoff?, until })
    }
}

/// All that decides who is drawn for an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The epoch that the committee is for.
    pub epoch: u64,
    /// The L1 block at whose end the registry counts.
    pub registry_at: L1Origin,
    /// The last reveal.
    pub cutoff: Cutoff,
    /// The last L1 block that counts.
    pub until: L1Origin,
}

/// Draws as soon as it can be done, so that nobody waits for the L1 at an epoch's last block; and sees who is registered. Ends only
/// with the node.
pub async fn anticipate<E: Clock>(
    context: E,
    l1: Arc<dyn L1View>,
    succession: Arc<dyn Succession>,
    ledgers: Arc<Ledgers>,
    mut heads: watch::Receiver<Head>,
) {
    let mut looked_at = 0;
    loop {
        let State { header, marks, .. } = ledgers.tip();
        succession.prepare(marks.registry_at.number).await;
        let newest = l1.latest().map_or(0, |latest| latest.number).max(header.l1_origin.number);
        if newest > looked_at {
            succession.look(newest).await;
            looked_at = newest;
        }
        if let Some(draw) = marks.draw(header.epoch, header.l1_origin) {
            succession.committee(&draw).await;
        }
        // A node that has no peers yet sees no heads.
        select! {
            changed = heads.changed() => if changed.is_err() {
                return;
            },
            () = context.sleep(LOOK_INTERVAL) => {},
        }
    }
}

/// Draws from the registry of a chain.
pub struct Drawing {
    chain: Arc<Chain>,
    spec: RegistrySpec,
    l1: Arc<dyn L1View>,
    /// The last draw: who asks again, in another view or with a later L1 block, gets the same.
    last: Mutex<Option<Drawn>>,
    /// The registry of the epoch's draw: it is old when it is needed.
    frozen: Mutex<Option<(u64, Arc<Registry>)>>,
    standby: watch::Sender<Arc<[Seat]>>,
}

/// A draw's outcome.
#[derive(Clone, Debug)]
struct Drawn {
    draw: Draw,
    /// The L1 block that completes the seed.
    completed_by: u64,
    committee: Option<Committee>,
}

impl Drawing {
    /// Draws for a chain. `None` where it names no registry.
    #[must_use]
    pub fn new(chain: Arc<Chain>, l1: Arc<dyn L1View>) -> Option<Self> {
        let spec = chain.file.l1.registry.clone()?;
        let standby = watch::Sender::new(Arc::from([]));
        Some(Self { chain, spec, l1, last: Mutex::new(None), frozen: Mutex::new(None), standby })
    }

    async fn draw(&self, draw: &Draw) -> Option<Committee> {
        let same = |drawn: &&Drawn| Draw { until: draw.until, ..drawn.draw } == *draw;
        if let Some(drawn) = self.last.lock().as_ref().filter(same) {
            return drawn.committee.clone().filter(|_| drawn.completed_by <= draw.until.number);
        }
        if self.l1.latest().is_none_or(|latest| latest.number < draw.until.number) {
            info!(epoch = draw.epoch, l1_block = draw.until.number, "the draw waits until this L1 block is final here");
        }
        let registry = self.registry(draw.registry_at.number).await;
        let completing = self.completing(draw).await?;
        let seed = Seed::new(&self.chain.hash, draw.epoch, &draw.cutoff.mix.0, &completing.prevrandao);
        let committee = self.committee(draw.epoch, &seed, &registry);
        let drawn = Drawn { draw: *draw, completed_by: completing.origin.number, committee: committee.clone() };
        *self.last.lock() = Some(drawn);
        committee
    }

    async fn registry(&self, number: u64) -> Arc<Registry> {
        if let Some((_, registry)) = self.frozen.lock().as_ref().filter(|(frozen, _)| *frozen == number) {
            return registry.clone();
        }
        let registry = self.l1.registry(number).await;
        *self.frozen.lock() = Some((number, registry.clone()));
        registry
    }

    /// The first L1 block that comes long enough after the cutoff. `None` when it is not there by the last one that counts.
    async fn completing(&self, draw: &Draw) -> Option<L1Block> {
        let comes_after =
            |block: &L1Block| comes_after(block.timestamp_s, draw.cutoff.timestamp_ms, self.spec.prevrandao_delay_s);
        let (mut before, mut found) = (draw.registry_at.number, self.l1.block(draw.until.number).await);
        if found.origin.number <= before || !comes_after(&found) {
            return None;
        }
        while found.origin.number - before > 1 {
            let between = self.l1.block(before + (found.origin.number - before) / 2).await;
            if comes_after(&between) {
                found = between;
            } else {
                before = between.origin.number;
            }
        }
        Some(found)
    }

    fn committee(&self, epoch: u64, seed: &Seed, registry: &Registry) -> Option<Committee> {
        let min = self.spec.seats_min;
        match registry.draw(seed, self.spec.seats) {
            Ok(drawn) if drawn.members.len() < min => {
                let candidates = registry.candidates().len();
                let seats = drawn.members.len();
                warn!(epoch, candidates, seats, min, "stake covers too few seats: the committee stays");
                None
            }
            Ok(drawn) => {
                info!(epoch, seats = drawn.members.len(), committee = %drawn.committee.digest(), "committee drawn");
                Some(drawn.committee)
            }
            Err(error) => {
                warn!(epoch, %error, "nobody is drawn: the committee stays");
                None
            }
        }
    }

    /// Sees who is registered at an L1 block.
    async fn look(&self, number: u64) {
        let registry = self.l1.registry(number).await;
        let mut candidates = registry.candidates();
        let staked = candidates.iter().filter(|candidate| candidate.stake_wei > 0).count();
        let uncovered = staked.min(self.spec.seats).saturating_sub(seats_covered(&candidates, self.spec.seats));
        gauge!(telemetry::SEATS_UNCOVERED).set(uncovered as f64);
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.stake_wei));
        let registrant = |id| registry.registrants().get(&id);
        let seats: Arc<[Seat]> =
            candidates.iter().take(STANDBY_MAX).filter_map(|candidate| registrant(candidate.id)?.seat()).collect();
        self.standby.send_if_modified(|standby| {
            let changed = *standby != seats;
            *standby = seats;
            changed
        });
    }
}

impl Succession for Drawing {
    fn committee<'a>(&'a self, draw: &'a Draw) -> BoxFuture<'a, Option<Committee>> {
        self.draw(draw).boxed()
    }

    fn prepare(&self, registry_at: u64) -> BoxFuture<'_, ()> {
        async move { drop(self.registry(registry_at).await) }.boxed()
    }

    fn look(&self, number: u64) -> BoxFuture<'_, ()> {
        self.look(number).boxed()
    }

    fn standby(&self) -> watch::Receiver<Arc<[Seat]>> {
        self.standby.subscribe()
    }
}
