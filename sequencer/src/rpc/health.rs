//! Whether the node does its work: what `GET /health` and `sinter_status` say.

use super::types::{Ailment, Health};
use crate::handle::Handle;
use std::time::{SystemTime, UNIX_EPOCH};

/// Looks at the node's vital signs now.
pub(super) fn examine(handle: &Handle, behind_blocks_max: u64) -> Health {
    let (status, now_ms) = (&handle.status, now_ms());
    let mut ailments = Vec::new();
    if status.finalized_at_ms().is_none() {
        ailments.push(Ailment::Starting);
    }
    if status.is_stalled(now_ms) {
        ailments
            .push(Ailment::Stalled { since_ms: since_finalized_ms(handle, now_ms), bound_ms: status.stall_bound_ms() });
    }
    let blocks = status.finalized_height().saturating_sub(handle.index.tip().header.height);
    if blocks > behind_blocks_max {
        ailments.push(Ailment::Behind { blocks });
    }
    Health { healthy: ailments.is_empty(), ailments }
}

/// Milliseconds since something became final, or since the node started.
pub(super) fn since_finalized_ms(handle: &Handle, now_ms: u64) -> u64 {
    now_ms.saturating_sub(handle.status.finalized_at_ms().unwrap_or(handle.status.started_ms()))
}

/// Milliseconds since the Unix epoch; zero for a clock that is set before it.
pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
