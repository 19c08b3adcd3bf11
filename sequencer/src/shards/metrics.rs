//! How blocks travelled, in numbers.

use metrics::{Counter, counter, describe_counter};

/// Handles to the recorder that was installed when the actor was made.
pub(super) struct Metrics {
    pub sent_whole: Counter,
    pub sent_in_shards: Counter,
    pub kept: Counter,
    pub relayed: Counter,
    /// Of a block that is complete, of a view or an epoch that is over or far ahead, or one too many.
    pub unused: Counter,
    pub rebuilt: Counter,
    /// Shards under one root that are no block: their leader's fault.
    pub broken: Counter,
    pub faults: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        describe_counter!("sinter_blocks_sent_total", "Blocks that this node sent to all others, by form.");
        describe_counter!(
            "sinter_block_shards_total",
            "What was done with shards that came; one may be kept and relayed."
        );
        describe_counter!("sinter_blocks_rebuilt_total", "Blocks for which enough shards came, by what they were.");
        describe_counter!(
            "sinter_block_faults_total",
            "Messages with blocks or shards that no honest seat could have sent."
        );
        Self {
            sent_whole: counter!("sinter_blocks_sent_total", "form" => "whole"),
            sent_in_shards: counter!("sinter_blocks_sent_total", "form" => "shards"),
            kept: counter!("sinter_block_shards_total", "outcome" => "kept"),
            relayed: counter!("sinter_block_shards_total", "outcome" => "relayed"),
            unused: counter!("sinter_block_shards_total", "outcome" => "unused"),
            rebuilt: counter!("sinter_blocks_rebuilt_total", "outcome" => "rebuilt"),
            broken: counter!("sinter_blocks_rebuilt_total", "outcome" => "broken"),
            faults: counter!("sinter_block_faults_total"),
        }
    }
}
