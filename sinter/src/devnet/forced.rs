//! A transaction that no member is sent: it is appended on the L1, and has to be ordered all the same.

use super::{directory::Directory, l1::L1, network::Network, registry};
use crate::{
    exit::{Exit, Failure, OrFail},
    force,
    l1::connect,
};
use serde::Serialize;
use sinter_primitives::TransactionId;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long the committee has: the L1 of a devnet finalizes within seconds.
const ORDERED_MAX: Duration = Duration::from_secs(120);

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub struct Forced {
    /// Its id.
    #[serde(skip)]
    pub id: TransactionId,
    /// Its number in the forced inbox.
    pub index: u64,
    /// The L1 block in which it came.
    pub l1_block: u64,
    /// The height of the block that ordered it.
    pub height: u64,
    /// From its L1 block to its being final.
    pub to_final_ms: u64,
}

/// A transaction on its way. It ends when this is dropped.
pub struct Forcing(JoinSet<Result<Forced, Failure>>);

impl Forcing {
    /// Appends a transaction, by the account of the first node's owner; does nothing on a network without a forced inbox.
    ///
    /// # Errors
    /// When the account's key cannot be read.
    pub fn start(directory: &Directory, network: &Network, l1: &L1) -> Result<Self, Failure> {
        let mut tasks = JoinSet::new();
        let lane = network.lanes().first().map(|lane| lane.namespace);
        if let (Some(_), Some(namespace)) = (&network.chain.file.l1.forced_inbox, lane) {
            let owner = registry::owner(directory, 0)?;
            let provider = connect(&l1.url, Some(&owner))?;
            let (chain, urls) = (network.chain.clone(), network.rpc_urls());
            tasks.spawn(async move {
                let payload = b"a transaction that nobody wanted".as_slice().into();
                let (transaction, _) = force::append(&provider, owner.address(), &chain, namespace, payload).await?;
                let appended = Instant::now();
                let member = (urls.last().map_or("", String::as_str), ORDERED_MAX);
                let (entry, height) = force::ordered(&provider, &chain, transaction, member).await?;
                let to_final_ms = u64::try_from(appended.elapsed().as_millis()).unwrap_or(u64::MAX);
                let id = entry.transaction().id(chain.file.chain_id);
                Ok(Forced { id, index: entry.index, l1_block: entry.l1_block, height, to_final_ms })
            });
        }
        Ok(Self(tasks))
    }

    /// Waits until it is final. Nothing, where nothing was appended.
    ///
    /// # Errors
    /// When it is not, in time.
    pub async fn finish(mut self) -> Result<Option<Forced>, Failure> {
        match self.0.join_next().await {
            Some(ended) => ended.or_fail(Exit::Failed, "forcing a transaction")?.map(Some),
            None => Ok(None),
        }
    }
}
