//! What makes a block valid: a pure function of the block and its ancestors.
//!
//! Of the L1 it takes what happened there up to the block's L1 origin. Never of transaction bytes, which the namespace's rollup judges; and
//! never of the wall clock, which only delays a vote. What is checked, in this order:
//!
//! 1. the header names this chain, its parent, and the view it was proposed in, by the view's leader; it obeys the rules that the chain
//!    has come to, and names others for the next epoch only where members agree ([`crate::upgrades`]);
//! 2. time moves forward; the L1 origin never goes back, nor on by more than it may, and moves only where the chain follows the L1; an
//!    epoch's last block names the committee of the epoch after the next;
//! 3. the body is within bounds and is the one that the header commits to; a reveal stands where one may, is the proposer's, and
//!    is in the mix;
//! 4. what was forced on L1 since the parent's origin opens the lanes, all of it and nothing else, and the inbox cursor counts it;
//!    every other transaction is for a height near this one, and none repeats;
//! 5. every lane obeys its namespace's ordering rule;
//! 6. the namespace table and the ledger are what the body makes of the parent's: every namespace can pay for its lane, and it is within
//!    the namespace's limits.

use crate::{
    ledgers::State,
    ordering::{self, LaneContext, OrderingError, OrderingRule},
};
use sinter_primitives::{
    Block, Body, Chain, Committee, Digest, Header, Ledger, Namespace, Transaction, TransactionId, TransactionKind,
    forced_inbox::{self, ForcedEntry, ORIGIN_STEP_MAX},
    header::L1Origin,
    ledger::{LedgerError, Place},
    reveals::{Mix, RevealError, Term},
};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

/// The view that a block is proposed in, as consensus knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
    /// The parent's view.
    pub parent_view: u64,
    /// The parent's digest.
    pub parent: Digest,
    /// The seat that leads the view.
    pub leader_seat: u32,
    /// Digest of the committee that the block must name: zero, but in an epoch's last block.
    pub next_committee: Digest,
    /// What the block must name as the next epoch's protocol, where it is another; zero where it is not.
    pub next_protocol: u8,
}

/// Why a block is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// A number in the header is not what its place in the chain demands.
    #[error("header's {field}: expected {expected}, got {got}")]
    Number {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: u64,
        /// What it is.
        got: u64,
    },
    /// A digest in the header is not what its place in the chain, or the body, demands.
    #[error("header's {field}: expected {expected}, got {got}")]
    Digest {
        /// The field.
        field: &'static str,
        /// What it must be.
        expected: Digest,
        /// What it is.
        got: Digest,
    },
    /// A reveal stands in a block that may not have one.
    #[error(
        "reveal: expected one in the first block of a leader's term, up to the epoch's cutoff, got one at height {height}"
    )]
    Undue {
        /// The block's height.
        height: u64,
    },
    /// The reveal is not the proposer's.
    #[error("reveal: {0}")]
    Reveal(#[from] RevealError),
    /// Time does not move forward.
    #[error("header's timestamp: expected above {parent}, got {got}")]
    Timestamp {
        /// The parent's.
        parent: u64,
        /// This block's.
        got: u64,
    },
    /// The L1 origin is none that may follow: it goes back, or on where it must not or by too much, or is no final block of the L1.
    #[error(
        "header's L1 origin: expected block {} (0x{}) or a final one soon after it, got block {} (0x{})",
        .expected.number, .expected.hash, .got.number, .got.hash
    )]
    L1Origin {
        /// The parent's, or what the L1 has at that number.
        expected: L1Origin,
        /// This block's.
        got: L1Origin,
    },
    /// The body is over a bound.
    #[error("body's {bound}: expected at most {max}, got {got}")]
    TooLarge {
        /// Which bound.
        bound: &'static str,
        /// Its value.
        max: usize,
        /// What the body has.
        got: usize,
    },
    /// A lane does not open with what was forced on L1.
    #[error(
        "lane of namespace {namespace}: expected it to open with the {expected} transactions forced on L1 since the parent, got {got} of \
         them"
    )]
    Forced {
        /// The lane's.
        namespace: Namespace,
        /// How many were forced.
        expected: usize,
        /// How many it opens with that are those.
        got: usize,
    },
    /// A transaction may not stand at this height.
    #[error("transaction {id}: expected an expiry height from {min} to {max}, got {got}")]
    Expiry {
        /// The transaction.
        id: TransactionId,
        /// The block's height.
        min: u64,
        /// The last height within `expiry_blocks`.
        max: u64,
        /// The transaction's.
        got: u64,
    },
    /// A transaction is already ordered.
    #[error("transaction {id}: expected one that is not ordered yet, got one of height {height}")]
    Repeated {
        /// The transaction.
        id: TransactionId,
        /// Where it was ordered.
        height: u64,
    },
    /// A lane breaks its namespace's ordering rule.
    #[error("lane of namespace {namespace}: {source}")]
    Ordering {
        /// The namespace.
        namespace: Namespace,
        /// How.
        source: OrderingError,
    },
    /// The body is not one that this chain's ledger takes.
    #[error("ledger: {0}")]
    Ledger(#[from] LedgerError),
}

impl InvalidBlock {
    /// A label for metrics: which rule was broken.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        match self {
            Self::Number { field, .. } | Self::Digest { field, .. } => field,
            Self::Timestamp { .. } => "timestamp",
            Self::L1Origin { .. } => "l1 origin",
            Self::Forced { .. } => "forced",
            Self::Undue { .. } | Self::Reveal(_) => "reveal",
            Self::TooLarge { .. } => "bounds",
            Self::Expiry { .. } => "expiry",
            Self::Repeated { .. } => "repeated",
            Self::Ordering { .. } => "ordering",
            Self::Ledger(_) => "ledger",
        }
    }
}

/// The term in which the block of a slot may carry a reveal: where it is the first of a leader's term on its chain, and not above
/// the epoch's cutoff. `None` elsewhere, and where nobody is drawn.
#[must_use]
pub fn reveal_due(chain: &Chain, slot: &Slot, height: u64) -> Option<Term> {
    let parameters = &chain.file.parameters;
    chain.file.l1.registry.as_ref()?;
    let term = parameters.term_of(slot.view);
    // An epoch's first block has no view before it.
    let is_first = slot.parent_view == 0 || parameters.term_of(slot.parent_view) != term;
    (is_first && height <= parameters.cutoff_of(slot.epoch)?).then_some(Term { epoch: slot.epoch, term })
}

/// Checks a block that was proposed in `slot` on `parent`, and gives the chain's state after it. Whether its L1 origin is final on
/// the L1 is left to whoever sees that, and who also knows what was `forced` there since the parent's. `committee` has the slot's epoch,
/// and `first_repeat` finds the first of some ids that an ancestor within the last `expiry_blocks` heights holds, with that
/// ancestor's height.
///
/// # Errors
/// [`InvalidBlock`], the first rule that the block breaks.
pub fn check(
    chain: &Chain,
    parent: &State,
    (slot, committee): (&Slot, &Committee),
    (block, forced): (&Block, &[ForcedEntry]),
    first_repeat: impl FnOnce(&[TransactionId]) -> Option<(TransactionId, u64)>,
) -> Result<State, InvalidBlock> {
    let (header, body) = (&block.header, &block.body);
    check_place(chain, &parent.header, slot, header)?;
    check_bounds(chain, body)?;
    digest("body root", body.root(), header.body_root)?;
    check_reveal(chain, parent, (slot, committee), block)?;
    number("inbox cursor", parent.header.inbox_cursor.saturating_add(forced.len() as u64), header.inbox_cursor)?;
    let ledger = parent.ledger.opened_by(forced);
    let openings = check_openings(body, forced_inbox::openings(&ledger, forced))?;
    let ids = check_transactions(chain, header.height, body)?;
    if let Some((id, height)) = first_repeat(&ids) {
        return Err(InvalidBlock::Repeated { id, height });
    }
    check_lanes(&ledger, header.height, body, &openings)?;
    follow(chain, parent, block, ids)
}

/// Applies a block to its parent's state and checks that its header commits to the outcome: all that is
/// left to check for a block that a committee has certified.
///
/// # Errors
/// [`InvalidBlock::Ledger`], or [`InvalidBlock::Digest`] of one of the two roots.
pub fn follow(chain: &Chain, parent: &State, block: &Block, ids: Vec<TransactionId>) -> Result<State, InvalidBlock> {
    let header = &block.header;
    let mut ledger = parent.ledger.as_ref().clone();
    let table = ledger.apply_identified(chain, &Place::of(header, &parent.header), &block.body, &ids)?;
    digest("namespaces root", table.root(), header.namespaces_root)?;
    digest("ledger root", ledger.root(), header.ledger_root)?;
    Ok(State {
        header: *header,
        digest: header.digest(),
        table: Arc::new(table),
        ledger: Arc::new(ledger),
        ids: ids.into(),
        marks: parent.marks.after(&chain.file.parameters, &parent.header, header),
    })
}

/// The ids of a body's transactions, in order.
#[must_use]
pub fn ids(chain: &Chain, body: &Body) -> Vec<TransactionId> {
    body.ids(chain.file.chain_id)
}

/// Whether an L1 origin may follow on another one, as far as their numbers say: it goes on, where the chain follows the L1; and where
/// things are forced there, no further than they can be looked up.
#[must_use]
pub fn origin_may_follow(chain: &Chain, parent: L1Origin, origin: L1Origin) -> bool {
    let l1 = &chain.file.l1;
    let step_max = if l1.forced_inbox.is_some() { ORIGIN_STEP_MAX } else { u64::MAX };
    l1.is_followed() && origin.number > parent.number && origin.number - parent.number <= step_max
}

fn check_place(chain: &Chain, parent: &Header, slot: &Slot, header: &Header) -> Result<(), InvalidBlock> {
    number("protocol", u64::from(parent.protocol_in(slot.epoch)), u64::from(header.protocol))?;
    number("next protocol", u64::from(slot.next_protocol), u64::from(header.next_protocol))?;
    number("chain id", chain.file.chain_id, header.chain_id)?;
    number("height", parent.height.saturating_add(1), header.height)?;
    number("epoch", slot.epoch, header.epoch)?;
    number("view", slot.view, header.view)?;
    number("parent view", slot.parent_view, header.parent_view)?;
    digest("parent", slot.parent, header.parent)?;
    number("proposer seat", u64::from(slot.leader_seat), u64::from(header.proposer_seat))?;
    if header.timestamp_ms <= parent.timestamp_ms {
        return Err(InvalidBlock::Timestamp { parent: parent.timestamp_ms, got: header.timestamp_ms });
    }
    let (expected, got) = (parent.l1_origin, header.l1_origin);
    if got != expected && !origin_may_follow(chain, expected, got) {
        return Err(InvalidBlock::L1Origin { expected, got });
    }
    digest("next committee", slot.next_committee, header.next_committee)
}

fn check_reveal(
    chain: &Chain,
    parent: &State,
    (slot, committee): (&Slot, &Committee),
    block: &Block,
) -> Result<(), InvalidBlock> {
    let mix = Mix(parent.header.randomness);
    let after = match &block.body.reveal {
        None => mix,
        Some(reveal) => {
            let height = block.header.height;
            let term = reveal_due(chain, slot, height).ok_or(InvalidBlock::Undue { height })?;
            mix.with(reveal, &chain.hash, term, committee, slot.leader_seat as usize)?
        }
    };
    digest("randomness", after.0, block.header.randomness)
}

fn check_bounds(chain: &Chain, body: &Body) -> Result<(), InvalidBlock> {
    let bounds = chain.file.parameters.body_bounds();
    at_most("transactions", bounds.transactions_max, body.transactions().count())?;
    let longest = body.transactions().map(|transaction| transaction.payload.len()).max().unwrap_or(0);
    at_most("payload bytes", bounds.payload_bytes_max, longest)?;
    // A body without lanes is one byte, whatever the bound.
    at_most("bytes", bounds.bytes_max.max(1), body.lanes_bytes())
}

/// Lanes open with these, and with nothing else from the L1: how many each lane opens with, in the body's order.
fn check_openings(
    body: &Body,
    mut expected: BTreeMap<Namespace, Vec<&ForcedEntry>>,
) -> Result<Vec<usize>, InvalidBlock> {
    let mut openings = Vec::with_capacity(body.lanes.len());
    for lane in &body.lanes {
        let forced = expected.remove(&lane.namespace).unwrap_or_default();
        let pairs = lane.transactions.iter().zip(&forced);
        let got = pairs.take_while(|(got, forced)| **got == forced.transaction()).count();
        if got != forced.len() {
            return Err(InvalidBlock::Forced { namespace: lane.namespace, expected: forced.len(), got });
        }
        openings.push(got);
    }
    match expected.pop_first() {
        Some((namespace, forced)) => Err(InvalidBlock::Forced { namespace, expected: forced.len(), got: 0 }),
        None => Ok(openings),
    }
}

fn check_transactions(chain: &Chain, height: u64, body: &Body) -> Result<Vec<TransactionId>, InvalidBlock> {
    let max = height.saturating_add(chain.file.parameters.expiry_blocks - 1);
    let mut ids = Vec::new();
    let mut seen = HashSet::new();
    for transaction in body.transactions() {
        let id = transaction.id(chain.file.chain_id);
        check_expiry(transaction, id, height, max)?;
        if !seen.insert(id) {
            return Err(InvalidBlock::Repeated { id, height });
        }
        ids.push(id);
    }
    Ok(ids)
}

fn check_expiry(transaction: &Transaction, id: TransactionId, min: u64, max: u64) -> Result<(), InvalidBlock> {
    let got = transaction.expiry_height;
    // That of a forced one is its number, which was compared with the L1's.
    if transaction.kind == TransactionKind::Inbox {
        return Ok(());
    }
    if got < min || got > max {
        return Err(InvalidBlock::Expiry { id, min, max, got });
    }
    Ok(())
}

fn check_lanes(ledger: &Ledger, height: u64, body: &Body, openings: &[usize]) -> Result<(), InvalidBlock> {
    for (lane, opening) in body.lanes.iter().zip(openings) {
        let Some(entry) = ledger.entry(lane.namespace) else {
            return Err(LedgerError::UnknownNamespace(lane.namespace).into());
        };
        let context = LaneContext { chain_id: ledger.chain_id(), height };
        ordering::rule(lane.namespace, entry.ordering)
            .check(&lane.transactions[*opening..], &context)
            .map_err(|source| InvalidBlock::Ordering { namespace: lane.namespace, source })?;
    }
    Ok(())
}

fn number(field: &'static str, expected: u64, got: u64) -> Result<(), InvalidBlock> {
    if got == expected { Ok(()) } else { Err(InvalidBlock::Number { field, expected, got }) }
}

fn digest(field: &'static str, expected: Digest, got: Digest) -> Result<(), InvalidBlock> {
    if got == expected { Ok(()) } else { Err(InvalidBlock::Digest { field, expected, got }) }
}

fn at_most(bound: &'static str, max: usize, got: usize) -> Result<(), InvalidBlock> {
    if got <= max { Ok(()) } else { Err(InvalidBlock::TooLarge { bound, max, got }) }
}
