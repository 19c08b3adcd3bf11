//! Rules that no compiler keeps: who may depend on whom, and what a source file may look like.
#![allow(clippy::unwrap_used)]

mod architecture;
mod files;
mod messages;
mod package;
mod tidy;
