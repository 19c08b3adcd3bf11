//! A seal's AIR with everything that verification needs, and what proving needs besides.

use p3_batch_stark::common::{GlobalPreprocessed, PreprocessedInstanceMeta};
use p3_batch_stark::{BatchProof, CommonData, ProverData, StarkInstance, prove_batch, verify_batch};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::Matrix;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::field::Cap;
use sinter_program::shape::TableShape;
use sinter_program::soundness::Report;
use sinter_program::{DagAir, F, ParameterSet, Program, ProgramError, Shape, StatementLayout, WireError, file};
use sinter_recursion::Layout;
use sinter_recursion::layout::LayoutError;
use thiserror::Error;

use crate::config::SealConfig;
use crate::hash::{COLLISION_BITS, Digest, NODE_COLUMNS, Root, keccak256};
use crate::proof::{self, Claim};

/// The first bytes of the preimage of a seal key.
pub const MAGIC: [u8; 4] = *b"SNTS";
/// The version of encoding and transcript, which is part of the seal key.
pub const VERSION: u16 = 1;
/// The public values of a seal: 16 limbs of the statements' Keccak root, and their number.
pub const PUBLIC_VALUES: usize = 17;

/// An AIR that cannot be sealed, or a trace that is not one of it.
#[derive(Debug, Error)]
pub enum SealError {
    /// The AIR, the height or the parameters are out of bounds.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The table cannot be committed or folded.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The AIR's public values are not a root and a count.
    #[error("public values: expected {PUBLIC_VALUES}, got {got}")]
    PublicValues {
        /// How many it has.
        got: usize,
    },
    /// The AIR has no preprocessed columns, or touches no bus: the contract knows neither case.
    #[error("expected an AIR with {0}")]
    Missing(&'static str),
    /// A parameter is outside what the contract knows.
    #[error("parameter {parameter}: expected {min}..={max}, got {got}")]
    Parameter {
        /// The field of [`ParameterSet`].
        parameter: &'static str,
        /// The least value allowed.
        min: u8,
        /// The greatest value allowed.
        max: u8,
        /// The value found.
        got: u8,
    },
    /// A row of a tree would be as long as a node's two digests.
    #[error("expected leaves of another width than {NODE_COLUMNS} columns, as which a node could be read")]
    NodeLeaf,
    /// The contract has no room for it.
    #[error("{what}: expected at most {max}, got {got}")]
    Size {
        /// What is too large.
        what: &'static str,
        /// The most there may be.
        max: usize,
        /// What there is.
        got: usize,
    },
    /// Plonky3 refused to commit or to prove.
    #[error("{0}")]
    Prover(String),
}

/// Bytes that are not a seal under this key.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// They do not decode.
    #[error(transparent)]
    Decode(#[from] WireError),
    /// Plonky3 rejects the proof.
    #[error("rejected: {0}")]
    Rejected(String),
}

/// A seal's AIR at its height, under its parameters, with the root of its preprocessed columns.
#[derive(Clone, Debug)]
pub struct Seal {
    program: Program,
    layout: Layout,
    root: Digest,
    key: [u8; 32],
}

impl Seal {
    /// An AIR and the root of its preprocessed columns.
    ///
    /// # Errors
    /// When it is not an AIR that can be sealed: see [`SealError`].
    pub fn new(air: DagAir, log_height: u8, parameters: ParameterSet, root: Digest) -> Result<Self, SealError> {
        let program = program(air, log_height, parameters)?;
        let layout = Layout::of(program.shape())?;
        if layout.commitments.iter().any(|c| c.leaves.iter().any(|leaf| leaf.lanes == NODE_COLUMNS)) {
            return Err(SealError::NodeLeaf);
        }
        let mut preimage = MAGIC.to_vec();
        preimage.extend_from_slice(&VERSION.to_be_bytes());
        preimage.extend_from_slice(&file::encode(&program));
        preimage.extend_from_slice(&root);
        Ok(Self { program, layout, root, key: keccak256(&preimage) })
    }

    /// The seal key, with which every transcript starts: Keccak-256 of
    ///
    /// ```text
    /// "SNTS" ‖ version (2) ‖ program file ‖ root of the preprocessed columns (26)
    /// ```
    ///
    /// The program file (`docs/proofs.md`, section 2) holds parameters, height and constraints; its own commitment, which
    /// is Poseidon2's, is zero.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// The root of the preprocessed columns.
    #[must_use]
    pub const fn root(&self) -> &Digest {
        &self.root
    }

    /// The AIR as a program of one table.
    #[must_use]
    pub const fn program(&self) -> &Program {
        &self.program
    }

    /// The layout of its proofs.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The one table.
    #[must_use]
    pub fn table(&self) -> &TableShape {
        &self.shape().tables[0]
    }

    /// The shape of its proofs.
    #[must_use]
    pub const fn shape(&self) -> &Shape {
        self.program.shape()
    }

    /// The configuration under which it is proved and verified.
    #[must_use]
    pub fn config(&self) -> SealConfig {
        SealConfig::new(*self.program.parameters(), self.key)
    }

    /// What stock `verify_batch` needs to know besides the AIR. Nothing in it comes from a proof.
    #[must_use]
    pub fn common(&self) -> CommonData<SealConfig> {
        let &TableShape { preprocessed_width: width, log_height: degree_bits, .. } = self.table();
        let preprocessed = GlobalPreprocessed {
            commitment: Root::new(vec![self.root]),
            instances: vec![Some(PreprocessedInstanceMeta { matrix_index: 0, width, degree_bits })],
            matrix_to_instance: vec![0],
        };
        CommonData::new(Some(preprocessed), self.program.lookups().to_vec())
    }

    /// What the parameters prove about it, in bits, with Keccak's shorter digests.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(self.shape()).with_collision_bits(COLLISION_BITS as f64)
    }

    /// Verify a seal: decode it, then stock `verify_batch`.
    ///
    /// # Errors
    /// When the bytes are not the encoding of a proof of this AIR, or it does not verify.
    pub fn verify(&self, bytes: &[u8]) -> Result<Claim, VerifyError> {
        let (claim, proof) = proof::decode(self, bytes)?;
        self.verify_proof(&claim, &proof)?;
        Ok(claim)
    }

    /// Verify a proof that is not encoded.
    ///
    /// # Errors
    /// When stock `verify_batch` rejects it.
    pub fn verify_proof(&self, claim: &Claim, proof: &BatchProof<SealConfig>) -> Result<(), VerifyError> {
        verify_batch(&self.config(), self.program.airs(), proof, &[claim.elements()], &self.common())
            .map_err(|error| VerifyError::Rejected(error.to_string()))
    }
}

/// The AIR as a program of one table, within the bounds of the contract.
fn program(air: DagAir, log_height: u8, parameters: ParameterSet) -> Result<Program, SealError> {
    for (parameter, got, min, max) in [
        ("lookup_pow_bits", parameters.lookup_pow_bits, 1, 24),
        ("ood_pow_bits", parameters.ood_pow_bits, 1, 24),
        ("batch_pow_bits", parameters.batch_pow_bits, 1, 24),
        ("commit_pow_bits", parameters.commit_pow_bits, 0, 0),
        ("query_pow_bits", parameters.query_pow_bits, 1, 24),
        ("max_log_arity", parameters.max_log_arity, 1, 3),
        ("cap_height", parameters.cap_height, 0, 0),
    ] {
        if got < min || got > max {
            return Err(SealError::Parameter { parameter, min, max, got });
        }
    }
    let dag = air.dag();
    if dag.public_values() != PUBLIC_VALUES {
        return Err(SealError::PublicValues { got: dag.public_values() });
    }
    if dag.preprocessed_width() == 0 {
        return Err(SealError::Missing("preprocessed columns"));
    }
    if dag.interactions().is_empty() {
        return Err(SealError::Missing("a bus"));
    }
    let zeros = Cap::new(vec![[F::ZERO; 8]]);
    let air = air.without_preprocessed();
    Ok(Program::new(vec![air], vec![log_height], parameters, StatementLayout::Raw, Some(zeros))?)
}

/// A [`Seal`] and what it takes to prove.
pub struct SealProver {
    seal: Seal,
    air: DagAir,
    data: ProverData<SealConfig>,
}

impl SealProver {
    /// Commit to the AIR's preprocessed columns, which [`DagAir::from_air`] has kept.
    ///
    /// # Errors
    /// As [`Seal::new`]; or when the preprocessed trace is missing or of another height.
    pub fn new(air: DagAir, log_height: u8, parameters: ParameterSet) -> Result<Self, SealError> {
        // The bounds come first: what follows would panic.
        program(air.clone(), log_height, parameters)?;
        let trace = air.preprocessed().ok_or(ProgramError::NoPreprocessed { table: 0 })?;
        let (expected, got) = (1usize << log_height, trace.height());
        if expected != got {
            return Err(ProgramError::PreprocessedHeight { table: 0, expected, got }.into());
        }
        // The key plays no part in a commitment.
        let config = SealConfig::new(parameters, [0; 32]);
        let airs = core::slice::from_ref(&air);
        let data = ProverData::from_airs_and_degrees(&config, airs, &[log_height.into()])
            .map_err(|error| SealError::Prover(format!("{error:?}")))?;
        let global = data.common.preprocessed.as_ref().ok_or(SealError::Missing("preprocessed columns"))?;
        let seal = Seal::new(air.clone(), log_height, parameters, global.commitment.roots()[0])?;
        Ok(Self { seal, air, data })
    }

    /// What verifies its proofs.
    #[must_use]
    pub const fn seal(&self) -> &Seal {
        &self.seal
    }

    /// Prove a trace and encode the proof for calldata. The same trace gives the same bytes.
    ///
    /// # Errors
    /// When the trace has another shape than the AIR, or Plonky3 refuses to prove it. Whether it satisfies the AIR is for
    /// [`Seal::verify`] to say.
    pub fn prove(&self, trace: &RowMajorMatrix<F>, claim: &Claim) -> Result<Vec<u8>, SealError> {
        let proof = self.prove_stock(trace, &claim.elements())?;
        Ok(proof::encode(&self.seal, claim, &proof))
    }

    /// The stock proof of a trace.
    ///
    /// # Errors
    /// As [`SealProver::prove`].
    pub fn prove_stock(
        &self,
        trace: &RowMajorMatrix<F>,
        public_values: &[F],
    ) -> Result<BatchProof<SealConfig>, SealError> {
        let table = self.seal.table();
        for (what, max, got) in
            [("rows", 1 << table.log_height, trace.height()), ("columns", table.main_width, trace.width())]
        {
            if max != got {
                return Err(SealError::Size { what, max, got });
            }
        }
        let airs = core::slice::from_ref(&self.air);
        let (traces, public_values) = ([trace], [public_values.to_vec()]);
        let instances = StarkInstance::new_multiple(airs, &traces, &public_values);
        prove_batch(&self.seal.config(), &instances, &self.data)
            .map_err(|error| SealError::Prover(format!("{error:?}")))
    }
}
