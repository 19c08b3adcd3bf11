//! The GPU prover's proofs are the CPU prover's, byte for byte; and what happens when a device fails or lies.

use std::process::Stdio;
use std::sync::{Arc, Mutex};

use p3_air::{Air, AirBuilder, BaseAir, WindowAccess};
use p3_field::PrimeCharacteristicRing;
use p3_matrix::dense::RowMajorMatrix;
use sinter_program::{Config, DagAir, Digest, F, ParameterSet, Program, ProofFile, StatementLayout};
use sinter_prover::gpu::device_bytes;
use sinter_prover::guarded::{Event, Wanted};
use sinter_prover::standard::Standard;
use sinter_prover::{CpuProver, Folder, GpuProver, Guarded, ProveError, Prover, ProvingKey, Wrapper};
use sinter_shaders::{Adapter, Arithmetic, Choice, Device, DeviceError, Options, Sabotage};

use crate::fold::{dev_shape, leaves};
use crate::toy::{self, Toy};

/// The adapter that tests run on: a software driver will do. Without any, the test says so and ends; in CI, where one is installed,
/// it fails.
fn adapter(test: &str) -> Option<Adapter> {
    match Adapter::choose(&Choice::Any) {
        Ok(adapter) => Some(adapter),
        Err(error) if std::env::var("CI").as_deref() != Ok("true") => {
            eprintln!("{test} skipped: {error}; a software driver is enough (Debian: libvulkan1 mesa-vulkan-drivers)");
            None
        }
        Err(error) => panic!("{test}: {error}; CI installs a software driver: cargo ci tools"),
    }
}

fn gpu(test: &str, options: Options) -> Option<GpuProver> {
    Some(open(&adapter(test)?, options).unwrap())
}

fn open(adapter: &Adapter, options: Options) -> Result<GpuProver, DeviceError> {
    GpuProver::new(Device::open(adapter, options)?)
}

/// Something to prove.
struct Case {
    key: ProvingKey,
    traces: Vec<RowMajorMatrix<F>>,
    public_values: Vec<Vec<F>>,
}

impl Case {
    fn standard(standard: Standard, log_rows: u8, set: ParameterSet) -> Self {
        let air = DagAir::new(standard.dag().unwrap());
        Self::of(air, standard.trace(log_rows, 1).unwrap(), log_rows, set)
    }

    fn of(air: DagAir, trace: RowMajorMatrix<F>, log_rows: u8, set: ParameterSet) -> Self {
        let program = Program::new(vec![air], vec![log_rows], set, StatementLayout::Raw, None).unwrap();
        let key = ProvingKey::new(program.config(), program.airs().to_vec(), vec![log_rows.into()]).unwrap();
        Self { key, traces: vec![trace], public_values: vec![vec![]] }
    }

    /// Two tables of different heights, with preprocessed columns, public values, next rows and every kind of interaction.
    fn toy() -> Self {
        let (program, _) = toy::program();
        let airs = Toy::ALL.map(|air| DagAir::from_air(&air).unwrap()).to_vec();
        let key = ProvingKey::new(program.config(), airs, toy::LOG_HEIGHTS.map(usize::from).to_vec()).unwrap();
        Self {
            key,
            traces: Toy::ALL.map(Toy::trace).to_vec(),
            public_values: Toy::ALL.map(Toy::public_values).to_vec(),
        }
    }

    fn bytes(&self, prover: &dyn Prover) -> Vec<u8> {
        let (proof, _) = prover.prove(&self.key, &self.traces, &self.public_values).unwrap();
        serde_json::to_vec(&proof).unwrap()
    }

    /// Under both provers, within the memory that is declared.
    fn compare(&self, gpu: &GpuProver, name: &str) {
        let _ = gpu.device().take_peak_bytes();
        assert_eq!(self.bytes(gpu), self.bytes(&CpuProver), "{name}");
        let (peak, declared) = (gpu.device().take_peak_bytes(), device_bytes(&self.key));
        assert!(peak <= declared, "{name}: {peak} bytes held, {declared} declared");
    }
}

/// x, x^5: a quotient of four chunks, which is more than a blow-up of two extends to.
#[derive(Clone, Copy)]
struct FifthPower;

impl BaseAir<F> for FifthPower {
    fn width(&self) -> usize {
        2
    }
}

impl<AB: AirBuilder<F = F>> Air<AB> for FifthPower {
    fn eval(&self, builder: &mut AB) {
        let main = builder.main();
        let (x, y): (AB::Expr, AB::Expr) = (main.current_slice()[0].into(), main.current_slice()[1].into());
        builder.assert_eq(x.exp_u64(5), y);
    }
}

#[test]
fn leaf_proofs_are_the_same_bytes() {
    let Some(gpu) = gpu("leaf proofs on a GPU", Options::default()) else { return };
    Case::toy().compare(&gpu, "toy");
    Case::standard(Standard::Poseidon2, 5, ParameterSet::DEV).compare(&gpu, "Poseidon2 at 2^5");
    Case::standard(Standard::Poseidon2, 9, ParameterSet::FOLD).compare(&gpu, "Poseidon2 at 2^9");
}

#[test]
fn a_wide_leaf_is_the_same_bytes() {
    let Some(gpu) = gpu("a wide leaf on a GPU", Options::default()) else { return };
    // 2,633 columns, and constraints of 81 kernels.
    Case::standard(Standard::Keccak, 5, ParameterSet::DEV).compare(&gpu, "Keccak at 2^5");
}

/// Two processes on one card, each of which proves what another test does: neither disturbs the other.
#[test]
fn two_processes_share_a_device() {
    if adapter("two processes on a GPU").is_none() {
        return;
    }
    let one = "gpu::leaf_proofs_are_the_same_bytes";
    let process = || {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", one, "--nocapture"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let both = [process(), process()];
    for process in both {
        let output = process.wait_with_output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && printed.contains("1 passed"),
            "{printed}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn a_quotient_of_more_chunks_than_the_blow_up_is_refused() {
    let Some(gpu) = gpu("a wide quotient on a GPU", Options::default()) else { return };
    let set = ParameterSet { log_blowup: 1, ..ParameterSet::DEV };
    let config = Config::new(set, &Digest::default());
    let key = ProvingKey::new(config, vec![DagAir::from_air(&FifthPower).unwrap()], vec![6]).unwrap();
    let rows = (0..64).flat_map(|x| [F::from_u32(x), F::from_u32(x).exp_u64(5)]).collect();
    let error = gpu.prove(&key, &[RowMajorMatrix::new(rows, 2)], &[vec![]]).err().unwrap();
    assert_eq!(error.to_string(), "chunks of the quotient of table 0: expected 2, got 4");
}

#[test]
fn small_bindings_and_32_bit_arithmetic_change_nothing() {
    // 8 columns of 2^9 rows: the trace of 2^7 rows and 164 columns is extended into 21 slabs.
    let options =
        Options { arithmetic: Some(Arithmetic::U32), binding_bytes_max: Some(160 << 10), ..Options::default() };
    let Some(gpu) = gpu("small bindings on a GPU", options) else { return };
    Case::toy().compare(&gpu, "toy");
}

/// A prover behind which stand devices with these faults, one after the other, and what is heard of it.
fn guarded(adapter: &Adapter, faults: Vec<Option<Sabotage>>) -> (Guarded, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let (heard, adapter) = (Arc::clone(&events), adapter.clone());
    let faults = Mutex::new(faults.into_iter());
    let opener: Box<dyn Fn() -> Result<GpuProver, DeviceError> + Send + Sync> = Box::new(move || {
        let sabotage = faults.lock().unwrap().next().expect("no more devices than faults");
        open(&adapter, Options { sabotage, ..Options::default() })
    });
    let guarded = Guarded::new([("test".to_owned(), opener)], move |event| heard.lock().unwrap().push(event.clone()));
    (guarded, events)
}

/// How many dispatches the toy takes, key included, and its bytes.
fn toy_on(adapter: &Adapter) -> (u64, Vec<u8>) {
    let gpu = open(adapter, Options::default()).unwrap();
    let bytes = Case::toy().bytes(&gpu);
    (gpu.device().dispatches(), bytes)
}

#[test]
fn a_device_that_is_lost_in_any_stage_is_opened_anew_and_the_proof_is_the_same() {
    let Some(adapter) = adapter("device loss") else { return };
    let (dispatches, expected) = toy_on(&adapter);
    let case = Case::toy();
    for step in 0..12 {
        let at = dispatches * step / 12;
        let (guarded, events) = guarded(&adapter, vec![Some(Sabotage::Lose(at)), None]);
        assert_eq!(case.bytes(&guarded), expected, "lost at dispatch {at} of {dispatches}");
        let events = events.lock().unwrap();
        assert!(
            matches!(&events[..], [Event::Reopened { .. }, Event::Proved { .. }]),
            "lost at dispatch {at} of {dispatches}: {events:?}"
        );
    }
}

#[test]
fn a_device_that_is_lost_twice_rests_and_the_processor_proves() {
    let Some(adapter) = adapter("device loss, twice") else { return };
    let case = Case::toy();
    let expected = case.bytes(&CpuProver);
    let (guarded, events) = guarded(&adapter, vec![Some(Sabotage::Lose(30)), Some(Sabotage::Lose(40))]);
    assert_eq!(case.bytes(&guarded), expected);
    assert_eq!(case.bytes(&guarded), expected);
    let events = events.lock().unwrap();
    let [Event::Reopened { .. }, Event::FellBack { cause: "lost", .. }, Event::FellBack { cause: "resting", .. }] =
        &events[..]
    else {
        panic!("{events:?}");
    };
}

#[test]
fn a_wrong_answer_of_a_device_never_leaves_the_box() {
    let Some(adapter) = adapter("wrong answers") else { return };
    let (dispatches, expected) = toy_on(&adapter);
    let case = Case::toy();
    let mut caught = 0;
    for step in 0..12 {
        let at = dispatches * (2 * step + 1) / 24;
        let (guarded, events) = guarded(&adapter, vec![Some(Sabotage::Corrupt(at))]);
        assert_eq!(case.bytes(&guarded), expected, "corrupted at dispatch {at} of {dispatches}");
        let events = events.lock().unwrap();
        // A word that nobody reads again, or that was that number already, harms nobody.
        match &events[..] {
            [Event::Proved { .. }] => {}
            [Event::FellBack { cause: "wrong", .. }] => caught += 1,
            other => panic!("corrupted at dispatch {at} of {dispatches}: {other:?}"),
        }
    }
    assert!(caught >= 6, "{caught} of 12 corruptions mattered");
}

#[test]
fn a_device_that_does_not_open_again_rests_and_others_work() {
    let Some(adapter) = adapter("a device that is gone") else { return };
    let case = Case::toy();
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    type Opener = Box<dyn Fn() -> Result<GpuProver, DeviceError> + Send + Sync>;
    let gone: Opener = Box::new(|| Err(DeviceError::Lost { reason: "unplugged".to_owned() }));
    let there: Opener = Box::new(move || open(&adapter, Options::default()));
    let openers = [("gone".to_owned(), gone), ("there".to_owned(), there)];
    let guarded = Guarded::new(openers, move |event| heard.lock().unwrap().push(event.clone()));
    let expected = case.bytes(&CpuProver);
    for _ in 0..3 {
        assert_eq!(case.bytes(&guarded), expected);
    }
    let events = events.lock().unwrap();
    let [Event::FellBack { cause: "lost", .. }, Event::Proved { .. }, Event::Proved { .. }] = &events[..] else {
        panic!("{events:?}");
    };
}

#[test]
fn several_threads_share_a_device() {
    let Some(adapter) = adapter("threads on a GPU") else { return };
    let case = Case::toy();
    let expected = case.bytes(&CpuProver);
    let (guarded, events) = guarded(&adapter, vec![None]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| assert_eq!(case.bytes(&guarded), expected));
        }
    });
    assert_eq!(events.lock().unwrap().iter().filter(|event| matches!(event, Event::Proved { .. })).count(), 3);
}

#[test]
fn a_budget_that_is_too_small_is_said_in_bytes_and_the_processor_proves() {
    let Some(adapter) = adapter("device budget") else { return };
    let case = Case::toy();
    let options = Options { budget_bytes: Some(100_000), ..Options::default() };
    let alone = open(&adapter, options.clone()).unwrap();
    let error = alone.prove(&case.key, &case.traces, &case.public_values).err().unwrap();
    let ProveError::Device(DeviceError::Budget { budget_bytes: 100_000, .. }) = error else { panic!("{error}") };
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let guarded =
        Guarded::open(vec![adapter], options, move |event| heard.lock().unwrap().push(event.clone())).unwrap();
    assert_eq!(case.bytes(&guarded), case.bytes(&CpuProver));
    let events = events.lock().unwrap();
    assert!(matches!(&events[..], [Event::FellBack { cause: "memory", .. }]), "{events:?}");
}

#[test]
fn traces_that_do_not_hold_are_not_the_devices_fault() {
    let Some(adapter) = adapter("bad traces") else { return };
    let mut case = Case::toy();
    case.traces[0].values[3] += F::ONE;
    let (guarded, events) = guarded(&adapter, vec![None]);
    let _ = case.bytes(&guarded);
    // The device is not opened anew, and does not rest.
    case.traces[0].values[3] -= F::ONE;
    let _ = case.bytes(&guarded);
    let events = events.lock().unwrap();
    let [Event::FellBack { cause: "traces", .. }, Event::Proved { .. }] = &events[..] else { panic!("{events:?}") };
}

#[test]
fn what_is_wanted_reads_as_it_prints() {
    for text in ["auto", "cpu", "gpu:Radeon"] {
        assert_eq!(text.parse::<Wanted>().unwrap().to_string(), text);
    }
    for text in ["", "gpu", "gpu:", "GPU:x"] {
        let error = text.parse::<Wanted>().unwrap_err().to_string();
        assert_eq!(error, format!("expected \"auto\", \"cpu\" or \"gpu:NAME\", got {text:?}"));
    }
}

fn bytes(file: &ProofFile) -> Vec<u8> {
    serde_json::to_vec(&file.proof).unwrap()
}

#[test]
fn wraps_and_folds_are_the_same_bytes() {
    let Some(gpu) = gpu("folds on a GPU", Options::default()) else { return };
    let shape = dev_shape();
    let (program, proofs) = leaves(Standard::Poseidon2, 5, ParameterSet::DEV, &[1, 2]);
    let wrapper = Wrapper::of(&shape, &program).unwrap();
    let folder = Folder::of(&shape).unwrap();
    let wrap = |prover: &dyn Prover, proof| wrapper.wrap(prover, proof).unwrap().0;
    let (left, right) = (wrap(&gpu, &proofs[0]), wrap(&CpuProver, &proofs[1]));
    assert_eq!(bytes(&left), bytes(&wrap(&CpuProver, &proofs[0])), "wrap");
    let fold = |prover: &dyn Prover| bytes(&folder.fold(prover, &left, &right).unwrap().0);
    assert_eq!(fold(&gpu), fold(&CpuProver), "fold");
}
