//! A namespace as Ethereum's clients know a chain: the HTTP and WebSocket path `/namespaces/<id>`, for
//! namespaces with an EIP-155 chain id. At `/namespaces/<id>/private` what is sent goes to the leaders
//! that may order it only.
//!
//! The node orders transactions and does not execute them. It serves what it knows by itself, and
//! passes other `eth_`, `net_` and `web3_` methods on to the rollup's own RPC where one is configured
//! (`namespaces.<id>.rpc_url`).
//!
//! | method | answer |
//! |---|---|
//! | `eth_chainId`, `net_version` | the namespace's EIP-155 chain id |
//! | `eth_blockNumber` | the height of the last final block |
//! | `eth_sendRawTransaction` | the transaction's hash; types 0 (with EIP-155), 1, 2 and 4: [`TransactionError`] |
//! | `eth_getTransactionByHash` | the transaction, once it is here, and if private, once it is final; its block, once that is final |
//! | `eth_getTransactionReceipt` | the inclusion, once final: below |
//! | `web3_clientVersion` | this node |
//!
//! # What a receipt says
//! It says that, and where, the transaction is **included**, not what it did:
//!
//! | field | value |
//! |---|---|
//! | `blockNumber`, `blockHash` | height and header digest of the block that orders it |
//! | `transactionIndex` | its place in the namespace's lane |
//! | `transactionHash`, `from`, `to`, `type`, `contractAddress` | the transaction's own |
//! | `root` | the namespace's accumulator after the block, in the place of the state root that receipts had before EIP-658 |
//! | `status` | absent: whether it succeeded is for the rollup to say |
//! | `gasUsed`, `cumulativeGasUsed`, `effectiveGasPrice`, `logs`, `logsBloom` | zero or empty: the rollup executes, not the sequencer |

mod pending;
mod transaction;
mod upstream;

pub use transaction::TransactionError;

pub(super) use pending::{Pending, Submission};
pub(super) use upstream::Upstream;

use super::{
    error::{self, RpcFailure, method_not_available},
    policy::{Caller, client_of},
    proofs::{Inconsistent, Prover},
    types::BlockId,
};
use crate::{handle::Handle, index::Location, mempool::Visibility};
use alloy::{
    consensus::{
        Transaction as _, TxEnvelope,
        transaction::{Recovered, SignerRecoverable},
    },
    eips::{Decodable2718, Typed2718},
    primitives::{B256, Bloom, Bytes, TxKind, U64},
    rpc::types::Transaction as TransactionView,
};
use jsonrpsee::{
    Extensions,
    core::{JsonRawValue, async_trait},
    proc_macros::rpc,
    types::ErrorObjectOwned,
};
use serde_json::{Value, json};
use sinter_primitives::{Header, Namespace, Transaction};
use std::sync::Arc;

/// One namespace's Ethereum face.
#[derive(Clone)]
pub(super) struct Face {
    pub namespace: Namespace,
    pub chain_id: u64,
    pub handle: Handle,
    pub prover: Arc<Prover>,
    pub pending: Arc<Pending>,
    pub visibility: Visibility,
    pub upstream: Option<Arc<Upstream>>,
}

/// The methods that the node serves itself.
const SERVED: [&str; 7] = [
    "eth_chainId",
    "eth_blockNumber",
    "eth_sendRawTransaction",
    "eth_getTransactionByHash",
    "eth_getTransactionReceipt",
    "net_version",
    "web3_clientVersion",
];

#[rpc(server)]
pub(super) trait EthereumApi {
    /// The EIP-155 chain id.
    #[method(name = "eth_chainId")]
    fn chain_id(&self) -> Result<U64, ErrorObjectOwned>;

    /// The height of the last final block.
    #[method(name = "eth_blockNumber")]
    fn block_number(&self) -> Result<U64, ErrorObjectOwned>;

    /// Hands in a signed transaction; gives its hash.
    #[method(name = "eth_sendRawTransaction", with_extensions)]
    async fn send_raw_transaction(&self, transaction: Bytes) -> Result<B256, ErrorObjectOwned>;

    /// A transaction that is pending here or final.
    #[method(name = "eth_getTransactionByHash")]
    async fn transaction_by_hash(&self, hash: B256) -> Result<Option<TransactionView>, ErrorObjectOwned>;

    /// The inclusion of a final transaction: see the module's table.
    #[method(name = "eth_getTransactionReceipt")]
    async fn transaction_receipt(&self, hash: B256) -> Result<Option<Value>, ErrorObjectOwned>;

    /// The EIP-155 chain id, in decimal.
    #[method(name = "net_version")]
    fn net_version(&self) -> String;

    /// The node's name and release.
    #[method(name = "web3_clientVersion")]
    fn client_version(&self) -> String;
}

impl Face {
    /// Whether the node serves the method itself.
    pub fn serves(&self, method: &str) -> bool {
        SERVED.contains(&method)
    }

    /// Asks the rollup's own RPC, where there is one.
    pub async fn forward(
        &self,
        method: &str,
        params: Option<&JsonRawValue>,
    ) -> Result<Box<JsonRawValue>, ErrorObjectOwned> {
        if method.ends_with("subscribe") {
            return Err(method_not_available(method, "subscriptions are not passed on to the rollup's own RPC"));
        }
        match &self.upstream {
            Some(upstream) => upstream.call(method, params).await,
            None => {
                let namespace = self.namespace;
                let reason = format!(
                    "this node orders transactions and does not execute them; to have it pass the call on, \
                     set `namespaces.{namespace}.rpc_url` to the rollup's own RPC"
                );
                Err(method_not_available(method, &reason))
            }
        }
    }

    /// The transaction with this hash, decoded, and where it is final. A private one is not shown before:
    /// whoever asks by hash may have seen no more than the hash.
    async fn find(&self, hash: B256) -> Result<Option<Found>, RpcFailure> {
        let location = self.handle.index.snapshot()?.locate_ethereum(self.namespace, hash.0)?;
        if let Some(location) = location {
            return self.find_final(location).await;
        }
        let id = self.pending.id(self.namespace, hash);
        let Some(transaction) = id.and_then(|id| self.handle.mempool.get_public(&id)) else { return Ok(None) };
        Ok(decode(&transaction).map(|transaction| Found { transaction, place: None }))
    }

    async fn find_final(&self, location: Location) -> Result<Option<Found>, RpcFailure> {
        let _turn = self.prover.turn().await?;
        let header = self.prover.header(BlockId::Height(location.height))?;
        let lane = self.prover.lane(&header, self.namespace).await?;
        let Some(transaction) = lane.get(location.index as usize) else {
            return Err(RpcFailure(error::internal(&Inconsistent { height: location.height })));
        };
        // Other nodes may have ordered bytes that are no Ethereum transaction.
        Ok(decode(transaction).map(|transaction| Found { transaction, place: Some((header, location)) }))
    }
}

/// A transaction that was found, and where it is final.
struct Found {
    transaction: Recovered<TxEnvelope>,
    place: Option<(Header, Location)>,
}

fn decode(transaction: &Transaction) -> Option<Recovered<TxEnvelope>> {
    TxEnvelope::decode_2718_exact(&transaction.payload).ok()?.try_into_recovered().ok()
}

#[async_trait]
impl EthereumApiServer for Face {
    fn chain_id(&self) -> Result<U64, ErrorObjectOwned> {
        Ok(U64::from(self.chain_id))
    }

    fn block_number(&self) -> Result<U64, ErrorObjectOwned> {
        Ok(U64::from(self.handle.index.tip().header.height))
    }

    async fn send_raw_transaction(
        &self,
        extensions: &Extensions,
        transaction: Bytes,
    ) -> Result<B256, ErrorObjectOwned> {
        let submission = Submission {
            namespace: self.namespace,
            chain_id: self.chain_id,
            payload: transaction.0,
            expiry_height: None,
            visibility: self.visibility,
            client: client_of(extensions.get::<Caller>()),
        };
        Ok(self.pending.submit(&self.handle, submission)?.hash)
    }

    async fn transaction_by_hash(&self, hash: B256) -> Result<Option<TransactionView>, ErrorObjectOwned> {
        let Some(found) = self.find(hash).await? else { return Ok(None) };
        let place = found.place.as_ref();
        Ok(Some(TransactionView {
            block_hash: place.map(|(header, _)| B256::from(header.digest().0)),
            block_number: place.map(|(header, _)| header.height),
            transaction_index: place.map(|(_, location)| u64::from(location.index)),
            effective_gas_price: None,
            block_timestamp: None,
            inner: found.transaction,
        }))
    }

    async fn transaction_receipt(&self, hash: B256) -> Result<Option<Value>, ErrorObjectOwned> {
        let Some(Found { transaction, place: Some((header, location)) }) = self.find(hash).await? else {
            return Ok(None);
        };
        let table = self.handle.index.snapshot().and_then(|snapshot| snapshot.namespace_table(header.height));
        let table = table.map_err(RpcFailure::from)?;
        let accumulator = table.leaf(self.namespace).map(|leaf| B256::from(leaf.accumulator.0));
        let contract = match transaction.kind() {
            TxKind::Create => Some(transaction.signer().create(transaction.nonce())),
            TxKind::Call(_) => None,
        };
        Ok(Some(json!({
            "transactionHash": hash,
            "transactionIndex": U64::from(location.index),
            "blockHash": B256::from(header.digest().0),
            "blockNumber": U64::from(header.height),
            "from": transaction.signer(),
            "to": transaction.to(),
            "contractAddress": contract,
            "type": U64::from(transaction.ty()),
            "root": accumulator,
            "gasUsed": U64::ZERO,
            "cumulativeGasUsed": U64::ZERO,
            "effectiveGasPrice": U64::ZERO,
            "logs": [],
            "logsBloom": Bloom::ZERO,
        })))
    }

    fn net_version(&self) -> String {
        self.chain_id.to_string()
    }

    fn client_version(&self) -> String {
        concat!("sinter/", env!("CARGO_PKG_VERSION")).into()
    }
}
