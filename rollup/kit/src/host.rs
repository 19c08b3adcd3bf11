//! What answers the shared code's questions: a state, a lane, and the rollup's application.

use std::collections::VecDeque;

use p3_field::{PrimeCharacteristicRing, PrimeField32};
use sinter_machine::{Context, Host, HostError, Usage, WORD};
use sinter_primitives::accumulator::CHUNK_ELEMENTS;
use sinter_primitives::inbox::{EntryError, Withdrawal};
use sinter_primitives::poseidon2;
use sinter_program::F;
use thiserror::Error;

use crate::code::{WITHDRAWALS_MAX, question};
use crate::lane::{Lane, Opened};
use crate::state::{Digest, State, compress, from_words};

/// The rollup's own half of a host: what its rules ask, and its state beside the run.
pub trait Application {
    /// The word that stands for the application's state.
    fn word(&self) -> Digest;

    /// The most that one transaction or one entry takes, between two questions of the shared code.
    fn cost(&self) -> Usage;

    /// The rules have gone on to this word.
    ///
    /// # Errors
    /// When the application disagrees; the run ends.
    fn applied(&mut self, word: &Digest) -> Result<(), HostError>;

    /// A statement is complete: what was only kept for its sake can be forgotten.
    fn completed(&mut self) {}

    /// Answers a question of the rules, numbered from [`question::RULES`].
    ///
    /// # Errors
    /// When there is no answer; the run ends.
    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError>;
}

/// Why a lane cannot be proved from a state.
#[derive(Debug, Error)]
pub enum InputError {
    /// The state stands in a block that the lane does not begin with.
    #[error("the state stands in block {expected}: expected the lane to begin there, got {got:?}")]
    Block {
        /// The state's height.
        expected: u64,
        /// Where the lane begins.
        got: Option<u64>,
    },
    /// The lane's first block, after the accumulator before it, has another accumulator than the state.
    #[error("block {height}: expected accumulator {expected:?}, got {got:?}")]
    Accumulator {
        /// The block.
        height: u64,
        /// The state's.
        expected: Digest,
        /// The lane's.
        got: Digest,
    },
    /// The application stands elsewhere than the state says.
    #[error("expected an application at {expected:?}, got {got:?}")]
    Application {
        /// The state's word.
        expected: Digest,
        /// The application's.
        got: Digest,
    },
    /// An entry cannot stand in an inbox.
    #[error("inbox entry {index}: {source}")]
    Entry {
        /// Its place in the lane.
        index: usize,
        /// Why.
        source: EntryError,
    },
}

/// Cycles, hashes and words that the shared code takes at most between two questions whether to go on, and to end a
/// statement: three chunks opened twice, and the withdrawals' tree.
const SHARED_COST: Usage = Usage { cycles: 16_384, hashes: 1_024, words: 4_096 };

/// A withdrawal's elements, as its leaf has them.
const WITHDRAWAL_ELEMENTS: usize = 11;

/// The host of one statement.
pub struct StatementHost<'a> {
    application: &'a mut dyn Application,
    /// The state so far.
    pub(crate) state: State,
    blocks: VecDeque<Opened>,
    /// The accumulator before the block in which the state stands.
    pub(crate) previous: Digest,
    entries: VecDeque<(Vec<u8>, Digest)>,
    pub(crate) withdrawals: Vec<Withdrawal>,
    /// Where the first withdrawal stands.
    first_withdrawal: Option<u32>,
    /// The siblings of the chunk opened last.
    siblings: VecDeque<Digest>,
    /// The end of the cells of the run of chunks.
    run_end: u32,
    /// Whether the statement ends for want of room.
    pub(crate) full: bool,
}

impl std::fmt::Debug for StatementHost<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StatementHost").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Chunks for which a run has room.
const RUN_CHUNKS: u32 = 16;

impl<'a> StatementHost<'a> {
    /// A host that goes from `state` through `lane`.
    ///
    /// # Errors
    /// [`InputError`] when the lane does not go on where the state is.
    pub fn new(state: &State, lane: &Lane, application: &'a mut dyn Application) -> Result<Self, InputError> {
        let word = application.word();
        if word != state.application {
            return Err(InputError::Application { expected: state.application, got: word });
        }
        let blocks: VecDeque<Opened> = lane.blocks.iter().map(Opened::new).collect();
        if !state.is_between_blocks() {
            let first = blocks.front().filter(|block| block.height == state.height);
            let (Some(first), Some(previous)) = (first, lane.previous) else {
                let got = blocks.front().map(|block| block.height);
                return Err(InputError::Block { expected: state.height, got });
            };
            let got = compress(&previous, &first.commitment);
            if got != state.accumulator {
                return Err(InputError::Accumulator { height: first.height, expected: state.accumulator, got });
            }
        }
        let mut rolling = crate::state::to_words(&state.inbox);
        let mut entries = VecDeque::with_capacity(lane.entries.len());
        for (index, entry) in lane.entries.iter().enumerate() {
            let located = |source| InputError::Entry { index, source };
            rolling = entry.roll(&rolling).map_err(located)?;
            entries.push_back((entry.encode().map_err(located)?, from_words(&rolling)));
        }
        Ok(Self {
            application,
            state: state.clone(),
            blocks,
            previous: lane.previous.unwrap_or_default(),
            entries,
            withdrawals: Vec::new(),
            first_withdrawal: None,
            siblings: VecDeque::new(),
            run_end: 0,
            full: false,
        })
    }

    /// Whether there is room for one transaction more.
    fn has_room(&mut self, next_withdrawal: u32, left: &Usage) -> bool {
        let first = *self.first_withdrawal.get_or_insert(next_withdrawal);
        let withdrawals = (next_withdrawal - first) / WORD as u32;
        let needed = self.application.cost();
        let has_room = left.cycles > needed.cycles + SHARED_COST.cycles
            && left.hashes > needed.hashes + SHARED_COST.hashes
            && left.words > needed.words + SHARED_COST.words
            && withdrawals < WITHDRAWALS_MAX;
        self.full |= !has_room;
        has_room
    }

    fn begin(&self, context: &mut Context<'_>) -> Result<(), HostError> {
        context.memory.write_all(0, &self.state.domain)?;
        let state = &self.state;
        let words = [state.application, state.accumulator, state.inbox, state.position()];
        for (operand, word) in words.iter().enumerate() {
            let address = context.place(word)?;
            context.set(operand, address)?;
        }
        Ok(())
    }

    fn entry(&mut self, context: &mut Context<'_>) -> Result<(), HostError> {
        let next_withdrawal = context.address(0)?;
        let go = !self.entries.is_empty() && self.has_room(next_withdrawal, &context.left);
        context.set(1, F::from_bool(go))?;
        if let Some((bytes, rolling)) = if go { self.entries.pop_front() } else { None } {
            let blocks = bytes.chunks(poseidon2::BLOCK_BYTES);
            let elements: Vec<F> = blocks.flat_map(|block| poseidon2::unpack(block).map(F::new)).collect();
            let address = context.place(&elements)?;
            context.set(2, address)?;
            context.set(3, F::from_usize(bytes.len()))?;
            self.state.inbox = rolling;
            self.state.entries += 1;
        }
        Ok(())
    }

    fn block(&mut self, context: &mut Context<'_>) -> Result<(), HostError> {
        // The block in which the state stands is the first one until it is finished.
        let is_finished = |block: &mut Opened| self.state.is_between_blocks() && block.height == self.state.height;
        self.blocks.pop_front_if(is_finished);
        let go = !self.full && !self.blocks.is_empty();
        context.set(0, F::from_bool(go))?;
        if let Some(block) = if go { self.blocks.front() } else { None } {
            let head = context.place(&block.head)?;
            context.set(1, head)?;
            let previous = context.place(&self.previous)?;
            context.set(2, previous)?;
            if self.state.is_between_blocks() {
                self.previous = self.state.accumulator;
                self.state.accumulator = compress(&self.state.accumulator, &block.commitment);
                (self.state.height, self.state.offset, self.state.elements) = (block.height, 0, block.elements());
            }
        }
        Ok(())
    }

    fn transaction(&mut self, context: &mut Context<'_>) -> Result<(), HostError> {
        let next_withdrawal = context.address(0)?;
        self.state.offset = context.value(1)?.as_canonical_u32();
        let go = self.has_room(next_withdrawal, &context.left);
        Ok(context.set(2, F::from_bool(go))?)
    }

    fn chunk(&mut self, context: &mut Context<'_>) -> Result<(), HostError> {
        let [offset, end, base] = [0, 1, 2].map(|operand| context.value(operand));
        let (offset, end, base) = (offset?.as_canonical_u32(), end?.as_canonical_u32(), base?);
        let chunk = CHUNK_ELEMENTS as u32;
        let block = self.blocks.front().ok_or("a chunk of no block")?;
        let goes_on = end.is_multiple_of(chunk)
            && end > offset
            && (base + F::from_u32(end)).as_canonical_u32() + chunk <= self.run_end;
        let (index, at) = if goes_on {
            (end / chunk, (base + F::from_u32(end)).as_canonical_u32())
        } else {
            let run = context.memory.allocate(RUN_CHUNKS * chunk / WORD as u32)?;
            self.run_end = run + RUN_CHUNKS * chunk;
            context.set(4, F::from_u32(run))?;
            (offset / chunk, run)
        };
        context.set(3, F::from_bool(!goes_on))?;
        context.memory.write_all(at, &block.chunk(index as usize))?;
        self.siblings = block.siblings(index as usize).into();
        Ok(())
    }

    fn withdrawal(&mut self, context: &Context<'_>) -> Result<(), HostError> {
        let mut bytes = [0; WITHDRAWAL_ELEMENTS * poseidon2::ELEMENT_BYTES];
        for (operand, three) in bytes.as_chunks_mut::<{ poseidon2::ELEMENT_BYTES }>().0.iter_mut().enumerate() {
            three
                .copy_from_slice(&context.value(operand)?.as_canonical_u32().to_le_bytes()[..poseidon2::ELEMENT_BYTES]);
        }
        let (mut recipient, mut wei) = ([0; 20], [0; 16]);
        recipient.copy_from_slice(&bytes[..20]);
        wei[4..].copy_from_slice(&bytes[20..32]);
        self.withdrawals.push(Withdrawal { recipient, wei: u128::from_be_bytes(wei) });
        Ok(())
    }

    fn applied(&mut self, context: &Context<'_>) -> Result<(), HostError> {
        self.state.application = context.memory.read_word(context.address(0)?)?;
        self.application.applied(&self.state.application)
    }
}

impl Host for StatementHost<'_> {
    fn answer(&mut self, question: u32, context: &mut Context<'_>) -> Result<(), HostError> {
        match question {
            question::BEGIN => self.begin(context),
            question::ENTRY => self.entry(context),
            question::BLOCK => self.block(context),
            question::TRANSACTION => self.transaction(context),
            question::CHUNK => self.chunk(context),
            question::SIBLING => {
                let sibling = self.siblings.pop_front().ok_or("a sibling above the root")?;
                let address = context.place(&sibling)?;
                Ok(context.set(0, address)?)
            }
            question::WITHDRAWAL => self.withdrawal(context),
            question::APPLIED => self.applied(context),
            question => self.application.answer(question, context),
        }
    }
}
