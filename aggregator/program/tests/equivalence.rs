//! An exported AIR and its original are the same to stock Plonky3: the same proofs, byte for byte.

use p3_air::{Air, AirBuilder, BaseAir};
use p3_batch_stark::folder::{ProverConstraintFolderWithLookups, VerifierConstraintFolderWithLookups};
use p3_batch_stark::{BatchProof, ProverData, StarkInstance, prove_batch, verify_batch};
use p3_blake3_air::Blake3Air;
use p3_field::PrimeCharacteristicRing;
use p3_keccak_air::KeccakAir;
use p3_lookup::InteractionSymbolicBuilder;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::dag::{ExportError, export};
use sinter_program::program::StatementLayout;
use sinter_program::{Config, DagAir, EF, F, ParameterSet, Program, ProofFile, ProofKind};

use crate::toy::{self, LOG_HEIGHTS, Toy};

/// The bytes of a proof of a program.
fn bytes(program: &Program, proof: BatchProof<Config>, public_values: Vec<F>) -> Vec<u8> {
    let file = ProofFile { kind: ProofKind::Leaf, digest: *program.digest(), key: None, public_values, proof };
    file.encode(program.shape()).unwrap()
}

/// Check that a proof verifies by an AIR set whose common data stock computes from the AIRs themselves.
fn verifies<A>(config: &Config, airs: &[A], log_heights: &[usize], proof: &BatchProof<Config>, values: &[Vec<F>])
where
    A: Air<InteractionSymbolicBuilder<F, EF>> + for<'a> Air<VerifierConstraintFolderWithLookups<'a, Config>>,
{
    let data = ProverData::from_airs_and_degrees(config, airs, log_heights).unwrap();
    verify_batch(config, airs, proof, values, &data.common).unwrap();
}

#[test]
fn the_toy_program_is_its_original() {
    let (program, data) = toy::program();
    let config = program.config();
    let log_heights = LOG_HEIGHTS.map(usize::from);
    let original = ProverData::from_airs_and_degrees(&config, &Toy::ALL, &log_heights).unwrap();
    assert_eq!(
        serde_json::to_value(&original.common.lookups).unwrap(),
        serde_json::to_value(&data.common.lookups).unwrap(),
    );
    let values = Toy::ALL.map(Toy::public_values);
    let by_original = toy::prove(&config, &Toy::ALL, &original);
    let by_graph = toy::prove(&config, program.airs(), &data);
    verifies(&config, &Toy::ALL, &log_heights, &by_graph, &values);
    verifies(&config, program.airs(), &log_heights, &by_original, &values);
    let values = values.concat();
    program.verify_with(&config, &by_original, &values).unwrap();
    assert_eq!(bytes(&program, by_original, values.clone()), bytes(&program, by_graph, values));
}

/// Check an AIR that stands alone and touches no bus.
fn stands_alone<A>(air: &A, trace: &RowMajorMatrix<F>)
where
    A: Air<InteractionSymbolicBuilder<F, EF>>
        + for<'a> Air<p3_air::DebugConstraintBuilder<'a, F, EF>>
        + for<'a> Air<ProverConstraintFolderWithLookups<'a, Config>>
        + for<'a> Air<VerifierConstraintFolderWithLookups<'a, Config>>
        + Clone,
{
    let log_height = trace.values.len().div_euclid(trace.width).ilog2();
    let graph = DagAir::from_air(air).unwrap();
    let parts = (vec![graph.clone()], vec![log_height as u8], ParameterSet::DEV, StatementLayout::Raw);
    let (program, data) = Program::build(parts.0, parts.1, parts.2, parts.3).unwrap();
    let config = program.config();
    let log_heights = [log_height as usize];
    let original = ProverData::from_airs_and_degrees(&config, core::slice::from_ref(air), &log_heights).unwrap();
    let public_values = vec![];
    let instance = StarkInstance { air, trace, public_values: public_values.clone() };
    let by_original = prove_batch(&config, &[instance], &original).unwrap();
    let instance = StarkInstance { air: &graph, trace, public_values: public_values.clone() };
    let by_graph = prove_batch(&config, &[instance], &data).unwrap();
    let values = [public_values.clone()];
    verifies(&config, core::slice::from_ref(air), &log_heights, &by_graph, &values);
    verifies(&config, &[graph], &log_heights, &by_original, &values);
    program.verify_with(&config, &by_original, &[]).unwrap();
    assert_eq!(bytes(&program, by_original, vec![]), bytes(&program, by_graph, vec![]));
}

/// `KeccakAir`, which cannot be cloned as stock's prover wants it.
#[derive(Clone, Copy)]
struct Keccak;

impl BaseAir<F> for Keccak {
    fn width(&self) -> usize {
        BaseAir::<F>::width(&KeccakAir {})
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for Keccak {
    fn eval(&self, builder: &mut AB) {
        KeccakAir {}.eval(builder);
    }
}

#[test]
fn keccak_is_its_original() {
    stands_alone(&Keccak, &KeccakAir {}.generate_random_trace_rows(1, 0));
}

#[test]
fn poseidon2_is_its_original() {
    use p3_koala_bear::GenericPoseidon2LinearLayersKoalaBear as Layers;
    use p3_poseidon2_air::{Poseidon2Air, RoundConstants};
    use rand::SeedableRng;
    let mut rng = rand::rngs::SmallRng::seed_from_u64(7);
    let constants = RoundConstants::from_rng(&mut rng);
    let air: Poseidon2Air<F, Layers, 16, 3, 0, 4, 20> = Poseidon2Air::new(constants);
    stands_alone(&air, &air.generate_random_trace_rows(16, 0));
}

#[test]
fn the_export_of_a_graph_is_the_graph() {
    for air in Toy::ALL {
        let graph = DagAir::from_air(&air).unwrap();
        assert_eq!(&export(&graph).unwrap(), graph.dag());
    }
    let keccak = DagAir::new(export(&KeccakAir {}).unwrap());
    assert_eq!(&export(&keccak).unwrap(), keccak.dag());
    assert!(keccak.live_values() < 1024, "{} values live at once", keccak.live_values());
}

#[test]
fn what_is_declared_does_not_count_but_what_is_used() {
    let [sums, squares] = Toy::ALL.map(|air| export(&air).unwrap());
    assert_eq!(sums.main_next(), [0, 2]);
    assert!(sums.preprocessed_next().is_empty());
    assert!(squares.main_next().is_empty());
    assert_eq!(squares.preprocessed_next(), [0]);
    assert_eq!(sums.constraint_degree(), 3);
}

/// An AIR with a feature that programs do not have.
#[derive(Clone, Copy)]
struct Periodic;

impl BaseAir<F> for Periodic {
    fn width(&self) -> usize {
        1
    }

    fn num_periodic_columns(&self) -> usize {
        1
    }

    fn periodic_columns(&self) -> std::borrow::Cow<'_, [Vec<F>]> {
        vec![vec![F::ONE, F::TWO]].into()
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for Periodic {
    fn eval(&self, builder: &mut AB) {
        let value = builder.periodic_values()[0];
        builder.assert_zero(value);
    }
}

#[test]
fn unsupported_features_are_refused() {
    assert_eq!(export(&Periodic).unwrap_err(), ExportError::Unsupported { feature: "periodic columns" });
}

#[test]
fn wide_airs_are_within_bounds() {
    for (name, dag) in [("keccak", export(&KeccakAir {}).unwrap()), ("blake3", export(&Blake3Air {}).unwrap())] {
        let nodes = dag.nodes().len();
        let air = DagAir::new(dag);
        println!("{name}: {nodes} nodes, {} live values", air.live_values());
        let program = Program::new(vec![air], vec![7], ParameterSet::FOLD, StatementLayout::Raw, None).unwrap();
        let bytes = sinter_program::file::encode(&program);
        println!("{} bytes, {:?}", bytes.len(), program.shape().tables);
        assert_eq!(sinter_program::file::decode(&bytes).unwrap().digest(), program.digest());
    }
}
