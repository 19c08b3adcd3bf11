//! The opening argument, as `p3_fri`'s `TwoAdicFriPcs::open` and `prove_fri` run it: values, DEEP, FRI, queries.

use p3_commit::OpenedValues;
use p3_dft::{Radix2DFTSmallBatch, TwoAdicSubgroupDft};
use p3_field::{Field, PrimeCharacteristicRing, dot_product};
use p3_fri::{
    BatchMultiOpening, CommitPhaseMultiStep, FriParameters, FriProof, FriShape, PcsProverTranscript, PcsShape,
    ProverTranscript,
};
use p3_util::reverse_slice_index_bits;
use sinter_program::field::{Cap, ChallengeMmcs, OpeningProof, ValMmcs};
use sinter_program::{EF, F, ParameterSet};
use sinter_shaders::words::{DEGREE, from_runs};
use sinter_shaders::{Codeword, DeviceError, Kernels, Tree};

use super::challenger::GpuChallenger;
use super::commit::{Committed, cap, paths};

/// One commitment and the points that each of its matrices is opened at.
pub(super) struct Round<'a> {
    pub(super) committed: &'a Committed,
    pub(super) points: Vec<Vec<EF>>,
}

/// What is opened.
pub(super) struct Opening<'a> {
    pub(super) kernels: &'a Kernels,
    pub(super) parameters: &'a ParameterSet,
    pub(super) rounds: &'a [Round<'a>],
}

/// A few codewords by the points that they belong to.
#[derive(Default)]
struct ByPoint(Vec<(EF, Codeword)>);

impl ByPoint {
    fn get(&self, point: EF) -> Option<&Codeword> {
        self.0.iter().find(|(of, _)| *of == point).map(|(_, codeword)| codeword)
    }
}

/// One folding round of FRI: the codeword as it was committed, and its tree.
struct Folding {
    codeword: Codeword,
    tree: Tree,
    log_arity: u32,
}

impl Opening<'_> {
    pub(super) fn prove(
        &self,
        challenger: &mut GpuChallenger<'_>,
    ) -> Result<(OpenedValues<EF>, OpeningProof), DeviceError> {
        let opened = self.values()?;
        let parameters = self.parameters.fri(());
        let shape = PcsShape::from_opened_values(&parameters, &opened);
        let mut transcript = PcsProverTranscript::<_, F, EF>::new(challenger, shape);
        transcript.claimed_openings(&opened);
        let (alpha, batch_pow_witness) = transcript.batch_phase();
        let proved = self.reduced(&opened, alpha).and_then(|codewords| {
            let batch_pow_witness = batch_pow_witness.unwrap_or(F::ZERO);
            transcript.delegate(|challenger| self.low_degree(&parameters, challenger, codewords, batch_pow_witness))
        });
        match proved {
            Ok(proof) => {
                transcript.finish();
                Ok((opened, proof))
            }
            Err(error) => {
                transcript.abort();
                Err(error)
            }
        }
    }

    /// The value of every polynomial at every point of its matrix.
    fn values(&self) -> Result<OpenedValues<EF>, DeviceError> {
        let kernels = self.kernels;
        // The coefficients are those of p(s · X), so p(z) is their value at z / s.
        let scaled = |round: &Round<'_>, matrix: usize, point: EF| {
            let polynomials = &round.committed.polynomials[matrix];
            (point * polynomials.domain_shift.inverse(), polynomials.log_rows)
        };
        let mut wanted: Vec<(EF, u32)> = Vec::new();
        for round in self.rounds {
            for (matrix, points) in round.points.iter().enumerate() {
                for &point in points {
                    let (point, log_len) = scaled(round, matrix, point);
                    match wanted.iter_mut().find(|(known, _)| *known == point) {
                        Some((_, longest)) => *longest = log_len.max(*longest),
                        None => wanted.push((point, log_len)),
                    }
                }
            }
        }
        let mut recorder = kernels.device().record();
        let mut powers = ByPoint::default();
        for (point, log_len) in wanted {
            powers.0.push((point, kernels.powers(&mut recorder, point, log_len)?));
        }
        recorder.submit()?;

        let mut opened = Vec::with_capacity(self.rounds.len());
        for round in self.rounds {
            let mut matrices = Vec::with_capacity(round.points.len());
            for (matrix, points) in round.points.iter().enumerate() {
                let mut values = Vec::with_capacity(points.len());
                for &point in points {
                    let mut of_point = Vec::with_capacity(round.committed.polynomials[matrix].width);
                    // Every scaled point was collected above.
                    if let Some(powers) = powers.get(scaled(round, matrix, point).0) {
                        for (_, span) in round.committed.polynomials[matrix].spans() {
                            of_point.extend(kernels.evaluate(span, powers)?);
                        }
                    }
                    values.push(of_point);
                }
                matrices.push(values);
            }
            opened.push(matrices);
        }
        Ok(opened)
    }

    /// The codewords that are of low degree if all values are right, the longest first: of each height, the sum of
    /// (value − polynomial) / (point − x) over its openings, with the powers of alpha.
    fn reduced(&self, opened: &OpenedValues<EF>, alpha: EF) -> Result<Vec<Codeword>, DeviceError> {
        let kernels = self.kernels;
        let mut recorder = kernels.device().record();
        let extensions = || {
            self.rounds.iter().zip(opened).flat_map(|(round, opened)| {
                round
                    .points
                    .iter()
                    .zip(opened)
                    .enumerate()
                    .map(|(matrix, (points, opened))| (round.committed.extension(matrix), points, opened))
            })
        };
        let mut heights: Vec<u32> = extensions().map(|((columns, _), ..)| columns.log_rows()).collect();
        heights.sort_unstable_by(|a, b| b.cmp(a));
        heights.dedup();
        let widest = extensions().map(|((_, range), ..)| range.len()).max().unwrap_or(0);
        let weights = kernels.weights(&alpha.powers().collect_n(widest))?;

        let mut distances = ByPoint::default();
        let mut reduced: Vec<(Codeword, u64)> = Vec::with_capacity(heights.len());
        for &height in &heights {
            reduced.push((kernels.codeword(height)?, 0));
        }
        for ((columns, range), points, opened) in extensions() {
            // Every height was collected above.
            let Some((codeword, openings)) = reduced.iter_mut().find(|(c, _)| c.log_len() == columns.log_rows()) else {
                continue;
            };
            let compressed = kernels.combine(&mut recorder, columns, range.clone(), &weights)?;
            for (&point, values) in points.iter().zip(opened) {
                let scale = alpha.exp_u64(*openings);
                let claim = scale * dot_product::<EF, _, _>(alpha.powers(), values.iter().copied());
                if distances.get(point).is_none() {
                    // As long as the highest matrix that is opened there; shorter ones use a part.
                    let opened_there = extensions().filter(|(_, points, _)| points.contains(&point));
                    let log_len = opened_there.map(|((columns, _), ..)| columns.log_rows()).max().unwrap_or(0);
                    let inverses = kernels.inverse_distances(&mut recorder, point, F::GENERATOR, log_len)?;
                    distances.0.push((point, inverses));
                }
                let Some(inverses) = distances.get(point) else { continue };
                let fresh = *openings == 0;
                kernels.deep(&mut recorder, &compressed, inverses, claim, scale, fresh, codeword)?;
                *openings += range.len() as u64;
            }
        }
        recorder.submit()?;
        Ok(reduced.into_iter().map(|(codeword, _)| codeword).collect())
    }

    /// FRI: folds the codewords into one short polynomial, and answers the queries.
    fn low_degree(
        &self,
        parameters: &FriParameters<()>,
        challenger: &mut GpuChallenger<'_>,
        codewords: Vec<Codeword>,
        batch_pow_witness: F,
    ) -> Result<OpeningProof, DeviceError> {
        let heights: Vec<usize> = codewords.iter().map(|codeword| codeword.log_len() as usize).collect();
        let log_max = heights.first().copied().unwrap_or(0);
        let shape = FriShape::new(parameters, &heights, log_max);
        let mut transcript = ProverTranscript::<_, F, EF>::new(challenger, shape.clone());
        match self.fold_and_query(parameters, &shape, &mut transcript, codewords) {
            Ok((parts, indices, final_poly, query_pow_witness)) => {
                transcript.finish();
                let (commits, witnesses, foldings) = parts;
                Ok(FriProof {
                    batch_pow_witness,
                    commit_phase_commits: commits,
                    commit_pow_witnesses: witnesses,
                    input_openings: self.input_openings(log_max, &indices)?,
                    commit_phase_openings: self.folding_openings(&foldings, &indices)?,
                    final_poly,
                    query_pow_witness,
                })
            }
            Err(error) => {
                // This transcript alone cannot be aborted, and panics when it is dropped before its end. It holds a few numbers.
                core::mem::forget(transcript);
                Err(error)
            }
        }
    }

    #[allow(clippy::type_complexity)] // The parts of one proof.
    fn fold_and_query(
        &self,
        parameters: &FriParameters<()>,
        shape: &FriShape,
        transcript: &mut ProverTranscript<'_, GpuChallenger<'_>, F, EF>,
        codewords: Vec<Codeword>,
    ) -> Result<((Vec<Cap>, Vec<F>, Vec<Folding>), Vec<usize>, Vec<EF>, F), DeviceError> {
        let kernels = self.kernels;
        let (mut commits, mut witnesses, mut foldings) = (Vec::new(), Vec::new(), Vec::new());
        let mut codewords = codewords.into_iter().peekable();
        let mut folded = match codewords.next() {
            Some(codeword) => codeword,
            None => kernels.codeword(0)?,
        };
        for &log_arity in &shape.log_arities {
            let log_arity = log_arity as u32;
            let mut recorder = kernels.device().record();
            let tree = kernels.codeword_tree(&mut recorder, &folded, log_arity)?;
            recorder.submit()?;
            let commit = cap(kernels, &tree, self.parameters.cap_height)?;
            let (beta, witness) = transcript.commit_round(commit.clone());
            commits.push(commit);
            witnesses.push(witness.unwrap_or(F::ZERO));
            let log_len = folded.log_len() - log_arity;
            let joining = codewords.next_if(|codeword| codeword.log_len() == log_len);
            let mut recorder = kernels.device().record();
            let next = kernels.fold(&mut recorder, &folded, beta, log_arity, joining.as_ref())?;
            recorder.submit()?;
            foldings.push(Folding { codeword: core::mem::replace(&mut folded, next), tree, log_arity });
        }
        // The final polynomial has few coefficients: that many values determine it.
        let mut values = kernels.download_codeword(&folded)?;
        values.truncate(parameters.final_poly_len());
        reverse_slice_index_bits(&mut values);
        let final_poly = Radix2DFTSmallBatch::<F>::default().idft_algebra(values);
        let (indices, witness) = transcript.query_phase(&final_poly);
        Ok(((commits, witnesses, foldings), indices, final_poly, witness.unwrap_or(F::ZERO)))
    }

    /// The rows of every commitment at the queried places.
    fn input_openings(
        &self,
        log_max: usize,
        indices: &[usize],
    ) -> Result<Vec<BatchMultiOpening<F, ValMmcs>>, DeviceError> {
        let open = |round: &Round<'_>| {
            let tree = &round.committed.tree;
            let leaves: Vec<usize> =
                indices.iter().map(|index| index >> (log_max - tree.log_leaves() as usize)).collect();
            Ok(BatchMultiOpening {
                opened_values: round.committed.rows(self.kernels, &leaves)?,
                opening_proof: paths(self.kernels, tree, self.parameters.cap_height, &leaves)?,
            })
        };
        self.rounds.iter().map(open).collect()
    }

    /// The siblings of the queried places in every folding round.
    fn folding_openings(
        &self,
        foldings: &[Folding],
        indices: &[usize],
    ) -> Result<Vec<CommitPhaseMultiStep<EF, ChallengeMmcs>>, DeviceError> {
        let mut indices = indices.to_vec();
        let mut steps = Vec::with_capacity(foldings.len());
        for Folding { codeword, tree, log_arity } in foldings {
            let arity = 1usize << log_arity;
            let leaves: Vec<usize> = indices.iter().map(|index| index >> log_arity).collect();
            let places: Vec<u32> = indices
                .iter()
                .flat_map(|&index| {
                    let group = index & !(arity - 1);
                    (group..group + arity).filter(move |&sibling| sibling != index)
                })
                .flat_map(|element| (0..DEGREE).map(move |c| ((c << codeword.log_len()) + element) as u32))
                .collect();
            let siblings = from_runs(&self.kernels.gather(codeword.buffer(), &places)?);
            steps.push(CommitPhaseMultiStep {
                sibling_values: siblings.chunks_exact(arity - 1).map(<[EF]>::to_vec).collect(),
                opening_proof: paths(self.kernels, tree, self.parameters.cap_height, &leaves)?,
            });
            indices = leaves;
        }
        Ok(steps)
    }
}
