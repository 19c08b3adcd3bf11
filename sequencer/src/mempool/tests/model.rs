//! The mempool against a model so simple that it can be read: a list that is searched from end to end.

use super::*;
use commonware_codec::EncodeSize;
use proptest::prelude::*;

const WINDOW: u64 = 6;
const NAMESPACES: [u64; 3] = [1, 2, 3];

fn parameters() -> Parameters {
    Parameters {
        block_bytes_max: 1_500,
        block_transactions_max: 9,
        payload_bytes_max: 400,
        expiry_blocks: WINDOW,
        ..Parameters::default()
    }
}

fn config() -> MempoolConfig {
    MempoolConfig {
        bytes_max: 6_000,
        transactions_max: 36,
        namespace_bytes_max: 3_000,
        namespace_transactions_max: 16,
        sender_transactions_max: 6,
        sender_bytes_max: 1_200,
        client_transactions_max: 8,
        client_bytes_max: 1_500,
    }
}

#[derive(Clone, Debug)]
struct Held {
    id: TransactionId,
    transaction: Transaction,
    source: Source,
    notarized: Option<u64>,
}

/// What `Held` takes in a lane.
fn bytes_of(transaction: &Transaction) -> usize {
    1 + 8 + transaction.payload.encode_size() // kind, expiry height, length and payload
}

fn client_of(source: Source) -> Option<std::net::IpAddr> {
    match source {
        Source::Account { client, .. } | Source::Client(client) => Some(client),
        Source::Peer(_) => None,
    }
}

#[derive(Default)]
struct Model {
    held: Vec<Held>,
    ordered: Vec<(u64, TransactionId)>,
    tip: u64,
}

impl Model {
    fn size(&self, mut which: impl FnMut(&Held) -> bool) -> (usize, usize) {
        self.held
            .iter()
            .filter(|held| which(held))
            .fold((0, 0), |(count, bytes), held| (count + 1, bytes + bytes_of(&held.transaction)))
    }

    /// The code of the refusal that is due, if one is.
    fn refusal(&self, transaction: &Transaction, source: Source) -> Option<&'static str> {
        let id = transaction.id(CHAIN_ID);
        if self.held.iter().any(|held| held.id == id) {
            return Some("already-pending");
        }
        if self.ordered.iter().any(|(height, ordered)| *ordered == id && height + WINDOW > self.tip) {
            return Some("already-ordered");
        }
        if transaction.expiry_height <= self.tip {
            return Some("expired");
        }
        let lead = if source.is_local() { 0 } else { 64 };
        if transaction.expiry_height > self.tip + WINDOW + lead {
            return Some("expiry-too-far");
        }
        let mine = bytes_of(transaction);
        let over = |(count, bytes): (usize, usize), (count_max, bytes_max): (usize, usize)| {
            count + 1 > count_max || bytes + mine > bytes_max
        };
        let of_source = self.size(|held| held.source == source);
        let in_namespace =
            self.size(|held| held.source == source && held.transaction.namespace == transaction.namespace);
        let of_client = self.size(|held| client_of(held.source).is_some_and(|of| client_of(source) == Some(of)));
        let sender_full = match source {
            Source::Account { .. } => over(of_source, (6, 1_200)),
            Source::Client(_) => false,
            Source::Peer(_) => over(of_source, (9, 1_500)) || over(in_namespace, (4, 750)),
        };
        if sender_full {
            return Some("sender-full");
        }
        if client_of(source).is_some() && over(of_client, (8, 1_500)) {
            return Some("client-full");
        }
        let namespace = self.size(|held| held.transaction.namespace == transaction.namespace);
        if over(namespace, (16, 3_000)) {
            return Some("namespace-full");
        }
        // Half of the pool in three parts: 6 transactions and 1,000 bytes each; 18 and 3,000 are shared.
        let (mut shared, mut mine_is_shared) = ((0, 0), (false, false));
        for id in NAMESPACES {
            let (mut count, mut bytes) = self.size(|held| held.transaction.namespace.0 == id);
            if id == transaction.namespace.0 {
                (count, bytes) = (count + 1, bytes + mine);
                mine_is_shared = (count > 6, bytes > 1_000);
            }
            shared = (shared.0 + count.saturating_sub(6), shared.1 + bytes.saturating_sub(1_000));
        }
        let full = (mine_is_shared.0 && shared.0 > 18) || (mine_is_shared.1 && shared.1 > 3_000);
        full.then_some("mempool-full")
    }

    fn finalized(&mut self, height: u64, ids: &[TransactionId]) {
        self.tip = self.tip.max(height);
        self.ordered.extend(ids.iter().map(|id| (height, *id)));
        self.held.retain(|held| !ids.contains(&held.id) && held.transaction.expiry_height > self.tip);
        for held in &mut self.held {
            held.notarized = held.notarized.filter(|at| *at > self.tip);
        }
    }

    /// What a block at `height` may hold of `namespace`, in order.
    fn orderable(&self, namespace: Namespace, height: u64, exclude: &HashSet<TransactionId>) -> Vec<&Held> {
        self.held
            .iter()
            .filter(|held| held.transaction.namespace == namespace && !exclude.contains(&held.id))
            .filter(|held| (height..height + WINDOW).contains(&held.transaction.expiry_height))
            .collect()
    }

    fn check_body(&self, body: &Body, height: u64, exclude: &HashSet<TransactionId>) {
        assert!(body.lanes_bytes() <= 1_500, "{} bytes", body.lanes_bytes());
        assert!(body.transactions().count() <= 9);
        assert!(body.lanes.is_sorted_by(|a, b| a.namespace < b.namespace));
        for namespace in NAMESPACES.map(Namespace) {
            let orderable = self.orderable(namespace, height, exclude);
            let taken = body.lane(namespace).map_or(&[][..], |lane| &lane.transactions);
            assert!(body.lane(namespace).is_none_or(|lane| !lane.transactions.is_empty()));
            // First come, first ordered: a lane is the first so many of what could be ordered.
            assert!(taken.iter().eq(orderable.iter().map(|held| &held.transaction).take(taken.len())));
            if let Some(next) = orderable.get(taken.len()) {
                let full = body.transactions().count() == 9
                    || body.lanes_bytes() + bytes_of(&next.transaction) + 9 + 2 > 1_500;
                assert!(full, "{namespace} has {} more, and there is room", orderable.len() - taken.len());
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Insert {
        namespace: u64,
        number: u64,
        bytes: usize,
        expiry: u64,
        source: Source,
    },
    /// Send one again that was sent so many inserts before, admitted or not.
    Again {
        back: usize,
        source: Source,
    },
    /// Notarize what a block at `ahead` above the tip would hold.
    Notarize {
        ahead: u64,
    },
    /// Finalize a block built here, or an empty one.
    Finalize {
        empty: bool,
    },
    /// Build on ancestors that hold every so-manieth transaction.
    Build {
        ahead: u64,
        every: usize,
    },
}

fn sources() -> impl Strategy<Value = Source> {
    prop_oneof![
        // Two accounts behind each of two addresses, which send without an account as well.
        (0u8..4).prop_map(|number| account_at(number, [192, 0, 2, number % 2])),
        (0u8..2).prop_map(|number| Source::Client(std::net::IpAddr::from([192, 0, 2, number]))),
        (0u8..3).prop_map(peer),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let insert = (1u64..=3, 0u64..40, 8usize..300, 0u64..14, sources()).prop_map(
        |(namespace, number, bytes, expiry, source)| Step::Insert { namespace, number, bytes, expiry, source },
    );
    let step = prop_oneof![
        20 => insert,
        4 => (0usize..20, sources()).prop_map(|(back, source)| Step::Again { back, source }),
        1 => (1u64..3).prop_map(|ahead| Step::Notarize { ahead }),
        1 => any::<bool>().prop_map(|empty| Step::Finalize { empty }),
        2 => (1u64..4, 1usize..4).prop_map(|(ahead, every)| Step::Build { ahead, every }),
    ];
    proptest::collection::vec(step, 1..200)
}

fn insert_both(pool: &Mempool, model: &mut Model, transaction: Transaction, source: Source) {
    let outcome = pool.insert(transaction.clone(), source, Visibility::Public);
    let expected = model.refusal(&transaction, source);
    assert_eq!(outcome.as_ref().err().map(Refusal::code), expected);
    if let Ok(id) = outcome {
        model.held.push(Held { id, transaction, source, notarized: None });
    }
}

fn run(steps: Vec<Step>) {
    let pool = Mempool::for_file(&chain(&NAMESPACES, 4, parameters()), &config());
    let mut model = Model::default();
    let mut sent = Vec::new();
    for step in steps {
        match step {
            Step::Insert { namespace, number, bytes, expiry, source } => {
                let transaction = transaction(namespace, number, bytes, (model.tip + expiry).saturating_sub(2));
                sent.push(transaction.clone());
                insert_both(&pool, &mut model, transaction, source);
            }
            Step::Again { back, source } => {
                if let Some(transaction) = sent.iter().rev().nth(back).cloned() {
                    insert_both(&pool, &mut model, transaction, source);
                }
            }
            Step::Notarize { ahead } => {
                let height = model.tip + ahead;
                let block = ids(&pool.build(&pool.ledger(), height, &nothing(), &[]));
                pool.notarized(height, &block);
                for held in model.held.iter_mut().filter(|held| block.contains(&held.id)) {
                    held.notarized = Some(height);
                }
            }
            Step::Finalize { empty } => {
                let height = model.tip + 1;
                let block = if empty { Vec::new() } else { ids(&pool.build(&pool.ledger(), height, &nothing(), &[])) };
                pool.finalized(height, &block);
                model.finalized(height, &block);
            }
            Step::Build { ahead, every } => {
                let exclude = model.held.iter().step_by(every + 1).map(|held| held.id).collect();
                model.check_body(
                    &pool.build(&pool.ledger(), model.tip + ahead, &exclude, &[]),
                    model.tip + ahead,
                    &exclude,
                );
            }
        }
        pool.assert_consistent();
        let stats = pool.stats();
        assert_eq!((stats.transactions, stats.bytes), model.size(|_| true));
        assert_eq!(stats.notarized, model.held.iter().filter(|held| held.notarized.is_some()).count());
        for held in &model.held {
            let stage = held.notarized.map_or(Stage::Pending, |height| Stage::Notarized { height });
            assert_eq!(pool.stage(&held.id), Some(stage));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn behaves_as_the_model_does(steps in steps()) {
        run(steps);
    }
}
