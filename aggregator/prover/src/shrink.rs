//! Shrinking: from the root of a batch to a proof that is cheap to verify once more, for the seal.
//!
//! ```text
//! root, link ──▶ top ──▶ shrink ──▶ narrow ──▶ (the seal)
//! ```
//!
//! Each layer verifies the one before and exposes the same three words of public values, those of the
//! [`top`]. The **top** is in the universal shape, because that is what two verifiers fit. The
//! **shrink** has lower tables and a higher blow-up, the **narrow** one table of few columns and the blow-up at which few
//! positions are opened: what verifies it is half as high again.

use std::sync::Arc;

use sinter_circuit::{CircuitError, Heights, NarrowCircuit, TABLES};
use sinter_program::{Digest, ParameterSet, Program, ProofFile};
use sinter_recursion::top::{self, Top, TopInputError};
use sinter_recursion::wrap::{Wrap, WrapError, WrapInputError};
use sinter_recursion::{NodeKey, Universal};
use thiserror::Error;

use crate::layer::{Layer, LayerError};
use crate::node::{CircuitProofError, Report};
use crate::prover::Prover;

/// Shape and parameters of each layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layers {
    /// The parameters of the shrink.
    pub shrink: ParameterSet,
    /// log2 of the heights of its tables.
    pub shrink_log_heights: [usize; TABLES],
    /// The parameters of the narrow layer.
    pub narrow: ParameterSet,
    /// log2 of the height of its table.
    pub narrow_log_height: usize,
}

impl Layers {
    /// What everything in production has.
    pub const PRODUCTION: Self = Self {
        shrink: ParameterSet::SHRINK,
        shrink_log_heights: [14, 14, 11, 11, 8],
        narrow: ParameterSet::NARROW,
        narrow_log_height: 15,
    };
    /// The same shape, fast: what it proves is next to nothing.
    pub const DEV: Self = Self {
        shrink: ParameterSet::DEV,
        narrow: ParameterSet { queries: 4, ..ParameterSet::DEV },
        narrow_log_height: 14,
        ..Self::PRODUCTION
    };
}

/// Why the layers cannot be set up.
#[derive(Debug, Error)]
pub enum ShrinkerError {
    /// A verifier cannot be recorded, or does not fit.
    #[error("{layer}: {source}")]
    Wrap {
        /// The layer.
        layer: &'static str,
        /// Why.
        source: WrapError,
    },
    /// A circuit does not fit.
    #[error("{layer}: {source}")]
    Circuit {
        /// The layer.
        layer: &'static str,
        /// Why.
        source: CircuitError,
    },
    /// A circuit cannot be proved.
    #[error("{layer}: {source}")]
    Layer {
        /// The layer.
        layer: &'static str,
        /// Why.
        source: LayerError,
    },
}

/// Why a root is not shrunk.
#[derive(Debug, Error)]
pub enum ShrinkError {
    /// Root or link is not what the top verifies.
    #[error(transparent)]
    Top(#[from] TopInputError),
    /// A layer cannot read the proof before it.
    #[error("{layer}: {source}")]
    Input {
        /// The layer.
        layer: &'static str,
        /// Why.
        source: WrapInputError,
    },
    /// A layer rejects the proof before it, or the backend fails.
    #[error("{layer}: {source}")]
    Prove {
        /// The layer.
        layer: &'static str,
        /// Why.
        source: CircuitProofError,
    },
}

/// The three layers between the root of a batch and its seal.
#[derive(Debug)]
pub struct Shrinker<'a> {
    shape: &'a Universal,
    top: (Top, Layer),
    shrink: (Wrap, Layer),
    narrow: (Wrap, NarrowCircuit, Layer),
}

impl<'a> Shrinker<'a> {
    /// Records the circuits and commits to their columns.
    ///
    /// # Errors
    /// When a verifier does not fit into the layer that verifies with it.
    pub fn new(shape: &'a Universal, fold: &NodeKey, links: &[Digest], layers: &Layers) -> Result<Self, ShrinkerError> {
        let wrap = |layer, program: &Program, heights| {
            Wrap::exposing(program, top::WORDS, heights).map_err(|source| ShrinkerError::Wrap { layer, source })
        };
        let circuit = |layer| move |source| ShrinkerError::Circuit { layer, source };
        let set_up = |layer| move |source| ShrinkerError::Layer { layer, source };

        let top = Top::new(shape, fold, links).map_err(circuit("top"))?;
        let top_layer = Layer::new(*shape.parameters(), top.circuit()).map_err(set_up("top"))?;
        let shrink = wrap("shrink", top_layer.program(), Heights::Forced(layers.shrink_log_heights))?;
        let shrink_layer = Layer::new(layers.shrink, shrink.circuit()).map_err(set_up("shrink"))?;
        let narrow = wrap("narrow", shrink_layer.program(), Heights::Smallest)?;
        let narrow_circuit =
            NarrowCircuit::new(Arc::clone(narrow.circuit()), layers.narrow_log_height).map_err(circuit("narrow"))?;
        let narrow_layer = Layer::narrow(layers.narrow, &narrow_circuit).map_err(set_up("narrow"))?;
        Ok(Self {
            shape,
            top: (top, top_layer),
            shrink: (shrink, shrink_layer),
            narrow: (narrow, narrow_circuit, narrow_layer),
        })
    }

    /// The program whose proofs [`shrink`](Self::shrink) makes: what a seal verifies.
    #[must_use]
    pub const fn program(&self) -> &Program {
        self.narrow.2.program()
    }

    /// The programs of all three layers, the lowest first.
    #[must_use]
    pub const fn programs(&self) -> [&Program; 3] {
        [self.top.1.program(), self.shrink.1.program(), self.narrow.2.program()]
    }

    /// Rows that the narrow layer uses.
    #[must_use]
    pub const fn narrow_rows(&self) -> usize {
        self.narrow.1.used()
    }

    /// The three proofs, one after the other; returns the last and what each layer cost.
    ///
    /// # Errors
    /// When root and link are not those of one batch, or the backend fails.
    pub fn shrink(
        &self,
        prover: &dyn Prover,
        root: &ProofFile,
        link: &ProofFile,
    ) -> Result<(ProofFile, [Report; 3]), ShrinkError> {
        let input = |layer| move |source| ShrinkError::Input { layer, source };
        let prove = |layer| move |source| ShrinkError::Prove { layer, source };

        let (top, layer) = &self.top;
        let inputs = top.inputs(self.shape, root, link)?;
        let (proof, first) = layer.prove(prover, top.circuit(), &inputs).map_err(prove("top"))?;
        let (wrap, layer) = &self.shrink;
        let inputs = wrap.inputs(&proof).map_err(input("shrink"))?;
        let (proof, second) = layer.prove(prover, wrap.circuit(), &inputs).map_err(prove("shrink"))?;
        let (wrap, circuit, layer) = &self.narrow;
        let inputs = wrap.inputs(&proof).map_err(input("narrow"))?;
        let (proof, third) = layer.prove_narrow(prover, circuit, &inputs).map_err(prove("narrow"))?;
        Ok((proof, [first, second, third]))
    }
}
