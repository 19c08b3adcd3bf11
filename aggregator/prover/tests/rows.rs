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
    let hex = |digest: sinter_program::Digest| {
        digest_bytes(&digest).iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let folder = Folder::new().unwrap();
    let keys = [*Universal::fold().digest(), folder.key().digest, folder.null_key().unwrap().digest].map(hex);
    let expected = [
        "59ecb45c3544907c4f3f3e7738797adb28d4ccf36267004033811a56587c9d42",
        "7be9200530c9e9a340b70caa363ea3b1045269f32ac9f49554146b3f1d006f78",
        "164778c174ec5b3a5ca0295b5edabe166768906f579b1f7a1a91371468c948af",
    ];
    assert_eq!(keys, expected);
}

#[test]
fn the_universal_shape_proves_100_bits() {
    let report = Report::new(Universal::fold().shape());
    assert_eq!(report.parameter_set, "fold");
    assert!(report.meets_target(), "{report}");
}
