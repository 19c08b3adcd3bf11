//! The `eth_` methods, from JSON parameters to JSON results.

use super::{
    chain::{Block, Chain, Mined},
    error::{RpcError, to_json},
    evm::BLOCK_GAS_LIMIT,
    state::State,
};
use alloy::{
    consensus::{Transaction as _, transaction::Recovered},
    eips::{BlockId, BlockNumberOrTag},
    primitives::{Address, B256, Bytes, U64, U256},
    rpc::types::{
        BlockTransactions, FeeHistory, Filter, FilterBlockOption, Header as RpcHeader, Log, Transaction,
        TransactionReceipt, TransactionRequest,
    },
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;

/// Most logs in one answer.
const LOGS_MAX: usize = 10_000;
/// Most blocks in one `eth_feeHistory`.
const FEE_HISTORY_MAX: u64 = 1024;
/// What `eth_maxPriorityFeePerGas` suggests.
const TIP_SUGGESTED_WEI: u128 = 1_000_000_000;
/// What this calls itself.
const CLIENT: &str = concat!("sinter-dev-l1/", env!("CARGO_PKG_VERSION"));

/// A call's effect on mining.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    Submitted,
}

/// Positional parameters.
struct Params(Vec<Value>);

impl Params {
    fn get<T: DeserializeOwned>(&mut self, index: usize) -> Result<T, RpcError> {
        self.option(index)?.ok_or(RpcError::InvalidArgument { index, reason: "missing value".into() })
    }

    fn option<T: DeserializeOwned>(&mut self, index: usize) -> Result<Option<T>, RpcError> {
        match self.0.get_mut(index).map(Value::take) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|error| RpcError::InvalidArgument { index, reason: error.to_string() }),
        }
    }
}

/// Answers one call.
pub(super) fn dispatch(chain: &mut Chain, method: &str, params: Value) -> Result<(Value, Effect), RpcError> {
    let mut params = match params {
        Value::Null => Params(Vec::new()),
        Value::Array(values) => Params(values),
        _ => return Err(RpcError::InvalidArgument { index: 0, reason: "expected an array of parameters".into() }),
    };
    if method == "eth_sendRawTransaction" {
        let raw: Bytes = params.get(0)?;
        return Ok((to_json(chain.submit(&raw)?)?, Effect::Submitted));
    }
    query(chain, method, params).map(|value| (value, Effect::None))
}

fn query(chain: &Chain, method: &str, mut params: Params) -> Result<Value, RpcError> {
    match method {
        "web3_clientVersion" => to_json(CLIENT),
        "net_version" => to_json(chain.chain_id.to_string()),
        "net_listening" => to_json(true),
        "eth_syncing" => to_json(false),
        "eth_accounts" => to_json(Vec::<Address>::new()),
        "eth_chainId" => to_json(U64::from(chain.chain_id)),
        "eth_blockNumber" => to_json(U64::from(chain.head().header.number)),
        "eth_gasPrice" => to_json(U256::from(u128::from(chain.next_base_fee()) + TIP_SUGGESTED_WEI)),
        "eth_maxPriorityFeePerGas" => to_json(U256::from(TIP_SUGGESTED_WEI)),
        "eth_blobBaseFee" => {
            to_json(U256::from(chain.head().header.blob_fee(alloy::eips::eip7840::BlobParams::osaka()).unwrap_or(1)))
        }
        "eth_getBlockByNumber" => {
            let number = chain.resolve(params.get(0)?);
            let full = params.option(1)?.unwrap_or(false);
            chain.block(number).map_or(Ok(Value::Null), |block| block_json(block, full))
        }
        "eth_getBlockByHash" => {
            let hash: B256 = params.get(0)?;
            let full = params.option(1)?.unwrap_or(false);
            chain.block_by_hash(&hash).map_or(Ok(Value::Null), |block| block_json(block, full))
        }
        "eth_getBlockReceipts" => {
            let block = block_at(chain, params.get(0)?)?;
            to_json((0..block.transactions.len()).map(|index| receipt(block, index)).collect::<Vec<_>>())
        }
        "eth_getTransactionByHash" => {
            let hash: B256 = params.get(0)?;
            if let Some((block, index)) = chain.mined(&hash) {
                return to_json(transaction(block, index));
            }
            let Some(waiting) = chain.waiting(&hash) else { return Ok(Value::Null) };
            to_json(Transaction {
                inner: Recovered::new_unchecked(waiting.transaction.clone(), waiting.sender),
                block_hash: None,
                block_number: None,
                transaction_index: None,
                effective_gas_price: None,
                block_timestamp: None,
            })
        }
        "eth_getTransactionReceipt" => {
            let hash: B256 = params.get(0)?;
            chain.mined(&hash).map_or(Ok(Value::Null), |(block, index)| to_json(receipt(block, index)))
        }
        "eth_getTransactionCount" => {
            let address: Address = params.get(0)?;
            let block: Option<BlockId> = params.option(1)?;
            if block == Some(BlockId::Number(BlockNumberOrTag::Pending)) {
                return to_json(U64::from(chain.pending_nonce(&address)));
            }
            to_json(U64::from(state_at(chain, block)?.account(&address).nonce))
        }
        "eth_getBalance" => {
            let address: Address = params.get(0)?;
            to_json(state_at(chain, params.option(1)?)?.account(&address).balance)
        }
        "eth_getCode" => {
            let address: Address = params.get(0)?;
            to_json(state_at(chain, params.option(1)?)?.code(&address).original_bytes())
        }
        "eth_getStorageAt" => {
            let (address, slot): (Address, U256) = (params.get(0)?, params.get(1)?);
            to_json(B256::from(state_at(chain, params.option(2)?)?.slot(address, slot)))
        }
        "eth_call" => {
            let request: TransactionRequest = params.get(0)?;
            to_json(chain.call(&request, number(chain, params.option(1)?)?)?)
        }
        "eth_estimateGas" => {
            let request: TransactionRequest = params.get(0)?;
            to_json(U64::from(chain.estimate_gas(&request, number(chain, params.option(1)?)?)?))
        }
        "eth_feeHistory" => {
            let count: U64 = params.get(0)?;
            let newest = chain.resolve(params.get(1)?);
            let percentiles: Vec<f64> = params.option(2)?.unwrap_or_default();
            to_json(fee_history(chain, count.to(), newest, &percentiles)?)
        }
        "eth_getLogs" => to_json(logs(chain, &params.get(0)?)?),
        "txpool_status" => to_json(serde_json::json!({ "pending": U64::from(chain.waiting_count()), "queued": "0x0" })),
        other => Err(RpcError::MethodNotFound(other.chars().take(64).collect())),
    }
}

fn block_at(chain: &Chain, id: BlockId) -> Result<&Block, RpcError> {
    match id {
        BlockId::Hash(hash) => chain.block_by_hash(&hash.block_hash),
        BlockId::Number(tag) => chain.block(chain.resolve(tag)),
    }
    .ok_or(RpcError::HeaderNotFound)
}

/// The block whose state is asked about: the head where none is named. Nothing is pending but in the pool.
fn number(chain: &Chain, block: Option<BlockId>) -> Result<u64, RpcError> {
    Ok(block_at(chain, block.unwrap_or_default())?.header.number)
}

fn state_at(chain: &Chain, block: Option<BlockId>) -> Result<Cow<'_, State>, RpcError> {
    chain.state(number(chain, block)?)
}

fn block_json(block: &Block, full: bool) -> Result<Value, RpcError> {
    let transactions = if full {
        BlockTransactions::Full((0..block.transactions.len()).map(|index| transaction(block, index)).collect())
    } else {
        BlockTransactions::Hashes(block.transactions.iter().map(|mined| *mined.transaction.tx_hash()).collect())
    };
    let header = RpcHeader { hash: block.hash, inner: block.header.clone(), total_difficulty: None, size: None };
    to_json(alloy::rpc::types::Block {
        header,
        uncles: Vec::new(),
        transactions,
        withdrawals: Some(Default::default()),
    })
}

fn transaction(block: &Block, index: usize) -> Transaction<super::evm::BlockTransaction> {
    let Mined { transaction, sender, effective_gas_price, .. } = &block.transactions[index];
    Transaction {
        inner: Recovered::new_unchecked(transaction.clone(), *sender),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(*effective_gas_price),
        block_timestamp: Some(block.header.timestamp),
    }
}

fn receipt(block: &Block, index: usize) -> TransactionReceipt {
    let mined = &block.transactions[index];
    let first_log: usize = block.transactions[..index].iter().map(|earlier| earlier.receipt.logs().len()).sum();
    let mut log_index = first_log;
    let inner = mined.receipt.clone().map_logs(|log| {
        let log = log_at(block, index, log_index, log);
        log_index += 1;
        log
    });
    let blob_gas_used = mined.transaction.blob_gas_used();
    TransactionReceipt {
        inner,
        transaction_hash: *mined.transaction.tx_hash(),
        transaction_index: Some(index as u64),
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        gas_used: mined.gas_used,
        effective_gas_price: mined.effective_gas_price,
        blob_gas_used,
        blob_gas_price: blob_gas_used.and_then(|_| block.header.blob_fee(alloy::eips::eip7840::BlobParams::osaka())),
        from: mined.sender,
        to: mined.transaction.to(),
        contract_address: mined.contract_address,
    }
}

fn log_at(block: &Block, index: usize, log_index: usize, inner: alloy::primitives::Log) -> Log {
    Log {
        inner,
        block_hash: Some(block.hash),
        block_number: Some(block.header.number),
        block_timestamp: Some(block.header.timestamp),
        transaction_hash: Some(*block.transactions[index].transaction.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(log_index as u64),
        removed: false,
    }
}

fn logs(chain: &Chain, filter: &Filter) -> Result<Vec<Log>, RpcError> {
    let (from, to) = match filter.block_option {
        FilterBlockOption::AtBlockHash(hash) => {
            let number = chain.block_by_hash(&hash).ok_or(RpcError::HeaderNotFound)?.header.number;
            (number, number)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            (chain.resolve(from_block.unwrap_or_default()), chain.resolve(to_block.unwrap_or_default()))
        }
    };
    let mut found = Vec::new();
    // Blocks beyond the head are none, and bounded history bounds the loop.
    for block in (from..=to.min(chain.head().header.number)).filter_map(|number| chain.block(number)) {
        if !filter.matches_bloom(block.header.logs_bloom) {
            continue;
        }
        let mut log_index = 0;
        for (index, mined) in block.transactions.iter().enumerate() {
            for log in mined.receipt.logs() {
                if filter.matches(log) {
                    if found.len() == LOGS_MAX {
                        return Err(RpcError::TooManyLogs(LOGS_MAX));
                    }
                    found.push(log_at(block, index, log_index, log.clone()));
                }
                log_index += 1;
            }
        }
    }
    Ok(found)
}

fn fee_history(chain: &Chain, count: u64, newest: u64, percentiles: &[f64]) -> Result<FeeHistory, RpcError> {
    if percentiles.len() > 100 || !percentiles.is_sorted() || percentiles.iter().any(|p| !(0.0..=100.0).contains(p)) {
        return Err(RpcError::InvalidArgument {
            index: 2,
            reason: "expected ascending percentiles from 0 to 100".into(),
        });
    }
    chain.block(newest).ok_or(RpcError::HeaderNotFound)?;
    let count = count.clamp(1, FEE_HISTORY_MAX).min(newest + 1);
    let blocks: Vec<&Block> = (newest + 1 - count..=newest).filter_map(|number| chain.block(number)).collect();
    let base_fee = |block: &Block| u128::from(block.header.base_fee_per_gas.unwrap_or_default());
    let after_newest = chain.block(newest + 1).map_or_else(|| u128::from(chain.next_base_fee()), base_fee);
    let blob_fee = |block: &Block| block.header.blob_fee(alloy::eips::eip7840::BlobParams::osaka()).unwrap_or(1);
    let newest_blob_fee = blocks.last().map_or(1, |block| blob_fee(block));
    Ok(FeeHistory {
        oldest_block: blocks.first().map_or(newest, |block| block.header.number),
        base_fee_per_gas: blocks.iter().map(|block| base_fee(block)).chain([after_newest]).collect(),
        gas_used_ratio: blocks.iter().map(|block| block.header.gas_used as f64 / BLOCK_GAS_LIMIT as f64).collect(),
        base_fee_per_blob_gas: blocks.iter().map(|block| blob_fee(block)).chain([newest_blob_fee]).collect(),
        blob_gas_used_ratio: blocks.iter().map(|block| blob_ratio(block)).collect(),
        reward: (!percentiles.is_empty()).then(|| blocks.iter().map(|block| rewards(block, percentiles)).collect()),
    })
}

fn blob_ratio(block: &Block) -> f64 {
    let most = alloy::eips::eip7840::BlobParams::osaka().max_blob_gas_per_block();
    block.header.blob_gas_used.unwrap_or_default() as f64 / most as f64
}

/// Tips at percentiles of the block's gas.
fn rewards(block: &Block, percentiles: &[f64]) -> Vec<u128> {
    let base_fee = u128::from(block.header.base_fee_per_gas.unwrap_or_default());
    let mut tips: Vec<(u128, u64)> = block
        .transactions
        .iter()
        .map(|mined| (mined.effective_gas_price.saturating_sub(base_fee), mined.gas_used))
        .collect();
    tips.sort_unstable();
    let at = |percentile: &f64| {
        let threshold = (block.header.gas_used as f64 * percentile / 100.0) as u64;
        let mut gas = 0;
        tips.iter()
            .find(|(_, used)| {
                gas += used;
                gas >= threshold
            })
            .map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(at).collect()
}
