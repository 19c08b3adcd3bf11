//! `RollupSettlement` and its inbox.

mod broken_chain;
pub mod fixture;
mod foreign_statement;
mod inbox;
mod reentrant;
mod settling;
mod stale_header;
mod withdrawing;
mod worst_block;
