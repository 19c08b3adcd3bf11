//! What a rollup's statement claims: the part of it that the rollup's contract and its prover share.

use crate::{Accumulator, accumulator::u64_elements, inbox::Words};

/// Bytes of a statement's public values.
pub const PUBLIC_VALUES_BYTES: usize = 256;

/// What a statement of a rollup's program claims. `Transitions.sol` and docs/settlement.md have its 64
/// public values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Which settlement contract it is for: [`crate::inbox::Domain::digest`].
    pub domain: Words,
    /// The digest of the state before.
    pub state_before: Words,
    /// The digest of the state after.
    pub state_after: Words,
    /// The namespace's accumulator after the block in which the cursor stands.
    pub accumulator: Accumulator,
    /// The inbox's rolling hash over the entries consumed.
    pub inbox_rolling: Words,
    /// The root over this statement's own withdrawals; zeros for none.
    pub withdrawals_root: Words,
    /// The height of the block in which the cursor stands.
    pub height: u64,
    /// Elements of that block's stream ([`crate::accumulator`], step 1) that are consumed.
    pub offset: u64,
    /// Inbox entries consumed.
    pub inbox_entries: u64,
    /// Withdrawals under the root.
    pub withdrawals: u64,
}

impl Transition {
    /// The public values: 64 big-endian elements.
    #[must_use]
    pub fn public_values(&self) -> [u8; PUBLIC_VALUES_BYTES] {
        let mut bytes = [0; PUBLIC_VALUES_BYTES];
        let digests = [
            &self.domain,
            &self.state_before,
            &self.state_after,
            &self.accumulator.0,
            &self.inbox_rolling,
            &self.withdrawals_root,
        ];
        for (to, digest) in bytes.as_chunks_mut::<32>().0.iter_mut().zip(digests) {
            *to = *digest;
        }
        let integers = [(192, self.height), (204, self.offset), (224, self.inbox_entries), (236, self.withdrawals)];
        for (at, value) in integers {
            for (to, element) in bytes[at..at + 12].as_chunks_mut::<4>().0.iter_mut().zip(u64_elements(value)) {
                *to = element.to_be_bytes();
            }
        }
        bytes
    }
}
