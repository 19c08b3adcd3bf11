//! A rollup's node: from what the committee ordered to what the L1 settled, and on from wherever it was stopped.
//!
//! ```text
//!  committee ──▶ follow ──▶ execute ──▶ prove ──▶ hand in ──▶ aggregator
//!      L1    ──▶ inbox  ──▶    │                                  │ settles in the hub
//!                         checkpoint ◀────── advance the contract ◀┘ ──▶ pay withdrawals out
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`sequencer`] | the committee's members, none of whom is trusted |
//! | [`contract`] | the rollup's contract on the L1 |
//! | [`aggregator`] | the interface of a proof-aggregation appliance |
//! | [`checkpoint`] | what is on the disk: a state, and statements that are on their way |
//! | [`node`] | the loop |
//! | [`status`] | what it tells |
//! | [`trace`] | a transaction's trail, checked against the L1 |
//!
//! It knows nothing of any rollup but its [`sinter_rollup::Application`]. `docs/integrating.md` starts one.

pub mod aggregator;
pub mod checkpoint;
pub mod contract;
pub mod node;
pub mod sequencer;
pub mod status;
pub mod trace;

pub use aggregator::Aggregator;
pub use contract::{RollupContract, RollupViews};
pub use node::{Config, NodeError, RollupNode};
pub use sequencer::Sequencers;
pub use status::Status;

/// An error and its causes on one line, fit to be shown to anybody: of URLs only the hosts.
#[must_use]
pub fn told(error: &dyn std::error::Error) -> String {
    without_paths(&causes(error))
}

/// An error and its causes on one line. Errors that already tell their cause are not told twice.
#[must_use]
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    text
}

/// URLs down to their hosts: paths hold the keys of L1 providers, and this is shown to anybody.
fn without_paths(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let is_end = |c: char| c.is_whitespace() || matches!(c, ')' | '"' | '\'' | ',' | '>');
        let url = &after[..after.find(is_end).unwrap_or(after.len())];
        let host = &url[..url.find(['/', '?']).unwrap_or(url.len())];
        // What stands before an `@` are credentials.
        shown.push_str(host.rsplit('@').next().unwrap_or(host));
        if host.len() < url.len() {
            shown.push_str("/…");
        }
        rest = &after[url.len()..];
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_error_shows_no_key_that_is_part_of_a_url() {
        let text =
            "error sending request for url (https://me:word@l1.example:8545/v3/KEY?x=KEY): timed out, at wss://b/KEY";
        let expected = "error sending request for url (https://l1.example:8545/…): timed out, at wss://b/…";
        assert_eq!(super::without_paths(text), expected);
        assert_eq!(super::without_paths("no url: 5 > 3"), "no url: 5 > 3");
    }
}
