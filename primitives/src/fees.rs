//! What ordering costs, and who earns it.
//!
//! With `[fees]` in `chain.toml`, a namespace that was opened on L1 pays for each of its bytes out of what it has prepaid there
//! (`Namespaces.sol`). What `chain.toml` itself lists is ordered for nothing: everybody who runs the network agreed on it, and it
//! moves nobody's fees.
//!
//! **The base fee** follows the demand of the last minute or so. The ledger's *excess* grows with every byte that is paid for and
//! drains at the target rate, by the blocks' own time; the fee is `floor × e^(excess / (target × 60 s))`, as EIP-4844 has it for
//! blobs. So demand at the target leaves it where it is, twice the target multiplies it by e in a minute, and how blocks are cut
//! changes nothing. A leader can date a block ahead by as much as clocks may drift, and drain so much more, once.
//!
//! **Who earns it.** What is paid in an epoch is shared out at its end among the seats that led blocks in it, by how many each led,
//! whatever is in them: but what is paid in a seat's own blocks, among the others. So nobody earns by stuffing his own blocks with
//! what a namespace has prepaid. Each block says where its proposer's share goes. What nobody can get, of an epoch in which one seat
//! alone led, or by rounding down, nobody gets.

use crate::{
    Digest, Namespace, Transaction, TransactionKind,
    chain::{NamespaceSpec, Ordering},
    merkle::{self, MerkleProof, MerkleTree},
};
use bytes::BufMut;
use commonware_codec::{Buf, Encode as _, EncodeSize, Error, FixedSize, RangeCfg, Read, ReadExt, Write};
use commonware_cryptography::{Hasher, Sha256};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// The lane in which the L1 says what becomes of namespaces' accounts: [`Operation`]s, and nothing that a user sends.
pub const ACCOUNTS: Namespace = Namespace(0);
/// The first namespace that is opened on L1: `Namespaces.FIRST`. Those of `chain.toml` are below it.
pub const OPENED_FIRST: u64 = 1 << 32;
/// Most namespaces that are opened on L1: `Namespaces.OPENED_MAX`.
pub const OPENED_MAX: usize = 2_048;
/// What a transaction is metered for beside its payload.
pub const TRANSACTION_BYTES: u64 = 64;
/// Time in which demand of twice the target multiplies the base fee by e.
pub const WINDOW_MS: u64 = 60_000;
/// The base fee is never above `floor × e^EXPONENT_MAX`: five hundred million times the floor.
pub const EXPONENT_MAX: u64 = 20;
/// Most addresses that earn. Where there are so many, others earn nothing. A seat adds one an epoch at most.
pub const CREDITS_MAX: usize = 1 << 14;

const METER_TAG: &[u8] = b"SINTER_METER";
/// Bits behind the point of the numbers that the base fee is computed with.
const FRACTION_BITS: u32 = 20;
/// Terms of the exponential's series: beyond e^20's hundredth, each is nothing.
const TERMS_MAX: u128 = 256;

/// An address of the L1.
pub type Address = [u8; 20];

/// Under which a namespace's owner, whoever that is when it is paid, has what was withdrawn from it: the number, as an address. Nobody has
/// the key of such a one.
#[must_use]
pub fn credit_of(namespace: Namespace) -> Address {
    let mut address = [0; 20];
    address[12..].copy_from_slice(&namespace.0.to_be_bytes());
    address
}

/// Whether an address may be a fee recipient: none that stands for a namespace is.
#[must_use]
pub fn may_earn(address: &Address) -> bool {
    address[..12] != [0; 12]
}

/// `[fees]` of `chain.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeeSpec {
    /// Wei a byte that the base fee never falls below.
    pub floor_wei: u64,
    /// Bytes a second at which the base fee stays what it is.
    pub target_bytes_per_s: u64,
}

impl FeeSpec {
    /// The excess by which the base fee is e times the floor, in thousandths of a byte.
    const fn scale(&self) -> u64 {
        self.target_bytes_per_s.saturating_mul(WINDOW_MS)
    }

    /// Where the base fee grows no more.
    const fn excess_max(&self) -> u64 {
        self.scale().saturating_mul(EXPONENT_MAX)
    }

    /// The excess after a block with so many bytes, `elapsed_ms` after its parent. In thousandths of a byte, like `excess`.
    #[must_use]
    pub fn excess_after(&self, excess: u64, bytes: u64, elapsed_ms: u64) -> u64 {
        let drained = self.target_bytes_per_s.saturating_mul(elapsed_ms);
        let grown = excess.saturating_add(bytes.saturating_mul(1_000)).saturating_sub(drained);
        grown.min(self.excess_max())
    }

    /// Wei a byte at an excess: `floor × e^(excess / scale)`, rounded down, by the exponential's series.
    #[must_use]
    pub fn base_fee_wei(&self, excess: u64) -> u128 {
        let exponent = (u128::from(excess.min(self.excess_max())) << FRACTION_BITS) / u128::from(self.scale().max(1));
        let mut term = u128::from(self.floor_wei) << FRACTION_BITS;
        let mut sum = term;
        for i in 1..TERMS_MAX {
            term = ((term * exponent) >> FRACTION_BITS) / i;
            if term == 0 {
                break;
            }
            sum += term;
        }
        sum >> FRACTION_BITS
    }
}

/// What a transaction is metered for: nothing, where it was forced, since its sender paid for it on L1.
#[must_use]
pub fn metered_bytes(transaction: &Transaction) -> u64 {
    match transaction.kind {
        TransactionKind::Inbox => 0,
        TransactionKind::User | TransactionKind::Express => transaction.payload.len() as u64 + TRANSACTION_BYTES,
    }
}

/// What a namespace that was opened on L1 has, and may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The EIP-155 chain id of its transactions, where it speaks Ethereum.
    pub evm_chain_id: Option<u64>,
    /// What is left of what it prepaid.
    #[serde(with = "crate::decimal")]
    pub balance_wei: u128,
    /// Most metered bytes in a block.
    pub block_bytes_max: u32,
    /// Most that it spends in an epoch.
    #[serde(with = "crate::decimal")]
    pub epoch_wei_max: u128,
    /// What it has spent in this one.
    #[serde(with = "crate::decimal")]
    pub epoch_wei: u128,
}

/// Why a namespace cannot have so much ordered. In JSON, an object with a `code`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "code", rename_all = "kebab-case")]
pub enum AccountError {
    /// What it has left does not pay for it.
    #[error("has run dry: expected at least {fee_wei} wei, got {balance_wei}: top it up on L1")]
    Dry {
        /// What is left of what it prepaid.
        #[serde(with = "crate::decimal")]
        balance_wei: u128,
        /// What it costs at this base fee.
        #[serde(with = "crate::decimal")]
        fee_wei: u128,
    },
    /// It has spent what its owner lets it spend in an epoch.
    #[error("expected at most {left_wei} wei, what its limit leaves of this epoch, got {fee_wei}")]
    EpochLimit {
        /// What is left of the limit.
        #[serde(with = "crate::decimal")]
        left_wei: u128,
        /// What it costs at this base fee.
        #[serde(with = "crate::decimal")]
        fee_wei: u128,
    },
    /// It is more than its owner lets it have in a block.
    #[error("expected at most {max} metered bytes, its limit for a block, got {got}")]
    BlockLimit {
        /// The limit.
        max: u32,
        /// Metered bytes.
        got: u64,
    },
}

impl Account {
    /// What so many metered bytes in a block cost.
    ///
    /// # Errors
    /// [`AccountError`], when it cannot pay for them, or must not have them.
    pub fn fee_wei(&self, bytes: u64, base_fee_wei: u128) -> Result<u128, AccountError> {
        if bytes > u64::from(self.block_bytes_max) {
            return Err(AccountError::BlockLimit { max: self.block_bytes_max, got: bytes });
        }
        let fee_wei = base_fee_wei.saturating_mul(bytes.into());
        if fee_wei > self.balance_wei {
            return Err(AccountError::Dry { balance_wei: self.balance_wei, fee_wei });
        }
        let left_wei = self.epoch_wei_max.saturating_sub(self.epoch_wei);
        if fee_wei > left_wei {
            return Err(AccountError::EpochLimit { left_wei, fee_wei });
        }
        Ok(fee_wei)
    }

    /// Metered bytes that it can still pay for, and may, in a block at this base fee.
    #[must_use]
    pub fn bytes_left(&self, base_fee_wei: u128) -> u64 {
        let wei = self.wei_left();
        let bytes = wei.checked_div(base_fee_wei).unwrap_or(u128::MAX);
        u64::try_from(bytes).unwrap_or(u64::MAX).min(self.block_bytes_max.into())
    }

    /// Wei that it can still spend in this epoch.
    #[must_use]
    pub fn wei_left(&self) -> u128 {
        self.balance_wei.min(self.epoch_wei_max.saturating_sub(self.epoch_wei))
    }

    /// Takes what was spent.
    pub(crate) fn charge(&mut self, wei: u128) {
        self.balance_wei = self.balance_wei.saturating_sub(wei);
        self.epoch_wei = self.epoch_wei.saturating_add(wei);
    }
}

impl Write for Account {
    fn write(&self, buf: &mut impl BufMut) {
        self.evm_chain_id.unwrap_or_default().write(buf);
        self.balance_wei.write(buf);
        self.block_bytes_max.write(buf);
        self.epoch_wei_max.write(buf);
        self.epoch_wei.write(buf);
    }
}

impl FixedSize for Account {
    const SIZE: usize = u64::SIZE + u32::SIZE + 3 * u128::SIZE;
}

impl Read for Account {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        Ok(Self {
            evm_chain_id: evm_chain_id(u64::read(buf)?),
            balance_wei: u128::read(buf)?,
            block_bytes_max: u32::read(buf)?,
            epoch_wei_max: u128::read(buf)?,
            epoch_wei: u128::read(buf)?,
        })
    }
}

const fn evm_chain_id(id: u64) -> Option<u64> {
    if id == 0 { None } else { Some(id) }
}

/// What the contract says in the lane [`ACCOUNTS`].
///
/// | tag | operation | fields |
/// |---|---|---|
/// | 0 | open | namespace (8) ‖ ordering ‖ EVM chain id (8), or 0 ‖ block bytes (4) ‖ epoch wei (16) ‖ prepaid wei (16) |
/// | 1 | top up | namespace (8) ‖ wei (16) |
/// | 2 | limit | namespace (8) ‖ block bytes (4) ‖ epoch wei (16) |
/// | 3 | withdraw | namespace (8) ‖ wei (16) |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opens a namespace.
    Open {
        /// Which.
        namespace: Namespace,
        /// How its lane is ordered.
        ordering: Ordering,
        /// Its EIP-155 chain id.
        evm_chain_id: Option<u64>,
        /// Most metered bytes in a block.
        block_bytes_max: u32,
        /// Most that it spends in an epoch.
        epoch_wei_max: u128,
        /// What it has to begin with.
        prepaid_wei: u128,
    },
    /// Somebody pays for a namespace.
    TopUp {
        /// Which.
        namespace: Namespace,
        /// How much.
        wei: u128,
    },
    /// Its owner sets other limits.
    Limit {
        /// Whose.
        namespace: Namespace,
        /// Most metered bytes in a block.
        block_bytes_max: u32,
        /// Most that it spends in an epoch.
        epoch_wei_max: u128,
    },
    /// Its owner wants money back: what there is of it becomes the namespace's credit.
    Withdraw {
        /// Whose.
        namespace: Namespace,
        /// How much at most.
        wei: u128,
    },
    /// Its owner has its lane ordered in another way, or by another auction key.
    Reorder {
        /// Whose.
        namespace: Namespace,
        /// How, from the block on that opens with this.
        ordering: Ordering,
    },
}

impl Write for Operation {
    fn write(&self, buf: &mut impl BufMut) {
        match *self {
            Self::Open { namespace, ordering, evm_chain_id, block_bytes_max, epoch_wei_max, prepaid_wei } => {
                0u8.write(buf);
                namespace.write(buf);
                ordering.write(buf);
                evm_chain_id.unwrap_or_default().write(buf);
                block_bytes_max.write(buf);
                epoch_wei_max.write(buf);
                prepaid_wei.write(buf);
            }
            Self::TopUp { namespace, wei } => {
                1u8.write(buf);
                namespace.write(buf);
                wei.write(buf);
            }
            Self::Limit { namespace, block_bytes_max, epoch_wei_max } => {
                2u8.write(buf);
                namespace.write(buf);
                block_bytes_max.write(buf);
                epoch_wei_max.write(buf);
            }
            Self::Withdraw { namespace, wei } => {
                3u8.write(buf);
                namespace.write(buf);
                wei.write(buf);
            }
            Self::Reorder { namespace, ordering } => {
                4u8.write(buf);
                namespace.write(buf);
                ordering.write(buf);
            }
        }
    }
}

impl EncodeSize for Operation {
    fn encode_size(&self) -> usize {
        u8::SIZE
            + Namespace::SIZE
            + match self {
                Self::Open { ordering, .. } => ordering.encode_size() + u64::SIZE + u32::SIZE + 2 * u128::SIZE,
                Self::TopUp { .. } | Self::Withdraw { .. } => u128::SIZE,
                Self::Limit { .. } => u32::SIZE + u128::SIZE,
                Self::Reorder { ordering, .. } => ordering.encode_size(),
            }
    }
}

impl Read for Operation {
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let tag = u8::read(buf)?;
        let namespace = Namespace::read(buf)?;
        Ok(match tag {
            0 => Self::Open {
                namespace,
                ordering: Ordering::read(buf)?,
                evm_chain_id: evm_chain_id(u64::read(buf)?),
                block_bytes_max: u32::read(buf)?,
                epoch_wei_max: u128::read(buf)?,
                prepaid_wei: u128::read(buf)?,
            },
            1 => Self::TopUp { namespace, wei: u128::read(buf)? },
            2 => Self::Limit { namespace, block_bytes_max: u32::read(buf)?, epoch_wei_max: u128::read(buf)? },
            3 => Self::Withdraw { namespace, wei: u128::read(buf)? },
            4 => Self::Reorder { namespace, ordering: Ordering::read(buf)? },
            other => return Err(Error::InvalidEnum(other)),
        })
    }
}

/// What a seat did in an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Blocks that it led.
    pub led: u32,
    /// What was paid in them.
    pub fees_wei: u128,
    /// Where its share goes, as the last of them says.
    pub fee_recipient: Option<Address>,
}

/// What the fees of the coming blocks follow from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meter {
    /// Bytes above the target, in thousandths.
    pub excess: u64,
    /// What each seat did in this epoch, by its number: those that led.
    pub work: BTreeMap<u32, Work>,
}

impl Meter {
    /// What the ledger's root has of it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Sha256::hash(&[METER_TAG, &self.encode()])
    }

    /// What each seat gets of what was paid in the epoch, with where it goes. See the module's first lines.
    #[must_use]
    pub fn shares(&self) -> Vec<(Address, u128)> {
        let entitled = || self.work.iter().filter_map(|(seat, work)| Some((*seat, work, work.fee_recipient?)));
        let led: u128 = entitled().map(|(_, work, _)| u128::from(work.led)).sum();
        let share = |(seat, of, to): (u32, &Work, Address)| {
            let of_others = self.work.iter().filter(|(other, _)| **other != seat).map(|(_, payer)| {
                let own = if payer.fee_recipient.is_some() { u128::from(payer.led) } else { 0 };
                payer.fees_wei.saturating_mul(of.led.into()).checked_div(led - own).unwrap_or_default()
            });
            (to, of_others.fold(0u128, u128::saturating_add))
        };
        entitled().map(share).collect()
    }
}

impl Write for Meter {
    fn write(&self, buf: &mut impl BufMut) {
        self.excess.write(buf);
        self.work.len().write(buf);
        for (seat, work) in &self.work {
            seat.write(buf);
            work.led.write(buf);
            work.fees_wei.write(buf);
            work.fee_recipient.write(buf);
        }
    }
}

impl EncodeSize for Meter {
    fn encode_size(&self) -> usize {
        let work = |work: &Work| 2 * u32::SIZE + u128::SIZE + work.fee_recipient.encode_size();
        u64::SIZE + self.work.len().encode_size() + self.work.values().map(work).sum::<usize>()
    }
}

impl Read for Meter {
    /// Bounded by the seats of a committee.
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let excess = u64::read(buf)?;
        let mut work = BTreeMap::new();
        for _ in 0..usize::read_cfg(buf, &RangeCfg::new(0..=crate::chain::SEATS_MAX))? {
            let seat = u32::read(buf)?;
            if work.last_key_value().is_some_and(|(last, _)| *last >= seat) {
                return Err(Error::Invalid("Meter", "seats must strictly ascend"));
            }
            let (led, fees_wei) = (u32::read(buf)?, u128::read(buf)?);
            work.insert(seat, Work { led, fees_wei, fee_recipient: Option::<Address>::read_cfg(buf, &())? });
        }
        Ok(Self { excess, work })
    }
}

/// What addresses have earned or got back, since genesis: whoever proves his to the L1 is paid what he was not paid before.
///
/// Leaf: `address (20) ‖ wei (16)`, ascending by address, under the [`merkle`] root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credits {
    wei: Arc<BTreeMap<Address, u128>>,
    /// Follows from them. They change once an epoch, and when somebody withdraws.
    root: Digest,
}

impl Default for Credits {
    fn default() -> Self {
        Self::from(BTreeMap::new())
    }
}

impl From<BTreeMap<Address, u128>> for Credits {
    fn from(wei: BTreeMap<Address, u128>) -> Self {
        let root = merkle::root(wei.iter().map(leaf));
        Self { wei: Arc::new(wei), root }
    }
}

fn leaf((address, wei): (&Address, &u128)) -> Vec<u8> {
    (*address, *wei).encode().to_vec()
}

impl Credits {
    /// The root over all of them.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.wei.len()
    }

    /// All of an address's.
    #[must_use]
    pub fn of(&self, address: &Address) -> u128 {
        self.wei.get(address).copied().unwrap_or_default()
    }

    /// Every address with what it has.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, u128)> {
        self.wei.iter().map(|(address, wei)| (address, *wei))
    }

    /// That an address has what it has. `None` where it never had anything.
    #[must_use]
    pub fn prove(&self, address: &Address) -> Option<MerkleProof> {
        let index = self.wei.keys().position(|key| key == address)?;
        MerkleTree::new(self.wei.iter().map(leaf)).prove(index as u64)
    }

    /// Adds to credits. An address that has none yet earns nothing where [`CREDITS_MAX`] have; namespaces always have room. Costs a
    /// hash for every credit: once a block, and nothing where there is nothing to add.
    pub(crate) fn add(&mut self, credits: &[(Address, u128)]) {
        if credits.iter().all(|(_, wei)| *wei == 0) {
            return;
        }
        let mut all = self.wei.as_ref().clone();
        let mut earning = all.keys().filter(|address| may_earn(address)).count();
        for (address, wei) in credits.iter().filter(|(_, wei)| *wei > 0) {
            let is_new_earner = may_earn(address) && !all.contains_key(address);
            if is_new_earner && earning >= CREDITS_MAX {
                continue;
            }
            earning += usize::from(is_new_earner);
            let credit = all.entry(*address).or_default();
            *credit = credit.saturating_add(*wei);
        }
        *self = Self::from(all);
    }
}

impl Write for Credits {
    fn write(&self, buf: &mut impl BufMut) {
        self.wei.len().write(buf);
        for (address, wei) in self.wei.iter() {
            address.write(buf);
            wei.write(buf);
        }
    }
}

impl EncodeSize for Credits {
    fn encode_size(&self) -> usize {
        self.wei.len().encode_size() + self.wei.len() * (20 + u128::SIZE)
    }
}

impl Read for Credits {
    /// Bounded by [`CREDITS_MAX`] and [`OPENED_MAX`].
    type Cfg = ();
    fn read_cfg(buf: &mut impl Buf, _: &()) -> Result<Self, Error> {
        let mut all = BTreeMap::new();
        for _ in 0..usize::read_cfg(buf, &RangeCfg::new(0..=CREDITS_MAX + OPENED_MAX))? {
            let (address, wei) = (Address::read(buf)?, u128::read(buf)?);
            if all.last_key_value().is_some_and(|(last, _)| *last >= address) {
                return Err(Error::Invalid("Credits", "addresses must strictly ascend"));
            }
            all.insert(address, wei);
        }
        Ok(Self::from(all))
    }
}

/// What `chain.toml` would say of a namespace that it does not list: one that was opened on L1, or that of the accounts.
#[must_use]
pub fn unlisted_spec(id: Namespace, ordering: Ordering, evm_chain_id: Option<u64>) -> NamespaceSpec {
    NamespaceSpec { id, name: format!("namespace {id}"), evm_chain_id, ordering }
}
