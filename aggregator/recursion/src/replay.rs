//! The native side of the circuit: what the verifier circuit is told, computed from a proof.
//!
//! The circuit checks everything, so nothing here is trusted and nothing here rejects a proof for its *values*: a
//! proof that native verification refuses still replays (unless its structure is wrong) and is refused by the circuit.
//! This is what lets the differential test compare the two verifiers.
//!
//! 1. Walk the transcript's steps with the stock permutation, keeping every absorbed block, every challenge and the
//!    query indices.
//! 2. Un-prune the Merkle openings: each query gets its own full path.
//! 3. Compute each query's reduced openings and walk its folds, to complete every FRI row with the queried element.

use p3_field::coset::TwoAdicMultiplicativeCoset;
use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, PrimeField32, TwoAdicField};
use p3_matrix::Dimensions;
use p3_symmetric::Permutation;
use p3_util::reverse_bits_len;
use rayon::prelude::*;
use sinter_program::field::{Digest, EXTENSION_DEGREE, Perm, RATE, WIDTH, permutation, val_mmcs};
use sinter_program::{EF, F};
use thiserror::Error;

use crate::layout::{Layout, Point};
use crate::plan::{Cap, Challenge, Grind, Step};
use crate::proof::{ProofParts, ProofShapeError, QueriedRows, lanes};

/// Why a proof gives no circuit inputs.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Its structure is not the program's.
    #[error(transparent)]
    Shape(#[from] ProofShapeError),
    /// Its pruned paths do not fit the query indices.
    #[error("pruned paths of {what}: {source}")]
    Paths {
        /// The tree.
        what: &'static str,
        /// What Plonky3 says.
        source: p3_merkle_tree::MerkleTreeError,
    },
    /// A denominator is zero, where an honest challenge is so with probability 2^-150.
    #[error("a challenge meets the evaluation domain")]
    Degenerate,
}

/// Challenges drawn from the transcript.
#[derive(Clone, Debug, Default)]
pub struct Challenges {
    /// Batches openings.
    pub batch: EF,
    /// The out-of-domain point.
    pub zeta: EF,
    /// Folds, one a round.
    pub fold: Vec<EF>,
}

/// One query's data.
#[derive(Clone, Debug)]
pub struct Query {
    /// Index in the tallest domain.
    pub index: usize,
    /// Per commitment, per leaf (tallest first): the lanes of the leaf's rows.
    pub leaves: Vec<Vec<Vec<F>>>,
    /// Per commitment: siblings from the leaves up to the cap.
    pub paths: Vec<Vec<Digest>>,
    /// Per FRI round: the lanes of the whole group.
    pub groups: Vec<Vec<F>>,
    /// Per FRI round: siblings up to the cap.
    pub group_paths: Vec<Vec<Digest>>,
    /// What the folds end in; an accepted proof's final polynomial has this value.
    pub folded: EF,
}

/// Everything that the circuit is told about one proof.
#[derive(Clone, Debug)]
pub struct Replay {
    /// Blocks absorbed by the transcript, in order, zero-filled.
    pub blocks: Vec<[F; RATE]>,
    /// Challenges.
    pub challenges: Challenges,
    /// Queries.
    pub queries: Vec<Query>,
}

/// Plonky3's duplex challenger, keeping the blocks that it absorbs.
struct Duplex {
    permutation: Perm,
    state: [F; WIDTH],
    input: Vec<F>,
    output: Vec<F>,
    blocks: Vec<[F; RATE]>,
}

impl Duplex {
    fn new() -> Self {
        let state = [F::ZERO; WIDTH];
        Self { permutation: permutation(), state, input: Vec::new(), output: Vec::new(), blocks: Vec::new() }
    }

    fn duplex(&mut self) {
        if !self.input.is_empty() {
            let mut block = [F::ZERO; RATE];
            block[..self.input.len()].copy_from_slice(&self.input);
            self.state[..RATE].copy_from_slice(&block);
            self.state[RATE] += F::from_usize(self.input.len());
            self.input.clear();
            self.blocks.push(block);
        }
        self.permutation.permute_mut(&mut self.state);
        self.output = self.state[..RATE].to_vec();
    }

    fn observe(&mut self, values: &[F]) {
        for &value in values {
            self.output.clear();
            self.input.push(value);
            if self.input.len() == RATE {
                self.duplex();
            }
        }
    }

    fn sample(&mut self) -> F {
        if !self.input.is_empty() || self.output.is_empty() {
            self.duplex();
        }
        self.output.pop().unwrap_or(F::ZERO)
    }

    fn sample_ext(&mut self) -> EF {
        EF::from_basis_coefficients_fn(|_| self.sample())
    }
}

impl Replay {
    /// Replays a proof under the digest that pre-feeds its transcript.
    ///
    /// # Errors
    /// When pruned paths do not fit, or a challenge lands on an evaluation domain.
    pub fn new(layout: &Layout, digest: &Digest, parts: &ProofParts<'_>) -> Result<Self, ReplayError> {
        let (blocks, challenges, indices) = transcript(layout, digest, parts);
        let paths = parts
            .rows
            .par_iter()
            .enumerate()
            .map(|(c, rows)| commitment_paths(layout, c, &indices, rows))
            .collect::<Result<Vec<_>, _>>()?;
        let reduced = reduced_openings(layout, parts, &challenges, &indices)?;
        let (groups, ends): (Vec<_>, Vec<EF>) =
            fold_groups(layout, parts, &challenges, &indices, &reduced)?.into_iter().unzip();
        let group_paths = (0..layout.rounds.len())
            .into_par_iter()
            .map(|r| round_paths(layout, parts, r, &indices, &groups))
            .collect::<Result<Vec<_>, _>>()?;
        let queries = indices
            .iter()
            .enumerate()
            .map(|(q, &index)| Query {
                index,
                leaves: (0..layout.commitments.len()).map(|c| leaf_lanes(layout, c, &parts.rows[c].rows[q])).collect(),
                paths: paths.iter().map(|p| p[q].clone()).collect(),
                groups: groups[q].clone(),
                group_paths: group_paths.iter().map(|p| p[q].clone()).collect(),
                folded: ends[q],
            })
            .collect();
        Ok(Self { blocks, challenges, queries })
    }
}

/// Walks the steps.
fn transcript(layout: &Layout, digest: &Digest, parts: &ProofParts<'_>) -> (Vec<[F; RATE]>, Challenges, Vec<usize>) {
    let mut duplex = Duplex::new();
    let mut challenges = Challenges::default();
    let mut indices = Vec::new();
    for step in layout.transcript() {
        match step {
            Step::Digest => duplex.observe(digest),
            Step::Constants(values) => duplex.observe(&values),
            Step::Cap(Cap::Commitment(c)) => parts.caps[c].roots().iter().for_each(|d| duplex.observe(d)),
            Step::Cap(Cap::Fri(r)) => parts.fri_caps[r].roots().iter().for_each(|d| duplex.observe(d)),
            Step::Publics(table) => duplex.observe(parts.publics[table]),
            Step::Terminal(table) => {
                duplex.observe(parts.terminals[table].unwrap_or_default().as_basis_coefficients_slice());
            }
            Step::Opening(opening) => duplex.observe(&lanes(parts.openings[opening])),
            Step::FinalPoly => duplex.observe(&lanes(parts.final_poly)),
            Step::Grind(grind, _) => {
                duplex.observe(&[witness(parts, grind)]);
                // The drawn element's low bits are for the verifier to check.
                let _ = duplex.sample();
            }
            Step::Challenge(challenge) => {
                let value = duplex.sample_ext();
                match challenge {
                    Challenge::Batch => challenges.batch = value,
                    Challenge::Zeta => challenges.zeta = value,
                    Challenge::Fold(_) => challenges.fold.push(value),
                    Challenge::LookupAlpha | Challenge::LookupBeta | Challenge::Constraints => {}
                }
            }
            Step::Indices => {
                let mask = (1u32 << layout.index_bits()) - 1;
                indices =
                    (0..layout.fri.num_queries).map(|_| (duplex.sample().as_canonical_u32() & mask) as usize).collect();
            }
        }
    }
    (duplex.blocks, challenges, indices)
}

/// The grinding witness of a step.
pub fn witness(parts: &ProofParts<'_>, grind: Grind) -> F {
    match grind {
        Grind::Lookup => parts.lookup_witness,
        Grind::OutOfDomain => parts.ood_witness,
        Grind::Batch => parts.batch_witness,
        Grind::Commit(round) => parts.commit_witnesses[round],
        Grind::Query => parts.query_witness,
    }
}

fn leaf_lanes(layout: &Layout, commitment: usize, rows: &[Vec<F>]) -> Vec<Vec<F>> {
    let leaves = &layout.commitments[commitment].leaves;
    leaves.iter().map(|leaf| leaf.matrices.iter().flat_map(|&m| rows[m].iter().copied()).collect()).collect()
}

fn commitment_paths(
    layout: &Layout,
    c: usize,
    indices: &[usize],
    rows: &QueriedRows<'_>,
) -> Result<Vec<Vec<Digest>>, ReplayError> {
    let commitment = &layout.commitments[c];
    let dims = commitment.matrices.iter().map(|m| Dimensions { width: m.width, height: 1 << m.log_height });
    let shift = layout.index_bits() - commitment.log_height();
    let indices: Vec<usize> = indices.iter().map(|i| i >> shift).collect();
    val_mmcs(layout.fri.cap_height)
        .restore_and_recompute_paths(&dims.collect::<Vec<_>>(), &indices, rows.rows, rows.paths)
        .map(|paths| paths.into_iter().map(|p| p.siblings).collect())
        .map_err(|source| ReplayError::Paths { what: "a commitment", source })
}

fn round_paths(
    layout: &Layout,
    parts: &ProofParts<'_>,
    r: usize,
    indices: &[usize],
    groups: &[Vec<Vec<F>>],
) -> Result<Vec<Vec<Digest>>, ReplayError> {
    let round = layout.rounds[r];
    let dims = [Dimensions { width: EXTENSION_DEGREE << round.log_arity, height: 1 << round.log_folded() }];
    let shift = layout.index_bits() - round.log_folded();
    let indices: Vec<usize> = indices.iter().map(|i| i >> shift).collect();
    let rows: Vec<Vec<Vec<F>>> = groups.iter().map(|g| vec![g[r].clone()]).collect();
    val_mmcs(layout.fri.cap_height)
        .restore_and_recompute_paths(&dims, &indices, &rows, parts.siblings[r].paths)
        .map(|paths| paths.into_iter().map(|p| p.siblings).collect())
        .map_err(|source| ReplayError::Paths { what: "a FRI round", source })
}

/// Horner evaluation, low coefficients first.
fn horner<'a>(values: impl DoubleEndedIterator<Item = &'a EF>, x: EF) -> EF {
    values.rev().fold(EF::ZERO, |acc, &v| acc * x + v)
}

/// Per query, per height (tallest first): the reduced opening.
fn reduced_openings(
    layout: &Layout,
    parts: &ProofParts<'_>,
    challenges: &Challenges,
    indices: &[usize],
) -> Result<Vec<Vec<EF>>, ReplayError> {
    let alpha = challenges.batch;
    let starts: Vec<EF> = layout.openings.iter().map(|o| alpha.exp_u64(o.ladder as u64)).collect();
    let claimed: Vec<EF> = parts.openings.iter().map(|v| horner(v.iter(), alpha)).collect();
    let reduce = |(q, &index): (usize, &usize)| {
        let mut sums = vec![[EF::ZERO; 2]; layout.log_heights.len()];
        for (o, opening) in layout.openings.iter().enumerate() {
            let row = &parts.rows[opening.commitment].rows[q][opening.matrix];
            let opened = row.iter().rev().fold(EF::ZERO, |acc, &v| acc * alpha + v);
            let h = layout.log_heights.iter().position(|&h| h == opening.log_height).unwrap_or(0);
            sums[h][usize::from(opening.point == Point::Next)] += starts[o] * (claimed[o] - opened);
        }
        let heights = layout.log_heights.iter().zip(sums);
        heights
            .map(|(&log_height, [zeta, next])| {
                let reduced = index >> (layout.index_bits() - log_height);
                let exponent = reverse_bits_len(reduced, log_height) as u64;
                let x = F::GENERATOR * F::two_adic_generator(log_height).exp_u64(exponent);
                let generator = F::two_adic_generator(log_height - layout.fri.log_blowup);
                let at_zeta = (challenges.zeta - x).try_inverse().ok_or(ReplayError::Degenerate)?;
                let at_next = (challenges.zeta * generator - x).try_inverse().ok_or(ReplayError::Degenerate)?;
                Ok(zeta * at_zeta + next * at_next)
            })
            .collect()
    };
    indices.par_iter().enumerate().map(reduce).collect()
}

/// A query's lanes of each round's whole group, and its last fold.
type FoldedQuery = (Vec<Vec<F>>, EF);

/// Folds every query.
fn fold_groups(
    layout: &Layout,
    parts: &ProofParts<'_>,
    challenges: &Challenges,
    indices: &[usize],
    reduced: &[Vec<EF>],
) -> Result<Vec<FoldedQuery>, ReplayError> {
    let fold = |(q, &index): (usize, &usize)| {
        let mut index = index;
        let mut folded = reduced[q][0];
        let mut groups = Vec::with_capacity(layout.rounds.len());
        for (r, round) in layout.rounds.iter().enumerate() {
            let own = index % (1 << round.log_arity);
            let mut group = parts.siblings[r].siblings[q].clone();
            group.insert(own, folded);
            index >>= round.log_arity;
            let beta = challenges.fold[r];
            folded = fold_group(&group, index, round.log_folded(), round.log_arity, beta)?;
            if round.rolls_in {
                let h = layout.log_heights.iter().position(|&h| h == round.log_folded()).unwrap_or(0);
                folded += beta.exp_power_of_2(round.log_arity) * reduced[q][h];
            }
            groups.push(lanes(&group));
        }
        Ok((groups, folded))
    };
    indices.par_iter().enumerate().map(fold).collect()
}

/// Interpolates a group (in bit-reversed order on a coset) and evaluates at `beta`, one halving at a time.
fn fold_group(group: &[EF], index: usize, log_folded: usize, log_arity: usize, beta: EF) -> Result<EF, ReplayError> {
    let start = F::two_adic_generator(log_folded + log_arity).exp_u64(reverse_bits_len(index, log_folded) as u64);
    let coset = TwoAdicMultiplicativeCoset::new(start, log_arity).ok_or(ReplayError::Degenerate)?;
    let mut points: Vec<F> = coset.iter().collect();
    p3_util::reverse_slice_index_bits(&mut points);
    let mut values = group.to_vec();
    let mut beta = beta;
    while values.len() > 1 {
        let half = F::ONE.halve();
        let folded = values.chunks_exact(2).zip(points.chunks_exact(2)).map(|(v, x)| {
            let even = (v[0] + v[1]) * half;
            let odd = (v[0] - v[1]) * (half * x[0].inverse());
            even + odd * beta
        });
        values = folded.collect();
        points = points.chunks_exact(2).map(|x| x[0].square()).collect();
        beta = beta.square();
    }
    Ok(values[0])
}
