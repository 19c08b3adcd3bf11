//! Every operation, proved with stock `prove_batch` and verified with unmodified `verify_batch`.

use p3_batch_stark::{ProverData, StarkInstance, prove_batch, verify_batch};
use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{Circuit, CircuitError, ExecutionError, F, Heights, Inputs, TableKind};

use crate::support::checker::Checker;
use crate::support::config;
use crate::support::sample::sample;

/// Proves an execution and verifies it against `publics`.
fn prove_and_verify(circuit: &Circuit, inputs: &Inputs, change: impl Fn(&mut Vec<F>)) -> bool {
    let witness = circuit.execute(inputs).unwrap();
    let traces = circuit.traces(&witness);
    let airs = circuit.airs();
    let config = config();
    let data = ProverData::from_airs_and_degrees(&config, &airs, &circuit.log_heights()).unwrap();
    let publics = circuit.public_values(&witness);
    let traces: Vec<_> = traces.iter().collect();
    let instances = StarkInstance::new_multiple(&airs, &traces, &publics);
    let proof = prove_batch(&config, &instances, &data).unwrap();
    let mut publics = publics;
    change(&mut publics[TableKind::Boundary as usize]);
    verify_batch(&config, &airs, &proof, &publics, &data.common).is_ok()
}

#[test]
fn checker_accepts_the_sample() {
    let (circuit, inputs) = sample(Heights::Smallest);
    let witness = circuit.execute(&inputs).unwrap();
    let checker = Checker::new(&circuit, circuit.traces(&witness), witness.publics());
    checker.check().unwrap();
}

#[test]
fn stock_prover_and_verifier_accept_and_bind_publics() {
    let (circuit, inputs) = sample(Heights::Smallest);
    assert!(prove_and_verify(&circuit, &inputs, |_| ()));
    // A word that is exposed, and one that is not.
    for index in [3, 63] {
        assert!(!prove_and_verify(&circuit, &inputs, |publics| publics[index] += F::ONE));
    }
}

#[test]
fn forced_heights_pad_and_are_refused_when_exceeded() {
    let (circuit, inputs) = sample(Heights::Forced([10, 9, 9, 8, 7]));
    assert_eq!(circuit.log_heights(), [10, 9, 9, 8, 7]);
    let witness = circuit.execute(&inputs).unwrap();
    Checker::new(&circuit, circuit.traces(&witness), witness.publics()).check().unwrap();
    for table in TableKind::ALL {
        let mut builder = sinter_circuit::Builder::new();
        let one = builder.one();
        let word = builder.constant_word([F::TWO; 8]);
        for _ in 0..15 {
            builder.mul(one, one);
            builder.compress(word, word);
            builder.block_from(&[word]);
        }
        for _ in 0..3 {
            builder.bits(one, &sinter_circuit::BitsSpec { len: 31, ..Default::default() });
        }
        let mut heights = [9; 5];
        heights[table as usize] = 2;
        let available = 4;
        match builder.finish(Heights::Forced(heights)) {
            Err(CircuitError::Height { table: got, needed, available: rows }) => {
                assert_eq!((got, rows), (table, available));
                assert!(needed > available);
            }
            other => panic!("{table}: {:?}", other.err()),
        }
    }
}

#[test]
fn execution_rejects_each_kind_of_wrong_input() {
    let (circuit, inputs) = sample(Heights::Smallest);
    let mut kinds = std::collections::BTreeMap::new();
    let mut accepted = 0;
    for at in 0..inputs.len() {
        let mut wrong = inputs.clone();
        wrong.as_mut_slice()[at] += F::ONE;
        match circuit.execute(&wrong) {
            Ok(_) => accepted += 1,
            Err(error) => {
                let kind = format!("{error:?}");
                let kind = kind.split([' ', '{']).next().unwrap_or_default().to_owned();
                *kinds.entry(kind).or_insert(0) += 1;
            }
        }
    }
    // Accepted are only: the four words that nothing but publics depend on, β, and the three words of the first cap that no
    // path ends in.
    assert_eq!(accepted, 4 * 8 + 5 + 3 * 8, "of {}: {kinds:?}", inputs.len());
    for kind in ["Unequal", "Relation", "Cap"] {
        assert!(kinds.contains_key(kind), "{kinds:?}");
    }
    let mut short = inputs;
    short.push_base(F::ZERO);
    assert!(matches!(circuit.execute(&short), Err(ExecutionError::InputLength { .. })));
}

#[test]
fn sections_that_read_a_sibling_are_refused() {
    let mut builder = sinter_circuit::Builder::new();
    let one = builder.one();
    let inner = builder.section(|builder| builder.add(one, one));
    builder.section(|builder| builder.add(inner, one));
    assert!(matches!(builder.finish(Heights::Smallest), Err(CircuitError::SectionLeak { .. })));
}

#[test]
fn what_follows_sections_reads_all_of_them() {
    let mut builder = sinter_circuit::Builder::new();
    let one = builder.one();
    let [left, right] = [(); 2].map(|()| builder.section(|builder| builder.add(one, one)));
    let sum = builder.add(left, right);
    builder.expose(0, sum);
    let circuit = builder.finish(Heights::Smallest).unwrap();
    assert_eq!(circuit.execute(&Inputs::new()).unwrap().publics()[0], F::from_u32(4));
}
