//! A circuit that hashes with Keccak: the bytes of three words, both lengths of messages, a choice, big-endian limbs.

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{Builder, Circuit, F, Heights, Inputs, Item};

use super::Random;

/// The inputs' words.
pub fn words() -> [[F; 8]; 3] {
    let mut random = Random::new(21);
    let mut words = [(); 3].map(|()| random.word());
    // The largest element, the least, and the first and the last with seven ones on top or nearly so.
    words[0][0] = F::NEG_ONE;
    words[0][1] = F::ZERO;
    words[0][5] = F::from_u32(127 << 24);
    words[1][2] = F::from_u32((127 << 24) - 1);
    words
}

/// Public words: the big-endian limbs of keccak(keccak(a ‖ b ‖ c) ‖ bytes of c), the bytes of a, the choice between the words
/// of that digest's first half.
pub fn digests(heights: Heights) -> (Circuit, Inputs) {
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    words().iter().for_each(|word| inputs.push_word(*word));
    inputs.push_base(F::ONE);
    let read = [(); 3].map(|()| builder.input_word());
    let bytes = read.map(|word| builder.bytes(word));
    let long = builder.keccak(&bytes);
    let short = builder.keccak(&[long, bytes[2]]);
    let bit = builder.input_base();
    builder.assert_bool(bit);
    let chosen = builder.select_bytes(bit, short, long);
    let limbs = builder.big_endian(chosen).map(Item::Base);
    let limbs = builder.pack(&limbs);
    builder.expose(0, limbs[0]);
    builder.expose(1, limbs[1]);
    builder.expose(2, bytes[0].words()[0]);
    builder.expose(3, bytes[0].words()[1]);
    builder.expose(4, chosen.words()[0]);
    (builder.finish(heights).unwrap(), inputs)
}
