//! The contract's refusals in words: what it expected, what came, and what mends it where that is not plain.

use super::Refusal;
use alloy::primitives::{U256, utils::format_ether};

/// Wei as people write them: in ether, without zeros that say nothing.
#[must_use]
pub fn ether(wei: U256) -> String {
    let text = format_ether(wei);
    text.trim_end_matches('0').trim_end_matches('.').to_owned() + " ether"
}

/// What a refusal says to whoever called.
#[must_use]
pub fn explain(refusal: &Refusal) -> String {
    match refusal {
        Refusal::AddressLength(e) => format!("address: expected 1 to {} bytes, got {}", e.maximum, e.got),
        Refusal::BelowMinimum(e) => format!("stake: expected at least {}, got {}", ether(e.minimum), ether(e.got)),
        Refusal::AmountTooLarge(e) => format!("stake: expected at most {}, got {}", ether(e.maximum), ether(e.got)),
        Refusal::RegistryFull(e) => format!(
            "all {} places are taken: a newcomer takes somebody's by `displace`, with a tenth more of his own ether",
            e.maximum
        ),
        Refusal::RegistryNotFull(e) => {
            format!("expected {} registrants, got {}: there are free places", e.maximum, e.got)
        }
        Refusal::BlsKeyTaken(e) => {
            format!("BLS key: registrant {} has or had it, and no key is registered twice: make a new one", e.member)
        }
        Refusal::InvalidProofOfPossession(_) => "BLS key: expected its signature over itself".into(),
        Refusal::InvalidConsent(e) => format!("BLS key: expected its consent to be registered by {}", e.owner),
        Refusal::MemberUnknown(e) => format!("expected a registrant, got number {}, which nobody has", e.member),
        Refusal::MemberLeft(e) => format!("registrant {} has left", e.member),
        Refusal::NotTheOwner(e) => format!("expected the owner {}, got {}", e.expected, e.got),
        Refusal::NoShares(_) => "expected more than nothing".into(),
        Refusal::InsufficientShares(e) => format!("expected at most {} of shares, got {}", ether(e.held), ether(e.got)),
        Refusal::TicketUnknown(e) => format!("ticket {}: there is none, or it was paid", e.ticket),
        Refusal::NotTheHolder(e) => format!("expected the ticket's holder {}, got {}", e.expected, e.got),
        Refusal::Locked(e) => format!("locked until {} (Unix seconds)", e.unlocksAt),
        Refusal::EpochBeforeLeaving(e) => format!(
            "epoch {}: expected one whose end, as posted, had seen L1 block {}, got one that had seen block {}",
            e.epoch, e.expected, e.got
        ),
        Refusal::EpochNotOver(e) => format!("the end of epoch {} is not posted yet", e.epoch),
        Refusal::KeyUnknown(e) => format!("BLS key with hash {}: nobody registered it", e.keyHash),
        Refusal::KeyInUse(e) => format!("BLS key with hash {}: it is in use", e.keyHash),
        Refusal::KeyReleasedAlready(e) => {
            format!("BLS key with hash {}: nothing that it signs is slashed any more", e.keyHash)
        }
        Refusal::PaymentFailed(e) => format!("{} does not take {}", e.to, ether(e.value)),
        // What only governors, evidence and reporters meet.
        other => format!("{other:?}"),
    }
}
