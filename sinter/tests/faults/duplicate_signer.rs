//! A second process votes with a member's key: doctor finds it while that member is stopped, and accuses nobody otherwise.

use crate::{
    process::{output, sinter},
    support::network::Network,
};
use serde_json::Value;
use std::{fs, net::TcpListener, path::Path};

/// What doctor finds with this configuration, asking the member behind `url`: the exit code, and the finding of a name.
fn finding(config: &Path, url: &str, name: &str) -> (Option<i32>, Value) {
    let mut command = sinter(&["doctor", "--json", "--member", url, "--sequencer"]);
    let run = output(command.arg(config));
    let report: Value = serde_json::from_slice(&run.stdout).unwrap();
    let found = report["findings"].as_array().unwrap().iter().find(|finding| finding["check"] == name).cloned();
    (run.status.code(), found.unwrap_or_else(|| panic!("no finding of {name}: {report}")))
}

#[test]
fn a_second_process_with_a_members_key_is_found() {
    let mut network = Network::new(4);
    network.start();
    let home = network.chain_path().parent().unwrap().join("node-0");
    let member = format!("http://{}", network.nodes[1].rpc);

    // While the member runs, its own votes hide another's, and doctor says so.
    let own = home.join("node.toml");
    let (_, hidden) = finding(&own, &member, "duplicate signer");
    assert_eq!(hidden["verdict"], "skipped", "{hidden}");
    assert_eq!(finding(&own, &member, "RPC port").1["verdict"], "ok");
    assert_eq!(finding(&own, &member, "keys").1["found"], "seat 0 of 4");

    // As on another machine, which has the same keys: nothing runs at the addresses that its configuration names.
    let elsewhere = home.join("elsewhere.toml");
    let text = fs::read_to_string(&own).unwrap();
    let moved = text.replace(&network.nodes[0].rpc.to_string(), "127.0.0.1:1").replace(":7000\"", ":7999\"");
    fs::write(&elsewhere, moved).unwrap();
    let (code, found) = finding(&elsewhere, &member, "duplicate signer");
    assert_eq!((code, &found["verdict"]), (Some(1), &Value::from("wrong")), "{found}");
    assert!(found["found"].as_str().unwrap().contains("seat 0") && found["remedy"].is_string(), "{found}");

    network.nodes[0].kill();
    let (_, alone) = finding(&own, &member, "duplicate signer");
    assert_eq!(alone["verdict"], "ok", "{alone}");
    // Somebody else took the port meanwhile.
    let _held = TcpListener::bind(network.nodes[0].rpc).unwrap();
    let (code, port) = finding(&own, &member, "RPC port");
    assert_eq!((code, &port["verdict"]), (Some(1), &Value::from("wrong")), "{port}");
}
