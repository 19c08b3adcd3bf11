//! Plonky3's configuration for a parameter set and a program.

use p3_dft::Radix2DitParallel;
use p3_uni_stark::StarkGenericConfig;

use crate::challenger::Challenger;
use crate::field::{ChallengeMmcs, Dft, Digest, EF, F, Pcs, val_mmcs};
use crate::parameters::ParameterSet;

/// Everything `p3_batch_stark` needs besides the AIRs: the commitment scheme and the starting transcript.
///
/// The transcript starts with a digest already absorbed: stock `p3_batch_stark` binds widths, heights and commitments, but
/// never the constraints, so an author could choose constants of the AIR after seeing the challenges. The digest is the
/// program's (or, for a node proof, the key's) and covers all of them.
#[derive(Clone, Debug)]
pub struct Config {
    pcs: Pcs,
    challenger: Challenger,
    parameters: ParameterSet,
}

impl Config {
    /// The configuration of a parameter set, with the transcript pre-fed by `digest`.
    #[must_use]
    pub fn new(parameters: ParameterSet, digest: &Digest) -> Self {
        Self::with_dft(parameters, digest, Radix2DitParallel::<F>::default())
    }

    /// As [`Config::new`], sharing the twiddle factors that `dft` has already computed.
    #[must_use]
    pub fn with_dft(parameters: ParameterSet, digest: &Digest, dft: Dft) -> Self {
        let mmcs = val_mmcs(parameters.cap_height.into());
        let fri = parameters.fri(ChallengeMmcs::new(mmcs.clone()));
        Self { pcs: Pcs::new(dft, mmcs, fri), challenger: Challenger::new(digest), parameters }
    }

    /// The same configuration under another digest; twiddle factors are shared.
    #[must_use]
    pub fn with_digest(&self, digest: &Digest) -> Self {
        Self { challenger: Challenger::new(digest), ..self.clone() }
    }

    /// The parameter set.
    #[must_use]
    pub const fn parameters(&self) -> &ParameterSet {
        &self.parameters
    }
}

impl StarkGenericConfig for Config {
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
