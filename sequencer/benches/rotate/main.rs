//! Finality over a wide-area network while the committee rotates: `cargo bench -p sinter-sequencer --bench rotate`.
//!
//! The real engine, application and disk formats, on commonware's deterministic runtime with its simulated network. Sixty members in ten
//! regions, fifty of whom have seats in every epoch, ten others in each; full blocks. One JSON object a line, for nobody faulty, a third of
//! the seats silent, and a third of them proposing two blocks whenever they lead.
//!
//! The network is that of `wan/mod.rs`.
//!
//! Arguments, all numbers: seats (50), epochs (4), blocks an epoch (24), bytes a block (262144), megabit a second (1000), seed (1).
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../wan/mod.rs"]
mod wan;

use commonware_consensus::{
    simplex::{elector::RoundRobin, mocks},
    types::Epoch,
};
use commonware_cryptography::{Sha256, Signer as _};
use commonware_p2p::utils::mux::{MuxHandle, Muxer};
use commonware_runtime::{Clock as _, Runner as _, Supervisor as _};
use commonware_utils::sync::Mutex;
use futures::{FutureExt as _, future::BoxFuture};
use serde_json::json;
use sinter_primitives::{Chain, Committee, Parameters};
use sinter_sequencer::{channels, committees::Succession, consensus, draw::Draw};
use std::{collections::BTreeMap, num::NonZeroU64, sync::Arc};
use wan::{
    FILL_INTERVAL, Finals, PAYLOAD_BYTES, REGIONS,
    cluster::{Cluster, Context, Member, Receiver, Sender, members, seats, test_chain},
    fill, floor_ms, quantile, watch,
};

/// Members beyond those with seats: as many are new in every epoch.
const WITHOUT_SEAT: usize = REGIONS;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Silent,
    Equivocating,
}

#[derive(Clone, Copy, Debug)]
struct Model {
    seats: usize,
    epochs: u64,
    epoch_blocks: u64,
    block_bytes: usize,
    megabit_per_s: usize,
    seed: u64,
}

impl Model {
    fn from_arguments() -> Self {
        let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
        let mut next = |default: u64| numbers.next().unwrap_or(default);
        Self {
            seats: next(50) as usize,
            epochs: next(4),
            epoch_blocks: next(24),
            block_bytes: next(256 << 10) as usize,
            megabit_per_s: next(1_000) as usize,
            seed: next(1),
        }
    }

    fn parameters(&self) -> Parameters {
        Parameters {
            block_bytes_max: self.block_bytes,
            payload_bytes_max: PAYLOAD_BYTES,
            epoch_blocks: NonZeroU64::new(self.epoch_blocks),
            ..Parameters::default()
        }
    }

    /// Seats that may be faulty.
    const fn faulty(&self) -> usize {
        (self.seats - 1) / 3
    }
}

/// The committees of epochs 2, 3, …: a window over all members that moves on by [`WITHOUT_SEAT`] each time.
struct Windows(Vec<Committee>);

impl Windows {
    fn new(model: &Model, all: &[Member]) -> Self {
        let committee = |epoch: usize| {
            let mut seated: Vec<Member> =
                (0..model.seats).map(|place| all[(place + (epoch - 1) * WITHOUT_SEAT) % all.len()].clone()).collect();
            seated.sort_by_key(|member| member.node_key.public_key());
            Committee::new(seats(&seated)).unwrap()
        };
        Self((2..model.epochs as usize + 2).map(committee).collect())
    }

    /// The committee of any epoch.
    fn of<'a>(&'a self, chain: &'a Chain, epoch: u64) -> &'a Committee {
        match epoch {
            0 | 1 => &chain.committee,
            epoch => &self.0[epoch as usize - 2],
        }
    }
}

impl Succession for Windows {
    fn committee<'a>(&'a self, draw: &'a Draw) -> BoxFuture<'a, Option<Committee>> {
        let committee = self.0.get(draw.epoch as usize - 2).cloned();
        async move { committee }.boxed()
    }
}

fn main() {
    let model = Model::from_arguments();
    for fault in [Fault::None, Fault::Silent, Fault::Equivocating] {
        wan::runner(model.seed).start(|context| measure(context, model, fault));
    }
}

async fn measure(context: Context, model: Model, fault: Fault) {
    let all = members(model.seats + WITHOUT_SEAT);
    let chain = Arc::new(test_chain(&all[..model.seats], model.parameters()));
    let windows = Arc::new(Windows::new(&model, &all));
    let mut cluster = Cluster::of(context, chain, all, windows).await;
    let count = cluster.members.len();
    wan::spread(&cluster, model.megabit_per_s).await;
    // Faulty ones are spread over the regions, and over the window.
    let is_faulty = |member: usize| fault != Fault::None && member.is_multiple_of(3) && member / 3 < model.faulty();
    for member in 0..count {
        if !is_faulty(member) {
            cluster.start(member).await;
        } else if fault == Fault::Equivocating {
            equivocate(&cluster, &model, member).await;
        }
    }
    let finals: Finals = Arc::new(Mutex::new(vec![BTreeMap::new(); count]));
    let honest: Vec<usize> = (0..count).filter(|member| !is_faulty(*member)).collect();
    for member in &honest {
        watch(&cluster, *member, finals.clone());
    }
    let last = model.epochs * model.epoch_blocks + 2;
    while honest.iter().any(|member| cluster.height(*member) < last) {
        for member in &honest {
            fill(&mut cluster, *member);
        }
        cluster.context.sleep(FILL_INTERVAL).await;
    }
    report(&cluster, &model, fault, &honest, &finals.lock());
}

/// A member that proposes two blocks whenever it leads, in every epoch.
async fn equivocate(cluster: &Cluster, model: &Model, member: usize) {
    let mut votes = mux(cluster, member, channels::VOTES).await;
    let mut certificates = mux(cluster, member, channels::CERTIFICATES).await;
    for epoch in 0..=model.epochs {
        let windows = Windows::new(model, &cluster.members);
        let committee = windows.of(&cluster.chain, epoch);
        let key = cluster.key(member);
        let bls_key = cluster.members[member].bls_key.clone();
        let Ok(scheme) = consensus::signer(&cluster.chain.hash, committee, &key, bls_key) else { continue };
        let config = mocks::equivocator::Config {
            scheme,
            elector: RoundRobin::<Sha256>::default(),
            epoch: Epoch::new(epoch),
            relay: Arc::new(mocks::relay::Relay::new()),
        };
        let context =
            cluster.context.child("equivocator").with_attribute("member", member).with_attribute("epoch", epoch);
        let channels = (votes.register(epoch).await.unwrap(), certificates.register(epoch).await.unwrap());
        mocks::equivocator::Equivocator::<_, _, _, Sha256>::new(context, config).start(channels.0, channels.1);
    }
}

/// The parts of one of a member's channels, an epoch each.
async fn mux(cluster: &Cluster, member: usize, channel: u64) -> MuxHandle<Sender> {
    let (sender, receiver): (Sender, Receiver) = cluster.channel(member, channel).await;
    let context = cluster.context.child("mux").with_attribute("member", member).with_attribute("channel", channel);
    let (mux, handle) = Muxer::new(context, sender, receiver);
    mux.start();
    handle
}

fn report(cluster: &Cluster, model: &Model, fault: Fault, honest: &[usize], finals: &[BTreeMap<u64, u64>]) {
    let windows = Windows::new(model, &cluster.members);
    let snapshot = cluster.node(honest[0]).index.snapshot().unwrap();
    let header = |height: u64| snapshot.header(height).unwrap().unwrap();
    // Without the first blocks, which nobody has filled.
    let heights = 4..=model.epochs * model.epoch_blocks;
    let is_boundary = |height: u64| {
        let place = height % model.epoch_blocks;
        place < 2 || place == model.epoch_blocks - 1
    };
    let (mut inside, mut boundary, mut followers, mut intervals) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut bytes, mut boundary_gap_ms) = (0, 0);
    for height in heights.clone() {
        let this = header(height);
        bytes += snapshot.namespace_table(height).unwrap().leaves().iter().map(|leaf| leaf.byte_count).sum::<u64>();
        for member in honest {
            let latency = finals[*member][&height].saturating_sub(this.timestamp_ms);
            let key = cluster.key(*member).as_ref().try_into().unwrap();
            match (windows.of(&cluster.chain, this.epoch).seat_of(&key), is_boundary(height)) {
                (None, _) => followers.push(latency),
                (Some(_), true) => boundary.push(latency),
                (Some(_), false) => inside.push(latency),
            }
        }
        // From one final block to the next, at one member.
        let gap = finals[honest[0]][&height] - finals[honest[0]][&(height - 1)];
        if is_boundary(height) { boundary_gap_ms = boundary_gap_ms.max(gap) } else { intervals.push(gap) }
    }
    // In an epoch's first views, those that ended without a block.
    let lost_at_boundaries: u64 = (1..model.epochs).map(|epoch| header(epoch * model.epoch_blocks).view - 1).sum();
    let span_ms = header(*heights.end()).timestamp_ms - header(*heights.start()).timestamp_ms;
    let views: u64 = (0..model.epochs).map(|epoch| header((epoch + 1) * model.epoch_blocks - 1).view).sum();
    println!(
        "{}",
        json!({
            "fault": format!("{fault:?}").to_lowercase(),
            "seats": model.seats,
            "members": cluster.members.len(),
            "blocks": heights.count(),
            "views": views,
            "payload_bytes_per_block": bytes / (model.epochs * model.epoch_blocks - 3),
            "megabit_per_s": model.megabit_per_s,
            "seed": model.seed,
            "floor_ms_p50": floor_ms(model.seats),
            "finality_ms": { "p50": quantile(&mut inside, 50), "p99": quantile(&mut inside, 99) },
            "boundary_finality_ms": { "p50": quantile(&mut boundary, 50), "p99": quantile(&mut boundary, 99) },
            "followers_finality_ms": { "p50": quantile(&mut followers, 50), "p99": quantile(&mut followers, 99) },
            "interval_ms_p50": quantile(&mut intervals, 50),
            "boundary_gap_ms_max": boundary_gap_ms,
            "views_lost_at_boundaries": lost_at_boundaries,
            "payload_bytes_per_s": bytes * 1_000 / span_ms.max(1),
        })
    );
}
