//! A link between two nodes, as a UDP relay on loopback: so many bytes a second, so much delay, a short queue.

use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// How far the link may lag behind its rate and still catch up.
const LATENESS: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
pub struct Link {
    pub bytes_per_s: u32,
    pub delay: Duration,
    /// Datagrams that wait for the link at most; more are lost.
    pub queue: usize,
}

/// Relays between one dialer and `listener`; dial the address that is returned.
pub async fn between(link: Link, listener: SocketAddr) -> SocketAddr {
    let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    far.connect(listener).await.unwrap();
    let address = near.local_addr().unwrap();
    let (dialer, known) = tokio::sync::watch::channel(None);

    let forward = pipe(link, {
        let far = far.clone();
        move |datagram| {
            let far = far.clone();
            async move { drop(far.send(&datagram).await) }
        }
    });
    let source = near.clone();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok((length, from)) = source.recv_from(&mut buffer).await {
            dialer.send_replace(Some(from));
            let _ = forward.try_send(buffer[..length].to_vec());
        }
    });
    let backward = pipe(link, move |datagram| {
        let (near, to) = (near.clone(), *known.borrow());
        async move {
            if let Some(to) = to {
                drop(near.send_to(&datagram, to).await);
            }
        }
    });
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        while let Ok(length) = far.recv(&mut buffer).await {
            let _ = backward.try_send(buffer[..length].to_vec());
        }
    });
    address
}

/// One direction: serialises datagrams at the link's rate, then delivers each after the delay.
fn pipe<F, D>(link: Link, deliver: D) -> mpsc::Sender<Vec<u8>>
where
    F: Future<Output = ()> + Send,
    D: Fn(Vec<u8>) -> F + Send + 'static,
{
    let (sender, mut queue) = mpsc::channel::<Vec<u8>>(link.queue);
    let (flying, mut landing) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        let mut free = Instant::now();
        while let Some(datagram) = queue.recv().await {
            let takes = Duration::from_secs_f64(datagram.len() as f64 / f64::from(link.bytes_per_s));
            // Timers are coarse, and a busy machine wakes us late: what the link lost to that, it catches up.
            free = free.max(Instant::now() - LATENESS) + takes;
            sleep_until(free).await;
            if flying.send((free + link.delay, datagram)).is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((due, datagram)) = landing.recv().await {
            sleep_until(due).await;
            deliver(datagram).await;
        }
    });
    sender
}
