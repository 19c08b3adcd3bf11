//! Tests of the recursion, in one binary.

#![allow(missing_docs, clippy::unwrap_used)]

mod differential;
mod forgeries;
mod link;
mod nodes;
mod puppet;
mod replay;
mod support;
mod toy;
mod verifier;
