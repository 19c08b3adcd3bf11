//! The `FinalityLightClient` contract from outside: deploy it, register its committee, encode posts, read
//! its head.
//!
//! The chain file names the contract's address and the contract knows the chain file's hash, so the address
//! has to be known first: a contract made by a plain transaction has an address that depends on the
//! deployer and its nonce only ([`predicted_address`]).

use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, FixedBytes, TxKind, U256},
    providers::Provider,
    rpc::types::{Filter, TransactionReceipt, TransactionRequest},
    sol_types::{SolCall, SolConstructor, SolEvent, SolInterface},
    transports::{RpcError, TransportErrorKind},
};
use commonware_codec::Encode;
use sha3::{Digest as _, Keccak256};
use sinter_primitives::{Certificate, Committee, Digest, Header, certificate::CertificateError, committee::PAGE_SEATS};
use std::time::Duration;

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        FinalityLightClient,
        "artifacts/FinalityLightClient.json"
    );
}

use contract::FinalityLightClient as Contract;
pub use contract::FinalityLightClient::FinalityLightClientErrors as Refusal;

/// How long a deployment waits for each of its transactions.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(120);

/// The trusting period of a light client behind which there is a registry: three weeks.
pub const TRUSTING_PERIOD_S: u64 = 21 * 86_400;
/// The trusting period where there is none, and no stake that could leave a committee's keys: for ever.
pub const TRUST_FOR_EVER_S: u64 = 0;

/// L1 blocks of whose logs is asked at once: what providers take.
pub const LOG_BLOCKS: u64 = 10_000;

/// Why the contract could not be used.
#[derive(Debug, thiserror::Error)]
pub enum LightClientError {
    /// The certificate is not one.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The L1 did not answer, or refused.
    #[error("L1: {0}")]
    Rpc(#[from] RpcError<TransportErrorKind>),
    /// A transaction was sent and no receipt came.
    #[error("L1: {0}")]
    Pending(#[from] alloy::providers::PendingTransactionError),
    /// A transaction was mined and failed.
    #[error("L1: transaction {hash} failed")]
    Failed {
        /// Its hash.
        hash: B256,
    },
    /// The contract came to stand elsewhere.
    #[error("L1: expected the contract at {expected}, got {got:?}")]
    Address {
        /// The predicted address.
        expected: Address,
        /// Where it is.
        got: Option<Address>,
    },
    /// The contract's answer does not decode: something else stands at the address.
    #[error("L1: expected another contract at {address}: {reason}")]
    NotAContract {
        /// The address.
        address: Address,
        /// What is wrong.
        reason: String,
    },
}

/// The last header that the contract accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its height; zero before the first post.
    pub height: u64,
    /// The view that was finalized.
    pub view: u64,
    /// Its digest.
    pub digest: Digest,
    /// Posts so far; the last one's index is one less.
    pub posts: u64,
    /// Whether conflicting finalizations froze the contract.
    pub frozen: bool,
}

/// Where the contract will stand that `deployer` makes by its transaction of this nonce.
#[must_use]
pub fn predicted_address(deployer: Address, nonce: u64) -> Address {
    deployer.create(nonce)
}

/// The code that creates the contract, with its arguments; `committee_digest` is [`Committee::digest`] of the committee of epochs
/// 0 and 1, `trusting_period_s` for how long a committee is believed after its last word: an hour to a year, or 0 for ever.
#[must_use]
pub fn creation_code(chain_hash: &Digest, chain_id: u64, committee_digest: &Digest, trusting_period_s: u64) -> Bytes {
    let arguments = Contract::constructorCall {
        chainHash_: word(chain_hash),
        chainId_: chain_id,
        genesisCommittee: word(committee_digest),
        trustingPeriod_: U256::from(trusting_period_s),
    };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The calls that register an epoch's committee, a page of keys each; any order will do. A committee that goes on from the epoch
/// before needs none.
///
/// # Errors
/// [`CertificateError::Signature`] when a proof of possession is no point, which a [`Committee`] rules out.
pub fn register_calls(epoch: u64, committee: &Committee) -> Result<Vec<Bytes>, CertificateError> {
    let pages = committee.pages();
    let opening = Contract::Opening {
        // At most SEATS_MAX, so it fits.
        seats: committee.seats().len() as u16,
        aggregate: committee.uncompressed_aggregate().to_vec().into(),
        roster: word(&committee.roster()),
        pageHashes: pages.iter().map(|page| FixedBytes(Keccak256::digest(page).into())).collect(),
    };
    pages
        .into_iter()
        .zip(committee.seats().chunks(PAGE_SEATS))
        .enumerate()
        .map(|(page, (keys, seats))| {
            let proofs = seats.iter().map(|seat| point(&seat.proof_of_possession)).collect::<Result<_, _>>()?;
            let call = Contract::registerPageCall {
                epoch,
                opening: opening.clone(),
                page: U256::from(page),
                keys: keys.into(),
                proofs,
            };
            Ok(call.abi_encode().into())
        })
        .collect()
}

/// The call that posts a certified header.
///
/// # Errors
/// [`CertificateError::Signature`] when the certificate's signature is no point.
pub fn post_call(header: &Header, certificate: &Certificate) -> Result<Bytes, CertificateError> {
    let call = Contract::postCall { header: header.encode().to_vec().into(), certificate: encode(certificate)? };
    Ok(call.abi_encode().into())
}

/// The call that proves that the committee finalized two chains: `posted` is the header that was posted as
/// number `index`, `path` leads from another header of its height up to the one that `certificate` is for.
///
/// # Errors
/// [`CertificateError::Signature`] when the certificate's signature is no point.
pub fn conflict_call(
    posted: &Header,
    index: u64,
    path: &[Header],
    certificate: &Certificate,
) -> Result<Bytes, CertificateError> {
    let call = Contract::proveConflictCall {
        posted: posted.encode().to_vec().into(),
        index,
        path: path.iter().map(|header| header.encode().to_vec().into()).collect(),
        certificate: encode(certificate)?,
    };
    Ok(call.abi_encode().into())
}

/// A certificate as the contract takes it.
fn encode(certificate: &Certificate) -> Result<Contract::Certificate, CertificateError> {
    Ok(Contract::Certificate {
        viewNumber: certificate.view,
        parentView: certificate.parent_view,
        signers: U256::from(certificate.signers.bits()),
        signature: point(&certificate.signature)?,
    })
}

/// The contract's refusal, from what a reverted call returned.
#[must_use]
pub fn refusal(data: &[u8]) -> Option<Refusal> {
    Refusal::abi_decode(data).ok()
}

/// Deploys the contract, with [`TRUST_FOR_EVER_S`], and registers the genesis committee. The provider signs and pays; it must not be
/// used by anybody else meanwhile.
///
/// # Errors
/// [`LightClientError`], when the L1 refuses or does not mine within two minutes a transaction.
pub async fn deploy(
    provider: &impl Provider,
    deployer: Address,
    chain_hash: &Digest,
    chain_id: u64,
    committee: &Committee,
    trusting_period_s: u64,
) -> Result<Address, LightClientError> {
    let code = creation_code(chain_hash, chain_id, &committee.digest(), trusting_period_s);
    let address = create(provider, deployer, code).await?;
    for call in register_calls(0, committee)? {
        send(provider, deployer, TxKind::Call(address), call).await?;
    }
    Ok(address)
}

/// Makes a contract, where the deployer's next transaction makes one.
pub(crate) async fn create(
    provider: &impl Provider,
    deployer: Address,
    code: Bytes,
) -> Result<Address, LightClientError> {
    let nonce = provider.get_transaction_count(deployer).await?;
    let expected = predicted_address(deployer, nonce);
    match send(provider, deployer, TxKind::Create, code).await?.contract_address {
        Some(address) if address == expected => Ok(address),
        got => Err(LightClientError::Address { expected, got }),
    }
}

pub(crate) async fn send(
    provider: &impl Provider,
    from: Address,
    to: TxKind,
    data: Bytes,
) -> Result<TransactionReceipt, LightClientError> {
    let request = TransactionRequest { from: Some(from), to: Some(to), input: data.into(), ..Default::default() };
    let pending = provider.send_transaction(request).await?.with_timeout(Some(RECEIPT_TIMEOUT));
    let receipt = pending.get_receipt().await?;
    if receipt.status() { Ok(receipt) } else { Err(LightClientError::Failed { hash: receipt.transaction_hash }) }
}

/// What a contract answers now.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn ask<C: SolCall>(
    provider: &impl Provider,
    address: Address,
    call: &C,
) -> Result<C::Return, LightClientError> {
    ask_at(provider, address, call, BlockId::latest()).await
}

/// What a contract answers at the end of an L1 block.
pub(crate) async fn ask_at<C: SolCall>(
    provider: &impl Provider,
    address: Address,
    call: &C,
    block: BlockId,
) -> Result<C::Return, LightClientError> {
    let input = Bytes::from(call.abi_encode()).into();
    let request = TransactionRequest { to: Some(TxKind::Call(address)), input, ..Default::default() };
    let answer = provider.call(request).block(block).await?;
    C::abi_decode_returns(&answer).map_err(|error| foreign(address, &error))
}

/// The events that a filter lets through, from one L1 block until now.
pub(crate) async fn events<E: SolEvent>(
    provider: &impl Provider,
    filter: Filter,
    from_block: u64,
) -> Result<Vec<E>, LightClientError> {
    let (mut first, newest) = (from_block, provider.get_block_number().await?);
    let mut events = Vec::new();
    while first <= newest {
        let last = newest.min(first.saturating_add(LOG_BLOCKS - 1));
        for log in provider.get_logs(&filter.clone().from_block(first).to_block(last)).await? {
            let event = E::decode_log(&log.inner).map_err(|error| foreign(log.address(), &error))?;
            events.push(event.data);
        }
        first = last + 1;
    }
    Ok(events)
}

/// Whatever stands there does not speak as the contract does.
pub(crate) fn foreign(address: Address, error: &alloy::sol_types::Error) -> LightClientError {
    LightClientError::NotAContract { address, reason: error.to_string() }
}

/// Reads the contract's head.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn head(provider: &impl Provider, address: Address) -> Result<Head, LightClientError> {
    let head = ask(provider, address, &Contract::headCall {}).await?;
    Ok(Head {
        height: head.height,
        view: head.viewNumber,
        digest: Digest(head.digest.0),
        posts: head.posts,
        frozen: head.frozen,
    })
}

/// The newest epoch of which a header was posted, and until when its committee is believed without another one (Unix seconds).
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn newest_epoch(provider: &impl Provider, address: Address) -> Result<(u64, u64), LightClientError> {
    let newest = ask(provider, address, &Contract::newestEpochCall {}).await?;
    // A time, at most a year ahead, or for ever.
    Ok((newest.epoch, newest.trustedUntil.saturating_to()))
}

/// Which pages of the keys of an epoch's committee are registered: bit `i`, from the least significant, is page `i`. None of an epoch
/// whose committee goes on, before its first header is posted.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn registered_pages(provider: &impl Provider, address: Address, epoch: u64) -> Result<u8, LightClientError> {
    Ok(ask(provider, address, &Contract::committeeCall { epoch }).await?.pagesRegistered)
}

/// Whose headers the contract takes in an epoch: the SHA-256 of `chain.toml`, the chain's id, and the committee's digest.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn identity(
    provider: &impl Provider,
    address: Address,
    epoch: u64,
) -> Result<(Digest, u64, Digest), LightClientError> {
    let hash = ask(provider, address, &Contract::chainHashCall {}).await?;
    let chain_id = ask(provider, address, &Contract::chainIdCall {}).await?;
    let committee = ask(provider, address, &Contract::committeeDigestCall { epoch }).await?;
    Ok((Digest(hash.0), chain_id, Digest(committee.0)))
}

/// A header that was posted: its height, and the number of its post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posted {
    /// Its height.
    pub height: u64,
    /// The number of its post.
    pub post: u64,
    /// Its digest.
    pub digest: Digest,
}

/// The lowest header at `height` or above that was posted from L1 block `from_block` on, if there is one yet.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn posted(
    provider: &impl Provider,
    address: Address,
    height: u64,
    from_block: u64,
) -> Result<Option<Posted>, LightClientError> {
    let above = posts(provider, address, from_block).await?.into_iter().filter(|posted| posted.height >= height);
    Ok(above.min_by_key(|posted| posted.height))
}

/// The headers that were posted from L1 block `from_block` on, in the order of their posts.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn posts(
    provider: &impl Provider,
    address: Address,
    from_block: u64,
) -> Result<Vec<Posted>, LightClientError> {
    let filter = Filter::new().address(address).event_signature(Contract::HeaderPosted::SIGNATURE_HASH);
    let posted = events::<Contract::HeaderPosted>(provider, filter, from_block).await?;
    let posted =
        posted.iter().map(|event| Posted { height: event.height, post: event.index, digest: Digest(event.digest.0) });
    Ok(posted.collect())
}

fn word(digest: &Digest) -> B256 {
    B256::from_slice(digest.as_ref())
}

/// A compressed G1 point as the contract takes it: `x ‖ y` in three words.
pub(crate) fn point(compressed: &[u8; 48]) -> Result<[B256; 3], CertificateError> {
    let bytes = sinter_primitives::certificate::uncompress_g1(compressed)?;
    Ok([0, 1, 2].map(|word| B256::from_slice(&bytes[word * 32..(word + 1) * 32])))
}
