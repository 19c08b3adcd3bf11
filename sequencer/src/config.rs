//! A node's own configuration: a TOML file, then the environment, then flags; the last one wins.
//!
//! What all nodes of a network must share is in `chain.toml` ([`sinter_primitives::Chain`]); what is here
//! belongs to one node. Environment variables are the keys in capitals behind `SINTER_`, with `__`
//! between levels: `SINTER_MEMPOOL__BYTES_MAX=1048576`.

use crate::{
    dissemination::DisseminationConfig,
    keys::{self, BlsPublic},
    mempool::MempoolConfig,
    rpc::RpcConfig,
    shards::ShardsConfig,
    signer::Endpoint,
};
use commonware_codec::{Copying, DecodeExt as _};
use commonware_cryptography::ed25519::PublicKey;
use figment::{
    Figment,
    providers::{Env, Serialized},
};
use serde::{Deserialize, Serialize};
use sinter_primitives::{
    Namespace,
    address::{self, NodeAddress},
    fees::{Address, may_earn},
    header::{PROTOCOL_FIRST, PROTOCOL_MAX},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The prefix of the environment variables that this reads.
pub const ENV_PREFIX: &str = "SINTER_";
/// Set by the launcher to say where the file is; no key of it.
const ENV_CONFIG: &str = "config";

/// Why a node's configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file could not be opened.
    #[error("configuration file {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is not TOML.
    #[error("configuration file {path}: expected TOML, got: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A key is missing, unknown, or of the wrong type; the message names it and where it was set.
    #[error("configuration: {0}")]
    Key(#[from] Box<figment::Error>),
    /// Not exactly one has the voting key.
    #[error("configuration: who has the voting key: expected {expected}, got {got}")]
    VotingKey {
        /// What must be there.
        expected: &'static str,
        /// What is there.
        got: String,
    },
    /// The same, of the key that it had before.
    #[error("`[bls_old]`: {0}")]
    OldVotingKey(Box<Self>),
    /// A key holds a value out of its range.
    #[error("configuration: `{key}`: expected {expected}, got {got}")]
    OutOfRange {
        /// The key, as a dotted path.
        key: String,
        /// What is admitted.
        expected: String,
        /// What is there.
        got: String,
    },
}

/// Who has the key that a node votes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VotingKey<'a> {
    /// The node itself.
    File {
        /// A keystore, or hex.
        file: &'a Path,
        /// Where the keystore's passphrase is.
        passphrase_file: Option<&'a Path>,
    },
    /// A [signer](crate::signer).
    Signer {
        /// Where it listens.
        endpoint: &'a Endpoint,
        /// What it proves over TLS.
        signer_key: Option<PublicKey>,
        /// The key that it votes with, where the configuration says.
        public_key: Option<Box<BlsPublic>>,
    },
}

/// A voting key that this node had before, while committees have it that were drawn before the key was rotated: `[bls_old]`, with the keys
/// of the configuration that say where the voting key is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OldVotingKey {
    /// The BLS key: hex or an EIP-2335 keystore, mode 0600. Without it, `bls_signer` has the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bls_key_file: Option<PathBuf>,
    /// The passphrase of the keystore, mode 0600.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bls_passphrase_file: Option<PathBuf>,
    /// The signer that votes with it: `unix:/path`, or `tls://host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bls_signer: Option<Endpoint>,
    /// The ed25519 key that the signer proves over TLS, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bls_signer_key: Option<String>,
    /// The BLS public key that the signer votes with, in hex; without it, that of the node's seat in `chain.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bls_public_key: Option<String>,
}

/// What a configuration says of a voting key.
struct VotingKeyFields<'a> {
    file: Option<&'a Path>,
    passphrase_file: Option<&'a Path>,
    signer: Option<&'a Endpoint>,
    signer_key: Option<&'a str>,
    public_key: Option<&'a str>,
}

impl<'a> VotingKeyFields<'a> {
    /// Who has the key.
    fn who(&self) -> Result<VotingKey<'a>, ConfigError> {
        let refused = |expected, got: &str| Err(ConfigError::VotingKey { expected, got: got.into() });
        let other_keys = match (self.passphrase_file, self.signer_key) {
            (Some(_), _) if self.file.is_none() => "`bls_passphrase_file`",
            (_, Some(_)) if self.signer.is_none() => "`bls_signer_key`",
            _ => "neither",
        };
        let public_key = self.public_key.map(parse_bls_public).transpose()?.map(Box::new);
        let signer =
            |endpoint, signer_key| Ok(VotingKey::Signer { endpoint, signer_key, public_key: public_key.clone() });
        match (self.file, self.signer) {
            (Some(_), Some(_)) => refused("`bls_key_file` or `bls_signer`", "both"),
            (None, None) => refused("`bls_key_file` or `bls_signer`", other_keys),
            _ if other_keys != "neither" => refused("only what belongs to who has the key", other_keys),
            (Some(file), None) => Ok(VotingKey::File { file, passphrase_file: self.passphrase_file }),
            (None, Some(endpoint @ Endpoint::Unix(_))) => match self.signer_key {
                None => signer(endpoint, None),
                Some(_) => refused("no `bls_signer_key` for a unix socket, which is its owner's", "one"),
            },
            (None, Some(endpoint @ Endpoint::Tls(_))) => {
                let text = self.signer_key.unwrap_or("none");
                match keys::parse_node_public(text) {
                    Some(key) => signer(endpoint, Some(key)),
                    None => refused("`bls_signer_key`, 64 hex digits, for a signer over TLS", text),
                }
            }
        }
    }
}

fn parse_bls_public(text: &str) -> Result<BlsPublic, ConfigError> {
    let bytes = hex::decode(text.trim_start_matches("0x")).unwrap_or_default();
    BlsPublic::decode(Copying(bytes.as_slice())).map_err(|_| ConfigError::OutOfRange {
        key: "bls_public_key".into(),
        expected: "a compressed BLS public key, 192 hex digits".into(),
        got: text.into(),
    })
}

/// A namespace, as this node serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NamespaceConfig {
    /// The rollup's own Ethereum JSON-RPC, to which `eth_` methods that this node does not serve are passed on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rpc_url: Option<String>,
}

/// Most L1 nodes that are asked.
pub const L1_RPC_MAX: usize = 8;
/// Most members that a node without history asks.
pub const JOIN_FROM_MAX: usize = 64;
/// Least `l1_poll_interval_ms`.
pub const L1_POLL_INTERVAL_MS_MIN: u64 = 50;
/// Most `l1_poll_interval_ms`: a node that looks more rarely names what is final to others too late.
pub const L1_POLL_INTERVAL_MS_MAX: u64 = 10_000;

/// A node's own configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// The network's `chain.toml`.
    pub chain: PathBuf,
    /// Where everything durable lives: votes, blocks, index.
    pub data_dir: PathBuf,
    /// The ed25519 key that peers know this node by: hex, mode 0600.
    pub node_key_file: PathBuf,
    /// The one that peers knew it by before, mode 0600: it goes by that in epochs whose committee has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_key_file_old: Option<PathBuf>,
    /// The BLS key that it votes with: hex or an EIP-2335 keystore, mode 0600. Without it, `bls_signer` has the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_key_file: Option<PathBuf>,
    /// The passphrase of the keystore, mode 0600; without it, a systemd credential or the terminal has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_passphrase_file: Option<PathBuf>,
    /// The signer that votes for it: `unix:/path`, or `tls://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_signer: Option<Endpoint>,
    /// The ed25519 key that the signer proves over TLS, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_signer_key: Option<String>,
    /// The BLS public key that the signer votes with, in hex; without it, that of the node's seat in `chain.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_public_key: Option<String>,
    /// A vote that the signer has not signed by then is not cast.
    #[serde(default = "default_bls_signer_timeout_ms")]
    pub bls_signer_timeout_ms: u64,
    /// The key that it voted with before: it votes in each epoch with the one that its seat has there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bls_old: Option<OldVotingKey>,
    /// The L1 address, `0x` and 40 hex digits, that gets the node's share of the fees, where the chain has any. Without one it earns
    /// nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fee_recipient: Option<String>,
    /// URLs of L1 nodes, of which those that answer must agree. A chain that draws its committees needs one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub l1_rpc: Vec<String>,
    /// Time between two looks at the L1. What is final there is named in a block three of them later, when others see it, too.
    #[serde(default = "default_l1_poll_interval_ms")]
    pub l1_poll_interval_ms: u64,
    /// RPC URLs of members that a node without history begins with: at the end of the newest epoch, and not at genesis. None of them is
    /// believed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join_from: Vec<String>,
    /// The committees that it trusts then: what `sinter sequencer committee` prints; without it, that of `chain.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join_trusted: Option<PathBuf>,
    /// The UDP address that peers reach it at.
    pub listen: SocketAddr,
    /// The address of the JSON-RPC, over HTTP and WebSocket.
    pub rpc_listen: SocketAddr,
    /// The address of `/metrics`; without it, the RPC's own serves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_listen: Option<SocketAddr>,
    /// Blocks that stay on disk behind the last finalized one.
    #[serde(default = "default_retention_blocks")]
    pub retention_blocks: u64,
    /// Bytes that must stay free under `data_dir`; below them the node stops while it still can cleanly.
    #[serde(default = "default_disk_free_bytes_min")]
    pub disk_free_bytes_min: u64,
    /// Threads for tasks; as many again compute signatures and hashes.
    #[serde(default = "default_worker_threads")]
    pub worker_threads: usize,
    /// Addresses that replace those of `chain.toml`: node key (hex) to `host:port`.
    #[serde(default)]
    pub peers: BTreeMap<String, String>,
    /// The last protocol that this node takes part in, of those that its release knows. With less than all, it is not ready for the
    /// next one, and stops where the others go over to it.
    #[serde(default = "default_protocol_max")]
    pub protocol_max: u8,
    /// Bounds of the mempool.
    #[serde(default)]
    pub mempool: MempoolConfig,
    /// How eagerly transactions are passed on to other members.
    #[serde(default)]
    pub dissemination: DisseminationConfig,
    /// When blocks that it proposes go in shards.
    #[serde(default)]
    pub shards: ShardsConfig,
    /// Bounds of the interface.
    #[serde(default)]
    pub rpc: RpcConfig,
    /// Namespaces that this node serves in a particular way, by id.
    #[serde(default)]
    pub namespaces: BTreeMap<NamespaceId, NamespaceConfig>,
    /// What is logged, in `tracing-subscriber`'s filter syntax.
    #[serde(default = "default_log")]
    pub log: String,
}

fn default_retention_blocks() -> u64 {
    1_000_000
}

fn default_disk_free_bytes_min() -> u64 {
    256 << 20
}

fn default_l1_poll_interval_ms() -> u64 {
    2_000
}

const fn default_protocol_max() -> u8 {
    PROTOCOL_MAX
}

fn default_bls_signer_timeout_ms() -> u64 {
    500
}

fn default_worker_threads() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

fn default_log() -> String {
    "info".into()
}

impl NodeConfig {
    /// Reads `file`, then the environment, then `overrides` (whose `None`s must be skipped when
    /// serialized), and checks the result. Paths in the file are relative to the file's directory.
    ///
    /// # Errors
    /// [`ConfigError`], naming the key.
    pub fn load(file: Option<&Path>, overrides: &impl Serialize) -> Result<Self, ConfigError> {
        let mut figment = Figment::new();
        if let Some(path) = file {
            // figment takes an absent file for an empty one; a path that was named must be there.
            let text =
                std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: path.into(), source })?;
            let mut values: toml::Table = toml::from_str(&text)
                .map_err(|error| ConfigError::Syntax { path: path.into(), message: error.to_string() })?;
            make_paths_absolute(&mut values, path.parent().unwrap_or(Path::new(".")));
            figment = figment.merge(Serialized::defaults(values));
        }
        let config: Self = figment
            .merge(Env::prefixed(ENV_PREFIX).ignore(&[ENV_CONFIG]).split("__"))
            .merge(Serialized::defaults(overrides))
            .extract()
            .map_err(Box::new)?;
        config.check()?;
        Ok(config)
    }

    /// The interface's configuration, with what it takes from the node's own keys.
    #[must_use]
    pub fn rpc_config(&self) -> RpcConfig {
        let upstreams = self.namespaces.iter().filter_map(|(id, namespace)| Some((id.0, namespace.rpc_url.clone()?)));
        RpcConfig {
            listen: self.rpc_listen,
            metrics_listen: self.metrics_listen,
            upstreams: upstreams.collect(),
            ..self.rpc.clone()
        }
    }

    /// Who has the key that this node votes with.
    ///
    /// # Errors
    /// [`ConfigError::VotingKey`] unless exactly one has it.
    pub fn voting_key(&self) -> Result<VotingKey<'_>, ConfigError> {
        let fields = VotingKeyFields {
            file: self.bls_key_file.as_deref(),
            passphrase_file: self.bls_passphrase_file.as_deref(),
            signer: self.bls_signer.as_ref(),
            signer_key: self.bls_signer_key.as_deref(),
            public_key: self.bls_public_key.as_deref(),
        };
        fields.who()
    }

    /// The same, and who has the one that it voted with before.
    ///
    /// # Errors
    /// [`ConfigError::VotingKey`] unless exactly one has the one; [`ConfigError::OldVotingKey`] likewise, of the old one.
    pub fn voting_keys(&self) -> Result<Vec<VotingKey<'_>>, ConfigError> {
        let mut keys = vec![self.voting_key()?];
        if let Some(old) = &self.bls_old {
            let fields = VotingKeyFields {
                file: old.bls_key_file.as_deref(),
                passphrase_file: old.bls_passphrase_file.as_deref(),
                signer: old.bls_signer.as_ref(),
                signer_key: old.bls_signer_key.as_deref(),
                public_key: old.bls_public_key.as_deref(),
            };
            keys.push(fields.who().map_err(|error| ConfigError::OldVotingKey(Box::new(error)))?);
        }
        Ok(keys)
    }

    /// The address that gets the node's share of the fees.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when it is none.
    pub fn fee_recipient(&self) -> Result<Option<Address>, ConfigError> {
        let Some(text) = &self.fee_recipient else { return Ok(None) };
        let parsed = text.strip_prefix("0x").and_then(|digits| <Address>::try_from(hex::decode(digits).ok()?).ok());
        parsed.filter(may_earn).map(Some).ok_or_else(|| ConfigError::OutOfRange {
            key: "fee_recipient".into(),
            expected: "an address of the L1, `0x` and 40 hex digits, from 2^64 up".into(),
            got: text.clone(),
        })
    }

    /// The BLS key that a signer votes with, where the configuration says.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] when it is none.
    pub fn bls_public_key(&self) -> Result<Option<BlsPublic>, ConfigError> {
        self.bls_public_key.as_deref().map(parse_bls_public).transpose()
    }

    fn check(&self) -> Result<(), ConfigError> {
        self.voting_keys()?;
        self.fee_recipient()?;
        in_range("l1_rpc (URLs)", self.l1_rpc.len(), 0, L1_RPC_MAX)?;
        if self.join_trusted.is_some() && self.join_from.is_empty() {
            return Err(ConfigError::OutOfRange {
                key: "join_trusted".into(),
                expected: "`join_from`, members who lead from there".into(),
                got: "none".into(),
            });
        }
        in_range("join_from (URLs)", self.join_from.len(), 0, JOIN_FROM_MAX)?;
        in_range("l1_poll_interval_ms", self.l1_poll_interval_ms, L1_POLL_INTERVAL_MS_MIN, L1_POLL_INTERVAL_MS_MAX)?;
        in_range("bls_signer_timeout_ms", self.bls_signer_timeout_ms, 10, 10_000)?;
        in_range("protocol_max", self.protocol_max, PROTOCOL_FIRST, PROTOCOL_MAX)?;
        in_range("worker_threads", self.worker_threads, 1, 1024)?;
        // A node must hold enough for a peer that was away to catch up from, and its own window of ids.
        in_range("retention_blocks", self.retention_blocks, 1 << 10, u64::MAX)?;
        // The databases need room to end a write that has begun.
        in_range("disk_free_bytes_min", self.disk_free_bytes_min, 16 << 20, u64::MAX)?;
        for (key, address) in &self.peers {
            let bytes = hex::decode(key.trim_start_matches("0x")).unwrap_or_default();
            if bytes.len() != 32 {
                return Err(ConfigError::OutOfRange {
                    key: format!("peers.{key}"),
                    expected: "a node key of 64 hex digits".into(),
                    got: key.clone(),
                });
            }
            address.parse::<NodeAddress>().map_err(|error| ConfigError::OutOfRange {
                key: format!("peers.{key}"),
                expected: address::EXPECTED.into(),
                got: error.got,
            })?;
        }
        Ok(())
    }
}

fn in_range<T: PartialOrd + std::fmt::Display>(key: &str, got: T, min: T, max: T) -> Result<(), ConfigError> {
    if got < min || got > max {
        return Err(ConfigError::OutOfRange {
            key: key.into(),
            expected: format!("{min} to {max}"),
            got: got.to_string(),
        });
    }
    Ok(())
}

fn make_paths_absolute(values: &mut toml::Table, base: &Path) {
    let keys = [
        "chain",
        "data_dir",
        "node_key_file",
        "node_key_file_old",
        "bls_key_file",
        "bls_passphrase_file",
        "join_trusted",
    ];
    for key in keys {
        if let Some(toml::Value::String(path)) = values.get_mut(key) {
            *path = base.join(&*path).display().to_string();
        }
    }
    if let Some(toml::Value::Table(old)) = values.get_mut("bls_old") {
        make_paths_absolute(old, base);
    }
}

/// A namespace's id as the key of a table, where only text may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NamespaceId(pub Namespace);

impl Serialize for NamespaceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_string())
    }
}

impl<'de> Deserialize<'de> for NamespaceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let id = text.parse().map_err(|_| {
            serde::de::Error::custom(format!("expected a namespace id as a whole number, got {text:?}"))
        })?;
        Ok(Self(Namespace(id)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MINIMAL: &str = r#"
        chain = "chain.toml"
        data_dir = "data"
        node_key_file = "node.key"
        bls_key_file = "/keys/bls.key"
        listen = "127.0.0.1:7000"
        rpc_listen = "127.0.0.1:7001"
    "#;

    #[derive(Serialize, Default)]
    struct Flags {
        #[serde(skip_serializing_if = "Option::is_none")]
        rpc_listen: Option<SocketAddr>,
    }

    fn load(text: &str) -> Result<NodeConfig, ConfigError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, text).unwrap();
        NodeConfig::load(Some(&path), &Flags::default())
    }

    #[test]
    fn paths_are_relative_to_the_file() {
        let config = load(MINIMAL).unwrap();
        assert!(config.chain.is_absolute() && config.chain.ends_with("chain.toml"));
        assert_eq!(config.bls_key_file.as_deref(), Some(Path::new("/keys/bls.key")));
        assert_eq!(config.retention_blocks, 1_000_000);
    }

    #[test]
    fn flags_win() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, MINIMAL).unwrap();
        let address = "127.0.0.1:9999".parse().unwrap();
        let config = NodeConfig::load(Some(&path), &Flags { rpc_listen: Some(address) }).unwrap();
        assert_eq!(config.rpc_listen, address);
    }

    #[test]
    fn errors_name_the_key() {
        for (line, key) in [
            ("listen = 7", "listen"),
            ("retention_blocks = 5", "retention_blocks"),
            ("retention_blocks = \"many\"", "retention_blocks"),
            ("no_such_key = 1", "no_such_key"),
            ("protocol_max = 0", "protocol_max"),
            ("protocol_max = 3", "protocol_max"),
            ("[namespaces.seven]\nrpc_url = \"http://localhost\"", "seven"),
            ("[namespaces.7]\nurl = \"http://localhost\"", "url"),
            ("[peers]\nabcd = \"localhost:1\"", "peers.abcd"),
        ] {
            let text = match line.split_once(" = ") {
                Some(("listen", _)) => MINIMAL.replace("listen = \"127.0.0.1:7000\"", line),
                _ => format!("{MINIMAL}\n{line}"),
            };
            let error = load(&text).unwrap_err().to_string();
            assert!(error.contains(key), "{key} not in: {error}");
        }
    }

    #[test]
    fn exactly_one_has_the_voting_key() {
        let key = "bls_key_file = \"/keys/bls.key\"\n";
        let signer_key = format!("bls_signer_key = \"{}\"\n", "d7".repeat(32));
        let with = |lines: &str| load(&MINIMAL.replace("        bls_key_file = \"/keys/bls.key\"\n", lines));
        for (lines, expected) in [
            (String::new(), "`bls_key_file` or `bls_signer`, got neither"),
            (format!("{key}bls_signer = \"unix:/run/s\"\n"), "`bls_key_file` or `bls_signer`, got both"),
            ("bls_signer = \"tls://host:7400\"\n".into(), "for a signer over TLS, got none"),
            ("bls_signer = \"tls://host:7400\"\nbls_signer_key = \"12\"\n".into(), "for a signer over TLS, got 12"),
            (format!("bls_signer = \"unix:/run/s\"\n{signer_key}"), "no `bls_signer_key` for a unix socket"),
            (format!("{key}{signer_key}"), "got `bls_signer_key`"),
            ("bls_signer = \"unix:/s\"\nbls_passphrase_file = \"p\"\n".into(), "got `bls_passphrase_file`"),
            ("bls_signer = \"/run/s\"\n".into(), "expected `unix:/path` or `tls://host:port`, got \"/run/s\""),
        ] {
            let error = with(&lines).unwrap_err().to_string();
            assert!(error.contains(expected), "{lines}: {error}");
        }
        let config = with("bls_signer = \"unix:/run/s\"\n").unwrap();
        assert!(matches!(config.voting_key(), Ok(VotingKey::Signer { signer_key: None, .. })));
        let config = with(&format!("bls_signer = \"tls://host:7400\"\n{signer_key}")).unwrap();
        assert!(matches!(config.voting_key(), Ok(VotingKey::Signer { signer_key: Some(_), .. })));
        // The key that it had before, too.
        let old = |lines: &str| load(&format!("{MINIMAL}\n[bls_old]\n{lines}"));
        let config = old(key).unwrap();
        let keys = config.voting_keys().unwrap();
        assert!(
            keys.len() == 2 && matches!(keys[1], VotingKey::File { file, .. } if file == Path::new("/keys/bls.key"))
        );
        for (lines, expected) in [
            (
                "",
                "`[bls_old]`: configuration: who has the voting key: expected `bls_key_file` or `bls_signer`, got neither",
            ),
            (
                "bls_signer = \"unix:/s\"\nbls_public_key = \"12\"\n",
                "`bls_public_key`: expected a compressed BLS public key",
            ),
            ("key_file = \"/keys/bls.key\"\n", "unknown field: found `key_file`"),
        ] {
            let error = old(lines).unwrap_err().to_string();
            assert!(error.contains(expected), "{lines}: {error}");
        }
    }

    #[test]
    fn namespaces_are_keyed_by_id() {
        let config = load(&format!("{MINIMAL}\n[namespaces.7]\nrpc_url = \"http://localhost:8545\"")).unwrap();
        let namespace = &config.namespaces[&NamespaceId(Namespace(7))];
        assert_eq!(namespace.rpc_url.as_deref(), Some("http://localhost:8545"));
    }

    #[test]
    fn a_missing_file_is_an_error() {
        let error = NodeConfig::load(Some(Path::new("/nowhere/node.toml")), &Flags::default()).unwrap_err();
        assert!(error.to_string().contains("/nowhere/node.toml"), "{error}");
    }
}
