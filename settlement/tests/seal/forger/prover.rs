//! A prover that follows the protocol from beginning to end, stock's own code, and cheats in one place: all that it commits
//! to, grinds and answers is consistent with that.

use super::commitments::{Commitments, Tree};
use super::transcript::Transcript;
use p3_batch_stark::{BatchProof, ProverData, StarkInstance, prove_batch};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use p3_uni_stark::{StarkConfig, StarkGenericConfig};
use sinter_program::{DagAir, EF, F};
use sinter_seal::hash::{ChallengeMmcs, Root, val_mmcs};
use sinter_seal::{Claim, Seal, SealConfig, proof::encode_at};

/// Where a prover cheats, besides what it is given to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cheat {
    /// Nowhere.
    No,
    /// It works with another challenge than is drawn: lookups 0 and 1, constraints 2, out-of-domain point 3, batching 4,
    /// folds from 5 on.
    Challenge(usize),
    /// It sends a witness that it has not ground: lookups 0, out-of-domain 1, batching 2, queries 3.
    Grinding(usize),
    /// It tells a terminal of zero, whatever its bus sums up to.
    Terminal,
    /// It commits to columns whose second half of rows has nothing to do with the first.
    NoPolynomials(Tree),
    /// It adds one to a chunk of the quotient.
    Quotient,
    /// It proves a claim whose first limb is one less, tells that of this one, and claims what that limb's column would have
    /// if the trace were of this one. FRI starts from what is claimed.
    Claimed,
    /// It sends another final polynomial than that of the last fold.
    FinalPolynomial,
    /// It opens the neighbour of every position.
    Neighbours,
    /// It opens the first position and no other.
    OneQuery,
}

/// The seal of a trace. The columns that the AIR comes with may be others than those of the seal.
pub fn forge(seal: &Seal, air: &DagAir, trace: &RowMajorMatrix<F>, claim: &Claim, cheat: Cheat) -> Vec<u8> {
    let (table, parameters) = (seal.table(), seal.program().parameters());
    let fri = parameters.fri(ChallengeMmcs::new(val_mmcs()));
    let stock = seal.config().pcs().clone();
    let transcript = Transcript::new(seal, cheat);
    let commitments = Commitments { stock, fri, cheat, main: table.main_width };
    let config: StarkConfig<Commitments, EF, Transcript> = StarkConfig::new(commitments, transcript.clone())
        .with_lookup_proof_of_work_bits(parameters.lookup_pow_bits.into())
        .with_ood_proof_of_work_bits(parameters.ood_pow_bits.into());
    let (airs, traces) = (core::slice::from_ref(air), [trace]);
    let mut data = ProverData::from_airs_and_degrees(&config, airs, &[table.log_height]).unwrap();
    data.common.preprocessed.as_mut().unwrap().commitment = Root::new(vec![*seal.root()]);
    let mut public_values = claim.elements();
    if cheat == Cheat::Claimed {
        public_values[0] -= F::ONE;
    }
    let instances = StarkInstance::new_multiple(airs, &traces, &[public_values]);
    let mut proof = prove_batch(&config, &instances, &data).unwrap();
    if cheat == Cheat::FinalPolynomial {
        proof.opening_proof.final_poly[0] += EF::ONE;
    }
    let proof = BatchProof::<SealConfig> {
        commitments: proof.commitments,
        opened_values: proof.opened_values,
        opening_proof: proof.opening_proof,
        lookup_terminals: proof.lookup_terminals,
        degree_bits: proof.degree_bits,
        lookup_pow_witness: proof.lookup_pow_witness,
        ood_pow_witness: proof.ood_pow_witness,
    };
    encode_at(seal, claim, &proof, &transcript.positions())
}
