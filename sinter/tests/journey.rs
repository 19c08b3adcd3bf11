//! `docs/operating/join.md`, followed line by line: from an empty machine to a seat on a running devnet, and its votes.
//!
//! What the page says to type is typed, with the paths, addresses and amounts of this machine put in. A line that is not known here
//! fails the test, so that whoever changes the page has to try it.

use crate::{
    process::{Guarded, errors, signal, sinter, start_devnet, wait_until},
    support::rpc,
};
use serde_json::Value;
use sinter_settlement::dev_l1::{DEV_KEYS, dev_signer};
use std::{
    fs,
    net::UdpSocket,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};
use tempfile::TempDir;

const PAGE: &str = include_str!("../../docs/operating/join.md");
/// An account of the development L1 that nothing else uses.
const OWNER: usize = 7;
const PASSPHRASE: &str = "correct horse battery staple";
/// Long enough for the L1 to be final between an epoch's last reveal and its end, while there is nothing to order.
const EPOCH_BLOCKS: &str = "96";
/// Four epochs of half a minute, and as much again for a busy machine.
const SEATED_WITHIN: Duration = Duration::from_secs(300);

/// The machine that is empty at first.
struct Machine {
    directory: TempDir,
    /// What the page says, and what it is here.
    here: Vec<(String, String)>,
    rpc: String,
    node: Option<Guarded>,
}

impl Machine {
    fn new(devnet: &Path, addresses: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path).display().to_string();
        let [listen, rpc, metrics] = [(); 3].map(|()| free_address());
        let owner = directory.path().join("l1.key");
        fs::write(&owner, DEV_KEYS[OWNER]).unwrap();
        fs::set_permissions(&owner, fs::Permissions::from_mode(0o600)).unwrap();
        fs::create_dir(at("credentials")).unwrap();
        let credential = directory.path().join("credentials/bls-passphrase");
        fs::write(&credential, PASSPHRASE).unwrap();
        fs::set_permissions(&credential, fs::Permissions::from_mode(0o600)).unwrap();
        let here = [
            (" chain.toml ", format!(" {} ", devnet.join("chain.toml").display())),
            ("/etc/sinter", at("etc")),
            ("/var/lib/sinter-sequencer", at("var")),
            ("http://MEMBER:7001", addresses["nodes"][0]["rpc"].as_str().unwrap().into()),
            ("URL", addresses["l1"]["rpc"].as_str().unwrap().into()),
            ("0xACCOUNT", dev_signer(OWNER).address().to_string()),
            ("l1.key", owner.display().to_string()),
            ("node.example.org:7000", listen.clone()),
            ("0.0.0.0:7000", listen),
            ("127.0.0.1:7001", rpc.clone()),
            ("127.0.0.1:7002", metrics),
            // Ten times what the others have: it is drawn all but surely.
            ("--stake 32", "--stake 1".into()),
            ("committees.json", at("committees.json")),
            ("runuser -u sinter-sequencer -- ", String::new()),
            ("install -d -o sinter-sequencer -g sinter-sequencer", "install -d".into()),
        ];
        let here = here.map(|(there, here)| (there.to_owned(), here)).to_vec();
        fs::create_dir(directory.path().join("etc")).unwrap();
        Self { directory, here, rpc: format!("http://{rpc}"), node: None }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn put(&self, text: &str) -> String {
        self.here.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// Types a line.
    fn shell(&self, line: &str) -> Output {
        let program = Path::new(env!("CARGO_BIN_EXE_sinter")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-c", &self.put(line)]).env("PATH", path).stdin(Stdio::null());
        command.env("CREDENTIALS_DIRECTORY", self.path("credentials")).output().unwrap()
    }

    fn typed(&self, line: &str) {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}\n{}", errors(&output));
    }

    /// What is served at an address and path of the page.
    fn get(&self, url: &str) -> std::io::Result<(u16, String)> {
        let here = self.put(url);
        let (address, path) = here.split_once('/').unwrap();
        rpc::get(address.parse().unwrap(), &format!("/{path}"))
    }

    /// What the unit does.
    fn start(&mut self) {
        let mut command = sinter(&["sequencer", "run", "--config"]);
        command.arg(self.path("etc/node.toml")).env("CREDENTIALS_DIRECTORY", self.path("credentials"));
        let log = fs::File::create(self.path("log")).unwrap();
        self.node = Some(Guarded(command.stdout(Stdio::null()).stderr(log).spawn().unwrap()));
    }
}

/// One that was free just now.
fn free_address() -> String {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// The page's blocks, in order, each as lines without comments, a line that goes on in the next joined with it.
fn blocks() -> Vec<Vec<String>> {
    let joined = PAGE.replace("\\\n", " ");
    let fenced = joined.split("```").skip(1).step_by(2);
    // Messages are not typed, nor is what a member writes who has a seat already.
    let typed = fenced.filter(|block| !block.starts_with("text") && !block.starts_with("toml"));
    let line = |line: &str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    typed.map(|block| block.lines().map(line).filter(|line| !line.is_empty()).collect()).collect()
}

#[test]
fn the_page_leads_from_an_empty_machine_to_a_seat_and_its_votes() {
    let devnet_directory = tempfile::tempdir().unwrap();
    let arguments = ["--registered", "4", "--epoch-blocks", EPOCH_BLOCKS, "--rate", "0", "--json"];
    let (devnet, addresses) = start_devnet(devnet_directory.path(), &arguments);
    let mut machine = Machine::new(devnet_directory.path(), &addresses);
    let mut done = Vec::new();
    for block in blocks() {
        if block.iter().any(|line| line.starts_with("chain =")) {
            fs::write(machine.path("etc/node.toml"), machine.put(&block.join("\n"))).unwrap();
            continue;
        }
        for line in block {
            let words: Vec<&str> = line.split_whitespace().take(3).collect();
            match words[..] {
                // Packages and units have tests of their own.
                ["apt", ..] | ["systemctl", "edit", ..] | ["journalctl", ..] => continue,
                // For who has a seat already.
                _ if line.contains(" … ") => continue,
                ["systemctl", "enable", ..] => {
                    machine.start();
                    wait_until("the node answers", Duration::from_secs(120), || machine.get("127.0.0.1:7002/").is_ok());
                }
                ["sinter", "doctor", ..] => {
                    // This machine's clock and files are not the page's matter.
                    let found = String::from_utf8(machine.shell(&line).stdout).unwrap();
                    for check in ["configuration", "keys", "L1 ", "L1 head", "registry"] {
                        let finding = found.lines().find(|line| line.contains(&format!(" {check} ")));
                        assert!(finding.is_some_and(|line| line.starts_with("ok")), "{check}: {found}");
                    }
                }
                // Not every machine that runs this has curl.
                ["curl", "-s", url] => drop(machine.get(url.trim_start_matches("http://")).unwrap()),
                ["sinter" | "runuser" | "install", ..] => machine.typed(&line),
                _ => panic!("join.md has a line that nobody has tried: {line}"),
            }
            done.push(words.join(" "));
        }
    }
    let committees = fs::read_to_string(machine.path("committees.json")).unwrap();
    assert!(committees.contains("chain_hash"), "{committees}");
    for step in ["sinter chain hash", "sinter sequencer register", "systemctl enable --now", "sinter sequencer status"]
    {
        assert!(done.iter().any(|done| done == step), "{step} is not on the page: {done:?}");
    }

    // A candidate as of now, and some epochs later a member.
    let [config, chain] = ["etc/node.toml", "etc/chain.toml"].map(|file| machine.path(file).display().to_string());
    let (l1, rpc) = (machine.put("URL"), machine.rpc.clone());
    let status = || -> Value {
        let arguments = ["sequencer", "status", "--json", "--chain", &chain, "--l1", &l1, "--rpc", &rpc];
        let output = sinter(&arguments).args(["--config", &config]).output().unwrap();
        assert!(output.status.success(), "{}", errors(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert!(status()["registrants"][0]["no_candidate_because"].is_null(), "{}", status());
    wait_until("the member has a seat in this epoch", SEATED_WITHIN, || {
        status()["registrants"][0]["seats"][0]["seat"].is_u64()
    });
    let data = machine.path("var/data").display().to_string();
    let votes_since = |epoch: u64| {
        let votes = sinter(&["sequencer", "votes", "--json", "--data-dir", &data]).output().unwrap();
        let votes = String::from_utf8(votes.stdout).unwrap();
        let votes = votes.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        votes.filter(|vote| vote["epoch"].as_u64().unwrap() >= epoch).any(|vote| vote.to_string().contains("finalize"))
    };
    wait_until("the member votes", Duration::from_secs(60), || votes_since(0));

    // Other keys: it goes by the old ones as long as its committees have those, and then by the new ones, in the same process.
    machine.typed("sinter keys new --out /var/lib/sinter-sequencer/new");
    let text = fs::read_to_string(&config).unwrap();
    let old = |key: &str, file: &str| format!("{key} = \"{}\"\n", machine.path(&format!("var/keys/{file}")).display());
    let (node_old, bls_old) = (old("node_key_file_old", "node.key"), old("bls_key_file", "bls.key"));
    let text = format!("{}\n{node_old}[bls_old]\n{bls_old}", text.replace("/var/keys/", "/var/new/"));
    fs::write(&config, text).unwrap();
    let mut node = machine.node.take().unwrap();
    signal(u64::from(node.0.id()), "TERM");
    assert!(node.0.wait().unwrap().success());
    machine.start();
    wait_until("the node answers again", Duration::from_secs(120), || machine.get("127.0.0.1:7002/").is_ok());
    machine.typed(
        "sinter sequencer rotate-keys --chain /etc/sinter/chain.toml --l1 URL --key-file l1.key --config /etc/sinter/node.toml",
    );
    let log = machine.path("log");
    wait_until("an epoch begins whose committee has the new keys", SEATED_WITHIN, || {
        fs::read_to_string(&log).unwrap().contains("going on by the other node key")
    });
    wait_until("the node answers as another", Duration::from_secs(120), || machine.get("127.0.0.1:7002/").is_ok());
    let epoch = status()["registrants"][0]["seats"][0]["epoch"].as_u64().unwrap();
    wait_until("it votes with the new keys", Duration::from_secs(60), || votes_since(epoch));
    let mut node = machine.node.take().unwrap();
    signal(u64::from(node.0.id()), "TERM");
    assert!(node.0.wait().unwrap().success());
    // The others go on without it.
    signal(u64::from(devnet.0.id()), "TERM");
    let run = devnet.finish(Duration::from_secs(300));
    assert!(run.status.success(), "{}", errors(&run));
}
