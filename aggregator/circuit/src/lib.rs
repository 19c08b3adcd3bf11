//! Circuits over KoalaBear: a builder, five tables joined by one memory bus, and an executor.
//!
//! # The machine
//!
//! A circuit computes **words**: write-once cells of eight base limbs ([`Word`]), among them extension elements ([`Ext`],
//! five limbs) and base elements ([`Base`], one limb). Five tables do the work, and one LogUp bus makes all rows that
//! name an address carry one word there (see [`tables`]):
//!
//! | table | a row |
//! |---|---|
//! | Poseidon2 | one permutation: sponge, compression, Merkle step, injection; the Horner sum of what it absorbs |
//! | Alu | two relations d = a·b + c over the extension |
//! | Bits | one canonical bit of two values, the rest of the value, a product over the bits |
//! | Window | three windows: limbs k.. of two words as a word |
//! | Boundary | a constant, or eight of the 64 public values |
//!
//! A circuit that hashes with Keccak has two tables more, Bytes (the big-endian bytes of a word) and Keccak (24 rows a
//! permutation), on the same bus. It is not in the universal shape.
//!
//! # From code to proof
//!
//! ```
//! use sinter_circuit::{Builder, Heights, Inputs};
//! # use sinter_circuit::EF;
//! # use p3_field::PrimeCharacteristicRing;
//! let mut builder = Builder::new();
//! let root = builder.input_ext();
//! let square = builder.mul(root, root);
//! builder.expose(0, square);
//! let circuit = builder.finish(Heights::Smallest)?;
//!
//! let mut inputs = Inputs::new();
//! inputs.push_ext(EF::TWO);
//! let witness = circuit.execute(&inputs)?;
//! assert_eq!(witness.publics()[0], sinter_circuit::F::from_u8(4));
//! // circuit.airs(), circuit.traces(&witness) and circuit.public_values(&witness) go to a prover.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Deviations from the obvious
//!
//! - [`Builder::assert_eq`] takes no row: the two words get one address.
//! - A leaf's values never touch the bus: they feed the hash and the Horner sum of their row. [`Sum`] says what it is.
//! - Within a run of leaves the accumulator is not reset; the builder subtracts what was there before (one operation).
//! - Inputs are hints. An [`input_ext`](Builder::input_ext) or [`input_base`](Builder::input_base) that no table would
//!   show to be one gets a window that does.

mod builder;
mod circuit;
mod error;
mod execute;
mod field;
mod finish;
pub mod narrow;
pub mod permutation;
mod record;
pub mod tables;

pub use builder::{BitsOut, BitsSpec, Builder, Chain, LeafOut, LeafSpec, MerkleSpec, PUBLIC_WORDS, Sum};
pub use circuit::{Circuit, Heights, Inputs, PUBLIC_VALUES, TableRows, Witness};
pub use error::{CircuitError, ExecutionError};
pub use field::{DEGREE, EF, F, LIMBS};
pub use narrow::{NarrowAir, NarrowCircuit};
pub use record::{Base, Bytes32, CapRef, Ext, Item, Lane, Len, Word};
pub use tables::{TABLES, TableAir, TableKind};
