//! A device with the kernels of this crate and the tables that they read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use p3_field::{PrimeCharacteristicRing, TwoAdicField};
use p3_koala_bear::{
    KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL, KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL,
    KOALABEAR_POSEIDON2_RC_16_INTERNAL,
};

use crate::device::{Buffer, Device};
use crate::error::DeviceError;
use crate::kernel::{Kernel, POSEIDON2, QUINTIC, quintic_inverse};
use crate::words::{F, to_word};

/// A device with every kernel and the tables that they read. What it does is written where it belongs: transforms in `ntt.rs`, trees
/// in `merkle.rs`, codewords in `codeword.rs`, lookups in `lookup.rs`, constraints in `graph/`.
#[derive(Debug)]
pub struct Kernels {
    device: Device,
    pub(crate) round_constants: Buffer,
    twiddles: Mutex<Option<Arc<Table>>>,
    shifts: Mutex<HashMap<Vec<u32>, Arc<Buffer>>>,
    pub(crate) upload_rows: Kernel,
    pub(crate) gather: Kernel,
    pub(crate) permute: Kernel,
    pub(crate) grind: Kernel,
    pub(crate) hash_rows: Kernel,
    pub(crate) merkle_level: Kernel,
    pub(crate) ntt: Kernel,
    pub(crate) inverse_ntt: Kernel,
    pub(crate) coset_ntt: Kernel,
    pub(crate) powers: Kernel,
    pub(crate) evaluate: Kernel,
    pub(crate) inverse_distances: Kernel,
    pub(crate) combine_columns: Kernel,
    pub(crate) deep: Kernel,
    pub(crate) fri_fold: Kernel,
    pub(crate) fractions: Kernel,
    pub(crate) sums_blocks: Kernel,
    pub(crate) sums_carry: Kernel,
    pub(crate) sums_spread: Kernel,
}

/// The first half of the powers of a root of unity of order 2^`log`.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) log: u32,
    pub(crate) buffer: Buffer,
}

/// Shift tables kept at once: a few for each height that proofs have.
const SHIFT_TABLES: usize = 256;

/// Powers of a shift in each half of its table.
const SHIFT_HALF: usize = 4096;

impl Kernels {
    /// Puts the constant tables into the device's memory. Kernels are compiled when they are first used.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn new(device: Device) -> Result<Self, DeviceError> {
        macro_rules! wgsl {
            ($name:literal) => {
                include_str!(concat!("../wgsl/", $name, ".wgsl"))
            };
        }
        let external =
            KOALABEAR_POSEIDON2_RC_16_EXTERNAL_INITIAL.iter().chain(&KOALABEAR_POSEIDON2_RC_16_EXTERNAL_FINAL);
        let constants = external.flatten().chain(&KOALABEAR_POSEIDON2_RC_16_INTERNAL);
        let words: Vec<u32> = constants.map(|&constant| to_word(constant)).collect();
        let with_ntt = |label, part| Kernel::new(label, &[wgsl!("ntt"), part]);
        let running_sums = Kernel::new("running_sums", &[wgsl!("running_sums")]);
        Ok(Self {
            round_constants: device.upload(&words)?,
            twiddles: Mutex::new(None),
            shifts: Mutex::default(),
            upload_rows: Kernel::new("upload_rows", &[wgsl!("upload_rows")]),
            gather: Kernel::new("gather", &[wgsl!("gather")]),
            permute: Kernel::new("permute", &[POSEIDON2, wgsl!("permute")]),
            grind: Kernel::new("grind", &[POSEIDON2, wgsl!("grind")]),
            hash_rows: Kernel::new("hash_rows", &[POSEIDON2, wgsl!("hash_rows")]),
            merkle_level: Kernel::new("merkle_level", &[POSEIDON2, wgsl!("merkle_level")]),
            ntt: with_ntt("ntt", wgsl!("ntt_in_place")),
            inverse_ntt: with_ntt("inverse_ntt", wgsl!("ntt_in_place")).with_constant("INVERSE", 1.0),
            coset_ntt: with_ntt("coset_ntt", wgsl!("ntt_coset")),
            powers: Kernel::new("powers", &[QUINTIC, wgsl!("powers")]),
            evaluate: Kernel::new("evaluate", &[QUINTIC, wgsl!("evaluate")]),
            inverse_distances: Kernel::new(
                "inverse_distances",
                &[QUINTIC, quintic_inverse(), wgsl!("inverse_distances")],
            ),
            combine_columns: Kernel::new("combine_columns", &[QUINTIC, wgsl!("combine_columns")]),
            deep: Kernel::new("deep", &[QUINTIC, wgsl!("deep")]),
            fri_fold: Kernel::new("fri_fold", &[QUINTIC, wgsl!("fri_fold")]),
            fractions: Kernel::new("fractions", &[QUINTIC, quintic_inverse(), wgsl!("fractions")]),
            sums_blocks: running_sums.clone().with_entry("blocks"),
            sums_carry: running_sums.with_entry("carry"),
            sums_spread: Kernel::new("running_sums_spread", &[wgsl!("running_sums_spread")]),
            device,
        })
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> &Device {
        &self.device
    }

    /// Twiddle factors for transforms of up to 2^`log` elements.
    pub(crate) fn twiddles(&self, log: u32) -> Result<Arc<Table>, DeviceError> {
        let mut held = self.twiddles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = held.as_ref().filter(|table| table.log >= log) {
            return Ok(Arc::clone(table));
        }
        let log = log.max(1);
        let powers = F::two_adic_generator(log as usize).powers().take(1 << (log - 1));
        let words: Vec<u32> = powers.map(to_word).collect();
        let table = Arc::new(Table { log, buffer: self.device.upload(&words)? });
        *held = Some(Arc::clone(&table));
        Ok(table)
    }

    /// The powers of the shifts of cosets, as `ntt_coset.wgsl` reads them.
    pub(crate) fn shifts(&self, shifts: &[F]) -> Result<Arc<Buffer>, DeviceError> {
        let key: Vec<u32> = shifts.iter().map(|&shift| to_word(shift)).collect();
        let mut held = self.shifts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = held.get(&key) {
            return Ok(Arc::clone(table));
        }
        let powers_of = |base: F| base.powers().take(SHIFT_HALF).map(to_word).collect::<Vec<u32>>();
        let words: Vec<u32> = shifts
            .iter()
            .flat_map(|&shift| [powers_of(shift), powers_of(shift.exp_u64(SHIFT_HALF as u64))].concat())
            .collect();
        let table = Arc::new(self.device.upload(&words)?);
        if held.len() >= SHIFT_TABLES {
            held.clear();
        }
        held.insert(key, Arc::clone(&table));
        Ok(table)
    }
}
