//! What this node proposes, and what it votes for.
//!
//! Verification is inline: a notarize vote says that this node checked the whole block. So the one rule that
//! depends on the clock, how far ahead a timestamp may lie, delays a vote and never certification, and an
//! invalid block is never notarized.

use crate::{
    block::SequencedBlock,
    clock::unix_ms,
    committees::{Committees, Seated},
    consensus::{Context, Scheme},
    l1::L1View,
    ledgers::{AHEAD_MAX, Gap, Ledgers, Lineage, NotKept, State},
    mempool::Mempool,
    telemetry::{self, timed},
    upgrades::Upgrades,
    validity::{self, InvalidBlock, Slot},
};
use commonware_codec::EncodeSize;
use commonware_consensus::{Application, Epochable, marshal::ancestry::Ancestry};
use commonware_cryptography::{Digested, Digestible};
use commonware_macros::select;
use commonware_parallel::Strategy;
use commonware_runtime::Clock;
use futures::{StreamExt, future};
use sinter_primitives::{
    Block, Body, Chain, Header,
    fees::Address,
    forced_inbox::{ForcedEntry, ORIGIN_STEP_MAX, fits},
    header::L1Origin,
    ledger::Place,
    reveals::Mix,
};
use std::{sync::Arc, time::Duration};
use tracing::{debug, error, warn};

/// Computing a missing state can race with the tip moving; each round starts from the new tip.
const LINEAGE_ROUNDS_MAX: usize = 4;

/// How far a block goes on the L1.
#[derive(Clone, Debug)]
pub struct Advance {
    /// The L1 block that it names.
    pub origin: L1Origin,
    /// What was forced there since its parent's: the block opens with it.
    pub forced: Arc<[ForcedEntry]>,
}

impl Advance {
    /// Not at all.
    #[must_use]
    pub fn none(parent: &Header) -> Self {
        Self { origin: parent.l1_origin, forced: Arc::from([]) }
    }
}

/// Builds this node's blocks and checks everyone else's.
#[derive(Clone)]
pub struct Sequencer<T: Strategy> {
    chain: Arc<Chain>,
    committees: Committees,
    upgrades: Upgrades,
    ledgers: Arc<Ledgers>,
    mempool: Mempool,
    l1: Option<Arc<dyn L1View>>,
    fee_recipient: Option<Address>,
    strategy: T,
}

impl<T: Strategy> Sequencer<T> {
    /// A sequencer of `chain`, in whichever of its `committees` has the epoch. Where the chain follows the L1, it sees that; where it has
    /// fees, its share goes to the recipient.
    #[must_use]
    pub fn new(
        chain: Arc<Chain>,
        (committees, upgrades): (Committees, Upgrades),
        ledgers: Arc<Ledgers>,
        mempool: Mempool,
        l1: Option<Arc<dyn L1View>>,
        fee_recipient: Option<Address>,
        strategy: T,
    ) -> Self {
        let l1 = l1.filter(|_| chain.file.l1.is_followed());
        let fee_recipient = fee_recipient.filter(|_| chain.file.fees.is_some());
        Self { chain, committees, upgrades, ledgers, mempool, l1, fee_recipient, strategy }
    }

    /// The states that proposals build on.
    #[must_use]
    pub const fn ledgers(&self) -> &Arc<Ledgers> {
        &self.ledgers
    }

    /// Where consensus says that a block on `parent` with this L1 origin belongs, and whose epoch it is. One that is `proposed` may name
    /// what this node agrees to as the next protocol. `None` when consensus names a leader who has no seat.
    async fn slot(
        &self,
        context: &Context,
        parent: &State,
        l1_origin: L1Origin,
        proposed: Option<&Header>,
    ) -> Option<(Slot, Arc<Seated>)> {
        let epoch = context.epoch().get();
        let next_protocol = match proposed.map(|header| header.next_protocol) {
            Some(got) if self.upgrades.accepts(&parent.header, epoch, got) => got,
            None if is_next(context) => self.upgrades.named(&parent.header, epoch),
            _ => parent.header.next_protocol_in(epoch),
        };
        let (parent_view, parent_digest) = context.parent;
        let seated = self.committees.get(epoch)?;
        let slot = Slot {
            epoch,
            view: context.round.view().get(),
            parent_view: parent_view.get(),
            parent: parent_digest,
            leader_seat: seated.seat(&context.leader)?,
            next_committee: self.committees.named_after(parent, l1_origin).await,
            next_protocol,
        };
        Some((slot, seated))
    }

    /// How far a child of `parent` goes on the L1: to the newest block that others should have, too; where things are forced, as far as
    /// this node has read them and there is room. After a view that failed, not at all, which everybody can judge: it may have failed
    /// for that.
    fn advance(&self, context: &Context, parent: &Header) -> Advance {
        let mut advance = Advance::none(parent);
        let Some(l1) = self.l1.as_ref().filter(|_| is_next(context)) else { return advance };
        let from = parent.l1_origin.number;
        let Some(latest) = l1.latest().filter(|latest| latest.number > from) else { return advance };
        if self.chain.file.l1.forced_inbox.is_none() {
            return Advance { origin: latest, ..advance };
        }
        let until = latest.number.min(from.saturating_add(ORIGIN_STEP_MAX));
        let (mut forced, mut taken) = (Vec::new(), 0);
        for step in l1.steps((from, parent.inbox_cursor)) {
            forced.extend(step.forced);
            if step.origin.number > until || !fits(&self.chain, &forced) {
                break;
            }
            (advance.origin, taken) = (step.origin, forced.len());
        }
        forced.truncate(taken);
        Advance { forced: forced.into(), ..advance }
    }

    /// What was forced after a block's L1 origin, up to L1 block `until`.
    async fn forced(&self, l1: &dyn L1View, parent: &Header, until: u64) -> Arc<[ForcedEntry]> {
        match self.chain.file.l1.forced_inbox {
            Some(_) => l1.forced((parent.l1_origin.number, parent.inbox_cursor), until).await,
            None => Arc::from([]),
        }
    }

    /// What a block has to open with. Waits until this node's L1 is where the block says, and refuses an L1 origin that is none.
    async fn opening(&self, parent: &Header, header: &Header) -> Result<Arc<[ForcedEntry]>, InvalidBlock> {
        let (from, got) = (parent.l1_origin, header.l1_origin);
        let goes_on = validity::origin_may_follow(&self.chain, from, got);
        // Where it does neither, it is refused for itself.
        let Some(l1) = self.l1.as_ref().filter(|_| goes_on) else { return Ok(Arc::from([])) };
        let expected = l1.block(got.number).await.origin;
        if expected != got {
            return Err(InvalidBlock::L1Origin { expected, got });
        }
        Ok(self.forced(l1.as_ref(), parent, got.number).await)
    }

    /// The ancestors of `parent` down to the tip, computing the states that the tree lacks. `None` when the
    /// block cannot become final any more, or its ancestors cannot be had.
    async fn lineage(
        &self,
        parent: Digested<SequencedBlock>,
        ancestry: impl Ancestry<SequencedBlock>,
    ) -> Option<Lineage> {
        // A node that is far behind follows finalized blocks first.
        self.ledgers.reach(parent.inner().header.height.saturating_sub(AHEAD_MAX)).await;
        for _ in 0..LINEAGE_ROUNDS_MAX {
            match self.ledgers.lineage(&parent.digest()) {
                Ok(lineage) => return Some(lineage),
                Err(Gap::Stale) => return None,
                Err(Gap::Missing(_)) => self.fill(parent.clone(), ancestry.clone()).await?,
            }
        }
        None
    }

    /// Computes the states from the nearest known ancestor up to `block`.
    async fn fill(&self, block: Digested<SequencedBlock>, mut ancestry: impl Ancestry<SequencedBlock>) -> Option<()> {
        let tip_height = self.ledgers.tip().header.height;
        let mut missing = Vec::new();
        let mut cursor = block;
        let mut state = loop {
            if let Some(state) = self.ledgers.get(&cursor.digest()) {
                break state;
            }
            // At most `AHEAD_MAX` blocks: `lineage` waited for the tip to be that near.
            if cursor.inner().header.height <= tip_height {
                return None;
            }
            missing.push(cursor);
            cursor = ancestry.next().await?;
        };
        for block in missing.into_iter().rev() {
            state = self.follow(state, block).await?;
            match self.ledgers.insert(state.clone()) {
                // The tip may have passed the block meanwhile: the next round starts from there.
                Ok(()) | Err(NotKept::Height { .. }) => {}
                Err(full @ NotKept::Full { .. }) => {
                    debug!(%full, "ancestors are not kept: the block waits for the tip");
                    return None;
                }
            }
        }
        Some(())
    }

    /// The state after a certified block that this node did not check itself.
    async fn follow(&self, parent: State, block: Digested<SequencedBlock>) -> Option<State> {
        let chain = self.chain.clone();
        let bytes = block.inner().encode_size();
        let job = self.strategy.spawn(bytes, move |_| {
            timed("follow", || {
                let ids = validity::ids(&chain, &block.inner().body);
                validity::follow(&chain, &parent, block.inner(), ids)
            })
        });
        // The committee certified it: if it is wrong, more than a third of the committee is, or this node is.
        job.await.inspect_err(|error| error!(%error, "certified ancestor does not follow from its parent")).ok()
    }

    /// Keeps a state for the blocks that will stand on it; where there is no room, they compute it again.
    fn keep(&self, state: State) {
        if let Err(refused) = self.ledgers.insert(state) {
            debug!(%refused, "state is not kept");
        }
    }

    /// Waits for something to order, at most until this node should propose an empty block.
    async fn wait_for_body<E: Clock>(&self, runtime: &E, lineage: &Lineage, forced: &[ForcedEntry]) -> Body {
        let parameters = &self.chain.file.parameters;
        let height = lineage.parent.header.height + 1;
        let exclude = lineage.unfinalized_ids();
        // Idle blocks keep a steady beat, but a parent that is ahead of this clock must not slow it down.
        let now_ms = unix_ms(runtime);
        let beat_ms = (lineage.parent.header.timestamp_ms.saturating_add(parameters.idle_interval_ms))
            .saturating_sub(now_ms)
            .min(parameters.idle_interval_ms);
        let deadline = runtime.sleep(Duration::from_millis(beat_ms));
        futures::pin_mut!(deadline);
        let mut arrivals = self.mempool.subscribe();
        loop {
            let body = self.mempool.build(&lineage.parent.ledger, height, &exclude, forced);
            if !body.lanes.is_empty() {
                return body;
            }
            select! {
                _ = &mut deadline => return body,
                arrived = arrivals.changed() => if arrived.is_err() {
                    deadline.await;
                    return body;
                },
            }
        }
    }

    /// Makes the block that orders `body` where consensus says.
    async fn build<E: Clock>(
        &self,
        runtime: &E,
        context: &Context,
        lineage: Lineage,
        (advance, mut body): (Advance, Body),
    ) -> Option<Digested<SequencedBlock>> {
        let parent = &lineage.parent;
        let (slot, _) = self.slot(context, parent, advance.origin, None).await?;
        let term = validity::reveal_due(&self.chain, &slot, parent.header.height + 1);
        body.reveal = term.and_then(|term| self.committees.reveal(&Mix(parent.header.randomness), term));
        body.fee_recipient = self.fee_recipient;
        let timestamp_ms = unix_ms(runtime).max(parent.header.timestamp_ms + 1);
        let chain = self.chain.clone();
        let job = self.strategy.spawn(body.encode_size(), move |_| {
            timed("assemble", || assemble(&chain, &slot, &lineage.parent, (timestamp_ms, &advance), body))
        });
        match job.await {
            Ok((state, block)) => {
                let digest = state.digest;
                self.keep(state);
                Some(Digested::precomputed(block, digest))
            }
            Err(error) => {
                // The mempool takes only what the ledger takes: this is a bug of ours, and no reason to fall.
                error!(%error, "own block is invalid");
                None
            }
        }
    }

    async fn verdict<E: Clock>(
        &self,
        runtime: &E,
        (slot, seated): (Slot, Arc<Seated>),
        lineage: Lineage,
        block: Digested<SequencedBlock>,
    ) -> bool {
        let (chain, ledgers, candidate) = (self.chain.clone(), self.ledgers.clone(), block.clone());
        let header = &block.inner().header;
        tell_clock(&seated, slot.leader_seat, header.timestamp_ms, unix_ms(runtime));
        let checked = match self.opening(&lineage.parent.header, header).await {
            Ok(forced) => {
                let job = self.strategy.spawn(block.inner().encode_size(), move |_| {
                    let height = candidate.inner().header.height;
                    timed("check", || {
                        let (of, block) = ((&slot, &seated.committee), (&**candidate.inner(), &*forced));
                        validity::check(&chain, &lineage.parent, of, block, |ids| {
                            ledgers.first_repeat(&lineage, height, ids)
                        })
                    })
                });
                job.await
            }
            Err(error) => Err(error),
        };
        match checked {
            Ok(state) => {
                self.keep(state);
                self.wait_for_clock(runtime, header.timestamp_ms).await;
                true
            }
            Err(error) => {
                metrics::counter!(telemetry::BLOCKS_INVALID, "rule" => error.rule()).increment(1);
                warn!(view = header.view, seat = header.proposer_seat, %error, "invalid block");
                false
            }
        }
    }

    /// Delays a vote until a block's time is at most the allowed drift ahead of this node's clock.
    async fn wait_for_clock<E: Clock>(&self, runtime: &E, timestamp_ms: u64) {
        let drift_ms_max = self.chain.file.parameters.clock_drift_ms_max;
        loop {
            let ahead_ms = timestamp_ms.saturating_sub(unix_ms(runtime).saturating_add(drift_ms_max));
            if ahead_ms == 0 {
                return;
            }
            debug!(ahead_ms, "block is ahead of this clock: the vote waits");
            metrics::counter!(telemetry::VOTES_DELAYED).increment(1);
            // The clock may be set meanwhile: look again within a second.
            runtime.sleep(Duration::from_millis(ahead_ms.min(1_000))).await;
        }
    }
}

/// Says how far a leader's block is ahead of this clock: whose clock is wrong is seen by the leader that differs, or by all that do.
fn tell_clock(seated: &Seated, leader_seat: u32, timestamp_ms: u64, now_ms: u64) {
    let Some(seat) = seated.committee.seats().get(leader_seat as usize) else { return };
    let ahead_s = (timestamp_ms as f64 - now_ms as f64) / 1e3;
    metrics::gauge!(telemetry::BLOCK_AHEAD_SECONDS, "peer" => hex::encode(seat.node_key)).set(ahead_s);
}

/// Whether no view lies between a block and its parent. Where one does, it may have failed for what its block asked of the others.
fn is_next(context: &Context) -> bool {
    context.round.view().get() <= context.parent.0.get().saturating_add(1)
}

/// The block of `slot` on `parent` that orders `body`, with its time and its advance on the L1, and the state after it. A reveal in the
/// body is the proposer's, as is the fee recipient, and what was forced opens its lanes.
///
/// # Errors
/// [`InvalidBlock::Ledger`] when the parent's ledger does not take the body.
pub fn assemble(
    chain: &Chain,
    slot: &Slot,
    parent: &State,
    (timestamp_ms, advance): (u64, &Advance),
    body: Body,
) -> Result<(State, SequencedBlock), InvalidBlock> {
    let height = parent.header.height + 1;
    let mut ledger = parent.ledger.as_ref().clone();
    let ids = validity::ids(chain, &body);
    let mix = Mix(parent.header.randomness);
    let place = Place {
        height,
        timestamp_ms,
        parent_timestamp_ms: parent.header.timestamp_ms,
        l1_origin_number: advance.origin.number,
        proposer_seat: slot.leader_seat,
    };
    let table = ledger.apply_identified(chain, &place, &body, &ids)?;
    let header = Header {
        next_protocol: slot.next_protocol,
        protocol: parent.header.protocol_in(slot.epoch),
        chain_id: chain.file.chain_id,
        height,
        epoch: slot.epoch,
        view: slot.view,
        parent_view: slot.parent_view,
        parent: slot.parent,
        proposer_seat: slot.leader_seat,
        timestamp_ms,
        l1_origin: advance.origin,
        inbox_cursor: parent.header.inbox_cursor.saturating_add(advance.forced.len() as u64),
        body_root: body.root(),
        namespaces_root: table.root(),
        ledger_root: ledger.root(),
        next_committee: slot.next_committee,
        randomness: body.reveal.map_or(mix, |reveal| mix.mixed(&reveal)).0,
    };
    let state = State {
        header,
        digest: header.digest(),
        table: Arc::new(table),
        ledger: Arc::new(ledger),
        ids: ids.into(),
        marks: parent.marks.after(&chain.file.parameters, &parent.header, &header),
    };
    Ok((state, SequencedBlock::new(Block { header, body })))
}

impl<E: Clock, T: Strategy> Application<E> for Sequencer<T> {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = SequencedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (runtime, context): (E, Context),
        mut ancestry: impl Ancestry<SequencedBlock>,
        (): (),
    ) -> Option<Digested<SequencedBlock>> {
        let parent = ancestry.next().await?;
        let lineage = self.lineage(parent, ancestry).await?;
        let advance = self.advance(&context, &lineage.parent.header);
        let body = self.wait_for_body(&runtime, &lineage, &advance.forced).await;
        self.build(&runtime, &context, lineage, (advance, body)).await
    }

    async fn verify(&mut self, (runtime, context): (E, Context), mut ancestry: impl Ancestry<SequencedBlock>) -> bool {
        let outcome = async {
            let block = ancestry.next().await?;
            let parent = ancestry.next().await?;
            let lineage = self.lineage(parent, ancestry).await?;
            let header = &block.inner().header;
            let slot = self.slot(&context, &lineage.parent, header.l1_origin, Some(header)).await?;
            Some(self.verdict(&runtime, slot, lineage, block).await)
        };
        match outcome.await {
            Some(valid) => valid,
            // Nothing is known against the block, and nothing for it: abstain until consensus moves on.
            None => future::pending().await,
        }
    }
}
