//! Certified headers on their way from the nodes to the L1.

use super::{
    directory::Directory,
    l1::{BACKOFF_MAX, L1, POLL, REPLACE_AFTER, light_client_address},
    network::Network,
    snapshot::Snapshot,
    summary::Settled,
};
use crate::{
    client,
    exit::{Exit, Failure, OrFail},
    relayer::Feed,
};
use sinter_primitives::receipt::TrustedNetwork;
use sinter_settlement::relayer::{Certified, Relayer, RelayerConfig, RelayerError, RelayerStatus};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// Time between posts.
const POST_INTERVAL: Duration = Duration::from_secs(2);

/// The relayer, and what feeds it. Both end when this is dropped.
pub struct Relay {
    feed: JoinSet<()>,
    // Aborted when dropped.
    _report: JoinSet<()>,
    relayer: JoinHandle<Result<(), RelayerError>>,
    newest: watch::Receiver<Option<Certified>>,
    status: watch::Receiver<RelayerStatus>,
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.relayer.abort();
    }
}

impl Relay {
    /// Starts to relay headers above `height`.
    ///
    /// # Errors
    /// When the journal cannot be used.
    pub fn start(
        directory: &Directory,
        network: &Network,
        l1: &L1,
        height: u64,
        snapshot: Arc<watch::Sender<Snapshot>>,
    ) -> Result<Self, Failure> {
        let journal = directory.relayer_journal();
        l1.forget(&journal)?;
        let contract = light_client_address(&network.chain)?;
        let config = RelayerConfig {
            interval: POST_INTERVAL,
            poll: POLL,
            replace_after: REPLACE_AFTER,
            backoff_max: BACKOFF_MAX,
            ..RelayerConfig::new(l1.url.clone(), network.chain.file.l1.chain_id, contract, l1.signer.clone(), journal)
        };
        let relayer = Relayer::open(config).or_fail(Exit::Failed, "")?;
        let status = relayer.status();
        let (headers, newest) = watch::channel(None);
        let mut feed = JoinSet::new();
        // The L1 may be a new one, that knows of no epoch's end.
        let follower = Feed::new(TrustedNetwork::from(&network.chain), (height, 0), headers, status.clone());
        feed.spawn(client::follow(network.rpc_urls(), height + 1, follower));
        let (mut report, mut changes) = (JoinSet::new(), status.clone());
        report.spawn(async move {
            while changes.changed().await.is_ok() {
                let posted_height = changes.borrow_and_update().posted_height;
                snapshot.send_modify(|snapshot| snapshot.l1.posted_height = posted_height);
            }
        });
        let relayer = tokio::spawn(relayer.run(newest.clone(), std::future::pending()));
        Ok(Self { feed, _report: report, relayer, newest, status })
    }

    /// Waits for a certified header at `height` or above, makes it the last one, and waits until the L1 has
    /// verified it, or until `most` is over.
    ///
    /// # Errors
    /// When the relayer ended.
    pub async fn settle(&mut self, height: u64, most: Duration) -> Result<Settled, Failure> {
        let work = async {
            let reached =
                |headers: &Option<Certified>| headers.as_ref().is_some_and(|it| it.newest.header.height >= height);
            // An error means that the feed is gone; then nothing more can be reached.
            if self.newest.wait_for(reached).await.is_err() {
                return;
            }
            self.feed.shutdown().await;
            let last = self.newest.borrow().as_ref().map_or(height, |it| it.newest.header.height);
            let _ = self.status.wait_for(|status| status.posted_height >= last && status.verified_height >= last).await;
        };
        let ended = tokio::select! {
            _ = tokio::time::timeout(most, work) => None,
            ended = &mut self.relayer => Some(ended),
        };
        match ended {
            Some(Ok(Err(error))) => return Err(Failure::because(Exit::Failed, "", &error)),
            Some(other) => return Err(Failure::new(Exit::Failed, format!("the relayer ended: {other:?}"))),
            None => {}
        }
        let RelayerStatus { posted_height, verified_height, .. } = *self.status.borrow();
        Ok(Settled { height, posted_height, verified_height })
    }
}
