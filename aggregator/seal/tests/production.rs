//! What everything on the L1 follows from: the circuits between a root and its seal, what their proofs prove, and the seal key.

use sinter_program::soundness::Report;
use sinter_prover::Folder;
use sinter_prover::link::Capacity;
use sinter_recursion::Universal;
use sinter_seal::sealer::SealLayers;
use sinter_seal::{Sealer, evm};

/// A release that changes one of these needs another `SealVerifier`, and must say so.
#[test]
fn the_seal_key_of_this_version() {
    let folder = Folder::new().unwrap();
    let links = Capacity::ALL.map(Capacity::key);
    let sealer = Sealer::new(Universal::fold(), folder.key(), &links, &SealLayers::PRODUCTION).unwrap();
    // Of 2^15 and 2^14.
    assert_eq!(sealer.rows(), [27_979, 15_492]);
    for report in sealer.shrinker().programs().map(|program| Report::new(program.shape())) {
        println!("{report}\n");
        assert!(report.meets_target(), "{report}");
    }
    let report = sealer.seal().report();
    println!("{report}");
    assert_eq!(report.parameter_set, "seal");
    assert!(report.meets_target(), "{report}");
    let program = evm::program(sealer.seal()).unwrap();
    println!("parts of {:?} bytes", program.parts.iter().map(Vec::len).collect::<Vec<_>>());
    assert!(program.parts.len() <= evm::PARTS_MAX);
    assert_eq!(hex(sealer.seal().key()), "52a2be08e26e036c1097912619ee0a7649eac866373cf0e2cfdc355c67310c95");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
