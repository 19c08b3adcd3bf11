//! Grinding left out, or done for another representative: a prover that does not pay for its challenges.
//!
//! Points 4 and 5: the challenges α and β of the lookups are drawn after grinding like the others, and what is ground is
//! the canonical sample. p = 2^31 − 2^24 + 1, so s + p has other low bits than s; a decomposition that takes both would halve
//! the cost, and with the query indices it would let a prover choose between two positions.

use super::Victim;
use crate::puppet::{Idle, Script};
use sinter_recursion::plan::{Grind, Step};

/// The grinding steps of the victim's transcript, in order.
fn steps(victim: &Victim) -> Vec<Grind> {
    let steps = victim.layout.transcript().into_iter();
    steps.filter_map(|step| if let Step::Grind(grind, _) = step { Some(grind) } else { None }).collect()
}

#[test]
fn no_grinding_step_can_be_left_out() {
    let victim = Victim::mixed();
    let steps = steps(&victim);
    for wanted in [Grind::Lookup, Grind::OutOfDomain, Grind::Batch, Grind::Commit(0), Grind::Query] {
        assert!(steps.contains(&wanted), "{wanted:?}");
    }
    for (index, step) in steps.iter().enumerate() {
        println!("{step:?}");
        let proof = victim.cheat(&victim.parts).prove(Script::idle(index, Idle::Fails));
        victim.both_refuse(&proof, &victim.parts.publics, "grinding");
    }
}

#[test]
fn grinding_for_the_second_representative_does_not_count() {
    let victim = Victim::mixed();
    for (index, step) in steps(&victim).iter().enumerate() {
        println!("{step:?}");
        let proof = victim.cheat(&victim.parts).prove(Script::idle(index, Idle::SecondRepresentative));
        victim.both_refuse(&proof, &victim.parts.publics, "grinding");
    }
}
