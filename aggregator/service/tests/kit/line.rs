//! A line to a server, which falls silent when it is told to. Nobody is told that it does: no connection is closed.

use std::{net::SocketAddr, path::PathBuf};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixStream},
    sync::watch,
};

#[derive(Clone, Copy, Default)]
struct State {
    cut: bool,
    /// Connections with a lower number are forgotten.
    oldest: u64,
    /// Connections so far.
    count: u64,
}

/// A TCP address that leads to a server's socket.
pub struct Line {
    address: SocketAddr,
    state: watch::Sender<State>,
}

impl Line {
    pub async fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = watch::Sender::new(State::default());
        let watched = state.clone();
        tokio::spawn(async move {
            loop {
                let (front, _) = listener.accept().await.unwrap();
                watched.send_modify(|state| state.count += 1);
                let (state, number, socket) = (watched.subscribe(), watched.borrow().count - 1, socket.clone());
                tokio::spawn(async move {
                    let Ok(back) = UnixStream::connect(socket).await else { return };
                    let ((from, to), (back_from, back_to)) = (front.into_split(), back.into_split());
                    tokio::join!(carry(from, back_to, number, state.clone()), carry(back_from, to, number, state));
                });
            }
        });
        Self { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on nothing passes, of old connections or new ones.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cut = true);
    }

    /// What is under way arrives after all, and everything passes again.
    pub fn heal(&self) {
        self.state.send_modify(|state| state.cut = false);
    }

    /// Nothing of the connections that there are passes ever again, as through a firewall that has lost its memory; new ones
    /// are as good as ever.
    pub fn forget(&self) {
        self.state.send_modify(|state| state.oldest = state.count);
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    number: u64,
    mut state: watch::Receiver<State>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(length) = from.read(&mut buffer).await else { return };
        if state.wait_for(|state| !state.cut && number >= state.oldest).await.is_err() {
            return;
        }
        if length == 0 {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
