//! `sinter keys` and `sinter signer`, as an operator runs them, killed where it hurts.

use crate::{
    commands::chain_file,
    process::{Guarded, errors, output, sinter, wait_until},
};
use sinter_primitives::{Chain, Digest};
use sinter_sequencer::{
    keys,
    signer::{Answer, Refusal, Request, SIGNATURE_BYTES, Session},
    votes::{Choice, Vote},
};
use std::{
    fs,
    io::{Read, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn secret(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn text(command: &mut Command) -> String {
    let run = output(command);
    assert!(run.status.success(), "{}", errors(&run));
    String::from_utf8(run.stdout).unwrap()
}

#[test]
fn keys_are_made_encrypted_and_shown_without_their_secrets() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    secret(&dir.path().join("passphrase"), "correct horse battery staple\n");
    let (out, passphrase) = (path("keys"), path("passphrase"));
    let made = text(&mut sinter(&["keys", "new", "--out", &out, "--passphrase-file", &passphrase]));
    let (file, node_file) = (format!("{out}/bls.key"), format!("{out}/node.key"));
    let show = ["keys", "show", &file, "--passphrase-file", &passphrase];
    let shown = text(&mut sinter(&show));
    assert!(made.contains("node_key = \"0x") && made.ends_with(&shown), "{made}\n{shown}");
    let address = ["--node-key-file", &node_file, "--address", "node.example.org:7000"];
    let seat: toml::Table = text(sinter(&show).args(address)).parse().unwrap();
    let (seat, shown) = (&seat["seats"][0], shown.parse::<toml::Table>().unwrap());
    assert_eq!((&seat["bls_key"], &seat["proof_of_possession"]), (&shown["bls_key"], &shown["proof_of_possession"]));
    // The same key in the same place is never made twice, and without a passphrase nothing is shown.
    let again = output(&mut sinter(&["keys", "new", "--out", &out, "--passphrase-file", &passphrase]));
    assert_eq!(again.status.code(), Some(2));
    let unasked = output(&mut sinter(&["keys", "show", &file]));
    assert_eq!(unasked.status.code(), Some(2));
    let expected =
        "expected a passphrase file, the systemd credential `bls-passphrase`, or a terminal to ask at, got none";
    assert!(errors(&unasked).contains(expected), "{}", errors(&unasked));
    secret(&dir.path().join("passphrase"), "wrong");
    let wrong = output(&mut sinter(&show));
    assert_eq!(errors(&wrong).trim_end(), format!("error: key file {file}: keystore: the passphrase does not open it"));
}

struct Signer {
    _directory: tempfile::TempDir,
    home: PathBuf,
    hello: Request,
}

impl Signer {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let home = directory.path().to_path_buf();
        let chain = Chain::parse(&fs::read(chain_file(&home)).unwrap()).unwrap();
        let key = keys::read_bls_key(&home.join("keys-1/bls.key"), None).unwrap();
        let key = hex::decode(keys::bls_public_hex(&key)).unwrap().try_into().unwrap();
        let config = format!(
            "key_file = \"keys-1/bls.key\"\ndata_dir = \"signer\"\nchains = [\"chain.toml\"]\nlisten = \"unix:{}\"\n",
            home.join("socket").display()
        );
        fs::write(home.join("signer.toml"), config).unwrap();
        Self {
            _directory: directory,
            home,
            hello: Request::Hello { chain: chain.hash, key, session: Session([1; 16]) },
        }
    }

    fn start(&self) -> Guarded {
        let mut command = sinter(&["signer", "run", "--config"]);
        let child = command.arg(self.home.join("signer.toml")).stderr(Stdio::null()).spawn().unwrap();
        wait_until("the signer listens", PATIENCE, || UnixStream::connect(self.home.join("socket")).is_ok());
        Guarded(child)
    }

    fn connect(&self) -> UnixStream {
        let mut stream = UnixStream::connect(self.home.join("socket")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(ask(&mut stream, &self.hello), Answer::Welcome);
        stream
    }

    fn journal_bytes(&self) -> u64 {
        fs::metadata(self.home.join("signer/votes.journal")).unwrap().len()
    }
}

fn say(stream: &mut UnixStream, request: &Request) {
    let message = request.encode();
    let length = u16::try_from(message.len()).unwrap();
    stream.write_all(&[length.to_be_bytes().as_slice(), &message].concat()).unwrap();
}

fn ask(stream: &mut UnixStream, request: &Request) -> Answer {
    say(stream, request);
    let mut length = [0; 2];
    stream.read_exact(&mut length).unwrap();
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message).unwrap();
    Answer::decode(&message).unwrap()
}

fn notarize(view: u64, payload: u8) -> Request {
    let choice = Choice::Notarize { parent_view: view - 1, payload: Digest([payload; 32]) };
    Request::Sign(Vote { epoch: 0, view, choice })
}

/// Killed as soon as the vote is in its journal, a signer has at most answered; so it must not sign another.
#[test]
fn a_signer_that_is_killed_between_journal_and_answer_does_not_sign_again() {
    let signer = Signer::new();
    for view in 1..=5 {
        let mut process = signer.start();
        let mut stream = signer.connect();
        let before = signer.journal_bytes();
        say(&mut stream, &notarize(view, 1));
        while signer.journal_bytes() == before {
            std::hint::spin_loop();
        }
        process.0.kill().unwrap();
        process.0.wait().unwrap();
        drop(process);

        let _process = signer.start();
        let mut stream = signer.connect();
        let refused = ask(&mut stream, &notarize(view, 2));
        assert!(matches!(refused, Answer::Refused(Refusal::Excluded { .. })), "view {view}: {refused:?}");
        let Answer::Signed(signature) = ask(&mut stream, &notarize(view, 1)) else { panic!("view {view}") };
        assert_ne!(signature, [0; SIGNATURE_BYTES]);
    }
}

#[test]
fn a_second_signer_on_the_same_directory_is_refused() {
    let signer = Signer::new();
    let _process = signer.start();
    let run = output(sinter(&["signer", "run", "--config"]).arg(signer.home.join("signer.toml")));
    assert_eq!(run.status.code(), Some(2));
    assert!(errors(&run).contains("another signer runs on this directory"), "{}", errors(&run));
}

#[test]
fn a_configuration_that_fits_no_listener_is_named() {
    let signer = Signer::new();
    let file = signer.home.join("signer.toml");
    let good = fs::read_to_string(&file).unwrap();
    let tls = good.replace(&format!("unix:{}", signer.home.join("socket").display()), "tls://127.0.0.1:7400");
    for (text, expected) in [
        (format!("{good}nodes = [\"0x{}\"]\n", "d7".repeat(32)), "expected neither on a unix socket"),
        (tls.clone(), "`tls_key_file`: expected one where `listen` is tls://, got none"),
        (format!("{tls}tls_key_file = \"keys-1/node.key\"\n"), "`nodes`: expected at least one node key"),
        (
            format!("{tls}tls_key_file = \"keys-1/node.key\"\nnodes = [\"12\"]\n"),
            "expected public node keys of 64 hex digits",
        ),
        (good.replace("chains = [\"chain.toml\"]", "chains = []"), "`chains`: expected at least one chain.toml"),
        (good.replace("unix:/", "/"), "expected `unix:/path` or `tls://host:port`"),
    ] {
        fs::write(&file, text).unwrap();
        let run = output(sinter(&["signer", "run", "--config"]).arg(&file));
        assert_eq!(run.status.code(), Some(2), "{expected}");
        assert!(errors(&run).contains(expected), "{expected}: {}", errors(&run));
    }
}
