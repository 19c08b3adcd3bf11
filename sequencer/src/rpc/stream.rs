//! A connection's socket, guarded against clients that do not read.
//!
//! While the client takes nothing of what is being sent to it, nothing more is read from it: what it
//! could ask for would only pile up. When that lasts too long, the connection fails.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

/// See the module's first lines.
pub struct GuardedStream {
    socket: TcpStream,
    timeout: Duration,
    /// Runs while a write is blocked.
    blocked: Option<Pin<Box<Sleep>>>,
    /// A reader that waits for the write.
    reader: Option<Waker>,
    failed: bool,
}

impl GuardedStream {
    pub const fn new(socket: TcpStream, timeout: Duration) -> Self {
        Self { socket, timeout, blocked: None, reader: None, failed: false }
    }

    /// Watches the outcome of a write: progress lifts the guard, and the lack of it sets it.
    fn observe<T>(&mut self, context: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.blocked = None;
            self.wake_reader();
            return outcome;
        }
        let timeout = self.timeout;
        let timer = self.blocked.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + timeout)));
        if timer.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.failed = true;
        self.wake_reader();
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if this.blocked.is_some() {
            this.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        Pin::new(&mut this.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write(context, bytes);
        this.observe(context, outcome)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.socket).poll_write_vectored(context, slices);
        this.observe(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    async fn pair(timeout: Duration) -> (GuardedStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (GuardedStream::new(server, timeout), client)
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_cut_off() {
        let (server, mut client) = pair(Duration::from_millis(200)).await;
        client.write_all(b"more to ask").await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(server);
        let writing = tokio::spawn(async move {
            let chunk = vec![0; 1 << 20];
            loop {
                if let Err(error) = writer.write_all(&chunk).await {
                    return error.kind();
                }
            }
        });
        assert_eq!(writing.await.unwrap(), io::ErrorKind::TimedOut);
        assert_eq!(reader.read(&mut [0; 16]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_late_is_served() {
        let (server, mut client) = pair(Duration::from_secs(20)).await;
        client.write_all(b"question").await.unwrap();
        let (mut reader, mut writer) = tokio::io::split(server);
        let bytes = 16 << 20;
        let writing = tokio::spawn(async move { writer.write_all(&vec![1; bytes]).await });
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut received = vec![0; bytes];
        client.read_exact(&mut received).await.unwrap();
        writing.await.unwrap().unwrap();
        let mut question = [0; 8];
        reader.read_exact(&mut question).await.unwrap();
        assert_eq!(&question, b"question");
    }
}
