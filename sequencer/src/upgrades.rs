//! How a network goes over to other rules, with nobody who orders it to.
//!
//! ```text
//!   members tell their peers: ready up to protocol p + 1
//!        │ a quorum of this epoch's members, and of the next one's
//!        ▼
//!   ── e: p ──█─────────────────────────────█── e + 1: p + 1 ──►
//!             └ its first block names p + 1 └ the first block under p + 1
//!               any later one may take it back, if the next members turn out not to be ready
//! ```
//!
//! What is named is under a certificate, so the height from which other rules hold is signed by the committee, an epoch ahead, and
//! whoever follows headers knows it. A member whose release lacks the rules stops before that height and says so; nothing that it
//! signed is held against it. The rule is argued in `docs/protocol.md`, section 14.

use crate::{committees::Committees, ledgers::Ledgers, status::Status, telemetry};
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select_loop;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, ContextCell, Handle, IoBuf, Spawner, spawn_cell};
use commonware_utils::sync::Mutex;
use metrics::gauge;
use sinter_primitives::Header;
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};
use tracing::{debug, error, info, warn};

/// Time between two announcements.
const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(2);
/// Who has said nothing for so long is as one who never did.
const SAID_KEPT: Duration = Duration::from_secs(10);
/// Bytes of a message at most: the last protocol that its sender takes part in (1), and what later releases may have to say.
pub const MESSAGE_BYTES_MAX: usize = 64;

/// The chain goes on under rules that this node does not take part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a protocol up to {max}, got {got}, which is in force at height {height}: install a release that knows it, or raise \
     `protocol_max`; the node then goes on from where it stands"
)]
pub struct UnknownProtocol {
    /// A height under it: the first that this node lacks, or the first of its epoch.
    pub height: u64,
    /// The last protocol that this node takes part in.
    pub max: u8,
    /// The protocol.
    pub got: u8,
}

/// Whether a node that takes part in protocols up to `max` does in the one that is in force at a height.
///
/// # Errors
/// [`UnknownProtocol`] if not.
pub const fn check(max: u8, height: u64, protocol: u8) -> Result<(), UnknownProtocol> {
    if protocol > max { Err(UnknownProtocol { height, max, got: protocol }) } else { Ok(()) }
}

/// Which protocols this node takes part in, and what its peers say of themselves. Cheap to clone.
#[derive(Clone)]
pub struct Upgrades(Arc<Inner>);

struct Inner {
    max: u8,
    node_key: PublicKey,
    committees: Committees,
    said: Mutex<BTreeMap<PublicKey, Said>>,
    /// The last epoch, and one more, in which this node as leader took back what was named.
    took_back: AtomicU64,
}

/// How ready a committee is for a protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// All seats.
    pub seats: u32,
    /// Seats that are enough.
    pub quorum: u32,
    /// Seats that are ready.
    pub ready: u32,
    /// Seats that have said that they are not. Of those that are left, nothing was heard.
    pub not_ready: u32,
}

/// What a peer said last.
#[derive(Clone, Copy, Debug)]
struct Said {
    max: u8,
    at: SystemTime,
}

impl Upgrades {
    /// Those of a node that takes part in protocols up to `max`.
    #[must_use]
    pub fn new(max: u8, node_key: PublicKey, committees: Committees) -> Self {
        Self(Arc::new(Inner { max, node_key, committees, said: Mutex::default(), took_back: AtomicU64::new(0) }))
    }

    /// Whether this node takes part in the protocol that is in force at a height.
    ///
    /// # Errors
    /// [`UnknownProtocol`] if not.
    pub fn check(&self, height: u64, protocol: u8) -> Result<(), UnknownProtocol> {
        check(self.0.max, height, protocol)
    }

    /// The next protocol that this node, as leader, names in a block of `epoch` on `parent`; zero for none. It takes back what is named
    /// once an epoch: if the others see it otherwise, that costs one view and no more.
    #[must_use]
    pub fn named(&self, parent: &Header, epoch: u64) -> u8 {
        let (before, named) = (parent.next_protocol_in(epoch), self.due(parent, epoch));
        let takes_back = named < before;
        if takes_back && self.0.took_back.swap(epoch.saturating_add(1), Ordering::Relaxed) > epoch {
            before
        } else {
            named
        }
    }

    /// Whether this node votes for a block of `epoch` on `parent` that names `got`: what its parent names, or what this node sees due.
    #[must_use]
    pub fn accepts(&self, parent: &Header, epoch: u64, got: u8) -> bool {
        got == parent.next_protocol_in(epoch) || got == self.due(parent, epoch)
    }

    /// What a block of `epoch` on `parent` has reason to name, as far as this node has heard: an epoch's first block the protocol after its
    /// own, if a quorum of its members and of the next epoch's are ready; another what its parent names, unless so many of the next
    /// epoch's are not ready that the others are no quorum.
    fn due(&self, parent: &Header, epoch: u64) -> u8 {
        let before = parent.next_protocol_in(epoch);
        let next_epoch = epoch.saturating_add(1);
        if epoch == parent.epoch {
            let late = self.readiness(next_epoch, before);
            return if late.not_ready > late.seats - late.quorum { 0 } else { before };
        }
        let next = parent.protocol_in(epoch).saturating_add(1);
        let is_ready = |epoch| {
            let readiness = self.readiness(epoch, next);
            readiness.seats > 0 && readiness.ready >= readiness.quorum
        };
        if self.0.max >= next && is_ready(epoch) && is_ready(next_epoch) { next } else { before }
    }

    /// How ready an epoch's members are for a protocol, as far as they have said, this node included. Nothing, where the epoch's committee
    /// is not known.
    #[must_use]
    pub fn readiness(&self, epoch: u64, protocol: u8) -> Readiness {
        let Some(seated) = self.0.committees.get(epoch) else { return Readiness::default() };
        // At most as many as there are seats.
        let seats = seated.participants.len() as u32;
        let mut readiness = Readiness { seats, quorum: seated.committee.quorum(), ..Readiness::default() };
        let said = self.0.said.lock();
        for member in &seated.participants {
            let max = if *member == self.0.node_key { Some(self.0.max) } else { said.get(member).map(|said| said.max) };
            match max {
                Some(max) if max >= protocol => readiness.ready += 1,
                Some(_) => readiness.not_ready += 1,
                None => {}
            }
        }
        readiness
    }

    /// Whether this is the first word of a peer.
    fn hear(&self, peer: PublicKey, max: u8, at: SystemTime) -> bool {
        self.0.said.lock().insert(peer, Said { max, at }).is_none()
    }

    /// Forgets who has said nothing for long: there are as many left as there were peers in that time.
    fn forget(&self, now: SystemTime) {
        // What was said before the clock was set back is soon said again.
        self.0.said.lock().retain(|_, said| now.duration_since(said.at).is_ok_and(|since| since <= SAID_KEPT));
    }
}

/// Tells peers which protocols this node is ready for, takes in what they say, and shows all of it.
pub struct Announcer<E, B> {
    context: ContextCell<E>,
    upgrades: Upgrades,
    ledgers: Arc<Ledgers>,
    status: Arc<Status>,
    blocker: B,
}

impl<E: Clock + Spawner, B: Blocker<PublicKey = PublicKey>> Announcer<E, B> {
    /// One that reads the chain's own protocol off the tip.
    pub const fn new(context: E, upgrades: Upgrades, ledgers: Arc<Ledgers>, status: Arc<Status>, blocker: B) -> Self {
        Self { context: ContextCell::new(context), upgrades, ledgers, status, blocker }
    }

    /// Starts it on the readiness channel. It ends with the runtime or the network.
    pub fn start(
        mut self,
        channel: (impl Sender<PublicKey = PublicKey>, impl Receiver<PublicKey = PublicKey>),
    ) -> Handle<()> {
        spawn_cell!(self.context, self.run(channel))
    }

    async fn run(
        mut self,
        (mut sender, mut receiver): (impl Sender<PublicKey = PublicKey>, impl Receiver<PublicKey = PublicKey>),
    ) {
        let max = self.upgrades.0.max;
        let mut due = self.context.current();
        let mut named = 0;
        select_loop! {
            self.context,
            on_start => {
                // A clock that is set back must not put this off.
                due = due.min(self.context.current() + ANNOUNCE_INTERVAL);
            },
            on_stopped => {
                debug!("readiness: shutdown");
            },
            () = self.context.sleep_until(due) => {
                due = self.context.current() + ANNOUNCE_INTERVAL;
                // Where the network takes nothing now, it is said again soon.
                drop(sender.send(Recipients::All, vec![max], false));
                self.upgrades.forget(self.context.current());
                named = self.show(named);
            },
            message = receiver.recv() => match message {
                // Who was not there a moment ago has not heard this node either.
                Ok((peer, message)) => if self.receive(peer, &message) {
                    due = self.context.current();
                },
                Err(error) => {
                    error!(%error, "readiness: the network is gone");
                    break;
                }
            },
        }
    }

    /// Shows where the chain stands, and gives what its tip names.
    fn show(&self, named_before: u8) -> u8 {
        let tip = self.ledgers.tip().header;
        let Header { epoch, protocol, next_protocol: named, .. } = tip;
        let (next_epoch, max) = (epoch.saturating_add(1), self.upgrades.0.max);
        let after = protocol.saturating_add(1);
        let (this, next) = (self.upgrades.readiness(epoch, after), self.upgrades.readiness(next_epoch, after));
        self.status.observe_readiness(max, this, next);
        gauge!(telemetry::PROTOCOL).set(f64::from(protocol));
        gauge!(telemetry::PROTOCOL_NEXT).set(f64::from(tip.protocol_in(next_epoch)));
        gauge!(telemetry::PROTOCOL_MAX).set(f64::from(max));
        for (epoch, readiness) in [("this", this), ("next", next)] {
            gauge!(telemetry::PROTOCOL_READY_SEATS, "epoch" => epoch).set(f64::from(readiness.ready));
        }
        if named > named_before {
            info!(protocol = named, epoch = next_epoch, "other rules hold from the next epoch on");
        }
        if named < named_before && tip.protocol < named_before {
            warn!(protocol = named_before, "other rules do not hold from the next epoch on: it was taken back");
        }
        named
    }

    /// Takes in what a peer says. Whether it is the first that it says.
    fn receive(&mut self, peer: PublicKey, message: &IoBuf) -> bool {
        match message.as_ref().first() {
            Some(max) if message.len() <= MESSAGE_BYTES_MAX => self.upgrades.hear(peer, *max, self.context.current()),
            _ => {
                let reason = format!("expected 1 to {MESSAGE_BYTES_MAX} bytes, got {}", message.len());
                commonware_p2p::block!(self.blocker, peer, %reason, "readiness: peer is at fault");
                false
            }
        }
    }
}
