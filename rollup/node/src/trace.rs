//! A transaction's trail: every step from a client to the L1, each with its proof and its time.
//!
//! | step | its proof | who tells |
//! |---|---|---|
//! | received | none: a member's word | the member |
//! | notarized | none of its own | the member |
//! | finalized | the receipt: transaction → lane → header → certificate | any member |
//! | proved | the statement that consumed it | the L1's transaction; the rollup's node for the time |
//! | folded | the statement's path to its batch's root | the L1's transaction; the appliance for the time |
//! | sealed | the seal, which the L1's transaction carries | the appliance for the time |
//! | settled | the hub's event | the L1 |
//! | advanced | the rollup's contract's event | the L1 |
//!
//! With [`Sources::verify`] every proof is checked, trusting nothing but the L1 and the address of the rollup's contract: the
//! contract names its light client, hub and program, the light client the committee and the headers.

use crate::{
    aggregator::{Aggregator, BatchView},
    checkpoint::Record,
    contract::{ContractError, RollupViews, Settlement},
    sequencer::{SequencerError, Sequencers},
    status::Status,
    told,
};
use alloy::{
    consensus::Transaction as _,
    primitives::{Address, B256, Bytes, TxKind},
    providers::{DynProvider, Provider},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    sol_types::{SolCall, SolEvent},
    transports::TransportError,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sinter_primitives::{
    Committee, Digest, Namespace, Transaction, TransactionId, Transition,
    accumulator::Stream,
    answers::TransactionStatus,
    hexadecimal, merkle,
    receipt::{Receipt, ReceiptError, TrustedNetwork},
    statements::STATEMENT_BYTES,
};
use sinter_settlement::{
    hub::{Place, check_call, contract::AggregationHub},
    light_client::{self, Posted},
    rollup::contract::RollupSettlement as Contract,
};
use thiserror::Error;

/// Most headers that are looked at between a transaction's block and the next one that the L1 has.
const HEADERS_MAX: u64 = 4_096;

/// Why there is no trail, or none that holds.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The committee's members.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// The rollup's contract.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// The L1.
    #[error("L1: {what}: {source}")]
    L1 {
        /// What it was asked for.
        what: String,
        /// Why.
        source: TransportError,
    },
    /// The receipt does not hold.
    #[error("finalized: {0}")]
    Receipt(#[from] ReceiptError),
    /// A link of the trail does not hold.
    #[error("{step}: expected {expected}, got {got}")]
    Link {
        /// The step.
        step: &'static str,
        /// What holds.
        expected: String,
        /// What there is.
        got: String,
    },
}

impl TraceError {
    /// Whether something was checked and does not hold; otherwise somebody did not answer.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Receipt(_) | Self::Link { .. })
    }
}

/// One step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub step: String,
    /// When it was taken, in milliseconds since 1970; none if nobody who was asked knows.
    pub at_ms: Option<u64>,
    /// What shows it.
    pub proof: Value,
    /// What was checked of it.
    pub checked: Vec<String>,
}

/// The way of a transaction, as far as it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Trail {
    /// The transaction.
    #[serde(with = "hexadecimal::digest")]
    pub transaction: TransactionId,
    /// Its lane, once it is final.
    pub namespace: Option<Namespace>,
    /// Whether every step's proof was checked, up to the L1.
    pub verified: bool,
    /// The steps that it has taken.
    pub steps: Vec<Step>,
    /// What it waits for, if it is not at the end.
    pub waits_for: Option<String>,
}

/// Who is asked, and what of it is believed.
pub struct Sources<'a> {
    /// The committee's members.
    pub sequencers: &'a Sequencers,
    /// The rollup's contract; without it the trail ends with the committee.
    pub contract: Option<&'a RollupViews>,
    /// The L1 block from which the contract has stood, or any before.
    pub l1_origin: u64,
    /// What the rollup's node tells: for times.
    pub rollup: Option<&'a Status>,
    /// The appliance: for times.
    pub aggregator: Option<&'a Aggregator>,
    /// Whether every link is checked.
    pub verify: bool,
}

/// Where a transaction ends in its lane.
struct End {
    height: u64,
    offset: u64,
}

impl End {
    const fn is_behind(&self, height: u64, offset: u64) -> bool {
        height > self.height || (height == self.height && offset >= self.offset)
    }
}

/// A step of the trail, without anything checked.
fn step(name: &str, at_ms: Option<u64>, proof: Value) -> Step {
    Step { step: name.into(), at_ms, proof, checked: Vec::new() }
}

fn link(step: &'static str, expected: impl Into<String>, got: impl ToString) -> TraceError {
    TraceError::Link { step, expected: expected.into(), got: got.to_string() }
}

impl Sources<'_> {
    /// The trail of a transaction.
    ///
    /// # Errors
    /// [`TraceError`].
    pub async fn trace(&self, id: &TransactionId) -> Result<Trail, TraceError> {
        let known = self.sequencers.trace(id).await?;
        let mut trail =
            Trail { transaction: *id, namespace: None, verified: false, steps: Vec::new(), waits_for: None };
        if known.received_ms.is_some() {
            trail.steps.push(step("received", known.received_ms, json!({ "transaction_id": format!("0x{id}") })));
        }
        let (waits_for, receipt) = match known.status {
            TransactionStatus::Unknown => ("a member that knows it", None),
            TransactionStatus::Pending => ("a block", None),
            TransactionStatus::Notarized { height } => {
                trail.steps.push(step("notarized", known.notarized_ms, json!({ "height": height })));
                ("a certificate", None)
            }
            TransactionStatus::Finalized { receipt } => ("", Some(receipt)),
        };
        let Some(receipt) = receipt else {
            return Ok(Trail { waits_for: Some(waits_for.into()), ..trail });
        };
        if receipt.transaction_id != *id {
            return Err(link("finalized", format!("the receipt of 0x{id}"), receipt.transaction_id));
        }
        trail.namespace = Some(receipt.namespace);
        let place = json!({ "height": receipt.height, "index": receipt.index });
        trail.steps.push(step("notarized", known.notarized_ms, place));
        let mut finalized = step("finalized", known.finalized_ms, json!({ "receipt": receipt }));
        let Some(contract) = self.contract else {
            trail.steps.push(finalized);
            return Ok(Trail { waits_for: Some("the rollup's contract, to look further".into()), ..trail });
        };
        let l1 = L1 { provider: contract.provider()?, origin: self.l1_origin };
        if self.verify && !self.check_final(&l1, contract, &receipt, &mut finalized).await? {
            trail.steps.push(finalized);
            return Ok(Trail { waits_for: Some("a header on the L1 at its height or above".into()), ..trail });
        }
        trail.steps.push(finalized);
        let end = self.end(&receipt).await?;
        let settlements = contract.settlements(self.l1_origin).await?;
        match settlements.iter().find(|it| end.is_behind(it.height, it.offset)) {
            Some(settlement) => {
                self.settled(&l1, contract, settlement, &end, &mut trail).await?;
                let verified = self.verify && trail.waits_for.is_none();
                Ok(Trail { verified, ..trail })
            }
            None => self.under_way(&end, trail).await,
        }
    }

    /// Checks a receipt with nothing but the L1; whether that has a header that covers it.
    async fn check_final(
        &self,
        l1: &L1,
        contract: &RollupViews,
        receipt: &Receipt,
        finalized: &mut Step,
    ) -> Result<bool, TraceError> {
        let light_client = contract.light_client().await?;
        let (expected, got) = (contract.namespace().await?, receipt.namespace);
        if expected != got {
            return Err(link("finalized", format!("a transaction of namespace {expected}, the contract's"), got));
        }
        let epoch = receipt.header_chain.epoch();
        let network = self.sequencers.network_at(epoch).await?;
        if !l1.check_committee(light_client, &network, epoch).await? {
            return Ok(false);
        }
        let verified = receipt.verify(&network)?;
        finalized.checked.push(format!(
            "{} of {} seats of the committee that the light client {light_client} has signed height {}",
            verified.signers, verified.seats, verified.certified_height
        ));
        let Some(posted) = contract.posted(light_client, receipt.height, l1.origin).await? else { return Ok(false) };
        let Posted { height, post, digest } = posted;
        if height - receipt.height > HEADERS_MAX {
            let expected = format!("a posted header at most {HEADERS_MAX} above height {}", receipt.height);
            return Err(link("finalized", expected, height));
        }
        let headers = self.sequencers.headers(receipt.height..=height).await?;
        let mut parent = verified.block;
        for (at, header) in headers.iter().enumerate() {
            let got = if at == 0 { header.digest() } else { header.parent };
            if got != parent {
                let expected = format!("headers from 0x{} on, each the parent of the next", verified.block);
                return Err(link("finalized", expected, format!("0x{got} at height {}", header.height)));
            }
            parent = header.digest();
        }
        if parent != digest {
            return Err(link(
                "finalized",
                format!("0x{digest}, which is post {post} on the L1"),
                format!("0x{parent}"),
            ));
        }
        finalized.checked.push(format!("its block is an ancestor of header {height}, which is post {post} on the L1"));
        Ok(true)
    }

    /// Where the transaction ends in its lane: elements of its block's stream.
    async fn end(&self, receipt: &Receipt) -> Result<End, TraceError> {
        let lane = self.sequencers.lane(receipt.namespace, receipt.height).await?;
        let chain_id = receipt.header_chain.headers.first().map_or(0, |header| header.chain_id);
        let got = merkle::root(lane.iter().map(|transaction: &Transaction| transaction.id(chain_id)));
        if got != receipt.leaf.tx_root {
            let expected = format!("the lane with root 0x{}, as the header has it", receipt.leaf.tx_root);
            return Err(link("proved", expected, format!("0x{got}")));
        }
        let up_to = (receipt.index as usize + 1).min(lane.len());
        Ok(End { height: receipt.height, offset: Stream::new(&lane[..up_to]).elements() as u64 })
    }

    /// The steps of a transaction that the rollup's contract has passed.
    async fn settled(
        &self,
        l1: &L1,
        contract: &RollupViews,
        settlement: &Settlement,
        end: &End,
        trail: &mut Trail,
    ) -> Result<(), TraceError> {
        let (receipt, input, to) = l1.transaction(settlement.transaction).await?;
        if to != Some(contract.address) {
            // What another contract was told is not what this one was.
            trail.waits_for =
                Some(format!("a look into {}, which settled through another contract", settlement.transaction));
            return Ok(());
        }
        let call = Contract::settleCall::abi_decode(&input).map_err(|error| {
            link("proved", "a transaction that calls the rollup's contract itself", format!("another: {error}"))
        })?;
        let (mut found, mut state) = (None, None);
        let domain = contract.domain().await?;
        for statement in &call.chain {
            let transition = Transition::decode(&statement.publicValues)
                .map_err(|error| link("proved", "a statement of a rollup", told(&error)))?;
            if transition.domain != domain.0 || state.is_some_and(|state| state != transition.state_before) {
                let expected = format!("a chain of statements of domain {domain}");
                return Err(link("proved", expected, B256::from(transition.domain)));
            }
            state = Some(transition.state_after);
            if found.is_none() && end.is_behind(transition.height, transition.offset) {
                found = Some((statement, transition));
            }
        }
        let reached = B256::from(state.unwrap_or_default());
        if reached != settlement.state {
            return Err(link("advanced", format!("statements that end in {}", settlement.state), reached));
        }
        let (height, offset) = (end.height, end.offset);
        let expected = format!("a statement that goes beyond element {offset} of height {height}");
        let (statement, transition) = found.ok_or_else(|| link("proved", expected, "none in the L1's transaction"))?;
        let record = self.rollup.and_then(|status| {
            status.records.iter().find(|record| record.transition.state_after == transition.state_after)
        });
        let program_id = contract.program_id().await?;
        let mut proved = step(
            "proved",
            record.map(|record| record.proved_ms),
            json!({
                "program_id": program_id,
                "public_values": statement.publicValues,
                "height": transition.height,
                "offset": transition.offset,
                "proving_ms": record.map(|record| record.proving_ms),
            }),
        );
        let hub = l1.hub(contract.hubs().await?, call.selector.0).await?;
        let place = Place { root: statement.root, index: statement.index, path: statement.path.clone() };
        if self.verify {
            let mut bytes = [0; STATEMENT_BYTES];
            bytes[..32].copy_from_slice(&program_id.0);
            bytes[32..].copy_from_slice(&transition.public_values());
            l1.call(hub, check_call(&bytes, &place)).await.map_err(|error| match error {
                TraceError::L1 { source, .. } if source.is_error_resp() => {
                    link("folded", format!("a statement that the hub {hub} knows"), source)
                }
                error => error,
            })?;
            proved
                .checked
                .push(format!("it goes beyond element {offset} of height {height}, where the transaction ends"));
        }
        trail.steps.push(proved);

        let batch = self.batch(record).await;
        let (seal, count) = l1.settled(hub, place.root).await?;
        let mut folded = step(
            "folded",
            batch.as_ref().and_then(|batch| batch.folded_ms),
            json!({ "root": place.root, "index": place.index, "path": place.path, "depth": place.path.len() }),
        );
        let brought = seal.transaction_hash;
        let settled_at = l1.time_ms(seal.block_number).await?;
        let mut settled = step(
            "settled",
            settled_at,
            json!({
                "hub": hub,
                "root": place.root,
                "statements": count,
                "transaction": brought,
                "gas_used": seal.gas_used,
                "gas_share": seal.gas_used / u64::from(count.max(1)),
            }),
        );
        let mut advanced = step(
            "advanced",
            l1.time_ms(Some(settlement.block)).await?,
            json!({
                "contract": contract.address,
                "transaction": settlement.transaction,
                "gas_used": receipt.gas_used,
                "gas_share": receipt.gas_used / (call.chain.len() as u64).max(1),
            }),
        );
        if self.verify {
            folded.checked.push(format!("the hub {hub} finds the statement under root {}", place.root));
            settled.checked.push(format!("the hub's verifier took the root of {count} statements in {brought}"));
            advanced
                .checked
                .push(format!("the contract went to height {} in L1 block {}", settlement.height, settlement.block));
        }
        trail.steps.push(folded);
        // The seal is what the hub's transaction carries.
        trail.steps.push(step("sealed", batch.and_then(|batch| batch.sealed_ms), json!({ "carried_by": brought })));
        trail.steps.extend([settled, advanced]);
        Ok(())
    }

    /// The steps of a transaction that the L1 does not have, as far as rollup and appliance tell.
    async fn under_way(&self, end: &End, trail: Trail) -> Result<Trail, TraceError> {
        let mut trail = trail;
        let covers = |record: &&Record| end.is_behind(record.transition.height, record.transition.offset);
        let record = self.rollup.and_then(|status| status.records.iter().find(covers));
        let Some(record) = record else {
            return Ok(Trail { waits_for: Some("a statement".into()), ..trail });
        };
        let proof = json!({ "public_values": format!("0x{}", hex::encode(record.transition.public_values())) });
        trail.steps.push(step("proved", Some(record.proved_ms), proof));
        let Some(batch) = self.batch(Some(record)).await else {
            return Ok(Trail { waits_for: Some("a batch".into()), ..trail });
        };
        let shown = json!({ "batch": batch.batch, "statements": batch.count });
        let waits_for = match batch.state.as_str() {
            "sealed" | "settled" => {
                trail.steps.push(step("folded", batch.folded_ms, shown.clone()));
                trail.steps.push(step("sealed", batch.sealed_ms, shown));
                if batch.state == "settled" { "the rollup's contract" } else { "the L1" }
            }
            "folded" => {
                trail.steps.push(step("folded", batch.folded_ms, shown));
                "a seal"
            }
            _ => "its batch's folding",
        };
        Ok(Trail { waits_for: Some(waits_for.into()), ..trail })
    }

    /// What the appliance tells of a statement's batch: only times, so that one that does not answer costs nothing else.
    async fn batch(&self, record: Option<&Record>) -> Option<BatchView> {
        self.aggregator?.job(record?.job?).await.ok()?.batch
    }
}

/// The L1, as far as a trail needs it.
struct L1 {
    provider: DynProvider,
    origin: u64,
}

impl L1 {
    fn failed(what: impl Into<String>) -> impl FnOnce(TransportError) -> TraceError {
        let what = what.into();
        move |source| TraceError::L1 { what, source }
    }

    async fn call(&self, to: Address, input: Bytes) -> Result<Bytes, TraceError> {
        let request = TransactionRequest { to: Some(TxKind::Call(to)), input: input.into(), ..Default::default() };
        self.provider.call(request).await.map_err(Self::failed(format!("a call of {to}")))
    }

    /// The committee of an epoch is the one of the light client; whether that has heard of it.
    async fn check_committee(
        &self,
        light_client: Address,
        network: &TrustedNetwork,
        epoch: u64,
    ) -> Result<bool, TraceError> {
        let known = light_client::identity(&self.provider, light_client, epoch).await;
        let known = known.map_err(|error| link("finalized", "a light client", told(&error)))?;
        let committee = network.committee_of(epoch).map_or(Digest([0; 32]), Committee::digest);
        let got = (network.chain_hash, network.chain_id, committee);
        let unheard = (network.chain_hash, network.chain_id, Digest([0; 32]));
        if known == unheard {
            return Ok(false);
        }
        let show = |(hash, id, digest): (Digest, u64, Digest)| format!("chain 0x{hash} ({id}), committee 0x{digest}");
        if known == got { Ok(true) } else { Err(link("finalized", show(known), show(got))) }
    }

    /// A transaction's receipt, its input, and to whom it went.
    async fn transaction(&self, hash: B256) -> Result<(TransactionReceipt, Bytes, Option<Address>), TraceError> {
        let what = || Self::failed(format!("transaction {hash}"));
        let receipt = self.provider.get_transaction_receipt(hash).await.map_err(what())?;
        let transaction = self.provider.get_transaction_by_hash(hash).await.map_err(what())?;
        match (receipt, transaction) {
            (Some(receipt), Some(transaction)) => Ok((receipt, transaction.input().clone(), transaction.to())),
            _ => Err(link("settled", format!("an L1 that knows its transaction {hash}"), "one that does not")),
        }
    }

    /// The hub behind a rollup's hub or gateway.
    async fn hub(&self, hubs: Address, selector: [u8; 4]) -> Result<Address, TraceError> {
        let call = AggregationHub::hubCall { selector_: selector.into() };
        let answer = self.call(hubs, call.abi_encode().into()).await?;
        AggregationHub::hubCall::abi_decode_returns(&answer).map_err(|error| link("settled", "a hub", error))
    }

    /// The transaction in which a hub took a root, and how many statements that has.
    async fn settled(&self, hub: Address, root: B256) -> Result<(TransactionReceipt, u32), TraceError> {
        let filter = Filter::new().address(hub).event_signature(AggregationHub::Settled::SIGNATURE_HASH).topic1(root);
        let logs = self.provider.get_logs(&filter.from_block(self.origin)).await;
        let logs = logs.map_err(Self::failed(format!("events of the hub {hub}")))?;
        let log = logs.first().ok_or_else(|| link("settled", format!("the hub {hub} to have root {root}"), "none"))?;
        let event = AggregationHub::Settled::decode_log(&log.inner).map_err(|error| link("settled", "a hub", error))?;
        let (receipt, ..) = self.transaction(log.transaction_hash.unwrap_or_default()).await?;
        Ok((receipt, event.count))
    }

    async fn time_ms(&self, block: Option<u64>) -> Result<Option<u64>, TraceError> {
        let Some(number) = block else { return Ok(None) };
        let block = self.provider.get_block_by_number(number.into()).await;
        let block = block.map_err(Self::failed(format!("block {number}")))?;
        Ok(block.map(|block| block.header.timestamp * 1_000))
    }
}
