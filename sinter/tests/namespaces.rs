//! A rollup team's way to a namespace of its own, by the commands, against the embedded L1. How a network orders for it and pays members,
//! the devnet shows.

use crate::process::{errors, last_line, output, sinter};
use alloy::{
    eips::BlockNumberOrTag,
    primitives::{Address, U256},
    providers::Provider as _,
};
use commonware_cryptography::{Signer as _, ed25519::PrivateKey};
use sinter_primitives::{
    chain::ForcedInboxSpec,
    fees::{FeeSpec, OPENED_FIRST},
    testkit::Network,
};
use sinter_settlement::{
    dev_l1::{self, DEV_KEYS, DevL1, DevL1Config, Mining, dev_signer},
    forced_inbox,
    l1::connect,
    light_client::{self, TRUST_FOR_EVER_S},
    namespaces,
};
use std::{fs, os::unix::fs::PermissionsExt, process::Output};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const OPENING_FEE_WEI: u64 = 1_000_000_000_000_000;

/// An L1 that mines at once, with the contract on it, and its network's chain.toml.
struct World {
    // Declared first: it goes before what it runs on.
    chain: DevL1,
    runtime: Runtime,
    directory: TempDir,
    contract: alloy::primitives::Address,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (chain, light_client, contract) = runtime.block_on(async {
            let config = DevL1Config { mining: Mining::Instant, ..DevL1Config::default() };
            let chain = dev_l1::spawn(config).await.unwrap();
            let deployer = dev_signer(9);
            let provider = connect(&chain.url(), Some(&deployer)).unwrap();
            let (network, from) = (Network::new(4).chain, deployer.address());
            let light_client =
                light_client::deploy(&provider, from, &network.hash, 5, &network.committee, TRUST_FOR_EVER_S)
                    .await
                    .unwrap();
            let fee = U256::from(OPENING_FEE_WEI);
            let contract = namespaces::deploy(&provider, from, light_client, fee).await.unwrap();
            (chain, light_client, contract)
        });
        let network = Network::with(4, 0, |file| {
            file.parameters.epoch_blocks = std::num::NonZeroU64::new(100);
            file.l1.chain_id = 1337;
            file.l1.light_client = light_client.to_string();
            file.l1.forced_inbox = Some(ForcedInboxSpec { address: contract.to_string() });
            file.fees = Some(FeeSpec { floor_wei: 1_000_000, target_bytes_per_s: 100_000 });
        });
        fs::write(directory.path().join("chain.toml"), network.chain_toml).unwrap();
        for (number, key) in DEV_KEYS.iter().enumerate() {
            let file = directory.path().join(format!("l1-{number}.key"));
            fs::write(&file, key).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        Self { chain, runtime, directory, contract }
    }

    /// `sinter …` of this account, on this L1.
    fn runs(&self, account: usize, words: &[&str]) -> Output {
        let mut command = sinter(words);
        let at = ["--chain", "chain.toml", "--l1", &self.chain.url(), "--key-file", &format!("l1-{account}.key")];
        output(command.current_dir(self.directory.path()).args(at))
    }

    fn says(&self, account: usize, words: &[&str]) -> serde_json::Value {
        let run = self.runs(account, words);
        assert!(run.status.success(), "{words:?}: {}", errors(&run));
        last_line(&run)
    }

    fn refuses(&self, account: usize, words: &[&str], code: i32, says: &str) {
        let run = self.runs(account, words);
        assert_eq!(run.status.code(), Some(code), "{words:?}: {}", errors(&run));
        assert!(errors(&run).contains(says), "expected {says:?} in: {}", errors(&run));
    }

    /// The L1's time, in Unix seconds.
    fn now_s(&self) -> u64 {
        self.runtime.block_on(async {
            let provider = connect(&self.chain.url(), None).unwrap();
            provider.get_block_by_number(BlockNumberOrTag::Latest).await.unwrap().unwrap().header.timestamp
        })
    }

    /// How many things the order has to carry out.
    fn said(&self) -> u64 {
        self.runtime.block_on(async {
            let provider = connect(&self.chain.url(), None).unwrap();
            forced_inbox::count(&provider, self.contract, self.chain.block_number()).await.unwrap()
        })
    }
}

#[test]
fn a_namespace_is_opened_and_is_its_owners() {
    let world = World::new();
    let id = OPENED_FIRST.to_string();
    // What would be refused costs nothing.
    world.refuses(0, &["namespace", "open", "--prepay", "100001"], 3, "expected at least 100001.001 ether");
    world.refuses(0, &["namespace", "open", "--prepay", "0"], 2, "expected ether such as 32 or 0.5");
    let keyed = ["namespace", "open", "--prepay", "1", "--auction-key", "77"];
    world.refuses(0, &keyed, 2, "--auction-key: expected an ed25519 public key, got \"77\"");
    world.refuses(
        0,
        &["namespace", "top-up", "--namespace", &id, "--amount", "1"],
        3,
        "expected one that somebody has opened",
    );
    assert_eq!(world.said(), 0);

    let opened = world.says(0, &["namespace", "open", "--prepay", "0.5", "--evm-chain-id", "4242"]);
    assert_eq!((opened["namespace"].as_u64(), opened["owner"].as_str().map(str::len)), (Some(OPENED_FIRST), Some(42)));
    let second =
        world.says(1, &["namespace", "open", "--prepay", "0.5", "--block-bytes-max", "1000", "--epoch-max", "0.1"]);
    assert_eq!(second["namespace"].as_u64(), Some(OPENED_FIRST + 1));
    world.says(1, &["namespace", "top-up", "--namespace", &id, "--amount", "0.25"]);
    world.says(0, &["namespace", "limit", "--namespace", &id, "--epoch-max", "0.01"]);
    assert_eq!(world.said(), 4);

    // Somebody else's.
    let owner = format!("expected the owner {}", dev_signer(0).address());
    for words in
        [&["limit", "--epoch-max", "1"][..], &["withdraw"], &["transfer", "--to", &dev_signer(1).address().to_string()]]
    {
        let words = [&["namespace"], words, &["--namespace", &id]].concat();
        world.refuses(1, &words, 3, &owner);
    }
    world.says(0, &["namespace", "transfer", "--namespace", &id, "--to", &dev_signer(1).address().to_string()]);
    world.says(1, &["namespace", "withdraw", "--namespace", &id, "--amount", "0.1"]);
    assert_eq!(world.said(), 5);

    // Nothing was shown to the L1 yet.
    let credit = ["credit", "claim", "--namespace", &id, "--rpc", "http://127.0.0.1:1"];
    world.refuses(2, &credit, 3, "expected the end of an epoch to be posted on L1, got none");
    world.refuses(2, &["credit", "claim", "--rpc", "http://127.0.0.1:1"], 2, "--address <ADDRESS>|--namespace <ID>");

    // A transaction that nobody takes, for a namespace that is open, and for one that is not.
    fs::write(world.directory.path().join("payload"), "x").unwrap();
    let force = |namespace: u64| {
        let namespace = namespace.to_string();
        world.runs(2, &["force", "--payload", "payload", "--namespace", &namespace])
    };
    assert!(force(OPENED_FIRST).status.success());
    let nobodys = force(OPENED_FIRST + 2);
    assert_eq!(nobodys.status.code(), Some(2));
    assert!(
        errors(&nobodys).contains("is not open: expected one that somebody has opened on L1"),
        "{}",
        errors(&nobodys)
    );
}

/// The ed25519 key of a seed's auction, as people write it.
fn key(seed: u64) -> String {
    hex::encode(PrivateKey::from_seed(seed).public_key())
}

#[test]
fn a_first_place_is_sold_and_paid_for() {
    let world = World::new();
    let id = OPENED_FIRST.to_string();
    world.says(0, &["namespace", "open", "--prepay", "0.5"]);
    world.refuses(
        0,
        &["namespace", "reorder", "--namespace", &id, "--auction-key", "77"],
        2,
        "--auction-key: expected an",
    );
    world.says(0, &["namespace", "reorder", "--namespace", &id, "--auction-key", &key(1)]);
    world.says(0, &["namespace", "reorder", "--namespace", &id]);
    assert_eq!(world.said(), 3);

    // Somebody else's is not his to sell, and nothing is deployed for it.
    let revenue = Address::repeat_byte(0x77).to_string();
    let opening =
        ["auction", "open", "--namespace", &id, "--bid-min", "0.001", "--term-s", "3600", "--revenue", &revenue];
    world.refuses(1, &opening, 3, &format!("expected the owner {}", dev_signer(0).address()));
    let opened = world.says(0, &opening);
    let auction = opened["auction"].as_str().unwrap().to_owned();
    let at = |command: &'static str, words: &[&str]| -> Vec<String> {
        [&["auction", command, "--auction", &auction], words].concat().iter().map(ToString::to_string).collect()
    };
    let says = |account, words: Vec<String>| world.says(account, &words.iter().map(String::as_str).collect::<Vec<_>>());
    let refuses = |account, words: Vec<String>, code, text: &str| {
        world.refuses(account, &words.iter().map(String::as_str).collect::<Vec<_>>(), code, text);
    };
    refuses(0, vec!["namespace".into(), "limit".into(), "--namespace".into(), id.clone()], 3, "expected the owner");
    refuses(1, at("bid", &["--key", "77", "--amount", "1"]), 2, "--key: expected an ed25519 public key");
    refuses(
        1,
        at("bid", &["--key", &key(1), "--amount", "0.0009"]),
        3,
        "bid: expected at least 0.001 ether, got 0.0009",
    );
    let first = says(1, at("bid", &["--key", &key(1), "--amount", "1"]));
    refuses(2, at("bid", &["--key", &key(2), "--amount", "1.05"]), 3, "bid: expected at least 1.0625");
    let term = first["term"].as_u64().unwrap();
    let other = (term + 1).to_string();
    refuses(2, at("bid", &["--key", &key(2), "--amount", "2", "--term", &other]), 3, &format!("expected term {term}"));
    refuses(1, at("begin", &[]), 3, &format!("term {} was begun before", term - 1));
    refuses(1, at("lapse", &["--term", &term.to_string()]), 3, &format!("term {term} is not over: term {}", term - 1));

    let shown = output(
        sinter(&["auction", "show", "--auction", &auction, "--chain", "chain.toml", "--l1", &world.chain.url()])
            .current_dir(world.directory.path()),
    );
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["highest_bid"]["bid_wei"], "1000000000000000000");
    assert_eq!((shown["next_term"].as_u64(), shown["last_term"].as_u64()), (Some(term), None));

    world.chain.mine_later(3_600 - world.now_s() % 3_600);
    says(2, at("begin", &[]));
    assert_eq!(world.said(), 4);
    says(2, at("collect", &[]));
    let paid = world.runtime.block_on(async {
        connect(&world.chain.url(), None).unwrap().get_balance(revenue.parse().unwrap()).await.unwrap()
    });
    let ether = U256::from(1_000_000_000_000_000_000u64);
    assert!(
        paid <= ether && paid > ether * U256::from(99) / U256::from(100),
        "but for the seconds that passed: {paid}"
    );

    // What was sold is kept.
    let owner = dev_signer(0).address().to_string();
    refuses(0, at("hand-back", &["--to", &owner]), 3, "is not over");
    refuses(1, at("close", &[]), 3, "expected the owner");
    says(0, at("limit", &["--epoch-max", "0.1"]));
    says(0, at("close", &[]));
    world.chain.mine_later(7_200);
    refuses(1, at("bid", &["--key", &key(1), "--amount", "2"]), 3, "no more terms are sold here");
    says(0, at("hand-back", &["--to", &owner]));
    // What has no namespace takes nobody's bid.
    let gone = format!("namespace {id}: expected the owner {}, got 0x", dev_signer(0).address());
    refuses(1, at("bid", &["--key", &key(1), "--amount", "2"]), 3, &gone);
    says(0, vec!["namespace".into(), "reorder".into(), "--namespace".into(), id.clone()]);
}

#[test]
fn a_chain_without_fees_has_nothing_to_open() {
    let world = World::new();
    fs::write(world.directory.path().join("chain.toml"), Network::new(4).chain_toml).unwrap();
    world.refuses(0, &["namespace", "open", "--prepay", "1"], 2, "expected `[fees]`, got none");
}
