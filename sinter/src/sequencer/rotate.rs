//! `sinter sequencer rotate-keys`: other keys, another address, for the next snapshot.

use super::{
    contract::{Contract, RegistrantArguments},
    identity::{Identity, KeyArguments},
    join::{check_address, check_node_key, known_epoch, signed_keys, what_comes},
};
use crate::exit::{Exit, Failure, print_result};
use alloy::primitives::{U256, keccak256};
use clap::Args;
use sinter_settlement::registry::{self, contract::CommitteeRegistry as Calls};

/// `sinter sequencer rotate-keys`.
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// Whose keys.
    #[command(flatten)]
    pub registrant: RegistrantArguments,
    /// The new keys; those that are registered already stay.
    #[command(flatten)]
    pub keys: KeyArguments,
    /// Where other members will reach the node over QUIC, if elsewhere than before; the node key has to consent
    #[arg(long, value_name = "HOST:PORT")]
    pub address: Option<String>,
}

/// Registers what differs from what is registered.
///
/// # Errors
/// When a key, the address or a file is wrong, the L1 does not answer, or the contract or those who draw would refuse.
pub async fn run(arguments: &RotateArguments) -> Result<(), Failure> {
    if let Some(address) = &arguments.address {
        check_address(address)?;
    }
    let identity = Identity::read(&arguments.keys)?;
    if identity.node.is_none() && (identity.bls.is_none() || arguments.address.is_some()) {
        let message = "expected the new keys: --config, --node-key-file, with which --address goes, or --bls-key-file";
        return Err(Failure::new(Exit::Usage, message));
    }
    let (contract, owner, id) = Contract::open_as_registrant(&arguments.registrant).await?;
    let followed = contract.registry().await?;
    let registrant = followed.registrants().get(&id).ok_or_else(|| {
        Failure::new(Exit::Refused, format!("registrant {id} has left: who has has no keys to rotate"))
    })?;
    if let Some(key) = &identity.node {
        // Before the BLS key, so that a run that ends half-way is the L1's doing alone.
        check_node_key(&followed, key, Some(id))?;
    }
    let known_epoch = known_epoch(&contract).await?;
    let mut changed_in = None;
    if let Some(key) =
        identity.bls.as_ref().filter(|_| identity.bls_public().ok().flatten() != Some(registrant.bls_key))
    {
        let keys = signed_keys(&contract, key, owner)?;
        let known = contract.ask(&Calls::keyCall { keyHash: keccak256(&keys.bls) }).await?;
        if known.member != 0 {
            let message = format!("BLS key: registrant {} has or had it, and no key is registered twice", known.member);
            return Err(Failure::new(Exit::Refused, message));
        }
        let call = Calls::rotateBlsKeyCall { id, keys };
        let receipt = contract.send(owner, "rotating the BLS key", &call, U256::ZERO).await?;
        changed_in = receipt.block_number;
        print_result(format_args!("registrant {id}: another BLS key (transaction {})", receipt.transaction_hash))?;
        print_result(
            "the old BLS key is liable until it is released, as the new one is: the node votes with the old one in all \
             epochs whose committee was drawn with it, and neither may sign in two places",
        )?;
    }
    if let Some(key) = &identity.node {
        let registered = String::from_utf8_lossy(&registrant.address).into_owned();
        let address = arguments.address.as_ref().unwrap_or(&registered);
        let is_same = identity.node_public() == Some(registrant.node_key) && registrant.node_consents;
        if !is_same || *address != registered {
            check_address(address)?;
            let node = registry::node(key, contract.chain.file.l1.chain_id, contract.address, owner, address);
            let call = Calls::rotateNodeCall { id, node };
            let receipt = contract.send(owner, "rotating the node", &call, U256::ZERO).await?;
            changed_in = receipt.block_number;
            let what = if is_same { "the same node key" } else { "another node key" };
            print_result(format_args!(
                "registrant {id}: {what}, at {address} (transaction {})",
                receipt.transaction_hash
            ))?;
        }
    }
    match changed_in {
        Some(block) => print_result(what_comes(&contract, block, known_epoch)),
        None => print_result(format_args!("registrant {id}: all of this is registered already: nothing was sent")),
    }
}
