//! The `CommitteeRegistry` contract from outside: deploy it, register, follow its records.
//!
//! A node has the registry as [`sinter_primitives::registry::Registry`], and brings it up to an L1 block by [`follow`], from the
//! contract's first block or from wherever it was before. What an L1 node tells is taken only if all of it hashes to the
//! head that the contract has at that block. [`leaving`] is about what goes: tickets and retired keys.

pub mod leaving;
mod refusal;

use crate::light_client::{LOG_BLOCKS, LightClientError, ask_at, create, foreign, point};
use alloy::{
    eips::BlockId,
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::Filter,
    sol_types::{SolConstructor, SolEvent, SolInterface},
};
use commonware_codec::Encode;
use commonware_cryptography::{Signer as _, ed25519};
use sinter_primitives::{
    Digest,
    certificate::CertificateError,
    committee::{CommitteeError, public_key, sign_proof_of_possession, uncompress_key},
    registry::{Record, Registry, RegistryError, sign_consent, sign_node_consent},
};

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        CommitteeRegistry,
        "artifacts/CommitteeRegistry.json"
    );
}

use contract::CommitteeRegistry as Contract;
pub use contract::{
    CommitteeRegistry::{CommitteeRegistryErrors as Refusal, Keys, Node},
    RegistryParameters::Parameters,
};
pub use refusal::{ether, explain};

/// Why the registry could not be followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The L1 did not answer, refused, or has something else at the address.
    #[error(transparent)]
    L1(#[from] LightClientError),
    /// What it told are not the contract's records.
    #[error(transparent)]
    Record(#[from] RegistryError),
    /// It left records out, or what was there before was not the contract's.
    #[error(
        "L1: expected {records} records up to block {block}, whose head is {expected}, got {got_records} with head {got}: \
         ask another L1 node, or follow from the contract's first block"
    )]
    Head {
        /// The L1 block.
        block: u64,
        /// How many records the contract has there.
        records: u64,
        /// Its head there.
        expected: Digest,
        /// How many were told.
        got_records: u64,
        /// Their head.
        got: Digest,
    },
}

/// Why keys cannot be registered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The key is none.
    #[error(transparent)]
    Key(#[from] CommitteeError),
    /// A signature is none.
    #[error(transparent)]
    Signature(#[from] CertificateError),
}

/// What a registry is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// The light client.
    pub light_client: Address,
    /// Who may propose parameters; zero for nobody.
    pub governor: Address,
    /// Seconds between a proposal and its enactment: at most 365 days, and at least a week more than the escape delay.
    pub timelock_s: u64,
    /// The first parameters.
    pub parameters: Parameters,
}

/// The code that creates the contract.
#[must_use]
pub fn creation_code(genesis: &Genesis) -> Bytes {
    let arguments = Contract::constructorCall {
        lightClient_: genesis.light_client,
        governor_: genesis.governor,
        timelock_: U256::from(genesis.timelock_s),
        parameters_: genesis.parameters.clone(),
    };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// Deploys the contract. The provider signs and pays; it must not be used by anybody else meanwhile.
///
/// # Errors
/// [`LightClientError`], when the L1 refuses or does not mine the transaction within two minutes.
pub async fn deploy(
    provider: &impl Provider,
    deployer: Address,
    genesis: &Genesis,
) -> Result<Address, LightClientError> {
    create(provider, deployer, creation_code(genesis)).await
}

/// A BLS secret key (32 bytes, big-endian) as `owner` registers it with the contract.
///
/// # Errors
/// [`KeysError`] when the bytes are no scalar from 1 to r − 1.
pub fn keys(secret: &[u8; 32], l1_chain_id: u64, registry: Address, owner: Address) -> Result<Keys, KeysError> {
    Ok(Keys {
        bls: uncompress_key(&public_key(secret)?)?.to_vec().into(),
        possession: point(&sign_proof_of_possession(secret)?)?,
        consent: point(&sign_consent(secret, l1_chain_id, &registry.0.0, &owner.0.0)?)?,
    })
}

/// A node as `owner` names it to the contract, which takes any: without the key's consent he is no candidate.
#[must_use]
pub fn node(key: &ed25519::PrivateKey, l1_chain_id: u64, registry: Address, owner: Address, listens_at: &str) -> Node {
    let consent = sign_node_consent(key, l1_chain_id, &registry.0.0, &owner.0.0);
    let (left, right) = consent.split_at(32);
    Node {
        key: B256::from_slice(&key.public_key().encode()),
        consent: [left, right].map(B256::from_slice),
        listensAt: listens_at.as_bytes().to_vec().into(),
    }
}

/// The contract's refusal, from what a reverted call returned.
#[must_use]
pub fn refusal(data: &[u8]) -> Option<Refusal> {
    Refusal::abi_decode(data).ok()
}

/// Brings a registry from where it is, the last L1 block before `from_block`, to the end of L1 block `to_block`, which should be
/// final. If it fails, the registry is as it was.
///
/// # Errors
/// [`FollowError`].
pub async fn follow(
    provider: &impl Provider,
    address: Address,
    registry: &mut Registry,
    from_block: u64,
    to_block: u64,
) -> Result<(), FollowError> {
    let followed = with_records(provider, address, registry, from_block, to_block).await?;
    check_head(provider, address, &followed, to_block).await?;
    *registry = followed;
    Ok(())
}

/// [`follow`], for a `to_block` whose state the L1 node has no more, as one that keeps no archive: the records are followed on
/// to `head_block`, and have to end in the head there. None can be forged or left out, but that a record came by `to_block`
/// rather than after it is the L1 node's word: compare what several say.
///
/// # Errors
/// [`FollowError`].
pub async fn follow_past(
    provider: &impl Provider,
    address: Address,
    registry: &mut Registry,
    from_block: u64,
    to_block: u64,
    head_block: u64,
) -> Result<(), FollowError> {
    let followed = with_records(provider, address, registry, from_block, to_block).await?;
    let onward = with_records(provider, address, &followed, to_block + 1, head_block).await?;
    check_head(provider, address, &onward, head_block).await?;
    *registry = followed;
    Ok(())
}

/// A registry and the records of these L1 blocks, as the L1 tells them.
async fn with_records(
    provider: &impl Provider,
    address: Address,
    registry: &Registry,
    from_block: u64,
    to_block: u64,
) -> Result<Registry, FollowError> {
    let mut followed = registry.clone();
    let mut first = from_block;
    while first <= to_block {
        let last = to_block.min(first + LOG_BLOCKS - 1);
        for record in records(provider, address, first, last).await? {
            followed.apply(&record)?;
        }
        first = last + 1;
    }
    Ok(followed)
}

async fn check_head(
    provider: &impl Provider,
    address: Address,
    followed: &Registry,
    block: u64,
) -> Result<(), FollowError> {
    let (got_records, got) = (followed.records(), followed.head());
    // Before it is deployed, nobody is registered.
    let nothing = || (0, Registry::new(followed.l1_chain_id(), &address.0.0).head());
    let (records, expected) = head(provider, address, block).await?.unwrap_or_else(nothing);
    if (records, expected) != (got_records, got) {
        return Err(FollowError::Head { block, records, expected, got_records, got });
    }
    Ok(())
}

/// The contract's records of these L1 blocks, at most [`LOG_BLOCKS`], as the L1 tells them.
async fn records(
    provider: &impl Provider,
    address: Address,
    first: u64,
    last: u64,
) -> Result<Vec<Record>, LightClientError> {
    let filter = Filter::new().address(address).event_signature(Contract::Recorded::SIGNATURE_HASH);
    let logs = provider.get_logs(&filter.from_block(first).to_block(last)).await?;
    logs.iter()
        .map(|log| {
            let event = Contract::Recorded::decode_log(&log.inner).map_err(|error| foreign(address, &error))?;
            Ok(Record {
                sequence: event.sequence,
                member: event.member,
                kind: event.kind,
                data: event.data.data.to_vec(),
                head: Digest(event.head.0),
            })
        })
        .collect()
}

/// How many records the contract has at the end of an L1 block, and their head. `None` where nothing stands at the address yet.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn head(
    provider: &impl Provider,
    address: Address,
    block: u64,
) -> Result<Option<(u64, Digest)>, LightClientError> {
    let at = BlockId::number(block);
    let head = match ask_at(provider, address, &Contract::headCall {}, at).await {
        Err(LightClientError::NotAContract { .. }) if provider.get_code_at(address).block_id(at).await?.is_empty() => {
            return Ok(None);
        }
        head => head?,
    };
    let records = ask_at(provider, address, &Contract::recordsCall {}, at).await?;
    Ok(Some((records, Digest(head.0))))
}
