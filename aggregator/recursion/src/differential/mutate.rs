//! Changes of a proof.

use p3_batch_stark::BatchProof;
use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};
use sinter_program::field::{Cap, Digest};
use sinter_program::{Config, EF, F, ProofFile};

/// A small deterministic generator (SplitMix64), one stream a case.
pub struct Random(u64);

impl Random {
    /// The stream of a case.
    pub const fn new(seed: u64, case: u64) -> Self {
        let mut random = Self(seed ^ case.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub const fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn base(&mut self) -> F {
        F::from_u64(self.next() >> 1)
    }
}

/// Changes some bytes: a bit, a byte, one left out, one put in, a run repeated, the end cut off.
pub fn bytes(bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(bytes.len());
    match random.below(8) {
        0..=2 => {
            let bit = random.below(8);
            bytes[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
        3 | 4 => {
            bytes[at] = random.next() as u8;
            format!("byte {at} replaced")
        }
        5 => {
            bytes.remove(at);
            format!("byte {at} left out")
        }
        6 => {
            bytes.insert(at, random.next() as u8);
            format!("a byte put in at {at}")
        }
        _ => {
            // Two runs of four bytes exchanged: elements, where they are aligned.
            let (from, to) = (at & !3, random.below(bytes.len()) & !3);
            for i in 0..4 {
                if from + i < bytes.len() && to + i < bytes.len() {
                    bytes.swap(from + i, to + i);
                }
            }
            format!("four bytes at {from} and {to} exchanged")
        }
    }
}

/// Changes one thing in a proof; says in which part, and what. `None` when there was nothing to change.
pub fn proof(
    file: &mut ProofFile,
    mut donor: ProofFile,
    tables: &[Vec<F>],
    random: &mut Random,
) -> Option<(String, String)> {
    match random.below(8) {
        0 => structure(file, random),
        1 => transplant(file, &mut donor, random),
        2 => statement(file, tables, random),
        _ => element(file, random),
    }
}

/// Field elements that stand together in a part of a proof.
enum Cells<'a> {
    Base(Vec<&'a mut F>),
    Ext(Vec<&'a mut EF>),
    Cap(&'a mut Cap),
    Digests(&'a mut Vec<Digest>),
}

/// Every part of a proof that holds field elements, by name.
fn parts(file: &mut ProofFile) -> Vec<(String, Cells<'_>)> {
    let ProofFile { public_values, proof, .. } = file;
    let BatchProof { commitments, opened_values, opening_proof, lookup_terminals, .. } = proof;
    let mut parts: Vec<(String, Cells<'_>)> = Vec::new();
    let mut add = |name: &str, cells| parts.push((name.to_owned(), cells));
    add("public values", Cells::Base(public_values.iter_mut().collect()));
    add("main cap", Cells::Cap(&mut commitments.main));
    if let Some(cap) = &mut commitments.permutation {
        add("permutation cap", Cells::Cap(cap));
    }
    add("quotient cap", Cells::Cap(&mut commitments.quotient_chunks));
    add("terminals", Cells::Ext(lookup_terminals.iter_mut().flatten().map(|terminal| &mut terminal.0).collect()));
    add("lookup witness", Cells::Base(proof.lookup_pow_witness.iter_mut().collect()));
    add("out-of-domain witness", Cells::Base(vec![&mut proof.ood_pow_witness]));
    for opened in &mut opened_values.instances {
        let base = &mut opened.base_opened_values;
        add("main", Cells::Ext(base.trace_local.iter_mut().collect()));
        add("main, next row", Cells::Ext(base.trace_next.iter_mut().flatten().collect()));
        if let Some(preprocessed) = &mut base.preprocessed {
            add("preprocessed", Cells::Ext(preprocessed.local.iter_mut().collect()));
            add("preprocessed, next row", Cells::Ext(preprocessed.next.iter_mut().flatten().collect()));
        }
        add("quotient", Cells::Ext(base.quotient_chunks.iter_mut().flatten().collect()));
        add("permutation", Cells::Ext(opened.permutation_local.iter_mut().collect()));
        add("permutation, next row", Cells::Ext(opened.permutation_next.iter_mut().collect()));
    }
    add("batch witness", Cells::Base(vec![&mut opening_proof.batch_pow_witness]));
    add("folding witnesses", Cells::Base(opening_proof.commit_pow_witnesses.iter_mut().collect()));
    add("query witness", Cells::Base(vec![&mut opening_proof.query_pow_witness]));
    add("final polynomial", Cells::Ext(opening_proof.final_poly.iter_mut().collect()));
    for cap in &mut opening_proof.commit_phase_commits {
        add("folding cap", Cells::Cap(cap));
    }
    for opening in &mut opening_proof.input_openings {
        add("rows", Cells::Base(opening.opened_values.iter_mut().flatten().flatten().collect()));
        add("paths", Cells::Digests(&mut opening.opening_proof.sibling_hashes));
    }
    for step in &mut opening_proof.commit_phase_openings {
        add("siblings", Cells::Ext(step.sibling_values.iter_mut().flatten().collect()));
        add("folding paths", Cells::Digests(&mut step.opening_proof.sibling_hashes));
    }
    parts.retain(|(_, cells)| match cells {
        Cells::Base(cells) => !cells.is_empty(),
        Cells::Ext(cells) => !cells.is_empty(),
        Cells::Digests(digests) => !digests.is_empty(),
        Cells::Cap(_) => true,
    });
    parts
}

/// Changes one element of one part.
fn element(file: &mut ProofFile, random: &mut Random) -> Option<(String, String)> {
    let mut parts = parts(file);
    let index = random.below(parts.len());
    let (name, cells) = parts.swap_remove(index);
    let change = match cells {
        Cells::Base(mut cells) => {
            let (at, other) = (random.below(cells.len()), random.below(cells.len()));
            let other = *cells[other];
            let (value, how) = changed(*cells[at], other, random);
            *cells[at] = value;
            format!("element {at} {how}")
        }
        Cells::Ext(mut cells) => {
            let (at, other) = (random.below(cells.len()), random.below(cells.len()));
            let other = *cells[other];
            let mut coefficients: Vec<F> = cells[at].as_basis_coefficients_slice().to_vec();
            let others: &[F] = other.as_basis_coefficients_slice();
            let how = match random.below(6) {
                0 => {
                    coefficients.copy_from_slice(others);
                    "replaced by another"
                }
                1 => {
                    let (i, j) = (random.below(coefficients.len()), random.below(coefficients.len()));
                    coefficients.swap(i, j);
                    "with coefficients exchanged"
                }
                _ => {
                    let i = random.below(coefficients.len());
                    let (value, how) = changed(coefficients[i], others[i], random);
                    coefficients[i] = value;
                    how
                }
            };
            *cells[at] = EF::from_basis_coefficients_fn(|i| coefficients[i]);
            format!("element {at} {how}")
        }
        Cells::Cap(cap) => {
            let mut roots = cap.roots().to_vec();
            let change = digest(&mut roots, random);
            *cap = Cap::new(roots);
            change
        }
        Cells::Digests(digests) => digest(digests, random),
    };
    Some((name, change))
}

/// Another element, and how it was come by.
fn changed(value: F, other: F, random: &mut Random) -> (F, &'static str) {
    match random.below(8) {
        0 => (F::ZERO, "made zero"),
        1 => (F::ONE, "made one"),
        2 => (-value, "negated"),
        3 => (other, "replaced by another"),
        4 => (value + F::ONE, "increased"),
        5 => (value - F::ONE, "decreased"),
        6 => (value + value, "doubled"),
        _ => (random.base(), "replaced at random"),
    }
}

fn digest(digests: &mut [Digest], random: &mut Random) -> String {
    let (at, other) = (random.below(digests.len()), random.below(digests.len()));
    if random.below(4) == 0 {
        digests.swap(at, other);
        return format!("digests {at} and {other} exchanged");
    }
    let limb = random.below(8);
    let (value, how) = changed(digests[at][limb], digests[other][limb], random);
    digests[at][limb] = value;
    format!("limb {limb} of digest {at} {how}")
}

/// A list whose entries can be exchanged, left out and repeated.
trait List {
    fn change(&mut self, random: &mut Random) -> Option<String>;
}

impl<T: Clone> List for Vec<T> {
    fn change(&mut self, random: &mut Random) -> Option<String> {
        if self.is_empty() {
            return None;
        }
        let (at, other) = (random.below(self.len()), random.below(self.len()));
        Some(match random.below(6) {
            0..=2 => {
                self.swap(at, other);
                format!("entries {at} and {other} exchanged")
            }
            3 => {
                self.remove(at);
                format!("entry {at} left out")
            }
            4 => {
                self.insert(at, self[other].clone());
                format!("entry {other} repeated at {at}")
            }
            _ => {
                self[at] = self[other].clone();
                format!("entry {at} replaced by entry {other}")
            }
        })
    }
}

/// Changes the structure: lists of all levels, and what may be there or not.
fn structure(file: &mut ProofFile, random: &mut Random) -> Option<(String, String)> {
    let proof = &mut file.proof;
    let tables = proof.opened_values.instances.len();
    match random.below(6) {
        0 => {
            let (one, other) = (random.below(tables), random.below(tables));
            proof.opened_values.instances.swap(one, other);
            return Some(("tables".to_owned(), format!("tables {one} and {other} exchanged")));
        }
        1 => return option(proof, random),
        _ => {}
    }
    let mut lists: Vec<(&str, &mut dyn List)> = vec![("terminals", &mut proof.lookup_terminals)];
    lists.push(("heights", &mut proof.degree_bits));
    for opened in &mut proof.opened_values.instances {
        let base = &mut opened.base_opened_values;
        lists.push(("main", &mut base.trace_local));
        lists.push(("quotient chunks", &mut base.quotient_chunks));
        lists.push(("permutation", &mut opened.permutation_local));
        lists.push(("permutation, next row", &mut opened.permutation_next));
        if let Some(next) = &mut base.trace_next {
            lists.push(("main, next row", next));
        }
        if let Some(preprocessed) = &mut base.preprocessed {
            lists.push(("preprocessed", &mut preprocessed.local));
        }
    }
    let opening = &mut proof.opening_proof;
    lists.push(("folding caps", &mut opening.commit_phase_commits));
    lists.push(("folding witnesses", &mut opening.commit_pow_witnesses));
    lists.push(("final polynomial", &mut opening.final_poly));
    if random.below(4) == 0 {
        lists.push(("openings", &mut opening.input_openings));
        lists.push(("folds", &mut opening.commit_phase_openings));
    } else {
        for batch in &mut opening.input_openings {
            lists.push(("paths", &mut batch.opening_proof.sibling_hashes));
            let query = random.below(batch.opened_values.len());
            match random.below(3) {
                0 => lists.push(("queries", &mut batch.opened_values)),
                1 => lists.push(("rows", &mut batch.opened_values[query])),
                _ => lists.extend(batch.opened_values[query].first_mut().map(|row| ("row", row as &mut dyn List))),
            }
        }
        for step in &mut opening.commit_phase_openings {
            lists.push(("folding paths", &mut step.opening_proof.sibling_hashes));
            let query = random.below(step.sibling_values.len());
            match random.below(2) {
                0 => lists.push(("queries of a fold", &mut step.sibling_values)),
                _ => lists.push(("siblings", &mut step.sibling_values[query])),
            }
        }
    }
    let index = random.below(lists.len());
    let (name, list) = lists.swap_remove(index);
    let change = list.change(random)?;
    Some((name.to_owned(), change))
}

/// Adds or takes away what only some proofs have, or changes a height.
fn option(proof: &mut BatchProof<Config>, random: &mut Random) -> Option<(String, String)> {
    let table = random.below(proof.degree_bits.len());
    let opened = &mut proof.opened_values.instances[table];
    let base = &mut opened.base_opened_values;
    let toggled = |what: &str| Some((what.to_owned(), format!("there or not, table {table}")));
    match random.below(8) {
        0 => {
            let by = [1, 2, 0usize.wrapping_sub(1), 60][random.below(4)];
            proof.degree_bits[table] = proof.degree_bits[table].wrapping_add(by);
            Some(("heights".to_owned(), format!("height of table {table} changed by {}", by as isize)))
        }
        1 => {
            let next = base.trace_next.take();
            base.trace_next = if next.is_some() { None } else { Some(base.trace_local.clone()) };
            toggled("main, next row")
        }
        2 => {
            let preprocessed = base.preprocessed.as_mut()?;
            preprocessed.next = if preprocessed.next.is_some() { None } else { Some(preprocessed.local.clone()) };
            toggled("preprocessed, next row")
        }
        3 => {
            base.preprocessed.take()?;
            toggled("preprocessed")
        }
        4 => {
            base.random = Some(base.trace_local.clone());
            toggled("randomization")
        }
        5 => {
            let terminal = &mut proof.lookup_terminals[table];
            *terminal = if terminal.is_some() { None } else { Some(Default::default()) };
            toggled("terminal")
        }
        6 => {
            let witness = proof.lookup_pow_witness.take();
            proof.lookup_pow_witness = if witness.is_some() { None } else { Some(F::ZERO) };
            toggled("lookup witness")
        }
        _ => {
            let cap = proof.commitments.permutation.take();
            let main = proof.commitments.main.clone();
            proof.commitments.permutation = if cap.is_some() { None } else { Some(main) };
            toggled("permutation cap")
        }
    }
}

/// Takes a part from another proof, where it is as long.
fn transplant(file: &mut ProofFile, donor: &mut ProofFile, random: &mut Random) -> Option<(String, String)> {
    let (mut into, mut from) = (parts(file), parts(donor));
    if into.len() != from.len() {
        return None;
    }
    let index = random.below(into.len());
    let ((name, into), (_, from)) = (into.swap_remove(index), from.swap_remove(index));
    match (into, from) {
        (Cells::Base(into), Cells::Base(from)) => into.into_iter().zip(from).for_each(|(to, from)| *to = *from),
        (Cells::Ext(into), Cells::Ext(from)) => into.into_iter().zip(from).for_each(|(to, from)| *to = *from),
        (Cells::Cap(into), Cells::Cap(from)) => *into = from.clone(),
        (Cells::Digests(into), Cells::Digests(from)) => into.clone_from(from),
        _ => return None,
    }
    Some((name, "taken from another proof".to_owned()))
}

/// Changes the public values: those of tables, and which table they are of.
fn statement(file: &mut ProofFile, tables: &[Vec<F>], random: &mut Random) -> Option<(String, String)> {
    let values = &mut file.public_values;
    if values.is_empty() {
        return None;
    }
    let at = random.below(values.len());
    let change = match random.below(4) {
        0 => {
            let other = random.below(values.len());
            values.swap(at, other);
            format!("values {at} and {other} exchanged")
        }
        1 => {
            values.rotate_left(1);
            "all moved by one".to_owned()
        }
        2 => {
            let mut tables = tables.to_vec();
            let (one, other) = (random.below(tables.len()), random.below(tables.len()));
            tables.swap(one, other);
            *values = tables.concat();
            format!("those of tables {one} and {other} exchanged")
        }
        _ => {
            values[at] = random.base();
            format!("value {at} replaced at random")
        }
    };
    Some(("public values".to_owned(), change))
}
