//! The committee's members over JSON-RPC (docs/protocol.md). What they say of a lane is proved, so any of them will do.

use jsonrpsee::{
    core::{
        client::{ClientT, Error as ClientError},
        params::ArrayParams,
    },
    http_client::{HttpClient, HttpClientBuilder},
    rpc_params,
};
use serde::{Deserialize, de::DeserializeOwned};
use sinter_primitives::{
    Committee, Digest, Header, Namespace, Transaction, TransactionId,
    answers::{RangePage, TransactionStatus, TransactionTrace},
    chain::ChainFile,
    committee::CommitteeError,
    hand_over::{HandOver, HandOverError},
    receipt::TrustedNetwork,
    table::{NamespaceProof, ProvenLeaf},
};
use sinter_rollup::{
    Block,
    follow::{FollowError, Follower},
};
use sinter_settlement::light_client::Posted;
use std::{ops::RangeInclusive, time::Duration};
use thiserror::Error;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A full block's worth of transactions in hex.
const RESPONSE_BYTES_MAX: u32 = 64 << 20;
const RANGE: &str = "sinter_getNamespaceRange";
/// Most headers between a block and the header above it that the L1 has: more than a contract takes.
const HEADERS_MAX: u64 = 256;

/// Why nothing was learned of a lane.
#[derive(Debug, Error)]
pub enum SequencerError {
    /// No member is named.
    #[error("sequencers: expected at least one URL, got none")]
    None,
    /// One is not reached at any URL.
    #[error("{url:?} is no RPC URL: {source}")]
    Url {
        /// What was given.
        url: String,
        /// Why.
        source: ClientError,
    },
    /// It does not answer, or not with what it was asked for.
    #[error("{url}: {what}: {source}")]
    Answer {
        /// The member.
        url: String,
        /// What it was asked for.
        what: String,
        /// Why.
        source: ClientError,
    },
    /// What it answers does not hold.
    #[error("{url}: {source}")]
    Lie {
        /// The member.
        url: String,
        /// What does not hold.
        source: FollowError,
    },
    /// A header is not the one that the L1 leads to.
    #[error("{url}: the header of height {height}: expected 0x{expected}, got 0x{got}")]
    Header {
        /// The member.
        url: String,
        /// The height.
        height: u64,
        /// What the L1 leads to.
        expected: Digest,
        /// What came.
        got: Digest,
    },
    /// The namespace had no transaction in a block in which it should have had some.
    #[error("{url}: namespace {namespace} at height {height}: expected a leaf of its table, got none that holds")]
    Idle {
        /// The member.
        url: String,
        /// The lane.
        namespace: Namespace,
        /// The block.
        height: u64,
    },
    /// It has no end of an epoch that is over.
    #[error("{url}: expected the end of epoch {epoch}, got none")]
    NotOver {
        /// The member.
        url: String,
        /// The epoch.
        epoch: u64,
    },
    /// What it says of an epoch's end does not hold.
    #[error("{url}: {source}")]
    HandOver {
        /// The member.
        url: String,
        /// What does not hold.
        source: HandOverError,
    },
    /// Its seats are no committee.
    #[error("{url}: {source}")]
    Committee {
        /// The member.
        url: String,
        /// What is wrong.
        source: CommitteeError,
    },
    /// The L1 has no header near enough.
    #[error("height {height}: expected a posted header at most {HEADERS_MAX} above, got one of height {got}")]
    Far {
        /// The block.
        height: u64,
        /// The next header that was posted.
        got: u64,
    },
}

/// Members of the committee: the next one is asked when one fails.
#[derive(Clone, Debug)]
pub struct Sequencers(Vec<(String, HttpClient)>);

/// The network that a member belongs to, as far as it is needed here.
#[derive(Deserialize)]
struct ChainAnswer {
    #[serde(with = "sinter_primitives::hexadecimal::digest")]
    hash: Digest,
    file: ChainFile,
}

impl Sequencers {
    /// The members at these URLs.
    ///
    /// # Errors
    /// [`SequencerError::None`], [`SequencerError::Url`].
    pub fn new(urls: &[String]) -> Result<Self, SequencerError> {
        let builder =
            HttpClientBuilder::default().request_timeout(REQUEST_TIMEOUT).max_response_size(RESPONSE_BYTES_MAX);
        let client = |url: &String| match builder.clone().build(url) {
            Ok(client) => Ok((url.clone(), client)),
            Err(source) => Err(SequencerError::Url { url: url.clone(), source }),
        };
        let clients = urls.iter().map(client).collect::<Result<Vec<_>, _>>()?;
        if clients.is_empty() { Err(SequencerError::None) } else { Ok(Self(clients)) }
    }

    /// Takes what was ordered from where a follower stands, from each member as far as it can prove it, until there are `most`
    /// blocks in which the namespace was active. What one takes is taken, whatever becomes of the rest: a member that lies, or
    /// that is behind, keeps nobody from what the others have.
    ///
    /// # Errors
    /// What the last member failed by, when all did.
    pub async fn follow(
        &self,
        follower: &mut Follower,
        namespace: Namespace,
        most: usize,
        blocks: &mut Vec<Block>,
    ) -> Result<(), SequencerError> {
        let (mut failed, mut answered) = (SequencerError::None, false);
        for (url, client) in &self.0 {
            match Self::follow_one(url, client, follower, namespace, most, blocks).await {
                Ok(()) => answered = true,
                Err(error) => {
                    tracing::debug!(%error, "a member cannot be followed just now");
                    failed = error;
                }
            }
        }
        if answered { Ok(()) } else { Err(failed) }
    }

    async fn follow_one(
        url: &str,
        client: &HttpClient,
        follower: &mut Follower,
        namespace: Namespace,
        most: usize,
        blocks: &mut Vec<Block>,
    ) -> Result<(), SequencerError> {
        let failed = |what: &str, source| SequencerError::Answer { url: url.into(), what: what.into(), source };
        let head = client.request::<Header, _>("sinter_getHeader", rpc_params!["latest"]).await;
        let to = head.map_err(|source| failed("the last header", source))?.height;
        while follower.place().next_height <= to && blocks.len() < most {
            let from = follower.place().next_height;
            let page = client.request::<RangePage, _>(RANGE, rpc_params![namespace, from, to]).await;
            let page = page.map_err(|source| failed(&format!("heights {from} to {to}"), source))?;
            let epoch = page.range.header_chain.epoch();
            // What a member says of later epochs is tried on a copy: trust that went ahead of the place could not come back.
            let mut ahead = follower.clone();
            let ends = Self::hand_over(url, client, ahead.network_mut(), epoch).await?;
            let active = ahead.take(&page.range);
            let active = active.map_err(|source| SequencerError::Lie { url: url.into(), source })?;
            let place = ahead.place();
            let last = page.range.header_chain.header(place.next_height - 1).map_or(0, |header| header.epoch);
            let network = follower.network_mut();
            let lie = |source| SequencerError::HandOver { url: url.into(), source };
            if !network.is_ahead_of(last) {
                network.follow(&ends, last).map_err(lie)?;
            }
            *follower = Follower::resume(network.clone(), namespace, place);
            blocks.extend(active);
        }
        Ok(())
    }

    /// What a verifier would trust in an epoch, if it trusted the first member that answers for the network's beginning. What
    /// followed is verified.
    ///
    /// # Errors
    /// When no member answers with what holds.
    pub async fn network_at(&self, epoch: u64) -> Result<TrustedNetwork, SequencerError> {
        let genesis = self.network().await?;
        let mut failed = SequencerError::None;
        for (url, client) in &self.0 {
            let mut network = genesis.clone();
            match Self::hand_over(url, client, &mut network, epoch).await {
                Ok(_) => return Ok(network),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// Goes with the committees, as a member tells of them, until the one of an epoch is known; gives the ends that it went by.
    async fn hand_over(
        url: &str,
        client: &HttpClient,
        network: &mut TrustedNetwork,
        epoch: u64,
    ) -> Result<Vec<HandOver>, SequencerError> {
        let mut taken = Vec::new();
        while !network.is_ahead_of(epoch) {
            let what = format!("the end of epoch {}", network.epoch);
            let ends = client.request::<Vec<HandOver>, _>("sinter_getHandOvers", rpc_params![network.epoch]).await;
            let ends = ends.map_err(|source| SequencerError::Answer { url: url.into(), what, source })?;
            if ends.is_empty() {
                return Err(SequencerError::NotOver { url: url.into(), epoch: network.epoch });
            }
            let lie = |source| SequencerError::HandOver { url: url.into(), source };
            network.follow(&ends, epoch).map_err(lie)?;
            taken.extend(ends);
        }
        Ok(taken)
    }

    /// What shows the L1 that the committee ordered a block for a namespace: the headers from the block's up to one that was
    /// posted, and the namespace's leaf in the first one's table. Every part is taken from the first member whose answer fits.
    ///
    /// # Errors
    /// When no member answers with what fits, or the posted header is too far above the block.
    pub async fn ordered(
        &self,
        namespace: Namespace,
        height: u64,
        posted: &Posted,
    ) -> Result<(Vec<Header>, ProvenLeaf), SequencerError> {
        if posted.height >= height + HEADERS_MAX {
            return Err(SequencerError::Far { height, got: posted.height });
        }
        // Down from the one that the L1 knows: each names its parent.
        let (mut headers, mut expected) = (Vec::new(), posted.digest);
        for height in (height..=posted.height).rev() {
            let fits = |url: &str, header: Header| {
                let got = header.digest();
                let lie = || SequencerError::Header { url: url.into(), height, expected, got };
                if got == expected { Ok(header) } else { Err(lie()) }
            };
            let what = format!("the header of height {height}");
            let header: Header = self.first(&what, "sinter_getHeader", rpc_params![height], fits).await?;
            expected = header.parent;
            headers.insert(0, header);
        }
        let root = headers.first().map_or(expected, |header| header.namespaces_root);
        let active = |url: &str, page: RangePage| match page.range.blocks.into_iter().next().map(|block| block.proof) {
            Some(NamespaceProof::Active(leaf)) if leaf.leaf.namespace == namespace && leaf.verify(&root).is_ok() => {
                Ok(leaf)
            }
            _ => Err(SequencerError::Idle { url: url.into(), namespace, height }),
        };
        let what = format!("namespace {namespace} at height {height}");
        Ok((headers, self.first(&what, RANGE, rpc_params![namespace, height, height], active).await?))
    }

    /// How far a transaction has come, as the member tells that has seen the most of it.
    ///
    /// # Errors
    /// What the last member failed by, when none answers.
    pub async fn trace(&self, id: &TransactionId) -> Result<TransactionTrace, SequencerError> {
        let (mut best, mut failed) = (None, SequencerError::None);
        for (url, client) in &self.0 {
            let what = || format!("the trace of 0x{id}");
            match client.request::<TransactionTrace, _>("sinter_trace", rpc_params![format!("0x{id}")]).await {
                Ok(trace) => {
                    let stage = |trace: &TransactionTrace| match trace.status {
                        TransactionStatus::Unknown => 0,
                        TransactionStatus::Pending => 1,
                        TransactionStatus::Notarized { .. } => 2,
                        TransactionStatus::Finalized { .. } => 3,
                    };
                    // Who took it in knows when that was.
                    let rank = |trace: &TransactionTrace| (stage(trace), trace.received_ms.is_some());
                    if best.as_ref().is_none_or(|best| rank(&trace) > rank(best)) {
                        best = Some(trace);
                    }
                }
                Err(source) => failed = SequencerError::Answer { url: url.clone(), what: what(), source },
            }
        }
        best.ok_or(failed)
    }

    /// What a verifier would trust, if it trusted the first member that answers.
    ///
    /// # Errors
    /// When none answers with a sound committee.
    pub async fn network(&self) -> Result<TrustedNetwork, SequencerError> {
        let sound = |url: &str, answer: ChainAnswer| {
            let committee = Committee::new(answer.file.seats)
                .map_err(|source| SequencerError::Committee { url: url.into(), source })?;
            Ok(TrustedNetwork::genesis(answer.hash, answer.file.chain_id, committee))
        };
        self.first("the network", "sinter_chain", rpc_params![], sound).await
    }

    /// The headers of some heights, each the parent of the next: what they are otherwise is for the caller to check.
    ///
    /// # Errors
    /// When no member answers.
    pub async fn headers(&self, heights: RangeInclusive<u64>) -> Result<Vec<Header>, SequencerError> {
        let mut headers = Vec::new();
        for height in heights {
            let what = format!("the header of height {height}");
            headers.push(self.first(&what, "sinter_getHeader", rpc_params![height], |_, header| Ok(header)).await?);
        }
        Ok(headers)
    }

    /// The transactions of a namespace in a block, as a member tells them: for the caller to check.
    ///
    /// # Errors
    /// When no member answers.
    pub async fn lane(&self, namespace: Namespace, height: u64) -> Result<Vec<Transaction>, SequencerError> {
        let first = |url: &str, page: RangePage| match page.range.blocks.into_iter().next() {
            Some(block) => Ok(block.transactions),
            None => Err(SequencerError::Idle { url: url.into(), namespace, height }),
        };
        let what = format!("namespace {namespace} at height {height}");
        self.first(&what, RANGE, rpc_params![namespace, height, height], first).await
    }

    /// The first answer that `check` lets pass.
    async fn first<T: DeserializeOwned, U>(
        &self,
        what: &str,
        method: &str,
        parameters: ArrayParams,
        mut check: impl FnMut(&str, T) -> Result<U, SequencerError>,
    ) -> Result<U, SequencerError> {
        let mut failed = SequencerError::None;
        for (url, client) in &self.0 {
            let answer = match client.request(method, parameters.clone()).await {
                Ok(answer) => check(url, answer),
                Err(source) => Err(SequencerError::Answer { url: url.clone(), what: what.into(), source }),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }
}
