//! A proposer that lies in one particular way in every block.

use super::cluster::CLOSED_NAMESPACE;
use bytes::Bytes;
use commonware_consensus::{Application, marshal::ancestry::Ancestry};
use commonware_cryptography::bls12381::primitives::group::Private;
use commonware_cryptography::{Digested, Digestible};
use commonware_math::algebra::Random as _;
use commonware_parallel::Strategy;
use commonware_runtime::Clock;
use commonware_utils::TestRng;
use sinter_primitives::{
    Block, Chain, Digest, Transaction, TransactionKind,
    body::Lane,
    reveals::{Mix, Term},
};
use sinter_sequencer::{
    application::{Advance, Sequencer, assemble},
    block::SequencedBlock,
    consensus::{Context, Scheme},
    scheme::{LocalVoter, Voter as _},
    validity::Slot,
};
use std::sync::{Arc, Mutex};

/// What is wrong with a block. All else about it is right: its roots are those of its body unless they
/// are the lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    LedgerRoot,
    NamespaceTable,
    RepeatOfAncestor,
    RepeatInBlock,
    Expired,
    ExpiryTooFar,
    ForeignNamespace,
    ForbiddenKind,
    FutureTimestamp,
    ParentTimestamp,
    OtherSeat,
    OtherView,
    OtherChain,
    L1Origin,
    InboxCursor,
    NextCommittee,
    NextProtocol,
    Randomness,
    Reveal,
    /// The only one that is none: a block may be empty.
    Censors,
}

impl Lie {
    pub const ALL: [Self; 19] = [
        Self::LedgerRoot,
        Self::NamespaceTable,
        Self::RepeatOfAncestor,
        Self::RepeatInBlock,
        Self::Expired,
        Self::ExpiryTooFar,
        Self::ForeignNamespace,
        Self::ForbiddenKind,
        Self::FutureTimestamp,
        Self::ParentTimestamp,
        Self::OtherSeat,
        Self::OtherView,
        Self::OtherChain,
        Self::L1Origin,
        Self::InboxCursor,
        Self::NextCommittee,
        Self::NextProtocol,
        Self::Randomness,
        Self::Reveal,
    ];
}

/// The sequencer, honest without a lie.
#[derive(Clone)]
pub struct Liar<T: Strategy> {
    inner: Sequencer<T>,
    chain: Arc<Chain>,
    lie: Option<Lie>,
    /// A transaction that is already ordered.
    ordered: Arc<Mutex<Option<Transaction>>>,
}

impl<T: Strategy> Liar<T> {
    pub fn new(inner: Sequencer<T>, chain: Arc<Chain>, lie: Option<Lie>) -> Self {
        Self { inner, chain, lie, ordered: Arc::default() }
    }

    /// Twists an honest block. `None` while the lie needs something that has not happened yet.
    fn twist(&self, lie: Lie, block: &Block) -> Option<Block> {
        let mut twisted = block.clone();
        let header = &mut twisted.header;
        let another = Digest([0xee; 32]);
        match lie {
            Lie::LedgerRoot => header.ledger_root = another,
            Lie::NamespaceTable => header.namespaces_root = another,
            Lie::FutureTimestamp => return self.with_time(block, block.header.timestamp_ms + 3_600_000),
            Lie::ParentTimestamp => {
                let parent = self.inner.ledgers().get(&block.header.parent)?;
                return self.with_time(block, parent.header.timestamp_ms);
            }
            Lie::Censors => return self.with(block, |block| block.body.lanes.clear()),
            Lie::OtherSeat => header.proposer_seat = (header.proposer_seat + 1) % 4,
            Lie::OtherView => header.view += 1,
            Lie::OtherChain => header.chain_id += 1,
            Lie::L1Origin => return self.with(block, |block| block.header.l1_origin.number += 1),
            Lie::InboxCursor => header.inbox_cursor += 1,
            Lie::NextCommittee => header.next_committee = another,
            // Named where nothing is, and taken back where something is.
            Lie::NextProtocol => {
                header.next_protocol = if header.next_protocol == 0 { header.protocol + 1 } else { 0 };
            }
            Lie::Randomness => header.randomness = another,
            // A point of the subgroup, and nobody's reveal.
            Lie::Reveal => {
                let reveal = LocalVoter::new(&another, Private::random(TestRng::new(1)))
                    .reveal(&Mix(another), Term { epoch: 0, term: 0 });
                return self.with(block, |block| block.body.reveal = reveal);
            }
            Lie::RepeatOfAncestor => {
                let ordered = self.ordered.lock().unwrap().clone()?;
                return self.with(block, |block| put(block, ordered));
            }
            Lie::RepeatInBlock => {
                let fresh = self.fresh(block, block.header.height + 5);
                return self.with(block, |block| {
                    put(block, fresh.clone());
                    put(block, fresh);
                });
            }
            Lie::Expired => {
                let expired = self.fresh(block, block.header.height - 1);
                return self.with(block, |block| put(block, expired));
            }
            Lie::ExpiryTooFar => {
                let far = self.fresh(block, block.header.height + self.chain.file.parameters.expiry_blocks);
                return self.with(block, |block| put(block, far));
            }
            Lie::ForeignNamespace => {
                let mut foreign = self.fresh(block, block.header.height + 5);
                foreign.namespace = CLOSED_NAMESPACE;
                twisted.body.lanes = vec![Lane { namespace: CLOSED_NAMESPACE, transactions: vec![foreign] }];
                twisted.header.body_root = twisted.body.root();
            }
            Lie::ForbiddenKind => {
                let mut inbox = self.fresh(block, block.header.height + 5);
                inbox.kind = TransactionKind::Inbox;
                return self.with(block, |block| put(block, inbox));
            }
        }
        Some(twisted)
    }

    fn fresh(&self, block: &Block, expiry_height: u64) -> Transaction {
        Transaction {
            kind: TransactionKind::User,
            namespace: self.chain.file.namespaces[0].id,
            expiry_height,
            payload: Bytes::from(block.header.view.to_be_bytes().to_vec()),
        }
    }

    fn with_time(&self, block: &Block, timestamp_ms: u64) -> Option<Block> {
        self.with(block, |block| block.header.timestamp_ms = timestamp_ms)
    }

    /// Changes a block, and makes its roots those of what it has become.
    fn with(&self, block: &Block, change: impl FnOnce(&mut Block)) -> Option<Block> {
        let mut changed = block.clone();
        change(&mut changed);
        let header = changed.header;
        let slot = Slot {
            epoch: header.epoch,
            view: header.view,
            parent_view: header.parent_view,
            parent: header.parent,
            leader_seat: header.proposer_seat,
            next_committee: header.next_committee,
            next_protocol: header.next_protocol,
        };
        let parent = self.inner.ledgers().get(&header.parent)?;
        let advance = Advance { origin: header.l1_origin, ..Advance::none(&parent.header) };
        let (_, assembled) =
            assemble(&self.chain, &slot, &parent, (header.timestamp_ms, &advance), changed.body).ok()?;
        Some(Block::clone(&assembled))
    }

    fn tell(&self, block: Digested<SequencedBlock>) -> Option<Digested<SequencedBlock>> {
        let Some(lie) = self.lie else { return Some(block) };
        if lie == Lie::Censors && block.inner().body.lanes.is_empty() {
            return Some(block);
        }
        let twisted = SequencedBlock::new(self.twist(lie, block.inner())?);
        let digest = twisted.digest();
        assert_ne!(digest, block.digest(), "{lie:?} changes nothing");
        Some(Digested::precomputed(twisted, digest))
    }
}

fn put(block: &mut Block, transaction: Transaction) {
    match block.body.lanes.iter_mut().find(|lane| lane.namespace == transaction.namespace) {
        Some(lane) => lane.transactions.push(transaction),
        None => {
            block.body.lanes.push(Lane { namespace: transaction.namespace, transactions: vec![transaction] });
            block.body.lanes.sort_by_key(|lane| lane.namespace);
        }
    }
}

impl<E: Clock, T: Strategy> Application<E> for Liar<T> {
    type SigningScheme = Scheme;
    type Context = Context;
    type Block = SequencedBlock;
    type Input = ();

    async fn propose(
        &mut self,
        (runtime, context): (E, Context),
        ancestry: impl Ancestry<SequencedBlock>,
        (): (),
    ) -> Option<Digested<SequencedBlock>> {
        let block = self.inner.propose((runtime, context), ancestry, ()).await?;
        self.tell(block)
    }

    async fn verify(&mut self, context: (E, Context), ancestry: impl Ancestry<SequencedBlock>) -> bool {
        let candidate = ancestry.peek().cloned();
        let valid = self.inner.verify(context, ancestry).await;
        if let Some(transaction) = candidate.as_ref().and_then(|block| block.inner().body.transactions().next())
            && valid
        {
            *self.ordered.lock().unwrap() = Some(transaction.clone());
        }
        valid
    }
}
