//! The tables' degrees, widths and auxiliary columns, by stock functions.

use p3_air::BaseAir;
use p3_air::symbolic::AirLayout;
use p3_batch_stark::symbolic::{get_log_num_quotient_chunks, get_symbolic_constraints};
use p3_lookup::{LogUpGadget, Lookups};
use sinter_circuit::{EF, F, Heights, TableAir, TableKind};

use crate::support::checker::Checker;
use crate::support::digests::digests;

/// Main columns, preprocessed columns, auxiliary columns over the base field, and constraints, by table.
const SHAPE: [(TableKind, usize, usize, usize, usize); 7] = [
    (TableKind::Poseidon2, 192, 24, 20, 202),
    (TableKind::Alu, 40, 16, 25, 10),
    (TableKind::Bits, 8, 16, 20, 10),
    (TableKind::Window, 80, 56, 30, 32),
    (TableKind::Boundary, 1, 19, 10, 1),
    (TableKind::Bytes, 272, 6, 15, 280),
    // Stock's 3,182, and the padding.
    (TableKind::Keccak, 2633, 18, 25, 3250),
];

#[test]
fn at_most_two_quotient_chunks_and_few_columns() {
    let (circuit, inputs) = digests(Heights::Smallest);
    let witness = circuit.execute(&inputs).unwrap();
    let checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    for (index, (kind, main, preprocessed, auxiliary, constraints)) in SHAPE.into_iter().enumerate() {
        let air = TableAir::shape(kind);
        let layout = AirLayout::from_air(&air);
        let gadget = LogUpGadget::new();
        let lookups = Lookups::<F>::from_air::<EF, _>(&air).pack_same_bus(&gadget, 3);
        let log_chunks = get_log_num_quotient_chunks::<F, EF, _, _>(&air, layout, 1 << 15, &lookups, 0, &gadget);
        let expected = if kind == TableKind::Boundary { 0 } else { 1 };
        assert_eq!(log_chunks, expected, "{kind}: log2 of the quotient chunks");
        let (base, _) = get_symbolic_constraints::<F, EF, _, _>(&air, layout, &lookups, &gadget);
        let got = (air.width(), air.preprocessed_width(), 5 * (lookups.len() + 1), base.len());
        assert_eq!(got, (main, preprocessed, auxiliary, constraints), "{kind}");
        assert_eq!(checker.constraints(index), constraints, "{kind}");
    }
}

#[test]
fn tables_that_may_share_a_height_fill_whole_blocks() {
    for kind in [TableKind::Poseidon2, TableKind::Alu, TableKind::Bits, TableKind::Window] {
        assert!(kind.width().is_multiple_of(8) && kind.preprocessed_width().is_multiple_of(8), "{kind}");
    }
}
