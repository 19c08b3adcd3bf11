//! What a committee of real processes survives. What needs no process of its own is tested with the
//! sequencer, deterministically.

mod connections;
mod disk;
mod partition;
mod restart;
