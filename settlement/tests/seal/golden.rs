//! The checked-in program is what its AIR is lowered to.

use sinter_seal::evm;
use sinter_seal::kit::Kit;

#[test]
fn the_kits_program_is_the_one_checked_in() {
    let path = format!("{}/tests/seal/kit.hex", env!("CARGO_MANIFEST_DIR"));
    let generated = hex::encode(evm::program(Kit::SMALL.prover(Kit::PARAMETERS).seal()).unwrap());
    if std::env::var_os("SINTER_WRITE_PROGRAM").is_some() {
        std::fs::write(&path, format!("{generated}\n")).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert_eq!(found.trim_end(), generated, "run with SINTER_WRITE_PROGRAM=1 and look at what has changed");
}
