//! The L1 that a devnet settles on: the embedded one, or one that somebody else runs.

use super::{network::loopback, registry};
use crate::{
    args::DevnetArguments,
    exit::{Exit, Failure, OrFail},
    l1::connect,
    relayer::read_key,
};
use alloy::{
    eips::BlockNumberOrTag,
    primitives::Address,
    providers::{DynProvider, Provider},
    signers::local::PrivateKeySigner,
};
use sinter_primitives::{Chain, Digest, chain::L1Spec, header::L1Origin};
use sinter_settlement::{
    dev_l1::{self, DevL1, DevL1Config},
    light_client,
};
use std::{path::Path, time::Duration};

/// Timings of what posts to an L1 with a block a second.
pub const POLL: Duration = Duration::from_millis(300);
/// How long a transaction waits before it is replaced.
pub const REPLACE_AFTER: Duration = Duration::from_secs(10);
/// The longest pause after failures.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// A running L1, and the account that deploys and posts there.
pub struct L1 {
    /// Its JSON-RPC.
    pub url: String,
    /// Signs with the account.
    pub provider: DynProvider,
    /// The account's key.
    pub signer: PrivateKeySigner,
    /// The key of the account that settles the batch: a submitter shares its account with nobody.
    pub settler: PrivateKeySigner,
    embedded: Option<DevL1>,
}

impl L1 {
    /// Starts the embedded L1, or connects to the one that the arguments name.
    ///
    /// # Errors
    /// When it does not start, or the key or the URL is none.
    pub async fn start(arguments: &DevnetArguments, genesis_timestamp_ms: u64) -> Result<Self, Failure> {
        let files = (&arguments.l1_key_file, &arguments.l1_settle_key_file);
        let (url, [signer, settler], embedded) = match (&arguments.l1, files) {
            (Some(url), (Some(poster), Some(settler))) => (url.clone(), [read_key(poster)?, read_key(settler)?], None),
            _ => {
                let config = DevL1Config {
                    listen: loopback(0),
                    // The genesis block's hash follows from it, and the chain file names that hash.
                    genesis_timestamp: genesis_timestamp_ms / 1_000,
                    ..DevL1Config::default()
                };
                let embedded = dev_l1::spawn(config).await.or_fail(Exit::Failed, "starting the embedded L1")?;
                (embedded.url(), [0, 1].map(dev_l1::dev_signer), Some(embedded))
            }
        };
        if signer.address() == settler.address() {
            let message = "--l1-settle-key-file: expected another account than --l1-key-file's: each counts its nonces";
            return Err(Failure::new(Exit::Usage, message));
        }
        let provider = connect(&url, Some(&signer))?;
        Ok(Self { url, provider, signer, settler, embedded })
    }

    /// Whether this process runs it, so that it starts anew each time.
    pub const fn is_embedded(&self) -> bool {
        self.embedded.is_some()
    }

    /// What a new chain file says of this L1: the light client will stand where the account's next transaction puts it; and the registry,
    /// where committees are drawn, where the settling account's does.
    ///
    /// # Errors
    /// When the L1 does not answer.
    pub async fn plan(&self, is_drawn: bool) -> Result<L1Spec, Failure> {
        let asked = async {
            let chain_id = self.provider.get_chain_id().await?;
            let nonce = self.provider.get_transaction_count(self.signer.address()).await?;
            let block = self.provider.get_block_by_number(BlockNumberOrTag::Latest).await?;
            Ok::<_, alloy::transports::TransportError>((chain_id, nonce, block))
        };
        let (chain_id, nonce, block) =
            asked.await.or_fail(Exit::Failed, format_args!("asking the L1 at {}", self.url))?;
        let block = block.ok_or_else(|| Failure::new(Exit::Failed, format!("the L1 at {} has no block", self.url)))?;
        let drawn = if is_drawn { Some(registry::plan(self, block.header.number).await?) } else { None };
        let (registry, forced_inbox) = drawn.unzip();
        Ok(L1Spec {
            chain_id,
            light_client: light_client::predicted_address(self.signer.address(), nonce).to_string(),
            origin: L1Origin { number: block.header.number, hash: Digest(block.header.hash.0) },
            registry,
            forced_inbox,
        })
    }

    /// Makes sure that the light client stands where the chain file says.
    ///
    /// # Errors
    /// When the L1 refuses, or the light client would stand elsewhere.
    pub async fn deploy(&self, chain: &Chain) -> Result<Address, Failure> {
        let expected = light_client_address(chain)?;
        if light_client::head(&self.provider, expected).await.is_ok() {
            return Ok(expected);
        }
        let account = self.signer.address();
        let (hash, id) = (&chain.hash, chain.file.chain_id);
        // Where there is stake, a committee is believed for no longer than it is bound.
        let period_s = chain.file.l1.registry.as_ref().map_or(light_client::TRUST_FOR_EVER_S, |_| registry::HOUR_S);
        let deployed = light_client::deploy(&self.provider, account, hash, id, &chain.committee, period_s).await;
        let deployed = deployed.or_fail(Exit::Failed, "deploying the light client")?;
        if deployed != expected {
            let message = format!("chain.toml: `l1.light_client`: expected {expected}, deployed at {deployed}");
            return Err(Failure::new(Exit::Failed, message));
        }
        Ok(deployed)
    }

    /// Removes a submitter's journal, if the L1 that it tells of ended with the devnet that ran it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn forget(&self, journal: &Path) -> Result<(), Failure> {
        if self.is_embedded() && journal.exists() {
            std::fs::remove_file(journal).or_fail(Exit::Failed, format_args!("removing {}", journal.display()))?;
        }
        Ok(())
    }

    /// Stops the embedded L1.
    pub async fn stop(self) {
        if let Some(embedded) = self.embedded {
            embedded.shutdown().await;
        }
    }
}

/// The light client's address, from the chain file.
///
/// # Errors
/// When it is none, which a checked chain file rules out.
pub fn light_client_address(chain: &Chain) -> Result<Address, Failure> {
    chain.file.l1.light_client.parse().or_fail(Exit::Usage, "chain.toml: `l1.light_client`")
}
