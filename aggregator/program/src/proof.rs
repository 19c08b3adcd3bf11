//! The proof file, `SNTF`: the canonical encoding of a stock `BatchProof`, byte by byte in `docs/proofs.md`.
//!
//! The encoding follows the [`Shape`] of the program that the proof is of. The only lengths it carries are those of the
//! pruned Merkle paths, which depend on the query positions; they are bounded by the shape.

use p3_batch_stark::proof::{BatchCommitments, BatchOpenedValues, BatchProof, OpenedValuesWithLookups};
use p3_fri::{BatchMultiOpening, CommitPhaseMultiStep};
use p3_lookup::LookupTerminal;
use p3_merkle_tree::PrunedMerklePaths;
use p3_uni_stark::{OpenedValues, PreprocessedOpenedValues};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::Config;
use crate::field::{Cap, DIGEST_LEN, Digest, EF, EXTENSION_DEGREE, F, OpeningProof};
use crate::shape::{FoldShape, RoundKind, RoundShape, Shape, TableShape};
use crate::wire::{Reader, WireError, Writer};

/// The first bytes of a proof file.
pub const MAGIC: [u8; 4] = *b"SNTF";
/// The version of the format.
pub const VERSION: u16 = 1;

/// What a proof is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProofKind {
    /// A program; the digest is that of its file.
    Leaf,
    /// A circuit in the universal shape; the digest is that of its key.
    Node,
}

/// The head of a proof file, which says of what it is a proof, and so which shape decodes the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofHeader {
    /// What the proof is of.
    pub kind: ProofKind,
    /// The digest of the program's file, or of the node's key.
    pub digest: Digest,
    /// The public values of all tables in a row, without the zeros at their end.
    pub public_values: Vec<F>,
}

/// A proof and what it is a proof of.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
#[must_use]
pub struct ProofFile {
    /// What the proof is of.
    pub kind: ProofKind,
    /// The digest of the program's file, or of the node's key.
    pub digest: Digest,
    /// The commitment to a node's preprocessed columns, of which `digest` is the digest; none for a leaf.
    pub key: Option<Cap>,
    /// The public values of all tables in a row.
    pub public_values: Vec<F>,
    /// The proof.
    pub proof: BatchProof<Config>,
}

impl core::fmt::Debug for ProofFile {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self { kind, digest, public_values, .. } = self;
        write!(f, "ProofFile {{ kind: {kind:?}, digest: {digest:?}, public_values: {public_values:?}, .. }}")
    }
}

/// A proof that does not have its program's shape, or a proof file that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The file is of another version.
    #[error("expected version {VERSION}, got {got}")]
    Version {
        /// Its version.
        got: u16,
    },
    /// The bytes are not what the format says.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The public values are written with zeros at their end.
    #[error("expected public values without trailing zeros, got {got} with some")]
    TrailingZeros {
        /// How many were written.
        got: usize,
    },
    /// A part of the proof has another length than the program implies.
    #[error("{what}: expected {expected}, got {got}")]
    Shape {
        /// The part.
        what: &'static str,
        /// The length that the program implies.
        expected: usize,
        /// The length found.
        got: usize,
    },
}

impl ProofHeader {
    /// Read the head of a proof file.
    ///
    /// # Errors
    /// When the bytes are not the head of a proof file.
    pub fn read(bytes: &[u8]) -> Result<Self, ProofError> {
        Self::read_from(&mut Reader::new(bytes))
    }

    fn read_from(reader: &mut Reader<'_>) -> Result<Self, ProofError> {
        reader.magic(MAGIC)?;
        let version = reader.u16()?;
        if version != VERSION {
            return Err(ProofError::Version { got: version });
        }
        let kind = reader.u8()?;
        reader.range("kind of proof", kind.into(), 0, 1)?;
        let kind = if kind == 0 { ProofKind::Leaf } else { ProofKind::Node };
        let digest = reader.digest()?;
        let count = reader.u8()?;
        reader.range("public values", count.into(), 0, crate::dag::limits::PUBLIC_VALUES as u64)?;
        let public_values = reader.elements(count.into())?;
        if public_values.last() == Some(&F::default()) {
            return Err(ProofError::TrailingZeros { got: count.into() });
        }
        Ok(Self { kind, digest, public_values })
    }
}

impl ProofFile {
    /// Encode the proof.
    ///
    /// # Errors
    /// When it does not have the shape.
    pub fn encode(&self, shape: &Shape) -> Result<Vec<u8>, ProofError> {
        same("public values", shape.public_values(), self.public_values.len())?;
        same("digests of the key", key_len(self.kind, shape), self.key.as_ref().map_or(0, Cap::num_roots))?;
        conforms(&self.proof, shape)?;
        let mut writer = Writer::default();
        writer.bytes(&MAGIC);
        writer.u16(VERSION);
        writer.u8(match self.kind {
            ProofKind::Leaf => 0,
            ProofKind::Node => 1,
        });
        writer.elements(&self.digest);
        let significant = self.public_values.iter().rposition(|&value| value != F::default()).map_or(0, |i| i + 1);
        writer.u8(significant as u8);
        writer.elements(&self.public_values[..significant]);
        self.key.iter().for_each(|cap| writer.digests(cap.roots()));
        write_proof(&mut writer, &self.proof);
        Ok(writer.finish())
    }

    /// Decode a proof of the given shape.
    ///
    /// # Errors
    /// When the bytes are not exactly the encoding of a proof of that shape. Whether it *verifies* is another question.
    pub fn decode(bytes: &[u8], shape: &Shape) -> Result<Self, ProofError> {
        let mut reader = Reader::new(bytes);
        let ProofHeader { kind, digest, mut public_values } = ProofHeader::read_from(&mut reader)?;
        if public_values.len() > shape.public_values() {
            let (expected, got) = (shape.public_values(), public_values.len());
            return Err(ProofError::Shape { what: "public values", expected, got });
        }
        public_values.resize(shape.public_values(), F::default());
        let digests = key_len(kind, shape);
        let key = (digests > 0).then(|| reader.cap(digests)).transpose()?;
        let proof = read_proof(&mut reader, shape)?;
        reader.finish()?;
        Ok(Self { kind, digest, key, public_values, proof })
    }
}

/// Digests of the key that a proof carries: a node's key is the commitment to its preprocessed columns.
fn key_len(kind: ProofKind, shape: &Shape) -> usize {
    let preprocessed = shape.round(RoundKind::Preprocessed).filter(|_| kind == ProofKind::Node);
    preprocessed.map_or(0, |(_, round)| shape.cap_len(round.log_height()))
}

fn same(what: &'static str, expected: usize, got: usize) -> Result<(), ProofError> {
    if expected == got { Ok(()) } else { Err(ProofError::Shape { what, expected, got }) }
}

/// Check every length in a proof against the shape of its program.
///
/// # Errors
/// Names the first part that does not fit.
pub fn conforms(proof: &BatchProof<Config>, shape: &Shape) -> Result<(), ProofError> {
    let lookups = shape.tables.iter().any(TableShape::has_lookups);
    let BatchProof { commitments, opened_values, opening_proof, lookup_terminals, degree_bits, .. } = proof;
    same("tables (heights)", shape.tables.len(), degree_bits.len())?;
    for (table, &got) in shape.tables.iter().zip(degree_bits) {
        same("log2 of a table's height", table.log_height, got)?;
    }
    let cap = |what, kind, cap: Option<&Cap>| {
        let expected = shape.round(kind).map_or(0, |(_, round)| shape.cap_len(round.log_height()));
        same(what, expected, cap.map_or(0, Cap::num_roots))
    };
    cap("main commitment", RoundKind::Main, Some(&commitments.main))?;
    cap("permutation commitment", RoundKind::Permutation, commitments.permutation.as_ref())?;
    cap("quotient commitment", RoundKind::Quotient, Some(&commitments.quotient_chunks))?;
    same("randomization commitments", 0, commitments.random.iter().count())?;
    same("lookup proofs of work", usize::from(lookups), proof.lookup_pow_witness.iter().count())?;
    same("tables (terminals)", shape.tables.len(), lookup_terminals.len())?;
    same("tables (openings)", shape.tables.len(), opened_values.instances.len())?;
    for ((table, terminal), opened) in shape.tables.iter().zip(lookup_terminals).zip(&opened_values.instances) {
        same("terminal", usize::from(table.has_lookups()), terminal.iter().count())?;
        let OpenedValuesWithLookups { base_opened_values, permutation_local, permutation_next } = opened;
        conforms_base(base_opened_values, table)?;
        let width = table.permutation_width() * EXTENSION_DEGREE;
        same("permutation columns", width, permutation_local.len())?;
        same("permutation columns, next row", width, permutation_next.len())?;
    }
    conforms_opening(opening_proof, shape)
}

fn conforms_base(opened: &OpenedValues<EF>, table: &TableShape) -> Result<(), ProofError> {
    let OpenedValues { trace_local, trace_next, preprocessed, quotient_chunks, random } = opened;
    same("main columns", table.main_width, trace_local.len())?;
    same("main openings of the next row", usize::from(table.main_next), trace_next.iter().count())?;
    trace_next.iter().try_for_each(|next| same("main columns, next row", table.main_width, next.len()))?;
    same("preprocessed openings", usize::from(table.preprocessed_width > 0), preprocessed.iter().count())?;
    if let Some(PreprocessedOpenedValues { local, next }) = preprocessed {
        same("preprocessed columns", table.preprocessed_width, local.len())?;
        same("preprocessed openings of the next row", usize::from(table.preprocessed_next), next.iter().count())?;
        next.iter().try_for_each(|n| same("preprocessed columns, next row", table.preprocessed_width, n.len()))?;
    }
    same("quotient chunks", 1 << table.log_quotient_chunks, quotient_chunks.len())?;
    quotient_chunks.iter().try_for_each(|chunk| same("quotient chunk", EXTENSION_DEGREE, chunk.len()))?;
    same("randomization openings", 0, random.iter().count())
}

fn conforms_opening(proof: &OpeningProof, shape: &Shape) -> Result<(), ProofError> {
    let queries = usize::from(shape.parameters.queries);
    let siblings = |log_height: usize, got: usize| {
        let expected = queries * shape.path_len(log_height);
        if got <= expected { Ok(()) } else { Err(ProofError::Shape { what: "Merkle siblings", expected, got }) }
    };
    same("folding commitments", shape.folds.len(), proof.commit_phase_commits.len())?;
    same("folding proofs of work", shape.folds.len(), proof.commit_pow_witnesses.len())?;
    same("final polynomial", shape.final_poly_len(), proof.final_poly.len())?;
    same("commitments opened", shape.rounds.len(), proof.input_openings.len())?;
    for (round, opening) in shape.rounds.iter().zip(&proof.input_openings) {
        same("queries", queries, opening.opened_values.len())?;
        for rows in &opening.opened_values {
            same("rows of a query", round.matrices.len(), rows.len())?;
            round.matrices.iter().zip(rows).try_for_each(|(m, row)| same("row of a query", m.width, row.len()))?;
        }
        siblings(round.log_height(), opening.opening_proof.sibling_hashes.len())?;
    }
    same("folds", shape.folds.len(), proof.commit_phase_openings.len())?;
    for ((fold, step), commit) in shape.folds.iter().zip(&proof.commit_phase_openings).zip(&proof.commit_phase_commits)
    {
        same("folding commitment", shape.cap_len(fold.log_height), commit.num_roots())?;
        same("queries of a fold", queries, step.sibling_values.len())?;
        let expected = (1 << fold.log_arity) - 1;
        step.sibling_values.iter().try_for_each(|values| same("siblings of a fold", expected, values.len()))?;
        siblings(fold.log_height, step.opening_proof.sibling_hashes.len())?;
    }
    Ok(())
}

/// Write a proof that conforms to its shape.
fn write_proof(writer: &mut Writer, proof: &BatchProof<Config>) {
    let BatchCommitments { main, permutation, quotient_chunks, random: _ } = &proof.commitments;
    writer.digests(main.roots());
    permutation.iter().for_each(|cap| writer.digests(cap.roots()));
    writer.digests(quotient_chunks.roots());
    proof.lookup_pow_witness.iter().for_each(|&witness| writer.element(witness));
    writer.element(proof.ood_pow_witness);
    proof.lookup_terminals.iter().flatten().for_each(|terminal| writer.ext(&terminal.0));
    for opened in &proof.opened_values.instances {
        let OpenedValues { trace_local, trace_next, preprocessed, quotient_chunks, random: _ } =
            &opened.base_opened_values;
        writer.exts(trace_local);
        trace_next.iter().for_each(|next| writer.exts(next));
        if let Some(PreprocessedOpenedValues { local, next }) = preprocessed {
            writer.exts(local);
            next.iter().for_each(|next| writer.exts(next));
        }
        quotient_chunks.iter().for_each(|chunk| writer.exts(chunk));
        writer.exts(&opened.permutation_local);
        writer.exts(&opened.permutation_next);
    }
    let opening = &proof.opening_proof;
    writer.element(opening.batch_pow_witness);
    opening.commit_phase_commits.iter().for_each(|cap| writer.digests(cap.roots()));
    writer.elements(&opening.commit_pow_witnesses);
    writer.exts(&opening.final_poly);
    writer.element(opening.query_pow_witness);
    for round in &opening.input_openings {
        round.opened_values.iter().flatten().for_each(|row| writer.elements(row));
        write_paths(writer, &round.opening_proof);
    }
    for fold in &opening.commit_phase_openings {
        fold.sibling_values.iter().for_each(|values| writer.exts(values));
        write_paths(writer, &fold.opening_proof);
    }
}

fn write_paths(writer: &mut Writer, paths: &PrunedMerklePaths<F, DIGEST_LEN>) {
    writer.count(paths.sibling_hashes.len());
    writer.digests(&paths.sibling_hashes);
}

/// Read a proof of a shape.
fn read_proof(reader: &mut Reader<'_>, shape: &Shape) -> Result<BatchProof<Config>, WireError> {
    let cap = |reader: &mut Reader<'_>, kind| {
        let round = shape.round(kind).map(|(_, round)| shape.cap_len(round.log_height()));
        round.map(|count| reader.cap(count)).transpose()
    };
    // A program has at least one table, so the main and quotient rounds exist; a cap of nothing is never read.
    let main = cap(reader, RoundKind::Main)?.unwrap_or_else(|| Cap::new(vec![Digest::default()]));
    let permutation = cap(reader, RoundKind::Permutation)?;
    let quotient_chunks = cap(reader, RoundKind::Quotient)?.unwrap_or_else(|| Cap::new(vec![Digest::default()]));
    let commitments = BatchCommitments { main, permutation, quotient_chunks, random: None };
    let lookups = shape.tables.iter().any(TableShape::has_lookups);
    let lookup_pow_witness = lookups.then(|| reader.element()).transpose()?;
    let ood_pow_witness = reader.element()?;
    let terminals = shape.tables.iter().map(|table| {
        let terminal = table.has_lookups().then(|| reader.ext()).transpose()?;
        Ok(terminal.map(LookupTerminal))
    });
    let lookup_terminals = terminals.collect::<Result<_, WireError>>()?;
    let instances = shape.tables.iter().map(|table| read_opened(reader, table)).collect::<Result<_, _>>()?;
    Ok(BatchProof {
        commitments,
        opened_values: BatchOpenedValues { instances },
        opening_proof: read_opening(reader, shape)?,
        lookup_terminals,
        degree_bits: shape.tables.iter().map(|table| table.log_height).collect(),
        lookup_pow_witness,
        ood_pow_witness,
    })
}

fn read_opened(reader: &mut Reader<'_>, table: &TableShape) -> Result<OpenedValuesWithLookups<EF>, WireError> {
    let trace_local = reader.exts(table.main_width)?;
    let trace_next = table.main_next.then(|| reader.exts(table.main_width)).transpose()?;
    let preprocessed = match table.preprocessed_width {
        0 => None,
        width => Some(PreprocessedOpenedValues {
            local: reader.exts(width)?,
            next: table.preprocessed_next.then(|| reader.exts(width)).transpose()?,
        }),
    };
    let chunks = 0..1usize << table.log_quotient_chunks;
    let quotient_chunks = chunks.map(|_| reader.exts(EXTENSION_DEGREE)).collect::<Result<_, _>>()?;
    let width = table.permutation_width() * EXTENSION_DEGREE;
    Ok(OpenedValuesWithLookups {
        base_opened_values: OpenedValues { trace_local, trace_next, preprocessed, quotient_chunks, random: None },
        permutation_local: reader.exts(width)?,
        permutation_next: reader.exts(width)?,
    })
}

fn read_opening(reader: &mut Reader<'_>, shape: &Shape) -> Result<OpeningProof, WireError> {
    let batch_pow_witness = reader.element()?;
    let commits = shape.folds.iter().map(|fold| reader.cap(shape.cap_len(fold.log_height)));
    let commit_phase_commits = commits.collect::<Result<_, _>>()?;
    let commit_pow_witnesses = reader.elements(shape.folds.len())?;
    let final_poly = reader.exts(shape.final_poly_len())?;
    let query_pow_witness = reader.element()?;
    let rounds = shape.rounds.iter().map(|round| read_round(reader, shape, round));
    let input_openings = rounds.collect::<Result<_, _>>()?;
    let folds = shape.folds.iter().map(|fold| read_fold(reader, shape, *fold));
    let commit_phase_openings = folds.collect::<Result<_, _>>()?;
    Ok(OpeningProof {
        batch_pow_witness,
        commit_phase_commits,
        commit_pow_witnesses,
        input_openings,
        commit_phase_openings,
        final_poly,
        query_pow_witness,
    })
}

fn read_round(
    reader: &mut Reader<'_>,
    shape: &Shape,
    round: &RoundShape,
) -> Result<BatchMultiOpening<F, crate::field::ValMmcs>, WireError> {
    let queries = 0..shape.parameters.queries;
    let rows = |reader: &mut Reader<'_>| round.matrices.iter().map(|matrix| reader.elements(matrix.width)).collect();
    let opened_values = queries.map(|_| rows(reader)).collect::<Result<_, _>>()?;
    Ok(BatchMultiOpening { opened_values, opening_proof: read_paths(reader, shape, round.log_height())? })
}

fn read_fold(
    reader: &mut Reader<'_>,
    shape: &Shape,
    fold: FoldShape,
) -> Result<CommitPhaseMultiStep<EF, crate::field::ChallengeMmcs>, WireError> {
    let queries = 0..shape.parameters.queries;
    let siblings = (1 << fold.log_arity) - 1;
    let sibling_values = queries.map(|_| reader.exts(siblings)).collect::<Result<_, _>>()?;
    Ok(CommitPhaseMultiStep { sibling_values, opening_proof: read_paths(reader, shape, fold.log_height)? })
}

fn read_paths(
    reader: &mut Reader<'_>,
    shape: &Shape,
    log_height: usize,
) -> Result<PrunedMerklePaths<F, DIGEST_LEN>, WireError> {
    let max = usize::from(shape.parameters.queries) * shape.path_len(log_height);
    let count = reader.count("Merkle siblings", 0, max, 4 * DIGEST_LEN)?;
    Ok(PrunedMerklePaths { sibling_hashes: reader.digests(count)? })
}
