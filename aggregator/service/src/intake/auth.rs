//! Who may hand proofs in: accounts, their tokens and their quotas.
//!
//! A token is 32 random bytes in hex. What is kept is its SHA-256, which is enough: nobody finds a preimage of 256 random bits.
//! Hashes are compared in constant time, with all accounts, so that the time says nothing about any of them.

use crate::{
    admission::Refusal,
    ids::{Account, Hash},
};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use serde::{Deserialize, Serialize};
use std::{num::NonZeroU32, time::Duration};
use subtle::ConstantTimeEq;

/// The unit in which rates are counted: a `u32` of bytes would end at 4 GiB.
const UNIT_BYTES: u64 = 1024;

/// An account as it is configured.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its name.
    pub account: Account,
    /// The SHA-256 of its token.
    pub token_sha256: Hash,
    /// Bytes that it may send a second, on average.
    pub bytes_per_second: u64,
}

/// A new token, and what is kept of it.
#[must_use]
pub fn new_token() -> (String, Hash) {
    let token = hex::encode(rand::random::<[u8; 32]>());
    let hash = Hash::of(token.as_bytes());
    (token, hash)
}

/// The accounts of a box.
pub(super) struct Clients(Vec<(Client, DefaultDirectRateLimiter)>);

impl Clients {
    /// One request of `burst_bytes` is always possible, after a while.
    pub(super) fn new(clients: Vec<Client>, burst_bytes: u64) -> Self {
        let units = |bytes: u64| {
            let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
            NonZeroU32::new(units).unwrap_or(NonZeroU32::MIN)
        };
        let limited = clients.into_iter().map(|client| {
            let burst = units(burst_bytes.max(client.bytes_per_second));
            let quota = Quota::per_second(units(client.bytes_per_second)).allow_burst(burst);
            (client, RateLimiter::direct(quota))
        });
        Self(limited.collect())
    }

    /// The account of a token.
    pub(super) fn of(&self, token: &str) -> Option<&Account> {
        let hash = Hash::of(token.as_bytes());
        let mut found = None;
        for (client, _) in &self.0 {
            if bool::from(client.token_sha256.0.ct_eq(&hash.0)) {
                found = Some(&client.account);
            }
        }
        found
    }

    /// Counts bytes against an account's rate; says how long to wait if they are too many.
    pub(super) fn charge(&self, account: &Account, bytes: u64) -> Result<(), (Refusal, Duration)> {
        let Some((client, limiter)) = self.0.iter().find(|(client, _)| client.account == *account) else {
            return Ok(());
        };
        let refused = |wait| (Refusal::Rate { expected: client.bytes_per_second, got: bytes }, wait);
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        match limiter.check_n(units) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(refused(until.wait_time_from(governor::clock::DefaultClock::default().now()))),
            // More than a burst: a body of that size is refused anyway.
            Err(_) => Err(refused(Duration::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(name: &str, token: &str, bytes_per_second: u64) -> Client {
        let account = Account::new(name).unwrap();
        Client { account, token_sha256: Hash::of(token.as_bytes()), bytes_per_second }
    }

    #[test]
    fn a_token_is_its_accounts_alone() {
        let clients = Clients::new(vec![client("a", "one", 1), client("b", "two", 1)], 1);
        let name = |token| clients.of(token).map(Account::as_str);
        assert_eq!((name("one"), name("two")), (Some("a"), Some("b")));
        assert_eq!((name(""), name("One"), name(&Hash::of(b"one").to_string())), (None, None, None));
        let (token, hash) = new_token();
        assert_eq!((token.len(), Hash::of(token.as_bytes())), (64, hash));
    }

    #[test]
    fn one_account_does_not_use_up_another_s_rate() {
        let clients = Clients::new(vec![client("a", "one", 1024), client("b", "two", 1024)], 4096);
        let [a, b] = ["a", "b"].map(|name| Account::new(name).unwrap());
        assert!(clients.charge(&a, 4096).is_ok());
        let (refusal, wait) = clients.charge(&a, 2048).unwrap_err();
        assert_eq!(refusal, Refusal::Rate { expected: 1024, got: 2048 });
        assert!(wait > Duration::from_millis(1500) && wait < Duration::from_secs(3), "{wait:?}");
        assert!(clients.charge(&b, 4096).is_ok());
    }
}
