//! What turns a QUIC connection into an authenticated peer of this network.

use super::{
    endpoint::DialError,
    metrics,
    reason::{ClosedBy, Reason, classify},
};
use crate::tls;
use commonware_cryptography::{ed25519::PublicKey, sha256::Digest};
use quinn::{Connection, ConnectionError, RecvStream, SendStream, Side};
use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use std::net::SocketAddr;
use tracing::warn;

/// Bytes of a hello.
const HELLO_BYTES: usize = 32;
const EXPORTER_LABEL: &[u8] = b"EXPORTER-sinter/1";

/// Why a peer was not connected.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The raw stream or sink was not made by [`QuicContext`](super::QuicContext), or was used before.
    #[error("not a fresh connection of QuicContext")]
    NotQuic,
    /// No connection could be attempted.
    #[error("{0}")]
    Dial(#[from] DialError),
    /// The connection ended during the handshake.
    #[error("handshake ended: {reason} (by {}): {error}", by.name())]
    Ended {
        /// Why.
        reason: Reason,
        /// By whom.
        by: ClosedBy,
        /// What QUIC says.
        error: ConnectionError,
    },
    /// This node turned the peer away.
    #[error("turned away: {0}")]
    TurnedAway(Reason),
}

/// What both hellos of a handshake commit to.
pub(super) struct Terms<'a> {
    pub(super) namespace: &'a [u8],
    pub(super) chain_hash: &'a Digest,
    pub(super) dialer: &'a PublicKey,
    pub(super) listener: &'a PublicKey,
}

impl Terms<'_> {
    /// The hello of one side: what only the two ends of this very connection can compute, and only if they agree on
    /// the terms. The sender's role keeps one side's hello from being sent back as the other's.
    fn hello(&self, connection: &Connection, sender: Side) -> Result<[u8; HELLO_BYTES], HandshakeError> {
        let mut terms = Sha256::new();
        terms.update((self.namespace.len() as u64).to_be_bytes());
        terms.update(self.namespace);
        terms.update(self.chain_hash);
        terms.update(self.dialer);
        terms.update(self.listener);
        terms.update(metrics::side_name(sender));
        let mut hello = [0; HELLO_BYTES];
        connection
            .export_keying_material(&mut hello, EXPORTER_LABEL, &terms.finalize())
            .map_err(|_| HandshakeError::TurnedAway(Reason::Tls))?;
        Ok(hello)
    }
}

/// The key that the peer proved in TLS.
pub(super) fn peer_key(connection: &Connection) -> Option<PublicKey> {
    let chain = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    tls::decode_spki(chain.first()?)
}

/// The dialer's hello, and the wait for the answer.
pub(super) async fn greet(
    connection: &Connection,
    terms: &Terms<'_>,
) -> Result<(SendStream, RecvStream), HandshakeError> {
    let (mut send, mut receive) = connection.open_bi().await.map_err(ended)?;
    send_hello(connection, &mut send, terms, Side::Client).await?;
    expect_hello(connection, &mut receive, terms, Side::Server).await?;
    Ok((send, receive))
}

/// The listener's answer to the dialer's hello.
pub(super) async fn answer(
    connection: &Connection,
    terms: &Terms<'_>,
) -> Result<(SendStream, RecvStream), HandshakeError> {
    let (mut send, mut receive) = connection.accept_bi().await.map_err(ended)?;
    expect_hello(connection, &mut receive, terms, Side::Client).await?;
    send_hello(connection, &mut send, terms, Side::Server).await?;
    Ok((send, receive))
}

async fn send_hello(
    connection: &Connection,
    stream: &mut SendStream,
    terms: &Terms<'_>,
    side: Side,
) -> Result<(), HandshakeError> {
    // The caller closes the connection on an error, and QUIC knows the cause better than the stream does.
    let hello = terms.hello(connection, side)?;
    stream.write_all(&hello).await.map_err(|_| cut_short(connection))
}

async fn expect_hello(
    connection: &Connection,
    stream: &mut RecvStream,
    terms: &Terms<'_>,
    sender: Side,
) -> Result<(), HandshakeError> {
    let mut hello = [0; HELLO_BYTES];
    stream.read_exact(&mut hello).await.map_err(|_| cut_short(connection))?;
    if hello != terms.hello(connection, sender)? {
        return Err(HandshakeError::TurnedAway(Reason::WrongNetwork));
    }
    Ok(())
}

fn cut_short(connection: &Connection) -> HandshakeError {
    connection.close_reason().map_or(HandshakeError::TurnedAway(Reason::MalformedHello), ended)
}

pub(super) fn ended(error: ConnectionError) -> HandshakeError {
    let (reason, by) = classify(&error, None);
    HandshakeError::Ended { reason, by, error }
}

/// Counts and logs an attempt unless it succeeds; one that is dropped was abandoned.
pub(super) struct Attempt {
    side: Side,
    address: SocketAddr,
    connection: Option<Connection>,
    over: bool,
}

impl Attempt {
    pub(super) fn new(side: Side, address: SocketAddr) -> Self {
        Self { side, address, connection: None, over: false }
    }

    pub(super) fn connected(&mut self, connection: &Connection) {
        self.connection = Some(connection.clone());
    }

    pub(super) fn succeeded(mut self) {
        self.over = true;
    }

    pub(super) fn failed(mut self, error: &HandshakeError) {
        let (reason, by) = match error {
            HandshakeError::Ended { reason, by, .. } => (*reason, *by),
            HandshakeError::TurnedAway(reason) => (*reason, ClosedBy::Local),
            HandshakeError::NotQuic | HandshakeError::Dial(_) => (Reason::Transport, ClosedBy::Local),
        };
        self.end(reason, by, &error.to_string());
    }

    fn end(&mut self, reason: Reason, by: ClosedBy, error: &str) {
        self.over = true;
        if let Some(connection) = &self.connection {
            connection.close(reason.code(), reason.name().as_bytes());
        }
        metrics::attempt_failed(reason, by);
        let side = metrics::side_name(self.side);
        let (reason, by, address) = (reason.name(), by.name(), self.address);
        warn!(side, %address, reason, by, error, "no connection");
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.over {
            self.end(Reason::Abandoned, ClosedBy::Local, "given up before the handshake was over");
        }
    }
}
