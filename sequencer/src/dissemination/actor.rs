//! The loop: sends what is due, takes in what comes.

use super::{
    DisseminationConfig, Leaders,
    batch::{BATCH_TRANSACTIONS_MAX, Batch, message_bytes_max},
    intake::Intake,
    metrics::Metrics,
    schedule::{Record, Schedule, Step},
    seats::{SeatSet, Seats},
};
use crate::mempool::{Mempool, Refusal, Source, Visibility};
use commonware_codec::{Decode, Encode, EncodeFixed};
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select_loop;
use commonware_p2p::{Blocker, CheckedSender, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, ContextCell, Handle, IoBuf, Metrics as RuntimeMetrics, Spawner, spawn_cell};
use futures::future::pending;
use sinter_primitives::{Parameters, Transaction};
use std::{
    collections::BTreeMap,
    fmt::Display,
    time::{Duration, SystemTime},
};
use tracing::{debug, error};

/// Whom transactions go to together, and in which step.
type GroupKey = (SeatSet, Visibility, Step);
type Groups = BTreeMap<GroupKey, Vec<(Record, Transaction)>>;

/// Most transactions that one round of sending takes up: the loop turns to what comes in between rounds.
const ROUND_TRANSACTIONS_MAX: usize = 4 * BATCH_TRANSACTIONS_MAX;

/// How long to wait with a message that the network's queues have no room for.
const BACKPRESSURE_DELAY: Duration = Duration::from_millis(20);

/// Passes on what this node took in, and takes in what others pass on: see the module's first lines.
pub struct Actor<E, B, L> {
    context: ContextCell<E>,
    config: DisseminationConfig,
    parameters: Parameters,
    mempool: Mempool,
    leaders: L,
    blocker: B,
    me: PublicKey,
    /// The epoch of `seats`.
    epoch: u64,
    seats: Seats,
    schedule: Schedule,
    intake: Intake,
    metrics: Metrics,
    /// When a round of sending last began.
    flushed_at: SystemTime,
    /// Whether the mempool has stirred since.
    stirred: bool,
}

impl<E, B, L> Actor<E, B, L>
where
    E: Clock + Spawner + RuntimeMetrics,
    B: Blocker<PublicKey = PublicKey>,
    L: Leaders,
{
    /// An actor for the node that its peers know as `me`. Its metrics go to the recorder that is installed by now.
    pub fn new(
        context: E,
        config: DisseminationConfig,
        parameters: Parameters,
        me: &PublicKey,
        mempool: Mempool,
        leaders: L,
        blocker: B,
    ) -> Self {
        Self {
            context: ContextCell::new(context),
            config,
            parameters,
            mempool,
            blocker,
            me: me.clone(),
            epoch: leaders.epoch(),
            seats: Seats::new(leaders.members(), me),
            leaders,
            schedule: Schedule::new(config),
            // Less than one message a second would be none.
            intake: Intake::new(config.peer_bytes_per_second_max.max(message_bytes_max(&parameters) as u64)),
            metrics: Metrics::new(),
            flushed_at: SystemTime::UNIX_EPOCH,
            stirred: true,
        }
    }

    /// Starts the actor on the transactions channel. It ends with the runtime, the network or the mempool.
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
        let mut activity = self.mempool.subscribe();
        select_loop! {
            self.context,
            on_start => {
                let due = self.next_flush().map(|at| self.context.sleep_until(at));
                let flush = async {
                    match due {
                        Some(due) => due.await,
                        None => pending().await,
                    }
                };
                // Once it has stirred, a round of sending is due anyway: no need to hear of it again.
                let listens = !self.stirred;
                let stir = async {
                    if listens { activity.changed().await } else { pending().await }
                };
            },
            on_stopped => {
                debug!("dissemination: shutdown");
            },
            _ = flush => self.flush(&mut sender),
            stirred = stir => {
                if stirred.is_err() {
                    debug!("dissemination: the mempool is gone");
                    break;
                }
                self.stirred = true;
            },
            message = receiver.recv() => match message {
                Ok((peer, message)) => self.receive(peer, message),
                Err(error) => {
                    error!(%error, "dissemination: the network is gone");
                    break;
                }
            },
        }
    }

    /// When the next round of sending begins, if there is anything to send.
    fn next_flush(&self) -> Option<SystemTime> {
        let earliest = self.flushed_at + self.config.flush_interval();
        if self.stirred {
            return Some(earliest);
        }
        self.schedule.next_due().map(|due| due.max(earliest))
    }

    /// One round of sending.
    fn flush(&mut self, sender: &mut impl Sender<PublicKey = PublicKey>) {
        let now = self.context.current();
        self.flushed_at = now;
        self.follow_epoch();
        let fresh = self.mempool.local_after(self.schedule.cursor(), ROUND_TRANSACTIONS_MAX);
        self.stirred = fresh.len() == ROUND_TRANSACTIONS_MAX; // there may be more
        let displaced: usize =
            fresh.into_iter().map(|(sequence, visibility)| self.schedule.start(now, sequence, visibility)).sum();
        self.metrics.displaced.increment(displaced as u64);

        let due = self.schedule.take_due(now, ROUND_TRANSACTIONS_MAX);
        let leaders = self.seats.others_of(&self.leaders.next_leaders(self.config.leaders));
        for (key, group) in self.group(due, leaders) {
            self.send(sender, now, key, group);
        }
        self.metrics.scheduled.set(u32::try_from(self.schedule.len()).map_or(f64::MAX, f64::from));
    }

    /// Turns to the members of a new epoch, who have got nothing yet.
    fn follow_epoch(&mut self) {
        let epoch = self.leaders.epoch();
        if epoch != self.epoch {
            self.epoch = epoch;
            self.seats = Seats::new(self.leaders.members(), &self.me);
            self.schedule.forget_receivers();
        }
    }

    /// Those of `due` that still wait for a block, by whom they go to. The others are let go of.
    fn group(&self, due: Vec<Record>, leaders: SeatSet) -> Groups {
        let sequences: Vec<_> = due.iter().map(|record| record.sequence).collect();
        let mut waiting = self.mempool.local_pending(&sequences).into_iter().peekable();
        let mut groups = Groups::new();
        for record in due {
            // `local_pending` answers in the order of the question, and leaves out what is gone.
            let Some(outgoing) = waiting.next_if(|outgoing| outgoing.sequence == record.sequence) else { continue };
            let receivers = match record.step {
                Step::Leaders => leaders,
                Step::Others => self.seats.others() - record.sent,
            };
            groups.entry((receivers, record.visibility, record.step)).or_default().push((record, outgoing.transaction));
        }
        groups
    }

    /// Sends one group, and schedules what comes next for each transaction in it.
    fn send(
        &mut self,
        sender: &mut impl Sender<PublicKey = PublicKey>,
        now: SystemTime,
        (receivers, visibility, step): GroupKey,
        group: Vec<(Record, Transaction)>,
    ) {
        let (records, transactions): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        if receivers.is_empty() {
            records.into_iter().for_each(|record| self.schedule.advance(now, record));
            return;
        }
        let mut records = records.into_iter();
        let mut held_until = None;
        for batch in Batch::pack(visibility, transactions, message_bytes_max(&self.parameters)) {
            let outcome = match held_until {
                Some(until) => Err(until),
                None => self.send_batch(sender, now, receivers, &batch),
            };
            for mut record in records.by_ref().take(batch.transactions.len()) {
                match outcome {
                    Ok(sent) => {
                        record.sent |= sent;
                        self.schedule.advance(now, record);
                    }
                    Err(until) => self.schedule.retry(until, record),
                }
            }
            match outcome {
                Ok(sent) => {
                    let transactions = (batch.transactions.len() * sent.len()) as u64;
                    match step {
                        Step::Leaders => self.metrics.sent_leaders.increment(transactions),
                        Step::Others => self.metrics.sent_others.increment(transactions),
                    }
                }
                Err(until) => held_until = Some(until),
            }
        }
    }

    /// Sends one batch. Returns who it is on its way to, or when to try again.
    fn send_batch(
        &self,
        sender: &mut impl Sender<PublicKey = PublicKey>,
        now: SystemTime,
        receivers: SeatSet,
        batch: &Batch,
    ) -> Result<SeatSet, SystemTime> {
        let checked = sender.check(Recipients::Some(self.seats.keys(receivers)))?;
        let sent = self.seats.set(&checked.recipients());
        // Never with p2p's priority: that is for votes, and goes across channels.
        if checked.send(batch.encode(), false).accepted() {
            return Ok(sent);
        }
        Err(now + BACKPRESSURE_DELAY)
    }

    /// Takes in what another seat sent.
    fn receive(&mut self, peer: PublicKey, message: IoBuf) {
        let (got, max) = (message.len(), message_bytes_max(&self.parameters));
        if !self.intake.admit(self.context.current(), &peer, got) {
            self.metrics.throttled.increment(1);
            return;
        }
        if got > max {
            return self.fault(peer, &format_args!("message: expected at most {max} bytes, got {got}"));
        }
        let batch = match Batch::decode_cfg(message, &self.parameters.payload_bytes_max) {
            Ok(batch) => batch,
            Err(error) => return self.fault(peer, &error),
        };
        let source = Source::Peer(peer.encode_fixed());
        let outcomes = self.mempool.insert_all(batch.transactions, source, batch.visibility);
        let admitted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        self.metrics.admitted.increment(admitted as u64);
        self.metrics.refused.increment((outcomes.len() - admitted) as u64);
        if let Some(refusal) = outcomes.into_iter().filter_map(Result::err).find(Refusal::is_fault) {
            self.fault(peer, &refusal);
        }
    }

    /// No honest seat of this chain could have sent that.
    fn fault(&mut self, peer: PublicKey, reason: &dyn Display) {
        self.metrics.faults.increment(1);
        commonware_p2p::block!(self.blocker, peer, %reason, "dissemination: peer is at fault");
    }
}
