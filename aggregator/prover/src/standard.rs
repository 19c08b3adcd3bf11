//! Programs that nobody here wrote: Plonky3's own AIRs of Keccak-f, the Blake3 compression and Poseidon2, with traces
//! of as many permutations as wanted.
//!
//! | name | columns | rows a permutation | reads the next row |
//! |---|---|---|---|
//! | `keccak` | 2,633 | 24 | yes |
//! | `blake3` | 9,168 | 1 | no |
//! | `poseidon2` (KoalaBear, width 16, x³, Plonky3's constants) | 164 | 1 | no |
//!
//! None has public values: what is proved is that so many permutations were computed.

use p3_blake3_air::Blake3Air;
use p3_keccak_air::{KeccakAir, NUM_ROUNDS};
use p3_koala_bear::{
    GenericPoseidon2LinearLayersKoalaBear, KOALABEAR_POSEIDON2_HALF_FULL_ROUNDS, KOALABEAR_POSEIDON2_PARTIAL_ROUNDS_16,
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
    KOALABEAR_POSEIDON2_RC_16_INTERNAL,
};
use p3_matrix::dense::RowMajorMatrix;
use p3_poseidon2_air::{Poseidon2Air, RoundConstants};
use sinter_program::{
    Dag, DagAir, F, ParameterSet, Program, ProgramError, StatementLayout, dag::ExportError, dag::export,
};
use std::{fmt, str::FromStr};
use thiserror::Error;

const HALF_FULL_ROUNDS: usize = KOALABEAR_POSEIDON2_HALF_FULL_ROUNDS;
const PARTIAL_ROUNDS: usize = KOALABEAR_POSEIDON2_PARTIAL_ROUNDS_16;

/// Plonky3's AIR of the permutation that all of Sinter hashes with.
pub type KoalaBearPoseidon2Air =
    Poseidon2Air<F, GenericPoseidon2LinearLayersKoalaBear, 16, 3, 0, HALF_FULL_ROUNDS, PARTIAL_ROUNDS>;

/// The AIR of Poseidon2 with Plonky3's constants.
#[must_use]
pub fn poseidon2_air() -> KoalaBearPoseidon2Air {
    KoalaBearPoseidon2Air::new(poseidon2_constants())
}

fn poseidon2_constants() -> RoundConstants<F, 16, HALF_FULL_ROUNDS, PARTIAL_ROUNDS> {
    RoundConstants::new(
        KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
        KOALABEAR_POSEIDON2_RC_16_INTERNAL,
        KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL,
    )
}

/// One of Plonky3's AIRs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standard {
    /// Keccak-f\[1600\].
    Keccak,
    /// The compression of Blake3.
    Blake3,
    /// Poseidon2 over KoalaBear, of width 16.
    Poseidon2,
}

impl Standard {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Keccak, Self::Blake3, Self::Poseidon2];
    /// log2 of the greatest height that a trace is made for: it is for demonstrations and tests.
    pub const LOG_ROWS_MAX: u8 = 20;

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keccak => "keccak",
            Self::Blake3 => "blake3",
            Self::Poseidon2 => "poseidon2",
        }
    }

    /// Its AIR as data.
    ///
    /// # Errors
    /// As [`export`].
    pub fn dag(self) -> Result<Dag, ExportError> {
        match self {
            Self::Keccak => export(&KeccakAir {}),
            Self::Blake3 => export(&Blake3Air {}),
            Self::Poseidon2 => export(&poseidon2_air()),
        }
    }

    /// It alone as a program, at 2^`log_rows` rows.
    ///
    /// # Errors
    /// When that is too low or too high for the program, or for the parameters.
    pub fn program(self, log_rows: u8, parameters: ParameterSet) -> Result<Program, StandardError> {
        self.check(log_rows)?;
        let airs = vec![DagAir::new(self.dag()?)];
        Ok(Program::new(airs, vec![log_rows], parameters, StatementLayout::Raw, None)?)
    }

    /// Which of them a program is, if it is one: the same constraints, whoever wrote the file.
    #[must_use]
    pub fn of(program: &Program) -> Option<Self> {
        let [air] = program.airs() else { return None };
        let same = |standard: &Self| standard.dag().is_ok_and(|dag| dag == *air.dag());
        Self::ALL.into_iter().find(same)
    }

    fn check(self, log_rows: u8) -> Result<(), HeightError> {
        let min = if self == Self::Keccak { 5 } else { 0 };
        if (min..=Self::LOG_ROWS_MAX).contains(&log_rows) {
            return Ok(());
        }
        Err(HeightError { program: self, min, max: Self::LOG_ROWS_MAX, got: log_rows })
    }

    /// How many permutations a trace of that height holds.
    #[must_use]
    pub const fn permutations(self, log_rows: u8) -> usize {
        match self {
            Self::Keccak => (1 << log_rows) / NUM_ROUNDS,
            Self::Blake3 | Self::Poseidon2 => 1 << log_rows,
        }
    }

    /// The trace of 2^`log_rows` rows: permutations of inputs that `seed` decides.
    ///
    /// # Errors
    /// [`HeightError`] when the height is too small for one permutation, or above [`Standard::LOG_ROWS_MAX`].
    pub fn trace(self, log_rows: u8, seed: u64) -> Result<RowMajorMatrix<F>, HeightError> {
        self.check(log_rows)?;
        let mut random = SplitMix(seed);
        let permutations = 0..self.permutations(log_rows);
        Ok(match self {
            Self::Keccak => {
                let inputs = permutations.map(|_| std::array::from_fn(|_| random.next())).collect();
                p3_keccak_air::generate_trace_rows(inputs, 0)
            }
            Self::Blake3 => {
                let inputs = permutations.map(|_| std::array::from_fn(|_| random.next() as u32)).collect();
                p3_blake3_air::generate_trace_rows(inputs, 0)
            }
            Self::Poseidon2 => {
                // 31 bits of noise, and the little above the modulus wraps.
                let inputs = permutations.map(|_| std::array::from_fn(|_| F::new((random.next() >> 33) as u32)));
                p3_poseidon2_air::generate_trace_rows::<
                    F,
                    GenericPoseidon2LinearLayersKoalaBear,
                    16,
                    3,
                    0,
                    HALF_FULL_ROUNDS,
                    PARTIAL_ROUNDS,
                >(inputs.collect(), &poseidon2_constants(), 0)
            }
        })
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no standard program's.
#[derive(Debug, Error)]
#[error("expected {}, got `{got}`", Standard::ALL.map(Standard::name).join(", "))]
pub struct UnknownStandard {
    got: String,
}

impl FromStr for Standard {
    type Err = UnknownStandard;

    fn from_str(name: &str) -> Result<Self, UnknownStandard> {
        let named = Self::ALL.into_iter().find(|standard| standard.name() == name);
        named.ok_or_else(|| UnknownStandard { got: name.to_owned() })
    }
}

/// A height at which a standard program has no trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{program} of 2^{got} rows: expected 2^{min} to 2^{max}")]
pub struct HeightError {
    /// Which program.
    pub program: Standard,
    /// log2 of the least height.
    pub min: u8,
    /// log2 of the greatest height.
    pub max: u8,
    /// log2 of the height asked for.
    pub got: u8,
}

/// Why a standard program cannot be had as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StandardError {
    /// Not at that height.
    #[error(transparent)]
    Height(#[from] HeightError),
    /// Not as data.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// Not under those parameters.
    #[error(transparent)]
    Program(#[from] ProgramError),
}

/// Steele, Lea and Flood's SplitMix64: noise that is the same everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }
}
