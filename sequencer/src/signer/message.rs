//! What a node and its signer say to each other: `docs/protocol.md`, section 10.
//!
//! A message is `length (2) ‖ version (1) ‖ kind (1) ‖ fields`, integers big-endian, of a fixed length for each kind. Both
//! sides end a connection on which anything else comes.

use crate::votes::{Choice, Vote};
use sinter_primitives::{
    Digest,
    reveals::{Mix, Term},
};
use std::fmt;

/// The protocol's version.
pub const VERSION: u8 = 1;
/// Longest message, without its length.
pub const MESSAGE_BYTES_MAX: usize = 192;
/// Bytes of the length before each.
pub(super) const LENGTH_BYTES: usize = 2;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 48;
/// Bytes of a BLS public key.
pub const KEY_BYTES: usize = 96;
/// Bytes of a vote.
pub(super) const VOTE_BYTES: usize = 8 + 8 + 1 + 8 + 32;

const HELLO: u8 = 0;
const SIGN: u8 = 1;
const REVEAL: u8 = 2;
const WELCOME: u8 = 16;
const SIGNED: u8 = 17;
const REFUSED: u8 = 18;

const NOTARIZE: u8 = 0;
const NULLIFY: u8 = 1;
const FINALIZE: u8 = 2;

/// A node from its start to its end, drawn by chance. It remembers what it voted, and nothing else does what it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session(pub [u8; 16]);

impl Session {
    /// One that nobody had before.
    #[must_use]
    pub fn random() -> Self {
        Self(rand::random())
    }
}

/// A view of an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
}

impl Position {
    /// Where a vote was cast.
    #[must_use]
    pub fn of(vote: &Vote) -> Self {
        Self { epoch: vote.epoch, view: vote.view }
    }
}

/// What a node asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// First on every connection: in which network, with which key, and who asks.
    Hello {
        /// The network.
        chain: Digest,
        /// The BLS key that is to sign.
        key: [u8; KEY_BYTES],
        /// Who asks.
        session: Session,
    },
    /// A signature under a vote.
    Sign(Vote),
    /// What a leader reveals for the draw, after the mix so far. There is one such signature, so it is given whenever it is asked for.
    Reveal(Mix, Term),
}

/// What a signer answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To a hello.
    Welcome,
    /// A compressed point of G1.
    Signed([u8; SIGNATURE_BYTES]),
    /// Neither.
    Refused(Refusal),
}

/// Why a signer does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It votes in other networks.
    #[error("the signer does not sign for this network")]
    OtherChain,
    /// It has another key.
    #[error("the signer has another BLS key")]
    OtherKey,
    /// The vote excludes one of the same view that was signed before.
    #[error("it excludes an earlier vote of its view: {}", Shown(.earlier))]
    Excluded {
        /// That one.
        earlier: Vote,
    },
    /// The vote and one of another view of the same leader's term could fork the chain.
    #[error("it excludes an earlier vote of its term: {}", Shown(.earlier))]
    Term {
        /// That one.
        earlier: Vote,
    },
    /// What was voted in this view is forgotten.
    #[error("nothing is signed below epoch {}, view {}", .floor.epoch, .floor.view)]
    BelowFloor {
        /// The lowest view in which anything is signed.
        floor: Position,
    },
}

/// A vote in a message.
struct Shown<'a>(&'a Vote);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Vote { epoch, view, choice } = self.0;
        match choice {
            Choice::Notarize { payload, .. } => write!(f, "notarize 0x{payload} (epoch {epoch}, view {view})"),
            Choice::Nullify => write!(f, "nullify (epoch {epoch}, view {view})"),
            Choice::Finalize { payload, .. } => write!(f, "finalize 0x{payload} (epoch {epoch}, view {view})"),
        }
    }
}

/// Why a message was not understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is longer than any.
    #[error("expected a message of 2 to {MESSAGE_BYTES_MAX} bytes, got one of {got}")]
    Length {
        /// Its length.
        got: usize,
    },
    /// It is of another version.
    #[error("expected version {VERSION} of the signer's protocol, got {got}")]
    Version {
        /// What it says.
        got: u8,
    },
    /// A kind, a code or a length that this version does not have.
    #[error("expected {expected}, got kind {kind} with {length} bytes of fields")]
    Malformed {
        /// What is admitted here.
        expected: &'static str,
        /// Its kind.
        kind: u8,
        /// Bytes after the kind.
        length: usize,
    },
}

/// Takes fields off a message, front to back.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn position(&mut self) -> Option<Position> {
        Some(Position { epoch: self.number()?, view: self.number()? })
    }

    pub(super) fn vote(&mut self) -> Option<Vote> {
        let Position { epoch, view } = self.position()?;
        let [kind] = self.take()?;
        let (parent_view, payload) = (self.number()?, Digest(self.take()?));
        let choice = match kind {
            NOTARIZE => Choice::Notarize { parent_view, payload },
            FINALIZE => Choice::Finalize { parent_view, payload },
            // One encoding for each vote.
            NULLIFY if parent_view == 0 && payload == Digest([0; 32]) => Choice::Nullify,
            _ => return None,
        };
        Some(Vote { epoch, view, choice })
    }
}

pub(super) fn write_vote(vote: &Vote, bytes: &mut Vec<u8>) {
    let (kind, parent_view, payload) = match vote.choice {
        Choice::Notarize { parent_view, payload } => (NOTARIZE, parent_view, payload),
        Choice::Nullify => (NULLIFY, 0, Digest([0; 32])),
        Choice::Finalize { parent_view, payload } => (FINALIZE, parent_view, payload),
    };
    bytes.extend_from_slice(&vote.epoch.to_be_bytes());
    bytes.extend_from_slice(&vote.view.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(&parent_view.to_be_bytes());
    bytes.extend_from_slice(payload.as_ref());
}

/// Version and kind, and the fields after them.
fn open(message: &[u8]) -> Result<(u8, Fields<'_>), MessageError> {
    match message {
        _ if message.len() > MESSAGE_BYTES_MAX => Err(MessageError::Length { got: message.len() }),
        [VERSION, kind, fields @ ..] => Ok((*kind, Fields(fields))),
        [got, _, ..] => Err(MessageError::Version { got: *got }),
        _ => Err(MessageError::Length { got: message.len() }),
    }
}

impl Request {
    /// The message, without its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        match self {
            Self::Hello { chain, key, session } => {
                bytes.push(HELLO);
                bytes.extend_from_slice(chain.as_ref());
                bytes.extend_from_slice(key);
                bytes.extend_from_slice(&session.0);
            }
            Self::Sign(vote) => {
                bytes.push(SIGN);
                write_vote(vote, &mut bytes);
            }
            Self::Reveal(mix, at) => {
                bytes.push(REVEAL);
                bytes.extend_from_slice(&mix.signed(*at));
            }
        }
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] unless it is what [`Self::encode`] would write.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let (kind, mut fields) = open(message)?;
        let length = fields.0.len();
        let request = match kind {
            HELLO => fields.hello(),
            SIGN => fields.vote().map(Self::Sign),
            REVEAL => fields.reveal(),
            _ => None,
        };
        let expected = "a hello, or a vote or reveal to sign";
        request.filter(|_| fields.0.is_empty()).ok_or(MessageError::Malformed { expected, kind, length })
    }
}

impl Fields<'_> {
    fn hello(&mut self) -> Option<Request> {
        Some(Request::Hello { chain: Digest(self.take()?), key: self.take()?, session: Session(self.take()?) })
    }

    fn reveal(&mut self) -> Option<Request> {
        let at = Term { epoch: self.number()?, term: self.number()? };
        Some(Request::Reveal(Mix(Digest(self.take()?)), at))
    }

    fn refusal(&mut self) -> Option<Refusal> {
        let [code] = self.take()?;
        Some(match code {
            0 => Refusal::OtherChain,
            1 => Refusal::OtherKey,
            2 => Refusal::Excluded { earlier: self.vote()? },
            3 => Refusal::Term { earlier: self.vote()? },
            4 => Refusal::BelowFloor { floor: self.position()? },
            _ => return None,
        })
    }
}

impl Answer {
    /// The message, without its length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        match self {
            Self::Welcome => bytes.push(WELCOME),
            Self::Signed(signature) => {
                bytes.push(SIGNED);
                bytes.extend_from_slice(signature);
            }
            Self::Refused(refusal) => {
                bytes.push(REFUSED);
                refusal.write(&mut bytes);
            }
        }
        bytes
    }

    /// Reads a message.
    ///
    /// # Errors
    /// [`MessageError`] unless it is what [`Self::encode`] would write.
    pub fn decode(message: &[u8]) -> Result<Self, MessageError> {
        let (kind, mut fields) = open(message)?;
        let length = fields.0.len();
        let answer = match kind {
            WELCOME => Some(Self::Welcome),
            SIGNED => fields.take().map(Self::Signed),
            REFUSED => fields.refusal().map(Self::Refused),
            _ => None,
        };
        let expected = "a welcome, a signature or a refusal";
        answer.filter(|_| fields.0.is_empty()).ok_or(MessageError::Malformed { expected, kind, length })
    }
}

impl Refusal {
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::OtherChain => bytes.push(0),
            Self::OtherKey => bytes.push(1),
            Self::Excluded { earlier } => {
                bytes.push(2);
                write_vote(earlier, bytes);
            }
            Self::Term { earlier } => {
                bytes.push(3);
                write_vote(earlier, bytes);
            }
            Self::BelowFloor { floor } => {
                bytes.push(4);
                bytes.extend_from_slice(&floor.epoch.to_be_bytes());
                bytes.extend_from_slice(&floor.view.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn votes() -> [Vote; 3] {
        let payload = Digest([9; 32]);
        [Choice::Notarize { parent_view: 6, payload }, Choice::Nullify, Choice::Finalize { parent_view: 6, payload }]
            .map(|choice| Vote { epoch: 2, view: 7, choice })
    }

    fn requests() -> Vec<Request> {
        let hello = Request::Hello { chain: Digest([1; 32]), key: [2; KEY_BYTES], session: Session([3; 16]) };
        let reveal = Request::Reveal(Mix(Digest([5; 32])), Term { epoch: 3, term: 8 });
        [hello, reveal].into_iter().chain(votes().map(Request::Sign)).collect()
    }

    fn answers() -> Vec<Answer> {
        let floor = Position { epoch: 1, view: 5 };
        let refusals = [Refusal::OtherChain, Refusal::OtherKey, Refusal::BelowFloor { floor }];
        let about = votes().into_iter().flat_map(|earlier| [Refusal::Excluded { earlier }, Refusal::Term { earlier }]);
        let refused = refusals.into_iter().chain(about).map(Answer::Refused);
        [Answer::Welcome, Answer::Signed([4; SIGNATURE_BYTES])].into_iter().chain(refused).collect()
    }

    #[test]
    fn messages_come_back_as_written_and_nothing_else_is_one() {
        for request in requests() {
            let bytes = request.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            assert_eq!(Request::decode(&bytes), Ok(request));
            (0..bytes.len()).for_each(|length| assert!(Request::decode(&bytes[..length]).is_err()));
            assert!(Request::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
            assert!(Answer::decode(&bytes).is_err());
        }
        for answer in answers() {
            let bytes = answer.encode();
            assert!(bytes.len() <= MESSAGE_BYTES_MAX);
            assert_eq!(Answer::decode(&bytes), Ok(answer));
            (0..bytes.len()).for_each(|length| assert!(Answer::decode(&bytes[..length]).is_err()));
            assert!(Answer::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
            assert!(Request::decode(&bytes).is_err());
        }
    }

    #[test]
    fn another_version_is_named() {
        let mut bytes = Request::Sign(votes()[0]).encode();
        bytes[0] = 2;
        assert_eq!(Request::decode(&bytes), Err(MessageError::Version { got: 2 }));
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_would_be_written(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..20u8) {
            let mut bytes = bytes;
            if let Some([version, place]) = bytes.first_chunk_mut::<2>() {
                (*version, *place) = (VERSION, kind);
            }
            if let Ok(request) = Request::decode(&bytes) {
                prop_assert_eq!(request.encode(), bytes.clone());
            }
            if let Ok(answer) = Answer::decode(&bytes) {
                prop_assert_eq!(answer.encode(), bytes);
            }
        }
    }
}
