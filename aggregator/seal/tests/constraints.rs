//! The constraints' code against the AIR, over inputs that no honest proof has: whatever lanes the contract may hand in, the
//! code returns what the AIR and stock's folding say.

use p3_field::{BasedVectorSpace, ExtensionField, Field, PrimeCharacteristicRing, TwoAdicField};
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use revm::{
    Context, ExecuteEvm, MainBuilder, MainContext,
    bytecode::Bytecode,
    context::TxEnv,
    database::InMemoryDB,
    primitives::{Address, Bytes, TxKind, U256},
    state::AccountInfo,
};
use sinter_program::ParameterSet;
use sinter_program::dag::ExtPoint;
use sinter_program::field::{EF, F};
use sinter_recursion::layout::{Point, Round};
use sinter_seal::evm::{Program, program};
use sinter_seal::kit::Kit;
use sinter_seal::{Seal, seal::PUBLIC_VALUES};

const P: u64 = 0x7f00_0001;
/// The largest lane that the contract hands in.
const LANE_MAX: u64 = P + (1 << 27) - 1;

/// Five lanes of 51 bits, the lowest first.
fn word(lanes: [u64; 5]) -> U256 {
    lanes.iter().rev().fold(U256::ZERO, |word, &lane| word << 51 | U256::from(lane))
}

/// The element that a word in Montgomery form stands for.
fn element(word: U256) -> EF {
    let mask = U256::from((1u64 << 51) - 1);
    let lane = |i: usize| F::from_u64((word >> (51 * i) & mask).to::<u64>());
    EF::from_basis_coefficients_fn(lane) * EF::from(F::TWO.exp_u64(40).inverse())
}

/// Calls the parts one after the other, as the contract does.
fn call(parts: &[Vec<u8>], inputs: &[U256]) -> Vec<U256> {
    let bytes = |words: &[U256]| -> Vec<u8> { words.iter().flat_map(|word| word.to_be_bytes::<32>()).collect() };
    let mut returned = Vec::new();
    for part in parts {
        let mut database = InMemoryDB::default();
        let to = Address::repeat_byte(0x11);
        let code = Bytecode::new_raw(part.clone().into());
        database.insert_account_info(
            to,
            AccountInfo { code_hash: code.hash_slow(), code: Some(code), ..AccountInfo::default() },
        );
        let data: Bytes = [bytes(inputs), returned].concat().into();
        let transaction =
            TxEnv { kind: TxKind::Call(to), data, gas_limit: 16_000_000, gas_price: 0, ..TxEnv::default() };
        let mut evm = Context::mainnet().with_db(&mut database).build_mainnet();
        let result = evm.transact(transaction).unwrap().result;
        assert!(result.is_success(), "{result:?}");
        returned = result.output().unwrap().to_vec();
    }
    returned.chunks(32).map(U256::from_be_slice).collect()
}

/// The two words that the inputs should give: what the constraints fold to, and (ζ^n − 1) · quotient(ζ).
fn expected(seal: &Seal, inputs: &[U256]) -> [EF; 2] {
    let inputs: Vec<EF> = inputs.iter().copied().map(element).collect();
    let layout = seal.layout();
    let starts: Vec<usize> = layout
        .openings
        .iter()
        .scan(0, |next, opening| {
            *next += opening.width;
            Some(*next - opening.width)
        })
        .collect();
    let opened = |round, chunk, point| {
        let at = layout.opening(round, 0, chunk, point);
        at.map_or(&[][..], |at| &inputs[starts[at]..starts[at] + layout.openings[at].width])
    };
    let both = |round| [Point::Zeta, Point::Next].map(|point| opened(round, 0, point));
    let recompose = |coordinates: &[EF]| -> EF {
        (0..).zip(coordinates).map(|(i, &c)| c * <EF as BasedVectorSpace<F>>::ith_basis_element(i).unwrap()).sum()
    };
    let permutation = both(Round::Permutation).map(|row| row.chunks(5).map(recompose).collect::<Vec<EF>>());
    let claimed: usize = layout.openings.iter().map(|opening| opening.width).sum();
    let public_values: Vec<F> =
        inputs[claimed..claimed + PUBLIC_VALUES].iter().map(|value| value.as_base().unwrap()).collect();
    let &[lookup_alpha, beta, alpha, is_first_row, is_last_row, is_transition, vanishing] =
        &inputs[claimed + PUBLIC_VALUES..]
    else {
        panic!("seven inputs after the public values")
    };
    let power = beta.exp_u64(seal.shape().message_width as u64);
    let prefixes: Vec<EF> = (1..=16).map(|bus| lookup_alpha + power * F::from_u64(bus)).collect();
    let dag = seal.program().with_lookups(0).unwrap();
    let values = dag.evaluate(&ExtPoint {
        main: both(Round::Main),
        preprocessed: both(Round::Preprocessed),
        permutation: [&permutation[0], &permutation[1]],
        public_values: &public_values,
        beta,
        bus_prefixes: &prefixes,
        terminal: EF::ZERO,
        is_first_row,
        is_last_row,
        is_transition,
    });
    let folded = dag.constraints().iter().fold(EF::ZERO, |folded, &root| folded * alpha + values[root as usize]);

    let (log_height, log_chunks) = (seal.table().log_height, seal.table().log_quotient_chunks);
    let step = F::two_adic_generator(log_height + log_chunks);
    let shifts: Vec<F> = (0..1 << log_chunks).map(|i| F::GENERATOR * step.exp_u64(i)).collect();
    // The vanishing polynomial of the coset `shift`, at a point with this n-th power.
    let over = |power: EF, shift: F| power * shift.exp_power_of_2(log_height).inverse() - EF::ONE;
    let quotient: EF = shifts
        .iter()
        .enumerate()
        .map(|(i, &own)| {
            let others = shifts.iter().enumerate().filter(|&(j, _)| j != i);
            let at_first = |shift: F| over(own.exp_power_of_2(log_height).into(), shift).inverse();
            let factor: EF = others.map(|(_, &shift)| over(vanishing + EF::ONE, shift) * at_first(shift)).product();
            recompose(opened(Round::Quotient, i, Point::Zeta)) * factor
        })
        .sum();
    [folded, vanishing * quotient]
}

#[test]
fn whatever_the_lanes_are_the_code_says_what_the_air_says() {
    let mut random = SmallRng::seed_from_u64(7);
    for kit in [Kit::SMALL, Kit::WIDE] {
        let prover = kit.prover(ParameterSet { queries: 1, ..Kit::PARAMETERS });
        let seal = prover.seal();
        let Program { parts, .. } = program(seal).unwrap();
        let claimed: usize = seal.layout().openings.iter().map(|opening| opening.width).sum();
        let inputs = claimed + PUBLIC_VALUES + 7;
        let publics = claimed..claimed + PUBLIC_VALUES;
        for case in 0..60 {
            let mut lane = || match case {
                0 => LANE_MAX,
                1 => 0,
                2 => P,
                _ if case % 2 == 0 => [0, 1, P - 1, P, LANE_MAX][random.random_range(0..5)],
                _ => random.random_range(0..=LANE_MAX),
            };
            let inputs: Vec<U256> = (0..inputs)
                .map(|i| word(std::array::from_fn(|j| if j > 0 && publics.contains(&i) { 0 } else { lane() })))
                .collect();
            let returned = call(&parts, &inputs);
            assert_eq!(returned.len(), 2);
            assert_eq!([element(returned[0]), element(returned[1])], expected(seal, &inputs), "{kit:?}, case {case}");
        }
    }
}
