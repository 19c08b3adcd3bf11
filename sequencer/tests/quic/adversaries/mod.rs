//! Peers that do what no honest peer does, one kind a file.

pub mod garbage;
pub mod impostor;
pub mod slow_loris;
