//! Budgets, limits and devices that are lost.

use sinter_shaders::measure::KERNELS;
use sinter_shaders::words::to_word;
use sinter_shaders::{Adapter, Choice, Columns, Device, DeviceError, Kernels, Options};

use crate::kit::{adapter, elements};

#[test]
fn memory_is_accounted_for_and_within_the_budget() {
    let Some(adapter) = adapter("budget") else { return };
    let device = Device::open(&adapter, Options { budget_bytes: Some(4096), ..Options::default() }).unwrap();
    let first = device.buffer(512).unwrap();
    assert_eq!(device.held_bytes(), 2048);
    let refused = device.buffer(513).unwrap_err();
    assert_eq!(refused, DeviceError::Budget { wanted_bytes: 2052, held_bytes: 2048, budget_bytes: 4096 });
    assert_eq!(refused.to_string(), "device memory: 2052 bytes wanted with 2048 held, the budget is 4096");
    let second = device.buffer(512).unwrap();
    drop((first, second));
    assert_eq!(device.held_bytes(), 0);
    assert_eq!(device.take_peak_bytes(), 4096);
    assert_eq!(device.take_peak_bytes(), 0);
}

#[test]
fn what_no_binding_reaches_is_refused_with_the_limit() {
    let Some(adapter) = adapter("binding limit") else { return };
    let device = Device::open(&adapter, Options { binding_bytes_max: Some(1024), ..Options::default() }).unwrap();
    let refused = device.buffer(257).unwrap_err();
    assert_eq!(refused, DeviceError::Binding { what: "a buffer", got_bytes: 1028, max_bytes: 1024 });
    let refused = sinter_shaders::columns::per_slab(&device, 6).unwrap_err();
    assert_eq!(refused, DeviceError::Binding { what: "eight columns", got_bytes: 2048, max_bytes: 1024 });
}

#[test]
fn an_adapter_that_is_not_there_is_named_with_those_that_are() {
    let Some(adapter) = adapter("missing adapter") else { return };
    let missing = Adapter::choose(&Choice::Named("no such card".to_owned())).unwrap_err().to_string();
    assert!(missing.contains("no such card") && missing.contains(adapter.name()), "{missing}");
}

#[test]
fn a_lost_device_answers_with_an_error_and_another_can_be_opened() {
    let Some(adapter) = adapter("device loss") else { return };
    let device = Device::open(&adapter, Options::default()).unwrap();
    let kernels = Kernels::new(device.clone()).unwrap();
    let values = elements(64, 1);
    let columns = Columns::new(&device, 6, 1, 8).unwrap();
    device.destroy();
    let mut recorder = device.record();
    let worked = kernels
        .upload_rows(&mut recorder, &columns, 0, &values, 1)
        .and_then(|()| recorder.submit())
        .and_then(|()| device.download(&columns.slabs()[0], 0..64));
    let error = worked.unwrap_err();
    assert!(error.is_loss(), "{error}");

    let device = Device::open(&adapter, Options::default()).unwrap();
    let words: Vec<u32> = values.iter().map(|&value| to_word(value)).collect();
    let buffer = device.upload(&words).unwrap();
    assert_eq!(device.download(&buffer, 0..64).unwrap(), words);
}

#[test]
fn a_device_that_is_right_passes_its_self_test_and_can_be_measured() {
    for kernels in crate::kit::variants("self-test", Options::default()) {
        kernels.self_test().unwrap();
        let speed = kernels.speed(8, 10, 12).unwrap();
        assert!(
            speed.permutations_per_s > 0.0 && speed.copied_bytes_per_s > 0.0 && !speed.transform.is_zero(),
            "{speed:?}"
        );
    }
}

#[test]
fn every_kernel_can_be_measured_alone() {
    let Some(adapter) = adapter("kernels alone") else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/wgsl");
    let mut expected: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| std::fs::read_to_string(path).unwrap().contains("@compute"))
        .flat_map(|path| match path.file_stem().unwrap().to_str().unwrap() {
            "ntt" => ["ntt", "inverse_ntt", "coset_ntt"].map(str::to_owned).to_vec(),
            "graph_main" => vec!["graph".to_owned()],
            stem => vec![stem.to_owned()],
        })
        .collect();
    expected.sort();
    let kernels = Kernels::new(Device::open(&adapter, Options::default()).unwrap()).unwrap();
    for timed in [false, true] {
        kernels.device().time_dispatches(timed);
        let measured = kernels.alone(9, None).unwrap();
        assert_eq!(measured.iter().map(|one| one.kernel).collect::<Vec<_>>(), KERNELS);
        for one in measured {
            assert!(!one.time.is_zero() && one.bytes + one.products > 0, "{one:?}");
        }
    }
    assert_eq!(kernels.alone(4, Some("deep")).unwrap().len(), 1);
    let mut names = KERNELS.to_vec();
    names.sort_unstable();
    assert_eq!(names, expected, "the kernels of {folder}");
}

#[test]
fn dispatches_are_timed_where_the_device_has_a_clock() {
    let Some(adapter) = adapter("timestamps") else { return };
    let kernels = Kernels::new(Device::open(&adapter, Options::default()).unwrap()).unwrap();
    if !kernels.device().time_dispatches(true) {
        assert_eq!(kernels.device().take_times().unwrap(), None);
        return eprintln!("timestamps skipped: {} has no clock", adapter.name());
    }
    let states = kernels.device().buffer(16 << 8).unwrap();
    let mut recorder = kernels.device().record();
    // More than are submitted at once.
    for _ in 0..300 {
        kernels.permute(&mut recorder, &states, 1).unwrap();
    }
    recorder.submit().unwrap();
    let times = kernels.device().take_times().unwrap().unwrap();
    assert_eq!(times.keys().collect::<Vec<_>>(), [&"permute"]);
    assert!(times["permute"].dispatches == 300 && !times["permute"].time.is_zero(), "{times:?}");
    assert!(kernels.device().take_times().unwrap().unwrap().is_empty(), "what was read is gone");
    kernels.device().time_dispatches(false);
    let mut recorder = kernels.device().record();
    kernels.permute(&mut recorder, &states, 1).unwrap();
    recorder.submit().unwrap();
    assert!(kernels.device().take_times().unwrap().unwrap().is_empty(), "nobody asks any more");
}

#[test]
fn what_was_compiled_goes_with_its_kernel() {
    let Some(adapter) = adapter("compiled kernels") else { return };
    let kernels = Kernels::new(Device::open(&adapter, Options::default()).unwrap()).unwrap();
    kernels.alone(3, None).unwrap();
    let compiled = kernels.device().compiled();
    // Each round compiles a graph of its own, and the one of the round before goes.
    for round in 0..4 {
        kernels.alone(3, Some("graph")).unwrap();
        let now = kernels.device().compiled();
        assert!(now <= compiled + 1, "{compiled} compiled kernels became {now} in round {round}");
    }
}

#[test]
fn compiled_pipelines_are_kept_and_taken_up_again() {
    let Some(adapter) = adapter("kept pipelines") else { return };
    let folder = tempfile::tempdir().unwrap();
    let options = || Options { pipelines: Some(folder.path().to_owned()), ..Options::default() };
    let files = || std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    for round in 0..3 {
        let kernels = Kernels::new(Device::open(&adapter, options()).unwrap()).unwrap();
        kernels.self_test().unwrap();
        kernels.device().keep_pipelines();
        // A driver that hands nothing out has no file, and works all the same.
        let files = files();
        assert!(files.len() <= 1, "{files:?}");
        if let (1, [file]) = (round, &files[..]) {
            // What is torn is compiled again, and the file is whole afterwards.
            let whole = std::fs::read(file).unwrap();
            std::fs::write(file, &whole[..whole.len() / 2]).unwrap();
        }
    }
}
