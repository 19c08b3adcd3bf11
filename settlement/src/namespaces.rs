//! The `Namespaces` contract from outside: deploy it, open namespaces and prepay for them, be paid what was earned.
//!
//! It is a forced inbox ([`crate::forced_inbox`]) as well: what is done there is appended to it.

use crate::{
    light_client::{LightClientError, create},
    registry::ether,
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    providers::Provider,
    rpc::types::TransactionReceipt,
    sol_types::{SolConstructor, SolInterface},
};
use commonware_codec::Encode;
use sinter_primitives::{Header, Ledger, Namespace, chain::Ordering};

/// The bindings that the checked-in artifact describes.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Namespaces,
        "artifacts/Namespaces.json"
    );
}

use contract::Namespaces as Contract;
pub use contract::Namespaces::{
    NamespacesErrors as Refusal, claimCall, limitCall, openCall, reorderCall, topUpCall, transferCall, withdrawCall,
};

/// The code that creates the contract. Opening a namespace costs so much beside what is prepaid.
#[must_use]
pub fn creation_code(light_client: Address, opening_fee_wei: U256) -> Bytes {
    let arguments = Contract::constructorCall { lightClient_: light_client, openingFee_: opening_fee_wei };
    [Contract::BYTECODE.as_ref(), &arguments.abi_encode()].concat().into()
}

/// Deploys the contract. The provider signs and pays; it must not be used by anybody else meanwhile.
///
/// # Errors
/// [`LightClientError`], when the L1 refuses or does not mine the transaction within two minutes.
pub async fn deploy(
    provider: &impl Provider,
    deployer: Address,
    light_client: Address,
    opening_fee_wei: U256,
) -> Result<Address, LightClientError> {
    create(provider, deployer, creation_code(light_client, opening_fee_wei)).await
}

/// The call that opens a namespace.
#[must_use]
pub fn open_call(ordering: Ordering, evm_chain_id: Option<u64>, block_bytes_max: u32, epoch_wei_max: u128) -> openCall {
    let (rule, auction_key) = told(ordering);
    openCall {
        rule,
        auctionKey: auction_key,
        evmChainId: evm_chain_id.unwrap_or_default(),
        blockBytesMax: block_bytes_max,
        epochWeiMax: epoch_wei_max,
    }
}

/// The call that has a namespace's lane ordered in another way.
#[must_use]
pub fn reorder_call(namespace: Namespace, ordering: Ordering) -> reorderCall {
    let (rule, auction_key) = told(ordering);
    reorderCall { namespace: namespace.0, rule, auctionKey: auction_key }
}

/// A rule as the contract has it.
fn told(ordering: Ordering) -> (u8, B256) {
    match ordering {
        Ordering::FirstCome => (0, B256::ZERO),
        Ordering::Express { auction_key } => (1, auction_key.0.into()),
    }
}

/// The namespace that a transaction of the L1 opened, if it did.
#[must_use]
pub fn opened_in(receipt: &TransactionReceipt) -> Option<Namespace> {
    receipt.decoded_log::<Contract::Opened>().map(|event| Namespace(event.namespace))
}

/// The call that pays what the ledger under a header has for an account, an address or a namespace
/// ([`credit_of`](sinter_primitives::fees::credit_of)); the header was posted as number `post`. `None` where the ledger has nothing for it.
#[must_use]
pub fn claim_call(account: Address, header: &Header, post: u64, ledger: &Ledger) -> Option<claimCall> {
    let proof = ledger.credits().prove(&account.0.0)?;
    Some(claimCall {
        account,
        credit: ledger.credits().of(&account.0.0),
        header: header.encode().to_vec().into(),
        post,
        rest: Contract::LedgerRest { entries: ledger.entries_root().0.into(), meter: ledger.meter().digest().0.into() },
        index: proof.index,
        count: proof.count,
        path: proof.siblings.iter().map(|sibling| sibling.0.into()).collect(),
    })
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
        Refusal::Payment(e) => {
            format!("payment: expected {} to {}, got {}", ether(e.minimum), ether(e.maximum), ether(e.got))
        }
        Refusal::NamespacesFull(e) => format!("all {} places for namespaces are taken", e.maximum),
        Refusal::NamespaceUnknown(e) => format!("namespace {}: expected one that somebody has opened here", e.got),
        Refusal::NotTheOwner(e) => format!("expected the owner {}, got {}", e.expected, e.got),
        Refusal::OtherLedger(e) => {
            format!("credit: expected one of the ledger with root {}, got one of another, {}", e.expected, e.got)
        }
        Refusal::Unpaid(e) => format!("{} does not take {}", e.to, ether(e.amount)),
        Refusal::BlockFull(_) => "the L1 block has taken as much as it may: try again in the next one".into(),
        // What only who writes calls himself meets.
        other => format!("{other:?}"),
    }
}
