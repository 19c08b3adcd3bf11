//! The verifier of stock `p3_batch_stark` 0.8 proofs, in-circuit.
//!
//! [`Verifier::verify`] records, for one proof of one program, everything that `verify_batch` checks:
//!
//! 1. [`transcript`]: every challenge is drawn from the stock transcript, which begins with the key's digest. Each
//!    grinding step's low bits are zero, by canonical decomposition.
//! 2. [`constraints`]: the constraints at ζ match the quotient, for every table; the LogUp terminals sum to zero.
//! 3. [`query`]: each query's rows authenticate under the caps, reduce to one value a height ([`openings`]), and fold to
//!    the final polynomial ([`fri`]).
//!
//! The order of the circuit's inputs is fixed here and mirrored by [`crate::inputs`]:
//!
//! ```text
//! public values, in words of eight
//! transcript steps in order:  cap words (but the preprocessed cap's) · terminals · claimed values · witnesses · final polynomial
//! per query:  per commitment:  leaves lowest height first, then the siblings of the path
//!             per FRI round:   the group's lanes, then the siblings of the path
//! ```

pub mod constraints;
pub mod fri;
pub mod openings;
pub mod query;
pub mod transcript;

use sinter_circuit::{Base, BitsSpec, Builder, CapRef, Ext, Item, Word};
use sinter_program::Program;
use sinter_program::dag::ExtDag;
use sinter_program::field::RATE;

use crate::layout::{Layout, LayoutError, Point, Round};
use crate::plan::{Cap, Challenge, Step};
use constraints::{ConstraintChallenges, TableValues};
use query::QueryContext;
use transcript::Transcript;

/// What the verifier knows about the program: no part of it comes from a proof.
#[derive(Clone, Debug)]
pub struct Verifier {
    /// The layout of its proofs.
    pub layout: Layout,
    /// The constraints of each table, LogUp's included.
    pub constraints: Vec<ExtDag>,
    /// Number of buses.
    pub buses: usize,
    /// Fields of the widest message.
    pub message_width: usize,
}

/// The key of the proof that is verified, as words: constants in a wrap, computed from the child's data in a fold.
#[derive(Clone, Copy, Debug)]
pub struct KeyWords {
    /// The digest that pre-feeds the transcript.
    pub digest: Word,
    /// The preprocessed cap, where the program has one.
    pub preprocessed: Option<CapRef>,
}

/// Everything that the transcript yields.
#[derive(Default)]
struct Drawn {
    caps: Vec<Option<CapRef>>,
    fri_caps: Vec<CapRef>,
    openings: Vec<Vec<Ext>>,
    terminals: Vec<Option<Ext>>,
    final_poly: Vec<Ext>,
    lookup_alpha: Option<Ext>,
    lookup_beta: Option<Ext>,
    constraint: Option<Ext>,
    zeta: Option<Ext>,
    batch: Option<Ext>,
    folds: Vec<Ext>,
    samples: Vec<Base>,
}

/// Why there is no verifier for a program.
#[derive(Debug, thiserror::Error)]
pub enum VerifierError {
    /// Its proofs cannot be laid out.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// Its constraints cannot be lowered.
    #[error(transparent)]
    Constraints(#[from] sinter_program::dag::ExportError),
}

impl Verifier {
    /// The verifier of a program's proofs.
    ///
    /// # Errors
    /// When the program's proofs cannot be laid out, or its constraints lowered.
    pub fn new(program: &Program) -> Result<Self, VerifierError> {
        let shape = program.shape();
        let constraints = (0..shape.tables.len()).map(|t| program.with_lookups(t)).collect::<Result<_, _>>()?;
        let layout = Layout::of(shape)?;
        Ok(Self { layout, constraints, buses: shape.buses, message_width: shape.message_width })
    }

    /// Records the verification of one proof under `key`; returns the words of its public values, eight a word, the last
    /// one filled with zeros.
    pub fn verify(&self, b: &mut Builder, key: KeyWords) -> Vec<Word> {
        b.set_label("public values");
        let count = self.num_publics();
        let publics: Vec<Word> = (0..count.div_ceil(RATE)).map(|_| b.input_word()).collect();
        if let (Some(&last), used @ 1..) = (publics.last(), count % RATE) {
            let tail = b.window(last, None, used, sinter_circuit::Len::Eight);
            b.assert_zero(tail);
        }
        let drawn = self.transcript(b, key, &publics);
        self.check_constraints(b, &drawn, &publics);
        self.check_queries(b, drawn);
        publics
    }

    /// Public values of all tables.
    #[must_use]
    pub fn num_publics(&self) -> usize {
        self.layout.tables.iter().map(|t| t.num_publics).sum()
    }

    /// Position of a table's first public value.
    fn first_public(&self, table: usize) -> usize {
        self.layout.tables[..table].iter().map(|t| t.num_publics).sum()
    }

    fn transcript(&self, b: &mut Builder, key: KeyWords, publics: &[Word]) -> Drawn {
        let layout = &self.layout;
        let mut drawn = Drawn {
            caps: vec![None; layout.commitments.len()],
            terminals: vec![None; layout.tables.len()],
            ..Drawn::default()
        };
        let mut transcript = Transcript::new(b);
        b.set_label("transcript");
        for step in layout.transcript() {
            match step {
                Step::Digest => transcript.observe([Item::Word(key.digest)]),
                Step::Constants(values) => transcript.observe_constants(&values),
                Step::Cap(Cap::Commitment(c)) => {
                    let commitment = &layout.commitments[c];
                    let known = if commitment.round == Round::Preprocessed { key.preprocessed } else { None };
                    let cap = known.unwrap_or_else(|| b.block_of_words(1 << commitment.log_cap));
                    transcript.observe(cap.words().map(Item::Word));
                    drawn.caps[c] = Some(cap);
                }
                Step::Cap(Cap::Fri(r)) => {
                    let cap = b.block_of_words(1 << layout.rounds[r].log_cap);
                    transcript.observe(cap.words().map(Item::Word));
                    drawn.fri_caps.push(cap);
                }
                Step::Publics(table) => {
                    let items = self.public_items(b, table, publics);
                    transcript.observe(items);
                }
                Step::Terminal(table) => {
                    let terminal = b.input_ext();
                    transcript.observe([Item::Ext(terminal)]);
                    drawn.terminals[table] = Some(terminal);
                }
                Step::Opening(opening) => {
                    let values: Vec<Ext> = (0..layout.openings[opening].width).map(|_| b.input_ext()).collect();
                    transcript.observe(values.iter().map(|&value| Item::Ext(value)));
                    drawn.openings.push(values);
                }
                Step::FinalPoly => {
                    drawn.final_poly = (0..1 << layout.fri.log_final_poly_len).map(|_| b.input_ext()).collect();
                    transcript.observe(drawn.final_poly.iter().map(|&value| Item::Ext(value)));
                }
                Step::Grind(_, bits) => {
                    let witness = b.input_base();
                    transcript.observe([Item::Base(witness)]);
                    let sample = transcript.sample(b);
                    b.set_label("grinding");
                    let spec = BitsSpec { len: bits, shifts: vec![0], ..BitsSpec::default() };
                    for low in b.bits(sample, &spec).shifted {
                        b.assert_zero(low);
                    }
                    b.set_label("transcript");
                }
                Step::Challenge(challenge) => {
                    let value = transcript.sample_ext(b);
                    match challenge {
                        Challenge::LookupAlpha => drawn.lookup_alpha = Some(value),
                        Challenge::LookupBeta => drawn.lookup_beta = Some(value),
                        Challenge::Constraints => drawn.constraint = Some(value),
                        Challenge::Zeta => drawn.zeta = Some(value),
                        Challenge::Batch => drawn.batch = Some(value),
                        Challenge::Fold(_) => drawn.folds.push(value),
                    }
                }
                Step::Indices => {
                    drawn.samples = (0..layout.fri.num_queries).map(|_| transcript.sample(b)).collect();
                }
            }
        }
        drawn
    }

    /// A table's public values as limbs of the transcript.
    fn public_items(&self, b: &mut Builder, table: usize, publics: &[Word]) -> Vec<Item> {
        let first = self.first_public(table);
        let end = first + self.layout.tables[table].num_publics;
        let mut items = Vec::new();
        let mut at = first;
        while at < end {
            if at.is_multiple_of(RATE) && at + RATE <= end {
                items.push(Item::Word(publics[at / RATE]));
                at += RATE;
            } else {
                items.push(Item::Base(b.pick(publics[at / RATE], at % RATE)));
                at += 1;
            }
        }
        items
    }

    fn check_constraints(&self, b: &mut Builder, drawn: &Drawn, publics: &[Word]) {
        let layout = &self.layout;
        let zero = Ext::from(b.zero());
        // Both challenges stand in every transcript.
        let (alpha, zeta) = (drawn.constraint.unwrap_or(zero), drawn.zeta.unwrap_or(zero));
        let mut challenges = ConstraintChallenges { alpha, zeta, beta: drawn.lookup_beta, bus_prefixes: Vec::new() };
        if let (Some(lookup_alpha), Some(lookup_beta)) = (drawn.lookup_alpha, drawn.lookup_beta) {
            // The offset of bus i is α + (i + 1)·β^W.
            b.set_label("lookups");
            let gamma = b.power(lookup_beta, self.message_width);
            let mut prefix = lookup_alpha;
            for _ in 0..self.buses {
                prefix = b.add(prefix, gamma);
                challenges.bus_prefixes.push(prefix);
            }
            let mut sum: Option<Ext> = None;
            for &terminal in drawn.terminals.iter().flatten() {
                sum = Some(match sum {
                    None => terminal,
                    Some(sum) => b.add(sum, terminal),
                });
            }
            if let Some(sum) = sum {
                b.assert_zero(sum);
            }
        }
        for (table, (shape, dag)) in layout.tables.iter().zip(&self.constraints).enumerate() {
            let values = |round: Round, chunk: usize, point: Point| {
                layout.opening(round, table, chunk, point).map(|o| drawn.openings[o].clone()).unwrap_or_default()
            };
            let both = |round: Round| [values(round, 0, Point::Zeta), values(round, 0, Point::Next)];
            let first = self.first_public(table);
            let mut bases = Vec::with_capacity(shape.num_publics);
            for at in first..first + shape.num_publics {
                bases.push(b.pick(publics[at / RATE], at % RATE));
            }
            let values = TableValues {
                main: both(Round::Main),
                preprocessed: both(Round::Preprocessed),
                permutation: both(Round::Permutation),
                quotient: (0..shape.chunks()).map(|c| values(Round::Quotient, c, Point::Zeta)).collect(),
                publics: bases,
                terminal: drawn.terminals[table],
            };
            constraints::check(b, shape, dag, &values, &challenges);
        }
    }

    fn check_queries(&self, b: &mut Builder, drawn: Drawn) {
        let layout = &self.layout;
        let zero = Ext::from(b.zero());
        let (alpha, zeta) = (drawn.batch.unwrap_or(zero), drawn.zeta.unwrap_or(zero));
        let heights = openings::claimed(b, layout, &drawn.openings, alpha, zeta);
        let one = b.one();
        let beta = b.div(one, alpha);
        let context = QueryContext {
            layout,
            alpha,
            beta,
            heights,
            // The transcript's steps hold one cap a commitment.
            caps: drawn.caps.into_iter().flatten().collect(),
            fri_caps: drawn.fri_caps,
            folds: drawn.folds,
            final_poly: drawn.final_poly,
        };
        for sample in drawn.samples {
            b.section(|b| query::check(b, &context, sample));
        }
    }
}
