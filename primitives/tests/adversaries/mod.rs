//! Those who would have a verifier believe what is not so.

mod forged_absence;
mod forged_evidence;
mod forged_hand_over;
mod forged_headers;
mod forged_range;
mod forged_receipt;
