//! The remote signer, by whoever would have it sign twice, and by a node that votes through it.

mod harness;

mod away;
mod conflicts;
mod link;
mod standing_by;
