//! The tests of `sinter-program`: AIRs as data against stock Plonky3, the file formats, and soundness.

#![allow(clippy::unwrap_used)]

mod codec;
mod equivalence;
mod ext;
mod forgeries;
mod program;
mod soundness;
mod toy;
