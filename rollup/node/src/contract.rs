//! A rollup's contract on the L1: looked at, deployed, paid into.

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, TxKind, U256},
    providers::{DynProvider, Provider},
    rpc::types::{Filter, Log, TransactionReceipt, TransactionRequest},
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolEvent},
    transports::TransportError,
};
use serde::{Deserialize, Serialize};
use sinter_primitives::{
    Namespace,
    inbox::{Domain, EntryKind, InboxEntry, Words},
};
use sinter_rollup::{Digest, State, to_words};
use sinter_settlement::{
    l1::{UrlError, connect},
    light_client::{self, LOG_BLOCKS},
    rollup::{self, Genesis, contract::RollupSettlement as Contract},
};
use std::{ops::RangeInclusive, time::Duration};
use thiserror::Error;

/// How long a transaction may take to be included.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(120);
/// Seconds in which an entry of the inbox must be consumed.
const INBOX_DELAY_S: u64 = 24 * 3600;

/// Why the L1 did not do what it was asked for.
#[derive(Debug, Error)]
pub enum ContractError {
    /// The URL of an L1 is none.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// It does not answer, or refuses.
    #[error("the rollup's contract at {address}: {source}")]
    L1 {
        /// The contract.
        address: Address,
        /// Why.
        source: TransportError,
    },
    /// A transaction was not included in time.
    #[error("the rollup's contract at {address}: {reason}")]
    Pending {
        /// The contract.
        address: Address,
        /// Why.
        reason: String,
    },
    /// A transaction was included and reverted.
    #[error("the rollup's contract at {address}: {transaction} was reverted")]
    Reverted {
        /// The contract.
        address: Address,
        /// The transaction.
        transaction: B256,
    },
    /// Something else stands at the address.
    #[error("expected a rollup's contract at {address}: {reason}")]
    NotAContract {
        /// The address.
        address: Address,
        /// What is wrong.
        reason: String,
    },
    /// A deployment landed elsewhere than its state says: somebody used the account meanwhile.
    #[error("expected the rollup's contract at {expected}, got {got:?}")]
    Elsewhere {
        /// Where it was to be.
        expected: Address,
        /// Where it is.
        got: Option<Address>,
    },
}

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

/// How far the L1 has settled a rollup.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The digest of the state.
    #[serde(with = "sinter_primitives::hexadecimal::array")]
    pub state: Words,
    /// The height of the block in which it stands.
    pub height: u64,
    /// Elements of that block that are consumed.
    pub offset: u64,
    /// Entries of the inbox that are consumed.
    pub entries: u64,
}

/// One time that the contract advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settlement {
    /// The L1's block.
    pub block: u64,
    /// The transaction.
    pub transaction: B256,
    /// The state that it went to.
    pub state: B256,
    /// The height of the block in which the contract stands since.
    pub height: u64,
    /// Elements of that block that are consumed.
    pub offset: u64,
}

/// A rollup's contract, to look at.
#[derive(Clone, Debug)]
pub struct RollupViews {
    url: String,
    /// Where it stands.
    pub address: Address,
}

/// A rollup's contract, and the account that pays for what people do with it: it is deployed, and paid into. What its node
/// sends goes through the node's journal ([`sinter_settlement::advances`]).
#[derive(Clone, Debug)]
pub struct RollupContract {
    /// The contract, to look at.
    pub views: RollupViews,
    signer: PrivateKeySigner,
}

impl RollupViews {
    /// The contract at an address.
    #[must_use]
    pub const fn new(url: String, address: Address) -> Self {
        Self { url, address }
    }

    /// The entries of the inbox from number `from` on that came in some L1 blocks.
    ///
    /// # Errors
    /// [`ContractError`], when one is missing, too.
    pub async fn entries(&self, from: u64, blocks: RangeInclusive<u64>) -> Result<Vec<InboxEntry>, ContractError> {
        let filter = Filter::new().address(self.address).event_signature(Contract::InboxEntry::SIGNATURE_HASH);
        let mut entries = Vec::new();
        for log in self.logs(filter, blocks).await? {
            let event = Contract::InboxEntry::decode_log(&log.inner).map_err(self.foreign())?;
            if event.index != from + entries.len() as u64 {
                if event.index < from {
                    continue;
                }
                let reason =
                    format!("expected entry {} of the inbox, got {}", from + entries.len() as u64, event.index);
                return Err(ContractError::NotAContract { address: self.address, reason });
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

    /// How many entries the inbox had, as of one of the L1's blocks.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn inbox_count(&self, block: BlockId) -> Result<u64, ContractError> {
        let answer = self.view(&self.provider()?, Contract::inboxCountCall {}.abi_encode(), block).await?;
        Contract::inboxCountCall::abi_decode_returns(&answer).map_err(self.foreign())
    }

    /// Which contract, network and lane a statement must name.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn domain(&self) -> Result<B256, ContractError> {
        let answer = self.view(&self.provider()?, Contract::domainCall {}.abi_encode(), BlockId::latest()).await?;
        Contract::domainCall::abi_decode_returns(&answer).map_err(self.foreign())
    }

    /// The L1's last block.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn l1_head(&self) -> Result<u64, ContractError> {
        self.provider()?.get_block_number().await.map_err(self.l1())
    }

    /// How far the L1 has settled, as of one of its blocks.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn progress(&self, block: BlockId) -> Result<Progress, ContractError> {
        let provider = self.provider()?;
        let state = self.view(&provider, Contract::stateCall {}.abi_encode(), block).await?;
        let state = Contract::stateCall::abi_decode_returns(&state).map_err(self.foreign())?;
        let progress = self.view(&provider, Contract::progressCall {}.abi_encode(), block).await?;
        let progress = Contract::progressCall::abi_decode_returns(&progress).map_err(self.foreign())?;
        let (height, offset, entries) = (progress.height, progress.offset, progress.inboxEntries);
        Ok(Progress { state: state.into(), height, offset, entries })
    }

    /// Every time that it advanced, from L1 block `from_block` on, oldest first.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn settlements(&self, from_block: u64) -> Result<Vec<Settlement>, ContractError> {
        let filter = Filter::new().address(self.address).event_signature(Contract::Advanced::SIGNATURE_HASH);
        let mut settlements = Vec::new();
        for log in self.logs(filter, from_block..=self.l1_head().await?).await? {
            let event = Contract::Advanced::decode_log(&log.inner).map_err(self.foreign())?;
            settlements.push(Settlement {
                block: log.block_number.unwrap_or_default(),
                transaction: log.transaction_hash.unwrap_or_default(),
                state: event.state,
                height: event.height,
                offset: event.offset,
            });
        }
        Ok(settlements)
    }

    /// The id of the program whose statements it takes.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn program_id(&self) -> Result<B256, ContractError> {
        let answer = self.view(&self.provider()?, Contract::programIdCall {}.abi_encode(), BlockId::latest()).await?;
        Contract::programIdCall::abi_decode_returns(&answer).map_err(self.foreign())
    }

    /// The light client of the committee that orders the rollup.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn light_client(&self) -> Result<Address, ContractError> {
        let input = Contract::lightClientCall {}.abi_encode();
        let answer = self.view(&self.provider()?, input, BlockId::latest()).await?;
        Contract::lightClientCall::abi_decode_returns(&answer).map_err(self.foreign())
    }

    /// The rollup's lane.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn namespace(&self) -> Result<Namespace, ContractError> {
        let input = Contract::namespaceCall {}.abi_encode();
        let answer = self.view(&self.provider()?, input, BlockId::latest()).await?;
        Contract::namespaceCall::abi_decode_returns(&answer).map(Namespace).map_err(self.foreign())
    }

    /// The hub or gateway that the rollup is bound to.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn hubs(&self) -> Result<Address, ContractError> {
        let input = Contract::hubsCall {}.abi_encode();
        let answer = self.view(&self.provider()?, input, BlockId::latest()).await?;
        Contract::hubsCall::abi_decode_returns(&answer).map_err(self.foreign())
    }

    /// The ether that it holds.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn wei(&self) -> Result<u128, ContractError> {
        Ok(self.provider()?.get_balance(self.address).await.map_err(self.l1())?.to())
    }

    /// The lowest header at a height or above that the light client has, from L1 block `from_block` on.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn posted(
        &self,
        light_client: Address,
        height: u64,
        from_block: u64,
    ) -> Result<Option<light_client::Posted>, ContractError> {
        let posted = light_client::posted(&self.provider()?, light_client, height, from_block).await;
        posted.map_err(|error| ContractError::NotAContract { address: light_client, reason: crate::told(&error) })
    }

    async fn logs(&self, filter: Filter, blocks: RangeInclusive<u64>) -> Result<Vec<Log>, ContractError> {
        let provider = self.provider()?;
        let mut logs = Vec::new();
        let (mut first, last) = blocks.into_inner();
        while first <= last {
            let part = filter.clone().from_block(first).to_block(last.min(first + LOG_BLOCKS - 1));
            logs.extend(provider.get_logs(&part).await.map_err(self.l1())?);
            first += LOG_BLOCKS;
        }
        Ok(logs)
    }

    /// A client of its L1, which signs nothing.
    pub(crate) fn provider(&self) -> Result<DynProvider, ContractError> {
        Ok(connect(&self.url, None)?)
    }

    fn l1(&self) -> impl Fn(TransportError) -> ContractError {
        let address = self.address;
        move |source| ContractError::L1 { address, source }
    }

    fn foreign<E: std::error::Error>(&self) -> impl Fn(E) -> ContractError {
        let address = self.address;
        move |error| ContractError::NotAContract { address, reason: error.to_string() }
    }

    async fn view(&self, provider: &DynProvider, input: Vec<u8>, block: BlockId) -> Result<Bytes, ContractError> {
        let to = Some(TxKind::Call(self.address));
        let request = TransactionRequest { to, input: Bytes::from(input).into(), ..Default::default() };
        provider.call(request).block(block).await.map_err(self.l1())
    }
}

impl RollupContract {
    /// Deploys the contract of a rollup that begins with `application`; also the state that it begins in.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn deploy(
        url: String,
        signer: PrivateKeySigner,
        site: &Site,
        namespace: Namespace,
        program_id: B256,
        application: Digest,
    ) -> Result<(Self, State), ContractError> {
        let provider = connect(&url, Some(&signer))?;
        let nonce = provider.get_transaction_count(signer.address()).await;
        let nonce = nonce.map_err(|source| ContractError::L1 { address: Address::ZERO, source })?;
        // The state holds the domain, and the domain the address.
        let address = light_client::predicted_address(signer.address(), nonce);
        let state = Self::genesis(site, address, namespace, application);
        let genesis = Genesis {
            hubs: site.hub,
            light_client: site.light_client,
            program_id,
            namespace,
            state: to_words(&state.digest()),
            inbox_delay_s: INBOX_DELAY_S,
        };
        let contract = Self { views: RollupViews::new(url, address), signer };
        let receipt = contract.send(TxKind::Create, rollup::creation_code(&genesis), 0).await?;
        match receipt.contract_address {
            Some(got) if got == address => Ok((contract, state)),
            got => Err(ContractError::Elsewhere { expected: address, got }),
        }
    }

    /// The state that a rollup begins in whose contract stands at an address.
    #[must_use]
    pub fn genesis(site: &Site, settlement: Address, namespace: Namespace, application: Digest) -> State {
        let Site { l1_chain_id, chain_id, .. } = *site;
        State::genesis(&Domain { l1_chain_id, settlement: settlement.into(), chain_id, namespace }, application)
    }

    /// Pays ether in, for whom the payload names.
    ///
    /// # Errors
    /// [`ContractError`].
    pub async fn deposit(&self, payload: Vec<u8>, wei: u128) -> Result<TransactionReceipt, ContractError> {
        let call = Contract::depositCall { payload: payload.into() }.abi_encode();
        self.send(TxKind::Call(self.views.address), call.into(), wei).await
    }

    async fn send(&self, to: TxKind, input: Bytes, wei: u128) -> Result<TransactionReceipt, ContractError> {
        let request = TransactionRequest {
            from: Some(self.signer.address()),
            to: Some(to),
            input: input.into(),
            value: Some(U256::from(wei)),
            ..Default::default()
        };
        let pending =
            connect(&self.views.url, Some(&self.signer))?.send_transaction(request).await.map_err(self.views.l1())?;
        let receipt = pending.with_timeout(Some(RECEIPT_TIMEOUT)).get_receipt().await;
        let (address, told) = (self.views.address, |error| crate::told(&error));
        let receipt = receipt.map_err(|error| ContractError::Pending { address, reason: told(error) })?;
        let transaction = receipt.transaction_hash;
        if receipt.status() { Ok(receipt) } else { Err(ContractError::Reverted { address, transaction }) }
    }
}
