//! How long executing a fold-sized circuit takes. Run by hand: `cargo test --release -p sinter-circuit -- --ignored`.

use std::time::Instant;

use p3_field::PrimeCharacteristicRing;
use sinter_circuit::{BitsSpec, Builder, F, Heights, Inputs};

use crate::support::Random;
use crate::support::sample::Opening;

#[test]
#[ignore = "a measurement"]
fn fold_sized() {
    let mut random = Random::new(9);
    let opening = Opening { matrices: &[(12, 192), (12, 40), (9, 64)], cap_height: 4, index: 1234, beta: true };
    let opened = opening.open(&mut random);
    let (mut builder, mut inputs) = (Builder::new(), Inputs::new());
    let alpha = random.ext();
    inputs.push_ext(alpha);
    opened.cap.iter().for_each(|word| inputs.push_word(*word));
    let beta = builder.input_ext();
    let cap = builder.block_of_words(opened.cap.len());
    for _ in 0..164 {
        inputs.push_base(F::from_usize(opening.index));
        builder.section(|builder| {
            let value = builder.input_base();
            let bits = builder.bits(value, &BitsSpec { len: 12, shifts: vec![0, 8], ..Default::default() });
            let mut sum = beta;
            for _ in 0..3 {
                inputs.extend(opened.inputs.iter().copied());
                opening.record(builder, bits.shifted[0], bits.shifted[1], cap, Some(beta));
            }
            for _ in 0..360 {
                sum = builder.mul_add(sum, beta, sum);
            }
        });
    }
    let start = Instant::now();
    let circuit = builder.finish(Heights::UNIVERSAL).unwrap();
    println!("finish {:?} {:?}", start.elapsed(), circuit.rows());
    for _ in 0..3 {
        let start = Instant::now();
        let witness = circuit.execute(&inputs).unwrap();
        let executed = start.elapsed();
        let traces = circuit.traces(&witness);
        println!("execute {executed:?}, traces {:?}", start.elapsed() - executed);
        assert_eq!(traces.len(), 5);
    }
}
