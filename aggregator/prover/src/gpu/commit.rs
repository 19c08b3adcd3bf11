//! Polynomials on the device, and commitments to their extensions.

use std::sync::Arc;

use p3_field::{Field, PrimeCharacteristicRing};
use p3_merkle_tree::PrunedMerklePaths;
use sinter_program::F;
use sinter_program::field::{Cap, DIGEST_LEN, Digest};
use sinter_shaders::columns::per_slab;
use sinter_shaders::words::{DIGEST_WORDS, to_elements};
use sinter_shaders::{Buffer, Columns, DeviceError, Kernels, Recorder, Span, Tree};

/// Polynomials of one matrix by their coefficients.
#[derive(Debug)]
pub(super) struct Polynomials {
    pub(super) source: Source,
    pub(super) log_rows: u32,
    pub(super) width: usize,
    /// The coefficients are those of p(s · X), where s shifts the domain that the values were on.
    pub(super) domain_shift: F,
}

/// Where coefficients are.
#[derive(Debug)]
pub(super) enum Source {
    /// In columns of their own.
    Columns(Columns),
    /// One chunk of a quotient: columns a stride apart in a buffer that all chunks share.
    Chunk { buffer: Arc<Buffer>, first: u64, stride: u64 },
}

impl Polynomials {
    /// What a trace in bit-reversed order interpolates to, in its place.
    pub(super) fn interpolate(
        kernels: &Kernels,
        recorder: &mut Recorder<'_>,
        trace: Columns,
    ) -> Result<Self, DeviceError> {
        let (log_rows, width) = (trace.log_rows(), trace.width());
        let polynomials = Self { source: Source::Columns(trace), log_rows, width, domain_shift: F::ONE };
        for (_, span) in polynomials.spans() {
            kernels.interpolate(recorder, span)?;
        }
        Ok(polynomials)
    }

    /// The columns buffer by buffer, each with the number of columns before it.
    pub(super) fn spans(&self) -> Vec<(usize, Span<'_>)> {
        let (log_rows, own_stride) = (self.log_rows, 1u64 << self.log_rows);
        match &self.source {
            Source::Columns(columns) => columns
                .runs(0..self.width)
                .map(|run| {
                    let first = (run.first as u64) << log_rows;
                    let span = Span { buffer: run.slab, first, stride: own_stride, columns: run.count, log_rows };
                    (run.before, span)
                })
                .collect(),
            Source::Chunk { buffer, first, stride } => {
                let span = Span { buffer, first: *first, stride: *stride, columns: self.width, log_rows };
                vec![(0, span)]
            }
        }
    }

    /// Extends the polynomials onto the coset of the generator with 2^`log_cosets` times as many points, into the columns of `to`
    /// from `first_column` on.
    pub(super) fn extend(
        &self,
        kernels: &Kernels,
        recorder: &mut Recorder<'_>,
        log_cosets: u32,
        to: &Columns,
        first_column: usize,
    ) -> Result<(), DeviceError> {
        let shift = F::GENERATOR * self.domain_shift.inverse();
        for (before, span) in self.spans() {
            let first = first_column + before;
            for run in to.runs(first..first + span.columns) {
                let part = Span { first: span.first + run.before as u64 * span.stride, columns: run.count, ..span };
                let destination = (run.slab, (run.first as u64) << (self.log_rows + log_cosets));
                kernels.extend(recorder, part, shift, log_cosets, destination)?;
            }
        }
        Ok(())
    }
}

/// Where a committed matrix is: its columns in the matrix of all of its height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Which height, counted from the highest.
    pub(super) class: usize,
    /// The first of its columns there.
    pub(super) first_column: usize,
}

/// Matrices of the same height lie side by side: the heights with all their columns, the highest first, and where each matrix is.
pub(super) fn layout(matrices: &[(u32, usize)]) -> (Vec<(u32, usize)>, Vec<Place>) {
    let mut classes: Vec<(u32, usize)> = matrices.iter().map(|&(log_rows, _)| (log_rows, 0)).collect();
    classes.sort_unstable_by(|a, b| b.cmp(a));
    classes.dedup();
    let mut places = Vec::with_capacity(matrices.len());
    for &(log_rows, width) in matrices {
        // Every height was collected above.
        let class = classes.iter().position(|&(height, _)| height == log_rows).unwrap_or(0);
        places.push(Place { class, first_column: classes[class].1 });
        classes[class].1 += width;
    }
    (classes, places)
}

/// Committed matrices: coefficients, extensions, tree.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) polynomials: Vec<Polynomials>,
    pub(super) places: Vec<Place>,
    /// The extensions, side by side by height.
    pub(super) classes: Vec<Columns>,
    pub(super) tree: Tree,
}

impl Committed {
    /// Extends polynomials by the blow-up factor and builds their tree.
    pub(super) fn new(
        kernels: &Kernels,
        recorder: &mut Recorder<'_>,
        polynomials: Vec<Polynomials>,
        log_blowup: u32,
    ) -> Result<Self, DeviceError> {
        let shapes: Vec<_> = polynomials.iter().map(|p| (p.log_rows + log_blowup, p.width)).collect();
        let (classes, places) = layout(&shapes);
        let classes = classes
            .into_iter()
            .map(|(log_rows, width)| {
                Columns::new(kernels.device(), log_rows, width, per_slab(kernels.device(), log_rows)?)
            })
            .collect::<Result<Vec<_>, _>>()?;
        for (polynomials, place) in polynomials.iter().zip(&places) {
            polynomials.extend(kernels, recorder, log_blowup, &classes[place.class], place.first_column)?;
        }
        let tree = kernels.tree(recorder, &classes.iter().collect::<Vec<_>>())?;
        Ok(Self { polynomials, places, classes, tree })
    }

    /// The columns of a matrix, and the range that it has of them.
    pub(super) fn extension(&self, matrix: usize) -> (&Columns, core::ops::Range<usize>) {
        let Place { class, first_column } = self.places[matrix];
        (&self.classes[class], first_column..first_column + self.polynomials[matrix].width)
    }

    /// The rows of every matrix at each of these leaves, query by query.
    pub(super) fn rows(&self, kernels: &Kernels, leaves: &[usize]) -> Result<Vec<Vec<Vec<F>>>, DeviceError> {
        let log_leaves = self.tree.log_leaves();
        // Every cell that is asked for, by class and slab, so that each buffer is read once.
        let mut places: Vec<Vec<Vec<u32>>> = self.classes.iter().map(|c| vec![Vec::new(); c.slabs().len()]).collect();
        let cells = |leaf: usize, matrix: usize| {
            let class = self.places[matrix].class;
            let (columns, range) = self.extension(matrix);
            let row = leaf >> (log_leaves - columns.log_rows());
            range.map(move |column| (class, columns.place(row, column)))
        };
        for &leaf in leaves {
            for matrix in 0..self.places.len() {
                for (class, (slab, word)) in cells(leaf, matrix) {
                    places[class][slab].push(word);
                }
            }
        }
        let mut values = Vec::with_capacity(self.classes.len());
        for (class, places) in self.classes.iter().zip(&places) {
            let mut slabs = Vec::with_capacity(places.len());
            for (slab, places) in class.slabs().iter().zip(places) {
                slabs.push(to_elements(&kernels.gather(slab, places)?).into_iter());
            }
            values.push(slabs);
        }
        // The same walk takes them out again.
        let mut take = |class: usize, slab: usize| values[class][slab].next().unwrap_or(F::ZERO);
        Ok(leaves
            .iter()
            .map(|&leaf| {
                let row = |matrix| cells(leaf, matrix).map(|(class, (slab, _))| take(class, slab)).collect();
                (0..self.places.len()).map(row).collect()
            })
            .collect())
    }
}

/// The commitment: a layer of the tree.
pub(super) fn cap(kernels: &Kernels, tree: &Tree, cap_height: u8) -> Result<Cap, DeviceError> {
    let words = kernels.device().download(tree.digests(), tree.cap(cap_height.into()))?;
    Ok(Cap::new(digests(&words)))
}

fn digests(words: &[u32]) -> Vec<Digest> {
    to_elements(words).as_chunks::<DIGEST_LEN>().0.to_vec()
}

/// The digests that open a tree at these leaves, without those that can be computed from them: level by level from the leaves, in
/// ascending order, every child of an opened node that is not opened itself. Reference: `PrunedMerklePaths` of p3-merkle-tree.
pub(super) fn paths(
    kernels: &Kernels,
    tree: &Tree,
    cap_height: u8,
    leaves: &[usize],
) -> Result<PrunedMerklePaths<F, DIGEST_LEN>, DeviceError> {
    let mut open: Vec<usize> = leaves.to_vec();
    open.sort_unstable();
    open.dedup();
    let mut places = Vec::new();
    for level in 0..tree.log_leaves().saturating_sub(cap_height.into()) {
        for &node in &open {
            if open.binary_search(&(node ^ 1)).is_err() {
                let digest = tree.node(level, (node ^ 1) as u64) * DIGEST_WORDS as u64;
                // A tree has fewer than 2^29 words, or no binding would reach it.
                places.extend((0..DIGEST_WORDS as u64).map(|word| (digest + word) as u32));
            }
        }
        open.iter_mut().for_each(|node| *node >>= 1);
        open.dedup();
    }
    Ok(PrunedMerklePaths { sibling_hashes: digests(&kernels.gather(tree.digests(), &places)?) })
}
