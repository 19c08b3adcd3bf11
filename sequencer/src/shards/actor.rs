//! The loop: encodes what goes out, passes on and rebuilds what comes in.

use super::{
    HELD_MAX, ShardsConfig,
    channel::{Inbox, Outbox, Outgoing},
    collector::{Collector, window},
    message::{Checked, Code, Root, SHARD, Shard, Share, ShareError, WHOLE, block_bytes_max, code},
    metrics::Metrics,
    saved_bytes,
};
use crate::{
    committees::{Committees, Seated},
    engine::EngineError,
    epochs::EpochStart,
    leaders::{Schedule, Scheduler},
    status::Status,
    telemetry::timed,
};
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _, EncodeSize as _, FixedSize as _};
use commonware_coding::{Config, Scheme as _};
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select_loop;
use commonware_p2p::{Blocker, Message, Receiver, Recipients, Sender};
use commonware_parallel::Strategy;
use commonware_runtime::{Clock, ContextCell, Handle, IoBuf, IoBufs, Spawner, spawn_cell};
use commonware_utils::ordered::Quorum as _;
use sinter_primitives::{Chain, Header};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::{mpsc, watch};
use tracing::{debug, error, warn};

/// Blocks that wait to be sent at most: a leader has two at a time.
const OUTGOING_MAX: usize = 16;
/// Blocks that wait to be taken in at most. What comes meanwhile waits in the network's own queue.
const INCOMING_MAX: usize = 16;

/// What the actor works with.
pub struct Parts<B, T> {
    /// The network.
    pub chain: Arc<Chain>,
    /// Who votes in which epoch.
    pub committees: Committees,
    /// Knows the current epoch.
    pub epochs: watch::Receiver<EpochStart>,
    /// Knows the current view.
    pub status: Arc<Status>,
    /// What its peers know this node by.
    pub me: PublicKey,
    /// Cuts off peers.
    pub blocker: B,
    /// Runs what takes long.
    pub strategy: T,
    /// When blocks go in shards.
    pub config: ShardsConfig,
}

/// An epoch as shards see it.
struct Epoch {
    number: u64,
    seated: Arc<Seated>,
    leaders: Scheduler,
    /// The other seats.
    others: Vec<PublicKey>,
    /// Members of the next epoch who have none in this one.
    next: Vec<PublicKey>,
    /// `None` where blocks stay whole.
    code: Option<Config>,
    collector: Collector,
}

struct Actor<E, B, T, S> {
    context: ContextCell<E>,
    parts: Parts<B, T>,
    sender: S,
    inbox: mpsc::Sender<Message<PublicKey>>,
    epoch: Epoch,
    /// Shards of the next epoch.
    held: VecDeque<Message<PublicKey>>,
    metrics: Metrics,
}

/// Starts the actor on the blocks channel. It ends with the runtime or the network.
///
/// # Errors
/// [`EngineError`] when the committee of the current epoch is not known, or has nobody to lead it.
pub fn start<E, B, T, S, R>(
    context: E,
    parts: Parts<B, T>,
    (sender, receiver): (S, R),
) -> Result<(Outbox, Inbox, Handle<()>), EngineError>
where
    E: Clock + Spawner,
    B: Blocker<PublicKey = PublicKey>,
    T: Strategy,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
{
    let (outbox, outgoing) = mpsc::channel(OUTGOING_MAX);
    let (inbox, blocks) = mpsc::channel(INCOMING_MAX);
    let start = *parts.epochs.borrow();
    let epoch = Epoch::new(&parts, start)?;
    let context = ContextCell::new(context);
    let mut actor = Actor { context, parts, sender, inbox, epoch, held: VecDeque::new(), metrics: Metrics::new() };
    let handle = spawn_cell!(actor.context, actor.run(outgoing, receiver));
    Ok((Outbox(outbox), Inbox(blocks), handle))
}

/// Waits for another epoch. Without the finalizer none ever begins, and it says itself why it ended.
async fn next_epoch(epochs: &mut watch::Receiver<EpochStart>) {
    if epochs.changed().await.is_err() {
        std::future::pending().await
    }
}

/// The message that has a whole block.
fn whole(block: IoBuf) -> IoBufs {
    let mut message = IoBufs::from(block);
    message.prepend(IoBuf::from(&[WHOLE]));
    message
}

impl Epoch {
    fn new<B, T>(parts: &Parts<B, T>, start: EpochStart) -> Result<Self, EngineError> {
        let number = start.epoch;
        let seated = parts.committees.get(number).ok_or(EngineError::Stopped("the committees"))?;
        let leaders = Schedule::new(&parts.chain, &start, &seated.committee)?.of(&seated.participants);
        let others = seated.participants.iter().filter(|key| **key != parts.me).cloned().collect();
        let next = parts.committees.get(number.saturating_add(1));
        let next = next.iter().flat_map(|next| next.participants.iter());
        let next = next.filter(|key| **key != parts.me && seated.seat(key).is_none()).cloned().collect();
        let code = code(seated.participants.len());
        let collector = Collector::new(code.map_or(usize::MAX, |config| config.minimum_shards.get().into()));
        Ok(Self { number, seated, leaders, others, next, code, collector })
    }

    fn leader(&self, view: u64) -> Option<&PublicKey> {
        self.seated.participants.key(self.leaders.leader(self.number, view))
    }

    fn seat(&self, key: &PublicKey) -> Option<usize> {
        self.seated.participants.position(key)
    }
}

impl<E, B, T, S> Actor<E, B, T, S>
where
    E: Clock + Spawner,
    B: Blocker<PublicKey = PublicKey>,
    T: Strategy,
    S: Sender<PublicKey = PublicKey>,
{
    async fn run(mut self, mut outgoing: mpsc::Receiver<Outgoing>, mut receiver: impl Receiver<PublicKey = PublicKey>) {
        let mut epochs = self.parts.epochs.clone();
        select_loop! {
            self.context,
            on_stopped => {
                debug!("shards: shutdown");
            },
            () = next_epoch(&mut epochs) => {
                let start = *epochs.borrow_and_update();
                if !self.enter(start).await {
                    break;
                }
            },
            block = outgoing.recv() => match block {
                Some(Outgoing { recipients, block }) => self.send(recipients, block).await,
                None => break,
            },
            message = receiver.recv() => match message {
                Ok((peer, message)) => {
                    if !self.receive(peer, message).await {
                        break;
                    }
                }
                Err(error) => {
                    error!(%error, "shards: the network is gone");
                    break;
                }
            },
        }
    }

    /// Turns to the next epoch, and to what was heard of it.
    async fn enter(&mut self, start: EpochStart) -> bool {
        match Epoch::new(&self.parts, start) {
            Ok(epoch) => self.epoch = epoch,
            Err(error) => {
                error!(epoch = start.epoch, %error, "shards: an epoch without a committee");
                return false;
            }
        }
        for (peer, message) in std::mem::take(&mut self.held) {
            if !self.receive(peer, message).await {
                return false;
            }
        }
        true
    }

    /// Sends a block: in shards where this node leads its view and they save much.
    async fn send(&mut self, recipients: Recipients<PublicKey>, block: IoBufs) {
        if !matches!(recipients, Recipients::All) {
            self.sender.send(recipients, whole(block.coalesce()), false);
            return;
        }
        let block = block.coalesce();
        let led = self.led(&block);
        if let (Some(header), Some(config)) = (led, self.epoch.code)
            && saved_bytes(block.len(), self.epoch.others.len(), config.minimum_shards.get().into())
                >= self.parts.config.saved_bytes_min
            && self.send_shards(header, config, block.clone()).await
        {
            return self.metrics.sent_in_shards.increment(1);
        }
        self.metrics.sent_whole.increment(1);
        // Who does not vote on it asks for it once it is notarized: what they would take is uploaded before any seat has its own.
        let is_for_seats = led.is_some_and(|header| !self.is_last(&header));
        let recipients = if is_for_seats { Recipients::Some(self.epoch.others.clone()) } else { Recipients::All };
        self.sender.send(recipients, whole(block), false);
    }

    /// Whether the next epoch stands on this block: its members need it as soon as the seats.
    fn is_last(&self, header: &Header) -> bool {
        let parameters = &self.parts.chain.file.parameters;
        header.height == parameters.boundary_before(header.epoch.saturating_add(1))
    }

    /// The header of a block that this node proposes in a view to come. One that is proposed again at an epoch's end is of an earlier view,
    /// whose shards nobody takes any more, as nobody does of an epoch that has not begun here: those go whole, and to everybody.
    fn led(&self, block: &IoBuf) -> Option<Header> {
        let header = Header::decode(block.slice(..Header::SIZE.min(block.len()))).ok()?;
        let is_led = header.epoch == self.epoch.number && self.epoch.leader(header.view) == Some(&self.parts.me);
        (is_led && header.view > self.certified()).then_some(header)
    }

    /// Sends a block's shards, if it has any.
    async fn send_shards(&mut self, header: Header, config: Config, block: IoBuf) -> bool {
        let job = self
            .parts
            .strategy
            .spawn(block.len(), move |strategy| timed("encode shards", || Code::encode(&config, block, &strategy)));
        let (root, shards) = match job.await {
            Ok(encoded) => encoded,
            // The code takes more seats than a committee has, and more bytes than a block: this is a bug of ours.
            Err(error) => {
                error!(%error, "shards: an own block has none: it goes whole");
                return false;
            }
        };
        for (member, shard) in self.epoch.seated.participants.iter().zip(shards) {
            if *member != self.parts.me {
                let share = Share { epoch: header.epoch, view: header.view, root, shard };
                self.sender.send(Recipients::One(member.clone()), share.encode(), false);
            }
        }
        true
    }

    /// Takes in a message. `false` when nobody wants blocks any more.
    async fn receive(&mut self, peer: PublicKey, message: IoBuf) -> bool {
        match message.as_ref().first() {
            Some(&WHOLE) => return self.inbox.send((peer, message.slice(1..))).await.is_ok(),
            Some(&SHARD) => {}
            first => {
                self.fault(peer, &ShareError::Form { got: first.map_or(-1, |byte| i16::from(*byte)) });
                return true;
            }
        }
        match self.take(&peer, message).await {
            Ok(None) => true,
            Ok(Some((leader, block))) => self.inbox.send((leader, block)).await.is_ok(),
            Err(error) => {
                self.fault(peer, &error);
                true
            }
        }
    }

    /// Takes in a shard. Gives the block that it completes, and its leader.
    async fn take(&mut self, peer: &PublicKey, message: IoBuf) -> Result<Option<Message<PublicKey>>, ShareError> {
        let number = self.epoch.number;
        let epoch = Share::epoch_of(&mut message.clone())?;
        if number.checked_add(1) == Some(epoch) {
            return self.hold(peer, message).map(|()| None);
        }
        if epoch != number {
            self.metrics.unused.increment(1);
            return Ok(None);
        }
        let (config, share) = self.decode(&self.epoch.seated, message.clone())?;
        let leader = self.epoch.leader(share.view).cloned();
        let is_leader = leader.as_ref() == Some(peer);
        let owner = if is_leader { &self.parts.me } else { peer };
        // A leader sends nothing to who has no seat.
        let seat = self.epoch.seat(owner).ok_or(ShareError::NoSeat { epoch })?;
        let Share { view, root, shard, .. } = share;
        let certified = self.certified();
        let collector = &mut self.epoch.collector;
        collector.forget_before(certified);
        let is_wanted = collector.wants(view, seat, &root);
        let relays = is_leader && collector.relays(view, &root);
        if !window(certified).contains(&view) || !(is_wanted || relays) {
            self.metrics.unused.increment(1);
            return Ok(None);
        }
        let checked = self.check(config, root, seat, shard).await;
        let checked = checked.map_err(|problem| ShareError::Path { seat, view, problem })?;
        if relays {
            self.epoch.collector.relayed(view, root);
            let others =
                self.epoch.others.iter().chain(&self.epoch.next).filter(|other| *other != peer).cloned().collect();
            self.sender.send(Recipients::Some(others), message, false);
            self.metrics.relayed.increment(1);
        }
        if is_wanted {
            self.metrics.kept.increment(1);
        }
        match (self.epoch.collector.keep(view, seat, root, checked), leader) {
            (Some(shards), Some(leader)) => Ok(self.rebuild(config, root, shards).await.map(|block| (leader, block))),
            _ => Ok(None),
        }
    }

    /// Reads a shard of an epoch with this committee.
    fn decode(&self, seated: &Seated, message: IoBuf) -> Result<(Config, Share), ShareError> {
        let seats = seated.participants.len();
        let config = code(seats).ok_or(ShareError::Committee { seats })?;
        let bytes_max = block_bytes_max(&self.parts.chain.file.parameters);
        Ok((config, Share::decode_cfg(message, &(config, bytes_max))?))
    }

    /// The highest view of this epoch with a certificate.
    fn certified(&self) -> u64 {
        let (epoch, view) = self.parts.status.round();
        if epoch == self.epoch.number { view } else { 0 }
    }

    /// Keeps a shard until this node is in the epoch that it is of: if it is one of its first, and of a member of it.
    fn hold(&mut self, peer: &PublicKey, message: IoBuf) -> Result<(), ShareError> {
        let has_end = self.parts.chain.file.parameters.epoch_blocks.is_some();
        let next = self.parts.committees.get(self.epoch.number.saturating_add(1)).filter(|_| has_end);
        let Some(next) = next.filter(|next| next.seat(peer).is_some()) else {
            self.metrics.unused.increment(1);
            return Ok(());
        };
        let (_, share) = self.decode(&next, message.clone())?;
        let held = self.held.iter().filter(|(other, _)| other == peer).take(HELD_MAX).count();
        if held < HELD_MAX && window(0).contains(&share.view) {
            self.held.push_back((peer.clone(), message));
        } else {
            self.metrics.unused.increment(1);
        }
        Ok(())
    }

    async fn check(&mut self, config: Config, root: Root, seat: usize, shard: Shard) -> Result<Checked, String> {
        let place = u16::try_from(seat).map_err(|error| error.to_string())?;
        let bytes = shard.encode_size();
        let job =
            self.parts.strategy.spawn(bytes, move |strategy| Code::check(&config, &root, place, &shard, &strategy));
        job.await.map_err(|error| error.to_string())
    }

    async fn rebuild(&mut self, config: Config, root: Root, shards: Vec<Checked>) -> Option<IoBuf> {
        let bytes = block_bytes_max(&self.parts.chain.file.parameters);
        let job = self
            .parts
            .strategy
            .spawn(bytes, move |strategy| timed("rebuild", || Code::decode(&config, &root, shards.iter(), &strategy)));
        match job.await {
            Ok(block) => {
                self.metrics.rebuilt.increment(1);
                Some(block.into())
            }
            Err(error) => {
                self.metrics.broken.increment(1);
                warn!(%error, "shards under one root are no block: their leader sent wrong ones");
                None
            }
        }
    }

    /// No honest member of this chain could have sent that.
    fn fault(&mut self, peer: PublicKey, reason: &ShareError) {
        self.metrics.faults.increment(1);
        commonware_p2p::block!(self.parts.blocker, peer, %reason, "blocks: peer is at fault");
    }
}
