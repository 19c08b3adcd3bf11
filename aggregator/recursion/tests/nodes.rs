//! A small universal shape, and nodes of it, honest or not.

use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::{Builder, Circuit, Inputs};
use sinter_program::dag::DagAir;
use sinter_program::field::Digest;
use sinter_program::{F, ParameterSet, Program, ProofFile, ProofKind, StatementLayout};
use sinter_recursion::{Fold, NodeKey, Universal};

use crate::puppet::{Cheat, Script};

/// As few queries as there can be, so that a fold closes at a quarter of its heights: nothing here is about their number.
const SMALL: ParameterSet = ParameterSet { queries: 2, ..ParameterSet::DEV };

/// The shape and its fold.
pub struct Tree {
    pub shape: Universal,
    pub fold: Fold,
    pub key: NodeKey,
    airs: Vec<DagAir>,
}

/// A circuit of the shape with its key.
pub struct Node<'a> {
    pub circuit: &'a Circuit,
    pub key: NodeKey,
    pub airs: Vec<DagAir>,
}

impl Tree {
    pub fn new() -> Self {
        let shape = Universal::new(SMALL, [12, 13, 11, 11, 8]).unwrap();
        let fold = Fold::new(&shape).unwrap();
        println!("{:?}", fold.circuit().rows().map(|rows| (rows.table.name(), rows.used)));
        let Node { key, airs, .. } = node(&shape, fold.circuit());
        Self { shape, fold, key, airs }
    }

    pub fn node<'a>(&self, circuit: &'a Circuit) -> Node<'a> {
        node(&self.shape, circuit)
    }

    fn fold_node(&self) -> Node<'_> {
        Node { circuit: self.fold.circuit(), key: self.key.clone(), airs: self.airs.clone() }
    }

    /// Executes the fold of two proofs for a fold key; says what fails.
    pub fn check(&self, fold_key: &Digest, left: &ProofFile, right: &ProofFile) -> Result<Vec<F>, String> {
        let inputs = self.fold.inputs(&self.shape, fold_key, left, right).map_err(|e| format!("inputs: {e}"))?;
        let witness = self.fold.circuit().execute(&inputs).map_err(|error| error.to_string())?;
        Ok(witness.publics().to_vec())
    }

    /// Folds two proofs for a fold key.
    pub fn fold(&self, fold_key: &Digest, left: &ProofFile, right: &ProofFile) -> ProofFile {
        let inputs = self.fold.inputs(&self.shape, fold_key, left, right).unwrap();
        self.prove(&self.fold_node(), &inputs)
    }

    /// An honest proof of a circuit.
    pub fn prove(&self, node: &Node<'_>, inputs: &Inputs) -> ProofFile {
        let witness = node.circuit.execute(inputs).unwrap();
        let traces = node.circuit.traces(&witness);
        self.cheat(node, &node.key, &traces, witness.publics(), Script::default())
    }

    /// A proof of a circuit's traces that claims to be under `key`, with these public values.
    pub fn cheat(
        &self,
        node: &Node<'_>,
        key: &NodeKey,
        traces: &[RowMajorMatrix<F>],
        public_values: &[F],
        script: Script,
    ) -> ProofFile {
        let publics = [vec![], vec![], vec![], vec![], public_values.to_vec()];
        let cheat = Cheat {
            parameters: SMALL,
            digest: &key.digest,
            airs: &node.airs,
            traces,
            publics: &publics,
            claimed_key: Some(&key.cap),
        };
        let proof = cheat.prove(script);
        let (digest, cap) = (key.digest, Some(key.cap.clone()));
        ProofFile { kind: ProofKind::Node, digest, key: cap, public_values: public_values.to_vec(), proof }
    }
}

fn node<'a>(shape: &Universal, circuit: &'a Circuit) -> Node<'a> {
    let airs = shape.airs_of(circuit).unwrap();
    let heights = circuit.log_heights().into_iter().map(|height| height as u8).collect();
    let (program, _) = Program::build(airs.clone(), heights, SMALL, StatementLayout::Raw).unwrap();
    Node { circuit, key: shape.key(program.commitment().unwrap().clone()), airs }
}

/// A circuit whose public values are whatever its prover wants: a program that proves nothing, as anybody may make one.
/// `salt` makes another key.
pub fn liar(shape: &Universal, salt: u32) -> Circuit {
    let mut b = Builder::new();
    for index in 0..8 {
        let word = b.input_word();
        b.expose(index, word);
    }
    let (salt, one) = (b.constant_base(F::new(salt)), b.one());
    let _ = b.mul(salt, one);
    b.finish(shape.heights()).unwrap()
}

/// Eight words as the inputs of [`liar`].
pub fn words(words: &[Digest]) -> Inputs {
    let mut inputs = Inputs::new();
    (0..8).for_each(|i| inputs.push_word(words.get(i).copied().unwrap_or_default()));
    inputs
}

/// The words of a proof's public values: fold key, root, count.
pub fn publics(file: &ProofFile) -> [Digest; 3] {
    std::array::from_fn(|i| std::array::from_fn(|k| file.public_values[8 * i + k]))
}
