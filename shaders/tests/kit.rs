//! Devices to test on, and inputs with all the edges.

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sinter_shaders::words::{EF, F};
use sinter_shaders::{Adapter, Arithmetic, Choice, Device, Kernels, Options};

/// The adapter that tests run on: a software driver if there is nothing else. Without any, the test says so and ends; in CI, where
/// one is installed, it fails.
pub fn adapter(test: &str) -> Option<Adapter> {
    match Adapter::choose(&Choice::Any) {
        Ok(adapter) => Some(adapter),
        Err(error) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("{test} skipped: {error}; a software driver is enough (Debian: libvulkan1 mesa-vulkan-drivers)");
            None
        }
        Err(error) => panic!("{test}: {error}; CI installs a software driver: cargo ci tools"),
    }
}

/// The kernels under each arithmetic that the adapter has.
pub fn variants(test: &str, options: Options) -> Vec<Kernels> {
    let Some(adapter) = adapter(test) else { return Vec::new() };
    let mut arithmetics = vec![Arithmetic::U32];
    arithmetics.extend(adapter.has_u64().then_some(Arithmetic::U64));
    let open = |arithmetic| {
        let options = Options { arithmetic: Some(arithmetic), ..options.clone() };
        Kernels::new(Device::open(&adapter, options).unwrap()).unwrap()
    };
    arithmetics.into_iter().map(open).collect()
}

/// Elements at random, of which every fourth is an edge: 0, 1, p − 1 or p − 2.
pub fn elements(count: usize, seed: u64) -> Vec<F> {
    let mut random = SmallRng::seed_from_u64(seed);
    let edges = [F::ZERO, F::ONE, F::NEG_ONE, -F::TWO];
    let element = |_| {
        let choice: u32 = random.random();
        if choice.is_multiple_of(4) { edges[(choice >> 2) as usize % 4] } else { F::from_u32(random.random()) }
    };
    (0..count).map(element).collect()
}

/// Extension elements at random, with the same edges in their coordinates.
pub fn extensions(count: usize, seed: u64) -> Vec<EF> {
    let coordinates = elements(5 * count, seed);
    coordinates.chunks_exact(5).map(|run| EF::from_basis_coefficients_fn(|c| run[c])).collect()
}

/// Words that no result is: what a kernel does not write is seen.
pub const POISON: u32 = 0xdead_beef;
