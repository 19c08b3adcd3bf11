//! The checked-in program is what its AIR is lowered to, and the checked-in seal what its trace is proved to.

use sinter_seal::evm;
use sinter_seal::kit::Kit;

/// Compares with a file of hex digits beside this one, or writes it.
fn compare(name: &str, bytes: &[u8]) {
    let path = format!("{}/tests/seal/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let generated = hex::encode(bytes);
    if std::env::var_os("SINTER_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{generated}\n")).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found.trim_end() == generated, "{name}: run with SINTER_WRITE_GOLDEN=1 and look at what has changed");
}

#[test]
fn the_kits_program_and_seal_are_those_checked_in() {
    let prover = Kit::SMALL.prover(Kit::PARAMETERS);
    let evm::Program { data, parts } = evm::program(prover.seal()).unwrap();
    compare("kit.data", &data);
    assert_eq!(parts.len(), 1);
    compare("kit.constraints", &parts[0]);
    compare("kit.seal", &prover.prove(&Kit::SMALL.trace(&Kit::CLAIM), &Kit::CLAIM).unwrap());
}
