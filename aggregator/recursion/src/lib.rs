//! Circuits that verify proofs: wrap, fold, and the tree they make.
