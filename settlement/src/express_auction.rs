//! The `ExpressAuction` contract from outside: what sells the first place in a namespace's lane, and pays the namespace's revenue.

use crate::{
    light_client::{LightClientError, create},
    registry::ether,
};
use alloy::{
    primitives::{Address, Bytes, U256},
    providers::Provider,
    sol_types::{SolConstructor, SolInterface},
};
use sinter_primitives::Namespace;

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ExpressAuction,
        "artifacts/ExpressAuction.json"
    );
}

use contract::ExpressAuction as Contract;
pub use contract::ExpressAuction::{
    ExpressAuctionErrors as Refusal, beginCall, bidCall, closeCall, collectCall, handBackCall, lapseCall, limitCall,
    refundCall, withdrawCall,
};

/// What an auction is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The contract in which the namespace was opened.
    pub namespaces: Address,
    /// Whose first place is sold.
    pub namespace: Namespace,
    /// Who may limit the namespace, and take it back.
    pub owner: Address,
    /// Who gets what is paid.
    pub revenue: Address,
    /// How long a term is.
    pub term_s: u64,
    /// The least that is bid.
    pub bid_min_wei: U256,
}

/// The code that creates the contract.
#[must_use]
pub fn creation_code(terms: &Terms) -> Bytes {
    let arguments = Contract::constructorCall {
        namespaces_: terms.namespaces,
        namespace_: terms.namespace.0,
        owner_: terms.owner,
        revenue_: terms.revenue,
        termSeconds_: terms.term_s,
        bidMin_: terms.bid_min_wei,
    };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// Deploys the contract, which sells nothing before the namespace is transferred to it. The provider signs and pays; it must not be used by
/// anybody else meanwhile.
///
/// # Errors
/// [`LightClientError`], when the L1 refuses or does not mine the transaction within two minutes.
pub async fn deploy(provider: &impl Provider, deployer: Address, terms: &Terms) -> Result<Address, LightClientError> {
    create(provider, deployer, creation_code(terms)).await
}

/// The contract's refusal, from what a reverted call returned.
#[must_use]
pub fn refusal(data: &[u8]) -> Option<Refusal> {
    Refusal::abi_decode(data).ok()
}

/// What a refusal says to whoever called.
#[must_use]
pub fn explain(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotTheOwner(e) => format!("expected the owner {}, got {}", e.expected, e.got),
        Refusal::TermClosed(e) => {
            format!("term {}: expected term {}, the one that bids are taken for now", e.got, e.expected)
        }
        Refusal::BidTooLow(e) => format!("bid: expected at least {}, got {}", ether(e.minimum), ether(e.got)),
        Refusal::Closed(_) => "no more terms are sold here".into(),
        Refusal::NotOver(e) => format!("term {} is not over: term {} runs", e.last, e.current),
        Refusal::Begins(e) => format!("term {} was begun before", e.current),
        Refusal::Unpaid(e) => format!("{} does not take {}", e.to, ether(e.amount)),
        // What only who writes calls himself meets.
        other => format!("{other:?}"),
    }
}
