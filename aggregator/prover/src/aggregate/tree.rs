//! The nodes of a real batch: proofs of known programs, wrapped and folded by a prover.

use super::{Id, Nodes};
use crate::{
    files::{self, FileError},
    fold::{FoldError, Folder, NullError, RootError},
    leaf::proof_bytes_max,
    prover::Prover,
    wrap::{WrapProofError, Wrapper},
};
use sha2::{Digest as _, Sha256};
use sinter_program::{Digest, ProofFile, ProofHeader, ProofKind, dag::limits, field::digest_bytes, proof::ProofError};
use sinter_recursion::{
    NodeError, node,
    statement::{self, Statement},
};
use std::path::Path;
use thiserror::Error;

/// The most bytes that say what a proof is of.
pub const HEADER_BYTES_MAX: u64 = 40 + 4 * limits::PUBLIC_VALUES as u64;

/// Why a node cannot be made, or is not what it should be.
#[derive(Debug, Error)]
pub enum TreeError {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A leaf's proof cannot be read.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// A leaf's program is not known.
    #[error("expected a proof of a program that is known here, got one of {}", Hex(got))]
    UnknownProgram {
        /// The digest of its program.
        got: Digest,
    },
    /// A proof that was handed in is a fold: its statements are not known.
    #[error("expected a leaf's proof or its wrap, got a fold")]
    IsFold,
    /// A node's proof cannot be read or does not hold.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// A node is of another circuit.
    #[error("expected a proof under the key {}, got one under {}", Hex(expected), Hex(got))]
    Key {
        /// The digest of the key that it should be under.
        expected: Digest,
        /// The digest of the key that it is under.
        got: Digest,
    },
    /// A node is of the right circuit and says something else.
    #[error("expected the public values of the leaf below, got others")]
    PublicValues,
    /// A fold is not one.
    #[error(transparent)]
    Root(#[from] RootError),
    /// A fold is of other statements.
    #[error("expected the root {} of {count} statements, got {} of {got_count}", Hex(expected), Hex(got))]
    Statements {
        /// The root of the statements below.
        expected: Digest,
        /// How many they are.
        count: u32,
        /// The root in the proof.
        got: Digest,
        /// The number in the proof.
        got_count: u32,
    },
    /// A leaf cannot be wrapped.
    #[error(transparent)]
    Wrap(#[from] WrapProofError),
    /// Two nodes cannot be folded.
    #[error(transparent)]
    Fold(#[from] FoldError),
    /// The null statement cannot be proved.
    #[error(transparent)]
    Null(#[from] NullError),
}

/// A digest as it is written everywhere: each element a big-endian `u32`.
struct Hex<'a>(&'a Digest);

impl std::fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("0x")?;
        digest_bytes(self.0).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A leaf of the tree.
#[derive(Debug)]
pub struct Leaf {
    id: Id,
    /// The wrapper of its program; none when it is a node already.
    wrapper: Option<usize>,
    file: ProofFile,
    statement: Statement,
}

impl Leaf {
    /// What the leaf claims.
    #[must_use]
    pub const fn statement(&self) -> &Statement {
        &self.statement
    }
}

/// A node of the tree.
#[derive(Debug)]
pub struct TreeNode {
    file: ProofFile,
    /// The statements below, as leaves.
    leaves: Vec<Digest>,
}

impl TreeNode {
    /// Its proof.
    pub const fn proof(&self) -> &ProofFile {
        &self.file
    }

    /// Its proof, alone.
    pub fn into_proof(self) -> ProofFile {
        self.file
    }

    /// The leaves of the statements below it, in their order.
    pub fn leaves(&self) -> &[Digest] {
        &self.leaves
    }
}

/// Makes and checks the nodes of a batch.
pub struct Tree<'a> {
    prover: &'a dyn Prover,
    folder: &'a Folder<'static>,
    wrappers: &'a [Wrapper],
}

/// The statement that joins a batch of one: that of the circuit which asserts nothing.
///
/// # Errors
/// When the null circuit cannot be committed to.
pub fn null_statement(folder: &Folder<'_>) -> Result<Statement, NullError> {
    let program_id = folder.null_key()?.digest;
    Ok(Statement { program_id, public_values: [Default::default(); statement::PUBLIC_VALUES] })
}

/// The root over a batch's statements, and how many the proof counts: a batch of one is joined by the null statement.
/// None for an empty batch.
///
/// # Errors
/// When the null circuit cannot be committed to.
pub fn batch_root(folder: &Folder<'_>, statements: &[Statement]) -> Result<Option<(Digest, u32)>, NullError> {
    let leaves: Vec<Digest> = batch_statements(folder, statements)?.iter().map(Statement::leaf).collect();
    Ok(statement::root(&leaves).map(|root| (root, leaves.len() as u32)))
}

/// All statements below a batch's root: those listed, and the null statement that a single one is folded with.
///
/// # Errors
/// As [`batch_root`].
pub fn batch_statements(folder: &Folder<'_>, statements: &[Statement]) -> Result<Vec<Statement>, NullError> {
    let mut statements = statements.to_vec();
    if statements.len() == 1 {
        statements.push(null_statement(folder)?);
    }
    Ok(statements)
}

impl<'a> Tree<'a> {
    /// A tree over proofs of the wrappers' programs.
    #[must_use]
    pub const fn new(prover: &'a dyn Prover, folder: &'a Folder<'static>, wrappers: &'a [Wrapper]) -> Self {
        Self { prover, folder, wrappers }
    }

    /// Reads a leaf from a file: a proof of one of the programs, or a node's that is no fold.
    ///
    /// # Errors
    /// When the file cannot be read, is larger than such a proof, or is none.
    pub fn read_leaf(&self, path: &Path) -> Result<Leaf, TreeError> {
        let header = ProofHeader::read(&files::read_start(path, HEADER_BYTES_MAX)?)?;
        let shape = match self.wrapper(&header)? {
            Some(wrapper) => self.wrappers[wrapper].program().shape(),
            None => self.folder.shape().shape(),
        };
        self.leaf(&files::read(path, proof_bytes_max(shape))?)
    }

    /// A leaf from its bytes. The proof of a program is verified when it is wrapped; that of a node here.
    ///
    /// # Errors
    /// When they are no proof of one of the programs, and no node's.
    pub fn leaf(&self, bytes: &[u8]) -> Result<Leaf, TreeError> {
        let wrapper = self.wrapper(&ProofHeader::read(bytes)?)?;
        let (file, statement) = if let Some(index) = wrapper {
            let wrapper = &self.wrappers[index];
            let file = ProofFile::decode(bytes, wrapper.program().shape())?;
            let statement = Statement { program_id: *wrapper.program_id(), ..node::statement(&file) };
            (file, statement)
        } else {
            let file = self.folder.shape().decode(bytes)?;
            let key = self.folder.shape().verify(&file)?;
            if key.digest == self.folder.key().digest {
                return Err(TreeError::IsFold);
            }
            let statement = node::statement(&file);
            (file, statement)
        };
        let mut hasher = Sha256::new();
        hasher.update(b"leaf");
        hasher.update(digest_bytes(&statement.program_id));
        hasher.update(bytes);
        Ok(Leaf { id: hasher.finalize().into(), wrapper, file, statement })
    }

    /// The wrapper of the program that a proof is of; none for a node's.
    fn wrapper(&self, header: &ProofHeader) -> Result<Option<usize>, TreeError> {
        if header.kind == ProofKind::Node {
            return Ok(None);
        }
        let known = self.wrappers.iter().position(|wrapper| *wrapper.program().digest() == header.digest);
        known.map(Some).ok_or(TreeError::UnknownProgram { got: header.digest })
    }

    /// A node under a key, from bytes of which nothing is known.
    fn check(&self, expected: &Digest, bytes: &[u8]) -> Result<ProofFile, TreeError> {
        let file = self.folder.shape().decode(bytes)?;
        let got = self.folder.shape().verify(&file)?.digest;
        if got == *expected { Ok(file) } else { Err(TreeError::Key { expected: *expected, got }) }
    }
}

impl Nodes for Tree<'_> {
    type Leaf = Leaf;
    type Node = TreeNode;
    type Error = TreeError;

    fn circuits(&self) -> Id {
        digest_bytes(&self.folder.key().digest)
    }

    fn leaf_id(&self, leaf: &Leaf) -> Id {
        leaf.id
    }

    fn node_bytes_max(&self) -> u64 {
        proof_bytes_max(self.folder.shape().shape())
    }

    fn encode(&self, node: &TreeNode) -> Result<Vec<u8>, TreeError> {
        Ok(node.file.encode(self.folder.shape().shape())?)
    }

    fn wrap(&self, leaf: &Leaf) -> Result<TreeNode, TreeError> {
        let leaves = vec![leaf.statement.leaf()];
        let file = match leaf.wrapper {
            Some(index) => self.wrappers[index].wrap(self.prover, &leaf.file)?.0,
            // It was verified when it was read.
            None => self.folder.shape().decode(&leaf.file.encode(self.folder.shape().shape())?)?,
        };
        Ok(TreeNode { file, leaves })
    }

    fn check_wrap(&self, leaf: &Leaf, bytes: &[u8]) -> Result<TreeNode, TreeError> {
        let file = self.check(&leaf.statement.program_id, bytes)?;
        if node::statement(&file) != leaf.statement {
            return Err(TreeError::PublicValues);
        }
        Ok(TreeNode { file, leaves: vec![leaf.statement.leaf()] })
    }

    fn null(&self) -> Result<TreeNode, TreeError> {
        let file = self.folder.null(self.prover)?;
        let leaves = vec![node::statement(&file).leaf()];
        Ok(TreeNode { file, leaves })
    }

    fn check_null(&self, bytes: &[u8]) -> Result<TreeNode, TreeError> {
        let null = null_statement(self.folder)?;
        let file = self.check(&null.program_id, bytes)?;
        if node::statement(&file) != null {
            return Err(TreeError::PublicValues);
        }
        Ok(TreeNode { file, leaves: vec![null.leaf()] })
    }

    fn fold(&self, left: &TreeNode, right: &TreeNode) -> Result<TreeNode, TreeError> {
        let (file, _) = self.folder.fold(self.prover, &left.file, &right.file)?;
        Ok(TreeNode { file, leaves: [&left.leaves[..], &right.leaves].concat() })
    }

    fn check_fold(&self, left: &TreeNode, right: &TreeNode, bytes: &[u8]) -> Result<TreeNode, TreeError> {
        let leaves = [&left.leaves[..], &right.leaves].concat();
        let file = self.folder.shape().decode(bytes)?;
        let root = self.folder.verify(&file)?;
        // Two nodes have at least two leaves below them.
        let expected = statement::root(&leaves).unwrap_or_default();
        let count = leaves.len() as u32;
        if (expected, count) != (root.statements_root, root.count) {
            let (got, got_count) = (root.statements_root, root.count);
            return Err(TreeError::Statements { expected, count, got, got_count });
        }
        Ok(TreeNode { file, leaves })
    }
}
