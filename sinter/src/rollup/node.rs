//! A rollup's node: what was ordered for it, what its rules make of that, and what proves it.

use crate::{
    client,
    exit::{Exit, Failure, OrFail},
};
use sinter_primitives::{
    Header, Namespace,
    inbox::InboxEntry,
    receipt::TrustedNetwork,
    table::{NamespaceProof, ProvenLeaf},
};
use sinter_rollup::{Application, Lane, Prover, State, Statement, follow::Follower};
use sinter_sequencer::rpc::{SinterApiClient, types::BlockId};
use std::sync::Arc;

/// A rollup's node.
pub struct RollupNode<A> {
    /// What its team calls it.
    pub name: String,
    /// Its lane.
    pub namespace: Namespace,
    /// Its rules' state.
    pub application: A,
    prover: Arc<Prover>,
    state: State,
    lane: Lane,
    follower: Follower,
}

impl<A: Application + Clone> RollupNode<A> {
    /// A node that has consumed nothing yet.
    pub fn new(
        name: &str,
        namespace: Namespace,
        network: TrustedNetwork,
        prover: Arc<Prover>,
        state: State,
        application: A,
    ) -> Self {
        let follower = Follower::new(network, namespace);
        Self { name: name.to_owned(), namespace, application, prover, state, lane: Lane::default(), follower }
    }

    /// Follows the lane up to a height, from a node that it does not have to trust.
    ///
    /// # Errors
    /// When the node does not answer, or what it answers does not hold.
    pub async fn follow(&mut self, url: &str, to_height: u64) -> Result<(), Failure> {
        let client = client::http(url)?;
        loop {
            let from = self.follower.place().next_height;
            if from > to_height {
                return Ok(());
            }
            let page = client.namespace_range(self.namespace, from, to_height).await;
            let page = page.or_fail(Exit::Failed, format_args!("{url}: heights {from} to {to_height}"))?;
            let blocks = self.follower.take(&page.range);
            let blocks = blocks.or_fail(Exit::Refused, format_args!("{url}: the lane of {}", self.name))?;
            self.lane.blocks.extend(blocks);
        }
    }

    /// Learns of entries of the inbox, behind those that it knows.
    pub fn learn(&mut self, entries: Vec<InboxEntry>) {
        self.lane.entries.extend(entries);
    }

    /// Entries of the inbox that are taken or known.
    pub fn entries(&self) -> u64 {
        self.state.entries + self.lane.entries.len() as u64
    }

    /// The statement that goes as far as one can, and whether there is more to consume. None if there is nothing.
    ///
    /// # Errors
    /// When the rules do not run.
    pub fn advance(&mut self) -> Result<Option<(Statement, bool)>, Failure> {
        if self.lane.blocks.is_empty() && self.lane.entries.is_empty() {
            return Ok(None);
        }
        // A run that fails leaves the application anywhere.
        let mut application = self.application.clone();
        let statement = self.prover.statement(&self.state, &self.lane, &mut application);
        let statement = statement.or_fail(Exit::Failed, format_args!("{}: a statement", self.name))?;
        self.application = application;
        let taken = statement.after.entries - self.state.entries;
        self.lane.entries.drain(..usize::try_from(taken).unwrap_or(usize::MAX).min(self.lane.entries.len()));
        self.lane.advance(&self.state, &statement.after);
        self.state = statement.after.clone();
        let full = statement.full;
        Ok(Some((statement, full)))
    }
}

/// What shows the L1 that the committee ordered a block for a namespace: the headers from the block's up to one that was
/// posted, and the namespace's leaf in the first one's table.
///
/// # Errors
/// When the node does not answer, or the namespace was idle in that block.
pub async fn ordered(
    url: &str,
    namespace: Namespace,
    height: u64,
    posted_height: u64,
) -> Result<(Vec<Header>, ProvenLeaf), Failure> {
    let client = client::http(url)?;
    let mut headers = Vec::new();
    for height in height..=posted_height {
        let header = client.header(BlockId::Height(height)).await;
        headers.push(header.or_fail(Exit::Failed, format_args!("{url}: the header of height {height}"))?);
    }
    let page = client.namespace_range(namespace, height, height).await;
    let page = page.or_fail(Exit::Failed, format_args!("{url}: namespace {namespace} at height {height}"))?;
    match page.range.blocks.into_iter().next().map(|block| block.proof) {
        Some(NamespaceProof::Active(leaf)) => Ok((headers, leaf)),
        _ => Err(Failure::new(Exit::Refused, format!("{url}: namespace {namespace} was idle at height {height}"))),
    }
}
