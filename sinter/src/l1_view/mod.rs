//! What a node knows of the L1, from one or more L1 nodes that it believes only together.
//!
//! Every question goes to all of them, and is answered once all answers that come are the same. Who does not answer does
//! not count; who contradicts the others stops everybody until somebody has looked: a node that waits votes late, and one
//! that believes the wrong one votes wrongly.
//!
//! 1. *Final* is the lowest of the blocks that the L1 nodes call `finalized`, once all have the same block there, and the same
//!    one as before at the height that was final before.
//! 2. A header counts only with its own Keccak hash, so nobody can give a wrong `prevrandao` for a right hash.
//! 3. A registry counts only if its records end in the contract's head ([`sinter_settlement::registry`]), and what was forced only if
//!    it is as many entries as the contract has ([`sinter_settlement::forced_inbox`]).
//! 4. Nothing counts before the L1 has been seen to have the chain file's origin.
//! 5. What is final is named to others ([`L1View::latest`]) three polls later, when their L1 nodes should have it, too.
//!
//! | part | does |
//! |---|---|
//! | `endpoint` | asks one L1 node, and checks what can be checked without the others |
//! | `follower` | polls, compares, retries, remembers |
//! | `forced` | reads the forced inbox ahead, from where the chain is |
//!
//! All of it runs on one thread with a runtime of its own; the futures that are handed out need none.

mod endpoint;
mod follower;
mod forced;
#[cfg(test)]
mod tests;

use endpoint::{AskError, Endpoint};
use follower::Follower;
use futures::future::{BoxFuture, pending};
use sinter_primitives::{chain::L1Spec, forced_inbox::ForcedEntry, header::L1Origin, registry::Registry};
use sinter_sequencer::l1::{L1Block, L1Step, L1View};
use std::{
    fmt, io,
    sync::{Arc, mpsc::sync_channel},
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

/// Most milliseconds between polls.
pub use sinter_sequencer::config::L1_POLL_INTERVAL_MS_MAX as POLL_INTERVAL_MS_MAX;
/// Most L1 nodes.
pub use sinter_sequencer::config::L1_RPC_MAX as ENDPOINTS_MAX;

/// Where the L1 is looked at.
#[derive(Clone)]
pub struct L1FollowerConfig {
    /// HTTP(S) URLs of L1 nodes, 1 to [`ENDPOINTS_MAX`]. They may hold keys.
    pub endpoints: Vec<String>,
    /// Milliseconds between polls, 1 to [`POLL_INTERVAL_MS_MAX`].
    pub poll_interval_ms: u64,
    /// The chain's L1, which it follows.
    pub l1: L1Spec,
}

/// Why the L1 cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum L1FollowerError {
    /// Too few or too many L1 nodes.
    #[error("expected 1 to {ENDPOINTS_MAX} L1 nodes, got {got}")]
    Endpoints {
        /// How many there are.
        got: usize,
    },
    /// Not a URL. It is not shown, since it may hold a key.
    #[error("L1 node {position}: expected an http:// or https:// URL with a host")]
    Url {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// No such interval.
    #[error("expected 1 to {POLL_INTERVAL_MS_MAX} ms between polls of the L1, got {got}")]
    PollInterval {
        /// Milliseconds.
        got: u64,
    },
    /// The chain has nothing to follow on the L1.
    #[error("expected a chain file with a registry or a forced inbox on the L1, got one without")]
    NotFollowed,
    /// The L1 node is one of another chain.
    #[error("L1 node {host}: expected chain id {expected}, got {got}")]
    ChainId {
        /// Which one.
        host: String,
        /// The chain file's.
        expected: u64,
        /// The L1 node's.
        got: u64,
    },
    /// No thread or runtime.
    #[error("following the L1: {0}")]
    Start(#[from] io::Error),
}

/// The L1, followed on a thread of its own until this is dropped.
pub struct L1Follower {
    follower: Arc<Follower>,
    runtime: Handle,
    /// Ends the thread by being dropped.
    _running: oneshot::Sender<()>,
}

impl L1Follower {
    /// Starts to follow. Waits for the L1 nodes' chain ids, ten seconds at most; L1 nodes that do not answer are no error.
    ///
    /// # Errors
    /// [`L1FollowerError`].
    pub fn start(config: L1FollowerConfig) -> Result<Arc<dyn L1View>, L1FollowerError> {
        Ok(Arc::new(Self::new(config)?))
    }

    fn new(config: L1FollowerConfig) -> Result<Self, L1FollowerError> {
        let L1FollowerConfig { endpoints, poll_interval_ms, l1 } = config;
        if !(1..=ENDPOINTS_MAX).contains(&endpoints.len()) {
            return Err(L1FollowerError::Endpoints { got: endpoints.len() });
        }
        if !(1..=POLL_INTERVAL_MS_MAX).contains(&poll_interval_ms) {
            return Err(L1FollowerError::PollInterval { got: poll_interval_ms });
        }
        if !l1.is_followed() {
            return Err(L1FollowerError::NotFollowed);
        }
        let poll_interval = Duration::from_millis(poll_interval_ms);

        let endpoints = endpoints
            .iter()
            .enumerate()
            .map(|(index, url)| Endpoint::new(url, l1.chain_id).ok_or(L1FollowerError::Url { position: index + 1 }));
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        let follower = Arc::new(Follower::new(endpoints, &l1));

        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (running, stopped) = oneshot::channel();
        let (tell, told) = sync_channel(1);
        let runs = follower.clone();
        let follow = async move {
            let checked = runs.check_chain_ids().await;
            let refused = checked.is_err();
            // Who starts this waits for it.
            let _ = tell.send(checked);
            if refused {
                return;
            }
            tokio::select! {
                () = runs.run(poll_interval) => {}
                _ = stopped => {}
            }
        };
        thread::Builder::new().name("l1".into()).spawn(move || runtime.block_on(follow))?;
        told.recv().map_err(|_| io::Error::other("its thread has ended"))??;
        Ok(Self { follower, runtime: handle, _running: running })
    }

    /// An answer from the follower's thread. Who drops the question ends the work.
    async fn ask<T: Send + 'static>(&self, answer: impl Future<Output = T> + Send + 'static) -> T {
        match AbortOnDropHandle::new(self.runtime.spawn(answer)).await {
            Ok(answer) => answer,
            Err(error) => {
                // The thread lives as long as `self`: it has panicked, and nothing is known of the L1 any more.
                error!(%error, "the L1 is not followed any more: restart the node");
                pending().await
            }
        }
    }
}

impl fmt::Debug for L1Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L1Follower").field("latest", &self.latest()).finish_non_exhaustive()
    }
}

impl L1View for L1Follower {
    fn latest(&self) -> Option<L1Origin> {
        self.follower.latest()
    }

    fn block(&self, number: u64) -> BoxFuture<'_, L1Block> {
        let follower = self.follower.clone();
        Box::pin(self.ask(async move { follower.block(number).await }))
    }

    fn registry(&self, number: u64) -> BoxFuture<'_, Arc<Registry>> {
        let follower = self.follower.clone();
        Box::pin(self.ask(async move { follower.registry(number).await }))
    }

    fn steps(&self, after: (u64, u64)) -> Vec<L1Step> {
        self.follower.steps(after)
    }

    fn forced(&self, after: (u64, u64), until: u64) -> BoxFuture<'_, Arc<[ForcedEntry]>> {
        let follower = self.follower.clone();
        Box::pin(self.ask(async move { follower.forced(after, until).await }))
    }
}
