//! A rollup's contract on the L1: deployed, paid into, settled, paid out of.

use crate::exit::{Exit, Failure, OrFail};
use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{DynProvider, Provider},
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    sol_types::{SolCall, SolEvent},
};
use sinter_primitives::{
    Namespace, Transition,
    inbox::{Domain, EntryKind, InboxEntry, Withdrawal},
};
use sinter_rollup::{Digest, State, to_words};
use sinter_settlement::{
    hub::Place,
    light_client,
    rollup::{self, Genesis, Ordered, contract::RollupSettlement as Contract},
};
use std::time::Duration;

/// How long a transaction may take to be included.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(60);
/// Seconds in which an entry of the inbox must be consumed.
const INBOX_DELAY_S: u64 = 24 * 3600;

/// Where a rollup settles: everything besides its program and its state.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The L1's EIP-155 chain id.
    pub l1_chain_id: u64,
    /// The hub that knows its statements.
    pub hub: Address,
    /// The light client of the committee that orders it.
    pub light_client: Address,
    /// The chain that orders it.
    pub chain_id: u64,
}

/// A rollup's contract, and the account that pays for what is done with it here.
#[derive(Clone, Debug)]
pub struct RollupContract {
    provider: DynProvider,
    account: Address,
    hub: Address,
    /// Where it stands.
    pub address: Address,
    /// Statements with withdrawals that it has settled.
    batches: u64,
}

impl RollupContract {
    /// Deploys the contract of a rollup that begins with `application`; also the state that it begins in.
    ///
    /// # Errors
    /// When the L1 refuses.
    pub async fn deploy(
        provider: DynProvider,
        account: Address,
        site: &Site,
        namespace: Namespace,
        program_id: B256,
        application: Digest,
    ) -> Result<(Self, State), Failure> {
        let nonce = provider.get_transaction_count(account).await.or_fail(Exit::Failed, "asking the L1")?;
        // The state holds the domain, and the domain the address.
        let address = light_client::predicted_address(account, nonce);
        let Site { l1_chain_id, hub, light_client, chain_id } = *site;
        let state =
            State::genesis(&Domain { l1_chain_id, settlement: address.into(), chain_id, namespace }, application);
        let genesis = Genesis {
            hubs: hub,
            light_client,
            program_id,
            namespace,
            state: to_words(&state.digest()),
            inbox_delay_s: INBOX_DELAY_S,
        };
        let contract = Self { provider, account, hub, address, batches: 0 };
        let receipt = contract.send(TxKind::Create, rollup::creation_code(&genesis), 0).await?;
        if receipt.contract_address != Some(address) {
            let message = format!("the rollup's contract: expected at {address}, got {:?}", receipt.contract_address);
            return Err(Failure::new(Exit::Failed, message));
        }
        Ok((contract, state))
    }

    /// Goes on with another connection: one remembers its account's nonce, and does not see what else the account sends.
    pub fn reconnect(&mut self, provider: DynProvider) {
        self.provider = provider;
    }

    /// Pays ether in, for whom the payload names.
    ///
    /// # Errors
    /// When the L1 refuses.
    pub async fn deposit(&self, payload: Vec<u8>, wei: u128) -> Result<TransactionReceipt, Failure> {
        self.call(Contract::depositCall { payload: payload.into() }.abi_encode().into(), wei).await
    }

    /// The entries of the inbox from number `from` on.
    ///
    /// # Errors
    /// When the L1 does not answer, or answers with something else.
    pub async fn entries(&self, from: u64) -> Result<Vec<InboxEntry>, Failure> {
        let filter = Filter::new().address(self.address).event_signature(Contract::InboxEntry::SIGNATURE_HASH);
        let logs = self.provider.get_logs(&filter.from_block(0)).await.or_fail(Exit::Failed, "the inbox's entries")?;
        let mut entries = Vec::new();
        for log in logs {
            let event = Contract::InboxEntry::decode_log(&log.inner).or_fail(Exit::Failed, "an entry of the inbox")?;
            if event.index < from {
                continue;
            }
            let kind = if event.kind == EntryKind::Forced as u8 { EntryKind::Forced } else { EntryKind::Deposit };
            entries.push(InboxEntry {
                kind,
                sender: event.sender.into(),
                wei: event.value.to(),
                deadline: event.deadline.to(),
                payload: event.payload.to_vec(),
            });
        }
        Ok(entries)
    }

    /// Settles a chain of statements.
    ///
    /// # Errors
    /// When the contract refuses.
    pub async fn settle(
        &self,
        chain: &[(Place, Transition)],
        ordered: Option<&Ordered<'_>>,
    ) -> Result<TransactionReceipt, Failure> {
        self.call(rollup::settle_call(self.hub, chain, ordered), 0).await
    }

    /// Has all withdrawals of the next settled statement that has some paid out.
    ///
    /// # Errors
    /// When the contract refuses.
    pub async fn pay_out(&mut self, withdrawals: &[Withdrawal]) -> Result<(), Failure> {
        for index in 0..withdrawals.len() {
            let call = rollup::withdraw_call(self.batches, withdrawals, index);
            let call = call.or_fail(Exit::Failed, "a withdrawal")?;
            self.call(call, 0).await?;
        }
        self.batches += u64::from(!withdrawals.is_empty());
        Ok(())
    }

    /// The ether that it holds.
    ///
    /// # Errors
    /// When the L1 does not answer.
    pub async fn wei(&self) -> Result<u128, Failure> {
        let balance = self.provider.get_balance(self.address).await.or_fail(Exit::Failed, "the rollup's ether")?;
        Ok(balance.to())
    }

    async fn call(&self, input: Bytes, wei: u128) -> Result<TransactionReceipt, Failure> {
        self.send(TxKind::Call(self.address), input, wei).await
    }

    async fn send(&self, to: TxKind, input: Bytes, wei: u128) -> Result<TransactionReceipt, Failure> {
        let what = format!("the rollup at {}", self.address);
        let request = TransactionRequest {
            from: Some(self.account),
            to: Some(to),
            input: input.into(),
            value: Some(U256::from(wei)),
            ..Default::default()
        };
        let pending = self.provider.send_transaction(request).await.or_fail(Exit::Refused, &what)?;
        let receipt = pending.with_timeout(Some(RECEIPT_TIMEOUT)).get_receipt().await.or_fail(Exit::Failed, &what)?;
        if receipt.status() {
            Ok(receipt)
        } else {
            Err(Failure::new(Exit::Refused, format!("{what}: {} was reverted", receipt.transaction_hash)))
        }
    }
}
