//! Commands that start nothing: what they print, and what they say when the input is wrong.

use crate::process::{errors, output, sinter};
use sinter_primitives::{
    Digest,
    evidence::{Choice, Evidence, SignedVote},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
};

fn seat(directory: &Path, number: u16) -> String {
    let (keys, address) = (directory.join(format!("keys-{number}")), format!("127.0.0.1:{}", 7000 + number));
    let mut command = sinter(&["sequencer", "init", "--address", &address, "--keys"]);
    let run = output(command.arg(keys));
    assert!(run.status.success(), "{}", errors(&run));
    String::from_utf8(run.stdout).unwrap()
}

/// A chain.toml of one seat.
pub fn chain_file(directory: &Path) -> std::path::PathBuf {
    let file = directory.join("chain.toml");
    let text = format!(
        "chain_id = 5\nname = \"test\"\ngenesis_timestamp_ms = 1\n\
         [l1]\nchain_id = 1\nlight_client = \"0x{}\"\norigin = {{ number = 0, hash = \"0x{}\" }}\n{}\n\
         [[namespaces]]\nid = 1\nname = \"alpha\"\nordering = {{ rule = \"first-come\" }}\n",
        "ab".repeat(20),
        "cd".repeat(32),
        seat(directory, 1),
    );
    fs::write(&file, text).unwrap();
    file
}

fn node_file(directory: &Path) -> std::path::PathBuf {
    let file = directory.join("node.toml");
    let text = "chain = \"chain.toml\"\ndata_dir = \"data\"\nnode_key_file = \"keys-1/node.key\"\n\
                bls_key_file = \"keys-1/bls.key\"\nlisten = \"127.0.0.1:0\"\nrpc_listen = \"127.0.0.1:0\"\n";
    fs::write(&file, text).unwrap();
    file
}

/// The exit code and standard error.
fn refused(command: &mut Command) -> (Option<i32>, String) {
    let run = output(command);
    (run.status.code(), errors(&run).trim_end().to_owned())
}

#[test]
fn a_chains_hash_is_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let file = chain_file(directory.path());
    let run = output(sinter(&["chain", "hash"]).arg(&file));
    let expected = output(Command::new("sha256sum").arg(&file));
    let hex = String::from_utf8(expected.stdout).unwrap();
    assert_eq!(String::from_utf8(run.stdout).unwrap().trim(), format!("0x{}", &hex[..64]));
}

#[test]
fn a_chain_that_is_unsound_is_named_with_what_was_expected() {
    let directory = tempfile::tempdir().unwrap();
    let file = chain_file(directory.path());
    let good = fs::read_to_string(&file).unwrap();
    let check = |text: String| {
        fs::write(&file, text).unwrap();
        refused(sinter(&["chain", "check"]).arg(&file))
    };
    let shown = file.display();
    assert_eq!(
        check(good.replace("id = 1\nname = \"alpha\"", "id = 1\nname = \"alpha\"\ncolour = 3")).0,
        Some(2),
        "an unknown key"
    );
    assert_eq!(
        check(good.replace("0xabab", "abab")),
        (
            Some(2),
            format!(
                "error: {shown}: chain file: `l1.light_client`: expected 0x and 40 hex digits, got {}",
                "ab".repeat(20)
            )
        )
    );
    let proof = good.lines().find(|line| line.starts_with("proof_of_possession")).unwrap();
    let (code, message) = check(good.replace(proof, &format!("proof_of_possession = \"0x{}\"", "a".repeat(96))));
    assert_eq!(code, Some(2));
    assert!(
        message.contains("seat 0: `proof_of_possession`: expected a signature by `bls_key` over itself"),
        "{message}"
    );
}

#[test]
fn keys_that_exist_are_not_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    seat(directory.path(), 1);
    let keys = directory.path().join("keys-1");
    let (code, message) = refused(sinter(&["sequencer", "init", "--address", "a:1", "--keys"]).arg(&keys));
    assert_eq!(
        (code, message),
        (Some(2), format!("error: key file {}/node.key: File exists (os error 17)", keys.display()))
    );
}

#[test]
fn a_wrong_configuration_names_the_key() {
    let directory = tempfile::tempdir().unwrap();
    chain_file(directory.path());
    let file = node_file(directory.path());
    let good = fs::read_to_string(&file).unwrap();
    let run = |text: String, flags: &[&str]| {
        fs::write(&file, text).unwrap();
        refused(sinter(&["sequencer", "run", "--config"]).arg(&file).args(flags))
    };
    let (code, message) = run(good.replace("rpc_listen = \"127.0.0.1:0\"", ""), &[]);
    assert_eq!((code, message.as_str()), (Some(2), "error: configuration: missing field `rpc_listen`"));
    let (code, message) = run(format!("retention_blocks = 3\n{good}"), &[]);
    let expected = "error: configuration: `retention_blocks`: expected 1024 to 18446744073709551615, got 3";
    assert_eq!((code, message.as_str()), (Some(2), expected));
    let (code, message) = run(good.clone(), &["--log", "sinter=loudly"]);
    assert_eq!(code, Some(2));
    assert!(message.starts_with("error: configuration: `log`: \"sinter=loudly\": "), "{message}");

    let key = directory.path().join("keys-1/bls.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, message) = run(good, &[]);
    assert_ne!(code, Some(0));
    assert!(message.contains("bls.key: expected mode 0600, got 0644"), "{message}");
}

#[test]
fn a_document_that_proves_nothing_is_refused_as_input() {
    let directory = tempfile::tempdir().unwrap();
    let chain = chain_file(directory.path());
    let document = directory.path().join("document.json");
    let verify = |text: &str| {
        fs::write(&document, text).unwrap();
        refused(sinter(&["receipt", "verify"]).arg(&document).arg("--committee").arg(&chain))
    };
    let shown = document.display();
    let expected = "expected a receipt (`transaction_id`) or a namespace range (`from_height`), got neither";
    assert_eq!(verify("{}"), (Some(2), format!("error: {shown}: {expected}")));
    let (code, message) = verify("{ \"transaction_id\": 1 ");
    assert_eq!(code, Some(2), "{message}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let directory = tempfile::tempdir().unwrap();
    let chain = chain_file(directory.path());
    let mut command = sinter(&["chain", "check"]);
    let mut process = command.arg(chain).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    let run = process.wait_with_output().unwrap();
    assert_eq!((run.status.code(), errors(&run).as_str()), (Some(0), ""));
}

#[test]
fn a_token_is_written_once_and_its_hash_is_what_the_configuration_gets() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("account.token");
    let run = output(sinter(&["aggregator", "token", "ledger-a", "--output"]).arg(&file));
    assert!(run.status.success(), "{}", errors(&run));
    let (text, token) = (String::from_utf8(run.stdout).unwrap(), fs::read_to_string(&file).unwrap());
    assert!(text.starts_with("[[clients]]\naccount = \"ledger-a\"\ntoken_sha256 = \""), "{text}");
    assert!(token.trim().len() == 64 && !text.contains(token.trim()), "{text}");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let (code, message) = refused(sinter(&["aggregator", "token", "ledger-a", "--output"]).arg(&file));
    assert!(code == Some(2) && message.contains("File exists"), "{message}");
    let (code, message) = refused(sinter(&["aggregator", "token", "Ledger A", "--output"]).arg(&file));
    assert!(code == Some(2) && message.contains("got `Ledger A`"), "{message}");
}

#[test]
fn a_machine_s_wrong_configuration_names_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("machine.toml");
    for (words, text, expected) in [
        (["aggregator", "run"], "listen = \"127.0.0.1:0\"\n", "missing field `data_dir`"),
        (["aggregator", "run"], "data_dir = \"data\"\nlisten = \"127.0.0.1:0\"\nlisten_to = 1\n", "listen_to"),
        (["aggregator", "run"], "data_dir = \"data\"\nlisten = \"nowhere\"\n", "listen = \"nowhere\""),
        (
            ["aggregator", "run"],
            "data_dir = \"data\"\nlisten = \"127.0.0.1:0\"\nlisten_quic = \"127.0.0.1:0\"\n",
            "`listen_quic`: expected `tls`",
        ),
        (["rollup", "run"], "name = \"a\"\nkind = \"casino\"\n", "expected `ledger` or `counter`"),
    ] {
        fs::write(&file, text).unwrap();
        let (code, message) = refused(sinter(&words).arg("--config").arg(&file));
        assert!(code == Some(2) && message.contains(expected), "{words:?}: expected {expected:?} in {message}");
    }
    let (code, message) = refused(sinter(&["rollup", "run", "--config"]).arg(directory.path().join("none.toml")));
    assert!(code == Some(2) && message.contains("none.toml"), "{message}");
}

#[test]
fn evidence_is_checked_offline() {
    let network = sinter_primitives::testkit::Network::new(4);
    let directory = tempfile::tempdir().unwrap();
    let chain = directory.path().join("chain.toml");
    fs::write(&chain, &network.chain_toml).unwrap();
    let vote = |seat: usize, byte: u8| {
        let choice = Choice::Finalize { parent_view: 6, payload: Digest([byte; 32]) };
        let message = choice.message(&network.chain.hash, 0, 7);
        SignedVote { choice, signature: network.sign(seat, &message) }
    };
    let bls_key = network.chain.committee.seats()[2].bls_key;
    let sound =
        Evidence { chain_hash: network.chain.hash, epoch: 0, view: 7, bls_key, votes: [vote(2, 1), vote(2, 2)] };
    let file = directory.path().join("evidence.json");
    let verify = |evidence: &str| {
        fs::write(&file, evidence).unwrap();
        output(sinter(&["evidence", "verify"]).arg(&file).arg("--chain").arg(&chain))
    };
    let run = verify(&serde_json::to_string_pretty(&sound).unwrap());
    assert!(run.status.success(), "{}", errors(&run));
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(said.starts_with("epoch 0 view 7: seat 2 of chain.toml's committee, key 0x"), "{said}");

    let forged = Evidence { votes: [vote(2, 1), vote(3, 2)], ..sound };
    let run = verify(&serde_json::to_string(&forged).unwrap());
    assert_eq!(run.status.code(), Some(3));
    assert!(errors(&run).contains("expected the key's signature over vote 1"), "{}", errors(&run));
    for (text, expected) in [("{}", "missing field"), (&" ".repeat(5_000), "expected evidence of at most 4096 bytes")] {
        let run = verify(text);
        assert_eq!(run.status.code(), Some(2));
        assert!(errors(&run).contains(expected), "{}", errors(&run));
    }
}
