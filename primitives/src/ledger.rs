//! What carries over from block to block for every open namespace, idle ones too; and what the fees to come follow from.
//!
//! ```text
//! entry: namespace (8) ‖ accumulator (32) ‖ ordering ‖ 0, or 1 ‖ account (60)
//! ordering: 0x00 (first-come), or 0x01 ‖ auction key (32) (express)
//! root = SHA-256("SINTER_LEDGER" ‖ chain id (8) ‖ Merkle root over the entries, ascending ‖ meter's digest ‖ root of the credits)
//! ledger: chain id (8) ‖ entry count (varint) ‖ entries ‖ meter ‖ credits
//! ```
//!
//! A namespace of `chain.toml` has no account: it is ordered for nothing ([`crate::fees`]).

use crate::{
    Accumulator, Body, Chain, Digest, Header, Namespace, NamespaceLeaf, NamespaceTable, Transaction, TransactionId,
    accumulator::Position,
    body::Lane,
    chain::{ChainFile, NAMESPACES_MAX, NamespaceSpec, Ordering},
    fees::{self, ACCOUNTS, Account, AccountError, Credits, FeeSpec, Meter, Operation, metered_bytes},
    forced_inbox::ForcedEntry,
    merkle,
    table::TableError,
};
use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, Copying, DecodeExt, Encode, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256};
use std::{borrow::Cow, collections::BTreeMap};

const ROOT_TAG: &[u8] = b"SINTER_LEDGER";

/// Why a body cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// A lane of a namespace that the chain does not order for.
    #[error("namespace {0} is not open on this chain")]
    UnknownNamespace(Namespace),
    /// A lane without transactions.
    #[error("the lane of namespace {0} is empty")]
    EmptyLane(Namespace),
    /// A transaction in another namespace's lane.
    #[error("the lane of namespace {expected} holds a transaction of namespace {got}")]
    ForeignTransaction {
        /// The lane's namespace.
        expected: Namespace,
        /// The transaction's namespace.
        got: Namespace,
    },
    /// Lanes out of order.
    #[error("lanes: {0}")]
    Order(#[from] TableError),
    /// More transactions than a leaf can count.
    #[error("the lane of namespace {namespace} holds {got} transactions: expected at most {expected}", expected = u32::MAX)]
    TooManyTransactions {
        /// The lane's namespace.
        namespace: Namespace,
        /// Its number of transactions.
        got: usize,
    },
    /// A lane that its namespace cannot pay for, or must not have.
    #[error("namespace {namespace}: {source}")]
    Account {
        /// The namespace.
        namespace: Namespace,
        /// Why.
        source: AccountError,
    },
    /// A body that says where fees go, on a chain without any; or to what stands for a namespace.
    #[error("fee recipient: expected none, or on a chain with fees an address from 2^64 up, got 0x{}", hex::encode(.got))]
    FeeRecipient {
        /// What it says.
        got: fees::Address,
    },
}

/// Where a body is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The block's height.
    pub height: u64,
    /// Its time, in milliseconds since the Unix epoch.
    pub timestamp_ms: u64,
    /// Its parent's.
    pub parent_timestamp_ms: u64,
    /// The number of its L1 origin.
    pub l1_origin_number: u64,
    /// Its proposer's seat.
    pub proposer_seat: u32,
}

impl Place {
    /// That of a block with this header, and its parent's.
    #[must_use]
    pub const fn of(header: &Header, parent: &Header) -> Self {
        Self {
            height: header.height,
            timestamp_ms: header.timestamp_ms,
            parent_timestamp_ms: parent.timestamp_ms,
            l1_origin_number: header.l1_origin.number,
            proposer_seat: header.proposer_seat,
        }
    }
}

/// What the ledger keeps for one namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// The commitment to everything ordered so far.
    pub accumulator: Accumulator,
    /// The lane's ordering rule.
    pub ordering: Ordering,
    /// What it pays out of, where it was opened on L1.
    pub account: Option<Account>,
}

/// What a lane is metered for, and costs its namespace.
struct Charge {
    namespace: Namespace,
    bytes: u64,
    wei: u128,
}

/// Every open namespace of a chain, after some block, with what the fees to come follow from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    chain_id: u64,
    entries: BTreeMap<Namespace, LedgerEntry>,
    meter: Meter,
    credits: Credits,
}

impl Ledger {
    /// The ledger of height 0.
    #[must_use]
    pub fn genesis(chain: &ChainFile) -> Self {
        let chain_id = chain.chain_id;
        let entry = |id, ordering| {
            (id, LedgerEntry { accumulator: Accumulator::genesis(chain_id, id), ordering, account: None })
        };
        let accounts = chain.fees.map(|_| entry(ACCOUNTS, Ordering::FirstCome));
        let entries = chain.namespaces.iter().map(|spec| entry(spec.id, spec.ordering));
        let entries = accounts.into_iter().chain(entries).collect();
        Self { chain_id, entries, meter: Meter::default(), credits: Credits::default() }
    }

    /// Orders `body` at the given place: carries out what the L1 says of accounts, advances the accumulators of active lanes and has them
    /// pay, shares out an epoch's fees with its last block; and gives the table for the block's header. Nothing changes on an error.
    ///
    /// # Errors
    /// [`LedgerError`] when the body is not one that this chain could order.
    pub fn apply(&mut self, chain: &Chain, place: &Place, body: &Body) -> Result<NamespaceTable, LedgerError> {
        self.apply_identified(chain, place, body, &body.ids(self.chain_id))
    }

    /// Like [`Self::apply`], for whoever has the ids already: they cost a hash of every byte. `ids` are
    /// those of [`Body::ids`].
    ///
    /// # Errors
    /// Like [`Self::apply`].
    pub fn apply_identified(
        &mut self,
        chain: &Chain,
        place: &Place,
        body: &Body,
        ids: &[TransactionId],
    ) -> Result<NamespaceTable, LedgerError> {
        if let Some(got) = body.fee_recipient
            && (chain.file.fees.is_none() || !fees::may_earn(&got))
        {
            return Err(LedgerError::FeeRecipient { got });
        }
        match body.lane(ACCOUNTS) {
            None => self.order(chain, place, body, ids, &[]),
            Some(lane) => {
                let mut after = self.clone();
                let withdrawn = after.carry_out(lane.transactions.iter().map(|transaction| &transaction.payload));
                let table = after.order(chain, place, body, ids, &withdrawn)?;
                *self = after;
                Ok(table)
            }
        }
    }

    /// This ledger with what the L1 says of accounts in some entries of the forced inbox: what the block that opens with them is ordered
    /// on. Its root is none that a header has.
    #[must_use]
    pub fn opened_by<'a>(&'a self, forced: &[ForcedEntry]) -> Cow<'a, Self> {
        let is_said = |entry: &&ForcedEntry| entry.namespace == ACCOUNTS && self.entries.contains_key(&ACCOUNTS);
        if !forced.iter().any(|entry| is_said(&entry)) {
            return Cow::Borrowed(self);
        }
        let mut after = self.clone();
        after.carry_out(forced.iter().filter(is_said).map(|entry| &entry.payload));
        Cow::Owned(after)
    }

    fn order(
        &mut self,
        chain: &Chain,
        place: &Place,
        body: &Body,
        ids: &[TransactionId],
        withdrawn: &[(fees::Address, u128)],
    ) -> Result<NamespaceTable, LedgerError> {
        let mut rest = ids;
        let leaves = body.lanes.iter().map(|lane| {
            let (ids, after) = rest.split_at(lane.transactions.len().min(rest.len()));
            rest = after;
            let &Place { height, timestamp_ms, l1_origin_number, .. } = place;
            let position =
                Position { chain_id: self.chain_id, namespace: lane.namespace, height, timestamp_ms, l1_origin_number };
            self.leaf(lane, ids, &position)
        });
        let table = NamespaceTable::new(leaves.collect::<Result<_, _>>()?)?;
        let charges = self.charges(chain, body)?;
        for leaf in table.leaves() {
            if let Some(entry) = self.entries.get_mut(&leaf.namespace) {
                entry.accumulator = leaf.accumulator;
            }
        }
        if chain.file.fees.is_some() {
            self.settle(chain, place, body.fee_recipient, &charges, withdrawn);
        }
        Ok(table)
    }

    /// What each lane of a body that is paid for is metered for, and costs its namespace.
    fn charges(&self, chain: &Chain, body: &Body) -> Result<Vec<Charge>, LedgerError> {
        let base_fee_wei = self.base_fee_wei(chain.file.fees);
        let mut charges = Vec::new();
        for lane in &body.lanes {
            let namespace = lane.namespace;
            let Some(account) = self.entries.get(&namespace).and_then(|entry| entry.account) else { continue };
            let bytes = lane.transactions.iter().map(metered_bytes).sum();
            let fee_wei = account.fee_wei(bytes, base_fee_wei);
            let wei = fee_wei.map_err(|source| LedgerError::Account { namespace, source })?;
            charges.push(Charge { namespace, bytes, wei });
        }
        Ok(charges)
    }

    /// All that a block does to money.
    fn settle(
        &mut self,
        chain: &Chain,
        place: &Place,
        fee_recipient: Option<fees::Address>,
        charges: &[Charge],
        withdrawn: &[(fees::Address, u128)],
    ) {
        let Some(spec) = &chain.file.fees else { return };
        let bytes = charges.iter().map(|charge| charge.bytes).sum();
        let elapsed_ms = place.timestamp_ms.saturating_sub(place.parent_timestamp_ms);
        self.meter.excess = spec.excess_after(self.meter.excess, bytes, elapsed_ms);

        let work = self.meter.work.entry(place.proposer_seat).or_default();
        work.led = work.led.saturating_add(1);
        work.fee_recipient = fee_recipient;
        for Charge { namespace, wei, .. } in charges {
            work.fees_wei = work.fees_wei.saturating_add(*wei);
            if let Some(account) = self.entries.get_mut(namespace).and_then(|entry| entry.account.as_mut()) {
                account.charge(*wei);
            }
        }

        let mut credits = withdrawn.to_vec();
        if chain.file.parameters.is_last_of_epoch(place.height) {
            credits.extend(self.meter.shares());
            self.meter.work.clear();
            for account in self.entries.values_mut().filter_map(|entry| entry.account.as_mut()) {
                account.epoch_wei = 0;
            }
        }
        self.credits.add(&credits);
    }

    /// Carries out what the contract says; gives what was withdrawn. Only the contract appends to that lane, writes nothing else, opens
    /// every namespace once, and lets only owners do what is theirs: what does not fit here never comes.
    fn carry_out<'a>(&mut self, payloads: impl Iterator<Item = &'a Bytes>) -> Vec<(fees::Address, u128)> {
        let mut withdrawn = Vec::new();
        for operation in payloads.filter_map(|payload| Operation::decode(Copying(payload)).ok()) {
            match operation {
                Operation::Open { namespace, ordering, evm_chain_id, block_bytes_max, epoch_wei_max, prepaid_wei } => {
                    let account = Account {
                        evm_chain_id,
                        balance_wei: prepaid_wei,
                        block_bytes_max,
                        epoch_wei_max,
                        epoch_wei: 0,
                    };
                    self.open(namespace, ordering, account);
                }
                Operation::TopUp { namespace, wei } => {
                    if let Some(account) = self.account_mut(namespace) {
                        account.balance_wei = account.balance_wei.saturating_add(wei);
                    }
                }
                Operation::Limit { namespace, block_bytes_max, epoch_wei_max } => {
                    if let Some(account) = self.account_mut(namespace) {
                        (account.block_bytes_max, account.epoch_wei_max) = (block_bytes_max, epoch_wei_max);
                    }
                }
                Operation::Withdraw { namespace, wei } => {
                    if let Some(account) = self.account_mut(namespace) {
                        let taken = wei.min(account.balance_wei);
                        account.balance_wei -= taken;
                        withdrawn.push((fees::credit_of(namespace), taken));
                    }
                }
                Operation::Reorder { namespace, ordering } => {
                    // What chain.toml lists is nobody's.
                    if let Some(entry) = self.entries.get_mut(&namespace).filter(|entry| entry.account.is_some()) {
                        entry.ordering = ordering;
                    }
                }
            }
        }
        withdrawn
    }

    fn open(&mut self, namespace: Namespace, ordering: Ordering, account: Account) {
        if namespace.0 < fees::OPENED_FIRST || self.entries.len() >= NAMESPACES_MAX {
            return;
        }
        let accumulator = Accumulator::genesis(self.chain_id, namespace);
        let opened = LedgerEntry { accumulator, ordering, account: Some(account) };
        self.entries.entry(namespace).or_insert(opened);
    }

    fn account_mut(&mut self, namespace: Namespace) -> Option<&mut Account> {
        self.entries.get_mut(&namespace)?.account.as_mut()
    }

    /// Wei a byte in the next block: none, on a chain without fees.
    #[must_use]
    pub fn base_fee_wei(&self, fees: Option<FeeSpec>) -> u128 {
        fees.map_or(0, |spec| spec.base_fee_wei(self.meter.excess))
    }

    /// What the fees to come follow from.
    #[must_use]
    pub const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// What was earned and given back.
    #[must_use]
    pub const fn credits(&self) -> &Credits {
        &self.credits
    }

    /// This ledger with other credits.
    #[cfg(feature = "testkit")]
    #[must_use]
    pub fn with_credits(&self, credits: Credits) -> Self {
        Self { credits, ..self.clone() }
    }

    /// What is known of an open namespace: what `chain.toml` says, or what was said on L1.
    #[must_use]
    pub fn spec(&self, chain: &Chain, namespace: Namespace) -> Option<NamespaceSpec> {
        let entry = self.entries.get(&namespace)?;
        let evm_chain_id = entry.account.and_then(|account| account.evm_chain_id);
        let listed = chain.namespace(namespace).cloned();
        Some(listed.unwrap_or_else(|| fees::unlisted_spec(namespace, entry.ordering, evm_chain_id)))
    }

    fn leaf(&self, lane: &Lane, ids: &[TransactionId], position: &Position) -> Result<NamespaceLeaf, LedgerError> {
        let namespace = lane.namespace;
        let entry = self.entries.get(&namespace).ok_or(LedgerError::UnknownNamespace(namespace))?;
        if lane.transactions.is_empty() {
            return Err(LedgerError::EmptyLane(namespace));
        }
        if let Some(foreign) = lane.transactions.iter().find(|transaction| transaction.namespace != namespace) {
            return Err(LedgerError::ForeignTransaction { expected: namespace, got: foreign.namespace });
        }
        let got = lane.transactions.len();
        let tx_count = u32::try_from(got).map_err(|_| LedgerError::TooManyTransactions { namespace, got })?;
        Ok(NamespaceLeaf {
            namespace,
            tx_root: merkle::root(ids),
            accumulator: entry.accumulator.advance(position, &lane.transactions),
            tx_count,
            byte_count: payload_bytes(&lane.transactions),
        })
    }

    /// The chain's id.
    #[must_use]
    pub const fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// The entry of an open namespace.
    #[must_use]
    pub fn entry(&self, namespace: Namespace) -> Option<&LedgerEntry> {
        self.entries.get(&namespace)
    }

    /// The accumulator of an open namespace.
    #[must_use]
    pub fn accumulator(&self, namespace: Namespace) -> Option<Accumulator> {
        self.entry(namespace).map(|entry| entry.accumulator)
    }

    /// Open namespaces, ascending, that of the accounts among them.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (Namespace, &LedgerEntry)> {
        self.entries.iter().map(|(namespace, entry)| (*namespace, entry))
    }

    /// The Merkle root over the entries.
    #[must_use]
    pub fn entries_root(&self) -> Digest {
        merkle::root(self.entries.iter().map(|entry| Row::from(entry).encode()))
    }

    /// A header's `ledger_root`.
    #[must_use]
    pub fn root(&self) -> Digest {
        let (meter, credits) = (self.meter.digest(), self.credits.root());
        Sha256::hash(&[ROOT_TAG, &self.chain_id.to_be_bytes(), &self.entries_root(), &meter, &credits])
    }
}

/// The Merkle root over the ids of a lane's transactions: a leaf's `tx_root`.
#[must_use]
pub fn transactions_root(chain_id: u64, transactions: &[Transaction]) -> Digest {
    merkle::root(transactions.iter().map(|transaction| transaction.id(chain_id)))
}

/// The sum of the payloads' bytes: a leaf's `byte_count`.
#[must_use]
pub fn payload_bytes(transactions: &[Transaction]) -> u64 {
    transactions.iter().map(|transaction| transaction.payload.len() as u64).sum()
}

/// One entry as it is written and hashed.
struct Row {
    namespace: Namespace,
    entry: LedgerEntry,
}

impl From<(&Namespace, &LedgerEntry)> for Row {
    fn from((namespace, entry): (&Namespace, &LedgerEntry)) -> Self {
        Self { namespace: *namespace, entry: *entry }
    }
}

impl Write for Row {
    fn write(&self, buf: &mut impl BufMut) {
        self.namespace.write(buf);
        self.entry.accumulator.write(buf);
        self.entry.ordering.write(buf);
        self.entry.account.write(buf);
    }
}

impl EncodeSize for Row {
    fn encode_size(&self) -> usize {
        let LedgerEntry { ordering, account, .. } = &self.entry;
        Namespace::SIZE + Accumulator::SIZE + ordering.encode_size() + account.encode_size()
    }
}

impl Read for Row {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let namespace = Namespace::read(buf)?;
        let (accumulator, ordering) = (Accumulator::read(buf)?, Ordering::read(buf)?);
        let account = Option::<Account>::read_cfg(buf, &())?;
        Ok(Self { namespace, entry: LedgerEntry { accumulator, ordering, account } })
    }
}

impl Write for Ledger {
    fn write(&self, buf: &mut impl BufMut) {
        self.chain_id.write(buf);
        self.entries.len().write(buf);
        for entry in &self.entries {
            Row::from(entry).write(buf);
        }
        self.meter.write(buf);
        self.credits.write(buf);
    }
}

impl EncodeSize for Ledger {
    fn encode_size(&self) -> usize {
        u64::SIZE
            + self.entries.len().encode_size()
            + self.entries.iter().map(|entry| Row::from(entry).encode_size()).sum::<usize>()
            + self.meter.encode_size()
            + self.credits.encode_size()
    }
}

impl Read for Ledger {
    /// Bounded by [`NAMESPACES_MAX`], and what a meter and credits are bounded by.
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let chain_id = u64::read(buf)?;
        let count = usize::read_cfg(buf, &RangeCfg::new(0..=NAMESPACES_MAX))?;
        let mut entries = BTreeMap::new();
        for _ in 0..count {
            let row = Row::read(buf)?;
            if entries.last_key_value().is_some_and(|(last, _)| *last >= row.namespace) {
                return Err(Error::Invalid("Ledger", "namespaces must strictly ascend"));
            }
            entries.insert(row.namespace, row.entry);
        }
        let (meter, credits) = (Meter::read(buf)?, Credits::read(buf)?);
        Ok(Self { chain_id, entries, meter, credits })
    }
}
