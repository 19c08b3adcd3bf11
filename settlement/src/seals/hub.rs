//! The `AggregationHub` from outside: what is called, and what it refuses.

use crate::{seal, submitter::Reverted};
use alloy::{
    primitives::{B256, Bytes},
    sol_types::{Panic, Revert, SolCall, SolError, SolInterface},
};
use std::fmt;

alloy::sol! {
    /// What the submitter calls, and the errors that it can name.
    #[derive(Debug, PartialEq, Eq)]
    interface Hub {
        /// A verifier that accepts a batch of nothing is none.
        error EmptyBatch();
        /// The seal that was expected to prove one root proves another.
        error RootMismatch(bytes32 expected, bytes32 got);

        /// Verifies a seal and remembers its root.
        function settle(bytes seal) returns (bytes32 root);
        /// How many statements a settled batch has; zero for an unknown root.
        function count(bytes32 root) view returns (uint32);
    }
}

/// What the hub itself refuses.
pub use Hub::HubErrors;

/// Why the hub would refuse a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubRefusal {
    /// The hub's own.
    Hub(HubErrors),
    /// Its verifier's.
    Seal(seal::Refusal),
    /// `require` with a reason.
    Reason(String),
    /// A failed assertion or arithmetic.
    Panic(String),
    /// An error that is not known here: its selector and arguments.
    Other(Bytes),
    /// The node said no more than these words.
    Words(String),
}

impl HubRefusal {
    pub(super) fn from_revert(reverted: Reverted) -> Self {
        let Some(data) = reverted.data.filter(|data| !data.is_empty()) else { return Self::Words(reverted.words) };
        if let Ok(error) = HubErrors::abi_decode(&data) {
            Self::Hub(error)
        } else if let Ok(error) = seal::Refusal::abi_decode(&data) {
            Self::Seal(error)
        } else if let Ok(revert) = Revert::abi_decode(&data) {
            Self::Reason(revert.reason)
        } else if let Ok(panic) = Panic::abi_decode(&data) {
            Self::Panic(panic.to_string())
        } else {
            Self::Other(data)
        }
    }
}

impl fmt::Display for HubRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub(error) => write!(f, "{error:?}"),
            Self::Seal(error) => write!(f, "{error:?}"),
            Self::Reason(words) | Self::Panic(words) | Self::Words(words) => f.write_str(words),
            Self::Other(data) => write!(f, "error {data}"),
        }
    }
}

/// The call that settles a seal.
pub(super) fn settle_call(seal: &[u8]) -> Bytes {
    Hub::settleCall { seal: seal.to_vec().into() }.abi_encode().into()
}

/// The root that `settle` returned; `None` where no hub answered.
pub(super) fn settled_root(answer: &[u8]) -> Option<B256> {
    Hub::settleCall::abi_decode_returns(answer).ok()
}

/// The call that asks for a root's count.
pub(super) fn count_call(root: B256) -> Bytes {
    Hub::countCall { root }.abi_encode().into()
}

/// The count that `count` returned; `None` where no hub answered.
pub(super) fn count(answer: &[u8]) -> Option<u32> {
    Hub::countCall::abi_decode_returns(answer).ok()
}
