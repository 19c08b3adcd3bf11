//! `sinter sequencer register` and `top-up`: stake comes.

use super::{
    contract::{Contract, OwnerArguments, RegistrantArguments, duration},
    identity::{Identity, KeyArguments},
};
use crate::{
    exit::{Exit, Failure, OrFail, print_result},
    l1::parse_ether_amount,
};
use alloy::primitives::{Address, U256, keccak256};
use clap::Args;
use commonware_cryptography::ed25519;
use sinter_primitives::{address::NodeAddress, registry::Registry};
use sinter_sequencer::keys;
use sinter_settlement::{
    light_client,
    registry::{self, Keys, contract::CommitteeRegistry as Calls, ether, leaving::registered_by},
};

/// `sinter sequencer register`.
#[derive(Debug, Args)]
pub struct RegisterArguments {
    /// Where the registry is, and who pays.
    #[command(flatten)]
    pub owner: OwnerArguments,
    /// The member's keys.
    #[command(flatten)]
    pub keys: KeyArguments,
    /// What stands behind the registration, in ether, such as 32 or 0.5
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub stake: U256,
    /// Where other members will reach this one over QUIC
    #[arg(long, value_name = "HOST:PORT")]
    pub address: String,
    /// Where all places are taken: take this registrant's, who leaves. It costs a tenth more of your own ether than his stake
    #[arg(long, value_name = "N")]
    pub displace: Option<u64>,
    /// Register although this account has registered other keys already: each registrant is drawn by himself
    #[arg(long)]
    pub another: bool,
}

/// `sinter sequencer top-up`.
#[derive(Debug, Args)]
pub struct TopUpArguments {
    /// Whose stake.
    #[command(flatten)]
    pub registrant: RegistrantArguments,
    /// What is added, in ether
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub stake: U256,
}

/// Registers, or says as whom these keys are registered already.
///
/// # Errors
/// When a key, the address or a file is wrong, the L1 does not answer, or the contract or those who draw would refuse.
pub async fn register(arguments: &RegisterArguments) -> Result<(), Failure> {
    check_address(&arguments.address)?;
    let identity = Identity::read(&arguments.keys)?;
    let (Some(node_key), Some(bls_key)) = (&identity.node, &identity.bls) else {
        let message = "expected a node key and a BLS key: --config, or --node-key-file and --bls-key-file";
        return Err(Failure::new(Exit::Usage, message));
    };
    let (contract, owner) = Contract::open_as_owner(&arguments.owner).await?;
    let keys = signed_keys(&contract, bls_key, owner)?;
    if is_registered(&contract, &keys, owner, arguments.another).await? {
        return Ok(());
    }
    let followed = contract.registry().await?;
    check_node_key(&followed, node_key, None)?;
    let parameters = contract.parameters().await?;
    let minimum = U256::from(parameters.stakeMin);
    if arguments.stake < minimum {
        let message = format!("--stake: expected at least {}, got {}", ether(minimum), ether(arguments.stake));
        return Err(Failure::new(Exit::Refused, message));
    }
    // Asked before anything is paid: afterwards, nothing may come between a registration and its number.
    let known_epoch = known_epoch(&contract).await?;
    let node = registry::node(node_key, contract.chain.file.l1.chain_id, contract.address, owner, &arguments.address);
    let receipt = match arguments.displace {
        None => contract.send(owner, "registering", &Calls::registerCall { keys, node }, arguments.stake).await?,
        Some(victim) => {
            let call = Calls::displaceCall { victim, keys, node };
            contract.send(owner, &format!("displacing {victim}"), &call, arguments.stake).await?
        }
    };
    let number = registered_by(&receipt).ok_or_else(|| {
        Failure::new(
            Exit::Failed,
            format!("transaction {}: expected a registration's record, got none", receipt.transaction_hash),
        )
    })?;
    let block = receipt.block_number.unwrap_or_default();
    print_result(format_args!(
        "registered as {number} with {}, by {owner}, in L1 block {block} (transaction {})",
        ether(arguments.stake),
        receipt.transaction_hash
    ))?;
    print_result(what_comes(&contract, block, known_epoch))?;
    print_result("run the node, and ask `sinter sequencer status` whether it has a seat")
}

/// Whether this BLS key is registered by this owner, which is said; what stands in the way of registering it is an error.
async fn is_registered(contract: &Contract, keys: &Keys, owner: Address, another: bool) -> Result<bool, Failure> {
    let known = contract.ask(&Calls::keyCall { keyHash: keccak256(&keys.bls) }).await?;
    let refused = |message: String| Err(Failure::new(Exit::Refused, message));
    if known.member == 0 {
        for number in contract.registered_by(owner).await? {
            let has_left = contract.ask(&Calls::memberCall { id: number }).await?.leftBlock.to::<u64>() != 0;
            if !has_left && !another {
                return refused(format!(
                    "{owner} is registered already as {number}, with another BLS key: `rotate-keys` changes its keys, and \
                     --another registers once more"
                ));
            }
        }
        return Ok(false);
    }
    let number = known.member;
    let member = contract.ask(&Calls::memberCall { id: number }).await?;
    if known.since.to::<u64>() == 0 && member.owner == owner {
        let stake = ether(U256::from(member.activeShares));
        print_result(format_args!("registered already as {number}, by {owner}, with {stake}: nothing was sent"))?;
        return Ok(true);
    }
    if member.owner != owner {
        return refused(format!("BLS key: it is registrant {number}'s, whom {} registered", member.owner));
    }
    refused(format!("BLS key: registrant {number} had it, and no key is registered twice: make a new one"))
}

/// In which epoch a change of this L1 block can first count.
pub fn what_comes(contract: &Contract, block: u64, known_epoch: u64) -> String {
    let parameters = &contract.chain.file.parameters;
    let blocks = parameters.epoch_blocks.map_or(0, std::num::NonZero::get);
    let shortest = duration(blocks.saturating_mul(parameters.idle_interval_ms) / 1000);
    format!(
        "it counts from the committee three epochs after the first one that ends with L1 block {block} final and seen: epoch {} at \
         the earliest, since the L1 has seen epoch {known_epoch}; an epoch has {blocks} blocks, {shortest} where nothing is ordered",
        known_epoch.saturating_add(3)
    )
}

/// The newest epoch of which the light client has a header: the network is in that one, or further.
///
/// # Errors
/// When the L1 does not answer.
pub async fn known_epoch(contract: &Contract) -> Result<u64, Failure> {
    let newest = light_client::newest_epoch(&contract.provider, contract.light_client).await;
    newest.map(|(epoch, _)| epoch).or_fail(Exit::Failed, "reading the light client")
}

/// A BLS key as its owner registers it.
///
/// # Errors
/// Never for a key that was read.
pub fn signed_keys(
    contract: &Contract,
    key: &commonware_cryptography::bls12381::primitives::group::Private,
    owner: Address,
) -> Result<Keys, Failure> {
    let l1_chain_id = contract.chain.file.l1.chain_id;
    registry::keys(&keys::secret(key), l1_chain_id, contract.address, owner).or_fail(Exit::Failed, "the BLS key")
}

/// Refuses what those who draw would not take for an address.
///
/// # Errors
/// When it is none.
pub fn check_address(address: &str) -> Result<(), Failure> {
    address.parse::<NodeAddress>().or_fail(Exit::Usage, "--address").map(|_| ())
}

/// Refuses a node key that somebody else has registered: with it, one of the two would be no candidate.
///
/// # Errors
/// When there is such a one.
pub fn check_node_key(followed: &Registry, key: &ed25519::PrivateKey, except: Option<u64>) -> Result<(), Failure> {
    let public = Identity { node: Some(key.clone()), bls: None }.node_public();
    let mut others = followed.registrants().iter().filter(|(number, _)| Some(**number) != except);
    match others.find(|(_, other)| Some(other.node_key) == public && other.node_consents) {
        None => Ok(()),
        Some((number, _)) => {
            let message =
                format!("node key: it is registrant {number}'s, and one of two with the same is no candidate");
            Err(Failure::new(Exit::Refused, message))
        }
    }
}

/// Adds an owner's ether.
///
/// # Errors
/// When the L1 does not answer, or the contract refuses.
pub async fn top_up(arguments: &TopUpArguments) -> Result<(), Failure> {
    let (contract, owner, id) = Contract::open_as_registrant(&arguments.registrant).await?;
    let known_epoch = known_epoch(&contract).await?;
    let receipt = contract.send(owner, "topping up", &Calls::delegateCall { id }, arguments.stake).await?;
    let member = contract.ask(&Calls::memberCall { id }).await?;
    let (added, stake) = (ether(arguments.stake), ether(U256::from(member.activeShares)));
    let block = receipt.block_number.unwrap_or_default();
    print_result(format_args!(
        "registrant {id}: {added} more, {stake} in all, in L1 block {block} (transaction {})",
        receipt.transaction_hash
    ))?;
    print_result(what_comes(&contract, block, known_epoch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stake_is_ether() {
        let wei = |text| parse_ether_amount(text).map(|wei| wei.to::<u128>());
        assert_eq!(wei("32"), Ok(32_000_000_000_000_000_000));
        assert_eq!(wei("0.000000000000000001"), Ok(1));
        for text in ["", "0", "-1", "1e3", "1.0000000000000000001", "1.2.3", "32 ether", "."] {
            assert!(parse_ether_amount(text).is_err(), "{text:?}");
        }
    }
}
