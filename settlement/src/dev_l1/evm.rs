//! revm under mainnet's rules: one transaction over a state.

use super::{error::RpcError, state::State};
use alloy::{
    consensus::{EthereumTxEnvelope, Transaction as _, TxEip4844},
    eips::eip7840::BlobParams,
    primitives::{Address, B256, Bytes, TxKind, U256},
    rpc::types::TransactionRequest,
    sol_types::{Revert, SolError},
};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, TxEnv,
        result::{EVMError, ExecutionResult, InvalidTransaction, ResultAndState},
    },
    context_interface::block::BlobExcessGasAndPrice,
    database_interface::WrapDatabaseRef,
    primitives::hardfork::SpecId,
};
use std::convert::Infallible;

/// A transaction as blocks hold it: a blob transaction without its blobs.
pub(super) type BlockTransaction = EthereumTxEnvelope<TxEip4844>;

/// Most gas of one transaction (EIP-7825).
pub const TRANSACTION_GAS_MAX: u64 = 16_777_216;
/// Gas of one block, as on mainnet.
pub const BLOCK_GAS_LIMIT: u64 = 60_000_000;

/// The block that a transaction runs in.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockContext {
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) base_fee: u64,
    pub(super) prevrandao: B256,
    pub(super) beneficiary: Address,
}

/// Whether the sender's nonce must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Nonce {
    Checked,
    Any,
}

/// Runs a transaction; the state does not change.
pub(super) fn run(
    state: &State,
    chain_id: u64,
    block: BlockContext,
    transaction: TxEnv,
    nonce: Nonce,
) -> Result<ResultAndState, EVMError<Infallible, InvalidTransaction>> {
    let mut config = CfgEnv::new().with_chain_id(chain_id).with_spec_and_mainnet_gas_params(SpecId::OSAKA);
    config.disable_nonce_check = nonce == Nonce::Any;
    let blobs = BlobParams::osaka();
    let block = BlockEnv {
        number: U256::from(block.number),
        beneficiary: block.beneficiary,
        timestamp: U256::from(block.timestamp),
        gas_limit: BLOCK_GAS_LIMIT,
        basefee: block.base_fee,
        prevrandao: Some(block.prevrandao),
        // No blob is ever mined here, so there is no excess.
        blob_excess_gas_and_price: Some(BlobExcessGasAndPrice::new(0, blobs.update_fraction as u64)),
        ..BlockEnv::default()
    };
    Context::mainnet()
        .with_db(WrapDatabaseRef(state))
        .with_cfg(config)
        .with_block(block)
        .build_mainnet()
        .transact(transaction)
}

/// A signed transaction as revm takes it.
pub(super) fn signed(transaction: &BlockTransaction, sender: Address) -> TxEnv {
    TxEnv {
        tx_type: transaction.tx_type() as u8,
        caller: sender,
        gas_limit: transaction.gas_limit(),
        gas_price: transaction.max_fee_per_gas(),
        kind: transaction.kind(),
        value: transaction.value(),
        data: transaction.input().clone(),
        nonce: transaction.nonce(),
        chain_id: transaction.chain_id(),
        access_list: transaction.access_list().cloned().unwrap_or_default(),
        gas_priority_fee: transaction.max_priority_fee_per_gas(),
        blob_hashes: transaction.blob_versioned_hashes().unwrap_or_default().to_vec(),
        max_fee_per_blob_gas: transaction.max_fee_per_blob_gas().unwrap_or_default(),
        authorization_list: transaction
            .authorization_list()
            .unwrap_or_default()
            .iter()
            .cloned()
            .map(revm::context::either::Either::Left)
            .collect(),
    }
}

/// A call as revm takes it. Without a price it costs nothing, as in geth.
pub(super) fn call(request: &TransactionRequest, gas_limit: u64) -> TxEnv {
    let mut transaction = TxEnv {
        caller: request.from.unwrap_or_default(),
        gas_limit,
        gas_price: request.max_fee_per_gas.or(request.gas_price).unwrap_or_default(),
        gas_priority_fee: request.max_priority_fee_per_gas,
        kind: request.to.unwrap_or(TxKind::Create),
        value: request.value.unwrap_or_default(),
        data: request.input.input().cloned().unwrap_or_default(),
        nonce: 0,
        chain_id: None,
        access_list: request.access_list.clone().unwrap_or_default(),
        ..TxEnv::default()
    };
    transaction.set_signed_authorization(request.authorization_list.clone().unwrap_or_default());
    // The type follows from the fields. It fails only for lists that the fields above cannot make.
    if transaction.derive_tx_type().is_err() {
        transaction.tx_type = 2;
    }
    transaction
}

/// What a call returned.
pub(super) fn output(result: ExecutionResult) -> Result<Bytes, RpcError> {
    match result {
        ExecutionResult::Success { output, .. } => Ok(output.into_data()),
        ExecutionResult::Revert { output, .. } => {
            let reason = Revert::abi_decode(&output).ok().map(|revert| revert.reason);
            Err(RpcError::Reverted { reason, data: output })
        }
        ExecutionResult::Halt { reason, .. } => Err(RpcError::Halted(halt_words(&format!("{reason:?}")))),
    }
}

/// geth's words for the usual ways to fail.
fn halt_words(reason: &str) -> String {
    if reason.starts_with("OutOfGas") {
        "out of gas".into()
    } else if reason.starts_with("InvalidFEOpcode") || reason.starts_with("OpcodeNotFound") {
        "invalid opcode".into()
    } else {
        reason.into()
    }
}

/// revm's refusal in geth's words.
pub(super) fn refusal(error: EVMError<Infallible, InvalidTransaction>, sender: Address) -> RpcError {
    let EVMError::Transaction(error) = error else { return RpcError::Internal(error.to_string()) };
    match error {
        InvalidTransaction::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
            RpcError::IntrinsicGas { needed: initial_gas, got: gas_limit }
        }
        InvalidTransaction::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
            RpcError::FloorGas { needed: gas_floor, got: gas_limit }
        }
        InvalidTransaction::TxGasLimitGreaterThanCap { gas_limit, cap } => RpcError::GasCap { cap, got: gas_limit },
        InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
            RpcError::InsufficientFunds { address: sender, have: *balance, want: *fee }
        }
        InvalidTransaction::NonceTooLow { tx, state } => RpcError::NonceTooLow { next: state, got: tx },
        InvalidTransaction::CallerGasLimitMoreThanBlock => RpcError::BlockGasLimit,
        other => RpcError::Halted(other.to_string()),
    }
}
