//! Whatever happens in whatever order: the contract holds what is staked, owed and burned, and every share is somebody's.

use super::fixture::{ESCAPE_DELAY, EVIDENCE, Registry, account, claim, parameters, secret};
use crate::{
    suite::Suite,
    support::{L1, L1_CHAIN_ID},
};
use alloy::{
    primitives::{Address, U256},
    sol_types::SolCall,
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use sinter_settlement::registry::{self, Parameters, contract::CommitteeRegistry as Contract};
use std::collections::BTreeMap;

/// Accounts 1 to 3 act.
const HOLDERS: [usize; 3] = [1, 2, 3];
const MEMBERS: usize = 3;
const STAKE_MIN: u128 = 100;

#[derive(Clone, Debug)]
enum Step {
    Delegate {
        holder: usize,
        member: usize,
        wei: u128,
    },
    /// This share of what he has, in 1/256.
    Undelegate {
        holder: usize,
        member: usize,
        part: u8,
    },
    Exit {
        member: usize,
    },
    Slash {
        member: usize,
        epoch: u64,
    },
    /// The ticket of this number, modulo those there are.
    Claim {
        ticket: usize,
    },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (holder, member) = (0..HOLDERS.len(), 0..MEMBERS);
    let step = prop_oneof![
        4 => (holder.clone(), member.clone(), 1..1_000u128)
            .prop_map(|(holder, member, wei)| Step::Delegate { holder, member, wei }),
        4 => (holder, member.clone(), any::<u8>())
            .prop_map(|(holder, member, part)| Step::Undelegate { holder, member, part }),
        1 => member.clone().prop_map(|member| Step::Exit { member }),
        2 => (member, 0..4u64).prop_map(|(member, epoch)| Step::Slash { member, epoch }),
        3 => any::<usize>().prop_map(|ticket| Step::Claim { ticket }),
    ];
    proptest::collection::vec(step, 40)
}

#[derive(Default)]
struct Pool {
    stake: u128,
    shares: u128,
    left: bool,
    released: bool,
    slashed: Vec<u64>,
    held: BTreeMap<usize, u128>,
}

/// What should be the case, computed beside the contract.
#[derive(Default)]
struct Model {
    pools: Vec<Pool>,
    /// Holder, member, shares, and whether they leave with their registration or after it.
    tickets: BTreeMap<u64, (usize, usize, u128, bool)>,
    opened: u64,
    paid: u128,
    burned: u128,
    owed: u128,
}

impl Model {
    fn open(&mut self, holder: usize, member: usize, shares: u128) {
        *self.pools[member].held.entry(holder).or_default() -= shares;
        self.opened += 1;
        self.tickets.insert(self.opened, (holder, member, shares, self.pools[member].left));
    }

    /// What the owner of a registration has in it: the first holder owns the first, and so on.
    fn own(&self, member: usize) -> u128 {
        let leaving = self.tickets.values().filter(|ticket| (ticket.0, ticket.1) == (member, member));
        self.pools[member].held[&member] + leaving.map(|ticket| ticket.2).sum::<u128>()
    }

    /// Does the step, if it is allowed: who calls with what, and whether it is.
    fn step(&mut self, step: &Step, keys: &[registry::Keys]) -> (usize, Vec<u8>, u128, bool) {
        match *step {
            Step::Delegate { holder, member, wei } => {
                let pool = &mut self.pools[member];
                let allowed = !pool.left;
                if allowed {
                    (pool.stake, pool.shares) = (pool.stake + wei, pool.shares + wei);
                    *pool.held.entry(holder).or_default() += wei;
                }
                (HOLDERS[holder], Contract::delegateCall { id: member as u64 + 1 }.abi_encode(), wei, allowed)
            }
            Step::Undelegate { holder, member, part } => {
                let pool = &self.pools[member];
                let held = pool.held.get(&holder).copied().unwrap_or(0);
                let shares = held * u128::from(part) / 255;
                let keeps = pool.left || holder != member || held - shares >= STAKE_MIN;
                let allowed = shares > 0 && keeps;
                if allowed {
                    self.open(holder, member, shares);
                }
                let call = Contract::undelegateCall { id: member as u64 + 1, shares };
                (HOLDERS[holder], call.abi_encode(), 0, allowed)
            }
            Step::Exit { member } => {
                let allowed = !self.pools[member].left;
                if allowed {
                    self.pools[member].left = true;
                    let held = self.pools[member].held[&member];
                    self.open(member, member, held);
                }
                (HOLDERS[member], Contract::exitCall { id: member as u64 + 1 }.abi_encode(), 0, allowed)
            }
            Step::Slash { member, epoch } => {
                let own = self.own(member);
                let pool = &mut self.pools[member];
                let allowed = !pool.slashed.contains(&epoch) && !pool.released;
                if allowed {
                    pool.slashed.push(epoch);
                    pool.left = true;
                    let penalty = pool.stake * 3_333 / 10_000;
                    let reward = penalty * own / pool.shares * 500 / 10_000;
                    pool.stake -= penalty;
                    self.burned += penalty - reward;
                    self.owed += reward;
                }
                let keys = super::fixture::key_hash(&keys[member]);
                let call = Contract::slashCall { keyHash: keys, epoch, reporter: account(EVIDENCE) };
                (EVIDENCE, call.abi_encode(), 0, allowed)
            }
            Step::Claim { ticket } => {
                let open: Vec<u64> = self.tickets.keys().copied().collect();
                let number = if open.is_empty() { 99 } else { open[ticket % open.len()] };
                let Some((holder, member, shares, releases)) = self.tickets.remove(&number) else {
                    return (HOLDERS[0], claim(number, 0, PAID).abi_encode(), 0, false);
                };
                let pool = &mut self.pools[member];
                let value = shares * pool.stake / pool.shares;
                (pool.stake, pool.shares) = (pool.stake - value, pool.shares - shares);
                pool.released |= releases;
                self.paid += value;
                (HOLDERS[holder], claim(number, 0, PAID).abi_encode(), 0, true)
            }
        }
    }

    /// Compares everything that the contract says of itself.
    async fn compare(&self, suite: &Suite, registry: &Registry) {
        let mut staked = 0;
        for (member, pool) in self.pools.iter().enumerate() {
            let got = registry.member(suite, member as u64 + 1).await;
            assert_eq!((got.stake, got.shares), (pool.stake, pool.shares), "member {member}");
            assert_eq!((!got.leftBlock.is_zero(), got.released), (pool.left, pool.released));
            assert_eq!(got.ownShares, self.own(member));
            let leaving: u128 = self.tickets.values().filter(|ticket| ticket.1 == member).map(|ticket| ticket.2).sum();
            assert_eq!(got.activeShares, pool.held.values().sum::<u128>());
            assert_eq!(got.shares, got.activeShares + leaving, "every share is somebody's");
            for (holder, shares) in &pool.held {
                let got = registry.shares(suite, member as u64 + 1, HOLDERS[*holder]).await;
                assert_eq!(got, U256::from(*shares));
            }
            staked += pool.stake;
        }
        assert_eq!(suite.balance(registry.address).await, U256::from(staked + self.owed + self.burned));
        assert_eq!(suite.balance(PAID).await, U256::from(self.paid));
    }
}

/// Who gets all claims.
const PAID: Address = Address::repeat_byte(0x70);

async fn run(steps: Vec<Step>) {
    let mut suite = Suite::new(L1::embedded_timed().await);
    let parameters = Parameters { stakeMin: STAKE_MIN, slashBasisPoints: 3_333, ..parameters() };
    let registry = Registry::with(&mut suite, parameters).await;
    let at = registry.address;
    let mut model = Model::default();
    let mut keys = Vec::new();
    for (member, owner) in HOLDERS.into_iter().enumerate() {
        let wei = STAKE_MIN + 7 * member as u128;
        registry.registers(&mut suite, member as u8 + 1, owner, wei).await;
        keys.push(registry::keys(&secret(member as u8 + 1), L1_CHAIN_ID, at, account(owner)).unwrap());
        let held = BTreeMap::from([(member, wei)]);
        model.pools.push(Pool { stake: wei, shares: wei, held, ..Pool::default() });
    }
    for step in &steps {
        // Every ticket is open by the time somebody claims it.
        if matches!(step, Step::Claim { .. }) {
            suite.l1.pass(ESCAPE_DELAY).await;
        }
        let (caller, call, wei, allowed) = model.step(step, &keys);
        suite.act_as(caller);
        let to = alloy::primitives::TxKind::Call(at);
        let receipt = suite.l1.transact(&suite.signer, to, call.into(), U256::from(wei)).await;
        assert_eq!(receipt.status(), allowed, "{step:?}");
        model.compare(&suite, &registry).await;
    }
    // Everybody takes what is left: nothing remains but what is burned and owed.
    for (member, owner) in HOLDERS.into_iter().enumerate() {
        if !model.pools[member].left {
            registry.exits(&mut suite, owner, member as u64 + 1).await;
            model.step(&Step::Exit { member }, &keys);
        }
        for holder in 0..HOLDERS.len() {
            let (caller, call, _, allowed) = model.step(&Step::Undelegate { holder, member, part: 255 }, &keys);
            if allowed {
                suite.act_as(caller);
                suite.accepts_raw("undelegate", at, call.into(), U256::ZERO).await;
            }
        }
    }
    suite.l1.pass(ESCAPE_DELAY).await;
    while !model.tickets.is_empty() {
        let (caller, call, _, _) = model.step(&Step::Claim { ticket: 0 }, &keys);
        suite.act_as(caller);
        suite.accepts_raw("claim", at, call.into(), U256::ZERO).await;
    }
    model.compare(&suite, &registry).await;
    assert_eq!(suite.balance(at).await, U256::from(model.owed + model.burned));
}

#[test]
fn nothing_is_made_and_nothing_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let config = Config { cases: 6, max_shrink_iters: 40, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&steps(), |steps| {
            runtime.block_on(run(steps));
            Ok(())
        })
        .unwrap();
}
