//! `sinter devnet`: a whole network on this machine, under load, from its first key to its last header
//! on L1.
//!
//! Make or read back the network → start the L1 and the light client → start the nodes → put them under load, start the
//! appliance and the rollups' nodes, take transactions from wallets to L1, and watch → stop the load → wait until everything
//! accepted is final → wait until the L1 has the rollups' states → wait until it has verified a header that covers
//! everything → check a sample of receipts offline → stop the nodes.

mod directory;
mod fees;
mod forced;
mod l1;
mod machines;
pub mod network;
mod observe;
mod ports;
mod processes;
mod registry;
mod relay;
mod rollups;
pub mod snapshot;
mod summary;
mod traffic;

use crate::{
    args::DevnetArguments,
    client,
    exit::{Exit, Failure, OrFail, print_result},
    load::{Load, LoadConfig, Tracker},
    metrics::{self, MetricsArguments},
    signals,
    view::{Scene, View, say},
};
use directory::Directory;
use fees::Paying;
use forced::Forcing;
use futures::future::{join_all, try_join_all};
use l1::L1;
use network::Network;
use observe::{Observers, Subjects};
use processes::{Killing, Processes};
use relay::Relay;
use rollups::{Announcement, Rolling, Setting};
use sinter_ops::metrics::Machine;
use sinter_primitives::{TransactionId, receipt::TrustedNetwork};
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, TransactionStatus},
};
use snapshot::{Addresses, Phase, Snapshot};
use std::{
    fs::File,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use summary::Summary;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
pub use traffic::key_bytes;

/// How long the nodes have to agree on their first block, or on the next one after a restart.
const START_MAX: Duration = Duration::from_secs(60);
/// How long what was accepted has to become final once the load is off.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// How long the L1 has to verify the last header.
const SETTLE_MAX: Duration = Duration::from_secs(120);
/// How long a wallet waits for a receipt before it sends again.
const RESEND_AFTER: Duration = Duration::from_secs(3);
/// Blocks by which members may differ that are even.
const EVEN_BLOCKS: u64 = 4;
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Runs a devnet to its end.
///
/// # Errors
/// When it did not start, a node ended by itself, something accepted was not finalized, or the L1 does not
/// hold the last header posted.
pub fn run(arguments: &DevnetArguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let directory = Directory::open(arguments.data_dir.as_deref())?;
    start_log(&directory)?;
    match runtime.block_on(run_in(arguments, &directory)) {
        Ok(summary) => {
            if arguments.json {
                print_result(summary.as_json())?;
            } else {
                print_result(summary.as_text())?;
            }
            summary.verdict()
        }
        Err(failure) => {
            eprintln!("the network's files are kept in {}", directory.keep().display());
            Err(failure)
        }
    }
}

/// The devnet's own log goes into a file: the terminal belongs to the view.
fn start_log(directory: &Directory) -> Result<(), Failure> {
    let path = directory.log();
    let file = File::options().create(true).append(true).open(&path);
    let file = file.or_fail(Exit::Usage, format_args!("opening {}", path.display()))?;
    tracing_subscriber::fmt().with_ansi(false).with_writer(Arc::new(file)).init();
    Ok(())
}

async fn run_in(arguments: &DevnetArguments, directory: &Directory) -> Result<Summary, Failure> {
    // Before the relayer takes handles to its metrics.
    let relayer_metrics = rollups::free_address()?;
    let _metrics = metrics::serve(Machine::Relayer, MetricsArguments { address: Some(relayer_metrics) }).await?;
    let existing = Network::read(directory)?;
    let genesis_timestamp_ms = existing.as_ref().map_or_else(now_ms, |network| network.chain.file.genesis_timestamp_ms);
    let l1 = L1::start(arguments, genesis_timestamp_ms).await?;
    let network = match existing {
        Some(network) if network.chain.file.l1.registry.is_some() && l1.is_embedded() => {
            let message = "--data-dir: expected a network whose L1 goes on, got one whose committees were drawn from an embedded L1, \
                           which ended with its run";
            return Err(Failure::new(Exit::Usage, message));
        }
        Some(network) => network,
        None => {
            let spec = l1.plan(arguments.registered.is_some()).await?;
            Network::create(
                directory,
                genesis_timestamp_ms,
                spec,
                (arguments.members(), arguments.epoch_blocks()),
                &l1.url,
            )?
        }
    };
    let light_client = l1.deploy(&network.chain).await?;
    registry::deploy(directory, &network, &l1, light_client).await?;
    let mut nodes = Processes::default();
    for number in 0..network.rpc.len() {
        let home = directory.node(number);
        nodes.start(format!("node {number}"), &["sequencer", "run"], &home, "node.toml")?;
    }
    let addresses = addresses(directory, &network, &l1, relayer_metrics);
    summary::write_addresses(&directory.addresses(), &addresses, &network, &nodes.ids(), &[])?;
    let run = Run { arguments, directory, network: &network, l1: &l1, light_client, addresses };
    let outcome = run.through(&mut nodes).await;
    let stopped = nodes.stop().await;
    l1.stop().await;
    // What went wrong first is what matters.
    let summary = outcome?;
    stopped?;
    Ok(summary)
}

/// A network whose processes run.
struct Run<'a> {
    arguments: &'a DevnetArguments,
    directory: &'a Directory,
    network: &'a Network,
    l1: &'a L1,
    light_client: alloy::primitives::Address,
    addresses: Addresses,
}

impl Run<'_> {
    async fn through(&self, nodes: &mut Processes) -> Result<Summary, Failure> {
        let height = tokio::select! {
            height = self.nodes_agree() => height?,
            failure = nodes.ended() => return Err(failure),
            signal = signals::interrupted() => {
                let signal = signal.or_fail(Exit::Failed, "installing signal handlers")?;
                return Err(Failure::new(Exit::Failed, format!("{signal} before the network was up")));
            }
        };
        // A pipe that closed is noticed by the view.
        let _ = self.addresses.lines().iter().try_for_each(|line| say(self.arguments.json, line));
        let snapshot = Arc::new(watch::Sender::new(Snapshot {
            nodes: vec![Default::default(); self.network.rpc.len()],
            ..Snapshot::default()
        }));
        let view = View::open(Scene {
            snapshots: snapshot.subscribe(),
            addresses: self.addresses.clone(),
            name: self.network.chain.file.name.clone(),
            mode: self.arguments.view,
            to_error: self.arguments.json,
        })
        .or_fail(Exit::Failed, "opening the view")?;
        let node_ids = nodes.ids();
        let (over, kills) = (CancellationToken::new(), AtomicU64::new(0));
        let killing = Killing {
            interval: self.kill_every(),
            over: over.clone(),
            kills: &kills,
            back: &|number| Box::pin(self.is_back(number)),
        };
        let outcome = tokio::select! {
            outcome = self.under_load(height, &snapshot, &view, &node_ids, &over) => outcome,
            failure = nodes.killed_in_turn(killing) => Err(failure),
        };
        view.close().await;
        Ok(Summary { member_kills: kills.into_inner(), ..outcome? })
    }

    fn kill_every(&self) -> Option<Duration> {
        self.arguments.kill_every.map(Duration::from_secs)
    }

    /// Where members are killed: how long people wait for a receipt.
    fn resend_after(&self) -> Option<Duration> {
        self.arguments.kill_every.map(|_| RESEND_AFTER)
    }

    /// Waits until a member that was killed is where the others are, with whom it is connected: then another one may be away.
    async fn is_back(&self, number: usize) -> Result<(), Failure> {
        let deadline = Instant::now() + START_MAX;
        let clients: Vec<_> = self.network.rpc_urls().iter().map(|url| client::http(url)).collect::<Result<_, _>>()?;
        loop {
            let statuses = join_all(clients.iter().map(|client| client.status())).await;
            let highest = statuses.iter().flatten().map(|status| status.head.height).max().unwrap_or_default();
            let is_back = statuses.get(number).and_then(|status| status.as_ref().ok()).is_some_and(|status| {
                // What it has now, the others may have got while they were asked.
                let is_even = status.head.height + EVEN_BLOCKS >= highest;
                status.health.healthy && is_even && status.peers as usize + 1 >= clients.len()
            });
            if is_back {
                return Ok(());
            }
            if Instant::now() > deadline {
                let message = format!("node {number} was killed, and is not back after {} s", START_MAX.as_secs());
                return Err(Failure::new(Exit::Failed, message));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn under_load(
        &self,
        height: u64,
        snapshot: &Arc<watch::Sender<Snapshot>>,
        view: &View,
        node_ids: &[Option<u32>],
        killing_over: &CancellationToken,
    ) -> Result<Summary, Failure> {
        let tracker = Arc::new(Tracker::default());
        let started = Instant::now();
        let _observers = Observers::start(Subjects {
            network: self.network,
            height,
            l1: (self.l1, self.light_client),
            tracker: tracker.clone(),
            snapshot: snapshot.clone(),
            started,
        })?;
        let mut relay = Relay::start(self.directory, self.network, self.l1, height, snapshot.clone())?;
        let mut load = Load::start(&self.load(), &tracker)?;
        let rolling = Rolling::start(Setting {
            directory: self.directory.path().to_path_buf(),
            wallets: self.directory.wallets(),
            chain: self.network.chain.clone(),
            urls: self.network.rpc_urls(),
            l1_url: self.l1.url.clone(),
            signer: self.l1.settler.clone(),
            production_seal: self.arguments.production_seal,
            transfers: self.arguments.transfers,
            kill_every: self.kill_every(),
            resend_after: self.resend_after(),
            announce: self.announcement(node_ids.to_vec()),
            snapshot: snapshot.clone(),
        });
        let forcing = Forcing::start(self.directory, self.network, self.l1)?;
        let paying = Paying::start(self.directory, self.network, self.l1)?;
        let phase = |phase| snapshot.send_modify(|snapshot| snapshot.phase = phase);
        phase(Phase::Running);
        tokio::select! {
            () = after(self.arguments.seconds.map(Duration::from_secs)) => {}
            () = view.wants_end.cancelled() => {}
            signal = signals::interrupted() => {
                signal.or_fail(Exit::Failed, "installing signal handlers")?;
            }
        }
        let ending = async {
            phase(Phase::Draining);
            load.stop().await;
            let drained = self.drain(&tracker).await;
            let forced = forcing.finish().await?;
            let fees = paying.finish().await?;
            // Their contracts are shown headers that the relayer posts.
            phase(Phase::Folding);
            let rolled = rolling.finish().await?;
            // What is asked from here on, each member has to answer.
            killing_over.cancel();
            self.nodes_agree().await?;
            phase(Phase::Settling);
            let settled = relay.settle(self.height_of_all().await?, SETTLE_MAX).await?;
            phase(Phase::Verifying);
            let mut samples = tracker.samples();
            samples.extend(forced.as_ref().map(|forced| forced.id));
            let receipts_verified = self.verify_receipts(samples).await?;
            let seal_production = self.arguments.production_seal;
            Ok(Summary {
                load: drained,
                settled,
                receipts_verified,
                seal_production,
                rolled,
                forced,
                fees,
                member_kills: 0,
            })
        };
        // Who asks again does not want to wait.
        tokio::select! {
            summary = ending => return summary,
            () = view.insists.cancelled() => {}
            _ = signals::interrupted() => {}
        }
        Err(Failure::new(Exit::Failed, "told to stop again before everything was final and on L1"))
    }

    /// Tells where machines listen that come up later.
    fn announcement(&self, node_ids: Vec<Option<u32>>) -> Announcement {
        let (file, addresses, network) = (self.directory.addresses(), self.addresses.clone(), self.network.clone());
        let to_error = self.arguments.json;
        Box::new(move |machines| {
            // A pipe that closed is noticed by the view.
            let _ = machines.iter().try_for_each(|machine| say(to_error, &machine.line()));
            summary::write_addresses(&file, &addresses, &network, &node_ids, machines)
        })
    }

    fn load(&self) -> LoadConfig {
        LoadConfig {
            rate: self.arguments.rate,
            payload_bytes: self.arguments.payload_bytes as usize,
            nodes: self.network.rpc_urls(),
            lanes: self.network.lanes(),
            resend_after: self.resend_after(),
        }
    }

    /// Waits until every node has a new final block, and gives the highest.
    async fn nodes_agree(&self) -> Result<u64, Failure> {
        let deadline = Instant::now() + START_MAX;
        let clients: Vec<_> = self.network.rpc_urls().iter().map(|url| client::http(url)).collect::<Result<_, _>>()?;
        loop {
            let statuses = join_all(clients.iter().map(|client| client.status())).await;
            let healthy = statuses.iter().filter(|status| status.as_ref().is_ok_and(|status| status.health.healthy));
            let count = healthy.count();
            if count == clients.len() {
                return Ok(statuses.iter().flatten().map(|status| status.head.height).max().unwrap_or_default());
            }
            if Instant::now() > deadline {
                let message = format!(
                    "expected {} healthy nodes within {} s, got {count}; logs are in {}",
                    clients.len(),
                    START_MAX.as_secs(),
                    self.directory.path().display()
                );
                return Err(Failure::new(Exit::Failed, message));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Waits until everything that was accepted is final, or until it cannot be expected any more.
    async fn drain(&self, tracker: &Tracker) -> crate::load::Numbers {
        let deadline = Instant::now() + DRAIN_MAX;
        loop {
            let numbers = tracker.numbers();
            if numbers.pending() == 0 || Instant::now() > deadline {
                return numbers;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// A height at which everything that any node calls final is final.
    async fn height_of_all(&self) -> Result<u64, Failure> {
        let heights = self.network.rpc_urls().into_iter().map(|url| async move {
            let status = client::http(&url)?.status().await;
            Ok::<_, Failure>(status.or_fail(Exit::Failed, format_args!("asking {url}"))?.head.height)
        });
        Ok(try_join_all(heights).await?.into_iter().max().unwrap_or_default())
    }

    /// Fetches receipts and verifies them with nothing but the chain file, as a user would.
    async fn verify_receipts(&self, ids: Vec<TransactionId>) -> Result<u64, Failure> {
        let genesis = TrustedNetwork::from(&self.network.chain);
        let urls = self.network.rpc_urls();
        let mut verified = 0;
        for (id, url) in ids.into_iter().zip(urls.iter().cycle()) {
            let node = client::http(url)?;
            let status = node.receipt(Id(id)).await;
            let status = status.or_fail(Exit::Failed, format_args!("asking {url} for the receipt of 0x{id}"))?;
            let TransactionStatus::Finalized { receipt } = status else {
                return Err(Failure::new(
                    Exit::Failed,
                    format!("{url}: 0x{id} is final, and its receipt says {status:?}"),
                ));
            };
            let mut trusted = genesis.clone();
            let epoch = receipt.header_chain.epoch();
            let known = client::hand_over(&node, &mut trusted, epoch).await;
            known.or_fail(Exit::Failed, format_args!("asking {url} for the committee of epoch {epoch}"))?;
            receipt.verify(&trusted).or_fail(Exit::Refused, format_args!("{url}: the receipt of 0x{id}"))?;
            if receipt.transaction_id != id {
                return Err(Failure::new(Exit::Refused, format!("{url}: asked for 0x{id}, got another receipt")));
            }
            verified += 1;
        }
        Ok(verified)
    }
}

fn addresses(directory: &Directory, network: &Network, l1: &L1, relayer_metrics: SocketAddr) -> Addresses {
    let rpc = network.rpc_urls();
    let first = rpc.first().cloned().unwrap_or_default();
    let specs = network.chain.file.namespaces.iter().filter(|spec| spec.evm_chain_id.is_some());
    Addresses {
        faces: specs.map(|spec| (spec.name.clone(), format!("{first}/namespaces/{}", spec.id))).collect(),
        rpc,
        l1: l1.url.clone(),
        light_client: network.chain.file.l1.light_client.clone(),
        relayer_metrics: format!("http://{relayer_metrics}/metrics"),
        directory: directory.path().display().to_string(),
    }
}

async fn after(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
