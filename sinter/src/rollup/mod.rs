//! A rollup as a team would run it: its node, which follows the lane and proves it, and its contract on the L1.

pub mod contract;
pub mod node;
