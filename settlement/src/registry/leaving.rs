//! What leaves: tickets and retired keys, and how far they are from being paid and released.

use super::Contract;
use crate::light_client::{LightClientError, ask, contract::FinalityLightClient as LightClient, events};
use alloy::{
    primitives::{Address, B256, U256, keccak256},
    providers::Provider,
    rpc::types::{Filter, TransactionReceipt},
    sol_types::SolEvent,
};
use sinter_primitives::committee::UNCOMPRESSED_KEY_BYTES;

/// What has to come before something is paid or released. The delays are those of when it began to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The L1 block from which on it is in no snapshot.
    pub since: u64,
    /// Epochs that must come after one that saw that block.
    pub epochs_ahead: u64,
    /// Seconds that evidence has after that.
    pub exit_delay_s: u64,
    /// From then on (Unix seconds) nothing of it matters.
    pub escapes_at_s: u64,
}

/// Shares that leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its number.
    pub number: u64,
    /// Whose shares: a registrant's number.
    pub member: u64,
    /// Whose they are.
    pub holder: Address,
    /// How many: a wei each, unless he was slashed.
    pub shares: u128,
    /// What it waits for.
    pub terms: Terms,
}

/// A BLS key of a registrant that is not in use any more and still liable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// Its Keccak-256.
    pub hash: B256,
    /// What its release waits for.
    pub terms: Terms,
}

/// What the light client has of the epochs that something waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// The first epoch whose last header had seen it leave.
    pub seen: Option<u64>,
    /// When the last header of the epoch was posted with which its last duty is over, in Unix seconds.
    pub over_at_s: Option<u64>,
}

/// How far something is that leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It can go now: `claim` and `release` take this epoch.
    Ready {
        /// The epoch.
        epoch: u64,
    },
    /// Its last duty is over; evidence has its time.
    Locked {
        /// Until then, in Unix seconds.
        until_s: u64,
    },
    /// An epoch saw that it left; the last one with a duty is not over, as far as the light client knows.
    Seen {
        /// The epoch that saw it.
        epoch: u64,
        /// The last one.
        last: u64,
    },
    /// No epoch is over that saw it leave, as far as the light client knows.
    Unseen,
}

impl Terms {
    /// The epoch with which the last duty of something is over that this epoch's end saw leave.
    #[must_use]
    pub const fn last(&self, seen: u64) -> u64 {
        seen.saturating_add(self.epochs_ahead).saturating_sub(1)
    }

    /// How far it is, as the contract will decide it at `now_s`.
    #[must_use]
    pub fn progress(&self, ends: &Ends, now_s: u64) -> Progress {
        match (ends.seen, ends.over_at_s) {
            _ if now_s >= self.escapes_at_s => Progress::Ready { epoch: 0 },
            (None, _) => Progress::Unseen,
            (Some(epoch), None) => Progress::Seen { epoch, last: self.last(epoch) },
            (Some(epoch), Some(over_at_s)) => match over_at_s.saturating_add(self.exit_delay_s) {
                until_s if until_s <= now_s => Progress::Ready { epoch },
                until_s => Progress::Locked { until_s },
            },
        }
    }
}

/// A ticket, if there is one of this number and it was not paid.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn ticket(
    provider: &impl Provider,
    registry: Address,
    number: u64,
) -> Result<Option<Ticket>, LightClientError> {
    let told = ask(provider, registry, &Contract::ticketCall { number }).await?;
    Ok((told.holder != Address::ZERO).then(|| Ticket {
        number,
        member: told.member,
        holder: told.holder,
        shares: told.shares,
        terms: Terms {
            since: told.since.to(),
            epochs_ahead: told.epochsAhead.into(),
            exit_delay_s: told.exitDelay.to(),
            escapes_at_s: told.escapesAt.to(),
        },
    }))
}

/// The tickets of a holder that were not paid, by number. `from_block` is the contract's first L1 block, or one before it.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn tickets_of(
    provider: &impl Provider,
    registry: Address,
    holder: Address,
    from_block: u64,
) -> Result<Vec<Ticket>, LightClientError> {
    let filter = Filter::new().address(registry).event_signature(Contract::TicketOpened::SIGNATURE_HASH);
    let opened = events::<Contract::TicketOpened>(provider, filter.topic3(holder.into_word()), from_block).await?;
    let mut tickets = Vec::new();
    for event in opened {
        tickets.extend(ticket(provider, registry, event.ticket).await?);
    }
    Ok(tickets)
}

/// The registrants, by number, whom an account registered: also those who have left.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn registrations_of(
    provider: &impl Provider,
    registry: Address,
    owner: Address,
    from_block: u64,
) -> Result<Vec<u64>, LightClientError> {
    // Whoever registers bonds.
    let filter = Filter::new().address(registry).event_signature(Contract::Bonded::SIGNATURE_HASH);
    let bonded = events::<Contract::Bonded>(provider, filter.topic2(owner.into_word()), from_block).await?;
    let mut members: Vec<u64> = bonded.iter().map(|event| event.member).collect();
    members.sort_unstable();
    members.dedup();
    let mut registered = Vec::new();
    for id in members {
        if ask(provider, registry, &Contract::memberCall { id }).await?.owner == owner {
            registered.push(id);
        }
    }
    Ok(registered)
}

/// All BLS keys that a registrant ever had, uncompressed, the last one being his.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn bls_keys_of(
    provider: &impl Provider,
    registry: Address,
    member: u64,
    from_block: u64,
) -> Result<Vec<[u8; UNCOMPRESSED_KEY_BYTES]>, LightClientError> {
    let filter = Filter::new().address(registry).event_signature(Contract::Recorded::SIGNATURE_HASH);
    let filter = filter.topic2(B256::left_padding_from(&member.to_be_bytes()));
    let records = events::<Contract::Recorded>(provider, filter, from_block).await?;
    let keys = records.iter().filter_map(|record| {
        // The owner and the stake stand before the key of who registers.
        let key = match record.kind {
            1 => record.data.get(36..)?,
            3 => &record.data,
            _ => return None,
        };
        key.first_chunk().copied()
    });
    Ok(keys.collect())
}

/// Of these BLS keys, those that are not in use and for which their registrant is still slashed.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn retired_keys(
    provider: &impl Provider,
    registry: Address,
    keys: &[[u8; UNCOMPRESSED_KEY_BYTES]],
) -> Result<Vec<RetiredKey>, LightClientError> {
    let mut retired = Vec::new();
    for hash in keys.iter().map(keccak256) {
        let told = ask(provider, registry, &Contract::keyCall { keyHash: hash }).await?;
        let terms = Terms {
            since: told.since.to(),
            epochs_ahead: told.epochsAhead.into(),
            exit_delay_s: told.exitDelay.to(),
            escapes_at_s: told.escapesAt.to(),
        };
        if terms.since != 0 && !told.released {
            retired.push(RetiredKey { hash, terms });
        }
    }
    Ok(retired)
}

/// What the light client has of the epochs that something waits for.
///
/// # Errors
/// [`LightClientError`], when the L1 does not answer or something else stands at the address.
pub async fn ends(provider: &impl Provider, light_client: Address, terms: &Terms) -> Result<Ends, LightClientError> {
    let filter = Filter::new().address(light_client).event_signature(LightClient::CommitteeNamed::SIGNATURE_HASH);
    let named = events::<LightClient::CommitteeNamed>(provider, filter, terms.since).await?;
    // What ends an epoch names the committee of the one after the next. They come one after the other, and see ever more of the L1.
    let epochs: Vec<u64> = named.iter().filter_map(|event| event.epoch.checked_sub(2)).collect();
    let end = async |epoch| ask(provider, light_client, &LightClient::epochEndCall { epoch }).await;
    let (mut before, mut from) = (0, epochs.len());
    while before < from {
        let middle = before.midpoint(from);
        match end(epochs[middle]).await?.l1Origin >= terms.since {
            true => from = middle,
            false => before = middle + 1,
        }
    }
    let Some(seen) = epochs.get(from).copied() else { return Ok(Ends::default()) };
    let over_at_s: u64 = end(terms.last(seen)).await?.postedAt.to();
    Ok(Ends { seen: Some(seen), over_at_s: (over_at_s != 0).then_some(over_at_s) })
}

/// The number of the registrant that a transaction registered.
#[must_use]
pub fn registered_by(receipt: &TransactionReceipt) -> Option<u64> {
    let records = receipt.logs().iter().filter_map(|log| Contract::Recorded::decode_log(&log.inner).ok());
    records.filter(|record| record.kind == 1).map(|record| record.member).next()
}

/// The number of the ticket that a transaction opened.
#[must_use]
pub fn opened_by(receipt: &TransactionReceipt) -> Option<u64> {
    receipt.logs().iter().find_map(|log| Some(Contract::TicketOpened::decode_log(&log.inner).ok()?.ticket))
}

/// The wei that a transaction paid for a ticket.
#[must_use]
pub fn paid_by(receipt: &TransactionReceipt) -> Option<U256> {
    receipt.logs().iter().find_map(|log| Some(Contract::Claimed::decode_log(&log.inner).ok()?.wei_))
}
