//! What a verifier trusts: one network and the committees of two epochs, as a small file.

use crate::{
    Chain, Committee, Digest,
    chain::ChainError,
    committee::{CommitteeError, Seat},
};
use serde::{Deserialize, Serialize};

/// Why a file of trusted keys was refused.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// It is a `chain.toml`, and not a good one.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// It is JSON, and does not hold a network with a sound committee.
    #[error("committee file: {0}")]
    Json(#[from] serde_json::Error),
}

/// All that a verifier needs to trust: which network, and who its committee is in an epoch and in the next. With
/// [`hand_over`](TrustedNetwork::hand_over) it follows from there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NetworkFile", into = "NetworkFile")]
pub struct TrustedNetwork {
    /// SHA-256 of the network's `chain.toml`: every vote is signed under it.
    pub chain_hash: Digest,
    /// The chain's id.
    pub chain_id: u64,
    /// The first of the two epochs.
    pub epoch: u64,
    /// Who signs in it.
    pub committee: Committee,
    /// Who signs in the next one.
    pub next: Committee,
}

impl TrustedNetwork {
    /// Reads a `chain.toml` (its genesis committee is trusted for epoch 0), or the JSON form of this
    /// type, told apart by the opening brace.
    ///
    /// # Errors
    /// [`NetworkError`], naming what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, NetworkError> {
        if bytes.trim_ascii_start().starts_with(b"{") {
            return Ok(serde_json::from_slice(bytes)?);
        }
        Ok(Self::from(&Chain::parse(bytes)?))
    }

    /// Trust in one committee for epochs 0 and 1, which a chain's own committee has.
    #[must_use]
    pub fn genesis(chain_hash: Digest, chain_id: u64, committee: Committee) -> Self {
        Self { chain_hash, chain_id, epoch: 0, next: committee.clone(), committee }
    }

    /// Who signs in an epoch, if it is known.
    #[must_use]
    pub fn committee_of(&self, epoch: u64) -> Option<&Committee> {
        match epoch.checked_sub(self.epoch)? {
            0 => Some(&self.committee),
            1 => Some(&self.next),
            _ => None,
        }
    }
}

impl From<&Chain> for TrustedNetwork {
    /// Trust in a chain's genesis committee, for epochs 0 and 1.
    fn from(chain: &Chain) -> Self {
        Self::genesis(chain.hash, chain.file.chain_id, chain.committee.clone())
    }
}

/// [`TrustedNetwork`] as written: its seats are checked when it is read.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    #[serde(with = "crate::hexadecimal::digest")]
    chain_hash: Digest,
    chain_id: u64,
    epoch: u64,
    seats: Vec<Seat>,
    /// The next epoch's, where they are others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    next_seats: Option<Vec<Seat>>,
}

impl TryFrom<NetworkFile> for TrustedNetwork {
    type Error = CommitteeError;
    fn try_from(file: NetworkFile) -> Result<Self, CommitteeError> {
        let committee = Committee::new(file.seats)?;
        Ok(Self {
            chain_hash: file.chain_hash,
            chain_id: file.chain_id,
            epoch: file.epoch,
            next: file.next_seats.map(Committee::new).transpose()?.unwrap_or_else(|| committee.clone()),
            committee,
        })
    }
}

impl From<TrustedNetwork> for NetworkFile {
    fn from(network: TrustedNetwork) -> Self {
        Self {
            chain_hash: network.chain_hash,
            chain_id: network.chain_id,
            epoch: network.epoch,
            next_seats: (network.next.seats() != network.committee.seats()).then(|| network.next.seats().to_vec()),
            seats: network.committee.seats().to_vec(),
        }
    }
}
