//! Nodes that begin at the end of an epoch, by what others say, and others who lie.

use super::{
    cluster::{Cluster, Context, NAMESPACE, SEATS, run},
    epochs::{EPOCH_BLOCKS, with_epochs},
    journal,
};
use sinter_primitives::{Digest, hand_over::HandOver, network::TrustedNetwork};
use sinter_sequencer::{
    checkpoint::{Checkpoint, CheckpointError, ENDS_MIN, Ends, OrderedIds},
    index::{Index, IndexError},
    mempool::{Refusal, Source, Visibility},
};
use std::net::Ipv4Addr;

const LATE: usize = SEATS - 1;

/// What a node says to one that begins.
pub struct Answers {
    trusted: TrustedNetwork,
    pub ends: Vec<HandOver>,
    ledger: Vec<u8>,
}

impl Answers {
    /// As far as an index has them.
    pub fn of(cluster: &Cluster, index: &Index) -> Self {
        let mut trusted = TrustedNetwork::from(&*cluster.chain);
        let mut ends = index.hand_overs(0, usize::MAX).unwrap();
        if ends.is_empty() {
            // It began late itself: the same committee has all epochs here.
            trusted.epoch = index.snapshot().unwrap().beginning().unwrap().unwrap().epoch - 2;
            ends = index.hand_overs(trusted.epoch, usize::MAX).unwrap();
        }
        let epoch = ends.last().unwrap().header.epoch;
        let ledger = index.snapshot().unwrap().ledger_after_epoch(epoch).unwrap().unwrap();
        Self { trusted, ends, ledger }
    }

    /// What somebody makes of it who trusts what they trust.
    pub fn checkpoint(&self, cluster: &Cluster) -> Result<Checkpoint, CheckpointError> {
        let mut ends = Ends::new(cluster.chain.clone(), self.trusted.clone())?;
        for end in &self.ends {
            ends.take(end)?;
        }
        ends.checkpoint(&self.ledger)
    }
}

/// What a liar does to a page.
type Lie<'a> = &'a dyn Fn(&mut Vec<OrderedIds>);

/// The next page that an index gives: of so many heights at most.
fn page(index: &Index, checkpoint: &Checkpoint, heights_max: u64) -> Vec<OrderedIds> {
    let (first, last) = checkpoint.missing().unwrap().into_inner();
    let first = first.max((last + 1).saturating_sub(heights_max));
    index.snapshot().unwrap().ordered_ids(first..=last, u64::MAX).unwrap()
}

/// All that a node needs to begin, page by page.
pub fn complete(cluster: &Cluster, index: &Index) -> Checkpoint {
    let mut checkpoint = Answers::of(cluster, index).checkpoint(cluster).unwrap();
    let mut pages = 0;
    while checkpoint.missing().is_some() {
        let page = page(index, &checkpoint, 10);
        checkpoint.take(page).unwrap();
        pages += 1;
    }
    assert!(pages > 1, "{pages}");
    checkpoint
}

pub fn now_ms(cluster: &Cluster) -> u64 {
    sinter_sequencer::clock::unix_ms(&cluster.context)
}

/// All but one have been there for some epochs.
async fn without_one(context: Context) -> (Cluster, Vec<Digest>) {
    let mut cluster = Cluster::with(context, with_epochs()).await;
    for seat in 0..LATE {
        cluster.start(seat).await;
    }
    let mut ids = Vec::new();
    // More epochs than the window has heights.
    for epoch in 0..6 {
        cluster.reach(epoch * EPOCH_BLOCKS + 3, 60).await;
        ids.extend(cluster.send(0, 20));
    }
    cluster.reach(6 * EPOCH_BLOCKS + 5, 60).await;
    assert!(ids.iter().all(|id| cluster.node(0).index.locate(id).unwrap().is_some()));
    (cluster, ids)
}

#[test]
fn a_node_that_was_never_there_begins_at_the_end_of_an_epoch() {
    run(0..2, |context| async move {
        let (mut cluster, ids) = without_one(context).await;
        let checkpoint = complete(&cluster, &cluster.node(0).index);
        let begins_at = *checkpoint.header();
        assert_eq!(begins_at.height, 6 * EPOCH_BLOCKS - 1);
        {
            let index = cluster.open_index(LATE);
            index.begin_at(&checkpoint, now_ms(&cluster)).unwrap();
            assert_eq!(index.tip().header, begins_at);
            let error = index.begin_at(&checkpoint, now_ms(&cluster)).unwrap_err();
            assert!(matches!(error, IndexError::NotEmpty { height } if height == begins_at.height), "{error}");
        }
        // Killed before it has a block, and after.
        for _ in 0..3 {
            cluster.start(LATE).await;
            cluster.sleep_ms(15).await;
            cluster.kill(LATE).await;
        }
        cluster.start(LATE).await;
        cluster.reach(7 * EPOCH_BLOCKS + 3, 60).await;
        // In the epoch that it came in it could not know what its key had signed.
        assert!(journal::votes(&cluster, LATE, 6).await.is_empty(), "it voted");

        // What was ordered in the window is not ordered again by it.
        let index = &cluster.node(LATE).index;
        let first = begins_at.height + 1 - cluster.chain.file.parameters.expiry_blocks;
        assert_eq!(index.snapshot().unwrap().earliest().unwrap(), begins_at.height);
        for id in &ids {
            let known = cluster.node(0).index.locate(id).unwrap().unwrap();
            assert_eq!(index.locate(id).unwrap(), (known.height >= first).then_some(known));
        }

        // From the next epoch on, it votes: another may go.
        cluster.kill(0).await;
        cluster.reach(9 * EPOCH_BLOCKS + 3, 120).await;
        let (late, other) = (cluster.node(LATE), cluster.node(1));
        for height in begins_at.height..=9 * EPOCH_BLOCKS {
            let header = |index: &Index| index.snapshot().unwrap().header(height).unwrap().unwrap();
            assert_eq!(header(&late.index), header(&other.index));
        }
        assert_eq!(late.status.faults() + other.status.faults(), 0);

        // It leads others there in turn, who come later still.
        let again = complete(&cluster, &late.index);
        assert_eq!(again.header().height, 9 * EPOCH_BLOCKS - 1);
    });
}

#[test]
fn what_it_knows_of_the_window_it_does_not_order_again() {
    run(0..1, |context| async move {
        let (mut cluster, _) = without_one(context).await;
        let expiry_height = cluster.height(0) + 40;
        let transaction = cluster.transaction(NAMESPACE, expiry_height);
        let source = Source::Client(Ipv4Addr::LOCALHOST.into());
        let insert = |cluster: &Cluster, seat: usize| {
            cluster.node(seat).mempool.insert(transaction.clone(), source, Visibility::Public)
        };
        let id = insert(&cluster, 0).unwrap();
        cluster.reach(8 * EPOCH_BLOCKS + 3, 60).await;
        assert!(cluster.node(0).index.locate(&id).unwrap().unwrap().height < 8 * EPOCH_BLOCKS - 1);
        let checkpoint = complete(&cluster, &cluster.node(0).index);
        cluster.open_index(LATE).begin_at(&checkpoint, now_ms(&cluster)).unwrap();
        cluster.start(LATE).await;
        let refusal = insert(&cluster, LATE).unwrap_err();
        assert!(matches!(refusal, Refusal::AlreadyOrdered { .. } | Refusal::Expired { .. }), "{refusal}");
    });
}

#[test]
fn who_lies_to_a_node_that_begins_is_refused() {
    run(0..1, |context| async move {
        let (cluster, _) = without_one(context).await;
        let index = &cluster.node(0).index;
        let answers = || Answers::of(&cluster, index);
        let refused = |change: &dyn Fn(&mut Answers)| {
            let mut answers = answers();
            change(&mut answers);
            answers.checkpoint(&cluster).unwrap_err()
        };
        let last = answers().ends.len() - 1;

        // About whom to trust, and the committees since.
        let error = refused(&|answers| answers.trusted.chain_hash = Digest([1; 32]));
        assert!(matches!(error, CheckpointError::OtherChain { .. }), "{error}");
        let error = refused(&|answers| answers.ends.truncate(ENDS_MIN - 1));
        assert!(matches!(error, CheckpointError::TooFew { got } if got == ENDS_MIN - 1), "{error}");
        let hand_overs: [&dyn Fn(&mut Answers); 7] = [
            &|answers| drop(answers.ends.remove(0)),
            &|answers| answers.ends[last].header.ledger_root = Digest([2; 32]),
            &|answers| answers.ends[last].certificate = answers.ends[last - 1].certificate,
            &|answers| answers.ends[1].seats.swap(0, 1),
            // Which node a voter has, where, and how often it leads.
            &|answers| answers.ends[1].seats[SEATS - 1].node_key = [0xff; 32],
            &|answers| answers.ends[1].seats[2].address = "127.0.0.1:9".into(),
            &|answers| answers.ends[1].seats[2].stake_wei += 1,
        ];
        for change in hand_overs {
            let error = refused(change);
            assert!(matches!(error, CheckpointError::HandOver(_)), "{error}");
        }

        // About the ledger: another epoch's, a damaged one, more than it.
        let earlier = index.snapshot().unwrap().ledger_after_epoch(last as u64 - 1).unwrap().unwrap();
        let error = refused(&|answers| answers.ledger = earlier.clone());
        assert!(matches!(error, CheckpointError::Mismatch { what: "ledger root", .. }), "{error}");
        let damages: [&dyn Fn(&mut Answers); 2] =
            [&|answers| answers.ledger.truncate(answers.ledger.len() - 1), &|answers| answers.ledger.push(0)];
        for change in damages {
            let error = refused(change);
            assert!(matches!(error, CheckpointError::Ledger { .. }), "{error}");
        }

        // About what was ordered.
        let mut checkpoint = answers().checkpoint(&cluster).unwrap();
        let missing = checkpoint.missing().unwrap();
        let honest = page(index, &checkpoint, u64::MAX);
        let full = honest.iter().position(|ordered| !ordered.lanes.is_empty()).unwrap();
        let pages: [(&str, Lie<'_>); 8] = [
            ("nothing", &Vec::clear),
            ("page", &|page| drop(page.pop())),
            ("header", &|page| drop(page.remove(1))),
            ("header", &|page| page[full].header.timestamp_ms += 1),
            ("namespaces root", &|page| page[full].lanes.clear()),
            ("namespaces root", &|page| page[full].lanes[0].leaf.byte_count += 1),
            ("transactions", &|page| page[full].lanes[0].ids.truncate(1)),
            ("transactions root", &|page| page[full].lanes[0].ids.reverse()),
        ];
        for (expected, change) in pages {
            let mut page = honest.clone();
            change(&mut page);
            let error = checkpoint.take(page).unwrap_err();
            match &error {
                CheckpointError::Mismatch { what, .. } => assert_eq!(*what, expected),
                CheckpointError::Page { .. } => assert!(["nothing", "page"].contains(&expected), "{error}"),
                error => panic!("{error}"),
            }
            assert_eq!(checkpoint.missing(), Some(missing.clone()), "something of a lie was taken");
        }
        // Whatever it is bounded by, a page ends where it was asked to, and has one height at least.
        let snapshot = index.snapshot().unwrap();
        for bytes_max in [0, 1, 5_000, 40_000] {
            let page = snapshot.ordered_ids(missing.clone(), bytes_max).unwrap();
            let bytes = serde_json::to_string(&page).unwrap().len();
            assert!(bytes as u64 <= bytes_max || page.len() == 1, "{bytes} of {bytes_max} in {}", page.len());
            assert!(page.len() < honest.len());
            assert_eq!(page.last(), honest.last());
        }
        let below = index.snapshot().unwrap().ordered_ids(missing.start() - 1..=*missing.end(), u64::MAX).unwrap();
        assert!(matches!(checkpoint.take(below).unwrap_err(), CheckpointError::Page { .. }));

        // An index does not begin with a part of it.
        let error = cluster.open_index(LATE).begin_at(&checkpoint, now_ms(&cluster)).unwrap_err();
        assert!(matches!(error, IndexError::Gap { .. }), "{error}");
        assert_eq!(cluster.open_index(LATE).tip().header.height, 0);
        checkpoint.take(honest).unwrap();
        assert_eq!(checkpoint.missing(), None);
    });
}
