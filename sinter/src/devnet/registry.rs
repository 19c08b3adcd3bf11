//! What a devnet whose committees are drawn has on the L1: the registry with everybody who may be drawn, and the forced inbox, where
//! namespaces are opened, too.

use super::{
    directory::Directory,
    fees::OPENING_FEE_WEI,
    l1::L1,
    network::{Network, SEATS},
};
use crate::{
    exit::{Exit, Failure, OrFail},
    keys::{BLS_KEY, NODE_KEY},
    l1::connect,
    relayer::read_key,
};
use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, U256, aliases::U40},
    providers::Provider,
    rpc::types::TransactionRequest,
    signers::local::PrivateKeySigner,
};
use sinter_primitives::{
    Chain,
    chain::{ForcedInboxSpec, RegistrySpec},
};
use sinter_sequencer::keys;
use sinter_settlement::{
    evidence, light_client, namespaces,
    registry::{self, Genesis, Parameters, contract::CommitteeRegistry as Contract},
};
use std::{fs, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

/// A registrant's account on the L1, in its node's directory.
const OWNER_KEY: &str = "owner.key";
const STAKE_WEI: u128 = 100_000_000_000_000_000;
/// What an owner has beside the stake, for gas.
const GAS_WEI: u128 = 50_000_000_000_000_000;
/// How long a member's stake stays bound after its last duty, and its word is believed.
pub const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;
/// A transaction is mined within seconds, or something is wrong.
const RECEIPT_TIMEOUT: Duration = Duration::from_secs(60);

/// Contracts of the settling account, in the order in which it deploys them: the registry, the one that judges evidence, and this.
const FORCED_INBOX: u64 = 2;

/// What a chain file says of a registry that will be the settling account's next contract, and of the forced inbox.
///
/// # Errors
/// When the L1 does not answer.
pub async fn plan(l1: &L1, from_block: u64) -> Result<(RegistrySpec, ForcedInboxSpec), Failure> {
    let account = l1.settler.address();
    let nonce = l1.provider.get_transaction_count(account).await;
    let nonce = nonce.or_fail(Exit::Failed, format_args!("asking the L1 at {}", l1.url))?;
    let registry = RegistrySpec {
        address: light_client::predicted_address(account, nonce).to_string(),
        from_block,
        seats: SEATS,
        seats_min: SEATS,
        // The L1 has a block a second, and nobody a stake in what comes of it.
        prevrandao_delay_s: 1,
    };
    let address = light_client::predicted_address(account, nonce + FORCED_INBOX).to_string();
    Ok((registry, ForcedInboxSpec { address }))
}

/// Deploys the registry, the contract that judges evidence and the forced inbox, and registers every node. What is there already stays.
///
/// # Errors
/// When the L1 refuses, or the registry would stand elsewhere than the chain file says.
pub async fn deploy(directory: &Directory, network: &Network, l1: &L1, light_client: Address) -> Result<(), Failure> {
    let chain = &network.chain;
    let Some(spec) = &chain.file.l1.registry else { return Ok(()) };
    let expected = Address::from(spec.address());
    let settler = connect(&l1.url, Some(&l1.settler))?;
    let latest = settler.get_block_number().await.or_fail(Exit::Failed, "asking the L1 for its head")?;
    if !matches!(registry::head(&settler, expected, latest).await, Ok(Some(_))) {
        let account = l1.settler.address();
        let nonce = settler.get_transaction_count(account).await.or_fail(Exit::Failed, "asking the L1 for a nonce")?;
        let genesis = Genesis {
            light_client,
            governor: Address::ZERO,
            timelock_s: 60 * DAY_S,
            parameters: Parameters {
                stakeMin: STAKE_WEI,
                registrantsMax: 64,
                epochsAhead: 3,
                slashBasisPoints: 5_000,
                rewardBasisPoints: 500,
                exitDelay: U40::from(HOUR_S),
                escapeDelay: U40::from(30 * DAY_S),
                evidence: light_client::predicted_address(account, nonce + 1),
            },
        };
        let deployed = registry::deploy(&settler, account, &genesis).await;
        let deployed = deployed.or_fail(Exit::Failed, "deploying the registry")?;
        if deployed != expected {
            let message = format!("chain.toml: `l1.registry.address`: expected {expected}, deployed at {deployed}");
            return Err(Failure::new(Exit::Failed, message));
        }
        let code = evidence::creation_code(expected, &chain.hash);
        let request = TransactionRequest::default().with_from(account).with_deploy_code(code);
        send(&settler, request, "deploying the contract for evidence").await?;
        let inbox = namespaces::deploy(&settler, account, light_client, U256::from(OPENING_FEE_WEI)).await;
        let inbox = inbox.or_fail(Exit::Failed, "deploying the contract of the namespaces")?;
        let named = chain.file.l1.forced_inbox.as_ref().map(|inbox| Address::from(inbox.address()));
        if named != Some(inbox) {
            let message = format!("chain.toml: `l1.forced_inbox.address`: expected {named:?}, deployed at {inbox}");
            return Err(Failure::new(Exit::Failed, message));
        }
    }
    for (number, listens_at) in network.quic.iter().enumerate() {
        let node = (&*directory.node(number), number, listens_at.to_string());
        register(node, chain, &settler, l1, expected).await?;
    }
    Ok(())
}

/// The account of a node's owner.
///
/// # Errors
/// When the file of its key cannot be read.
pub fn owner(directory: &Directory, number: usize) -> Result<PrivateKeySigner, Failure> {
    read_key(&directory.node(number).join(OWNER_KEY))
}

/// Registers a node by an account of its own, which the settling one funds.
async fn register(
    (home, number, listens_at): (&Path, usize, String),
    chain: &Chain,
    settler: &impl Provider,
    l1: &L1,
    contract: Address,
) -> Result<(), Failure> {
    let what = format!("registering node {number}");
    let path = home.join(OWNER_KEY);
    if path.exists() {
        return Ok(());
    }
    let owner = PrivateKeySigner::random();
    let funds = TransactionRequest::default()
        .with_from(l1.settler.address())
        .with_to(owner.address())
        .with_value(U256::from(STAKE_WEI + GAS_WEI));
    send(settler, funds, &format!("funding the owner of node {number}")).await?;
    let node_key = keys::read_node_key(&home.join(NODE_KEY)).or_fail(Exit::Usage, &what)?;
    let bls_key = keys::read_bls_key(&home.join(BLS_KEY), None).or_fail(Exit::Usage, &what)?;
    let (l1_chain, account) = (chain.file.l1.chain_id, owner.address());
    let call = Contract::registerCall {
        keys: registry::keys(&keys::secret(&bls_key), l1_chain, contract, account).or_fail(Exit::Failed, &what)?,
        node: registry::node(&node_key, l1_chain, contract, account, &listens_at),
    };
    let provider = connect(&l1.url, Some(&owner))?;
    let request = TransactionRequest::default()
        .with_from(account)
        .with_to(contract)
        .with_value(U256::from(STAKE_WEI))
        .with_call(&call);
    send(&provider, request, &what).await?;
    // Last: a node with an owner is registered.
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).or_fail(Exit::Usage, &what)?;
    std::io::Write::write_all(&mut file, hex::encode(owner.to_bytes()).as_bytes()).or_fail(Exit::Usage, &what)
}

async fn send(provider: &impl Provider, request: TransactionRequest, what: &str) -> Result<(), Failure> {
    let pending = provider.send_transaction(request).await.or_fail(Exit::Failed, what)?;
    let receipt = pending.with_timeout(Some(RECEIPT_TIMEOUT)).get_receipt().await.or_fail(Exit::Failed, what)?;
    if receipt.status() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, format!("{what}: the L1 refused transaction {}", receipt.transaction_hash)))
}
