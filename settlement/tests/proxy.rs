//! A proxy in front of an L1 that loses requests or answers, on demand, or at one certain request.

use alloy::transports::http::reqwest;
use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    Pass,
    /// Fails every request.
    Down,
    /// Fails sends without passing them on.
    SwallowSends,
    /// Passes sends on, and fails them then.
    FailAfterSends,
}

/// What happens at one certain request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trap {
    /// It does not reach the L1.
    Before,
    /// Its answer does not come back.
    After,
    /// It passes, but from then on a folder stands where a file is to be written.
    Block(PathBuf),
}

#[derive(Clone)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: String,
    client: reqwest::Client,
    mood: Mutex<Mood>,
    sends: Mutex<HashSet<String>>,
    requests: AtomicUsize,
    /// Requests until it springs.
    trap: Mutex<Option<(usize, Trap)>>,
}

impl Shared {
    /// The trap that this request springs.
    fn sprung(&self) -> Option<Trap> {
        let mut trap = self.trap.lock().unwrap();
        match trap.as_mut()? {
            (0, _) => trap.take().map(|(_, trap)| trap),
            (left, _) => {
                *left -= 1;
                None
            }
        }
    }
}

impl Proxy {
    pub async fn start(upstream: String) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            client: reqwest::Client::new(),
            mood: Mutex::new(Mood::Pass),
            sends: Mutex::new(HashSet::new()),
            requests: AtomicUsize::new(0),
            trap: Mutex::new(None),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/", post(forward)).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    pub fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }

    /// Springs once, after so many more requests.
    pub fn arm(&self, after: usize, trap: Trap) {
        *self.shared.trap.lock().unwrap() = Some((after, trap));
    }

    /// Whether a trap is still there; it is not afterwards.
    pub fn disarm(&self) -> bool {
        self.shared.trap.lock().unwrap().take().is_some()
    }

    /// All requests.
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// Different transactions that somebody tried to send.
    pub fn distinct_sends(&self) -> usize {
        self.shared.sends.lock().unwrap().len()
    }
}

async fn forward(State(shared): State<Arc<Shared>>, body: Bytes) -> axum::response::Response {
    let request: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let sends = request["method"] == "eth_sendRawTransaction";
    if sends {
        shared.sends.lock().unwrap().insert(request["params"][0].to_string());
    }
    shared.requests.fetch_add(1, Ordering::Relaxed);
    let mood = *shared.mood.lock().unwrap();
    let trap = shared.sprung();
    if let Some(Trap::Block(path)) = &trap {
        std::fs::create_dir(path).unwrap();
    }
    if trap == Some(Trap::Before) || mood == Mood::Down || (sends && mood == Mood::SwallowSends) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let upstream = shared.client.post(&shared.upstream).header("content-type", "application/json").body(body);
    let answer = match upstream.send().await {
        Ok(answer) => answer.bytes().await.unwrap(),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    if trap == Some(Trap::After) || (sends && mood == Mood::FailAfterSends) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    ([("content-type", "application/json")], answer).into_response()
}
