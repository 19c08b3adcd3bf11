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

/// The chain, its head's age, what should stand there, and who pays.
pub(super) async fn findings(
    url: &str,
    chain_id: u64,
    contract: (&'static str, Address),
    payer: Address,
) -> Vec<Finding> {
    let other = "name another L1 node in `l1.url`";
    let provider = match l1::connect(url, None) {
        Ok(provider) => provider,
        Err(failure) => return vec![Finding::new("L1", Verdict::Wrong, failure.to_string(), other)],
    };
    let mut findings = vec![match answer(provider.get_chain_id()).await {
        Ok(got) if got == chain_id => Finding::ok("L1", format!("chain {got}")),
        Ok(got) => Finding::new("L1", Verdict::Wrong, format!("expected chain {chain_id}, got {got}"), other),
        Err(reason) => return vec![Finding::new("L1", Verdict::Wrong, reason, other)],
    }];
    findings.push(match answer(provider.get_block_by_number(BlockNumberOrTag::Latest)).await {
        Ok(Some(block)) => head(block.header.number, block.header.timestamp),
        Ok(None) => Finding::new("L1 head", Verdict::Wrong, "the node has no block", other),
        Err(reason) => Finding::new("L1 head", Verdict::Wrong, reason, other),
    });
    let (what, address) = contract;
    findings.push(match answer(provider.get_code_at(address)).await {
        Ok(code) if code.is_empty() => Finding::new(
            what,
            Verdict::Wrong,
            format!("nothing stands at {address}"),
            "`sinter hub show` prints where it belongs",
        ),
        Ok(_) => Finding::ok(what, address.to_string()),
        Err(reason) => Finding::new(what, Verdict::Wrong, reason, other),
    });
    findings.push(match answer(provider.get_balance(payer)).await {
        Ok(wei) => balance(payer, wei.saturating_to()),
        Err(reason) => Finding::new("L1 account", Verdict::Wrong, reason, other),
    });
    findings
}

/// What the L1 answers in time, or what is wrong. URLs are left out of that: hosted ones hold a key, and this is shown to others.
async fn answer<T>(request: impl IntoFuture<Output = Result<T, RpcError<TransportErrorKind>>>) -> Result<T, String> {
    match timeout(ANSWER_TIMEOUT, request.into_future()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(RpcError::ErrorResp(refusal))) => Err(format!("the L1 node refused: {}", refusal.message)),
        Ok(Err(RpcError::Transport(_))) => {
            Err("the L1 node of `l1.url` cannot be reached, or does not speak JSON-RPC".to_owned())
        }
        Ok(Err(_)) => Err("the L1 node of `l1.url` answers something that is no JSON-RPC".to_owned()),
        Err(_) => Err(format!("the L1 node of `l1.url` did not answer within {} s", ANSWER_TIMEOUT.as_secs())),
    }
}

fn head(number: u64, timestamp_s: u64) -> Finding {
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
    let found = format!("block {number}, {} s old", now_s.saturating_sub(timestamp_s));
    if timestamp_s > now_s + HEAD_AHEAD_S_MAX {
        let found = format!("block {number} is {} s ahead of this machine's clock", timestamp_s - now_s);
        Finding::new("L1 head", Verdict::Wrong, found, "set the clock: systemctl enable --now systemd-timesyncd")
    } else if now_s > timestamp_s + HEAD_AGE_S_MAX {
        let found =
            format!("{found}, where at most {HEAD_AGE_S_MAX} are expected: the L1 node is behind, or stands still");
        Finding::new("L1 head", Verdict::Warning, found, "wait for the L1 node, or name another in `l1.url`")
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
        let verdicts = [now_s - 3600, now_s, now_s + 3600].map(|at_s| head(7, at_s).verdict);
        assert_eq!(verdicts, [Verdict::Warning, Verdict::Ok, Verdict::Wrong]);
    }
}
