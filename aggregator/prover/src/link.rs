//! Linking: from a batch's statements to a node that says both their roots, Poseidon2's and Keccak's.

use std::fmt;
use std::time::Instant;

use p3_field::PrimeField32;
use sinter_circuit::{CircuitError, Heights};
use sinter_program::field::element;
use sinter_program::{Digest, F, ParameterSet, Program, ProofFile};
use sinter_recursion::link::{Link, LinkInputError};
use sinter_recursion::{NodeError, NodeKey, Statement, Universal};
use thiserror::Error;

use crate::layer::{Layer, LayerError};
use crate::node::{CircuitProofError, Report};
use crate::prover::Prover;
use crate::wrap::{WrapProofError, Wrapper, WrapperError};

/// How many statements a link holds at most. Each has a circuit, hence a key, of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capacity {
    /// 16.
    C16,
    /// 64.
    C64,
    /// 256.
    C256,
    /// 1024.
    C1024,
}

impl Capacity {
    /// All, least first.
    pub const ALL: [Self; 4] = [Self::C16, Self::C64, Self::C256, Self::C1024];

    /// The key of its link in the production shape, which a test recomputes: a constant of the top circuit, so that whoever
    /// seals need not build all links.
    pub fn key(self) -> Digest {
        const KEYS: [[u32; 8]; 4] = [
            [0x122f_31a9, 0x07fc_5892, 0x788a_84bf, 0x4518_0968, 0x40fe_2c24, 0x2a4e_14a2, 0x1951_ca46, 0x6490_5ade],
            [0x7b9b_b25a, 0x2a7f_dbd2, 0x3697_647f, 0x5abc_227d, 0x7a27_5f6d, 0x2910_fb1b, 0x4e89_1d9c, 0x517a_69d3],
            [0x0be9_0851, 0x264f_7e71, 0x685c_ef7f, 0x3d6c_1e10, 0x3d90_fbb4, 0x4b68_386f, 0x4ca3_67ee, 0x252b_d4f1],
            [0x44a4_071d, 0x1c9a_e454, 0x54fb_04e6, 0x1a29_054a, 0x2b37_e8d5, 0x0f44_2c3d, 0x66a0_85d9, 0x7dbf_b857],
        ];
        KEYS[self as usize].map(F::new)
    }

    /// log2 of it.
    #[must_use]
    pub const fn log2(self) -> usize {
        match self {
            Self::C16 => 4,
            Self::C64 => 6,
            Self::C256 => 8,
            Self::C1024 => 10,
        }
    }

    /// The number.
    #[must_use]
    pub const fn statements(self) -> usize {
        1 << self.log2()
    }

    /// The least that holds so many statements.
    #[must_use]
    pub fn of(statements: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|capacity| statements <= capacity.statements())
    }
}

impl fmt::Display for Capacity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.statements())
    }
}

/// Why a linker cannot be set up.
#[derive(Debug, Error)]
pub enum LinkerError {
    /// The link circuit cannot be recorded.
    #[error("link circuit: {0}")]
    Circuit(#[from] CircuitError),
    /// It cannot be proved.
    #[error("link circuit: {0}")]
    Layer(#[from] LayerError),
    /// Its proofs cannot be wrapped.
    #[error("link circuit: {0}")]
    Wrapper(#[from] WrapperError),
}

/// Why statements are not linked.
#[derive(Debug, Error)]
pub enum LinkError {
    /// There are none, or too many.
    #[error(transparent)]
    Input(#[from] LinkInputError),
    /// The backend fails.
    #[error("link: {0}")]
    Prove(#[from] CircuitProofError),
    /// Its proof is not wrapped.
    #[error("link: {0}")]
    Wrap(#[from] WrapProofError),
}

/// Why a proof is not a link's.
#[derive(Debug, Error)]
pub enum LinkedError {
    /// It is not a valid proof of any node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// It is valid, and of another circuit.
    #[error("expected a proof under the link key {expected:?}, got one under {got:?}")]
    OtherKey {
        /// The link key's digest.
        expected: Digest,
        /// The digest of the proof's key.
        got: Digest,
    },
}

/// What a link says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Linked {
    /// The root over the statements, of Poseidon2.
    pub statements_root: Digest,
    /// How many there are.
    pub count: u32,
    /// The root over the same statements, of Keccak.
    pub keccak_root: [u8; 32],
}

impl Linked {
    /// Out of a link's public values.
    #[must_use]
    pub fn of(public_values: &[sinter_program::F]) -> Self {
        let value = |index: usize| public_values.get(index).map_or(0, PrimeField32::as_canonical_u32);
        let mut keccak_root = [0; 32];
        for (limb, bytes) in keccak_root.chunks_exact_mut(2).enumerate() {
            // A limb is below 2^16.
            bytes.copy_from_slice(&value(9 + limb).to_be_bytes()[2..]);
        }
        let statements_root = std::array::from_fn(|index| element(value(index)).unwrap_or_default());
        Self { statements_root, count: value(8), keccak_root }
    }
}

/// Links batches of up to some capacity.
#[derive(Debug)]
pub struct Linker<'a> {
    shape: &'a Universal,
    link: Link,
    layer: Layer,
    wrapper: Wrapper,
}

impl Linker<'static> {
    /// The linker of the production shape.
    ///
    /// # Errors
    /// Never: a test constructs each.
    pub fn new(capacity: Capacity) -> Result<Self, LinkerError> {
        Self::of(Universal::fold(), capacity.log2(), ParameterSet::FOLD, WIDE_HEIGHTS)
    }
}

/// The heights of the layer that verifies a link's proof: 2^15 rows do not hold it, and 2^18, the next of a program's wrap, are
/// four times too many.
pub const WIDE_HEIGHTS: Heights = Heights::Forced([16, 16, 13, 13, 10]);

impl<'a> Linker<'a> {
    /// The linker of another universal shape, for at most 2^`log_capacity` statements, with the parameters of the link's proof
    /// and the heights of the layer that verifies it.
    ///
    /// # Errors
    /// When the circuit cannot be recorded, proved or wrapped.
    pub fn of(
        shape: &'a Universal,
        log_capacity: usize,
        parameters: ParameterSet,
        wide_heights: Heights,
    ) -> Result<Self, LinkerError> {
        let link = Link::new(log_capacity)?;
        let layer = Layer::new(parameters, link.circuit())?;
        let wrapper = Wrapper::with(shape, layer.program(), wide_heights)?;
        Ok(Self { shape, link, layer, wrapper })
    }

    /// The link circuit.
    #[must_use]
    pub const fn link(&self) -> &Link {
        &self.link
    }

    /// The link circuit's tables as a program.
    #[must_use]
    pub const fn program(&self) -> &Program {
        self.layer.program()
    }

    /// What wraps its proofs.
    #[must_use]
    pub const fn wrapper(&self) -> &Wrapper {
        &self.wrapper
    }

    /// The link key.
    #[must_use]
    pub const fn key(&self) -> &NodeKey {
        self.wrapper.key()
    }

    /// Links a list of statements: proves the circuit, and wraps the proof. Two reports: of the first, of the wraps.
    ///
    /// # Errors
    /// When there is no statement or there are too many, or the backend fails.
    pub fn prove(&self, prover: &dyn Prover, statements: &[Statement]) -> Result<(ProofFile, [Report; 2]), LinkError> {
        let (leaf, linked) = self.prove_leaf(prover, statements)?;
        let (proof, wrapped) = self.wrapper.wrap(prover, &leaf)?;
        Ok((proof, [linked, wrapped]))
    }

    /// The link's proof before it is wrapped.
    ///
    /// # Errors
    /// As [`prove`](Self::prove).
    pub fn prove_leaf(&self, prover: &dyn Prover, statements: &[Statement]) -> Result<(ProofFile, Report), LinkError> {
        let start = Instant::now();
        let inputs = self.link.inputs(statements)?;
        let (proof, mut report) = self.layer.prove(prover, self.link.circuit(), &inputs)?;
        report.wall = start.elapsed();
        Ok((proof, report))
    }

    /// Verifies a link's proof: one under this capacity's key.
    ///
    /// # Errors
    /// When it is not one.
    pub fn verify(&self, proof: &ProofFile) -> Result<Linked, LinkedError> {
        let (expected, got) = (self.key().digest, self.shape.verify(proof)?.digest);
        if expected != got {
            return Err(LinkedError::OtherKey { expected, got });
        }
        Ok(Linked::of(&proof.public_values))
    }
}
