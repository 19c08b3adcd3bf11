//! Redfish: talking to a BMC, and reading what it knows of a machine.

pub mod client;
pub mod machine;
mod read;
