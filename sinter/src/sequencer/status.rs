//! `sinter sequencer status`: what an operator has on L1, where it has a seat, and what waits to be paid.

use super::{
    contract::{Contract, RegistryArguments},
    identity,
};
use crate::{
    client,
    exit::{Exit, Failure, OrFail, print_result},
};
use alloy::primitives::{Address, B256, U256};
use clap::Args;
use serde::Serialize;
use sinter_primitives::{
    Committee,
    address::NodeAddress,
    committee::{UNCOMPRESSED_KEY_BYTES, compress_key},
    draw::seats_covered,
    network::TrustedNetwork,
    registry::{Registrant, Registry},
};
use sinter_sequencer::rpc::{SinterApiClient, types::ProtocolStatus};
use sinter_settlement::registry::{contract::CommitteeRegistry as Calls, ether, leaving::Terms};
use std::{fmt::Write as _, path::PathBuf};

/// `sinter sequencer status`.
#[derive(Debug, Args)]
pub struct StatusArguments {
    /// Where the registry is.
    #[command(flatten)]
    pub registry: RegistryArguments,
    /// A member's RPC, for the seats: what it tells is verified from chain.toml on
    #[arg(long, value_name = "URL")]
    pub rpc: Option<String>,
    /// Who.
    #[command(flatten)]
    pub who: WhoArguments,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Who is meant.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoArguments {
    /// All whom this L1 account registered, and its tickets
    #[arg(long, value_name = "ADDRESS")]
    pub owner: Option<Address>,
    /// This registrant, and its owner's tickets
    #[arg(long, value_name = "N")]
    pub registrant: Option<u64>,
    /// Who registered the node key of this node's configuration
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What is told.
#[derive(Serialize)]
struct Status {
    registry: Place,
    owner: Address,
    /// What the member that was asked says of the rules; nothing where none was.
    protocol: Option<ProtocolStatus>,
    registrants: Vec<Standing>,
    tickets: Vec<Leaving>,
}

/// The registry, for who thinks of coming.
#[derive(Serialize)]
struct Place {
    contract: Address,
    /// Least stake of an owner, in wei.
    stake_min_wei: String,
    registrants: u32,
    registrants_max: u32,
    /// Seats of a committee.
    seats_max: usize,
    /// Those of them that the stake of all candidates covers now.
    seats_covered: usize,
}

/// One registrant.
#[derive(Serialize)]
struct Standing {
    registrant: u64,
    /// The L1 block in which he left.
    left_block: Option<u64>,
    /// All that counts, in wei.
    stake_wei: String,
    /// Of it, the owner's.
    own_wei: String,
    /// Of it, others'.
    delegated_wei: String,
    /// What he has registered; nothing once he has left.
    keys: Option<RegisteredKeys>,
    /// Why he cannot be drawn; nothing if he can.
    no_candidate_because: Option<String>,
    /// This epoch, the next, and the one after it; none where no member was asked.
    seats: Vec<EpochSeat>,
    /// Keys that are not in use and still liable.
    liable: Vec<Leaving>,
}

#[derive(Serialize)]
struct RegisteredKeys {
    bls_key: String,
    node_key: String,
    address: String,
}

/// A registrant in an epoch.
#[derive(Serialize)]
struct EpochSeat {
    epoch: u64,
    /// Seats of the committee; nothing while it is not fixed.
    seats: Option<usize>,
    /// His.
    seat: Option<usize>,
}

/// Something that leaves.
#[derive(Serialize)]
struct Leaving {
    /// The ticket's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<u64>,
    /// The ticket's registrant.
    #[serde(skip_serializing_if = "Option::is_none")]
    registrant: Option<u64>,
    /// The ticket's shares: wei, unless he was slashed.
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<String>,
    /// The BLS key's Keccak-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    bls_key_hash: Option<B256>,
    since_block: u64,
    escapes_at_s: u64,
    when: String,
}

impl Leaving {
    async fn new(contract: &Contract, terms: &Terms, now_s: u64) -> Result<Self, Failure> {
        let (_, when) = contract.waits_for(terms, now_s).await?;
        Ok(Self {
            ticket: None,
            registrant: None,
            shares: None,
            bls_key_hash: None,
            since_block: terms.since,
            escapes_at_s: terms.escapes_at_s,
            when,
        })
    }
}

/// Tells it.
///
/// # Errors
/// When nobody is meant, or the L1 or the member does not answer, or lies.
pub async fn run(arguments: &StatusArguments) -> Result<(), Failure> {
    let contract = Contract::open(&arguments.registry, None).await?;
    let registry = contract.registry().await?;
    let (owner, numbers) = meant(&contract, &registry, &arguments.who).await?;
    let now_s = contract.now_s().await?;
    let (committees, protocol) = match &arguments.rpc {
        Some(url) => committees(&contract, url).await.map(|(all, protocol)| (all, Some(protocol)))?,
        None => (Vec::new(), None),
    };
    let mut registrants = Vec::new();
    for number in numbers {
        registrants.push(standing(&contract, &registry, number, &committees, now_s).await?);
    }
    let mut tickets = Vec::new();
    for ticket in contract.tickets_of(owner).await? {
        tickets.push(Leaving {
            ticket: Some(ticket.number),
            registrant: Some(ticket.member),
            shares: Some(ticket.shares.to_string()),
            ..Leaving::new(&contract, &ticket.terms, now_s).await?
        });
    }
    let parameters = contract.parameters().await?;
    let place = Place {
        contract: contract.address,
        stake_min_wei: parameters.stakeMin.to_string(),
        registrants: contract.ask(&Calls::registrantsCall {}).await?,
        registrants_max: parameters.registrantsMax,
        seats_max: contract.seats,
        seats_covered: seats_covered(&registry.candidates(), contract.seats),
    };
    let status = Status { registry: place, owner, protocol, registrants, tickets };
    if arguments.json {
        return print_result(serde_json::to_string(&status).or_fail(Exit::Failed, "writing the status as JSON")?);
    }
    print_result(as_text(&status).trim_end())
}

/// The owner, and which registrants.
async fn meant(contract: &Contract, registry: &Registry, who: &WhoArguments) -> Result<(Address, Vec<u64>), Failure> {
    let number = match (who.owner, who.registrant, &who.config) {
        (Some(owner), ..) => return Ok((owner, contract.registered_by(owner).await?)),
        (None, Some(number), _) => number,
        (None, None, Some(config)) => {
            let key = identity::node_public_of(config)?;
            let mut registered = registry.registrants().iter();
            let found = registered.find(|(_, registrant)| registrant.node_key == key && registrant.node_consents);
            *found.map(|(number, _)| number).ok_or_else(|| {
                let message = format!(
                    "node key 0x{}: nobody is registered with it; --owner tells of who has left",
                    hex::encode(key)
                );
                Failure::new(Exit::Refused, message)
            })?
        }
        // clap asks for one of the three.
        (None, None, None) => return Err(Failure::new(Exit::Usage, "expected --owner, --registrant or --config")),
    };
    let owner = contract.ask(&Calls::memberCall { id: number }).await?.owner;
    if owner == Address::ZERO {
        return Err(Failure::new(
            Exit::Refused,
            format!("expected a registrant, got number {number}, which nobody has"),
        ));
    }
    Ok((owner, vec![number]))
}

/// The committees of the member's epoch and the two after it, the last one if it is fixed: each as the one before, from chain.toml's on,
/// has certified it. And what the member says of the rules.
async fn committees(contract: &Contract, url: &str) -> Result<(Committees, ProtocolStatus), Failure> {
    let node = client::http(url)?;
    let status = node.status().await.or_fail(Exit::Failed, url)?;
    let (expected, got) = (contract.chain.hash, status.chain_hash);
    if expected != got {
        return Err(Failure::new(Exit::Usage, format!("{url}: expected network 0x{expected}, got 0x{got}")));
    }
    let (mut trusted, epoch) = (TrustedNetwork::from(&contract.chain), status.epoch);
    client::hand_over(&node, &mut trusted, epoch.saturating_add(1)).await.or_fail(Exit::Failed, url)?;
    let next = epoch.saturating_add(1);
    let mut committees = [epoch, next].map(|epoch| (epoch, trusted.committee_of(epoch).cloned())).to_vec();
    let after = epoch.saturating_add(2);
    // Fixed in the last block of this epoch, which may be final already.
    let ends = node.hand_overs(epoch).await.or_fail(Exit::Failed, url)?;
    trusted.follow(&ends, after).map_err(client::not_handed_over).or_fail(Exit::Failed, url)?;
    committees.push((after, trusted.committee_of(after).cloned()));
    Ok((committees, status.protocol))
}

/// By epoch; nothing where none is fixed yet.
type Committees = Vec<(u64, Option<Committee>)>;

async fn standing(
    contract: &Contract,
    registry: &Registry,
    number: u64,
    committees: &[(u64, Option<Committee>)],
    now_s: u64,
) -> Result<Standing, Failure> {
    let member = contract.ask(&Calls::memberCall { id: number }).await?;
    let own = contract.ask(&Calls::sharesOfCall { id: number, holder: member.owner }).await?;
    let (keys, retired) = contract.keys_of(number).await?;
    let mut liable = Vec::new();
    for key in &retired {
        let leaving = Leaving::new(contract, &key.terms, now_s).await?;
        liable.push(Leaving { bls_key_hash: Some(key.hash), ..leaving });
    }
    let registered = registry.registrants().get(&number);
    let seats = committees.iter().map(|(epoch, committee)| EpochSeat {
        epoch: *epoch,
        seats: committee.as_ref().map(|committee| committee.seats().len()),
        seat: committee.as_ref().and_then(|committee| seat_of(committee, &keys)),
    });
    let stake = U256::from(member.activeShares);
    let left_block = member.leftBlock.to::<u64>();
    Ok(Standing {
        registrant: number,
        left_block: (left_block != 0).then_some(left_block),
        stake_wei: stake.to_string(),
        own_wei: own.to_string(),
        delegated_wei: stake.saturating_sub(own).to_string(),
        keys: registered.map(|registrant| RegisteredKeys {
            bls_key: compress_key(&registrant.bls_key).map(|key| format!("0x{}", hex::encode(key))).unwrap_or_default(),
            node_key: format!("0x{}", hex::encode(registrant.node_key)),
            address: String::from_utf8_lossy(&registrant.address).into_owned(),
        }),
        no_candidate_because: no_candidate_because(registry, number, registered),
        seats: seats.collect(),
        liable,
    })
}

/// The seat that one of these keys has: a committee keeps the key that it was drawn with, whatever was registered since.
fn seat_of(committee: &Committee, keys: &[[u8; UNCOMPRESSED_KEY_BYTES]]) -> Option<usize> {
    let keys: Vec<_> = keys.iter().filter_map(|key| compress_key(key).ok()).collect();
    committee.seats().iter().position(|seat| keys.contains(&seat.bls_key))
}

/// Why a registrant is no candidate, and what mends it; `None` if he is one.
fn no_candidate_because(registry: &Registry, number: u64, registrant: Option<&Registrant>) -> Option<String> {
    let Some(registrant) = registrant else { return Some("he has left".into()) };
    if registry.candidates().iter().any(|candidate| candidate.id == number) {
        return None;
    }
    let mends = "`sinter sequencer rotate-keys` mends it";
    let address = String::from_utf8_lossy(&registrant.address);
    if !registrant.node_consents {
        return Some(format!("the node key has not consented to be this owner's: {mends}"));
    }
    if let Err(error) = address.parse::<NodeAddress>() {
        return Some(format!("the address: {error}: {mends}"));
    }
    let mut before = registry.registrants().range(..number);
    let first = before.find(|(_, other)| other.node_key == registrant.node_key && other.seat().is_some());
    Some(first.map_or_else(
        || format!("the keys are none: {mends}"),
        |(first, _)| format!("registrant {first} was before with the same node key: {mends}"),
    ))
}

fn protocol_as_text(protocol: &ProtocolStatus) -> String {
    let ProtocolStatus { current, next, next_height, max, seats, ready_seats, next_seats, next_ready_seats } = protocol;
    match next_height.filter(|_| next != current) {
        Some(height) if next > max => {
            format!(
                "protocol {current}; {next} from height {height} on, before which this member stops: it knows up to {max}"
            )
        }
        Some(height) => format!("protocol {current}; {next} from height {height} on"),
        None => format!(
            "protocol {current}, this member up to {max}; ready for {}: {ready_seats} of {seats} seats, {next_ready_seats} of \
             {next_seats} of the next epoch",
            current.saturating_add(1)
        ),
    }
}

fn as_text(status: &Status) -> String {
    // Writing to a string cannot fail.
    let mut text = String::new();
    let ether_of = |wei: &str| ether(wei.parse().unwrap_or_default());
    let Place { contract, stake_min_wei, registrants, registrants_max, seats_max, seats_covered } = &status.registry;
    let minimum = ether_of(stake_min_wei);
    let _ = writeln!(text, "registry {contract}: {registrants} of {registrants_max} places taken, {minimum} at least");
    let _ = writeln!(
        text,
        "committees of up to {seats_max}: the stake of all who may be drawn covers {seats_covered} seats"
    );
    if let Some(protocol) = &status.protocol {
        let _ = writeln!(text, "{}", protocol_as_text(protocol));
    }
    if status.registrants.is_empty() {
        let _ = writeln!(text, "{} has registered nobody", status.owner);
    }
    for standing in &status.registrants {
        let _ = writeln!(text, "registrant {}, of {}", standing.registrant, status.owner);
        if let Some(block) = standing.left_block {
            let _ = writeln!(text, "  left       in L1 block {block}");
        }
        let (own, delegated) = (ether_of(&standing.own_wei), ether_of(&standing.delegated_wei));
        let _ = writeln!(text, "  stake      {}: {own} his own, {delegated} delegated", ether_of(&standing.stake_wei));
        if let Some(keys) = &standing.keys {
            let _ = writeln!(text, "  BLS key    {}", keys.bls_key);
            let _ = writeln!(text, "  node key   {}", keys.node_key);
            let _ = writeln!(text, "  address    {}", keys.address);
        }
        match &standing.no_candidate_because {
            None => text.push_str("  candidate  yes\n"),
            Some(reason) => {
                let _ = writeln!(text, "  candidate  no: {reason}");
            }
        }
        for EpochSeat { epoch, seats, seat } in &standing.seats {
            let _ = match (seats, seat) {
                (None, _) => writeln!(
                    text,
                    "  epoch {epoch}: not fixed yet: the last block of epoch {} does",
                    epoch.saturating_sub(2)
                ),
                (Some(seats), None) => writeln!(text, "  epoch {epoch}: no seat among {seats}"),
                (Some(seats), Some(seat)) => writeln!(text, "  epoch {epoch}: seat {seat} of {seats}"),
            };
        }
        if standing.seats.is_empty() {
            text.push_str("  seats      nobody was asked: --rpc names a member\n");
        }
        for key in &standing.liable {
            let hash = key.bls_key_hash.unwrap_or_default();
            let _ = writeln!(
                text,
                "  liable     BLS key with hash {hash}, retired in L1 block {}, released: {}",
                key.since_block, key.when
            );
        }
    }
    for ticket in &status.tickets {
        let shares = ether_of(ticket.shares.as_deref().unwrap_or_default());
        let (number, registrant) = (ticket.ticket.unwrap_or_default(), ticket.registrant.unwrap_or_default());
        let _ = writeln!(text, "ticket {number}: {shares} of registrant {registrant}, claimable: {}", ticket.when);
    }
    text
}
