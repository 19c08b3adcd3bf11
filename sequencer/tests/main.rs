//! Tests of the sequencer from outside.
#![allow(clippy::unwrap_used, missing_docs)]

mod index;
mod support;
