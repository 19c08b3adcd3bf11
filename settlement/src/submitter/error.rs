//! Why something was not submitted.

use alloy::transports::{RpcError, TransportErrorKind};
use std::{path::PathBuf, time::Duration};

/// Why a submitter stopped, or a round failed.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Not a URL.
    #[error("expected the URL of an L1, got {got:?}")]
    Url {
        /// What was given.
        got: String,
    },
    /// The journal's file cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The journal is damaged, or another submitter's.
    #[error("journal {path}: {reason}")]
    Journal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process holds the journal.
    #[error("journal {path} is in use by another process")]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Another L1 than configured.
    #[error("expected L1 chain id {expected}, got {got}")]
    ChainId {
        /// As configured.
        expected: u64,
        /// The L1's answer.
        got: u64,
    },
    /// The transaction could not be signed.
    #[error("{0}")]
    Signing(#[from] alloy::signers::Error),
    /// The L1 did not answer, or not in a way that makes sense.
    #[error("L1: {0}")]
    Rpc(#[from] RpcError<TransportErrorKind>),
    /// The L1 did not answer in time.
    #[error("the L1 did not answer within {} s", after.as_secs())]
    Timeout {
        /// How long it had.
        after: Duration,
    },
    /// The L1 refuses the transaction.
    #[error("the L1 refuses a transaction: {0}")]
    NotSent(String),
    /// Longer than what nodes take and pass on.
    #[error(
        "a transaction of {bytes} bytes, expected at most {bytes_max}; \
         its calldata costs at least {floor_gas} gas (EIP-7623), of at most {gas_max} (EIP-7825)"
    )]
    Oversized {
        /// Of the signed transaction.
        bytes: usize,
        /// The limit that geth set and everybody follows.
        bytes_max: usize,
        /// What its calldata costs at least.
        floor_gas: u64,
        /// Most gas of a transaction.
        gas_max: u64,
    },
    /// It needs more gas than a transaction may have (EIP-7825).
    #[error("a transaction needs {gas} gas, expected at most {gas_max} (EIP-7825)")]
    GasCap {
        /// As estimated.
        gas: u64,
        /// Most gas of a transaction.
        gas_max: u64,
    },
}

impl SubmitError {
    /// Whether waiting cannot help.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        matches!(
            self,
            Self::Url { .. }
                | Self::Io { .. }
                | Self::Journal { .. }
                | Self::Locked { .. }
                | Self::ChainId { .. }
                | Self::Signing(_)
        )
    }
}
