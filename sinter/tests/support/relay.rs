//! A bad line: datagrams between two nodes pass through here, late, out of order, or not at all.
//!
//! In user space, so that it needs no privilege and no kernel module. Each datagram's fate comes from a seeded
//! generator, one for each direction.

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{net::UdpSocket, runtime::Runtime, sync::Semaphore, time::sleep};

/// Datagrams that are under way in one direction at most; a line that is full loses the rest.
const IN_FLIGHT_MAX: usize = 4096;
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// How bad.
#[derive(Clone, Copy, Debug)]
pub struct Quality {
    /// The least time that a datagram takes.
    pub delay: Duration,
    /// The most that is added to it, so that datagrams overtake each other.
    pub jitter: Duration,
    /// The part of them that is lost, in percent.
    pub loss_percent: u32,
}

/// Lines from any number of nodes to any number of nodes.
pub struct Relays {
    runtime: Runtime,
    quality: Quality,
    seed: u64,
}

impl Relays {
    /// No lines yet.
    pub fn new(quality: Quality, seed: u64) -> Self {
        println!("lines: {quality:?}, seed {seed}");
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { runtime, quality, seed }
    }

    /// A line to `node`: what is sent to the address that this gives goes there, and the answers come back.
    /// For one caller.
    pub fn line_to(&mut self, node: SocketAddr) -> SocketAddr {
        let quality = self.quality;
        self.seed += 2;
        let (out_seed, back_seed) = (self.seed, self.seed + 1);
        self.runtime.block_on(async move {
            let front = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
            let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap());
            let address = front.local_addr().unwrap();
            let caller = Arc::new(Mutex::new(None));
            let seen = caller.clone();
            let out = move |from| {
                *seen.lock().unwrap() = Some(from);
                Some(node)
            };
            tokio::spawn(carry(front.clone(), back.clone(), out, quality, out_seed));
            tokio::spawn(carry(back, front, move |_| *caller.lock().unwrap(), quality, back_seed));
            address
        })
    }
}

/// Carries datagrams one way. `route` says where one that came from an address goes.
async fn carry(
    from: Arc<UdpSocket>,
    to: Arc<UdpSocket>,
    route: impl Fn(SocketAddr) -> Option<SocketAddr>,
    quality: Quality,
    seed: u64,
) {
    let mut random = StdRng::seed_from_u64(seed);
    let places = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
    loop {
        // A node that is away answers with an ICMP error, which is no reason to stop.
        let Ok((length, sender)) = from.recv_from(&mut buffer).await else { continue };
        let jitter = quality.jitter.mul_f64(random.random());
        let lost = random.random_range(0..100) < quality.loss_percent;
        let (Some(receiver), false) = (route(sender), lost) else { continue };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (datagram, to) = (buffer[..length].to_vec(), to.clone());
        tokio::spawn(async move {
            sleep(quality.delay + jitter).await;
            let _ = to.send_to(&datagram, receiver).await;
            drop(place);
        });
    }
}
