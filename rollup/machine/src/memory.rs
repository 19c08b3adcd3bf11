//! The memory of a run: cells that are written once.

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_program::F;
use thiserror::Error;

use crate::WORD;

/// Why memory cannot be used as wanted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MemoryError {
    /// A cell would have to hold two values.
    #[error("address {address}: expected {expected}, which stands there, got {got}")]
    Taken {
        /// The cell.
        address: u32,
        /// What it holds.
        expected: F,
        /// What it should hold besides.
        got: F,
    },
    /// There is no such address.
    #[error("expected an address below {cells}, got {address}")]
    Range {
        /// The cells of memory.
        cells: u32,
        /// The address.
        address: F,
    },
    /// Nothing is known of a cell that is read.
    #[error("address {address} is read and holds nothing yet")]
    Empty {
        /// The cell.
        address: u32,
    },
    /// A word that does not stand at a multiple of eight.
    #[error("expected the address of a word, a multiple of {WORD}, got {address}")]
    Unaligned {
        /// The address.
        address: u32,
    },
    /// No room is left.
    #[error("expected at most {cells} cells of memory, got {wanted}")]
    Full {
        /// The cells of memory.
        cells: u32,
        /// What would be used.
        wanted: u64,
    },
}

/// Cells of which each is written at most once.
#[derive(Clone, Debug)]
pub struct Memory {
    cells: Vec<Option<F>>,
    cells_max: u32,
}

impl Memory {
    /// Memory of at most `cells_max` cells, of which the first `reserved` are given away.
    pub(crate) fn new(cells_max: u32, reserved: u32) -> Self {
        Self { cells: vec![None; reserved as usize], cells_max }
    }

    /// Cells given away so far.
    #[must_use]
    pub fn used(&self) -> u32 {
        // At most `cells_max`.
        self.cells.len() as u32
    }

    /// Cells there are.
    #[must_use]
    pub const fn cells_max(&self) -> u32 {
        self.cells_max
    }

    /// The address of `words` new words.
    ///
    /// # Errors
    /// [`MemoryError::Full`].
    pub fn allocate(&mut self, words: u32) -> Result<u32, MemoryError> {
        let start = self.used().next_multiple_of(WORD as u32);
        let wanted = u64::from(start) + u64::from(words) * WORD as u64;
        if wanted > self.cells_max.into() {
            return Err(MemoryError::Full { cells: self.cells_max, wanted });
        }
        self.cells.resize(wanted as usize, None);
        Ok(start)
    }

    /// The address that an element is.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn address(&self, address: F) -> Result<u32, MemoryError> {
        let got = address.as_canonical_u32();
        if got < self.cells_max { Ok(got) } else { Err(MemoryError::Range { cells: self.cells_max, address }) }
    }

    /// What a cell holds, if anything yet.
    #[must_use]
    pub fn get(&self, address: u32) -> Option<F> {
        self.cells.get(address as usize).copied().flatten()
    }

    /// What a cell holds.
    ///
    /// # Errors
    /// [`MemoryError::Empty`].
    pub fn read(&self, address: u32) -> Result<F, MemoryError> {
        self.get(address).ok_or(MemoryError::Empty { address })
    }

    /// What a word holds.
    ///
    /// # Errors
    /// [`MemoryError::Unaligned`], [`MemoryError::Empty`].
    pub fn read_word(&self, address: u32) -> Result<[F; WORD], MemoryError> {
        if !address.is_multiple_of(WORD as u32) {
            return Err(MemoryError::Unaligned { address });
        }
        let mut word = [F::ZERO; WORD];
        for (limb, address) in word.iter_mut().zip(address..) {
            *limb = self.read(address)?;
        }
        Ok(word)
    }

    /// Writes a cell, or finds the same value there.
    ///
    /// # Errors
    /// [`MemoryError::Taken`], [`MemoryError::Range`].
    pub fn write(&mut self, address: u32, value: F) -> Result<(), MemoryError> {
        if address >= self.cells_max {
            return Err(MemoryError::Range { cells: self.cells_max, address: F::new(address) });
        }
        if address >= self.used() {
            self.cells.resize(address as usize + 1, None);
        }
        match &mut self.cells[address as usize] {
            Some(expected) if *expected != value => {
                Err(MemoryError::Taken { address, expected: *expected, got: value })
            }
            cell => {
                *cell = Some(value);
                Ok(())
            }
        }
    }

    /// Writes cells in a row.
    ///
    /// # Errors
    /// As [`Memory::write`].
    pub fn write_all(&mut self, address: u32, values: &[F]) -> Result<(), MemoryError> {
        values.iter().zip(address..).try_for_each(|(&value, address)| self.write(address, value))
    }

    /// The words of memory; cells that hold nothing are zero.
    pub(crate) fn word(&self, index: usize) -> [F; WORD] {
        std::array::from_fn(|limb| self.cells.get(index * WORD + limb).copied().flatten().unwrap_or_default())
    }

    /// What a cell is in a finished run: zero where nothing was written.
    pub(crate) fn finished(&self, address: F) -> F {
        self.get(address.as_canonical_u32()).unwrap_or_default()
    }
}
