//! A rollup with its hub and light client, and a prover for it that proves whatever it is told.

use crate::{
    hub::statement,
    suite::{Hub, Suite},
    support::{CHAIN_HASH, CHAIN_ID, L1_CHAIN_ID, Members, header},
};
use alloy::{
    primitives::{Address, B256, Bytes, U256},
    rpc::types::TransactionReceipt,
};
use sinter_primitives::{
    Accumulator, Digest, Header, Namespace, NamespaceLeaf, NamespaceTable,
    inbox::{Domain, EntryKind, InboxEntry, Withdrawal, Words, withdrawals_path, withdrawals_root},
    table::{NamespaceProof, ProvenLeaf},
};
use sinter_settlement::{
    hub::Place,
    light_client,
    rollup::{self, Genesis, Ordered, Transition, contract::RollupSettlement as Contract},
};

pub const NAMESPACE: Namespace = Namespace(20);
/// Seconds that an inbox entry may wait.
pub const DELAY: u64 = 3600;

/// A digest that is one: any number in its first element.
pub fn digest(number: u32) -> Words {
    let mut digest = [0; 32];
    digest[..4].copy_from_slice(&(number % 0x7f00_0001).to_be_bytes());
    digest[4..8].copy_from_slice(&[0x11; 4]);
    digest
}

pub struct Rollup {
    pub hub: Hub,
    pub light_client: Address,
    pub address: Address,
    pub program_id: B256,
    pub members: Members,
    /// What the last statement left: the next one begins there.
    pub last: Transition,
    /// The inbox's rolling hashes, that of no entry first.
    pub inbox: Vec<Words>,
    /// Its entries.
    pub entries: Vec<InboxEntry>,
    /// Headers posted so far.
    pub posts: u64,
}

impl Rollup {
    pub async fn new(suite: &mut Suite) -> Self {
        let hub = suite.hub().await;
        Self::at(suite, hub, statement(1000).0).await
    }

    /// A rollup pinned to this hub.
    pub async fn at(suite: &mut Suite, hub: Hub, program_id: B256) -> Self {
        Self::begun(suite, hub, program_id, |_| digest(0)).await
    }

    /// One that begins in the state that follows from its domain.
    pub async fn begun(suite: &mut Suite, hub: Hub, program_id: B256, state: impl FnOnce(&Domain) -> Words) -> Self {
        let members = Members::new(4, 1);
        let committee = &members.committee;
        let code =
            light_client::creation_code(&CHAIN_HASH, CHAIN_ID, &committee.digest(), light_client::TRUSTING_PERIOD_S);
        let light_client = suite.deploy("light client", code).await;
        for call in light_client::register_calls(0, committee).unwrap() {
            suite.accepts_raw("register", light_client, call, U256::ZERO).await;
        }
        let expected = suite.next_address(0).await;
        let state = state(&domain_of(expected));
        let genesis =
            Genesis { hubs: hub.address, light_client, program_id, namespace: NAMESPACE, state, inbox_delay_s: DELAY };
        let address = suite.deploy("rollup", rollup::creation_code(&genesis)).await;
        assert_eq!(address, expected);
        let domain = domain(address);
        let accumulator = Accumulator::genesis(CHAIN_ID, NAMESPACE);
        assert_eq!(suite.reads(address, &Contract::domainCall {}).await, B256::from(domain));
        assert_eq!(suite.reads(address, &Contract::accumulatorCall {}).await, B256::from(accumulator.0));
        let last = Transition {
            domain,
            state_before: state,
            state_after: state,
            accumulator,
            inbox_rolling: domain,
            withdrawals_root: [0; 32],
            height: 0,
            offset: 0,
            inbox_entries: 0,
            withdrawals: 0,
        };
        Self { hub, light_client, address, program_id, members, last, inbox: vec![domain], entries: vec![], posts: 0 }
    }

    /// The statement that follows the last one, into a block of another height, with these withdrawals.
    pub fn next(&self, height: u64, withdrawals: &[Withdrawal]) -> Transition {
        let number = u32::from_be_bytes(self.last.state_after[..4].try_into().unwrap());
        let leaves: Vec<Words> = withdrawals.iter().map(|withdrawal| withdrawal.leaf().unwrap()).collect();
        let ordered = if height == self.last.height { self.last.accumulator } else { accumulator(height) };
        Transition {
            state_before: self.last.state_after,
            state_after: digest(number + 1),
            accumulator: ordered,
            withdrawals_root: withdrawals_root(&leaves),
            withdrawals: leaves.len() as u64,
            height,
            offset: if height == self.last.height { self.last.offset + 24 } else { 100 },
            ..self.last
        }
    }

    /// The same, having consumed all of the inbox.
    pub fn next_with_inbox(&self, height: u64, withdrawals: &[Withdrawal]) -> Transition {
        let inbox_entries = self.inbox.len() as u64 - 1;
        Transition { inbox_rolling: *self.inbox.last().unwrap(), inbox_entries, ..self.next(height, withdrawals) }
    }

    /// Has statements proven, in one batch with others around them.
    pub async fn proves(&self, suite: &mut Suite, transitions: &[Transition]) -> Vec<(Place, Transition)> {
        let mut batch: Vec<_> =
            transitions.iter().map(|transition| (self.program_id, transition.public_values())).collect();
        batch.extend((0..3).map(statement));
        let places = self.hub.settles(suite, "settle a batch", &batch).await;
        places.into_iter().zip(transitions.iter().copied()).collect()
    }

    /// Posts a header at this height.
    pub async fn posts(&mut self, suite: &mut Suite, header: &Header) -> u64 {
        let call = light_client::post_call(header, &self.members.certify(header)).unwrap();
        suite.accepts_raw("post", self.light_client, call, U256::ZERO).await;
        self.posts += 1;
        self.posts - 1
    }

    /// The call that settles a chain whose last block is in a header that was posted.
    pub fn settle_call(&self, chain: &[(Place, Transition)], post: u64) -> Bytes {
        let height = chain.last().unwrap().1.height;
        let (header, leaf) = block(height);
        let ordered = Ordered { headers: &[header], post, leaf: &leaf };
        rollup::settle_call(self.hub.address, chain, Some(&ordered))
    }

    /// Proves, posts and settles the statements, each following the one before; gives the receipt.
    pub async fn settles(&mut self, suite: &mut Suite, name: &str, transitions: &[Transition]) -> TransactionReceipt {
        let chain = self.proves(suite, transitions).await;
        let last = transitions.last().unwrap();
        let call = if last.height == self.last.height && last.accumulator == self.last.accumulator {
            rollup::settle_call(self.hub.address, &chain, None)
        } else {
            let post = self.posts(suite, &block(last.height).0).await;
            self.settle_call(&chain, post)
        };
        let receipt = suite.accepts_raw(name, self.address, call, U256::ZERO).await;
        self.last = *last;
        receipt
    }

    /// Appends to the inbox; follows its rolling hash.
    pub async fn appends(
        &mut self,
        suite: &mut Suite,
        name: &str,
        kind: EntryKind,
        payload: &[u8],
        wei: u128,
    ) -> TransactionReceipt {
        let payload = payload.to_vec();
        let receipt = match kind {
            EntryKind::Deposit => {
                let call = Contract::depositCall { payload: payload.clone().into() };
                suite.accepts_paid(name, self.address, &call, U256::from(wei)).await
            }
            EntryKind::Forced => {
                let call = Contract::forceCall { transaction: payload.clone().into() };
                suite.accepts(name, self.address, &call).await
            }
        };
        let deadline = suite.l1.now().await + DELAY;
        let entry = InboxEntry { kind, sender: suite.me().into(), wei, deadline, payload };
        self.inbox.push(entry.roll(self.inbox.last().unwrap()).unwrap());
        self.entries.push(entry);
        receipt
    }
}

/// The call that pays a withdrawal of a batch.
pub fn withdraw_call(batch: u64, withdrawals: &[Withdrawal], index: usize, to: Address) -> Contract::withdrawCall {
    let leaves: Vec<Words> = withdrawals.iter().map(|withdrawal| withdrawal.leaf().unwrap()).collect();
    let w = Contract::Withdrawal {
        batch,
        root: withdrawals_root(&leaves).into(),
        count: leaves.len() as u64,
        index: index as u64,
        recipient: withdrawals[index].recipient.into(),
        value: alloy::primitives::Uint::from(withdrawals[index].wei),
        path: withdrawals_path(&leaves, index).unwrap().into_iter().map(B256::from).collect(),
    };
    Contract::withdrawCall { w, to }
}

pub fn domain(settlement: Address) -> Words {
    domain_of(settlement).digest()
}

pub fn domain_of(settlement: Address) -> Domain {
    Domain { l1_chain_id: L1_CHAIN_ID, settlement: settlement.into(), chain_id: CHAIN_ID, namespace: NAMESPACE }
}

/// The accumulator that the committee's block of this height leaves.
pub fn accumulator(height: u64) -> Accumulator {
    Accumulator(digest(50_000 + height as u32))
}

/// The block of this height: its header, and the namespace's leaf among others.
pub fn block(height: u64) -> (Header, ProvenLeaf) {
    block_with(height, accumulator(height))
}

pub fn block_with(height: u64, accumulator: Accumulator) -> (Header, ProvenLeaf) {
    let leaf = |namespace, accumulator| NamespaceLeaf {
        namespace: Namespace(namespace),
        tx_root: Digest([namespace as u8; 32]),
        accumulator,
        tx_count: 2,
        byte_count: 100,
    };
    let others = [3, 10, 30, 40, 50, 60].map(|namespace| leaf(namespace, Accumulator(digest(namespace as u32))));
    let mut leaves = others.to_vec();
    leaves.push(leaf(NAMESPACE.0, accumulator));
    leaves.sort_by_key(|leaf| leaf.namespace);
    let table = NamespaceTable::new(leaves).unwrap();
    let NamespaceProof::Active(proven) = table.prove(NAMESPACE) else { unreachable!("it has a leaf") };
    (Header { namespaces_root: table.root(), ..header(height, 0) }, proven)
}
