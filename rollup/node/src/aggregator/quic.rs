//! The appliance over QUIC: one connection, and on it a stream for each request, which carries HTTP/1.1 (docs/aggregator.md).

use super::{ANSWER_BYTES_MAX, Answer};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request,
    client::conn::http1,
    header::{AUTHORIZATION, CONTENT_LENGTH, HOST},
};
use hyper_util::rt::TokioIo;
use quinn::{
    ClientConfig, Connection, Endpoint, RecvStream, SendStream, TransportConfig, VarInt, WriteError,
    crypto::rustls::{NoInitialCipherSuite, QuicClientConfig},
};
use reqwest::{Method, Url};
use rustls::{
    crypto::ring,
    pki_types::{
        CertificateDer,
        pem::{self, PemObject},
    },
};
use rustls_platform_verifier::Verifier;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::Mutex,
};
use tokio_util::task::AbortOnDropHandle;

/// The scheme of its URLs.
pub(super) const SCHEME: &str = "quic:";
/// The appliance's protocol.
const ALPN: &[u8] = b"sinter-intake/1";
/// A connection on which nothing is heard for so long is over.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two signs of life. The appliance ends a connection on which nothing is asked.
const KEEP_ALIVE: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// The most bytes of an answer's head.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of answers that nobody has read yet.
const WINDOW_BYTES: u32 = 1 << 20;

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum QuicError {
    /// The URL is none of this kind.
    #[error("expected quic://HOST:PORT, got `{0}`")]
    Url(String),
    /// A certificate cannot be read.
    #[error("the certificate: {0}")]
    Pem(#[from] pem::Error),
    /// The certificates cannot be used.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// There is no cipher for QUIC's first packets.
    #[error("TLS: {0}")]
    Cipher(#[from] NoInitialCipherSuite),
    /// No socket, or no such name.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The name has no address.
    #[error("expected an address of {0}, got none")]
    Nowhere(String),
    /// No connection can be begun.
    #[error(transparent)]
    Connect(#[from] quinn::ConnectError),
    /// The connection is not made, or is lost.
    #[error(transparent)]
    Connection(#[from] quinn::ConnectionError),
    /// The answer is none, or broke off.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// The request is none.
    #[error("HTTP: {0}")]
    Request(#[from] hyper::http::Error),
    /// It takes too long.
    #[error("expected an answer within {} s, got none", super::REQUEST_TIMEOUT.as_secs())]
    Slow,
}

/// An appliance that is reached over QUIC.
#[derive(Debug)]
pub(super) struct Quic {
    host: String,
    port: u16,
    /// Both, as the head of a request has them.
    authority: String,
    config: ClientConfig,
    /// The connection, and the endpoint that it lives on. Made anew when it is lost.
    connected: Mutex<Option<(Endpoint, Connection)>>,
}

impl Quic {
    /// The appliance at a URL, whose certificate is signed by one in this PEM, or by a public one.
    pub(super) fn new(url: &str, certificates: Option<&[u8]>) -> Result<Self, QuicError> {
        let wrong = || QuicError::Url(url.to_owned());
        let parsed = Url::parse(url).map_err(|_| wrong())?;
        let bare = matches!(parsed.path(), "" | "/") && parsed.query().is_none() && parsed.username().is_empty();
        let (Some(host), Some(port), true) = (parsed.host_str(), parsed.port(), bare) else { return Err(wrong()) };
        let roots = match certificates {
            Some(pem) => CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>()?,
            None => Vec::new(),
        };
        let provider = Arc::new(ring::default_provider());
        // As it is over HTTPS: what the system trusts, and these.
        let verifier = Arc::new(Verifier::new_with_extra_roots(roots, provider.clone())?);
        let tls =
            rustls::ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut tls = tls.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        tls.alpn_protocols = vec![ALPN.to_vec()];
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        let mut transport = TransportConfig::default();
        transport
            .max_concurrent_bidi_streams(VarInt::from_u32(0))
            .max_concurrent_uni_streams(VarInt::from_u32(0))
            .datagram_receive_buffer_size(None)
            .stream_receive_window(VarInt::from_u32(WINDOW_BYTES))
            .receive_window(VarInt::from_u32(2 * WINDOW_BYTES))
            // Milliseconds, of which it has less than 2^62.
            .max_idle_timeout(IDLE_TIMEOUT.try_into().ok())
            .keep_alive_interval(Some(KEEP_ALIVE));
        config.transport_config(Arc::new(transport));
        let authority = format!("{host}:{port}");
        let host = host.trim_matches(['[', ']']).to_owned();
        Ok(Self { host, port, authority, config, connected: Mutex::default() })
    }

    /// Asks, and once more over a new connection if the old one is lost meanwhile: everything here may be asked again.
    pub(super) async fn ask(
        &self,
        method: &Method,
        path: &str,
        token: &str,
        body: &Bytes,
    ) -> Result<Answer, QuicError> {
        let request = || {
            let request = Request::builder().method(method).uri(path).header(HOST, &self.authority);
            let request = request.header(AUTHORIZATION, format!("Bearer {token}")).header(CONTENT_LENGTH, body.len());
            Ok::<_, QuicError>(request.body(Full::new(body.clone()))?)
        };
        let asked = async {
            let (connection, is_new) = self.connection().await?;
            match exchange(&connection, request()?).await {
                Err(_) if !is_new && connection.close_reason().is_some() => {
                    exchange(&self.connection().await?.0, request()?).await
                }
                answer => answer,
            }
        };
        tokio::time::timeout(super::REQUEST_TIMEOUT, asked).await.map_err(|_| QuicError::Slow)?
    }

    /// The connection, and whether it is made just now. Who comes meanwhile waits and has the same.
    async fn connection(&self) -> Result<(Connection, bool), QuicError> {
        let mut connected = self.connected.lock().await;
        if let Some((_, connection)) = connected.as_ref().filter(|(_, connection)| connection.close_reason().is_none())
        {
            return Ok((connection.clone(), false));
        }
        *connected = None;
        let mut failed = QuicError::Nowhere(self.host.clone());
        for address in tokio::net::lookup_host((self.host.as_str(), self.port)).await?.take(ADDRESSES_MAX) {
            match self.connect(address).await {
                Ok((endpoint, connection)) => {
                    *connected = Some((endpoint, connection.clone()));
                    return Ok((connection, true));
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn connect(&self, address: SocketAddr) -> Result<(Endpoint, Connection), QuicError> {
        let any = match address {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        let endpoint = Endpoint::client(any)?;
        let connection = endpoint.connect_with(self.config.clone(), address, &self.host)?.await?;
        Ok((endpoint, connection))
    }
}

/// One request, and its answer.
async fn exchange(connection: &Connection, request: Request<Full<Bytes>>) -> Result<Answer, QuicError> {
    let (send, receive) = connection.open_bi().await?;
    let stream = TokioIo::new(Stream { send, receive });
    let (mut sender, driver) = http1::Builder::new().max_buf_size(HEAD_BYTES_MAX).handshake(stream).await?;
    let _driver = AbortOnDropHandle::new(tokio::spawn(driver));
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = match Limited::new(body, ANSWER_BYTES_MAX).collect().await {
        Ok(body) => Some(body.to_bytes()),
        Err(error) => match error.downcast::<hyper::Error>() {
            Ok(error) => return Err((*error).into()),
            // Beyond the limit.
            Err(_) => None,
        },
    };
    Ok(Answer { status: head.status, body })
}

/// A stream as a connection of its own.
struct Stream {
    send: SendStream,
    receive: RecvStream,
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.receive).poll_read(context, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.send).poll_write(context, bytes).map(|written| match written {
            // Who has refused a request does not read the rest of it; the refusal is still to be read.
            Err(WriteError::Stopped(_)) => Ok(bytes.len()),
            written => Ok(written?),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Finished already is finished.
        let _ = self.send.finish();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_url_names_a_host_and_a_port_and_nothing_else() {
        let of = |url: &str| Quic::new(url, None).map(|quic| (quic.host, quic.port));
        assert_eq!(of("quic://box.example:7300").unwrap(), ("box.example".to_owned(), 7300));
        assert_eq!(of("quic://[::1]:7300/").unwrap(), ("::1".to_owned(), 7300));
        for wrong in
            ["quic://box.example", "quic:7300", "quic://box:7300/v1", "quic://user@box:1", "quic://box:7300?a=b"]
        {
            let error = of(wrong).unwrap_err();
            assert!(matches!(error, QuicError::Url(_)), "{wrong}: {error}");
        }
        assert!(matches!(Quic::new("quic://box:1", Some(b"-----BEGIN CERTIFICATE-----\n")), Err(QuicError::Pem(_))));
    }
}
