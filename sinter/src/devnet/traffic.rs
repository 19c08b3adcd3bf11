//! What wallets send to the rollups of a devnet: transfers, an opening, withdrawals; and garbage.

use super::now_ms;
use crate::{
    client,
    exit::{Exit, Failure, OrFail},
};
use p3_field::PrimeField32;
use sinter_ledger::{Account, Wallet, transaction::Action};
use sinter_primitives::{Namespace, TransactionId};
use sinter_rollup::Digest;
use sinter_sequencer::rpc::{
    SinterApiClient,
    types::{Id, SendTransaction, TransactionStatus},
};
use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

/// Wallets that pay in: accounts 0 and 1 of their ledger.
pub const DEPOSITORS: usize = 2;
/// The wallets of a ledger; the last one's account is opened by the first.
const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];
/// What the counter counts.
const TICKS: u8 = 12;
/// How long everything has to become final.
const FINAL_MAX: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A transaction that is final.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SentTransaction {
    /// Its id.
    pub id: TransactionId,
    /// Its lane.
    pub namespace: Namespace,
    /// The height of its block.
    pub height: u64,
    /// When it was sent, in milliseconds since 1970.
    pub sent_ms: u64,
    /// From "sent" to "final".
    pub to_final: Duration,
}

/// The wallets of a ledger, made once.
///
/// # Errors
/// When a file cannot be used.
pub fn wallets(folder: &Path, ledger: &str) -> Result<Vec<Wallet>, Failure> {
    fs::create_dir_all(folder).or_fail(Exit::Usage, format_args!("making {}", folder.display()))?;
    let open = |who: &&str| {
        let path = folder.join(format!("{ledger}-{who}"));
        if path.exists() { Wallet::open(&path) } else { Wallet::create(&path, &rand::random()) }
    };
    PEOPLE.iter().map(open).collect::<Result<_, _>>().or_fail(Exit::Usage, "a wallet")
}

/// What a deposit says to open an account with a wallet's key.
pub fn key_bytes(wallet: &Wallet) -> Vec<u8> {
    wallet.public().iter().flat_map(|limb| limb.as_canonical_u32().to_le_bytes()).collect()
}

/// Sends everything, to the nodes in turn, and waits until it is final.
///
/// # Errors
/// When a node refuses, or something does not become final.
pub async fn send(
    urls: &[String],
    ledgers: &mut [(Namespace, Digest, Vec<Wallet>)],
    counter: Namespace,
    transfers: u32,
) -> Result<Vec<SentTransaction>, Failure> {
    let mut payloads = Vec::new();
    for (namespace, domain, people) in ledgers {
        let all = ledger_payloads(domain, people, transfers).or_fail(Exit::Failed, "signing")?;
        payloads.extend(all.into_iter().map(|payload| (*namespace, payload)));
    }
    payloads.extend((0..TICKS).map(|tick| (counter, vec![tick])));
    payloads.push((counter, b"no tick".to_vec()));

    let clients = urls.iter().map(|url| client::http(url)).collect::<Result<Vec<_>, _>>()?;
    let mut pending = Vec::new();
    for ((namespace, payload), client) in payloads.into_iter().zip(clients.iter().cycle()) {
        let sent_ms = now_ms();
        let accepted = client.send_transaction(SendTransaction::new(namespace, payload)).await;
        let id = accepted.or_fail(Exit::Failed, "sending a transaction")?.transaction_id;
        pending.push((client, SentTransaction { id, namespace, height: 0, sent_ms, to_final: Duration::ZERO }));
    }
    let mut done = Vec::with_capacity(pending.len());
    let deadline = Instant::now() + FINAL_MAX;
    while !pending.is_empty() {
        if Instant::now() > deadline {
            let message = format!("{} transactions of wallets are not final after a minute", pending.len());
            return Err(Failure::new(Exit::Failed, message));
        }
        let mut waiting = Vec::new();
        for (client, transaction) in pending {
            let trace = client.trace(Id(transaction.id)).await.or_fail(Exit::Failed, "asking for a trace")?;
            match (trace.status, trace.finalized_ms) {
                // By the node's clock, which is this machine's: asking for many takes longer than that.
                (TransactionStatus::Finalized { receipt }, Some(finalized_ms)) => {
                    let to_final = Duration::from_millis(finalized_ms.saturating_sub(transaction.sent_ms));
                    done.push(SentTransaction { height: receipt.height, to_final, ..transaction });
                }
                _ => waiting.push((client, transaction)),
            }
        }
        pending = waiting;
        tokio::time::sleep(POLL).await;
    }
    Ok(done)
}

/// What a ledger's users send, and what nobody should.
fn ledger_payloads(
    domain: &Digest,
    people: &mut [Wallet],
    transfers: u32,
) -> Result<Vec<Vec<u8>>, sinter_ledger::WalletError> {
    let mut payloads = Vec::new();
    let carol = people[2].public();
    let mut sign = |who: usize, action: Action| {
        // Its account is opened by a deposit that no statement has taken yet.
        let account = Account { key: people[who].public(), nonce: 0, base: 0, wei: 0 };
        people[who].sign(domain, who as u32, &account, action)
    };
    for wei in (1..=transfers).map(u128::from) {
        payloads.push(sign(0, Action::Transfer { to: 1, wei: 10 * wei })?);
        payloads.push(sign(1, Action::Transfer { to: 0, wei })?);
    }
    payloads.push(sign(0, Action::Open { key: carol, wei: 5_000 })?);
    payloads.push(sign(1, Action::Withdraw { recipient: [0xb0; 20], wei: 7_000 })?);
    payloads.push(sign(0, Action::Withdraw { recipient: [0xa0; 20], wei: 1_000 })?);
    // What costs more than there is takes its nonce and does nothing.
    payloads.push(sign(1, Action::Transfer { to: 0, wei: 1 << 90 })?);
    let mut forged = sign(0, Action::Transfer { to: 1, wei: 999 })?;
    if let Some(last) = forged.last_mut() {
        *last ^= 1;
    }
    payloads.push(forged);
    payloads.push(b"garbage".to_vec());
    payloads.push(vec![0xff; 3_000]);
    Ok(payloads)
}
