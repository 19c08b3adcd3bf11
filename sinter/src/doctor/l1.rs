//! Whether an L1 endpoint can be settled through.

use super::{Finding, Verdict};
use crate::l1;
use alloy::transports::{RpcError, TransportErrorKind};
use alloy::{eips::BlockNumberOrTag, primitives::Address, providers::Provider};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::timeout;

/// How long the L1 may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Mainnet makes a block every 12 seconds; one that is older than this is of a node that is behind.
const HEAD_AGE_S_MAX: u64 = 120;
/// A block cannot be of the future, but for what clocks differ by.
const HEAD_AHEAD_S_MAX: u64 = 15;
/// Ether below which an account that pays for gas will soon not: 0.05.
const BALANCE_WEI_MIN: u128 = 50_000_000_000_000_000;

/// What an L1 node is needed for.
pub(super) struct Needed<'a> {
    /// The node's URL.
    pub url: &'a str,
    /// The configuration's key that has it.
    pub key: &'a str,
    /// The chain.
    pub chain_id: u64,
    /// Contracts that should stand there.
    pub contracts: Vec<(&'static str, Address)>,
    /// Where it is written which contracts those are.
    pub contract_remedy: &'static str,
    /// Who pays for gas, if anybody does.
    pub payer: Option<Address>,
}

/// The chain, its head's age, what should stand there, and who pays.
pub(super) async fn findings(needed: &Needed<'_>) -> Vec<Finding> {
    let key = needed.key;
    let wrong =
        |check, found: String| Finding::new(check, Verdict::Wrong, found, format!("name another L1 node in `{key}`"));
    let provider = match l1::connect(needed.url, None) {
        Ok(provider) => provider,
        Err(failure) => return vec![wrong("L1", failure.to_string())],
    };
    let mut findings = vec![match answer(key, provider.get_chain_id()).await {
        Ok(got) if got == needed.chain_id => Finding::ok("L1", format!("`{key}`: chain {got}")),
        Ok(got) => wrong("L1", format!("`{key}`: expected chain {}, got {got}", needed.chain_id)),
        Err(reason) => return vec![wrong("L1", reason)],
    }];
    findings.push(match answer(key, provider.get_block_by_number(BlockNumberOrTag::Latest)).await {
        Ok(Some(block)) => head(key, block.header.number, block.header.timestamp),
        Ok(None) => wrong("L1 head", "the node has no block".into()),
        Err(reason) => wrong("L1 head", reason),
    });
    for (what, address) in needed.contracts.iter().copied() {
        findings.push(match answer(key, provider.get_code_at(address)).await {
            Ok(code) if code.is_empty() => {
                Finding::new(what, Verdict::Wrong, format!("nothing stands at {address}"), needed.contract_remedy)
            }
            Ok(_) => Finding::ok(what, address.to_string()),
            Err(reason) => wrong(what, reason),
        });
    }
    if let Some(payer) = needed.payer {
        findings.push(match answer(key, provider.get_balance(payer)).await {
            Ok(wei) => balance(payer, wei.saturating_to()),
            Err(reason) => wrong("L1 account", reason),
        });
    }
    findings
}

/// What the L1 answers in time, or what is wrong. URLs are left out of that: hosted ones hold a key, and this is shown to others.
async fn answer<T>(
    key: &str,
    request: impl IntoFuture<Output = Result<T, RpcError<TransportErrorKind>>>,
) -> Result<T, String> {
    match timeout(ANSWER_TIMEOUT, request.into_future()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(RpcError::ErrorResp(refusal))) => Err(format!("the L1 node refused: {}", refusal.message)),
        Ok(Err(RpcError::Transport(_))) => {
            Err(format!("the L1 node of `{key}` cannot be reached, or does not speak JSON-RPC"))
        }
        Ok(Err(_)) => Err(format!("the L1 node of `{key}` answers something that is no JSON-RPC")),
        Err(_) => Err(format!("the L1 node of `{key}` did not answer within {} s", ANSWER_TIMEOUT.as_secs())),
    }
}

fn head(key: &str, number: u64, timestamp_s: u64) -> Finding {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let found = format!("block {number}, {} s old", now_s.saturating_sub(timestamp_s));
    if timestamp_s > now_s + HEAD_AHEAD_S_MAX {
        let found = format!("block {number} is {} s ahead of this machine's clock", timestamp_s - now_s);
        Finding::new("L1 head", Verdict::Wrong, found, "set the clock: systemctl enable --now systemd-timesyncd")
    } else if now_s > timestamp_s + HEAD_AGE_S_MAX {
        let found =
            format!("{found}, where at most {HEAD_AGE_S_MAX} are expected: the L1 node is behind, or stands still");
        Finding::new("L1 head", Verdict::Warning, found, format!("wait for the L1 node, or name another in `{key}`"))
    } else {
        Finding::ok("L1 head", found)
    }
}

fn balance(payer: Address, wei: u128) -> Finding {
    let found = format!("{payer} has {:.4} ether", wei as f64 / 1e18);
    if wei >= BALANCE_WEI_MIN {
        return Finding::ok("L1 account", found);
    }
    let verdict = if wei == 0 { Verdict::Wrong } else { Verdict::Warning };
    Finding::new("L1 account", verdict, found, "send it ether: submissions stop when it has none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_account_is_wrong_and_a_poor_one_a_warning() {
        let verdicts = [0, 1, BALANCE_WEI_MIN].map(|wei| balance(Address::ZERO, wei).verdict);
        assert_eq!(verdicts, [Verdict::Wrong, Verdict::Warning, Verdict::Ok]);
    }

    #[test]
    fn a_head_is_neither_old_nor_of_the_future() {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
        let verdicts = [now_s - 3600, now_s, now_s + 3600].map(|at_s| head("l1.url", 7, at_s).verdict);
        assert_eq!(verdicts, [Verdict::Warning, Verdict::Ok, Verdict::Wrong]);
    }
}
