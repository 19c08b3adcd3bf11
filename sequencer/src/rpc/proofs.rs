//! Puts together what a verifier can check offline, from the index and the archive.

use super::{
    blocking::blocking,
    config::RpcConfig,
    error::{self, RpcFailure, invalid_params, not_found, not_provable_yet, pruned},
    types::{BlockId, EpochLedger, RangePage},
};
use crate::{
    checkpoint::OrderedIds,
    handle::Handle,
    index::{Location, Snapshot},
};
use sinter_primitives::{
    Block, Certificate, Digest, Header, Namespace, Transaction,
    merkle::MerkleTree,
    receipt::{HeaderChain, NamespaceBlock, NamespaceRange, Receipt},
    table::NamespaceProof,
};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Turns at proving: some at a time, and as many that wait as leave half of the node's calls to others. Who sends
/// a transaction is served however many ask for proofs.
struct Turns {
    places: Semaphore,
    permits: Semaphore,
}

/// A turn, while it lasts.
pub(super) struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    _permit: SemaphorePermit<'a>,
}

impl Turns {
    fn new(calls_max: usize, proofs_max: usize) -> Self {
        Self { places: Semaphore::new((calls_max / 2).max(proofs_max)), permits: Semaphore::new(proofs_max) }
    }

    /// Waits for a turn, where there is a place to wait. Calls that wait too long run into their time limit.
    async fn take(&self) -> Result<Turn<'_>, RpcFailure> {
        let place = self.places.try_acquire().map_err(|_| RpcFailure(error::busy()))?;
        // The semaphore is never closed.
        let permit = self.permits.acquire().await.map_err(|_| RpcFailure(error::busy()))?;
        Ok(Turn { _place: place, _permit: permit })
    }
}

/// Builds proofs, a bounded number at a time.
pub(super) struct Prover {
    handle: Handle,
    turns: Turns,
    header_chain_max: u64,
    range_heights_max: u64,
    range_bytes_max: u64,
}

impl Prover {
    pub fn new(handle: Handle, config: &RpcConfig) -> Self {
        Self {
            handle,
            turns: Turns::new(config.calls_max, config.proofs_max),
            header_chain_max: config.header_chain_max,
            range_heights_max: config.range_heights_max,
            range_bytes_max: config.range_bytes_max,
        }
    }

    /// A turn at what reads the archive, for as long as it is held.
    pub async fn turn(&self) -> Result<Turn<'_>, RpcFailure> {
        self.turns.take().await
    }

    /// The header of a final block.
    pub fn header(&self, block: BlockId) -> Result<Header, RpcFailure> {
        let snapshot = self.handle.index.snapshot()?;
        self.resolve(&snapshot, block)
    }

    fn resolve(&self, snapshot: &Snapshot, block: BlockId) -> Result<Header, RpcFailure> {
        let height = match block {
            BlockId::Latest => return Ok(snapshot.tip()?),
            BlockId::Height(height) => height,
            BlockId::Digest(digest) => match snapshot.height_of(&digest)? {
                Some(height) => height,
                None => return Err(not_found(block, snapshot.tip()?.height).into()),
            },
        };
        match snapshot.header(height)? {
            Some(header) => Ok(header),
            None if height == 0 => Ok(self.handle.chain.genesis()),
            None => Err(self.missing(snapshot, height)?),
        }
    }

    /// Why a height is not there.
    fn missing(&self, snapshot: &Snapshot, height: u64) -> Result<RpcFailure, RpcFailure> {
        let earliest = snapshot.earliest()?;
        let error = if height < earliest {
            pruned(height, earliest)
        } else {
            not_found(BlockId::Height(height), snapshot.tip()?.height)
        };
        Ok(error.into())
    }

    /// A final block, whole.
    pub async fn block(&self, block: BlockId) -> Result<(Arc<Block>, Digest), RpcFailure> {
        let _turn = self.turn().await?;
        let header = self.header(block)?;
        let digest = header.digest();
        if header.height == 0 {
            let genesis = Block { header, body: sinter_primitives::Body::default() };
            return Ok((Arc::new(genesis), digest));
        }
        Ok((self.archived(&header, &digest).await?, digest))
    }

    /// The archived block of an indexed header. The archive may be pruned a little ahead of the index.
    async fn archived(&self, header: &Header, digest: &Digest) -> Result<Arc<Block>, RpcFailure> {
        match self.handle.archive.block(header.height).await {
            Some(block) if block.digest() == *digest => Ok(block),
            Some(_) => Err(RpcFailure(error::internal(&Inconsistent { height: header.height }))),
            None => Err(pruned(header.height, header.height.saturating_add(1)).into()),
        }
    }

    /// The proof that a block is final.
    pub async fn certificate(&self, block: BlockId) -> Result<HeaderChain, RpcFailure> {
        let header = self.header(block)?;
        if header.height == 0 {
            return Err(invalid_params("block", "a height above 0: nobody signs genesis", "0").into());
        }
        let _turn = self.turn().await?;
        self.header_chain(header.height, header.height).await
    }

    /// The headers from `first` up to the lowest certified height at `last` or above.
    async fn header_chain(&self, first: u64, last: u64) -> Result<HeaderChain, RpcFailure> {
        let (certified, certificate) = self.certified_from(last).await?.ok_or_else(|| not_provable_yet(last))?;
        let snapshot = self.handle.index.snapshot()?;
        let headers = snapshot.headers(first..=certified)?;
        match headers.first() {
            Some(header) if header.height == first => Ok(HeaderChain { headers, certificate }),
            _ => Err(self.missing(&snapshot, first)?),
        }
    }

    /// The lowest certified height from `height` up to the tip, with its certificate.
    async fn certified_from(&self, height: u64) -> Result<Option<(u64, Certificate)>, RpcFailure> {
        let tip = self.handle.index.tip().header.height;
        let last = tip.min(height.saturating_add(self.header_chain_max));
        for certified in height..=last {
            if let Some(certificate) = self.handle.archive.certificate(certified).await {
                return Ok(Some((certified, certificate)));
            }
        }
        Ok(None)
    }

    /// The receipt of a final transaction; `None` while no certificate above it is at hand.
    pub async fn receipt(&self, id: Digest, location: Location) -> Result<Option<Receipt>, RpcFailure> {
        let _turn = self.turn().await?;
        let Location { height, namespace, index } = location;
        let earliest = self.handle.index.snapshot()?.earliest()?;
        if height < earliest {
            // Known by its id alone, so that it is not ordered again.
            return Err(pruned(height, earliest).into());
        }
        let header_chain = match self.header_chain(height, height).await {
            Ok(chain) => chain,
            Err(RpcFailure(error)) if error.code() == error::code::NOT_PROVABLE_YET => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let handle = self.handle.clone();
        // Hashing a full lane takes milliseconds.
        blocking(move || {
            let snapshot = handle.index.snapshot()?;
            let ids = snapshot.ids(height, namespace)?;
            let proof = MerkleTree::new(&ids).prove(u64::from(index));
            let leaf = snapshot.namespace_table(height)?.prove(namespace);
            let (Some(proof), NamespaceProof::Active(leaf)) = (proof, leaf) else {
                return Err(RpcFailure(error::internal(&Inconsistent { height })));
            };
            Ok(Some(Receipt {
                transaction_id: id,
                namespace,
                height,
                index,
                proof,
                leaf: leaf.leaf,
                leaf_proof: leaf.proof,
                header_chain,
            }))
        })
        .await
    }

    /// What a namespace had ordered from one height to another, as far as one page goes.
    pub async fn range(&self, namespace: Namespace, from: u64, to: u64) -> Result<RangePage, RpcFailure> {
        if self.handle.namespace(namespace).is_none() {
            return Err(invalid_params("namespace", "one that is open", namespace).into());
        }
        check_range(from, to)?;
        let _turn = self.turn().await?;
        let (header_chain, proofs) = self.page(namespace, from, to).await?;
        let last = from.saturating_add(proofs.len() as u64).saturating_sub(1);
        let mut blocks = Vec::with_capacity(proofs.len());
        for (header, proof) in header_chain.headers.iter().zip(proofs) {
            let transactions = match &proof {
                NamespaceProof::Active(_) => self.lane(header, namespace).await?,
                NamespaceProof::Idle { .. } => Vec::new(),
            };
            blocks.push(NamespaceBlock { transactions, proof });
        }
        let range = NamespaceRange { namespace, from_height: from, to_height: last, blocks, header_chain };
        Ok(RangePage { range, next_height: (last < to).then_some(last.saturating_add(1)) })
    }

    /// The proofs of one page of heights, and headers that cover them.
    async fn page(
        &self,
        namespace: Namespace,
        from: u64,
        to: u64,
    ) -> Result<(HeaderChain, Vec<NamespaceProof>), RpcFailure> {
        let tip = self.handle.index.tip().header.height;
        if from > tip {
            return Err(not_found(BlockId::Height(from), tip).into());
        }
        let last = to.min(tip).min(from.saturating_add(self.range_heights_max - 1));
        let mut proofs = self.proofs(namespace, from, last).await?;
        // The newest heights may have no certificate above them yet: the page ends below them.
        while let Some(last) = from.checked_add(proofs.len() as u64).and_then(|end| end.checked_sub(1)) {
            match self.header_chain(from, last).await {
                Err(RpcFailure(error)) if error.code() == error::code::NOT_PROVABLE_YET && proofs.len() > 1 => {
                    // Whatever certifies a height above certifies this one, so the highest certified
                    // height at or below is where to end.
                    let certified = self.certified_until(from, last).await;
                    let Some(certified) = certified else { return Err(RpcFailure(error)) };
                    proofs.truncate(usize::try_from(certified - from + 1).unwrap_or(usize::MAX));
                }
                outcome => return outcome.map(|chain| (chain, proofs)),
            }
        }
        Err(not_provable_yet(from).into())
    }

    /// The highest certified height from `from` up to `last`.
    async fn certified_until(&self, from: u64, last: u64) -> Option<u64> {
        let first = from.max(last.saturating_sub(self.header_chain_max));
        for height in (first..=last).rev() {
            if self.handle.archive.certificate(height).await.is_some() {
                return Some(height);
            }
        }
        None
    }

    /// What the tables from `from` on say of a namespace, up to `last` or the page's bound of bytes.
    async fn proofs(&self, namespace: Namespace, from: u64, last: u64) -> Result<Vec<NamespaceProof>, RpcFailure> {
        let handle = self.handle.clone();
        let bytes_max = self.range_bytes_max;
        blocking(move || {
            let snapshot = handle.index.snapshot()?;
            let mut bytes = 0u64;
            let mut proofs = Vec::new();
            for height in from..=last {
                let table = snapshot.namespace_table(height)?;
                let more = table.leaf(namespace).map_or(0, |leaf| leaf.byte_count);
                if !proofs.is_empty() && bytes.saturating_add(more) > bytes_max {
                    break;
                }
                bytes = bytes.saturating_add(more);
                proofs.push(table.prove(namespace));
            }
            Ok(proofs)
        })
        .await
    }

    /// The ledger after an epoch's last block.
    pub fn epoch_ledger(&self, epoch: u64) -> Result<EpochLedger, RpcFailure> {
        let snapshot = self.handle.index.snapshot()?;
        if let Some(ledger) = snapshot.ledger_after_epoch(epoch)? {
            return Ok(EpochLedger { epoch, ledger: ledger.into() });
        }
        Err(self.missing(&snapshot, self.handle.chain.file.parameters.boundary_before(epoch.saturating_add(1)))?)
    }

    /// What blocks up to one ordered, ascending, as far down as one page goes.
    pub async fn ordered_ids(&self, from: u64, to: u64) -> Result<Vec<OrderedIds>, RpcFailure> {
        check_range(from, to)?;
        let _turn = self.turn().await?;
        let handle = self.handle.clone();
        let (heights_max, bytes_max) = (self.range_heights_max, self.range_bytes_max);
        let from = from.max(to.saturating_sub(heights_max - 1));
        let page = blocking(move || Ok(handle.index.snapshot()?.ordered_ids(from..=to, bytes_max)?)).await?;
        match page.last() {
            Some(last) if last.header.height == to => Ok(page),
            _ => Err(self.missing(&self.handle.index.snapshot()?, to)?),
        }
    }

    /// A namespace's transactions in a final block.
    pub async fn lane(&self, header: &Header, namespace: Namespace) -> Result<Vec<Transaction>, RpcFailure> {
        let block = self.archived(header, &header.digest()).await?;
        Ok(block.body.lane(namespace).map(|lane| lane.transactions.clone()).unwrap_or_default())
    }
}

fn check_range(from: u64, to: u64) -> Result<(), RpcFailure> {
    if from > to {
        return Err(invalid_params("to_height", format!("at least from_height, {from}"), to).into());
    }
    if from == 0 {
        return Err(invalid_params("from_height", "a height above 0: genesis orders nothing", from).into());
    }
    Ok(())
}

/// Index and archive disagree: a damaged disk, or a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("index and archive disagree on height {height}")]
pub(super) struct Inconsistent {
    pub height: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn who_waits_for_a_proof_takes_at_most_half_of_the_calls() {
        let turns = Turns::new(4, 1);
        let first = turns.take().await.map_err(|RpcFailure(error)| error).expect("a turn");
        let mut second = Box::pin(turns.take());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        let third = turns.take().now_or_never().expect("an answer at once");
        assert_eq!(third.err().map(|RpcFailure(error)| error.code()), Some(error::code::BUSY));
        drop(first);
        assert!(second.await.is_ok());
    }
}
