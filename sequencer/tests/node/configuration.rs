//! What only the chain can tell about a configuration is found before anything starts.

use super::committee::Committee;
use sinter_primitives::Parameters;
use sinter_sequencer::{config::ConfigError, node};

/// The index must know every transaction that could be ordered again: after a restart nothing else does.
#[test]
fn retention_below_the_expiry_window_is_refused() {
    let parameters = Parameters { expiry_blocks: 2_000, ..Parameters::default() };
    let committee = Committee::with(1, parameters);
    let mut config = committee.configs[0].clone();
    config.retention_blocks = 1_999;
    let error = node::run(config, None, async {}).unwrap_err();
    let node::NodeError::Config(ConfigError::OutOfRange { key, got, .. }) = &error else { panic!("{error}") };
    assert_eq!((key.as_str(), got.as_str()), ("retention_blocks", "1999"));
}
