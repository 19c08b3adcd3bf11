//! A steady stream of transactions, and what became of them.

use super::{network::NAMESPACE, rpc};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::Duration,
};

/// Bytes of a transaction.
const PAYLOAD_BYTES: usize = 100;

/// A transaction that a node took.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Its id, in hex.
    pub id: String,
    /// Which of the load's nodes took it.
    pub node: usize,
}

/// A running load.
pub struct Load {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<Sent>>>,
}

impl Load {
    /// Sends a transaction every `interval` to one node after the other. Nodes that are away, or say no, are
    /// passed over.
    pub fn start(nodes: Vec<SocketAddr>, interval: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut sent = Vec::new();
            for number in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let node = number % nodes.len();
                sent.extend(send(nodes[node]).map(|id| Sent { id, node }));
                sleep(interval);
            }
            sent
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends it, and gives what was accepted.
    pub fn stop(mut self) -> Vec<Sent> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().unwrap()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Sends one transaction, and gives its id if the node takes it.
pub fn send(node: SocketAddr) -> Option<String> {
    rpc::call(node, "sinter_sendTransaction", transaction()).ok()?["transaction_id"].as_str().map(Into::into)
}

/// The parameters of a call that sends a transaction like no other.
pub fn transaction() -> Value {
    let payload: [u8; PAYLOAD_BYTES] = std::array::from_fn(|_| rand::random());
    json!([{ "namespace": NAMESPACE, "payload": format!("0x{}", hex::encode(payload)) }])
}
