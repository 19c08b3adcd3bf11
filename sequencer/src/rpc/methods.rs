//! The node's own methods.

use super::{
    api::SinterApiServer,
    config::RpcConfig,
    error::{self, RpcFailure, invalid_params, refused},
    ethereum, health,
    policy::{Caller, client_of},
    proofs::Prover,
    subscriptions::Subscriptions,
    types::{
        Accepted, BlockId, BlockView, ChainInfo, EpochLedger, Id, LaneView, NamespaceView, NodeStatus, ProtocolStatus,
        RangePage, SendTransaction, TransactionStatus, TransactionTrace,
    },
};
use crate::{
    checkpoint::OrderedIds,
    handle::{Handle, Head},
    mempool::{Source, Stage, Visibility},
};
use jsonrpsee::{
    Extensions, PendingSubscriptionSink,
    core::{SubscriptionResult, async_trait},
    types::ErrorObjectOwned,
};
use sinter_primitives::{
    Header, Namespace, Transaction, TransactionKind,
    evidence::Evidence,
    hand_over::{HAND_OVERS_MAX, HandOver},
    receipt::HeaderChain,
};
use std::sync::Arc;

/// The node's own methods.
pub(super) struct SinterMethods {
    pub handle: Handle,
    pub prover: Arc<Prover>,
    pub subscriptions: Subscriptions,
    pub behind_blocks_max: u64,
    pub pending: Arc<ethereum::Pending>,
}

impl SinterMethods {
    pub fn new(handle: Handle, prover: Arc<Prover>, pending: Arc<ethereum::Pending>, config: &RpcConfig) -> Self {
        let subscriptions = Subscriptions::new(handle.clone(), prover.clone(), config);
        Self { handle, prover, subscriptions, behind_blocks_max: config.behind_blocks_max, pending }
    }

    fn send(&self, request: SendTransaction, caller: Option<&Caller>) -> Result<Accepted, RpcFailure> {
        let client = client_of(caller);
        let visibility = if request.private { Visibility::Private } else { Visibility::Public };
        let spec = self
            .handle
            .namespace(request.namespace)
            .ok_or_else(|| invalid_params("namespace", "one that is open", request.namespace))?;
        if let (Some(chain_id), TransactionKind::User) = (spec.evm_chain_id, request.kind) {
            let sent = ethereum::Submission {
                namespace: request.namespace,
                chain_id,
                payload: request.payload,
                expiry_height: request.expiry_height,
                visibility,
                client,
            };
            return Ok(self.pending.submit(&self.handle, sent)?.accepted);
        }
        let expiry_height = request.expiry_height.unwrap_or_else(|| default_expiry(&self.handle));
        let transaction =
            Transaction { kind: request.kind, namespace: request.namespace, expiry_height, payload: request.payload };
        let transaction_id = self
            .handle
            .mempool
            .insert(transaction, Source::Client(client), visibility)
            .map_err(|refusal| refused(&refusal))?;
        self.handle.status.timeline.received(transaction_id);
        Ok(Accepted { transaction_id, expiry_height })
    }
}

/// Half of the time that the chain admits: a later try still fits into the rest.
pub(super) fn default_expiry(handle: &Handle) -> u64 {
    handle.index.tip().header.height.saturating_add(handle.chain.file.parameters.expiry_blocks / 2)
}

#[async_trait]
impl SinterApiServer for SinterMethods {
    async fn send_transaction(
        &self,
        extensions: &Extensions,
        transaction: SendTransaction,
    ) -> Result<Accepted, ErrorObjectOwned> {
        Ok(self.send(transaction, extensions.get::<Caller>())?)
    }

    async fn receipt(&self, Id(id): Id) -> Result<TransactionStatus, ErrorObjectOwned> {
        // The index first: what leaves the mempool is in the index by then.
        for _ in 0..2 {
            if let Some(location) = self.handle.index.locate(&id).map_err(RpcFailure::from)? {
                return Ok(match self.prover.receipt(id, location).await? {
                    Some(receipt) => TransactionStatus::Finalized { receipt: Box::new(receipt) },
                    None => TransactionStatus::Notarized { height: location.height },
                });
            }
            match self.handle.mempool.stage(&id) {
                Some(Stage::Pending) => return Ok(TransactionStatus::Pending),
                Some(Stage::Notarized { height }) => return Ok(TransactionStatus::Notarized { height }),
                // It may have become final between the two looks: look once more.
                None => {}
            }
        }
        Ok(TransactionStatus::Unknown)
    }

    async fn trace(&self, id: Id) -> Result<TransactionTrace, ErrorObjectOwned> {
        let status = self.receipt(Id(id.0)).await?;
        let height = match &status {
            TransactionStatus::Notarized { height } => Some(*height),
            TransactionStatus::Finalized { receipt } => Some(receipt.height),
            TransactionStatus::Unknown | TransactionStatus::Pending => None,
        };
        let timeline = &self.handle.status.timeline;
        Ok(TransactionTrace {
            received_ms: timeline.received_ms(&id.0),
            notarized_ms: height.and_then(|height| timeline.notarized_ms(height)),
            finalized_ms: height.and_then(|height| timeline.finalized_ms(height)),
            status,
        })
    }

    async fn header(&self, block: BlockId) -> Result<Header, ErrorObjectOwned> {
        Ok(self.prover.header(block)?)
    }

    async fn block(&self, block: BlockId) -> Result<BlockView, ErrorObjectOwned> {
        let (block, digest) = self.prover.block(block).await?;
        let lanes = block
            .body
            .lanes
            .iter()
            .map(|lane| LaneView { namespace: lane.namespace, transactions: lane.transactions.clone() });
        Ok(BlockView { header: block.header, digest, lanes: lanes.collect() })
    }

    async fn certificate(&self, block: BlockId) -> Result<HeaderChain, ErrorObjectOwned> {
        Ok(self.prover.certificate(block).await?)
    }

    async fn namespace_range(
        &self,
        namespace: Namespace,
        from_height: u64,
        to_height: u64,
    ) -> Result<RangePage, ErrorObjectOwned> {
        Ok(self.prover.range(namespace, from_height, to_height).await?)
    }

    async fn hand_overs(&self, epoch: u64) -> Result<Vec<HandOver>, ErrorObjectOwned> {
        let _turn = self.prover.turn().await?;
        Ok(self.handle.index.hand_overs(epoch, HAND_OVERS_MAX).map_err(RpcFailure::from)?)
    }

    async fn namespace(&self, namespace: Namespace) -> Result<NamespaceView, ErrorObjectOwned> {
        let (chain, ledger) = (&self.handle.chain, self.handle.mempool.ledger());
        let (Some(spec), Some(entry)) = (ledger.spec(chain, namespace), ledger.entry(namespace)) else {
            return Err(invalid_params("namespace", "one that is open", namespace));
        };
        let (account, accumulator) = (entry.account, entry.accumulator);
        Ok(NamespaceView { spec, account, base_fee_wei: ledger.base_fee_wei(chain.file.fees), accumulator })
    }

    async fn epoch_ledger(&self, epoch: u64) -> Result<EpochLedger, ErrorObjectOwned> {
        Ok(self.prover.epoch_ledger(epoch)?)
    }

    async fn ordered_ids(&self, from_height: u64, to_height: u64) -> Result<Vec<OrderedIds>, ErrorObjectOwned> {
        Ok(self.prover.ordered_ids(from_height, to_height).await?)
    }

    async fn evidence(&self) -> Result<Vec<Evidence>, ErrorObjectOwned> {
        let _turn = self.prover.turn().await?;
        Ok(self.handle.evidence.all())
    }

    async fn chain(&self) -> Result<ChainInfo, ErrorObjectOwned> {
        let chain = &self.handle.chain;
        Ok(ChainInfo {
            hash: chain.hash,
            file: chain.file.clone(),
            quorum: chain.committee.quorum(),
            genesis: chain.genesis(),
        })
    }

    async fn status(&self) -> Result<NodeStatus, ErrorObjectOwned> {
        let handle = &self.handle;
        let status = &handle.status;
        let (epoch, view) = status.round();
        let earliest = handle.index.snapshot().and_then(|snapshot| snapshot.earliest());
        Ok(NodeStatus {
            version: env!("CARGO_PKG_VERSION").into(),
            chain_hash: handle.chain.hash,
            chain_id: handle.chain.file.chain_id,
            health: health::examine(handle, self.behind_blocks_max),
            head: head(handle),
            finalized_height: status.finalized_height(),
            earliest_height: earliest.map_err(|error| error::internal(&error))?,
            epoch,
            view,
            protocol: protocol(handle),
            peers: status.peers(),
            faults: status.faults(),
            started_ms: status.started_ms(),
            mempool: handle.mempool.stats(),
        })
    }

    async fn subscribe_heads(
        &self,
        pending: PendingSubscriptionSink,
        from_height: Option<u64>,
        with_certificates: Option<bool>,
    ) -> SubscriptionResult {
        self.subscriptions.heads(pending, from_height, with_certificates.unwrap_or(false)).await
    }

    async fn subscribe_namespace(
        &self,
        pending: PendingSubscriptionSink,
        namespace: Namespace,
        from_height: Option<u64>,
        with_payloads: Option<bool>,
    ) -> SubscriptionResult {
        self.subscriptions.namespace(pending, namespace, from_height, with_payloads.unwrap_or(true)).await
    }
}

/// Which rules hold after the last block that the index holds.
fn protocol(handle: &Handle) -> ProtocolStatus {
    let tip = handle.index.tip().header;
    let parameters = &handle.chain.file.parameters;
    let next_epoch = tip.epoch.saturating_add(1);
    let (max, this, next) = handle.status.readiness();
    ProtocolStatus {
        current: tip.protocol,
        next: tip.protocol_in(next_epoch),
        next_height: parameters.epoch_blocks.map(|_| parameters.boundary_before(next_epoch).saturating_add(1)),
        max,
        seats: this.seats,
        ready_seats: this.ready,
        next_seats: next.seats,
        next_ready_seats: next.ready,
    }
}

/// The last block that the index holds.
pub(super) fn head(handle: &Handle) -> Head {
    let tip = handle.index.tip();
    Head { height: tip.header.height, digest: tip.digest, timestamp_ms: tip.header.timestamp_ms, view: tip.header.view }
}
