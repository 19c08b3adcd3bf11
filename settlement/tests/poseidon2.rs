//! The contract's Poseidon2 is the one of `sinter-primitives`, and its permutation is generated from Plonky3's constants.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_koala_bear::{
    GenericPoseidon2LinearLayersKoalaBear as Layers, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL as FINAL,
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL as INITIAL, KOALABEAR_POSEIDON2_RC_16_INTERNAL as INTERNAL, KoalaBear,
};
use p3_poseidon2::GenericPoseidon2LinearLayers;
use std::{fmt::Write as _, fs, path::PathBuf};

type F = KoalaBear;
const WIDTH: usize = 16;
const PARTIAL_ROUNDS: usize = INTERNAL.len();

/// Four lanes of 64 bits, the lowest first.
type Word = [F; 4];

/// Which of a word's elements stands in each lane, as a block of four: lane 0 holds element 4 + j of word j.
const BLOCK_OF_LANE: [usize; 4] = [1, 3, 0, 2];

/// The elements of a state as the contract's words.
fn words(state: &[F; WIDTH]) -> [Word; 4] {
    std::array::from_fn(|j| BLOCK_OF_LANE.map(|block| state[4 * block + j]))
}

/// The word whose product with another has the inner product of `coefficients` with that one's lanes on top.
fn multiplier(mut coefficients: Word) -> Word {
    coefficients.reverse();
    coefficients
}

/// The matrix of a linear layer, by columns.
fn columns(layer: impl Fn(&mut [F; WIDTH])) -> [[F; WIDTH]; WIDTH] {
    std::array::from_fn(|column| {
        let mut unit = [F::ZERO; WIDTH];
        unit[column] = F::ONE;
        layer(&mut unit);
        unit
    })
}

/// A constant as Solidity has it: four lanes, the highest first.
fn constant(word: &Word) -> String {
    let lanes: String = word.iter().rev().map(|lane| format!("{:016x}", lane.as_canonical_u32())).collect();
    format!("0x{}", lanes.trim_start_matches('0'))
}

/// The function that is generated: straight code, its constants where they are used.
fn permutation() -> String {
    let external = columns(<Layers as GenericPoseidon2LinearLayers<WIDTH>>::external_linear_layer);
    let internal = columns(<Layers as GenericPoseidon2LinearLayers<WIDTH>>::internal_linear_layer);
    // The internal layer adds the sum of all elements to each one's multiple.
    let diagonal: [F; WIDTH] = std::array::from_fn(|i| internal[i][i] - F::ONE);
    assert!((0..WIDTH).all(|row| (0..WIDTH).all(|column| row == column || internal[column][row] == F::ONE)));
    assert_eq!(diagonal[0], -F::TWO, "element 0's multiple, below");
    let power = |i: usize, exponent: usize| diagonal[i].exp_u64(exponent as u64);
    // What S of `age` rounds ago adds to the sum of elements 1 to 15.
    let weight = |age: usize| (1..WIDTH).map(|i| power(i, age)).sum::<F>();

    let mut code = String::new();
    let mut line = |text: String| writeln!(code, "            {text}").unwrap();
    let cubes = |constants: &[F; WIDTH]| -> Vec<String> {
        words(constants)
            .iter()
            .zip(["a", "b", "c", "d"])
            .map(|(word, name)| format!("cubes({name} + {})", constant(word)))
            .collect()
    };
    line("(a, b, c, d) = mix(a, b, c, d);".into());
    for (round, constants) in INITIAL.iter().enumerate() {
        if round + 1 == INITIAL.len() {
            for (y, cubed) in cubes(constants).iter().enumerate() {
                line(format!("uint256 y{y} = {cubed};"));
            }
            line("(a, b, c, d) = mix(y0, y1, y2, y3);".into());
        } else {
            for (name, cubed) in ["a", "b", "c", "d"].iter().zip(cubes(constants)) {
                line(format!("{name} = {cubed};"));
            }
            line("(a, b, c, d) = mix(a, b, c, d);".into());
        }
    }
    line("uint256 first = (a >> 128) & LANE;".into());
    line("uint256 cube;".into());
    line("uint256 sum;".into());
    for (round, round_constant) in INTERNAL.into_iter().enumerate() {
        line(format!("// Partial round {round}."));
        line(format!("first += {};", constant(&[round_constant, F::ZERO, F::ZERO, F::ZERO])));
        line("cube = (first * first * first) % P;".into());
        // Elements 1 to 15 of the state `external · y`, each times its multiple to the power of the round.
        let sum: [F; WIDTH] =
            std::array::from_fn(|column| (1..WIDTH).map(|i| power(i, round) * external[column][i]).sum::<F>());
        for (y, word) in words(&sum).into_iter().map(multiplier).enumerate() {
            line(format!("sum {}= (y{y} * {}) >> 192;", if y == 0 { "" } else { "+" }, constant(&word)));
        }
        for word in 0..round.div_ceil(4) {
            let lanes = std::array::from_fn(|lane| (round - 1).checked_sub(4 * word + lane).map_or(F::ZERO, weight));
            line(format!("sum += (s{word} * {}) >> 192;", constant(&multiplier(lanes))));
        }
        line("sum = (sum + cube) % P;".into());
        line(match round % 4 {
            0 => format!("uint256 s{} = sum;", round / 4),
            lane => format!("s{} |= sum << {};", round / 4, 64 * lane),
        });
        line("first = sum + cube * (P - 2);".into());
    }
    for (j, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        line(format!("// What has become of word {j}."));
        line(format!("y0 = {name};"));
        for (lane, block) in BLOCK_OF_LANE.into_iter().enumerate() {
            let i = 4 * block + j;
            let value = if i == 0 {
                "first"
            } else {
                let element = match lane {
                    0 => "(y0 & LANE)".into(),
                    3 => "(y0 >> 192)".into(),
                    _ => format!("((y0 >> {}) & LANE)", 64 * lane),
                };
                let scale = constant(&[power(i, PARTIAL_ROUNDS), F::ZERO, F::ZERO, F::ZERO]);
                line(format!("sum = {element} * {scale};"));
                for word in 0..PARTIAL_ROUNDS / 4 {
                    let lanes = std::array::from_fn(|lane| power(i, PARTIAL_ROUNDS - 1 - (4 * word + lane)));
                    line(format!("sum += (s{word} * {}) >> 192;", constant(&multiplier(lanes))));
                }
                "sum"
            };
            line(match lane {
                0 => format!("{name} = {value} % P;"),
                _ => format!("{name} |= ({value} % P) << {};", 64 * lane),
            });
        }
    }
    for constants in &FINAL {
        for (name, cubed) in ["a", "b", "c", "d"].iter().zip(cubes(constants)) {
            line(format!("{name} = {cubed};"));
        }
        line("(a, b, c, d) = mix(a, b, c, d);".into());
    }
    line("return (a, b, c, d);".into());
    code
}

fn source() -> String {
    let template = include_str!("poseidon2/permutation.sol.txt");
    template.replace("            // HERE\n", &permutation())
}

#[test]
fn poseidon2_is_generated() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contracts/Poseidon2Permutation.sol");
    let source = source();
    if std::env::var_os("SINTER_WRITE").is_some() {
        fs::write(&path, &source).unwrap();
    }
    assert!(
        fs::read_to_string(&path).is_ok_and(|checked_in| checked_in == source),
        "contracts/Poseidon2Permutation.sol: SINTER_WRITE=1 cargo nextest run -p sinter-settlement poseidon2"
    );
}

use crate::suite::{Suite, contract::Hashes};
use crate::support::L1;
use alloy::primitives::{B256, Bytes, U256};
use proptest::{
    prelude::{Strategy, any, prop, prop_oneof},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use sinter_primitives::inbox::{self, EntryKind, InboxEntry};

const P: u32 = 0x7f00_0001;

fn digests() -> impl Strategy<Value = [u8; 32]> {
    // Mostly anything; often the ends of the field.
    let element = prop_oneof![prop::sample::select(vec![0, 1, P - 1]), 0..P];
    prop::collection::vec(element, 8).prop_map(|elements| {
        let bytes: Vec<u8> = elements.iter().flat_map(|element: &u32| element.to_be_bytes()).collect();
        bytes.try_into().unwrap()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_hashes_as_the_crate_does() {
    let mut suite = Suite::new(L1::embedded_timed().await);
    let hashes = suite.deploy("hashes", Hashes::BYTECODE.clone()).await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let (left, right) = (digests(), digests()).new_tree(&mut runner).unwrap().current();
        let call = Hashes::compressCall { left: left.into(), right: right.into() };
        assert_eq!(suite.reads(hashes, &call).await, B256::from(inbox::compress(&left, &right)));
    }
    for round in 0..120_usize {
        let payloads = prop::collection::vec(any::<u8>(), if round < 80 { round + 1 } else { round * 30 });
        let (payload, rolling) = (payloads, digests()).new_tree(&mut runner).unwrap().current();
        let entry = InboxEntry { kind: EntryKind::Forced, sender: [7; 20], wei: 1 << 95, deadline: 1 << 39, payload };
        let bytes = entry.encode().unwrap();
        let call = Hashes::spongeCall { tag: U256::from(4), length: U256::from(bytes.len()), data: Bytes::from(bytes) };
        let digest = suite.reads(hashes, &call).await;
        assert_eq!(inbox::compress(&rolling, &digest.0), entry.roll(&rolling).unwrap(), "{round}");
    }
    let costs = Hashes::costsCall { left: B256::repeat_byte(0x11), right: B256::repeat_byte(0x22) };
    let costs = suite.reads(hashes, &costs).await;
    println!("gas: permutation {}, SHA-256 of 64 bytes {}", costs.permutation, costs.sha);
    assert!(costs.permutation < U256::from(20_000));
}
