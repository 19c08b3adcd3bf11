//! Every encoding reads back, refuses all other bytes for the same value, and never panics.

use crate::strategies::{self, BOUNDS};
use commonware_codec::{Copying, Decode, Encode, Error, FixedSize};
use commonware_cryptography::{Hasher, Sha256};
use proptest::{collection::vec, prelude::*};
use sinter_primitives::{
    Accumulator, Block, Body, Header, Ledger, Namespace, NamespaceLeaf, NamespaceTable, Transaction,
    testkit::{Blocks, NAMESPACES, Network, transaction},
};

/// Reads back as itself, has the size it says, and is refused when cut short or prolonged.
fn reads_back<T: Encode + Decode + PartialEq + std::fmt::Debug>(value: &T, cfg: &T::Cfg) -> Result<(), TestCaseError> {
    let bytes = value.encode();
    prop_assert_eq!(bytes.len(), value.encode_size());
    let decoded = T::decode_cfg(bytes.clone(), cfg).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&decoded, value);
    for end in [0, bytes.len() / 2, bytes.len().saturating_sub(1)] {
        if end < bytes.len() {
            prop_assert!(T::decode_cfg(bytes.slice(..end), cfg).is_err(), "cut at {}", end);
        }
    }
    let longer = [&bytes[..], &[0]].concat();
    prop_assert!(matches!(T::decode_cfg(Copying(&longer), cfg), Err(Error::ExtraData(1))));
    Ok(())
}

/// Whatever decodes, encodes to the very bytes it came from.
fn is_canonical<T: Encode + Decode>(bytes: &[u8], cfg: &T::Cfg) -> Result<(), TestCaseError> {
    if let Ok(value) = T::decode_cfg(Copying(bytes), cfg) {
        let encoded = value.encode();
        prop_assert_eq!(encoded.as_ref(), bytes);
    }
    Ok(())
}

fn all_are_canonical(bytes: &[u8]) -> Result<(), TestCaseError> {
    is_canonical::<Transaction>(bytes, &BOUNDS.payload_bytes_max)?;
    is_canonical::<Header>(bytes, &())?;
    is_canonical::<Body>(bytes, &BOUNDS)?;
    is_canonical::<Block>(bytes, &BOUNDS)?;
    is_canonical::<NamespaceLeaf>(bytes, &())?;
    is_canonical::<NamespaceTable>(bytes, &64)?;
    is_canonical::<Accumulator>(bytes, &())?;
    is_canonical::<Ledger>(bytes, &())
}

proptest! {
    #[test]
    fn transactions(value in strategies::transaction()) {
        reads_back(&value, &BOUNDS.payload_bytes_max)?;
        let json = serde_json::to_string(&value).expect("serializes");
        prop_assert_eq!(serde_json::from_str::<Transaction>(&json).expect("reads back"), value);
    }

    #[test]
    fn headers(value in strategies::header()) {
        reads_back(&value, &())?;
        let json = serde_json::to_string(&value).expect("serializes");
        prop_assert_eq!(serde_json::from_str::<Header>(&json).expect("reads back"), value);
    }

    #[test]
    fn bodies(value in strategies::body()) {
        reads_back(&value, &BOUNDS)?;
        prop_assert_eq!(value.root(), Sha256::hash(&[&value.encode()]));
    }

    #[test]
    fn blocks(value in strategies::block()) {
        reads_back(&value, &BOUNDS)?;
    }

    #[test]
    fn leaves(value in strategies::leaf()) {
        reads_back(&value, &())?;
        let json = serde_json::to_string(&value).expect("serializes");
        prop_assert_eq!(serde_json::from_str::<NamespaceLeaf>(&json).expect("reads back"), value);
    }

    #[test]
    fn tables(value in strategies::table()) {
        reads_back(&value, &12)?;
    }

    #[test]
    fn accumulators(value in strategies::accumulator()) {
        reads_back(&value, &())?;
        let json = serde_json::to_string(&value).expect("serializes");
        prop_assert_eq!(serde_json::from_str::<Accumulator>(&json).expect("reads back"), value);
    }

    #[test]
    fn arbitrary_bytes_are_canonical_or_refused(bytes in vec(any::<u8>(), 0..400)) {
        all_are_canonical(&bytes)?;
    }

    /// Random bytes seldom get far into a decoder; good ones with a few changed do.
    #[test]
    fn changed_bytes_are_canonical_or_refused(
        block in strategies::block(),
        table in strategies::table(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let first = block.body.transactions().next().cloned();
        let encodings = [
            Some(block.header.encode()),
            Some(block.body.encode()),
            Some(block.encode()),
            Some(table.encode()),
            table.leaves().first().map(Encode::encode),
            first.map(|transaction| transaction.encode()),
        ];
        for bytes in encodings.into_iter().flatten() {
            let mut bytes = bytes.to_vec();
            for (index, value) in &changes {
                let index = index.index(bytes.len());
                bytes[index] = *value;
            }
            all_are_canonical(&bytes)?;
        }
    }
}

#[test]
fn a_ledger_reads_back() {
    let mut blocks = Blocks::new(Network::new(4));
    blocks.order(vec![transaction(NAMESPACES[0], "one"), transaction(NAMESPACES[2], "two")]);
    reads_back(&blocks.ledger, &()).expect("canonical");
}

#[test]
fn a_long_varint_is_refused() {
    let good = transaction(Namespace(1), "a").encode();
    assert_eq!(good[17], 1, "the payload's length");
    let long = [&good[..17], &[0x81, 0x00], &good[18..]].concat();
    assert!(matches!(
        Transaction::decode_cfg(Copying(&long), &100),
        Err(Error::InvalidVarint(_) | Error::InvalidUsize)
    ));
    // No reveal, no fee recipient, and no lanes in two bytes.
    assert!(matches!(
        Body::decode_cfg(Copying(&[0x00, 0x00, 0x80, 0x00]), &BOUNDS),
        Err(Error::InvalidVarint(_) | Error::InvalidUsize)
    ));
}

#[test]
fn empty_and_unordered_lanes_are_refused() {
    let lane = |namespace: u64, count: u8| {
        let mut bytes = namespace.to_be_bytes().to_vec();
        bytes.push(count);
        for _ in 0..count {
            // A user's transaction, expiry height 5, with an empty payload.
            bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 5, 0]);
        }
        bytes
    };
    let body = |lanes: &[Vec<u8>]| {
        let bytes = [vec![0, 0, lanes.len() as u8], lanes.concat()].concat();
        Body::decode_cfg(Copying(&bytes), &BOUNDS)
    };
    assert!(body(&[lane(1, 1), lane(2, 2)]).is_ok());
    // A reveal is there or not, and whole.
    assert!(matches!(Body::decode_cfg(Copying(&[2, 0]), &BOUNDS), Err(Error::InvalidBool)));
    assert!(matches!(Body::decode_cfg(Copying(&[&[1][..], &[7; 47]].concat()), &BOUNDS), Err(Error::EndOfBuffer)));
    assert!(matches!(Body::decode_cfg(Copying(&[0, 2, 0]), &BOUNDS), Err(Error::InvalidBool)));
    assert!(matches!(Body::decode_cfg(Copying(&[&[0, 1][..], &[7; 19]].concat()), &BOUNDS), Err(Error::EndOfBuffer)));
    assert!(matches!(body(&[lane(1, 0)]), Err(Error::InvalidLength(0))));
    assert!(matches!(body(&[lane(2, 1), lane(1, 1)]), Err(Error::Invalid("Body", _))));
    assert!(matches!(body(&[lane(1, 1), lane(1, 1)]), Err(Error::Invalid("Body", _))));
}

#[test]
fn bounds_hold_before_anything_is_allocated() {
    let bounds = sinter_primitives::body::BodyBounds { bytes_max: 100, transactions_max: 2, payload_bytes_max: 50 };
    let body = |payloads: &[usize]| {
        let transactions = payloads.iter().map(|bytes| transaction(Namespace(1), vec![7; *bytes])).collect();
        let lane = sinter_primitives::body::Lane { namespace: Namespace(1), transactions };
        Body::decode_cfg(Body { lanes: vec![lane], ..Body::default() }.encode(), &bounds)
    };
    assert!(body(&[20, 30]).is_ok());
    assert!(matches!(body(&[1, 1, 1]), Err(Error::InvalidLength(3))), "transactions");
    assert!(matches!(body(&[51]), Err(Error::InvalidLength(51))), "payload");
    assert!(matches!(body(&[45, 45]), Err(Error::InvalidLength(_))), "bytes");
    // Four thousand million transactions announced, none there.
    let mut announced = vec![0, 0, 1];
    announced.extend(1u64.to_be_bytes());
    announced.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert!(matches!(Body::decode_cfg(Copying(&announced), &bounds), Err(Error::InvalidLength(_))));
}

#[test]
fn a_block_holds_the_body_of_its_header() {
    let mut blocks = Blocks::new(Network::new(4));
    let mut block = blocks.order(vec![transaction(NAMESPACES[0], "one")]).clone();
    block.body = Body::default();
    assert!(matches!(Block::decode_cfg(block.encode(), &BOUNDS), Err(Error::Invalid("Block", _))));
}

#[test]
fn an_element_that_is_not_reduced_is_refused() {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&(strategies::PRIME - 1).to_be_bytes());
    assert!(Accumulator::decode_cfg(Copying(&bytes), &()).is_ok());
    bytes[..4].copy_from_slice(&strategies::PRIME.to_be_bytes());
    assert!(matches!(Accumulator::decode_cfg(Copying(&bytes), &()), Err(Error::Invalid("Accumulator", _))));
    let json = format!("\"0x{}\"", hex::encode(bytes));
    assert!(serde_json::from_str::<Accumulator>(&json).is_err());
}

#[test]
fn fixed_sizes_are_what_solidity_expects() {
    assert_eq!(Header::SIZE, 294);
    assert_eq!(NamespaceLeaf::SIZE, 84);
    assert_eq!(Network::new(1).chain.genesis().encode().len(), Header::SIZE);
}
