//! The statements' Keccak tree: its definition, word by word, and paths that prove one leaf at one place.

use proptest::prelude::*;
use sha3::{Digest, Keccak256};
use sinter_primitives::statements::{Hash, STATEMENT_BYTES, StatementTree, leaf, root_of_path};

fn keccak(bytes: &[u8]) -> Hash {
    Keccak256::digest(bytes).into()
}

/// The definition: recursive, from RFC 6962, section 2.1.
fn tree_hash(statements: &[[u8; STATEMENT_BYTES]]) -> Hash {
    if let [statement] = statements {
        let [a, b, c] = [0, 96, 192].map(|from| keccak(&statement[from..from + 96]));
        return keccak(&[a, b, c].concat());
    }
    let k = statements.len().next_power_of_two() / 2;
    keccak(&[tree_hash(&statements[..k]), tree_hash(&statements[k..])].concat())
}

fn statements(count: usize) -> Vec<[u8; STATEMENT_BYTES]> {
    (0..count).map(|at| std::array::from_fn(|byte| (at * 7 + byte) as u8)).collect()
}

#[test]
fn a_known_leaf() {
    // Computed with another implementation, js-sha3: the hash of 96 zeros, and that of three such hashes.
    let chunk = keccak(&[0; 96]);
    assert_eq!(hex::encode(chunk), "46700b4d40ac5c35af2c22dda2787a91eb567b06c924a8fb8ae9a05b20c08c21");
    let expected = "98201b07b094935728c71f2c33a4c99255667e5b0b9e1ebcca2afdc24eb061cc";
    assert_eq!(hex::encode(leaf(&[0; STATEMENT_BYTES])), expected);
}

#[test]
fn roots_follow_the_definition_and_paths_lead_there() {
    assert_eq!(StatementTree::new(&[]).root(), None);
    assert_eq!(StatementTree::new(&[]).path(0), None);
    for count in 1..=40 {
        let statements = statements(count);
        let tree = StatementTree::new(&statements);
        let root = tree.root().expect("a list that is not empty");
        assert_eq!(root, tree_hash(&statements), "{count} statements");
        assert_eq!((tree.count(), tree.path(count)), (count, None));
        for index in 0..count {
            let path = tree.path(index).expect("an index in the tree");
            let leads = |statement: &[u8; STATEMENT_BYTES], index, count| {
                root_of_path(&leaf(statement), index, count, &path) == Some(root)
            };
            for other in 0..count {
                assert_eq!(leads(&statements[other], index, count), other == index, "{index} of {count}");
                assert_eq!(leads(&statements[index], other, count), other == index, "{index} of {count} at {other}");
            }
            assert!(!leads(&statements[index], count + index, count));
            let longer: Vec<Hash> = path.iter().copied().chain([root]).collect();
            assert_eq!(root_of_path(&leaf(&statements[index]), index, count, &longer), None);
            if let Some((_, shorter)) = path.split_last() {
                assert_eq!(root_of_path(&leaf(&statements[index]), index, count, shorter), None);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_list_follows_the_definition(seeds in proptest::collection::vec(any::<[u8; 32]>(), 1..100), at in any::<usize>()) {
        let statements: Vec<[u8; STATEMENT_BYTES]> =
            seeds.iter().map(|seed| std::array::from_fn(|byte| seed[byte % 32] ^ byte as u8)).collect();
        let tree = StatementTree::new(&statements);
        prop_assert_eq!(tree.root(), Some(tree_hash(&statements)));
        let index = at % statements.len();
        let path = tree.path(index).expect("an index in the tree");
        prop_assert_eq!(root_of_path(&leaf(&statements[index]), index, statements.len(), &path), tree.root());
    }

    #[test]
    fn every_byte_counts(seed in any::<[u8; 32]>(), byte in 0..STATEMENT_BYTES, bit in 0..8_u32) {
        let statement: [u8; STATEMENT_BYTES] = std::array::from_fn(|at| seed[at % 32]);
        let mut other = statement;
        other[byte] ^= 1_u8 << bit;
        prop_assert_ne!(leaf(&statement), leaf(&other));
    }
}
