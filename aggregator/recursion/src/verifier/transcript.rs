//! The stock transcript in-circuit: Plonky3's duplex challenger over Poseidon2 rows.
//!
//! What is absorbed is collected until a challenge is drawn, then cut into blocks of 8 limbs; each block is one row in
//! the duplex mode (unused lanes zero, their number added to the capacity). A sample is the last unread lane of the
//! output: lane 7 first. An extension challenge takes 5 samples, constant coefficient first.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_circuit::{Base, Builder, Chain, Ext, Item, Word};
use sinter_program::field::{EXTENSION_DEGREE, RATE};
use sinter_program::{EF, F};

/// A challenger in a circuit.
#[derive(Debug)]
pub struct Transcript {
    chain: Chain,
    pending: Vec<Item>,
    /// The last output and how many of its lanes are unread.
    output: Option<(Word, usize)>,
}

impl Transcript {
    /// An empty transcript.
    pub fn new(b: &mut Builder) -> Self {
        Self { chain: b.sponge(), pending: Vec::new(), output: None }
    }

    /// Absorbs items.
    pub fn observe(&mut self, items: impl IntoIterator<Item = Item>) {
        self.pending.extend(items);
    }

    /// Absorbs constants.
    pub fn observe_constants(&mut self, values: &[F]) {
        self.observe(values.iter().map(|&value| Item::Const(value)));
    }

    /// Absorbs what is pending. The lanes of a full block stay readable only if nothing follows it.
    fn flush(&mut self, b: &mut Builder) {
        if self.pending.is_empty() {
            return;
        }
        b.set_label("transcript");
        let items = std::mem::take(&mut self.pending);
        let limbs: usize = items.iter().map(limbs_of).sum();
        let blocks = b.pack(&items);
        for (i, block) in blocks.into_iter().enumerate() {
            let lanes = (limbs - i * RATE).min(RATE);
            let output = b.absorb(&mut self.chain, block, lanes);
            self.output = Some((output, RATE));
        }
    }

    /// Draws a base element.
    pub fn sample(&mut self, b: &mut Builder) -> Base {
        self.flush(b);
        let (word, unread) = match self.output {
            Some((word, unread)) if unread > 0 => (word, unread),
            _ => (b.squeeze(&mut self.chain), RATE),
        };
        self.output = Some((word, unread - 1));
        b.pick(word, unread - 1)
    }

    /// Draws an extension element.
    pub fn sample_ext(&mut self, b: &mut Builder) -> Ext {
        let mut value = Ext::from(self.sample(b));
        for i in 1..EXTENSION_DEGREE {
            let coefficient = self.sample(b);
            let basis = EF::from_basis_coefficients_fn(|j| if i == j { F::ONE } else { F::ZERO });
            let basis = b.constant(basis);
            value = b.mul_add(coefficient, basis, value);
        }
        value
    }
}

const fn limbs_of(item: &Item) -> usize {
    match item {
        Item::Word(_) => 8,
        Item::Ext(_) => EXTENSION_DEGREE,
        Item::Base(_) | Item::Const(_) => 1,
    }
}
