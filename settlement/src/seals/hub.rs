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
            Self::Hub(error) => f.write_str(&named(error)),
            Self::Seal(error) => f.write_str(&named(error)),
            Self::Reason(words) | Self::Panic(words) | Self::Words(words) => f.write_str(words),
            Self::Other(data) => write!(f, "error {data}"),
        }
    }
}

/// An error with its arguments: the bindings call the variant and what is in it the same.
pub(crate) fn named(error: &impl fmt::Debug) -> String {
    let text = format!("{error:?}");
    let inner = text.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.map_or_else(|| text.clone(), str::to_owned)
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::seal::contract::SealVerifier;
    use alloy::primitives::U256;

    #[test]
    fn refusals_are_named_once() {
        let shown = |data: Vec<u8>| {
            let reverted = Reverted { data: Some(data.into()), words: "execution reverted".into() };
            HubRefusal::from_revert(reverted).to_string()
        };
        let length = SealVerifier::SealLength { expected: U256::from(5988), got: U256::from(100) };
        assert_eq!(shown(length.abi_encode()), "SealLength { expected: 5988, got: 100 }");
        assert_eq!(shown(Hub::EmptyBatch {}.abi_encode()), "EmptyBatch");
        assert_eq!(shown(vec![1, 2, 3, 4]), "error 0x01020304");
        assert_eq!(shown(vec![]), "execution reverted");
    }
}
