//! What a node that starts finds on its disk, and goes on from.

use crate::{
    block::SequencedBlock,
    committees::{Committees, CommitteesError, Succession},
    consensus::{self, Scheme},
    draw::Marks,
    engine::{Archive, EngineError},
    epochs::EpochStart,
    finalizer::FinalizerError,
    index::{Beginning, FinalizedBlock, Index, IndexError, Persist},
    ledgers::{Ledgers, State},
    upgrades, validity,
};
use commonware_consensus::{
    Block as _,
    marshal::{Start, store::Blocks as _},
};
use commonware_cryptography::{Digested, Digestible};
use commonware_runtime::{Clock, Metrics, Storage};
use commonware_storage::archive::Identifier;
use sinter_primitives::{Block, Body, Chain, Committee, Digest, Header, NamespaceTable, hand_over::HandOver};
use std::sync::Arc;
use tracing::info;

/// The epoch of the block after the index's tip.
pub(crate) fn epoch_start(chain: &Chain, index: &Index) -> Result<EpochStart, EngineError> {
    let (tip, parameters) = (index.tip(), &chain.file.parameters);
    let height = tip.header.height;
    let epoch = parameters.epoch_of(height.saturating_add(1));
    let at = parameters.boundary_before(epoch);
    let header = if at == height { Some(tip.header) } else { header_at(chain, index, at)? };
    let boundary = header.ok_or(EngineError::Boundary { height, boundary: at })?;
    Ok(EpochStart::above(epoch, &boundary))
}

/// The committees that a node knows whose next block is of an epoch: those of the hand-overs it has; and where it fell between an
/// epoch's last block and its hand-over, the one that follows from its headers.
pub(crate) async fn known_committees(
    chain: &Chain,
    index: &Index,
    succession: &dyn Succession,
    epoch: u64,
) -> Result<Vec<(u64, Committee)>, EngineError> {
    let parameters = &chain.file.parameters;
    let mut known: Vec<(u64, Committee)> = Vec::new();
    for number in Committees::epochs_known(epoch) {
        let Some(ended) = number.checked_sub(2) else {
            known.push((number, chain.committee.clone()));
            continue;
        };
        let committee = match index.hand_over(ended)? {
            Some(HandOver { seats, .. }) => Committee::new(seats).map_err(CommitteesError::from)?,
            None => {
                let at = parameters.boundary_before(ended.saturating_add(1));
                let height = index.tip().header.height;
                let missing = EngineError::Boundary { height, boundary: at };
                let Some(last) = header_at(chain, index, at)? else { return Err(missing) };
                let marks = marks_at(chain, index, &last)?;
                let drawn = match marks.draw(ended, last.l1_origin) {
                    Some(draw) => succession.committee(&draw).await,
                    None => None,
                };
                let before = known.last().map_or(&chain.committee, |(_, committee)| committee);
                let committee = drawn.unwrap_or_else(|| before.clone());
                let (expected, got) = (committee.digest(), last.next_committee);
                if expected != got {
                    return Err(CommitteesError::Other { epoch: number, expected, got }.into());
                }
                committee
            }
        };
        known.push((number, committee));
    }
    // Marshal checks the end of an epoch that it begins at.
    if let Some(beginning) = index.snapshot()?.beginning()?
        && let Some(end) = last_end(index, &beginning, epoch)?
        && known.iter().all(|(number, _)| *number != end.header.epoch)
        && let Some(named) = index.hand_over(end.header.epoch.saturating_sub(2))?
    {
        known.push((end.header.epoch, Committee::new(named.seats).map_err(CommitteesError::from)?));
    }
    Ok(known)
}

/// The ledger tree on the index's tip, after the index has caught up with the archive's final blocks, all of them under protocols up to
/// `protocol_max`.
pub(crate) async fn recover<E: Storage + Metrics + Clock>(
    chain: &Chain,
    index: &Index,
    blocks: &Archive<E, Arc<SequencedBlock>>,
    protocol_max: u8,
) -> Result<Ledgers, EngineError> {
    let mut tip = indexed_tip(chain, index)?;
    let mut replayed = 0u64;
    loop {
        let height = tip.header.height + 1;
        let stored = blocks.get(Identifier::Index(height)).await;
        let Some(block) = stored.map_err(|error| EngineError::Storage(error.to_string()))? else { break };
        if block.parent() != tip.digest {
            break; // the index reports it as what it is, a conflict, when marshal delivers the block
        }
        upgrades::check(protocol_max, height, block.header.protocol)?;
        let ids = validity::ids(chain, &block.body);
        let state =
            validity::follow(chain, &tip, &block, ids).map_err(|source| FinalizerError::Invalid { height, source })?;
        let finalized = FinalizedBlock { block: &block, ids: &state.ids, table: &state.table };
        index.apply(&[finalized], &state.ledger, Persist::Later)?;
        tip = state;
        replayed += 1;
    }
    info!(height = tip.header.height, replayed, "recovered");
    let expiry_blocks = chain.file.parameters.expiry_blocks;
    Ok(Ledgers::new(expiry_blocks, tip, index.recent_ids(expiry_blocks)?))
}

fn indexed_tip(chain: &Chain, index: &Index) -> Result<State, EngineError> {
    let tip = index.tip();
    // What came before the checkpoint that it began at says nothing of the epochs to come.
    let begins_here = index.snapshot()?.beginning()?.is_some_and(|beginning| beginning.epoch == tip.header.epoch);
    let marks = if begins_here { Marks::beginning(&tip.header) } else { marks_at(chain, index, &tip.header)? };
    Ok(State {
        header: tip.header,
        digest: tip.digest,
        // Only blocks above the tip are indexed, with their own.
        table: Arc::new(NamespaceTable::default()),
        ledger: Arc::new(index.ledger()?),
        ids: Arc::new([]),
        marks,
    })
}

/// An indexed header: genesis and the last ones of epochs, too, which stay when those around them are pruned.
pub(crate) fn header_at(chain: &Chain, index: &Index, height: u64) -> Result<Option<Header>, EngineError> {
    if height == 0 {
        return Ok(Some(chain.genesis()));
    }
    if let Some(header) = index.snapshot()?.header(height)? {
        return Ok(Some(header));
    }
    let end = index.hand_over(chain.file.parameters.epoch_of(height))?;
    Ok(end.map(|end| end.header).filter(|header| header.height == height))
}

/// What the draw of a header's epoch needs of the indexed headers up to this one.
fn marks_at(chain: &Chain, index: &Index, header: &Header) -> Result<Marks, EngineError> {
    let parameters = &chain.file.parameters;
    Marks::of(parameters, header, |height| header_at(chain, index, height))?.ok_or_else(|| EngineError::Boundary {
        height: header.height,
        boundary: parameters.boundary_before(header.epoch),
    })
}

/// Where marshal begins, unless it is further: at genesis; or, where the index began late, at the last end of an epoch that it has.
pub(crate) fn marshal_start(
    chain: &Chain,
    index: &Index,
    epoch: u64,
) -> Result<Start<Scheme, Digest, Digested<SequencedBlock>>, EngineError> {
    let Some(beginning) = index.snapshot()?.beginning()? else {
        let genesis = SequencedBlock::new(Block { header: chain.genesis(), body: Body::default() });
        let digest = genesis.digest();
        return Ok(Start::Genesis(Digested::precomputed(genesis, digest)));
    };
    let end = last_end(index, &beginning, epoch)?;
    let finalization = end.as_ref().and_then(|end| consensus::finalization(&end.certificate));
    finalization.map(Start::Floor).ok_or_else(|| EngineError::Boundary {
        height: index.tip().header.height,
        boundary: chain.file.parameters.boundary_before(epoch),
    })
}

/// The end of the epoch before this one; or, where a crash came before it was kept, that of the one before.
fn last_end(index: &Index, beginning: &Beginning, epoch: u64) -> Result<Option<HandOver>, IndexError> {
    for ended in (beginning.epoch..epoch).rev().take(2) {
        if let Some(end) = index.hand_over(ended)? {
            return Ok(Some(end));
        }
    }
    Ok(None)
}
