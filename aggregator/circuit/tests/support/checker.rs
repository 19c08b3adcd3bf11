//! A fast checker of traces: evaluates the constraints of one row, and the tuples it puts on the bus.

use std::collections::HashMap;

use p3_air::{Air, AirBuilder, BaseAir, RowWindow};
use p3_field::PrimeCharacteristicRing;
use p3_lookup::{Count, InteractionBuilder};
use p3_matrix::dense::RowMajorMatrix;
use sinter_circuit::{Circuit, F, NarrowAir, NarrowCircuit, TableAir, Witness};

/// One row's view, its violations and its tuples.
pub struct Row<'a> {
    main: RowWindow<'a, F>,
    prep: RowWindow<'a, F>,
    publics: &'a [F],
    first: bool,
    last: bool,
    violated: Vec<usize>,
    constraints: usize,
    tuples: Vec<(Vec<F>, F)>,
}

impl<'a> AirBuilder for Row<'a> {
    type F = F;
    type Expr = F;
    type Var = F;
    type PreprocessedWindow = RowWindow<'a, F>;
    type MainWindow = RowWindow<'a, F>;
    type PublicVar = F;
    type PeriodicVar = F;

    fn main(&self) -> RowWindow<'a, F> {
        self.main
    }

    fn preprocessed(&self) -> &RowWindow<'a, F> {
        &self.prep
    }

    fn is_first_row(&self) -> F {
        F::from_bool(self.first)
    }

    fn is_last_row(&self) -> F {
        F::from_bool(self.last)
    }

    fn is_transition(&self) -> F {
        F::from_bool(!self.last)
    }

    fn assert_zero<I: Into<F>>(&mut self, x: I) {
        if x.into() != F::ZERO {
            self.violated.push(self.constraints);
        }
        self.constraints += 1;
    }

    fn public_values(&self) -> &[F] {
        self.publics
    }
}

impl InteractionBuilder for Row<'_> {
    fn push_interaction<E: Into<F>>(
        &mut self,
        _bus: &str,
        fields: impl IntoIterator<Item = E>,
        count: impl Into<Count<F>>,
    ) {
        let (count, _) = count.into().into_parts();
        if count != F::ZERO {
            self.tuples.push((fields.into_iter().map(Into::into).collect(), count));
        }
    }

    fn push_local_interaction(&mut self, _tuples: impl IntoIterator<Item = (Vec<F>, Count<F>)>) {}
}

type Bus = HashMap<Vec<F>, F>;

/// A circuit's traces and what is checked of them.
pub struct Checker<A = TableAir> {
    airs: Vec<A>,
    names: Vec<String>,
    prep: Vec<RowMajorMatrix<F>>,
    pub traces: Vec<RowMajorMatrix<F>>,
    pub publics: Vec<F>,
    /// The cells that count dynamic reads: (table, main column, preprocessed column that lets it).
    counts: Vec<(usize, usize, usize)>,
}

impl Checker {
    pub fn new(circuit: &Circuit, traces: Vec<RowMajorMatrix<F>>, publics: &[F]) -> Self {
        let airs = circuit.airs();
        let prep = airs.iter().map(|air| air.preprocessed_trace().unwrap()).collect();
        let names = airs.iter().map(|air| air.kind().to_string()).collect();
        let counts = vec![(3, 24, 10), (3, 49, 27), (3, 74, 44), (4, 0, 16)];
        Self { airs, names, prep, traces, publics: publics.to_vec(), counts }
    }

    /// The constraints that changed cells of a valid trace violate, as (table, row, constraint).
    pub fn violated(&self, changes: &[(usize, usize, usize, F)]) -> Vec<(usize, usize, usize)> {
        let mut changed = Self {
            airs: self.airs.clone(),
            names: self.names.clone(),
            prep: self.prep.clone(),
            traces: self.traces.clone(),
            publics: self.publics.clone(),
            counts: self.counts.clone(),
        };
        let mut rows: Vec<(usize, usize)> = Vec::new();
        for &(table, row, column, value) in changes {
            let height = self.height(table);
            rows.extend([(table, row), (table, (row + height - 1) % height)]);
            let width = self.traces[table].width;
            changed.traces[table].values[row * width + column] = value;
        }
        rows.sort_unstable();
        rows.dedup();
        let of = |(table, row)| changed.row(table, row).violated.into_iter().map(move |at| (table, row, at));
        rows.into_iter().flat_map(of).collect()
    }
}

impl Checker<NarrowAir> {
    pub fn narrow(circuit: &NarrowCircuit, witness: &Witness) -> Self {
        Self {
            airs: vec![circuit.air()],
            names: vec!["narrow".to_owned()],
            prep: vec![circuit.preprocessed().clone()],
            traces: vec![circuit.trace(witness)],
            publics: circuit.public_values(witness),
            counts: vec![(0, 48, 28)],
        }
    }
}

impl<A: for<'a> Air<Row<'a>>> Checker<A> {
    /// The tables, with the circuit's preprocessed columns.
    pub fn airs(&self) -> &[A] {
        &self.airs
    }

    pub fn height(&self, table: usize) -> usize {
        self.traces[table].values.len() / self.traces[table].width
    }

    fn row(&self, table: usize, row: usize) -> Row<'_> {
        let window = |matrix: &'_ RowMajorMatrix<F>| -> (std::ops::Range<usize>, std::ops::Range<usize>) {
            let height = matrix.values.len() / matrix.width;
            let (at, next) = (row * matrix.width, (row + 1) % height * matrix.width);
            (at..at + matrix.width, next..next + matrix.width)
        };
        let (main, prep) = (&self.traces[table], &self.prep[table]);
        let ((main_row, main_next), (prep_row, prep_next)) = (window(main), window(prep));
        let mut view = Row {
            main: RowWindow::from_two_rows(&main.values[main_row], &main.values[main_next]),
            prep: RowWindow::from_two_rows(&prep.values[prep_row], &prep.values[prep_next]),
            publics: &self.publics,
            first: row == 0,
            last: row + 1 == self.height(table),
            violated: Vec::new(),
            constraints: 0,
            tuples: Vec::new(),
        };
        self.airs[table].eval(&mut view);
        view
    }

    /// Everything: the first violated constraint as (table, row, constraint), else whether the bus balances.
    pub fn check(&self) -> Result<(), String> {
        let mut bus = Bus::new();
        for table in 0..self.airs.len() {
            for row in 0..self.height(table) {
                let view = self.row(table, row);
                if let Some(constraint) = view.violated.first() {
                    return Err(format!("{} row {row} constraint {constraint}", self.names[table]));
                }
                add(&mut bus, view.tuples, F::ONE);
            }
        }
        match bus.iter().find(|(_, count)| **count != F::ZERO) {
            Some((tuple, count)) => Err(format!("bus: {tuple:?} has {count:?}")),
            None => Ok(()),
        }
    }

    /// Sets every count of dynamic reads to what balances the bus at its tuple, as a prover may.
    pub fn settle(&mut self) {
        let mut bus = Bus::new();
        for table in 0..self.airs.len() {
            (0..self.height(table)).for_each(|row| add(&mut bus, self.row(table, row).tuples, F::ONE));
        }
        for (table, column, block) in self.counts.clone() {
            for row in
                (0..self.height(table)).filter(|row| self.prep(table, *row, block) != F::ZERO).collect::<Vec<_>>()
            {
                let at = row * self.traces[table].width + column;
                // The tuple that one more read adds to.
                let mut added = Bus::new();
                add(&mut added, self.row(table, row).tuples, F::NEG_ONE);
                self.traces[table].values[at] += F::ONE;
                add(&mut added, self.row(table, row).tuples, F::ONE);
                self.traces[table].values[at] -= F::ONE;
                let (tuple, _) = added.into_iter().find(|(_, count)| *count == F::ONE).expect("a port that counts");
                let surplus = bus.insert(tuple, F::ZERO).unwrap_or(F::ZERO);
                self.traces[table].values[at] -= surplus;
            }
        }
    }

    /// Number of constraints of a table.
    pub fn constraints(&self, table: usize) -> usize {
        self.row(table, 0).constraints
    }

    /// Changes cells of a valid trace, says whether a constraint or the bus notices, and changes them back.
    pub fn notices(&mut self, changes: &[(usize, usize, usize, F)]) -> bool {
        let mut rows: Vec<(usize, usize)> = Vec::new();
        for &(table, row, ..) in changes {
            let height = self.height(table);
            rows.extend([(table, row), (table, (row + height - 1) % height)]);
        }
        rows.sort_unstable();
        rows.dedup();
        let mut bus = Bus::new();
        for &(table, row) in &rows {
            add(&mut bus, self.row(table, row).tuples, F::NEG_ONE);
        }
        let mut undo = Vec::new();
        for &(table, row, column, value) in changes {
            let at = row * self.traces[table].width + column;
            undo.push((table, at, std::mem::replace(&mut self.traces[table].values[at], value)));
        }
        let mut noticed = false;
        for &(table, row) in &rows {
            let view = self.row(table, row);
            noticed |= !view.violated.is_empty();
            add(&mut bus, view.tuples, F::ONE);
        }
        noticed |= bus.values().any(|count| *count != F::ZERO);
        for (table, at, value) in undo.into_iter().rev() {
            self.traces[table].values[at] = value;
        }
        noticed
    }

    pub fn cell(&self, table: usize, row: usize, column: usize) -> F {
        self.traces[table].values[row * self.traces[table].width + column]
    }

    pub fn prep(&self, table: usize, row: usize, column: usize) -> F {
        self.prep[table].values[row * self.prep[table].width + column]
    }
}

fn add(bus: &mut Bus, tuples: Vec<(Vec<F>, F)>, sign: F) {
    for (tuple, count) in tuples {
        *bus.entry(tuple).or_insert(F::ZERO) += sign * count;
    }
}
