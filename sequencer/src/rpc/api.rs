//! The methods, for servers and for clients: the client is generated from the same lines.

// The macro generates traits and methods whose docs are these.
use super::types::{
    Accepted, BlockId, BlockView, ChainInfo, EpochLedger, HeadEvent, Id, NamespaceEvent, NamespaceView, NodeStatus,
    RangePage, SendTransaction, TransactionStatus, TransactionTrace,
};
use crate::checkpoint::OrderedIds;
use jsonrpsee::{core::SubscriptionResult, proc_macros::rpc, types::ErrorObjectOwned};
use sinter_primitives::{Header, Namespace, evidence::Evidence, hand_over::HandOver, receipt::HeaderChain};

/// A node's interface. Errors and their codes: [`super::error`].
#[rpc(client, server, namespace = "sinter")]
pub trait SinterApi {
    /// Hands in a transaction. It counts against the sender's quota where the namespace speaks
    /// Ethereum, and against the client's otherwise.
    #[method(name = "sendTransaction", with_extensions)]
    async fn send_transaction(&self, transaction: SendTransaction) -> Result<Accepted, ErrorObjectOwned>;

    /// How far a transaction has come; with the proof once it is final.
    #[method(name = "getReceipt")]
    async fn receipt(&self, id: Id) -> Result<TransactionStatus, ErrorObjectOwned>;

    /// How far a transaction has come, and when: the part of its trail that the committee knows.
    #[method(name = "trace")]
    async fn trace(&self, id: Id) -> Result<TransactionTrace, ErrorObjectOwned>;

    /// A final block's header.
    #[method(name = "getHeader")]
    async fn header(&self, block: BlockId) -> Result<Header, ErrorObjectOwned>;

    /// A final block.
    #[method(name = "getBlock")]
    async fn block(&self, block: BlockId) -> Result<BlockView, ErrorObjectOwned>;

    /// The proof that a block is final: its header first, up to one with a certificate of its own.
    #[method(name = "getCertificate")]
    async fn certificate(&self, block: BlockId) -> Result<HeaderChain, ErrorObjectOwned>;

    /// All that a namespace had ordered from one height to another, with the proof that nothing is
    /// missing and nothing is foreign. Heights above the head, and what exceeds the node's bounds,
    /// are left for another call: see [`RangePage::next_height`].
    #[method(name = "getNamespaceRange")]
    async fn namespace_range(
        &self,
        namespace: Namespace,
        from_height: u64,
        to_height: u64,
    ) -> Result<RangePage, ErrorObjectOwned>;

    /// The ends of the epochs from `epoch` on, at most 16: each the last header with its certificate, and the seats that it names. Who
    /// trusts one epoch's committee goes on from there. None where that epoch is not over.
    #[method(name = "getHandOvers")]
    async fn hand_overs(&self, epoch: u64) -> Result<Vec<HandOver>, ErrorObjectOwned>;

    /// The ledger after an epoch's last block: what its header's ledger root commits to, so that a node can begin there.
    #[method(name = "getEpochLedger")]
    async fn epoch_ledger(&self, epoch: u64) -> Result<EpochLedger, ErrorObjectOwned>;

    /// What a namespace has and may, and what ordering costs it now.
    #[method(name = "getNamespace")]
    async fn namespace(&self, namespace: Namespace) -> Result<NamespaceView, ErrorObjectOwned>;

    /// What the blocks from one height to another ordered, by id, ascending, with what shows that it is all. What exceeds the node's
    /// bounds is left out from the front: the last is always of `to_height`.
    #[method(name = "getOrderedIds")]
    async fn ordered_ids(&self, from_height: u64, to_height: u64) -> Result<Vec<OrderedIds>, ErrorObjectOwned>;

    /// What seats did that they must not: two votes of one view that exclude each other, each piece verified.
    #[method(name = "getEvidence")]
    async fn evidence(&self) -> Result<Vec<Evidence>, ErrorObjectOwned>;

    /// The network.
    #[method(name = "chain")]
    async fn chain(&self) -> Result<ChainInfo, ErrorObjectOwned>;

    /// The node.
    #[method(name = "status")]
    async fn status(&self) -> Result<NodeStatus, ErrorObjectOwned>;

    /// Every final block from `from_height` on (the next one, without it), each once and in order.
    #[subscription(name = "subscribeHeads" => "heads", unsubscribe = "unsubscribeHeads", item = HeadEvent)]
    async fn subscribe_heads(&self, from_height: Option<u64>, with_certificates: Option<bool>) -> SubscriptionResult;

    /// A namespace's transactions from `from_height` on (the next block, without it), each once and
    /// in order. `with_payloads` (true, without it) says whether they come whole or by id.
    #[subscription(name = "subscribeNamespace" => "namespace", unsubscribe = "unsubscribeNamespace", item = NamespaceEvent)]
    async fn subscribe_namespace(
        &self,
        namespace: Namespace,
        from_height: Option<u64>,
        with_payloads: Option<bool>,
    ) -> SubscriptionResult;
}
