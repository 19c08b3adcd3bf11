//! The node's side: a voter whose key is elsewhere.
//!
//! `Scheme::sign` is synchronous, so one thread has the connection, and whoever needs a signature waits for it, at most
//! [`RemoteConfig::timeout`]; then the node abstains. While the signer is away nobody waits: a vote tries to connect again
//! once the last failure is long enough ago, and abstains at once before that.

use super::{
    link::{ALPN, Endpoint, LinkError, Stream, receive, send},
    message::{Answer, KEY_BYTES, Refusal, Request, Session},
};
use crate::{
    keys::BlsPublic,
    scheme::{Ballot, Signature, Voter},
    telemetry,
    tls::{Identity, SERVER_NAME},
    votes::Vote,
};
use commonware_codec::{Copying, DecodeExt as _, Encode as _};
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use metrics::counter;
use rustls::pki_types::ServerName;
use sinter_primitives::{
    Digest,
    reveals::{Mix, REVEAL_BYTES, Term},
};
use std::{
    fmt, io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpStream, UnixStream},
    runtime::Runtime,
};
use tokio_rustls::TlsConnector;
use tracing::{info, warn};

/// Votes that wait for the signer at most. Consensus asks for one at a time.
const REQUESTS_MAX: usize = 16;
/// Time to connect when the node starts, which no vote waits for.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause after a failure, doubled with each that follows.
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// What a node needs to reach its signer.
#[derive(Clone)]
pub struct RemoteConfig {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// The ed25519 key that it proves over TLS; nothing for a socket.
    pub signer_key: Option<PublicKey>,
    /// What the node proves to it.
    pub node_key: PrivateKey,
    /// The network.
    pub chain: Digest,
    /// The BLS key that is to sign: the seat's.
    pub bls_key: BlsPublic,
    /// A vote that is not signed by then is not cast.
    pub timeout: Duration,
}

/// Why a node cannot vote through its signer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The signer will never sign what this node asks for.
    #[error("`bls_signer`: {endpoint}: {refusal}")]
    Refused {
        /// The signer.
        endpoint: Endpoint,
        /// What it says.
        refusal: Refusal,
    },
    /// No thread or TLS identity for it.
    #[error("`bls_signer`: {endpoint}: {source}")]
    Start {
        /// The signer.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
}

/// Votes with a key that a signer has.
pub struct RemoteVoter {
    endpoint: Endpoint,
    bls_key: BlsPublic,
    timeout: Duration,
    requests: SyncSender<Asked>,
}

/// A vote or a reveal on its way to the signer.
struct Asked {
    question: Question,
    deadline: Instant,
    answer: SyncSender<Signature>,
}

#[derive(Clone, Copy, Debug)]
enum Question {
    Vote(Vote),
    Reveal(Mix, Term),
}

impl Question {
    fn request(self) -> Request {
        match self {
            Self::Vote(vote) => Request::Sign(vote),
            Self::Reveal(mix, at) => Request::Reveal(mix, at),
        }
    }
}

impl RemoteVoter {
    /// Connects. A signer that cannot be reached is no error: the node abstains until it can.
    ///
    /// # Errors
    /// [`RemoteError`] when the signer turns this node away for good.
    pub fn start(config: RemoteConfig) -> Result<Self, RemoteError> {
        let RemoteConfig { endpoint, bls_key, timeout, .. } = config.clone();
        let failed = |source| RemoteError::Start { endpoint: endpoint.clone(), source };
        let mut link = Link::new(config).map_err(failed)?;
        if let Err(LinkFailure::Refused(refusal)) = link.connect(Instant::now() + START_TIMEOUT) {
            return Err(RemoteError::Refused { endpoint, refusal });
        }
        let (requests, asked) = sync_channel(REQUESTS_MAX);
        thread::Builder::new().name("bls-signer".into()).spawn(move || link.run(&asked)).map_err(failed)?;
        Ok(Self { endpoint, bls_key, timeout, requests })
    }

    fn ask(&self, question: Question) -> Option<Signature> {
        let (answer, answered) = sync_channel(1);
        let asked = Asked { question, deadline: Instant::now() + self.timeout, answer };
        // A thread that has not come round to earlier questions will not come to this one in time.
        self.requests.try_send(asked).ok().and_then(|()| answered.recv_timeout(self.timeout).ok())
    }
}

impl fmt::Debug for RemoteVoter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteVoter").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Voter for RemoteVoter {
    fn public(&self) -> BlsPublic {
        self.bls_key
    }

    fn sign(&self, vote: &Vote) -> Option<Signature> {
        let signature = self.ask(Question::Vote(*vote));
        if signature.is_none() {
            counter!(telemetry::VOTES_ABSTAINED).increment(1);
        }
        signature
    }

    fn reveal(&self, mix: &Mix, at: Term) -> Option<[u8; REVEAL_BYTES]> {
        let signature = self.ask(Question::Reveal(*mix, at))?;
        let mut reveal = [0; REVEAL_BYTES];
        reveal.copy_from_slice(&signature.encode());
        Some(reveal)
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum LinkFailure {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("{0}")]
    Refused(Refusal),
    #[error("no answer in time")]
    TimedOut,
    #[error("an answer to another question")]
    OutOfTurn,
    #[error("a signature that is not the key's")]
    WrongSignature,
}

impl From<io::Error> for LinkFailure {
    fn from(error: io::Error) -> Self {
        Self::Link(error.into())
    }
}

/// The connection, and when to try for another.
struct Link {
    config: RemoteConfig,
    tls: Option<TlsConnector>,
    ballot: Ballot,
    session: Session,
    runtime: Runtime,
    stream: Option<Box<dyn Stream>>,
    retry_at: Instant,
    backoff: Duration,
}

impl Link {
    fn new(config: RemoteConfig) -> io::Result<Self> {
        let tls = match &config.signer_key {
            None => None,
            Some(signer) => {
                let identity = Identity::new(&config.node_key, ALPN.to_vec()).map_err(io::Error::other)?;
                Some(TlsConnector::from(Arc::new(identity.client(signer).map_err(io::Error::other)?)))
            }
        };
        Ok(Self {
            ballot: Ballot::new(&config.chain),
            config,
            tls,
            session: Session::random(),
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build()?,
            stream: None,
            retry_at: Instant::now(),
            backoff: BACKOFF_MIN,
        })
    }

    /// Answers until nobody can ask any more.
    fn run(mut self, asked: &Receiver<Asked>) {
        while let Ok(Asked { question, deadline, answer }) = asked.recv() {
            // Who asked has given up: the vote need not be on the signer's record.
            if Instant::now() >= deadline {
                continue;
            }
            if let Some(signature) = self.sign(question, deadline) {
                // Nobody waits for it any more: it is as if it was not signed, and will be asked for again if it matters.
                let _ = answer.send(signature);
            }
        }
    }

    fn sign(&mut self, question: Question, deadline: Instant) -> Option<Signature> {
        // A connection that was idle may have ended unseen, which the second attempt makes good.
        for _ in 0..2 {
            let was_open = self.stream.is_some();
            if !was_open && (Instant::now() < self.retry_at || self.connect(deadline).is_err()) {
                return None;
            }
            match self.exchange(&question.request(), deadline).and_then(|answer| self.accept(question, &answer)) {
                Ok(signature) => return Some(signature),
                Err(LinkFailure::Refused(refusal)) => {
                    match question {
                        Question::Vote(vote) => warn!(?vote, %refusal, "the signer refused a vote"),
                        Question::Reveal(_, at) => warn!(?at, %refusal, "the signer refused a reveal"),
                    }
                    return None;
                }
                Err(LinkFailure::Link(error)) if was_open => {
                    info!(%error, "the connection to the signer ended");
                    self.stream = None;
                }
                Err(failure) => {
                    self.lost(&failure);
                    return None;
                }
            }
        }
        None
    }

    fn accept(&self, question: Question, answer: &Answer) -> Result<Signature, LinkFailure> {
        let bytes = match answer {
            Answer::Signed(bytes) => bytes,
            Answer::Refused(refusal) => return Err(LinkFailure::Refused(*refusal)),
            Answer::Welcome => return Err(LinkFailure::OutOfTurn),
        };
        // Peers cut off whoever sends a vote that does not verify, and a block with such a reveal is invalid.
        let signature = Signature::decode(Copying(bytes.as_slice())).map_err(|_| LinkFailure::WrongSignature)?;
        let key = &self.config.bls_key;
        let verifies = match &question {
            Question::Vote(vote) => self.ballot.verify(key, vote, &signature),
            Question::Reveal(mix, at) => self.ballot.verify_reveal(key, (mix, *at), &signature),
        };
        if verifies { Ok(signature) } else { Err(LinkFailure::WrongSignature) }
    }

    /// One attempt to connect, with all that follows from its failure.
    fn connect(&mut self, deadline: Instant) -> Result<(), LinkFailure> {
        let attempt = self.try_connect(deadline);
        match &attempt {
            Ok(()) => {
                info!(endpoint = %self.config.endpoint, "connected to the signer");
                self.backoff = BACKOFF_MIN;
            }
            Err(failure) => self.lost(failure),
        }
        attempt
    }

    fn try_connect(&mut self, deadline: Instant) -> Result<(), LinkFailure> {
        let (endpoint, tls) = (&self.config.endpoint, &self.tls);
        let stream = self.runtime.block_on(async {
            // Name resolution, TCP and TLS together.
            tokio::time::timeout_at(deadline.into(), open(endpoint, tls.as_ref())).await
        });
        self.stream = Some(stream.map_err(|_| LinkFailure::TimedOut)??);
        let mut key = [0; KEY_BYTES];
        key.copy_from_slice(&self.config.bls_key.encode());
        let hello = Request::Hello { chain: self.config.chain, key, session: self.session };
        match self.exchange(&hello, deadline)? {
            Answer::Welcome => Ok(()),
            Answer::Refused(refusal) => Err(LinkFailure::Refused(refusal)),
            Answer::Signed(_) => Err(LinkFailure::OutOfTurn),
        }
    }

    fn exchange(&mut self, request: &Request, deadline: Instant) -> Result<Answer, LinkFailure> {
        let stream = self.stream.as_mut().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected))?;
        let answered = self.runtime.block_on(async {
            let exchanged = async {
                send(stream.as_mut(), &request.encode()).await?;
                receive(stream.as_mut(), deadline.saturating_duration_since(Instant::now())).await
            };
            // Made here, since a timer has to know its runtime.
            tokio::time::timeout_at(deadline.into(), exchanged).await
        });
        let message = answered.map_err(|_| LinkFailure::TimedOut)??;
        Ok(Answer::decode(&message).map_err(LinkError::from)?)
    }

    /// After a failure the connection may hold the answer to an old question: only a new one is of use.
    fn lost(&mut self, failure: &LinkFailure) {
        warn!(endpoint = %self.config.endpoint, error = %failure, "the signer is away: this node abstains");
        self.stream = None;
        self.retry_at = Instant::now() + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF_MAX);
    }
}

async fn open(endpoint: &Endpoint, tls: Option<&TlsConnector>) -> Result<Box<dyn Stream>, LinkFailure> {
    match (endpoint, tls) {
        (Endpoint::Unix(path), _) => Ok(Box::new(UnixStream::connect(path).await?)),
        (Endpoint::Tls(address), Some(tls)) => {
            let stream = TcpStream::connect(address.as_str()).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
            Ok(Box::new(tls.connect(name, stream).await?))
        }
        (Endpoint::Tls(_), None) => Err(io::Error::other("no key of the signer is known").into()),
    }
}
