//! What a submitter asks of an L1, and how it understands the answers.

use super::{
    SubmitError,
    journal::{Post, Subject},
};
use alloy::{
    eips::{BlockId, BlockNumberOrTag, eip1559::BaseFeeParams},
    primitives::{Address, Bytes, TxKind},
    providers::{Provider, ProviderBuilder, RootProvider},
    rpc::types::{TransactionReceipt, TransactionRequest},
    transports::{RpcError, TransportErrorKind},
};

/// The L1 as the sender sees it, at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    /// The sender's next nonce in the last block.
    pub(crate) nonce: u64,
    /// The last block.
    pub(crate) head: u64,
    /// The last block that will not be taken back.
    pub(crate) finalized: u64,
    /// What the next block asks per gas.
    pub(crate) base_fee_wei: u128,
    /// What the L1 suggests as a tip.
    pub(crate) tip_wei: u128,
}

/// What came of sending a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It waits now, or did before.
    Waiting,
    /// The nonce has been used: look again for what used it.
    NonceUsed,
    /// A transaction of this nonce waits that pays about as much.
    Underpriced,
    /// Refused, in the L1's words.
    Refused(String),
}

/// A contract would refuse a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reverted {
    /// What the contract returned, where the node says it.
    pub(crate) data: Option<Bytes>,
    /// The node's words.
    pub(crate) words: String,
}

/// A connection to an L1.
#[derive(Clone, Debug)]
pub(crate) struct L1 {
    pub(crate) provider: RootProvider,
    contract: Address,
    sender: Address,
}

impl L1 {
    pub(super) fn new(url: &str, contract: Address, sender: Address) -> Result<Self, SubmitError> {
        let url = url.parse().map_err(|_| SubmitError::Url { got: url.to_owned() })?;
        Ok(Self { provider: ProviderBuilder::default().connect_http(url), contract, sender })
    }

    pub(super) async fn chain_id(&self) -> Result<u64, SubmitError> {
        Ok(self.provider.get_chain_id().await?)
    }

    pub(super) async fn nonce(&self) -> Result<u64, SubmitError> {
        Ok(self.provider.get_transaction_count(self.sender).await?)
    }

    pub(super) async fn view(&self) -> Result<View, SubmitError> {
        // In this order, a transaction that the nonce counts is in the block, and in whatever is read later.
        let nonce = self.nonce().await?;
        let latest = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
        // A young chain has no finalized block.
        let finalized = self.provider.get_block_by_number(BlockNumberOrTag::Finalized).await?;
        let base_fee = latest.as_ref().and_then(|block| block.header.next_block_base_fee(BaseFeeParams::ethereum()));
        Ok(View {
            nonce,
            head: latest.map_or(0, |block| block.header.number),
            finalized: finalized.map_or(0, |block| block.header.number),
            base_fee_wei: u128::from(base_fee.unwrap_or_default()),
            tip_wei: self.provider.get_max_priority_fee_per_gas().await?,
        })
    }

    /// The receipt of whichever attempt at a post was included.
    pub(super) async fn receipt<S: Subject>(&self, post: &Post<S>) -> Result<Option<TransactionReceipt>, SubmitError> {
        for attempt in post.attempts.iter().rev() {
            if let Some(receipt) = self.provider.get_transaction_receipt(attempt.hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    pub(super) async fn send(&self, raw: &Bytes) -> Result<Sent, SubmitError> {
        let error = match self.provider.send_raw_transaction(raw).await {
            Ok(_) => return Ok(Sent::Waiting),
            Err(error) => error,
        };
        let Some(refusal) = error.as_error_resp() else { return Err(error.into()) };
        // geth's words, which other clients use too; there are no codes for them.
        let words = refusal.message.to_lowercase();
        Ok(if words.contains("already known") || words.contains("already imported") {
            Sent::Waiting
        } else if words.contains("nonce too low") {
            Sent::NonceUsed
        } else if words.contains("underpriced") {
            Sent::Underpriced
        } else {
            Sent::Refused(refusal.message.to_string())
        })
    }

    /// The gas that a call to the contract needs on the last block. What waits in pools does not count: anybody can put it there, and
    /// take it away.
    pub(crate) async fn estimate(&self, call: &Bytes) -> Result<Result<u64, Reverted>, SubmitError> {
        understand(self.provider.estimate_gas(self.request(call)).block(BlockId::latest()).await)
    }

    /// What the contract answers to a call from the sender, on the state after a block.
    pub(crate) async fn call(&self, call: &Bytes, block: BlockId) -> Result<Result<Bytes, Reverted>, SubmitError> {
        understand(self.provider.call(self.request(call)).block(block).await)
    }

    /// Whether there is a contract.
    pub(crate) async fn has_code(&self) -> Result<bool, SubmitError> {
        Ok(!self.provider.get_code_at(self.contract).await?.is_empty())
    }

    fn request(&self, call: &Bytes) -> TransactionRequest {
        TransactionRequest {
            from: Some(self.sender),
            to: Some(TxKind::Call(self.contract)),
            input: call.clone().into(),
            ..Default::default()
        }
    }
}

/// Tells a contract's refusal from a node's.
fn understand<T>(answer: Result<T, RpcError<TransportErrorKind>>) -> Result<Result<T, Reverted>, SubmitError> {
    match answer {
        Ok(answer) => Ok(Ok(answer)),
        Err(error) => match error.as_error_resp() {
            Some(response) if response.code == 3 || response.message.contains("revert") => {
                Ok(Err(Reverted { data: response.as_revert_data(), words: response.message.to_string() }))
            }
            _ => Err(error.into()),
        },
    }
}
