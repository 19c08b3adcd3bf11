//! What settling is doing, line by line, and what came of it.

use super::time;
use alloy::primitives::utils::format_units;
use serde_json::{Value, json};
use sinter_settlement::seals::{Delivery, Outlook, SealState, SealStatus, SealsStatus};

/// Turns one status after the other into lines: what is new.
pub struct Progress {
    names: Vec<String>,
    deadline_ms: Option<u64>,
    seals: Vec<String>,
    gas: String,
    outlook: Outlook,
    failures: u32,
}

impl Progress {
    /// For seals of these names; whatever the journal holds besides has none.
    pub fn new(names: Vec<String>, deadline_ms: Option<u64>) -> Self {
        let (seals, gas) = (Vec::new(), String::new());
        Self { names, deadline_ms, seals, gas, outlook: Outlook::Fine, failures: 0 }
    }

    /// A seal's name.
    pub fn name(&self, index: usize) -> &str {
        self.names.get(index).map_or("from the journal", String::as_str)
    }

    /// What is new.
    pub fn lines(&mut self, status: &SealsStatus) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, seal) in status.seals.iter().enumerate() {
            let line = seal_line(seal);
            if self.seals.get(index) != Some(&line) {
                lines.push(format!("{}: {line}", self.name(index)));
            }
        }
        self.seals = status.seals.iter().map(seal_line).collect();
        // Rounded, so that not every block is news.
        let gas = match status.waits_for_gas {
            true => format!(
                "waiting for cheaper gas: the base fee is {} gwei, up to {} is paid now",
                gwei(status.base_fee_wei),
                gwei(status.base_fee_max_wei)
            ),
            false => String::new(),
        };
        if !gas.is_empty() && gas != self.gas {
            lines.push(gas.clone());
        }
        self.gas = gas;
        if status.outlook != self.outlook {
            let deadline = self.deadline_ms.map(time::show).unwrap_or_default();
            lines.push(match status.outlook {
                Outlook::Fine => format!("the deadline {deadline} does not stand in the way any more"),
                Outlook::TooDear => {
                    format!("the deadline {deadline} cannot be met: gas costs more than the ceiling; trying on")
                }
                Outlook::Missed => format!("the deadline {deadline} is missed; trying on"),
            });
        }
        self.outlook = status.outlook;
        // The first failure, and then ever fewer of them.
        if let Some(error) = &status.last_error
            && status.failures != self.failures
            && status.failures.is_power_of_two()
        {
            lines.push(format!("{error} (failure {} in a row; trying on)", status.failures));
        } else if status.failures == 0 && self.failures > 0 {
            lines.push("the L1 answers again".into());
        }
        self.failures = status.failures;
        lines
    }
}

/// Wei as gwei, to the tenth where that matters.
fn gwei(wei: u128) -> String {
    let gwei = wei as f64 / 1e9;
    if gwei < 10.0 { format!("{gwei:.1}") } else { format!("{gwei:.0}") }
}

/// A seal on one line.
fn seal_line(seal: &SealStatus) -> String {
    let root = seal.root.map(|root| format!("root {root}")).unwrap_or_default();
    match &seal.state {
        SealState::Unknown => "not asked about yet".into(),
        SealState::Waiting => format!("{root}, to be sent"),
        SealState::Sent { transaction } => format!("sent in {transaction}"),
        SealState::Included => format!("{}, not deep enough yet", at(seal)),
        SealState::Settled => format!("settled: {}", at(seal)),
        SealState::Refused(refusal) => format!("not sent: {refusal}"),
    }
}

fn at(seal: &SealStatus) -> String {
    let root = seal.root.map(|root| root.to_string()).unwrap_or_default();
    let count = seal.count.map(|count| format!(" with {count} statements")).unwrap_or_default();
    let way = seal.delivery.map_or(", brought by another account or an earlier run".into(), |delivery| {
        format!(" by {}, block {}: {}", delivery.transaction, delivery.block, cost(&delivery))
    });
    format!("the hub has root {root}{count}{way}")
}

fn cost(delivery: &Delivery) -> String {
    let wei = delivery.gas_price_wei.saturating_mul(u128::from(delivery.gas_used));
    let show = |wei: u128, unit: &str| format_units(wei, unit).unwrap_or_default();
    format!("{} gas at {} gwei, {} ether", delivery.gas_used, show(delivery.gas_price_wei, "gwei"), show(wei, "ether"))
}

/// Everything as one JSON object. Amounts of wei are strings: they exceed what JSON's readers keep exactly.
pub fn summary(status: &SealsStatus, progress: &Progress, files: usize) -> Value {
    let seals = status.seals.iter().enumerate().map(|(index, seal)| {
        let (state, refusal) = match &seal.state {
            SealState::Unknown => ("unknown", None),
            SealState::Waiting => ("waiting", None),
            SealState::Sent { .. } => ("sent", None),
            SealState::Included => ("included", None),
            SealState::Settled => ("settled", None),
            SealState::Refused(refusal) => ("refused", Some(refusal.to_string())),
        };
        let transaction = match seal.state {
            SealState::Sent { transaction } => Some(transaction),
            _ => seal.delivery.map(|delivery| delivery.transaction),
        };
        json!({
            "file": (index < files).then(|| progress.name(index)),
            "root": seal.root,
            "count": seal.count,
            "state": state,
            "refusal": refusal,
            "transaction": transaction,
            "block": seal.delivery.map(|delivery| delivery.block),
            "gas_used": seal.delivery.map(|delivery| delivery.gas_used),
            "gas_price_wei": seal.delivery.map(|delivery| delivery.gas_price_wei.to_string()),
        })
    });
    let seals: Vec<Value> = seals.collect();
    let outlook = match status.outlook {
        Outlook::Fine => "fine",
        Outlook::TooDear => "too dear",
        Outlook::Missed => "missed",
    };
    json!({ "settled": status.is_settled(), "deadline": outlook, "seals": seals })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy::primitives::B256;

    fn status(state: SealState, failures: u32) -> SealsStatus {
        let seal = SealStatus { root: Some(B256::ZERO), count: None, state, delivery: None };
        let last_error = (failures > 0).then(|| "settle: down".into());
        SealsStatus { seals: vec![seal], failures, last_error, ..SealsStatus::default() }
    }

    #[test]
    fn only_news_is_told() {
        let mut progress = Progress::new(vec!["a.seal".into()], Some(0));
        let sent = || SealState::Sent { transaction: B256::ZERO };
        assert_eq!(progress.lines(&status(SealState::Unknown, 0)), ["a.seal: not asked about yet"]);
        assert_eq!(progress.lines(&status(sent(), 0)), [format!("a.seal: sent in {}", B256::ZERO)]);
        assert!(progress.lines(&status(sent(), 0)).is_empty());
        assert_eq!(progress.lines(&status(sent(), 1)), ["settle: down (failure 1 in a row; trying on)"]);
        assert_eq!(progress.lines(&status(sent(), 2)).len(), 1);
        assert!(progress.lines(&status(sent(), 3)).is_empty());
        assert_eq!(progress.lines(&status(sent(), 0)), ["the L1 answers again"]);
        let dear = SealsStatus {
            outlook: Outlook::TooDear,
            waits_for_gas: true,
            base_fee_wei: 31_000_000_000,
            base_fee_max_wei: 1_540_000_000,
            ..status(sent(), 0)
        };
        assert_eq!(
            progress.lines(&dear),
            [
                "waiting for cheaper gas: the base fee is 31 gwei, up to 1.5 is paid now",
                "the deadline 1970-01-01T00:00:00Z cannot be met: gas costs more than the ceiling; trying on",
            ]
        );
    }
}
