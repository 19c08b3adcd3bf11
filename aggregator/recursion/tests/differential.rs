//! The native verifier and the verifier circuit agree on proofs that were changed.
//!
//! A few seconds here; for long by hand with `SINTER_FUZZ_SECONDS=3600 cargo nextest run -p sinter-recursion --release
//! differential --no-capture`, where `SINTER_FUZZ_SEED` starts elsewhere. Every run prints its seed and counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use p3_field::PrimeCharacteristicRing;
use sinter_program::{F, ParameterSet, ProofFile, ProofKind};
use sinter_recursion::differential::{Limit, Report, Target};

use crate::forgeries::Victim;
use crate::puppet::{Script, positions, say};
use crate::toy::{GROUND, Proved, fibonacci, mixed};

fn file(proved: Proved) -> (sinter_program::Program, ProofFile) {
    let Proved { program, proof, publics } = proved;
    let file = ProofFile {
        kind: ProofKind::Leaf,
        digest: *program.digest(),
        key: None,
        public_values: publics.concat(),
        proof,
    };
    (program, file)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn fuzz(proofs: [Proved; 2]) -> Report {
    let [(program, one), (_, other)] = proofs.map(file);
    let target = Target::new(&program, &[one, other]).unwrap();
    let limit = number("SINTER_FUZZ_SECONDS").map_or(Limit::Count(600), |s| Limit::Time(Duration::from_secs(s)));
    let report = target.run(number("SINTER_FUZZ_SEED").unwrap_or(1), limit);
    println!("{report:#?}");
    assert!(report.disagreements.is_empty(), "{:#?}", report.disagreements);
    assert_eq!(report.both_reject, report.tried);
    report
}

#[test]
fn verifiers_agree_on_one_table() {
    fuzz([fibonacci(ParameterSet::DEV, 6, 3, 4), fibonacci(ParameterSet::DEV, 6, 5, 9)]);
}

#[test]
fn verifiers_agree_on_tables_joined_by_a_bus() {
    let report = fuzz([mixed(GROUND, 1), mixed(GROUND, 2)]);
    // Every part of a proof is changed, and every kind of check gets to refuse something.
    assert!(report.parts.len() >= 25, "{:?}", report.parts);
    for reason in ["inputs", "grinding", "paths", "FRI rows"] {
        assert!(report.reasons.contains_key(reason), "{reason}: {:?}", report.reasons);
    }
}

/// A change after the fact moves every later challenge, and so fails at the first check that is made. Here the prover absorbs
/// its change and goes on, so that each check has to notice by itself. A digest of a cap that no query reaches may be
/// anything; so the verifiers must agree, and refuse all but that.
#[test]
fn verifiers_agree_on_lies_that_are_consistent() {
    let victim = Victim::mixed();
    let steps: Vec<_> = positions(&victim.layout).into_iter().collect();
    let mut state = number("SINTER_FUZZ_SEED").unwrap_or(1);
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let (start, seconds) = (Instant::now(), number("SINTER_FUZZ_SECONDS"));
    let (mut tried, mut reasons) = (0, BTreeMap::<String, u64>::new());
    while seconds.map_or(tried < 60, |seconds| start.elapsed() < Duration::from_secs(seconds)) {
        let mut lies = Vec::new();
        let mut script = Script::default();
        for _ in 0..1 + below(2) {
            let index = below(steps.len());
            let (step, at) = &steps[index];
            let end = steps.get(index + 1).map_or(*at, |(_, at)| *at);
            if end == *at || *at < 8 {
                continue;
            }
            let offset = below(end - at);
            let lie = [F::ONE, F::NEG_ONE, F::from_usize(below(1 << 31))][below(3)];
            script.lies.insert(at + offset, lie);
            lies.push((step, offset, lie));
        }
        if lies.is_empty() || script.lies.len() != lies.len() {
            continue;
        }
        let mut proof = victim.cheat(&victim.parts).prove(script);
        let mut publics = victim.parts.publics.clone();
        let mut caps_only = true;
        for (step, offset, lie) in &lies {
            say(&victim.layout, step, *offset, *lie, &mut proof, &mut publics);
            caps_only &= format!("{step:?}").starts_with("Cap(");
        }
        let (native, circuit) = (victim.native(&proof, &publics), victim.in_circuit(&proof, &publics));
        assert_eq!(native.is_err(), circuit.is_err(), "{lies:?}: native {native:?}, circuit {circuit:?}");
        assert!(native.is_err() || caps_only, "{lies:?} is accepted");
        let reason =
            circuit.err().map_or("accepted".to_owned(), |e| e.split(':').next().unwrap_or_default().to_owned());
        *reasons.entry(reason).or_default() += 1;
        tried += 1;
    }
    println!("{tried} tried: {reasons:?}");
}
