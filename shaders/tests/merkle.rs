//! Trees of matrices of several heights and of codewords, against stock `MerkleTreeMmcs`.

use p3_commit::{ExtensionMmcs, Mmcs};
use p3_field::Field;
use p3_koala_bear::{Poseidon2KoalaBear, default_koalabear_poseidon2_16};
use p3_matrix::Matrix;
use p3_matrix::bitrev::BitReversibleMatrix;
use p3_matrix::dense::RowMajorMatrix;
use p3_merkle_tree::MerkleTreeMmcs;
use p3_symmetric::{MerkleCap, PaddingFreeSponge, TruncatedPermutation};
use sinter_shaders::columns::per_slab;
use sinter_shaders::words::{EF, F, to_elements};
use sinter_shaders::{Columns, Kernels, Options, Tree};

use crate::kit::{elements, extensions, variants};

type Perm = Poseidon2KoalaBear<16>;
type Hasher = PaddingFreeSponge<Perm, 16, 8, 8>;
type Compress = TruncatedPermutation<Perm, 2, 8, 16>;
type Packed = <F as Field>::Packing;
type Stock = MerkleTreeMmcs<Packed, Packed, Hasher, Compress, 2, 8>;

fn stock(cap_height: usize) -> Stock {
    let permutation = default_koalabear_poseidon2_16();
    Stock::new(Hasher::new(permutation.clone()), Compress::new(permutation), cap_height)
}

fn cap(kernels: &Kernels, tree: &Tree, cap_height: u32) -> MerkleCap<F, [F; 8]> {
    let words = kernels.device().download(tree.digests(), tree.cap(cap_height)).unwrap();
    MerkleCap::new(to_elements(&words).chunks_exact(8).map(|digest| digest.try_into().unwrap()).collect())
}

fn matrices(kernels: &Kernels, shapes: &[(u32, usize)], cap_height: u32) {
    let mut recorder = kernels.device().record();
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for &(log_rows, width) in shapes {
        // Rows are uploaded in natural order and lie in bit-reversed order.
        let values = elements(width << log_rows, u64::from(log_rows) + width as u64);
        let columns = per_slab(kernels.device(), log_rows).unwrap();
        let columns = Columns::new(kernels.device(), log_rows, width, columns).unwrap();
        kernels.upload_rows(&mut recorder, &columns, 0, &values, width).unwrap();
        ours.push(columns);
        theirs.push(RowMajorMatrix::new(values, width).bit_reverse_rows().to_row_major_matrix());
    }
    let tree = kernels.tree(&mut recorder, &ours.iter().collect::<Vec<_>>()).unwrap();
    recorder.submit().unwrap();
    let (expected, _) = stock(cap_height as usize).commit(theirs);
    assert_eq!(cap(kernels, &tree, cap_height), expected, "{shapes:?}, {:?}", kernels.device().arithmetic());
}

#[test]
fn matrices_of_any_width_and_height_have_the_stock_root() {
    for kernels in variants("merkle", Options::default()) {
        for width in [1, 7, 8, 9, 16, 23] {
            matrices(&kernels, &[(5, width)], 0);
        }
        matrices(&kernels, &[(0, 3)], 4);
        matrices(&kernels, &[(3, 3)], 4);
        matrices(&kernels, &[(9, 5)], 4);
        matrices(&kernels, &[(7, 9), (6, 3), (4, 8), (0, 1)], 2);
        matrices(&kernels, &[(8, 2), (3, 17)], 4);
    }
}

#[test]
fn rows_in_several_slabs_have_the_same_digests() {
    let options = Options { binding_bytes_max: Some((4 * 16) << 7), ..Options::default() };
    for kernels in variants("merkle in slabs", options) {
        for width in [15, 16, 17, 40] {
            matrices(&kernels, &[(7, width), (5, 3)], 2);
        }
    }
}

#[test]
fn codewords_are_hashed_row_by_row() {
    for kernels in variants("merkle of codewords", Options::default()) {
        for (log_len, log_arity) in [(6, 3), (5, 1), (7, 2), (4, 4)] {
            let elements: Vec<EF> = extensions(1 << log_len, 11);
            let codeword = kernels.upload_codeword(&elements).unwrap();
            let mut recorder = kernels.device().record();
            let tree = kernels.codeword_tree(&mut recorder, &codeword, log_arity).unwrap();
            recorder.submit().unwrap();
            let mmcs = ExtensionMmcs::<F, EF, Stock>::new(stock(1));
            let (expected, _) = mmcs.commit_matrix(RowMajorMatrix::new(elements, 1 << log_arity));
            assert_eq!(cap(&kernels, &tree, 1), expected, "2^{log_len} by 2^{log_arity}");
        }
    }
}
