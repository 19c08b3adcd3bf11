//! One L1 node, which may be down, behind, or lie.

use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, B256},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::Block,
    transports::{RpcError, TransportErrorKind},
};
use reqwest::{Client, Url, redirect::Policy};
use sinter_primitives::{Digest, forced_inbox::ForcedEntry, header::L1Origin, registry::Registry};
use sinter_rollup_node::causes;
use sinter_sequencer::l1::L1Block;
use sinter_settlement::{
    forced_inbox::{self, EntriesError},
    light_client::LightClientError,
    registry::{self, FollowError},
};
use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// Time for one request and its answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Most characters of an L1 node's error in our log.
const ERROR_CHARS_MAX: usize = 300;

/// Why an L1 node's answer is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error(transparent)]
    Rpc(#[from] RpcError<TransportErrorKind>),
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error(transparent)]
    Entries(#[from] EntriesError),
    #[error("expected an L1 of chain id {expected}, got one of {got}")]
    ChainId { expected: u64, got: u64 },
    #[error("expected an L1 node that knows its `finalized` block, got {got}")]
    NotFinal { got: String },
    #[error("expected block {number}, got none")]
    Missing { number: u64 },
    #[error("expected block {expected}, got block {got}")]
    Number { expected: u64, got: u64 },
    #[error(
        "block {number}: expected a header that hashes to {expected}, got one that hashes to {got}: the L1 node lies, or the L1 has \
         headers that this version does not know"
    )]
    Header { number: u64, expected: B256, got: B256 },
}

/// What an L1 node tells about the registry at a block.
pub(super) struct RegistryAnswer {
    pub(super) records: u64,
    pub(super) head: Digest,
    /// Nothing where the records that it told do not end in the head that it told.
    pub(super) registry: Option<Registry>,
}

/// What of the registry is asked for.
#[derive(Clone, Copy)]
pub(super) struct RegistryQuestion<'a> {
    pub(super) contract: Address,
    /// The registry before `from_block`.
    pub(super) before: &'a Registry,
    pub(super) from_block: u64,
    pub(super) to_block: u64,
    /// A final block whose state every L1 node still has.
    pub(super) final_block: u64,
}

/// An L1 node.
pub(super) struct Endpoint {
    host: String,
    /// As it stands in errors.
    url: String,
    provider: DynProvider,
    chain_id: u64,
    /// Whether it has told the right chain id.
    known: AtomicBool,
}

impl Endpoint {
    /// Nothing where the text is no http(s) URL.
    pub(super) fn new(text: &str, chain_id: u64) -> Option<Self> {
        let url: Url = text.parse().ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let host = match url.port() {
            Some(port) => format!("{}:{port}", url.host_str()?),
            None => url.host_str()?.to_owned(),
        };
        // A redirect would lead to somebody whom the operator did not name.
        let client = Client::builder().timeout(REQUEST_TIMEOUT).redirect(Policy::none()).build().ok()?;
        let mut shown = url.clone();
        // Fails for URLs that have no host only.
        let _ = (shown.set_username(""), shown.set_password(None));
        let provider = ProviderBuilder::new().connect_reqwest(client, url).erased();
        Some(Self { host, url: shown.into(), provider, chain_id, known: AtomicBool::new(false) })
    }

    /// Its host and port. The rest of a URL may hold a key.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// An error and its causes, without the URL.
    pub(super) fn text(&self, error: &AskError) -> String {
        let text = causes(error).replace(&self.url, &self.host);
        text.chars().take(ERROR_CHARS_MAX).collect()
    }

    /// Makes sure that it is a node of the right chain. Whoever asks it something else asks this first.
    pub(super) async fn check_chain_id(&self) -> Result<(), AskError> {
        if self.known.load(Ordering::Relaxed) {
            return Ok(());
        }
        let got = self.provider.get_chain_id().await?;
        if got != self.chain_id {
            return Err(AskError::ChainId { expected: self.chain_id, got });
        }
        self.known.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Its newest final block.
    pub(super) async fn finalized(&self) -> Result<L1Block, AskError> {
        self.check_chain_id().await?;
        let block = match self.provider.get_block_by_number(BlockNumberOrTag::Finalized).await {
            Ok(Some(block)) => block,
            Ok(None) => return Err(AskError::NotFinal { got: "none".into() }),
            Err(RpcError::ErrorResp(error)) => return Err(AskError::NotFinal { got: error.to_string() }),
            Err(error) => return Err(error.into()),
        };
        checked(&block, None)
    }

    /// The block of a number.
    pub(super) async fn block(&self, number: u64) -> Result<L1Block, AskError> {
        self.check_chain_id().await?;
        let block = self.provider.get_block_by_number(BlockNumberOrTag::Number(number)).await?;
        checked(&block.ok_or(AskError::Missing { number })?, Some(number))
    }

    /// The registry at the end of a block.
    pub(super) async fn registry(&self, question: RegistryQuestion<'_>) -> Result<RegistryAnswer, AskError> {
        let RegistryQuestion { contract, before, from_block, to_block, final_block } = question;
        self.check_chain_id().await?;
        let mut followed = before.clone();
        match registry::follow(&self.provider, contract, &mut followed, from_block, to_block).await {
            Ok(()) => {}
            Err(FollowError::Head { records, expected: head, .. }) => {
                return Ok(RegistryAnswer { records, head, registry: None });
            }
            // It refuses: most keep the last 128 states only.
            Err(FollowError::L1(LightClientError::Rpc(RpcError::ErrorResp(_)))) if to_block < final_block => {
                let provider = &self.provider;
                registry::follow_past(provider, contract, &mut followed, from_block, to_block, final_block).await?;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(RegistryAnswer { records: followed.records(), head: followed.head(), registry: Some(followed) })
    }

    /// What was forced after an L1 block, by which there were so many entries, up to another one.
    pub(super) async fn forced(
        &self,
        contract: Address,
        after: (u64, u64),
        until: u64,
        final_block: u64,
    ) -> Result<Vec<ForcedEntry>, AskError> {
        self.check_chain_id().await?;
        let entries = forced_inbox::entries(&self.provider, contract, after, until).await?;
        match forced_inbox::check_count(&self.provider, contract, until, after.1 + entries.len() as u64).await {
            // It refuses: most keep the last 128 states only. Entries that are left out here are missed in those that follow.
            Err(EntriesError::L1(LightClientError::Rpc(RpcError::ErrorResp(_)))) if until < final_block => Ok(entries),
            counted => Ok(counted.map(|()| entries)?),
        }
    }
}

/// A block, if the hash that came with it is that of its header: who is right about the hash is right about the rest.
fn checked(block: &Block, number: Option<u64>) -> Result<L1Block, AskError> {
    let header = &block.header.inner;
    let (expected, got) = (block.header.hash, header.hash_slow());
    if expected != got {
        return Err(AskError::Header { number: header.number, expected, got });
    }
    if let Some(expected) = number.filter(|expected| *expected != header.number) {
        return Err(AskError::Number { expected, got: header.number });
    }
    Ok(L1Block {
        origin: L1Origin { number: header.number, hash: Digest(got.0) },
        timestamp_s: header.timestamp,
        prevrandao: header.mix_hash.0,
    })
}
