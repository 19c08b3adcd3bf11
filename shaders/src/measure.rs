//! How fast a device is: at what proofs are made of, and each kernel alone.

use std::time::{Duration, Instant};

use p3_field::{Field, PrimeCharacteristicRing};

use crate::codeword::Codeword;
use crate::columns::Columns;
use crate::device::{Buffer, Recorder, threads};
use crate::error::DeviceError;
use crate::graph::{Arguments, Graph, Node, Output, Shape, compile};
use crate::kernels::Kernels;
use crate::ntt::{LOG_TILE, Span, plan};
use crate::words::{DEGREE, DIGEST_WORDS, EF, F, ext_words};

/// Rounds of a measurement, of which the median counts.
const ROUNDS: usize = 5;

/// The kernels, in the order of a proof.
pub const KERNELS: [&str; 19] = [
    "upload_rows",
    "inverse_ntt",
    "ntt",
    "coset_ntt",
    "hash_rows",
    "merkle_level",
    "graph",
    "fractions",
    "running_sums",
    "running_sums_spread",
    "powers",
    "evaluate",
    "combine_columns",
    "inverse_distances",
    "deep",
    "fri_fold",
    "grind",
    "gather",
    "permute",
];

/// Products of a permutation of Poseidon2: two for each cube, of 8 rounds of 16 and 20 of one.
pub const PERMUTATION_PRODUCTS: u64 = 2 * (8 * 16 + 20);
/// Products of one in the challenge field.
const EXTENSION_PRODUCTS: u64 = 25;
/// Products of an inversion in the challenge field: three applications of the Frobenius map, two products, the norm, its inverse by
/// 31 squarings and 30 products, and a scaling.
const INVERSION_PRODUCTS: u64 = 3 * 20 + 2 * EXTENSION_PRODUCTS + 6 + 61 + 5;

/// How fast a device is at what proofs are made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed {
    /// Poseidon2 permutations a second.
    pub permutations_per_s: f64,
    /// How long a transform of 2^`log_rows` elements in one column takes.
    pub transform: Duration,
    /// log2 of the length of that transform.
    pub log_rows: u32,
    /// Bytes a second that a copy within the device moves, read and written.
    pub copied_bytes_per_s: f64,
    /// Products in the field a second, where nothing else is in their way: what the integer pipe gives.
    pub products_per_s: f64,
}

/// One kernel, run alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// The kernel.
    pub kernel: &'static str,
    /// What it did.
    pub work: String,
    /// How long that took: by the device's clock where dispatches are timed, else by the host's.
    pub time: Duration,
    /// Bytes of device memory that had to be read and written.
    pub bytes: u64,
    /// Products in the field that had to be computed.
    pub products: u64,
}

/// A kernel with what it takes to run it.
struct Work<'a> {
    kernel: &'static str,
    work: String,
    bytes: u64,
    products: u64,
    run: Run<'a>,
}

type Run<'a> = Box<dyn Fn(&mut Recorder<'_>) -> Result<(), DeviceError> + 'a>;

impl Kernels {
    /// Measures the device for some seconds at most: permutations of 2^`log_states` states, a transform of 2^`log_rows` elements, a
    /// copy of 2^`log_words` words.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn speed(&self, log_states: u32, log_rows: u32, log_words: u32) -> Result<Speed, DeviceError> {
        let states = self.device().buffer(16 << log_states)?;
        let times = 16;
        let permuting = self.median(|| {
            let mut recorder = self.device().record();
            self.permute(&mut recorder, &states, times)?;
            recorder.submit()
        })?;
        drop(states);

        let column = self.device().buffer(1 << log_rows)?;
        let span = Span { buffer: &column, first: 0, stride: 1 << log_rows, columns: 1, log_rows };
        // Many at once, so that waiting for the answer does not count.
        let transforms = 16;
        let transforming = self.median(|| {
            let mut recorder = self.device().record();
            (0..transforms).try_for_each(|_| self.transform(&mut recorder, span))?;
            recorder.submit()
        })?;
        drop(column);

        let (from, to) = (self.device().buffer(1 << log_words)?, self.device().buffer(1 << log_words)?);
        let copies = 8;
        let copying = self.median(|| {
            let mut recorder = self.device().record();
            (0..copies).for_each(|_| recorder.copy(&from, &to));
            recorder.submit()
        })?;
        drop((from, to));
        let products = self.alone(log_rows.min(20), Some("graph"))?;
        let products = products.iter().map(|measured| measured.products as f64 / measured.time.as_secs_f64()).sum();
        Ok(Speed {
            products_per_s: products,
            permutations_per_s: f64::from(times) * f64::from(1u32 << log_states) / permuting.as_secs_f64(),
            transform: transforming / transforms,
            log_rows,
            copied_bytes_per_s: 8.0 * f64::from(copies) * f64::from(1u32 << log_words) / copying.as_secs_f64(),
        })
    }

    /// Runs each of [`KERNELS`] alone, or the one with this name, on 2^`log_rows` rows (or what is next to it), and measures it. Results
    /// are not looked at: tests do that.
    ///
    /// # Errors
    /// [`DeviceError`] when the device fails or is full.
    pub fn alone(&self, log_rows: u32, only: Option<&str>) -> Result<Vec<Measured>, DeviceError> {
        let inputs = Inputs::new(self, log_rows)?;
        let works = self.works(&inputs)?;
        let wanted = works.into_iter().filter(|work| only.is_none_or(|only| only == work.kernel));
        wanted.map(|work| self.measure(work)).collect()
    }

    fn measure(&self, work: Work<'_>) -> Result<Measured, DeviceError> {
        let Work { kernel, work, bytes, products, run } = work;
        let runs = |count: u32| {
            let mut recorder = self.device().record();
            (0..count).try_for_each(|_| run(&mut recorder))?;
            recorder.submit()
        };
        runs(1)?;
        self.device().wait()?;
        let clock = Instant::now();
        runs(1)?;
        self.device().wait()?;
        // Many at once, so that sending them off does not count; a long one needs no company.
        let count = if clock.elapsed() > Duration::from_millis(100) { 1 } else { 8 };
        let _ = self.device().take_times()?;
        let by_host = self.median(|| runs(count))?;
        let by_device = self.device().take_times()?.and_then(|times| times.get(kernel).copied());
        let time = match by_device.filter(|taken| !taken.time.is_zero()) {
            // The rounds of the median, and the one before them.
            Some(taken) => taken.time / (count * (ROUNDS as u32 + 1)),
            None => by_host / count,
        };
        Ok(Measured { kernel, work, time: time.max(Duration::from_nanos(1)), bytes, products })
    }

    /// The [`KERNELS`], with what they do.
    #[allow(clippy::too_many_lines)] // A table, one entry a kernel.
    fn works<'a>(&'a self, inputs: &'a Inputs) -> Result<Vec<Work<'a>>, DeviceError> {
        let Inputs { log_rows, columns, values, extension, low, span, .. } = inputs;
        let (log_rows, width) = (*log_rows, COLUMNS as u64);
        let rows = 1u64 << log_rows;
        let passes = plan(log_rows).len() as u64;
        let butterflies = rows / 2 * u64::from(log_rows);
        let ext = DEGREE as u64;
        let runs = rows.div_ceil(256) as u32;
        let graph =
            compile("products", &products(), &[Shape { first_column: 0, per_slab: columns.per_slab(), log_rows }]);
        let operations = PRODUCTS as u64;
        let of = |what: &str| format!("2^{log_rows} {what}");
        macro_rules! work {
            ($kernel:literal, $work:expr, $bytes:expr, $products:expr, $run:expr) => {
                Work { kernel: $kernel, work: $work, bytes: $bytes, products: $products, run: Box::new($run) }
            };
        }
        Ok(vec![
            work!("upload_rows", of("rows of 8 columns"), 8 * width * rows, 0, move |recorder| {
                self.upload_rows(recorder, columns, 0, values, COLUMNS)
            }),
            work!(
                "inverse_ntt",
                of("elements, 8 columns"),
                8 * passes * width * rows,
                width * (butterflies + rows),
                move |recorder| self.interpolate(recorder, span.of(columns))
            ),
            work!("ntt", of("elements, 8 columns"), 8 * passes * width * rows, width * butterflies, move |recorder| {
                self.transform(recorder, span.of(columns))
            }),
            work!(
                "coset_ntt",
                format!("{} columns of 2^{} elements onto 4 cosets", low.columns, low.log_rows),
                4 * 5 * width * rows,
                4 * width * (rows / 2 * u64::from(low.log_rows) + 2 * rows),
                move |recorder| { self.extend(recorder, low.of(columns), F::GENERATOR, 2, (extension, 0)) }
            ),
            work!(
                "hash_rows",
                of("rows of 8 columns"),
                (4 * width + 4 * DIGEST_WORDS as u64) * rows,
                PERMUTATION_PRODUCTS * rows,
                move |recorder| self.hash_columns(recorder, columns, &inputs.digests)
            ),
            work!(
                "merkle_level",
                of("nodes to half as many"),
                4 * DIGEST_WORDS as u64 * (rows + rows / 2),
                PERMUTATION_PRODUCTS * rows / 2,
                move |recorder| { self.level(recorder, &inputs.digests, log_rows, 1, None) }
            ),
            work!(
                "graph",
                format!("2^{log_rows} rows of {PRODUCTS} products"),
                4 * (8 + 1 + ext) * rows,
                (operations + 8 * ext + ext) * rows,
                move |recorder| {
                    let arguments = Arguments {
                        matrices: &[columns],
                        scalars: &inputs.scalars,
                        weights: &inputs.scalars,
                        factor: &columns.slabs()[0],
                        log_rows,
                        step: 1,
                        output: inputs.codeword.buffer(),
                    };
                    self.run(recorder, &graph, &arguments)
                }
            ),
            work!(
                "fractions",
                of("rows of one lookup"),
                4 * (10 + 3 * 5 + 5) * rows,
                (4 * EXTENSION_PRODUCTS + INVERSION_PRODUCTS) * rows,
                move |recorder| {
                    let buffers = [(1, &inputs.terms), (2, &inputs.fractions), (3, &inputs.totals)];
                    recorder.dispatch(&self.fractions, &buffers, &[log_rows, 1, 0], threads(rows))
                }
            ),
            work!("running_sums", of("rows of five planes"), 8 * ext * rows, 0, move |recorder| {
                let (params, planes) = ([log_rows, runs, 0], DEGREE as u32);
                let buffers = [(1, &inputs.totals), (2, &inputs.carried)];
                recorder.dispatch(&self.sums_blocks, &buffers, &params, [runs, planes, 1])?;
                recorder.dispatch(&self.sums_carry, &buffers[1..], &params, [1, planes, 1])
            }),
            work!("running_sums_spread", of("rows of five planes"), 8 * ext * rows, 0, move |recorder| {
                let buffers = [(1, &inputs.totals), (2, &inputs.carried), (3, &inputs.fractions)];
                recorder.dispatch(&self.sums_spread, &buffers, &[log_rows, runs, 0], [runs, DEGREE as u32, 1])
            }),
            work!(
                "powers",
                of("powers"),
                4 * ext * rows,
                EXTENSION_PRODUCTS * rows * u64::from(log_rows) / 2,
                move |recorder| { self.powers(recorder, EF::GENERATOR, log_rows).map(drop) }
            ),
            work!(
                "evaluate",
                of("coefficients, 8 columns"),
                4 * (width + ext) * rows,
                ext * width * rows,
                move |recorder| {
                    let span = span.of(columns);
                    let buffers = [(1, span.buffer), (2, inputs.codeword.buffer()), (3, &inputs.carried)];
                    let params = [rows as u32, 0, span.stride as u32, rows as u32, 0];
                    recorder.dispatch(&self.evaluate, &buffers, &params, [COLUMNS as u32, 1, 1])
                }
            ),
            work!(
                "combine_columns",
                of("rows of 8 columns"),
                4 * (width + ext) * rows,
                ext * width * rows,
                move |recorder| self.combine(recorder, columns, 0..COLUMNS, &inputs.weights).map(drop)
            ),
            work!(
                "inverse_distances",
                of("points"),
                4 * 3 * ext * rows,
                (3 * EXTENSION_PRODUCTS + 2) * rows + INVERSION_PRODUCTS * rows / 8,
                move |recorder| { self.inverse_distances(recorder, EF::GENERATOR, F::GENERATOR, log_rows).map(drop) }
            ),
            work!("deep", of("rows"), 4 * 3 * ext * rows, 2 * EXTENSION_PRODUCTS * rows, move |recorder| {
                let codeword = &inputs.codeword;
                self.deep(recorder, codeword, codeword, EF::ONE, EF::TWO, true, &inputs.other)
            }),
            work!(
                "fri_fold",
                of("elements to half as many"),
                4 * ext * (rows + rows / 2),
                (EXTENSION_PRODUCTS + ext) * rows / 2,
                move |recorder| { self.fold(recorder, &inputs.codeword, EF::GENERATOR, 1, None).map(drop) }
            ),
            work!("grind", of("candidates"), 0, PERMUTATION_PRODUCTS * rows, move |recorder| {
                // No candidate has all bits zero but by a chance of 2^-31 each.
                let buffers = [(1, &self.round_constants), (2, &inputs.scalars), (3, &inputs.carried)];
                recorder.dispatch(&self.grind, &buffers, &[0, rows as u32, 0, u32::MAX >> 1], threads(rows))
            }),
            work!("gather", of("words"), 12 * rows, 0, move |recorder| {
                let buffers = [(1, &inputs.places), (2, &columns.slabs()[0]), (3, &inputs.digests)];
                recorder.dispatch(&self.gather, &buffers, &[rows as u32], threads(rows))
            }),
            work!("permute", of("states"), 2 * 64 * rows, PERMUTATION_PRODUCTS * rows, move |recorder| {
                self.permute(recorder, &inputs.states, 1)
            }),
        ])
    }

    /// The median time of some work, after one round that compiles.
    fn median(&self, work: impl Fn() -> Result<(), DeviceError>) -> Result<Duration, DeviceError> {
        work()?;
        self.device().wait()?;
        let mut times = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let clock = Instant::now();
            work()?;
            self.device().wait()?;
            times.push(clock.elapsed());
        }
        times.sort_unstable();
        Ok(times[ROUNDS / 2].max(Duration::from_nanos(1)))
    }
}

/// Columns of the matrices that are measured on.
const COLUMNS: usize = 8;
/// Products of the graph that is measured: what one generated kernel holds.
const PRODUCTS: usize = 600;

/// What kernels are run on. All of it is there at once: some 500 bytes a row.
struct Inputs {
    log_rows: u32,
    values: Vec<F>,
    columns: Columns,
    /// The same words as columns that one pass transforms, and room for them on four cosets.
    low: Place,
    extension: Buffer,
    span: Place,
    digests: Buffer,
    codeword: Codeword,
    other: Codeword,
    weights: crate::codeword::Weights,
    scalars: Buffer,
    terms: Buffer,
    fractions: Buffer,
    totals: Buffer,
    carried: Buffer,
    places: Buffer,
    states: Buffer,
}

/// Columns in the first slab of a matrix.
#[derive(Clone, Copy)]
struct Place {
    columns: usize,
    log_rows: u32,
}

impl Place {
    fn of(self, columns: &Columns) -> Span<'_> {
        let Self { columns: count, log_rows } = self;
        Span { buffer: &columns.slabs()[0], first: 0, stride: 1 << log_rows, columns: count, log_rows }
    }
}

impl Inputs {
    fn new(kernels: &Kernels, log_rows: u32) -> Result<Self, DeviceError> {
        let device = kernels.device();
        let rows = 1u64 << log_rows;
        let ext = DEGREE as u64;
        let values: Vec<F> = (0..COLUMNS as u64 * rows).map(F::from_u64).collect();
        let columns = Columns::new(device, log_rows, COLUMNS, COLUMNS)?;
        let mut recorder = device.record();
        kernels.upload_rows(&mut recorder, &columns, 0, &values, COLUMNS)?;
        let codeword = kernels.powers(&mut recorder, EF::GENERATOR, log_rows)?;
        recorder.submit()?;
        let log_low = log_rows.min(LOG_TILE);
        // Every place once, neighbours far apart: an odd multiplier.
        let places: Vec<u32> = (0..rows as u32).map(|i| i.wrapping_mul(0x9e37_79b1) & (rows as u32 - 1)).collect();
        Ok(Self {
            log_rows,
            values,
            columns,
            low: Place { columns: COLUMNS << (log_rows - log_low), log_rows: log_low },
            extension: device.buffer(4 * COLUMNS as u64 * rows)?,
            span: Place { columns: COLUMNS, log_rows },
            digests: device.buffer(2 * DIGEST_WORDS as u64 * rows)?,
            codeword,
            other: kernels.codeword(log_rows)?,
            weights: kernels.weights(&[EF::GENERATOR; COLUMNS])?,
            scalars: device.upload(&[ext_words(EF::GENERATOR); 8].concat())?,
            terms: device.upload(&vec![1; (10 * rows) as usize])?,
            fractions: device.buffer(10 * rows)?,
            totals: device.buffer(ext * rows)?,
            carried: device.buffer((ext * rows.div_ceil(256)).max(ext * COLUMNS as u64))?,
            places: device.upload(&places)?,
            states: device.buffer(16 * rows)?,
        })
    }
}

/// Sums of products of eight cells: as long as a generated kernel gets, and nothing but products.
fn products() -> Graph {
    let cells = (0..COLUMNS as u32).map(|column| Node::Cell { matrix: 0, column, next: false });
    let mut nodes: Vec<Node> = cells.collect();
    for i in 0..PRODUCTS as u32 {
        // Eight chains, so that none waits for the one before.
        nodes.push(Node::Mul(i, i / 8 % 8));
    }
    let last = nodes.len() as u32 - 1;
    Graph { nodes, output: Output::Sum((last - 7..=last).collect()) }
}
