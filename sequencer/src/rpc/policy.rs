//! What every call goes through before it runs: the client's allowance, the node's capacity, a time
//! limit. Calls of a batch go through it one by one. Methods of an Ethereum face that the node does
//! not serve itself leave from here to the rollup's own RPC.

use super::{
    clients::{BYTES_PER_TOKEN, Clients},
    config::RpcConfig,
    error,
    ethereum::Face,
    metrics,
};
use jsonrpsee::{
    core::{
        middleware::{Batch, BatchEntry, Notification, RpcServiceT},
        server::{BatchResponseBuilder, MethodResponse, ResponsePayload},
    },
    server::middleware::rpc::RpcService,
    types::{ErrorObjectOwned, Request},
};
use std::{
    future::Future,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::timeout};

/// Bounds that all calls share.
#[derive(Debug)]
pub(super) struct Capacity {
    pub clients: Clients,
    pub calls: Semaphore,
    pub call_timeout: Duration,
    pub response_bytes_max: usize,
}

impl Capacity {
    pub fn new(config: &RpcConfig, response_bytes_max: usize) -> Self {
        Self {
            clients: Clients::new(config),
            calls: Semaphore::new(config.calls_max),
            call_timeout: config.call_timeout(),
            response_bytes_max,
        }
    }
}

/// Who calls: carried with every request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub IpAddr);

/// The address that a call counts against. Calls that come without one were made in this process.
pub(super) fn client_of(caller: Option<&Caller>) -> IpAddr {
    caller.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |caller| caller.0)
}

/// Puts [`Policy`] before a service.
#[derive(Clone)]
pub(super) struct PolicyLayer {
    pub capacity: Arc<Capacity>,
    pub caller: Caller,
    /// The face whose methods are called; the node's own interface without it.
    pub face: Option<Arc<Face>>,
}

impl tower::Layer<RpcService> for PolicyLayer {
    type Service = Policy;

    fn layer(&self, inner: RpcService) -> Policy {
        Policy { inner, layer: self.clone() }
    }
}

/// See the module's first lines.
#[derive(Clone)]
pub(super) struct Policy {
    inner: RpcService,
    layer: PolicyLayer,
}

impl Policy {
    async fn serve(self, request: Request<'_>) -> MethodResponse {
        let started = Instant::now();
        let method = metrics::method_label(&request.method, self.layer.face.is_some());
        let client = self.layer.caller.0;
        let request_bytes = request.params.as_ref().map_or(0, |params| params.get().len());
        let response = match self.admit(method, request_bytes) {
            Ok(()) => self.run(request).await,
            Err(error) => MethodResponse::error(request.id, error),
        };
        self.layer.capacity.clients.charge_response(client, response.as_json().get().len());
        metrics::call(method, &response, started.elapsed());
        response
    }

    fn admit(&self, method: &'static str, request_bytes: usize) -> Result<(), ErrorObjectOwned> {
        let spent = self.layer.capacity.clients.spend(self.layer.caller.0, cost(method, request_bytes));
        spent.map_err(|wait| error::rate_limited(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)))
    }

    async fn run(&self, request: Request<'_>) -> MethodResponse {
        let capacity = &self.layer.capacity;
        let Ok(_running) = capacity.calls.try_acquire() else {
            return MethodResponse::error(request.id, error::busy());
        };
        let id = request.id.clone();
        let response = async {
            match &self.layer.face {
                Some(face) if !face.serves(&request.method) => {
                    let answer = face.forward(&request.method, request.params.as_deref()).await;
                    let payload = match answer {
                        Ok(result) => ResponsePayload::success(result),
                        Err(error) => ResponsePayload::error(error),
                    };
                    MethodResponse::response(request.id, payload, capacity.response_bytes_max)
                }
                _ => self.inner.call(request).await,
            }
        };
        match timeout(capacity.call_timeout, response).await {
            Ok(response) => response,
            Err(_) => {
                let timeout_ms = u64::try_from(capacity.call_timeout.as_millis()).unwrap_or(u64::MAX);
                MethodResponse::error(id, error::timeout(timeout_ms))
            }
        }
    }
}

/// Tokens that a call costs before it runs; what it answers may cost more.
fn cost(method: &str, request_bytes: usize) -> u32 {
    let base = match method {
        "sinter_getNamespaceRange" | "sinter_getBlock" => 10,
        "sinter_getCertificate" | "sinter_subscribeHeads" | "sinter_subscribeNamespace" => 4,
        // A whole block is read for the one transaction.
        "eth_getTransactionByHash" | "eth_getTransactionReceipt" => 4,
        _ => 1,
    };
    // Long transactions fill blocks and the mempool sooner than many short ones do.
    let bytes = u32::try_from(request_bytes / BYTES_PER_TOKEN).unwrap_or(u32::MAX);
    bytes.saturating_add(base)
}

impl RpcServiceT for Policy {
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.clone().serve(request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let policy = self.clone();
        async move {
            let mut responses = BatchResponseBuilder::new_with_limit(policy.layer.capacity.response_bytes_max);
            let mut notified = false;
            for entry in batch {
                let response = match entry {
                    Ok(BatchEntry::Call(request)) => policy.clone().serve(request).await,
                    Ok(BatchEntry::Notification(notification)) => {
                        notified = true;
                        policy.notification(notification).await;
                        continue;
                    }
                    Err(refused) => {
                        let (error, id) = refused.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if let Err(too_big) = responses.append(response) {
                    return too_big;
                }
            }
            // A batch of notifications is answered with nothing; an empty one is an error.
            if responses.is_empty() && notified {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(responses.finish())
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        // No method here is a notification: it is taken note of, as the specification asks.
        let spent = self.layer.capacity.clients.spend(self.layer.caller.0, 1);
        async move {
            drop((spent, notification));
            MethodResponse::notification()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_transaction_costs_as_much_as_its_bytes() {
        assert_eq!(cost("eth_sendRawTransaction", 200), 1);
        // 128 KiB in hex.
        assert_eq!(cost("eth_sendRawTransaction", 256 << 10), 65);
    }
}
