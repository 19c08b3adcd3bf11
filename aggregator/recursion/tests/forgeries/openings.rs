//! Claimed values that satisfy every constraint and are not the columns'; opened rows and FRI groups that reduce to the right
//! value and are not what was committed. Each passes every check but one.

use p3_batch_stark::BatchProof;
use p3_field::coset::TwoAdicMultiplicativeCoset;
use p3_field::{BasedVectorSpace, Field, PrimeCharacteristicRing, TwoAdicField};
use p3_matrix::Dimensions;
use p3_util::reverse_bits_len;
use sinter_program::field::val_mmcs;
use sinter_program::{Config, EF, F};
use sinter_recursion::layout::{Point, Round};
use sinter_recursion::plan::{self, Step};
use sinter_recursion::proof::{ProofParts, lanes};
use sinter_recursion::replay::{Challenges, Query, Replay};

use super::{Victim, coefficients, execute, x};
use crate::puppet::{Script, position};

/// Values whose recomposition Σ cᵢ·Xⁱ does not change: −X on the constant coefficient, 1 on the next.
pub fn shift(values: &mut [EF]) {
    values[0] -= x();
    values[1] += EF::ONE;
}

/// Quotient chunks and lookup columns are opened coefficient by coefficient and recomposed: the constraints see no lie that
/// leaves the recomposition as it was. Only the opening argument does.
#[test]
fn claimed_values_are_the_columns() {
    let victim = Victim::mixed();
    let mut cases = vec![(Round::Permutation, 0, 0, Point::Zeta), (Round::Permutation, 1, 0, Point::Next)];
    for (table, shape) in victim.layout.tables.iter().enumerate() {
        cases.extend((0..shape.chunks()).map(|chunk| (Round::Quotient, table, chunk, Point::Zeta)));
    }
    for (round, table, chunk, point) in cases {
        let opening = victim.layout.opening(round, table, chunk, point).unwrap();
        let at = position(&victim.layout, |step| *step == Step::Opening(opening));
        let lies = coefficients(at, -x()).chain(coefficients(at + 5, EF::ONE));
        let mut proof = victim.cheat(&victim.parts).prove(Script::lying(lies));
        let opened = &mut proof.opened_values.instances[table];
        shift(match (round, point) {
            (Round::Quotient, _) => &mut opened.base_opened_values.quotient_chunks[chunk],
            (_, Point::Zeta) => &mut opened.permutation_local,
            (_, Point::Next) => &mut opened.permutation_next,
        });
        victim.both_refuse(&proof, &victim.parts.publics, "FRI");
    }
}

#[test]
fn the_final_polynomial_is_what_the_folds_end_in() {
    let victim = Victim::mixed();
    let at = position(&victim.layout, |step| *step == Step::FinalPoly);
    for coefficient in 0..8 {
        let mut proof = victim.cheat(&victim.parts).prove(Script::lying([(at + 5 * coefficient, F::ONE)]));
        proof.opening_proof.final_poly[coefficient] += EF::ONE;
        victim.both_refuse(&proof, &victim.parts.publics, "final polynomial");
    }
}

/// A commitment other than to the matrices that are opened: every digest of the cap is changed, and absorbed so.
#[test]
fn rows_are_those_of_the_commitment() {
    let victim = Victim::mixed();
    for round in [Round::Main, Round::Quotient, Round::Permutation] {
        let commitment = victim.layout.commitment(round).unwrap();
        let at = position(&victim.layout, |step| *step == Step::Cap(plan::Cap::Commitment(commitment)));
        let lies = (0..8 << victim.layout.commitments[commitment].log_cap).map(|i| (at + i, F::ONE));
        let mut proof = victim.cheat(&victim.parts).prove(Script::lying(lies));
        let cap = match round {
            Round::Main => &mut proof.commitments.main,
            Round::Quotient => &mut proof.commitments.quotient_chunks,
            _ => proof.commitments.permutation.as_mut().unwrap(),
        };
        *cap = sinter_program::field::Cap::new(cap.roots().iter().map(|root| root.map(|e| e + F::ONE)).collect());
        victim.both_refuse(&proof, &victim.parts.publics, "paths");
    }
}

/// The challenges and queries of a proof.
fn replay(victim: &Victim, proof: &BatchProof<Config>) -> (Challenges, Vec<Query>) {
    let parts = ProofParts::new(&victim.layout, victim.program.commitment(), proof, &victim.parts.publics).unwrap();
    let Replay { challenges, queries, .. } = Replay::new(&victim.layout, victim.program.digest(), &parts).unwrap();
    (challenges, queries)
}

/// Six elements of the base field, not all zero, with Σ eⱼ·αʲ = 0: there is one, as the extension has degree 5.
fn kernel(alpha: EF) -> [F; 6] {
    // Columns are the powers of α; the last stands for the right-hand side −α⁵.
    let powers: Vec<EF> = alpha.powers().take(6).collect();
    let mut rows: Vec<[F; 6]> =
        (0..5).map(|i| std::array::from_fn(|j| powers[j].as_basis_coefficients_slice()[i])).collect();
    for column in 0..5 {
        let pivot = (column..5).find(|&row| rows[row][column] != F::ZERO).unwrap();
        rows.swap(column, pivot);
        let inverse = rows[column][column].inverse();
        rows[column] = rows[column].map(|cell| cell * inverse);
        for row in (0..5).filter(|&row| row != column) {
            let factor = rows[row][column];
            rows[row] = std::array::from_fn(|j| rows[row][j] - factor * rows[column][j]);
        }
    }
    let kernel = std::array::from_fn(|j| if j < 5 { -rows[j][5] } else { F::ONE });
    assert!(powers.iter().zip(kernel).map(|(&power, e)| power * e).sum::<EF>().is_zero());
    kernel
}

/// Six cells of an opened row are changed so that its reduction stays the same: nothing but the Merkle path can tell.
#[test]
fn a_row_that_reduces_to_the_same_is_not_the_row() {
    let victim = Victim::mixed();
    let honest = victim.cheat(&victim.parts).prove(Script::default());
    let (challenges, queries) = replay(&victim, &honest);
    let kernel = kernel(challenges.batch);
    // The matrices with at least 6 columns: the first table's main columns, and lookup columns.
    let mut tried = 0;
    for (c, commitment) in victim.layout.commitments.iter().enumerate() {
        for (m, matrix) in commitment.matrices.iter().enumerate().filter(|(_, matrix)| matrix.width >= 6) {
            let place = |query: &Query| query.index >> (victim.layout.index_bits() - matrix.log_height);
            for query in &queries {
                let mut proof = victim.cheat(&victim.parts).prove(Script::default());
                let rows = proof.opening_proof.input_openings[c].opened_values.iter_mut().zip(&queries);
                // Queries of the same row open it alike.
                for (rows, _) in rows.filter(|(_, other)| place(other) == place(query)) {
                    rows[m].iter_mut().zip(kernel).for_each(|(cell, e)| *cell += e);
                }
                let after = replay(&victim, &proof).1;
                assert!(queries.iter().zip(after).all(|(q, a)| q.folded == a.folded), "the forgery reduces otherwise");
                victim.both_refuse(&proof, &victim.parts.publics, "paths");
                tried += 1;
            }
        }
    }
    assert!(tried >= 8, "{tried}");
}

/// Two siblings of a FRI group are changed so that the fold stays the same: nothing but the group's path can tell.
#[test]
fn a_group_that_folds_to_the_same_is_not_the_group() {
    let victim = Victim::mixed();
    let honest = victim.cheat(&victim.parts).prove(Script::default());
    let (challenges, queries) = replay(&victim, &honest);
    let mut tried = 0;
    // Where two values fold into one, the fold and the queried value leave the other no choice.
    for (r, round) in victim.layout.rounds.iter().enumerate().filter(|(_, round)| round.log_arity > 1) {
        let arity = 1 << round.log_arity;
        let index = |query: &Query| query.index >> (victim.layout.index_bits() - round.log_height);
        for (q, query) in queries.iter().enumerate() {
            let (group, own) = (index(query) >> round.log_arity, index(query) % arity);
            // A group that is opened by two queries must be the same for both.
            if queries.iter().filter(|other| index(other) >> round.log_arity == group).count() > 1 {
                continue;
            }
            let exponent = reverse_bits_len(group, round.log_folded()) as u64;
            let start = F::two_adic_generator(round.log_height).exp_u64(exponent);
            let mut points: Vec<F> = TwoAdicMultiplicativeCoset::new(start, round.log_arity).unwrap().iter().collect();
            p3_util::reverse_slice_index_bits(&mut points);
            // The fold is Σ vᵢ·Lᵢ(β) with the Lagrange weights Lᵢ.
            let weight = |i: usize| {
                let others = (0..arity).filter(|&j| j != i);
                others.map(|j| (challenges.fold[r] - points[j]) * (points[i] - points[j]).inverse()).product::<EF>()
            };
            let mut others = (0..arity).filter(|&i| i != own);
            let (first, last) = (others.next().unwrap(), others.next_back().unwrap());
            let mut proof = victim.cheat(&victim.parts).prove(Script::default());
            let siblings = &mut proof.opening_proof.commit_phase_openings[r].sibling_values[q];
            let place = |i: usize| i - usize::from(i > own);
            siblings[place(first)] += weight(last);
            siblings[place(last)] -= weight(first);
            let after = replay(&victim, &proof).1;
            assert_eq!(query.folded, after[q].folded, "the forgery folds to another value");
            victim.both_refuse(&proof, &victim.parts.publics, "FRI rows");
            tried += 1;
        }
    }
    assert!(tried >= 4, "{tried}");
}

/// The prover commits to the folds of the true columns, and claims others. It hands every query the group that it committed
/// to, so that all paths end where they should and all folds end in the final polynomial: only the comparison of the queried
/// value with the reduced openings is left.
#[test]
fn the_first_group_holds_the_reduced_openings() {
    let victim = Victim::mixed();
    let layout = &victim.layout;
    // A table of the tallest height: what joins lower down is as it was committed.
    let opening = layout.opening(Round::Quotient, 0, 0, Point::Zeta).unwrap();
    let at = position(layout, |step| *step == Step::Opening(opening));
    let lies = coefficients(at, -x()).chain(coefficients(at + 5, EF::ONE));
    let mut proof = victim.cheat(&victim.parts).prove(Script::lying(lies));
    shift(&mut proof.opened_values.instances[0].base_opened_values.quotient_chunks[0]);
    victim.both_refuse(&proof, &victim.parts.publics, "FRI rows");

    let (challenges, mut queries) = replay(&victim, &proof);
    let groups: Vec<Vec<Vec<EF>>> =
        queries.iter().map(|query| committed_groups(&victim, &proof, &challenges, query)).collect();
    for (r, round) in layout.rounds.iter().enumerate() {
        let shift = layout.index_bits() - round.log_folded();
        let indices: Vec<usize> = queries.iter().map(|query| query.index >> shift).collect();
        let rows: Vec<Vec<Vec<F>>> = groups.iter().map(|groups| vec![lanes(&groups[r])]).collect();
        let dims = [Dimensions { width: 5 << round.log_arity, height: 1 << round.log_folded() }];
        let pruned = &proof.opening_proof.commit_phase_openings[r].opening_proof;
        let paths =
            val_mmcs(layout.fri.cap_height).restore_and_recompute_paths(&dims, &indices, &rows, pruned).unwrap();
        for ((query, rows), path) in queries.iter_mut().zip(rows).zip(paths) {
            query.groups[r].clone_from(&rows[0]);
            query.group_paths[r] = path.siblings;
        }
    }
    // The inputs of the queries, which stand at the end, with these groups and paths.
    let mut values = Vec::new();
    let (digest, key) = (victim.program.digest(), victim.program.commitment());
    sinter_recursion::inputs::append(&mut values, layout, digest, key, &proof, &victim.parts.publics).unwrap();
    let mut tail: Vec<F> = Vec::new();
    for query in &queries {
        for (leaves, path) in query.leaves.iter().zip(&query.paths) {
            tail.extend(leaves.iter().rev().flatten());
            tail.extend(path.iter().flatten());
        }
        for (group, path) in query.groups.iter().zip(&query.group_paths) {
            tail.extend(group);
            tail.extend(path.iter().flatten());
        }
    }
    let start = values.len() - tail.len();
    values[start..].copy_from_slice(&tail);
    let error = execute(&victim.circuit, values).unwrap_err();
    assert!(error.starts_with("FRI folds"), "expected the reduced openings to differ, got {error}");
}

/// A query's groups as the prover committed to them: the queried value of each from what its fold must be, the last first.
fn committed_groups(
    victim: &Victim,
    proof: &BatchProof<Config>,
    challenges: &Challenges,
    query: &Query,
) -> Vec<Vec<EF>> {
    let layout = &victim.layout;
    let final_height = layout.log_final_height();
    let last = query.index >> (layout.index_bits() - final_height);
    let point = F::two_adic_generator(final_height).exp_u64(reverse_bits_len(last, final_height) as u64);
    let mut folded: EF = proof.opening_proof.final_poly.iter().rev().fold(EF::ZERO, |sum, &c| sum * point + c);
    let mut groups = Vec::new();
    for (r, round) in layout.rounds.iter().enumerate().rev() {
        let arity = 1 << round.log_arity;
        let index = query.index >> (layout.index_bits() - round.log_height);
        let (group, own) = (index >> round.log_arity, index % arity);
        let exponent = reverse_bits_len(group, round.log_folded()) as u64;
        let start = F::two_adic_generator(round.log_height).exp_u64(exponent);
        let mut points: Vec<F> = TwoAdicMultiplicativeCoset::new(start, round.log_arity).unwrap().iter().collect();
        p3_util::reverse_slice_index_bits(&mut points);
        let beta = challenges.fold[r];
        let weight = |i: usize| {
            let others = (0..arity).filter(|&j| j != i);
            others.map(|j| (beta - points[j]) * (points[i] - points[j]).inverse()).product::<EF>()
        };
        let mut values: Vec<EF> =
            query.groups[r].chunks_exact(5).map(|c| EF::from_basis_coefficients_fn(|i| c[i])).collect();
        let before: EF = values.iter().enumerate().map(|(i, &value)| weight(i) * value).sum();
        // What joined after this fold in the replay joined for the prover too.
        let next = query.groups.get(r + 1).map_or(query.folded, |group| {
            let round = layout.rounds[r + 1];
            let own = (query.index >> (layout.index_bits() - round.log_height)) % (1 << round.log_arity);
            EF::from_basis_coefficients_fn(|i| group[5 * own + i])
        });
        let joined = next - before;
        values[own] += (folded - joined - before) * weight(own).inverse();
        folded = values[own];
        groups.push(values);
    }
    groups.reverse();
    groups
}

/// Paths with a digest changed, or two exchanged.
#[test]
fn paths_are_those_of_the_trees() {
    let victim = Victim::mixed();
    let honest = victim.cheat(&victim.parts).prove(Script::default());
    let trees = honest.opening_proof.input_openings.len();
    for tree in 0..trees + victim.layout.rounds.len() {
        for swap in [false, true] {
            let mut proof = victim.cheat(&victim.parts).prove(Script::default());
            let opening = &mut proof.opening_proof;
            let paths = match tree.checked_sub(trees) {
                None => &mut opening.input_openings[tree].opening_proof.sibling_hashes,
                Some(round) => &mut opening.commit_phase_openings[round].opening_proof.sibling_hashes,
            };
            match paths.len() {
                0 => continue,
                1 if swap => continue,
                len if swap => paths.swap(0, len - 1),
                len => paths[len / 2][3] += F::ONE,
            }
            let label = if tree < trees { "paths" } else { "FRI rows" };
            victim.both_refuse(&proof, &victim.parts.publics, label);
        }
    }
}
