//! How much each peer may make this node read.

use commonware_cryptography::ed25519::PublicKey;
use std::{collections::HashMap, time::SystemTime};

/// A bucket of bytes for each peer: it holds one second's worth, and refills as time passes.
#[derive(Debug)]
pub(super) struct Intake {
    bytes_per_second_max: u64,
    /// Bytes left, and when that was so. As many as there are peers.
    buckets: HashMap<PublicKey, (u64, SystemTime)>,
}

impl Intake {
    pub fn new(bytes_per_second_max: u64) -> Self {
        Self { bytes_per_second_max, buckets: HashMap::new() }
    }

    /// Whether `peer` may make this node read `bytes` bytes now; if so, they are taken off.
    pub fn admit(&mut self, now: SystemTime, peer: &PublicKey, bytes: usize) -> bool {
        let full = self.bytes_per_second_max;
        if !self.buckets.contains_key(peer) {
            self.buckets.insert(peer.clone(), (full, now));
        }
        let Some((left, at)) = self.buckets.get_mut(peer) else { return false };
        // A clock that was set back refills nothing.
        let elapsed_us = now.duration_since(*at).map_or(0, |elapsed| elapsed.as_micros());
        let refill = u128::from(full).saturating_mul(elapsed_us) / 1_000_000;
        *left = left.saturating_add(u64::try_from(refill).unwrap_or(u64::MAX)).min(full);
        *at = now;
        let Some(rest) = left.checked_sub(bytes as u64) else { return false };
        *left = rest;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_cryptography::{Signer, ed25519::PrivateKey};
    use std::time::Duration;

    #[test]
    fn a_second_of_bytes_at_once_and_then_as_time_passes() {
        let peers = [1, 2].map(|seed| PrivateKey::from_seed(seed).public_key());
        let start = SystemTime::UNIX_EPOCH;
        let mut intake = Intake::new(1_000);
        assert!(intake.admit(start, &peers[0], 1_000));
        assert!(!intake.admit(start, &peers[0], 1));
        assert!(intake.admit(start, &peers[1], 1_000), "each peer has its own");
        assert!(!intake.admit(start + Duration::from_millis(99), &peers[0], 100));
        assert!(intake.admit(start + Duration::from_millis(200), &peers[0], 100));
        assert!(!intake.admit(start + Duration::from_secs(60), &peers[0], 1_001), "never more than a second's");
    }
}
