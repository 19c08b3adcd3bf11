//! Nodes from outside: their generated clients, and subscriptions that outlive a node.

use crate::exit::{Exit, Failure, OrFail};
use jsonrpsee::{
    core::client::{Error as ClientError, Subscription},
    http_client::{HttpClient, HttpClientBuilder},
    ws_client::{WsClient, WsClientBuilder},
};
use serde::de::DeserializeOwned;
use sinter_primitives::{
    hand_over::{HandOver, HandOverError},
    network::TrustedNetwork,
};
use sinter_sequencer::rpc::SinterApiClient;
use std::time::Duration;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait before the next node is tried, when one went away.
const RECONNECT_WAIT: Duration = Duration::from_millis(200);
/// Longest message: a full block's worth of transactions as hex.
const MESSAGE_BYTES_MAX: u32 = 64 << 20;

/// A client of the node at `url`, over HTTP.
///
/// # Errors
/// When the URL is none.
pub fn http(url: &str) -> Result<HttpClient, Failure> {
    let builder = HttpClientBuilder::default().request_timeout(REQUEST_TIMEOUT).max_response_size(MESSAGE_BYTES_MAX);
    builder.build(url).or_fail(Exit::Usage, format_args!("{url:?} is no RPC URL"))
}

/// A client of the node at the HTTP URL `url`, over WebSocket.
///
/// # Errors
/// When the node does not answer.
async fn websocket(url: &str) -> Result<WsClient, ClientError> {
    let url = url.replacen("http", "ws", 1);
    let builder = WsClientBuilder::default().request_timeout(REQUEST_TIMEOUT).max_response_size(MESSAGE_BYTES_MAX);
    builder.build(url).await
}

/// Somebody who follows a chain by one kind of its events.
pub trait Follower: Send {
    /// Each covers heights up to one.
    type Event: DeserializeOwned + Send + 'static;

    /// Asks a node for every event from height `next` on.
    fn subscribe(
        &self,
        node: &WsClient,
        next: u64,
    ) -> impl Future<Output = Result<Subscription<Self::Event>, ClientError>> + Send;

    /// Takes an event that a node sent, and says up to which height it covers the chain.
    fn take(&mut self, node: &WsClient, event: Self::Event) -> impl Future<Output = Result<u64, ClientError>> + Send;
}

/// Goes with the committees, as a node tells of them, until the one of `epoch` is known. What does not hold is not taken.
///
/// # Errors
/// When the node does not answer, does not have the end of an epoch, or lies about it.
pub async fn hand_over(
    node: &(impl SinterApiClient + Sync),
    trusted: &mut TrustedNetwork,
    epoch: u64,
) -> Result<(), ClientError> {
    while !trusted.is_ahead_of(epoch) {
        let ends = hand_overs(node, trusted.epoch).await?;
        trusted.follow(&ends, epoch).map_err(not_handed_over)?;
    }
    Ok(())
}

/// The ends of epochs from one on that a node has, at least that one's. They are not verified.
///
/// # Errors
/// When the node does not answer, or does not have it.
pub async fn hand_overs(node: &(impl SinterApiClient + Sync), epoch: u64) -> Result<Vec<HandOver>, ClientError> {
    let ends = node.hand_overs(epoch).await?;
    if ends.is_empty() {
        return Err(ClientError::Custom(format!("expected the end of epoch {epoch}, got none")));
    }
    Ok(ends)
}

/// What is wrong with a hand-over, as an answer that is not taken.
pub fn not_handed_over(error: HandOverError) -> ClientError {
    ClientError::Custom(format!("a hand-over: {error}"))
}

/// Takes every event from height `next` on, each once and in order, from whichever of `urls` answers. Ends
/// only when it is dropped.
pub async fn follow(urls: Vec<String>, mut next: u64, mut follower: impl Follower) {
    for url in urls.iter().cycle() {
        if let Err(error) = follow_one(url, &mut next, &mut follower).await {
            tracing::warn!(%url, %error, "a subscription failed");
        }
        tokio::time::sleep(RECONNECT_WAIT).await;
    }
}

/// Takes events from one node for as long as it sends them.
async fn follow_one(url: &str, next: &mut u64, follower: &mut impl Follower) -> Result<(), ClientError> {
    let node = websocket(url).await?;
    let mut events = follower.subscribe(&node, *next).await?;
    while let Some(event) = events.next().await {
        *next = follower.take(&node, event?).await?.saturating_add(1).max(*next);
    }
    Ok(())
}
