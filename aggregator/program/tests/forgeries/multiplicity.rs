//! Point 5: multiplicities that could add up to p, and messages of two widths on one bus.

use p3_air::{Air, BaseAir, WindowAccess};
use p3_field::PrimeField32;
use p3_lookup::{Count, InteractionBuilder};
use sinter_program::file::{self, FileError};
use sinter_program::{DagAir, F, ParameterSet, Program, ProgramError, StatementLayout};

/// A column sent as often as another says, at most `weight` times; as a message of `width` fields.
#[derive(Clone, Copy, Debug)]
struct Counted {
    weight: u32,
    width: usize,
}

impl BaseAir<F> for Counted {
    fn width(&self) -> usize {
        2
    }
}

impl<AB: InteractionBuilder<F = F>> Air<AB> for Counted {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let [value, count]: [AB::Expr; 2] = [main.current_slice()[0].into(), main.current_slice()[1].into()];
        builder.push_interaction("bus", vec![value; self.width], Count::bounded(count, self.weight));
    }
}

fn program(tables: &[(Counted, u8)]) -> Result<Program, ProgramError> {
    let airs = tables.iter().map(|(air, _)| DagAir::from_air(air).unwrap()).collect();
    let heights = tables.iter().map(|&(_, height)| height).collect();
    Program::new(airs, heights, ParameterSet::DEV, StatementLayout::Raw, None)
}

/// p − 1 = 127 · 2^24 messages may be sent, no more: the p-th would make the sum zero again.
#[test]
fn counts_cannot_wrap_around() {
    let counted = |weight| Counted { weight, width: 1 };
    let p = u64::from(F::ORDER_U32);
    program(&[(counted(127 << 14), 10)]).unwrap();
    program(&[(counted(126 << 14), 10), (counted(1 << 18), 6)]).unwrap();
    for (tables, sum) in [
        (vec![(counted((127 << 14) + 1), 10)], p - 1 + 1024),
        (vec![(counted(127 << 14), 10), (counted(1), 5)], p - 1 + 32),
        (vec![(counted(1 << 21), 10)], 1 << 31),
        (vec![(counted(u32::MAX), 20)], u64::from(u32::MAX) << 20),
    ] {
        assert_eq!(program(&tables).unwrap_err(), ProgramError::Multiplicity { max: p, got: sum });
    }
}

/// Not in a file either: the height is raised by one.
#[test]
fn a_file_cannot_say_otherwise() {
    let honest = file::encode(&program(&[(Counted { weight: 127 << 14, width: 1 }, 10)]).unwrap());
    // Behind magic, version, layout, the ten parameters and the number of tables.
    assert_eq!(honest[18], 10);
    let mut forged = honest;
    forged[18] = 11;
    let error = file::decode(&forged).unwrap_err();
    assert!(matches!(error, FileError::Program(ProgramError::Multiplicity { .. })), "{error}");
}

/// (value) and (0, value) have one fingerprint, so a bus has one width.
#[test]
fn a_bus_has_one_width() {
    let table = |width| (Counted { weight: 1, width }, 5);
    program(&[table(2), table(2)]).unwrap();
    let error = program(&[table(2), table(1)]).unwrap_err();
    assert_eq!(error, ProgramError::BusWidth { bus: "bus".to_owned(), expected: 2, got: 1, table: 1 });
}
