//! The code that every rollup's statement has in common.
//!
//! A statement takes a rollup from one state to the next. The code here opens the state, takes entries from the inbox, opens
//! the blocks that the committee ordered, one after the other, finds every transaction in them, and exposes what
//! `RollupSettlement` reads. In between it calls two functions of the rollup's own: for an entry of the inbox, and for a
//! transaction. What they do is all that a rollup has to write ([`Rules`]).
//!
//! ```text
//! main ─▶ inbox: for each entry ─────────────▶ rules.entry
//!     └─▶ blocks: for each block, its head
//!             └─▶ transactions: for each ────▶ rules.transaction
//!                     └─▶ ensure ─▶ chunk: its hash, its path
//! ```
//!
//! **What a prover can choose**: how many entries it takes from the inbox, and where the statement ends: before any
//! transaction. It cannot leave out, change or reorder a byte of what was ordered: the next state names the place behind the
//! last transaction, and the next statement begins there.
//!
//! **What is read is what was ordered.** A block's head is the preimage of its commitment, which is part of the accumulator; a
//! chunk's digest has a path to the root in the head. A transaction's first five elements say how long it is; where its payload
//! is longer than the rules want to know, it is skipped without being opened.

mod blocks;
mod chunks;
mod inbox;
mod statement;
mod transactions;
mod withdrawals;

use sinter_machine::{Assembler, AssemblyError, Code, Function, library};
use thiserror::Error;

pub use withdrawals::WITHDRAWALS_MAX;

/// What the code asks its host. Questions of a rollup's rules begin at [`question::RULES`].
pub mod question {
    /// The state before: sets the addresses of four words: application, accumulator, inbox hash, position.
    pub const BEGIN: u32 = 0;
    /// About the next withdrawal's address: whether to take an entry from the inbox, its address, its bytes.
    pub const ENTRY: u32 = 1;
    /// Whether to open a block (the one in which the state stands, if it is not finished), the address of its head (four
    /// words), the address of the accumulator before it.
    pub const BLOCK: u32 = 2;
    /// About the next withdrawal's address and the place: whether to take the transaction there.
    pub const TRANSACTION: u32 = 3;
    /// About place, end of what is open, and base: whether to begin a new run of chunks, and its address.
    pub const CHUNK: u32 = 4;
    /// The address of the next sibling on the way from the chunk that was opened last.
    pub const SIBLING: u32 = 5;
    /// Nothing: tells of a withdrawal's eleven elements.
    pub const WITHDRAWAL: u32 = 6;
    /// Nothing: tells of the application's word after a transaction or an entry.
    pub const APPLIED: u32 = 7;
    /// The first question of a rollup's rules.
    pub const RULES: u32 = 64;
}

/// Where a statement's public values begin; `sinter_primitives::Transition` and `Transitions.sol` read them.
pub mod public {
    /// The domain, eight elements, as all digests.
    pub const DOMAIN: usize = 0;
    /// The digest of the state before.
    pub const BEFORE: usize = 8;
    /// The digest of the state after.
    pub const AFTER: usize = 16;
    /// The accumulator after the block in which the statement ends.
    pub const ACCUMULATOR: usize = 24;
    /// The inbox's rolling hash after the entries that were taken.
    pub const INBOX: usize = 32;
    /// The root over the statement's withdrawals.
    pub const WITHDRAWALS_ROOT: usize = 40;
    /// The height of that block, three elements, as all integers.
    pub const HEIGHT: usize = 48;
    /// The elements of its stream that were consumed.
    pub const OFFSET: usize = 51;
    /// Entries of the inbox that were taken.
    pub const ENTRIES: usize = 56;
    /// Withdrawals under the root.
    pub const WITHDRAWALS: usize = 59;
}

/// Functions that rules may call.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    /// [`library::sponge`].
    pub sponge: Function,
    /// (address of the next withdrawal, its eleven elements) → address of the next withdrawal. The elements must be known to be
    /// below 2^24. One transaction or entry may withdraw once.
    pub withdraw: Function,
}

/// The functions that are the rules. Both take (address of the application's word, address of the next withdrawal, address of
/// the input's first element, bytes) and give (address of the application's next word, address of the next withdrawal).
#[derive(Clone, Copy, Debug)]
pub struct Entrypoints {
    /// For a transaction that a user sent: its payload, of at most [`Rules::payload_bytes_max`].
    pub transaction: Function,
    /// For an entry of the inbox: all of it, head and payload.
    pub entry: Function,
}

/// The longest payload that rules can see: what has to be open at once must fit a run of chunks, and the machine's reserve.
pub const PAYLOAD_BYTES_MAX: u32 = 4096;

/// Why there is no code of a rollup's statement.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CodeError {
    /// The rules want to see longer payloads than can be open at once.
    #[error("expected rules that see at most {PAYLOAD_BYTES_MAX} bytes of a payload, got {got}")]
    PayloadBytes {
        /// What they want.
        got: u32,
    },
    /// The code is not finished.
    #[error(transparent)]
    Assembly(#[from] AssemblyError),
}

/// What makes one rollup different from another.
pub trait Rules {
    /// The longest payload that the rules want to see, at most [`PAYLOAD_BYTES_MAX`]. A longer one is skipped.
    fn payload_bytes_max(&self) -> u32;

    /// Writes the rules.
    fn write(&self, assembler: &mut Assembler, library: &Library) -> Entrypoints;
}

/// The code of a rollup's statement.
///
/// # Errors
/// [`CodeError`] when the rules want to see too much, miss a function, or there is too much code.
pub fn statement(rules: &dyn Rules) -> Result<Code, CodeError> {
    let got = rules.payload_bytes_max();
    if got > PAYLOAD_BYTES_MAX {
        return Err(CodeError::PayloadBytes { got });
    }
    let mut assembler = Assembler::new();
    let sponge = library::sponge(&mut assembler);
    let library = Library { sponge, withdraw: withdrawals::withdraw(&mut assembler) };
    let entrypoints = rules.write(&mut assembler, &library);
    let ensure = chunks::ensure(&mut assembler, sponge);
    let transactions =
        transactions::transactions(&mut assembler, ensure, entrypoints.transaction, rules.payload_bytes_max());
    let parts = statement::Parts {
        inbox: inbox::inbox(&mut assembler, sponge, entrypoints.entry),
        blocks: blocks::blocks(&mut assembler, transactions),
        root: withdrawals::root(&mut assembler),
    };
    statement::main(&mut assembler, &parts);
    Ok(assembler.finish()?)
}
