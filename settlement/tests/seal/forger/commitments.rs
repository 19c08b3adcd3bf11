//! The commitment scheme of a prover that cheats: what it commits to, or what it says of that, is not what it should be.

use super::{prover::Cheat, transcript::Transcript};
use p3_commit::{CommitmentOpening, Mmcs, OpenedValues, OpeningRequest, Pcs, UnivariateStarkPcs};
use p3_field::coset::TwoAdicMultiplicativeCoset;
use p3_field::{Field, PrimeCharacteristicRing};
use p3_fri::prover::prove_fri;
use p3_fri::{
    FriParameters, FriProverError, PcsProverTranscript, PcsShape, TwoAdicFriFolding, TwoAdicFriFoldingForMmcs,
};
use p3_matrix::{Matrix, dense::RowMajorMatrix};
use p3_util::{log2_strict_usize, reverse_slice_index_bits};
use sinter_program::{EF, F};
use sinter_seal::config::{OpeningProof, Pcs as Stock};
use sinter_seal::hash::{ChallengeMmcs, Root, ValMmcs, val_mmcs};
use std::marker::PhantomData;

type Domain = TwoAdicMultiplicativeCoset<F>;
type Data = <ValMmcs as Mmcs<F>>::ProverData<RowMajorMatrix<F>>;
type Evaluations = RowMajorMatrix<F>;

/// A tree of columns that the prover makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    Main,
    Quotient,
    Permutation,
}

/// Stock's scheme with a prover between it and `prove_batch`.
#[derive(Clone)]
pub struct Commitments {
    pub stock: Stock,
    pub fri: FriParameters<ChallengeMmcs>,
    pub cheat: Cheat,
    /// Columns of the main tree.
    pub main: usize,
}

impl Commitments {
    fn changed(&self, tree: Tree, mut ldes: Vec<Evaluations>) -> Vec<Evaluations> {
        match self.cheat {
            // Claimed values and quotient are made of the rows of the first half, and stay as they are.
            Cheat::NoPolynomials(changed) if changed == tree => {
                for lde in &mut ldes {
                    let first = lde.values.len() / 2;
                    lde.values[first..].iter_mut().enumerate().for_each(|(i, value)| *value += F::from_usize(i));
                }
            }
            // One is a polynomial as well.
            Cheat::Quotient if tree == Tree::Quotient => {
                ldes[0].rows_mut().for_each(|row| row[0] += F::ONE);
            }
            _ => {}
        }
        ldes
    }

    /// What FRI starts from: for all claimed values, in order, the sum of `alpha^i * (claimed - column(x)) / (z - x)`.
    fn codeword(requests: &[OpeningRequest<'_, Data, EF>], claimed: &OpenedValues<EF>, alpha: EF) -> Vec<EF> {
        let mmcs = val_mmcs();
        let log_height = log2_strict_usize(mmcs.get_max_height(requests[0].prover_data));
        let mut points: Vec<F> = Domain::new(F::GENERATOR, log_height).unwrap().iter().collect();
        reverse_slice_index_bits(&mut points);
        let (mut codeword, mut weights) = (vec![EF::ZERO; points.len()], alpha.powers());
        for (request, claimed) in requests.iter().zip(claimed) {
            let matrices = mmcs.get_matrices(request.prover_data);
            for ((matrix, zs), claimed) in matrices.into_iter().zip(&request.points).zip(claimed) {
                for (&z, claimed) in zs.iter().zip(claimed) {
                    let powers: Vec<EF> = weights.by_ref().take(claimed.len()).collect();
                    for ((sum, &x), row) in codeword.iter_mut().zip(&points).zip(matrix.row_slices()) {
                        let terms = claimed.iter().zip(row).zip(&powers);
                        let numerator: EF = terms.map(|((&claimed, &cell), &power)| power * (claimed - cell)).sum();
                        *sum += numerator * (z - x).inverse();
                    }
                }
            }
        }
        codeword
    }
}

impl Pcs<EF, Transcript> for Commitments {
    type Domain = Domain;
    type Commitment = Root;
    type ProverData = Data;
    type Proof = OpeningProof;
    type Error = <Stock as Pcs<EF, Transcript>>::Error;
    type ProverError = FriProverError;

    fn natural_domain_for_degree(&self, degree: usize) -> Domain {
        Pcs::<EF, Transcript>::natural_domain_for_degree(&self.stock, degree)
    }

    fn commit(
        &self,
        evaluations: impl IntoIterator<Item = (Domain, Evaluations)>,
    ) -> Result<(Root, Data), FriProverError> {
        let ldes = UnivariateStarkPcs::<EF, Transcript>::get_quotient_ldes(&self.stock, evaluations, 1)?;
        let tree = if ldes[0].width() == self.main { Tree::Main } else { Tree::Permutation };
        UnivariateStarkPcs::<EF, Transcript>::commit_ldes(&self.stock, self.changed(tree, ldes))
    }

    fn open(
        &self,
        requests: Vec<OpeningRequest<'_, Data, EF>>,
        transcript: &mut Transcript,
    ) -> Result<(OpenedValues<EF>, OpeningProof), FriProverError> {
        if self.cheat != Cheat::Claimed {
            return self.stock.open(requests, transcript);
        }
        let (mut claimed, _) = self.stock.open(requests.clone(), &mut transcript.clone())?;
        // Of the column that holds the first limb, at both points.
        claimed[0][0].iter_mut().for_each(|values| values[0] += EF::ONE);
        let mut opening = PcsProverTranscript::new(transcript, PcsShape::from_opened_values(&self.fri, &claimed));
        opening.claimed_openings(&claimed);
        let (alpha, witness) = opening.batch_phase();
        let codeword = Self::codeword(&requests, &claimed, alpha);
        let log_height = log2_strict_usize(codeword.len());
        let folding: TwoAdicFriFoldingForMmcs<F, ValMmcs> = TwoAdicFriFolding(PhantomData);
        let (mmcs, witness) = (val_mmcs(), witness.unwrap());
        let proof = opening.delegate(|transcript| {
            prove_fri(&folding, &self.fri, vec![codeword], transcript, log_height, &requests, &mmcs, witness)
        })?;
        opening.finish();
        Ok((claimed, proof))
    }

    fn verify(
        &self,
        claims: Vec<CommitmentOpening<EF, Root, Domain>>,
        proof: &OpeningProof,
        transcript: &mut Transcript,
    ) -> Result<(), Self::Error> {
        self.stock.verify(claims, proof, transcript)
    }
}

impl UnivariateStarkPcs<EF, Transcript> for Commitments {
    type EvaluationsOnDomain<'a> = <Stock as UnivariateStarkPcs<EF, Transcript>>::EvaluationsOnDomain<'a>;

    const ZK: bool = false;

    fn log_max_trace_height(&self) -> usize {
        UnivariateStarkPcs::<EF, Transcript>::log_max_trace_height(&self.stock)
    }

    fn log_min_trace_height(&self) -> usize {
        UnivariateStarkPcs::<EF, Transcript>::log_min_trace_height(&self.stock)
    }

    fn commit_preprocessing(
        &self,
        evaluations: impl IntoIterator<Item = (Domain, Evaluations)>,
    ) -> Result<(Root, Data), FriProverError> {
        UnivariateStarkPcs::<EF, Transcript>::commit_preprocessing(&self.stock, evaluations)
    }

    fn get_quotient_ldes(
        &self,
        evaluations: impl IntoIterator<Item = (Domain, Evaluations)>,
        chunks: usize,
    ) -> Result<Vec<Evaluations>, FriProverError> {
        UnivariateStarkPcs::<EF, Transcript>::get_quotient_ldes(&self.stock, evaluations, chunks)
    }

    fn commit_ldes(&self, ldes: Vec<Evaluations>) -> Result<(Root, Data), FriProverError> {
        UnivariateStarkPcs::<EF, Transcript>::commit_ldes(&self.stock, self.changed(Tree::Quotient, ldes))
    }

    fn get_evaluations_on_domain<'a>(
        &self,
        data: &'a Data,
        index: usize,
        domain: Domain,
    ) -> Self::EvaluationsOnDomain<'a> {
        UnivariateStarkPcs::<EF, Transcript>::get_evaluations_on_domain(&self.stock, data, index, domain)
    }
}
