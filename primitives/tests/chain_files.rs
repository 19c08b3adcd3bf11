//! `chain.toml`: what is written reads back, and a mistake is named by its key.

use sinter_primitives::{
    Chain, Namespace,
    chain::{ChainError, ChainFile, Ordering, Parameters},
    network::NetworkError,
    receipt::TrustedNetwork,
    testkit::Network,
};

fn error(adjust: impl FnOnce(&mut ChainFile)) -> String {
    let mut file = Network::new(4).chain.file;
    adjust(&mut file);
    let text = file.to_toml().expect("a chain file has a text");
    Chain::parse(text.as_bytes()).expect_err("a mistake").to_string()
}

#[test]
fn a_chain_file_reads_back() {
    for seats in [1, 4, 7] {
        let network = Network::new(seats);
        let text = network.chain.file.to_toml().expect("a chain file has a text");
        let again = Chain::parse(text.as_bytes()).expect("its own text");
        assert_eq!(again.file, network.chain.file);
        assert_eq!(again.hash, network.chain.hash);
        assert_eq!(again.genesis(), network.chain.genesis());
        assert_eq!(again.file.to_toml().expect("a chain file has a text"), text);
    }
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    let network = Network::new(4);
    let commented = format!("# a comment\n{}", network.chain_toml);
    let chain = Chain::parse(commented.as_bytes()).expect("a comment changes no value");
    assert_eq!(chain.file, network.chain.file);
    assert_ne!(chain.hash, network.chain.hash);
    assert_ne!(chain.genesis().digest(), network.chain.genesis().digest());
}

#[test]
fn parameters_may_be_left_out() {
    let mut file = Network::new(1).chain.file;
    file.parameters = Parameters::default();
    let text = file.to_toml().expect("a chain file has a text");
    let (before, after) = text.split_once("[parameters]").expect("a table");
    let (_, after) = after.split_once("\n[").expect("the next table");
    let chain = Chain::parse(format!("{before}[{after}").as_bytes()).expect("defaults");
    assert_eq!(chain.file, file);
}

#[test]
fn mistakes_are_named() {
    type Mistake = fn(&mut ChainFile);
    let cases: [(&str, Mistake); 14] = [
        ("`name (bytes)`", |file| file.name.clear()),
        ("`parameters.block_bytes_max`", |file| file.parameters.block_bytes_max = 10),
        ("`parameters.payload_bytes_max`", |file| file.parameters.payload_bytes_max = file.parameters.block_bytes_max),
        ("`parameters.block_transactions_max`", |file| file.parameters.block_transactions_max = 0),
        ("`parameters.expiry_blocks`", |file| file.parameters.expiry_blocks = 1),
        ("`parameters.leader_timeout_ms`", |file| file.parameters.leader_timeout_ms = 1),
        ("`parameters.certification_timeout_ms`", |file| file.parameters.certification_timeout_ms = 500),
        ("`parameters.idle_interval_ms`", |file| file.parameters.idle_interval_ms = 900),
        ("`namespaces`", |file| file.namespaces.clear()),
        ("`namespaces.id`", |file| file.namespaces.swap(0, 1)),
        ("`namespaces.id`", |file| file.namespaces[1].id = Namespace(10)),
        ("`seats`", |file| file.seats.clear()),
        ("`seats`: seat 2", |file| file.seats.swap(1, 2)),
        ("`l1.light_client`", |file| file.l1.light_client = "0x12".into()),
    ];
    for (expected, adjust) in cases {
        let error = error(adjust);
        assert!(error.contains(expected), "expected {expected} in: {error}");
    }
}

#[test]
fn unknown_keys_are_refused() {
    let text = Network::new(1).chain_toml;
    for (key, replaced) in [
        ("chain_id = ", "chain_idd = 5\nchain_id = "),
        ("[parameters]", "[parameters]\nblock_bytes = 5"),
        ("rule = \"first-come\"", "rule = \"last-come\""),
        ("rule = \"first-come\"", "rule = \"first-come\"\nfee = 5"),
    ] {
        assert!(text.contains(key), "{key} in\n{text}");
        let changed = text.replacen(key, replaced, 1);
        assert!(matches!(Chain::parse(changed.as_bytes()), Err(ChainError::Toml(_))), "{replaced}");
    }
    assert!(matches!(Chain::parse(&[0xff]), Err(ChainError::Utf8(_))));
    assert!(matches!(Chain::parse(&vec![b'#'; 5 << 20]), Err(ChainError::TooLong { .. })));
}

#[test]
fn namespaces_are_found_by_id() {
    let chain = Network::new(1).chain;
    assert_eq!(chain.namespace(Namespace(20)).map(|spec| spec.name.as_str()), Some("rollup-20"));
    assert!(matches!(chain.namespace(Namespace(30)).map(|spec| spec.ordering), Some(Ordering::Express { .. })));
    assert!(chain.namespace(Namespace(21)).is_none());
}

#[test]
fn a_trusted_network_is_a_chain_file_or_json() {
    let network = Network::new(4);
    let trusted = TrustedNetwork::parse(network.chain_toml.as_bytes()).expect("a chain file");
    assert_eq!(trusted, network.trusted());
    let json = serde_json::to_string_pretty(&trusted).expect("serializes");
    assert_eq!(TrustedNetwork::parse(json.as_bytes()).expect("JSON"), trusted);
    // A committee is checked whichever way it comes.
    let mut value: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let seats = value["seats"].as_array_mut().expect("seats");
    seats[0]["proof_of_possession"] = seats[1]["proof_of_possession"].clone();
    let forged = TrustedNetwork::parse(value.to_string().as_bytes());
    assert!(matches!(&forged, Err(NetworkError::Json(error)) if error.to_string().contains("seat 0")), "{forged:?}");
    assert!(matches!(TrustedNetwork::parse(b"seats = 5"), Err(NetworkError::Chain(_))));
}
