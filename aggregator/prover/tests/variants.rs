//! Variants of a program in its own file: torn, forged, and switched to.

use sha2::Digest;
use sinter_prover::variants::{
    Level, running, switch,
    trailer::{TrailerError, pack, read},
};
use std::{
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Set for a process of [`probe`].
const PROBE: &str = "VARIANT_PROBE";

fn elf(fill: u8, length: usize) -> Vec<u8> {
    [b"\x7fELF".as_slice(), &vec![fill; length]].concat()
}

/// A baseline of 104 bytes with v3 and v4 behind it.
fn packed(directory: &Path) -> Vec<u8> {
    let paths: Vec<PathBuf> = ["baseline", "v3", "v4"].map(|name| directory.join(name)).to_vec();
    for (path, fill) in paths.iter().zip([1, 3, 4]) {
        fs::write(path, elf(fill, 100)).unwrap();
    }
    let output = directory.join("packed");
    pack(&paths[0], &[(Level::V3, &paths[1]), (Level::V4, &paths[2])], &output).unwrap();
    fs::read(output).unwrap()
}

#[test]
fn what_was_packed_comes_out() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = packed(directory.path());
    assert!(bytes.starts_with(&elf(1, 100)));
    let mut file = Cursor::new(&bytes);
    let entries = read(&mut file).unwrap();
    let levels: Vec<Level> = entries.iter().map(|entry| entry.level).collect();
    assert_eq!(levels, [Level::V3, Level::V4]);
    assert_eq!(entries[0].read(&mut file).unwrap(), elf(3, 100));
    assert_eq!(entries[1].read(&mut file).unwrap(), elf(4, 100));
}

#[test]
fn a_file_without_the_magic_carries_nothing() {
    assert!(read(&mut Cursor::new(b"")).unwrap().is_empty());
    assert!(read(&mut Cursor::new(elf(1, 1000))).unwrap().is_empty());
}

#[test]
fn a_torn_file_is_named_so_or_carries_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = packed(directory.path());
    for length in 0..bytes.len() {
        // Without its end there is no magic: it is the baseline.
        assert!(read(&mut Cursor::new(&bytes[..length])).unwrap().is_empty(), "{length}");
    }
    // Bytes lost in the middle.
    for lost in [1, 50, 300] {
        let torn = [&bytes[..10], &bytes[10 + lost..]].concat();
        let error = read(&mut Cursor::new(&torn)).unwrap_err();
        assert!(matches!(error, TrailerError::FileLength { .. }), "{error}");
    }
    let doubled = [&bytes[..], &bytes[..]].concat();
    assert!(matches!(read(&mut Cursor::new(doubled)), Err(TrailerError::FileLength { .. })));
}

#[test]
fn no_single_byte_of_the_list_can_be_changed() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = packed(directory.path());
    // Two entries and the footer, without the magic.
    for at in bytes.len() - 158..bytes.len() - 16 {
        let mut forged = bytes.clone();
        forged[at] ^= 0x55;
        assert!(read(&mut Cursor::new(&forged)).is_err(), "byte {at}");
    }
}

#[test]
fn forged_lengths_do_not_leave_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = packed(directory.path());
    let list_at = bytes.len() - 158;
    for (offset, length) in [(0, u64::MAX), (u64::MAX, 2), (0, list_at as u64 + 1), (10, 0), (1 << 63, 1 << 63)] {
        let mut forged = bytes.clone();
        forged[list_at + 1..list_at + 9].copy_from_slice(&offset.to_le_bytes());
        forged[list_at + 9..list_at + 17].copy_from_slice(&length.to_le_bytes());
        // As somebody would who knows the format.
        let hash = sha2::Sha256::digest(&forged[list_at..list_at + 98]);
        let end = forged.len();
        forged[end - 48..end - 16].copy_from_slice(&hash);
        let error = read(&mut Cursor::new(&forged)).unwrap_err();
        assert!(matches!(error, TrailerError::Bounds { .. }), "{offset} {length}: {error}");
    }
    for count in [0, 9, u32::MAX] {
        let mut forged = bytes.clone();
        let end = forged.len();
        forged[end - 60..end - 56].copy_from_slice(&count.to_le_bytes());
        assert!(matches!(read(&mut Cursor::new(&forged)), Err(TrailerError::Entries { got }) if got == count));
    }
}

#[test]
fn a_payload_with_another_hash_is_not_handed_out() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = packed(directory.path());
    bytes[110] ^= 1;
    let mut file = Cursor::new(&bytes);
    let entries = read(&mut file).unwrap();
    assert!(matches!(entries[0].read(&mut file), Err(TrailerError::PayloadHash { level: Level::V3, .. })));
    assert!(entries[1].read(&mut file).is_ok());
}

#[test]
fn only_executables_are_packed_and_each_level_once() {
    let directory = tempfile::tempdir().unwrap();
    packed(directory.path());
    let path = |name: &str| directory.path().join(name);
    fs::write(path("text"), "#!/bin/sh").unwrap();
    let (baseline, v3, text, output) = (path("baseline"), path("v3"), path("text"), path("output"));
    assert!(pack(&text, &[(Level::V3, &v3)], &output).is_err());
    assert!(pack(&baseline, &[(Level::V3, &text)], &output).is_err());
    assert!(pack(&baseline, &[(Level::V3, &v3), (Level::V3, &v3)], &output).is_err());
    assert!(pack(&baseline, &[(Level::Baseline, &v3)], &output).is_err());
    assert!(pack(&baseline, &[], &output).is_err());
    assert!(pack(&path("packed"), &[(Level::V3, &v3)], &output).is_err());
    assert!(!output.exists());
}

/// Not a test of its own: the program that the tests below start. It switches, and prints what it runs.
#[test]
fn probe() {
    if std::env::var_os(PROBE).is_some() {
        let switched = switch();
        assert_eq!(switched, running());
        println!("probe: {switched} by {:?}", std::env::args().next().unwrap());
    }
}

/// Starts the probe in `file`, which believes it is compiled for the baseline until it has switched.
fn start(file: &Path, max: Option<Level>) -> Output {
    let mut command = Command::new(file);
    command.args(["--exact", "variants::probe", "--nocapture"]).env(PROBE, "1");
    command.env("CPU_VARIANT_PRETENDED", Level::Baseline.to_string());
    if let Some(max) = max {
        command.env("CPU_VARIANT_MAX", max.to_string());
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().find(|line| line.contains("probe: ")).unwrap().to_owned()
}

/// This very program with itself behind it, under the label of `level`; none where the machine has no such level.
fn labelled(directory: &Path, level: Level) -> Option<PathBuf> {
    if level == Level::Baseline || level > Level::machine() {
        println!("not on this machine: it has {}", Level::machine());
        return None;
    }
    let program = std::env::current_exe().unwrap();
    let output = directory.join("program");
    pack(&program, &[(level, &program)], &output).unwrap();
    Some(output)
}

#[test]
fn the_best_variant_is_started_with_the_same_arguments() {
    let directory = tempfile::tempdir().unwrap();
    // What this program is, it may say it is.
    let Some(program) = labelled(directory.path(), Level::compiled()) else { return };
    let output = start(&program, None);
    assert!(printed(&output).contains(&format!("a variant out of {}", program.display())), "{}", printed(&output));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("warning"));
    // The arguments came through: the probe ran, under its name.
    assert!(printed(&output).contains(&format!("by {program:?}")));
}

#[test]
fn a_mislabelled_variant_is_run_once_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let other =
        [Level::V3, Level::V4].into_iter().find(|level| *level != Level::compiled() && *level <= Level::machine());
    let Some(level) = other else { return };
    let Some(program) = labelled(directory.path(), level) else { return };
    let output = start(&program, Some(level));
    let expected = format!("holds a variant {level} that is compiled for {}", Level::compiled());
    assert!(printed(&output).contains(&expected), "{}", printed(&output));
    assert!(String::from_utf8_lossy(&output.stderr).contains("warning: running the slower"));
}

#[test]
fn a_corrupt_variant_is_warned_about_and_the_baseline_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let Some(program) = labelled(directory.path(), Level::machine()) else { return };
    let mut bytes = fs::read(&program).unwrap();
    let at = bytes.len() - 5000;
    bytes[at] ^= 1;
    fs::write(&program, bytes).unwrap();
    let output = start(&program, None);
    assert!(printed(&output).contains("could not be used"), "{}", printed(&output));
    let warning = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warning.contains("warning: running the slower") && warning.contains("SHA-256"), "{warning}");
}

#[test]
fn a_machine_without_the_features_runs_the_baseline() {
    let directory = tempfile::tempdir().unwrap();
    let Some(program) = labelled(directory.path(), Level::machine()) else { return };
    let output = start(&program, Some(Level::Baseline));
    assert!(printed(&output).contains("allows no more than"), "{}", printed(&output));
    assert!(!String::from_utf8_lossy(&output.stderr).contains("warning"));
}

#[test]
fn a_program_without_variants_starts_as_it_is() {
    let output = start(&std::env::current_exe().unwrap(), None);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("warning"));
    let nothing_better = Level::machine() <= Level::compiled();
    assert!(nothing_better || printed(&output).contains("carries no better variant"), "{}", printed(&output));
}
