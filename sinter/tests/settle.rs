//! `sinter settle` against the embedded L1, with a hub whose verifier believes what it is told.

use crate::process::{Guarded, errors, last_line, output, signal, sinter, wait_until};
use alloy::{
    network::EthereumWallet,
    primitives::{Address, B256, Bytes},
    providers::{DynProvider, Provider, ProviderBuilder},
    sol_types::SolValue,
};
use serde_json::{Value, json};
use sinter_settlement::dev_l1::{self, DEV_KEYS, DevL1, DevL1Config, Mining};
use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

alloy::sol!(
    #[sol(rpc)]
    AggregationHub,
    "../settlement/artifacts/AggregationHub.json"
);
alloy::sol!(
    #[sol(rpc)]
    ToldVerifier,
    "../settlement/tests/artifacts/ToldVerifier.json"
);

/// A chain with a block every 200 ms, and a hub on it.
struct World {
    runtime: Runtime,
    chain: DevL1,
    provider: DynProvider,
    verifier: Address,
    hub: Address,
    directory: TempDir,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let (chain, provider, verifier, hub) = runtime.block_on(async {
            let mining = Mining::Every(Duration::from_millis(200));
            let chain = dev_l1::spawn(DevL1Config { mining, ..DevL1Config::default() }).await.unwrap();
            let wallet = EthereumWallet::from(dev_l1::dev_signer(1));
            let provider = ProviderBuilder::new().wallet(wallet).connect_http(chain.url().parse().unwrap()).erased();
            let verifier = *ToldVerifier::deploy(&provider).await.unwrap().address();
            let hub = *AggregationHub::deploy(&provider, verifier).await.unwrap().address();
            (chain, provider, verifier, hub)
        });
        let directory = tempfile::tempdir().unwrap();
        let key = directory.path().join("l1.key");
        fs::write(&key, DEV_KEYS[0]).unwrap();
        fs::set_permissions(key, fs::Permissions::from_mode(0o600)).unwrap();
        Self { runtime, chain, provider, verifier, hub, directory }
    }

    /// A seal file of this root, which the verifier accepts if it is `told`.
    fn seal(&self, root: u8, told: bool) -> PathBuf {
        let root = B256::repeat_byte(root);
        if told {
            let verifier = ToldVerifier::new(self.verifier, &self.provider);
            self.runtime.block_on(async {
                let pending = verifier.tell(root, 5).send().await.unwrap();
                assert!(pending.get_receipt().await.unwrap().status());
            });
        }
        let file = self.directory.path().join(format!("{}.seal", root[0]));
        fs::write(&file, (root, 5u32).abi_encode()).unwrap();
        file
    }

    fn settle(&self, seals: &[&PathBuf]) -> Command {
        let mut command = sinter(&["settle"]);
        command.args(seals).args(["--l1", &self.chain.url(), "--hub", &self.hub.to_string()]);
        command.arg("--key-file").arg(self.directory.path().join("l1.key"));
        command.arg("--data-dir").arg(self.directory.path().join("state"));
        command
    }

    fn sent(&self) -> u64 {
        let account = dev_l1::dev_signer(0).address();
        self.runtime.block_on(async { self.provider.get_transaction_count(account).await.unwrap() })
    }
}

#[test]
fn ends_well_only_when_the_l1_has_every_root_for_good() {
    let world = World::new();
    let (one, two) = (world.seal(1, true), world.seal(2, true));
    let run = output(world.settle(&[&one, &two]).arg("--json"));
    assert!(run.status.success(), "{}", errors(&run));
    let summary = last_line(&run);
    assert_eq!((&summary["settled"], &summary["deadline"]), (&json!(true), &json!("fine")));
    let second = &summary["seals"][1];
    assert_eq!((&second["count"], &second["state"]), (&json!(5), &json!("settled")));
    assert_eq!(second["root"], json!(B256::repeat_byte(2)));
    assert_eq!(second["file"], json!(two.display().to_string()));
    assert!(second["gas_used"].as_u64().unwrap() > 40_000, "{summary}");
    let told = errors(&run);
    assert!(told.contains("1.seal: sent in 0x") && told.contains("2.seal: settled: the hub has root 0x0202"), "{told}");
    assert_eq!(world.sent(), 2);
    // Again: nothing is sent.
    let run = output(world.settle(&[&one]).args(["--confirmations", "1", "--json"]));
    assert_eq!((run.status.code(), &last_line(&run)["settled"], world.sent()), (Some(0), &json!(true), 2));
}

#[test]
fn a_seal_that_is_refused_ends_it_with_3_after_the_others() {
    let world = World::new();
    let (good, bad) = (world.seal(1, true), world.seal(9, false));
    let run = output(world.settle(&[&bad, &good]).arg("--json"));
    assert_eq!(run.status.code(), Some(3), "{}", errors(&run));
    let states: Vec<Value> = last_line(&run)["seals"].as_array().unwrap().iter().map(|s| s["state"].clone()).collect();
    assert_eq!(states, [json!("refused"), json!("settled")]);
    assert!(errors(&run).contains("9.seal: not sent: the contract refuses it"), "{}", errors(&run));
    assert!(errors(&run).ends_with("error: 1 of 2 seals were not sent\n"), "{}", errors(&run));
}

#[test]
fn an_interrupted_run_is_gone_on_with() {
    let world = World::new();
    let seal = world.seal(1, true);
    // No gas is that cheap.
    let mut command = world.settle(&[&seal]);
    command.args(["--target-fee", "0.000000001", "--deadline", "2d"]).stderr(Stdio::piped());
    let mut waiting = Guarded(command.spawn().unwrap());
    let lines = Arc::new(Mutex::new(String::new()));
    let (reader, kept) = (BufReader::new(waiting.0.stderr.take().unwrap()), lines.clone());
    std::thread::spawn(move || reader.lines().for_each(|line| kept.lock().unwrap().push_str(&(line.unwrap() + "\n"))));
    let said = |what: &str| lines.lock().unwrap().contains(what);
    wait_until("it waits", Duration::from_secs(20), || said("waiting for cheaper gas: the base fee is"));
    signal(u64::from(waiting.0.id()), "INT");
    let run = waiting.finish(Duration::from_secs(20));
    assert_eq!((run.status.code(), world.sent()), (Some(1), 0));
    let last = "error: stopped with 0 of 1 seals settled; the same command goes on";
    wait_until("it says how it ended", Duration::from_secs(5), || said(last));
    let run = output(&mut world.settle(&[&seal]));
    assert_eq!((run.status.code(), world.sent()), (Some(0), 1), "{}", errors(&run));
}

#[test]
fn what_cannot_work_is_said_before_anything_is_sent() {
    let world = World::new();
    let seal = world.seal(1, true);
    let refused = |command: &mut Command| {
        let run = output(command);
        (run.status.code(), errors(&run).trim_end().to_owned())
    };
    let (code, message) = refused(world.settle(&[&seal]).args(["--l1-chain-id", "1"]));
    assert_eq!(code, Some(1));
    assert!(message.ends_with("error: settle: expected L1 chain id 1, got 1337"), "{message}");
    let nothing = world.directory.path().join("nothing.seal");
    let missing = refused(&mut world.settle(&[&nothing]));
    assert_eq!((missing.0, missing.1.contains("nothing.seal: No such file")), (Some(2), true), "{missing:?}");
    fs::write(&nothing, Bytes::new()).unwrap();
    let empty = refused(&mut world.settle(&[&nothing]));
    assert_eq!((empty.0, empty.1.ends_with("nothing.seal: expected a seal, got no bytes")), (Some(2), true));
    let mut elsewhere = sinter(&["settle", "--l1", &world.chain.url(), "--hub", &Address::repeat_byte(7).to_string()]);
    elsewhere.arg(&seal).arg("--key-file").arg(world.directory.path().join("l1.key"));
    let (code, message) = refused(elsewhere.arg("--data-dir").arg(world.directory.path().join("elsewhere")));
    assert_eq!(code, Some(1));
    assert!(message.contains("expected a hub at 0x0707") && message.ends_with("got no code"), "{message}");
    assert_eq!(world.sent(), 0);
}
