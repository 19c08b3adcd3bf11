//! `SealVerifier` against Plonky3, which it must agree with on every seal.

mod accept;
mod adversary;
mod gas;
mod golden;
