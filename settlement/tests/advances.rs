//! What a rollup's node sends to its contract, on L1s that lie down, reorganize, become dear and are shared with others.

mod others;
mod refusals;
mod reorganizations;
mod restarts;
mod underpriced;

use crate::{
    proxy::Proxy,
    rollup::fixture::Rollup,
    suite::Suite,
    support::{GWEI, L1, L1_CHAIN_ID},
};
use alloy::{
    eips::BlockId,
    primitives::{B256, Bytes, TxKind, U256},
    providers::Provider,
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use sinter_primitives::inbox::Withdrawal;
use sinter_settlement::{
    advances::{AdvanceError, Advancer, AdvancerConfig, AdvancesStatus, Reached, Sent, Step},
    dev_l1::{self, DevL1, DevL1Config, Mining},
    hub::Place,
    rollup::{self, Transition, contract::RollupSettlement as Contract},
};
use std::{ops::Range, sync::Arc, time::Duration};
use tempfile::TempDir;

/// Who deploys, proves and pays in; account 0 is the advancer's alone.
const DEPLOYER: usize = 1;
/// What a withdrawal is worth.
const WEI: u128 = 1_000;

/// A chain that mines when told, a rollup on it with statements that the hub knows, and a proxy before the advancer's L1.
struct World {
    chain: Arc<DevL1>,
    proxy: Proxy,
    rollup: Rollup,
    chained: Vec<(Place, Transition)>,
    /// Those of every second statement, from the first on: the contract's batches, in order.
    withdrawals: Vec<Vec<Withdrawal>>,
    folder: TempDir,
}

impl World {
    /// With so many statements, all in the block in which the contract stands.
    async fn new(statements: usize) -> Self {
        Self::paying(statements, |batch| [batch as u8 + 1; 20]).await
    }

    /// Every second one pays this recipient.
    async fn paying(statements: usize, recipient: impl Fn(usize) -> [u8; 20]) -> Self {
        let config = DevL1Config {
            mining: Mining::Manual,
            genesis_timestamp: 1_700_000_000,
            // A gwei is left when everything is there.
            genesis_base_fee_wei: 30 * GWEI as u64,
            ..DevL1Config::default()
        };
        let chain = Arc::new(dev_l1::spawn(config).await.unwrap());
        let mut suite = Suite::new(L1::mining(&chain, DEPLOYER));
        suite.act_as(DEPLOYER);
        let mut rollup = Rollup::new(&mut suite).await;
        let deposit = Contract::depositCall { payload: vec![1; 32].into() };
        suite.accepts_paid("deposit", rollup.address, &deposit, U256::from(WEI * statements as u128)).await;
        let first = rollup.next(10, &[]);
        rollup.settles(&mut suite, "settle", &[first]).await;
        let begun = rollup.last;
        let withdrawals: Vec<Vec<Withdrawal>> = (0..statements.div_ceil(2))
            .map(|batch| vec![Withdrawal { recipient: recipient(batch), wei: WEI }])
            .collect();
        let mut transitions = Vec::new();
        for number in 0..statements {
            let paid = if number % 2 == 0 { &withdrawals[number / 2][..] } else { &[] };
            rollup.last = rollup.next(begun.height, paid);
            transitions.push(rollup.last);
        }
        rollup.last = begun;
        let mut chained = Vec::new();
        for part in transitions.chunks(100) {
            chained.extend(rollup.proves(&mut suite, part).await);
        }
        // Deep enough for what was deployed to be final.
        (0..3).for_each(|_| chain.mine());
        let proxy = Proxy::start(chain.url()).await;
        Self { chain, proxy, rollup, chained, withdrawals, folder: tempfile::tempdir().unwrap() }
    }

    fn config(&self) -> AdvancerConfig {
        let journal = self.folder.path().join("l1.json");
        AdvancerConfig {
            replace_after: Duration::from_secs(3600),
            confirmations: 0,
            ..AdvancerConfig::new(self.proxy.url(), L1_CHAIN_ID, self.rollup.address, dev_l1::dev_signer(0), journal)
        }
    }

    /// Opens the advancer, as a process that starts does.
    fn advancer(&self) -> Advancer {
        Advancer::open(self.config()).unwrap()
    }

    fn mine(&self, blocks: usize) {
        (0..blocks).for_each(|_| self.chain.mine());
    }

    async fn ask<C: SolCall>(&self, call: C) -> C::Return {
        let input: Bytes = call.abi_encode().into();
        let request =
            TransactionRequest { to: Some(self.rollup.address.into()), input: input.into(), ..Default::default() };
        let answer = L1::beside(&self.chain, 0).provider.call(request).block(BlockId::latest()).await.unwrap();
        C::abi_decode_returns(&answer).unwrap()
    }

    async fn nonce(&self) -> u64 {
        let l1 = L1::beside(&self.chain, 0);
        l1.provider.get_transaction_count(l1.account()).await.unwrap()
    }

    fn settle_call(&self, range: Range<usize>) -> Bytes {
        rollup::settle_call(self.rollup.hub.address, &self.chained[range], None)
    }

    fn pay_call(&self, batch: usize) -> Bytes {
        rollup::withdraw_call(batch as u64, &self.withdrawals[batch], 0).unwrap()
    }

    fn step(&self, range: Range<usize>) -> Step {
        let begins = &self.chained[range.start].1;
        let before = range.start.checked_sub(1).map_or(&self.rollup.last, |index| &self.chained[index].1);
        let to = Reached::from(&self.chained[range.end - 1].1);
        Step::Advance { before: begins.state_before.into(), from: before.into(), to }
    }

    /// Where among the statements the contract stands.
    async fn standing(&self) -> usize {
        let state = self.ask(Contract::stateCall {}).await;
        let found = self.chained.iter().position(|(_, transition)| B256::from(transition.state_before) == state);
        found.unwrap_or(self.chained.len())
    }

    async fn is_paid(&self, batch: usize) -> bool {
        self.ask(Contract::withdrawnCall { batch: batch as u64, index: 0 }).await
    }

    /// What a node does in a round: it advances the contract to this statement, one after the other, and pays what its
    /// cursor is at. `true` when nothing is left.
    async fn round(&self, advancer: &mut Advancer, to: usize, cursor: &mut usize) -> Result<bool, AdvanceError> {
        if !advancer.look().await? {
            return Ok(false);
        }
        let at = self.standing().await;
        if at < to {
            let sent = advancer.advance(self.step(at..at + 1), self.settle_call(at..at + 1)).await?;
            assert!(matches!(sent, Sent::Sent(_) | Sent::NotNow), "{sent:?}");
            return Ok(false);
        }
        while *cursor < to.div_ceil(2) {
            match advancer.pay(*cursor as u64, 0, self.pay_call(*cursor)).await? {
                Sent::Done => *cursor += 1,
                Sent::Sent(_) | Sent::NotNow | Sent::Lately => return Ok(false),
                Sent::Refused(refusal) => panic!("{refusal}"),
            }
        }
        Ok(true)
    }

    /// Rounds with a block after each, until nothing is left.
    async fn settle(&self, advancer: &mut Advancer, to: usize) {
        let mut cursor = 0;
        for _ in 0..60 {
            if self.round(advancer, to, &mut cursor).await.unwrap() {
                return;
            }
            self.chain.mine();
        }
        panic!("not settled: {:?}", shown(advancer));
    }

    /// The contract is behind this statement, and everything is paid, by one transaction each.
    async fn assert_settled_once(&self, to: usize) {
        assert_eq!(self.standing().await, to);
        for batch in 0..to.div_ceil(2) {
            assert!(self.is_paid(batch).await, "{batch}");
        }
        assert_eq!(self.nonce().await as usize, to + to.div_ceil(2), "one transaction each");
    }

    /// What the recipients have.
    async fn wei_of(&self, batch: usize) -> U256 {
        let recipient = self.withdrawals[batch][0].recipient.into();
        L1::beside(&self.chain, 0).provider.get_balance(recipient).await.unwrap()
    }

    /// Somebody else does it.
    async fn by_another(&self, call: Bytes) -> bool {
        let other = L1::beside(&self.chain, 3);
        other.execute_mining(TxKind::Call(self.rollup.address), call, || self.chain.mine()).await.status
    }
}

fn shown(advancer: &Advancer) -> AdvancesStatus {
    advancer.status().borrow().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_shown_and_since_when() {
    let world = World::new(2).await;
    let mut advancer = world.advancer();
    assert_eq!(shown(&advancer), AdvancesStatus::default());
    let mut cursor = 0;
    assert!(!world.round(&mut advancer, 2, &mut cursor).await.unwrap());
    let status = shown(&advancer);
    let [waiting] = &status.waiting[..] else { panic!("{status:?}") };
    assert_eq!((waiting.step, waiting.nonce, waiting.attempts), (world.step(0..1), 0, 1));
    assert!(waiting.since_ms > 1_700_000_000_000 && !waiting.cancelled && status.stuck.is_none());
    // A process that starts shows the same before it has looked.
    drop(advancer);
    let mut advancer = world.advancer();
    assert_eq!(shown(&advancer), status);
    // One thing at a time.
    let sent = advancer.advance(world.step(0..1), world.settle_call(0..1)).await.unwrap();
    assert_eq!(sent, Sent::NotNow);
    assert_eq!(advancer.pay(0, 0, world.pay_call(0)).await.unwrap(), Sent::NotNow);
    world.chain.mine();
    world.settle(&mut advancer, 2).await;
    assert!(shown(&advancer).waiting.is_empty());
    world.assert_settled_once(2).await;
    assert_eq!(world.proxy.distinct_sends(), 3);
    assert_eq!(world.wei_of(0).await, U256::from(WEI));
    // It reads as a page of JSON, and back.
    let text = serde_json::to_string(&status).unwrap();
    assert!(text.contains(r#""step":"advance""#) && text.contains("since_ms"), "{text}");
    assert_eq!(serde_json::from_str::<AdvancesStatus>(&text).unwrap(), status);
}
