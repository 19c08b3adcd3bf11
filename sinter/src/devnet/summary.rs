//! What a run comes to: for people, for programs, and as an exit code.

use super::{network::Network, settle::Batch, snapshot::Addresses};
use crate::{
    exit::{Exit, Failure, OrFail},
    load::Numbers,
};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// What the L1 holds at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The height that everything accepted is final at, and that had to be posted.
    pub height: u64,
    /// The highest height that the relayer has posted.
    pub posted_height: u64,
    /// The highest height that the light client has verified.
    pub verified_height: u64,
}

/// What a run comes to.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The load.
    pub load: Numbers,
    /// The L1.
    pub settled: Settled,
    /// Receipts that were verified offline.
    pub receipts_verified: u64,
    /// The batch of proofs.
    pub batch: Batch,
}

impl Summary {
    /// One object on one line.
    pub fn as_json(&self) -> String {
        let latency = |pick: fn((f64, f64)) -> f64| self.load.overall_ms.map(pick).map(rounded);
        json!({
            "accepted": self.load.accepted,
            "finalized": self.load.finalized,
            "refused": self.load.refused,
            "tx_per_s": rounded(self.load.per_second),
            "finality_ms": { "p50": latency(|pair| pair.0), "p99": latency(|pair| pair.1) },
            "height": self.settled.height,
            "l1": {
                "posted_height": self.settled.posted_height,
                "verified_height": self.settled.verified_height,
            },
            "receipts_verified": self.receipts_verified,
            "fold": {
                "statements": self.batch.folded.statements,
                "statements_root": self.batch.folded.statements_root,
                "proof_bytes": self.batch.folded.proof_bytes,
                "wall_s": rounded(self.batch.folded.took.as_secs_f64()),
            },
            "seal": {
                "production": self.batch.production,
                "proven_bits": rounded(self.batch.proven_bits),
                "seal_bytes": self.batch.seal_bytes,
                "wall_s": rounded(self.batch.sealing.as_secs_f64()),
            },
            "settled": {
                "hub": self.batch.hub,
                "statements_root": self.batch.root,
                "gas_used": self.batch.gas_used,
                "transaction": self.batch.transaction,
                "statements_checked": self.batch.checked,
            },
        })
        .to_string()
    }

    /// For people.
    pub fn as_text(&self) -> String {
        let folded = &self.batch.folded;
        let mut lines = vec![
            format!("accepted {}, final {} ({:.0}/s)", self.load.accepted, self.load.finalized, self.load.per_second),
            format!("accepted to final: {}", crate::view::latency(self.load.overall_ms)),
            format!(
                "height {}, posted to L1 up to {}, verified there up to {}",
                self.settled.height, self.settled.posted_height, self.settled.verified_height
            ),
            format!("receipts verified offline: {}", self.receipts_verified),
            format!(
                "{} proofs folded into one of {} bytes beside it, in {:.1} s: statements root {}",
                folded.statements,
                folded.proof_bytes,
                folded.took.as_secs_f64(),
                folded.statements_root
            ),
            format!(
                "sealed into {} bytes in {:.1} s, with {} parameters ({:.1} proven bits)",
                self.batch.seal_bytes,
                self.batch.sealing.as_secs_f64(),
                if self.batch.production { "production's" } else { "development's" },
                self.batch.proven_bits
            ),
            format!(
                "settled by {} for {} gas: the hub {} confirms {} statements under {}",
                self.batch.transaction, self.batch.gas_used, self.batch.hub, self.batch.checked, self.batch.root
            ),
        ];
        lines.extend(self.load.refused.iter().map(|(reason, count)| format!("refused {count}: {reason}")));
        lines.join("\n")
    }

    /// Whether everything that had to hold did.
    ///
    /// # Errors
    /// The first thing that did not.
    pub fn verdict(&self) -> Result<(), Failure> {
        let failed = |message| Err(Failure::new(Exit::Failed, message));
        let Settled { height, posted_height, verified_height } = self.settled;
        if self.load.pending() > 0 {
            return failed(format!("{} accepted transactions did not become final", self.load.pending()));
        }
        if self.load.accepted == 0 && !self.load.refused.is_empty() {
            return failed("no transaction was accepted".to_owned());
        }
        if posted_height < height || verified_height != posted_height {
            return failed(format!(
                "expected the L1 to hold a header of height {height} or above, and the last one posted: \
                 posted {posted_height}, verified {verified_height}"
            ));
        }
        Ok(())
    }
}

/// Two decimals are more than anything here is exact to.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Writes `devnet.json`, for programs that want to join in.
///
/// # Errors
/// When it cannot be written.
pub fn write_addresses(
    path: &Path,
    addresses: &Addresses,
    network: &Network,
    process_ids: &[Option<u32>],
) -> Result<(), Failure> {
    let nodes = addresses.rpc.iter().zip(process_ids).zip(network.chain.committee.seats());
    let nodes: Vec<Value> = nodes
        .map(|((rpc, process_id), seat)| {
            json!({
                "process_id": process_id,
                "rpc": rpc,
                "metrics": format!("{rpc}/metrics"),
                "quic": seat.address,
            })
        })
        .collect();
    let faces: Vec<Value> = addresses.faces.iter().map(|(name, url)| json!({ "name": name, "url": url })).collect();
    let document = json!({
        "nodes": nodes,
        "namespaces": faces,
        "l1": { "rpc": addresses.l1, "light_client": addresses.light_client },
    });
    let what = format!("writing {}", path.display());
    let text = serde_json::to_string_pretty(&document).or_fail(Exit::Failed, &what)?;
    // Whole or not at all: programs wait for this file to appear.
    let unfinished = path.with_extension("json.new");
    fs::write(&unfinished, text).or_fail(Exit::Failed, &what)?;
    fs::rename(unfinished, path).or_fail(Exit::Failed, &what)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::devnet::fold::Folded;
    use alloy::primitives::{Address, B256};
    use std::time::Duration;

    fn good() -> Summary {
        Summary {
            load: Numbers { accepted: 10, finalized: 10, overall_ms: Some((40.123, 90.0)), ..Numbers::default() },
            settled: Settled { height: 7, posted_height: 8, verified_height: 8 },
            receipts_verified: 10,
            batch: Batch {
                folded: Folded {
                    statements: 3,
                    statements_root: "0xab".to_owned(),
                    proof_bytes: 390_000,
                    took: Duration::from_millis(8123),
                },
                production: false,
                proven_bits: 12.345,
                seal_bytes: 30_000,
                sealing: Duration::from_millis(9876),
                hub: Address::with_last_byte(1),
                root: B256::with_last_byte(2),
                transaction: B256::with_last_byte(3),
                gas_used: 2_000_000,
                checked: 3,
            },
        }
    }

    #[test]
    fn the_object_has_what_was_promised() {
        assert_eq!(
            good().as_json(),
            r#"{"accepted":10,"finality_ms":{"p50":40.12,"p99":90.0},"finalized":10,"#.to_owned()
                + r#""fold":{"proof_bytes":390000,"statements":3,"statements_root":"0xab","wall_s":8.12},"height":7,"#
                + r#""l1":{"posted_height":8,"verified_height":8},"receipts_verified":10,"refused":{},"#
                + r#""seal":{"production":false,"proven_bits":12.35,"seal_bytes":30000,"wall_s":9.88},"settled":{"gas_used":2000000,"#
                + r#""hub":"0x0000000000000000000000000000000000000001","statements_checked":3,"#
                + r#""statements_root":"0x0000000000000000000000000000000000000000000000000000000000000002","#
                + r#""transaction":"0x0000000000000000000000000000000000000000000000000000000000000003"},"tx_per_s":0.0}"#
        );
    }

    #[test]
    fn a_verdict_is_good_only_if_everything_held() {
        good().verdict().unwrap();
        let bad = |change: fn(&mut Summary)| {
            let mut summary = good();
            change(&mut summary);
            summary.verdict().unwrap_err().to_string()
        };
        assert_eq!(bad(|it| it.load.finalized = 9), "1 accepted transactions did not become final");
        assert!(bad(|it| it.settled.posted_height = 6).contains("posted 6"));
        assert!(bad(|it| it.settled.verified_height = 7).contains("verified 7"));
        let refused = bad(|it| {
            it.load = Numbers { refused: [("full".to_owned(), 3)].into(), ..Numbers::default() };
        });
        assert_eq!(refused, "no transaction was accepted");
    }
}
