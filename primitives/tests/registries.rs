//! The registry: what its records make of it, and whom a draw takes from it.

use sha3::{Digest as _, Keccak256};
use sinter_primitives::{
    Digest,
    certificate::uncompress_g1,
    committee::{Seat, uncompress_key},
    draw::{Candidate, DrawError, Seed},
    registry::{ADDRESS_BYTES_MAX, CommitteeDrawError, Record, Registry, RegistryError, sign_node_consent},
    testkit::{Member, member},
};
use std::collections::BTreeMap;

const CHAIN: u64 = 1337;
const CONTRACT: [u8; 20] = [0xcc; 20];
const OWNER: [u8; 20] = [7; 20];

/// A registry and what it was told.
struct Told {
    registry: Registry,
    records: Vec<Record>,
}

impl Told {
    fn new() -> Self {
        Self { registry: Registry::new(CHAIN, &CONTRACT), records: Vec::new() }
    }

    /// The next record as the contract makes it.
    fn record(&self, member: u64, kind: u8, data: Vec<u8>) -> Record {
        let sequence = self.registry.records();
        let mut hasher = Keccak256::new();
        hasher.update(self.registry.head());
        hasher.update(sequence.to_be_bytes());
        hasher.update(member.to_be_bytes());
        hasher.update([kind]);
        hasher.update(&data);
        Record { sequence, member, kind, data, head: Digest(hasher.finalize().into()) }
    }

    fn takes(&mut self, member: u64, kind: u8, data: Vec<u8>) {
        let record = self.record(member, kind, data);
        self.registry.apply(&record).expect("a sound record");
        assert_eq!(self.registry.head(), record.head);
        self.records.push(record);
    }

    /// Refused, and nothing has changed.
    fn refuses(&mut self, record: &Record, expected: RegistryError) {
        let before = self.registry.clone();
        assert_eq!(self.registry.apply(record), Err(expected));
        assert_eq!(self.registry, before);
    }
}

fn keys(member: &Member) -> Vec<u8> {
    let key = uncompress_key(&member.seat.bls_key).expect("a key");
    [&key[..], &uncompress_g1(&member.seat.proof_of_possession).expect("a point")].concat()
}

/// A node of somebody whose account this is.
fn node(member: &Member, owner: &[u8; 20], address: &[u8]) -> Vec<u8> {
    let consent = sign_node_consent(&member.node_key, CHAIN, &CONTRACT, owner);
    [&member.seat.node_key[..], &consent, address].concat()
}

fn registered(member: &Member, stake: u128, address: &[u8]) -> Vec<u8> {
    [&OWNER, &stake.to_be_bytes()[..], &keys(member), &node(member, &OWNER, address)].concat()
}

fn ordinary(told: &mut Told, count: u64) {
    for id in 1..=count {
        let member = member(id as usize, 9);
        told.takes(id, 1, registered(&member, 100 + u128::from(id), member.seat.address.as_bytes()));
    }
}

#[test]
fn records_make_a_registry() {
    let mut told = Told::new();
    ordinary(&mut told, 3);
    assert_eq!(told.registry.registrants()[&2].seat(), Some(Seat { stake_wei: 102, ..member(2, 9).seat }));
    told.takes(2, 2, 500u128.to_be_bytes().to_vec());
    let other = member(50, 9);
    told.takes(1, 3, keys(&other));
    told.takes(1, 4, node(&other, &OWNER, b"node.example.org:7000"));
    let seat = told.registry.registrants()[&1].seat().expect("a candidate");
    let address = "node.example.org:7000".to_owned();
    assert_eq!(seat, Seat { address, stake_wei: 101, ..other.seat });
    told.takes(3, 5, Vec::new());
    let stakes = [(1, 101), (2, 500)].map(|(id, stake_wei)| Candidate { id, stake_wei });
    assert_eq!(told.registry.candidates(), stakes);

    // From any record on: whoever has the registry until there takes the rest.
    for from in 0..told.records.len() {
        let mut later = Registry::new(CHAIN, &CONTRACT);
        told.records[..from].iter().for_each(|record| later.apply(record).expect("before"));
        let mut copy = later.clone();
        told.records[from..].iter().for_each(|record| copy.apply(record).expect("after"));
        assert_eq!(copy, told.registry);
    }
}

#[test]
fn other_records_are_refused() {
    let mut told = Told::new();
    ordinary(&mut told, 2);
    let good = told.record(1, 2, 5u128.to_be_bytes().to_vec());
    // One left out, one twice, one altered anywhere.
    let early = Record { sequence: 3, ..good.clone() };
    told.refuses(&early, RegistryError::Sequence { expected: 2, got: 3 });
    let late = told.records[1].clone();
    told.refuses(&late, RegistryError::Sequence { expected: 2, got: 1 });
    let mut data = good.data.clone();
    data[15] ^= 1;
    for altered in [
        Record { member: 2, ..good.clone() },
        Record { kind: 5, ..good.clone() },
        Record { data, ..good.clone() },
        Record { head: Digest([1; 32]), ..good.clone() },
    ] {
        let error = told.registry.clone().apply(&altered).expect_err("altered");
        assert!(matches!(error, RegistryError::Head { sequence: 2, got, .. } if got == altered.head), "{error}");
        told.refuses(&altered, error);
    }
    // Another contract's, or of another chain.
    for other in [Registry::new(1, &CONTRACT), Registry::new(CHAIN, &[1; 20])] {
        assert_ne!(other.head(), Registry::new(CHAIN, &CONTRACT).head());
    }
    // Well chained, and nothing that the contract writes.
    let sound = registered(&member(1, 9), 1, b"node:1");
    for (kind, data) in [
        (0, Vec::new()),
        (6, Vec::new()),
        (1, sound[..sound.len() - 6].to_vec()),
        (1, [&sound[..], &[b'a'; ADDRESS_BYTES_MAX - 5]].concat()),
        (2, vec![0; 15]),
        (2, vec![0; 17]),
        (3, vec![0; 287]),
        (4, vec![0; 96]),
        (5, vec![0]),
    ] {
        let length = data.len();
        let record = told.record(7, kind, data);
        told.refuses(&record, RegistryError::Malformed { sequence: 2, kind, length });
    }
    for (member, kind, data) in
        [(1, 1, sound.clone()), (7, 2, vec![0; 16]), (7, 3, vec![0; 288]), (7, 4, vec![0; 97]), (7, 5, Vec::new())]
    {
        let record = told.record(member, kind, data);
        told.refuses(&record, RegistryError::Member { sequence: 2, member, kind });
    }
    told.registry.apply(&good).expect("the good one still");
}

/// A node key counts for the owner whom it consented to have, and once.
#[test]
fn node_keys_count_where_they_consented() {
    let mut told = Told::new();
    ordinary(&mut told, 3);
    let ids = |told: &Told| told.registry.candidates().iter().map(|candidate| candidate.id).collect::<Vec<_>>();
    assert_eq!(ids(&told), [1, 2, 3]);
    let address = &b"node.example.org:7000"[..];
    let (victim, stranger) = (member(2, 9), [8; 20]);
    // Named by somebody else: with the victim's own consent, with that for another contract or chain, with none.
    let stolen = |consent: [u8; 64]| [&victim.seat.node_key[..], &consent, address].concat();
    let own = sign_node_consent(&victim.node_key, CHAIN, &CONTRACT, &OWNER);
    let register = |owner: &[u8; 20], consent| {
        let with = member(50, 9);
        [owner, &5u128.to_be_bytes()[..], &keys(&with), &stolen(consent)].concat()
    };
    told.takes(4, 1, register(&stranger, own));
    assert_eq!(ids(&told), [1, 2, 3]);
    for consent in [
        sign_node_consent(&victim.node_key, CHAIN + 1, &CONTRACT, &stranger),
        sign_node_consent(&victim.node_key, CHAIN, &[1; 20], &stranger),
        sign_node_consent(&member(50, 9).node_key, CHAIN, &CONTRACT, &stranger),
        [0; 64],
        [0xff; 64],
    ] {
        told.takes(4, 4, stolen(consent));
        assert_eq!(ids(&told), [1, 2, 3]);
        assert_eq!(told.registry.registrants()[&4].seat(), None);
    }
    // Consented twice: the lower number counts, whichever came first, or no committee of both could be made.
    told.takes(4, 4, stolen(sign_node_consent(&victim.node_key, CHAIN, &CONTRACT, &stranger)));
    assert_eq!(ids(&told), [1, 2, 3]);
    told.takes(1, 4, node(&victim, &OWNER, address));
    assert_eq!(ids(&told), [1, 3]);
    let seed = Seed::new(&Digest([1; 32]), 4, &Digest([2; 32]), &[3; 32]);
    assert_eq!(told.registry.draw(&seed, 7).expect("a committee").members.len(), 2);
    // Who is no candidate for another reason stands in nobody's way.
    told.takes(1, 4, node(&victim, &OWNER, b"nowhere"));
    assert_eq!(ids(&told), [2, 3]);
    told.takes(2, 5, Vec::new());
    assert_eq!(ids(&told), [3, 4]);
}

#[test]
fn a_committee_is_drawn_from_it() {
    let mut told = Told::new();
    ordinary(&mut told, 20);
    // Nobody listens there, and nobody has such a key: no candidates, whatever their stake.
    for (id, address) in [(21, &b"nowhere"[..]), (22, b"\xff:1")] {
        told.takes(id, 1, registered(&member(id as usize, 9), 1 << 100, address));
    }
    let mut no_key = member(23, 9);
    // y = 2 is on no point of the curve.
    no_key.seat.node_key = [0; 32];
    no_key.seat.node_key[0] = 2;
    told.takes(23, 1, registered(&no_key, 1 << 100, b"node.example.org:1"));
    assert_eq!(told.registry.candidates().len(), 20);

    let seed = Seed::new(&Digest([1; 32]), 4, &Digest([2; 32]), &[3; 32]);
    let drawn = told.registry.draw(&seed, 7).expect("a committee");
    assert_eq!(drawn.committee.seats().len(), 7);
    let by_seat: BTreeMap<_, _> = drawn.members.iter().map(|id| (member(*id as usize, 9).seat.node_key, *id)).collect();
    assert_eq!(by_seat.into_values().collect::<Vec<_>>(), drawn.members, "in the order of seats");
    for (seat, id) in drawn.committee.seats().iter().zip(&drawn.members) {
        assert_eq!(seat.stake_wei, told.registry.registrants()[id].stake_wei, "the stake of the snapshot");
    }

    told.takes(4, 5, Vec::new());
    assert_eq!(told.registry.draw(&seed, 128).expect("all of them").members.len(), 19);
    let empty = Registry::new(CHAIN, &CONTRACT);
    let nobody = CommitteeDrawError::Draw(DrawError::NoStake { got: 0 });
    assert_eq!(empty.draw(&seed, 7).err(), Some(nobody));
}
