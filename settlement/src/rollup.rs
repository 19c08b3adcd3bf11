//! `RollupSettlement` and its inbox: what a rollup's program claims, and the calls that settle it.

use crate::hub::{Place, selector};
use alloy::{
    primitives::{Address, B256, Bytes},
    sol_types::{SolCall, SolConstructor},
};
use commonware_codec::Encode;
use sinter_primitives::{
    Header, Namespace,
    inbox::{self, Withdrawal},
    table::ProvenLeaf,
};

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        RollupSettlement,
        "artifacts/RollupSettlement.json"
    );
}

use contract::RollupSettlement as Contract;

pub use sinter_primitives::Transition;

/// That the committee ordered what leads to a chain's last accumulator.
#[derive(Clone, Debug)]
pub struct Ordered<'a> {
    /// From the header of the block in which the cursor stands up to one that was posted, each the parent of the
    /// next; at most 256.
    pub headers: &'a [Header],
    /// The number of the last one's post in the light client.
    pub post: u64,
    /// The namespace's leaf in the first one's table.
    pub leaf: &'a ProvenLeaf,
}

/// What a settlement contract is created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Genesis {
    /// A gateway, or the hub that the rollup is pinned to.
    pub hubs: Address,
    /// The light client.
    pub light_client: Address,
    /// The program that every statement must be of.
    pub program_id: B256,
    /// The rollup's lane.
    pub namespace: Namespace,
    /// The digest of the state before anything was ordered for the namespace. It holds the domain, and the domain
    /// the contract's address: see [`crate::light_client::predicted_address`].
    pub state: inbox::Words,
    /// Seconds in which an inbox entry must be consumed: an hour to thirty days.
    pub inbox_delay_s: u64,
}

/// The code that creates the contract.
#[must_use]
pub fn creation_code(genesis: &Genesis) -> Bytes {
    let arguments = Contract::constructorCall {
        hubs_: genesis.hubs,
        lightClient_: genesis.light_client,
        programId_: genesis.program_id,
        namespace_: genesis.namespace.0,
        genesisState: genesis.state.into(),
        // The contract refuses what does not fit: a delay has fewer than 22 bits.
        inboxDelay_: alloy::primitives::Uint::from(genesis.inbox_delay_s.min((1 << 40) - 1)),
    };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// The call that settles a chain of statements that the hub at `hub` knows. Nothing need be shown to have been
/// `ordered` where the cursor stays in the block that was settled last.
#[must_use]
pub fn settle_call(hub: Address, chain: &[(Place, Transition)], ordered: Option<&Ordered<'_>>) -> Bytes {
    let chain = chain
        .iter()
        .map(|(place, transition)| Contract::Statement {
            root: place.root,
            index: place.index,
            path: place.path.clone(),
            publicValues: transition.public_values().to_vec().into(),
        })
        .collect();
    let ordered = ordered.map_or_else(
        || Contract::Ordered {
            headers: Vec::new(),
            post: 0,
            leaf: Bytes::new(),
            leafIndex: 0,
            leafCount: 0,
            leafPath: Vec::new(),
        },
        |ordered| Contract::Ordered {
            headers: ordered.headers.iter().map(|header| header.encode().to_vec().into()).collect(),
            post: ordered.post,
            leaf: ordered.leaf.leaf.encode().to_vec().into(),
            leafIndex: ordered.leaf.proof.index,
            leafCount: ordered.leaf.proof.count,
            leafPath: ordered.leaf.proof.siblings.iter().map(|sibling| B256::from_slice(sibling)).collect(),
        },
    );
    Contract::settleCall { selector: selector(hub), chain, ordered }.abi_encode().into()
}

/// The call that pays withdrawal `index` of the statement with these withdrawals, which is the rollup's `batch`-th with some.
/// Anybody may make it.
///
/// # Errors
/// [`inbox::EntryError::Wei`] when one of them has more than 96 bits of wei.
///
/// # Panics
/// When there is no such withdrawal.
pub fn withdraw_call(batch: u64, withdrawals: &[Withdrawal], index: usize) -> Result<Bytes, inbox::EntryError> {
    let leaves = withdrawals.iter().map(Withdrawal::leaf).collect::<Result<Vec<_>, _>>()?;
    let Withdrawal { recipient, wei } = withdrawals[index];
    let path = inbox::withdrawals_path(&leaves, index).unwrap_or_default();
    let w = Contract::Withdrawal {
        batch,
        root: inbox::withdrawals_root(&leaves).into(),
        count: leaves.len() as u64,
        index: index as u64,
        recipient: recipient.into(),
        value: alloy::primitives::Uint::from(wei),
        path: path.into_iter().map(B256::from).collect(),
    };
    Ok(Contract::withdrawCall { w, to: recipient.into() }.abi_encode().into())
}
