//! A committee member: its configuration, its keys and their seat, its ports, and whether somebody else votes for it.

use super::{Finding, Verdict, host};
use crate::client;
use serde::Serialize;
use sinter_primitives::{Chain, receipt::TrustedNetwork};
use sinter_sequencer::{
    config::NodeConfig,
    consensus, keys,
    rpc::{api::SinterApiClient, types::BlockId},
};
use std::{path::Path, time::Duration};

/// Blocks whose certificates are looked at for votes of this member, which takes that many requests.
const CERTIFICATES: usize = 16;
/// Time between two looks: a chain makes several blocks in it.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);

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
    findings.push(host::port("peers' port", config.listen, true, status.is_some()));
    findings.push(host::port("RPC port", config.rpc_listen, false, status.is_some()));
    let (chain, seat) = match seat(&config) {
        Ok((chain, seat)) => {
            findings.push(Finding::ok("keys", format!("seat {seat} of {}", chain.committee.seats().len())));
            (chain, seat)
        }
        Err(finding) => {
            findings.push(finding);
            return findings;
        }
    };
    if let Some(status) = &status {
        let others = chain.committee.seats().len() as u32 - 1;
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
            peers if peers == others => Finding::ok("peers", format!("connected to all {others}")),
            peers => Finding::new(
                "peers",
                Verdict::Warning,
                format!("connected to {peers} of {others}"),
                "let UDP through to `listen`, and compare the addresses in chain.toml",
            ),
        });
    }
    findings.push(match (status.is_some(), member) {
        (true, _) => Finding::skipped(
            "duplicate signer",
            "this member runs, and its own votes hide another's",
            "stop it and run this again with --member URL",
        ),
        (false, None) => {
            Finding::skipped("duplicate signer", "nobody was asked", "--member URL, the RPC of another member")
        }
        (false, Some(member)) => duplicate(member, &chain, seat).await,
    });
    findings
}

/// The chain, and the seat that the keys are of.
fn seat(config: &NodeConfig) -> Result<(Chain, usize), Finding> {
    let chain = crate::chain::load(&config.chain).map_err(|failure| {
        Finding::new("chain", Verdict::Wrong, failure.to_string(), "get the network's chain.toml again")
    })?;
    let remedy = "use the keys that the seat in chain.toml was made from, mode 0600";
    let node_key =
        keys::read_node_key(&config.node_key_file).map_err(|error| Finding::wrong("keys", &error, remedy))?;
    let bls_key = keys::read_bls_key(&config.bls_key_file).map_err(|error| Finding::wrong("keys", &error, remedy))?;
    let public = keys::node_public(&node_key);
    consensus::signer(&chain, &public, bls_key).map_err(|error| Finding::wrong("keys", &error, remedy))?;
    let seat = chain.committee.seats().iter().position(|seat| seat.node_key.as_slice() == public.as_ref());
    seat.map(|seat| (chain, seat))
        .ok_or_else(|| Finding::new("keys", Verdict::Wrong, "no seat has the node key", remedy))
}

/// Whether certificates that are made while this member is stopped carry its vote. They are checked: whoever is asked cannot
/// accuse anybody.
async fn duplicate(member: &str, chain: &Chain, seat: usize) -> Finding {
    let check = "duplicate signer";
    let remedy = "--member URL, the RPC of another member";
    let node = match client::http(member) {
        Ok(node) => node,
        Err(failure) => return Finding::skipped(check, failure.to_string(), remedy),
    };
    let network = TrustedNetwork::from(chain);
    let mut newest = None;
    let mut seen = 0;
    for _ in 0..2 * CERTIFICATES {
        let proof = match node.certificate(BlockId::Latest).await {
            Ok(proof) => proof,
            Err(error) => return Finding::skipped(check, format!("{member}: {error}"), remedy),
        };
        if let Err(error) = proof.verify(&network) {
            return Finding::new(
                check,
                Verdict::Skipped,
                format!("{member} shows what does not hold: {error}"),
                remedy,
            );
        }
        // What was certified before this look may be this member's own, from before it was stopped.
        let view = proof.certificate.view;
        if newest.is_some_and(|newest| view > newest) {
            seen += 1;
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
        }
        newest = newest.max(Some(view));
        if seen >= CERTIFICATES {
            break;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
    match seen {
        0 => Finding::skipped(
            check,
            format!("nothing was certified while {member} was watched"),
            "try again when the chain moves",
        ),
        seen => Finding::ok(check, format!("{seen} certificates without a vote of seat {seat}")),
    }
}
