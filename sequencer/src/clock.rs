//! Wall-clock time, as the runtime tells it.

use commonware_runtime::Clock;
use std::time::UNIX_EPOCH;

/// Milliseconds since the Unix epoch; zero for a clock that is set before it.
pub fn unix_ms(clock: &impl Clock) -> u64 {
    let since = clock.current().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
