//! A follower on development L1s, some of which are down, behind or lie.

#![allow(clippy::unwrap_used)]

use super::{L1Follower, L1FollowerConfig, L1FollowerError, endpoint::Endpoint};
use alloy::{
    network::TransactionBuilder as _,
    primitives::{Address, U256, Uint},
    providers::{DynProvider, Provider as _},
    rpc::types::TransactionRequest,
    sol_types::SolCall,
};
use axum::{Json, Router, extract::State, http::StatusCode, response::IntoResponse, routing::post};
use commonware_cryptography::{Signer as _, ed25519};
use serde_json::{Value, json};
use sinter_primitives::{
    Digest,
    chain::{ForcedInboxSpec, L1Spec, RegistrySpec},
    forced_inbox::ForcedEntry,
    header::L1Origin,
};
use sinter_sequencer::l1::L1View as _;
use sinter_settlement::{
    dev_l1::{self, DevL1, DevL1Config, Mining, dev_signer},
    forced_inbox, l1, light_client,
    registry::{self, Genesis, Parameters, contract::CommitteeRegistry as Contract},
};
use std::{
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

const CHAIN_ID: u64 = 1337;
const POLL_INTERVAL_MS: u64 = 30;
/// Time in which something happens that has to.
const SOON: Duration = Duration::from_secs(30);
/// Time in which something would happen that must not: ten polls.
const A_WHILE: Duration = Duration::from_millis(10 * POLL_INTERVAL_MS);
const DAY_S: u64 = 86_400;
const ETHER_WEI: u128 = 1_000_000_000_000_000_000;
const GENESIS_TIMESTAMP: u64 = 1_700_000_000;

async fn dev(mining: Mining) -> DevL1 {
    let config =
        DevL1Config { mining, genesis_timestamp: GENESIS_TIMESTAMP, chain_id: CHAIN_ID, ..DevL1Config::default() };
    dev_l1::spawn(config).await.unwrap()
}

/// A development L1 with this many blocks, of which all but the last two are final.
async fn mined(blocks: u64) -> DevL1 {
    let l1 = dev(Mining::Manual).await;
    mine(&l1, blocks);
    l1
}

fn mine(l1: &DevL1, blocks: u64) {
    (0..blocks).for_each(|_| l1.mine());
}

fn spec(l1: &DevL1, registry: Address) -> L1Spec {
    L1Spec {
        chain_id: CHAIN_ID,
        light_client: Address::ZERO.to_string(),
        origin: L1Origin { number: 0, hash: Digest(l1.genesis_hash().0) },
        registry: Some(RegistrySpec {
            seats_min: 1,
            address: registry.to_string(),
            from_block: 1,
            seats: 4,
            prevrandao_delay_s: 768,
        }),
        forced_inbox: None,
    }
}

async fn try_start(endpoints: &[String], l1: L1Spec) -> Result<Arc<L1Follower>, L1FollowerError> {
    start_polling(POLL_INTERVAL_MS, endpoints, l1).await
}

async fn start_polling(
    poll_interval_ms: u64,
    endpoints: &[String],
    l1: L1Spec,
) -> Result<Arc<L1Follower>, L1FollowerError> {
    let config = L1FollowerConfig { endpoints: endpoints.to_vec(), poll_interval_ms, l1 };
    let started = tokio::task::spawn_blocking(|| L1Follower::new(config)).await.unwrap();
    started.map(Arc::new)
}

async fn start(endpoints: &[String], l1: &DevL1) -> Arc<L1Follower> {
    try_start(endpoints, spec(l1, Address::ZERO)).await.unwrap()
}

async fn soon<T>(answer: impl Future<Output = T>) -> T {
    timeout(SOON, answer).await.expect("an answer soon")
}

async fn never<T>(answer: impl Future<Output = T>) {
    assert!(timeout(A_WHILE, answer).await.is_err(), "an answer that nobody should believe");
}

async fn until(holds: impl Fn() -> bool) {
    soon(async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Changes the answer to a request.
type Lie = fn(&Value, &mut Value);

struct Between {
    l1: String,
    client: reqwest::Client,
    up: AtomicBool,
    lies: AtomicBool,
    lie: Lie,
    asked: Mutex<Vec<String>>,
}

/// A program between a follower and an L1 node.
struct Proxy {
    url: String,
    between: Arc<Between>,
    _serving: JoinSet<()>,
}

impl Proxy {
    async fn new(l1: &DevL1, lie: Lie) -> Self {
        let between = Arc::new(Between {
            l1: l1.url(),
            client: reqwest::Client::new(),
            up: true.into(),
            lies: true.into(),
            lie,
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/a-key-that-nobody-sees", listener.local_addr().unwrap());
        let routes = Router::new().route("/{*key}", post(forward)).with_state(between.clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, between, _serving: serving }
    }

    async fn honest(l1: &DevL1) -> Self {
        Self::new(l1, |_, _| {}).await
    }

    fn is_up(&self, up: bool) {
        self.between.up.store(up, Ordering::Relaxed);
    }

    fn repents(&self) {
        self.between.lies.store(false, Ordering::Relaxed);
    }

    fn asked(&self, method: &str) -> usize {
        self.between.asked.lock().unwrap().iter().filter(|asked| *asked == method).count()
    }
}

async fn forward(State(between): State<Arc<Between>>, Json(request): Json<Value>) -> impl IntoResponse {
    if !between.up.load(Ordering::Relaxed) {
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    between.asked.lock().unwrap().push(request["method"].as_str().unwrap().to_owned());
    let answered = between.client.post(&between.l1).json(&request).send().await.unwrap();
    let mut answer = answered.json().await.unwrap();
    if between.lies.load(Ordering::Relaxed) {
        (between.lie)(&request, &mut answer);
    }
    Ok(Json(answer))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_block_is_known_at_once_and_named_three_polls_later() {
    let l1 = mined(5).await;
    // Slowly: a busy machine takes a while to look.
    let view = start_polling(1_000, &[l1.url(), l1.url()], spec(&l1, Address::ZERO)).await.unwrap();
    assert_eq!(view.latest(), None);
    let block = soon(view.block(3)).await;
    assert_eq!(view.latest(), None, "peers may not have it");
    until(|| view.latest() == Some(block.origin)).await;

    let provider = l1::connect(&l1.url(), None).unwrap();
    for number in 0..=3 {
        let expected = provider.get_block_by_number(number.into()).await.unwrap().unwrap().header;
        let got = soon(view.block(number)).await;
        assert_eq!(got.origin, L1Origin { number, hash: Digest(expected.hash.0) });
        assert_eq!((got.timestamp_s, got.prevrandao), (expected.timestamp, expected.mix_hash.0));
        assert_eq!(expected.inner.hash_slow(), expected.hash);
        assert_eq!(soon(view.block(number)).await, got, "from memory");
    }
    let [two, three] = [soon(view.block(2)).await, block];
    assert_ne!(two.prevrandao, three.prevrandao, "nobody draws from a constant");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_block_goes_on_once_it_is_final_and_leaves_nothing_behind() {
    let l1 = mined(5).await;
    let view = start(&[l1.url()], &l1).await;
    soon(view.block(3)).await;
    let tasks = || view.runtime.metrics().num_alive_tasks();
    let mut idle = tasks();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        idle = idle.min(tasks());
    }

    let (first, second, dropped) = (view.clone(), view.clone(), view.clone());
    let first = tokio::spawn(async move { first.block(6).await });
    let second = tokio::spawn(async move { second.block(6).await });
    let dropped = tokio::spawn(async move { dropped.registry(6).await });
    until(|| tasks() >= idle + 3).await;
    never(view.block(4)).await;
    assert!(!first.is_finished());
    dropped.abort();
    mine(&l1, 3);
    let block = soon(first).await.unwrap();
    assert_eq!((block.origin.number, soon(second).await.unwrap()), (6, block));
    // Connections come and go with polls.
    until(|| tasks() <= idle).await;

    let (runtime, follower) = (view.runtime.clone(), Arc::downgrade(&view.follower));
    drop(view);
    until(|| follower.strong_count() == 0 && runtime.metrics().num_alive_tasks() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_futures_need_no_runtime() {
    let l1 = mined(5).await;
    let view = start(&[l1.url()], &l1).await;
    let asked = std::thread::spawn(move || futures::executor::block_on(view.block(3)));
    until(|| asked.is_finished()).await;
    assert_eq!(asked.join().unwrap().origin.number, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_final_while_l1_nodes_disagree() {
    let (l1, fork) = (mined(0).await, mined(0).await);
    assert_eq!(l1.genesis_hash(), fork.genesis_hash());
    // Blocks after something was taken back differ.
    fork.rollback(0, false);
    mine(&l1, 5);
    mine(&fork, 6);
    let forked = Proxy::honest(&fork).await;
    let view = start(&[l1.url(), forked.url.clone(), l1.url()], &l1).await;
    never(view.block(1)).await;
    assert_eq!(view.latest(), None);
    forked.is_up(false);
    let block = soon(view.block(1)).await;
    // From here on it cannot mislead: what was final stays.
    forked.is_up(true);
    mine(&l1, 3);
    never(view.block(6)).await;
    forked.is_up(false);
    soon(view.block(6)).await;
    assert_eq!(soon(view.block(1)).await, block);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_block_that_changes_is_refused() {
    let l1 = mined(5).await;
    let view = start(&[l1.url()], &l1).await;
    let before = soon(view.block(3)).await;
    l1.rollback(4, false);
    mine(&l1, 8);
    never(view.block(4)).await;
    assert_eq!(soon(view.block(3)).await, before);
    until(|| view.latest() == Some(before.origin)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_prevrandao_under_a_right_hash_is_refused() {
    let l1 = mined(5).await;
    let liar = Proxy::new(&l1, |request, answer| {
        if request["method"] == "eth_getBlockByNumber" {
            answer["result"]["mixHash"] = json!(format!("0x{}", "66".repeat(32)));
        }
    })
    .await;
    let view = start(std::slice::from_ref(&liar.url), &l1).await;
    never(view.block(3)).await;
    let with_others = start(&[liar.url.clone(), l1.url()], &l1).await;
    let block = soon(with_others.block(3)).await;
    assert_ne!(block.prevrandao, [0x66; 32]);
    liar.repents();
    assert_eq!(soon(view.block(3)).await, block);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_that_is_down_is_waited_for() {
    let l1 = mined(5).await;
    let proxy = Proxy::honest(&l1).await;
    proxy.is_up(false);
    let view = start(&[proxy.url.clone(), "http://127.0.0.1:1/".into()], &l1).await;
    never(view.block(0)).await;
    proxy.is_up(true);
    soon(view.block(3)).await;
    proxy.is_up(false);
    mine(&l1, 1);
    never(view.block(4)).await;
    proxy.is_up(true);
    soon(view.block(4)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_l1_is_refused() {
    let l1 = mined(5).await;
    let other = L1Spec { chain_id: 1, ..spec(&l1, Address::ZERO) };
    let error = try_start(&["http://127.0.0.1:1/".into(), l1.url()], other.clone()).await.unwrap_err();
    assert!(matches!(error, L1FollowerError::ChainId { expected: 1, got: CHAIN_ID, .. }), "{error}");
    // It was down at first.
    let proxy = Proxy::honest(&l1).await;
    proxy.is_up(false);
    let view = try_start(std::slice::from_ref(&proxy.url), other).await.unwrap();
    proxy.is_up(true);
    never(view.block(0)).await;
    // Of the right chain id, with another history.
    let mut other = spec(&l1, Address::ZERO);
    other.origin.hash = Digest([7; 32]);
    let view = try_start(&[l1.url()], other).await.unwrap();
    never(view.block(0)).await;
    assert_eq!(view.latest(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn configurations_that_cannot_be_meant_are_refused() {
    let l1 = mined(0).await;
    let refused = async |urls: &[&str], spec: L1Spec| {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        try_start(&urls, spec).await.unwrap_err()
    };
    let sound = || spec(&l1, Address::ZERO);
    assert!(matches!(refused(&[], sound()).await, L1FollowerError::Endpoints { got: 0 }));
    assert!(matches!(refused(&["http://a/"; 9], sound()).await, L1FollowerError::Endpoints { got: 9 }));
    for url in ["secret", "unix:/run/secret", "ws://a/secret"] {
        let error = refused(&["http://a/", url], sound()).await;
        assert!(matches!(error, L1FollowerError::Url { position: 2 }), "{error}");
    }
    let without = L1Spec { registry: None, ..sound() };
    assert!(matches!(refused(&["http://a/"], without).await, L1FollowerError::NotFollowed));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_say_what_is_wrong_and_no_secrets() {
    let l1 = mined(5).await;
    let old = Proxy::new(&l1, |request, answer| {
        if request["params"][0] == "finalized" {
            let error = json!({ "code": -32602, "message": "invalid block tag" });
            *answer = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error });
        }
    })
    .await;
    let said = async |url: &str| {
        let endpoint = Endpoint::new(url, CHAIN_ID).unwrap();
        let error = endpoint.finalized().await.unwrap_err();
        endpoint.text(&error)
    };
    let text = said(&old.url).await;
    assert!(text.contains("knows its `finalized` block") && text.contains("invalid block tag"), "{text}");
    old.is_up(false);
    let text = said(&old.url).await;
    assert!(text.contains("503"), "{text}");
    let text = said("http://user:password@127.0.0.1:1/a-key?of=mine").await;
    assert!(text.contains("127.0.0.1:1") && text.contains("refused"), "{text}");
    assert!(!["user", "password", "key", "mine"].iter().any(|secret| text.contains(secret)), "{text}");
}

/// A registry whose first record is in block 3, and two more in 4 and 5.
async fn with_registry() -> (DevL1, Address) {
    let l1 = dev(Mining::Instant).await;
    let account = dev_signer(0);
    let provider = l1::connect(&l1.url(), Some(&account)).unwrap();
    let light_client = light_client::creation_code(&Digest([1; 32]), 7, &Digest([2; 32]), 10 * DAY_S);
    let light_client = sent(&provider, TransactionRequest::default().with_deploy_code(light_client)).await.unwrap();
    let parameters = Parameters {
        stakeMin: 32 * ETHER_WEI,
        registrantsMax: 4,
        epochsAhead: 3,
        slashBasisPoints: 5_000,
        rewardBasisPoints: 500,
        exitDelay: Uint::from(14 * DAY_S),
        escapeDelay: Uint::from(60 * DAY_S),
        evidence: dev_signer(9).address(),
    };
    let genesis = Genesis { light_client, governor: Address::ZERO, timelock_s: 70 * DAY_S, parameters };
    let create = TransactionRequest::default().with_deploy_code(registry::creation_code(&genesis));
    let registry = sent(&provider, create).await.unwrap();
    let node_key = ed25519::PrivateKey::from_seed(1);
    let keys = registry::keys(&[0x26; 32], CHAIN_ID, registry, account.address()).unwrap();
    let node = registry::node(&node_key, CHAIN_ID, registry, account.address(), "192.0.2.1:7000");
    let call = |input: Vec<u8>, ether: u128| {
        let request = TransactionRequest::default().with_to(registry).with_input(input);
        request.with_value(U256::from(ether * ETHER_WEI))
    };
    sent(&provider, call(Contract::registerCall { keys, node }.abi_encode(), 32)).await;
    for ether in 1..3 {
        sent(&provider, call(Contract::delegateCall { id: 1 }.abi_encode(), ether)).await;
    }
    assert_eq!(l1.block_number(), 5);
    mine(&l1, 2);
    (l1, registry)
}

/// Sends a transaction, which mines a block; gives the contract that it created.
async fn sent(provider: &DynProvider, request: TransactionRequest) -> Option<Address> {
    let hash = *provider.send_transaction(request).await.unwrap().tx_hash();
    let receipt = provider.get_transaction_receipt(hash).await.unwrap().unwrap();
    assert!(receipt.status());
    receipt.contract_address
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_followed_once_for_all_who_ask() {
    let (l1, registry) = with_registry().await;
    let counted = Proxy::honest(&l1).await;
    let view = try_start(std::slice::from_ref(&counted.url), spec(&l1, registry)).await.unwrap();
    let (first, second) = soon(async { tokio::join!(view.registry(4), view.registry(4)) }).await;
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((first.records(), counted.asked("eth_getLogs")), (2, 1));
    assert_eq!(soon(view.registry(0)).await.records(), 0);
    for (block, records) in [(5, 3), (3, 1), (2, 0), (4, 2)] {
        assert_eq!(soon(view.registry(block)).await.records(), records, "at block {block}");
    }
    let last = soon(view.registry(5)).await;
    let stake = last.registrants().values().map(|registrant| registrant.stake_wei).sum::<u128>();
    assert_eq!(stake, 35 * ETHER_WEI);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_one_of_its_records_is_refused() {
    let (l1, registry) = with_registry().await;
    let first: Lie = |request, answer| {
        if request["method"] == "eth_getLogs" {
            answer["result"].as_array_mut().unwrap().remove(0);
        }
    };
    let last: Lie = |request, answer| {
        if request["method"] == "eth_getLogs" {
            answer["result"].as_array_mut().unwrap().pop();
        }
    };
    for lie in [first, last] {
        let liar = Proxy::new(&l1, lie).await;
        let alone = try_start(std::slice::from_ref(&liar.url), spec(&l1, registry)).await.unwrap();
        never(alone.registry(5)).await;
        let with_others = try_start(&[liar.url.clone(), l1.url()], spec(&l1, registry)).await.unwrap();
        let whole = soon(with_others.registry(5)).await;
        assert_eq!(whole.records(), 3);
        liar.repents();
        assert_eq!(soon(alone.registry(5)).await, whole);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_head_stops_everybody() {
    let (l1, registry) = with_registry().await;
    let liar = Proxy::new(&l1, |request, answer| {
        if request["method"] == "eth_call" {
            answer["result"] = json!(format!("0x{:064x}", 2));
        }
    })
    .await;
    let view = try_start(&[l1.url(), liar.url.clone()], spec(&l1, registry)).await.unwrap();
    never(view.registry(5)).await;
    liar.repents();
    assert_eq!(soon(view.registry(5)).await.records(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_whose_state_the_l1_forgot_has_a_registry() {
    let (l1, registry) = with_registry().await;
    mine(&l1, 200);
    let forgets: Lie = |request, answer| {
        if request["method"] == "eth_getLogs" {
            answer["result"].as_array_mut().unwrap().pop();
        }
    };
    let liar = Proxy::new(&l1, forgets).await;
    let alone = try_start(std::slice::from_ref(&liar.url), spec(&l1, registry)).await.unwrap();
    never(alone.registry(4)).await;
    let view = try_start(&[l1.url(), liar.url.clone()], spec(&l1, registry)).await.unwrap();
    for (block, records) in [(3, 1), (4, 2), (200, 3)] {
        assert_eq!(soon(view.registry(block)).await.records(), records, "at block {block}");
    }
}

/// An L1 that mines each transaction at once, with a forced inbox in block 1 and an entry in each of the next ones; and what a chain says
/// of it.
async fn with_forced(entries: u64) -> (DevL1, L1Spec) {
    let l1 = dev(Mining::Instant).await;
    let account = dev_signer(0);
    let provider = l1::connect(&l1.url(), Some(&account)).unwrap();
    let create = TransactionRequest::default().with_deploy_code(forced_inbox::creation_code(Address::ZERO));
    let inbox = sent(&provider, create).await.unwrap();
    for number in 0..entries {
        force(&provider, inbox, number).await;
    }
    mine(&l1, 2);
    let forced_inbox = Some(ForcedInboxSpec { address: inbox.to_string() });
    let spec = L1Spec { registry: None, forced_inbox, ..spec(&l1, Address::ZERO) };
    (l1, spec)
}

async fn force(provider: &DynProvider, inbox: Address, number: u64) {
    let call = forced_inbox::forceCall { namespace: 1 + number % 3, payload: vec![number as u8 + 1; 20].into() };
    sent(provider, TransactionRequest::default().with_to(inbox).with_input(call.abi_encode())).await;
}

/// Entries by number, each with the L1 block that it came in.
fn places(entries: &[ForcedEntry]) -> Vec<(u64, u64)> {
    entries.iter().map(|entry| (entry.index, entry.l1_block)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forced_is_read_from_wherever_the_chain_is() {
    let (l1, spec) = with_forced(6).await;
    let counted = Proxy::honest(&l1).await;
    let view = try_start(std::slice::from_ref(&counted.url), spec.clone()).await.unwrap();
    assert_eq!(places(&soon(view.forced((0, 0), 4)).await), [(0, 2), (1, 3), (2, 4)]);
    let asked = counted.asked("eth_getLogs");
    // The rest is there already, for whoever stands wherever in it.
    assert_eq!(places(&soon(view.forced((4, 3), 7)).await), [(3, 5), (4, 6), (5, 7)]);
    assert_eq!(places(&soon(view.forced((3, 2), 5)).await), [(2, 4), (3, 5)]);
    assert_eq!(soon(view.forced((7, 6), 7)).await.len(), 0);
    assert_eq!(counted.asked("eth_getLogs"), asked);
    // And what comes later, once it is final.
    let provider = l1::connect(&l1.url(), Some(&dev_signer(0))).unwrap();
    let inbox: Address = spec.forced_inbox.as_ref().unwrap().address().into();
    force(&provider, inbox, 6).await;
    never(view.forced((7, 6), 10)).await;
    mine(&l1, 2);
    assert_eq!(places(&soon(view.forced((7, 6), 10)).await), [(6, 10)]);
    // Who builds a block gets as much of it as there is, and does not wait.
    let steps = view.steps((4, 3));
    let last = soon(view.block(10)).await.origin;
    assert_eq!(steps.last().map(|step| step.origin), Some(last));
    let forced: Vec<_> = steps.into_iter().flat_map(|step| step.forced).collect();
    assert_eq!(places(&forced), [(3, 5), (4, 6), (5, 7), (6, 10)]);
    // A node that starts again asks from where its chain is.
    let again = try_start(&[l1.url()], spec).await.unwrap();
    assert_eq!(places(&soon(again.forced((5, 4), 10)).await), [(4, 6), (5, 7), (6, 10)]);
    assert_eq!(places(&soon(again.forced((2, 1), 3)).await), [(1, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forced_cannot_be_left_out() {
    let (l1, spec) = with_forced(5).await;
    let first: Lie = |request, answer| {
        if request["method"] == "eth_getLogs" {
            let logs = answer["result"].as_array_mut().unwrap();
            logs.drain(..logs.len().min(1));
        }
    };
    let last: Lie = |request, answer| {
        if request["method"] == "eth_getLogs" {
            answer["result"].as_array_mut().unwrap().pop();
        }
    };
    for lie in [first, last] {
        let liar = Proxy::new(&l1, lie).await;
        let alone = try_start(std::slice::from_ref(&liar.url), spec.clone()).await.unwrap();
        never(alone.forced((0, 0), 6)).await;
        let with_others = try_start(&[liar.url.clone(), l1.url()], spec.clone()).await.unwrap();
        let whole = soon(with_others.forced((0, 0), 6)).await;
        assert_eq!(whole.len(), 5);
        liar.repents();
        assert_eq!(soon(alone.forced((0, 0), 6)).await, whole);
    }
    // Another payload is another answer: nobody is believed.
    let altered = Proxy::new(&l1, |request, answer| {
        if request["method"] == "eth_getLogs" {
            for log in answer["result"].as_array_mut().unwrap() {
                log["data"] = json!(log["data"].as_str().unwrap().replace("0202", "0303"));
            }
        }
    })
    .await;
    let view = try_start(&[l1.url(), altered.url.clone()], spec).await.unwrap();
    never(view.forced((0, 0), 6)).await;
    altered.repents();
    assert_eq!(soon(view.forced((0, 0), 6)).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_l1_node_that_tells_little_at_once_is_asked_for_less() {
    let (l1, spec) = with_forced(40).await;
    // Refuses to tell of more than two entries.
    let sparing = Proxy::new(&l1, |request, answer| {
        if request["method"] == "eth_getLogs" && answer["result"].as_array().is_some_and(|logs| logs.len() > 2) {
            let error = json!({ "code": -32005, "message": "query returned more than 2 results" });
            *answer = json!({ "jsonrpc": "2.0", "id": request["id"], "error": error });
        }
    })
    .await;
    let view = try_start(std::slice::from_ref(&sparing.url), spec).await.unwrap();
    assert_eq!(soon(view.forced((0, 0), 41)).await.len(), 40);
    // In steps that others make, too, whatever their L1 nodes tell at once: from one multiple to the next.
    let steps = view.steps((0, 0));
    assert!(steps.windows(2).all(|pair| pair[0].origin.number < pair[1].origin.number));
    assert!(steps.iter().all(|step| step.forced.len() <= 2), "{steps:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_from_two_places_gets_both() {
    let (l1, spec) = with_forced(12).await;
    let slow = Proxy::honest(&l1).await;
    let view = try_start(std::slice::from_ref(&slow.url), spec).await.unwrap();
    for _ in 0..20 {
        let (early, late) = soon(async { tokio::join!(view.forced((2, 1), 9), view.forced((8, 7), 13)) }).await;
        assert_eq!((early.len(), late.len()), (7, 5));
    }
    // What was read once is not read again for it.
    assert!(slow.asked("eth_getLogs") < 10, "{}", slow.asked("eth_getLogs"));
}
