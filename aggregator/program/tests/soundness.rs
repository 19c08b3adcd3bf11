//! What the parameter sets prove.

use sinter_program::shape::{Shape, TableShape};
use sinter_program::soundness::{Report, Step};
use sinter_program::{ParameterSet, file};

use crate::toy;

/// A table of the universal shape: the widths of the fold's tables, rounded up.
fn table(log_height: usize, main_width: usize, preprocessed_width: usize, next: bool, messages: usize) -> TableShape {
    TableShape {
        log_height,
        main_width,
        main_next: next,
        preprocessed_width,
        preprocessed_next: false,
        public_values: 0,
        log_quotient_chunks: 1,
        buses: vec![0; messages.div_ceil(2)],
        messages,
        constraints: 300 + messages,
        constraint_degree: 3,
    }
}

/// A shape as large as the fold's.
fn universal(parameters: ParameterSet) -> Shape {
    let tables = vec![
        table(15, 208, 48, true, 8),
        table(15, 80, 64, false, 8),
        table(12, 96, 64, false, 8),
        table(12, 48, 24, true, 4),
        table(9, 16, 16, false, 2),
    ];
    Shape::new(parameters, tables, 1, 9)
}

#[test]
fn every_set_but_dev_proves_100_bits() {
    for (name, set) in ParameterSet::NAMED {
        let report = Report::new(&universal(set));
        println!("{report}\n");
        assert_eq!(report.parameter_set, name);
        assert_eq!(report.meets_target(), name != "dev", "{report}");
    }
}

#[test]
fn the_queries_bind() {
    for (set, bits) in [(ParameterSet::FOLD, 101.9), (ParameterSet::FOLD_WIDE, 109.5)] {
        let report = Report::new(&universal(set));
        let queries = report.bits(Step::FriQuery).unwrap();
        assert_eq!(queries.to_bits(), report.proven_bits.to_bits(), "{report}");
        assert!((queries - bits).abs() < 0.3, "expected about {bits}, got {queries}");
        assert_eq!(report.terms.len(), 7);
    }
}

#[test]
fn grinding_is_credited_where_it_is_ground() {
    let report = |set| Report::new(&universal(set));
    let (with, without) = (ParameterSet::FOLD, ParameterSet { lookup_pow_bits: 0, ..ParameterSet::FOLD });
    let lookups = |set| report(set).bits(Step::Lookups).unwrap();
    assert!((lookups(with) - lookups(without) - 16.0).abs() < 1e-9);
}

#[test]
fn a_program_without_lookups_has_no_such_term() {
    let shape = Shape::new(
        ParameterSet::FOLD,
        vec![TableShape { buses: vec![], messages: 0, ..table(12, 8, 0, true, 0) }],
        0,
        1,
    );
    assert_eq!(Report::new(&shape).bits(Step::Lookups), None);
}

#[test]
fn a_decoded_program_has_the_same_report() {
    let (program, _) = toy::program();
    let decoded = file::decode(&file::encode(&program)).unwrap();
    assert_eq!(Report::new(program.shape()), Report::new(decoded.shape()));
    let json = serde_json::to_value(Report::new(program.shape())).unwrap();
    assert_eq!(json["parameter_set"], "dev");
    assert_eq!(json["terms"][0]["step"], "constraints");
}
