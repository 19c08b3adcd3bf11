//! Changed seals: both refuse, whatever byte was changed, and the check that refuses is the one for that part.

use super::bench;
use alloy::primitives::U256;
use p3_field::PrimeField32;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use sinter_program::{F, ParameterSet};
use sinter_seal::kit::Kit;
use sinter_seal::parts::{Part, PartKind, parts};
use sinter_seal::{Seal, evm};
use sinter_settlement::seal::{Bench, Refusal, Verdict, contract::SealVerifier as Contract};
use std::collections::{BTreeMap, HashSet};

/// Cases at every run, of each of two shapes.
const CASES: usize = 2500;

/// A verifier on both sides and a seal that both accept.
struct Target {
    seal: Seal,
    bench: Bench,
    bytes: Vec<u8>,
    parts: Vec<Part>,
}

impl Target {
    fn new(kit: Kit, parameters: ParameterSet) -> Self {
        let prover = kit.prover(parameters);
        let bytes = prover.prove(&kit.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap();
        let seal = prover.seal().clone();
        let mut bench = bench(&seal);
        assert_eq!(bench.verify(&bytes).unwrap().0, accepted());
        let parts = parts(&seal, &bytes).unwrap();
        Self { seal, bench, bytes, parts }
    }

    fn small() -> Self {
        Self::new(Kit::SMALL, Kit::PARAMETERS)
    }

    /// So many queries of so few rows that groups have several queried members.
    fn crowded() -> Self {
        Self::new(Kit { log_height: 8, ..Kit::SMALL }, ParameterSet { queries: 60, ..Kit::PARAMETERS })
    }

    /// What refuses these bytes; both must.
    fn refusal(&mut self, bytes: &[u8], what: &str) -> Refusal {
        let native = self.seal.verify(bytes);
        assert!(native.is_err(), "Plonky3 accepts: {what}");
        match self.bench.verify(bytes).unwrap().0 {
            Ok(claim) => panic!("the contract accepts {claim:?}, Plonky3 does not: {what}"),
            Err(refusal) => refusal,
        }
    }

    fn part(&self, kind: PartKind) -> &Part {
        self.parts.iter().find(|part| part.kind == kind).unwrap()
    }
}

/// What the contract says of the kit's claim.
fn accepted() -> Verdict {
    Ok((Kit::CLAIM.root.into(), Kit::CLAIM.count))
}

/// The refusal's name, without its arguments.
fn name(refusal: &Refusal) -> String {
    let debug = format!("{refusal:?}");
    debug.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

/// Change some bytes, somewhere, somehow.
fn mutate(rng: &mut SmallRng, bytes: &[u8], parts: &[Part]) -> (Vec<u8>, String) {
    let mut changed = bytes.to_vec();
    // Every kind of part as often, however long it is.
    let part = loop {
        let part = &parts[rng.random_range(0..parts.len())];
        if !part.range.is_empty() {
            break part;
        }
    };
    let items = part.range.len() / part.item;
    let first = part.range.start + part.item * rng.random_range(0..items);
    let other = part.range.start + part.item * rng.random_range(0..items);
    let word = |bytes: &[u8]| u32::from_be_bytes(bytes[first..first + 4].try_into().unwrap());
    let how = match rng.random_range(0..9) {
        0 | 1 => {
            let place = rng.random_range(part.range.clone());
            changed[place] ^= 1 << rng.random_range(0..8);
            "a bit"
        }
        2 => {
            changed[first..first + part.item].fill(0);
            "zeros"
        }
        3 => {
            rng.fill(&mut changed[first..first + part.item]);
            "noise"
        }
        4 => {
            (0..part.item).for_each(|i| changed.swap(first + i, other + i));
            "two items exchanged"
        }
        5 if part.item == 4 => {
            let value = word(&changed).wrapping_add(F::ORDER_U32);
            changed[first..first + 4].copy_from_slice(&value.to_be_bytes());
            "p added"
        }
        6 if part.item == 4 => {
            let value = (word(&changed) + 1) % F::ORDER_U32;
            changed[first..first + 4].copy_from_slice(&value.to_be_bytes());
            "one added"
        }
        7 => {
            changed.drain(first..first + part.item);
            "an item left out"
        }
        _ => {
            let item = changed[first..first + part.item].to_vec();
            changed.splice(first..first, item);
            "an item doubled"
        }
    };
    (changed, format!("{:?} at {first}: {how}", part.kind))
}

fn fuzz(target: &mut Target, seed: u64) {
    let mut rng = SmallRng::seed_from_u64(seed);
    let (bytes, parts) = (target.bytes.clone(), target.parts.clone());
    let mut refusals: BTreeMap<String, usize> = BTreeMap::new();
    let mut hit = HashSet::new();
    let mut cases = 0;
    while cases < CASES {
        let (changed, what) = mutate(&mut rng, &bytes, &parts);
        if changed == bytes {
            continue;
        }
        let refusal = target.refusal(&changed, &format!("seed {seed}, case {cases}: {what}"));
        *refusals.entry(name(&refusal)).or_default() += 1;
        hit.insert(what.split(" at ").next().unwrap_or_default().to_owned());
        cases += 1;
    }
    let there = parts.iter().filter(|part| !part.range.is_empty()).count();
    assert_eq!(hit.len(), there, "every part was changed");
    println!("{cases} cases, {} parts, refused by {refusals:?}", hit.len());
}

#[test]
fn no_change_is_accepted() {
    fuzz(&mut Target::small(), 1);
}

#[test]
fn no_change_is_accepted_where_queries_meet() {
    fuzz(&mut Target::crowded(), 2);
}

#[test]
fn other_lengths_are_refused() {
    let mut target = Target::small();
    let bytes = target.bytes.clone();
    for length in (0..bytes.len()).rev().step_by(61) {
        let refusal = target.refusal(&bytes[..length], &format!("{length} bytes"));
        assert_eq!(name(&refusal), "SealLength", "{length}");
    }
    for more in [1, 4, 26, 32] {
        let longer = [bytes.as_slice(), &vec![0; more]].concat();
        assert_eq!(name(&target.refusal(&longer, "longer")), "SealLength");
    }
}

#[test]
fn every_element_is_canonical() {
    for mut target in [Target::small(), Target::crowded()] {
        let bytes = target.bytes.clone();
        for part in target.parts.clone().iter().filter(|part| part.item == 4) {
            let items = part.range.len() / 4;
            for item in [0, items / 3, items - 1] {
                let mut changed = bytes.clone();
                let place = part.range.start + 4 * item;
                let value = u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap());
                changed[place..place + 4].copy_from_slice(&(value + F::ORDER_U32).to_be_bytes());
                let refusal = target.refusal(&changed, &format!("{:?}, item {item}", part.kind));
                // A member of a group that is known is compared before its group is looked at.
                let known = matches!(part.kind, PartKind::Groups(_)) && name(&refusal) == "MemberMismatch";
                assert!(known || name(&refusal) == "NotCanonical", "{:?}, item {item}: {refusal:?}", part.kind);
            }
        }
    }
}

/// What the transcript absorbs moves challenges and positions, so that a later check refuses; what comes after the
/// positions is refused by its own check.
#[test]
fn each_part_is_refused_by_its_check() {
    let mut target = Target::small();
    let flip = |target: &mut Target, kind: PartKind| {
        let mut changed = target.bytes.clone();
        let range = target.part(kind).range.clone();
        changed[range.end - 1] ^= 1;
        target.refusal(&changed, &format!("{kind:?}"))
    };
    let root = |tree: u64| Refusal::RootMismatch(Contract::RootMismatch { tree: U256::from(tree) });
    for tree in 0..4 {
        assert_eq!(flip(&mut target, PartKind::Rows(tree)), root(tree as u64), "rows of {tree}");
        assert_eq!(flip(&mut target, PartKind::Paths(tree)), root(tree as u64), "paths of {tree}");
    }
    for fold in 0..target.seal.layout().rounds.len() {
        assert_eq!(flip(&mut target, PartKind::Groups(fold)), root(4 + fold as u64), "groups of {fold}");
        assert_eq!(flip(&mut target, PartKind::Paths(4 + fold)), root(4 + fold as u64), "paths of {fold}");
    }
}

/// With no grinding to speak of, a change in the head sometimes gets past it: every check behind it is seen to refuse.
#[test]
fn each_step_of_the_transcript_is_checked() {
    let parameters = ParameterSet {
        query_pow_bits: 1,
        batch_pow_bits: 1,
        ood_pow_bits: 1,
        lookup_pow_bits: 1,
        queries: 1,
        ..Kit::PARAMETERS
    };
    let mut target = Target::new(Kit::SMALL, parameters);
    let mut seen: BTreeMap<String, HashSet<String>> = BTreeMap::new();
    let head: Vec<Part> = target
        .parts
        .iter()
        .filter(|p| !matches!(p.kind, PartKind::Rows(_) | PartKind::Paths(_) | PartKind::Groups(_)))
        .cloned()
        .collect();
    for part in head {
        for try_ in 0..24usize {
            let mut changed = target.bytes.clone();
            changed[part.range.end - 1 - try_ % part.range.len().min(4) / 4] ^= 1 << (try_ % 8);
            changed[part.range.start + part.item - 1] ^= (try_ / 8) as u8;
            if changed == target.bytes {
                continue;
            }
            let refusal = target.refusal(&changed, &format!("{:?}", part.kind));
            seen.entry(format!("{:?}", part.kind)).or_default().insert(format!("{refusal:?}"));
        }
    }
    let all: HashSet<&str> =
        seen.values().flatten().map(|refusal| refusal.split(['(', ' ']).next().unwrap_or_default()).collect();
    assert!(all.contains("NotGround") && all.contains("ConstraintsNotMet"), "{all:?}");
}

/// What the constructor compared could have gone with the transaction that made it.
#[test]
fn code_that_changed_behind_the_verifier_is_noticed() {
    let mut target = Target::small();
    let evm::Program { data, parts } = evm::program(&target.seal).unwrap();
    let (at, addresses) = target.bench.program();
    let (at, part) = (at, addresses[0]);
    // A part that says of any values that the constraints hold: two equal words.
    for code in [&[0x60, 64, 0x5f, 0xf3][..], &[], &[0x00]] {
        target.bench.replace_code(part, code);
        let refusal = target.bench.verify(&target.bytes).unwrap().0.unwrap_err();
        assert!(matches!(refusal, Refusal::WrongPart(wrong) if wrong.part == part), "{code:x?}");
    }
    target.bench.replace_code(part, &parts[0]);
    let mut changed = data.clone();
    changed[60] ^= 1;
    for code in [&changed[..], &data[..data.len() - 1], &[]] {
        target.bench.replace_code(at, code);
        let refusal = target.bench.verify(&target.bytes).unwrap().0.unwrap_err();
        assert!(matches!(refusal, Refusal::WrongProgram(_)), "{refusal:?}");
    }
    target.bench.replace_code(at, &data);
    assert_eq!(target.bench.verify(&target.bytes).unwrap().0, accepted());
}

#[test]
fn another_program_refuses() {
    let mut target = Target::small();
    let other = Kit { reads: 3, ..Kit::SMALL }.prover(Kit::PARAMETERS);
    assert!(other.seal().verify(&target.bytes).is_err());
    let mut bench = bench(other.seal());
    assert!(bench.verify(&target.bytes).unwrap().0.is_err());
    // The program of this seal with another key, another preprocessed root.
    let program = evm::program(&target.seal).unwrap();
    for place in [1, 32, 33, 58] {
        let mut changed = program.data.clone();
        changed[place] ^= 1;
        let mut bench = Bench::new(&changed, &program.parts).unwrap();
        assert!(bench.verify(&target.bytes).unwrap().0.is_err(), "byte {place}");
    }
    assert_eq!(target.bench.verify(&target.bytes).unwrap().0, accepted());
}
