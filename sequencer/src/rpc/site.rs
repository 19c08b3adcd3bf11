//! Requests: to where their path says.
//!
//! | path | what |
//! |---|---|
//! | `/` | the node's own interface: HTTP POST and WebSocket |
//! | `/namespaces/<id>`, `/namespaces/<id>/private` | a namespace's Ethereum face, likewise |
//! | `GET /health` | 200 or 503, and why |
//! | `GET /metrics` | for Prometheus; on a listener of its own when one is configured |
//! | `GET /dashboard` | the same for people, live; where `/metrics` is |

use super::{
    RpcError,
    api::SinterApiServer,
    blocking::on_thread,
    clients::Clients,
    config::RpcConfig,
    error,
    ethereum::{EthereumApiServer, Face, Pending, Upstream},
    health,
    listener::Held,
    methods::SinterMethods,
    metrics::Exporter,
    policy::{Caller, Capacity, PolicyLayer},
    proofs::Prover,
};
use crate::{handle::Handle, mempool::Visibility};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::{Body, Incoming},
    header::{self, HeaderValue},
};
use jsonrpsee::{
    Methods,
    server::{
        BatchRequestConfig, HttpBody, PingConfig, ServerBuilder, ServerConfig, StopHandle, TowerServiceBuilder,
        middleware::rpc::RpcServiceBuilder, ws::is_upgrade_request,
    },
    types::error::reject_too_big_request,
};
use serde_json::json;
use sinter_ops::{metrics::Machine, page};
use sinter_primitives::{Namespace, chain::NamespaceSpec};
use std::{
    collections::BTreeMap,
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::timeout;
use tower::{Service, layer::util::Identity};

/// WebSocket clients are asked for a sign of life this often.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Time for which browsers may remember what a web page may do.
const CORS_MAX_AGE_SECONDS: &str = "600";

type Answer = Response<HttpBody>;

/// Which paths a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// All of them.
    Everything,
    /// All but `/metrics`, which is elsewhere.
    NoMetrics,
    /// `/metrics`, `/dashboard` and `/health`.
    MetricsOnly,
}

/// A face with its methods.
#[derive(Clone)]
struct Door {
    face: Option<Arc<Face>>,
    methods: Methods,
}

/// Everything that a request may need.
#[derive(Clone)]
pub(super) struct Site {
    handle: Handle,
    config: Arc<RpcConfig>,
    exporter: Arc<Exporter>,
    dashboard: page::Routes,
    capacity: Arc<Capacity>,
    sinter: Door,
    faces: Arc<Faces>,
    rpc: TowerServiceBuilder<Identity, Identity>,
    stop: StopHandle,
    scope: Scope,
}

impl Site {
    pub fn new(
        handle: Handle,
        config: RpcConfig,
        exporter: Arc<Exporter>,
        stop: StopHandle,
        scope: Scope,
    ) -> Result<Self, RpcError> {
        let response_bytes_max = config.response_bytes(&handle.chain.file.parameters);
        let prover = Arc::new(Prover::new(handle.clone(), &config));
        let pending = Arc::new(Pending::default());
        let faces = Arc::new(Faces::new(&handle, &config, &prover, &pending)?);
        let methods = SinterMethods::new(handle.clone(), prover, pending, &config).into_rpc().into();
        let server_config = ServerConfig::builder()
            .max_request_body_size(u32::try_from(config.request_bytes_max).unwrap_or(u32::MAX))
            .max_response_body_size(response_bytes_max)
            .max_subscriptions_per_connection(config.subscriptions_per_connection_max)
            .set_batch_request_config(BatchRequestConfig::Limit(config.batch_max))
            .set_message_buffer_capacity(config.subscription_buffer)
            .enable_ws_ping(PingConfig::new().ping_interval(PING_INTERVAL).inactive_limit(3 * PING_INTERVAL))
            .build();
        let rpc = ServerBuilder::with_config(server_config)
            .to_service_builder()
            // Connections are counted before they come here.
            .max_connections(u32::MAX);
        let shown = exporter.clone();
        let dashboard = page::routes(Machine::Sequencer, Arc::new(move || shown.render()));
        Ok(Self {
            dashboard,
            handle,
            capacity: Arc::new(Capacity::new(&config, response_bytes_max as usize)),
            config: Arc::new(config),
            exporter,
            sinter: Door { face: None, methods },
            faces,
            rpc,
            stop,
            scope,
        })
    }

    /// The same node, for a listener of its own with `/metrics` and `/health`.
    pub fn for_scrapers(&self) -> Self {
        Self { scope: Scope::MetricsOnly, ..self.clone() }
    }

    pub fn config(&self) -> &RpcConfig {
        &self.config
    }

    pub fn clients(&self) -> &Clients {
        &self.capacity.clients
    }

    /// Answers a request that came from `peer`.
    pub async fn answer(&self, request: Request<Incoming>, peer: IpAddr, held: Arc<Held>) -> Answer {
        let origin = request.headers().get(header::ORIGIN).cloned();
        let own = page::is_own(request.headers());
        let mut answer = match &origin {
            Some(origin) if !own && !self.admits(origin) => {
                plain(StatusCode::FORBIDDEN, "this web page's origin is not one that the node is configured to admit\n")
            }
            Some(_) if request.method() == Method::OPTIONS => plain(StatusCode::NO_CONTENT, ""),
            _ => self.route(request, peer, held).await,
        };
        if let Some(origin) = origin.filter(|origin| self.admits(origin)) {
            admit_origin(answer.headers_mut(), origin);
        }
        answer
    }

    /// Whether a web page of this origin may call. Other programs send no origin.
    fn admits(&self, origin: &HeaderValue) -> bool {
        self.config.cors_origins.iter().any(|admitted| admitted == "*" || admitted.as_bytes() == origin.as_bytes())
    }

    async fn route(&self, request: Request<Incoming>, peer: IpAddr, held: Arc<Held>) -> Answer {
        let path = request.uri().path();
        let everything = self.scope != Scope::MetricsOnly;
        match (request.method(), path) {
            (&Method::GET, "/health") => self.health(),
            (&Method::GET, "/metrics") if self.scope != Scope::NoMetrics => self.metrics().await,
            (&Method::GET, "/dashboard" | "/dashboard/live") if self.scope != Scope::NoMetrics => {
                self.dashboard(request, held).await
            }
            (_, "/") if everything => self.call(&self.sinter, request, peer, held).await,
            (_, path) if everything && path.starts_with("/namespaces/") => match self.face(path) {
                Ok(door) => self.call(&door, request, peer, held).await,
                Err(reason) => plain(StatusCode::NOT_FOUND, reason),
            },
            _ => plain(
                StatusCode::NOT_FOUND,
                "no such path: there are /, /namespaces/<id>, /health, /metrics, /dashboard\n",
            ),
        }
    }

    /// The face at a path.
    fn face(&self, path: &str) -> Result<Door, String> {
        let rest = path.trim_start_matches("/namespaces/");
        let (id, private) = match rest.strip_suffix("/private") {
            Some(id) => (id, true),
            None => (rest, false),
        };
        let id = id.parse().map(Namespace).map_err(|_| "expected a namespace's id as a whole number\n".to_owned())?;
        self.faces.get(id, private)
    }

    fn health(&self) -> Answer {
        let health = health::examine(&self.handle, self.config.behind_blocks_max);
        let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json_answer(status, &json!(health))
    }

    async fn metrics(&self) -> Answer {
        let exporter = self.exporter.clone();
        match on_thread(move || exporter.render()).await {
            Ok(text) => with_type(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", text),
            Err(failed) => {
                tracing::error!(error = %failed, "rpc: metrics could not be rendered");
                plain(StatusCode::INTERNAL_SERVER_ERROR, "metrics could not be rendered\n")
            }
        }
    }

    /// The page, and the WebSocket behind it, which holds its connection's place.
    async fn dashboard(&self, mut request: Request<Incoming>, held: Arc<Held>) -> Answer {
        request.extensions_mut().insert(page::Held(held));
        let mut routes = self.dashboard.clone();
        match routes.call(request).await {
            Ok(answer) => answer.map(HttpBody::new),
        }
    }

    /// Hands a request to the JSON-RPC library, behind the policy.
    async fn call(&self, door: &Door, mut request: Request<Incoming>, peer: IpAddr, held: Arc<Held>) -> Answer {
        let caller = Caller(self.client(peer, request.headers()));
        let is_upgrade = is_upgrade_request(&request);
        request.extensions_mut().insert(caller);
        request.extensions_mut().insert(held);
        let policy = PolicyLayer { capacity: self.capacity.clone(), caller, face: door.face.clone() };
        let mut service = self
            .rpc
            .clone()
            .set_rpc_middleware(RpcServiceBuilder::new().layer(policy))
            .build(door.methods.clone(), self.stop.clone());
        let bytes_max = self.config.request_bytes_max;
        let exchange = async {
            let (parts, body) = request.into_parts();
            let body = match bounded(body, bytes_max).await {
                Ok(body) => body,
                Err(refusal) => return Ok(refusal),
            };
            service.call(Request::from_parts(parts, body)).await
        };
        // A call has its own limit; this one also covers a body that does not come in.
        let limit = if is_upgrade { self.config.idle_timeout() } else { 2 * self.config.call_timeout() };
        match timeout(limit, exchange).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failed)) => {
                tracing::debug!(error = %failed, "rpc: a request failed");
                plain(StatusCode::BAD_REQUEST, "the request could not be read\n")
            }
            Err(_) => {
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                let body = json!({ "jsonrpc": "2.0", "id": null, "error": error::timeout(limit_ms) });
                json_answer(StatusCode::REQUEST_TIMEOUT, &body)
            }
        }
    }

    /// The client behind a peer: the last address that a trusted proxy added, or the peer itself.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.config.trusted_proxies.contains(&peer.to_canonical()) {
            return peer;
        }
        let forwarded = headers.get_all("x-forwarded-for").iter().next_back();
        let last = forwarded.and_then(|value| value.to_str().ok()).and_then(|value| value.rsplit(',').next());
        last.and_then(|address| address.trim().parse().ok()).unwrap_or(peer)
    }
}

/// What faces are made of.
#[derive(Clone)]
struct Faces {
    handle: Handle,
    prover: Arc<Prover>,
    pending: Arc<Pending>,
    upstreams: BTreeMap<Namespace, Arc<Upstream>>,
    /// Those that were asked for, public (`false`) and private (`true`): what is open stays open.
    made: Arc<Mutex<BTreeMap<(Namespace, bool), Door>>>,
}

impl Faces {
    fn new(
        handle: &Handle,
        config: &RpcConfig,
        prover: &Arc<Prover>,
        pending: &Arc<Pending>,
    ) -> Result<Self, RpcError> {
        let mut upstreams = BTreeMap::new();
        for (id, url) in &config.upstreams {
            let upstream = Upstream::new(url.clone(), config)
                .map_err(|error| RpcError::Upstream { namespace: id.0, reason: error.to_string() })?;
            upstreams.insert(*id, Arc::new(upstream));
        }
        let (handle, prover, pending) = (handle.clone(), prover.clone(), pending.clone());
        Ok(Self { handle, prover, pending, upstreams, made: Arc::default() })
    }

    /// A namespace's face; nothing where it does not speak Ethereum.
    fn door(&self, spec: &NamespaceSpec, private: bool) -> Option<Door> {
        let face = Face {
            namespace: spec.id,
            chain_id: spec.evm_chain_id?,
            handle: self.handle.clone(),
            prover: self.prover.clone(),
            pending: self.pending.clone(),
            visibility: if private { Visibility::Private } else { Visibility::Public },
            upstream: self.upstreams.get(&spec.id).cloned(),
        };
        let methods = face.clone().into_rpc().into();
        Some(Door { face: Some(Arc::new(face)), methods })
    }

    /// The face of a namespace that is open now.
    fn get(&self, id: Namespace, private: bool) -> Result<Door, String> {
        if let Some(door) = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&(id, private)) {
            return Ok(door.clone());
        }
        let spec = self.handle.namespace(id).ok_or_else(|| format!("namespace {id} is not open on this chain\n"))?;
        let door = self.door(&spec, private);
        let door =
            door.ok_or_else(|| format!("namespace {id} has no EIP-155 chain id, and so no Ethereum face: use /\n"))?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert((id, private), door.clone());
        Ok(door)
    }
}

/// Reads a body that comes without its length: the library takes one that exceeds its bound for a fault of the node.
/// One with a length is read later, and no further than that.
async fn bounded(mut body: Incoming, bytes_max: usize) -> Result<HttpBody, Answer> {
    if body.size_hint().upper().is_some() {
        return Ok(HttpBody::new(body));
    }
    let mut bytes = Vec::new();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return Err(plain(StatusCode::BAD_REQUEST, "the request could not be read\n")) };
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            let error = reject_too_big_request(u32::try_from(bytes_max).unwrap_or(u32::MAX));
            let body = json!({ "jsonrpc": "2.0", "id": null, "error": error });
            return Err(json_answer(StatusCode::PAYLOAD_TOO_LARGE, &body));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(HttpBody::from(bytes))
}

fn admit_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(CORS_MAX_AGE_SECONDS));
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
}

fn plain(status: StatusCode, text: impl Into<String>) -> Answer {
    with_type(status, "text/plain; charset=utf-8", text.into())
}

fn json_answer(status: StatusCode, value: &serde_json::Value) -> Answer {
    with_type(status, "application/json", value.to_string())
}

fn with_type(status: StatusCode, content_type: &'static str, text: String) -> Answer {
    let mut answer = Response::new(HttpBody::from(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}
