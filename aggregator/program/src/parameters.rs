//! Parameter sets: every number that a proof's size, cost and soundness depend on, under a name.

use p3_fri::FriParameters;
use p3_security::GrindingSites;
use p3_security::fri::FriRegime;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The numbers of one instance of the proof system. They are part of a program, and so of its digest.
///
/// The challenge field is always [`EF`](crate::EF), the hash always Poseidon2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ParameterSet {
    /// log2 of the blow-up factor: the code's rate is 2^−log_blowup.
    pub log_blowup: u8,
    /// How many positions FRI queries.
    pub queries: u8,
    /// Bits ground before the query positions are drawn.
    pub query_pow_bits: u8,
    /// Bits ground before each folding challenge of FRI.
    pub commit_pow_bits: u8,
    /// Bits ground before the challenge that batches all openings.
    pub batch_pow_bits: u8,
    /// Bits ground before the out-of-domain point is drawn.
    pub ood_pow_bits: u8,
    /// Bits ground before the lookup challenges are drawn.
    pub lookup_pow_bits: u8,
    /// log2 of the largest folding arity of FRI.
    pub max_log_arity: u8,
    /// log2 of the length of FRI's final polynomial.
    pub log_final_poly_len: u8,
    /// The layer below the root that commitments consist of.
    pub cap_height: u8,
}

/// A parameter set outside the bounds within which anything is proved or verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("parameter {parameter}: expected {min}..={max}, got {got}")]
pub struct ParameterError {
    /// The field of [`ParameterSet`].
    pub parameter: &'static str,
    /// The least value allowed.
    pub min: u8,
    /// The greatest value allowed.
    pub max: u8,
    /// The value found.
    pub got: u8,
}

impl ParameterSet {
    /// Leaf, wrap and fold: the fastest proven set at which a fold of two proofs fits its own shape. FRI ends at 2^6
    /// coefficients, which spares a round (a fold's proof is 3% smaller, its verifier 3%), so tables have at least 2^7 rows.
    pub const FOLD: Self = Self {
        log_blowup: 2,
        queries: 82,
        query_pow_bits: 20,
        commit_pow_bits: 0,
        batch_pow_bits: 16,
        ood_pow_bits: 16,
        lookup_pow_bits: 16,
        max_log_arity: 3,
        log_final_poly_len: 6,
        cap_height: 4,
    };
    /// The same with more bits, fewer queries and a larger code.
    pub const FOLD_WIDE: Self = Self { log_blowup: 3, queries: 60, ..Self::FOLD };
    /// The first layer between the root of a batch and its seal: half as high as a fold, with a third of the queries.
    pub const SHRINK: Self = Self { log_blowup: 6, queries: 27, ..Self::FOLD };
    /// The second: one narrow table, at the rate at which what verifies it is smallest.
    pub const NARROW: Self = Self { log_blowup: 8, queries: 20, query_pow_bits: 24, ..Self::FOLD };
    /// The seal, whose calldata is what costs: [`ParameterSet::NARROW`] with Keccak's trees (crate `sinter-seal`), which
    /// have no caps: so few queries would not pay for them.
    pub const SEAL: Self = Self { cap_height: 0, ..Self::NARROW };
    /// Development only: a handful of queries and no grinding, so that tests are fast. It proves next to nothing.
    pub const DEV: Self = Self {
        queries: 8,
        query_pow_bits: 0,
        batch_pow_bits: 0,
        ood_pow_bits: 0,
        lookup_pow_bits: 0,
        log_final_poly_len: 3,
        ..Self::FOLD
    };
    /// Every named set.
    pub const NAMED: [(&'static str, Self); 6] = [
        ("fold", Self::FOLD),
        ("fold-wide", Self::FOLD_WIDE),
        ("shrink", Self::SHRINK),
        ("narrow", Self::NARROW),
        ("seal", Self::SEAL),
        ("dev", Self::DEV),
    ];

    /// The set of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMED.iter().find(|(known, _)| *known == name).map(|&(_, set)| set)
    }

    /// The name of this set, or `custom`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        Self::NAMED.iter().find(|(_, set)| set == self).map_or("custom", |&(name, _)| name)
    }

    /// The parameters in the order of their encoding, each with its name and its bounds.
    pub(crate) const fn fields(&self) -> [(&'static str, u8, u8, u8); 10] {
        [
            ("log_blowup", self.log_blowup, 1, 8),
            ("queries", self.queries, 1, 200),
            ("query_pow_bits", self.query_pow_bits, 0, 24),
            ("commit_pow_bits", self.commit_pow_bits, 0, 24),
            ("batch_pow_bits", self.batch_pow_bits, 0, 24),
            ("ood_pow_bits", self.ood_pow_bits, 0, 24),
            ("lookup_pow_bits", self.lookup_pow_bits, 0, 24),
            ("max_log_arity", self.max_log_arity, 1, 4),
            ("log_final_poly_len", self.log_final_poly_len, 0, 6),
            ("cap_height", self.cap_height, 0, 8),
        ]
    }

    /// The set whose fields are these bytes, in the order of the encoding.
    pub(crate) const fn from_bytes(bytes: [u8; 10]) -> Self {
        let [
            log_blowup,
            queries,
            query_pow_bits,
            commit_pow_bits,
            batch_pow_bits,
            ood_pow_bits,
            lookup_pow_bits,
            max_log_arity,
            log_final_poly_len,
            cap_height,
        ] = bytes;
        Self {
            log_blowup,
            queries,
            query_pow_bits,
            commit_pow_bits,
            batch_pow_bits,
            ood_pow_bits,
            lookup_pow_bits,
            max_log_arity,
            log_final_poly_len,
            cap_height,
        }
    }

    /// Check every parameter against its bounds.
    ///
    /// # Errors
    /// Names the first parameter out of bounds.
    pub fn validate(&self) -> Result<(), ParameterError> {
        for (parameter, got, min, max) in self.fields() {
            if got < min || got > max {
                return Err(ParameterError { parameter, min, max, got });
            }
        }
        Ok(())
    }

    /// Plonky3's FRI parameters over a commitment scheme.
    #[must_use]
    pub fn fri<M>(&self, mmcs: M) -> FriParameters<M> {
        FriParameters {
            log_blowup: self.log_blowup.into(),
            log_final_poly_len: self.log_final_poly_len.into(),
            max_log_arity: self.max_log_arity.into(),
            num_queries: self.queries.into(),
            batch_proof_of_work_bits: self.batch_pow_bits.into(),
            commit_proof_of_work_bits: self.commit_pow_bits.into(),
            query_proof_of_work_bits: self.query_pow_bits.into(),
            mmcs,
        }
    }

    /// The part of the set that Plonky3's soundness calculator calls the FRI regime.
    #[must_use]
    pub fn regime(&self) -> FriRegime {
        FriRegime {
            log_blowup: self.log_blowup.into(),
            num_queries: self.queries.into(),
            log_final_poly_len: self.log_final_poly_len.into(),
            max_log_arity: self.max_log_arity.into(),
            commit_pow_bits: self.commit_pow_bits.into(),
            query_pow_bits: self.query_pow_bits.into(),
        }
    }

    /// The grinding outside FRI, as Plonky3's soundness calculator takes it.
    #[must_use]
    pub fn grinding(&self) -> GrindingSites {
        GrindingSites {
            out_of_domain: self.ood_pow_bits.into(),
            batch_combination: self.batch_pow_bits.into(),
            lookup_challenge: self.lookup_pow_bits.into(),
        }
    }

    /// The least log2 height a table can have: FRI must fold it at least once.
    #[must_use]
    pub const fn min_log_height(&self) -> u8 {
        self.log_final_poly_len + 1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn named_sets_are_within_bounds_and_distinct() {
        for (name, set) in ParameterSet::NAMED {
            set.validate().unwrap();
            assert_eq!(set.name(), name);
            assert_eq!(ParameterSet::named(name), Some(set));
            assert_eq!(ParameterSet::from_bytes(set.fields().map(|(_, value, ..)| value)), set);
        }
        assert_eq!(ParameterSet::named("sealed"), None);
        assert_eq!(ParameterSet { queries: 9, ..ParameterSet::DEV }.name(), "custom");
    }

    #[test]
    fn bounds_are_enforced() {
        let error = ParameterSet { log_blowup: 0, ..ParameterSet::FOLD }.validate().unwrap_err();
        assert_eq!(error.to_string(), "parameter log_blowup: expected 1..=8, got 0");
    }
}
