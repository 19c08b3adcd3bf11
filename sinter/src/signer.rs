//! `sinter signer`: keep a voting key in a process of its own.

use crate::{
    chain,
    config::{self, RunArguments, start_log},
    exit::{Exit, Failure, OrFail},
    signals,
};
use clap::Subcommand;
use commonware_cryptography::ed25519::PublicKey;
use serde::Deserialize;
use sinter_sequencer::{
    keys,
    signer::{Endpoint, Keeper, Listener, TlsConfig, serve},
};
use std::path::{Path, PathBuf};

/// `sinter signer …`.
#[derive(Debug, Subcommand)]
pub enum SignerCommand {
    /// Sign votes for the nodes that may ask, until SIGINT or SIGTERM
    Run(RunArguments),
}

/// A signer's configuration file. Paths are relative to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignerConfig {
    /// The BLS key: a keystore, or hex, mode 0600.
    key_file: PathBuf,
    /// The keystore's passphrase, mode 0600; without it, a systemd credential or the terminal has it.
    passphrase_file: Option<PathBuf>,
    /// Where what was signed is remembered. Of this key alone, and never restored from a backup.
    data_dir: PathBuf,
    /// The chain.toml of each network that the key votes in.
    chains: Vec<PathBuf>,
    /// Where nodes ask: `unix:/path`, or `tls://host:port`.
    listen: Endpoint,
    /// Over TLS, the ed25519 key that nodes know the signer by: hex, mode 0600.
    tls_key_file: Option<PathBuf>,
    /// Over TLS, the node keys of those who may ask.
    #[serde(default)]
    nodes: Vec<String>,
    /// What is logged, in `tracing-subscriber`'s filter syntax.
    #[serde(default = "default_log")]
    log: String,
}

fn default_log() -> String {
    "info".into()
}

/// Carries the command out.
///
/// # Errors
/// When the configuration or a key is wrong, or a vote cannot be remembered.
pub fn run(command: &SignerCommand) -> Result<(), Failure> {
    let SignerCommand::Run(arguments) = command;
    let (config, base): (SignerConfig, PathBuf) = config::load(&arguments.config)?;
    start_log(&config.log, arguments.log_format)?;
    if config.chains.is_empty() {
        return Err(Failure::new(Exit::Usage, "configuration: `chains`: expected at least one chain.toml, got none"));
    }
    let chains = config.chains.iter().map(|file| chain::load(&base.join(file))).collect::<Result<Vec<_>, _>>()?;
    let key_file = base.join(&config.key_file);
    let passphrase_file = config.passphrase_file.as_ref().map(|file| base.join(file));
    let key = keys::read_bls_key(&key_file, passphrase_file.as_deref()).or_fail(Exit::Usage, "")?;
    let keeper = Keeper::open(key, &key_file, &base.join(&config.data_dir), &chains).or_fail(Exit::Usage, "")?;
    let runtime = tokio::runtime::Runtime::new().or_fail(Exit::Failed, "starting the runtime")?;
    let stop_with_input = arguments.stop_with_input;
    runtime.block_on(async {
        let listener = bind(&config, &base).await?;
        tokio::select! {
            ended = serve(keeper, listener) => ended.or_fail(Exit::Failed, ""),
            reason = signals::told_to_stop(stop_with_input) => {
                tracing::info!(reason, "stopping");
                Ok(())
            }
        }
    })
}

async fn bind(config: &SignerConfig, base: &Path) -> Result<Listener, Failure> {
    let wrong = |message: &str| Err(Failure::new(Exit::Usage, format!("configuration: {message}")));
    match (&config.listen, &config.tls_key_file) {
        (Endpoint::Unix(path), None) if config.nodes.is_empty() => Listener::unix(path).or_fail(Exit::Usage, ""),
        (Endpoint::Unix(_), _) => {
            wrong("`tls_key_file` and `nodes`: expected neither on a unix socket, which is its owner's, got some")
        }
        (Endpoint::Tls(_), None) => wrong("`tls_key_file`: expected one where `listen` is tls://, got none"),
        (Endpoint::Tls(_), Some(_)) if config.nodes.is_empty() => {
            wrong("`nodes`: expected at least one node key where `listen` is tls://, got none")
        }
        (Endpoint::Tls(address), Some(file)) => {
            let key = keys::read_node_key(&base.join(file)).or_fail(Exit::Usage, "")?;
            let nodes = config.nodes.iter().map(|text| node_key(text)).collect::<Result<_, _>>()?;
            tracing::info!(bls_signer_key = %keys::node_public(&key), "nodes know the signer by");
            Listener::tls(address, TlsConfig { key, nodes }).await.or_fail(Exit::Usage, "")
        }
    }
}

fn node_key(text: &str) -> Result<PublicKey, Failure> {
    keys::parse_node_public(text).ok_or_else(|| {
        let message = format!("configuration: `nodes`: expected public node keys of 64 hex digits, got {text:?}");
        Failure::new(Exit::Usage, message)
    })
}
