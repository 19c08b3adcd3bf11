//! Plonky3's configuration for a seal.

use p3_dft::Radix2DitParallel;
use p3_fri::{BatchMultiOpening, FriProof, TwoAdicFriPcs};
use p3_uni_stark::StarkGenericConfig;
use sinter_program::{EF, F, ParameterSet};

use crate::hash::{ChallengeMmcs, ValMmcs, val_mmcs};
use crate::transcript::Challenger;

/// The polynomial commitment scheme.
pub type Pcs = TwoAdicFriPcs<F, Radix2DitParallel<F>, ValMmcs, ChallengeMmcs>;
/// The opening argument inside a proof.
pub type OpeningProof = FriProof<EF, ChallengeMmcs, F, Vec<BatchMultiOpening<F, ValMmcs>>>;

/// Everything `p3_batch_stark` needs besides the AIR: Keccak trees, and a transcript that starts from the seal key.
#[derive(Clone, Debug)]
pub struct SealConfig {
    pcs: Pcs,
    challenger: Challenger,
    parameters: ParameterSet,
}

impl SealConfig {
    /// The configuration of a parameter set under a seal key.
    #[must_use]
    pub fn new(parameters: ParameterSet, key: [u8; 32]) -> Self {
        let fri = parameters.fri(ChallengeMmcs::new(val_mmcs()));
        let pcs = Pcs::new(Radix2DitParallel::default(), val_mmcs(), fri);
        Self { pcs, challenger: Challenger::new(key), parameters }
    }
}

impl StarkGenericConfig for SealConfig {
    type Pcs = Pcs;
    type Challenge = EF;
    type Challenger = Challenger;

    fn pcs(&self) -> &Pcs {
        &self.pcs
    }

    fn initialise_challenger(&self) -> Challenger {
        self.challenger.clone()
    }

    fn lookup_proof_of_work_bits(&self) -> usize {
        self.parameters.lookup_pow_bits.into()
    }

    fn ood_proof_of_work_bits(&self) -> usize {
        self.parameters.ood_pow_bits.into()
    }
}
