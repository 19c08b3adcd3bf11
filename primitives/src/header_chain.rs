//! Headers that a certificate covers, itself or through its ancestors.
//!
//! Not every height has a finalization of its own: a certificate over a header finalizes all of its
//! ancestors. Such a height is proven by the parent-linked headers from it up to a certified one.

use crate::{
    Certificate, Digest, Header, certificate::CertificateError, header::PROTOCOL_MAX, receipt::TrustedNetwork,
};
use serde::{Deserialize, Serialize};

/// Most headers in a chain that is verified.
pub const HEADERS_MAX: usize = 1 << 16;

/// Why headers were refused.
#[derive(Debug, thiserror::Error)]
pub enum HeaderChainError {
    /// No headers.
    #[error("expected at least one header, got none")]
    Empty,
    /// More headers than anybody should hash for a stranger.
    #[error("expected at most {HEADERS_MAX} headers, got {got}")]
    TooLong {
        /// How many came.
        got: usize,
    },
    /// A header under rules that this release does not know.
    #[error("header {height}: expected a protocol up to {PROTOCOL_MAX}, got {got}: a later release may know it")]
    Protocol {
        /// The header's height.
        height: u64,
        /// The header's protocol.
        got: u8,
    },
    /// A header of another chain.
    #[error("header {height}: expected chain id {expected}, got {got}")]
    ChainId {
        /// The header's height.
        height: u64,
        /// The trusted chain's id.
        expected: u64,
        /// The header's chain id.
        got: u64,
    },
    /// A certified header of an epoch whose committee is not known.
    #[error("header {height}: expected one of epoch {expected} or the next, got one of epoch {got}")]
    Epoch {
        /// The header's height.
        height: u64,
        /// The first of the two trusted epochs.
        expected: u64,
        /// The header's epoch.
        got: u64,
    },
    /// Heights that do not follow each other.
    #[error("expected a header of height {expected}, got {got}")]
    Height {
        /// The height that must come next.
        expected: u64,
        /// The height that came.
        got: u64,
    },
    /// A header whose parent is not the one before it.
    #[error("header {height}: expected parent {expected}, got {got}")]
    Parent {
        /// The header's height.
        height: u64,
        /// Digest of the header before it.
        expected: Digest,
        /// The header's parent digest.
        got: Digest,
    },
    /// A certificate for something else.
    #[error("header {height}: the certificate is for payload {got}, expected {expected}")]
    Payload {
        /// The last header's height.
        height: u64,
        /// The last header's digest.
        expected: Digest,
        /// The certificate's payload.
        got: Digest,
    },
    /// A certificate of another epoch than its header's.
    #[error("expected a certificate of epoch {expected}, got {got}")]
    CertificateEpoch {
        /// The header's epoch.
        expected: u64,
        /// The certificate's epoch.
        got: u64,
    },
    /// A certificate from before the block was proposed.
    #[error("the certificate is of view {got}: expected at least the header's view {expected}")]
    CertificateView {
        /// The last header's view.
        expected: u64,
        /// The certificate's view.
        got: u64,
    },
    /// A certificate that the trusted committee did not make.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
}

/// A header with the certificate that finalizes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// Its finalization: `certificate.payload == header.digest()`.
    pub certificate: Certificate,
}

impl CertifiedHeader {
    /// Checks the certificate and that it is for this header. Its protocol may be any: committees follow on each other under all of them,
    /// but what its roots commit to is for those who know it.
    ///
    /// # Errors
    /// [`HeaderChainError`], saying what was expected.
    pub fn verify(&self, network: &TrustedNetwork) -> Result<(), HeaderChainError> {
        check_chain(&self.header, network)?;
        check_certificate(&self.header, &self.certificate, network)
    }
}

/// Parent-linked headers, ascending, the last of which is certified.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderChain {
    /// Headers of consecutive heights; at least one.
    pub headers: Vec<Header>,
    /// The finalization of the last one.
    pub certificate: Certificate,
}

impl HeaderChain {
    /// Checks that every header is an ancestor of the last one, and the certificate over that one.
    ///
    /// # Errors
    /// [`HeaderChainError`], saying what was expected.
    pub fn verify(&self, network: &TrustedNetwork) -> Result<(), HeaderChainError> {
        let last = self.headers.last().ok_or(HeaderChainError::Empty)?;
        if self.headers.len() > HEADERS_MAX {
            return Err(HeaderChainError::TooLong { got: self.headers.len() });
        }
        // The cheap checks first: a certificate costs a pairing.
        for header in &self.headers {
            let height = header.height;
            if header.protocol > PROTOCOL_MAX {
                return Err(HeaderChainError::Protocol { height, got: header.protocol });
            }
            check_chain(header, network)?;
        }
        for pair in self.headers.windows(2) {
            if let [parent, child] = pair {
                check_link(parent, child)?;
            }
        }
        check_certificate(last, &self.certificate, network)
    }

    /// The epoch whose committee certified it; of an empty chain, which does not verify, the first.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.headers.last().map_or(0, |header| header.epoch)
    }

    /// The header of `height`, if the chain holds one there. Heights are consecutive only once the
    /// chain has been verified.
    #[must_use]
    pub fn header(&self, height: u64) -> Option<&Header> {
        let first = self.headers.first()?;
        let offset = usize::try_from(height.checked_sub(first.height)?).ok()?;
        self.headers.get(offset)
    }
}

fn check_chain(header: &Header, network: &TrustedNetwork) -> Result<(), HeaderChainError> {
    let height = header.height;
    if header.chain_id != network.chain_id {
        return Err(HeaderChainError::ChainId { height, expected: network.chain_id, got: header.chain_id });
    }
    Ok(())
}

fn check_link(parent: &Header, child: &Header) -> Result<(), HeaderChainError> {
    if parent.height.checked_add(1) != Some(child.height) {
        return Err(HeaderChainError::Height { expected: parent.height.saturating_add(1), got: child.height });
    }
    let expected = parent.digest();
    if child.parent != expected {
        return Err(HeaderChainError::Parent { height: child.height, expected, got: child.parent });
    }
    Ok(())
}

fn check_certificate(
    header: &Header,
    certificate: &Certificate,
    network: &TrustedNetwork,
) -> Result<(), HeaderChainError> {
    let expected = header.digest();
    if certificate.payload != expected {
        return Err(HeaderChainError::Payload { height: header.height, expected, got: certificate.payload });
    }
    // Of the headers below it, the certified one speaks.
    let unknown = HeaderChainError::Epoch { height: header.height, expected: network.epoch, got: header.epoch };
    let committee = network.committee_of(header.epoch).ok_or(unknown)?;
    if certificate.epoch != header.epoch {
        return Err(HeaderChainError::CertificateEpoch { expected: header.epoch, got: certificate.epoch });
    }
    // A block that is proposed again keeps its header, so the certificate's view may be greater.
    if certificate.view < header.view {
        return Err(HeaderChainError::CertificateView { expected: header.view, got: certificate.view });
    }
    certificate.verify(&network.chain_hash, committee)?;
    Ok(())
}
