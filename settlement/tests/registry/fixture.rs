//! A registry, people who register, and a light client that has what it was told.

use crate::{
    suite::{Suite, contract::ToldLightClient},
    support::L1_CHAIN_ID,
};
use alloy::primitives::{Address, B256, U256, Uint, keccak256};
use commonware_codec::Encode;
use commonware_cryptography::{Signer as _, ed25519};
use sinter_primitives::registry::Registry as Followed;
use sinter_settlement::{
    dev_l1::dev_signer,
    registry::{self, Genesis, Keys, Node, Parameters, contract::CommitteeRegistry as Contract},
};

pub const ETHER: u128 = 1_000_000_000_000_000_000;
pub const STAKE_MIN: u128 = 32 * ETHER;
pub const DAY: u64 = 86_400;
pub const EXIT_DELAY: u64 = 14 * DAY;
pub const ESCAPE_DELAY: u64 = 60 * DAY;
pub const TIMELOCK: u64 = 70 * DAY;
/// As `ToldLightClient` says.
pub const TRUSTING_PERIOD: u64 = 10 * DAY;
pub const EPOCHS_AHEAD: u64 = 3;
/// From an epoch that saw something leave, to the end of its last duty.
pub const LAST_DUTY: u64 = EPOCHS_AHEAD - 1;
/// The development account that stands for the contract that checks evidence.
pub const EVIDENCE: usize = 9;
/// The one that governs.
pub const GOVERNOR: usize = 8;

pub fn account(number: usize) -> Address {
    dev_signer(number).address()
}

pub fn parameters() -> Parameters {
    Parameters {
        stakeMin: STAKE_MIN,
        registrantsMax: 4,
        epochsAhead: EPOCHS_AHEAD as u16,
        slashBasisPoints: 5_000,
        rewardBasisPoints: 500,
        exitDelay: Uint::from(EXIT_DELAY),
        escapeDelay: Uint::from(ESCAPE_DELAY),
        evidence: account(EVIDENCE),
    }
}

/// A BLS secret key, another one for each number.
pub fn secret(number: u8) -> [u8; 32] {
    let mut secret = [0x26; 32];
    secret[31] = number;
    secret
}

pub fn node_secret(number: u8) -> ed25519::PrivateKey {
    ed25519::PrivateKey::from_seed(u64::from(number))
}

pub fn node_key(number: u8) -> [u8; 32] {
    node_secret(number).public_key().encode().as_ref().try_into().unwrap()
}

pub fn key_hash(keys: &Keys) -> B256 {
    keccak256(&keys.bls)
}

pub struct Registry {
    pub light_client: Address,
    pub address: Address,
}

impl Registry {
    pub async fn new(suite: &mut Suite) -> Self {
        Self::with(suite, parameters()).await
    }

    pub async fn with(suite: &mut Suite, parameters: Parameters) -> Self {
        suite.act_as(0);
        let light_client = suite.deploy("light client", ToldLightClient::BYTECODE.clone()).await;
        let genesis = Genesis { light_client, governor: account(GOVERNOR), timelock_s: TIMELOCK, parameters };
        let address = suite.deploy("registry", registry::creation_code(&genesis)).await;
        Self { light_client, address }
    }

    /// The keys of this number, as this account registers them.
    pub fn keys(&self, number: u8, owner: usize) -> Keys {
        registry::keys(&secret(number), L1_CHAIN_ID, self.address, account(owner)).unwrap()
    }

    /// The node of this number, as this account names it.
    pub fn node(&self, number: u8, owner: usize, listens_at: &str) -> Node {
        registry::node(&node_secret(number), L1_CHAIN_ID, self.address, account(owner), listens_at)
    }

    /// The call by which this account registers the keys of this number.
    pub fn registration(&self, number: u8, owner: usize) -> Contract::registerCall {
        let node = self.node(number, owner, &format!("192.0.2.{number}:7000"));
        Contract::registerCall { keys: self.keys(number, owner), node }
    }

    /// Has an account register the keys of this number; gives the registrant's.
    pub async fn registers(&self, suite: &mut Suite, number: u8, owner: usize, wei: u128) -> u64 {
        suite.act_as(owner);
        let call = self.registration(number, owner);
        suite.accepts_paid("register", self.address, &call, U256::from(wei)).await;
        suite.reads(self.address, &Contract::membersCall {}).await
    }

    pub async fn delegates(&self, suite: &mut Suite, holder: usize, id: u64, wei: u128) {
        suite.act_as(holder);
        suite.accepts_paid("delegate", self.address, &Contract::delegateCall { id }, U256::from(wei)).await;
    }

    /// Has shares leave; gives the ticket.
    pub async fn undelegates(&self, suite: &mut Suite, holder: usize, id: u64, shares: u128) -> u64 {
        suite.act_as(holder);
        suite.accepts("undelegate", self.address, &Contract::undelegateCall { id, shares }).await;
        suite.reads(self.address, &Contract::ticketsCall {}).await
    }

    pub async fn exits(&self, suite: &mut Suite, owner: usize, id: u64) -> u64 {
        suite.act_as(owner);
        suite.accepts("exit", self.address, &Contract::exitCall { id }).await;
        suite.reads(self.address, &Contract::ticketsCall {}).await
    }

    /// Tells the light client that this epoch is over, and how far its last header had seen the L1.
    pub async fn ends(&self, suite: &mut Suite, epoch: u64, origin: u64) {
        let end = ToldLightClient::endCall { epoch, l1Origin: origin };
        suite.accepts("end", self.light_client, &end).await;
    }

    /// When the end of an epoch was posted, in Unix seconds.
    pub async fn ended_at(&self, suite: &Suite, epoch: u64) -> u64 {
        suite.reads(self.light_client, &ToldLightClient::epochEndCall { epoch }).await.postedAt.to()
    }

    /// Has epoch `seen` be over with the L1 seen at `since`, then the one with the last duty, and lets evidence have its time.
    pub async fn passes(&self, suite: &mut Suite, seen: u64, since: u64) {
        self.ends(suite, seen, since).await;
        self.ends(suite, seen + LAST_DUTY, since).await;
        suite.l1.pass(EXIT_DELAY).await;
    }

    pub async fn slashes(&self, suite: &mut Suite, keys: &Keys, epoch: u64, reporter: Address) {
        suite.act_as(EVIDENCE);
        let call = Contract::slashCall { keyHash: key_hash(keys), epoch, reporter };
        suite.accepts("slash", self.address, &call).await;
    }

    pub async fn member(&self, suite: &Suite, id: u64) -> Contract::Member {
        suite.reads(self.address, &Contract::memberCall { id }).await
    }

    pub async fn ticket(&self, suite: &Suite, number: u64) -> Contract::Ticket {
        suite.reads(self.address, &Contract::ticketCall { number }).await
    }

    pub async fn shares(&self, suite: &Suite, id: u64, holder: usize) -> U256 {
        suite.reads(self.address, &Contract::sharesOfCall { id, holder: account(holder) }).await
    }

    /// The registry as a node has it that follows from the first block.
    pub async fn followed(&self, suite: &Suite) -> Followed {
        let mut followed = Followed::new(L1_CHAIN_ID, &self.address.0.0);
        let last = suite.block().await;
        registry::follow(&suite.l1.provider, self.address, &mut followed, 0, last).await.unwrap();
        followed
    }
}

/// The call that pays a ticket out.
pub fn claim(number: u64, epoch: u64, to: Address) -> Contract::claimCall {
    Contract::claimCall { number, epoch, to }
}
