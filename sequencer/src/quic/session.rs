//! An authenticated connection: who it is with, why it ended, and its numbers.

use super::{
    metrics,
    reason::{ClosedBy, Reason, classify},
    sender::Lanes,
};
use commonware_cryptography::ed25519::PublicKey;
use quinn::{Connection, ConnectionError};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};
use tokio::task::AbortHandle;
use tracing::{info, warn};

/// How often a connection's numbers are recorded.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

/// An authenticated connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    pub(super) peer: PublicKey,
    /// Why this node closed it, if it did.
    given: OnceLock<Reason>,
}

impl Session {
    pub(super) fn new(connection: Connection, peer: PublicKey) -> Self {
        Self { connection, peer, given: OnceLock::new() }
    }

    /// Closes the connection; the first reason counts.
    pub(super) fn close(&self, reason: Reason) {
        if self.connection.close_reason().is_none() && self.given.set(reason).is_ok() {
            self.connection.close(reason.code(), reason.name().as_bytes());
        }
    }

    /// Why the connection is over, once it is.
    pub(super) fn ended(&self) -> Option<(Reason, ClosedBy)> {
        self.connection.close_reason().map(|error| self.classify(&error))
    }

    pub(super) fn classify(&self, error: &ConnectionError) -> (Reason, ClosedBy) {
        classify(error, self.given.get().copied())
    }

    /// Records numbers while the connection lives, and its end when it comes.
    pub(super) async fn watch(self: Arc<Self>, lanes: Lanes, sessions: Sessions) {
        let label = label(&self.peer);
        let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
        let mut last = self.connection.stats();
        let error = loop {
            let over = tokio::select! {
                error = self.connection.closed() => Some(error),
                _ = ticks.tick() => None,
            };
            let now = self.connection.stats();
            metrics::sample(&label, &last, &now);
            last = now;
            for (channel, bytes) in lanes.queued() {
                metrics::queued(&label, channel, if over.is_some() { 0 } else { bytes });
            }
            if let Some(error) = over {
                break error;
            }
        };
        sessions.remove(&self);
        let (reason, by) = self.classify(&error);
        metrics::closed(reason, by);
        let (reason_name, by_name, address) = (reason.name(), by.name(), self.connection.remote_address());
        if reason.is_misbehaviour() {
            warn!(peer = %self.peer, %address, reason = reason_name, by = by_name, %error, "cut off a peer");
        } else {
            info!(peer = %self.peer, %address, reason = reason_name, by = by_name, "connection ended");
        }
    }
}

/// A peer's label in metrics.
fn label(peer: &PublicKey) -> String {
    hex::encode(&peer.as_ref()[..8])
}

/// The open connections, by peer.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions(Arc<Mutex<HashMap<PublicKey, Weak<Session>>>>);

impl Sessions {
    /// How many peers have an open connection.
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(super) fn get(&self, peer: &PublicKey) -> Option<Arc<Session>> {
        self.lock().get(peer).and_then(Weak::upgrade)
    }

    pub(super) fn insert(&self, session: &Arc<Session>) {
        self.lock().insert(session.peer.clone(), Arc::downgrade(session));
    }

    pub(super) fn close_all(&self, reason: Reason) {
        let sessions: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        for session in sessions {
            session.close(reason);
        }
    }

    /// Forgets a session, unless the peer has a newer one.
    fn remove(&self, session: &Arc<Session>) {
        let mut sessions = self.lock();
        if sessions.get(&session.peer).is_some_and(|known| known.as_ptr() == Arc::as_ptr(session)) {
            sessions.remove(&session.peer);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PublicKey, Weak<Session>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Held by both halves of a connection: when neither is left, p2p has let go of the peer.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) session: Arc<Session>,
    writers: Vec<AbortHandle>,
}

impl Lease {
    pub(super) fn new(session: Arc<Session>, writers: Vec<AbortHandle>) -> Self {
        Self { session, writers }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Close first: a stream dropped on an open connection would look finished, in the middle of a frame.
        self.session.close(Reason::Released);
        for writer in &self.writers {
            writer.abort();
        }
    }
}
