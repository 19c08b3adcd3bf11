//! What a run comes to: for people, for programs, and as an exit code.

use super::{fees::Fees, forced::Forced, machines::Machine, network::Network, rollups::Rolled, snapshot::Addresses};
use crate::{
    exit::{Exit, Failure, OrFail},
    load::Numbers,
    trace,
};
use serde_json::{Value, json};
use sinter_rollup_node::checkpoint::Record;
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

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
    /// Whether seals had production's parameters.
    pub seal_production: bool,
    /// The rollups.
    pub rolled: Rolled,
    /// What was forced by way of the L1, on a network where it can be.
    pub forced: Option<Forced>,
    /// What became of a namespace that was opened on the L1, on a network where it can be.
    pub fees: Option<Fees>,
    /// Times that a member of the committee was killed.
    pub member_kills: u64,
}

impl Summary {
    /// One object on one line.
    pub fn as_json(&self) -> String {
        let latency = |pick: fn((f64, f64)) -> f64| self.load.overall_ms.map(pick).map(rounded);
        json!({
            "accepted": self.load.accepted,
            "finalized": self.load.finalized,
            "refused": self.load.refused,
            "resent": self.load.resent,
            "tx_per_s": rounded(self.load.per_second),
            "finality_ms": { "p50": latency(|pair| pair.0), "p99": latency(|pair| pair.1) },
            "height": self.settled.height,
            "l1": {
                "posted_height": self.settled.posted_height,
                "verified_height": self.settled.verified_height,
            },
            "receipts_verified": self.receipts_verified,
            "seal_production": self.seal_production,
            "settled_batches": self.rolled.batches.len(),
            "statements_settled": self.rolled.statements.len(),
            "wallet_transactions": self.rolled.sent.len(),
            "step_latency_ms": self.steps().map(|(step, latency)| (step, latency.map(milliseconds)))
                .into_iter().collect::<BTreeMap<_, _>>(),
            "send_to_settled_s_p50": self.send_to_settled().map(|latency| rounded(latency.as_secs_f64())),
            "statements": self.rolled.statements.iter().map(|record| json!({
                "transactions": record.transactions,
                "proving_ms": record.proving_ms,
            })).collect::<Vec<_>>(),
            "gas_per_statement": self.gas_per_statement(),
            "batches": self.rolled.batches.iter().map(|batch| json!({
                "statements": batch.statements,
                "transaction": batch.transaction,
                "gas_used": batch.gas_used,
            })).collect::<Vec<_>>(),
            "balances_match": self.rolled.balances_match,
            "trails_verified": self.rolled.trails.len(),
            "forced": self.forced,
            "fees": self.fees,
            "kills": self.rolled.kills,
            "member_kills": self.member_kills,
        })
        .to_string()
    }

    /// For people.
    pub fn as_text(&self) -> String {
        let mut lines = vec![
            format!("accepted {}, final {} ({:.0}/s)", self.load.accepted, self.load.finalized, self.load.per_second),
            format!("accepted to final: {}", crate::view::latency(self.load.overall_ms)),
            format!(
                "height {}, posted to L1 up to {}, verified there up to {}",
                self.settled.height, self.settled.posted_height, self.settled.verified_height
            ),
            format!("receipts verified offline: {}", self.receipts_verified),
            format!(
                "{} transactions of wallets, garbage among them: two ledgers and a counter",
                self.rolled.sent.len()
            ),
            format!(
                "{} statements settled, {} batches sealed with {} parameters, for {} gas a statement in all",
                self.rolled.statements.len(),
                self.rolled.batches.len(),
                if self.seal_production { "production's" } else { "development's" },
                self.gas_per_statement()
            ),
            format!("half of them took no longer than: {}", self.steps_as_text()),
            format!(
                "every rollup's contract is where its lane ends; what they hold {} what their accounts have",
                if self.rolled.balances_match { "is" } else { "IS NOT" }
            ),
        ];
        if let Some(Forced { index, l1_block, height, to_final_ms, .. }) = &self.forced {
            lines.push(format!(
                "entry {index} of the forced inbox, of L1 block {l1_block}, ordered at height {height} and final after {} s",
                rounded(*to_final_ms as f64 / 1e3)
            ));
        }
        if let Some(Fees { namespace, to_open_ms, ordered, paid_wei, earned_wei }) = &self.fees {
            lines.push(format!(
                "namespace {namespace} was open {} s after its L1 block, paid {paid_wei} wei for {ordered} transactions, of which one \
                 member was paid {earned_wei}",
                rounded(*to_open_ms as f64 / 1e3)
            ));
        }
        if let Some(trail) = self.rolled.trails.first() {
            lines.push(format!("{} trails verified against the L1 alone, one of them:", self.rolled.trails.len()));
            lines.push(trace::as_text(trail));
        }
        if self.rolled.kills + self.member_kills > 0 {
            lines.push(format!(
                "members were killed {} times, the appliance and the rollups' nodes {} times; {} transactions were sent again",
                self.member_kills, self.rolled.kills, self.load.resent
            ));
        }
        lines.extend(self.load.refused.iter().map(|(reason, count)| format!("refused {count}: {reason}")));
        lines.join("\n")
    }

    /// How long each step took, half of the time; none where it was not taken.
    fn steps(&self) -> [(&'static str, Option<Duration>); 7] {
        let Rolled { sent, statements, batches, .. } = &self.rolled;
        let ms = Duration::from_millis;
        // A statement is on its contract some time after its batch is in the hub.
        let advancing = statements.iter().filter_map(|record| {
            let batch = batches.iter().find(|batch| Some(batch.number) == record.batch)?;
            Some(ms(record.settled_ms?.saturating_sub(batch.settled_ms)))
        });
        [
            ("final", median(sent.iter().map(|transaction| transaction.to_final))),
            ("executed", median(statements.iter().map(|record| ms(record.executing_ms)))),
            ("proved", median(statements.iter().map(|record| ms(record.proving_ms)))),
            ("folded", median(batches.iter().map(|batch| batch.folding))),
            ("sealed", median(batches.iter().map(|batch| batch.sealing))),
            ("settled", median(batches.iter().map(|batch| batch.settling))),
            ("advanced", median(advancing)),
        ]
    }

    /// From "sent" to "its contract has it for good", half of the transactions.
    fn send_to_settled(&self) -> Option<Duration> {
        let Rolled { sent, statements, .. } = &self.rolled;
        let took = sent.iter().filter_map(|transaction| {
            let ends_behind = |record: &&Record| {
                record.namespace == transaction.namespace && record.transition.height >= transaction.height
            };
            let settled_ms = statements.iter().filter(ends_behind).filter_map(|record| record.settled_ms).min()?;
            Some(Duration::from_millis(settled_ms.saturating_sub(transaction.sent_ms)))
        });
        median(took)
    }

    fn steps_as_text(&self) -> String {
        let step = |(name, latency): (&str, Option<Duration>)| match latency {
            Some(latency) => format!("{name} {:.2} s", latency.as_secs_f64()),
            None => format!("{name} -"),
        };
        self.steps().map(step).join(", ")
    }

    /// Gas of the batches and of the rollups' contracts, by the statements that they settled.
    fn gas_per_statement(&self) -> u64 {
        let batches: u64 = self.rolled.batches.iter().map(|batch| batch.gas_used).sum();
        (batches + self.rolled.advancing_gas) / (self.rolled.statements.len() as u64).max(1)
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
        if self.rolled.batches.is_empty() || self.rolled.statements.is_empty() {
            return failed("no batch was settled".to_owned());
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

/// Half of them are no longer.
fn median(durations: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut durations: Vec<_> = durations.collect();
    durations.sort_unstable();
    durations.get(durations.len().checked_sub(1)? / 2).copied()
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
    machines: &[Machine],
) -> Result<(), Failure> {
    let nodes = addresses.rpc.iter().zip(process_ids).zip(&network.quic);
    let nodes: Vec<Value> = nodes
        .map(|((rpc, process_id), quic)| {
            json!({
                "process_id": process_id,
                "rpc": rpc,
                "metrics": format!("{rpc}/metrics"),
                "quic": quic,
            })
        })
        .collect();
    let faces: Vec<Value> = addresses.faces.iter().map(|(name, url)| json!({ "name": name, "url": url })).collect();
    let machine = |machine: &Machine| {
        json!({
            "name": machine.name,
            "url": machine.url,
            "metrics": machine.metrics,
            "contract": machine.contract,
        })
    };
    let document = json!({
        "nodes": nodes,
        "machines": machines.iter().map(machine).collect::<Vec<_>>(),
        "namespaces": faces,
        "l1": { "rpc": addresses.l1, "light_client": addresses.light_client },
        "relayer": { "metrics": addresses.relayer_metrics },
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
    use crate::devnet::{rollups::SettledBatch, traffic::SentTransaction};
    use sinter_primitives::{Accumulator, Namespace, Transition};

    fn good() -> Summary {
        let transition = Transition {
            domain: [0; 32],
            state_before: [1; 32],
            state_after: [2; 32],
            accumulator: Accumulator([0; 32]),
            inbox_rolling: [0; 32],
            withdrawals_root: [0; 32],
            height: 6,
            offset: 7,
            inbox_entries: 2,
            withdrawals: 0,
        };
        let record = Record {
            namespace: Namespace(11),
            number: 0,
            from_height: 1,
            from_offset: 0,
            transition,
            transactions: 30,
            executing_ms: 99,
            proving_ms: 7_123,
            proved_ms: 10_000,
            job: Some(1),
            batch: Some(1),
            settled_ms: Some(35_500),
        };
        Summary {
            load: Numbers { accepted: 10, finalized: 10, overall_ms: Some((40.123, 90.0)), ..Numbers::default() },
            settled: Settled { height: 7, posted_height: 8, verified_height: 8 },
            receipts_verified: 10,
            seal_production: false,
            rolled: Rolled {
                sent: vec![SentTransaction {
                    id: sinter_primitives::Digest([7; 32]),
                    namespace: Namespace(11),
                    height: 6,
                    sent_ms: 5_000,
                    to_final: Duration::from_millis(45),
                }],
                statements: vec![record],
                batches: vec![SettledBatch {
                    number: 1,
                    statements: 1,
                    transaction: "0xab".into(),
                    gas_used: 2_000_000,
                    folding: Duration::from_millis(8_123),
                    sealing: Duration::from_millis(9_876),
                    settling: Duration::from_millis(1_500),
                    settled_ms: 33_000,
                }],
                advancing_gas: 400_000,
                balances_match: true,
                trails: Vec::new(),
                kills: 0,
            },
            forced: Some(Forced {
                id: sinter_primitives::Digest([1; 32]),
                index: 0,
                l1_block: 7,
                height: 6,
                to_final_ms: 5_000,
            }),
            fees: Some(Fees {
                namespace: Namespace(1 << 32),
                to_open_ms: 4_000,
                ordered: 10,
                paid_wei: 2_640_000_000,
                earned_wei: 880_000_000,
            }),
            member_kills: 0,
        }
    }

    #[test]
    fn the_object_has_what_was_promised() {
        assert_eq!(
            good().as_json(),
            r#"{"accepted":10,"balances_match":true,"batches":[{"gas_used":2000000,"statements":1,"transaction":"0xab"}],"#
                .to_owned()
                + r#""fees":{"earned_wei":880000000,"namespace":4294967296,"ordered":10,"paid_wei":2640000000,"to_open_ms":4000},"#
                + r#""finality_ms":{"p50":40.12,"p99":90.0},"finalized":10,"#
                + r#""forced":{"height":6,"index":0,"l1_block":7,"to_final_ms":5000},"#
                + r#""gas_per_statement":2400000,"height":7,"kills":0,"#
                + r#""l1":{"posted_height":8,"verified_height":8},"member_kills":0,"receipts_verified":10,"refused":{},"resent":0,"#
                + r#""seal_production":false,"#
                + r#""send_to_settled_s_p50":30.5,"#
                + r#""settled_batches":1,"statements":[{"proving_ms":7123,"transactions":30}],"statements_settled":1,"#
                + r#""step_latency_ms":{"advanced":2500,"executed":99,"final":45,"#
                + r#""folded":8123,"proved":7123,"sealed":9876,"settled":1500},"trails_verified":0,"tx_per_s":0.0,"wallet_transactions":1}"#
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
        assert_eq!(bad(|it| it.rolled.batches.clear()), "no batch was settled");
        assert!(bad(|it| it.rolled.balances_match = false).contains("does not hold"));
        let refused = bad(|it| {
            it.load = Numbers { refused: [("full".to_owned(), 3)].into(), ..Numbers::default() };
        });
        assert_eq!(refused, "no transaction was accepted");
    }
}
