//! A node without consensus: the test says what is final.

use super::chain::{MapArchive, Network, TestChain};
use jsonrpsee::{
    http_client::{HttpClient, HttpClientBuilder},
    ws_client::{WsClient, WsClientBuilder},
};
use serde_json::{Value, json};
use sinter_primitives::Transaction;
use sinter_sequencer::{
    evidence::EvidenceStore,
    handle::{Handle, Head},
    index::Index,
    mempool::{Mempool, MempoolConfig, Outgoing},
    rpc::{RpcConfig, RpcServer, serve},
    status::Status,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
    time::timeout,
};

/// Longer than any healthy answer takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A node whose chain the test grows.
pub struct TestNode {
    pub chain: TestChain,
    pub handle: Handle,
    pub archive: Arc<MapArchive>,
    pub server: RpcServer,
    heads: watch::Sender<Head>,
    _directory: tempfile::TempDir,
}

impl TestNode {
    pub async fn start() -> Self {
        Self::with(RpcConfig::default()).await
    }

    pub async fn with(config: RpcConfig) -> Self {
        Self::on(Network::new(), config).await
    }

    pub async fn on(network: Network, config: RpcConfig) -> Self {
        Self::with_mempool(network, config, MempoolConfig::default()).await
    }

    pub async fn with_mempool(network: Network, config: RpcConfig, mempool: MempoolConfig) -> Self {
        let chain = TestChain::new(network);
        let directory = tempfile::tempdir().unwrap();
        let index = Index::open(&directory.path().join("index"), chain.network.chain.clone()).unwrap();
        let genesis = index.tip();
        let (heads, receiver) = watch::channel(Head {
            height: 0,
            digest: genesis.digest,
            timestamp_ms: genesis.header.timestamp_ms,
            view: 0,
        });
        let archive = Arc::new(MapArchive::default());
        let handle = Handle {
            chain: chain.network.chain.clone(),
            index: Arc::new(index),
            mempool: Mempool::new(chain.network.chain.clone(), mempool),
            archive: archive.clone(),
            heads: receiver,
            status: Arc::new(Status::new(now_ms(), 60_000)),
            evidence: EvidenceStore::in_memory(),
        };
        let registry_text =
            Arc::new(|| "# HELP voter_votes Votes.\n# TYPE voter_votes counter\nvoter_votes_total 3\n# EOF\n".into());
        let server = serve(handle.clone(), config, registry_text).await.unwrap();
        Self { chain, handle, archive, server, heads, _directory: directory }
    }

    /// Makes a block of `transactions` final; `certified` says whether it has a finalization of its own.
    pub fn finalize(&mut self, transactions: Vec<Transaction>, certified: bool) -> u64 {
        self.chain.push(transactions, certified);
        self.deliver()
    }

    /// Makes `count` blocks final, as [`TestChain::grow`] fills them.
    pub fn grow(&mut self, count: u64) {
        for _ in 0..count {
            self.chain.grow(1);
            self.deliver();
        }
    }

    fn deliver(&mut self) -> u64 {
        let finalized = self.chain.blocks.last().unwrap();
        let header = finalized.block.header;
        self.archive.put(finalized);
        self.chain.apply(&self.handle.index, header.height, header.height).unwrap();
        self.handle.mempool.finalized(header.height, &finalized.ids);
        self.handle.status.observe_round(header.epoch, header.view);
        self.handle.status.observe_finalized(header.height, now_ms());
        self.heads.send_replace(Head {
            height: header.height,
            digest: header.digest(),
            timestamp_ms: header.timestamp_ms,
            view: header.view,
        });
        header.height
    }

    /// The transaction that the node took in first after the one numbered `after`.
    pub fn taken_in(&self, after: u64) -> Outgoing {
        let numbers: Vec<_> = self.handle.mempool.local_after(after, 1).iter().map(|(number, _)| *number).collect();
        self.handle.mempool.local_pending(&numbers).remove(0)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    pub fn http(&self) -> HttpClient {
        HttpClientBuilder::default().request_timeout(PATIENCE).build(self.url()).unwrap()
    }

    pub async fn ws(&self) -> WsClient {
        let url = format!("ws://{}", self.server.address());
        WsClientBuilder::default().request_timeout(PATIENCE).build(url).await.unwrap()
    }

    /// Posts a JSON-RPC call and gives the response's JSON.
    pub async fn post(&self, path: &str, method: &str, params: Value) -> Value {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let (_, body) = http(self.server.address(), "POST", path, "", &call.to_string()).await;
        serde_json::from_str(&body).unwrap_or_else(|_| panic!("expected JSON, got {body:?}"))
    }
}

pub fn now_ms() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64
}

/// One request over a connection of its own: the status and the body.
pub async fn http(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
    let (head, body) = http_with_head(address, method, path, headers, body).await;
    let status = head.split_whitespace().nth(1).unwrap_or_else(|| panic!("expected a status line, got {head:?}"));
    (status.parse().unwrap(), body)
}

/// The same, with the answer's head instead of its status.
pub async fn http_with_head(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (String, String) {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await.unwrap();
    // A refusal may come before all is sent.
    let _ = socket.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    (head.to_owned(), body.to_owned())
}
