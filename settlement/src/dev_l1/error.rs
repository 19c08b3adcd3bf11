//! Refusals, in the words and with the codes that geth uses: clients match on them.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::Serialize;
use serde_json::{Value, json};

/// A JSON-RPC error object's content.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RpcError {
    /// The body is not JSON.
    #[error("parse error: {0}")]
    Parse(String),
    /// The body is not a request.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
    /// There is no such method here.
    #[error("the method {0} does not exist/is not available")]
    MethodNotFound(String),
    /// A parameter is missing or of the wrong type.
    #[error("invalid argument {index}: {reason}")]
    InvalidArgument {
        /// Its position.
        index: usize,
        /// What is wrong.
        reason: String,
    },
    /// The transaction's bytes are no signed transaction.
    #[error("rlp: {0}")]
    Decoding(String),
    /// A transaction type that this chain does not take.
    #[error("transaction type not supported: {0}")]
    TransactionType(u8),
    /// The signature has no signer.
    #[error("invalid sender: {0}")]
    Sender(String),
    /// For another chain.
    #[error("invalid chain id for signer: have {got} want {expected}")]
    ChainId {
        /// This chain's.
        expected: u64,
        /// The transaction's.
        got: u64,
    },
    /// A legacy transaction that would be valid on any chain.
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    /// Larger than 128 KiB.
    #[error("oversized data: transaction size {got}, limit {limit}")]
    Oversized {
        /// The limit.
        limit: usize,
        /// Its size.
        got: usize,
    },
    /// EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {got})")]
    GasCap {
        /// The cap.
        cap: u64,
        /// The transaction's limit.
        got: u64,
    },
    /// Would never fit a block.
    #[error("exceeds block gas limit")]
    BlockGasLimit,
    /// Under the intrinsic cost.
    #[error("intrinsic gas too low: gas {got}, minimum needed {needed}")]
    IntrinsicGas {
        /// The least that would do.
        needed: u64,
        /// The transaction's limit.
        got: u64,
    },
    /// EIP-7623.
    #[error("insufficient gas for floor data gas cost: gas {got}, minimum needed {needed}")]
    FloorGas {
        /// The least that would do.
        needed: u64,
        /// The transaction's limit.
        got: u64,
    },
    /// EIP-3860.
    #[error("max initcode size exceeded: code size {got} limit {limit}")]
    InitCode {
        /// The limit.
        limit: usize,
        /// Its size.
        got: usize,
    },
    /// The tip exceeds the fee that it is part of.
    #[error("max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}")]
    TipAboveFee {
        /// maxPriorityFeePerGas.
        tip: u128,
        /// maxFeePerGas.
        fee: u128,
    },
    /// Already used.
    #[error("nonce too low: next nonce {next}, tx nonce {got}")]
    NonceTooLow {
        /// The account's.
        next: u64,
        /// The transaction's.
        got: u64,
    },
    /// Further ahead than an account may queue.
    #[error("nonce too high: next nonce {next}, tx nonce {got}, most queued {most}")]
    NonceTooHigh {
        /// The account's.
        next: u64,
        /// The transaction's.
        got: u64,
        /// How many may wait.
        most: u64,
    },
    /// The account cannot pay.
    #[error("insufficient funds for gas * price + value: address {address} have {have} want {want}")]
    InsufficientFunds {
        /// The account.
        address: Address,
        /// Its balance.
        have: U256,
        /// The most that it may be charged.
        want: U256,
    },
    /// The same transaction waits already.
    #[error("already known")]
    AlreadyKnown,
    /// A transaction of this nonce waits, and this one pays less than a tenth more.
    #[error(
        "replacement transaction underpriced: new tx gas fee cap {fee}, tip {tip}, needed {fee_needed}, {tip_needed}"
    )]
    ReplacementUnderpriced {
        /// maxFeePerGas.
        fee: u128,
        /// maxPriorityFeePerGas.
        tip: u128,
        /// The least maxFeePerGas.
        fee_needed: u128,
        /// The least maxPriorityFeePerGas.
        tip_needed: u128,
    },
    /// No more may wait.
    #[error("txpool is full")]
    PoolFull,
    /// The call reverted.
    #[error("execution reverted{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Reverted {
        /// Solidity's reason, where it is one.
        reason: Option<String>,
        /// What the contract returned.
        data: Bytes,
    },
    /// The call failed without a revert.
    #[error("{0}")]
    Halted(String),
    /// No gas limit is enough.
    #[error("gas required exceeds allowance ({0})")]
    GasRequired(u64),
    /// No such block, or one that has been forgotten.
    #[error("header not found")]
    HeaderNotFound,
    /// The states of the last 128 blocks are known, the head's among them.
    #[error("historical state of block {0} is not available")]
    HistoricalState(u64),
    /// More logs than one answer may carry.
    #[error("query returned more than {0} results")]
    TooManyLogs(usize),
    /// A batch with too many requests.
    #[error("batch too large: limit {limit}, got {got}")]
    BatchTooLarge {
        /// The limit.
        limit: usize,
        /// How many came.
        got: usize,
    },
    /// The transaction waits no more and is in no block.
    #[error("transaction {0} was dropped")]
    Dropped(B256),
    /// A result that does not serialize.
    #[error("internal error: {0}")]
    Internal(String),
}

impl RpcError {
    /// The JSON-RPC code.
    #[must_use]
    pub const fn code(&self) -> i64 {
        match self {
            Self::Parse(_) => -32700,
            Self::InvalidRequest(_) | Self::BatchTooLarge { .. } => -32600,
            Self::MethodNotFound(_) => -32601,
            Self::InvalidArgument { .. } => -32602,
            Self::Internal(_) => -32603,
            Self::Reverted { .. } => 3,
            _ => -32000,
        }
    }

    /// The error object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = json!({ "code": self.code(), "message": self.to_string() });
        if let Self::Reverted { data, .. } = self {
            object["data"] = json!(data);
        }
        object
    }
}

/// A result as JSON.
pub(super) fn to_json<T: Serialize>(value: T) -> Result<Value, RpcError> {
    serde_json::to_value(value).map_err(|error| RpcError::Internal(error.to_string()))
}
