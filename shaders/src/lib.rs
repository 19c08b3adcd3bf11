//! The GPU: WGSL kernels for KoalaBear, its degree-5 extension, Poseidon2, transforms, Merkle trees, lookups, constraints and FRI,
//! and the crate that owns the device they run on.
//!
//! - [`Adapter`] says which GPUs there are; [`Device`] is one of them, open: its memory (accounted for, and within a budget), its
//!   compiled kernels, and lists of dispatches ([`Recorder`]).
//! - [`Kernels`] is a device with everything that it can do. Each operation is a method, next to the type that it works on:
//!   [`Columns`] are matrices, [`Codeword`]s are vectors over the challenge field, [`Tree`]s are Merkle trees, and a
//!   [`graph::Graph`] is whatever has to be evaluated on every row.
//!
//! Every kernel is one file in `wgsl/`, which names its reference in Plonky3 and computes the same words, bit for bit: all
//! arithmetic is exact and every result is reduced, so the order of sums does not matter. Nothing here knows a protocol.
//!
//! A device that fails says so in a typed error ([`DeviceError`]) at the next call; nothing panics, and nothing falls back by
//! itself.

#![deny(missing_docs)]

pub mod adapter;
pub mod codeword;
pub mod columns;
pub mod device;
pub mod error;
pub mod graph;
pub mod kernel;
pub mod kernels;
pub mod lookup;
pub mod measure;
pub mod merkle;
pub mod ntt;
mod pipelines;
mod poseidon2;
mod self_test;
mod timestamps;
pub mod words;

pub use adapter::{Adapter, Choice, Kind};
pub use codeword::{Codeword, Weights};
pub use columns::Columns;
pub use device::{Buffer, Device, Options, Recorder, Sabotage};
pub use error::DeviceError;
pub use kernel::Arithmetic;
pub use kernels::Kernels;
pub use measure::{Measured, Speed};
pub use merkle::Tree;
pub use ntt::Span;
pub use self_test::SelfTestError;
pub use timestamps::{KernelTime, KernelTimes};
