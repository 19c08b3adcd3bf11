//! Whatever happens to the service: nothing is lost, nothing is twice in a batch, nobody waits for somebody else's fault.

mod altered_blob;
mod chaos;
mod clock_jumps;
mod database_restart;
mod full_disk;
mod junk_proofs;
mod killed_worker;
mod partitioned_database;
mod racing_boxes;
