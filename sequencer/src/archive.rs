//! Where blocks and certificates come from: the node's marshal, or a map in a test.

use futures::future::BoxFuture;
use sinter_primitives::{Block, Certificate};
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Reads that an archive is asked for at a time.
const READS_MAX: usize = 4;

/// Final blocks and their certificates, by height.
pub trait Archive: Send + Sync {
    /// The block at `height`, if this node holds it.
    fn block(&self, height: u64) -> BoxFuture<'_, Option<Arc<Block>>>;

    /// The finalization of the block at `height`. A height that was finalized with a later one only
    /// has none.
    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>>;
}

/// An archive that is asked for a few reads at a time; the others wait here, in order.
///
/// Marshal answers readers in the loop that consensus depends on, one after the other. What clients ask for
/// must not stand in a queue in front of what consensus does.
pub struct Bounded {
    archive: Arc<dyn Archive>,
    turns: Semaphore,
}

impl Bounded {
    /// Bounds the reads of `archive`.
    #[must_use]
    pub fn new(archive: Arc<dyn Archive>) -> Self {
        Self { archive, turns: Semaphore::new(READS_MAX) }
    }

    async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.turns.acquire().await.ok()
    }
}

impl Archive for Bounded {
    fn block(&self, height: u64) -> BoxFuture<'_, Option<Arc<Block>>> {
        Box::pin(async move {
            let _turn = self.turn().await?;
            self.archive.block(height).await
        })
    }

    fn certificate(&self, height: u64) -> BoxFuture<'_, Option<Certificate>> {
        Box::pin(async move {
            let _turn = self.turn().await?;
            self.archive.certificate(height).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Takes its time, and counts who waits for it.
    #[derive(Default)]
    struct Slow {
        now: AtomicUsize,
        most: AtomicUsize,
        all: AtomicUsize,
    }

    impl Slow {
        async fn read<T>(&self) -> Option<T> {
            self.most.fetch_max(self.now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.now.fetch_sub(1, Ordering::SeqCst);
            self.all.fetch_add(1, Ordering::SeqCst);
            None
        }
    }

    impl Archive for Slow {
        fn block(&self, _height: u64) -> BoxFuture<'_, Option<Arc<Block>>> {
            Box::pin(self.read())
        }

        fn certificate(&self, _height: u64) -> BoxFuture<'_, Option<Certificate>> {
            Box::pin(self.read())
        }
    }

    #[tokio::test]
    async fn few_reads_wait_in_the_archive_however_many_ask() {
        let slow = Arc::new(Slow::default());
        let bounded = Bounded::new(slow.clone());
        let blocks = futures::future::join_all((0..100).map(|height| bounded.block(height)));
        let certificates = futures::future::join_all((0..100).map(|height| bounded.certificate(height)));
        futures::join!(blocks, certificates);
        assert_eq!(slow.all.load(Ordering::SeqCst), 200);
        assert_eq!(slow.most.load(Ordering::SeqCst), READS_MAX);
    }
}
