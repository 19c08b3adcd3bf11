//! The committee member: transport, ordering, block building, consensus and interface.

pub mod channels;
