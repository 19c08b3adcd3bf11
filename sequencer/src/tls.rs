//! TLS 1.3 with raw ed25519 public keys (RFC 7250) in place of certificates, on both sides: between seats over QUIC, and
//! between a node and its signer.

use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::{
    Signer as _,
    ed25519::{PrivateKey, PublicKey},
};
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, InconsistentKeys,
    ServerConfig, SignatureScheme, SupportedCipherSuite,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What stands before an ed25519 key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What stands before an ed25519 seed in a PKCS #8 key (RFC 8410, section 7).
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// rustls wants a name to dial; raw keys have none, and the listener ignores it.
pub(crate) const SERVER_NAME: &str = "sinter";

/// Whose key is accepted.
#[derive(Clone, Debug)]
pub(crate) enum Peers {
    /// Anybody's who proves one; who it is, is the caller's to judge.
    Any,
    /// Theirs, and nobody else's.
    These(Vec<PublicKey>),
}

/// A TLS identity, and the configurations made from it.
pub(crate) struct Identity {
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
    alpn: Vec<u8>,
}

impl Identity {
    /// `alpn` names the protocol, which both sides must speak.
    pub(crate) fn new(node_key: &PrivateKey, alpn: Vec<u8>) -> Result<Self, Error> {
        let seed = Zeroizing::new(node_key.encode().to_vec());
        let mut pkcs8 = Zeroizing::new(Vec::with_capacity(PKCS8_PREFIX.len() + seed.len()));
        pkcs8.extend_from_slice(&PKCS8_PREFIX);
        pkcs8.extend_from_slice(&seed);
        let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))?;
        let spki = encode_spki(&node_key.public_key());
        if signer.public_key().is_none_or(|derived| derived.as_ref() != spki) {
            return Err(InconsistentKeys::KeyMismatch.into());
        }
        let key = CertifiedKey::new(vec![CertificateDer::from(spki)], signer);
        Ok(Self { key: Arc::new(key), provider: Arc::new(provider()), alpn })
    }

    /// For listening.
    pub(crate) fn server(&self, peers: Peers) -> Result<ServerConfig, Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(Arc::new(RawKeyVerifier::new(&self.provider, peers)))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.alpn_protocols = vec![self.alpn.clone()];
        config.send_tls13_tickets = 0; // connections live for days: every one proves its key
        Ok(config)
    }

    /// For dialing `peer`, and nobody else.
    pub(crate) fn client(&self, peer: &PublicKey) -> Result<ClientConfig, Error> {
        let peers = Peers::These(vec![peer.clone()]);
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous() // the name of the step that replaces certificate checking; ours follows
            .with_custom_certificate_verifier(Arc::new(RawKeyVerifier::new(&self.provider, peers)))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.alpn_protocols = vec![self.alpn.clone()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(config)
    }
}

/// X25519, ed25519, and the faster of AES-128-GCM and ChaCha20-Poly1305 first: without AES instructions
/// the former is both slow and open to cache timing.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.retain(|suite: &SupportedCipherSuite| {
        matches!(suite.suite(), CipherSuite::TLS13_AES_128_GCM_SHA256 | CipherSuite::TLS13_CHACHA20_POLY1305_SHA256)
    });
    provider.cipher_suites.sort_by_key(|suite| (suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256) != has_aes());
    provider.kx_groups = vec![ring::kx_group::X25519];
    provider
}

#[cfg(target_arch = "x86_64")]
fn has_aes() -> bool {
    std::arch::is_x86_feature_detected!("aes") && std::arch::is_x86_feature_detected!("pclmulqdq")
}

#[cfg(target_arch = "aarch64")]
fn has_aes() -> bool {
    std::arch::is_aarch64_feature_detected!("aes") && std::arch::is_aarch64_feature_detected!("pmull")
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn has_aes() -> bool {
    false
}

fn encode_spki(key: &PublicKey) -> Vec<u8> {
    let mut spki = SPKI_PREFIX.to_vec();
    spki.extend_from_slice(key.as_ref());
    spki
}

/// Reads the one SubjectPublicKeyInfo that an ed25519 key has.
pub(crate) fn decode_spki(spki: &[u8]) -> Option<PublicKey> {
    PublicKey::decode(Copying(spki.strip_prefix(SPKI_PREFIX.as_slice())?)).ok()
}

/// Accepts an ed25519 key.
#[derive(Debug)]
struct RawKeyVerifier {
    peers: Peers,
    provider: Arc<CryptoProvider>,
}

impl RawKeyVerifier {
    fn new(provider: &Arc<CryptoProvider>, peers: Peers) -> Self {
        Self { peers, provider: provider.clone() }
    }

    fn check(&self, spki: &CertificateDer<'_>, others: &[CertificateDer<'_>]) -> Result<(), Error> {
        if !others.is_empty() {
            return Err(CertificateError::BadEncoding.into());
        }
        let key = decode_spki(spki).ok_or(CertificateError::BadEncoding)?;
        match &self.peers {
            Peers::These(keys) if !keys.contains(&key) => Err(CertificateError::ApplicationVerificationFailure.into()),
            _ => Ok(()),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(spki.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.provider.signature_verification_algorithms)
    }
}

fn tls12_is_not_spoken() -> Error {
    Error::General("only TLS 1.3 is spoken here".to_owned())
}

impl ServerCertVerifier for RawKeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_is_not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for RawKeyVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity, intermediates).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(tls12_is_not_spoken())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_spki_and_nothing_else_does() {
        let key = PrivateKey::from_seed(7).public_key();
        let spki = encode_spki(&key);
        assert_eq!(decode_spki(&spki), Some(key));
        assert_eq!(decode_spki(&spki[1..]), None);
        assert_eq!(decode_spki(&spki[..43]), None);
        let mut longer = spki;
        longer.push(0);
        assert_eq!(decode_spki(&longer), None);
    }

    #[test]
    fn the_identity_is_the_node_key() {
        let identity = Identity::new(&PrivateKey::from_seed(7), b"test/1".to_vec()).expect("an identity");
        assert_eq!(decode_spki(&identity.key.cert[0]), Some(PrivateKey::from_seed(7).public_key()));
    }
}
