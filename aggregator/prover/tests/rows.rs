//! What everything else follows from: the size of the verifier circuit, what its proofs prove, and the keys.

use sinter_program::field::digest_bytes;
use sinter_program::soundness::Report;
use sinter_prover::Folder;
use sinter_recursion::Universal;

/// A change here is a change in the cost of every fold.
#[test]
fn rows_of_the_fold_circuit() {
    let folder = Folder::new().unwrap();
    let rows = folder.node().rows().map(|rows| (rows.table.name(), rows.used, rows.height));
    let expected = [
        ("poseidon2", 30_861, 1 << 15),
        ("alu", 28_514, 1 << 15),
        ("bits", 2_728, 1 << 12),
        ("window", 2_661, 1 << 12),
        ("boundary", 224, 1 << 9),
    ];
    assert_eq!(rows, expected);
}

/// A release that changes one of these changes every `program_id`, and must say so.
#[test]
fn the_keys_of_this_version() {
    let hex = |digest| digest_bytes(digest).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let folder = Folder::new().unwrap();
    assert_eq!(hex(Universal::fold().digest()), "U");
    assert_eq!(hex(&folder.key().digest), "FOLD");
    assert_eq!(hex(&folder.null_key().unwrap().digest), "NULL");
}

#[test]
fn the_universal_shape_proves_100_bits() {
    let report = Report::new(Universal::fold().shape());
    assert_eq!(report.parameter_set, "fold");
    assert!(report.meets_target(), "{report}");
}
