//! The remote signer: a small process that has the BLS key, signs votes for the nodes that may ask, and remembers what it signed.
//!
//! ```text
//!   simplex ──► Scheme::sign ──► RemoteVoter ══ unix socket, or TLS 1.3 ══► server ──► Keeper ──► key
//!                (abstains after a time-out)                                             └──► journal, synchronized
//! ```
//!
//! A node builds nothing that the signer signs blindly: it sends a vote's fields, and the signer builds the bytes. Before it
//! signs, it checks the vote against all that it signed (`ballots.rs`) and writes it down (`journal.rs`). So whatever nodes ask,
//! restored from whatever backup, however many at once, the key never signs two votes that prove misconduct. This is why a node
//! with a remote signer is not bound to one data directory ([`crate::mark`]): what must not be forgotten is not in it. The
//! signer's own directory is bound to the key, by the same marks.
//!
//! What the signer cannot see is whether a vote is *right*: a node that it trusts can have it notarize an invalid block.

mod ballots;
mod journal;
mod keeper;
mod link;
mod message;
mod remote;
mod server;

pub use journal::{JOURNAL, JournalError, RECORD_BYTES};
pub use keeper::{Keeper, KeeperError, SignError};
pub use link::{Endpoint, EndpointError};
pub use message::{
    Answer, KEY_BYTES, MESSAGE_BYTES_MAX, MessageError, Position, Refusal, Request, SIGNATURE_BYTES, Session, VERSION,
};
pub use remote::{RemoteConfig, RemoteError, RemoteVoter};
pub use server::{Listener, SignerError, TlsConfig, serve};
