//! The chain: blocks with their receipts, the state at the head, and the transactions that wait.

use super::{
    blobs::{self, NetworkTransaction},
    error::RpcError,
    evm::{self, BLOCK_GAS_LIMIT, BlockContext, BlockTransaction, Nonce, TRANSACTION_GAS_MAX},
    pool::{Pool, Waiting},
    state::{State, Undo},
};
use crate::deployment::{FACTORY, FACTORY_CODE};
use alloy::{
    consensus::{
        EMPTY_OMMER_ROOT_HASH, Eip658Value, Header, Receipt, ReceiptEnvelope, ReceiptWithBloom, Transaction as _,
        TxType,
        proofs::{calculate_receipt_root, calculate_transaction_root},
        transaction::SignerRecoverable,
    },
    eips::{BlockNumberOrTag, Decodable2718, Encodable2718, eip1559::BaseFeeParams, eip7840::BlobParams},
    primitives::{Address, B256, Bloom, Bytes, U256, keccak256, logs_bloom},
    rpc::types::TransactionRequest,
};
use std::{
    borrow::Cow,
    collections::{HashMap, VecDeque},
};

/// Most bytes of a transaction without its blobs (geth's `txMaxSize`).
pub const TRANSACTION_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of code that creates a contract (EIP-3860).
const INITCODE_BYTES_MAX: usize = 2 * 24_576;
/// The least tip that geth's pool takes.
const TIP_MIN_WEI: u128 = 1;

/// Blocks before the head whose states can be asked about, as on a node that keeps no archive.
const HISTORY_BLOCKS: u64 = 127;

/// A transaction in a block.
#[derive(Debug)]
pub(super) struct Mined {
    pub(super) transaction: BlockTransaction,
    pub(super) sender: Address,
    pub(super) receipt: ReceiptEnvelope,
    pub(super) gas_used: u64,
    pub(super) effective_gas_price: u128,
    pub(super) contract_address: Option<Address>,
    undo: Undo,
}

/// A block.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) header: Header,
    pub(super) hash: B256,
    pub(super) transactions: Vec<Mined>,
}

/// Everything that the node knows.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) chain_id: u64,
    blocks_max: usize,
    state: State,
    /// The last blocks, without gaps, genesis included until it is forgotten.
    blocks: VecDeque<Block>,
    numbers: HashMap<B256, u64>,
    transactions: HashMap<B256, (u64, usize)>,
    pool: Pool,
    /// How often blocks were taken back: makes their successors differ from them.
    rollbacks: u64,
}

impl Chain {
    pub(super) fn new(
        chain_id: u64,
        blocks_max: usize,
        timestamp: u64,
        base_fee: u64,
        accounts: impl IntoIterator<Item = (Address, U256)>,
    ) -> Self {
        let mut state = State::default();
        for (address, wei) in accounts {
            state.credit(address, wei);
        }
        state.place(FACTORY, &FACTORY_CODE);
        let mut chain = Self {
            chain_id,
            blocks_max: blocks_max.max(2),
            state,
            blocks: VecDeque::new(),
            numbers: HashMap::new(),
            transactions: HashMap::new(),
            pool: Pool::default(),
            rollbacks: 0,
        };
        chain.push(Header { timestamp, base_fee_per_gas: Some(base_fee), ..chain.empty_header() }, Vec::new());
        chain
    }

    // ------------------------------------------------------------ reading

    /// The last block.
    pub(super) fn head(&self) -> &Block {
        // `new` pushes genesis, and pruning and rolling back leave a block.
        &self.blocks[self.blocks.len() - 1]
    }

    pub(super) fn block(&self, number: u64) -> Option<&Block> {
        let first = self.blocks.front()?.header.number;
        self.blocks.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    pub(super) fn block_by_hash(&self, hash: &B256) -> Option<&Block> {
        self.block(*self.numbers.get(hash)?)
    }

    /// A tag's number. One block makes a block safe, two make it final.
    pub(super) fn resolve(&self, tag: BlockNumberOrTag) -> u64 {
        let head = self.head().header.number;
        match tag {
            BlockNumberOrTag::Latest | BlockNumberOrTag::Pending => head,
            BlockNumberOrTag::Safe => head.saturating_sub(1),
            BlockNumberOrTag::Finalized => head.saturating_sub(2),
            BlockNumberOrTag::Earliest => 0,
            BlockNumberOrTag::Number(number) => number,
        }
    }

    pub(super) fn mined(&self, hash: &B256) -> Option<(&Block, usize)> {
        let (number, index) = self.transactions.get(hash)?;
        Some((self.block(*number)?, *index))
    }

    pub(super) fn waiting(&self, hash: &B256) -> Option<&Waiting> {
        self.pool.get(hash)
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.pool.len()
    }

    /// The state after a block, where it is still known.
    pub(super) fn state(&self, number: u64) -> Result<Cow<'_, State>, RpcError> {
        let head = self.head().header.number;
        if number == head {
            return Ok(Cow::Borrowed(&self.state));
        }
        let known = head.checked_sub(number).is_some_and(|back| back <= HISTORY_BLOCKS);
        if !known || self.block(number).is_none() {
            return Err(RpcError::HistoricalState(number));
        }
        let mut state = self.state.clone();
        for block in self.blocks.iter().rev().take_while(|block| block.header.number > number) {
            state.pop_hash();
            for mined in block.transactions.iter().rev() {
                state.revert(mined.undo.clone());
            }
        }
        Ok(Cow::Owned(state))
    }

    fn nonce(&self, address: &Address) -> u64 {
        self.state.account(address).nonce
    }

    pub(super) fn pending_nonce(&self, address: &Address) -> u64 {
        self.pool.pending_nonce(address, self.nonce(address))
    }

    fn balance(&self, address: &Address) -> U256 {
        self.state.account(address).balance
    }

    /// The next block's base fee, in wei.
    pub(super) fn next_base_fee(&self) -> u64 {
        base_fee_after(&self.head().header)
    }

    // ------------------------------------------------------------ transactions

    /// Takes a signed transaction in, if a mainnet node would.
    pub(super) fn submit(&mut self, raw: &[u8]) -> Result<B256, RpcError> {
        let network =
            NetworkTransaction::decode_2718_exact(raw).map_err(|error| RpcError::Decoding(error.to_string()))?;
        let transaction = blobs::strip(network)?;
        let sender = transaction.recover_signer().map_err(|error| RpcError::Sender(error.to_string()))?;
        self.check(&transaction, sender)?;
        let hash = *transaction.tx_hash();
        self.pool.insert(Waiting { transaction, sender }, self.nonce(&sender))?;
        Ok(hash)
    }

    fn check(&self, transaction: &BlockTransaction, sender: Address) -> Result<(), RpcError> {
        match transaction.chain_id() {
            None => return Err(RpcError::Unprotected),
            Some(got) if got != self.chain_id => return Err(RpcError::ChainId { expected: self.chain_id, got }),
            Some(_) => {}
        }
        let size = transaction.encode_2718_len();
        if size > TRANSACTION_BYTES_MAX {
            return Err(RpcError::Oversized { limit: TRANSACTION_BYTES_MAX, got: size });
        }
        if transaction.is_create() && transaction.input().len() > INITCODE_BYTES_MAX {
            return Err(RpcError::InitCode { limit: INITCODE_BYTES_MAX, got: transaction.input().len() });
        }
        if transaction.gas_limit() > TRANSACTION_GAS_MAX {
            return Err(RpcError::GasCap { cap: TRANSACTION_GAS_MAX, got: transaction.gas_limit() });
        }
        let (fee, tip) = (transaction.max_fee_per_gas(), transaction.priority_fee_or_price());
        if tip > fee {
            return Err(RpcError::TipAboveFee { tip, fee });
        }
        if tip < TIP_MIN_WEI {
            return Err(RpcError::Halted(format!(
                "transaction underpriced: gas tip cap {tip}, minimum needed {TIP_MIN_WEI}"
            )));
        }
        let next = self.nonce(&sender);
        if transaction.nonce() < next {
            return Err(RpcError::NonceTooLow { next, got: transaction.nonce() });
        }
        let blob_fee = transaction.max_fee_per_blob_gas().unwrap_or_default();
        let want = U256::from(transaction.gas_limit()) * U256::from(fee)
            + U256::from(transaction.blob_gas_used().unwrap_or_default()) * U256::from(blob_fee);
        let want = want.saturating_add(transaction.value());
        let have = self.balance(&sender);
        if have < want {
            return Err(RpcError::InsufficientFunds { address: sender, have, want });
        }
        // What is left are the intrinsic rules, which revm knows best. The nonce may be ahead and the base fee
        // above what is offered: such transactions wait.
        let block = BlockContext { base_fee: 0, ..self.context_after(self.head()) };
        let limits = evm::run(&self.state, self.chain_id, block, evm::signed(transaction, sender), Nonce::Any);
        limits.map(|_| ()).map_err(|error| evm::refusal(error, sender))
    }

    /// Runs a call on the state after a block.
    pub(super) fn call(&self, request: &TransactionRequest, number: u64) -> Result<Bytes, RpcError> {
        let gas = request.gas.unwrap_or(TRANSACTION_GAS_MAX).min(TRANSACTION_GAS_MAX);
        evm::output(self.run_call(request, gas, number)?)
    }

    /// The least gas limit with which a call succeeds on the state after a block.
    pub(super) fn estimate_gas(&self, request: &TransactionRequest, number: u64) -> Result<u64, RpcError> {
        let most = request.gas.unwrap_or(TRANSACTION_GAS_MAX).min(TRANSACTION_GAS_MAX);
        let result = self.run_call(request, most, number)?;
        let used = result.tx_gas_used();
        evm::output(result)?;
        // It succeeds with `most`; what it used may be too little because of refunds and the 63/64 rule.
        let (mut low, mut high) = (used.saturating_sub(1), most);
        let mut guess = used.saturating_add(used / 20).min(most);
        while low + 1 < high {
            let enough = matches!(self.run_call(request, guess, number), Ok(result) if result.is_success());
            if enough {
                high = guess;
            } else {
                low = guess;
            }
            guess = low + (high - low) / 2;
        }
        Ok(high)
    }

    fn run_call(
        &self,
        request: &TransactionRequest,
        gas: u64,
        number: u64,
    ) -> Result<revm::context::result::ExecutionResult, RpcError> {
        let state = self.state(number)?;
        let mut context = self.context_after(self.block(number).unwrap_or_else(|| self.head()));
        let transaction = evm::call(request, gas);
        if transaction.gas_price == 0 {
            context.base_fee = 0;
        }
        evm::run(&state, self.chain_id, context, transaction, Nonce::Any).map(|outcome| outcome.result).map_err(
            |error| match evm::refusal(error, request.from.unwrap_or_default()) {
                RpcError::IntrinsicGas { .. } | RpcError::FloorGas { .. } => RpcError::GasRequired(gas),
                other => other,
            },
        )
    }

    // ------------------------------------------------------------ blocks

    /// What the block after this one is like, a second later.
    fn context_after(&self, block: &Block) -> BlockContext {
        let number = block.header.number + 1;
        BlockContext {
            number,
            timestamp: block.header.timestamp + 1,
            base_fee: base_fee_after(&block.header),
            prevrandao: keccak256([number.to_be_bytes(), self.rollbacks.to_be_bytes()].concat()),
            beneficiary: Address::ZERO,
        }
    }

    /// Mines a block of what waits, best tips first. `now` is in Unix seconds.
    pub(super) fn mine(&mut self, now: u64) {
        let timestamp = now.max(self.head().header.timestamp + 1);
        let context = BlockContext { timestamp, ..self.context_after(self.head()) };
        let blobs = BlobParams::osaka();
        let parent = &self.head().header;
        let excess_blob_gas = blobs.next_block_excess_blob_gas_osaka(
            parent.excess_blob_gas.unwrap_or_default(),
            parent.blob_gas_used.unwrap_or_default(),
            parent.base_fee_per_gas.unwrap_or_default(),
        );

        let mut mined: Vec<Mined> = Vec::new();
        let (mut gas_used, mut blob_gas_used, mut logs) = (0u64, 0u64, 0usize);
        while let Some(Waiting { transaction, sender }) =
            self.pool.best(context.base_fee, |sender| self.state.account(sender).nonce)
        {
            let blob_gas = transaction.blob_gas_used().unwrap_or_default();
            if gas_used + transaction.gas_limit() > BLOCK_GAS_LIMIT
                || blob_gas_used + blob_gas > blobs.max_blob_gas_per_block()
            {
                break;
            }
            self.pool.remove(transaction.tx_hash());
            let outcome =
                evm::run(&self.state, self.chain_id, context, evm::signed(&transaction, sender), Nonce::Checked);
            let outcome = match outcome {
                Ok(outcome) => outcome,
                Err(error) => {
                    // Valid when it came in; the sender has spent the balance since.
                    tracing::debug!(hash = %transaction.tx_hash(), %error, "dropped a transaction");
                    continue;
                }
            };
            let undo = self.state.apply(outcome.state);
            gas_used += outcome.result.tx_gas_used();
            blob_gas_used += blob_gas;
            let receipt = Receipt {
                status: Eip658Value::Eip658(outcome.result.is_success()),
                cumulative_gas_used: gas_used,
                logs: outcome.result.logs().to_vec(),
            };
            logs += receipt.logs.len();
            let contract_address =
                (transaction.is_create() && receipt.status.coerce_status()).then(|| sender.create(transaction.nonce()));
            mined.push(Mined {
                gas_used: outcome.result.tx_gas_used(),
                effective_gas_price: transaction.effective_gas_price(Some(context.base_fee)),
                receipt: envelope(transaction.tx_type(), receipt),
                transaction,
                sender,
                contract_address,
                undo,
            });
        }
        tracing::trace!(number = context.number, transactions = mined.len(), logs, "mined");

        let receipts: Vec<_> = mined.iter().map(|mined| mined.receipt.clone()).collect();
        let transactions: Vec<_> = mined.iter().map(|mined| mined.transaction.clone()).collect();
        let header = Header {
            parent_hash: self.head().hash,
            number: context.number,
            timestamp,
            gas_used,
            base_fee_per_gas: Some(context.base_fee),
            mix_hash: context.prevrandao,
            transactions_root: calculate_transaction_root(&transactions),
            receipts_root: calculate_receipt_root(&receipts),
            logs_bloom: receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | *receipt.logs_bloom()),
            blob_gas_used: Some(blob_gas_used),
            excess_blob_gas: Some(excess_blob_gas),
            extra_data: self.rollbacks.to_be_bytes().into(),
            ..self.empty_header()
        };
        self.push(header, mined);
        self.pool.prune(|sender| self.state.account(sender).nonce);
    }

    /// Takes the last blocks back, at most down to the oldest one known, as a reorganization does. Their
    /// transactions wait again where `resubmit` is set, and are forgotten otherwise. Returns how many went.
    pub(super) fn rollback(&mut self, blocks: u64, resubmit: bool) -> u64 {
        self.rollbacks += 1;
        let mut gone = 0;
        while gone < blocks && self.blocks.len() > 1 {
            let Some(block) = self.blocks.pop_back() else { break };
            self.state.pop_hash();
            self.numbers.remove(&block.hash);
            for mined in block.transactions.into_iter().rev() {
                self.transactions.remove(mined.transaction.tx_hash());
                self.state.revert(mined.undo);
                if resubmit {
                    let next = self.nonce(&mined.sender);
                    let waiting = Waiting { transaction: mined.transaction, sender: mined.sender };
                    if let Err(error) = self.pool.insert(waiting, next) {
                        tracing::debug!(%error, "a transaction of a rolled-back block does not wait again");
                    }
                }
            }
            gone += 1;
        }
        gone
    }

    fn push(&mut self, header: Header, transactions: Vec<Mined>) {
        let hash = header.hash_slow();
        let number = header.number;
        self.state.push_hash(number, hash);
        self.numbers.insert(hash, number);
        for (index, mined) in transactions.iter().enumerate() {
            self.transactions.insert(*mined.transaction.tx_hash(), (number, index));
        }
        self.blocks.push_back(Block { header, hash, transactions });
        while self.blocks.len() > self.blocks_max {
            let Some(old) = self.blocks.pop_front() else { break };
            self.numbers.remove(&old.hash);
            for mined in &old.transactions {
                self.transactions.remove(mined.transaction.tx_hash());
            }
        }
    }

    /// What is the same in every header. There is no state trie, so the state root is zero.
    fn empty_header(&self) -> Header {
        Header {
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            transactions_root: alloy::consensus::constants::EMPTY_ROOT_HASH,
            receipts_root: alloy::consensus::constants::EMPTY_ROOT_HASH,
            withdrawals_root: Some(alloy::consensus::constants::EMPTY_ROOT_HASH),
            state_root: B256::ZERO,
            gas_limit: BLOCK_GAS_LIMIT,
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            parent_beacon_block_root: Some(B256::ZERO),
            requests_hash: Some(alloy::eips::eip7685::EMPTY_REQUESTS_HASH),
            ..Header::default()
        }
    }
}

/// The base fee of the block after one with this header, in wei.
fn base_fee_after(header: &Header) -> u64 {
    header.next_block_base_fee(BaseFeeParams::ethereum()).unwrap_or_default()
}

fn envelope(kind: TxType, receipt: Receipt) -> ReceiptEnvelope {
    let bloom = logs_bloom(receipt.logs.iter());
    let receipt = ReceiptWithBloom { receipt, logs_bloom: bloom };
    match kind {
        TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
        TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
        TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
        TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
        TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
    }
}
