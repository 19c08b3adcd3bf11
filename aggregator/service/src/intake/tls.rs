//! The interface's certificate.

use quinn::crypto::rustls::{NoInitialCipherSuite, QuicServerConfig};
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
};
use std::{path::Path, path::PathBuf, sync::Arc};
use thiserror::Error;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file holds no PEM of what it should.
    #[error("{path}: expected {expected} in PEM: {source}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: &'static str,
        /// Why it does not.
        source: pem::Error,
    },
    /// Certificate and key do not go together, or are of a kind that is not known.
    #[error("certificate {certificate} with key {key}: {source}")]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// There is no cipher for QUIC's first packets.
    #[error("expected the cipher of QUIC's first packets: {0}")]
    Cipher(#[from] NoInitialCipherSuite),
}

/// A certificate and its key, ready to be served with.
#[derive(Clone, Debug)]
pub struct Tls(pub(super) Arc<ServerConfig>);

impl Tls {
    /// Reads a chain of certificates, the server's own first, and its private key.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let pem = |path: &Path, expected| {
            let path = path.to_path_buf();
            move |source| TlsError::Pem { path, expected, source }
        };
        let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(pem(certificate, "certificates"))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(pem(key, "a private key"))?;
        let pair = |source| TlsError::Pair { certificate: certificate.into(), key: key.into(), source };
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(pair)?.with_no_client_auth();
        let mut config = builder.with_single_cert(chain, private).map_err(pair)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    /// The same certificate for a protocol over QUIC.
    pub(super) fn quic(&self, protocol: &[u8]) -> Result<QuicServerConfig, TlsError> {
        let mut config = ServerConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.to_vec()];
        Ok(QuicServerConfig::try_from(config)?)
    }
}
