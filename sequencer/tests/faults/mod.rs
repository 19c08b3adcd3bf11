//! Committees under faults, on the deterministic runtime: the real engine and application, a simulated
//! network, and time that moves as fast as the machine allows. A failure prints its seed; `SINTER_SEED`
//! replays it.

mod cluster;
mod journal;
mod liar;

mod agreement;
mod byzantine;
mod catch_up;
mod censor;
mod checkpoint;
mod draw;
mod epochs;
mod evidence;
mod fees;
mod forced;
mod garbage;
mod halt;
mod ledgers;
mod lying_proposer;
mod partition;
mod restart;
mod shards;
mod torn_journal;
mod twins;
mod upgrade;
mod validity;
