//! What the relayer asks of an L1, and how it understands the answers.

use super::{RelayerError, journal::Post};
use crate::light_client;
use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, Bytes, TxKind},
    providers::{Provider, ProviderBuilder, RootProvider},
    rpc::types::{TransactionReceipt, TransactionRequest},
};

/// The L1 as the contract and the sender see it, at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct View {
    /// The contract's head.
    pub(super) head: light_client::Head,
    /// The sender's next nonce in the last block.
    pub(super) nonce: u64,
    /// The last block that will not be taken back.
    pub(super) finalized: u64,
    /// What the next block asks per gas.
    pub(super) base_fee_wei: u128,
    /// What the L1 suggests as a tip.
    pub(super) tip_wei: u128,
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

/// A connection to an L1.
#[derive(Clone, Debug)]
pub(super) struct L1 {
    provider: RootProvider,
    contract: Address,
    sender: Address,
}

impl L1 {
    pub(super) fn new(url: &str, contract: Address, sender: Address) -> Result<Self, RelayerError> {
        let url = url.parse().map_err(|_| RelayerError::Url { got: url.to_owned() })?;
        Ok(Self { provider: ProviderBuilder::default().connect_http(url), contract, sender })
    }

    pub(super) async fn chain_id(&self) -> Result<u64, RelayerError> {
        Ok(self.provider.get_chain_id().await?)
    }

    pub(super) async fn view(&self) -> Result<View, RelayerError> {
        // In this order, a post that the nonce counts is in the head.
        let nonce = self.provider.get_transaction_count(self.sender).await?;
        let head = light_client::head(&self.provider, self.contract).await?;
        // A young chain has no finalized block.
        let finalized = self.provider.get_block_by_number(BlockNumberOrTag::Finalized).await?;
        let latest = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
        let base_fee = latest.and_then(|block| block.header.base_fee_per_gas).unwrap_or_default();
        Ok(View {
            head,
            nonce,
            finalized: finalized.map_or(0, |block| block.header.number),
            base_fee_wei: u128::from(base_fee),
            tip_wei: self.provider.get_max_priority_fee_per_gas().await?,
        })
    }

    /// The receipt of whichever attempt at a post was included.
    pub(super) async fn receipt(&self, post: &Post) -> Result<Option<TransactionReceipt>, RelayerError> {
        for attempt in post.attempts.iter().rev() {
            if let Some(receipt) = self.provider.get_transaction_receipt(attempt.hash).await? {
                return Ok(Some(receipt));
            }
        }
        Ok(None)
    }

    pub(super) async fn send(&self, raw: &Bytes) -> Result<Sent, RelayerError> {
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

    /// The gas that a call needs; `Err(Some(..))` inside is the contract's refusal.
    pub(super) async fn estimate(
        &self,
        call: &Bytes,
    ) -> Result<Result<u64, Option<light_client::Refusal>>, RelayerError> {
        let request = TransactionRequest {
            from: Some(self.sender),
            to: Some(TxKind::Call(self.contract)),
            input: call.clone().into(),
            ..Default::default()
        };
        match self.provider.estimate_gas(request).await {
            Ok(gas) => Ok(Ok(gas)),
            Err(error) => match error.as_error_resp() {
                Some(response) if response.code == 3 || response.message.contains("revert") => {
                    Ok(Err(response.as_revert_data().and_then(|data| light_client::refusal(&data))))
                }
                _ => Err(error.into()),
            },
        }
    }
}
