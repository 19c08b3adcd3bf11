//! A QUIC client of our own making, which knows the protocol and keeps to as much of it as it likes. It is also a
//! second implementation of the handshake, from its description alone.

use crate::quic::harness::NAMESPACE;
use commonware_codec::Encode as _;
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
    sha256::Digest,
};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream, TransportConfig, VarInt,
    crypto::rustls::QuicClientConfig,
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    sign::CertifiedKey,
};
use sha2::{Digest as _, Sha256};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

pub struct Impostor {
    key: Option<PrivateKey>,
    chain_hash: Digest,
    transport: TransportConfig,
}

/// A connection past TLS.
pub struct Attempt {
    pub connection: Connection,
    /// The control stream, once the hello is sent.
    control: Mutex<Option<(SendStream, RecvStream)>>,
    kept: Mutex<Vec<SendStream>>,
    endpoint: Endpoint,
}

impl Attempt {
    /// Holds a stream open for as long as the connection.
    pub fn keep(&self, stream: SendStream) {
        self.kept.lock().unwrap().push(stream);
    }

    /// The sending side of the control stream.
    pub fn take_control(&self) -> SendStream {
        self.control.lock().unwrap().take().unwrap().0
    }

    /// Goes away without a word: no packet leaves any more.
    pub fn vanish(&self) {
        // Neither sent from nor received on: the peer is reached over IPv4 only.
        self.endpoint.rebind(std::net::UdpSocket::bind("[::1]:0").unwrap()).unwrap();
    }

    /// Waits for the other side to close; its code and text.
    pub async fn closed_by_peer(&self) -> (u64, String) {
        match self.connection.closed().await {
            ConnectionError::ApplicationClosed(close) => {
                (close.error_code.into_inner(), String::from_utf8(close.reason.to_vec()).unwrap())
            }
            other => panic!("{other}"),
        }
    }
}

impl Impostor {
    pub fn new(seed: u64, chain_hash: Digest) -> Self {
        Self { key: Some(PrivateKey::from_seed(seed)), chain_hash, transport: TransportConfig::default() }
    }

    /// Shows no key in TLS.
    pub fn without_key(chain_hash: Digest) -> Self {
        Self { key: None, chain_hash, transport: TransportConfig::default() }
    }

    /// Grants the other side `bytes` of credit per stream.
    pub fn with_window(mut self, bytes: u32) -> Self {
        self.transport.stream_receive_window(VarInt::from_u32(bytes)).receive_window(VarInt::from_u32(bytes));
        self
    }

    /// TLS, and no more.
    pub async fn try_connect(self, address: SocketAddr) -> Result<Attempt, ConnectionError> {
        let provider = Arc::new(ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyKey(provider)));
        let mut tls = match &self.key {
            Some(key) => {
                let resolver = AlwaysResolvesClientRawPublicKeys::new(Arc::new(certified(key)));
                tls.with_client_cert_resolver(Arc::new(resolver))
            }
            None => tls.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![format!("sinter/1/{}", hex::encode(self.chain_hash.as_ref())).into_bytes()];
        let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
        client.transport_config(Arc::new(self.transport));
        let endpoint = Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
        let connection = endpoint.connect_with(client, address, "sinter").unwrap().await?;
        Ok(Attempt { connection, control: Mutex::default(), kept: Mutex::default(), endpoint })
    }

    /// TLS, and a hello of the caller's choice.
    pub async fn connect_with_hello(self, address: SocketAddr, hello: [u8; 32]) -> Attempt {
        let attempt = self.try_connect(address).await.unwrap();
        let (mut send, receive) = attempt.connection.open_bi().await.unwrap();
        send.write_all(&hello).await.unwrap();
        *attempt.control.lock().unwrap() = Some((send, receive));
        attempt
    }

    /// The whole handshake with `listener`: what comes after is up to the caller.
    pub async fn connect(self, address: SocketAddr, listener: &PublicKey) -> Attempt {
        let dialer = self.key.as_ref().unwrap().public_key();
        let chain_hash = self.chain_hash;
        let attempt = self.try_connect(address).await.unwrap();
        let hello = |role: &str| {
            let mut terms = Sha256::new();
            terms.update((NAMESPACE.len() as u64).to_be_bytes());
            terms.update(NAMESPACE);
            terms.update(chain_hash);
            terms.update(&dialer);
            terms.update(listener);
            terms.update(role);
            let mut hello = [0; 32];
            let connection = &attempt.connection;
            connection.export_keying_material(&mut hello, b"EXPORTER-sinter/1", &terms.finalize()).unwrap();
            hello
        };
        let (mine, theirs) = (hello("dialer"), hello("listener"));
        let (mut send, mut receive) = attempt.connection.open_bi().await.unwrap();
        send.write_all(&mine).await.unwrap();
        let mut answer = [0; 32];
        receive.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, theirs);
        *attempt.control.lock().unwrap() = Some((send, receive));
        attempt
    }
}

fn certified(key: &PrivateKey) -> CertifiedKey {
    let pkcs8 = [&PKCS8[..], &key.encode()].concat();
    let spki = [&SPKI[..], key.public_key().as_ref()].concat();
    let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).unwrap();
    CertifiedKey::new(vec![CertificateDer::from(spki)], signer)
}

/// Takes any server for who it claims to be.
#[derive(Debug)]
struct AnyKey(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyKey {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
