//! The committee: one seat a member, one vote a seat, and a digest that an L1 contract can open.
//!
//! Signatures are BLS12-381 in the "MinSig" arrangement: a 96-byte key in G2, a 48-byte signature in G1.
//! Keys that aggregate need a **proof of possession** each (a signature of the key over itself), or one
//! member could choose a key that cancels the others': [`Committee::new`] checks every one.
//!
//! # The digest
//! `keccak256(seats (u16 BE) ‖ aggregate (192) ‖ roster (32) ‖ page hash …)`, where a page is up to [`PAGE_SEATS`]
//! keys in seat order and its hash is the Keccak-256 of their concatenation. Keys are uncompressed, as
//! EIP-2537 orders them but without its padding: `x.c0 ‖ x.c1 ‖ y.c0 ‖ y.c1`, 48 bytes big-endian each.
//!
//! The roster is all else that a member is: `SHA-256("SINTER_ROSTER" ‖ for each seat: node key (32) ‖ stake in wei (16) ‖
//! address length (2) ‖ address)`. The L1 has no use for it, but whoever follows committees by their digests alone knows from it whom
//! to connect to, and who leads how often.
//!
//! The L1 opens a digest once, page by page, and keeps each page as the code of a data contract. A
//! certificate then brings no keys at all: reading a page costs less than one key's calldata.

use crate::{
    Digest,
    address::{AddressError, NodeAddress},
    chain::SEATS_MAX,
    draw::STAKE_BITS,
};
use blst::{
    BLST_ERROR,
    min_sig::{AggregatePublicKey, PublicKey, SecretKey, Signature},
};
use commonware_codec::{Copying, DecodeExt};
use commonware_cryptography::{Hasher as _, Sha256};
use serde::{Deserialize, Serialize};
use sha3::{Digest as _, Keccak256};

/// What a proof of possession signs under, in the sense of commonware's `verify_proof_of_possession`:
/// the message is `uvarint(length) ‖ this ‖ compressed key`.
pub const POSSESSION_NAMESPACE: &[u8] = b"SINTER_PROOF_OF_POSSESSION";
/// Hash-to-curve tag of proofs of possession (draft-irtf-cfrg-bls-signature, section 4.2.3).
pub const POSSESSION_DST: &[u8] = b"BLS_POP_BLS12381G1_XMD:SHA-256_SSWU_RO_POP_";
/// Seats in one page of keys: 12 KiB of code on L1, so that two pages hold the largest committee.
pub const PAGE_SEATS: usize = 64;
/// Bytes of an uncompressed key.
pub const UNCOMPRESSED_KEY_BYTES: usize = 192;

/// Stake of a seat that nobody drew: all of them lead equally often.
pub const UNDRAWN_STAKE_WEI: u128 = 1;

const ROSTER_TAG: &[u8] = b"SINTER_ROSTER";
/// Bytes of a coordinate's half (an element of the base field).
const FIELD_BYTES: usize = 48;

/// Why a list of seats is not a committee.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitteeError {
    /// Too few or too many seats.
    #[error("expected 1 to {SEATS_MAX} seats, got {got}")]
    SeatCount {
        /// How many there are.
        got: usize,
    },
    /// The node key is no ed25519 public key.
    #[error("seat {seat}: `node_key`: expected an ed25519 public key, got 0x{got}")]
    NodeKey {
        /// The seat's number.
        seat: usize,
        /// The key, in hex.
        got: String,
    },
    /// Seat numbers are positions in the order of node keys, so the order is fixed.
    #[error("seat {seat}: `node_key`: expected a key above 0x{previous}, got 0x{got}")]
    Order {
        /// The seat's number.
        seat: usize,
        /// The key of the seat before, in hex.
        previous: String,
        /// This seat's key, in hex.
        got: String,
    },
    /// The BLS key is not a point of G2's prime-order subgroup, or is the identity.
    #[error("seat {seat}: `bls_key`: expected a compressed G2 point of the subgroup, not the identity: {reason}")]
    BlsKey {
        /// The seat's number.
        seat: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two seats share a BLS key, so one signature would count as two votes.
    #[error("seat {seat}: `bls_key`: expected a key of its own, got that of seat {other}")]
    DuplicateBlsKey {
        /// The seat's number.
        seat: usize,
        /// The earlier seat that has the same key.
        other: usize,
    },
    /// The proof of possession does not verify under the seat's key.
    #[error("seat {seat}: `proof_of_possession`: expected a signature by `bls_key` over itself: {reason}")]
    Possession {
        /// The seat's number.
        seat: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The address is none.
    #[error("seat {seat}: `address`: {error}")]
    Address {
        /// The seat's number.
        seat: usize,
        /// What was expected, and what is there.
        error: AddressError,
    },
    /// No stake, or more than there may be.
    #[error("seat {seat}: `stake_wei`: expected 1 or more, and less than 2^{STAKE_BITS} in all seats, got {got}")]
    Stake {
        /// The seat's number.
        seat: usize,
        /// The seat's stake.
        got: String,
    },
    /// All keys add up to the identity, under which anything verifies.
    #[error("expected keys with a sum, got keys that cancel out")]
    IdentityAggregate,
    /// Not a BLS public key.
    #[error("expected a compressed G2 point of the subgroup, not the identity: {reason}")]
    PublicKey {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Not a BLS secret key.
    #[error("expected a 32-byte big-endian scalar from 1 to r - 1: {reason}")]
    SecretKey {
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A member's seat, as `chain.toml` writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seat {
    /// The ed25519 key of the member's node: its identity on the network.
    #[serde(with = "crate::hexadecimal::array")]
    pub node_key: [u8; 32],
    /// The compressed BLS key that it votes with.
    #[serde(with = "crate::hexadecimal::array")]
    pub bls_key: [u8; 96],
    /// The BLS key's compressed signature over itself.
    #[serde(with = "crate::hexadecimal::array")]
    pub proof_of_possession: [u8; 48],
    /// Where the node listens, QUIC: see [`crate::address`].
    pub address: String,
    /// Wei that stood behind it when it was drawn: it leads as often as they say. [`UNDRAWN_STAKE_WEI`], where nobody drew.
    #[serde(with = "crate::decimal", default = "undrawn", skip_serializing_if = "is_undrawn")]
    pub stake_wei: u128,
}

const fn undrawn() -> u128 {
    UNDRAWN_STAKE_WEI
}

const fn is_undrawn(stake_wei: &u128) -> bool {
    *stake_wei == UNDRAWN_STAKE_WEI
}

/// Seats whose keys may be aggregated. A seat's number is its position; seats ascend by node key, as
/// commonware orders participants.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "Vec<Seat>", into = "Vec<Seat>")]
pub struct Committee {
    seats: Vec<Seat>,
    keys: Vec<PublicKey>,
    aggregate: PublicKey,
    digest: Digest,
}

impl PartialEq for Committee {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from the seats.
        self.seats == other.seats
    }
}

impl Eq for Committee {}

impl TryFrom<Vec<Seat>> for Committee {
    type Error = CommitteeError;
    fn try_from(seats: Vec<Seat>) -> Result<Self, CommitteeError> {
        Self::new(seats)
    }
}

impl From<Committee> for Vec<Seat> {
    fn from(committee: Committee) -> Self {
        committee.seats
    }
}

impl Committee {
    /// Checks that the seats can vote together: 1 to [`SEATS_MAX`] of them, strictly ascending node keys,
    /// distinct BLS keys of the subgroup with a proof of possession each, and stake.
    ///
    /// Costs one pairing check a seat (under a millisecond).
    ///
    /// # Errors
    /// [`CommitteeError`], naming the seat.
    pub fn new(seats: Vec<Seat>) -> Result<Self, CommitteeError> {
        if seats.is_empty() || seats.len() > SEATS_MAX {
            return Err(CommitteeError::SeatCount { got: seats.len() });
        }
        for (index, seat) in seats.iter().enumerate() {
            check_identity(index, seat)?;
            if let Some(previous) = index.checked_sub(1).and_then(|previous| seats.get(previous))
                && previous.node_key >= seat.node_key
            {
                return Err(CommitteeError::Order {
                    seat: index,
                    previous: hex::encode(previous.node_key),
                    got: hex::encode(seat.node_key),
                });
            }
            if let Some(other) = seats[..index].iter().position(|other| other.bls_key == seat.bls_key) {
                return Err(CommitteeError::DuplicateBlsKey { seat: index, other });
            }
        }
        check_stakes(&seats)?;
        let keys =
            seats.iter().enumerate().map(|(index, seat)| check_keys(index, seat)).collect::<Result<Vec<_>, _>>()?;
        // Every key was validated just above.
        let aggregate = sum(keys.iter()).ok_or(CommitteeError::SeatCount { got: 0 })?;
        if aggregate.validate().is_err() {
            return Err(CommitteeError::IdentityAggregate);
        }
        let digest = digest(&keys, &aggregate, &roster(&seats));
        Ok(Self { seats, keys, aggregate, digest })
    }

    /// The seats, in the order of their numbers.
    #[must_use]
    pub fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// Votes that certify: n − ⌊(n − 1) / 3⌋.
    #[must_use]
    pub fn quorum(&self) -> u32 {
        // At most SEATS_MAX, so it fits.
        let n = self.seats.len() as u32;
        n - (n - 1) / 3
    }

    /// What the L1 stores of this committee: see the module's first lines.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The seat whose node key this is.
    #[must_use]
    pub fn seat_of(&self, node_key: &[u8; 32]) -> Option<usize> {
        self.seats.binary_search_by(|seat| seat.node_key.cmp(node_key)).ok()
    }

    /// A seat's key, uncompressed as the digest has it.
    #[must_use]
    pub fn uncompressed_key(&self, seat: usize) -> Option<[u8; UNCOMPRESSED_KEY_BYTES]> {
        self.keys.get(seat).map(uncompressed)
    }

    /// The sum of all keys, uncompressed as the digest has it.
    #[must_use]
    pub fn uncompressed_aggregate(&self) -> [u8; UNCOMPRESSED_KEY_BYTES] {
        uncompressed(&self.aggregate)
    }

    /// The pages of keys that the L1 takes one at a time: the concatenated keys of each.
    #[must_use]
    pub fn pages(&self) -> Vec<Vec<u8>> {
        pages(&self.keys)
    }

    /// What the digest says of the members beside their keys.
    #[must_use]
    pub fn roster(&self) -> Digest {
        roster(&self.seats)
    }

    /// A seat's key.
    pub(crate) fn key(&self, seat: usize) -> Option<&PublicKey> {
        self.keys.get(seat)
    }

    /// The sum of the keys of the seats that `signed`; `None` when nobody did.
    /// Subtracts the missing keys from the full sum where that is less work.
    pub(crate) fn aggregate_of(&self, signed: impl Fn(usize) -> bool) -> Option<PublicKey> {
        let (signers, missing): (Vec<_>, Vec<_>) = self.keys.iter().enumerate().partition(|(seat, _)| signed(*seat));
        if signers.len() <= missing.len() {
            return sum(signers.into_iter().map(|(_, key)| key));
        }
        let mut aggregate = AggregatePublicKey::from_public_key(&self.aggregate);
        for (_, key) in missing {
            aggregate.sub_aggregate(&AggregatePublicKey::from_public_key(key));
        }
        Some(aggregate.to_public_key())
    }
}

/// The compressed public key of a BLS secret key (32 bytes, big-endian).
///
/// # Errors
/// [`CommitteeError::SecretKey`] when the bytes are no scalar from 1 to r − 1.
pub fn public_key(secret: &[u8; 32]) -> Result<[u8; 96], CommitteeError> {
    let secret = SecretKey::from_bytes(secret).map_err(|error| CommitteeError::SecretKey { reason: reason(error) })?;
    Ok(secret.sk_to_pk().compress())
}

/// The proof of possession of a BLS secret key (32 bytes, big-endian), compressed.
///
/// # Errors
/// [`CommitteeError::SecretKey`] when the bytes are no scalar from 1 to r − 1.
pub fn sign_proof_of_possession(secret: &[u8; 32]) -> Result<[u8; 48], CommitteeError> {
    let secret = SecretKey::from_bytes(secret).map_err(|error| CommitteeError::SecretKey { reason: reason(error) })?;
    let message = possession_message(&secret.sk_to_pk().compress());
    Ok(secret.sign(&message, POSSESSION_DST, &[]).compress())
}

/// A compressed BLS key as the L1 takes it: uncompressed, as the digest has it.
///
/// # Errors
/// [`CommitteeError::PublicKey`] when the bytes are no key.
pub fn uncompress_key(bls_key: &[u8; 96]) -> Result<[u8; UNCOMPRESSED_KEY_BYTES], CommitteeError> {
    let key = PublicKey::key_validate(bls_key).map_err(|error| CommitteeError::PublicKey { reason: reason(error) })?;
    Ok(uncompressed(&key))
}

/// What a proof of possession signs: `uvarint(length) ‖ POSSESSION_NAMESPACE ‖ compressed key`.
#[must_use]
pub fn possession_message(bls_key: &[u8; 96]) -> Vec<u8> {
    framed(POSSESSION_NAMESPACE, bls_key)
}

/// `uvarint(length of namespace) ‖ namespace ‖ message`: what commonware signs. The namespaces here are
/// constants or 41 bytes long, so the varint is one byte.
pub(crate) fn framed(namespace: &[u8], message: &[u8]) -> Vec<u8> {
    debug_assert!(namespace.len() < 0x80, "one varint byte");
    let mut bytes = Vec::with_capacity(1 + namespace.len() + message.len());
    bytes.push(namespace.len() as u8);
    bytes.extend_from_slice(namespace);
    bytes.extend_from_slice(message);
    bytes
}

/// blst's error as words.
pub(crate) const fn reason(error: BLST_ERROR) -> &'static str {
    match error {
        BLST_ERROR::BLST_SUCCESS => "no error",
        BLST_ERROR::BLST_BAD_ENCODING => "not a canonical encoding",
        BLST_ERROR::BLST_POINT_NOT_ON_CURVE => "not on the curve",
        BLST_ERROR::BLST_POINT_NOT_IN_GROUP => "not in the subgroup",
        BLST_ERROR::BLST_AGGR_TYPE_MISMATCH => "of the wrong group",
        BLST_ERROR::BLST_VERIFY_FAIL => "does not verify",
        BLST_ERROR::BLST_PK_IS_INFINITY => "is the identity",
        BLST_ERROR::BLST_BAD_SCALAR => "not a scalar in range",
    }
}

fn check_identity(index: usize, seat: &Seat) -> Result<(), CommitteeError> {
    if commonware_cryptography::ed25519::PublicKey::decode(Copying(&seat.node_key)).is_err() {
        return Err(CommitteeError::NodeKey { seat: index, got: hex::encode(seat.node_key) });
    }
    match seat.address.parse::<NodeAddress>() {
        Ok(_) => Ok(()),
        Err(error) => Err(CommitteeError::Address { seat: index, error }),
    }
}

fn check_stakes(seats: &[Seat]) -> Result<(), CommitteeError> {
    let mut total: u128 = 0;
    for (index, seat) in seats.iter().enumerate() {
        let got = seat.stake_wei;
        let sum = total.checked_add(got).filter(|sum| got > 0 && sum >> STAKE_BITS == 0);
        total = sum.ok_or_else(|| CommitteeError::Stake { seat: index, got: got.to_string() })?;
    }
    Ok(())
}

fn check_keys(index: usize, seat: &Seat) -> Result<PublicKey, CommitteeError> {
    let key = PublicKey::key_validate(&seat.bls_key)
        .map_err(|error| CommitteeError::BlsKey { seat: index, reason: reason(error) })?;
    let failed = |error| CommitteeError::Possession { seat: index, reason: reason(error) };
    // `true`: the identity is refused.
    let proof = Signature::sig_validate(&seat.proof_of_possession, true).map_err(failed)?;
    match proof.verify(false, &possession_message(&seat.bls_key), POSSESSION_DST, &[], &key, false) {
        BLST_ERROR::BLST_SUCCESS => Ok(key),
        error => Err(failed(error)),
    }
}

fn sum<'a>(mut keys: impl Iterator<Item = &'a PublicKey>) -> Option<PublicKey> {
    let mut aggregate = AggregatePublicKey::from_public_key(keys.next()?);
    for key in keys {
        aggregate.add_aggregate(&AggregatePublicKey::from_public_key(key));
    }
    Some(aggregate.to_public_key())
}

/// blst writes an element of the quadratic extension as c1 ‖ c0, EIP-2537 wants c0 ‖ c1.
fn uncompressed(key: &PublicKey) -> [u8; UNCOMPRESSED_KEY_BYTES] {
    let bytes = key.serialize();
    let mut swapped = [0; UNCOMPRESSED_KEY_BYTES];
    for (to, from) in swapped.chunks_exact_mut(2 * FIELD_BYTES).zip(bytes.chunks_exact(2 * FIELD_BYTES)) {
        let (c1, c0) = from.split_at(FIELD_BYTES);
        to[..FIELD_BYTES].copy_from_slice(c0);
        to[FIELD_BYTES..].copy_from_slice(c1);
    }
    swapped
}

/// A BLS key as the L1 has it, compressed: as seats have it. Whether it is in the subgroup is not looked at.
///
/// # Errors
/// [`CommitteeError::PublicKey`] when the bytes are no point of the curve.
pub fn compress_key(key: &[u8; UNCOMPRESSED_KEY_BYTES]) -> Result<[u8; 96], CommitteeError> {
    let mut swapped = [0; UNCOMPRESSED_KEY_BYTES];
    for (to, from) in swapped.chunks_exact_mut(2 * FIELD_BYTES).zip(key.chunks_exact(2 * FIELD_BYTES)) {
        let (c0, c1) = from.split_at(FIELD_BYTES);
        to[..FIELD_BYTES].copy_from_slice(c1);
        to[FIELD_BYTES..].copy_from_slice(c0);
    }
    let key = PublicKey::deserialize(&swapped);
    key.map(|key| key.compress()).map_err(|error| CommitteeError::PublicKey { reason: reason(error) })
}

fn pages(keys: &[PublicKey]) -> Vec<Vec<u8>> {
    keys.chunks(PAGE_SEATS).map(|page| page.iter().flat_map(uncompressed).collect()).collect()
}

fn roster(seats: &[Seat]) -> Digest {
    let mut bytes = ROSTER_TAG.to_vec();
    for Seat { node_key, stake_wei, address, .. } in seats {
        bytes.extend_from_slice(node_key);
        bytes.extend_from_slice(&stake_wei.to_be_bytes());
        // An address that was checked has far fewer bytes than a u16 counts.
        bytes.extend_from_slice(&(address.len() as u16).to_be_bytes());
        bytes.extend_from_slice(address.as_bytes());
    }
    Sha256::hash(&[&bytes])
}

fn digest(keys: &[PublicKey], aggregate: &PublicKey, roster: &Digest) -> Digest {
    let mut hasher = Keccak256::new();
    hasher.update((keys.len() as u16).to_be_bytes());
    hasher.update(uncompressed(aggregate));
    hasher.update(roster);
    for page in pages(keys) {
        hasher.update(Keccak256::digest(page));
    }
    Digest(hasher.finalize().into())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use commonware_codec::Encode;
    use commonware_cryptography::{Signer, ed25519};

    /// A committee of `n` with its secret BLS keys, both in seat order; the same for the same `n` and `salt`.
    pub(crate) fn committee(n: usize, salt: u8) -> (Committee, Vec<SecretKey>) {
        let mut members: Vec<(Seat, SecretKey)> = (0..n)
            .map(|member| {
                let mut seed = [salt; 32];
                seed[0] = member as u8;
                let secret = SecretKey::key_gen(&seed, &[]).expect("the seed has 32 bytes");
                let node = ed25519::PrivateKey::from_seed(u64::from(salt) << 32 | member as u64);
                let seat = Seat {
                    node_key: node.public_key().encode().as_ref().try_into().expect("a key has 32 bytes"),
                    bls_key: secret.sk_to_pk().compress(),
                    proof_of_possession: sign_proof_of_possession(&secret.to_bytes()).expect("a generated key"),
                    address: format!("127.0.0.1:{}", 4000 + member),
                    stake_wei: UNDRAWN_STAKE_WEI,
                };
                (seat, secret)
            })
            .collect();
        members.sort_by_key(|(seat, _)| seat.node_key);
        let (seats, secrets): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        (Committee::new(seats).expect("a sound committee"), secrets)
    }

    fn seats(n: usize) -> Vec<Seat> {
        committee(n, 1).0.seats
    }

    #[test]
    fn quorum_is_n_minus_a_third() {
        for (n, quorum) in [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (7, 5), (10, 7)] {
            assert_eq!(committee(n, 1).0.quorum(), quorum, "n = {n}");
        }
    }

    #[test]
    fn digest_is_pinned() {
        assert_eq!(
            hex::encode(committee(4, 1).0.digest()),
            "d957f7c286895f45e254ff783c1df02a29079bd82559af34e856f24b9806779a",
        );
        assert_ne!(committee(4, 1).0.digest(), committee(4, 2).0.digest());
    }

    /// One above all others here.
    fn highest_node_key() -> [u8; 32] {
        let mut keys = (0..).map(|seed| ed25519::PrivateKey::from_seed(seed).public_key().encode());
        let highest = keys.find(|key| key[..] > [0xfe; 32][..]).expect("there are many keys");
        highest.as_ref().try_into().expect("a key has 32 bytes")
    }

    #[test]
    fn the_digest_covers_all_that_a_member_is() {
        let digest = |change: fn(&mut Seat)| {
            let mut seats = seats(4);
            change(&mut seats[3]);
            Committee::new(seats).expect("still a committee").digest()
        };
        let others: [fn(&mut Seat); 3] = [
            |seat| seat.node_key = highest_node_key(),
            |seat| seat.stake_wei = 2,
            |seat| seat.address = "127.0.0.1:4444".into(),
        ];
        for (place, change) in others.into_iter().enumerate() {
            assert_ne!(digest(change), digest(|_| ()), "change {place}");
        }
    }

    #[test]
    fn a_seat_without_stake_is_refused() {
        for (stakes, seat) in [([1, 0], 1), ([1 << STAKE_BITS, 1], 0), ([1, u128::MAX], 1)] {
            let mut seats = seats(2);
            (seats[0].stake_wei, seats[1].stake_wei) = (stakes[0], stakes[1]);
            assert_eq!(Committee::new(seats), Err(CommitteeError::Stake { seat, got: stakes[seat].to_string() }));
        }
    }

    #[test]
    fn stake_is_digits_in_quotes_and_left_out_where_nobody_drew() {
        let mut seat = seats(1).remove(0);
        assert!(!serde_json::to_string(&seat).expect("serializes").contains("stake"));
        seat.stake_wei = 32_000_000_000_000_000_000;
        let json = serde_json::to_string(&seat).expect("serializes");
        assert!(json.contains(r#""stake_wei":"32000000000000000000""#), "{json}");
        assert_eq!(serde_json::from_str::<Seat>(&json).expect("the same"), seat);
        assert_eq!(toml::from_str::<Seat>(&toml::to_string(&seat).expect("serializes")).expect("the same"), seat);
        for wrong in ["", "+1", " 1", "01", "1e18", "-1", "340282366920938463463374607431768211456"] {
            let json = json.replace("32000000000000000000", wrong);
            assert!(serde_json::from_str::<Seat>(&json).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn seats_out_of_order_are_refused() {
        let mut seats = seats(4);
        seats.swap(1, 2);
        assert!(matches!(Committee::new(seats), Err(CommitteeError::Order { seat: 2, .. })));
        let mut twice = super::tests::seats(4);
        twice[1] = twice[0].clone();
        assert!(matches!(Committee::new(twice), Err(CommitteeError::Order { seat: 1, .. })));
        assert_eq!(Committee::new(Vec::new()), Err(CommitteeError::SeatCount { got: 0 }));
    }

    #[test]
    fn a_shared_bls_key_is_refused() {
        let mut seats = seats(4);
        seats[3].bls_key = seats[1].bls_key;
        seats[3].proof_of_possession = seats[1].proof_of_possession;
        assert_eq!(Committee::new(seats), Err(CommitteeError::DuplicateBlsKey { seat: 3, other: 1 }));
    }

    #[test]
    fn a_key_without_its_proof_is_refused() {
        let mut seats = seats(4);
        seats[2].proof_of_possession = seats[1].proof_of_possession;
        assert_eq!(Committee::new(seats), Err(CommitteeError::Possession { seat: 2, reason: "does not verify" }));
    }

    #[test]
    fn identity_points_are_refused() {
        let mut infinity = [0; 96];
        infinity[0] = 0xc0;
        let mut seats = seats(4);
        seats[0].bls_key = infinity;
        assert_eq!(Committee::new(seats), Err(CommitteeError::BlsKey { seat: 0, reason: "is the identity" }));
        let mut seats = super::tests::seats(4);
        seats[0].proof_of_possession = infinity[..48].try_into().expect("48 bytes");
        assert_eq!(Committee::new(seats), Err(CommitteeError::Possession { seat: 0, reason: "is the identity" }));
    }

    #[test]
    fn an_address_is_one_that_a_node_can_dial() {
        for address in ["", "host", ":1", "host:", "host:0", "host:65536", "no de:1", "no_de:1", "::1:1", "host..:1"] {
            let mut seats = seats(1);
            seats[0].address = address.into();
            let error = AddressError { got: address.into() };
            assert_eq!(Committee::new(seats), Err(CommitteeError::Address { seat: 0, error }));
        }
    }

    #[test]
    fn subtracting_the_missing_is_adding_the_signers() {
        let (committee, _) = committee(7, 3);
        for missing in 0..7 {
            let expected =
                sum(committee.keys.iter().enumerate().filter(|(seat, _)| *seat != missing).map(|(_, key)| key));
            assert_eq!(committee.aggregate_of(|seat| seat != missing), expected);
        }
        assert_eq!(committee.aggregate_of(|_| false), None);
    }

    #[test]
    fn json_is_the_list_of_seats_and_is_checked() {
        let (committee, _) = committee(4, 1);
        let json = serde_json::to_string(&committee).expect("serializes");
        assert_eq!(serde_json::from_str::<Committee>(&json).expect("the same seats"), committee);
        let mut seats = committee.seats;
        seats[0].proof_of_possession = seats[1].proof_of_possession;
        let json = serde_json::to_string(&seats).expect("serializes");
        assert!(serde_json::from_str::<Committee>(&json).expect_err("no proof").to_string().contains("seat 0"));
    }
}
