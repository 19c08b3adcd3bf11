//! Where in a seal what lies, for whoever counts bytes or changes them.

use core::ops::Range;

use crate::hash::DIGEST_BYTES;
use crate::paths;
use crate::proof::{distinct, read_head};
use crate::replay;
use crate::seal::Seal;
use sinter_program::WireError;

/// A part of a seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Its bytes.
    pub range: Range<usize>,
    /// Bytes of one of its items: a byte of the root, an element, or a digest.
    pub item: usize,
}

/// What a part of a seal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PartKind {
    /// The claim's root.
    Root,
    /// The claim's count.
    Count,
    /// The root of a tree: main 0, quotient 1, permutation 3 (the preprocessed one is in the key), folds from 4 on.
    TreeRoot(usize),
    /// A grinding witness: lookups 0, out-of-domain 1, batching 2, queries 3.
    Witness(usize),
    /// The claimed values.
    Claimed,
    /// The final polynomial.
    FinalPolynomial,
    /// The opened rows of a tree: main 0, quotient 1, preprocessed 2, permutation 3.
    Rows(usize),
    /// The groups of a fold.
    Groups(usize),
    /// The paths of a tree: as for rows, folds from 4 on.
    Paths(usize),
}

/// The parts of a seal, in order, covering every byte.
///
/// # Errors
/// When the head does not decode, or the bytes are not as many as a seal with this head has.
pub fn parts(seal: &Seal, bytes: &[u8]) -> Result<Vec<Part>, WireError> {
    let (claim, head) = read_head(seal, bytes)?;
    let layout = seal.layout();
    let mut parts = Vec::new();
    let mut end = 0;
    let mut push = |kind: PartKind, item: usize, count: usize| {
        parts.push(Part { kind, range: end..end + item * count, item });
        end += item * count;
    };
    push(PartKind::Root, 1, 32);
    push(PartKind::Count, 4, 1);
    push(PartKind::TreeRoot(0), DIGEST_BYTES, 1);
    push(PartKind::Witness(0), 4, 1);
    push(PartKind::TreeRoot(3), DIGEST_BYTES, 1);
    push(PartKind::TreeRoot(1), DIGEST_BYTES, 1);
    push(PartKind::Witness(1), 4, 1);
    push(PartKind::Claimed, 4, 5 * head.values.len());
    push(PartKind::Witness(2), 4, 1);
    (0..head.folds.len()).for_each(|fold| push(PartKind::TreeRoot(4 + fold), DIGEST_BYTES, 1));
    push(PartKind::FinalPolynomial, 4, 5 * head.final_poly.len());
    push(PartKind::Witness(3), 4, 1);
    let mut members = distinct(replay::indices(seal, &claim, &head).into_iter());
    for (tree, commitment) in layout.commitments.iter().enumerate() {
        let width: usize = commitment.matrices.iter().map(|matrix| matrix.width).sum();
        push(PartKind::Rows(tree), 4, width * members.len());
        push(PartKind::Paths(tree), DIGEST_BYTES, paths::count(&members, commitment.log_height()));
    }
    for (fold, round) in layout.rounds.iter().enumerate() {
        let groups = distinct(members.iter().map(|member| member >> round.log_arity));
        let known = |group: usize| members.iter().filter(|&&member| member >> round.log_arity == group).count();
        let values: usize = groups.iter().map(|&group| (1 << round.log_arity) - usize::from(known(group) == 1)).sum();
        push(PartKind::Groups(fold), 4, 5 * values);
        push(PartKind::Paths(4 + fold), DIGEST_BYTES, paths::count(&groups, round.log_folded()));
        members = groups;
    }
    match bytes.len() {
        got if got < end => Err(WireError::End { at: got, expected: end - got, got: 0 }),
        got if got > end => Err(WireError::Trailing { expected: end, got }),
        _ => Ok(parts),
    }
}
