//! `sinter bench gpu`: how fast a GPU is, kernel by kernel and for whole folds, each result checked against the processor.
//!
//! A kernel's fractions are of what the device itself was measured to give: bytes, of what a copy moves in the same time; products in
//! the field, of what a kernel of nothing but products computes. A transform in p passes reads and writes every element p times; its
//! fraction is of the time that copying so many bytes takes.

use crate::{
    aggregation::text::{seconds, stages},
    exit::{Exit, Failure, OrFail, print_result},
};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sinter_program::{ParameterSet, ProofFile};
use sinter_prover::{CpuProver, Folder, GpuProver, Prover, Wrapper, gpu::device_bytes, leaf, standard::Standard};
use sinter_shaders::measure::{KERNELS, PERMUTATION_PRODUCTS};
use sinter_shaders::{Adapter, Choice, Device, DeviceError, KernelTimes, Kernels, Kind, Measured, Options, Speed, ntt};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// log2 of the rows of the leaves that are folded: small, for what is measured is above them.
const LEAF_LOG_ROWS: u8 = 8;

/// `sinter bench gpu`.
#[derive(Clone, Debug, Args)]
pub struct GpuArguments {
    /// The adapter whose name contains this; without it the best, a software driver if there is nothing else
    #[arg(long, value_name = "NAME")]
    pub adapter: Option<String>,
    /// Folds to measure; the median is reported. 0 measures the kernels alone
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub folds: u32,
    /// Measure this kernel alone, and nothing else
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(KERNELS))]
    pub kernel: Option<String>,
    /// log2 of the rows that each kernel runs on (without it 20; 12 on a software driver)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=22))]
    pub log_kernel_rows: Option<u32>,
    /// log2 of the states that are permuted at once (without it 22; 12 on a software driver)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(8..=24))]
    pub log_states: Option<u32>,
    /// log2 of the elements that are transformed (without it 24; 16 on a software driver)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=24))]
    pub log_rows: Option<u32>,
}

/// The one object that is printed.
#[derive(Debug, Serialize)]
struct Report {
    adapter: String,
    driver: String,
    backend: String,
    arithmetic: &'static str,
    #[serde(flatten)]
    speed: Option<SpeedReport>,
    kernels: Vec<KernelReport>,
    #[serde(flatten)]
    fold: Option<FoldReport>,
    /// The most that the first card whose driver tells drew while kernels were measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    watts: Option<f64>,
    processors: usize,
}

/// What proofs are made of.
#[derive(Debug, Serialize)]
struct SpeedReport {
    log_states: u32,
    poseidon2_gperm_s: f64,
    /// Of the products that the device computes where nothing else is in their way.
    poseidon2_fraction_of_products: f64,
    /// Permutations took from the processor, on one thread, in the same run: how many times as long.
    poseidon2_ratio_vs_thread: f64,
    /// Of 2^`ntt_log_rows` elements in one column.
    ntt_us: f64,
    ntt_log_rows: u32,
    /// The same, when that is 2^24.
    #[serde(skip_serializing_if = "Option::is_none")]
    ntt_2p24_us: Option<f64>,
    /// How much of the time of the transform's passes a mere copy of the same bytes would take.
    ntt_fraction_of_copy: f64,
    copy_tb_s: f64,
    gproducts_s: f64,
}

/// One kernel alone.
#[derive(Debug, Serialize)]
struct KernelReport {
    kernel: &'static str,
    work: String,
    us: f64,
    /// Of device memory, read and written.
    bytes: u64,
    /// In the field.
    products: u64,
    tb_s: f64,
    gproducts_s: f64,
    /// Of what a copy moves, and of what a kernel of nothing but products computes.
    #[serde(skip_serializing_if = "Option::is_none")]
    fraction_of_copy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fraction_of_products: Option<f64>,
}

impl KernelReport {
    fn new(measured: Measured, speed: Option<&Speed>) -> Self {
        let Measured { kernel, work, time, bytes, products } = measured;
        let (bytes_per_s, products_per_s) = (bytes as f64 / time.as_secs_f64(), products as f64 / time.as_secs_f64());
        Self {
            kernel,
            work,
            us: time.as_secs_f64() * 1e6,
            bytes,
            products,
            tb_s: bytes_per_s / 1e12,
            gproducts_s: products_per_s / 1e9,
            fraction_of_copy: speed.map(|speed| bytes_per_s / speed.copied_bytes_per_s),
            fraction_of_products: speed.map(|speed| products_per_s / speed.products_per_s),
        }
    }

    fn line(&self) -> String {
        let percent =
            |fraction: Option<f64>| fraction.map_or(String::new(), |fraction| format!("{:.0}%", 100.0 * fraction));
        format!(
            "{:<20} {:>11.1} us {:>9.4} TB/s {:>5} {:>9.2} G products/s {:>5}   {}",
            self.kernel,
            self.us,
            self.tb_s,
            percent(self.fraction_of_copy),
            self.gproducts_s,
            percent(self.fraction_of_products),
            self.work
        )
    }
}

/// Whole folds.
#[derive(Debug, Serialize)]
struct FoldReport {
    fold_ms: f64,
    fold_ms_all: Vec<f64>,
    /// The same fold on all processors of this machine.
    cpu_fold_ms: f64,
    fold_ratio_vs_cpu: f64,
    /// Of the median fold.
    fold_stages_s: Value,
    /// Of one more fold, by the device's own clock, if it has one: what each family of kernels took.
    #[serde(skip_serializing_if = "Option::is_none")]
    fold_kernels_ms: Option<BTreeMap<&'static str, f64>>,
    /// What checking a fold natively before it is used costs.
    verify_ms: f64,
    /// The first fold, which takes the key to the device and compiles.
    first_fold_ms: f64,
    peak_device_mb: f64,
    declared_device_mb: f64,
}

/// Measures and prints one JSON object, and a table on standard error.
///
/// # Errors
/// When there is no adapter, or a result is not the processor's.
pub fn run(arguments: &GpuArguments) -> Result<(), Failure> {
    let choice = arguments.adapter.clone().map_or(Choice::Any, Choice::Named);
    let adapter = Adapter::choose(&choice).or_fail(Exit::Failed, "")?;
    let software = adapter.kind() == Kind::Software;
    let what = format!("`{}`", adapter.name());
    let device = Device::open(&adapter, Options::default()).or_fail(Exit::Failed, &what)?;
    let kernels = Kernels::new(device.clone()).or_fail(Exit::Failed, &what)?;
    eprintln!("{what}: {} {}, products in {}", adapter.backend(), adapter.driver(), device.arithmetic().name());
    kernels.self_test().or_fail(Exit::Failed, "self-test")?;
    eprintln!("self-test passed");
    let measuring = AtomicBool::new(true);
    let (measured, watts) = std::thread::scope(|scope| {
        let most = scope.spawn(|| most_watts(&measuring));
        let measured = measure(&kernels, arguments, software);
        measuring.store(false, Ordering::Relaxed);
        (measured, most.join().unwrap_or_default())
    });
    let (speed, kernels_alone) = measured.or_fail(Exit::Failed, &what)?;
    drop(kernels);
    let fold = match (arguments.folds, &arguments.kernel) {
        (0, _) | (_, Some(_)) => None,
        (folds, None) => Some(fold(device, folds)?),
    };
    let report = Report {
        adapter: adapter.name().to_owned(),
        driver: adapter.driver(),
        backend: adapter.backend(),
        arithmetic: if adapter.has_u64() { "u64" } else { "u32" },
        speed,
        kernels: kernels_alone,
        fold,
        watts,
        processors: std::thread::available_parallelism().map_or(1, Into::into),
    };
    print_result(serde_json::to_string(&report).or_fail(Exit::Failed, "writing the report")?)
}

/// What is measured of kernels: what proofs are made of, and each alone; or one of them.
fn measure(
    kernels: &Kernels,
    arguments: &GpuArguments,
    software: bool,
) -> Result<(Option<SpeedReport>, Vec<KernelReport>), DeviceError> {
    let log_kernel_rows = arguments.log_kernel_rows.unwrap_or(if software { 12 } else { 20 });
    let alone = |speed: Option<&Speed>| {
        let clock = kernels.device().time_dispatches(true);
        eprintln!("each kernel alone, by the {}'s clock:", if clock { "device" } else { "host" });
        let measured = kernels.alone(log_kernel_rows, arguments.kernel.as_deref());
        kernels.device().time_dispatches(false);
        let reports = measured?.into_iter().map(|measured| KernelReport::new(measured, speed));
        Ok::<_, DeviceError>(reports.inspect(|report| eprintln!("  {}", report.line())).collect())
    };
    if arguments.kernel.is_some() {
        return Ok((None, alone(None)?));
    }
    let log_states = arguments.log_states.unwrap_or(if software { 12 } else { 22 });
    let log_rows = arguments.log_rows.unwrap_or(if software { 16 } else { 24 });
    let speed = kernels.speed(log_states, log_rows, if software { 22 } else { 27 })?;
    let thread = permutations_per_s();
    let gperm_s = speed.permutations_per_s / 1e9;
    let of_products = speed.permutations_per_s * PERMUTATION_PRODUCTS as f64 / speed.products_per_s;
    eprintln!(
        "Poseidon2: {gperm_s:.4} G permutations/s, {:.1} times one thread; its products are {:.0}% of {:.2} G/s",
        speed.permutations_per_s / thread,
        100.0 * of_products,
        speed.products_per_s / 1e9
    );
    let ntt_us = speed.transform.as_secs_f64() * 1e6;
    let moved = 8.0 * f64::from(1u32 << log_rows) * ntt::plan(log_rows).len() as f64;
    let fraction = moved / speed.copied_bytes_per_s / speed.transform.as_secs_f64();
    eprintln!("transform of 2^{log_rows}: {ntt_us:.0} us, {:.0}% of a copy's speed", 100.0 * fraction);
    eprintln!("copy: {:.3} TB/s", speed.copied_bytes_per_s / 1e12);
    let report = SpeedReport {
        log_states,
        poseidon2_gperm_s: gperm_s,
        poseidon2_fraction_of_products: of_products,
        poseidon2_ratio_vs_thread: speed.permutations_per_s / thread,
        ntt_us,
        ntt_log_rows: log_rows,
        ntt_2p24_us: (log_rows == 24).then_some(ntt_us),
        ntt_fraction_of_copy: fraction,
        copy_tb_s: speed.copied_bytes_per_s / 1e12,
        gproducts_s: speed.products_per_s / 1e9,
    };
    Ok((Some(report), alone(Some(&speed))?))
}

/// Folds two wrapped leaves on the device and on the processor, and compares the proofs.
fn fold(device: Device, folds: u32) -> Result<FoldReport, Failure> {
    let what = "building the circuits";
    eprintln!("{what}");
    let program = Standard::Poseidon2.program(LEAF_LOG_ROWS, ParameterSet::FOLD).or_fail(Exit::Failed, what)?;
    let wrapper = Wrapper::new(&program).or_fail(Exit::Failed, what)?;
    let folder = Folder::new().or_fail(Exit::Failed, what)?;
    let wrapped = |seed| {
        let key = leaf::proving_key(&program).or_fail(Exit::Failed, what)?;
        let trace = Standard::Poseidon2.trace(LEAF_LOG_ROWS, seed).or_fail(Exit::Failed, "a leaf")?;
        let (proof, _) = leaf::prove(&CpuProver, &program, &key, &[trace], &[]).or_fail(Exit::Failed, "a leaf")?;
        wrapper.wrap(&CpuProver, &proof).or_fail(Exit::Failed, "a wrap").map(|(node, _)| node)
    };
    let (left, right) = (wrapped(0)?, wrapped(1)?);
    let once = |prover: &dyn Prover| {
        let clock = Instant::now();
        let (proof, report) = folder.fold(prover, &left, &right).or_fail(Exit::Failed, "folding")?;
        Ok::<_, Failure>((clock.elapsed(), proof, report.stages))
    };
    let encoded = |proof: &ProofFile| proof.encode(folder.shape().shape()).or_fail(Exit::Failed, "a fold");
    let (cpu, expected, _) = once(&CpuProver)?;
    eprintln!("fold on the processor: {:.0} ms", millis(cpu));
    let expected = encoded(&expected)?;

    let gpu = GpuProver::new(device).or_fail(Exit::Failed, "the GPU")?;
    let (first, ..) = once(&gpu)?;
    eprintln!("first fold, with compiling: {:.0} ms", millis(first));
    let _ = gpu.device().take_peak_bytes();
    let mut rounds = Vec::new();
    for round in 1..=folds {
        let (took, proof, stages) = once(&gpu)?;
        if encoded(&proof)? != expected {
            return Err(Failure::new(
                Exit::Failed,
                "expected the processor's proof, byte for byte; the GPU made another",
            ));
        }
        eprintln!("fold {round}: {:.1} ms, {:.2} times the processor, the same bytes", millis(took), ratio(cpu, took));
        rounds.push((took, proof, stages));
    }
    let fold_ms_all = rounds.iter().map(|(took, ..)| millis(*took)).collect();
    rounds.sort_by_key(|(took, ..)| *took);
    let (took, proof, median_stages) = &rounds[rounds.len() / 2];
    let clock = Instant::now();
    folder.verify(proof).or_fail(Exit::Failed, "verifying a fold")?;
    let verified_in = clock.elapsed();
    let peak_bytes = gpu.device().take_peak_bytes();
    let fold_kernels_ms = match gpu.device().time_dispatches(true) {
        false => None,
        true => {
            let _ = once(&gpu)?;
            gpu.device().take_times().or_fail(Exit::Failed, "the GPU")?
        }
    };
    let in_ms = |times: KernelTimes| times.iter().map(|(family, taken)| (*family, millis(taken.time))).collect();
    Ok(FoldReport {
        fold_ms: millis(*took),
        fold_ms_all,
        cpu_fold_ms: millis(cpu),
        fold_ratio_vs_cpu: ratio(cpu, *took),
        fold_stages_s: stages(median_stages),
        fold_kernels_ms: fold_kernels_ms.map(in_ms),
        verify_ms: millis(verified_in),
        first_fold_ms: millis(first),
        peak_device_mb: peak_bytes as f64 / 1e6,
        declared_device_mb: device_bytes(folder.node().proving()) as f64 / 1e6,
    })
}

fn millis(duration: Duration) -> f64 {
    1000.0 * seconds(duration)
}

fn ratio(of: Duration, to: Duration) -> f64 {
    of.as_secs_f64() / to.as_secs_f64().max(1e-9)
}

/// Permutations a second of one thread of the processor, as the CPU prover hashes: with its vector instructions.
fn permutations_per_s() -> f64 {
    use p3_field::{PackedValue, PrimeCharacteristicRing};
    use p3_symmetric::Permutation;
    use sinter_program::field::{PackedF, WIDTH, permutation};
    let permutation = permutation();
    let mut state = [PackedF::ONE; WIDTH];
    let rounds = 20_000u32;
    let clock = Instant::now();
    for _ in 0..rounds {
        permutation.permute_mut(&mut state);
    }
    let _ = std::hint::black_box(state);
    f64::from(rounds) * PackedF::WIDTH as f64 / clock.elapsed().as_secs_f64().max(1e-9)
}

/// The most that was drawn while this went on.
fn most_watts(measuring: &AtomicBool) -> Option<f64> {
    let mut most: Option<f64> = None;
    while measuring.load(Ordering::Relaxed) {
        most = most.into_iter().chain(watts()).reduce(f64::max);
        std::thread::sleep(Duration::from_millis(100));
    }
    most
}

/// What the first card whose driver tells draws now, in watts.
fn watts() -> Option<f64> {
    let cards = std::fs::read_dir("/sys/class/drm").ok()?;
    let sensors = cards.flatten().filter_map(|card| std::fs::read_dir(card.path().join("device/hwmon")).ok());
    let read = |path: &Path| std::fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
    let of_kernel = sensors
        .flat_map(|sensors| sensors.flatten())
        .find_map(|sensor| read(&sensor.path().join("power1_average")).map(|microwatts| microwatts / 1e6));
    of_kernel.or_else(|| {
        let query = ["--query-gpu=power.draw", "--format=csv,noheader,nounits"];
        let output = std::process::Command::new("nvidia-smi").args(query).output().ok()?;
        String::from_utf8(output.stdout).ok()?.lines().next()?.trim().parse().ok()
    })
}
