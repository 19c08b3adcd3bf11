//! Kernels: WGSL sources and how they are put together.
//!
//! A kernel is the concatenation of its parts; overridable constants do the rest. Every kernel starts with the common part and the
//! base field, whose product comes in two forms.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use p3_field::{BasedVectorSpace, PrimeCharacteristicRing};

use crate::words::{EF, F, to_word};

/// How field products are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// With 64-bit integers.
    U64,
    /// With 32-bit integers alone.
    U32,
}

impl Arithmetic {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U64 => "u64",
            Self::U32 => "u32",
        }
    }
}

/// A kernel, ready to be compiled for any device. Clones are the same kernel: a device compiles it once, and forgets it with the last.
#[derive(Clone, Debug)]
pub struct Kernel {
    source: Arc<Source>,
}

/// What a kernel is put together from.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    label: String,
    family: &'static str,
    entry: &'static str,
    parts: Vec<&'static str>,
    generated: String,
    constants: Vec<(&'static str, f64)>,
}

const COMMON: &str = include_str!("../wgsl/common.wgsl");
const KOALA: &str = include_str!("../wgsl/koala.wgsl");
const KOALA_U64: &str = include_str!("../wgsl/koala_u64.wgsl");
const KOALA_U32: &str = include_str!("../wgsl/koala_u32.wgsl");

/// The challenge field.
pub(crate) const QUINTIC: &str = include_str!("../wgsl/quintic.wgsl");
/// The permutation.
pub(crate) const POSEIDON2: &str = include_str!("../wgsl/poseidon2.wgsl");

impl Kernel {
    /// A kernel of these parts, whose entry point is `main`.
    pub(crate) fn new(label: &'static str, parts: &[&'static str]) -> Self {
        let source = Source {
            label: label.to_owned(),
            family: label,
            entry: "main",
            parts: parts.to_vec(),
            generated: String::new(),
            constants: Vec::new(),
        };
        Self { source: Arc::new(source) }
    }

    /// A kernel with a part that was written by a program.
    pub(crate) fn generated(label: String, parts: &[&'static str], generated: String) -> Self {
        Self::new("graph", parts).altered(|source| (source.label, source.generated) = (label, generated))
    }

    /// The same kernel with another entry point.
    pub(crate) fn with_entry(self, entry: &'static str) -> Self {
        self.altered(|source| source.entry = entry)
    }

    /// The same kernel with an overridable constant set.
    pub(crate) fn with_constant(self, name: &'static str, value: f64) -> Self {
        self.altered(|source| source.constants.push((name, value)))
    }

    fn altered(mut self, alter: impl FnOnce(&mut Source)) -> Self {
        alter(Arc::make_mut(&mut self.source));
        self
    }

    /// Its name, for people.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.source.label
    }

    /// The name that it shares with others of its kind: generated kernels are all `graph`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        self.source.family
    }

    pub(crate) fn entry(&self) -> &'static str {
        self.source.entry
    }

    pub(crate) fn constants(&self) -> &[(&'static str, f64)] {
        &self.source.constants
    }

    /// What tells it from all others.
    pub(crate) const fn identity(&self) -> &Arc<Source> {
        &self.source
    }

    /// The whole WGSL text.
    pub(crate) fn text(&self, arithmetic: Arithmetic) -> String {
        let product = match arithmetic {
            Arithmetic::U64 => KOALA_U64,
            Arithmetic::U32 => KOALA_U32,
        };
        let mut text = [COMMON, KOALA, product].concat();
        text.extend(self.source.parts.iter().copied());
        text.push_str(&self.source.generated);
        text
    }
}

/// Inversion in the challenge field, with the matrices of the Frobenius map written out.
pub(crate) fn quintic_inverse() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut text = String::new();
        for (name, exponent) in [("e_frobenius", 1u32), ("e_frobenius_2", 2)] {
            // Column i of the matrix is the image of X^i. X^0 stays.
            let columns: Vec<EF> = (1..5).map(|i| frobenius(basis(i), exponent)).collect();
            let _ = writeln!(text, "fn {name}(a: Ext) -> Ext {{\n    return Ext(");
            for row in 0..5 {
                let terms = columns.iter().enumerate().map(|(i, column)| {
                    let word = to_word(column.as_basis_coefficients_slice()[row]);
                    format!("f_mul(a.c{}, {word}u)", i + 1)
                });
                let sum = terms.reduce(|sum, term| format!("f_add({sum}, {term})")).unwrap_or_default();
                let sum = if row == 0 { format!("f_add(a.c0, {sum})") } else { sum };
                let _ = writeln!(text, "        {sum}{}", if row == 4 { ");\n}" } else { "," });
            }
        }
        text.push_str(include_str!("../wgsl/quintic_inverse.wgsl"));
        text
    });
    &TEXT
}

fn basis(i: usize) -> EF {
    EF::from_basis_coefficients_fn(|k| if k == i { F::ONE } else { F::ZERO })
}

/// a^(p^exponent).
fn frobenius(a: EF, exponent: u32) -> EF {
    use p3_field::PrimeField32;
    (0..exponent).fold(a, |a, _| a.exp_u64(F::ORDER_U32.into()))
}
