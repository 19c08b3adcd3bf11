//! The index keeps what is final, whatever happens to the process or the disk under it.

mod contents;
mod crash;
mod identity;
mod pruning;
