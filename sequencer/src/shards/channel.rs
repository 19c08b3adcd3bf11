//! The blocks channel as marshal's broadcast sees it: whole blocks go in and come out.

use commonware_actor::{Feedback, Unreliable};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{CheckedSender, LimitedSender, Message, Receiver, Recipients};
use commonware_runtime::IoBufs;
use std::{num::NonZeroUsize, time::SystemTime};
use tokio::sync::mpsc;
use tracing::warn;

/// A block that is to be sent.
pub(super) struct Outgoing {
    pub recipients: Recipients<PublicKey>,
    pub block: IoBufs,
}

/// Takes blocks that are to be sent.
#[derive(Clone, Debug)]
pub struct Outbox(pub(super) mpsc::Sender<Outgoing>);

impl LimitedSender for Outbox {
    type PublicKey = PublicKey;
    type Checked<'a> = Addressed<'a>;

    /// Quotas are looked at where the messages are made.
    fn check(&mut self, recipients: Recipients<PublicKey>) -> Result<Addressed<'_>, SystemTime> {
        Ok(Addressed { outbox: self, recipients })
    }
}

/// An [`Outbox`] with who the next block is for.
pub struct Addressed<'a> {
    outbox: &'a Outbox,
    recipients: Recipients<PublicKey>,
}

impl CheckedSender for Addressed<'_> {
    type PublicKey = PublicKey;

    /// Those that are named; nobody is where it is for all.
    fn recipients(&self) -> Vec<PublicKey> {
        match &self.recipients {
            Recipients::All => Vec::new(),
            Recipients::Some(keys) => keys.clone(),
            Recipients::One(key) => vec![key.clone()],
        }
    }

    fn send(self, message: impl Into<IoBufs> + Send, _priority: bool) -> Unreliable<Feedback> {
        let outgoing = Outgoing { recipients: self.recipients, block: message.into() };
        match self.outbox.0.try_send(outgoing) {
            Ok(()) => Unreliable::new(Feedback::Ok),
            Err(mpsc::error::TrySendError::Full(_)) => {
                warn!("a block is not sent: too many wait to be");
                Unreliable::Rejected
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Unreliable::new(Feedback::Closed),
        }
    }
}

/// The actor has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the blocks channel is gone")]
pub struct Closed;

/// Gives blocks that came, whole or rebuilt, with who sent them.
#[derive(Debug)]
pub struct Inbox(pub(super) mpsc::Receiver<Message<PublicKey>>);

impl Receiver for Inbox {
    type Error = Closed;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, Closed> {
        self.0.recv().await.ok_or(Closed)
    }

    fn capacity(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.0.max_capacity()).unwrap_or(NonZeroUsize::MIN)
    }
}
