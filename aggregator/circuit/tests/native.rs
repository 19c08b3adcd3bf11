//! Equality with p3's native hashing: sponges, challengers, Merkle trees of mixed heights, and Horner sums.

use p3_challenger::{CanObserve, CanSample};
use p3_field::{Field, PrimeCharacteristicRing};
use p3_koala_bear::default_koalabear_poseidon2_16;
use p3_symmetric::{CryptographicHasher, PseudoCompressionFunction};
use sinter_circuit::{Base, BitsSpec, Builder, EF, Ext, F, Heights, Inputs, LeafSpec, NarrowCircuit};

use crate::support::checker::Checker;
use crate::support::sample::{Opening, low_bits};
use crate::support::{Compress, Hash, Random, challenger};

fn publics(builder: Builder, inputs: &Inputs) -> Vec<F> {
    let circuit = builder.finish(Heights::Smallest).unwrap();
    let witness = circuit.execute(inputs).unwrap();
    Checker::new(&circuit, circuit.traces(&witness), witness.publics()).check().unwrap();
    let narrow = NarrowCircuit::new(circuit.into(), 14).unwrap();
    Checker::narrow(&narrow, &witness).check().unwrap();
    witness.publics().to_vec()
}

#[test]
fn hash_and_compress() {
    let mut random = Random::new(1);
    let words: Vec<[F; 8]> = (0..3).map(|_| random.word()).collect();
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    words.iter().for_each(|word| inputs.push_word(*word));
    let read: Vec<_> = words.iter().map(|_| builder.input_word()).collect();
    let hash = builder.hash(&read);
    let node = builder.compress(read[0], read[1]);
    builder.expose(0, hash);
    builder.expose(1, node);
    let got = publics(builder, &inputs);
    let permutation = default_koalabear_poseidon2_16();
    let expected: [F; 8] = Hash::new(permutation.clone()).hash_iter(words.iter().flatten().copied());
    assert_eq!(got[..8], expected);
    assert_eq!(got[8..16], Compress::new(permutation).compress([words[0], words[1]]));
}

#[test]
fn challenger_blocks() {
    let mut random = Random::new(2);
    for first in 1..=8 {
        let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
        let mut native = challenger();
        let mut chain = builder.sponge();
        for lanes in [first, 8, 3, 9 - first] {
            let mut word = random.word();
            word[lanes..].fill(F::ZERO);
            native.observe_slice(&word[..lanes]);
            // Sampling permutes what is buffered.
            let _: F = native.sample();
            inputs.push_word(word);
            let word = builder.input_word();
            builder.absorb(&mut chain, word, lanes);
        }
        let out = builder.squeeze(&mut chain);
        builder.expose(0, out);
        // Seven samples are left of this block; then the sponge permutes again.
        for _ in 0..7 {
            let _: F = native.sample();
        }
        let got = publics(builder, &inputs);
        for lane in (0..8).rev() {
            let expected: F = native.sample();
            assert_eq!(got[lane], expected);
        }
    }
}

#[test]
fn leaves_of_every_length_hash_and_sum() {
    let mut random = Random::new(3);
    let shapes: [&[usize]; 9] =
        [&[1], &[7], &[8], &[9, 7], &[16, 8], &[3, 2, 10, 1, 24], &[5, 40, 3], &[1, 1, 1, 1, 1, 1, 1, 1, 1], &[31]];
    for segments in shapes {
        let total: usize = segments.iter().sum();
        let values: Vec<F> = (0..total).map(|_| random.base()).collect();
        let alpha = random.ext();
        let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
        inputs.push_ext(alpha.inverse());
        // Twice: the second leaf's accumulator starts where the first one's ended.
        inputs.extend(values.iter().copied());
        inputs.extend(values.iter().copied());
        let beta = builder.input_ext();
        let spec = LeafSpec { segments: segments.to_vec(), beta: Some(beta), expose: false };
        let leaves = [builder.leaf(&spec), builder.leaf(&spec)];
        let digest = builder.leaf_digest(&leaves[1]);
        builder.expose(0, digest);
        for leaf in &leaves {
            let mut at = 0;
            for (sum, len) in leaf.sums.iter().zip(segments) {
                let value = values[at..at + len].iter().rev().fold(EF::ZERO, |acc, value| acc * alpha + *value);
                // Σ α^j v_j = α^(lanes − 1) · sum.
                let expected = value * alpha.inverse().exp_u64(sum.lanes as u64 - 1);
                let expected = builder.constant(expected);
                builder.assert_eq(sum.value, expected);
                at += len;
            }
        }
        let got = publics(builder, &inputs);
        let expected: [F; 8] = Hash::new(default_koalabear_poseidon2_16()).hash_iter(values);
        assert_eq!(got[..8], expected, "{segments:?}");
    }
}

#[test]
fn exposed_blocks_are_the_leaf() {
    let mut random = Random::new(4);
    let values: Vec<F> = (0..13).map(|_| random.base()).collect();
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    inputs.extend(values.iter().copied());
    let leaf = builder.leaf(&LeafSpec { segments: vec![13], beta: None, expose: true });
    let tail = builder.ext_at(leaf.blocks[1], None, 0);
    builder.expose(0, leaf.blocks[0]);
    builder.expose(1, tail);
    let got = publics(builder, &inputs);
    assert_eq!(got[..13], values);
    assert_eq!(got[13..16], [F::ZERO; 3]);
}

#[test]
fn merkle_openings_of_mixed_heights() {
    let mut random = Random::new(5);
    let shapes: [(&[(usize, usize)], usize); 6] = [
        (&[(4, 3)], 0),
        (&[(4, 8), (4, 8)], 4),
        (&[(6, 10), (4, 1), (4, 8), (3, 24)], 2),
        (&[(6, 10), (5, 9), (4, 8), (3, 24)], 3),
        (&[(3, 17), (1, 5), (0, 2)], 0),
        (&[(5, 40)], 1),
    ];
    for (matrices, cap_height) in shapes {
        for index in [0, 1, (1 << matrices[0].0) - 2, (1 << matrices[0].0) - 1] {
            let opening = Opening { matrices, cap_height, index, beta: true };
            let opened = opening.open(&mut random);
            let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
            let alpha = random.ext();
            inputs.push_ext(alpha.inverse());
            let sampled = F::from_usize(index + (1023 << matrices[0].0));
            inputs.push_base(sampled);
            opened.cap.iter().for_each(|word| inputs.push_word(*word));
            inputs.extend(opened.inputs.iter().copied());
            let beta = builder.input_ext();
            let value = builder.input_base();
            let cap = builder.block_of_words(opened.cap.len());
            let shifts = vec![0, matrices[0].0 - cap_height];
            let bits = builder.bits(value, &BitsSpec { len: matrices[0].0, shifts, ..Default::default() });
            assert_eq!(low_bits(sampled, matrices[0].0), index);
            let sums = opening.record(&mut builder, bits.shifted[0], bits.shifted[1], cap, Some(beta));
            for (sum, row) in sums.iter().zip(&opened.rows) {
                let value = row.iter().rev().fold(EF::ZERO, |acc, value| acc * alpha + *value);
                let expected = builder.constant(value * alpha.inverse().exp_u64(sum.lanes as u64 - 1));
                builder.assert_eq(sum.value, expected);
            }
            publics(builder, &inputs);
        }
    }
}

#[test]
fn bits_of_the_field_s_edges() {
    let p = 0x7f00_0001u32;
    for value in [0, 1, 2, p - 1, p - 2, (1 << 24) - 1, 1 << 24, 127 << 24, (126 << 24) + 5, 0x1234_5678] {
        let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
        inputs.push_base(F::from_u32(value));
        let read = builder.input_base();
        let factors: Vec<F> = (0..30).map(|k| F::from_u32(k + 2)).collect();
        let spec = BitsSpec { len: 9, bits: (0..31).collect(), shifts: vec![0, 4, 9], factors: factors.clone() };
        let out = builder.bits(read, &spec);
        let mut assert_is = |word: Base, expected: F| {
            let expected = builder.constant_base(expected);
            builder.assert_eq(word, expected);
        };
        for (k, bit) in out.bits.iter().enumerate() {
            assert_is(*bit, F::from_u32((value >> k) & 1));
        }
        assert_is(out.shifted[0], F::from_u32(value % 512));
        assert_is(out.shifted[1], F::from_u32((value % 512) >> 4));
        assert_is(out.shifted[2], F::ZERO);
        assert_is(out.high, F::from_u32(value >> 9));
        let product = (0..30).filter(|k| (value >> k) & 1 == 1).map(|k| factors[k as usize]).product();
        assert_is(out.product.unwrap(), product);
        publics(builder, &inputs);
    }
}

#[test]
fn powers_within_sections_are_computed_once() {
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    inputs.push_ext(EF::TWO);
    let base = builder.input_ext();
    let powers: Vec<Ext> = (0..4).map(|_| builder.section(|builder| builder.power(base, 24))).collect();
    assert!(powers.iter().all(|power| *power == powers[0]));
    builder.expose(0, powers[3]);
    assert_eq!(publics(builder, &inputs)[0], F::from_u32(1 << 24));
}
