//! Steps against any contract, tried on the embedded chain and on anvil: both must take and refuse the same, and
//! agree to the unit of gas.

use crate::support::{CHAIN_HASH, CHAIN_ID, L1, Members};
use alloy::{
    primitives::{Address, B256, Bytes, TxKind, U256, keccak256},
    providers::Provider,
    rpc::types::TransactionReceipt,
    signers::local::PrivateKeySigner,
    sol_types::{SolCall, SolError},
};
use sinter_settlement::{
    dev_l1::dev_signer,
    hub::{self, Place, contract::AggregationHub},
    light_client,
};

/// The bindings of what only tests deploy.
#[allow(missing_docs, clippy::pedantic)]
pub mod contract {
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ToldVerifier,
        "tests/artifacts/ToldVerifier.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        ToldLightClient,
        "tests/artifacts/ToldLightClient.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Hashes,
        "tests/artifacts/Hashes.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Meter,
        "tests/artifacts/Meter.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Reentrant,
        "tests/artifacts/Reentrant.json"
    );
    alloy::sol!(
        #[derive(Debug, PartialEq, Eq)]
        Sp1Rollup,
        "tests/artifacts/Sp1Rollup.json"
    );
}
use contract::{Meter, ToldVerifier};

/// A chain, who acts on it, and the gas of every step.
pub struct Suite {
    pub l1: L1,
    pub signer: PrivateKeySigner,
    pub record: Vec<(String, u64)>,
}

/// Runs a suite on the embedded chain and, where it is installed, on anvil; gives the embedded chain's gas.
pub async fn both(run: impl AsyncFn(&mut Suite)) -> Vec<(String, u64)> {
    let mut embedded = Suite::new(L1::embedded_timed().await);
    run(&mut embedded).await;
    for (name, gas) in &embedded.record {
        println!("{gas:>9} gas  {name}");
    }
    if let Some(l1) = L1::anvil_timed().await {
        let mut anvil = Suite::new(l1);
        run(&mut anvil).await;
        for (embedded, anvil) in embedded.record.iter().zip(&anvil.record) {
            assert_eq!(embedded, anvil, "embedded chain and anvil");
        }
        assert_eq!(embedded.record.len(), anvil.record.len());
    }
    embedded.record
}

/// The gas of a step.
pub fn gas_of(record: &[(String, u64)], step: &str) -> u64 {
    record.iter().find(|(name, _)| name == step).unwrap_or_else(|| panic!("no step {step}")).1
}

impl Suite {
    pub fn new(l1: L1) -> Self {
        Self { l1, signer: dev_signer(0), record: Vec::new() }
    }

    /// Acts as the development account of this number from now on.
    pub fn act_as(&mut self, account: usize) -> Address {
        self.signer = dev_signer(account);
        self.signer.address()
    }

    pub fn me(&self) -> Address {
        self.signer.address()
    }

    /// The address of the contract that the acting account deploys after `skip` more transactions.
    pub async fn next_address(&self, skip: u64) -> Address {
        self.me().create(self.l1.provider.get_transaction_count(self.me()).await.unwrap() + skip)
    }

    /// The last block's number.
    pub async fn block(&self) -> u64 {
        self.l1.provider.get_block_number().await.unwrap()
    }

    pub async fn balance(&self, address: Address) -> U256 {
        self.l1.provider.get_balance(address).await.unwrap()
    }

    pub async fn deploy(&mut self, name: &str, code: Bytes) -> Address {
        let receipt = self.l1.transact(&self.signer, TxKind::Create, code, U256::ZERO).await;
        assert!(receipt.status(), "{name}");
        self.record.push((format!("deploy {name}"), receipt.gas_used));
        receipt.contract_address.unwrap()
    }

    /// A light client whose genesis committee is opened.
    pub async fn light_client(&mut self, members: &Members) -> Address {
        let digest = members.committee.digest();
        let code = light_client::creation_code(&CHAIN_HASH, CHAIN_ID, &digest, light_client::TRUST_FOR_EVER_S);
        let light_client = self.deploy("light client", code).await;
        for call in light_client::register_calls(0, &members.committee).unwrap() {
            self.accepts_raw("open a page", light_client, call, U256::ZERO).await;
        }
        light_client
    }

    pub async fn refuses_to_deploy(&mut self, name: &str, code: Bytes, expected: impl SolError) {
        let got = self.l1.read(self.me(), TxKind::Create, code, U256::ZERO).await;
        assert_eq!(got, Err(expected.abi_encode().into()), "{name}");
    }

    pub async fn accepts<C: SolCall>(&mut self, name: &str, to: Address, call: &C) -> TransactionReceipt {
        self.accepts_paid(name, to, call, U256::ZERO).await
    }

    pub async fn accepts_paid<C: SolCall>(
        &mut self,
        name: &str,
        to: Address,
        call: &C,
        value: U256,
    ) -> TransactionReceipt {
        self.accepts_raw(name, to, call.abi_encode().into(), value).await
    }

    pub async fn accepts_raw(&mut self, name: &str, to: Address, data: Bytes, value: U256) -> TransactionReceipt {
        let receipt = self.l1.transact(&self.signer, TxKind::Call(to), data.clone(), value).await;
        if !receipt.status() {
            panic!("{name}: {:?}", self.l1.read(self.me(), TxKind::Call(to), data, value).await);
        }
        self.record.push((name.into(), receipt.gas_used));
        receipt
    }

    pub async fn refuses<C: SolCall>(&mut self, name: &str, to: Address, call: &C, expected: impl SolError) {
        self.refuses_raw(name, to, call.abi_encode().into(), expected).await;
    }

    /// Refused when it is called, with this error, and when it is sent.
    pub async fn refuses_raw(&mut self, name: &str, to: Address, data: Bytes, expected: impl SolError) {
        self.refuses_paid(name, to, data, U256::ZERO, expected).await;
    }

    /// The same for a call that brings ether.
    pub async fn refuses_paid(&mut self, name: &str, to: Address, data: Bytes, value: U256, expected: impl SolError) {
        let got = self.l1.read(self.me(), TxKind::Call(to), data.clone(), value).await;
        assert_eq!(got, Err(expected.abi_encode().into()), "{name}");
        let receipt = self.l1.transact(&self.signer, TxKind::Call(to), data, value).await;
        assert!(!receipt.status(), "{name}");
        self.record.push((name.into(), receipt.gas_used));
    }

    pub async fn reads<C: SolCall>(&self, to: Address, call: &C) -> C::Return {
        let answer = self.l1.read(self.me(), TxKind::Call(to), call.abi_encode().into(), U256::ZERO).await;
        C::abi_decode_returns(&answer.unwrap()).unwrap()
    }

    /// What a view costs a contract that calls it, cold, without a transaction's own price and its calldata.
    pub async fn meter<C: SolCall>(&mut self, name: &str, to: Address, call: &C) -> u64 {
        let meter = self.deploy("meter", Meter::BYTECODE.clone()).await;
        let call = Meter::gasOfCall { target: to, data: call.abi_encode().into() };
        let gas = self.reads(meter, &call).await.to::<u64>();
        self.record.push((format!("{name}, called"), gas));
        gas
    }

    /// A verifier that believes what it is told, and a hub over it.
    pub async fn hub(&mut self) -> Hub {
        let verifier = self.deploy("verifier", ToldVerifier::BYTECODE.clone()).await;
        let address = self.deploy("hub", hub::hub_creation_code(verifier)).await;
        Hub { verifier, address }
    }
}

/// A statement: program id, public values.
pub type Statement = (B256, [u8; hub::PUBLIC_VALUES_BYTES]);

#[derive(Clone, Copy, Debug)]
pub struct Hub {
    pub verifier: Address,
    pub address: Address,
}

impl Hub {
    /// Settles a batch; gives every statement's place.
    pub async fn settles(&self, suite: &mut Suite, name: &str, statements: &[Statement]) -> Vec<Place> {
        let (root, places) = places(statements);
        let seal = self.told(suite, root, statements.len() as u32).await;
        suite.accepts(name, self.address, &AggregationHub::settleCall { seal }).await;
        places
    }

    /// A seal that the verifier will accept.
    pub async fn told(&self, suite: &mut Suite, root: B256, count: u32) -> Bytes {
        suite.accepts("tell", self.verifier, &ToldVerifier::tellCall { root, count }).await;
        seal(root, count)
    }
}

pub fn seal(root: B256, count: u32) -> Bytes {
    [root.as_slice(), &U256::from(count).to_be_bytes::<32>()].concat().into()
}

/// The call that checks a statement.
pub fn check(statement: &Statement, place: &Place) -> AggregationHub::checkStatementCall {
    AggregationHub::checkStatementCall {
        root: place.root,
        programId: statement.0,
        publicValues: statement.1.to_vec().into(),
        index: place.index,
        path: place.path.clone(),
    }
}

/// The batch's root and every statement's place under it, the slow way: RFC 6962, section 2.1, word for word.
pub fn places(statements: &[Statement]) -> (B256, Vec<Place>) {
    let leaves: Vec<B256> = statements.iter().map(|(id, values)| hub::leaf(id, values)).collect();
    let root = tree(&leaves);
    let place = |index: usize| Place { root, index: index as u32, path: path(index, &leaves) };
    (root, (0..leaves.len()).map(place).collect())
}

fn split(count: usize) -> usize {
    // The largest power of two below the number of leaves.
    count.next_power_of_two() / 2
}

fn tree(leaves: &[B256]) -> B256 {
    if let [leaf] = leaves {
        return *leaf;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    keccak256([tree(left).0, tree(right).0].concat())
}

fn path(index: usize, leaves: &[B256]) -> Vec<B256> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let half = split(leaves.len());
    let (left, right) = leaves.split_at(half);
    let (mut below, sibling) =
        if index < half { (path(index, left), tree(right)) } else { (path(index - half, right), tree(left)) };
    below.push(sibling);
    below
}
