//! Point 2: public values that no constraint binds. A program may have some (a recipient, say, that a proof is to be tied to),
//! and says so.

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_batch_stark::{StarkInstance, prove_batch};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::{DagAir, F, ParameterSet, Program, StatementLayout};

/// Three public values: the first row's cell, nothing, and the last row's.
#[derive(Clone)]
struct Forgets;

impl BaseAir<F> for Forgets {
    fn width(&self) -> usize {
        1
    }
    fn num_public_values(&self) -> usize {
        3
    }
    fn main_next_row_columns(&self) -> Vec<usize> {
        vec![]
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for Forgets {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let [first, last] = [0, 2].map(|i| builder.public_values()[i]);
        builder.when_first_row().assert_eq(main.current_slice()[0], first);
        builder.when_last_row().assert_eq(main.current_slice()[0], last);
    }
}

#[test]
fn what_no_constraint_reads_is_named() {
    let air = DagAir::from_air(&Forgets).unwrap();
    assert_eq!(air.dag().unread_public_values().collect::<Vec<_>>(), [1]);
    let (program, data) = Program::build(vec![air], vec![5], ParameterSet::DEV, StatementLayout::Raw).unwrap();
    let trace = RowMajorMatrix::new((0..32).map(F::new).collect(), 1);
    let prove = |public_values: [u32; 3]| {
        let public_values = public_values.map(F::new).to_vec();
        let instance = StarkInstance { air: &program.airs()[0], trace: &trace, public_values: public_values.clone() };
        (prove_batch(&program.config(), &[instance], &data).unwrap(), public_values)
    };
    for (values, valid) in [([0, 7, 31], true), ([0, 8, 31], true), ([1, 7, 31], false), ([0, 7, 30], false)] {
        let (proof, mut claimed) = prove(values);
        assert_eq!(program.verify_with(&program.config(), &proof, &claimed).is_ok(), valid, "{values:?}");
        // Even so a proof is of the values that it was made for.
        claimed[1] += F::ONE;
        program.verify_with(&program.config(), &proof, &claimed).unwrap_err();
    }
}
