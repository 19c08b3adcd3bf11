//! Begins handshakes and never ends them: full TLS, then silence where the hello should be.

use super::impostor::{Attempt, Impostor};
use crate::quic::harness::CHAIN;
use std::net::SocketAddr;
use tokio::task::JoinSet;

pub struct SlowLoris {
    attempts: JoinSet<Option<Attempt>>,
}

/// Opens `count` connections to `address`, each with its own key, that go no further than TLS.
pub async fn start(address: SocketAddr, count: u64) -> SlowLoris {
    let mut attempts = JoinSet::new();
    for seed in 0..count {
        attempts.spawn(async move { Impostor::new(1000 + seed, CHAIN).try_connect(address).await.ok() });
    }
    SlowLoris { attempts }
}

impl SlowLoris {
    /// Waits until all are past TLS. They hang for as long as the answer is held.
    pub async fn all_waiting(self) -> Vec<Attempt> {
        let attempts: Vec<Attempt> = self.attempts.join_all().await.into_iter().flatten().collect();
        assert!(!attempts.is_empty(), "nobody got as far as TLS");
        attempts
    }
}
