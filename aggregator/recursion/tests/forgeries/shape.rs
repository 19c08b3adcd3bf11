//! Point 3: heights, the order of tables and their number are the key's. Each proof is honest, of another program.

use p3_batch_stark::verify_batch;
use p3_field::PrimeCharacteristicRing;
use sinter_program::F;
use sinter_recursion::plan::Step;

use super::Victim;
use crate::puppet::{Script, position};
use crate::toy::{Parts, fibonacci_parts};

/// A table without preprocessed columns, taller and lower than the program's. Stock takes its height from the proof.
#[test]
fn a_table_is_as_tall_as_the_key_says() {
    let victim = Victim::new(fibonacci_parts(6, 3, 4));
    for log_height in [5, 7] {
        let parts = fibonacci_parts(log_height, 3, 4);
        let mut proof = victim.cheat(&parts).prove(Script::default());
        // The control: stock, with the program's own digest, accepts.
        let (config, common) = (victim.program.config(), victim.program.common());
        verify_batch(&config, victim.program.airs(), &proof, &parts.publics, &common).unwrap();
        victim.both_refuse(&proof, &parts.publics, "inputs: log height");
        // The proof says the key's height. Everything else has the length of another.
        proof.degree_bits[0] = 6;
        victim.both_refuse(&proof, &parts.publics, "inputs");
    }
}

/// The heights in the proof are the key's, those in the transcript are not: in-circuit they are constants.
#[test]
fn the_heights_absorbed_are_the_keys() {
    let victim = Victim::mixed();
    let first = position(&victim.layout, |step| matches!(step, Step::Cap(_)));
    for table in 0..3 {
        let at = first - 5 * (3 - table);
        let proof = victim.cheat(&victim.parts).prove(Script::lying([(at, F::ONE)]));
        victim.both_refuse(&proof, &victim.parts.publics, "");
    }
}

/// The tables in another order, with all of the rest of the proof in that order too.
#[test]
fn tables_keep_their_order() {
    let victim = Victim::mixed();
    let Parts { airs, traces, publics } = &victim.parts;
    for order in [[1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0]] {
        let parts = Parts {
            airs: order.map(|i| airs[i].clone()).to_vec(),
            traces: order.map(|i| traces[i].clone()).to_vec(),
            publics: order.map(|i| publics[i].clone()).to_vec(),
        };
        let proof = victim.cheat(&parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "inputs");
        victim.both_refuse(&proof, publics, "inputs");
    }
}

/// Two tables of one shape change places: only what is in them differs.
#[test]
fn tables_of_one_shape_keep_their_order() {
    let two = |x: u32, y: u32| {
        let [one, other] = [fibonacci_parts(6, x, 1), fibonacci_parts(6, y, 1)];
        Parts {
            airs: [one.airs, other.airs].concat(),
            traces: [one.traces, other.traces].concat(),
            publics: [one.publics, other.publics].concat(),
        }
    };
    let victim = Victim::new(two(3, 5));
    let mut proof = victim.cheat(&victim.parts).prove(Script::default());
    victim.both_accept(&proof, &victim.parts.publics);
    let swapped: Vec<Vec<F>> = victim.parts.publics.iter().rev().cloned().collect();
    victim.both_refuse(&proof, &swapped, "");
    proof.opened_values.instances.swap(0, 1);
    victim.both_refuse(&proof, &swapped, "");
    victim.both_refuse(&proof, &victim.parts.publics, "");
}

/// Every table left out in turn; and all but one.
#[test]
fn no_table_is_left_out() {
    let victim = Victim::mixed();
    let Parts { airs, traces, publics } = &victim.parts;
    for kept in [vec![1, 2], vec![0, 2], vec![0, 1], vec![2]] {
        let parts = Parts {
            airs: kept.iter().map(|&i| airs[i].clone()).collect(),
            traces: kept.iter().map(|&i| traces[i].clone()).collect(),
            publics: kept.iter().map(|&i| publics[i].clone()).collect(),
        };
        let proof = victim.cheat(&parts).prove(Script::default());
        victim.both_refuse(&proof, &parts.publics, "inputs");
        victim.both_refuse(&proof, publics, "inputs");
    }
}
