//! The names and meanings of what the node core counts.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use std::time::Instant;

/// Blocks that this node refused to vote for, by the `rule` that they break.
pub const BLOCKS_INVALID: &str = "sinter_blocks_invalid_total";
/// Looks at the clock that found a valid block too far ahead of it.
pub const VOTES_DELAYED: &str = "sinter_votes_delayed_by_clock_total";
/// Seconds that the last block of a member was ahead of this clock when it was checked, by `peer`: below zero by what it was on its way.
pub const BLOCK_AHEAD_SECONDS: &str = "sinter_block_ahead_seconds";
/// Seconds from a block's timestamp until this node has it indexed as final.
pub const FINALITY_SECONDS: &str = "sinter_finality_seconds";
/// Time that each part of a block's way takes, by `stage`.
pub const BLOCK_STAGE_SECONDS: &str = "sinter_block_stage_seconds";
/// Transactions that became final.
pub const TRANSACTIONS_FINALIZED: &str = "sinter_transactions_finalized_total";
/// Number of the L1 block that the last final block names.
pub const L1_ORIGIN_HEIGHT: &str = "sinter_l1_origin_height";
/// Entries of the forced inbox that are ordered.
pub const INBOX_CURSOR: &str = "sinter_inbox_cursor";
/// Whether the node has a seat in the epoch that it is in.
pub const SEATED: &str = "sinter_seated";
/// Seats that those who are registered could fill, and that their stake is too uneven for.
pub const SEATS_UNCOVERED: &str = "sinter_seats_uncovered";
/// Views that the committee gave up, by `peer` who led them.
pub const VIEWS_NULLIFIED: &str = "sinter_views_nullified_total";
/// Proven faults of members, by `kind`.
pub const FAULTS: &str = "sinter_faults_total";
/// Votes that were not cast because the signer was away or refused.
pub const VOTES_ABSTAINED: &str = "sinter_votes_abstained_total";
/// Wei that a byte costs in the next block.
pub const BASE_FEE_WEI: &str = "sinter_base_fee_wei";
/// Wei that are left of what a namespace prepaid, by namespace.
pub const NAMESPACE_BALANCE_WEI: &str = "sinter_namespace_balance_wei";
/// The rules that the last final block obeys.
pub const PROTOCOL: &str = "sinter_protocol";
/// The rules that the next epoch's blocks obey.
pub const PROTOCOL_NEXT: &str = "sinter_protocol_next";
/// The last rules that this node takes part in.
pub const PROTOCOL_MAX: &str = "sinter_protocol_max";
/// Seats of this epoch, and of the next one, by `epoch`, that are ready for the rules after this epoch's.
pub const PROTOCOL_READY_SEATS: &str = "sinter_protocol_ready_seats";
/// Bytes that are free under the data directory.
pub const DISK_FREE_BYTES: &str = "sinter_disk_free_bytes";

/// A `kind` of [`FAULTS`]: two blocks notarized in one view.
pub const CONFLICTING_NOTARIZE: &str = "conflicting_notarize";
/// A `kind` of [`FAULTS`]: two blocks finalized in one view.
pub const CONFLICTING_FINALIZE: &str = "conflicting_finalize";
/// A `kind` of [`FAULTS`]: a view both given up and finalized.
pub const NULLIFY_FINALIZE: &str = "nullify_finalize";

/// Names every metric to the recorder. What alerts look at begins with zero: of a counter that appears with its first event,
/// Prometheus does not see that it grew.
pub fn describe() {
    describe_counter!(BLOCKS_INVALID, Unit::Count, "Proposed blocks refused, by the rule that they break");
    describe_counter!(VOTES_DELAYED, Unit::Count, "Waits for this node's clock before a vote");
    describe_gauge!(
        BLOCK_AHEAD_SECONDS,
        Unit::Seconds,
        "How far a member's last block was ahead of this clock, by member"
    );
    describe_histogram!(FINALITY_SECONDS, Unit::Seconds, "Time from a block's timestamp until it is indexed as final");
    describe_histogram!(BLOCK_STAGE_SECONDS, Unit::Seconds, "Time that each part of a block's way takes, by stage");
    describe_counter!(TRANSACTIONS_FINALIZED, Unit::Count, "Transactions that became final");
    describe_gauge!(L1_ORIGIN_HEIGHT, Unit::Count, "Number of the L1 block that the last final block names");
    describe_gauge!(INBOX_CURSOR, Unit::Count, "Entries of the forced inbox that are ordered");
    describe_gauge!(BASE_FEE_WEI, Unit::Count, "Wei that a byte costs in the next block");
    describe_gauge!(NAMESPACE_BALANCE_WEI, Unit::Count, "What is left of what a namespace prepaid, by namespace");
    describe_gauge!(SEATED, Unit::Count, "Whether this node has a seat in this epoch's committee");
    describe_gauge!(SEATS_UNCOVERED, Unit::Count, "Seats that the stake of those registered is too uneven for");
    describe_counter!(VIEWS_NULLIFIED, Unit::Count, "Views that ended without a block, by who led");
    describe_counter!(FAULTS, Unit::Count, "Proven faults of committee members: two votes that exclude each other");
    describe_counter!(VOTES_ABSTAINED, Unit::Count, "Votes not cast because the signer was away or refused");
    describe_gauge!(PROTOCOL, Unit::Count, "Protocol of the last final block");
    describe_gauge!(PROTOCOL_NEXT, Unit::Count, "Protocol of the next epoch's blocks");
    describe_gauge!(PROTOCOL_MAX, Unit::Count, "Last protocol that this node takes part in");
    describe_gauge!(
        PROTOCOL_READY_SEATS,
        Unit::Count,
        "Seats that are ready for the protocol after this one, by epoch"
    );
    describe_gauge!(DISK_FREE_BYTES, Unit::Bytes, "Free space under the data directory");
    counter!(VOTES_DELAYED).absolute(0);
    counter!(VOTES_ABSTAINED).absolute(0);
    for kind in [CONFLICTING_NOTARIZE, CONFLICTING_FINALIZE, NULLIFY_FINALIZE] {
        counter!(FAULTS, "kind" => kind).absolute(0);
    }
}

/// Does `work` and records how long it took as a stage of a block's way.
pub fn timed<T>(stage: &'static str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let outcome = work();
    histogram!(BLOCK_STAGE_SECONDS, "stage" => stage).record(started.elapsed());
    outcome
}
