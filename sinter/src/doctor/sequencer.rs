//! A committee member: its configuration, its keys and their seat, its ports, and whether somebody else votes for it.

use super::{Finding, Verdict, host, l1};
use crate::client;
use alloy::primitives::Address;
use commonware_codec::Encode as _;
use serde::Serialize;
use sinter_primitives::{Chain, receipt::TrustedNetwork};
use sinter_sequencer::{
    config::{NodeConfig, VotingKey},
    consensus,
    keys::{self, BlsPublic},
    rpc::{api::SinterApiClient, types::BlockId},
};
use std::{
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// Blocks whose certificates are looked at for votes of this member, which takes that many requests.
const CERTIFICATES: usize = 16;
/// Looks at most, which take a minute.
const LOOKS: usize = 120;
/// Time between two looks: a chain makes a block or more in it.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Votes that were on their way when a member was stopped have arrived by then.
const SETTLED: Duration = Duration::from_secs(3);

pub(super) async fn findings(path: &Path, member: Option<&str>) -> Vec<Finding> {
    /// Nothing is overridden.
    #[derive(Serialize)]
    struct Nothing {}
    let config = match NodeConfig::load(Some(path), &Nothing {}) {
        Ok(config) => config,
        Err(error) => return vec![Finding::wrong("configuration", &error, "correct the key that it names")],
    };
    let mut findings = vec![Finding::ok("configuration", path.display().to_string())];
    findings.push(host::disk(&config.data_dir, config.disk_free_bytes_min));
    let status = match client::http(&format!("http://{}", config.rpc_listen)) {
        Ok(node) => node.status().await.ok(),
        Err(_) => None,
    };
    let ports = [
        host::port("peers' port", config.listen, true, status.is_some()),
        host::port("RPC port", config.rpc_listen, false, status.is_some()),
    ];
    // Whoever holds its ports may be the member itself, too busy to answer.
    let is_stopped = status.is_none() && ports.iter().all(|port| port.verdict == Verdict::Ok);
    findings.extend(ports);
    if let Some(address) = config.metrics_listen {
        findings.push(host::port("metrics port", address, false, status.is_some()));
    }
    let chain = match crate::chain::load(&config.chain) {
        Ok(chain) => chain,
        Err(failure) => {
            let remedy = "get the network's chain.toml again";
            findings.push(Finding::new("chain", Verdict::Wrong, failure.to_string(), remedy));
            return findings;
        }
    };
    findings.extend(l1_nodes(&config, &chain).await);
    if chain.file.fees.is_some() {
        findings.push(match &config.fee_recipient {
            Some(address) => Finding::ok("fees", format!("its share goes to {address}")),
            None => Finding::new("fees", Verdict::Warning, "nobody gets its share", "set `fee_recipient`"),
        });
    }
    let bls_key = match keys(&config, &chain) {
        Ok((bls_key, finding)) => {
            findings.push(finding);
            bls_key
        }
        Err(finding) => {
            findings.push(finding);
            return findings;
        }
    };
    if let Some(status) = &status {
        // Where committees are drawn, those who stand by are connected, too.
        let others = chain.committee.seats().len() as u32 - 1;
        let is_drawn = chain.file.l1.registry.is_some();
        findings.push(match status.health.healthy {
            true => Finding::ok("health", format!("height {}", status.head.height)),
            false => Finding::new(
                "health",
                Verdict::Wrong,
                format!("{:?}", status.health.ailments),
                "the log says since when; the runbook of the alert that fired says what to do",
            ),
        });
        findings.push(match status.peers {
            peers if is_drawn && peers >= others.max(1) => Finding::ok("peers", format!("connected to {peers}")),
            peers if peers == others && !is_drawn => Finding::ok("peers", format!("connected to all {others}")),
            peers => Finding::new(
                "peers",
                Verdict::Warning,
                format!("connected to {peers} of {others}"),
                "let UDP through to `listen`, and compare the addresses in chain.toml",
            ),
        });
    }
    findings.push(match (is_stopped, member) {
        (false, _) => Finding::skipped(
            "duplicate signer",
            "this member runs, or something holds its ports: its own votes hide another's",
            "stop it and run this again with --member URL",
        ),
        (true, None) => {
            Finding::skipped("duplicate signer", "nobody was asked", "--member URL, the RPC of another member")
        }
        (true, Some(member)) => match bls_key {
            Some(bls_key) => duplicate(member, &chain, &bls_key).await,
            None => Finding::skipped(
                "duplicate signer",
                "the signer has the key, and nothing here says which",
                "`bls_public_key` in the configuration",
            ),
        },
    });
    findings
}

/// The L1 nodes that the member looks through, where it has to look.
async fn l1_nodes(config: &NodeConfig, chain: &Chain) -> Vec<Finding> {
    let l1 = &chain.file.l1;
    if !l1.is_followed() {
        return Vec::new();
    }
    let remedy = "name L1 nodes of several operators in `l1_rpc`";
    let mut contracts: Vec<(&'static str, Address)> = Vec::new();
    contracts.extend(l1.registry.as_ref().map(|registry| ("registry", registry.address().into())));
    contracts.extend(l1.forced_inbox.as_ref().map(|inbox| ("forced inbox", inbox.address().into())));
    if config.l1_rpc.is_empty() {
        let found = "expected one at least, since blocks of this chain depend on what happens on the L1, got none";
        return vec![Finding::new("L1", Verdict::Wrong, found, remedy)];
    }
    let mut findings = Vec::new();
    for (number, url) in config.l1_rpc.iter().enumerate() {
        let key = format!("l1_rpc[{number}]");
        let needed = l1::Needed {
            url,
            key: &key,
            chain_id: l1.chain_id,
            contracts: contracts.clone(),
            contract_remedy: "compare the hash of chain.toml with what others have",
            payer: None,
        };
        findings.extend(l1::findings(&needed).await);
    }
    if config.l1_rpc.len() == 1 {
        let found = "one node: what it says of the L1 is believed";
        findings.push(Finding::new("L1", Verdict::Warning, found, remedy));
    }
    findings
}

/// The BLS key that votes, where it is known, and whether the keys are good for a seat.
fn keys(config: &NodeConfig, chain: &Chain) -> Result<(Option<BlsPublic>, Finding), Finding> {
    let is_drawn = chain.file.l1.registry.is_some();
    let remedy = match is_drawn {
        true => "use the keys that were made for this member, mode 0600",
        false => "use the keys that the seat in chain.toml was made from, mode 0600",
    };
    let wrong = |error: &dyn std::error::Error| Finding::wrong("keys", error, remedy);
    let public = keys::node_public(&keys::read_node_key(&config.node_key_file).map_err(|error| wrong(&error))?);
    if let Some(old) = &config.node_key_file_old {
        keys::read_node_key(old).map_err(|error| wrong(&error))?;
    }
    let seats = chain.committee.seats();
    let seat = seats.iter().position(|seat| seat.node_key.as_slice() == public.as_ref());
    let bls_key = match config.voting_key().map_err(|error| wrong(&error))? {
        VotingKey::File { file, passphrase_file } => {
            let bls_key = keys::read_bls_key(file, passphrase_file).map_err(|error| wrong(&error))?;
            let voting = keys::bls_public(&bls_key);
            if !is_drawn {
                consensus::signer(&chain.hash, &chain.committee, &public, bls_key).map_err(|error| wrong(&error))?;
            }
            Some(voting)
        }
        // Whether it has the seat's key, the signer says when the member connects.
        VotingKey::Signer { .. } => match config.bls_public_key().map_err(|error| wrong(&error))? {
            Some(key) => Some(key),
            None => consensus::bls_key(&chain.committee, &public).ok(),
        },
    };
    let finding = match seat {
        _ if is_drawn => Finding::ok("keys", "which epochs have a seat for them, `sinter sequencer status` says"),
        Some(seat) => Finding::ok("keys", format!("seat {seat} of {}", seats.len())),
        None => return Err(Finding::new("keys", Verdict::Wrong, "no seat has the node key", remedy)),
    };
    Ok((bls_key, finding))
}

/// Whether certificates of blocks that were made while this member is stopped carry its vote. They are checked, and so is their
/// blocks' time: whoever is asked cannot accuse anybody with old ones.
async fn duplicate(member: &str, chain: &Chain, bls_key: &BlsPublic) -> Finding {
    let check = "duplicate signer";
    let remedy = "--member URL, the RPC of another member that follows the chain";
    let node = match client::http(member) {
        Ok(node) => node,
        Err(failure) => return Finding::skipped(check, failure.to_string(), remedy),
    };
    let mut network = TrustedNetwork::from(chain);
    // A block's time may be ahead of this clock by the chain's drift, and the member may have been stopped a moment ago.
    let drift = Duration::from_millis(chain.file.parameters.clock_drift_ms_max);
    let since_ms = unix_ms() + (drift + SETTLED).as_millis() as u64;
    let (mut newest, mut seen) = ((0, 0), 0);
    let mut reason = "no block was made in that time".to_owned();
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let proof = match node.certificate(BlockId::Latest).await {
            Ok(proof) => proof,
            Err(error) => {
                // The last block may not be provable yet.
                reason = error.to_string();
                continue;
            }
        };
        let epoch = proof.epoch();
        if let Err(error) = client::hand_over(&node, &mut network, epoch).await {
            return Finding::skipped(check, format!("{member}: the committee of epoch {epoch}: {error}"), remedy);
        }
        if let Err(error) = proof.verify(&network) {
            return Finding::skipped(check, format!("{member} shows what does not hold: {error}"), remedy);
        }
        let made_ms = proof.headers.last().map_or(0, |header| header.timestamp_ms);
        let view = proof.certificate.view;
        // Views are counted within an epoch.
        if made_ms < since_ms || (epoch, view) <= newest {
            continue;
        }
        // By the key that signs: whom a seat's node is, nobody has signed.
        let committee = network.committee_of(epoch).map_or(&[][..], |committee| committee.seats());
        let Some(seat) = committee.iter().position(|seat| seat.bls_key.as_slice() == bls_key.encode().as_ref()) else {
            reason = format!("this member has no seat in epoch {epoch}");
            continue;
        };
        (newest, seen) = ((epoch, view), seen + 1);
        if proof.certificate.signers.contains(seat) {
            return Finding::new(
                check,
                Verdict::Wrong,
                format!(
                    "view {view} has a vote of seat {seat}, whose member does not run here: another process votes with its key"
                ),
                "find and stop it before this one starts, or both will be slashed",
            );
        }
        if seen == CERTIFICATES {
            return Finding::ok(check, format!("{seen} certificates without a vote of this member"));
        }
    }
    let found = format!("{seen} of {CERTIFICATES} new certificates were seen at {member}: {reason}");
    Finding::skipped(check, found, remedy)
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64)
}
