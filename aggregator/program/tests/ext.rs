//! The graph with LogUp's constraints folds to what stock's verifier folds.

use p3_air::{BaseAir, RowWindow};
use p3_batch_stark::folder::VerifierConstraintFolderWithLookups;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use p3_lookup::{LogUpGadget, LookupProtocol};
use p3_matrix::dense::RowMajorMatrixView;
use p3_matrix::stack::VerticalPair;
use p3_uni_stark::VerifierConstraintFolder;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sinter_program::dag::ExtPoint;
use sinter_program::{Config, EF, F};

use crate::toy;

#[test]
fn folds_as_stock_folds() {
    let mut rng = SmallRng::seed_from_u64(1);
    let mut random = || EF::from_basis_coefficients_fn(|_| F::from_u32(rng.random::<u32>() >> 1));
    let (program, _) = toy::program();
    let bus_prefixes: Vec<EF> = (0..program.shape().buses).map(|_| random()).collect();
    let (beta, alpha) = (random(), random());
    assert_eq!(program.shape().buses, 3);
    assert_eq!(program.shape().message_width, 2);
    for (table, air) in program.airs().iter().enumerate() {
        let shape = &program.shape().tables[table];
        let mut row = |width: usize| (0..width).map(|_| random()).collect::<Vec<EF>>();
        let rows = [3, 3].map(&mut row);
        let fixed = [air.preprocessed_width(); 2].map(&mut row);
        let permutation = [shape.permutation_width(); 2].map(&mut row);
        let [is_first_row, is_last_row, is_transition, terminal] = [(); 4].map(|()| row(1)[0]);
        let public_values: Vec<F> = (1..=shape.public_values).map(F::from_usize).collect();

        let graph = program.with_lookups(table).unwrap();
        let pair = |rows: &[Vec<EF>; 2]| [rows[0].clone(), rows[1].clone()];
        let (m, p, q) = (pair(&rows), pair(&fixed), pair(&permutation));
        let point = ExtPoint {
            main: [&m[0], &m[1]],
            preprocessed: [&p[0], &p[1]],
            permutation: [&q[0], &q[1]],
            public_values: &public_values,
            beta,
            bus_prefixes: &bus_prefixes,
            terminal,
            is_first_row,
            is_last_row,
            is_transition,
        };

        let view = |rows: &'static [Vec<EF>; 2]| {
            VerticalPair::new(RowMajorMatrixView::new_row(&rows[0]), RowMajorMatrixView::new_row(&rows[1]))
        };
        let leak = |rows: [Vec<EF>; 2]| -> &'static [Vec<EF>; 2] { Box::leak(Box::new(rows)) };
        let (m, p, q) = (leak(rows), leak(fixed), leak(permutation));
        let challenges: Vec<EF> = shape.buses.iter().flat_map(|&bus| [bus_prefixes[bus as usize], beta]).collect();
        let terminals = if shape.has_lookups() { vec![terminal] } else { vec![] };
        let mut folder = VerifierConstraintFolderWithLookups::<Config> {
            inner: VerifierConstraintFolder {
                main: view(m),
                preprocessed: view(p),
                preprocessed_window: RowWindow::from_two_rows(&p[0], &p[1]),
                periodic_values: &[],
                public_values: &public_values,
                is_first_row,
                is_last_row,
                is_transition,
                alpha,
                accumulator: EF::ZERO,
            },
            permutation: view(q),
            permutation_challenges: &challenges,
            permutation_values: &terminals,
        };
        LogUpGadget::new().eval_air_and_lookups(air, &mut folder, &program.lookups()[table]);
        assert_eq!(graph.fold(&point, alpha), folder.inner.accumulator, "table {table}");
        assert_eq!(graph.constraints().len(), shape.constraints);
        assert_eq!(graph.own_constraints(), air.dag().constraints().len());
    }
}
