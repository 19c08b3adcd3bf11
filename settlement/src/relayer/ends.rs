//! The ends of epochs, from hand-overs, each of which is checked, to what a relayer posts.

use sinter_primitives::{
    Committee,
    hand_over::{HandOver, HandOverError},
    receipt::{CertifiedHeader, TrustedNetwork},
};
use std::sync::Arc;

/// Ends that are kept below what the contract has: the L1 may take back a few, and the committees that the last two name may not be open.
const ENDS_BELOW: usize = 8;
/// Ends that are kept above it: whoever was away for long catches up in steps of as many.
const ENDS_ABOVE: usize = 16;

/// The end of an epoch, checked by whoever made this.
#[derive(Clone, Debug)]
pub struct EpochEnd {
    /// The epoch's last header.
    pub last: CertifiedHeader,
    /// The committee that it names, of the epoch after the next, unless that is the next one's already: then the contract has its keys.
    pub opens: Option<Committee>,
}

/// The ends of consecutive epochs, as few as the contract's state allows.
///
/// Whoever adds to them asks first for what they [wait](Ends::waits_for): then they are 24 at most, however many epochs were missed.
#[derive(Clone, Debug)]
pub struct Ends {
    trusted: TrustedNetwork,
    from_epoch: u64,
    kept: Vec<Arc<EpochEnd>>,
}

impl Ends {
    /// None yet: what comes is checked from the committees that are trusted on, and kept if a contract may lack it whose newest epoch is
    /// `newest_epoch`.
    #[must_use]
    pub const fn new(trusted: TrustedNetwork, newest_epoch: u64) -> Self {
        // Eight, so it fits.
        Self { trusted, from_epoch: newest_epoch.saturating_sub(ENDS_BELOW as u64), kept: Vec::new() }
    }

    /// The committees that are known after the last end.
    #[must_use]
    pub const fn trusted(&self) -> &TrustedNetwork {
        &self.trusted
    }

    /// The ends that are kept, ascending.
    #[must_use]
    pub fn kept(&self) -> &[Arc<EpochEnd>] {
        &self.kept
    }

    /// Takes the end of the first of the two epochs that are known.
    ///
    /// # Errors
    /// [`HandOverError`], the first thing that does not hold; then nothing has changed.
    pub fn take(&mut self, end: &HandOver) -> Result<(), HandOverError> {
        let before = self.trusted.next.digest();
        self.trusted.hand_over(end)?;
        let HandOver { header, certificate, .. } = *end;
        if header.epoch >= self.from_epoch {
            let named = &self.trusted.next;
            let opens = (named.digest() != before).then(|| named.clone());
            self.kept.push(Arc::new(EpochEnd { last: CertifiedHeader { header, certificate }, opens }));
        }
        Ok(())
    }

    /// Forgets the ends that a contract has had for long whose head is at `height`.
    pub fn forget(&mut self, height: u64) {
        let below = self.kept.iter().take_while(|end| end.last.header.height <= height).count();
        self.kept.drain(..below.saturating_sub(ENDS_BELOW));
    }

    /// The height that the contract's head should have reached before another end is taken; `None` while there is room.
    #[must_use]
    pub fn waits_for(&self) -> Option<u64> {
        let crowded = self.kept.len().checked_sub(ENDS_ABOVE)?;
        self.kept.get(crowded).map(|end| end.last.header.height)
    }
}
