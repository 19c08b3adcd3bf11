//! Merkle trees: the shape of RFC 6962, and proofs that prove one leaf at one place.

use commonware_cryptography::{Hasher, Sha256};
use proptest::{collection::vec, prelude::*};
use sinter_primitives::{
    Digest,
    merkle::{self, MerkleProof, MerkleTree, ProofError},
};

/// The definition, word by word: recursive, from RFC 6962, section 2.1.
fn tree_hash(leaves: &[Vec<u8>]) -> Digest {
    match leaves {
        [] => Sha256::hash(&[]),
        [leaf] => Sha256::hash(&[&[0], leaf]),
        _ => {
            let k = leaves.len().next_power_of_two() / 2;
            Sha256::hash(&[&[1], &tree_hash(&leaves[..k]), &tree_hash(&leaves[k..])])
        }
    }
}

fn leaves(count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|index| vec![index as u8; 1 + index % 5]).collect()
}

#[test]
fn roots_follow_the_definition() {
    for count in 0..=70 {
        let leaves = leaves(count);
        let expected = Sha256::hash(&[&[2], &(count as u64).to_be_bytes(), &tree_hash(&leaves)]);
        assert_eq!(merkle::root(&leaves), expected, "{count} leaves");
    }
}

#[test]
fn every_leaf_is_proven_at_its_place_only() {
    for count in 1..=20u64 {
        let leaves = leaves(count as usize);
        let tree = MerkleTree::new(&leaves);
        for index in 0..count {
            let proof = tree.prove(index).expect("an index in the tree");
            for (other, leaf) in leaves.iter().enumerate() {
                assert_eq!(proof.verify(&tree.root(), leaf).is_ok(), other as u64 == index, "{index} of {count}");
                let moved = MerkleProof { index: other as u64, ..proof.clone() };
                assert_eq!(moved.verify(&tree.root(), &leaves[index as usize]).is_ok(), other as u64 == index);
            }
        }
        assert!(tree.prove(count).is_none());
    }
}

#[test]
fn errors_say_what_was_expected() {
    let leaves = leaves(5);
    let tree = MerkleTree::new(&leaves);
    let good = tree.prove(4).expect("an index in the tree");
    assert_eq!(good.siblings.len(), 1, "an odd last leaf moves up twice");
    let out = MerkleProof { index: 5, ..good.clone() };
    assert_eq!(out.verify(&tree.root(), &leaves[4]), Err(ProofError::IndexOutOfRange { index: 5, count: 5 }));
    let short = MerkleProof { siblings: Vec::new(), ..good.clone() };
    assert_eq!(short.verify(&tree.root(), &leaves[4]), Err(ProofError::SiblingCount { expected: 1, got: 0 }));
    let long = MerkleProof { siblings: vec![tree.root(); 65], ..good.clone() };
    assert_eq!(long.verify(&tree.root(), &leaves[4]), Err(ProofError::SiblingCount { expected: 1, got: 65 }));
    // The same path read as one in a greater tree: another count, another root.
    let widened = MerkleProof { index: u64::MAX - 1, count: u64::MAX, ..good };
    assert!(matches!(widened.verify(&tree.root(), &leaves[4]), Err(ProofError::SiblingCount { .. })));
    // A tree without leaves proves nothing.
    let empty = MerkleProof { index: 0, count: 0, siblings: Vec::new() };
    assert!(empty.verify(&merkle::root::<&[u8]>([]), &[]).is_err());
}

#[test]
fn an_inner_node_is_no_leaf() {
    let leaves = leaves(4);
    let tree = MerkleTree::new(&leaves);
    let left = [Sha256::hash(&[&[0], &leaves[0]]), Sha256::hash(&[&[0], &leaves[1]])];
    let right = Sha256::hash(&[&[1], &Sha256::hash(&[&[0], &leaves[2]]), &Sha256::hash(&[&[0], &leaves[3]])]);
    let forged = MerkleProof { index: 0, count: 2, siblings: vec![right] };
    assert!(matches!(forged.verify(&tree.root(), &left.map(|hash| hash.0).concat()), Err(ProofError::Root { .. })));
}

proptest! {
    #[test]
    fn a_changed_proof_fails(
        leaves in vec(vec(any::<u8>(), 0..40), 1..40),
        index in any::<prop::sample::Index>(),
        target in any::<prop::sample::Index>(),
        bit in 0u8..8,
    ) {
        let tree = MerkleTree::new(&leaves);
        let root = tree.root();
        let index = index.index(leaves.len());
        let leaf = &leaves[index];
        let proof = tree.prove(index as u64).expect("an index in the tree");
        prop_assert_eq!(proof.verify(&root, leaf), Ok(()));

        let mut sibling = proof.clone();
        if !sibling.siblings.is_empty() {
            let at = target.index(sibling.siblings.len() * 32);
            sibling.siblings[at / 32].0[at % 32] ^= 1 << bit;
            prop_assert!(sibling.verify(&root, leaf).is_err());
        }
        let mut changed = leaf.clone();
        changed.push(bit);
        prop_assert!(proof.verify(&root, &changed).is_err());
        let mut other_root = root;
        other_root.0[target.index(32)] ^= 1 << bit;
        prop_assert!(proof.verify(&other_root, leaf).is_err());
        let counted = MerkleProof { count: proof.count + 1, ..proof.clone() };
        prop_assert!(counted.verify(&root, leaf).is_err());
        let mut longer = proof.clone();
        longer.siblings.push(root);
        prop_assert!(longer.verify(&root, leaf).is_err());
    }
}
