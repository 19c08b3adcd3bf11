//! What a wrap says of a program's public values.

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::Heights;
use sinter_program::dag::DagAir;
use sinter_program::program::JOURNAL_LIMBS;
use sinter_program::{F, ParameterSet, Program, ProofFile, ProofKind, StatementLayout};
use sinter_recursion::Wrap;

use crate::puppet::{Cheat, Script};

/// A program whose public values are its first row.
#[derive(Clone)]
struct Exposes;

impl BaseAir<F> for Exposes {
    fn width(&self) -> usize {
        JOURNAL_LIMBS
    }
    fn num_public_values(&self) -> usize {
        JOURNAL_LIMBS
    }
    fn main_next_row_columns(&self) -> Vec<usize> {
        vec![]
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for Exposes {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        for i in 0..JOURNAL_LIMBS {
            let public = builder.public_values()[i];
            builder.when_first_row().assert_eq(main.current_slice()[i], public);
        }
    }
}

/// The program in a layout, and its proof of some values.
fn exposes(layout: StatementLayout, values: [F; JOURNAL_LIMBS]) -> (Program, ProofFile) {
    let airs = vec![DagAir::from_air(&Exposes).unwrap()];
    let (program, _) = Program::build(airs.clone(), vec![5], ParameterSet::DEV, layout).unwrap();
    let cells = values.into_iter().chain(std::iter::repeat_n(F::TWO, 31 * JOURNAL_LIMBS)).collect();
    let cheat = Cheat {
        parameters: ParameterSet::DEV,
        digest: program.digest(),
        airs: &airs,
        traces: &[RowMajorMatrix::new(cells, JOURNAL_LIMBS)],
        publics: &[values.to_vec()],
        claimed_key: None,
    };
    let proof = cheat.prove(Script::default());
    let (digest, public_values) = (*program.digest(), values.to_vec());
    (program, ProofFile { kind: ProofKind::Leaf, digest, key: None, public_values, proof })
}

/// A journal's limbs are 16 bits, natively and in-circuit: otherwise one statement would be two byte strings.
#[test]
fn a_limb_of_a_journal_has_16_bits() {
    let honest = std::array::from_fn(|i| F::from_usize(65_535 - i));
    let (program, file) = exposes(StatementLayout::Journal, honest);
    let wrap = Wrap::new(&program, Heights::Smallest).unwrap();
    program.verify(&file).unwrap();
    wrap.circuit().execute(&wrap.inputs(&file).unwrap()).unwrap();
    for (limb, value) in [(0, F::new(65_536)), (7, F::NEG_ONE), (8, F::new(1 << 24)), (15, F::new(65_536))] {
        let mut values = honest;
        values[limb] = value;
        let (_, file) = exposes(StatementLayout::Journal, values);
        assert!(program.verify(&file).unwrap_err().to_string().starts_with("journal limb"));
        let error = wrap.circuit().execute(&wrap.inputs(&file).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("journal limbs"), "{error}");
        // The control: raw, the same proof is one of the same values.
        let (program, file) = exposes(StatementLayout::Raw, values);
        program.verify(&file).unwrap();
        let wrap = Wrap::new(&program, Heights::Smallest).unwrap();
        wrap.circuit().execute(&wrap.inputs(&file).unwrap()).unwrap();
    }
}

/// What is exposed is what was proved, then zeros.
#[test]
fn a_wrap_exposes_the_programs_values_and_zeros() {
    let values = std::array::from_fn(|i| F::from_usize(i + 1));
    let (program, file) = exposes(StatementLayout::Raw, values);
    let wrap = Wrap::new(&program, Heights::Smallest).unwrap();
    let witness = wrap.circuit().execute(&wrap.inputs(&file).unwrap()).unwrap();
    assert_eq!(witness.publics()[..JOURNAL_LIMBS], values);
    assert!(witness.publics()[JOURNAL_LIMBS..].iter().all(|value| *value == F::ZERO));
    for limb in 0..JOURNAL_LIMBS {
        let mut forged =
            ProofFile { public_values: file.public_values.clone(), ..exposes(StatementLayout::Raw, values).1 };
        forged.public_values[limb] += F::ONE;
        program.verify(&forged).unwrap_err();
        let refused = match wrap.inputs(&forged) {
            Ok(inputs) => wrap.circuit().execute(&inputs).is_err(),
            Err(_) => true,
        };
        assert!(refused, "limb {limb}");
    }
}

/// The limbs after the last public value, which no table reads: a prover of the wrap may not write there.
#[test]
fn nothing_stands_behind_the_programs_values() {
    let proved = crate::toy::fibonacci(ParameterSet::DEV, 6, 3, 4);
    let (digest, public_values) = (*proved.program.digest(), proved.publics.concat());
    let file = ProofFile { kind: ProofKind::Leaf, digest, key: None, public_values, proof: proved.proof };
    let wrap = Wrap::new(&proved.program, Heights::Smallest).unwrap();
    for limb in 3..8 {
        let mut inputs = wrap.inputs(&file).unwrap();
        wrap.circuit().execute(&inputs).unwrap();
        inputs.as_mut_slice()[limb] = F::ONE;
        let error = wrap.circuit().execute(&inputs).unwrap_err().to_string();
        assert!(error.starts_with("public values"), "limb {limb}: {error}");
    }
}

/// A proof of another program is refused before the circuit sees it, and by the circuit.
#[test]
fn a_wrap_is_of_one_program() {
    let values = [F::ONE; JOURNAL_LIMBS];
    let (program, _) = exposes(StatementLayout::Raw, values);
    let (other, mut file) = exposes(StatementLayout::Journal, values);
    other.verify(&file).unwrap();
    let wrap = Wrap::new(&program, Heights::Smallest).unwrap();
    wrap.inputs(&file).unwrap_err();
    file.digest = *program.digest();
    program.verify(&file).unwrap_err();
    if let Ok(inputs) = wrap.inputs(&file) {
        wrap.circuit().execute(&inputs).unwrap_err();
    }
    file.kind = ProofKind::Node;
    wrap.inputs(&file).unwrap_err();
}
