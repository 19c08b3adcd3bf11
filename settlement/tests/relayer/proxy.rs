//! A proxy in front of an L1 that loses requests or answers, on demand.

use alloy::transports::http::reqwest;
use axum::{Router, body::Bytes, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
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
}

impl Proxy {
    pub async fn start(upstream: String) -> Self {
        let shared = Arc::new(Shared {
            upstream,
            client: reqwest::Client::new(),
            mood: Mutex::new(Mood::Pass),
            sends: Mutex::new(HashSet::new()),
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

    /// Different transactions that the relayer tried to send.
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
    let mood = *shared.mood.lock().unwrap();
    if mood == Mood::Down || (sends && mood == Mood::SwallowSends) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let upstream = shared.client.post(&shared.upstream).header("content-type", "application/json").body(body);
    let answer = match upstream.send().await {
        Ok(answer) => answer.bytes().await.unwrap(),
        Err(_) => return StatusCode::BAD_GATEWAY.into_response(),
    };
    if sends && mood == Mood::FailAfterSends {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    ([("content-type", "application/json")], answer).into_response()
}
