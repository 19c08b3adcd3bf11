//! What `primitives` promises: encodings that are canonical and pinned, and proofs that only the truth
//! passes. Those who try otherwise are the files in `adversaries/`.

mod accumulators;
mod adversaries;
mod chain_files;
mod draws;
mod encodings;
mod fees;
mod fixtures;
mod inbox;
mod ledgers;
mod merkle_proofs;
mod proofs;
mod registries;
mod reveals;
mod statements;
mod strategies;
