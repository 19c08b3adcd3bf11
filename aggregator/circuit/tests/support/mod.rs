//! A small stock configuration, native twins, and a circuit with every kind of row.

pub mod checker;
pub mod digests;
pub mod sample;

use p3_challenger::DuplexChallenger;
use p3_commit::ExtensionMmcs;
use p3_dft::Radix2DitParallel;
use p3_field::{Field, PrimeCharacteristicRing};
use p3_fri::{FriParameters, TwoAdicFriPcs};
use p3_koala_bear::{Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_matrix::dense::RowMajorMatrix;
use p3_merkle_tree::MerkleTreeMmcs;
use p3_symmetric::{PaddingFreeSponge, TruncatedPermutation};
use p3_uni_stark::StarkConfig;
use sinter_circuit::{EF, F};

pub type Perm = Poseidon2KoalaBear<16>;
pub type Hash = PaddingFreeSponge<Perm, 16, 8, 8>;
pub type Compress = TruncatedPermutation<Perm, 2, 8, 16>;
pub type Packed = <F as Field>::Packing;
pub type Mmcs = MerkleTreeMmcs<Packed, Packed, Hash, Compress, 2, 8>;
pub type Challenger = DuplexChallenger<F, Perm, 16, 8>;
pub type Pcs = TwoAdicFriPcs<F, Radix2DitParallel<F>, Mmcs, ExtensionMmcs<F, EF, Mmcs>>;
pub type Config = StarkConfig<Pcs, EF, Challenger>;

pub fn mmcs(cap_height: usize) -> Mmcs {
    let permutation = default_koalabear_poseidon2_16();
    Mmcs::new(Hash::new(permutation.clone()), Compress::new(permutation), cap_height)
}

pub fn challenger() -> Challenger {
    Challenger::new(default_koalabear_poseidon2_16())
}

/// A configuration with few queries: enough for a test that a proof verifies, not for soundness.
pub fn config() -> Config {
    let fri = FriParameters {
        log_blowup: 2,
        log_final_poly_len: 3,
        max_log_arity: 3,
        num_queries: 4,
        batch_proof_of_work_bits: 0,
        commit_proof_of_work_bits: 0,
        query_proof_of_work_bits: 0,
        mmcs: ExtensionMmcs::new(mmcs(0)),
    };
    Config::new(Pcs::new(Radix2DitParallel::default(), mmcs(0), fri), challenger())
}

/// A small deterministic generator.
pub struct Random(u64);

impl Random {
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(0x9e37_79b9_7f4a_7c15))
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn base(&mut self) -> F {
        F::from_u64(self.next() >> 1)
    }

    pub fn ext(&mut self) -> EF {
        EF::new(std::array::from_fn(|_| self.base()))
    }

    pub fn word(&mut self) -> [F; 8] {
        std::array::from_fn(|_| self.base())
    }

    pub fn matrix(&mut self, height: usize, width: usize) -> RowMajorMatrix<F> {
        RowMajorMatrix::new((0..height * width).map(|_| self.base()).collect(), width)
    }
}
