//! What a verifier trusts: one network and one committee, as a small file.

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

/// All that a verifier needs to trust: which network, and who its committee is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "NetworkFile", into = "NetworkFile")]
pub struct TrustedNetwork {
    /// SHA-256 of the network's `chain.toml`: every vote is signed under it.
    pub chain_hash: Digest,
    /// The chain's id.
    pub chain_id: u64,
    /// The epoch in which the committee signs.
    pub epoch: u64,
    /// Who signs.
    pub committee: Committee,
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
}

impl From<&Chain> for TrustedNetwork {
    /// Trust in a chain's genesis committee, for epoch 0.
    fn from(chain: &Chain) -> Self {
        Self { chain_hash: chain.hash, chain_id: chain.file.chain_id, epoch: 0, committee: chain.committee.clone() }
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
}

impl TryFrom<NetworkFile> for TrustedNetwork {
    type Error = CommitteeError;
    fn try_from(file: NetworkFile) -> Result<Self, CommitteeError> {
        Ok(Self {
            chain_hash: file.chain_hash,
            chain_id: file.chain_id,
            epoch: file.epoch,
            committee: Committee::new(file.seats)?,
        })
    }
}

impl From<TrustedNetwork> for NetworkFile {
    fn from(network: TrustedNetwork) -> Self {
        Self {
            chain_hash: network.chain_hash,
            chain_id: network.chain_id,
            epoch: network.epoch,
            seats: network.committee.seats().to_vec(),
        }
    }
}
