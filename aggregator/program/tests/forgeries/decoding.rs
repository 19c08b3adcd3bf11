//! Point 7: bytes that parse two ways, lengths that nothing stands behind, elements that are not canonical.

use std::sync::LazyLock;

use p3_field::PrimeField32;
use proptest::prelude::*;
use sinter_program::dag::{DagParts, Node, Row};
use sinter_program::file::{self, FileError};
use sinter_program::proof::ProofError;
use sinter_program::{Dag, DagAir, F, ParameterSet, Program, ProofFile, ProofHeader, StatementLayout, WireError};

use super::allocation::peak;
use crate::toy;

/// The toy program, its file, and a proof's.
static FILES: LazyLock<(Program, Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let (program, proof) = toy::proof();
    let (encoded, bytes) = (file::encode(&program), proof.encode(program.shape()).unwrap());
    (program, encoded, bytes)
});

/// A proof: what is decoded is no larger than what is read, but for the vectors' own heads.
const PROOF_FACTOR: usize = 12;
/// A program: the graph, its instructions, and Plonky3's expressions.
const PROGRAM_FACTOR: usize = 600;
/// For what is there once.
const CONSTANT: usize = 1 << 20;

/// Decodes both ways, and checks what it takes.
fn decode(bytes: &[u8]) -> (Result<Program, FileError>, Result<ProofFile, ProofError>) {
    let (shape, _, _) = (FILES.0.shape(), &FILES.1, &FILES.2);
    let (program, taken) = peak(|| file::decode(bytes));
    assert!(taken <= PROGRAM_FACTOR * bytes.len() + CONSTANT, "program: {taken} bytes for {}", bytes.len());
    let (proof, taken) = peak(|| ProofFile::decode(bytes, shape));
    assert!(taken <= PROOF_FACTOR * bytes.len() + CONSTANT, "proof: {taken} bytes for {}", bytes.len());
    let (_, taken) = peak(|| ProofHeader::read(bytes).map(|_| ()));
    assert!(taken <= 4096, "header: {taken} bytes");
    (program, proof)
}

/// x and x + p are one element: wherever the sum fits into four bytes, it is refused, at the place where it stands.
#[test]
fn an_element_has_one_encoding() {
    let (program, encoded, proof) = &*FILES;
    let second = |bytes: &[u8], at: usize| {
        let value = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let forged = (value < F::ORDER_U32).then(|| value.checked_add(F::ORDER_U32)).flatten()?;
        let mut bytes = bytes.to_vec();
        bytes[at..at + 4].copy_from_slice(&forged.to_le_bytes());
        Some((bytes, forged))
    };
    // Behind magic, version and kind stand the digest, the number of public values, and those.
    let header = 7 + 32 + 1 + 4 * usize::from(proof[39]);
    let (mut elements, mut counts) = (0, 0);
    for at in (7..39).step_by(4).chain((40..header).step_by(4)).chain((header..proof.len() - 3).step_by(4)) {
        let Some((forged, got)) = second(proof, at) else { continue };
        match ProofFile::decode(&forged, program.shape()).err().unwrap() {
            ProofError::Wire(WireError::Element { at: place, got: value }) => {
                assert_eq!((place, value), (at, got));
                elements += 1;
            }
            // The numbers of Merkle siblings are no elements.
            ProofError::Wire(WireError::Range { .. }) => counts += 1,
            error => panic!("byte {at}: {error}"),
        }
    }
    println!("{elements} elements, {counts} counts");
    assert!(elements > 2000 && counts <= program.shape().rounds.len() + program.shape().folds.len());
    // A program: its constants and its commitment, at whatever offset.
    let mut refused = 0;
    for at in 0..encoded.len() - 3 {
        let Some((forged, _)) = second(encoded, at) else { continue };
        refused += usize::from(matches!(file::decode(&forged), Err(FileError::Wire(WireError::Element { .. }))));
    }
    assert!(refused >= 8 * program.commitment().unwrap().num_roots());
}

/// Every byte, pair and four bytes in a row of a valid file replaced by the largest and the smallest numbers.
#[test]
fn absurd_numbers_are_refused_without_being_believed() {
    let (_, encoded, proof) = &*FILES;
    for (bytes, step) in [(encoded, 1), (proof, 7)] {
        for at in (0..bytes.len() - 3).step_by(step) {
            for len in [1, 2, 4] {
                for fill in [0xff, 0x7f, 0x80, 0x00] {
                    let mut forged = bytes.clone();
                    forged[at..at + len].fill(fill);
                    if forged != *bytes {
                        let (program, proof) = decode(&forged);
                        assert!(program.is_err() || file::encode(&program.unwrap()) == forged);
                        assert!(proof.is_err() || proof.unwrap().encode(FILES.0.shape()).unwrap() == forged);
                    }
                }
            }
        }
    }
}

/// A file of a few hundred bytes that describes the largest proofs there are: nothing is set aside for them.
#[test]
fn a_large_shape_takes_no_memory() {
    let nodes: Vec<Node> = vec![Node::Main { row: Row::Local, column: 0 }];
    let parts = DagParts { main_width: 1 << 14, nodes, constraints: vec![0], ..DagParts::default() };
    let parameters = ParameterSet { queries: 200, cap_height: 8, log_blowup: 8, ..ParameterSet::FOLD };
    let airs = vec![DagAir::new(Dag::new(parts).unwrap()); 32];
    let program = Program::new(airs, vec![16; 32], parameters, StatementLayout::Raw, None).unwrap();
    let bytes = file::encode(&program);
    assert!(bytes.len() < 2000, "{}", bytes.len());
    let (decoded, taken) = peak(|| file::decode(&bytes).unwrap());
    println!("{taken} bytes for a file of {}", bytes.len());
    assert!(taken < 4 << 20, "{taken}");
    // Openings alone would be 32 · 2^14 · 2 exts.
    let (header, _) = FILES.2.split_at(4096);
    let (proof, taken) = peak(|| ProofFile::decode(header, decoded.shape()));
    assert!(proof.is_err() && taken <= PROOF_FACTOR * header.len() + CONSTANT, "{taken}");
}

/// Sums that double: 2^1500 leaves when written out. Constraints are shared, not written out.
#[test]
fn a_graph_is_not_written_out() {
    let mut nodes = vec![Node::Main { row: Row::Local, column: 0 }];
    nodes.extend((0..1500).map(|i| Node::Add(i, i)));
    let dag = Dag::new(DagParts { main_width: 1, nodes, constraints: vec![1500], ..DagParts::default() }).unwrap();
    let program = Program::new(vec![DagAir::new(dag)], vec![4], ParameterSet::DEV, StatementLayout::Raw, None).unwrap();
    let start = std::time::Instant::now();
    let bytes = file::encode(&program);
    let (decoded, taken) = peak(|| file::decode(&bytes).unwrap());
    let nodes = decoded.with_lookups(0).unwrap().nodes().len();
    println!("{nodes} nodes, {taken} bytes, {:?}", start.elapsed());
    assert!(nodes < 2000 && taken <= PROGRAM_FACTOR * bytes.len() + CONSTANT, "{taken}");
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}

#[test]
fn errors_say_what_was_expected() {
    let (program, encoded, proof) = &*FILES;
    let longer = [encoded.as_slice(), &[0]].concat();
    assert!(matches!(file::decode(&longer), Err(FileError::Wire(WireError::Trailing { .. }))));
    let longer = [proof.as_slice(), &[0, 0, 0, 0]].concat();
    let error = ProofFile::decode(&longer, program.shape()).err().unwrap();
    assert!(matches!(error, ProofError::Wire(WireError::Trailing { .. })), "{error}");
    for end in 0..proof.len() {
        let error = ProofFile::decode(&proof[..end], program.shape()).err().unwrap();
        assert!(matches!(error, ProofError::Wire(_)), "{end} bytes: {error}");
    }
    for end in 0..encoded.len() {
        assert!(matches!(file::decode(&encoded[..end]), Err(FileError::Wire(_))), "{end} bytes");
    }
    assert!(matches!(file::decode(&vec![0; file::MAX_BYTES + 1]), Err(FileError::Size { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes_take_no_more_than_their_size(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        let (program, proof) = decode(&bytes);
        prop_assert!(program.is_err() && proof.is_err());
    }

    #[test]
    fn changed_files_take_no_more_than_their_size(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        cuts in any::<bool>(),
    ) {
        for original in [&FILES.1, &FILES.2] {
            let mut bytes = original.clone();
            for (at, byte) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            let (program, proof) = decode(&bytes);
            prop_assert!(program.is_err() || file::encode(&program.unwrap()) == bytes);
            prop_assert!(proof.is_err() || proof.unwrap().encode(FILES.0.shape()).unwrap() == bytes);
        }
    }
}
