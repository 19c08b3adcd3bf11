//! Express: a namespace sells the first place of its lane, block by block, in an auction of its own.
//!
//! The auction's key signs the winner's bundle for one height. Where a proposer has it, the bundle opens
//! the lane; everything behind it stands in order of arrival. A bundle is a transaction of kind `express`,
//! whose payload is an envelope around the bundle's bytes:
//!
//! ```text
//! +----------------+-------------------+----------------------+
//! | signature (64) | target height (8) | bundle (any length)  |
//! +----------------+-------------------+----------------------+
//! ```
//!
//! The signature is ed25519 over
//!
//! ```text
//! 0x0e ‖ "SINTER_EXPRESS" ‖ chain id (8) ‖ namespace (8) ‖ target height (8) ‖ SHA-256(bundle) (32)
//! ```
//!
//! where `0x0e` is the tag's length, as in every message that the committee's own keys sign, and integers
//! are big-endian. Chain, namespace and height are signed, so a bundle is good in one lane of one block of
//! one chain. Signatures follow ZIP-215: every member gives the same verdict on every signature, which
//! block validity needs and RFC 8032 alone does not promise.

use super::{Admission, LaneContext, OrderingError, OrderingRule, admit_kind};
use bytes::Bytes;
use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::{Hasher, Sha256, Signer, Verifier, ed25519};
use sinter_primitives::{Digest, Namespace, Transaction, TransactionKind};

const KINDS: &[TransactionKind] = &[TransactionKind::User, TransactionKind::Express];
const SIGNATURE_BYTES: usize = 64;
const HEIGHT_BYTES: usize = 8;

/// Bytes before the bundle in an express payload: signature and target height.
pub const BUNDLE_ENVELOPE_BYTES: usize = SIGNATURE_BYTES + HEIGHT_BYTES;

/// The tag that opens what an auction key signs.
pub const BUNDLE_SIGNATURE_NAMESPACE: &[u8] = b"SINTER_EXPRESS";

/// The bundle that the namespace's auction key signed opens the lane.
#[derive(Clone, Debug)]
pub struct Express {
    namespace: Namespace,
    auction_key_bytes: Digest,
    /// `None` where the bytes are no curve point: then no bundle is valid, and each is refused for that.
    auction_key: Option<Box<ed25519::PublicKey>>,
}

/// An express payload, taken apart.
struct Envelope<'a> {
    signature: &'a [u8],
    target_height: u64,
    bundle: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn open(payload: &'a [u8]) -> Result<Self, OrderingError> {
        let too_short = OrderingError::BundleTooShort { min: BUNDLE_ENVELOPE_BYTES, got: payload.len() };
        let Some((signature, rest)) = payload.split_at_checked(SIGNATURE_BYTES) else { return Err(too_short) };
        let Some((height, bundle)) = rest.split_first_chunk::<HEIGHT_BYTES>() else { return Err(too_short) };
        Ok(Self { signature, target_height: u64::from_be_bytes(*height), bundle })
    }
}

/// What the auction key signs, behind the tag.
fn signed_message(chain_id: u64, namespace: Namespace, target_height: u64, bundle: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(56);
    message.extend_from_slice(&chain_id.to_be_bytes());
    message.extend_from_slice(&namespace.0.to_be_bytes());
    message.extend_from_slice(&target_height.to_be_bytes());
    message.extend_from_slice(&Sha256::hash(&[bundle]));
    message
}

/// An auction's side: the payload of a transaction of kind `express` that opens `namespace`'s lane at
/// `target_height` with `bundle`.
#[must_use]
pub fn seal_bundle(
    auction_key: &ed25519::PrivateKey,
    chain_id: u64,
    namespace: Namespace,
    target_height: u64,
    bundle: &[u8],
) -> Bytes {
    let message = signed_message(chain_id, namespace, target_height, bundle);
    let signature = auction_key.sign(BUNDLE_SIGNATURE_NAMESPACE, &message);
    let mut payload = Vec::with_capacity(BUNDLE_ENVELOPE_BYTES + bundle.len());
    payload.extend_from_slice(&signature);
    payload.extend_from_slice(&target_height.to_be_bytes());
    payload.extend_from_slice(bundle);
    payload.into()
}

impl Express {
    /// The rule of `namespace`, whose auction signs with `auction_key`.
    #[must_use]
    pub fn new(namespace: Namespace, auction_key: Digest) -> Self {
        let decoded = ed25519::PublicKey::decode(Copying(&auction_key[..])).ok().map(Box::new);
        Self { namespace, auction_key_bytes: auction_key, auction_key: decoded }
    }

    /// The height that a bundle is for, once its signature is checked.
    fn verify(&self, payload: &[u8], chain_id: u64) -> Result<u64, OrderingError> {
        let Envelope { signature, target_height, bundle } = Envelope::open(payload)?;
        let auction_key = self.auction_key_bytes;
        let key = self.auction_key.as_ref().ok_or(OrderingError::AuctionKey { auction_key })?;
        let forged = OrderingError::BundleSignature { auction_key, height: target_height };
        let Ok(signature) = ed25519::Signature::decode(Copying(signature)) else { return Err(forged) };
        let message = signed_message(chain_id, self.namespace, target_height, bundle);
        if !key.verify(BUNDLE_SIGNATURE_NAMESPACE, &message, &signature) {
            return Err(forged);
        }
        Ok(target_height)
    }

    /// Whether `payload` opens the lane at `context.height`.
    fn check_bundle(&self, payload: &[u8], context: &LaneContext) -> Result<(), OrderingError> {
        // The height first: it costs nothing, and a signature costs 50 µs.
        let target_height = Envelope::open(payload)?.target_height;
        if target_height != context.height {
            return Err(OrderingError::BundleHeight { expected: context.height, got: target_height });
        }
        self.verify(payload, context.chain_id).map(|_| ())
    }
}

impl OrderingRule for Express {
    fn version(&self) -> u16 {
        1
    }

    fn kinds(&self) -> &'static [TransactionKind] {
        KINDS
    }

    fn admit(&self, transaction: &Transaction, chain_id: u64) -> Result<Admission, OrderingError> {
        admit_kind(KINDS, transaction.kind)?;
        if transaction.kind != TransactionKind::Express {
            return Ok(Admission::InTurn);
        }
        self.verify(&transaction.payload, chain_id).map(|height| Admission::Opens { height })
    }

    fn build(&self, candidates: &mut Vec<Transaction>, context: &LaneContext) {
        let opener = candidates
            .iter()
            .find(|candidate| {
                candidate.kind == TransactionKind::Express && self.check_bundle(&candidate.payload, context).is_ok()
            })
            .cloned();
        candidates.retain(|candidate| candidate.kind == TransactionKind::User);
        if let Some(bundle) = opener {
            candidates.insert(0, bundle);
        }
    }

    fn check(&self, transactions: &[Transaction], context: &LaneContext) -> Result<(), OrderingError> {
        let mut opened = false;
        for (position, transaction) in transactions.iter().enumerate() {
            admit_kind(KINDS, transaction.kind)?;
            if transaction.kind != TransactionKind::Express {
                continue;
            }
            if opened {
                return Err(OrderingError::BundleRepeated { position });
            }
            if position != 0 {
                return Err(OrderingError::BundleNotFirst { got: position });
            }
            self.check_bundle(&transaction.payload, context)?;
            opened = true;
        }
        Ok(())
    }
}
