//! From the root of a batch and its link to the seal.
//!
//! ```text
//! root, link ──▶ top ──▶ shrink ──▶ narrow ──▶ seal
//! ```
//!
//! The first three are [`sinter_prover::shrink`]'s. The seal verifies the narrow proof in half as many rows, which are
//! committed to with Keccak.

use std::sync::Arc;
use std::time::{Duration, Instant};

use p3_field::PrimeField32;
use sinter_circuit::{CircuitError, ExecutionError, Heights, NarrowCircuit};
use sinter_program::dag::{DagAir, ExportError};
use sinter_program::{Digest, F, ParameterSet, ProofFile};
use sinter_prover::shrink::{Layers, ShrinkError, Shrinker, ShrinkerError};
use sinter_prover::{Prover, Report};
use sinter_recursion::top;
use sinter_recursion::wrap::{Wrap, WrapError, WrapInputError};
use sinter_recursion::{NodeKey, Universal};
use thiserror::Error;

use crate::proof::Claim;
use crate::seal::{Seal, SealError, SealProver};

/// Shape and parameters of a seal and of the layers below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealLayers {
    /// The layers below.
    pub below: Layers,
    /// The parameters of the seal.
    pub parameters: ParameterSet,
    /// log2 of the height of its table.
    pub log_height: u8,
}

impl SealLayers {
    /// What the contract in production is told.
    pub const PRODUCTION: Self = Self { below: Layers::PRODUCTION, parameters: ParameterSet::SEAL, log_height: 14 };
    /// Seconds instead of a minute, of roots folded in production's shape. Its seals prove next to nothing.
    pub const DEV: Self = Self {
        below: Layers::DEV,
        // The contract checks four grindings: none is left out.
        parameters: ParameterSet {
            log_blowup: 3,
            queries: 6,
            query_pow_bits: 1,
            batch_pow_bits: 1,
            ood_pow_bits: 1,
            lookup_pow_bits: 1,
            log_final_poly_len: 6,
            cap_height: 0,
            ..ParameterSet::DEV
        },
        log_height: 13,
    };
}

/// Why a sealer cannot be set up.
#[derive(Debug, Error)]
pub enum SealerError {
    /// A layer below the seal.
    #[error(transparent)]
    Shrinker(#[from] ShrinkerError),
    /// The verifier of the narrow proof cannot be recorded.
    #[error("seal: {0}")]
    Wrap(#[from] WrapError),
    /// It does not fit the seal's table.
    #[error("seal: {0}")]
    Circuit(#[from] CircuitError),
    /// The table cannot be exported.
    #[error("seal: {0}")]
    Export(#[from] ExportError),
    /// The table cannot be sealed.
    #[error("seal: {0}")]
    Seal(#[from] SealError),
}

/// Why there is no seal of a root.
#[derive(Debug, Error)]
pub enum SealingError {
    /// A layer below the seal refuses.
    #[error(transparent)]
    Shrink(#[from] ShrinkError),
    /// The narrow proof cannot be read.
    #[error("seal: {0}")]
    Input(#[from] WrapInputError),
    /// The circuit rejects the narrow proof.
    #[error("seal: {0}")]
    Execution(#[from] ExecutionError),
    /// The seal cannot be proved.
    #[error("seal: {0}")]
    Seal(#[from] SealError),
    /// The link's limbs are none: its circuit would have to be another.
    #[error("expected 16 limbs below 2^16 and a number of statements, got {got:?}")]
    Claim {
        /// The public values.
        got: Vec<u32>,
    },
}

/// What a seal took.
#[derive(Clone, Copy, Debug, Default)]
pub struct SealReport {
    /// Each layer below: top, shrink, narrow.
    pub below: [Report; 3],
    /// The seal itself.
    pub seal: Duration,
    /// All of them.
    pub wall: Duration,
}

/// Makes seals: every circuit recorded, every fixed column committed to.
pub struct Sealer<'a> {
    shrinker: Shrinker<'a>,
    wrap: Wrap,
    circuit: NarrowCircuit,
    prover: SealProver,
}

impl<'a> Sealer<'a> {
    /// The sealer of batches that were folded under `fold` and linked under one of `links`.
    ///
    /// # Errors
    /// When a verifier does not fit into the layer that verifies with it.
    pub fn new(
        shape: &'a Universal,
        fold: &NodeKey,
        links: &[Digest],
        layers: &SealLayers,
    ) -> Result<Self, SealerError> {
        let shrinker = Shrinker::new(shape, fold, links, &layers.below)?;
        let wrap = Wrap::exposing(shrinker.program(), top::WORDS, Heights::Smallest)?;
        let circuit = NarrowCircuit::new(Arc::clone(wrap.circuit()), layers.log_height.into())?;
        let air = DagAir::from_air(&circuit.air())?;
        let prover = SealProver::new(air, layers.log_height, layers.parameters)?;
        Ok(Self { shrinker, wrap, circuit, prover })
    }

    /// What verifies the seals: its key is what a contract is deployed for.
    #[must_use]
    pub const fn seal(&self) -> &Seal {
        self.prover.seal()
    }

    /// Rows that the narrow layer and the seal use.
    #[must_use]
    pub const fn rows(&self) -> [usize; 2] {
        [self.shrinker.narrow_rows(), self.circuit.used()]
    }

    /// The layers below.
    #[must_use]
    pub const fn shrinker(&self) -> &Shrinker<'a> {
        &self.shrinker
    }

    /// Seals a root with its link; returns the seal's bytes, ready for the contract. They are not verified here.
    ///
    /// # Errors
    /// When root and link are not those of one batch, or a backend fails.
    pub fn prove(
        &self,
        prover: &dyn Prover,
        root: &ProofFile,
        link: &ProofFile,
    ) -> Result<(Vec<u8>, Claim, SealReport), SealingError> {
        let start = Instant::now();
        let (narrow, below) = self.shrinker.shrink(prover, root, link)?;
        let shrunk = start.elapsed();
        let claim = claim(&narrow.public_values)?;
        let witness = self.circuit.execute(&self.wrap.inputs(&narrow)?)?;
        let bytes = self.prover.prove(&self.circuit.trace(&witness), &claim)?;
        let wall = start.elapsed();
        Ok((bytes, claim, SealReport { below, seal: wall - shrunk, wall }))
    }
}

/// What the public values of a top say.
fn claim(public_values: &[F]) -> Result<Claim, SealingError> {
    let refused = || SealingError::Claim { got: public_values.iter().map(PrimeField32::as_canonical_u32).collect() };
    let (limbs, count) = top::read(public_values).ok_or_else(refused)?;
    let mut root = [0; 32];
    for (bytes, limb) in root.chunks_exact_mut(2).zip(limbs) {
        let limb = u16::try_from(limb.as_canonical_u32()).map_err(|_| refused())?;
        bytes.copy_from_slice(&limb.to_be_bytes());
    }
    Ok(Claim { root, count: count.as_canonical_u32() })
}
