//! The receiving half: one reader per stream, merged. A reader that waits (for bytes, or for its channel's
//! quota) holds up nobody else, and what it does not read fills its own stream's window and no other.

use super::{
    frame::{self, CONTROL_BYTES_MAX, LENGTH_BYTES, Route},
    metrics,
    pacer::Pacer,
    reason::{ClosedBy, Reason},
    session::{Lease, Session},
};
use crate::channels::Channel;
use bytes::{Buf as _, Bytes};
use commonware_runtime::{IoBuf, IoBufs};
use futures::{
    StreamExt as _,
    stream::{self, BoxStream, SelectAll},
};
use quinn::{ReadError, RecvStream};
use std::{collections::VecDeque, fmt, sync::Arc, time::Instant};

/// Chunks taken from QUIC in one call; each is at most one packet.
const READ_CHUNKS: usize = 32;

/// Why no further message comes.
#[derive(Clone, Debug, thiserror::Error)]
#[error("connection closed: {reason} (by {})", by.name())]
pub struct ReceiveError {
    /// Why.
    pub reason: Reason,
    /// By whom.
    pub by: ClosedBy,
}

enum Inbound {
    /// The peer opened a channel's stream.
    Opened(Channel, RecvStream),
    Message(IoBufs),
}

type Inbounds = BoxStream<'static, Result<Inbound, Fault>>;

/// What ends a connection from the reading side.
enum Fault {
    /// The peer sent what it must not.
    Misbehaved(Reason),
    /// The connection is over.
    Lost(quinn::ConnectionError),
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::ConnectionLost(error) => Self::Lost(error),
            // A peer has no reason to end a stream before the connection.
            _ => Self::Misbehaved(Reason::MalformedFrame),
        }
    }
}

/// Receives p2p messages from one peer, in order within each channel.
pub struct QuicReceiver {
    lease: Arc<Lease>,
    inbound: SelectAll<Inbounds>,
    opened: Vec<u64>,
    message_bytes_max: u32,
}

impl fmt::Debug for QuicReceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("QuicReceiver").field("peer", &self.lease.session.peer).finish_non_exhaustive()
    }
}

impl QuicReceiver {
    pub(super) fn new(lease: Arc<Lease>, channels: Vec<Channel>, control: RecvStream, message_bytes_max: u32) -> Self {
        let mut inbound = SelectAll::new();
        inbound.push(accept(lease.session.clone(), channels));
        inbound.push(frames(Reader::new(control, None, CONTROL_BYTES_MAX.min(message_bytes_max))));
        Self { lease, inbound, opened: Vec::new(), message_bytes_max }
    }

    async fn next(&mut self) -> Result<IoBufs, Fault> {
        loop {
            match self.inbound.next().await {
                Some(Ok(Inbound::Message(message))) => return Ok(message),
                Some(Ok(Inbound::Opened(channel, stream))) => {
                    if self.opened.contains(&channel.id) {
                        return Err(Fault::Misbehaved(Reason::DuplicateStream));
                    }
                    self.opened.push(channel.id);
                    self.inbound.push(frames(Reader::new(stream, Some(channel), self.message_bytes_max)));
                }
                Some(Err(fault)) => return Err(fault),
                None => return Err(Fault::Misbehaved(Reason::MalformedFrame)), // unreachable: readers end with a fault
            }
        }
    }
}

impl commonware_stream::Receiver for QuicReceiver {
    type Error = ReceiveError;

    async fn recv(&mut self) -> Result<IoBufs, ReceiveError> {
        let session = &self.lease.session.clone();
        let (reason, by) = match self.next().await {
            Ok(message) => return Ok(message),
            Err(Fault::Lost(error)) => session.classify(&error),
            Err(Fault::Misbehaved(reason)) => {
                session.close(reason);
                session.ended().unwrap_or((reason, ClosedBy::Local))
            }
        };
        Err(ReceiveError { reason, by })
    }
}

/// Accepts streams and reads which channel each is for. One slow to say so delays only those behind it.
fn accept(session: Arc<Session>, channels: Vec<Channel>) -> Inbounds {
    let next = |(session, channels): (Arc<Session>, Vec<Channel>)| async move {
        let opened = accept_one(&session, &channels).await;
        Some((opened, (session, channels)))
    };
    stream::unfold((session, channels), next).boxed()
}

async fn accept_one(session: &Session, channels: &[Channel]) -> Result<Inbound, Fault> {
    let mut stream = session.connection.accept_uni().await.map_err(Fault::Lost)?;
    let chunk = stream.read_chunk(1, true).await?;
    let id = chunk.and_then(|chunk| chunk.bytes.first().copied()).ok_or(Fault::Misbehaved(Reason::MalformedFrame))?;
    let channel = channels.iter().find(|channel| channel.id == u64::from(id));
    let channel = *channel.ok_or(Fault::Misbehaved(Reason::UnknownChannel))?;
    Ok(Inbound::Opened(channel, stream))
}

/// A stream's frames, as messages.
fn frames(reader: Reader) -> Inbounds {
    let next = |mut reader: Reader| async move {
        let message = reader.next().await.map(|message| Inbound::Message(IoBuf::from(message).into()));
        Some((message, reader))
    };
    stream::unfold(reader, next).boxed()
}

/// Cuts a stream into frames.
struct Reader {
    stream: RecvStream,
    /// None for the control stream.
    channel: Option<Channel>,
    pacer: Option<Pacer>,
    bytes_max: u32,
    /// Taken from QUIC and not yet part of a frame: at most [`READ_CHUNKS`] packets.
    chunks: VecDeque<Bytes>,
}

impl Reader {
    fn new(stream: RecvStream, channel: Option<Channel>, bytes_max: u32) -> Self {
        let pacer = channel.as_ref().map(|channel| Pacer::new(channel, Instant::now()));
        Self { stream, channel, pacer, bytes_max, chunks: VecDeque::with_capacity(READ_CHUNKS) }
    }

    async fn next(&mut self) -> Result<Vec<u8>, Fault> {
        let mut length = [0; LENGTH_BYTES];
        let mut read = 0;
        while read < LENGTH_BYTES {
            let chunk = self.chunk(LENGTH_BYTES - read).await?;
            length[read..read + chunk.len()].copy_from_slice(&chunk);
            read += chunk.len();
        }
        let length = u32::from_be_bytes(length);
        if length > self.bytes_max {
            return Err(Fault::Misbehaved(Reason::OversizedFrame));
        }
        // The system backs the buffer with memory as bytes arrive, not for what a peer only announces.
        let length = length as usize;
        let mut message = Vec::with_capacity(length);
        while message.len() < length {
            let chunk = self.chunk(length - message.len()).await?;
            message.extend_from_slice(&chunk);
        }
        let expected = self.channel.as_ref().map_or(Route::Control, |channel| Route::Channel(channel.id as u8));
        if frame::route(message.first().copied(), message.get(1).copied()) != Some(expected) {
            return Err(Fault::Misbehaved(Reason::MalformedFrame));
        }
        if let (Some(pacer), Some(channel)) = (&mut self.pacer, &self.channel)
            && let Some(due) = pacer.admit(Instant::now())
        {
            metrics::paced(channel.name);
            tokio::time::sleep_until(due.into()).await;
        }
        Ok(message)
    }

    /// The stream's next bytes: at least one, at most `bytes_max`.
    async fn chunk(&mut self, bytes_max: usize) -> Result<Bytes, Fault> {
        loop {
            if let Some(mut chunk) = self.chunks.pop_front() {
                if chunk.len() > bytes_max {
                    self.chunks.push_front(chunk.split_off(bytes_max));
                }
                if chunk.has_remaining() {
                    return Ok(chunk);
                }
                continue;
            }
            let mut chunks = [const { Bytes::new() }; READ_CHUNKS];
            let read = self.stream.read_chunks(&mut chunks).await?;
            let read = read.ok_or(Fault::Misbehaved(Reason::MalformedFrame))?;
            self.chunks.extend(chunks.into_iter().take(read));
        }
    }
}
