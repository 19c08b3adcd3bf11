//! An Ethereum for development, in this process: revm with mainnet's rules behind a JSON-RPC on loopback,
//! so that `sinter devnet` needs no other program.
//!
//! It enforces what mainnet (Osaka) enforces: 128 KiB a transaction, 16,777,216 gas a transaction
//! (EIP-7825), the calldata floor (EIP-7623), code and initcode size (EIP-170, EIP-3860), EIP-1559 fees,
//! geth's rules for replacing a transaction, blob proofs (EIP-7594). It refuses in geth's words.
//!
//! # Deviations
//! - One node: a block is *safe* with one block on it, *finalized* with two. [`DevL1::rollback`] makes a
//!   reorganization of any depth.
//! - The states of the last 128 blocks can be asked about, as on a node that keeps no archive.
//! - No state trie: `stateRoot` is zero, and there is no `eth_getProof`.
//! - No system contracts (EIP-2935, EIP-4788): nobody here reads them.
//! - Nothing is kept on disk. The last [`DevL1Config::blocks_max`] blocks are kept in memory.
//!
//! | module | holds |
//! |---|---|
//! | `server`, `methods` | JSON-RPC framing; the `eth_` methods |
//! | `chain`, `pool`, `state` | blocks and receipts; what waits; accounts, and how to step back |
//! | `evm`, `blobs` | revm's configuration; blob checks |
//! | [`error`] | refusals |

mod blobs;
mod chain;
pub mod error;
mod evm;
mod methods;
mod pool;
mod server;
mod state;

pub use chain::TRANSACTION_BYTES_MAX;
pub use evm::{BLOCK_GAS_LIMIT, TRANSACTION_GAS_MAX};

use alloy::{
    primitives::{Address, B256, U256},
    signers::local::PrivateKeySigner,
};
use chain::Chain;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

/// Keys that everybody knows: the accounts of the mnemonic "test test test test test test test test test test
/// test junk", which other development chains fund too.
pub const DEV_KEYS: [&str; 10] = [
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "0x47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "0x92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "0x4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "0xdbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "0x2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];

/// What an account of [`DEV_KEYS`] has at genesis: 10,000 ether.
pub const DEV_BALANCE_WEI: u128 = 10_000 * 1_000_000_000_000_000_000;

/// The signer of a development account.
///
/// # Panics
/// When there is no key of this number: there are as many as [`DEV_KEYS`] has.
#[must_use]
pub fn dev_signer(account: usize) -> PrivateKeySigner {
    // The constants above are keys, which a test confirms.
    DEV_KEYS[account].parse().expect("a constant of 32 bytes below the group's order")
}

/// When blocks are mined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// As soon as a transaction comes.
    Instant,
    /// At fixed intervals, with or without transactions.
    Every(Duration),
    /// When [`DevL1::mine`] is called.
    Manual,
}

/// How to start a chain.
#[derive(Clone, Debug)]
pub struct DevL1Config {
    /// Where to listen; port 0 picks one.
    pub listen: SocketAddr,
    /// The EIP-155 chain id.
    pub chain_id: u64,
    /// When blocks are mined.
    pub mining: Mining,
    /// The genesis block's time, in Unix seconds. The genesis hash follows from it and nothing else here.
    pub genesis_timestamp: u64,
    /// The genesis block's base fee, in wei.
    pub genesis_base_fee_wei: u64,
    /// Who has how much wei at genesis. Besides them there is the [factory](crate::deployment::FACTORY).
    pub accounts: Vec<(Address, U256)>,
    /// Blocks that are kept.
    pub blocks_max: usize,
}

impl Default for DevL1Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            chain_id: 1337,
            mining: Mining::Every(Duration::from_secs(1)),
            genesis_timestamp: unix_seconds(),
            genesis_base_fee_wei: 1_000_000_000,
            accounts: (0..DEV_KEYS.len())
                .map(|account| (dev_signer(account).address(), U256::from(DEV_BALANCE_WEI)))
                .collect(),
            blocks_max: 8192,
        }
    }
}

/// Why a chain did not start.
#[derive(Debug, thiserror::Error)]
pub enum DevL1Error {
    /// The address is not a loopback one. Its keys are public: nobody else may reach it.
    #[error("expected a loopback address to listen on, got {got}")]
    NotLoopback {
        /// The address.
        got: SocketAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
}

/// What the server, the miner and the handle share.
struct Shared {
    chain: Mutex<Chain>,
    mining: Mining,
}

impl Shared {
    fn with_chain<T>(&self, work: impl FnOnce(&mut Chain) -> T) -> T {
        // A panic in another thread cannot leave the chain half-changed in a way that development minds.
        work(&mut self.chain.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn submitted(&self) {
        if self.mining == Mining::Instant {
            self.mine();
        }
    }

    fn mine(&self) {
        self.with_chain(|chain| chain.mine(unix_seconds()));
    }
}

/// A running chain. It stops when this is dropped.
pub struct DevL1 {
    shared: Arc<Shared>,
    address: SocketAddr,
    genesis: B256,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl DevL1 {
    /// The JSON-RPC's URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The genesis block's hash.
    #[must_use]
    pub const fn genesis_hash(&self) -> B256 {
        self.genesis
    }

    /// Mines a block now.
    pub fn mine(&self) {
        self.shared.mine();
    }

    /// Mines a block that is `seconds` later than the last one; those after it are later still.
    pub fn mine_later(&self, seconds: u64) {
        self.shared.with_chain(|chain| chain.mine(chain.head().header.timestamp.saturating_add(seconds)));
    }

    /// Takes the last blocks back, as a reorganization does; their transactions wait again where `resubmit` is
    /// set, and are forgotten otherwise. Returns how many blocks went.
    pub fn rollback(&self, blocks: u64, resubmit: bool) -> u64 {
        self.shared.with_chain(|chain| chain.rollback(blocks, resubmit))
    }

    /// The number of the last block.
    #[must_use]
    pub fn block_number(&self) -> u64 {
        self.shared.with_chain(|chain| chain.head().header.number)
    }

    /// Stops, and returns when everything has ended.
    pub async fn shutdown(mut self) {
        self.stop.send_replace(true);
        for task in self.tasks.drain(..) {
            if let Err(error) = task.await
                && !error.is_cancelled()
            {
                tracing::error!(%error, "a task of the development L1 failed");
            }
        }
    }
}

impl Drop for DevL1 {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts a chain.
///
/// # Errors
/// [`DevL1Error`], when the address is no loopback one or is taken.
pub async fn spawn(config: DevL1Config) -> Result<DevL1, DevL1Error> {
    if !config.listen.ip().is_loopback() {
        return Err(DevL1Error::NotLoopback { got: config.listen });
    }
    let failed = |source| DevL1Error::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let chain = Chain::new(
        config.chain_id,
        config.blocks_max,
        config.genesis_timestamp,
        config.genesis_base_fee_wei,
        config.accounts,
    );
    let genesis = chain.head().hash;
    let shared = Arc::new(Shared { chain: Mutex::new(chain), mining: config.mining });
    let (stop, stopped) = watch::channel(false);

    let router = server::router(shared.clone());
    let mut tasks = vec![tokio::spawn(serve(listener, router, stopped.clone()))];
    if let Mining::Every(interval) = config.mining {
        tasks.push(tokio::spawn(mine_every(shared.clone(), interval, stopped)));
    }
    tracing::info!(%address, chain_id = config.chain_id, "development L1 is up");
    Ok(DevL1 { shared, address, genesis, stop, tasks })
}

async fn serve(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    let until = async move {
        // An error means that the handle is gone, which is as good as a stop.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    // Clients keep connections open: do not wait for them.
    tokio::select! {
        served = axum::serve(listener, router) => {
            if let Err(error) = served {
                tracing::error!(%error, "the development L1's server failed");
            }
        }
        () = until => {}
    }
}

async fn mine_every(shared: Arc<Shared>, interval: Duration, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // The first tick comes at once, and genesis has just been mined.
    ticks.tick().await;
    loop {
        tokio::select! {
            _ = ticks.tick() => shared.mine(),
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs())
}
