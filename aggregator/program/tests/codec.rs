//! The file formats: canonical, bounded, and never a panic.

use std::sync::LazyLock;

use proptest::prelude::*;
use sinter_program::field::{digest_bytes, hash_bytes};
use sinter_program::{ProofFile, ProofHeader, ProofKind, file};

use crate::toy;

/// The toy program's file, and a proof of it.
static FILES: LazyLock<(sinter_program::Program, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let (program, proof) = toy::proof();
    let bytes = proof.encode(program.shape()).unwrap();
    let encoded = file::encode(&program);
    (program, encoded, bytes)
});

#[test]
fn a_program_survives_its_file() {
    let (program, bytes, proof) = &*FILES;
    let decoded = file::decode(bytes).unwrap();
    assert_eq!(file::encode(&decoded), *bytes);
    assert_eq!(decoded.digest(), program.digest());
    assert_eq!(decoded.shape(), program.shape());
    for (a, b) in decoded.airs().iter().zip(program.airs()) {
        assert_eq!(a.dag(), b.dag());
    }
    // The file alone verifies a proof.
    let proof = ProofFile::decode(proof, decoded.shape()).unwrap();
    decoded.verify(&proof).unwrap();
}

#[test]
fn a_proof_survives_its_file() {
    let (program, _, bytes) = &*FILES;
    let header = ProofHeader::read(bytes).unwrap();
    assert_eq!((header.kind, header.digest), (ProofKind::Leaf, *program.digest()));
    let proof = ProofFile::decode(bytes, program.shape()).unwrap();
    assert_eq!(proof.encode(program.shape()).unwrap(), *bytes);
}

#[test]
fn proofs_are_deterministic_and_pinned() {
    let (program, _, bytes) = &*FILES;
    let (_, again) = toy::proof();
    assert_eq!(again.encode(program.shape()).unwrap(), *bytes);
    let digest = digest_bytes(&hash_bytes(1, bytes));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        (bytes.len(), digest.as_str()),
        (11232, "760f913c7aaebad772622f3078c8f86c31a667ca6899d0a502009fc618d516a2")
    );
}

#[test]
fn every_prefix_and_every_longer_file_is_refused() {
    let (program, encoded, proof) = &*FILES;
    for end in 0..encoded.len() {
        assert!(file::decode(&encoded[..end]).is_err(), "{end} bytes of a program");
    }
    for end in (0..proof.len()).step_by(61) {
        assert!(ProofFile::decode(&proof[..end], program.shape()).is_err(), "{end} bytes of a proof");
    }
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    assert!(file::decode(&longer(encoded)).unwrap_err().to_string().contains("expected"));
    assert!(ProofFile::decode(&longer(proof), program.shape()).is_err());
}

#[test]
fn elements_at_or_above_the_modulus_are_refused() {
    let (program, _, proof) = &*FILES;
    // The digest's first element, behind magic, version and kind.
    let mut bytes = proof.clone();
    bytes[7..11].copy_from_slice(&0x7f00_0001u32.to_le_bytes());
    let error = ProofFile::decode(&bytes, program.shape()).unwrap_err();
    assert_eq!(error.to_string(), "at byte 7: expected a field element below 2130706433, got 2130706433");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (program, ..) = &*FILES;
        prop_assert!(file::decode(&bytes).is_err());
        prop_assert!(ProofFile::decode(&bytes, program.shape()).is_err());
    }

    #[test]
    fn bytes_behind_a_good_head_are_refused(tail in prop::collection::vec(any::<u8>(), 0..2000), cut in 6usize..200) {
        let (program, encoded, proof) = &*FILES;
        for head in [encoded, proof] {
            let bytes = [&head[..cut], &tail].concat();
            prop_assert!(file::decode(&bytes).is_err());
            prop_assert!(ProofFile::decode(&bytes, program.shape()).is_err());
        }
    }

    #[test]
    fn a_changed_program_is_refused_or_another(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (program, encoded, _) = &*FILES;
        let mut bytes = encoded.clone();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = file::decode(&bytes) {
            prop_assert_eq!(file::encode(&other), bytes);
            prop_assert_ne!(other.digest(), program.digest());
        }
    }

    #[test]
    fn a_changed_proof_is_refused(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (program, _, proof) = &*FILES;
        let mut bytes = proof.clone();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(other) = ProofFile::decode(&bytes, program.shape()) {
            prop_assert_eq!(other.encode(program.shape()).unwrap(), bytes);
            prop_assert!(program.verify(&other).is_err());
        }
    }
}
