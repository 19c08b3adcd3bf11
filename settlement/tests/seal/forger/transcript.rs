//! The transcript of a prover that cheats: what the prover does and what the verifier is told of it differ in one place.

use super::prover::Cheat;
use p3_challenger::{CanObserve, CanSample, CanSampleBits, FieldChallenger, GrindingChallenger};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_program::field::EXTENSION_DEGREE;
use sinter_program::{EF, F};
use sinter_seal::{Seal, hash::Root, transcript::Challenger};
use std::sync::{Arc, Mutex};

/// Roots absorbed once the main tree's is: what follows it are the public values.
const MAIN: usize = 1;
/// Roots absorbed once the permutation's is: what follows it is the terminal.
const PERMUTATION: usize = 3;
/// Roots absorbed before those of the folds.
const TREES: usize = 4;

/// The seal's transcript with a prover between it and stock's.
#[derive(Clone)]
pub struct Transcript {
    honest: Challenger,
    cheat: Cheat,
    /// Roots of a seal: what follows the last is the final polynomial.
    last: usize,
    /// Roots absorbed, elements absorbed since the last of them, elements drawn, grinding steps done.
    roots: usize,
    absorbed: usize,
    drawn: usize,
    ground: usize,
    /// The positions that the prover answers, of this transcript and its copies.
    positions: Arc<Mutex<Vec<usize>>>,
}

impl Transcript {
    pub fn new(seal: &Seal, cheat: Cheat) -> Self {
        let (honest, last) = (Challenger::new(*seal.key()), TREES + seal.layout().rounds.len());
        Self { honest, cheat, last, roots: 0, absorbed: 0, drawn: 0, ground: 0, positions: Arc::default() }
    }

    /// The positions that the prover has answered.
    pub fn positions(&self) -> Vec<usize> {
        self.positions.lock().unwrap().clone()
    }
}

impl CanObserve<Root> for Transcript {
    fn observe(&mut self, root: Root) {
        (self.roots, self.absorbed) = (self.roots + 1, 0);
        self.positions.lock().unwrap().clear();
        self.honest.observe(root);
    }
}

impl CanObserve<F> for Transcript {
    fn observe(&mut self, value: F) {
        let told = match self.cheat {
            Cheat::Terminal if self.roots == PERMUTATION => F::ZERO,
            Cheat::Claimed if self.roots == MAIN && self.absorbed == 0 => value + F::ONE,
            Cheat::FinalPolynomial if self.roots == self.last && self.absorbed == 0 => value + F::ONE,
            _ => value,
        };
        self.absorbed += 1;
        self.honest.observe(told);
    }
}

impl CanSample<F> for Transcript {
    fn sample(&mut self) -> F {
        let honest: F = self.honest.sample();
        let first = self.drawn.is_multiple_of(EXTENSION_DEGREE);
        let cheats = first && self.cheat == Cheat::Challenge(self.drawn / EXTENSION_DEGREE);
        self.drawn += 1;
        if cheats { honest + F::ONE } else { honest }
    }
}

impl CanSample<EF> for Transcript {
    fn sample(&mut self) -> EF {
        <EF as BasedVectorSpace<F>>::from_basis_coefficients_fn(|_| self.sample())
    }
}

impl CanSampleBits<usize> for Transcript {
    fn sample_bits(&mut self, bits: usize) -> usize {
        let honest = self.honest.sample_bits(bits);
        let mut positions = self.positions.lock().unwrap();
        let position = match self.cheat {
            Cheat::Neighbours => honest ^ 1,
            Cheat::OneQuery => positions.first().copied().unwrap_or(honest),
            _ => honest,
        };
        positions.push(position);
        position
    }
}

impl FieldChallenger<F> for Transcript {}

impl GrindingChallenger for Transcript {
    type Witness = F;

    fn grind(&mut self, bits: usize) -> F {
        self.ground += 1;
        if self.cheat != Cheat::Grinding(self.ground - 1) {
            return self.honest.grind(bits);
        }
        // The smallest that does not do.
        let witness =
            (0..).map(F::from_u32).find(|&witness| !self.honest.clone().check_witness(bits, witness)).unwrap();
        assert!(!self.honest.check_witness(bits, witness));
        witness
    }
}
