//! The keys that an operator's commands are about: those of a node's configuration, or files that are named.

use crate::exit::{Exit, Failure, OrFail};
use clap::Args;
use commonware_codec::Encode;
use commonware_cryptography::{bls12381::primitives::group::Private, ed25519::PrivateKey};
use sinter_primitives::committee::{UNCOMPRESSED_KEY_BYTES, uncompress_key};
use sinter_sequencer::{
    config::{NodeConfig, VotingKey},
    keys,
};
use std::path::{Path, PathBuf};

/// Where a member's keys are.
#[derive(Debug, Args)]
pub struct KeyArguments {
    /// The node's configuration, which names both key files
    #[arg(long, value_name = "FILE", conflicts_with_all = ["node_key_file", "bls_key_file", "passphrase_file"])]
    pub config: Option<PathBuf>,
    /// The ed25519 key that peers know the node by
    #[arg(long, value_name = "FILE")]
    pub node_key_file: Option<PathBuf>,
    /// The BLS key that it votes with: a keystore, or hex
    #[arg(long, value_name = "FILE")]
    pub bls_key_file: Option<PathBuf>,
    /// The keystore's passphrase, mode 0600; without it, the systemd credential bls-passphrase or the terminal has it
    #[arg(long, value_name = "FILE", requires = "bls_key_file")]
    pub passphrase_file: Option<PathBuf>,
}

/// A member's keys, as far as they were named.
pub struct Identity {
    /// Its node's.
    pub node: Option<PrivateKey>,
    /// The one that it votes with.
    pub bls: Option<Private>,
}

impl Identity {
    /// Reads the keys that are named.
    ///
    /// # Errors
    /// When a file cannot be read, holds no key or a keystore that its passphrase does not open, or when a signer has the BLS key.
    pub fn read(arguments: &KeyArguments) -> Result<Self, Failure> {
        let Some(file) = &arguments.config else {
            let node = arguments.node_key_file.as_deref().map(read_node_key).transpose()?;
            let bls = arguments.bls_key_file.as_deref();
            let bls = bls.map(|file| read_bls_key(file, arguments.passphrase_file.as_deref())).transpose()?;
            return Ok(Self { node, bls });
        };
        let config = node_config(file)?;
        match config.voting_key().or_fail(Exit::Usage, "")? {
            VotingKey::File { file, passphrase_file } => Ok(Self {
                node: Some(read_node_key(&config.node_key_file)?),
                bls: Some(read_bls_key(file, passphrase_file)?),
            }),
            VotingKey::Signer { .. } => {
                let message = "expected `bls_key_file`, got `bls_signer`, which signs votes and nothing else: on the signer's \
                               machine, name the files with --node-key-file and --bls-key-file";
                Err(Failure::new(Exit::Usage, format!("{}: {message}", file.display())))
            }
        }
    }

    /// The node's public key.
    pub fn node_public(&self) -> Option<[u8; 32]> {
        self.node.as_ref().and_then(public_of)
    }

    /// The BLS key's public half, uncompressed as the registry has it.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn bls_public(&self) -> Result<Option<[u8; UNCOMPRESSED_KEY_BYTES]>, Failure> {
        let Some(key) = &self.bls else { return Ok(None) };
        let mut compressed = [0; 96];
        compressed.copy_from_slice(&keys::bls_public(key).encode());
        uncompress_key(&compressed).or_fail(Exit::Failed, "the BLS key").map(Some)
    }
}

/// The node key that a configuration names, whoever has the BLS key.
///
/// # Errors
/// When the configuration or the key file is wrong.
pub fn node_public_of(config: &Path) -> Result<[u8; 32], Failure> {
    let file = node_config(config)?.node_key_file;
    let none = || Failure::new(Exit::Usage, format!("{}: expected an ed25519 key, got none", file.display()));
    public_of(&read_node_key(&file)?).ok_or_else(none)
}

fn public_of(key: &PrivateKey) -> Option<[u8; 32]> {
    keys::node_public(key).encode().as_ref().try_into().ok()
}

fn node_config(file: &Path) -> Result<NodeConfig, Failure> {
    NodeConfig::load(Some(file), &toml::Table::new()).or_fail(Exit::Usage, "")
}

fn read_node_key(file: &Path) -> Result<PrivateKey, Failure> {
    keys::read_node_key(file).or_fail(Exit::Usage, "")
}

fn read_bls_key(file: &Path, passphrase_file: Option<&Path>) -> Result<Private, Failure> {
    keys::read_bls_key(file, passphrase_file).or_fail(Exit::Usage, "")
}
