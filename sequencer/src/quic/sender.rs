//! The sending half: a bounded queue and a stream for each channel, so that `send` returns at once and no
//! channel waits for another.

use super::{
    config::QuicConfig,
    frame::{self, LENGTH_BYTES, Route},
    metrics,
    reason::{ClosedBy, Reason},
    session::{Lease, Session},
};
use crate::channels::{Channel, Class};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use commonware_runtime::IoBufs;
use quinn::{SendStream, WriteError};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, task::AbortHandle};
use tracing::debug;

/// Messages up to this size are copied next to their length: one small buffer instead of three.
const COPY_BYTES_MAX: usize = 2048;
/// Chunks offered to QUIC in one call.
const BATCH_CHUNKS: usize = 64;
/// The control stream goes before every class.
pub(super) const CONTROL_PRIORITY: i32 = Class::Consensus as i32 + 1;

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Longer than the connection's limit.
    #[error("message too large: expected at most {max} bytes, got {got}")]
    TooLarge {
        /// The limit.
        max: u32,
        /// The message's length.
        got: usize,
    },
    /// Not a message of `lookup`, or of a channel that the transport was not made with.
    #[error("message of no known channel")]
    NoChannel,
    /// The connection is over.
    #[error("connection closed: {reason} (by {})", by.name())]
    Closed {
        /// Why.
        reason: Reason,
        /// By whom.
        by: ClosedBy,
    },
}

/// What waits to be sent on one channel, or on the control stream (which has none).
#[derive(Debug)]
struct Lane {
    channel: Option<Channel>,
    queue: Mutex<Queue>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Bytes>,
    /// Bytes not yet taken by QUIC: those in `chunks` and those that the writer holds.
    bytes: usize,
}

impl Lane {
    fn new(channel: Option<Channel>) -> Self {
        Self { channel, queue: Mutex::default(), ready: Notify::new() }
    }

    fn name(&self) -> &'static str {
        self.channel.as_ref().map_or("control", |channel| channel.name)
    }

    /// Queues a message behind its length, unless the queue is full. A message always fits into an empty queue.
    fn push(&self, mut message: IoBufs, bytes_max: usize) -> bool {
        let length = message.len();
        let bytes = LENGTH_BYTES + length;
        let mut queue = self.lock();
        if queue.bytes > 0 && queue.bytes + bytes > bytes_max {
            return false;
        }
        queue.bytes += bytes;
        let mut head = BytesMut::with_capacity(if bytes <= COPY_BYTES_MAX { bytes } else { LENGTH_BYTES });
        head.put_u32(length as u32); // at most MESSAGE_BYTES_MAX: checked by the caller
        if bytes <= COPY_BYTES_MAX {
            head.put(&mut message);
        }
        queue.chunks.push_back(head.freeze());
        while message.has_remaining() {
            let chunk = message.chunk().len();
            queue.chunks.push_back(message.copy_to_bytes(chunk)); // a view of the same memory
        }
        drop(queue);
        self.ready.notify_one();
        true
    }

    /// Moves some chunks to the writer's batch.
    fn take(&self, batch: &mut Vec<Bytes>) {
        let mut queue = self.lock();
        let count = queue.chunks.len().min(BATCH_CHUNKS);
        batch.extend(queue.chunks.drain(..count));
    }

    fn written(&self, bytes: usize) {
        let mut queue = self.lock();
        queue.bytes = queue.bytes.saturating_sub(bytes);
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All lanes of a connection; the control lane is the last.
#[derive(Clone, Debug)]
pub(super) struct Lanes(Arc<[Arc<Lane>]>);

impl Lanes {
    pub(super) fn new(config: &QuicConfig) -> Self {
        let channels = config.channels.iter().copied().map(Some);
        Self(channels.chain([None]).map(|channel| Arc::new(Lane::new(channel))).collect())
    }

    /// Starts a writer for each lane.
    pub(super) fn start(&self, session: &Arc<Session>, control: SendStream, stall: Duration) -> Vec<AbortHandle> {
        let mut control = Some(control);
        let start = |lane: &Arc<Lane>| {
            let stream = if lane.channel.is_none() { control.take() } else { None };
            tokio::spawn(write(session.clone(), lane.clone(), stream, stall)).abort_handle()
        };
        self.0.iter().map(start).collect()
    }

    /// Bytes waiting in each lane.
    pub(super) fn queued(&self) -> Vec<(&'static str, usize)> {
        self.0.iter().map(|lane| (lane.name(), lane.lock().bytes)).collect()
    }

    fn find(&self, route: Route) -> Option<&Arc<Lane>> {
        self.0.iter().find(|lane| match (route, &lane.channel) {
            (Route::Control, None) => true,
            (Route::Channel(id), Some(channel)) => channel.id == u64::from(id),
            _ => false,
        })
    }
}

/// Writes a lane's queue to its stream until the connection ends.
async fn write(session: Arc<Session>, lane: Arc<Lane>, stream: Option<SendStream>, stall: Duration) {
    if let Err(error) = drain(&session, &lane, stream, stall).await {
        debug!(peer = %session.peer, channel = lane.name(), %error, "stopped writing");
    }
}

async fn drain(session: &Session, lane: &Lane, stream: Option<SendStream>, stall: Duration) -> Result<(), WriteError> {
    let mut batch = Vec::with_capacity(BATCH_CHUNKS);
    let mut stream = stream;
    loop {
        lane.take(&mut batch);
        if batch.is_empty() {
            lane.ready.notified().await;
            continue;
        }
        let stream = match &mut stream {
            Some(stream) => stream,
            none => none.insert(open(session, lane).await?),
        };
        let mut rest = batch.as_mut_slice();
        while !rest.is_empty() {
            let Ok(written) = tokio::time::timeout(stall, stream.write_chunks(rest)).await else {
                session.close(Reason::Stalled);
                return Ok(());
            };
            let written = written?;
            lane.written(written.bytes);
            rest = &mut rest[written.chunks..];
        }
        batch.clear();
    }
}

/// Opens a channel's stream and names the channel on it.
async fn open(session: &Session, lane: &Lane) -> Result<SendStream, WriteError> {
    let mut stream = session.connection.open_uni().await?;
    if let Some(channel) = &lane.channel {
        stream.set_priority(channel.class as i32).map_err(|_| WriteError::ClosedStream)?;
        stream.write_all(&[channel.id as u8]).await?; // below 128: checked with the configuration
    }
    Ok(stream)
}

/// Sends p2p messages to one peer. Never waits for the network.
#[derive(Debug)]
pub struct QuicSender {
    lease: Arc<Lease>,
    lanes: Lanes,
    message_bytes_max: u32,
    queue_bytes: usize,
}

impl QuicSender {
    pub(super) fn new(lease: Arc<Lease>, lanes: Lanes, message_bytes_max: u32, queue_bytes: usize) -> Self {
        Self { lease, lanes, message_bytes_max, queue_bytes }
    }

    fn push(&self, message: IoBufs) -> Result<(), SendError> {
        let length = message.len();
        if length > self.message_bytes_max as usize {
            return Err(SendError::TooLarge { max: self.message_bytes_max, got: length });
        }
        if let Some((reason, by)) = self.lease.session.ended() {
            return Err(SendError::Closed { reason, by });
        }
        let mut first = [0; 2];
        let read = peek(&message, &mut first);
        let route = frame::route((read > 0).then_some(first[0]), (read > 1).then_some(first[1]));
        let lane = route.and_then(|route| self.lanes.find(route)).ok_or(SendError::NoChannel)?;
        if lane.push(message, self.queue_bytes) {
            return Ok(());
        }
        metrics::dropped(lane.name());
        match &lane.channel {
            Some(channel) if channel.class < Class::Consensus => {
                debug!(peer = %self.lease.session.peer, channel = channel.name, "queue full, message refused");
                Ok(())
            }
            _ => {
                self.lease.session.close(Reason::QueueOverflow);
                Err(SendError::Closed { reason: Reason::QueueOverflow, by: ClosedBy::Local })
            }
        }
    }
}

/// Copies the first bytes of a message, which may be spread over chunks.
fn peek(message: &IoBufs, into: &mut [u8]) -> usize {
    let mut read = 0;
    message.for_each_chunk(|chunk| {
        let count = chunk.len().min(into.len() - read);
        into[read..read + count].copy_from_slice(&chunk[..count]);
        read += count;
    });
    read
}

impl commonware_stream::Sender for QuicSender {
    type Error = SendError;

    async fn send(&mut self, message: impl Into<IoBufs> + Send) -> Result<(), SendError> {
        self.push(message.into())
    }

    async fn send_many<I>(&mut self, messages: I) -> Result<(), SendError>
    where
        I: IntoIterator + Send,
        I::Item: Into<IoBufs> + Send,
        I::IntoIter: Send,
    {
        messages.into_iter().try_for_each(|message| self.push(message.into()))
    }
}
