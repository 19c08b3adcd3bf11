//! How far seals are.

use super::{hub::HubRefusal, policy::Outlook};
use crate::submitter::SubmitError;
use alloy::primitives::B256;
use std::sync::Arc;

/// Why a seal is not posted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refusal {
    /// The contract would refuse it.
    #[error("the contract refuses it: {0}")]
    Contract(HubRefusal),
    /// It fits no transaction.
    #[error("{0}")]
    Unpostable(Arc<SubmitError>),
    /// It was included and failed, though it should not have.
    #[error("it reverted {times} times on the L1, though the L1 had said that it would not")]
    Reverts {
        /// How often.
        times: u32,
    },
}

/// How far a seal is.
#[derive(Clone, Debug)]
pub enum SealState {
    /// The L1 has not been asked.
    Unknown,
    /// It is not sent yet.
    Waiting,
    /// A transaction with it waits for a block.
    Sent {
        /// Its hash.
        transaction: B256,
    },
    /// The hub has its root, in a block that may still be taken back.
    Included,
    /// The hub has its root, at the depth that is asked for.
    Settled,
    /// It will not be sent.
    Refused(Refusal),
}

/// A transaction that brought a seal to the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its hash.
    pub transaction: B256,
    /// Its block's number.
    pub block: u64,
    /// What it used.
    pub gas_used: u64,
    /// What it paid per gas, in wei.
    pub gas_price_wei: u128,
}

/// A seal.
#[derive(Clone, Debug)]
pub struct SealStatus {
    /// The statements root, once the hub said it.
    pub root: Option<B256>,
    /// How many statements, once the hub has them.
    pub count: Option<u32>,
    /// How far it is.
    pub state: SealState,
    /// How it came to the hub, if by this journal's account and not so long ago that the journal forgot.
    pub delivery: Option<Delivery>,
}

/// Everything there is to know about seals on their way.
#[derive(Clone, Debug, Default)]
pub struct SealsStatus {
    /// The seals that were given, in their order, and then those that the journal held besides.
    pub seals: Vec<SealStatus>,
    /// What the next L1 block asks per gas, in wei.
    pub base_fee_wei: u128,
    /// The highest base fee that is paid now, in wei.
    pub base_fee_max_wei: u128,
    /// Whether the next seal waits for cheaper gas.
    pub waits_for_gas: bool,
    /// How the deadline stands.
    pub outlook: Outlook,
    /// Rounds in a row that failed.
    pub failures: u32,
    /// Why the last of them failed.
    pub last_error: Option<String>,
}

impl SealsStatus {
    /// Whether the hub has every root, at the depth that is asked for.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !self.seals.is_empty() && self.seals.iter().all(|seal| matches!(seal.state, SealState::Settled))
    }
}
