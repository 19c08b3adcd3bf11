//! Peers that do what no honest peer does, one kind a file.

pub mod babbler;
pub mod garbage;
pub mod impostor;
pub mod never_reader;
pub mod slow_loris;
