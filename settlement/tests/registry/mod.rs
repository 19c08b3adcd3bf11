//! `CommitteeRegistry`: everything that it takes and refuses, and that nothing is made or lost in it.

mod attacks;
mod conservation;
pub mod fixture;
mod following;
mod journey;
mod leaving;
mod operating;
mod parameters;
mod reentrant;
mod refusals;
mod slashing;
