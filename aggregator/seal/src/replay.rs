//! The query positions of a proof: the transcript, replayed.

use p3_challenger::{CanObserve, CanSample, CanSampleBits, GrindingChallenger};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_program::{EF, F};
use sinter_recursion::plan::{Cap, Grind, Step};

use crate::hash::{Digest, Root};
use crate::proof::{Claim, Head};
use crate::seal::Seal;
use crate::transcript::Challenger;

/// The positions in order, repetitions included. Whether the witnesses pass is not asked here.
pub(crate) fn indices(seal: &Seal, claim: &Claim, head: &Head) -> Vec<usize> {
    let mut challenger = Challenger::new(*seal.key());
    let layout = seal.layout();
    let absorb_exts = |challenger: &mut Challenger, values: &[EF]| {
        for value in values {
            let coefficients: &[F] = value.as_basis_coefficients_slice();
            challenger.observe_slice(coefficients);
        }
    };
    let root = |challenger: &mut Challenger, root: Digest| challenger.observe(Root::new(vec![root]));
    let mut values = head.values.as_slice();
    let mut indices = Vec::new();
    for step in layout.transcript() {
        match step {
            // The seal key stands for the digest: the challenger has started from it.
            Step::Digest => {}
            Step::Constants(constants) => constants.iter().for_each(|&constant| challenger.observe(constant)),
            Step::Cap(Cap::Commitment(commitment)) => {
                root(&mut challenger, head.root(seal, layout.commitments[commitment].round));
            }
            Step::Cap(Cap::Fri(round)) => root(&mut challenger, head.folds[round]),
            Step::Publics(_) => claim.elements().into_iter().for_each(|value| challenger.observe(value)),
            // Of one table alone: the sum over all tables is zero, so it is.
            Step::Terminal(_) => absorb_exts(&mut challenger, &[EF::ZERO]),
            Step::Opening(opening) => {
                let (own, rest) = values.split_at(layout.openings[opening].width);
                absorb_exts(&mut challenger, own);
                values = rest;
            }
            Step::FinalPoly => absorb_exts(&mut challenger, &head.final_poly),
            Step::Grind(grind, bits) => {
                let witness = match grind {
                    Grind::Lookup => head.lookup_witness,
                    Grind::OutOfDomain => head.ood_witness,
                    Grind::Batch => head.batch_witness,
                    Grind::Query => head.query_witness,
                    // No seal grinds before a fold.
                    Grind::Commit(_) => F::ZERO,
                };
                let _ = challenger.check_witness(bits, witness);
            }
            Step::Challenge(_) => {
                let _: EF = challenger.sample();
            }
            Step::Indices => {
                let bits = layout.index_bits();
                indices = (0..layout.fri.num_queries).map(|_| challenger.sample_bits(bits)).collect();
            }
        }
    }
    indices
}
