//! What a run comes to: for people, for programs, and as an exit code.

use super::{network::Network, rollups::Rolled, snapshot::Addresses};
use crate::{
    exit::{Exit, Failure, OrFail},
    load::Numbers,
};
use serde_json::{Value, json};
use std::{fs, path::Path, time::Duration};

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
    /// The rollups.
    pub rolled: Rolled,
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
                "statements": self.rolled.batch.folded.statements,
                "statements_root": self.rolled.batch.folded.statements_root,
                "proof_bytes": self.rolled.batch.folded.proof_bytes,
                "wall_s": rounded(self.rolled.batch.folded.took.as_secs_f64()),
            },
            "seal": {
                "production": self.rolled.batch.production,
                "proven_bits": rounded(self.rolled.batch.proven_bits),
                "seal_bytes": self.rolled.batch.seal_bytes,
                "wall_s": rounded(self.rolled.batch.sealing.as_secs_f64()),
            },
            "settled": {
                "hub": self.rolled.batch.hub,
                "statements_root": self.rolled.batch.root,
                "gas_used": self.rolled.batch.gas_used,
                "transaction": self.rolled.batch.transaction,
            },
            "settled_batches": 1,
            "statements_settled": self.rolled.batch.places.len(),
            "step_latency_ms": {
                "final_p50": milliseconds(self.rolled.to_final),
                "executed": milliseconds(self.rolled.executing),
                "proved": milliseconds(self.rolled.batch.folded.proving),
                "folded": milliseconds(self.rolled.batch.folded.took),
                "sealed": milliseconds(self.rolled.batch.sealing),
                "settled": milliseconds(self.rolled.batch.settling),
                "advanced": milliseconds(self.rolled.advancing),
            },
            "gas_per_statement": self.gas_per_statement(),
            "balances_match": self.rolled.balances_match,
        })
        .to_string()
    }

    /// For people.
    pub fn as_text(&self) -> String {
        let (batch, folded) = (&self.rolled.batch, &self.rolled.batch.folded);
        let mut lines = vec![
            format!("accepted {}, final {} ({:.0}/s)", self.load.accepted, self.load.finalized, self.load.per_second),
            format!("accepted to final: {}", crate::view::latency(self.load.overall_ms)),
            format!(
                "height {}, posted to L1 up to {}, verified there up to {}",
                self.settled.height, self.settled.posted_height, self.settled.verified_height
            ),
            format!("receipts verified offline: {}", self.receipts_verified),
            format!(
                "{} transactions of wallets, half of them final within {} ms, and garbage: 2 ledgers and a counter",
                self.rolled.sent,
                self.rolled.to_final.as_millis()
            ),
            format!(
                "{} statements proved in {:.1} s, folded into one proof of {} bytes in {:.1} s: statements root {}",
                folded.statements,
                folded.proving.as_secs_f64(),
                folded.proof_bytes,
                folded.took.as_secs_f64(),
                folded.statements_root
            ),
            format!(
                "sealed into {} bytes in {:.1} s, with {} parameters ({:.1} proven bits)",
                batch.seal_bytes,
                batch.sealing.as_secs_f64(),
                if batch.production { "production's" } else { "development's" },
                batch.proven_bits
            ),
            format!(
                "settled by {} for {} gas: the hub {} confirms {} statements under {}",
                batch.transaction,
                batch.gas_used,
                batch.hub,
                batch.places.len(),
                batch.root
            ),
            format!(
                "every rollup's contract is where its statements end, for {} gas a statement in all; what they hold {} what \
                 their accounts have",
                self.gas_per_statement(),
                if self.rolled.balances_match { "is" } else { "IS NOT" }
            ),
        ];
        lines.extend(self.load.refused.iter().map(|(reason, count)| format!("refused {count}: {reason}")));
        lines.join("\n")
    }

    /// Gas of the batch and of the rollups' contracts, by the statements that it settled.
    fn gas_per_statement(&self) -> u64 {
        self.rolled.gas / (self.rolled.batch.places.len() as u64).max(1)
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
        if !self.rolled.balances_match {
            return failed("a rollup's contract does not hold what its accounts have".to_owned());
        }
        Ok(())
    }
}

/// Whole milliseconds.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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
    use crate::devnet::{fold::Folded, settle::Batch};
    use alloy::primitives::{Address, B256};
    use sinter_settlement::hub::Place;

    fn good() -> Summary {
        Summary {
            load: Numbers { accepted: 10, finalized: 10, overall_ms: Some((40.123, 90.0)), ..Numbers::default() },
            settled: Settled { height: 7, posted_height: 8, verified_height: 8 },
            receipts_verified: 10,
            rolled: Rolled {
                batch: Batch {
                    folded: Folded {
                        statements: 3,
                        statements_root: "0xab".to_owned(),
                        proof_bytes: 390_000,
                        proving: Duration::from_millis(7123),
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
                    places: vec![Place { root: B256::ZERO, index: 0, path: Vec::new() }; 3],
                    settling: Duration::from_millis(1500),
                },
                to_final: Duration::from_millis(45),
                sent: 30,
                executing: Duration::from_millis(99),
                advancing: Duration::from_millis(2500),
                gas: 2_400_000,
                balances_match: true,
            },
        }
    }

    #[test]
    fn the_object_has_what_was_promised() {
        assert_eq!(
            good().as_json(),
            r#"{"accepted":10,"balances_match":true,"finality_ms":{"p50":40.12,"p99":90.0},"finalized":10,"#.to_owned()
                + r#""fold":{"proof_bytes":390000,"statements":3,"statements_root":"0xab","wall_s":8.12},"#
                + r#""gas_per_statement":800000,"height":7,"l1":{"posted_height":8,"verified_height":8},"#
                + r#""receipts_verified":10,"refused":{},"#
                + r#""seal":{"production":false,"proven_bits":12.35,"seal_bytes":30000,"wall_s":9.88},"settled":{"gas_used":2000000,"#
                + r#""hub":"0x0000000000000000000000000000000000000001","#
                + r#""statements_root":"0x0000000000000000000000000000000000000000000000000000000000000002","#
                + r#""transaction":"0x0000000000000000000000000000000000000000000000000000000000000003"},"settled_batches":1,"#
                + r#""statements_settled":3,"step_latency_ms":{"advanced":2500,"executed":99,"final_p50":45,"folded":8123,"#
                + r#""proved":7123,"sealed":9876,"settled":1500},"tx_per_s":0.0}"#
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
        assert!(bad(|it| it.rolled.balances_match = false).contains("does not hold"));
        let refused = bad(|it| {
            it.load = Numbers { refused: [("full".to_owned(), 3)].into(), ..Numbers::default() };
        });
        assert_eq!(refused, "no transaction was accepted");
    }
}
