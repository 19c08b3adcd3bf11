//! Tells peers of new evidence, and takes in theirs.

use super::EvidenceStore;
use crate::committees::Committees;
use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select_loop;
use commonware_p2p::{Blocker, Receiver, Recipients, Sender};
use commonware_runtime::{Clock, ContextCell, Handle, IoBuf, Spawner, spawn_cell};
use sinter_primitives::{
    Digest,
    evidence::{EVIDENCE_BYTES_MAX, Evidence},
};
use std::fmt::Display;
use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, error, warn};

/// Most bytes of a message: evidence as JSON.
pub const MESSAGE_BYTES_MAX: usize = EVIDENCE_BYTES_MAX;

/// Passes evidence on.
pub struct Gossip<E, B> {
    context: ContextCell<E>,
    chain_hash: Digest,
    committees: Committees,
    store: EvidenceStore,
    blocker: B,
}

impl<E: Clock + Spawner, B: Blocker<PublicKey = PublicKey>> Gossip<E, B> {
    /// Gossip for the network with this hash.
    pub const fn new(context: E, chain_hash: Digest, committees: Committees, store: EvidenceStore, blocker: B) -> Self {
        Self { context: ContextCell::new(context), chain_hash, committees, store, blocker }
    }

    /// Starts it on the evidence channel. It ends with the runtime or the network.
    pub fn start(
        mut self,
        channel: (impl Sender<PublicKey = PublicKey>, impl Receiver<PublicKey = PublicKey>),
    ) -> Handle<()> {
        spawn_cell!(self.context, self.run(channel))
    }

    async fn run(
        mut self,
        (mut sender, mut receiver): (impl Sender<PublicKey = PublicKey>, impl Receiver<PublicKey = PublicKey>),
    ) {
        let mut news = self.store.subscribe();
        select_loop! {
            self.context,
            on_stopped => {
                debug!("evidence: shutdown");
            },
            new = news.recv() => match new {
                Ok(evidence) => match serde_json::to_vec(&evidence) {
                    // Where the network takes nothing now, others have seen the same, or this node's operator reports it.
                    Ok(message) => drop(sender.send(Recipients::All, message, false)),
                    Err(error) => error!(%error, "evidence: it has no text"),
                },
                Err(RecvError::Lagged(missed)) => warn!(missed, "evidence: some was not passed on"),
                Err(RecvError::Closed) => break,
            },
            message = receiver.recv() => match message {
                Ok((peer, message)) => self.receive(peer, &message),
                Err(error) => {
                    error!(%error, "evidence: the network is gone");
                    break;
                }
            },
        }
    }

    /// Takes in what a peer says.
    fn receive(&mut self, peer: PublicKey, message: &IoBuf) {
        if message.len() > MESSAGE_BYTES_MAX {
            let got = message.len();
            return self.fault(peer, &format_args!("expected at most {MESSAGE_BYTES_MAX} bytes, got {got}"));
        }
        let evidence: Evidence = match serde_json::from_slice(message.as_ref()) {
            Ok(evidence) => evidence,
            Err(error) => return self.fault(peer, &error),
        };
        if self.store.has(&evidence) {
            return;
        }
        // An honest peer may be some epochs behind or ahead: without the committee, nothing is known against it.
        let Some(seated) = self.committees.get(evidence.epoch) else { return };
        let checked =
            evidence.seat(&seated.committee).and_then(|seat| evidence.verify(&self.chain_hash).map(|()| seat));
        match checked {
            Ok(seat) => {
                let (epoch, view) = (evidence.epoch, evidence.view);
                error!(seat, epoch, view, %peer, "a seat signed two votes that exclude each other, as a peer proves");
                if let Err(problem) = self.store.put(&evidence) {
                    error!(epoch = evidence.epoch, %problem, "evidence was not kept");
                }
            }
            Err(error) => self.fault(peer, &error),
        }
    }

    /// No honest peer says that.
    fn fault(&mut self, peer: PublicKey, reason: &dyn Display) {
        commonware_p2p::block!(self.blocker, peer, %reason, "evidence: peer is at fault");
    }
}
