//! Streams of what becomes final: every height once, in order, from wherever the subscriber stopped.
//!
//! A stream reads the index, not a queue: a subscriber that is slow holds no blocks in memory beyond
//! the few messages of its connection's buffer. When that stays full too long, the subscriber is
//! dropped and told the height to resume from.

use super::{
    blocking::blocking,
    config::RpcConfig,
    error::{self, RpcFailure, invalid_params, pruned},
    metrics,
    proofs::{Inconsistent, Prover},
    types::{HeadEvent, NamespaceEvent},
};
use crate::{handle::Handle, index::Snapshot};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionSink,
    core::{SubscriptionError, SubscriptionResult, server::SendTimeoutError},
    types::ErrorObjectOwned,
};
use serde::Serialize;
use sinter_primitives::{Header, Namespace, table::NamespaceProof};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Headers that are read from the index in one go.
const HEADERS_PER_READ: u64 = 64;
/// Idle heights that one event covers at most: a subscriber resumes from there.
const IDLE_HEIGHTS_PER_EVENT: u64 = 64;

/// Serves all subscriptions.
pub(super) struct Subscriptions {
    handle: Handle,
    prover: Arc<Prover>,
    places: Arc<Semaphore>,
    places_max: usize,
    slow_timeout: Duration,
}

/// Why a stream ends.
enum End {
    /// The subscriber left.
    Gone,
    /// It is told why.
    Told(ErrorObjectOwned),
}

impl From<RpcFailure> for End {
    fn from(failure: RpcFailure) -> Self {
        Self::Told(failure.0)
    }
}

/// A stream under way.
struct Stream {
    sink: SubscriptionSink,
    next: u64,
    slow_timeout: Duration,
    _place: OwnedSemaphorePermit,
    _gauge: metrics::SubscriptionGauge,
}

impl Subscriptions {
    pub fn new(handle: Handle, prover: Arc<Prover>, config: &RpcConfig) -> Self {
        Self {
            handle,
            prover,
            places: Arc::new(Semaphore::new(config.subscriptions_max)),
            places_max: config.subscriptions_max,
            slow_timeout: config.slow_subscriber_timeout(),
        }
    }

    /// Every header from `from` on.
    pub async fn heads(
        &self,
        pending: PendingSubscriptionSink,
        from: Option<u64>,
        certificates: bool,
    ) -> SubscriptionResult {
        let Some(mut stream) = self.accept(pending, from).await else { return Ok(()) };
        let end = self.send_heads(&mut stream, certificates).await;
        close(end)
    }

    /// A namespace's lanes from `from` on.
    pub async fn namespace(
        &self,
        pending: PendingSubscriptionSink,
        namespace: Namespace,
        from: Option<u64>,
        payloads: bool,
    ) -> SubscriptionResult {
        if self.handle.namespace(namespace).is_none() {
            pending.reject(invalid_params("namespace", "one that is open", namespace)).await;
            return Ok(());
        }
        let Some(mut stream) = self.accept(pending, from).await else { return Ok(()) };
        let end = self.send_namespace(&mut stream, namespace, payloads).await;
        close(end)
    }

    /// Checks where the stream begins and takes a place for it; otherwise says why not.
    async fn accept(&self, pending: PendingSubscriptionSink, from: Option<u64>) -> Option<Stream> {
        let place = self.places.clone().try_acquire_owned();
        let (next, place) = match (self.first(from), place) {
            (Ok(next), Ok(place)) => (next, place),
            (Err(RpcFailure(error)), _) => {
                pending.reject(error).await;
                return None;
            }
            (_, Err(_)) => {
                pending.reject(error::too_many_subscriptions(self.places_max)).await;
                return None;
            }
        };
        // A client that left meanwhile.
        let sink = pending.accept().await.ok()?;
        let gauge = metrics::SubscriptionGauge::new();
        Some(Stream { sink, next, slow_timeout: self.slow_timeout, _place: place, _gauge: gauge })
    }

    fn first(&self, from: Option<u64>) -> Result<u64, RpcFailure> {
        let snapshot = self.handle.index.snapshot()?;
        let following = snapshot.tip()?.height.saturating_add(1);
        let from = from.unwrap_or(following);
        let earliest = snapshot.earliest()?;
        if from > following {
            return Err(invalid_params("from_height", format!("at most {following}, the next height"), from).into());
        }
        if from < earliest {
            return Err(pruned(from, earliest).into());
        }
        Ok(from)
    }

    async fn send_heads(&self, stream: &mut Stream, certificates: bool) -> End {
        let mut heads = self.handle.heads.clone();
        loop {
            let tip = heads.borrow_and_update().height;
            while stream.next <= tip {
                let headers = match self.headers(stream.next, tip).await {
                    Ok(headers) => headers,
                    Err(failure) => return failure.into(),
                };
                for header in headers {
                    let certificate =
                        if certificates { self.handle.archive.certificate(header.height).await } else { None };
                    let event = HeadEvent { header, digest: header.digest(), certificate };
                    if let Err(end) = stream.send(&event, header.height).await {
                        return end;
                    }
                }
            }
            if let Err(end) = stream.wait(&mut heads).await {
                return end;
            }
        }
    }

    async fn send_namespace(&self, stream: &mut Stream, namespace: Namespace, payloads: bool) -> End {
        let mut heads = self.handle.heads.clone();
        // Heights that are looked at, and not sent yet because the namespace was idle.
        let mut looked_at = stream.next;
        loop {
            let tip = heads.borrow_and_update().height;
            while looked_at <= tip {
                let headers = match self.headers(looked_at, tip).await {
                    Ok(headers) => headers,
                    Err(failure) => return failure.into(),
                };
                for header in headers {
                    looked_at = header.height.saturating_add(1);
                    let event = match self.event(stream.next, header, namespace, payloads).await {
                        Ok(Some(event)) => event,
                        Ok(None) => continue,
                        Err(failure) => return failure.into(),
                    };
                    if let Err(end) = stream.send(&event, header.height).await {
                        return end;
                    }
                }
            }
            if let Err(end) = stream.wait(&mut heads).await {
                return end;
            }
        }
    }

    /// The event that ends at `header`; none for an idle height in a stretch that is still short.
    async fn event(
        &self,
        from_height: u64,
        header: Header,
        namespace: Namespace,
        payloads: bool,
    ) -> Result<Option<NamespaceEvent>, RpcFailure> {
        let height = header.height;
        let handle = self.handle.clone();
        let (proof, ids) = blocking(move || {
            let snapshot = handle.index.snapshot()?;
            Ok((snapshot.namespace_table(height)?.prove(namespace), snapshot.ids(height, namespace)?))
        })
        .await?;
        let idle = matches!(proof, NamespaceProof::Idle { .. });
        if idle && height.saturating_sub(from_height) + 1 < IDLE_HEIGHTS_PER_EVENT {
            return Ok(None);
        }
        let transactions = if idle || !payloads { Vec::new() } else { self.prover.lane(&header, namespace).await? };
        Ok(Some(NamespaceEvent { from_height, height, header, proof, ids, transactions }))
    }

    /// Some of the headers from `first` up to `tip`: at least one.
    async fn headers(&self, first: u64, tip: u64) -> Result<Vec<Header>, RpcFailure> {
        let handle = self.handle.clone();
        let last = tip.min(first.saturating_add(HEADERS_PER_READ - 1));
        blocking(move || {
            let snapshot: Snapshot = handle.index.snapshot()?;
            let headers = snapshot.headers(first..=last)?;
            match headers.first() {
                Some(header) if header.height == first => Ok(headers),
                // Pruned while the subscriber was slow.
                _ if first < snapshot.earliest()? => Err(pruned(first, snapshot.earliest()?).into()),
                _ => Err(RpcFailure(error::internal(&Inconsistent { height: first }))),
            }
        })
        .await
    }
}

impl Stream {
    /// Sends an event that ends at `height`.
    async fn send(&mut self, event: &impl Serialize, height: u64) -> Result<(), End> {
        let message = serde_json::value::to_raw_value(event).map_err(|error| End::Told(error::internal(&error)))?;
        match self.sink.send_timeout(message, self.slow_timeout).await {
            Ok(()) => {
                self.next = height.saturating_add(1);
                Ok(())
            }
            Err(SendTimeoutError::Closed(_)) => Err(End::Gone),
            Err(SendTimeoutError::Timeout(_)) => {
                metrics::slow_subscriber();
                Err(End::Told(error::slow_subscriber(self.next)))
            }
        }
    }

    /// Waits for a new head.
    async fn wait(&self, heads: &mut tokio::sync::watch::Receiver<crate::handle::Head>) -> Result<(), End> {
        tokio::select! {
            () = self.sink.closed() => Err(End::Gone),
            changed = heads.changed() => changed.map_err(|_| End::Told(error::shutting_down(self.next))),
        }
    }
}

/// Ends a stream; an error goes out as the subscription's last message.
fn close(end: End) -> SubscriptionResult {
    match end {
        End::Gone => Ok(()),
        End::Told(error) => match serde_json::value::to_raw_value(&error) {
            Ok(json) => Err(SubscriptionError::from_json(json)),
            Err(_) => Err(SubscriptionError::from(error.message())),
        },
    }
}
