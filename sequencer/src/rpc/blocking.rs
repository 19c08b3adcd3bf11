//! Work that reads the disk or takes long, on threads where it holds nobody up.
//!
//! The runtime has one pool of such threads, and consensus writes its journals on it, in order of arrival. So the
//! interface takes a few of them at a time, whatever clients and subscribers ask for; the rest of its work waits
//! here instead of in front of a vote.

use super::error::{self, RpcFailure};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
};

/// Threads that the interface takes at a time.
const THREADS_MAX: usize = 8;

static THREADS: Semaphore = Semaphore::const_new(THREADS_MAX);

/// Runs `work` on such a thread.
///
/// # Errors
/// When it panicked, or the runtime is stopping.
pub(super) async fn on_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, JoinError> {
    // The semaphore is never closed.
    let permit = THREADS.acquire().await.ok();
    spawn_blocking(move || {
        // Given back when the work is done, even if nobody waits for it any more.
        let _permit = permit;
        work()
    })
    .await
}

/// The same for work that may fail.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcFailure> + Send + 'static,
) -> Result<T, RpcFailure> {
    match on_thread(work).await {
        Ok(outcome) => outcome,
        Err(failed) => Err(RpcFailure(error::internal(&failed))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        time::Duration,
    };

    #[tokio::test]
    async fn few_threads_are_taken_even_for_work_that_nobody_waits_for() {
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let job = || {
            let (now, most) = (now.clone(), most.clone());
            on_thread(move || {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(10));
                now.fetch_sub(1, Ordering::SeqCst);
            })
        };
        // Clients that come and go: their work runs on without them.
        for _ in 0..4 * THREADS_MAX {
            let _ = tokio::time::timeout(Duration::from_millis(1), job()).await;
        }
        let all = futures::future::join_all((0..4 * THREADS_MAX).map(|_| job())).await;
        assert!(all.into_iter().all(|done| done.is_ok()));
        assert!(most.load(Ordering::SeqCst) <= THREADS_MAX);
    }
}
