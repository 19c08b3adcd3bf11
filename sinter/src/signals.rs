//! What ends the program from outside: SIGINT, SIGTERM, and for a child the end of its parent.

use std::io::{self, Read};
use tokio::signal::unix::{SignalKind, signal};

/// Returns at the first SIGINT or SIGTERM, and names it.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn interrupted() -> io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("SIGINT"),
        _ = terminate.recv() => Ok("SIGTERM"),
    }
}

/// Returns when this process is told to stop, by a signal or, where that is asked for, by its input's end; says how.
pub async fn told_to_stop(with_input: bool) -> &'static str {
    let input = async {
        if with_input {
            input_ended().await;
            "its parent ended"
        } else {
            std::future::pending().await
        }
    };
    tokio::select! {
        signal = interrupted() => signal.unwrap_or("no signal handler"),
        reason = input => reason,
    }
}

/// Returns when standard input ends. A parent holds the other end of a pipe there: however it ends, even
/// by SIGKILL, the pipe closes, and its children follow it.
async fn input_ended() {
    let (ended, wait) = tokio::sync::oneshot::channel();
    // A thread of its own: a blocking read would keep the runtime from shutting down.
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let mut input = io::stdin().lock();
        while !matches!(input.read(&mut buffer), Ok(0) | Err(_)) {}
        // The receiver is gone when the program ends for another reason.
        let _ = ended.send(());
    });
    let _ = wait.await;
}
