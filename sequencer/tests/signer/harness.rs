//! A committee's first seat with its key behind a signer.

use crate::node::committee::Committee;
use commonware_codec::Encode as _;
use commonware_cryptography::{Signer as _, ed25519};
use sinter_primitives::Digest;
use sinter_sequencer::{
    consensus, keys,
    signer::{
        Answer, Endpoint, Keeper, KeeperError, Listener, RemoteConfig, RemoteError, RemoteVoter, Request, Session,
        TlsConfig, serve,
    },
    votes::{Choice, Vote},
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Longer than any answer takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct Fixture {
    pub committee: Committee,
    home: TempDir,
}

/// A signer in threads of its own, gone when it is dropped.
pub struct Running {
    pub endpoint: Endpoint,
    runtime: Option<Runtime>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // Waits for what is being written, so that the journal's lock is free.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(PATIENCE);
        }
    }
}

impl Fixture {
    pub fn new() -> Self {
        Self { committee: Committee::new(4), home: tempfile::tempdir().unwrap() }
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("signer")
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    pub fn key_file(&self) -> &Path {
        self.committee.configs[0].bls_key_file.as_deref().unwrap()
    }

    pub fn node_key(&self) -> ed25519::PrivateKey {
        keys::read_node_key(&self.committee.configs[0].node_key_file).unwrap()
    }

    pub fn keeper(&self, data_dir: &Path) -> Result<Keeper, KeeperError> {
        let key = keys::read_bls_key(self.key_file(), None).unwrap();
        Keeper::open(key, self.key_file(), data_dir, std::slice::from_ref(&self.committee.chain))
    }

    /// A signer on a socket.
    pub fn unix(&self) -> Running {
        let keeper = self.keeper(&self.data_dir()).unwrap();
        let socket = self.socket();
        self.run(keeper, async move { Listener::unix(&socket) })
    }

    /// A signer over TLS, for nodes with these keys.
    pub fn tls(&self, signer_key: ed25519::PrivateKey, nodes: Vec<ed25519::PublicKey>) -> Running {
        let keeper = self.keeper(&self.data_dir()).unwrap();
        self.run(keeper, async move { Listener::tls("127.0.0.1:0", TlsConfig { key: signer_key, nodes }).await })
    }

    fn run(
        &self,
        keeper: Keeper,
        listener: impl Future<Output = Result<Listener, sinter_sequencer::signer::SignerError>>,
    ) -> Running {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(listener).unwrap();
        let endpoint = listener.endpoint().clone();
        runtime.spawn(serve(keeper, listener));
        Running { endpoint, runtime: Some(runtime) }
    }

    /// What the seat's node is configured with, as a node that starts anew.
    pub fn remote(&self, endpoint: &Endpoint, signer_key: Option<ed25519::PublicKey>) -> RemoteConfig {
        let node_key = self.node_key();
        RemoteConfig {
            endpoint: endpoint.clone(),
            signer_key,
            chain: self.committee.chain.hash,
            bls_key: consensus::bls_key(&self.committee.chain.committee, &node_key.public_key()).unwrap(),
            node_key,
            timeout: PATIENCE,
        }
    }

    pub fn voter(&self) -> RemoteVoter {
        RemoteVoter::start(self.remote(&Endpoint::Unix(self.socket()), None)).unwrap()
    }

    pub fn refused(&self, change: impl FnOnce(&mut RemoteConfig)) -> RemoteError {
        let mut config = self.remote(&Endpoint::Unix(self.socket()), None);
        change(&mut config);
        RemoteVoter::start(config).unwrap_err()
    }

    /// A connection that has said hello.
    pub fn connect(&self) -> Raw {
        let mut raw = Raw(UnixStream::connect(self.socket()).unwrap());
        raw.0.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(raw.ask(&self.hello().encode()), Some(Answer::Welcome));
        raw
    }

    pub fn hello(&self) -> Request {
        let key = keys::read_bls_key(self.key_file(), None).unwrap();
        let key = keys::bls_public(&key).encode().as_ref().try_into().unwrap();
        Request::Hello { chain: self.committee.chain.hash, key, session: Session::random() }
    }
}

/// A connection on which anything can be said.
pub struct Raw(pub UnixStream);

impl Raw {
    pub fn say(&mut self, message: &[u8]) {
        let length = u16::try_from(message.len()).unwrap();
        // The signer may have hung up already.
        let _ = self.0.write_all(&[length.to_be_bytes().as_slice(), message].concat());
    }

    /// The next answer, or none when the signer hangs up.
    pub fn hear(&mut self) -> Option<Answer> {
        let mut length = [0; 2];
        self.0.read_exact(&mut length).ok()?;
        let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
        self.0.read_exact(&mut message).ok()?;
        Some(Answer::decode(&message).unwrap())
    }

    pub fn ask(&mut self, message: &[u8]) -> Option<Answer> {
        self.say(message);
        self.hear()
    }
}

pub fn notarize(view: u64, payload: u8) -> Vote {
    vote(view, Choice::Notarize { parent_view: view - 1, payload: Digest([payload; 32]) })
}

pub fn finalize(view: u64, payload: u8) -> Vote {
    vote(view, Choice::Finalize { parent_view: view - 1, payload: Digest([payload; 32]) })
}

pub fn nullify(view: u64) -> Vote {
    vote(view, Choice::Nullify)
}

fn vote(view: u64, choice: Choice) -> Vote {
    Vote { epoch: 0, view, choice }
}
