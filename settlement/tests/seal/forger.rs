//! Seals of provers that cheat in one place and are consistent in all others: both verifiers refuse, the contract by the
//! check that is there for it.

mod commitments;
mod prover;
mod transcript;

use super::bench;
use alloy::primitives::U256;
use commitments::Tree;
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use prover::{Cheat, forge};
use sinter_program::{DagAir, F, ParameterSet};
use sinter_seal::kit::Kit;
use sinter_seal::parts::{PartKind, parts};
use sinter_seal::{Claim, SealProver};
use sinter_settlement::seal::{Bench, Refusal, contract::SealVerifier as Contract};

/// An AIR, its trace, and both verifiers.
struct Target {
    kit: Kit,
    prover: SealProver,
    air: DagAir,
    bench: Bench,
    trace: RowMajorMatrix<F>,
}

impl Target {
    /// Nothing but the cheat is why a seal is refused: without it, the same prover makes stock's seal, and both accept.
    fn new(kit: Kit, parameters: ParameterSet) -> Self {
        let prover = kit.prover(parameters);
        let (air, bench) = (DagAir::from_air(&kit).unwrap(), bench(prover.seal()));
        let mut target = Self { kit, prover, air, bench, trace: kit.trace(&Kit::CLAIM) };
        let seal = target.forge(Cheat::No);
        assert_eq!(seal, target.prover.prove(&target.trace, &Kit::CLAIM).unwrap());
        target.assert_accepted(&seal, Kit::CLAIM);
        target
    }

    fn assert_accepted(&mut self, seal: &[u8], claim: Claim) {
        assert_eq!(self.prover.seal().verify(seal).unwrap(), claim);
        assert_eq!(self.bench.verify(seal).unwrap().0, Ok((claim.root.into(), claim.count)));
    }

    fn small() -> Self {
        Self::new(Kit::SMALL, Kit::PARAMETERS)
    }

    /// Nothing but the bus constrains what a row reads.
    fn without_cubes() -> Self {
        Self::new(Kit { cubes: 0, ..Kit::SMALL }, Kit::PARAMETERS)
    }

    /// With one query every group has one known member, with two both meet in a group now and then.
    fn with_queries(log_height: u8, queries: u8) -> Self {
        Self::new(Kit { log_height, ..Kit::SMALL }, ParameterSet { queries, ..Kit::PARAMETERS })
    }

    fn forge(&self, cheat: Cheat) -> Vec<u8> {
        forge(self.prover.seal(), &self.air, &self.trace, &Kit::CLAIM, cheat)
    }

    fn cell(&mut self, row: usize, column: usize) -> &mut F {
        &mut self.trace.values[row * self.trace.width + column]
    }

    /// What the contract refuses of a seal; Plonky3 must too.
    fn refusal_of(&mut self, seal: &[u8]) -> Refusal {
        assert!(self.prover.seal().verify(seal).is_err(), "Plonky3 accepts");
        self.bench.verify(seal).unwrap().0.expect_err("the contract accepts")
    }

    fn refusal(&mut self, cheat: Cheat) -> Refusal {
        self.refusal_of(&self.forge(cheat))
    }

    /// Refused because of the constraints and nothing else: Plonky3 comes to them when all other checks have passed.
    fn refused_by_constraints_alone(&mut self, seal: &[u8]) {
        assert_eq!(self.refusal_of(seal), not_met());
        let native = self.prover.seal().verify(seal).unwrap_err().to_string();
        assert_eq!(native, "rejected: out-of-domain evaluation mismatch at index 0");
    }

    /// The seal of a prover that tries claim after claim until the two queried members meet in one group of a fold, where the
    /// comparison of members is all that can refuse.
    fn forge_where_queries_meet(&mut self, cheat: Cheat, fold: usize) -> Vec<u8> {
        let seal = self.prover.seal();
        let whole = 20usize << seal.layout().rounds[fold].log_arity;
        let forge = |claim: &Claim, cheat| forge(seal, &self.air, &self.kit.trace(claim), claim, cheat);
        let meet = |(_, bytes): &(Claim, Vec<u8>)| {
            let parts = parts(seal, bytes).unwrap();
            parts.iter().any(|part| part.kind == PartKind::Groups(fold) && part.range.len() == whole)
        };
        let claims = (0..).map(|count| Claim { count, ..Kit::CLAIM });
        let (claim, forged) = claims.map(|claim| (claim, forge(&claim, cheat))).find(meet).unwrap();
        let honest = forge(&claim, Cheat::No);
        self.assert_accepted(&honest, claim);
        forged
    }
}

const fn not_met() -> Refusal {
    Refusal::ConstraintsNotMet(Contract::ConstraintsNotMet {})
}

fn root(tree: u64) -> Refusal {
    Refusal::RootMismatch(Contract::RootMismatch { tree: U256::from(tree) })
}

/// Another member than the group's in a fold.
fn assert_another_member(refusal: &Refusal, fold: u64) {
    let is = matches!(refusal, Refusal::MemberMismatch(mismatch) if mismatch.fold == U256::from(fold));
    assert!(is, "{refusal:?}");
}

fn assert_another_final_polynomial(refusal: &Refusal) {
    assert!(matches!(refusal, Refusal::FinalPolynomialMismatch(_)), "{refusal:?}");
}

#[test]
fn a_trace_that_breaks_one_constraint_in_one_row() {
    let mut target = Target::small();
    let last = target.trace.width - 1;
    *target.cell(77, last) += F::ONE;
    target.refused_by_constraints_alone(&target.forge(Cheat::No));
}

#[test]
fn a_trace_that_breaks_a_transition() {
    let mut target = Target::small();
    *target.cell(77, 0) += F::ONE;
    target.refused_by_constraints_alone(&target.forge(Cheat::No));
}

#[test]
fn a_claim_that_the_trace_is_not_of() {
    let mut target = Target::small();
    let mut root = Kit::CLAIM.root;
    root[31] ^= 1;
    for claim in [Claim { count: Kit::CLAIM.count + 1, ..Kit::CLAIM }, Claim { root, ..Kit::CLAIM }] {
        let seal = forge(target.prover.seal(), &target.air, &target.trace, &claim, Cheat::No);
        target.refused_by_constraints_alone(&seal);
    }
}

#[test]
fn a_bus_out_of_balance_with_a_terminal_of_zero() {
    let mut target = Target::without_cubes();
    let last = target.trace.width - 1;
    *target.cell(77, last) += F::ONE;
    target.refused_by_constraints_alone(&target.forge(Cheat::Terminal));
}

/// A row reads another cell than the AIR says, and the bus agrees: it is a good trace of another AIR.
#[test]
fn other_preprocessed_columns() {
    let mut target = Target::without_cubes();
    let (row, last) = (77, target.trace.width - 1);
    let mut fixed = target.air.preprocessed().unwrap().clone();
    let address = fixed.width - 1;
    let old = fixed.values[row * fixed.width + address];
    let find = |fixed: &RowMajorMatrix<F>, own: F| fixed.row_slices().position(|row| row[0] == own).unwrap();
    let (before, after) = (find(&fixed, old), find(&fixed, old + F::ONE));
    fixed.values[row * fixed.width + address] += F::ONE;
    fixed.values[before * fixed.width + 1] -= F::ONE;
    fixed.values[after * fixed.width + 1] += F::ONE;
    *target.cell(row, last) = *target.cell(after, 17);
    target.air = target.air.clone().with_preprocessed(fixed).unwrap();
    assert_eq!(target.refusal(Cheat::No), root(2));
    let other = SealProver::new(target.air, target.kit.log_height, Kit::PARAMETERS).unwrap();
    let seal = other.prove(&target.trace, &Kit::CLAIM).unwrap();
    assert_eq!(other.seal().verify(&seal).unwrap(), Kit::CLAIM);
}

#[test]
fn another_quotient() {
    let mut target = Target::small();
    target.refused_by_constraints_alone(&target.forge(Cheat::Quotient));
}

#[test]
fn another_challenge_for_lookups_or_constraints() {
    let mut target = Target::small();
    for challenge in 0..3 {
        target.refused_by_constraints_alone(&target.forge(Cheat::Challenge(challenge)));
    }
}

#[test]
fn values_at_another_point() {
    assert_eq!(Target::small().refusal(Cheat::Challenge(3)), not_met());
}

#[test]
fn columns_batched_by_another_challenge() {
    assert_eq!(Target::with_queries(7, 1).refusal(Cheat::Challenge(4)), root(4));
    let mut target = Target::with_queries(5, 2);
    let seal = target.forge_where_queries_meet(Cheat::Challenge(4), 0);
    assert_another_member(&target.refusal_of(&seal), 0);
}

#[test]
fn a_layer_that_is_not_the_fold_of_the_one_before() {
    assert_eq!(Target::with_queries(7, 1).refusal(Cheat::Challenge(5)), root(5));
    let mut target = Target::with_queries(7, 2);
    let seal = target.forge_where_queries_meet(Cheat::Challenge(5), 1);
    assert_another_member(&target.refusal_of(&seal), 1);
}

/// The last fold is committed to by the final polynomial alone.
#[test]
fn a_last_layer_that_is_not_the_fold_of_the_one_before() {
    let mut target = Target::small();
    let folds = target.prover.seal().layout().rounds.len();
    assert_another_final_polynomial(&target.refusal(Cheat::Challenge(4 + folds)));
}

#[test]
fn columns_that_are_no_polynomials() {
    let mut target = Target::small();
    for tree in [Tree::Main, Tree::Quotient, Tree::Permutation] {
        assert_another_final_polynomial(&target.refusal(Cheat::NoPolynomials(tree)));
    }
}

/// The trace is of a claim whose first limb is one less: nothing but FRI stands against this seal.
#[test]
fn a_false_claim_with_claimed_values_to_match() {
    let mut target = Target::small();
    let mut root = Kit::CLAIM.root;
    root[1] += 1;
    let claim = Claim { root, ..Kit::CLAIM };
    let seal = forge(target.prover.seal(), &target.air, &target.trace, &claim, Cheat::Claimed);
    assert_another_final_polynomial(&target.refusal_of(&seal));
}

#[test]
fn another_final_polynomial() {
    assert_another_final_polynomial(&Target::small().refusal(Cheat::FinalPolynomial));
    assert_another_final_polynomial(&Target::with_queries(7, 1).refusal(Cheat::FinalPolynomial));
}

#[test]
fn a_witness_that_is_not_ground() {
    let mut target = Target::small();
    for step in 0..4 {
        let expected = Refusal::NotGround(Contract::NotGround { step: U256::from(step) });
        assert_eq!(target.refusal(Cheat::Grinding(step)), expected);
    }
}

#[test]
fn other_positions() {
    assert_eq!(Target::small().refusal(Cheat::Neighbours), root(0));
}

/// Digests lie where the rows that are missing should be, and are not elements.
#[test]
fn fewer_positions() {
    let mut target = Target::small();
    let seal = target.forge(Cheat::OneQuery);
    assert!(seal.len() < target.forge(Cheat::No).len());
    assert_eq!(target.refusal_of(&seal), Refusal::NotCanonical(Contract::NotCanonical { part: U256::ONE }));
}
