//! What the seal's parameters prove.

use sinter_program::ParameterSet;
use sinter_program::shape::{Shape, TableShape};
use sinter_program::soundness::{Report, Step};
use sinter_seal::hash::COLLISION_BITS;
use sinter_seal::kit::Kit;

/// A table as tall and wide as the narrow machine may become.
fn narrow(log_height: usize) -> Shape {
    let table = TableShape {
        log_height,
        main_width: 160,
        main_next: true,
        preprocessed_width: 80,
        preprocessed_next: true,
        public_values: 17,
        log_quotient_chunks: 3,
        buses: vec![0; 12],
        messages: 24,
        constraints: 1000,
        constraint_degree: 9,
    };
    Shape::new(ParameterSet::SEAL, vec![table], 1, 9)
}

#[test]
fn the_set_proves_100_bits_at_every_height_that_a_seal_may_have() {
    for log_height in [14, 15, 16] {
        let report = Report::new(&narrow(log_height));
        println!("2^{log_height}\n{report}\n");
        assert!(report.meets_target(), "{report}");
        let queries = report.bits(Step::FriQuery).unwrap();
        assert_eq!(queries.to_bits(), report.proven_bits.to_bits(), "the queries bind");
    }
    const { assert!(COLLISION_BITS >= 100) };
}

#[test]
fn the_report_has_keccaks_digests() {
    let seal = Kit { log_height: 9, ..Kit::SMALL }.prover(ParameterSet { log_blowup: 3, ..ParameterSet::SEAL });
    let report = seal.seal().report();
    assert!((report.bits(Step::Hash).unwrap() - 104.0).abs() < 1e-9);
    assert!(report.proven_bits <= 104.0);
}
