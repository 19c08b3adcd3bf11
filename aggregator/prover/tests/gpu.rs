//! The GPU prover's proofs are the CPU prover's, byte for byte.

use sinter_program::{DagAir, F, ParameterSet, Program, ProofFile, StatementLayout};
use sinter_prover::standard::Standard;
use sinter_prover::{CpuProver, Folder, GpuProver, Prover, ProvingKey, Wrapper};
use sinter_shaders::{Adapter, Choice, Device, Options};

use crate::fold::{dev_shape, leaves};

/// A prover on whatever adapter there is: a software driver will do. Without any, the test says so and ends; in CI, where one is
/// installed, it fails.
fn gpu(test: &str, options: Options) -> Option<GpuProver> {
    match Adapter::choose(&Choice::Any) {
        Ok(adapter) => Some(GpuProver::new(Device::open(&adapter, options).unwrap()).unwrap()),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!("{test} skipped: {error}; a software driver is enough (Debian: libvulkan1 mesa-vulkan-drivers)");
            None
        }
        Err(error) => panic!("{test}: {error}"),
    }
}

/// A leaf proof under each prover.
fn leaf(gpu: &GpuProver, standard: Standard, log_rows: u8, set: ParameterSet) {
    let air = DagAir::new(standard.dag().unwrap());
    let program = Program::new(vec![air], vec![log_rows], set, StatementLayout::Raw, None).unwrap();
    let key = ProvingKey::new(program.config(), program.airs().to_vec(), vec![log_rows.into()]).unwrap();
    let trace = standard.trace(log_rows, 1).unwrap();
    let bytes = |prover: &dyn Prover| {
        let (proof, _) = prover.prove(&key, &[trace.clone()], &[Vec::<F>::new()]).unwrap();
        serde_json::to_vec(&proof).unwrap()
    };
    let _ = gpu.device().take_peak_bytes();
    assert_eq!(bytes(gpu), bytes(&CpuProver), "{standard:?} at 2^{log_rows}");
    let (peak, declared) = (gpu.device().take_peak_bytes(), gpu.memory_bytes(&key));
    assert!(peak <= declared, "{standard:?} at 2^{log_rows}: {peak} bytes held, {declared} declared");
}

#[test]
fn leaf_proofs_are_the_same_bytes() {
    let Some(gpu) = gpu("leaf proofs on a GPU", Options::default()) else { return };
    leaf(&gpu, Standard::Poseidon2, 5, ParameterSet::DEV);
    leaf(&gpu, Standard::Poseidon2, 9, ParameterSet::FOLD);
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
    let wrap = |prover: &dyn Prover| proofs.iter().map(|proof| wrapper.wrap(prover, proof).unwrap().0).collect::<Vec<_>>();
    let (ours, theirs) = (wrap(&gpu), wrap(&CpuProver));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(bytes(ours), bytes(theirs), "wrap");
    }
    let fold = |prover: &dyn Prover| bytes(&folder.fold(prover, &ours[0], &ours[1]).unwrap().0);
    assert_eq!(fold(&gpu), fold(&CpuProver), "fold");
}
