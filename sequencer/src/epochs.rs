//! One consensus engine an epoch.
//!
//! ```text
//!   final block at an epoch's last height ──► finalizer ──► EpochStart ──► this loop: ends one engine, starts the next
//!   votes, certificates, resolver ──► a subchannel an epoch ──► the epoch's engine
//!                                  └► of an epoch that this node is not in yet: it asks marshal for its own epoch's last block
//! ```
//!
//! Each epoch's engine starts from the last block of the epoch before it, counts views from 1, votes with its own committee, and has
//! a voting journal of its own. A node without a seat runs one, too: it verifies and follows. An engine that has finalized its
//! epoch's last height builds nothing above it, and proposes that block again until the engine ends.

use crate::{
    block::SequencedBlock,
    committees::{Committees, Seated},
    consensus::{Context, Marshal, Scheme},
    engine::{self, EngineError},
    evidence::EvidenceStore,
    leaders::Schedule,
    ledgers::Ledgers,
    mempool::Mempool,
    observer::Observer,
    status::Status,
    telemetry,
    upgrades::Upgrades,
};
use commonware_consensus::{
    Application,
    marshal::standard::Inline,
    simplex::{
        self, ForwardPolicy,
        config::{SkipBudget, SkipPolicy},
    },
    types::{Epoch, FixedEpocher, Height},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{
    Blocker, Message, Receiver, Sender,
    utils::mux::{Builder as _, MuxHandle, Muxer, SubReceiver, SubSender},
};
use commonware_parallel::Strategy;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{channel::mpsc, vec::NonEmptyVec};
use metrics::gauge;
use rand_core::CryptoRng;
use sinter_primitives::{Chain, Digest, Header, Parameters, reveals::Mix};
use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc, time::Duration};
use tokio::sync::watch;
use tracing::{debug, info};

/// How often a peer that talks of a later epoch is asked for the last block of this node's.
const ASK_INTERVAL: Duration = Duration::from_millis(200);

/// Names the epochs whose voting journals this node began and still has.
const BEGUN_PARTITION: &str = "begun";

/// Votes of one peer for the next epoch that are kept until this node is there.
const VOTES_HEARD_MAX: usize = 8;

/// An epoch, and what it stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochStart {
    /// Its number.
    pub epoch: u64,
    /// Digest of the last block before it.
    pub boundary: Digest,
    /// What leaders had revealed by then.
    pub mix: Mix,
    /// The rules that its blocks obey.
    pub protocol: u8,
}

impl EpochStart {
    /// The epoch above the block of `header`, which is the last of its own, or genesis.
    #[must_use]
    pub fn above(epoch: u64, header: &Header) -> Self {
        Self { epoch, boundary: header.digest(), mix: Mix(header.randomness), protocol: header.protocol_in(epoch) }
    }
}

/// What every epoch's engine is made of.
pub struct Parts<E, A: Application<E>, B> {
    /// The network.
    pub chain: Arc<Chain>,
    /// Who votes in which epoch.
    pub committees: Committees,
    /// Which rules this node takes part in.
    pub upgrades: Upgrades,
    /// Decides and checks what is ordered.
    pub adapter: Inline<E, Scheme, A, SequencedBlock, FixedEpocher>,
    /// Has the blocks.
    pub marshal: Marshal,
    /// The states above the tip.
    pub ledgers: Arc<Ledgers>,
    /// What waits to be ordered.
    pub mempool: Mempool,
    /// The node's vital signs.
    pub status: Arc<Status>,
    /// Keeps what seats do that they must not.
    pub evidence: EvidenceStore,
    /// Cuts off peers.
    pub blocker: B,
    /// Told whom to be connected to, in every epoch.
    pub track: engine::Track,
    /// Opens the names of the voting journals' partitions.
    pub votes_prefix: String,
    /// Pages of journals in memory.
    pub page_cache: CacheRef,
}

/// The channels that have a subchannel for each epoch.
pub struct Channels<S, R> {
    /// Votes.
    pub votes: (S, R),
    /// Certificates.
    pub certificates: (S, R),
    /// Certificates that were missed.
    pub resolver: (S, R),
}

/// Runs the engines, one after the other. Ends when an engine ends by itself.
///
/// # Errors
/// [`EngineError`], always: what ended.
pub async fn run<E, S, R, B, T, A>(
    context: E,
    parts: Parts<E, A, B>,
    channels: Channels<S, R>,
    mut epochs: watch::Receiver<EpochStart>,
    strategy: T,
) -> Result<(), EngineError>
where
    A: Application<E, Block = SequencedBlock, SigningScheme = Scheme, Context = Context, Input = ()>,
    E: CryptoRng + Spawner + Metrics + Clock + Storage,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    T: Strategy,
{
    let (mux, votes, mut ahead) =
        Muxer::builder(context.child("votes"), channels.votes.0, channels.votes.1).with_backup().build();
    mux.start();
    let (mux, certificates) =
        Muxer::new(context.child("certificates"), channels.certificates.0, channels.certificates.1);
    mux.start();
    let (mux, resolver) = Muxer::new(context.child("resolver"), channels.resolver.0, channels.resolver.1);
    mux.start();
    let mut muxes = Muxes { votes, certificates, resolver };
    let parameters = parts.chain.file.parameters;
    let mut entrance: Option<(u64, Entrance<S>)> = None;
    loop {
        let start = *epochs.borrow_and_update();
        parts.upgrades.check(parameters.boundary_before(start.epoch).saturating_add(1), start.protocol)?;
        let open = match entrance.take() {
            Some((epoch, open)) if epoch == start.epoch => open,
            // This node was away for more than an epoch.
            _ => muxes.open(start.epoch).await?,
        };
        keep_two_journals(&context, &parts.votes_prefix, start.epoch).await?;
        let mut engine = enter(&context, &parts, open, start, strategy.clone())?;
        // Members that are a moment ahead begin the next epoch: what they say then waits there for this node.
        let mut next = muxes.open(start.epoch.saturating_add(1)).await?;
        let marshal = (parts.marshal.clone(), parts.status.clone());
        select! {
            changed = epochs.changed() => changed.map_err(|_| EngineError::Stopped("finalizer"))?,
            _ = &mut engine => return Err(EngineError::Stopped("consensus")),
            () = retrack(&parts.committees, &parts.track, start.epoch) => return Err(EngineError::Stopped("the draw")),
            () = catch_up(&context, parameters, marshal, &mut ahead, &mut next, (start.epoch, &parts.committees)) => {
                return Err(EngineError::Stopped("the network"));
            },
        };
        engine.abort();
        let _ = engine.await;
        entrance = Some((start.epoch.saturating_add(1), next));
    }
}

struct Muxes<S: Sender> {
    votes: MuxHandle<S>,
    certificates: MuxHandle<S>,
    resolver: MuxHandle<S>,
}

type Subchannels<S> = Channels<SubSender<S>, SubReceiver<PublicKey>>;

/// An epoch's subchannels before its engine has them, with the votes that came meanwhile.
struct Entrance<S: Sender<PublicKey = PublicKey>> {
    channels: Subchannels<S>,
    votes: VecDeque<Message<PublicKey>>,
}

impl<S: Sender<PublicKey = PublicKey>> Muxes<S> {
    /// Opens an epoch's subchannels.
    async fn open(&mut self, epoch: u64) -> Result<Entrance<S>, EngineError> {
        let closed = |_| EngineError::Stopped("the network");
        let channels = Channels {
            votes: self.votes.register(epoch).await.map_err(closed)?,
            certificates: self.certificates.register(epoch).await.map_err(closed)?,
            resolver: self.resolver.register(epoch).await.map_err(closed)?,
        };
        Ok(Entrance { channels, votes: VecDeque::new() })
    }
}

impl<S: Sender<PublicKey = PublicKey>> Entrance<S> {
    /// Waits for a vote and keeps it, as far as there is room; gives who sent it. `None` when the network is gone.
    async fn hear(&mut self) -> Option<PublicKey> {
        let receiver = &mut self.channels.votes.1;
        let message = receiver.recv().await.ok()?;
        let peer = message.0.clone();
        // A peer that is a moment ahead has little to say; who says more has no more room than that.
        let said = self.votes.iter().filter(|(sender, _)| *sender == peer).count();
        if said < VOTES_HEARD_MAX && self.votes.len() < receiver.capacity().get() {
            self.votes.push_back(message);
        }
        Some(peer)
    }
}

/// Gives what was heard before, and then what comes.
struct Replay<R: Receiver<PublicKey = PublicKey>> {
    heard: VecDeque<Message<PublicKey>>,
    inner: R,
}

impl<R: Receiver<PublicKey = PublicKey>> std::fmt::Debug for Replay<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay").field("heard", &self.heard.len()).finish_non_exhaustive()
    }
}

impl<R: Receiver<PublicKey = PublicKey>> Receiver for Replay<R> {
    type Error = R::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, R::Error> {
        match self.heard.pop_front() {
            Some(message) => Ok(message),
            None => self.inner.recv().await,
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}

/// Starts an epoch's engine.
fn enter<E, S, B, T, A>(
    context: &E,
    parts: &Parts<E, A, B>,
    entrance: Entrance<S>,
    start: EpochStart,
    strategy: T,
) -> Result<Handle<()>, EngineError>
where
    A: Application<E, Block = SequencedBlock, SigningScheme = Scheme, Context = Context, Input = ()>,
    E: CryptoRng + Spawner + Metrics + Clock + Storage,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey>,
    T: Strategy,
{
    let epoch = start.epoch;
    let seated = parts.committees.get(epoch).ok_or(EngineError::Stopped("the committees"))?;
    track(&parts.committees, &parts.track, epoch);
    parts.status.observe_round(epoch, 0);
    gauge!(telemetry::SEATED).set(u8::from(parts.committees.has_seat(epoch)));
    let protocol = start.protocol;
    info!(epoch, protocol, boundary = %start.boundary, seats = seated.participants.len(), votes = seated.is_voting(), "epoch begins");

    let elector = Schedule::new(&parts.chain, &start, &seated.committee)?;
    let observer = Observer::new(
        parts.adapter.clone(),
        (seated.clone(), elector.clone().of(&seated.participants)),
        (parts.chain.hash, parts.evidence.clone()),
        (parts.ledgers.clone(), parts.mempool.clone()),
        parts.status.clone(),
        context.child("evidence"),
        strategy.clone(),
    );
    let parameters = &parts.chain.file.parameters;
    let partition = if seated.is_voting() { engine::votes_partition } else { engine::watched_partition };
    let partition = partition(&parts.votes_prefix, epoch);
    let engine = simplex::Engine::new(
        context.child("simplex"),
        simplex::Config {
            scheme: Scheme::clone(&seated.scheme),
            elector,
            blocker: parts.blocker.clone(),
            automaton: parts.adapter.clone(),
            relay: parts.adapter.clone(),
            reporter: observer,
            track_historical_votes: true,
            strategy,
            partition,
            mailbox_size: engine::MAILBOX_MESSAGES,
            epoch: Epoch::new(epoch),
            floor: simplex::Floor::Genesis(start.boundary),
            replay_buffer: engine::REPLAY_BUFFER_BYTES,
            write_buffer: engine::KEY_WRITE_BUFFER_BYTES,
            page_cache: parts.page_cache.clone(),
            leader_timeout: Duration::from_millis(parameters.leader_timeout_ms),
            certification_timeout: Duration::from_millis(parameters.certification_timeout_ms),
            timeout_retry: Duration::from_millis(parameters.timeout_retry_ms),
            view_retention: engine::RETAINED_VIEWS,
            skip: skip_policy(parameters),
            fetch_timeout: engine::fetch_timeout(parameters),
            fetch_retry_delay: engine::FETCH_RETRY,
            forward: ForwardPolicy::SilentLeader,
        },
    );
    let Channels { votes: (sender, receiver), certificates, resolver } = entrance.channels;
    Ok(engine.start((sender, Replay { heard: entrance.votes, inner: receiver }), certificates, resolver))
}

/// Says whom to be connected to in an epoch.
fn track(committees: &Committees, track: &engine::Track, epoch: u64) {
    let seated = [epoch, epoch.saturating_add(1)].map(|epoch| committees.get(epoch));
    let seated: Vec<&Seated> = seated.iter().flatten().map(|seated| &**seated).collect();
    let standby = committees.standby().borrow().clone();
    track(&seated, &standby);
}

/// Says it again whenever others may be drawn. Ends only with the node.
async fn retrack(committees: &Committees, say: &engine::Track, epoch: u64) {
    let mut standby = committees.standby();
    while standby.changed().await.is_ok() {
        track(committees, say, epoch);
    }
    std::future::pending().await
}

/// Asks peers for the last block of this node's epoch when there is reason to think that the epoch is over: a peer talks of a
/// later one, or nobody says anything. Who has gone on has no word for those who are behind, and where the next committee is behind
/// as a whole, only its asking goes on. Ends only with the network.
async fn catch_up<E: Clock, S: Sender<PublicKey = PublicKey>>(
    context: &E,
    parameters: Parameters,
    (marshal, status): (Marshal, Arc<Status>),
    ahead: &mut mpsc::Receiver<(u64, Message<PublicKey>)>,
    next: &mut Entrance<S>,
    (epoch, committees): (u64, &Committees),
) {
    let has_end = parameters.epoch_blocks.is_some();
    let last = Height::new(parameters.boundary_before(epoch.saturating_add(1)));
    let silence = Duration::from_millis(parameters.certification_timeout_ms);
    let mut asked_at = None;
    let mut seen = status.round();
    let mut silent_at = context.current() + silence;
    loop {
        let teller = select! {
            peer = next.hear() => match peer {
                Some(peer) => Some(peer),
                None => return,
            },
            message = ahead.recv() => match message {
                Some((theirs, (peer, _))) => (theirs > epoch).then_some(peer),
                None => return,
            },
            () = context.sleep_until(silent_at) => None,
        };
        let now = context.current();
        let round = status.round();
        if round != seen {
            (seen, silent_at) = (round, now + silence);
        }
        let is_silent = now >= silent_at;
        if is_silent {
            silent_at = now + silence;
        }
        // A clock that is set back must not put this off.
        let is_due =
            asked_at.is_none_or(|at| now < at || now.duration_since(at).is_ok_and(|since| since >= ASK_INTERVAL));
        if has_end && (is_silent || (teller.is_some() && is_due)) {
            asked_at = Some(now);
            // The teller may be lying, and it may be the only one that is near.
            let asked: Vec<_> = teller.into_iter().chain(committees.peers(epoch)).collect();
            debug!(epoch, is_silent, "this node's epoch may be over");
            if let Ok(asked) = NonEmptyVec::try_from(asked) {
                marshal.hint_finalized(last, asked);
            }
        }
    }
}

/// Notes that an epoch's voting journal begins, and removes those before it but for the last: nothing is signed there any more. Which
/// there are is read from the disk, since a node may stop between any two steps of this, and come back epochs later.
async fn keep_two_journals<E: Storage>(context: &E, prefix: &str, epoch: u64) -> Result<(), EngineError> {
    let begun = format!("{prefix}{BEGUN_PARTITION}");
    let mut before = engine::noted(context, &begun).await?;
    before.retain(|begun| *begun < epoch);
    before.sort_unstable();
    before.pop();
    for old in before {
        let (votes, watched) = (engine::votes_partition(prefix, old), engine::watched_partition(prefix, old));
        let name = old.to_be_bytes();
        for (partition, name) in [(&votes, None), (&watched, None), (&begun, Some(&name[..]))] {
            match context.remove(partition, name).await {
                Ok(()) | Err(commonware_runtime::Error::PartitionMissing(_)) => {}
                Err(error) => return Err(engine::storage(error)),
            }
        }
    }
    engine::note(context, &begun, epoch).await
}

/// A leader that is known to be away costs nothing: its views are skipped at once.
fn skip_policy(parameters: &Parameters) -> SkipPolicy {
    let slowest = parameters.certification_timeout_ms.max(parameters.timeout_retry_ms);
    SkipPolicy::Enabled { timeout: Duration::from_millis(2 * slowest), budget: SkipBudget::Participants }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use commonware_runtime::{Blob as _, Runner as _, deterministic};

    /// Epochs below 20 that there is a journal of.
    async fn journals(context: &deterministic::Context) -> Vec<u64> {
        let mut epochs = Vec::new();
        for epoch in 0..20 {
            if context.scan(&engine::votes_partition("seat-", epoch)).await.is_ok() {
                epochs.push(epoch);
            }
        }
        epochs
    }

    /// Begins an epoch: its journal is written after it is noted.
    async fn begin(context: &deterministic::Context, epoch: u64) {
        keep_two_journals(context, "seat-", epoch).await.unwrap();
        let (blob, _) = context.open(&engine::votes_partition("seat-", epoch), b"view").await.unwrap();
        blob.sync().await.unwrap();
    }

    #[test]
    fn two_journals_stay_whatever_happened_before() {
        deterministic::Runner::default().start(|context| async move {
            begin(&context, 0).await;
            begin(&context, 1).await;
            assert_eq!(journals(&context).await, [0, 1]);
            begin(&context, 2).await;
            assert_eq!(journals(&context).await, [1, 2]);
            // It comes back where it was.
            begin(&context, 2).await;
            assert_eq!(journals(&context).await, [1, 2]);
            // It was away.
            begin(&context, 9).await;
            assert_eq!(journals(&context).await, [2, 9]);
            // It stopped after it had noted the next, and before there was a journal.
            keep_two_journals(&context, "seat-", 10).await.unwrap();
            begin(&context, 10).await;
            assert_eq!(journals(&context).await, [9, 10]);
            // It stopped between the removal of a journal and that of its name.
            context.remove(&engine::votes_partition("seat-", 9), None).await.unwrap();
            begin(&context, 11).await;
            begin(&context, 12).await;
            assert_eq!(journals(&context).await, [11, 12]);
            let mut noted = engine::noted(&context, "seat-begun").await.unwrap();
            noted.sort_unstable();
            assert_eq!(noted, [11, 12]);
        });
    }
}
