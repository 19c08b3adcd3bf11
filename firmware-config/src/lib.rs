//! Firmware settings of a machine: what is wanted of it, as data, and Redfish to plan, apply, verify and take back.
//!
//! A [`profile`] says what is wanted in vendor-neutral words ([`model`]). A [`vendor`]'s map says how its machines spell that.
//! [`redfish`] reads a machine, [`plan`] compares, [`apply`] writes. Profiles and maps are files (`profiles/`, `vendors/`),
//! which are part of the program ([`catalog`]) and which an operator can replace.
//!
//! Rules that hold everywhere:
//!
//! - Nothing is guessed. A setting that a map does not spell, a value that a machine's registry does not have, a manufacturer
//!   that contradicts itself: each is a reason in the plan, or an error, and never a write.
//! - What was there before is on the disk before anything is written ([`journal`]), and so is who asked for what.
//! - What was written is read again. A BMC that says yes and does nothing is an error.
//! - Everything from a BMC is bounded: answers in bytes and time, collections in members, and links to the BMC itself.

pub mod apply;
pub mod catalog;
pub mod certificate;
pub mod error;
pub mod host;
pub mod journal;
pub mod model;
pub mod plan;
pub mod profile;
pub mod redfish;
pub mod report;
#[cfg(test)]
mod schema;
pub mod vendor;

pub use error::FirmwareError;
