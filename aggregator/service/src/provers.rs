//! Real proofs: programs wrapped, folded and sealed by a prover of [`sinter_prover`].
//!
//! Circuits are built when they are first needed and kept: the fold's for good, the wraps' of the programs used last.

use crate::{
    ids::Hash,
    metrics,
    prove::{Fault, ProgramFile, Prove},
};
use sinter_program::{
    Digest, F, Program, ProofFile, ProofHeader, ProofKind,
    field::{DIGEST_LEN, digest_bytes, element},
    file, soundness,
};
use sinter_prover::{
    CpuProver, Folder, Guarded, Linker, Prover, Wrapper,
    aggregate::{
        Nodes,
        tree::{Tree, batch_statements, null_statement},
    },
    guarded::Wanted,
    link::Capacity,
};
use sinter_recursion::{
    Universal, node,
    statement::{self, PUBLIC_VALUES, Statement},
};
use sinter_seal::sealer::{SealLayers, Sealer};
use sinter_shaders::{DeviceError, Options as DeviceOptions};
use std::{
    fmt::Display,
    slice,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The digest under which proofs in the universal shape are handed in, which need no program file.
pub const UNIVERSAL: Hash = Hash([0; 32]);

/// How to prove.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Programs that prove less are refused.
    pub proven_bits_min: f64,
    /// Programs whose circuits are kept.
    pub programs_max: usize,
    /// The layers of a seal.
    pub seal: SealLayers,
}

impl Default for Options {
    fn default() -> Self {
        Self { proven_bits_min: soundness::TARGET_BITS, programs_max: 16, seal: SealLayers::PRODUCTION }
    }
}

/// A program and its wrap circuit.
struct Known {
    program: Program,
    /// Locked while it is built: two workers do not build one circuit.
    wrapper: Mutex<Option<Arc<Wrapper>>>,
}

/// See the module's first lines.
pub struct Provers {
    prover: Box<dyn Prover>,
    options: Options,
    folder: Mutex<Option<Arc<Folder<'static>>>>,
    /// Those used last, at the end.
    programs: Mutex<Vec<(Hash, Arc<Known>)>>,
}

/// What is locked here is whole after a panic: it is set at once, or not at all.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invalid(error: impl Display) -> Fault {
    Fault::Invalid(error.to_string())
}

fn failed(error: impl Display) -> Fault {
    Fault::Failed(error.to_string())
}

/// A digest from its bytes.
fn digest(bytes: &[u8; 32]) -> Option<Digest> {
    let mut digest = Digest::default();
    for (to, from) in digest.iter_mut().zip(bytes.chunks_exact(4)) {
        *to = element(u32::from_be_bytes([from[0], from[1], from[2], from[3]]))?;
    }
    Some(digest)
}

/// A statement from the bytes that [`Statement::to_bytes`] makes.
#[must_use]
pub fn read_statement(bytes: &[u8]) -> Option<Statement> {
    let elements: Option<Vec<F>> =
        bytes.chunks(4).map(|chunk| element(u32::from_be_bytes(<[u8; 4]>::try_from(chunk).ok()?))).collect();
    let elements = elements?;
    let (program_id, public_values) = elements.split_at_checked(DIGEST_LEN)?;
    let public_values: [F; PUBLIC_VALUES] = public_values.try_into().ok()?;
    Some(Statement { program_id: Digest::try_from(program_id).ok()?, public_values })
}

impl Provers {
    /// Proves on the processor.
    #[must_use]
    pub fn cpu(options: Options) -> Self {
        Self::new(Box::new(CpuProver), options)
    }

    /// Proves with what is wanted: GPUs with the processor behind them, or the processor alone. Returns the names of the GPUs, too.
    ///
    /// # Errors
    /// When a GPU is wanted that is not there, or one does not open.
    pub fn wanted(
        wanted: &Wanted,
        device: DeviceOptions,
        options: Options,
    ) -> Result<(Self, Vec<String>), DeviceError> {
        let adapters = wanted.adapters()?;
        if adapters.is_empty() {
            return Ok((Self::cpu(options), Vec::new()));
        }
        let prover = Guarded::open(adapters, device, metrics::gpu)?;
        let names = prover.devices().map(str::to_owned).collect();
        Ok((Self::new(Box::new(prover), options), names))
    }

    /// Proves with a prover.
    #[must_use]
    pub fn new(prover: Box<dyn Prover>, options: Options) -> Self {
        Self { prover, options, folder: Mutex::new(None), programs: Mutex::new(Vec::new()) }
    }

    /// The most memory that so many folds at once take: what admission compares with its budget.
    ///
    /// # Errors
    /// When the fold circuit cannot be built.
    pub fn prover_bytes(&self, at_once: u32) -> Result<u64, Fault> {
        Ok(self.prover.memory_bytes(self.folder()?.node().proving(), at_once))
    }

    /// The statement that a batch of one is joined by.
    ///
    /// # Errors
    /// When the null circuit cannot be built.
    pub fn null_statement(&self) -> Result<Vec<u8>, Fault> {
        Ok(null_statement(&*self.folder()?).map_err(failed)?.to_bytes().into())
    }

    /// The fold circuit, built once.
    ///
    /// # Errors
    /// When it cannot be built.
    pub fn folder(&self) -> Result<Arc<Folder<'static>>, Fault> {
        let mut folder = lock(&self.folder);
        if let Some(folder) = &*folder {
            return Ok(folder.clone());
        }
        let built = Arc::new(Folder::new().map_err(failed)?);
        *folder = Some(built.clone());
        Ok(built)
    }

    fn known(&self, program: ProgramFile<'_>) -> Result<Arc<Known>, Fault> {
        let mut programs = lock(&self.programs);
        if let Some(index) = programs.iter().position(|(digest, _)| digest == program.digest) {
            let found = programs.remove(index);
            let known = found.1.clone();
            programs.push(found);
            return Ok(known);
        }
        let decoded = file::decode(program.bytes).map_err(invalid)?;
        let got = Hash(digest_bytes(decoded.digest()));
        if got != *program.digest {
            return Err(Fault::Invalid(format!("expected the file of program {}, got that of {got}", program.digest)));
        }
        let known = Arc::new(Known { program: decoded, wrapper: Mutex::new(None) });
        if programs.len() >= self.options.programs_max.max(1) {
            programs.remove(0);
        }
        programs.push((got, known.clone()));
        Ok(known)
    }

    fn wrapper(&self, known: &Known) -> Result<Arc<Wrapper>, Fault> {
        let mut wrapper = lock(&known.wrapper);
        if let Some(wrapper) = &*wrapper {
            return Ok(wrapper.clone());
        }
        let built = Arc::new(Wrapper::new(&known.program).map_err(invalid)?);
        *wrapper = Some(built.clone());
        Ok(built)
    }

    /// Wraps a leaf, and checks what came of it as if a stranger had made it: what is in the queue was verified.
    fn wrap_with(&self, wrappers: &[Wrapper], proof: &[u8]) -> Result<Vec<u8>, Fault> {
        let folder = self.folder()?;
        let tree = Tree::new(&*self.prover, &folder, wrappers);
        let leaf = tree.leaf(proof).map_err(invalid)?;
        let node = tree.wrap(&leaf).map_err(failed)?;
        let bytes = tree.encode(&node).map_err(failed)?;
        tree.check_wrap(&leaf, &bytes).map_err(failed)?;
        Ok(bytes)
    }
}

impl Prove for Provers {
    fn register(&self, program: ProgramFile<'_>) -> Result<Hash, Fault> {
        let known = self.known(program)?;
        let (expected, got) = (self.options.proven_bits_min, soundness::Report::new(known.program.shape()).proven_bits);
        if got < expected {
            return Err(Fault::Invalid(format!("expected at least {expected} proven bits, got {got:.1}")));
        }
        Ok(Hash(digest_bytes(self.wrapper(&known)?.program_id())))
    }

    fn verify(&self, program: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault> {
        if *program.digest == UNIVERSAL {
            let folder = self.folder()?;
            let tree = Tree::new(&*self.prover, &folder, &[]);
            return Ok(tree.leaf(proof).map_err(invalid)?.statement().to_bytes().into());
        }
        let known = self.known(program)?;
        let header = ProofHeader::read(proof).map_err(invalid)?;
        if header.kind != ProofKind::Leaf || header.digest != *known.program.digest() {
            let got = Hash(digest_bytes(&header.digest));
            return Err(Fault::Invalid(format!("expected a proof of program {}, got one of {got}", program.digest)));
        }
        let file = ProofFile::decode(proof, known.program.shape()).map_err(invalid)?;
        known.program.verify(&file).map_err(invalid)?;
        let program_id = program.program_id.and_then(|id| digest(&id.0));
        let program_id = program_id.ok_or_else(|| failed("expected a program whose wrap circuit is built"))?;
        Ok(Statement { program_id, ..node::statement(&file) }.to_bytes().into())
    }

    fn wrap(&self, program: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault> {
        if *program.digest == UNIVERSAL {
            return self.wrap_with(&[], proof);
        }
        let wrapper = self.wrapper(&*self.known(program)?)?;
        self.wrap_with(slice::from_ref(&wrapper), proof)
    }

    fn null(&self) -> Result<Vec<u8>, Fault> {
        let folder = self.folder()?;
        let null = folder.null(&*self.prover).map_err(failed)?;
        null.encode(folder.shape().shape()).map_err(failed)
    }

    fn fold(&self, left: &[u8], right: &[u8]) -> Result<Vec<u8>, Fault> {
        let folder = self.folder()?;
        let shape = folder.shape();
        let left = shape.decode(left).map_err(failed)?;
        let right = shape.decode(right).map_err(failed)?;
        let (node, _) = folder.fold(&*self.prover, &left, &right).map_err(failed)?;
        // A fold that does not hold, by a fault of the machine, would bring down everything above it.
        folder.verify(&node).map_err(failed)?;
        node.encode(shape.shape()).map_err(failed)
    }

    fn seal(&self, root: &[u8], statements: &[Vec<u8>]) -> Result<Vec<u8>, Fault> {
        let folder = self.folder()?;
        let root = folder.shape().decode(root).map_err(failed)?;
        let found = folder.verify(&root).map_err(failed)?;
        let listed: Option<Vec<Statement>> = statements.iter().map(|bytes| read_statement(bytes)).collect();
        let listed = listed.ok_or_else(|| failed("expected statements of 288 bytes, got others"))?;
        let statements = batch_statements(&folder, &listed).map_err(failed)?;
        let leaves: Vec<_> = statements.iter().map(Statement::leaf).collect();
        if statement::root(&leaves) != Some(found.statements_root) || leaves.len() != found.count as usize {
            return Err(failed("expected the root of the batch's statements, got another"));
        }
        let capacity = Capacity::of(statements.len())
            .ok_or_else(|| invalid(format!("expected at most 1024 statements, got {}", statements.len())))?;
        let linker = Linker::new(capacity).map_err(failed)?;
        let (link, _) = linker.prove(&*self.prover, &statements).map_err(failed)?;
        // Its columns are gigabytes that the seal needs for its own.
        drop(linker);
        let links = Capacity::ALL.map(Capacity::key);
        let sealer = Sealer::new(Universal::fold(), folder.key(), &links, &self.options.seal).map_err(failed)?;
        let (bytes, claim, _) = sealer.prove(&*self.prover, &root, &link).map_err(failed)?;
        if sealer.seal().verify(&bytes).map_err(failed)? != claim {
            return Err(failed("expected the seal of the batch's statements, got another"));
        }
        Ok(bytes)
    }
}
