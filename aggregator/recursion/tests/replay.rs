//! The native replay agrees with stock: its folds end in the final polynomial's values.

use p3_batch_stark::verify_batch;
use p3_field::{PrimeCharacteristicRing, TwoAdicField};
use p3_util::reverse_bits_len;
use sinter_program::{EF, F, ParameterSet};
use sinter_recursion::layout::Layout;
use sinter_recursion::proof::ProofParts;
use sinter_recursion::replay::Replay;

use crate::toy::{GROUND, Proved, fibonacci, mixed};

fn check(proved: &Proved) {
    let Proved { program, proof, publics, .. } = proved;
    verify_batch(&program.config(), program.airs(), proof, publics, &program.common()).unwrap();
    let layout = Layout::of(program.shape()).unwrap();
    let parts = ProofParts::new(&layout, program.commitment(), proof, publics).unwrap();
    let replay = Replay::new(&layout, program.digest(), &parts).unwrap();
    let final_height = layout.log_final_height();
    for query in &replay.queries {
        let index = query.index >> (layout.index_bits() - final_height);
        let x = F::two_adic_generator(final_height).exp_u64(reverse_bits_len(index, final_height) as u64);
        let expected = parts.final_poly.iter().rev().fold(EF::ZERO, |acc, &c| acc * x + c);
        assert_eq!(query.folded, expected);
    }
}

#[test]
fn the_replay_folds_to_the_final_polynomial() {
    check(&fibonacci(ParameterSet::DEV, 6, 3, 4));
    check(&mixed(ParameterSet::DEV, 1));
    check(&mixed(GROUND, 2));
}
