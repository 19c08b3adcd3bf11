//! What the RPC sees of a node.

use crate::{archive::Archive, evidence::EvidenceStore, index::Index, mempool::Mempool, status::Status};
use serde::{Deserialize, Serialize};
use sinter_primitives::{Chain, Digest, Namespace, chain::NamespaceSpec};
use std::sync::Arc;
use tokio::sync::watch;

/// The last final block that the index holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its height.
    pub height: u64,
    /// Its header's digest.
    #[serde(with = "sinter_primitives::hexadecimal::digest")]
    pub digest: Digest,
    /// Its timestamp, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// The view in which it was proposed.
    pub view: u64,
}

/// A node, as the RPC sees it. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    /// The network.
    pub chain: Arc<Chain>,
    /// What is final.
    pub index: Arc<Index>,
    /// What waits to be ordered.
    pub mempool: Mempool,
    /// Blocks and certificates.
    pub archive: Arc<dyn Archive>,
    /// Changes after a block has been indexed: a reader that sees a head finds it in the index.
    pub heads: watch::Receiver<Head>,
    /// The node's vital signs.
    pub status: Arc<Status>,
    /// What seats did that they must not.
    pub evidence: EvidenceStore,
}

impl Handle {
    /// What is known of a namespace that is open after the last final block.
    #[must_use]
    pub fn namespace(&self, namespace: Namespace) -> Option<NamespaceSpec> {
        self.mempool.ledger().spec(&self.chain, namespace)
    }
}
