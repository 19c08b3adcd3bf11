//! How blocks travel best, whole or in shards: `cargo bench -p sinter-sequencer --bench blocks`.
//!
//! The real engine over the wide-area network of `wan/mod.rs`, full blocks, nobody faulty, one committee. For each number of seats and
//! each size of blocks, both forms with the same seed; one JSON object a line with the ratios of shards to whole blocks: below 1, shards
//! make blocks final sooner.
//!
//! Arguments, all numbers: fewest seats (4), most seats (32), most bytes a block (8388608), megabit a second (1000), blocks (12), seed (1).
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../wan/mod.rs"]
mod wan;

use commonware_runtime::{Clock as _, Runner as _};
use commonware_utils::sync::Mutex;
use serde_json::{Value, json};
use sinter_primitives::Parameters;
use sinter_sequencer::{committees::Repeat, shards::ShardsConfig};
use std::{collections::BTreeMap, sync::Arc};
use wan::{
    FILL_INTERVAL, Finals, PAYLOAD_BYTES,
    cluster::{Cluster, Context, members, test_chain},
    fill, quantile, watch,
};

const SEATS: [usize; 3] = [4, 10, 32];
const BLOCK_BYTES: [usize; 6] = [64 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20, 8 << 20];
/// The first blocks are not counted: nobody has filled them.
const WARM_UP_BLOCKS: u64 = 4;

#[derive(Clone, Copy, Debug)]
struct Model {
    seats: usize,
    block_bytes: usize,
    megabit_per_s: usize,
    blocks: u64,
    seed: u64,
}

struct Measured {
    finality_ms: Vec<u64>,
    payload_bytes_per_s: u64,
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let mut next = |default: u64| numbers.next().unwrap_or(default);
    let (seats_min, seats_max, block_bytes_max) = (next(4) as usize, next(32) as usize, next(8 << 20) as usize);
    let (megabit_per_s, blocks, seed) = (next(1_000) as usize, next(12), next(1));
    for seats in SEATS.into_iter().filter(|seats| (seats_min..=seats_max).contains(seats)) {
        for block_bytes in BLOCK_BYTES.into_iter().filter(|bytes| *bytes <= block_bytes_max) {
            let model = Model { seats, block_bytes, megabit_per_s, blocks, seed };
            let [mut whole, mut shards] = [u64::MAX, 0].map(|saved_bytes_min| run(model, saved_bytes_min));
            let ratio = |one: u64, other: u64| (one as f64 / other as f64 * 100.0).round() / 100.0;
            let p50 = |measured: &mut Measured| quantile(&mut measured.finality_ms, 50);
            println!(
                "{}",
                json!({
                    "seats": seats,
                    "block_bytes": block_bytes,
                    "upload_bytes_whole": block_bytes * (seats - 1),
                    "megabit_per_s": megabit_per_s,
                    "seed": seed,
                    "whole": report(&mut whole),
                    "shards": report(&mut shards),
                    "p50_ratio": ratio(p50(&mut shards), p50(&mut whole)),
                    "bytes_ratio": ratio(shards.payload_bytes_per_s, whole.payload_bytes_per_s),
                })
            );
        }
    }
}

fn report(measured: &mut Measured) -> Value {
    let finality_ms = &mut measured.finality_ms;
    json!({
        "finality_ms": { "p50": quantile(finality_ms, 50), "p99": quantile(finality_ms, 99) },
        "payload_bytes_per_s": measured.payload_bytes_per_s,
    })
}

fn run(model: Model, saved_bytes_min: u64) -> Measured {
    wan::runner(model.seed).start(|context| measure(context, model, saved_bytes_min))
}

async fn measure(context: Context, model: Model, saved_bytes_min: u64) -> Measured {
    let parameters = Parameters {
        block_bytes_max: model.block_bytes,
        payload_bytes_max: PAYLOAD_BYTES,
        // No view fails for the time that a large block takes on a narrow link: what is measured is that time.
        leader_timeout_ms: 30_000,
        certification_timeout_ms: 60_000,
        ..Parameters::default()
    };
    let all = members(model.seats);
    let chain = Arc::new(test_chain(&all, parameters));
    let mut cluster = Cluster::of(context, chain, all, Arc::new(Repeat)).await;
    cluster.shards = ShardsConfig { saved_bytes_min };
    wan::spread(&cluster, model.megabit_per_s).await;
    cluster.start_all().await;
    let finals: Finals = Arc::new(Mutex::new(vec![BTreeMap::new(); model.seats]));
    for member in 0..model.seats {
        watch(&cluster, member, finals.clone());
    }
    let last = WARM_UP_BLOCKS + model.blocks;
    // Beyond the last one that is counted: who watches notes a height a moment later.
    while (0..model.seats).any(|member| cluster.height(member) < last + 2) {
        for member in 0..model.seats {
            fill(&mut cluster, member);
        }
        cluster.context.sleep(FILL_INTERVAL).await;
    }
    let snapshot = cluster.node(0).index.snapshot().unwrap();
    let (mut finality_ms, mut bytes) = (Vec::new(), 0);
    let finals = finals.lock();
    for height in WARM_UP_BLOCKS + 1..=last {
        let timestamp_ms = snapshot.header(height).unwrap().unwrap().timestamp_ms;
        finality_ms.extend(finals.iter().map(|finals| finals[&height].saturating_sub(timestamp_ms)));
        bytes += snapshot.namespace_table(height).unwrap().leaves().iter().map(|leaf| leaf.byte_count).sum::<u64>();
    }
    let span_ms = finals[0][&last] - finals[0][&WARM_UP_BLOCKS];
    Measured { finality_ms, payload_bytes_per_s: bytes * 1_000 / span_ms.max(1) }
}
