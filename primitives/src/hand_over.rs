//! Hand-overs: how a verifier that trusts one epoch's committee comes to trust the next one's.
//!
//! The last header of epoch `e` names the committee of epoch `e + 2`, and epoch `e`'s committee signs it. So a verifier knows two
//! committees at any time, and each hand-over takes it one epoch further: from genesis, or from wherever it stopped, however long
//! ago. (How long a committee's word may be trusted *after* its epoch is for the verifier to say: its members' stake is bound
//! for some weeks only, and the L1's light client believes nobody for longer.)

use crate::{
    Committee, Digest, Header,
    certificate::Certificate,
    committee::{CommitteeError, Seat},
    header_chain::{CertifiedHeader, HeaderChainError},
    network::TrustedNetwork,
};
use serde::{Deserialize, Serialize};

/// Most hand-overs in one answer.
pub const HAND_OVERS_MAX: usize = 16;

/// Why a hand-over was refused.
#[derive(Debug, thiserror::Error)]
pub enum HandOverError {
    /// It is of another epoch than the one that comes next.
    #[error("expected the last header of epoch {expected}, got a header of epoch {got}")]
    Epoch {
        /// The first epoch of the two that are known.
        expected: u64,
        /// The header's.
        got: u64,
    },
    /// The header names nobody, so it is not its epoch's last.
    #[error(
        "header {height}: expected the last one of epoch {epoch}, which names a committee, got one that names none"
    )]
    NotLast {
        /// The header's height.
        height: u64,
        /// Its epoch.
        epoch: u64,
    },
    /// The header or its certificate.
    #[error(transparent)]
    Header(#[from] HeaderChainError),
    /// The seats are none that could sign.
    #[error("committee of epoch {epoch}: {source}")]
    Committee {
        /// The epoch of the seats.
        epoch: u64,
        /// What is wrong with them.
        source: CommitteeError,
    },
    /// The seats are others than the header names.
    #[error("committee of epoch {epoch}: expected the one with digest {expected}, got {got}")]
    OtherCommittee {
        /// The epoch of the seats.
        epoch: u64,
        /// The digest in the header.
        expected: Digest,
        /// The seats'.
        got: Digest,
    },
}

/// The end of an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOver {
    /// The epoch's last header.
    pub header: Header,
    /// The finalization of it.
    pub certificate: Certificate,
    /// The committee that it names: of the epoch after the next.
    pub seats: Vec<Seat>,
}

impl TrustedNetwork {
    /// Goes one epoch further: from two known committees to the second of them and the one that the hand-over brings. Refused, it changes
    /// nothing.
    ///
    /// # Errors
    /// [`HandOverError`], the first thing that does not hold.
    pub fn hand_over(&mut self, hand_over: &HandOver) -> Result<(), HandOverError> {
        let header = &hand_over.header;
        let height = header.height;
        if header.epoch != self.epoch {
            return Err(HandOverError::Epoch { expected: self.epoch, got: header.epoch });
        }
        if header.next_committee == Digest([0; 32]) {
            return Err(HandOverError::NotLast { height, epoch: header.epoch });
        }
        CertifiedHeader { header: *header, certificate: hand_over.certificate }.verify(self)?;
        let epoch = header.epoch.saturating_add(2);
        // A committee that stays has been checked: its proofs of possession cost a pairing a seat.
        let committee = if hand_over.seats == self.next.seats() {
            self.next.clone()
        } else {
            Committee::new(hand_over.seats.clone()).map_err(|source| HandOverError::Committee { epoch, source })?
        };
        let (expected, got) = (header.next_committee, committee.digest());
        if expected != got {
            return Err(HandOverError::OtherCommittee { epoch, expected, got });
        }
        self.epoch = self.epoch.saturating_add(1);
        self.committee = std::mem::replace(&mut self.next, committee);
        Ok(())
    }

    /// Takes the ends of consecutive epochs, the first of which is this one's, until the committee of `epoch` is known or they are used up.
    /// The first is always looked at: whoever asks for more of them gets further, or an error.
    ///
    /// # Errors
    /// [`HandOverError`] of the first that does not hold; those before it count.
    pub fn follow(&mut self, ends: &[HandOver], epoch: u64) -> Result<(), HandOverError> {
        for (number, end) in ends.iter().enumerate() {
            if number > 0 && self.is_ahead_of(epoch) {
                break;
            }
            self.hand_over(end)?;
        }
        Ok(())
    }

    /// Whether no hand-over is missing to know the committee of `epoch`; one that is over for long is not known either.
    #[must_use]
    pub const fn is_ahead_of(&self, epoch: u64) -> bool {
        epoch <= self.epoch.saturating_add(1)
    }
}
