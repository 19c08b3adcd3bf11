//! An operator's way into the registry and out of it, by the commands, against the embedded L1.

use crate::process::{errors, last_line, output, sinter};
use alloy::{
    network::{EthereumWallet, TransactionBuilder},
    primitives::{Address, Uint},
    providers::{DynProvider, Provider, ProviderBuilder},
    rpc::types::TransactionRequest,
};
use sinter_primitives::{Digest, chain::RegistrySpec, testkit::Network};
use sinter_settlement::{
    dev_l1::{self, DEV_KEYS, DevL1, DevL1Config, Mining, dev_signer},
    light_client::{self, TRUSTING_PERIOD_S},
    registry::{self, Genesis, Parameters},
};
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Output};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const DAY_S: u64 = 86_400;
const ESCAPE_S: u64 = 60 * DAY_S;
const ETHER: u128 = 1_000_000_000_000_000_000;

/// An L1 that mines at once, with a registry on it, and its network's chain.toml.
struct World {
    // Declared first: it goes before what it runs on.
    chain: DevL1,
    provider: DynProvider,
    runtime: Runtime,
    directory: TempDir,
}

async fn deploy(provider: &DynProvider, code: alloy::primitives::Bytes) -> Address {
    let request = TransactionRequest::default().with_deploy_code(code);
    let receipt = provider.send_transaction(request).await.unwrap().get_receipt().await.unwrap();
    assert!(receipt.status());
    receipt.contract_address.unwrap()
}

impl World {
    fn new() -> Self {
        Self::with_places(16)
    }

    fn with_places(places: u32) -> Self {
        let runtime = Runtime::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (chain, provider, light_client, address) = runtime.block_on(async {
            let config = DevL1Config { mining: Mining::Instant, ..DevL1Config::default() };
            let chain = dev_l1::spawn(config).await.unwrap();
            let wallet = EthereumWallet::from(dev_signer(9));
            let provider = ProviderBuilder::new().wallet(wallet).connect_http(chain.url().parse().unwrap()).erased();
            let committee = Network::new(4).chain.committee.digest();
            let code = light_client::creation_code(&Digest([1; 32]), 5, &committee, TRUSTING_PERIOD_S);
            let light_client = deploy(&provider, code).await;
            let parameters = Parameters {
                stakeMin: 32 * ETHER,
                registrantsMax: places,
                epochsAhead: 3,
                slashBasisPoints: 5_000,
                rewardBasisPoints: 500,
                exitDelay: Uint::from(TRUSTING_PERIOD_S),
                escapeDelay: Uint::from(ESCAPE_S),
                evidence: Address::ZERO,
            };
            let genesis =
                Genesis { light_client, governor: Address::ZERO, timelock_s: ESCAPE_S + 7 * DAY_S, parameters };
            let address = deploy(&provider, registry::creation_code(&genesis)).await;
            (chain, provider, light_client, address)
        });
        let network = Network::with(4, 0, |file| {
            file.parameters.epoch_blocks = std::num::NonZeroU64::new(100);
            file.l1.chain_id = 1337;
            file.l1.light_client = light_client.to_string();
            file.l1.registry = Some(RegistrySpec {
                address: address.to_string(),
                from_block: 1,
                seats: 4,
                seats_min: 4,
                prevrandao_delay_s: 1,
            });
        });
        let world = Self { chain, provider, runtime, directory };
        fs::write(world.path("chain.toml"), network.chain_toml).unwrap();
        for (number, key) in DEV_KEYS.iter().enumerate() {
            let file = world.path(&format!("l1-{number}.key"));
            fs::write(&file, key).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
        }
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a member's keys, and its node's configuration.
    fn member(&self, name: &str) {
        let run = output(sinter(&["sequencer", "init", "--address", "127.0.0.1:7000", "--keys"]).arg(self.path(name)));
        assert!(run.status.success(), "{}", errors(&run));
        let text = format!(
            "chain = \"chain.toml\"\ndata_dir = \"data\"\nnode_key_file = \"{name}/node.key\"\nbls_key_file = \"{name}/bls.key\"\n\
             listen = \"127.0.0.1:0\"\nrpc_listen = \"127.0.0.1:0\"\n"
        );
        fs::write(self.path(&format!("{name}.toml")), text).unwrap();
    }

    /// `sinter sequencer …` of this account, on this L1.
    fn runs(&self, account: Option<usize>, words: &[&str]) -> Output {
        let mut command = sinter(&["sequencer"]);
        command.args(words).current_dir(self.directory.path()).args([
            "--chain",
            "chain.toml",
            "--l1",
            &self.chain.url(),
        ]);
        if let Some(account) = account {
            command.args(["--key-file", &format!("l1-{account}.key")]);
        }
        output(&mut command)
    }

    fn says(&self, account: Option<usize>, words: &[&str]) -> String {
        let run = self.runs(account, words);
        assert!(run.status.success(), "{words:?}: {}", errors(&run));
        String::from_utf8(run.stdout).unwrap()
    }

    fn refuses(&self, account: usize, words: &[&str], code: i32) -> String {
        let run = self.runs(Some(account), words);
        assert_eq!(run.status.code(), Some(code), "{words:?}: {}", errors(&run));
        errors(&run)
    }

    fn nonce(&self, account: usize) -> u64 {
        let address = dev_signer(account).address();
        self.runtime.block_on(async { self.provider.get_transaction_count(address).await.unwrap() })
    }
}

fn has(text: &str, piece: &str) {
    assert!(text.contains(piece), "expected {piece:?} in: {text}");
}

#[test]
fn from_the_first_ether_to_the_last() {
    let world = World::new();
    world.member("first");
    let owner = dev_signer(0).address();
    let register = |stake: &'static str, config: &'static str| {
        ["register", "--config", config, "--address", "node.example.org:7000", "--stake", stake]
    };
    let said = world.says(None, &["status", "--owner", &owner.to_string()]);
    has(&said, "0 of 16 places taken, 32 ether at least");
    has(&said, "has registered nobody");

    // What would be refused costs nothing.
    has(&world.refuses(0, &register("31.5", "first.toml"), 3), "--stake: expected at least 32 ether, got 31.5 ether");
    has(&world.refuses(0, &register("10001", "first.toml"), 3), "expected at least 10001 ether, got 10000 ether");
    let nowhere = ["register", "--config", "first.toml", "--address", "nowhere", "--stake", "32"];
    has(&world.refuses(0, &nowhere, 2), "--address: expected host:port or ip:port, got \"nowhere\"");
    has(&world.refuses(0, &["exit"], 3), "has registered nobody");
    assert_eq!(world.nonce(0), 0);

    let said = world.says(Some(0), &register("40", "first.toml"));
    has(&said, "registered as 1 with 40 ether");
    has(&said, "epoch 3 at the earliest");
    // Once is enough.
    has(&world.says(Some(0), &register("40", "first.toml")), "registered already as 1");
    has(&world.refuses(1, &register("32", "first.toml"), 3), "BLS key: it is registrant 1's");
    assert_eq!(world.nonce(0), 1);
    world.member("second");
    has(&world.refuses(0, &register("32", "second.toml"), 3), "is registered already as 1, with another BLS key");
    // Half of somebody's keys.
    let files = ["--node-key-file", "first/node.key", "--bls-key-file", "second/bls.key"];
    let stolen = [&["register", "--address", "192.0.2.1:7000", "--stake", "32"][..], &files].concat();
    has(&world.refuses(1, &stolen, 3), "node key: it is registrant 1's");

    has(&world.says(Some(0), &["top-up", "--stake", "2.5"]), "2.5 ether more, 42.5 ether in all");
    for who in [["--owner", &owner.to_string()], ["--registrant", "1"], ["--config", "first.toml"]] {
        let said = world.says(None, &[&["status"][..], &who].concat());
        has(&said, &format!("registrant 1, of {owner}"));
        has(&said, "stake      42.5 ether: 42.5 ether his own, 0 ether delegated");
        has(&said, "candidate  yes");
    }

    // All of it is registered; then nothing of it is.
    has(&world.says(Some(0), &["rotate-keys", "--config", "first.toml"]), "nothing was sent");
    let said = world.says(Some(0), &["rotate-keys", "--config", "second.toml", "--address", "192.0.2.7:7000"]);
    has(&said, "registrant 1: another BLS key");
    has(&said, "the old BLS key is liable until it is released");
    has(&said, "registrant 1: another node key, at 192.0.2.7:7000");
    has(&world.refuses(0, &["rotate-keys", "--config", "first.toml"], 3), "no key is registered twice");
    let run = world.runs(None, &["status", "--registrant", "1", "--json"]);
    let told = last_line(&run);
    let standing = &told["registrants"][0];
    assert_eq!(standing["keys"]["address"], "192.0.2.7:7000");
    assert_eq!(standing["no_candidate_because"], serde_json::Value::Null);
    assert_eq!(standing["stake_wei"], "42500000000000000000");
    assert_eq!(standing["liable"].as_array().unwrap().len(), 1);

    // He leaves, and has to wait.
    let said = world.says(Some(0), &["exit"]);
    has(&said, "registrant 1 has left in L1 block");
    has(&said, "ticket 1: 42.5 ether of registrant 1, claimable: no epoch is over that saw L1 block");
    has(&world.says(Some(0), &["exit"]), "nothing was sent");
    has(&world.refuses(0, &["claim"], 3), "expected something that can be paid or released, got nothing yet");
    has(&world.refuses(0, &["rotate-keys", "--config", "first.toml"], 3), "registrant 1 has left");
    let said = world.says(None, &["status", "--owner", &owner.to_string()]);
    has(&said, "candidate  no: he has left");
    has(&said, "ticket 1: 42.5 ether");

    // Nobody posts anything, so it takes its longest.
    world.chain.mine_later(ESCAPE_S);
    let to = Address::repeat_byte(7);
    let said = world.says(Some(0), &["claim", "--to", &to.to_string()]);
    has(&said, "ticket 1: 42.5 ether paid to");
    assert!(!said.contains("nobody is slashed for it any more"), "the ticket releases his keys: {said}");
    let told = last_line(&world.runs(None, &["status", "--registrant", "1", "--json"]));
    assert_eq!(told["registrants"][0]["liable"].as_array().unwrap().len(), 0, "{told}");
    let balance = world.runtime.block_on(async { world.provider.get_balance(to).await.unwrap() });
    assert_eq!(balance.to::<u128>(), 42 * ETHER + ETHER / 2);
    has(&world.says(Some(0), &["claim"]), "has no ticket that waits");
    // The key is spent.
    has(&world.refuses(0, &register("32", "first.toml"), 3), "registrant 1 had it, and no key is registered twice");
}

#[test]
fn shares_leave_and_a_full_registry_makes_room() {
    let world = World::with_places(1);
    for name in ["first", "second", "third"] {
        world.member(name);
    }
    let register = |config: &'static str, stake: &'static str| {
        ["register", "--config", config, "--address", "node.example.org:7000", "--stake", stake]
    };
    let displacing = [&register("second.toml", "44")[..], &["--displace", "1"]].concat();
    let said = world.refuses(1, &displacing, 3);
    has(&said, "displacing 1: ");
    world.says(Some(0), &register("first.toml", "42"));
    has(&world.refuses(1, &register("second.toml", "40"), 3), "places are taken");

    // The owner keeps the least stake.
    let undelegate = |shares: &'static str| ["undelegate", "--registrant", "1", "--shares", shares];
    has(&world.refuses(0, &undelegate("10.5"), 3), "undelegating: ");
    let said = world.says(Some(0), &undelegate("2"));
    has(&said, "2 ether of registrant 1 leave in L1 block");
    has(&said, "ticket 1: 2 ether of registrant 1, claimable: no epoch is over");
    has(&world.refuses(1, &["undelegate", "--registrant", "1"], 3), "undelegating: ");

    // A key that he does not use any more is released alone.
    world.says(Some(0), &["rotate-keys", "--bls-key-file", "third/bls.key"]);
    let early = world.runs(Some(0), &["claim"]);
    assert_eq!(early.status.code(), Some(3), "{}", errors(&early));
    has(&String::from_utf8_lossy(&early.stdout), ": liable, no epoch is over");
    world.chain.mine_later(ESCAPE_S);
    let said = world.says(Some(0), &["claim"]);
    has(&said, "ticket 1: 2 ether paid to");
    assert_eq!(said.matches("nobody is slashed for it any more").count(), 1, "{said}");

    // A tenth more than the forty that are left.
    let nonce = world.nonce(1);
    has(&world.refuses(1, &displacing, 3), "displacing 1: ");
    assert_eq!(world.nonce(1), nonce);
    let displacing = [&register("second.toml", "44.1")[..], &["--displace", "1"]].concat();
    has(&world.says(Some(1), &displacing), "registered as 2 with 44.1 ether");
    let first = dev_signer(0).address().to_string();
    let said = world.says(None, &["status", "--owner", &first]);
    has(&said, "candidate  no: he has left");
    has(&said, "ticket 2: 40 ether");
    world.chain.mine_later(ESCAPE_S);
    has(&world.says(Some(0), &["claim"]), "ticket 2: 40 ether paid to");
    has(&world.says(Some(0), &["claim"]), "no key that is liable and no reward: nothing was sent");
}

#[test]
fn another_l1_and_a_network_without_a_registry_are_named() {
    let world = World::new();
    let chain = world.path("chain.toml");
    let good = fs::read_to_string(&chain).unwrap();
    let status = ["status", "--registrant", "1"];
    has(&errors(&world.runs(None, &status)), "expected a registrant, got number 1, which nobody has");
    fs::write(&chain, good.replace("chain_id = 1337", "chain_id = 1")).unwrap();
    has(&errors(&world.runs(None, &status)), "--l1: expected L1 chain id 1, got 1337");
    fs::write(&chain, Network::new(4).chain_toml).unwrap();
    let run = world.runs(None, &status);
    assert_eq!(run.status.code(), Some(2));
    has(&errors(&run), "expected `[l1.registry]`, got none");
}
