//! Certificates, by the SHA-256 of their DER: how two of them are compared.

use crate::{
    catalog::text_of,
    error::FirmwareError,
    profile::{Database, WantedCertificate},
};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use sha2::{Digest, Sha256};

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Where it belongs.
    pub database: Database,
    /// The SHA-256 of its DER, in hex.
    pub fingerprint: String,
    /// As PEM.
    pub pem: String,
    /// Why it is wanted.
    pub why: String,
}

impl Certificate {
    /// Reads the certificate that a profile wants.
    ///
    /// # Errors
    /// When the file cannot be read, or has not exactly one certificate.
    pub fn read(wanted: &WantedCertificate) -> Result<Self, FirmwareError> {
        let pem = text_of(&wanted.file)?;
        match fingerprints(&pem).as_slice() {
            [fingerprint] => {
                Ok(Self { database: wanted.database, fingerprint: fingerprint.clone(), pem, why: wanted.why.clone() })
            }
            other => {
                let reason = format!("expected one certificate in PEM, got {}", other.len());
                Err(FirmwareError::invalid(wanted.file.display().to_string(), reason))
            }
        }
    }
}

/// The fingerprints of all certificates in a text.
#[must_use]
pub fn fingerprints(pem: &str) -> Vec<String> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok);
    certificates.map(|der| hex::encode(Sha256::digest(&der))).collect()
}
