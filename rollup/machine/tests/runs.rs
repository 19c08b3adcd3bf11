//! What code does, and that its runs have proofs.

use crate::kit::{Answers, Claim, SMALL, chain, code, everything, machine, prove, run};
use p3_field::PrimeCharacteristicRing;
use p3_field::PrimeField32;
use p3_symmetric::PseudoCompressionFunction;
use sinter_machine::{Assembler, Capacity, ExecuteError, Machine, MachineError, MemoryError, NoHost, WORD};
use sinter_program::{F, ParameterSet, field};

#[test]
fn a_run_is_proved() {
    let machine = machine(everything());
    let run = Claim::of(&machine);
    assert_eq!(run.public_values[0], F::from_u32(3_628_800));
    let word: [F; WORD] = std::array::from_fn(F::from_usize);
    let compress = field::compress();
    let digest = (0..3).fold(word, |digest, _| compress.compress([digest, word]));
    assert_eq!(run.public_values[1..=WORD], digest);
    assert!(run.public_values[1 + WORD..].iter().all(|&value| value == F::ZERO));
    prove(&machine, &run).unwrap();
    assert_eq!(run.usage.hashes, 4);
}

#[test]
fn an_instruction_finds_what_is_unknown() {
    assert_eq!(
        run(|f| {
            let x = f.cell();
            f.assert_add(x, 3, 10);
            f.expose(0, x);
        }),
        F::from_u32(7)
    );
    assert_eq!(
        run(|f| {
            let x = f.cell();
            f.assert_mul(6, x, 42);
            f.expose(0, x);
        }),
        F::from_u32(7)
    );
    let loaded = |f: &mut sinter_machine::Frame<'_>| {
        let words = f.words(1);
        f.store(words, 5, 9);
        let five = f.add(words, 5);
        let value = f.load(five, 0);
        f.expose(0, value);
    };
    assert_eq!(run(loaded), F::from_u32(9));
}

#[test]
fn equality_and_zero() {
    for (a, b) in [(5, 5), (5, 6), (0, 0), (0, 1)] {
        let got = run(|f| {
            let equal = f.is_equal(a, b);
            f.expose(0, equal);
        });
        assert_eq!(got, F::from_bool(a == b), "{a} = {b}");
    }
}

#[test]
fn the_last_turns_of_a_chain() {
    for steps in 0..=4 {
        let last = run(|f| {
            let word = f.constant([F::ONE; WORD]);
            let end = chain(f, word, steps);
            let limb = f.load(end, 0);
            f.expose(0, limb);
        });
        let compress = field::compress();
        let expected = (0..steps).fold([F::ONE; WORD], |digest, _| compress.compress([digest, [F::ONE; WORD]]));
        assert_eq!(last, expected[0], "{steps} steps");
    }
}

#[test]
fn both_ways_of_a_branch_set_the_same_cell() {
    for condition in [0, 1] {
        let got = run(|f| {
            let x = f.cell();
            f.branch(condition, |f| f.set(x, 10), |f| f.set(x, 20));
            let y = f.add(x, 1);
            f.expose(0, y);
        });
        assert_eq!(got, F::from_u32(if condition == 1 { 11 } else { 21 }));
    }
}

#[test]
fn what_is_not_so_ends_the_run() {
    let fails = |main: fn(&mut sinter_machine::Frame<'_>)| machine(code(main)).execute(&mut NoHost).unwrap_err();
    assert!(matches!(fails(|f| f.assert_add(1, 1, 3)), ExecuteError::Violated { .. }));
    assert!(matches!(fails(|f| f.assert_nonzero(0)), ExecuteError::Violated { .. }));
    assert!(matches!(fails(|f| f.range(11, 10)), ExecuteError::Violated { .. }));
    assert!(matches!(fails(|f| f.range(-1, 10)), ExecuteError::Violated { .. }));
    assert!(matches!(fails(|f| f.branch(2, |_| {}, |_| {})), ExecuteError::Violated { .. }));
    let unknown = fails(|f| {
        let (x, y) = (f.cell(), f.cell());
        f.assert_add(x, y, 1);
    });
    assert!(matches!(unknown, ExecuteError::Undetermined { .. }), "{unknown}");
    let outside = fails(|f| {
        f.load(1 << 20, 0);
    });
    assert!(matches!(outside, ExecuteError::Memory { source: MemoryError::Range { .. }, .. }), "{outside}");
    let unaligned = fails(|f| {
        let word = f.words(1);
        let other = f.add(word, 1);
        f.hash(other, word, word);
    });
    assert!(matches!(unaligned, ExecuteError::Memory { source: MemoryError::Unaligned { .. }, .. }), "{unaligned}");
    let asked = fails(|f| {
        let x = f.cell();
        f.ask(3, &[], &[x]);
        f.expose(0, x);
    });
    assert_eq!(asked.to_string(), "main, question 3: question 3: there is no host");
}

#[test]
fn a_host_is_asked_and_not_believed() {
    let square_root = || {
        code(|f| {
            let root = f.cell();
            f.ask(0, &[], &[root]);
            f.assert_mul(root, root, 49);
            f.expose(0, root);
        })
    };
    let machine = machine(square_root());
    for root in [7, F::ORDER_U32 - 7] {
        let run = machine.execute(&mut Answers(vec![vec![root]])).unwrap();
        assert_eq!(run.public_values()[0].as_canonical_u32(), root);
    }
    let error = machine.execute(&mut Answers(vec![vec![8]])).unwrap_err();
    assert!(matches!(error, ExecuteError::Violated { .. }), "{error}");
}

#[test]
fn a_run_ends_at_its_capacity() {
    let endless = || {
        let mut assembler = Assembler::new();
        let turn = assembler.declare("turn", 0, 0);
        assembler.define(turn, |f| f.tail_call(turn, &[]));
        assembler.main(|f| {
            f.call(turn, &[]);
        });
        assembler.finish().unwrap()
    };
    let long = Capacity { log_words: 16, ..SMALL };
    let error = Machine::new(endless(), long, ParameterSet::DEV).unwrap().execute(&mut NoHost).unwrap_err();
    assert!(matches!(error, ExecuteError::Capacity { what: "cycles", max: 1024 }), "{error}");
    let narrow = Capacity { log_words: 5, ..SMALL };
    let error = Machine::new(endless(), narrow, ParameterSet::DEV).unwrap().execute(&mut NoHost).unwrap_err();
    assert!(matches!(error, ExecuteError::Memory { source: MemoryError::Full { .. }, .. }), "{error}");
    let hashing = code(|f| {
        let word = f.constant([F::ZERO; WORD]);
        for _ in 0..65 {
            let out = f.cell();
            f.hash(word, word, out);
        }
    });
    let error = machine(hashing).execute(&mut NoHost).unwrap_err();
    assert!(matches!(error, ExecuteError::Capacity { what: "hashes", max: 64 }), "{error}");
}

#[test]
fn a_range_beyond_memory_is_refused() {
    let code = code(|f| f.range(0, 4096));
    let error = Machine::new(code, SMALL, ParameterSet::DEV).unwrap_err();
    assert!(matches!(error, MachineError::Range { cells: 4096, got: 4096, .. }), "{error}");
}

#[test]
fn other_code_is_another_program() {
    let digest = |constant: u32| *machine(code(|f| f.expose(0, constant))).program().digest();
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}
