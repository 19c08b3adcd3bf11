//! Lists that are not the batch's: a prover of the link who has another list in one tree, or counts otherwise.
//!
//! The forgeries in bytes and in permutations are `aggregator/circuit/tests/forgeries/{bytes,keccak}.rs`.

use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::{Inputs, TableKind};
use sinter_program::dag::DagAir;
use sinter_program::{F, ParameterSet, Program, StatementLayout};
use sinter_recursion::{Link, Statement};

use crate::link::{expected, statements};
use crate::puppet::{Cheat, Script};

/// The greatest list.
const CAPACITY: usize = 4;
/// Nothing here is about the number of queries.
const SMALL: ParameterSet = ParameterSet { queries: 2, ..ParameterSet::DEV };

/// The link of four statements as a program.
struct Victim {
    link: Link,
    program: Program,
    airs: Vec<DagAir>,
}

impl Victim {
    fn new() -> Self {
        let link = Link::new(CAPACITY.ilog2() as usize).unwrap();
        let airs: Vec<DagAir> = link.circuit().airs().iter().map(|air| DagAir::from_air(air).unwrap()).collect();
        let heights = link.circuit().log_heights().into_iter().map(|height| height as u8).collect();
        let (program, _) = Program::build(airs.clone(), heights, SMALL, StatementLayout::Raw).unwrap();
        Self { link, program, airs }
    }

    /// The inputs for a list with these flags instead of its own.
    fn inputs(&self, statements: &[Statement], live: [u32; CAPACITY - 1]) -> Inputs {
        let mut inputs = self.link.inputs(statements).unwrap();
        inputs.as_mut_slice().iter_mut().zip(live).for_each(|(flag, live)| *flag = F::from_u32(live));
        inputs
    }

    /// The tables of a prover who executes on regardless.
    fn traces(&self, inputs: &Inputs) -> (Vec<RowMajorMatrix<F>>, Vec<F>) {
        let witness = self.link.circuit().execute_regardless(inputs).unwrap();
        (self.link.circuit().traces(&witness), witness.publics().to_vec())
    }

    /// What stock says of a proof of these tables with these public values.
    fn verify(&self, traces: &[RowMajorMatrix<F>], claimed: &[F]) -> Result<(), String> {
        let mut publics = vec![Vec::new(); self.airs.len()];
        publics[TableKind::Boundary as usize] = claimed.to_vec();
        let digest = self.program.digest();
        let cheat = Cheat { parameters: SMALL, digest, airs: &self.airs, traces, publics: &publics, claimed_key: None };
        let proof = cheat.prove(Script::default());
        let verified = self.program.verify_with(&self.program.config(), &proof, claimed);
        verified.map_err(|error| error.to_string())
    }

    /// Checks that stock refuses because the bus does not balance: each table satisfies its constraints.
    fn bus_refuses(&self, traces: &[RowMajorMatrix<F>], claimed: &[F], what: &str) {
        let error = self.verify(traces, claimed).expect_err(what);
        assert!(error.contains("lookup terminal sum is non-zero"), "{what}: {error}");
    }

    /// The same because of the constraints of the Alu table, where the flags are checked.
    fn constraints_refuse(&self, traces: &[RowMajorMatrix<F>], claimed: &[F], what: &str) {
        let error = self.verify(traces, claimed).expect_err(what);
        assert!(error.contains("evaluation mismatch at index 1"), "{what}: {error}");
    }

    /// Checks that the executor refuses flags by the check of that label, and that a proof of what follows is refused too.
    fn refuses_flags(&self, statements: &[Statement], live: [u32; CAPACITY - 1]) {
        let inputs = self.inputs(statements, live);
        let error = self.link.circuit().execute(&inputs).unwrap_err().to_string();
        assert!(error.starts_with("live leaves"), "{live:?}: {error}");
        // All relations but the flags' own hold, and the public values are those of the tables.
        let (traces, publics) = self.traces(&inputs);
        self.constraints_refuse(&traces, &publics, &format!("{live:?}"));
    }
}

#[test]
fn the_honest_list_is_accepted() {
    let victim = Victim::new();
    for count in 1..=CAPACITY {
        let list = statements(count);
        let (traces, publics) = victim.traces(&victim.link.inputs(&list).unwrap());
        assert_eq!(publics, expected(&list));
        victim.verify(&traces, &publics).unwrap();
    }
}

/// Lists that somebody would rather have settled than `list`.
fn others(list: &[Statement]) -> Vec<(&'static str, Vec<Statement>)> {
    let mut swapped = list.to_vec();
    swapped.swap(0, 1);
    let mut rotated = list.to_vec();
    rotated.rotate_left(1);
    let mut doubled = list.to_vec();
    doubled[2] = doubled[1].clone();
    let mut changed = list.to_vec();
    changed[2].public_values[63] += F::ONE;
    let mut program = list.to_vec();
    program[0].program_id[0] += F::ONE;
    let dropped = list[..2].to_vec();
    let added = statements(4);
    vec![
        ("swapped", swapped),
        ("permuted", rotated),
        ("doubled", doubled),
        ("changed", changed),
        ("another program", program),
        ("dropped", dropped),
        ("added", added),
    ]
}

#[test]
fn another_list_in_the_keccak_tree_has_no_proof() {
    let victim = Victim::new();
    let list = statements(3);
    let honest = expected(&list);
    let (traces, _) = victim.traces(&victim.link.inputs(&list).unwrap());
    for (name, other) in others(&list) {
        let (other_traces, other_publics) = victim.traces(&victim.link.inputs(&other).unwrap());
        assert_eq!(other_publics, expected(&other));
        // The root of the one list, and the Keccak root of the other.
        let mut claimed = honest.clone();
        claimed[9..25].copy_from_slice(&other_publics[9..25]);
        assert_ne!(claimed, honest, "{name}");
        // The permutations of Poseidon2 of the one and all else of the other; all of the one but bytes and permutations of
        // Keccak; all but the latter. Each table satisfies its own constraints: the bus refuses.
        let mixed = |from: usize| [&traces[..from], &other_traces[from..]].concat();
        for tables in [1, 5, 6] {
            victim.bus_refuses(&mixed(tables), &claimed, &format!("{name}, {tables} tables of the list"));
        }
    }
}

#[test]
fn another_count_has_no_proof() {
    let victim = Victim::new();
    for count in 1..=CAPACITY {
        let list = statements(count);
        let (traces, publics) = victim.traces(&victim.link.inputs(&list).unwrap());
        for other in [count - 1, count + 1] {
            let mut claimed = publics.clone();
            claimed[8] = F::from_usize(other);
            victim.bus_refuses(&traces, &claimed, &format!("{other} for {count}"));
        }
    }
}

#[test]
fn every_public_value_is_bound() {
    let victim = Victim::new();
    let (traces, publics) = victim.traces(&victim.link.inputs(&statements(3)).unwrap());
    // The ends of the root, the count, the ends of the Keccak root, and values that are zero.
    for index in [0, 7, 8, 9, 24, 25, 63] {
        let mut claimed = publics.clone();
        claimed[index] += F::ONE;
        victim.bus_refuses(&traces, &claimed, &format!("public value {index}"));
    }
}

#[test]
fn leaves_live_from_the_left() {
    let victim = Victim::new();
    let list = statements(4);
    // A hole, in every place: the trees would not be RFC 6962's, or the count another's.
    for live in [[0, 1, 0], [0, 0, 1], [0, 1, 1], [1, 0, 1]] {
        victim.refuses_flags(&list, live);
    }
}

#[test]
fn a_flag_is_a_bit() {
    let victim = Victim::new();
    let list = statements(4);
    // A node that is a sum of two; a count that n or fewer leaves do not have; one from beyond the field's middle.
    for live in [[2, 0, 0], [1, 2, 0], [1, 1, 2], [1, 1, 0x7eff_ffff]] {
        victim.refuses_flags(&list, live);
    }
}

#[test]
fn a_dead_leaf_reaches_no_root() {
    let victim = Victim::new();
    // What stands in the place of dead leaves is the prover's choice, and changes nothing.
    let (list, full) = (statements(2), statements(4));
    let inputs = victim.inputs(&full, [1, 0, 0]);
    let witness = victim.link.circuit().execute(&inputs).unwrap();
    assert_eq!(witness.publics(), expected(&list));
    // Counted with the flags of two, or with a flag of its own and the roots of two: neither.
    let (traces, publics) = victim.traces(&inputs);
    victim.verify(&traces, &publics).unwrap();
    let mut claimed = publics.clone();
    claimed[8] = F::from_usize(3);
    victim.bus_refuses(&traces, &claimed, "two counted as three");
    let (three, _) = victim.traces(&victim.link.inputs(&full[..3]).unwrap());
    victim.bus_refuses(&three, &claimed, "three with the roots of two");
}
