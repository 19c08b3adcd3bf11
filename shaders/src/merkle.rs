//! Merkle trees of Poseidon2, as stock `MerkleTreeMmcs` builds them: matrices of different heights in one binary tree, the
//! shorter ones joining at the level that has as many nodes as they have rows.

use std::ops::Range;

use crate::codeword::Codeword;
use crate::columns::Columns;
use crate::device::{Buffer, Recorder, threads};
use crate::error::DeviceError;
use crate::kernels::Kernels;
use crate::words::{DEGREE, DIGEST_WORDS};

/// All digests of a tree.
#[derive(Debug)]
pub struct Tree {
    digests: Buffer,
    log_leaves: u32,
}

impl Tree {
    /// log2 of the number of leaves.
    #[must_use]
    pub const fn log_leaves(&self) -> u32 {
        self.log_leaves
    }

    /// The digests, [`DIGEST_WORDS`] words each: the leaves', then level by level up to the root.
    #[must_use]
    pub const fn digests(&self) -> &Buffer {
        &self.digests
    }

    /// The number of a node of a level, counted from the leaves (level 0), in [`Tree::digests`].
    #[must_use]
    pub const fn node(&self, level: u32, index: u64) -> u64 {
        level_offset(self.log_leaves, level) + index
    }

    /// The words of the layer that lies `cap_height` levels below the root, or of the leaves if the tree is lower.
    #[must_use]
    pub fn cap(&self, cap_height: u32) -> Range<u64> {
        let cap_height = cap_height.min(self.log_leaves);
        let first = self.node(self.log_leaves - cap_height, 0) * DIGEST_WORDS as u64;
        first..first + ((DIGEST_WORDS as u64) << cap_height)
    }
}

/// How many nodes lie below a level.
const fn level_offset(log_leaves: u32, level: u32) -> u64 {
    // 2^n + 2^(n-1) + ... down to the level below.
    (2 << log_leaves) - (2 << (log_leaves - level))
}

/// How the elements of a row lie in a buffer: element q of row r is at
/// `first + (q % inner) · inner_stride + (q / inner) · outer_stride + r · row_stride`.
#[derive(Clone, Copy, Debug)]
struct Layout {
    first: u32,
    inner: u32,
    inner_stride: u32,
    outer_stride: u32,
    row_stride: u32,
}

impl Kernels {
    /// The tree of matrices of different heights, the highest first.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn tree(&self, recorder: &mut Recorder<'_>, matrices: &[&Columns]) -> Result<Tree, DeviceError> {
        let log_leaves = matrices.first().map_or(0, |matrix| matrix.log_rows());
        let digests = self.device().buffer((DIGEST_WORDS as u64) * ((2 << log_leaves) - 1))?;
        if let Some(highest) = matrices.first() {
            self.hash_columns(recorder, highest, &digests)?;
        }
        let mut joining = matrices.iter().skip(1).peekable();
        let rows = |log_rows: u32| self.device().buffer((DIGEST_WORDS as u64) << log_rows);
        for level in 1..=log_leaves {
            let joined = match joining.next_if(|matrix| matrix.log_rows() == log_leaves - level) {
                Some(matrix) => {
                    let joined = rows(matrix.log_rows())?;
                    self.hash_columns(recorder, matrix, &joined)?;
                    Some(joined)
                }
                None => None,
            };
            self.level(recorder, &digests, log_leaves, level, joined.as_ref())?;
        }
        debug_assert!(joining.next().is_none(), "matrices come in falling heights, each height once");
        Ok(Tree { digests, log_leaves })
    }

    /// The tree over a codeword whose rows are 2^`log_arity` neighbouring elements.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn codeword_tree(
        &self,
        recorder: &mut Recorder<'_>,
        codeword: &Codeword,
        log_arity: u32,
    ) -> Result<Tree, DeviceError> {
        let log_leaves = codeword.log_len() - log_arity;
        let digests = self.device().buffer((DIGEST_WORDS as u64) * ((2 << log_leaves) - 1))?;
        let layout = Layout {
            first: 0,
            inner: DEGREE as u32,
            inner_stride: 1 << codeword.log_len(),
            outer_stride: 1,
            row_stride: 1 << log_arity,
        };
        let states = self.device().buffer(1)?;
        let elements = (DEGREE as u32) << log_arity;
        self.hash(recorder, codeword.buffer(), layout, (log_leaves, elements), (true, true), &states, &digests)?;
        for level in 1..=log_leaves {
            self.level(recorder, &digests, log_leaves, level, None)?;
        }
        Ok(Tree { digests, log_leaves })
    }

    pub(crate) fn hash_columns(
        &self,
        recorder: &mut Recorder<'_>,
        matrix: &Columns,
        digests: &Buffer,
    ) -> Result<(), DeviceError> {
        let slabs = matrix.slabs().len();
        let states = self.device().buffer(if slabs > 1 { 16 << matrix.log_rows() } else { 1 })?;
        for run in matrix.runs(0..matrix.width()) {
            let layout =
                Layout { first: 0, inner: 1, inner_stride: 0, outer_stride: 1 << matrix.log_rows(), row_stride: 1 };
            let ends = (run.slab_index == 0, run.slab_index + 1 == slabs);
            self.hash(recorder, run.slab, layout, (matrix.log_rows(), run.count as u32), ends, &states, digests)?;
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // The parameters of one dispatch.
    fn hash(
        &self,
        recorder: &mut Recorder<'_>,
        input: &Buffer,
        layout: Layout,
        (log_rows, elements): (u32, u32),
        (first, last): (bool, bool),
        states: &Buffer,
        digests: &Buffer,
    ) -> Result<(), DeviceError> {
        let position = u32::from(first) | u32::from(last) << 1;
        let Layout { first, inner, inner_stride, outer_stride, row_stride } = layout;
        let params = [1 << log_rows, elements, first, inner, inner_stride, outer_stride, row_stride, position];
        let buffers = [(1, &self.round_constants), (2, input), (3, states), (4, digests)];
        recorder.dispatch(&self.hash_rows, &buffers, &params, threads(1 << log_rows))
    }

    pub(crate) fn level(
        &self,
        recorder: &mut Recorder<'_>,
        digests: &Buffer,
        log_leaves: u32,
        level: u32,
        joined: Option<&Buffer>,
    ) -> Result<(), DeviceError> {
        let nodes = 1u64 << (log_leaves - level);
        let offset = |level| level_offset(log_leaves, level) as u32;
        let params = [nodes as u32, offset(level - 1), offset(level), u32::from(joined.is_some())];
        // Where nothing joins, something must still be bound; it is not read.
        let rows = joined.unwrap_or(&self.round_constants);
        let buffers = [(1, &self.round_constants), (2, digests), (3, rows)];
        recorder.dispatch(&self.merkle_level, &buffers, &params, threads(nodes))
    }
}
