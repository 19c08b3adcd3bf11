//! What a committee of real processes survives, one fault a file. What needs no process of its own is tested
//! with the sequencer, deterministically.

mod away_long;
mod begins_late;
mod connection_flood;
mod duplicate_signer;
mod full_disk;
mod kill_restart_loop;
mod lost_votes;
mod partition_healed;
mod slow_link;
mod torn_journal;
mod two_down;
mod upgrade;
