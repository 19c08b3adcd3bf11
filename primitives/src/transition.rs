//! What a rollup's statement claims: the part of it that the rollup's contract and its prover share.

use crate::{Accumulator, accumulator::u64_elements, hexadecimal, inbox::Words};
use serde::{Deserialize, Serialize};

/// Bytes of a statement's public values.
pub const PUBLIC_VALUES_BYTES: usize = 256;

/// What a statement of a rollup's program claims. `Transitions.sol` and docs/settlement.md have its 64
/// public values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// Which settlement contract it is for: [`crate::inbox::Domain::digest`].
    #[serde(with = "hexadecimal::array")]
    pub domain: Words,
    /// The digest of the state before.
    #[serde(with = "hexadecimal::array")]
    pub state_before: Words,
    /// The digest of the state after.
    #[serde(with = "hexadecimal::array")]
    pub state_after: Words,
    /// The namespace's accumulator after the block in which the cursor stands.
    pub accumulator: Accumulator,
    /// The inbox's rolling hash over the entries consumed.
    #[serde(with = "hexadecimal::array")]
    pub inbox_rolling: Words,
    /// The root over this statement's own withdrawals; zeros for none.
    #[serde(with = "hexadecimal::array")]
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

/// Why bytes are no public values of a statement of a rollup.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("public values: expected the {PUBLIC_VALUES_BYTES} bytes of a transition, got {got} bytes of something else")]
pub struct TransitionError {
    /// How many there are.
    pub got: usize,
}

impl Transition {
    /// What public values claim: what [`Transition::public_values`] makes these bytes of, and nothing else.
    ///
    /// # Errors
    /// [`TransitionError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TransitionError> {
        let refused = TransitionError { got: bytes.len() };
        let values: &[u8; PUBLIC_VALUES_BYTES] = bytes.try_into().map_err(|_| refused.clone())?;
        let (words, _) = values.as_chunks::<32>();
        let integer = |at: usize| {
            let (elements, _) = values[at..at + 12].as_chunks::<4>();
            let [low, middle, high] = [0, 1, 2].map(|element| u64::from(u32::from_be_bytes(elements[element])));
            low | middle << 24 | high << 48
        };
        let transition = Self {
            domain: words[0],
            state_before: words[1],
            state_after: words[2],
            accumulator: Accumulator(words[3]),
            inbox_rolling: words[4],
            withdrawals_root: words[5],
            height: integer(192),
            offset: integer(204),
            inbox_entries: integer(224),
            withdrawals: integer(236),
        };
        // One transition has one form: what is left of other bytes does not encode to them again.
        if transition.public_values() == *values { Ok(transition) } else { Err(refused) }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_values_are_read_back_and_nothing_else_is() {
        let transition = Transition {
            domain: [1; 32],
            state_before: [2; 32],
            state_after: [3; 32],
            accumulator: Accumulator([4; 32]),
            inbox_rolling: [5; 32],
            withdrawals_root: [6; 32],
            height: u64::MAX - 1,
            offset: 1 << 40,
            inbox_entries: 77,
            withdrawals: 1 << 24,
        };
        let bytes = transition.public_values();
        assert_eq!(Transition::decode(&bytes), Ok(transition));
        assert_eq!(Transition::decode(&bytes[1..]), Err(TransitionError { got: 255 }));
        // The last byte of each integer's first element, which has only 24 bits, and bytes that belong to no field.
        for at in [192, 204, 224, 236, 216, 223, 248, 255] {
            let mut altered = bytes;
            altered[at] = 1;
            assert!(Transition::decode(&altered).is_err(), "byte {at}");
        }
    }
}
