//! The encoding of a seal: a stock `BatchProof`, laid out for calldata.
//!
//! Big-endian throughout; an element is 4 bytes below p, an ext 20, a digest 26. No length is written: the AIR fixes all
//! but the number of distinct query positions, and the transcript decides those.
//!
//! ```text
//! claim      statements' Keccak root (32) · count (4)
//! head       main root · lookup witness (4) · permutation root · quotient root · out-of-domain witness (4)
//!            claimed values (exts, in transcript order) · batching witness (4)
//!            root of every fold · final polynomial (exts) · query witness (4)
//! openings   main, quotient, preprocessed, permutation:
//!              the row of every distinct position, ascending · paths
//! folds      for every fold, every distinct group, ascending:
//!              its members but the one that is known from before; all, if several are
//!            · paths
//! ```
//!
//! Paths are in the order of [`paths`]. The terminal is not written: of a single table it is zero. A group with
//! two queried members is written whole, although its queried members are known: a decoder needs no arithmetic so, and it
//! is rare (20 queries in 2^20 groups).

use p3_batch_stark::BatchProof;
use p3_batch_stark::proof::{BatchCommitments, BatchOpenedValues, OpenedValuesWithLookups};
use p3_field::{PrimeCharacteristicRing, PrimeField32};
use p3_fri::{BatchMultiOpening, CommitPhaseMultiStep};
use p3_lookup::LookupTerminal;
use p3_merkle_tree::PrunedMerklePaths;
use p3_uni_stark::{OpenedValues, PreprocessedOpenedValues};
use sinter_program::field::EXTENSION_DEGREE;
use sinter_program::{EF, F, WireError};
use sinter_recursion::layout::Round;

use crate::config::{OpeningProof, SealConfig};
use crate::hash::{ChallengeMmcs, Digest, Root, ValMmcs};
use crate::seal::Seal;
use crate::wire::{Reader, put_element, put_exts};
use crate::{paths, replay};

/// What a seal says: there are `count` statements, and this is the root of their Keccak tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Claim {
    /// The root.
    pub root: [u8; 32],
    /// The number of statements, below p.
    pub count: u32,
}

impl Claim {
    /// The 17 public values: 16 limbs of two bytes, the first two bytes of the root first, and the count.
    #[must_use]
    pub fn elements(&self) -> Vec<F> {
        let limbs = self.root.chunks_exact(2).map(|limb| F::from_u16(u16::from_be_bytes([limb[0], limb[1]])));
        limbs.chain([F::from_u32(self.count)]).collect()
    }
}

/// Everything that the transcript absorbs.
pub(crate) struct Head {
    pub(crate) main: Digest,
    pub(crate) permutation: Digest,
    pub(crate) quotient: Digest,
    pub(crate) lookup_witness: F,
    pub(crate) ood_witness: F,
    pub(crate) batch_witness: F,
    pub(crate) query_witness: F,
    pub(crate) values: Vec<EF>,
    pub(crate) folds: Vec<Digest>,
    pub(crate) final_poly: Vec<EF>,
}

impl Head {
    /// The root of a commitment.
    pub(crate) const fn root(&self, seal: &Seal, round: Round) -> Digest {
        match round {
            Round::Main => self.main,
            Round::Quotient => self.quotient,
            Round::Preprocessed => *seal.root(),
            Round::Permutation => self.permutation,
        }
    }

    /// The head of a stock proof of the seal's shape.
    fn of(proof: &BatchProof<SealConfig>) -> Self {
        let root = |root: &Root| root.roots()[0];
        let BatchCommitments { main, permutation, quotient_chunks, random: _ } = &proof.commitments;
        let opening = &proof.opening_proof;
        let opened = &proof.opened_values.instances[0];
        let base = &opened.base_opened_values;
        let mut values = base.trace_local.clone();
        values.extend(base.trace_next.iter().flatten());
        values.extend(base.quotient_chunks.iter().flatten());
        if let Some(PreprocessedOpenedValues { local, next }) = &base.preprocessed {
            values.extend(local);
            values.extend(next.iter().flatten());
        }
        values.extend(&opened.permutation_local);
        values.extend(&opened.permutation_next);
        Self {
            main: root(main),
            permutation: permutation.as_ref().map_or([0; 26], root),
            quotient: root(quotient_chunks),
            lookup_witness: proof.lookup_pow_witness.unwrap_or_default(),
            ood_witness: proof.ood_pow_witness,
            batch_witness: opening.batch_pow_witness,
            query_witness: opening.query_pow_witness,
            values,
            folds: opening.commit_phase_commits.iter().map(root).collect(),
            final_poly: opening.final_poly.clone(),
        }
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.main);
        put_element(bytes, self.lookup_witness);
        bytes.extend_from_slice(&self.permutation);
        bytes.extend_from_slice(&self.quotient);
        put_element(bytes, self.ood_witness);
        put_exts(bytes, &self.values);
        put_element(bytes, self.batch_witness);
        self.folds.iter().for_each(|root| bytes.extend_from_slice(root));
        put_exts(bytes, &self.final_poly);
        put_element(bytes, self.query_witness);
    }

    fn read(reader: &mut Reader<'_>, seal: &Seal) -> Result<Self, WireError> {
        let layout = seal.layout();
        let (main, lookup_witness) = (reader.digest()?, reader.element()?);
        let (permutation, quotient) = (reader.digest()?, reader.digest()?);
        let ood_witness = reader.element()?;
        let values = reader.exts(layout.openings.iter().map(|opening| opening.width).sum())?;
        let batch_witness = reader.element()?;
        let folds = reader.digests(layout.rounds.len())?;
        let final_poly = reader.exts(1 << layout.fri.log_final_poly_len)?;
        let query_witness = reader.element()?;
        Ok(Self {
            main,
            permutation,
            quotient,
            lookup_witness,
            ood_witness,
            batch_witness,
            query_witness,
            values,
            folds,
            final_poly,
        })
    }
}

/// Distinct positions, ascending.
pub(crate) fn distinct(positions: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut distinct: Vec<usize> = positions.collect();
    distinct.sort_unstable();
    distinct.dedup();
    distinct
}

/// Encode a proof of the seal's shape, as [`SealProver::prove_stock`](crate::SealProver::prove_stock) makes it.
///
/// # Panics
/// When it has another shape.
#[must_use]
pub fn encode(seal: &Seal, claim: &Claim, proof: &BatchProof<SealConfig>) -> Vec<u8> {
    encode_at(seal, claim, proof, &replay::indices(seal, claim, &Head::of(proof)))
}

/// Encode a proof that is opened at these positions, in the order of its queries, whatever its transcript asks for: what a
/// prover sends that answers other queries.
///
/// # Panics
/// When it has another shape.
#[must_use]
pub fn encode_at(seal: &Seal, claim: &Claim, proof: &BatchProof<SealConfig>, positions: &[usize]) -> Vec<u8> {
    let mut bytes = claim.root.to_vec();
    bytes.extend_from_slice(&claim.count.to_be_bytes());
    Head::of(proof).write(&mut bytes);
    let first = |wanted: usize, shift: usize| positions.iter().position(|&index| index >> shift == wanted);
    let put_paths = |bytes: &mut Vec<u8>, leaves: &[usize], log_height: usize, digests: &[Digest]| {
        let digests = paths::to_walk(leaves, log_height, digests).expect("the digests that these leaves need");
        digests.iter().for_each(|digest| bytes.extend_from_slice(digest));
    };

    let leaves = distinct(positions.iter().copied());
    for (commitment, opening) in seal.layout().commitments.iter().zip(&proof.opening_proof.input_openings) {
        for query in leaves.iter().filter_map(|&leaf| first(leaf, 0)) {
            opening.opened_values[query].iter().flatten().for_each(|&value| put_element(&mut bytes, value));
        }
        put_paths(&mut bytes, &leaves, commitment.log_height(), &opening.opening_proof.sibling_hashes);
    }

    let mut members = leaves;
    let mut shift = 0;
    for (round, step) in seal.layout().rounds.iter().zip(&proof.opening_proof.commit_phase_openings) {
        let groups = distinct(members.iter().map(|member| member >> round.log_arity));
        for &group in &groups {
            let own: Vec<usize> = members.iter().copied().filter(|m| m >> round.log_arity == group).collect();
            let siblings = |member: usize| first(member, shift).map(|query| &step.sibling_values[query]);
            let mut values = siblings(own[0]).cloned().unwrap_or_default();
            if let [one, other, ..] = own[..] {
                // What is known of the first member is among the siblings of the second.
                let within = |member: usize| member % (1 << round.log_arity);
                let value = siblings(other).map_or(EF::ZERO, |values| values[within(one)]);
                values.insert(within(one), value);
            }
            put_exts(&mut bytes, &values);
        }
        put_paths(&mut bytes, &groups, round.log_folded(), &step.opening_proof.sibling_hashes);
        shift += round.log_arity;
        members = groups;
    }
    bytes
}

/// Decode a seal. What it allocates is a small multiple of what it is given.
///
/// # Errors
/// When the bytes are not exactly the encoding of a proof. Whether it *verifies* is another question.
pub fn decode(seal: &Seal, bytes: &[u8]) -> Result<(Claim, BatchProof<SealConfig>), WireError> {
    let mut reader = Reader::new(bytes);
    let (claim, head) = read_claimed(&mut reader, seal)?;
    let positions = replay::indices(seal, &claim, &head);
    let input_openings = read_openings(&mut reader, seal, &positions)?;
    let commit_phase_openings = read_folds(&mut reader, seal, &positions)?;
    reader.finish()?;
    Ok((claim, assemble(seal, head, input_openings, commit_phase_openings)))
}

/// The claim and the head of a seal.
pub(crate) fn read_head(seal: &Seal, bytes: &[u8]) -> Result<(Claim, Head), WireError> {
    read_claimed(&mut Reader::new(bytes), seal)
}

fn read_claimed(reader: &mut Reader<'_>, seal: &Seal) -> Result<(Claim, Head), WireError> {
    let root = reader.array()?;
    let claim = Claim { root, count: reader.element()?.as_canonical_u32() };
    Ok((claim, Head::read(reader, seal)?))
}

fn read_paths(
    reader: &mut Reader<'_>,
    leaves: &[usize],
    log_height: usize,
) -> Result<PrunedMerklePaths<u8, 26>, WireError> {
    let digests = reader.digests(paths::count(leaves, log_height))?;
    let sibling_hashes = paths::from_walk(leaves, log_height, &digests).unwrap_or_default();
    Ok(PrunedMerklePaths { sibling_hashes })
}

fn read_openings(
    reader: &mut Reader<'_>,
    seal: &Seal,
    positions: &[usize],
) -> Result<Vec<BatchMultiOpening<F, ValMmcs>>, WireError> {
    let leaves = distinct(positions.iter().copied());
    let openings = seal.layout().commitments.iter().map(|commitment| {
        let row = |reader: &mut Reader<'_>| {
            commitment.matrices.iter().map(|matrix| reader.elements(matrix.width)).collect::<Result<Vec<_>, _>>()
        };
        let rows = leaves.iter().map(|_| row(reader)).collect::<Result<Vec<_>, _>>()?;
        let opening_proof = read_paths(reader, &leaves, commitment.log_height())?;
        let of = |position: &usize| rows[leaves.partition_point(|leaf| leaf < position)].clone();
        Ok(BatchMultiOpening { opened_values: positions.iter().map(of).collect(), opening_proof })
    });
    openings.collect()
}

fn read_folds(
    reader: &mut Reader<'_>,
    seal: &Seal,
    positions: &[usize],
) -> Result<Vec<CommitPhaseMultiStep<EF, ChallengeMmcs>>, WireError> {
    let mut positions = positions.to_vec();
    let folds = seal.layout().rounds.iter().map(|round| {
        let arity = 1 << round.log_arity;
        let members = distinct(positions.iter().copied());
        let groups = distinct(members.iter().map(|member| member >> round.log_arity));
        let known = |group: usize| members.iter().filter(|&&member| member >> round.log_arity == group).count();
        let values = groups.iter().map(|&group| reader.exts(if known(group) > 1 { arity } else { arity - 1 }));
        let values = values.collect::<Result<Vec<_>, _>>()?;
        let opening_proof = read_paths(reader, &groups, round.log_folded())?;
        let siblings = |&position: &usize| {
            let group = groups.partition_point(|&group| group < position >> round.log_arity);
            let mut values = values[group].clone();
            if values.len() == arity {
                let _ = values.remove(position % arity);
            }
            values
        };
        let sibling_values = positions.iter().map(siblings).collect();
        positions.iter_mut().for_each(|position| *position >>= round.log_arity);
        Ok(CommitPhaseMultiStep { sibling_values, opening_proof })
    });
    folds.collect()
}

/// The stock proof of its parts.
fn assemble(
    seal: &Seal,
    head: Head,
    input_openings: Vec<BatchMultiOpening<F, ValMmcs>>,
    commit_phase_openings: Vec<CommitPhaseMultiStep<EF, ChallengeMmcs>>,
) -> BatchProof<SealConfig> {
    let table = seal.table();
    let root = |root: Digest| Root::new(vec![root]);
    let mut rest = head.values.into_iter();
    let mut take = |count: usize| -> Vec<EF> { rest.by_ref().take(count).collect() };
    let trace_local = take(table.main_width);
    let trace_next = table.main_next.then(|| take(table.main_width));
    let quotient_chunks = (0..1 << table.log_quotient_chunks).map(|_| take(EXTENSION_DEGREE)).collect();
    let preprocessed = PreprocessedOpenedValues {
        local: take(table.preprocessed_width),
        next: table.preprocessed_next.then(|| take(table.preprocessed_width)),
    };
    let width = table.permutation_width() * EXTENSION_DEGREE;
    let opened = OpenedValuesWithLookups {
        base_opened_values: OpenedValues {
            trace_local,
            trace_next,
            preprocessed: Some(preprocessed),
            quotient_chunks,
            random: None,
        },
        permutation_local: take(width),
        permutation_next: take(width),
    };
    BatchProof {
        commitments: BatchCommitments {
            main: root(head.main),
            permutation: Some(root(head.permutation)),
            quotient_chunks: root(head.quotient),
            random: None,
        },
        opened_values: BatchOpenedValues { instances: vec![opened] },
        opening_proof: OpeningProof {
            batch_pow_witness: head.batch_witness,
            commit_pow_witnesses: vec![F::ZERO; head.folds.len()],
            commit_phase_commits: head.folds.into_iter().map(root).collect(),
            input_openings,
            commit_phase_openings,
            final_poly: head.final_poly,
            query_pow_witness: head.query_witness,
        },
        lookup_terminals: vec![Some(LookupTerminal(EF::ZERO))],
        degree_bits: vec![table.log_height],
        lookup_pow_witness: Some(head.lookup_witness),
        ood_pow_witness: head.ood_witness,
    }
}
