//! A prover whose proofs are words. A node is its own description, so that a root shows the order of its batch.
//!
//! | proof | is |
//! |---|---|
//! | `junk…` | none: it does not verify |
//! | `flaw…` | one that cannot be wrapped |
//! | `panic…` | one that the prover panics on |
//! | `hard…` | one that cannot be folded |
//! | anything else | good |

use sinter_service::{
    Hash,
    prove::{Fault, ProgramFile, Prove},
};
use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

#[derive(Default)]
pub struct Words {
    /// What was asked, in order.
    pub calls: Mutex<Vec<String>>,
    /// How long each wrap and fold takes.
    pub delay_ms: AtomicU64,
    /// Calls of any kind that fail before one succeeds again.
    pub failing: AtomicU64,
}

impl Words {
    pub fn calls(&self, prefix: &str) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| call.starts_with(prefix)).count()
    }

    fn called(&self, call: String) -> Result<(), Fault> {
        self.calls.lock().unwrap().push(call);
        std::thread::sleep(Duration::from_millis(self.delay_ms.load(Ordering::SeqCst)));
        let failing = self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if failing.is_ok() { Err(Fault::Failed("the power is gone".into())) } else { Ok(()) }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

impl Prove for Words {
    fn register(&self, program: ProgramFile<'_>) -> Result<Hash, Fault> {
        self.called(format!("register {}", program.digest))?;
        if program.bytes.ends_with(b"weak") {
            return Err(Fault::Invalid("expected at least 100 proven bits, got 57".into()));
        }
        Ok(Hash::of(program.bytes))
    }

    fn verify(&self, _: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault> {
        let word = text(proof);
        self.called(format!("verify {word}"))?;
        if word.starts_with("junk") { Err(Fault::Invalid("it is junk".into())) } else { Ok(proof.to_vec()) }
    }

    fn wrap(&self, _: ProgramFile<'_>, proof: &[u8]) -> Result<Vec<u8>, Fault> {
        let word = text(proof);
        self.called(format!("wrap {word}"))?;
        assert!(!word.starts_with("panic"), "a panic that is meant");
        if word.starts_with("flaw") { Err(Fault::Failed("it has a flaw".into())) } else { Ok(word.into()) }
    }

    fn null(&self) -> Result<Vec<u8>, Fault> {
        self.called("null".into())?;
        Ok(b"-".to_vec())
    }

    fn fold(&self, left: &[u8], right: &[u8]) -> Result<Vec<u8>, Fault> {
        let node = format!("({} {})", text(left), text(right));
        self.called(format!("fold {node}"))?;
        // Only the node just above: those higher up are never tried.
        if node.contains("hard") { Err(Fault::Failed("it is hard".into())) } else { Ok(node.into()) }
    }

    fn seal(&self, root: &[u8], statements: &[Vec<u8>]) -> Result<Vec<u8>, Fault> {
        let listed: Vec<String> = statements.iter().map(|statement| text(statement)).collect();
        let seal = format!("{}: {}", text(root), listed.join(","));
        self.called(format!("seal {seal}"))?;
        if seal.contains("stuck") { Err(Fault::Failed("it is stuck".into())) } else { Ok(seal.into()) }
    }
}
