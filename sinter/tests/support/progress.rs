//! How steadily final blocks come.

use super::node::height;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A watch over nodes that must not stand still together.
pub struct Progress {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Duration>>,
}

impl Progress {
    /// Watches the highest of these nodes' heads.
    pub fn watch(nodes: Vec<SocketAddr>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let (mut highest, mut since, mut longest) = (0, Instant::now(), Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                let now = nodes.iter().filter_map(|node| height(*node)).max().unwrap_or(0);
                longest = longest.max(since.elapsed());
                if now > highest {
                    (highest, since) = (now, Instant::now());
                }
                sleep(LOOK_INTERVAL);
            }
            longest
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends it, and gives the longest time without a new final block.
    pub fn longest_pause(mut self) -> Duration {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().unwrap()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
