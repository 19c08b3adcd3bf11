//! Point 6: constraints whose degree fits the blow-up until their lookups are counted.

use p3_air::{Air, BaseAir, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};
use sinter_program::file::{self, FileError};
use sinter_program::{DagAir, F, ParameterSet, Program, ProgramError, StatementLayout};

/// One constraint of degree 2, and what it sends.
#[derive(Clone, Copy, Debug)]
enum Sends {
    /// Nothing.
    Nothing,
    /// A message of that degree.
    Message(u64),
    /// As many messages of degree 1 as a flag each selects.
    Exclusive,
    /// A count of that degree.
    Count(u64),
}

impl BaseAir<F> for Sends {
    fn width(&self) -> usize {
        3
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Sends {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let [a, b, c]: [AB::Expr; 3] = [0, 1, 2].map(|i| main.current_slice()[i].into());
        builder.assert_zero(a.clone() * b.clone() - c.clone());
        match *self {
            Self::Nothing => {}
            Self::Message(degree) => {
                builder.push_interaction("bus", [a.exp_u64(degree)], Count::bounded(AB::Expr::ONE, 1));
            }
            Self::Exclusive => {
                let message = |value: AB::Expr| (Count::bounded(AB::Expr::ONE, 1), vec![value]);
                let branches = [(a.clone(), message(b.square())), (AB::Expr::ONE - a, message(c))];
                let branches = branches.map(|(flag, (count, fields))| (flag, count, fields));
                builder.push_exclusive_interaction("bus", branches);
            }
            Self::Count(degree) => builder.push_interaction("bus", [a], Count::bounded(b.exp_u64(degree), 1)),
        }
    }
}

fn program(sends: Sends, log_blowup: u8) -> Result<Program, ProgramError> {
    let air = DagAir::from_air(&sends).unwrap();
    assert_eq!(air.dag().constraint_degree(), 2, "the table's own constraints fit into any blow-up");
    let parameters = ParameterSet { log_blowup, ..ParameterSet::DEV };
    Program::new(vec![air], vec![5], parameters, StatementLayout::Raw, None)
}

/// The least blow-up at which each is accepted: a degree d needs d − 1 chunks, rounded up to a power of two.
#[test]
fn lookups_count() {
    let cases = [
        (Sends::Nothing, 1),
        (Sends::Message(1), 1),
        (Sends::Message(2), 1),
        (Sends::Message(3), 2),
        (Sends::Message(5), 3),
        (Sends::Message(8), 3),
        (Sends::Message(9), 4),
        (Sends::Exclusive, 2),
        (Sends::Count(3), 1),
        (Sends::Count(4), 2),
        (Sends::Count(9), 3),
    ];
    for (sends, least) in cases {
        for log_blowup in 1..least {
            let error = program(sends, log_blowup).unwrap_err();
            let ProgramError::Degree { table: 0, max, got } = error else { panic!("{sends:?}: {error}") };
            assert_eq!((max, got), (1 << log_blowup, 1 << least), "{sends:?}");
        }
        let accepted = program(sends, least).unwrap();
        let table = &accepted.shape().tables[0];
        assert_eq!(1 << table.log_quotient_chunks, (table.constraint_degree - 1).next_power_of_two(), "{sends:?}");
        assert!(table.log_quotient_chunks <= least.into(), "{sends:?}");
    }
}

/// The same in a file: a program that is well-formed at blow-up 8 says that its blow-up is 4, or 2.
#[test]
fn a_file_cannot_say_otherwise() {
    let honest = file::encode(&program(Sends::Message(5), 3).unwrap());
    file::decode(&honest).unwrap();
    // Byte 0 of the parameter set stands behind magic, version and layout.
    assert_eq!(honest[7], 3);
    for log_blowup in [1, 2] {
        let mut forged = honest.clone();
        forged[7] = log_blowup;
        let error = file::decode(&forged).unwrap_err();
        assert!(matches!(error, FileError::Program(ProgramError::Degree { .. })), "{error}");
    }
}
