//! The client against BMCs of our own: each vendor's manners, and those that misbehave.
#![allow(clippy::unwrap_used)]

mod applies;
mod certificates;
mod drift;
mod host;
mod lies;
mod mock;
mod pending;
mod rejects;
mod rolls_back;
mod sessions;
#[cfg(feature = "sushy")]
mod sushy;
mod times_out;
mod wrong_vendor;
