//! Committees under faults, on the deterministic runtime: the real engine and application, a simulated
//! network, and time that moves as fast as the machine allows. A failure prints its seed; `SINTER_SEED`
//! replays it.

mod cluster;

mod agreement;
