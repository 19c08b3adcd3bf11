//! What several tests stand on.

pub mod chain;
pub mod node;
pub mod ports;
