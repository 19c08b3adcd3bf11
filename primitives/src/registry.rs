//! The registry, as whoever follows the L1's `CommitteeRegistry` has it: registrants with their keys and stake, rebuilt from
//! the contract's records and nothing else.
//!
//! Records are numbered from 0, and chained: with `head(0) = K("SINTER_REGISTRY" ‖ L1 chain id (8) ‖ contract (20))`,
//!
//! ```text
//! head(n + 1) = K(head(n) ‖ n (8) ‖ registrant (8) ‖ kind (1) ‖ data)      K: Keccak-256
//! ```
//!
//! | kind | is | data |
//! |---|---|---|
//! | 1 | registered | owner (20) ‖ stake (16) ‖ BLS key (192) ‖ proof of possession (96) ‖ node key (32) ‖ its consent (64) ‖ address |
//! | 2 | stake changed | stake (16) |
//! | 3 | BLS key changed | BLS key (192) ‖ proof of possession (96) |
//! | 4 | node changed | node key (32) ‖ its consent (64) ‖ address |
//! | 5 | left | nothing |
//!
//! Points are uncompressed, as the contract takes them ([`crate::committee`]); stake is in wei. The contract keeps the last head
//! in one word of its storage, so whoever can prove that word at an L1 block (or asks a node that he believes) knows whether
//! he was told all records up to that block, whoever told him.
//!
//! The contract has checked proofs of possession. What it cannot check is left to everybody who draws, who must do it alike.
//! **No candidate is a registrant**
//!
//! - whose node key did not consent: the consent is that key's ed25519 signature, valid by the rules of ZIP 215, over
//!   `uvarint(11) ‖ "SINTER_NODE" ‖ L1 chain id (8) ‖ contract (20) ‖ owner (20)`;
//! - whose address is none ([`crate::address`]);
//! - whose node key has consented for a sound registrant with a lower number, too: who holds a key can only stand in his own way.

use crate::{
    Committee, Digest,
    address::NodeAddress,
    committee::{CommitteeError, Seat, UNCOMPRESSED_KEY_BYTES, compress_key, framed, reason},
    draw::{Candidate, DrawError, Seed, draw, seats_covered},
};
use blst::min_sig::{SecretKey, Signature};
use commonware_codec::{Copying, DecodeExt, Encode};
use commonware_cryptography::{Signer as _, Verifier as _, ed25519};
use sha3::{Digest as _, Keccak256};
use std::collections::{BTreeMap, HashSet};

/// Most bytes of an address: a name of 253, a colon and a port.
pub const ADDRESS_BYTES_MAX: usize = 259;
/// What a key's consent to be registered signs under: the message is `uvarint(19) ‖ this ‖ L1 chain id (8) ‖ contract (20) ‖
/// owner (20)`, hashed to G1 like a vote.
pub const CONSENT_NAMESPACE: &[u8] = b"SINTER_REGISTRATION";
/// What a node key's consent signs under: the message is `uvarint(11) ‖ this ‖ L1 chain id (8) ‖ contract (20) ‖ owner (20)`.
pub const NODE_NAMESPACE: &[u8] = b"SINTER_NODE";
/// Bytes of an ed25519 signature.
pub const NODE_CONSENT_BYTES: usize = 64;

const HEAD_TAG: &[u8] = b"SINTER_REGISTRY";
const POINT_BYTES: usize = 96;

/// Why records are not a registry's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// A record is missing, or comes twice.
    #[error("expected record {expected}, got {got}: follow the contract's events from the first one that is missing")]
    Sequence {
        /// The next one's number.
        expected: u64,
        /// The given one's number.
        got: u64,
    },
    /// The record is not the contract's, or one before it was not.
    #[error("record {sequence}: expected the head {expected}, got {got}: ask another L1 node")]
    Head {
        /// The record's number.
        sequence: u64,
        /// What the records so far and this one hash to.
        expected: Digest,
        /// What came with it.
        got: Digest,
    },
    /// The record's kind is not known, or its data have another length.
    #[error("record {sequence}: expected a kind from 1 to 5 with its data, got kind {kind} with {length} bytes")]
    Malformed {
        /// The record's number.
        sequence: u64,
        /// Its kind.
        kind: u8,
        /// Bytes of its data.
        length: usize,
    },
    /// The record is of somebody who is not registered, or registers somebody who is.
    #[error("record {sequence}: registrant {member} is not what a record of kind {kind} is for")]
    Member {
        /// The record's number.
        sequence: u64,
        /// The registrant's number.
        member: u64,
        /// The record's kind.
        kind: u8,
    },
}

/// Why no committee came of a draw.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeDrawError {
    /// Nobody can be drawn.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// The drawn are no committee.
    #[error(transparent)]
    Committee(#[from] CommitteeError),
}

/// One record, as the contract's event `Recorded` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number.
    pub sequence: u64,
    /// Whom it is about.
    pub member: u64,
    /// What it says: see the table above.
    pub kind: u8,
    /// That kind's data.
    pub data: Vec<u8>,
    /// The chain's head after it.
    pub head: Digest,
}

/// Somebody who is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registrant {
    /// His account on the L1.
    pub owner: [u8; 20],
    /// Wei behind him that count.
    pub stake_wei: u128,
    /// His BLS key, uncompressed.
    pub bls_key: [u8; UNCOMPRESSED_KEY_BYTES],
    /// Its signature over itself, uncompressed.
    pub possession: [u8; POINT_BYTES],
    /// His node's key, as he says.
    pub node_key: [u8; 32],
    /// Whether that key consented to be his.
    pub node_consents: bool,
    /// Where it listens, as he says.
    pub address: Vec<u8>,
}

impl Registrant {
    /// The seat that he would have; `None` if he is no candidate, whoever else is registered.
    #[must_use]
    pub fn seat(&self) -> Option<Seat> {
        if !self.node_consents {
            return None;
        }
        let address = str::from_utf8(&self.address).ok()?;
        address.parse::<NodeAddress>().ok()?;
        Some(Seat {
            node_key: self.node_key,
            // The contract has checked both points.
            bls_key: compress_key(&self.bls_key).ok()?,
            proof_of_possession: Signature::deserialize(&self.possession).ok()?.compress(),
            address: address.to_owned(),
            stake_wei: self.stake_wei,
        })
    }
}

/// An epoch's committee as it was drawn.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The committee.
    pub committee: Committee,
    /// The registrant in each seat.
    pub members: Vec<u64>,
}

/// All registrants after some record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registry {
    l1_chain_id: u64,
    contract: [u8; 20],
    head: Digest,
    records: u64,
    registrants: BTreeMap<u64, Registrant>,
}

impl Registry {
    /// The registry of a contract before its first record.
    #[must_use]
    pub fn new(l1_chain_id: u64, contract: &[u8; 20]) -> Self {
        let head = keccak(&[HEAD_TAG, &l1_chain_id.to_be_bytes(), contract]);
        Self { l1_chain_id, contract: *contract, head, records: 0, registrants: BTreeMap::new() }
    }

    /// The L1 that the contract is on.
    #[must_use]
    pub const fn l1_chain_id(&self) -> u64 {
        self.l1_chain_id
    }

    /// The hash over all records so far: the contract's `head` at the same L1 block.
    #[must_use]
    pub const fn head(&self) -> Digest {
        self.head
    }

    /// How many records there were: the next one's number.
    #[must_use]
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// Who is registered, by number.
    #[must_use]
    pub const fn registrants(&self) -> &BTreeMap<u64, Registrant> {
        &self.registrants
    }

    /// Takes the next record. One that is refused changes nothing.
    ///
    /// # Errors
    /// [`RegistryError`].
    pub fn apply(&mut self, record: &Record) -> Result<(), RegistryError> {
        let &Record { sequence, member, kind, ref data, head } = record;
        if sequence != self.records {
            return Err(RegistryError::Sequence { expected: self.records, got: sequence });
        }
        let expected = self.head_after(member, kind, data);
        if head != expected {
            return Err(RegistryError::Head { sequence, expected, got: head });
        }
        let change =
            Change::parse(kind, data).ok_or(RegistryError::Malformed { sequence, kind, length: data.len() })?;
        let refused = RegistryError::Member { sequence, member, kind };
        let (l1_chain_id, contract) = (self.l1_chain_id, self.contract);
        let consents = |node: &Node, owner| node.consents(&node_consent_message(l1_chain_id, &contract, owner));
        match (change, self.registrants.get_mut(&member)) {
            (Change::Registered { owner, stake_wei, bls_key, possession, node }, None) => {
                let node_consents = consents(&node, &owner);
                let Node { key: node_key, address, .. } = node;
                let registrant = Registrant { owner, stake_wei, bls_key, possession, node_key, node_consents, address };
                self.registrants.insert(member, registrant);
            }
            (Change::Stake(stake_wei), Some(known)) => known.stake_wei = stake_wei,
            (Change::BlsKey(bls_key, possession), Some(known)) => {
                (known.bls_key, known.possession) = (bls_key, possession);
            }
            (Change::Node(node), Some(known)) => {
                known.node_consents = consents(&node, &known.owner);
                (known.node_key, known.address) = (node.key, node.address);
            }
            (Change::Left, Some(_)) => {
                self.registrants.remove(&member);
            }
            _ => return Err(refused),
        }
        (self.head, self.records) = (head, sequence + 1);
        Ok(())
    }

    /// The record that the contract makes next of this.
    #[must_use]
    pub fn next(&self, member: u64, kind: u8, data: Vec<u8>) -> Record {
        let head = self.head_after(member, kind, &data);
        Record { sequence: self.records, member, kind, data, head }
    }

    /// The head once one more record is made.
    fn head_after(&self, member: u64, kind: u8, data: &[u8]) -> Digest {
        keccak(&[self.head.as_ref(), &self.records.to_be_bytes(), &member.to_be_bytes(), &[kind], data])
    }

    /// Those who may be drawn, by number.
    #[must_use]
    pub fn candidates(&self) -> Vec<Candidate> {
        let mut node_keys = HashSet::new();
        let sound = self.registrants.iter().filter(|(_, registrant)| registrant.seat().is_some());
        let first = sound.filter(|(_, registrant)| node_keys.insert(registrant.node_key));
        first.map(|(id, registrant)| Candidate { id: *id, stake_wei: registrant.stake_wei }).collect()
    }

    /// Draws a committee of `seats`, or of as many as stake covers: this is the snapshot.
    ///
    /// # Errors
    /// [`CommitteeDrawError`].
    pub fn draw(&self, seed: &Seed, seats: usize) -> Result<Drawn, CommitteeDrawError> {
        let candidates = self.candidates();
        let drawn = draw(seed, &candidates, seats_covered(&candidates, seats))?;
        let mut sitting: Vec<(Seat, u64)> =
            drawn.iter().filter_map(|id| Some((self.registrants.get(id)?.seat()?, *id))).collect();
        // The order of seats.
        sitting.sort_by_key(|(seat, _)| seat.node_key);
        let (seats, members) = sitting.into_iter().unzip();
        Ok(Drawn { committee: Committee::new(seats)?, members })
    }
}

/// What a record says.
enum Change {
    Registered {
        owner: [u8; 20],
        stake_wei: u128,
        bls_key: [u8; UNCOMPRESSED_KEY_BYTES],
        possession: [u8; POINT_BYTES],
        node: Node,
    },
    Stake(u128),
    BlsKey([u8; UNCOMPRESSED_KEY_BYTES], [u8; POINT_BYTES]),
    Node(Node),
    Left,
}

/// What a record says of a node.
struct Node {
    key: [u8; 32],
    consent: [u8; NODE_CONSENT_BYTES],
    address: Vec<u8>,
}

impl Node {
    fn parse(rest: &mut &[u8]) -> Option<Self> {
        Some(Self { key: take(rest)?, consent: take(rest)?, address: address(rest)? })
    }

    fn consents(&self, message: &[u8]) -> bool {
        let key = ed25519::PublicKey::decode(Copying(&self.key));
        let consent = ed25519::Signature::decode(Copying(&self.consent));
        matches!((key, consent), (Ok(key), Ok(consent)) if key.verify(NODE_NAMESPACE, message, &consent))
    }
}

impl Change {
    fn parse(kind: u8, data: &[u8]) -> Option<Self> {
        let mut rest = data;
        let change = match kind {
            1 => {
                let (owner, stake) = (take(&mut rest)?, take(&mut rest)?);
                let (bls_key, possession) = (take(&mut rest)?, take(&mut rest)?);
                let stake_wei = u128::from_be_bytes(stake);
                Self::Registered { owner, stake_wei, bls_key, possession, node: Node::parse(&mut rest)? }
            }
            2 => Self::Stake(u128::from_be_bytes(take(&mut rest)?)),
            3 => Self::BlsKey(take(&mut rest)?, take(&mut rest)?),
            4 => Self::Node(Node::parse(&mut rest)?),
            5 => Self::Left,
            _ => return None,
        };
        rest.is_empty().then_some(change)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk::<N>()?;
    *rest = left;
    Some(*taken)
}

fn address(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let taken = std::mem::take(rest);
    (1..=ADDRESS_BYTES_MAX).contains(&taken.len()).then(|| taken.to_vec())
}

fn keccak(parts: &[&[u8]]) -> Digest {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    Digest(hasher.finalize().into())
}

/// What a key signs so that `owner` may register it with the contract.
#[must_use]
pub fn consent_message(l1_chain_id: u64, contract: &[u8; 20], owner: &[u8; 20]) -> Vec<u8> {
    framed(CONSENT_NAMESPACE, &[&l1_chain_id.to_be_bytes()[..], contract, owner].concat())
}

/// A BLS secret key's (32 bytes, big-endian) consent to be registered by `owner`, compressed.
///
/// # Errors
/// [`CommitteeError::SecretKey`] when the bytes are no scalar from 1 to r − 1.
pub fn sign_consent(
    secret: &[u8; 32],
    l1_chain_id: u64,
    contract: &[u8; 20],
    owner: &[u8; 20],
) -> Result<[u8; 48], CommitteeError> {
    let secret = SecretKey::from_bytes(secret).map_err(|error| CommitteeError::SecretKey { reason: reason(error) })?;
    let message = consent_message(l1_chain_id, contract, owner);
    Ok(secret.sign(&message, crate::certificate::MESSAGE_DST, &[]).compress())
}

/// What a node key signs, under [`NODE_NAMESPACE`], so that `owner` may name it in the contract.
fn node_consent_message(l1_chain_id: u64, contract: &[u8; 20], owner: &[u8; 20]) -> Vec<u8> {
    [&l1_chain_id.to_be_bytes()[..], contract, owner].concat()
}

/// A node key's consent to be named by `owner`.
#[must_use]
pub fn sign_node_consent(
    node_key: &ed25519::PrivateKey,
    l1_chain_id: u64,
    contract: &[u8; 20],
    owner: &[u8; 20],
) -> [u8; NODE_CONSENT_BYTES] {
    let signature = node_key.sign(NODE_NAMESPACE, &node_consent_message(l1_chain_id, contract, owner));
    let mut bytes = [0; NODE_CONSENT_BYTES];
    bytes.copy_from_slice(&signature.encode());
    bytes
}
