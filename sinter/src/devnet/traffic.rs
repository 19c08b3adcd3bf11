//! What wallets send to the rollups of a devnet: transfers, an opening, withdrawals; and garbage.

use super::now_ms;
use crate::{
    client,
    exit::{Exit, Failure, OrFail},
};
use jsonrpsee::{core::ClientError, http_client::HttpClient};
use p3_field::PrimeField32;
use sinter_ledger::{Account, Wallet, transaction::Action};
use sinter_primitives::{Chain, Namespace, Transaction, TransactionId};
use sinter_rollup::Digest;
use sinter_sequencer::rpc::{
    SinterApiClient,
    error::code,
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
/// What a member answers that has a transaction already: it waits there, or is ordered.
const KNOWN_ALREADY: [i32; 2] = [code::REFUSED - 5, code::REFUSED - 6];

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

/// Where wallets send to: the members, in turn.
pub struct Senders {
    members: Vec<HttpClient>,
    chain_id: u64,
    expiry_blocks: u64,
    resend_after: Option<Duration>,
}

/// A transaction that is not final yet.
struct Pending {
    request: SendTransaction,
    member: usize,
    sent_at: Instant,
    transaction: SentTransaction,
}

impl Senders {
    /// What is not final after `resend_after` is sent again, to the next member: a member that is killed forgets what it has not
    /// passed on. Without, every member must do what it said it would.
    ///
    /// # Errors
    /// When a URL is none.
    pub fn new(urls: &[String], chain: &Chain, resend_after: Option<Duration>) -> Result<Self, Failure> {
        let members = urls.iter().map(|url| client::http(url)).collect::<Result<_, _>>()?;
        let (chain_id, expiry_blocks) = (chain.file.chain_id, chain.file.parameters.expiry_blocks);
        Ok(Self { members, chain_id, expiry_blocks, resend_after })
    }

    /// Sends everything, and waits until it is final.
    ///
    /// # Errors
    /// When a member refuses, or something does not become final.
    pub async fn send(
        &self,
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

        let mut pending = Vec::new();
        for (number, (namespace, payload)) in payloads.into_iter().enumerate() {
            let expiry_height = Some(self.expiry_height().await?);
            let request = SendTransaction { expiry_height, ..SendTransaction::new(namespace, payload) };
            let (sent_at, sent_ms) = (Instant::now(), now_ms());
            let member = self.hand_over(number, &request).await.or_fail(Exit::Failed, "sending a transaction")?;
            let id = self.id(&request);
            let transaction = SentTransaction { id, namespace, height: 0, sent_ms, to_final: Duration::ZERO };
            pending.push(Pending { request, member, sent_at, transaction });
        }
        let mut done = Vec::with_capacity(pending.len());
        let deadline = Instant::now() + FINAL_MAX;
        while !pending.is_empty() {
            if Instant::now() > deadline {
                let message = format!("{} transactions of wallets are not final after a minute", pending.len());
                return Err(Failure::new(Exit::Failed, message));
            }
            let mut waiting = Vec::new();
            for mut transaction in pending {
                match self.look(&transaction).await? {
                    Some(known) => done.push(known),
                    None => {
                        if self.resend_after.is_some_and(|after| transaction.sent_at.elapsed() > after) {
                            self.send_again(&mut transaction).await?;
                        }
                        waiting.push(transaction);
                    }
                }
            }
            pending = waiting;
            tokio::time::sleep(POLL).await;
        }
        Ok(done)
    }

    /// Hands a transaction to a member or, if that does not answer, to the next one that does; to which.
    async fn hand_over(&self, member: usize, request: &SendTransaction) -> Result<usize, ClientError> {
        let send = |member: HttpClient| async move {
            match member.send_transaction(request.clone()).await {
                // Somebody who was killed before he could say so has passed it on.
                Err(ClientError::Call(refusal)) if KNOWN_ALREADY.contains(&refusal.code()) => Ok(()),
                sent => sent.map(drop),
            }
        };
        Ok(self.first_answer(member, send).await?.0)
    }

    /// What a wallet does whose receipt does not come: the same bytes to the next member, in the same envelope, so that they are
    /// ordered once; in a new one when the old one has expired, and cannot be ordered any more.
    async fn send_again(&self, pending: &mut Pending) -> Result<(), Failure> {
        let expiry_height = self.expiry_height().await?;
        let head = expiry_height - self.expiry_blocks / 2;
        if pending.request.expiry_height.is_some_and(|expiry_height| expiry_height < head) {
            pending.request.expiry_height = Some(expiry_height);
            pending.transaction.id = self.id(&pending.request);
        }
        tracing::info!(id = %pending.transaction.id, "a wallet sends again");
        pending.sent_at = Instant::now();
        pending.member = self
            .hand_over(pending.member + 1, &pending.request)
            .await
            .or_fail(Exit::Failed, "sending a transaction again")?;
        Ok(())
    }

    fn id(&self, request: &SendTransaction) -> TransactionId {
        let SendTransaction { namespace, kind, .. } = *request;
        let (expiry_height, payload) = (request.expiry_height.unwrap_or_default(), request.payload.clone());
        Transaction { kind, namespace, expiry_height, payload }.id(self.chain_id)
    }

    /// Half of what the chain admits, from now on.
    async fn expiry_height(&self) -> Result<u64, Failure> {
        let status = self.first_answer(0, |member| async move { member.status().await }).await;
        Ok(status.or_fail(Exit::Failed, "asking for the head")?.1.head.height + self.expiry_blocks / 2)
    }

    /// What became of it, once it is final.
    async fn look(&self, pending: &Pending) -> Result<Option<SentTransaction>, Failure> {
        let transaction = pending.transaction;
        let ask = |member: HttpClient| async move { member.trace(Id(transaction.id)).await };
        let trace = self.first_answer(pending.member, ask).await;
        let (_, trace) = trace.or_fail(Exit::Failed, "asking for a trace")?;
        let TransactionStatus::Finalized { receipt } = trace.status else { return Ok(None) };
        // By the member's clock, which is this machine's: asking for many takes longer than that. Where members are killed, one that was
        // away does not know.
        let now = self.resend_after.is_some().then(now_ms);
        let Some(finalized_ms) = trace.finalized_ms.or(now) else { return Ok(None) };
        let to_final = Duration::from_millis(finalized_ms.saturating_sub(transaction.sent_ms));
        Ok(Some(SentTransaction { height: receipt.height, to_final, ..transaction }))
    }

    /// The answer of a member or, where members may be killed, of the first one behind it that has one; and which that was.
    async fn first_answer<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        member: usize,
        ask: impl Fn(HttpClient) -> F,
    ) -> Result<(usize, T), ClientError> {
        let count = self.members.len();
        let tries = if self.resend_after.is_some() { count } else { 1 };
        let mut tried = 0;
        loop {
            let index = (member + tried) % count;
            tried += 1;
            match ask(self.members[index].clone()).await {
                Ok(answer) => return Ok((index, answer)),
                Err(error @ ClientError::Call(_)) => return Err(error),
                Err(error) if tried >= tries => return Err(error),
                Err(error) => tracing::debug!(member = index, %error, "the next one is asked"),
            }
        }
    }
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
