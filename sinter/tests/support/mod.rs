//! Networks of real processes, and what is done to them.
//!
//! A network lives in a directory of its own and on a loopback address of its own (127.x.y.z, drawn by chance),
//! so that tests do not meet. Whatever is started ends with the value that holds it.

pub mod disk;
pub mod isolation;
pub mod liar;
pub mod links;
pub mod load;
pub mod network;
pub mod node;
pub mod progress;
pub mod relay;
pub mod rpc;
pub mod votes;
