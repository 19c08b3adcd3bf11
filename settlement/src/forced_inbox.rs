//! The `ForcedInbox` contract from outside: append to it, read what was appended.

use crate::light_client::{LOG_BLOCKS, LightClientError, ask_at, foreign, send};
use alloy::{
    eips::BlockId,
    primitives::{Address, Bytes, TxHash, TxKind},
    providers::Provider,
    rpc::types::{Filter, TransactionReceipt},
    sol_types::{SolCall, SolConstructor, SolEvent, SolInterface},
};
use sinter_primitives::{Namespace, forced_inbox::ForcedEntry};

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ForcedInbox,
        "artifacts/ForcedInbox.json"
    );
}

use contract::ForcedInbox as Contract;
pub use contract::ForcedInbox::{ForcedInboxErrors as Refusal, forceCall};

/// Why entries were not taken.
#[derive(Debug, thiserror::Error)]
pub enum EntriesError {
    /// The L1 did not answer, refused, or has something else at the address.
    #[error(transparent)]
    L1(#[from] LightClientError),
    /// It left an entry out, or has others than those before.
    #[error(
        "L1: expected entry {expected} of the forced inbox in block {block} or before, got {got}: ask another L1 node"
    )]
    Gap {
        /// The L1 block.
        block: u64,
        /// The number that comes next.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// It told fewer or more entries than the contract has.
    #[error("L1: expected {expected} entries of the forced inbox by block {block}, got {got}: ask another L1 node")]
    Count {
        /// The L1 block.
        block: u64,
        /// How many the contract has there.
        expected: u64,
        /// How many were told, those from before included.
        got: u64,
    },
}

/// The code that creates the contract.
#[must_use]
pub fn creation_code(light_client: Address) -> Bytes {
    let arguments = Contract::constructorCall { lightClient_: light_client };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// Appends a transaction; gives the L1's transaction and the entry, whose number is certain once that is final. The provider signs and
/// pays; it must not be used by anybody else meanwhile.
///
/// # Errors
/// [`LightClientError`], when the L1 refuses or does not mine the transaction within two minutes.
pub async fn force(
    provider: &impl Provider,
    sender: Address,
    contract: Address,
    namespace: Namespace,
    payload: Bytes,
) -> Result<(TxHash, ForcedEntry), LightClientError> {
    let call = forceCall { namespace: namespace.0, payload };
    let receipt = send(provider, sender, TxKind::Call(contract), call.abi_encode().into()).await?;
    Ok((receipt.transaction_hash, entry_in(contract, &receipt)?))
}

/// The entry that a transaction of the L1 appended, as the L1 has it now. Nothing while it is in no block.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer, or the transaction appended nothing.
pub async fn entry_of(
    provider: &impl Provider,
    contract: Address,
    transaction: TxHash,
) -> Result<Option<ForcedEntry>, LightClientError> {
    let receipt = provider.get_transaction_receipt(transaction).await?;
    receipt.map(|receipt| entry_in(contract, &receipt)).transpose()
}

fn entry_in(contract: Address, receipt: &TransactionReceipt) -> Result<ForcedEntry, LightClientError> {
    let event = receipt.decoded_log::<Contract::Forced>().ok_or_else(|| LightClientError::NotAContract {
        address: contract,
        reason: "it took a transaction and says nothing of an entry".into(),
    })?;
    Ok(ForcedEntry {
        index: event.index,
        l1_block: receipt.block_number.unwrap_or_default(),
        namespace: Namespace(event.namespace),
        payload: event.data.payload.0,
    })
}

/// The contract's refusal, from what a reverted call returned.
#[must_use]
pub fn refusal(data: &[u8]) -> Option<Refusal> {
    Refusal::abi_decode(data).ok()
}

/// How many entries the contract has at the end of an L1 block: none where nothing stands at the address yet.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn count(provider: &impl Provider, address: Address, block: u64) -> Result<u64, LightClientError> {
    let at = BlockId::number(block);
    match ask_at(provider, address, &Contract::countCall {}, at).await {
        Err(LightClientError::NotAContract { .. }) if provider.get_code_at(address).block_id(at).await?.is_empty() => {
            Ok(0)
        }
        count => count,
    }
}

/// The entries that came in the L1 blocks after `after` up to `until`, `first` being the number of entries by `after`, as the L1 tells
/// them: the first ones without a gap. Whether they are all, [`count`] says, or the next ones.
///
/// # Errors
/// [`EntriesError`].
pub async fn entries(
    provider: &impl Provider,
    address: Address,
    (after, first): (u64, u64),
    until: u64,
) -> Result<Vec<ForcedEntry>, EntriesError> {
    let mut entries = Vec::new();
    let mut from_block = after.saturating_add(1);
    while from_block <= until {
        let to_block = until.min(from_block.saturating_add(LOG_BLOCKS - 1));
        let filter = Filter::new().address(address).event_signature(Contract::Forced::SIGNATURE_HASH);
        let logs = provider.get_logs(&filter.from_block(from_block).to_block(to_block)).await;
        for log in logs.map_err(LightClientError::from)? {
            let event = Contract::Forced::decode_log(&log.inner).map_err(|error| foreign(address, &error))?;
            let (expected, got) = (first + entries.len() as u64, event.index);
            let least = entries.last().map_or(from_block, |last: &ForcedEntry| last.l1_block);
            // A log of a block that is final has its number.
            let l1_block = log.block_number.unwrap_or(to_block);
            if got != expected || !(least..=to_block).contains(&l1_block) {
                return Err(EntriesError::Gap { block: to_block, expected, got });
            }
            let namespace = Namespace(event.namespace);
            entries.push(ForcedEntry { index: got, l1_block, namespace, payload: event.data.payload.0 });
        }
        from_block = to_block.saturating_add(1);
    }
    Ok(entries)
}

/// Refuses another number of entries by an L1 block than the contract has there.
///
/// # Errors
/// [`EntriesError`].
pub async fn check_count(provider: &impl Provider, address: Address, block: u64, got: u64) -> Result<(), EntriesError> {
    let expected = count(provider, address, block).await?;
    if expected == got { Ok(()) } else { Err(EntriesError::Count { block, expected, got }) }
}
