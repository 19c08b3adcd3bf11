//! `sinter sequencer exit`, `undelegate` and `claim`: stake goes.

use super::contract::{Contract, OwnerArguments, RegistrantArguments, waits_for};
use crate::{
    client,
    exit::{Exit, Failure, OrFail, print_result},
    l1::parse_ether_amount,
};
use alloy::{
    primitives::{Address, U256},
    rpc::types::TransactionReceipt,
};
use clap::Args;
use commonware_codec::Encode;
use sinter_primitives::Header;
use sinter_sequencer::rpc::{SinterApiClient, types::BlockId};
use sinter_settlement::{
    light_client::{self, Posted},
    registry::{
        contract::CommitteeRegistry as Calls,
        ether,
        leaving::{self, Progress, RetiredKey, Terms, Ticket},
    },
};
use std::collections::BTreeMap;

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
    /// A member's RPC: headers that a ticket waits for, and the light client has, are shown to the registry first
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
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
    let (shown, now_s) = (contract.shown().await?, contract.now_s().await?);
    for ticket in tickets {
        let Ticket { number, member, shares, .. } = ticket;
        let waits_for = waits_for(&ticket.terms, &shown, now_s);
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
/// With [`Exit::Refused`] when nothing can be done yet; when the L1 or the member does not answer.
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
    if let Some(url) = &arguments.rpc {
        for terms in tickets.iter().map(|ticket| &ticket.terms).chain(keys.iter().map(|key| &key.terms)) {
            show(&contract, owner, url, terms).await?;
        }
    }
    let to = arguments.to.unwrap_or(owner);
    let mut is_done = !owed.is_zero();
    if is_done {
        let receipt = contract.send(owner, "claiming rewards", &Calls::withdrawRewardCall { to }, U256::ZERO).await?;
        let transaction = receipt.transaction_hash;
        print_result(format_args!("rewards for evidence: {} paid to {to} (transaction {transaction})", ether(owed)))?;
    }
    let (shown, now_s) = (contract.shown().await?, contract.now_s().await?);
    let mut waiting = Vec::new();
    for ticket in &tickets {
        let Progress::Ready { epoch } = ticket.terms.progress(&shown, now_s) else {
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
        match key.terms.progress(&shown, now_s) {
            Progress::Ready { epoch } => {
                let call = Calls::releaseCall { keyHash: hash, epoch };
                let receipt = contract.send(owner, &format!("releasing key {hash}"), &call, U256::ZERO).await?;
                let transaction = receipt.transaction_hash;
                print_result(format_args!(
                    "key {hash}: nobody is slashed for it any more (transaction {transaction})"
                ))?;
                is_done = true;
            }
            _ => print_result(format_args!("key {hash}: liable, {}", waits_for(&key.terms, &shown, now_s)))?,
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

/// Shows the registry the headers that something waits for, as far as the light client has them: one of the first epoch that saw it
/// leave, and one of the epoch with which its last duty is over.
async fn show(contract: &Contract, payer: Address, url: &str, terms: &Terms) -> Result<(), Failure> {
    // A header that saw that L1 block was posted after it.
    let posts = light_client::posts(&contract.provider, contract.light_client, terms.since).await;
    let mut last_of: BTreeMap<u64, Posted> = BTreeMap::new();
    for post in posts.or_fail(Exit::Failed, "reading the light client")? {
        last_of.insert(contract.chain.file.parameters.epoch_of(post.height), post);
    }
    let now_s = contract.now_s().await?;
    let mut shown = contract.shown().await?;
    if terms.progress(&shown, now_s) == Progress::Unseen {
        for post in last_of.values() {
            let header = header(url, post).await?;
            if header.l1_origin.number >= terms.since {
                observe(contract, payer, &header, post).await?;
                break;
            }
        }
        shown = contract.shown().await?;
    }
    if let Progress::Seen { over, .. } = terms.progress(&shown, now_s)
        && let Some(post) = last_of.get(&over)
    {
        observe(contract, payer, &header(url, post).await?, post).await?;
    }
    Ok(())
}

async fn observe(contract: &Contract, payer: Address, header: &Header, post: &Posted) -> Result<(), Failure> {
    let call = Calls::observeCall { header: header.encode().to_vec().into(), index: post.post };
    let receipt = contract.send(payer, "showing a header", &call, U256::ZERO).await?;
    print_result(format_args!(
        "showed the registry the header of height {}, of epoch {} (transaction {})",
        header.height, header.epoch, receipt.transaction_hash
    ))
}

/// The header that was posted, from a member, who cannot lie about it.
async fn header(url: &str, post: &Posted) -> Result<Header, Failure> {
    let header = client::http(url)?.header(BlockId::Height(post.height)).await.or_fail(Exit::Failed, url)?;
    if header.digest() == post.digest {
        return Ok(header);
    }
    let (expected, got) = (post.digest, header.digest());
    let message = format!("{url}: height {}: expected the posted header 0x{expected}, got 0x{got}", post.height);
    Err(Failure::new(Exit::Refused, message))
}
