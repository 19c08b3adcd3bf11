//! `commonware_stream`'s `Upgrader`: from a token of [`QuicContext`](super::QuicContext) to whole messages.

use super::{
    context::{Origin, QuicStream},
    endpoint::Transport,
    frame::MESSAGE_BYTES_MAX,
    handshake::{self, Attempt, HandshakeError, Terms},
    metrics,
    reason::Reason,
    receiver::QuicReceiver,
    sender::{CONTROL_PRIORITY, Lanes, QuicSender},
    session::{Lease, Session},
};
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_runtime::{Clock, Sink, Stream};
use commonware_stream::Upgrader;
use quinn::{Connection, RecvStream, SendStream, Side};
use rand_core::CryptoRng;
use std::{any::Any, future::Future, sync::Arc, time::Instant};

/// Authenticates QUIC connections for `lookup`.
#[derive(Clone)]
pub struct QuicUpgrader {
    transport: Arc<Transport>,
}

impl QuicUpgrader {
    pub(super) fn new(transport: Arc<Transport>) -> Self {
        Self { transport }
    }

    async fn connect(
        &self,
        attempt: &mut Attempt,
        origin: Origin,
        namespace: &[u8],
        peer: &PublicKey,
    ) -> Result<(Connection, SendStream, RecvStream), HandshakeError> {
        let Origin::Dial(address) = origin else {
            return Err(HandshakeError::NotQuic);
        };
        let connection = self.transport.connect(address, peer)?.await.map_err(handshake::ended)?;
        attempt.connected(&connection);
        if handshake::peer_key(&connection).as_ref() != Some(peer) {
            return Err(HandshakeError::TurnedAway(Reason::WrongKey)); // TLS would have failed first
        }
        let chain_hash = &self.transport.config.chain_hash;
        let terms = Terms { namespace, chain_hash, dialer: &self.public_key(), listener: peer };
        let (send, receive) = handshake::greet(&connection, &terms).await?;
        Ok((connection, send, receive))
    }

    async fn admit<B, F>(
        &self,
        attempt: &mut Attempt,
        origin: Origin,
        namespace: &[u8],
        bouncer: B,
    ) -> Result<(PublicKey, Connection, SendStream, RecvStream), HandshakeError>
    where
        B: FnOnce(PublicKey) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        let Origin::Accepted(incoming) = origin else {
            return Err(HandshakeError::NotQuic);
        };
        let connection = self.transport.accept(*incoming)?.await.map_err(handshake::ended)?;
        attempt.connected(&connection);
        let peer = handshake::peer_key(&connection).ok_or(HandshakeError::TurnedAway(Reason::WrongKey))?;
        // Nobody dials a peer that he knows himself connected to. p2p frees the peer's place once this end is
        // noticed, so it is the next attempt that succeeds.
        if let Some(lost) = self.transport.sessions_of(&peer) {
            lost.close(Reason::Replaced);
        }
        if !bouncer(peer.clone()).await {
            return Err(HandshakeError::TurnedAway(Reason::Refused));
        }
        let chain_hash = &self.transport.config.chain_hash;
        let terms = Terms { namespace, chain_hash, dialer: &peer, listener: &self.public_key() };
        let (send, receive) = handshake::answer(&connection, &terms).await?;
        Ok((peer, connection, send, receive))
    }

    /// Starts what an authenticated connection needs.
    fn establish(
        &self,
        connection: Connection,
        peer: PublicKey,
        (send, receive): (SendStream, RecvStream),
        message_bytes_max: u32,
    ) -> (QuicSender, QuicReceiver) {
        let config = &self.transport.config;
        // The one error is a connection that is over already, which both halves are about to notice.
        let _ = send.set_priority(CONTROL_PRIORITY);
        let session = Arc::new(Session::new(connection, peer));
        self.transport.sessions.insert(&session);
        let lanes = Lanes::new(config);
        let writers = lanes.start(&session, send, config.stall_timeout);
        tokio::spawn(session.clone().watch(lanes.clone(), self.transport.sessions.clone()));
        let lease = Arc::new(Lease::new(session, writers));
        let sender = QuicSender::new(lease.clone(), lanes, message_bytes_max, config.queue_bytes);
        let receiver = QuicReceiver::new(lease, config.channels.clone(), receive, message_bytes_max);
        (sender, receiver)
    }
}

/// Recovers the token from p2p's generic stream.
fn token<I: Stream>(stream: I) -> Result<(QuicStream, Attempt), HandshakeError> {
    let stream: Box<dyn Any> = Box::new(stream);
    let stream = stream.downcast::<QuicStream>().map_err(|_| HandshakeError::NotQuic)?;
    let attempt = match stream.origin() {
        Origin::Dial(address) => Attempt::new(Side::Client, *address),
        Origin::Accepted(incoming) => Attempt::new(Side::Server, incoming.remote_address()),
    };
    Ok((*stream, attempt))
}

impl Upgrader for QuicUpgrader {
    const MAX_SIZE: u32 = MESSAGE_BYTES_MAX;

    type PublicKey = PublicKey;
    type Error = HandshakeError;
    type Sender<I: Stream, O: Sink> = QuicSender;
    type Receiver<I: Stream, O: Sink> = QuicReceiver;

    fn public_key(&self) -> PublicKey {
        self.transport.config.node_key.public_key()
    }

    async fn dial<C, I, O>(
        self,
        _context: C,
        namespace: &[u8],
        max_message_size: u32,
        peer: PublicKey,
        stream: I,
        _sink: O,
    ) -> Result<(QuicSender, QuicReceiver), HandshakeError>
    where
        C: Clock + CryptoRng,
        I: Stream,
        O: Sink,
    {
        assert!(max_message_size <= Self::MAX_SIZE, "p2p's limit is checked when it starts");
        let started = Instant::now();
        let (token, mut attempt) = token(stream)?;
        match self.connect(&mut attempt, token.into_origin(), namespace, &peer).await {
            Ok((connection, send, receive)) => {
                attempt.succeeded();
                metrics::opened(Side::Client, started.elapsed());
                Ok(self.establish(connection, peer, (send, receive), max_message_size))
            }
            Err(error) => {
                attempt.failed(&error);
                Err(error)
            }
        }
    }

    async fn listen<C, I, O, B, F>(
        self,
        _context: C,
        namespace: &[u8],
        max_message_size: u32,
        bouncer: B,
        stream: I,
        _sink: O,
    ) -> Result<(PublicKey, QuicSender, QuicReceiver), HandshakeError>
    where
        C: Clock + CryptoRng,
        I: Stream,
        O: Sink,
        B: FnOnce(PublicKey) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        assert!(max_message_size <= Self::MAX_SIZE, "p2p's limit is checked when it starts");
        let started = Instant::now();
        let (token, mut attempt) = token(stream)?;
        match self.admit(&mut attempt, token.into_origin(), namespace, bouncer).await {
            Ok((peer, connection, send, receive)) => {
                attempt.succeeded();
                metrics::opened(Side::Server, started.elapsed());
                let (sender, receiver) = self.establish(connection, peer.clone(), (send, receive), max_message_size);
                Ok((peer, sender, receiver))
            }
            Err(error) => {
                attempt.failed(&error);
                Err(error)
            }
        }
    }
}
