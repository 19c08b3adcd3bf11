//! Keccak-256 over the bytes of words, and choices between words.

use p3_field::PrimeCharacteristicRing;

use super::{BitsSpec, Builder};
use crate::field::{F, LIMBS};
use crate::record::{Base, Bytes32, BytesRow, Ext, KeccakRow, Lane, NONE, Op, Shape, Word};
use crate::tables::keccak::INPUT_WORDS;

/// Bits of a limb of bytes.
const LIMB_BITS: usize = 16;
/// Bits of a byte.
const BYTE_BITS: usize = 8;

impl Builder {
    fn new_bytes(&mut self) -> [u32; 2] {
        [self.new_word(Shape::Full), self.new_word(Shape::Full)]
    }

    /// The bytes of a word's eight elements, each as a big-endian `u32` below p: one row of the Bytes table.
    pub fn bytes(&mut self, word: Word) -> Bytes32 {
        self.reads("bytes", word.0);
        let bytes = self.new_bytes();
        let row = self.bytes.len() as u32;
        self.bytes.push(BytesRow { word: word.0, bytes });
        self.push(Op::Bytes { row });
        Bytes32(bytes.map(Word))
    }

    /// Keccak-256 of two or three times 32 bytes: 24 rows of the Keccak table.
    pub fn keccak(&mut self, message: &[Bytes32]) -> Bytes32 {
        let digest = self.new_bytes();
        if !self.check_range("keccak", "parts", message.len(), 2, INPUT_WORDS / 2) {
            return Bytes32(digest.map(Word));
        }
        let mut words = [NONE; INPUT_WORDS];
        for (to, word) in words.iter_mut().zip(message.iter().flat_map(Bytes32::words)) {
            self.reads("keccak", word.0);
            *to = word.0;
        }
        let row = self.keccaks.len() as u32;
        self.keccaks.push(KeccakRow { message: words, digest });
        self.push(Op::Keccak { row });
        Bytes32(digest.map(Word))
    }

    /// `if_one` when `bit` is 1, `if_zero` when it is 0, all eight limbs; `bit` must be known to be a bit. Four operations,
    /// six windows at most.
    pub fn select_word(&mut self, bit: Base, if_one: Word, if_zero: Word) -> Word {
        // Limbs 0 to 4, and limbs 5 to 7 followed by zeros.
        let [low, high] = [0, 5].map(|k| {
            let (one, zero) = (self.ext_at(if_one, None, k), self.ext_at(if_zero, None, k));
            self.select(bit, one, zero)
        });
        let word = Word(self.new_word(Shape::Full));
        let lane = |limb| if limb < 5 { Lane::Limb(low.into(), limb) } else { Lane::Limb(high.into(), limb - 5) };
        let lanes: [Lane; LIMBS] = std::array::from_fn(lane);
        self.push(Op::Gather { word: word.0, lanes: Box::new(lanes) });
        for (k, half) in [(0, low), (5, high)] {
            let ours: Ext = self.ext_at(word, None, k);
            self.assert_eq(ours, half);
        }
        word
    }

    /// [`select_word`](Self::select_word) of both words.
    pub fn select_bytes(&mut self, bit: Base, if_one: Bytes32, if_zero: Bytes32) -> Bytes32 {
        Bytes32([0, 1].map(|half| self.select_word(bit, if_one.0[half], if_zero.0[half])))
    }

    /// The 16 limbs as numbers in which the first byte is the high one: 31 rows of the Bits table and three operations each.
    pub fn big_endian(&mut self, bytes: Bytes32) -> [Base; 2 * LIMBS] {
        let zero = self.zero();
        let byte = self.constant_base(F::from_u32(1 << BYTE_BITS));
        std::array::from_fn(|index| {
            let limb = self.pick(bytes.0[index / LIMBS], index % LIMBS);
            let spec = BitsSpec { len: LIMB_BITS, shifts: vec![BYTE_BITS], ..BitsSpec::default() };
            let bits = self.bits(limb, &spec);
            // Below 2^16 already; 31 bits are decomposed in any case, so that saying so costs nothing.
            self.assert_eq(bits.high, zero);
            let second = bits.shifted[0];
            let first = self.base_mul_sub_from(limb, second, byte);
            self.base_mul_add(first, byte, second)
        })
    }
}
