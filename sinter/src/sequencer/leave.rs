//! `sinter sequencer exit`, `undelegate` and `claim`: stake goes.

use super::contract::{Contract, OwnerArguments, RegistrantArguments};
use crate::{
    exit::{Exit, Failure, print_result},
    l1::parse_ether_amount,
};
use alloy::{
    primitives::{Address, U256},
    rpc::types::TransactionReceipt,
};
use clap::Args;
use sinter_settlement::registry::{
    contract::CommitteeRegistry as Calls,
    ether,
    leaving::{self, Progress, RetiredKey, Ticket},
};

/// `sinter sequencer exit`.
#[derive(Debug, Args)]
pub struct ExitArguments {
    /// Who leaves.
    #[command(flatten)]
    pub registrant: RegistrantArguments,
}

/// `sinter sequencer undelegate`.
#[derive(Debug, Args)]
pub struct UndelegateArguments {
    /// Whose shares.
    #[command(flatten)]
    pub owner: OwnerArguments,
    /// The registrant behind whom they stand
    #[arg(long, value_name = "N")]
    pub registrant: u64,
    /// How many, as ether: a share is a wei, unless the registrant was slashed. Without it, all
    #[arg(long, value_name = "ETHER", value_parser = parse_ether_amount)]
    pub shares: Option<U256>,
}

/// `sinter sequencer claim`.
#[derive(Debug, Args)]
pub struct ClaimArguments {
    /// Whose tickets.
    #[command(flatten)]
    pub owner: OwnerArguments,
    /// This ticket alone; without it, all that can be paid, rewards for evidence among it, and keys that can be released
    #[arg(long, value_name = "N")]
    pub ticket: Option<u64>,
    /// Who gets the ether, if not that account
    #[arg(long, value_name = "ADDRESS")]
    pub to: Option<Address>,
}

/// Ends a registration.
///
/// # Errors
/// When the L1 does not answer, or the contract refuses.
pub async fn exit(arguments: &ExitArguments) -> Result<(), Failure> {
    let (contract, owner, id) = Contract::open_as_registrant(&arguments.registrant).await?;
    let left_block = contract.ask(&Calls::memberCall { id }).await?.leftBlock.to::<u64>();
    if left_block == 0 {
        let receipt = contract.send(owner, "leaving", &Calls::exitCall { id }, U256::ZERO).await?;
        let number = opened_by(&receipt)?;
        print_result(format_args!(
            "registrant {id} has left in L1 block {}, with ticket {number} (transaction {})",
            receipt.block_number.unwrap_or_default(),
            receipt.transaction_hash
        ))?;
        print_result(
            "the node is to run until no committee has it any more: `sinter sequencer status` says so. Its keys stay liable until \
             the ticket is paid",
        )?;
    } else {
        print_result(format_args!("registrant {id} left in L1 block {left_block}: nothing was sent"))?;
    }
    let tickets = contract.tickets_of(owner).await?;
    print_waiting(&contract, tickets.iter().filter(|ticket| ticket.member == id)).await
}

/// The keys that those whom an account registered do not use and are still liable for.
async fn liable(contract: &Contract, owner: Address) -> Result<Vec<RetiredKey>, Failure> {
    let mut keys = Vec::new();
    for id in contract.registered_by(owner).await? {
        keys.extend(contract.keys_of(id).await?.1);
    }
    Ok(keys)
}

/// Says of each ticket what it waits for.
async fn print_waiting(contract: &Contract, tickets: impl Iterator<Item = &Ticket>) -> Result<(), Failure> {
    let now_s = contract.now_s().await?;
    for ticket in tickets {
        let Ticket { number, member, shares, .. } = ticket;
        let (_, waits_for) = contract.waits_for(&ticket.terms, now_s).await?;
        print_result(format_args!(
            "ticket {number}: {} of registrant {member}, claimable: {waits_for}",
            ether(U256::from(*shares))
        ))?;
    }
    Ok(())
}

/// Has shares leave that an account holds of a registrant, his own or another's.
///
/// # Errors
/// When the L1 does not answer, or the contract refuses.
pub async fn undelegate(arguments: &UndelegateArguments) -> Result<(), Failure> {
    let (contract, holder) = Contract::open_as_owner(&arguments.owner).await?;
    let id = arguments.registrant;
    let shares = match arguments.shares {
        Some(shares) => shares,
        None => contract.ask(&Calls::sharesOfCall { id, holder }).await?,
    };
    // All ether there is has fewer wei.
    let call = Calls::undelegateCall { id, shares: shares.saturating_to() };
    let receipt = contract.send(holder, "undelegating", &call, U256::ZERO).await?;
    let number = opened_by(&receipt)?;
    print_result(format_args!(
        "{} of registrant {id} leave in L1 block {}, with ticket {number} (transaction {})",
        ether(shares),
        receipt.block_number.unwrap_or_default(),
        receipt.transaction_hash
    ))?;
    let tickets = contract.tickets_of(holder).await?;
    print_waiting(&contract, tickets.iter().filter(|ticket| ticket.number == number)).await
}

fn opened_by(receipt: &TransactionReceipt) -> Result<u64, Failure> {
    leaving::opened_by(receipt).ok_or_else(|| {
        let transaction = receipt.transaction_hash;
        Failure::new(Exit::Failed, format!("transaction {transaction}: expected a ticket, got none"))
    })
}

/// Has tickets and rewards paid out, and keys released that nobody can be slashed for any more.
///
/// # Errors
/// With [`Exit::Refused`] when nothing can be done yet; when the L1 does not answer.
pub async fn claim(arguments: &ClaimArguments) -> Result<(), Failure> {
    let (contract, owner) = Contract::open_as_owner(&arguments.owner).await?;
    let mut tickets = contract.tickets_of(owner).await?;
    if let Some(number) = arguments.ticket {
        tickets.retain(|ticket| ticket.number == number);
    }
    let (mut keys, mut owed) = (Vec::new(), U256::ZERO);
    if arguments.ticket.is_none() {
        keys = liable(&contract, owner).await?;
        owed = contract.ask(&Calls::owedCall { reporter: owner }).await?;
    }
    if tickets.is_empty() && keys.is_empty() && owed.is_zero() {
        return print_result(format_args!(
            "{owner} has no ticket that waits, no key that is liable and no reward: nothing was sent"
        ));
    }
    let to = arguments.to.unwrap_or(owner);
    let mut is_done = !owed.is_zero();
    if is_done {
        let receipt = contract.send(owner, "claiming rewards", &Calls::withdrawRewardCall { to }, U256::ZERO).await?;
        let transaction = receipt.transaction_hash;
        print_result(format_args!("rewards for evidence: {} paid to {to} (transaction {transaction})", ether(owed)))?;
    }
    let now_s = contract.now_s().await?;
    let mut waiting = Vec::new();
    for ticket in &tickets {
        let (Progress::Ready { epoch }, _) = contract.waits_for(&ticket.terms, now_s).await? else {
            waiting.push(ticket);
            continue;
        };
        let number = ticket.number;
        let call = Calls::claimCall { number, epoch, to };
        let receipt = contract.send(owner, &format!("claiming ticket {number}"), &call, U256::ZERO).await?;
        let paid = leaving::paid_by(&receipt).unwrap_or_default();
        print_result(format_args!(
            "ticket {number}: {} paid to {to} (transaction {})",
            ether(paid),
            receipt.transaction_hash
        ))?;
    }
    is_done |= waiting.len() < tickets.len();
    print_waiting(&contract, waiting.iter().copied()).await?;
    if !keys.is_empty() {
        // The ticket of who has left releases all of his.
        keys = liable(&contract, owner).await?;
    }
    for key in &keys {
        let hash = key.hash;
        match contract.waits_for(&key.terms, now_s).await? {
            (Progress::Ready { epoch }, _) => {
                let call = Calls::releaseCall { keyHash: hash, epoch };
                let receipt = contract.send(owner, &format!("releasing key {hash}"), &call, U256::ZERO).await?;
                let transaction = receipt.transaction_hash;
                print_result(format_args!(
                    "key {hash}: nobody is slashed for it any more (transaction {transaction})"
                ))?;
                is_done = true;
            }
            (_, waits_for) => print_result(format_args!("key {hash}: liable, {waits_for}"))?,
        }
    }
    if !is_done {
        return Err(Failure::new(
            Exit::Refused,
            format!("{owner}: expected something that can be paid or released, got nothing yet"),
        ));
    }
    Ok(())
}
