//! The consensus types that the rest of the crate names: one signature scheme, one block, one digest.

use crate::{block::SequencedBlock, keys::BlsPublic};
use commonware_codec::{Copying, DecodeExt, Encode};
use commonware_consensus::{
    marshal::{core::Mailbox, standard::Standard},
    simplex::{self, scheme::bls12381_multisig},
};
use commonware_cryptography::{
    bls12381::primitives::{group::Private, variant::MinSig},
    ed25519::PublicKey,
};
use commonware_utils::ordered::BiMap;
use sinter_primitives::{Certificate, Committee, Digest, committee::Seat};

/// Multi-signatures with keys in G2: attributable, and cheap for an L1 contract to check.
pub type Scheme = bls12381_multisig::Scheme<PublicKey, MinSig>;
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

/// The scheme that a member votes with in a committee of the network with this hash.
///
/// # Errors
/// [`SeatError`] when the keys are not those of one seat.
pub fn signer(
    chain: &Digest,
    committee: &Committee,
    node_key: &PublicKey,
    bls_key: Private,
) -> Result<Scheme, SeatError> {
    use commonware_cryptography::certificate::Scheme as _;
    let participants = participants(committee)?;
    let seat = participants.position(node_key).ok_or_else(|| SeatError::NoSeat { got: hex::encode(node_key) })?;
    let scheme = Scheme::signer(chain.as_ref(), participants, bls_key).ok_or(SeatError::OtherSeat { seat })?;
    // `signer` finds the seat by BLS key alone.
    let voted = scheme.me().and_then(|me| me.signer()).map(|me| me.get() as usize);
    if voted == Some(seat) { Ok(scheme) } else { Err(SeatError::OtherSeat { seat }) }
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
