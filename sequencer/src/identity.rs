//! Which of its node keys a node goes by.
//!
//! A committee knows its members by the node keys that they were drawn with. Whoever registers another key needs the old one until the
//! last epoch with it is over, and the new one from the first epoch with that; and peers know a node by one key at a time. So a node
//! goes by one for as long as it runs, and starts again, within its process, when [`ended`] says so:
//!
//! - an epoch has begun for which [`of_epoch`] says the other, as far as this node's blocks are those of now;
//! - nobody is connected for long: a node that was away may have missed that epoch, and whom the others would admit, its own
//!   blocks do not say; nor do they where it has no seat.
//!
//! Its blocks are those of now where the last one is not old, or where none comes for long: a network that stands still may wait for
//! the very vote that it has by its other key.

use crate::{
    clock::unix_ms,
    handle::Head,
    index::{Index, IndexError},
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_runtime::Clock;
use sinter_primitives::{Chain, committee::Seat};
use std::time::Duration;
use tokio::sync::watch;

const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// Of a head that is older, what it says of this epoch is not believed.
const HEAD_AGE_MAX_MS: u64 = 60_000;
/// A head that stays for so long is the network's, however old it is.
const STILL_MAX: Duration = Duration::from_secs(60);
/// Without a peer for so long, a node tries its other key.
const ALONE_MAX: Duration = Duration::from_secs(60);

/// The place among `keys`, the newest first, of the one that a node goes by whose next block is of `epoch`: the one that has a seat
/// in it, or else in the next epoch. `None` where none has, as far as the two committees are known here.
///
/// # Errors
/// When the disk fails.
pub fn of_epoch(chain: &Chain, index: &Index, keys: &[PublicKey], epoch: u64) -> Result<Option<usize>, IndexError> {
    let place_in = |seats: &[Seat]| keys.iter().position(|key| seats.iter().any(|seat| seat.node_key[..] == key[..]));
    for epoch in [epoch, epoch.saturating_add(1)] {
        let place = match epoch.checked_sub(2) {
            None => place_in(chain.committee.seats()),
            Some(ended) => index.hand_over(ended)?.and_then(|end| place_in(&end.seats)),
        };
        if place.is_some() {
            return Ok(place);
        }
    }
    Ok(None)
}

/// Ends when a node that goes by the key at `place` is to go by another. Never where there is one key.
///
/// # Errors
/// When the disk fails.
pub async fn ended(
    clock: &impl Clock,
    (chain, index): (&Chain, &Index),
    (keys, place): (&[PublicKey], usize),
    heads: &watch::Receiver<Head>,
    peers: impl Fn() -> usize,
) -> Result<(), IndexError> {
    if keys.len() < 2 {
        return std::future::pending().await;
    }
    let (mut looked_at, mut alone) = (None, Duration::ZERO);
    let (mut seen, mut still) = (None, Duration::ZERO);
    while alone < ALONE_MAX {
        let (height, timestamp_ms) = {
            let head = heads.borrow();
            (head.height, head.timestamp_ms)
        };
        let epoch = chain.file.parameters.epoch_of(height.saturating_add(1));
        still = if seen.replace(height) == Some(height) { still + LOOK_INTERVAL } else { Duration::ZERO };
        let is_of_now = unix_ms(clock).saturating_sub(timestamp_ms) <= HEAD_AGE_MAX_MS || still >= STILL_MAX;
        if is_of_now && looked_at != Some(epoch) {
            match of_epoch(chain, index, keys, epoch)? {
                Some(other) if other != place => return Ok(()),
                Some(_) => looked_at = Some(epoch),
                None => {}
            }
        }
        clock.sleep(LOOK_INTERVAL).await;
        alone = if peers() == 0 { alone + LOOK_INTERVAL } else { Duration::ZERO };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use commonware_cryptography::Signer as _;
    use commonware_runtime::{Runner as _, deterministic};
    use sinter_primitives::{Digest, Header, hand_over::HandOver, testkit::Network};
    use std::{num::NonZeroU64, sync::Arc};
    use tempfile::TempDir;

    const EPOCH_BLOCKS: u64 = 100;

    /// Epochs 0 and 1 have the chain's committee; the committees of the others are put in.
    struct Fixture {
        _directory: TempDir,
        own: Network,
        others: [Network; 2],
        index: Index,
    }

    impl Fixture {
        fn new() -> Self {
            let network =
                |salt| Network::with(4, salt, |file| file.parameters.epoch_blocks = NonZeroU64::new(EPOCH_BLOCKS));
            let directory = tempfile::tempdir().unwrap();
            let own = network(0);
            let index = Index::open(&directory.path().join("index"), Arc::new(own.chain.clone())).unwrap();
            Self { _directory: directory, own, others: [network(1), network(2)], index }
        }

        /// The node's keys, the newest first: members of the second and of the first committee.
        fn keys(&self) -> [PublicKey; 2] {
            [&self.others[0], &self.own].map(|network| network.members[0].node_key.public_key())
        }

        /// Another network's committee is that of an epoch, as the end of the one two before it has it.
        fn seat(&self, epoch: u64, network: &Network) {
            let chain = &self.own.chain;
            let ended = epoch - 2;
            let header = Header { height: (ended + 1) * EPOCH_BLOCKS - 1, epoch: ended, ..chain.genesis() };
            let certificate = self.own.finalize(&header);
            let seats = network.chain.committee.seats().to_vec();
            self.index.put_hand_over(&HandOver { header, certificate, seats }).unwrap();
        }

        fn of_epoch(&self, epoch: u64) -> Option<usize> {
            of_epoch(&self.own.chain, &self.index, &self.keys(), epoch).unwrap()
        }
    }

    #[test]
    fn a_node_goes_by_the_key_that_its_seat_has() {
        let fixture = Fixture::new();
        assert_eq!([0, 1].map(|epoch| fixture.of_epoch(epoch)), [Some(1); 2], "the chain's own committee");
        assert_eq!(fixture.of_epoch(2), None, "who sits is not known yet");
        fixture.seat(2, &fixture.own);
        assert_eq!(fixture.of_epoch(2), Some(1));
        // No seat, and then one with the new key: peers know the members of the next epoch.
        fixture.seat(3, &fixture.others[1]);
        assert_eq!(fixture.of_epoch(3), None);
        fixture.seat(4, &fixture.others[0]);
        assert_eq!([3, 4].map(|epoch| fixture.of_epoch(epoch)), [Some(0); 2]);
        // No seat, and then one with the old key, which is the one that was registered when it was drawn.
        fixture.seat(5, &fixture.others[1]);
        fixture.seat(6, &fixture.own);
        assert_eq!(fixture.of_epoch(5), Some(1));
        fixture.seat(7, &fixture.others[1]);
        fixture.seat(8, &fixture.others[1]);
        assert_eq!(fixture.of_epoch(7), None, "without a seat its blocks do not say");
    }

    /// Whether it is over by then, for a node that goes by the key at `place`, whose head has a height and an age at first.
    fn is_over(within: Duration, place: usize, head: (u64, u64), peers: usize) -> bool {
        deterministic::Runner::timed(Duration::from_secs(3_600)).start(|context| async move {
            let fixture = Fixture::new();
            fixture.seat(2, &fixture.own);
            fixture.seat(3, &fixture.others[0]);
            fixture.seat(5, &fixture.others[1]);
            fixture.seat(6, &fixture.others[1]);
            context.sleep(Duration::from_secs(1_000)).await;
            let (height, age_ms) = head;
            let timestamp_ms = unix_ms(&context) - age_ms;
            let (_told, heads) = watch::channel(Head { height, digest: Digest([0; 32]), timestamp_ms, view: 0 });
            let keys = fixture.keys();
            let ended = ended(&context, (&fixture.own.chain, &fixture.index), (&keys, place), &heads, || peers);
            commonware_macros::select! {
                over = ended => { over.unwrap(); true },
                () = context.sleep(within) => false,
            }
        })
    }

    #[test]
    fn a_node_ends_where_an_epoch_begins_in_which_it_goes_by_the_other_key() {
        let (last, now) = (3 * EPOCH_BLOCKS - 1, (3 * EPOCH_BLOCKS - 1, 1_000));
        assert!(is_over(LOOK_INTERVAL, 1, now, 3));
        assert!(!is_over(Duration::from_secs(600), 1, (last - 1, 1_000), 3), "the block before");
        assert!(!is_over(Duration::from_secs(600), 0, now, 3), "it goes by that already");
    }

    #[test]
    fn a_node_that_nobody_admits_tries_its_other_key() {
        let old = (3 * EPOCH_BLOCKS - 1, HEAD_AGE_MAX_MS + 1_000);
        for place in [0, 1] {
            assert!(!is_over(ALONE_MAX - LOOK_INTERVAL, place, old, 0));
            assert!(is_over(ALONE_MAX + LOOK_INTERVAL, place, old, 0));
        }
        assert!(!is_over(Duration::from_secs(600), 0, old, 1), "somebody does");
    }

    #[test]
    fn a_node_that_tried_its_other_key_goes_back_where_the_network_stands_still_without_it() {
        let old = (3 * EPOCH_BLOCKS - 1, HEAD_AGE_MAX_MS + 1_000);
        assert!(!is_over(STILL_MAX - LOOK_INTERVAL, 1, old, 3), "more blocks may come");
        assert!(is_over(STILL_MAX + LOOK_INTERVAL, 1, old, 3));
    }

    #[test]
    fn a_node_without_a_seat_stays_who_it_is_as_long_as_somebody_admits_it() {
        // Epochs 5 and 6 have the others' committee.
        let now = (5 * EPOCH_BLOCKS - 1, 1_000);
        for place in [0, 1] {
            assert!(!is_over(Duration::from_secs(600), place, now, 1));
            assert!(is_over(ALONE_MAX + LOOK_INTERVAL, place, now, 0));
        }
    }
}
