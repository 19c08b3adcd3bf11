//! A transaction's trail from outside, checked against the L1 alone; and members that lie about it.

use crate::{
    process::{Guarded, errors, last_line, output, sinter, start_devnet, wait_until},
    support::{
        liar::{self, Lie},
        rpc::{call, get},
    },
};
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, path::Path, process::Output, time::Duration};

/// The steps of a transaction that is settled.
const STEPS: [&str; 8] = ["received", "notarized", "finalized", "proved", "folded", "sealed", "settled", "advanced"];
/// A devnet's counter.
const COUNTER: u64 = 13;
const UP_MAX: Duration = Duration::from_secs(120);
const SETTLED_MAX: Duration = Duration::from_secs(300);

/// A devnet whose machines are up.
struct Site {
    _devnet: Guarded,
    node: SocketAddr,
    l1: String,
    machines: Vec<Value>,
}

fn address(url: &Value) -> SocketAddr {
    url.as_str().unwrap().trim_start_matches("http://").parse().unwrap()
}

impl Site {
    fn start(directory: &Path) -> Self {
        let (devnet, addresses) = start_devnet(directory, &["--json", "--rate", "1"]);
        let file = directory.join("devnet.json");
        let read = || -> Value { serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap() };
        let machines = || read()["machines"].as_array().cloned().unwrap_or_default();
        wait_until("the machines are started", UP_MAX, || !machines().is_empty());
        let (node, l1) = (address(&addresses["nodes"][0]["rpc"]), addresses["l1"]["rpc"].as_str().unwrap().to_owned());
        Self { _devnet: devnet, node, l1, machines: machines() }
    }

    fn machine(&self, name: &str) -> &Value {
        self.machines.iter().find(|machine| machine["name"] == name).unwrap()
    }

    fn trace(&self, id: &str, rpc: &str, rollup: &str) -> Output {
        let contract = self.machine(rollup)["contract"].as_str().unwrap();
        let words = ["trace", id, "--rpc", rpc, "--l1", &self.l1, "--contract", contract, "--verify", "--json"];
        output(&mut sinter(&words))
    }
}

#[test]
fn a_trail_is_verified_against_the_l1_alone_and_every_lie_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let site = Site::start(directory.path());
    let honest = format!("http://{}", site.node);
    let tick = json!([{ "namespace": COUNTER, "payload": "0x74" }]);
    let accepted = call(site.node, "sinter_sendTransaction", tick).unwrap();
    let id = accepted["transaction_id"].as_str().unwrap();

    let mut run = None;
    wait_until("the transaction's trail ends on the L1", SETTLED_MAX, || {
        let traced = site.trace(id, &honest, "counter");
        let is_through = traced.status.success();
        assert!(is_through || traced.status.code() == Some(3), "{}", errors(&traced));
        run = Some(traced);
        is_through
    });
    let trail = last_line(&run.unwrap());
    let steps: Vec<&str> =
        trail["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, STEPS, "{trail}");
    assert_eq!((&trail["verified"], &trail["waits_for"]), (&json!(true), &Value::Null), "{trail}");
    for step in trail["steps"].as_array().unwrap() {
        // Nobody proves when a member saw something; and the seal is what the hub's transaction carries.
        let is_word = ["received", "notarized", "sealed"].contains(&step["step"].as_str().unwrap());
        assert_eq!(step["checked"].as_array().unwrap().is_empty(), is_word, "{step}");
    }

    // The rollup's node serves the same trail, with the times that it and the appliance know.
    let (status, page) = get(address(&site.machine("counter")["url"]), &format!("/trace/{id}")).unwrap();
    let served: Value = serde_json::from_str(&page).unwrap();
    assert_eq!((status, &served["verified"]), (200, &json!(false)), "{served}");
    assert!(served["steps"].as_array().unwrap().iter().all(|step| step["at_ms"].is_u64()), "{served}");

    let refused = |what: &str, run: &Output, expected: &str| {
        assert_eq!(run.status.code(), Some(3), "{what}: {}", errors(run));
        assert!(errors(run).contains(expected), "{what}: expected {expected:?} in {}", errors(run));
    };
    let lies: [(&str, Lie, &str); 5] = [
        ("another place in the lane", another_place, "finalized: "),
        ("a committee of its own", another_committee, "finalized: expected chain 0x"),
        ("a header that nobody signed", another_header, "each the parent of the next"),
        ("a lane that lacks a transaction", another_lane, "proved: expected the lane with root"),
        ("another transaction's receipt", another_transaction, "finalized: expected the receipt of"),
    ];
    for (what, lie, expected) in lies {
        refused(what, &site.trace(id, &liar::start(site.node, lie), "counter"), expected);
    }
    refused(
        "another rollup's contract",
        &site.trace(id, &honest, "ledger-a"),
        "expected a transaction of namespace 11",
    );
    follows_beside_liars(&site, directory.path());
    let unknown = format!("0x{}", "ab".repeat(32));
    refused("an unknown transaction", &site.trace(&unknown, &honest, "counter"), "waits for a member that knows it");
}

/// Another node of the counter, which asks two members that lie about the head before an honest one.
fn follows_beside_liars(site: &Site, directory: &Path) {
    let folder = directory.join("counter-2");
    fs::create_dir(&folder).unwrap();
    fs::copy(directory.join("counter/l1.key"), folder.join("l1.key")).unwrap();
    let text = fs::read_to_string(directory.join("counter/rollup.toml")).unwrap();
    let mut config: toml::Table = toml::from_str(&text).unwrap();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let [high, low] = [a_head_that_is_not(), a_head_that_was()].map(|lie| liar::start(site.node, lie));
    let members = [high, low, format!("http://{}", site.node)].map(toml::Value::from);
    config.insert("sequencers".into(), toml::Value::Array(members.into()));
    config.insert("listen".into(), listen.to_string().into());
    // It only follows: what it would prove, the first node proves.
    config.insert("statement_wait_ms".into(), 3_600_000.into());
    fs::write(folder.join("rollup.toml"), toml::to_string(&config).unwrap()).unwrap();
    let mut command = sinter(&["rollup", "run", "--config"]);
    let _node = Guarded(command.arg(folder.join("rollup.toml")).stderr(std::process::Stdio::null()).spawn().unwrap());
    let head = || call(site.node, "sinter_getHeader", json!(["latest"])).unwrap()["height"].as_u64().unwrap();
    let now = head();
    wait_until("the node follows beside liars", Duration::from_secs(30), || {
        let Ok((200, page)) = get(listen, "/status") else { return false };
        let status: Value = serde_json::from_str(&page).unwrap();
        status["followed_height"].as_u64() > Some(now)
    });
}

fn a_head_that_is_not() -> Lie {
    |method, result| {
        if method == "sinter_getHeader" {
            result["height"] = json!(u64::MAX);
        }
    }
}

fn a_head_that_was() -> Lie {
    |method, result| {
        if method == "sinter_getHeader" {
            result["height"] = json!(1);
        }
    }
}

fn another_place(method: &str, result: &mut Value) {
    if method == "sinter_trace" {
        let index = &mut result["status"]["receipt"]["index"];
        *index = json!(index.as_u64().unwrap() + 1);
    }
}

fn another_committee(method: &str, result: &mut Value) {
    if method == "sinter_chain" {
        result["file"]["seats"].as_array_mut().unwrap().pop();
    }
}

fn another_header(method: &str, result: &mut Value) {
    if method == "sinter_getHeader" {
        let at = &mut result["timestamp_ms"];
        *at = json!(at.as_u64().unwrap() + 1);
    }
}

fn another_lane(method: &str, result: &mut Value) {
    if method == "sinter_getNamespaceRange" {
        result["range"]["blocks"][0]["transactions"].as_array_mut().unwrap().pop();
    }
}

fn another_transaction(method: &str, result: &mut Value) {
    if method == "sinter_trace" {
        result["status"]["receipt"]["transaction_id"] = json!(format!("0x{}", "cd".repeat(32)));
    }
}
