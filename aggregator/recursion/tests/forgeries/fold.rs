//! Point 2, in a tree: a key that imitates the fold key, another fold key below, children exchanged, roots and counts that
//! are not theirs, proofs under a key that is not their own.

use p3_field::PrimeCharacteristicRing;
use sinter_program::F;
use sinter_program::field::Digest;
use sinter_recursion::{node, statement};

use crate::nodes::{Tree, liar, publics, words};
use crate::puppet::Script;

const FORGED: Digest = [F::new(7); 8];

fn word(value: u32) -> Digest {
    std::array::from_fn(|i| if i == 0 { F::new(value) } else { F::ZERO })
}

/// A program exposes what a fold would: the fold key, a root of its choice, a large count. It is a leaf: the root shows its
/// statement, and counts one.
#[test]
fn a_leaf_that_writes_the_fold_key_is_a_leaf() {
    let tree = Tree::new();
    let circuit = liar(&tree.shape, 1);
    let liar = tree.node(&circuit);
    let imitation = tree.prove(&liar, &words(&[tree.key.digest, FORGED, word(1 << 10)]));
    tree.shape.verify(&imitation).unwrap();
    let honest = tree.prove(&liar, &words(&[FORGED]));

    let root = tree.fold(&tree.key.digest, &imitation, &honest);
    assert_eq!(tree.shape.verify(&root).unwrap(), tree.key);
    let [imitated, other] = [&imitation, &honest].map(|file| node::statement(file).leaf());
    assert_ne!(imitated, FORGED);
    assert_eq!(publics(&root), [tree.key.digest, statement::node(&imitated, &other), word(2)]);
}

/// The prover runs the true fold circuit for a fold key that is its own program's, which then counts as a fold: any root, any
/// count. The proof is valid, under the true key, and carries the other: whoever checks the last proof sees it, and a fold
/// above refuses it.
#[test]
fn another_fold_key_below_is_refused_above() {
    let tree = Tree::new();
    let circuit = liar(&tree.shape, 1);
    let liar = tree.node(&circuit);
    let forged = tree.prove(&liar, &words(&[liar.key.digest, FORGED, word(1 << 10)]));
    let honest = tree.prove(&liar, &words(&[FORGED]));
    // For the prover's own key the honest proof is a fold too, and does not carry that key.
    assert!(tree.check(&liar.key.digest, &forged, &honest).unwrap_err().starts_with("fold key"));

    let below = tree.fold(&liar.key.digest, &forged, &forged);
    assert_eq!(tree.shape.verify(&below).unwrap(), tree.key);
    assert_eq!(publics(&below), [liar.key.digest, statement::node(&FORGED, &FORGED), word(1 << 11)]);
    assert_ne!(publics(&below)[0], tree.key.digest, "what the checker of a root compares");

    for (left, right) in [(&below, &honest), (&below, &below)] {
        let error = tree.check(&tree.key.digest, left, right).unwrap_err();
        assert!(error.starts_with("fold key"), "{error}");
    }
    // The prover cannot have it both ways: the carried key is bound.
    let mut claimed = below;
    claimed.public_values[..8].copy_from_slice(&tree.key.digest);
    tree.shape.verify(&claimed).unwrap_err();
    tree.check(&tree.key.digest, &claimed, &honest).unwrap_err();
}

/// A prover folds for a key that agrees with his program's in all limbs but one, and is carried by his proof: still a leaf.
#[test]
fn keys_are_compared_by_all_their_limbs() {
    let tree = Tree::new();
    let circuit = liar(&tree.shape, 1);
    let liar = tree.node(&circuit);
    for limb in 0..8 {
        let mut fold_key = liar.key.digest;
        fold_key[limb] += F::ONE;
        let forged = tree.prove(&liar, &words(&[fold_key, FORGED, word(1 << 10)]));
        let leaf = node::statement(&forged).leaf();
        let publics = tree.check(&fold_key, &forged, &forged).unwrap();
        assert_eq!(publics[8..16], statement::node(&leaf, &leaf), "limb {limb}");
        assert_eq!(publics[16], F::TWO);
    }
}

/// RFC 6962's shape: the left count is a power of two and at least the right one.
#[test]
fn a_tree_of_another_shape_is_refused() {
    let tree = Tree::new();
    let circuit = liar(&tree.shape, 1);
    let liar = tree.node(&circuit);
    let key = tree.key.digest;
    let one = tree.prove(&liar, &words(&[FORGED]));
    let two = tree.fold(&key, &one, &one);
    let three = tree.fold(&key, &two, &one);
    assert_eq!([&two, &three].map(|file| publics(file)[2]), [word(2), word(3)]);
    for (left, right) in [(&one, &two), (&three, &one), (&three, &three), (&two, &three), (&one, &three)] {
        let error = tree.check(&key, left, right).unwrap_err();
        assert!(error.starts_with("counts"), "{error}");
    }
    for (left, right, count) in [(&one, &one, 2), (&two, &one, 3), (&two, &two, 4)] {
        assert_eq!(tree.check(&key, left, right).unwrap()[16], F::new(count));
    }
    // Counts out of range, for a fold key of which the prover makes proofs at will: zero, a right count above the left one by
    // wrapping around, the largest.
    let own = liar.key.digest;
    let counted = |count: F| {
        let word = std::array::from_fn(|i| if i == 0 { count } else { F::ZERO });
        tree.prove(&liar, &words(&[own, FORGED, word]))
    };
    let [zero, single, minus, large, larger] =
        [F::ZERO, F::ONE, F::NEG_ONE, F::new(1 << 23), F::new(1 << 24)].map(counted);
    for (left, right) in [(&single, &zero), (&zero, &zero), (&single, &minus), (&minus, &single), (&larger, &single)] {
        let error = tree.check(&own, left, right).unwrap_err();
        assert!(error.starts_with("counts"), "{error}");
    }
    // One bit among the low 24, one above them, and a surplus that fits.
    let (odd, pair) = (counted(F::new((1 << 24) + 1)), counted(F::TWO));
    assert!(tree.check(&own, &odd, &pair).unwrap_err().starts_with("counts"));
    assert_eq!(tree.check(&own, &large, &large).unwrap()[16], F::new(1 << 24));
}

/// Children exchanged, a root replaced, a count changed, a fold key changed: everything proved for the false public values
/// but the traces, which are those of the true ones.
#[test]
fn public_values_of_a_fold_are_bound() {
    let tree = Tree::new();
    let circuit = liar(&tree.shape, 1);
    let liar = tree.node(&circuit);
    let key = tree.key.digest;
    let [left, right] = [1, 2].map(|i| tree.prove(&liar, &words(&[word(i)])));
    let [l, r] = [&left, &right].map(|file| node::statement(file).leaf());

    let inputs = tree.fold.inputs(&tree.shape, &key, &left, &right).unwrap();
    let fold = tree.node(tree.fold.circuit());
    let witness = fold.circuit.execute(&inputs).unwrap();
    let traces = fold.circuit.traces(&witness);
    assert_eq!(witness.publics()[8..16], statement::node(&l, &r));
    let mut forgeries = Vec::new();
    let mut forge = |at: usize, values: &[F]| {
        let mut publics = witness.publics().to_vec();
        publics[at..at + values.len()].copy_from_slice(values);
        forgeries.push(publics);
    };
    forge(8, &statement::node(&r, &l));
    forge(8, &FORGED);
    forge(0, &liar.key.digest);
    forge(16, &[F::new(4)]);
    forge(17, &[F::ONE]);
    forge(63, &[F::ONE]);
    for public_values in forgeries {
        let forged = tree.cheat(&fold, &tree.key, &traces, &public_values, Script::default());
        tree.shape.verify(&forged).unwrap_err();
        // The Boundary table sends them: the bus does not balance.
        let error = tree.check(&key, &forged, &right).unwrap_err();
        assert!(error.starts_with("lookups"), "{error}");
    }
    // A child whose public values are replaced after the fact.
    let honest = tree.cheat(&fold, &tree.key, &traces, witness.publics(), Script::default());
    tree.check(&key, &honest, &right).unwrap();
    let mut changed = honest;
    changed.public_values[8..16].copy_from_slice(&FORGED);
    tree.shape.verify(&changed).unwrap_err();
    tree.check(&key, &changed, &right).unwrap_err();
}

/// A proof of one circuit that claims another's key: the digest, the cap, and both in the transcript.
#[test]
fn no_circuit_passes_for_a_fold() {
    let tree = Tree::new();
    let circuit = liar(&tree.shape, 1);
    let liar = tree.node(&circuit);
    let inputs = words(&[tree.key.digest, FORGED, word(1 << 10)]);
    let witness = circuit.execute(&inputs).unwrap();
    let traces = circuit.traces(&witness);
    let other = tree.prove(&liar, &words(&[FORGED]));

    let forged = tree.cheat(&liar, &tree.key, &traces, witness.publics(), Script::default());
    tree.shape.verify(&forged).unwrap_err();
    let error = tree.check(&tree.key.digest, &forged, &other).unwrap_err();
    assert!(error.starts_with("paths"), "{error}");

    // The circuit's own cap under the fold's digest, and the reverse: not the preimage.
    let mut mixed = tree.cheat(&liar, &liar.key, &traces, witness.publics(), Script::default());
    mixed.digest = tree.key.digest;
    tree.shape.verify(&mixed).unwrap_err();
    assert!(tree.check(&tree.key.digest, &mixed, &other).unwrap_err().contains("key digest"));
    mixed.key = Some(tree.key.cap.clone());
    tree.shape.verify(&mixed).unwrap_err();
    tree.check(&tree.key.digest, &mixed, &other).unwrap_err();

    // Another circuit of the same shape: another constant is another key, and neither passes for the other.
    let second = crate::nodes::liar(&tree.shape, 2);
    let second = tree.node(&second);
    assert_ne!(second.key.digest, liar.key.digest);
    let forged = tree.cheat(&second, &liar.key, &traces, witness.publics(), Script::default());
    tree.shape.verify(&forged).unwrap_err();
    tree.check(&tree.key.digest, &forged, &other).unwrap_err();
}

/// Without the tag a statement would be a node: p3's sponge ends in the permutation that its compression is.
#[test]
fn a_statement_is_no_node() {
    use p3_symmetric::Permutation;
    let statement = statement::Statement {
        program_id: [F::new(3); 8],
        public_values: std::array::from_fn(|i| F::from_usize(i * i + 1)),
    };
    let elements: Vec<F> = statement.program_id.iter().chain(&statement.public_values).copied().collect();
    let mut state = [F::ZERO; 16];
    for block in elements.chunks(8).take(8) {
        state[..8].copy_from_slice(block);
        sinter_program::field::permutation().permute_mut(&mut state);
    }
    let last: Digest = std::array::from_fn(|i| statement.public_values[56 + i]);
    let capacity: Digest = std::array::from_fn(|i| state[8 + i]);
    let bare = sinter_program::field::hash_elements(elements);
    assert_eq!(bare, statement::node(&last, &capacity), "the confusion that the tag prevents");
    assert_eq!(statement.leaf(), statement::node(&bare, &statement::TAG));
    assert_ne!(statement.leaf(), bare);
}
