//! Where a node without history begins: at the end of the newest epoch that any of some members knows, none of whom is believed.

use crate::{
    chain, client,
    exit::{Exit, Failure, OrFail, print_result},
};
use clap::Args;
use jsonrpsee::{core::client::Error as ClientError, http_client::HttpClient};
use sinter_primitives::network::TrustedNetwork;
use sinter_sequencer::{
    checkpoint::{CheckpointError, ENDS_MIN, Ends},
    config::NodeConfig,
    index::{Index, IndexError},
    node::INDEX_FILE,
    rpc::SinterApiClient,
    upgrades,
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{error::Elapsed, timeout};
use tracing::{info, warn};

/// How long one member has for one thing. What it said until then counts, and the next goes on.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(300);
/// Heights whose ids are asked for at once.
const PAGE_HEIGHTS: u64 = 64;

/// `sinter sequencer committee`.
#[derive(Debug, Args)]
pub struct CommitteeArguments {
    /// The network's chain.toml, or a file that this command printed earlier: what is trusted
    #[arg(long, value_name = "FILE")]
    pub trusted: PathBuf,
    /// A member's RPC. Whatever it says has to be certified by the committees before
    #[arg(long, value_name = "URL")]
    pub rpc: String,
}

/// Prints the newest two committees that a member leads to, as a file that others can trust.
///
/// # Errors
/// When the file is none, or the member does not answer or lies.
pub async fn committee(arguments: &CommitteeArguments) -> Result<(), Failure> {
    let mut trusted = read_trusted(&arguments.trusted)?;
    let url = &arguments.rpc;
    let node = client::http(url)?;
    loop {
        let ends = node.hand_overs(trusted.epoch).await.or_fail(Exit::Failed, url)?;
        if ends.is_empty() {
            break;
        }
        for end in &ends {
            trusted.hand_over(end).or_fail(Exit::Refused, url)?;
        }
    }
    info!(epoch = trusted.epoch, "the committees of this epoch and the next");
    print_result(serde_json::to_string_pretty(&trusted).or_fail(Exit::Failed, "writing the committees as JSON")?)
}

fn read_trusted(file: &Path) -> Result<TrustedNetwork, Failure> {
    let bytes = fs::read(file).or_fail(Exit::Usage, format_args!("reading {}", file.display()))?;
    TrustedNetwork::parse(&bytes).or_fail(Exit::Usage, file.display())
}

/// Lets a node begin at a checkpoint, by the members that its configuration names, if its index has no history.
///
/// # Errors
/// When a file is wrong, no member helps, or the disk fails. What members said that has been verified is kept for the next time.
pub async fn begin(config: &NodeConfig) -> Result<(), Failure> {
    let chain = Arc::new(chain::load(&config.chain)?);
    let trusted = match &config.join_trusted {
        Some(file) => read_trusted(file)?,
        None => TrustedNetwork::from(&*chain),
    };
    let ends = Ends::new(chain.clone(), trusted).or_fail(Exit::Usage, "`join_trusted`")?;
    fs::create_dir_all(&config.data_dir)
        .or_fail(Exit::Usage, format_args!("`data_dir`: {}", config.data_dir.display()))?;
    let index = Index::open(&config.data_dir.join(INDEX_FILE), chain.clone()).or_fail(Exit::Failed, "")?;
    if index.has_history().or_fail(Exit::Failed, "")? {
        info!(height = index.tip().header.height, "this node has history, and joins from nobody");
        return Ok(());
    }
    if chain.file.parameters.epoch_blocks.is_none() {
        info!("no epoch of this chain ever ends: this node begins at genesis");
        return Ok(());
    }
    let (may_be_new, protocol_max) = (config.join_trusted.is_none(), config.protocol_max);
    let mut joining = Joining { index, ends, may_be_new, protocol_max };
    joining.resume()?;
    match joining.join(&config.join_from).await {
        // It has begun, and no block has come since: that there is nothing newer, or nobody to tell, is no reason to stand still.
        Err(failure) if joining.index.tip().header.height > 0 => {
            warn!(%failure, "this node stays where it began");
            Ok(())
        }
        joined => joined,
    }
}

/// Why a member did not help.
#[derive(Debug, thiserror::Error)]
enum Unhelpful {
    /// It does not answer, or does not have it.
    #[error(transparent)]
    Member(#[from] ClientError),
    /// It takes too long.
    #[error("expected all of it within {} s", MEMBER_TIMEOUT.as_secs())]
    Slow(#[from] Elapsed),
    /// What it says does not hold.
    #[error(transparent)]
    Lie(#[from] CheckpointError),
    /// This node's disk.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Unhelpful {
    /// The next member is asked, unless it is this node that fails.
    fn unless_own(self, url: &str) -> Result<Failure, Failure> {
        match self {
            Self::Index(error) => Err(Failure::because(Exit::Failed, "", &error)),
            Self::Lie(error) => Ok(Failure::because(Exit::Refused, url, &error)),
            error => Ok(Failure::because(Exit::Failed, url, &error)),
        }
    }
}

/// A node that looks for where to begin.
struct Joining {
    index: Index,
    ends: Ends,
    /// Whether the network may be so new that a node begins at genesis.
    may_be_new: bool,
    /// The last protocol that the node takes part in.
    protocol_max: u8,
}

impl Joining {
    /// Goes with the hand-overs that an earlier try has kept, as far as they hold: what is trusted may have changed.
    fn resume(&mut self) -> Result<(), Failure> {
        while let Some(end) = self.index.hand_over(self.ends.epoch()).or_fail(Exit::Failed, "")? {
            if let Err(error) = self.ends.take(&end) {
                warn!(%error, epoch = self.ends.epoch(), "a hand-over in `data_dir` does not hold: members are asked for it");
                break;
            }
        }
        Ok(())
    }

    async fn join(&mut self, members: &[String]) -> Result<(), Failure> {
        let mut failures = Vec::new();
        // All of them: whoever is behind, or lies about where the chain is, holds nobody back.
        for url in members {
            let followed = timeout(MEMBER_TIMEOUT, self.follow(client::http(url)?)).await;
            if let Err(error) = followed.map_err(Unhelpful::from).and_then(|followed| followed) {
                let failure = error.unless_own(url)?;
                warn!(%failure, "a member did not lead to the newest committee");
                failures.push(failure);
            }
        }
        let newest = self.ends.last().map(|end| end.header);
        let Some(end) = newest.filter(|end| end.epoch.saturating_add(1) >= ENDS_MIN as u64) else {
            return self.begin_at_genesis(&failures);
        };
        let epoch = end.epoch;
        upgrades::check(self.protocol_max, end.height.saturating_add(1), end.protocol_in(epoch.saturating_add(1)))
            .or_fail(Exit::Usage, "`join_from`")?;
        let ends = &self.ends;
        let mut checkpoint = any(members, async |node| {
            let answer = node.epoch_ledger(epoch).await?;
            Ok(ends.checkpoint(&answer.ledger)?)
        })
        .await?;
        if checkpoint.header().height <= self.index.tip().header.height {
            info!(epoch, "no epoch has ended since this node began");
            return Ok(());
        }
        any(members, async |node| {
            while let Some(missing) = checkpoint.missing() {
                let (first, last) = missing.into_inner();
                let page = node.ordered_ids(first.max(last.saturating_sub(PAGE_HEIGHTS - 1)), last).await?;
                checkpoint.take(page)?;
            }
            Ok(())
        })
        .await?;
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64);
        self.index.begin_at(&checkpoint, now_ms).or_fail(Exit::Failed, "")?;
        let header = checkpoint.header();
        info!(epoch = header.epoch, height = header.height, "this node begins at the end of an epoch");
        Ok(())
    }

    /// A network that is new has too few epochs behind it. Everybody has to say so: one who hides them would have a node vote where it
    /// does not know what its key signed.
    fn begin_at_genesis(&self, failures: &[Failure]) -> Result<(), Failure> {
        if !failures.is_empty() {
            return Err(nobody(failures));
        }
        if !self.may_be_new {
            let message = format!(
                "`join_trusted`: expected committees of {ENDS_MIN} epochs ago or more, got those of epoch {}",
                self.ends.epoch()
            );
            return Err(Failure::new(Exit::Failed, message));
        }
        info!("all members say that fewer than {ENDS_MIN} epochs are over: this node begins at genesis");
        Ok(())
    }

    /// Goes with the committees as far as a member knows of them.
    async fn follow(&mut self, node: HttpClient) -> Result<(), Unhelpful> {
        loop {
            let ends = node.hand_overs(self.ends.epoch()).await?;
            if ends.is_empty() {
                return Ok(());
            }
            for end in ends {
                self.ends.take(&end)?;
                self.index.put_hand_over(&end)?;
            }
        }
    }
}

/// What the first member says that helps.
async fn any<T>(
    members: &[String],
    mut ask: impl AsyncFnMut(HttpClient) -> Result<T, Unhelpful>,
) -> Result<T, Failure> {
    let mut failures = Vec::new();
    for url in members {
        let asked = timeout(MEMBER_TIMEOUT, ask(client::http(url)?)).await;
        match asked.map_err(Unhelpful::from).and_then(|asked| asked) {
            Ok(answer) => return Ok(answer),
            Err(error) => {
                let failure = error.unless_own(url)?;
                warn!(%failure, "a member did not say what a node needs to begin");
                failures.push(failure);
            }
        }
    }
    Err(nobody(&failures))
}

fn nobody(failures: &[Failure]) -> Failure {
    let reasons: Vec<String> = failures.iter().map(ToString::to_string).collect();
    Failure::new(Exit::Failed, format!("`join_from`: none of the members lets this node begin: {}", reasons.join("; ")))
}
