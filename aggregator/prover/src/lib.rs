//! Provers of circuits and programs behind one trait.

pub mod stages;
pub mod variants;
