//! The consensus types that the rest of the crate names: one signature scheme, one block, one digest.

use crate::{
    block::SequencedBlock,
    keys::BlsPublic,
    scheme::{LocalVoter, Voter},
};
use commonware_codec::{Copying, Decode, DecodeExt, Encode};
use commonware_consensus::{
    marshal::{core::Mailbox, standard::Standard},
    simplex,
};
use commonware_cryptography::{bls12381::primitives::group::Private, certificate::Verifier as _, ed25519::PublicKey};
use commonware_utils::ordered::BiMap;
use sinter_primitives::{Certificate, Committee, Digest, committee::Seat};
use std::sync::Arc;

/// Multi-signatures with keys in G2: attributable, and cheap for an L1 contract to check.
pub use crate::scheme::Scheme;
/// What consensus says about the view that a block is proposed in.
pub type Context = simplex::types::Context<Digest, PublicKey>;
/// What consensus reports.
pub type Activity = simplex::types::Activity<Scheme, Digest>;
/// The finalization of a block.
pub type Finalization = simplex::types::Finalization<Scheme, Digest>;
/// Asks marshal for blocks and certificates.
pub type Marshal = Mailbox<Scheme, Standard<SequencedBlock>>;

/// Why this node cannot vote in a committee.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SeatError {
    /// Seats whose keys commonware does not take, though the committee's own checks do.
    #[error("committee: expected distinct keys in every seat, got seat {seat} with a key that {problem}")]
    Key {
        /// The seat.
        seat: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The node key is in no seat.
    #[error("node key: expected one of the committee's, got {got}, which has no seat")]
    NoSeat {
        /// The public node key.
        got: String,
    },
    /// The BLS key is not that of the node key's seat.
    #[error("BLS key: expected the key of seat {seat}, got another")]
    OtherSeat {
        /// The seat of the node key.
        seat: usize,
    },
}

/// The committee's keys, seat by seat. Every proof of possession was checked when the committee was made.
///
/// # Errors
/// [`SeatError::Key`].
pub fn participants(committee: &Committee) -> Result<BiMap<PublicKey, BlsPublic>, SeatError> {
    let mut keys = Vec::with_capacity(committee.seats().len());
    for (seat, Seat { node_key, bls_key, .. }) in committee.seats().iter().enumerate() {
        let node = PublicKey::decode(Copying(node_key.as_slice()))
            .map_err(|_| SeatError::Key { seat, problem: "is no ed25519 key" })?;
        let bls = DecodeExt::<()>::decode(Copying(bls_key.as_slice()))
            .map_err(|_| SeatError::Key { seat, problem: "is no BLS key" })?;
        keys.push((node, bls));
    }
    let seat = keys.len();
    BiMap::try_from(keys).map_err(|_| SeatError::Key { seat, problem: "repeats" })
}

/// The scheme that a member votes with in a committee of the network with this hash, with a key of its own.
///
/// # Errors
/// [`SeatError`] when the keys are not those of one seat.
pub fn signer(
    chain: &Digest,
    committee: &Committee,
    node_key: &PublicKey,
    bls_key: Private,
) -> Result<Scheme, SeatError> {
    voter(chain, committee, node_key, &[Arc::new(LocalVoter::new(chain, bls_key))])
}

/// The scheme that a member votes with, by whoever of `voters` has the seat's key.
///
/// # Errors
/// [`SeatError`] when the keys are not those of one seat.
pub fn voter(
    chain: &Digest,
    committee: &Committee,
    node_key: &PublicKey,
    voters: &[Arc<dyn Voter>],
) -> Result<Scheme, SeatError> {
    let (participants, seat) = (participants(committee)?, seat(committee, node_key)?);
    Scheme::signer(chain.as_ref(), participants, node_key, voters).ok_or(SeatError::OtherSeat { seat })
}

/// The BLS key of the node key's seat.
///
/// # Errors
/// [`SeatError`] when it has none.
pub fn bls_key(committee: &Committee, node_key: &PublicKey) -> Result<BlsPublic, SeatError> {
    let seat = seat(committee, node_key)?;
    participants(committee)?.value(seat).copied().ok_or(SeatError::Key { seat, problem: "is no BLS key" })
}

fn seat(committee: &Committee, node_key: &PublicKey) -> Result<usize, SeatError> {
    let position = participants(committee)?.position(node_key);
    position.ok_or_else(|| SeatError::NoSeat { got: hex::encode(node_key) })
}

/// The scheme of a node that has no vote in a committee: it verifies.
///
/// # Errors
/// [`SeatError::Key`].
pub fn verifier(chain: &Digest, committee: &Committee) -> Result<Scheme, SeatError> {
    Ok(Scheme::verifier(chain.as_ref(), participants(committee)?))
}

/// A finalization as the rest of the world reads it. The two encodings are the same bytes.
#[must_use]
pub fn certificate(finalization: &Finalization) -> Option<Certificate> {
    Certificate::decode(finalization.encode()).ok()
}

/// A certificate as consensus reads it: the other way around.
#[must_use]
pub fn finalization(certificate: &Certificate) -> Option<Finalization> {
    Finalization::decode_cfg(certificate.encode(), &Scheme::certificate_codec_config_unbounded()).ok()
}
