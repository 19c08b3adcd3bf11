//! Every kernel against Plonky3, word for word, on whatever adapter there is: a software driver will do.
#![allow(clippy::unwrap_used)]

mod codeword;
mod device;
mod graph;
mod kit;
mod lookup;
mod merkle;
mod ntt;
mod poseidon2;
