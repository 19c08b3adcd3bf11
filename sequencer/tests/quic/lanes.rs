//! What channels owe each other: nothing. What a channel owes itself: order.

use super::{
    harness::{LIMIT, config, key, message, metric, pair, pair_with, run},
    link::{self, Link},
};
use commonware_runtime::IoBufs;
use commonware_stream::{Receiver as _, Sender as _};
use sinter_sequencer::{
    channels::{ALL, BLOCKS, TRANSACTIONS, VOTES},
    quic::{QuicConfig, SendError},
};
use std::time::{Duration, Instant};

fn channel_of(message: &IoBufs) -> u64 {
    let mut first = Vec::new();
    message.for_each_chunk(|chunk| first.extend_from_slice(&chunk[..chunk.len().min(2)]));
    u64::from(first[1])
}

/// As to another host, over Ethernet.
fn ethernet(seed: u64) -> QuicConfig {
    let network = config(seed);
    QuicConfig { mtu_loopback_max: 1452, initial_window_loopback_bytes: network.initial_window_bytes, ..network }
}

#[test]
fn votes_overtake_a_block_on_a_slow_link() {
    run(|context| async move {
        // 4 MB/s: the block alone takes over a second.
        let link = Link { bytes_per_s: 4_000_000, delay: Duration::from_millis(5), queue: 64 };
        let mut pair = pair_with(&context, ethernet(1), ethernet(2), |to| link::between(link, to)).await;
        pair.near.0.send(message(BLOCKS, &vec![1; 5 << 20])).await.unwrap();
        let mut waits = Vec::new();
        let block_took = {
            let started = Instant::now();
            let reading = async {
                let mut votes = 0;
                loop {
                    let received = pair.far.1.recv().await.unwrap();
                    if channel_of(&received) == BLOCKS {
                        assert_eq!(received.len(), 2 + (5 << 20));
                        return (started.elapsed(), votes);
                    }
                    let bytes = received.coalesce();
                    let sent = Duration::from_nanos(u64::from_be_bytes(bytes.as_ref()[2..10].try_into().unwrap()));
                    waits.push(started.elapsed() - sent);
                    votes += 1;
                }
            };
            let voting = async {
                loop {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let now = started.elapsed().as_nanos() as u64;
                    pair.near.0.send(message(VOTES, &now.to_be_bytes())).await.unwrap();
                }
            };
            let (took, votes) = tokio::select! {
                outcome = reading => outcome,
                () = voting => unreachable!(),
            };
            assert!(votes >= 10, "{votes} votes while the block was on its way");
            took
        };
        waits.sort();
        let (median, worst) = (waits[waits.len() / 2], waits[waits.len() - 1]);
        assert!(block_took > Duration::from_secs(1), "the block took {block_took:?}");
        // The link's own queue holds 64 datagrams: 23 ms at this rate.
        assert!(median < Duration::from_millis(100), "median {median:?}");
        assert!(worst < block_took / 2, "worst {worst:?} of {block_took:?}");
    });
}

#[test]
fn each_channel_keeps_its_order_under_load() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        const COUNT: u64 = 400;
        // Sizes from empty to far beyond a packet, three channels in turn.
        let sending = async {
            for index in 0..COUNT {
                for channel in [VOTES, BLOCKS, TRANSACTIONS] {
                    let mut payload = index.to_be_bytes().to_vec();
                    payload.resize(8 + (index as usize * 7919) % 60_000, channel as u8);
                    pair.near.0.send(message(channel, &payload)).await.unwrap();
                }
                tokio::task::yield_now().await;
            }
        };
        let receiving = async {
            let mut next = [0; ALL.len()];
            for _ in 0..COUNT * 3 {
                let bytes = pair.far.1.recv().await.unwrap().coalesce();
                let bytes: &[u8] = bytes.as_ref();
                let channel = bytes[1];
                let index = u64::from_be_bytes(bytes[2..10].try_into().unwrap());
                assert_eq!(index, next[usize::from(channel)], "channel {channel}");
                next[usize::from(channel)] += 1;
                assert_eq!(bytes.len(), 10 + (index as usize * 7919) % 60_000);
                assert!(bytes[10..].iter().all(|byte| *byte == channel));
            }
            next
        };
        let (next, ()) = tokio::join!(receiving, sending);
        for channel in [VOTES, BLOCKS, TRANSACTIONS] {
            assert_eq!(next[channel as usize], COUNT);
        }
    });
}

#[test]
fn a_channel_over_its_quota_stalls_alone() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        let blocks = &ALL[BLOCKS as usize];
        // Two seconds' worth at once.
        let flood = blocks.per_second.get() * 2;
        for _ in 0..flood {
            pair.near.0.send(message(BLOCKS, b"flood")).await.unwrap();
        }
        let started = Instant::now();
        pair.near.0.send(message(VOTES, b"vote")).await.unwrap();
        let mut received = 0;
        let vote_took = loop {
            if channel_of(&pair.far.1.recv().await.unwrap()) == VOTES {
                break started.elapsed();
            }
            received += 1;
        };
        assert!(vote_took < Duration::from_millis(500), "the vote took {vote_took:?}");
        assert!(received < flood, "the flood was not slowed");
        while received < flood {
            pair.far.1.recv().await.unwrap();
            received += 1;
        }
        let burst = f64::from(blocks.burst.get());
        let quota_takes = (f64::from(flood) - burst) / f64::from(blocks.per_second.get());
        assert!(started.elapsed().as_secs_f64() > quota_takes, "faster than the quota: {:?}", started.elapsed());
        assert!(metric("sinter_quic_messages_paced_total", "blocks") > 0.0);
    });
}

#[test]
fn what_is_too_large_is_not_sent_and_costs_nothing_else() {
    run(|context| async move {
        let mut pair = pair(&context).await;
        let refused = pair.near.0.send(message(BLOCKS, &vec![0; LIMIT as usize])).await.unwrap_err();
        assert!(matches!(refused, SendError::TooLarge { max: LIMIT, got } if got == LIMIT as usize + 2));
        assert!(matches!(pair.near.0.send(message(99, b"")).await.unwrap_err(), SendError::NoChannel));
        assert!(matches!(pair.near.0.send(Vec::<u8>::new()).await.unwrap_err(), SendError::NoChannel));
        let largest = message(BLOCKS, &vec![5; LIMIT as usize - 2]);
        pair.near.0.send(largest.clone()).await.unwrap();
        assert_eq!(pair.far.1.recv().await.unwrap().coalesce(), largest.coalesce());
    });
}

#[test]
fn a_slow_peer_loses_new_blocks_and_keeps_its_votes() {
    run(|context| async move {
        let link = Link { bytes_per_s: 2_000_000, delay: Duration::from_millis(5), queue: 64 };
        let narrow = QuicConfig { queue_bytes: 1 << 20, ..ethernet(1) };
        let mut pair = pair_with(&context, narrow, ethernet(2), |to| link::between(link, to)).await;
        // One block fits, however large; what comes on top of it does not.
        let (first, second) = (message(BLOCKS, &vec![1; 5 << 20]), message(BLOCKS, &vec![2; 5 << 20]));
        let started = Instant::now();
        pair.near.0.send(first).await.unwrap();
        for _ in 0..20 {
            pair.near.0.send(second.clone()).await.unwrap();
        }
        assert!(started.elapsed() < Duration::from_millis(500), "sending waited: {:?}", started.elapsed());
        pair.near.0.send(message(VOTES, b"vote")).await.unwrap();
        assert_eq!(channel_of(&pair.far.1.recv().await.unwrap()), VOTES);
        let block = pair.far.1.recv().await.unwrap().coalesce();
        assert_eq!((block.as_ref()[2], block.len()), (1, 2 + (5 << 20)));
        assert!(metric("sinter_quic_messages_dropped_total", "blocks") > 0.0);
        assert!(pair.dialer.dial(pair.address, key(9)).await.is_err(), "the link carries a second handshake as well");
    });
}
