//! The signer's process: a key behind a socket.

use super::{
    keeper::{Keeper, KeeperError, SignError},
    link::{ALPN, Endpoint, LinkError, MESSAGE_TIMEOUT, Stream, receive, send},
    message::{Answer, MessageError, Request, SIGNATURE_BYTES},
};
use crate::tls::{Identity, Peers};
use commonware_codec::Encode as _;
use commonware_cryptography::ed25519::{PrivateKey, PublicKey};
use std::{
    fs, io,
    os::unix::{fs::FileTypeExt as _, net::UnixStream as BlockingStream},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

/// Connections at once; a node has one.
const CONNECTIONS_MAX: usize = 16;
/// A node that says nothing for so long is gone, or comes back.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// A socket is its owner's alone: 0600.
const SOCKET_UMASK: u32 = 0o177;
/// Time to wait after a connection could not be accepted, for want of file descriptors most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a signer did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// Its key or its journal cannot be used.
    #[error(transparent)]
    Keeper(#[from] KeeperError),
    /// Nobody can reach it.
    #[error("`listen`: {endpoint}: {source}")]
    Listen {
        /// Where it was to listen.
        endpoint: Endpoint,
        /// What the system says.
        source: io::Error,
    },
    /// Its key makes no TLS identity.
    #[error("TLS identity: {0}")]
    Tls(#[from] rustls::Error),
}

/// Who may ask over TLS, and what they know the signer by.
pub struct TlsConfig {
    /// The signer's own key.
    pub key: PrivateKey,
    /// The node keys of those who may ask.
    pub nodes: Vec<PublicKey>,
}

/// A bound socket.
pub struct Listener {
    socket: Socket,
    endpoint: Endpoint,
}

enum Socket {
    Unix(UnixListener),
    Tls(TcpListener, TlsAcceptor),
}

impl Listener {
    /// Binds a socket in the file system, which whoever may write to it may ask on: its owner alone. One that an earlier
    /// signer left behind is replaced.
    ///
    /// # Errors
    /// [`SignerError::Listen`].
    pub fn unix(path: &Path) -> Result<Self, SignerError> {
        let endpoint = Endpoint::Unix(path.into());
        let bind = || {
            remove_stale(path)?;
            // From the first moment on: a mode that is set afterwards comes too late.
            let before = rustix::process::umask(SOCKET_UMASK.into());
            let listener = UnixListener::bind(path);
            rustix::process::umask(before);
            listener
        };
        match bind() {
            Ok(listener) => Ok(Self { socket: Socket::Unix(listener), endpoint }),
            Err(source) => Err(SignerError::Listen { endpoint, source }),
        }
    }

    /// Binds a TCP socket, on which the listed nodes may ask.
    ///
    /// # Errors
    /// [`SignerError`].
    pub async fn tls(address: &str, config: TlsConfig) -> Result<Self, SignerError> {
        let identity = Identity::new(&config.key, ALPN.to_vec())?;
        let acceptor = TlsAcceptor::from(Arc::new(identity.server(Peers::These(config.nodes))?));
        let bound = TcpListener::bind(address).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let unbound = |source| SignerError::Listen { endpoint: Endpoint::Tls(address.into()), source };
        let (address, listener) = bound.map_err(unbound)?;
        Ok(Self { endpoint: Endpoint::Tls(address.to_string()), socket: Socket::Tls(listener, acceptor) })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "expected none or a socket, got another file"))
        }
        Ok(_) if BlockingStream::connect(path).is_ok() => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "somebody else listens there"))
        }
        Ok(_) => fs::remove_file(path),
    }
}

/// Signs for whoever may ask, until the future is dropped or the journal fails.
///
/// # Errors
/// [`SignerError::Keeper`] when a vote cannot be remembered: nothing can be signed then.
pub async fn serve(keeper: Keeper, listener: Listener) -> Result<(), SignerError> {
    info!(key = %hex::encode(keeper.public()), endpoint = %listener.endpoint, "signer started");
    let keeper = Arc::new(Mutex::new(keeper));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (fail, mut failed) = mpsc::channel(1);
    // Dropped, and with it every conversation, when this returns.
    let mut conversations = tokio::task::JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = conversations.join_next() => continue,
            Some(error) = failed.recv() => return Err(error),
        };
        let (stream, who) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "no connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            warn!(who, CONNECTIONS_MAX, "turned away: too many connections");
            continue;
        };
        let conversation = Conversation { keeper: keeper.clone(), who };
        let fail = fail.clone();
        conversations.spawn(async move {
            let _place = place;
            match conversation.hold(stream).await {
                Ok(()) => {}
                Err(End::Link(error)) => info!(who = conversation.who, %error, "connection ended"),
                Err(End::Keeper(error)) => {
                    // Whoever fails first says why the signer ends.
                    let _ = fail.try_send(error.into());
                }
            }
        });
    }
}

/// A connection that may still have to prove who it is.
enum Accepted {
    Open(Box<dyn Stream>),
    Tls(Box<tokio_rustls::Accept<tokio::net::TcpStream>>),
}

impl Listener {
    async fn accept(&self) -> io::Result<(Accepted, String)> {
        match &self.socket {
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept().await?;
                Ok((Accepted::Open(Box::new(stream)), self.endpoint.to_string()))
            }
            Socket::Tls(listener, acceptor) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Accepted::Tls(Box::new(acceptor.accept(stream))), address.to_string()))
            }
        }
    }
}

struct Conversation {
    keeper: Arc<Mutex<Keeper>>,
    who: String,
}

/// How a conversation ends.
enum End {
    Link(LinkError),
    Keeper(KeeperError),
}

impl<T: Into<LinkError>> From<T> for End {
    fn from(error: T) -> Self {
        Self::Link(error.into())
    }
}

impl Conversation {
    async fn hold(&self, accepted: Accepted) -> Result<(), End> {
        let mut stream = match accepted {
            Accepted::Open(stream) => stream,
            Accepted::Tls(handshake) => {
                let shaken = timeout(MESSAGE_TIMEOUT, *handshake).await;
                Box::new(shaken.map_err(|_| LinkError::Silent(MESSAGE_TIMEOUT))??) as Box<dyn Stream>
            }
        };
        let stream = stream.as_mut();
        let message = receive(stream, MESSAGE_TIMEOUT).await?;
        let Request::Hello { chain, key, session } = Request::decode(&message)? else {
            let length = message.len().saturating_sub(2);
            return Err(MessageError::Malformed { expected: "a hello", kind: message[1], length }.into());
        };
        let checked = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).check(&chain, &key);
        if let Err(refusal) = checked {
            warn!(who = self.who, %refusal, "turned away");
            return Ok(send(stream, &Answer::Refused(refusal).encode()).await?);
        }
        info!(who = self.who, %chain, session = hex::encode(session.0), "a node connected");
        send(stream, &Answer::Welcome.encode()).await?;
        loop {
            let message = receive(stream, IDLE_TIMEOUT).await?;
            let vote = match Request::decode(&message) {
                Ok(Request::Sign(vote)) => vote,
                Ok(Request::Reveal(mix, at)) => {
                    let revealed = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).reveal(&chain, &mix, at);
                    let answer = revealed.map_or_else(Answer::Refused, Answer::Signed);
                    send(stream, &answer.encode()).await?;
                    continue;
                }
                Ok(Request::Hello { .. }) => {
                    let length = message.len().saturating_sub(2);
                    return Err(MessageError::Malformed {
                        expected: "a vote or a reveal to sign",
                        kind: message[1],
                        length,
                    }
                    .into());
                }
                Err(error) => return Err(error.into()),
            };
            let keeper = self.keeper.clone();
            let signed = tokio::task::spawn_blocking(move || {
                keeper.lock().unwrap_or_else(PoisonError::into_inner).sign(chain, session, &vote)
            });
            let answer = match signed.await.map_err(io::Error::other)? {
                Ok(signature) => {
                    let mut bytes = [0; SIGNATURE_BYTES];
                    bytes.copy_from_slice(&signature.encode());
                    Answer::Signed(bytes)
                }
                Err(SignError::Refused(refusal)) => {
                    warn!(who = self.who, ?vote, %refusal, "refused to sign");
                    Answer::Refused(refusal)
                }
                Err(SignError::Journal(error)) => return Err(End::Keeper(error.into())),
            };
            send(stream, &answer.encode()).await?;
        }
    }
}

/// A socket's path is given back when nobody listens on it any more.
impl Drop for Listener {
    fn drop(&mut self) {
        if let Endpoint::Unix(path) = &self.endpoint {
            let path: &PathBuf = path;
            // The next signer replaces what cannot be removed.
            let _ = fs::remove_file(path);
        }
    }
}
