//! The state that a statement begins and ends in.

use p3_field::PrimeField32;
use serde::{Deserialize, Serialize};
use sinter_machine::WORD;
use sinter_primitives::inbox::{Domain, Words};
use sinter_primitives::{Accumulator, accumulator, poseidon2};
use sinter_program::F;

/// The sponge's tag for a state.
pub const TAG_STATE: u32 = 7;
/// Words of a state.
pub const STATE_WORDS: usize = 5;

/// A digest, or eight elements that stand for one.
pub type Digest = [F; WORD];

/// Everything that a statement takes over from the one before: the rollup's own state, as one word, and how much of the order
/// and of the inbox has been consumed.
///
/// Its digest is `sponge(STATE = 7, 40, domain ‖ application ‖ accumulator ‖ inbox hash ‖ position)`, where the position is
/// `height (3) ‖ offset ‖ elements ‖ entries: bits 0–23, 24–47 ‖ 0`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Which settlement contract it is for: [`Domain::digest`].
    #[serde(with = "digest_text")]
    pub domain: Digest,
    /// What the rollup makes of it: a word that stands for its own state.
    #[serde(with = "digest_text")]
    pub application: Digest,
    /// The namespace's accumulator after the block in which the state stands.
    #[serde(with = "digest_text")]
    pub accumulator: Digest,
    /// The inbox's rolling hash after the entries that were taken.
    #[serde(with = "digest_text")]
    pub inbox: Digest,
    /// The height of the block in which the state stands.
    pub height: u64,
    /// The elements of that block's stream that were consumed.
    pub offset: u32,
    /// The elements that the stream has.
    pub elements: u32,
    /// The inbox's entries that were taken.
    pub entries: u64,
}

impl State {
    /// The state of a rollup for which nothing was ordered yet.
    #[must_use]
    pub fn genesis(domain: &Domain, application: Digest) -> Self {
        let digest = from_words(&domain.digest());
        Self {
            domain: digest,
            application,
            accumulator: from_accumulator(&Accumulator::genesis(domain.chain_id, domain.namespace)),
            inbox: digest,
            height: 0,
            offset: 0,
            elements: 0,
            entries: 0,
        }
    }

    /// Whether everything in the block in which the state stands was consumed.
    #[must_use]
    pub const fn is_between_blocks(&self) -> bool {
        self.offset == self.elements
    }

    /// The last of its words.
    pub fn position(&self) -> Digest {
        let [h0, h1, h2] = accumulator::u64_elements(self.height);
        let [low, high, _] = accumulator::u64_elements(self.entries);
        [h0, h1, h2, self.offset, self.elements, low, high, 0].map(F::new)
    }

    /// What settles.
    pub fn digest(&self) -> Digest {
        let words: [Digest; STATE_WORDS] =
            [self.domain, self.application, self.accumulator, self.inbox, self.position()];
        sponge(TAG_STATE, words.as_flattened())
    }
}

/// The overwrite sponge over elements, its length their number.
pub fn sponge(tag: u32, elements: &[F]) -> Digest {
    let elements: Vec<u32> = elements.iter().map(F::as_canonical_u32).collect();
    poseidon2::sponge(tag, &elements).map(F::new)
}

/// The compression of two words. It binds only if one of them is fixed or a digest: see `Frame::hash` of the machine.
pub fn compress(left: &Digest, right: &Digest) -> Digest {
    poseidon2::compress(&left.map(|limb| limb.as_canonical_u32()), &right.map(|limb| limb.as_canonical_u32()))
        .map(F::new)
}

/// 32 bytes as eight elements.
pub fn from_words(words: &Words) -> Digest {
    from_accumulator(&Accumulator(*words))
}

/// Eight elements as 32 bytes.
#[must_use]
pub fn to_words(digest: &Digest) -> Words {
    Accumulator::from_elements(&digest.map(|limb| limb.as_canonical_u32())).0
}

pub(crate) fn from_accumulator(accumulator: &Accumulator) -> Digest {
    accumulator.elements().map(F::new)
}

/// A digest in files: 0x and 64 hex digits, each element canonical and big-endian. For `#[serde(with = "…")]`.
pub mod digest_text {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use sinter_primitives::Accumulator;

    use super::{Digest, from_accumulator, to_words};

    /// Writes it.
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
        Accumulator(to_words(digest)).serialize(serializer)
    }

    /// Reads it.
    ///
    /// # Errors
    /// When it is none, or an element is not canonical.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
        Ok(from_accumulator(&Accumulator::deserialize(deserializer)?))
    }
}
