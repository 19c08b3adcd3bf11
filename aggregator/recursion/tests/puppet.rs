//! A cheating prover: stock `prove_batch` on any traces, under a transcript that says other things than the prover does.
//!
//! A proof in which a field is merely overwritten fails everywhere at once, since every later challenge changes. A real
//! cheat is consistent: it absorbs its lie and goes on with the challenges that follow. [`Script`] says at which positions
//! of the transcript the prover lies, and which grinding steps it leaves out.

use std::collections::BTreeMap;
use std::sync::Arc;

use p3_batch_stark::StarkGenericConfig;
use p3_batch_stark::proof::BatchProof;
use p3_batch_stark::{ProverData, StarkInstance, prove_batch};
use p3_challenger::{CanObserve, CanSample, CanSampleBits, FieldChallenger, GrindingChallenger};
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing, PrimeField32};
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::dag::DagAir;
use sinter_program::field::{Cap, Duplex, Pcs};
use sinter_program::{Challenger, Config, Digest, EF, F, ParameterSet};
use sinter_recursion::layout::{Layout, Point, Round};
use sinter_recursion::plan::{self, Step};

/// How a grinding step is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// The first witness whose sample does not have its low bits zero.
    Fails,
    /// A witness whose sample s has low bits that are not zero, where those of s + p are.
    SecondRepresentative,
}

/// What the prover says that is not so.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// Added to the element that is absorbed at this position, the digest standing at 0 to 7.
    pub lies: BTreeMap<usize, F>,
    /// Grinding steps, numbered in order, that are not ground.
    pub idle: BTreeMap<usize, Idle>,
}

impl Script {
    /// A script of lies alone.
    pub fn lying(lies: impl IntoIterator<Item = (usize, F)>) -> Self {
        Self { lies: lies.into_iter().collect(), ..Self::default() }
    }

    /// A script that passes over one grinding step.
    pub fn idle(step: usize, how: Idle) -> Self {
        Self { idle: [(step, how)].into(), ..Self::default() }
    }
}

/// The stock transcript with a [`Script`].
#[derive(Clone, Debug)]
pub struct Puppet {
    inner: Duplex,
    script: Arc<Script>,
    absorbed: usize,
    ground: usize,
}

impl Puppet {
    fn new(digest: &Digest, script: Script) -> Self {
        let inner = Challenger::new(digest).inner().clone();
        Self { inner, script: Arc::new(script), absorbed: digest.len(), ground: 0 }
    }
}

impl CanObserve<F> for Puppet {
    fn observe(&mut self, value: F) {
        let lie = self.script.lies.get(&self.absorbed).copied().unwrap_or_default();
        self.absorbed += 1;
        self.inner.observe(value + lie);
    }
}

impl CanObserve<Cap> for Puppet {
    fn observe(&mut self, value: Cap) {
        value.roots().iter().flatten().for_each(|&element| self.observe(element));
    }
}

impl CanSample<F> for Puppet {
    fn sample(&mut self) -> F {
        self.inner.sample()
    }
}

impl CanSample<EF> for Puppet {
    fn sample(&mut self) -> EF {
        self.inner.sample()
    }
}

impl CanSampleBits<usize> for Puppet {
    fn sample_bits(&mut self, bits: usize) -> usize {
        self.inner.sample_bits(bits)
    }
}

impl FieldChallenger<F> for Puppet {}

impl GrindingChallenger for Puppet {
    type Witness = F;

    fn grind(&mut self, bits: usize) -> F {
        if bits == 0 {
            return F::ZERO;
        }
        let idle = self.script.idle.get(&self.ground).copied();
        self.ground += 1;
        let wanted = |sample: u32| match idle {
            None => sample.is_multiple_of(1 << bits),
            Some(Idle::Fails) => !sample.is_multiple_of(1 << bits),
            Some(Idle::SecondRepresentative) => {
                let second = u64::from(sample) + u64::from(F::ORDER_U32);
                second < 1 << 31 && second.is_multiple_of(1 << bits)
            }
        };
        let passes = |witness: &F| {
            let mut trial = self.inner.clone();
            trial.observe(*witness);
            let sample: F = trial.sample();
            wanted(sample.as_canonical_u32())
        };
        let witness = (0..F::ORDER_U32).map(F::from_u32).find(passes).unwrap();
        self.observe(witness);
        let _: F = self.sample();
        witness
    }
}

/// Plonky3's configuration with a [`Puppet`] for a transcript.
#[derive(Clone)]
struct Stage {
    pcs: Pcs,
    puppet: Puppet,
    parameters: ParameterSet,
}

impl StarkGenericConfig for Stage {
    type Pcs = Pcs;
    type Challenge = EF;
    type Challenger = Puppet;

    fn pcs(&self) -> &Pcs {
        &self.pcs
    }

    fn initialise_challenger(&self) -> Puppet {
        self.puppet.clone()
    }

    fn lookup_proof_of_work_bits(&self) -> usize {
        self.parameters.lookup_pow_bits.into()
    }

    fn ood_proof_of_work_bits(&self) -> usize {
        self.parameters.ood_pow_bits.into()
    }
}

/// What a cheat proves with.
#[derive(Clone, Copy)]
pub struct Cheat<'a> {
    /// The parameter set.
    pub parameters: ParameterSet,
    /// The digest that starts the transcript: the victim's.
    pub digest: &'a Digest,
    /// The tables, honest or not.
    pub airs: &'a [DagAir],
    /// Their traces.
    pub traces: &'a [RowMajorMatrix<F>],
    /// Their public values.
    pub publics: &'a [Vec<F>],
    /// A preprocessed commitment that is absorbed instead of the tables' own.
    pub claimed_key: Option<&'a Cap>,
}

impl Cheat<'_> {
    /// Makes the proof.
    pub fn prove(self, script: Script) -> BatchProof<Config> {
        let honest = Config::new(self.parameters, self.digest);
        let stage =
            Stage { pcs: honest.pcs().clone(), puppet: Puppet::new(self.digest, script), parameters: self.parameters };
        let heights: Vec<usize> =
            self.traces.iter().map(|t| p3_util::log2_strict_usize(t.values.len() / t.width)).collect();
        let mut data = ProverData::from_airs_and_degrees(&stage, self.airs, &heights).unwrap();
        if let (Some(key), Some(preprocessed)) = (self.claimed_key, &mut data.common.preprocessed) {
            preprocessed.commitment = key.clone();
        }
        let traces: Vec<_> = self.traces.iter().collect();
        let instances = StarkInstance::new_multiple(self.airs, &traces, self.publics);
        let proof = prove_batch(&stage, &instances, &data).unwrap();
        BatchProof {
            commitments: proof.commitments,
            opened_values: proof.opened_values,
            opening_proof: proof.opening_proof,
            lookup_terminals: proof.lookup_terminals,
            degree_bits: proof.degree_bits,
            lookup_pow_witness: proof.lookup_pow_witness,
            ood_pow_witness: proof.ood_pow_witness,
        }
    }
}

/// Every step of a transcript with the position of the first element that it absorbs.
pub fn positions(layout: &Layout) -> Vec<(Step, usize)> {
    let mut at = 0;
    let steps = layout.transcript().into_iter();
    steps
        .map(|step| {
            let first = at;
            at += match &step {
                Step::Digest => 8,
                Step::Constants(values) => values.len(),
                Step::Cap(plan::Cap::Commitment(c)) => 8 << layout.commitments[*c].log_cap,
                Step::Cap(plan::Cap::Fri(r)) => 8 << layout.rounds[*r].log_cap,
                Step::Publics(table) => layout.tables[*table].num_publics,
                Step::Terminal(_) => 5,
                Step::Opening(opening) => 5 * layout.openings[*opening].width,
                Step::FinalPoly => 5 << layout.fri.log_final_poly_len,
                Step::Grind(..) => 1,
                Step::Challenge(_) | Step::Indices => 0,
            };
            (step, first)
        })
        .collect()
}

/// The position of the first step that fits.
pub fn position(layout: &Layout, fits: impl Fn(&Step) -> bool) -> usize {
    positions(layout).into_iter().find(|(step, _)| fits(step)).unwrap().1
}

/// Adds to the element of a proof that stands at `offset` of what a step absorbs: what a lie there must be matched with.
/// False when no element of the proof does (constants, and the key's own cap).
pub fn say(
    layout: &Layout,
    step: &Step,
    offset: usize,
    lie: F,
    proof: &mut BatchProof<Config>,
    publics: &mut [Vec<F>],
) -> bool {
    let extend = |value: &mut EF, coefficient: usize| {
        *value += EF::from_basis_coefficients_fn(|i| if i == coefficient { lie } else { F::ZERO })
    };
    let cap = |cap: &mut Cap| {
        let mut roots = cap.roots().to_vec();
        roots[offset / 8][offset % 8] += lie;
        *cap = Cap::new(roots);
    };
    match step {
        Step::Publics(table) => publics[*table][offset] += lie,
        Step::Cap(plan::Cap::Fri(round)) => cap(&mut proof.opening_proof.commit_phase_commits[*round]),
        Step::Cap(plan::Cap::Commitment(c)) => match layout.commitments[*c].round {
            Round::Main => cap(&mut proof.commitments.main),
            Round::Quotient => cap(&mut proof.commitments.quotient_chunks),
            Round::Permutation => cap(proof.commitments.permutation.as_mut().unwrap()),
            Round::Preprocessed => return false,
        },
        Step::Terminal(table) => extend(&mut proof.lookup_terminals[*table].as_mut().unwrap().0, offset),
        Step::FinalPoly => extend(&mut proof.opening_proof.final_poly[offset / 5], offset % 5),
        Step::Opening(opening) => {
            let opening = &layout.openings[*opening];
            let commitment = &layout.commitments[opening.commitment];
            let matrix = &commitment.matrices[opening.matrix];
            let instance = &mut proof.opened_values.instances[matrix.table];
            let base = &mut instance.base_opened_values;
            let values = match (commitment.round, opening.point) {
                (Round::Main, Point::Zeta) => &mut base.trace_local,
                (Round::Main, Point::Next) => base.trace_next.as_mut().unwrap(),
                (Round::Quotient, _) => &mut base.quotient_chunks[matrix.chunk],
                (Round::Preprocessed, Point::Zeta) => &mut base.preprocessed.as_mut().unwrap().local,
                (Round::Preprocessed, Point::Next) => base.preprocessed.as_mut().unwrap().next.as_mut().unwrap(),
                (Round::Permutation, Point::Zeta) => &mut instance.permutation_local,
                (Round::Permutation, Point::Next) => &mut instance.permutation_next,
            };
            extend(&mut values[offset / 5], offset % 5);
        }
        Step::Digest | Step::Constants(_) | Step::Grind(..) | Step::Challenge(_) | Step::Indices => return false,
    }
    true
}
