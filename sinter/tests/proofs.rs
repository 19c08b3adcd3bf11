//! Programs and leaf proofs on the command line: what is written, what is printed, and what is refused.

use crate::process::{errors, last_line, output, sinter};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs to a good end, and gives the object that was printed.
pub fn done(command: &mut Command) -> Value {
    let run = output(command.arg("--json"));
    assert!(run.status.success(), "{}", errors(&run));
    last_line(&run)
}

/// The exit code and what was said.
pub fn refused(command: &mut Command) -> (Option<i32>, String) {
    let run = output(command);
    (run.status.code(), errors(&run).trim_end().to_owned())
}

/// A small program of a set, as a file.
pub fn export(directory: &Path, standard: &str, log_rows: u8, set: &str) -> PathBuf {
    let file = directory.join(format!("{standard}-{log_rows}-{set}.program"));
    let log_rows = log_rows.to_string();
    done(sinter(&["program", "export", standard, "--log-rows", &log_rows, "--set", set, "-o"]).arg(&file));
    file
}

/// A leaf proof of a program file.
pub fn prove(program: &Path, seed: u32) -> PathBuf {
    let file = program.with_extension(format!("{seed}.proof"));
    let seed = seed.to_string();
    done(sinter(&["leaf", "prove", "--seed", &seed]).arg(program).arg("-o").arg(&file));
    file
}

#[test]
fn soundness_shows_every_set_and_what_binds() {
    let object = done(&mut sinter(&["soundness"]));
    let sets = object["sets"].as_array().unwrap();
    let names: Vec<&str> = sets.iter().map(|set| set["parameter_set"].as_str().unwrap()).collect();
    assert_eq!(names, ["fold", "fold-wide", "shrink", "narrow", "seal", "dev"]);
    for set in sets {
        let terms = set["terms"].as_array().unwrap();
        assert!(terms.iter().any(|term| term["step"] == "lookups"), "{set}");
        let least = terms.iter().map(|term| term["bits"].as_f64().unwrap()).fold(f64::INFINITY, f64::min);
        assert_eq!(set["proven_bits"].as_f64(), Some(least));
        assert_eq!(set["meets_target"], set["parameter_set"] != "dev");
    }
    let one = output(&mut sinter(&["soundness", "--set", "fold"]));
    let text = String::from_utf8_lossy(&one.stdout).into_owned();
    for word in ["lookups (LogUp)", "hash collisions", "proven", "FRI queries"] {
        assert!(text.contains(word), "{text}");
    }
    let (code, message) = refused(&mut sinter(&["soundness", "--set", "sealed"]));
    assert_eq!(code, Some(2));
    assert!(message.contains("expected fold, fold-wide, shrink, narrow, seal, dev, got `sealed`"), "{message}");
}

#[test]
fn a_program_is_exported_identified_and_proved_and_the_proof_verified() {
    let directory = tempfile::tempdir().unwrap();
    let program = export(directory.path(), "poseidon2", 8, "dev");
    let inspected = done(sinter(&["program", "inspect"]).arg(&program));
    assert_eq!(inspected["tables"][0]["main_width"], 164);
    assert_eq!(inspected["tables"][0]["log_height"], 8);
    assert_eq!(inspected["soundness"]["parameter_set"], "dev");
    let text = output(sinter(&["program", "inspect"]).arg(&program));
    assert!(String::from_utf8_lossy(&text.stdout).contains("2^8"), "{}", errors(&text));

    let proof = prove(&program, 1);
    let verified = done(sinter(&["verify"]).arg(&proof).arg("--program").arg(&program));
    assert_eq!((&verified["verified"], &verified["program"]), (&Value::from("leaf"), &inspected["digest"]));

    // By name, it is the same program and the same proof.
    let named = directory.path().join("named.proof");
    let command = &mut sinter(&["leaf", "prove", "poseidon2", "--log-rows", "8", "--set", "dev", "--seed", "1", "-o"]);
    let proved = done(command.arg(&named));
    assert_eq!(proved["program"], inspected["digest"]);
    assert_eq!(fs::read(&named).unwrap(), fs::read(&proof).unwrap());
    assert_eq!(proved["proof_bytes"].as_u64().unwrap(), fs::metadata(&named).unwrap().len());
}

#[test]
fn proofs_that_are_torn_forged_or_of_another_program_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let program = export(directory.path(), "poseidon2", 8, "dev");
    let other = export(directory.path(), "poseidon2", 9, "dev");
    let proof = prove(&program, 1);
    let good = fs::read(&proof).unwrap();
    let file = directory.path().join("bad.proof");
    let verify = |bytes: &[u8], program: &Path| {
        fs::write(&file, bytes).unwrap();
        refused(sinter(&["verify"]).arg(&file).arg("--program").arg(program))
    };
    assert_eq!(verify(&good, &program).0, Some(0));
    let (code, message) = verify(&good, &other);
    assert_eq!(code, Some(3));
    assert!(message.contains("expected a proof of program 0x"), "{message}");
    for length in [0, 3, 38, 100, good.len() - 1] {
        let (code, message) = verify(&good[..length], &program);
        assert_eq!(code, Some(2), "{length} bytes: {message}");
        assert!(message.contains("bad.proof") && message.contains("expected"), "{message}");
    }
    let (code, message) = verify(&[&good[..], &[0]].concat(), &program);
    assert_eq!(code, Some(2), "{message}");
    let (code, message) = verify(&[&good[..], &vec![0; 10 << 20]].concat(), &program);
    assert_eq!(code, Some(2));
    assert!(message.contains("expected at most"), "{message}");
    // An element of an opened value.
    let mut forged = good.clone();
    forged[good.len() / 2] ^= 1;
    let (code, message) = verify(&forged, &program);
    assert!(matches!(code, Some(2 | 3)), "{message}");
    // What is no proof, and what is no program.
    let (code, message) = refused(sinter(&["verify"]).arg(&program).arg("--program").arg(&program));
    assert_eq!(code, Some(2));
    assert!(message.contains("expected magic"), "{message}");
    let (code, _) = refused(sinter(&["program", "inspect"]).arg(&proof));
    assert_eq!(code, Some(2));
    let (code, message) = refused(sinter(&["verify"]).arg(&proof));
    assert_eq!(code, Some(2));
    assert!(message.contains("--program"), "{message}");
}

#[test]
fn input_that_is_wrong_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x");
    let said = |words: &[&str], expected: &str| {
        let (code, message) = refused(sinter(words).arg("-o").arg(&file));
        assert_eq!(code, Some(2), "{words:?}: {message}");
        assert!(message.contains(expected), "{words:?}: {message}");
        assert!(!file.exists());
    };
    let export = ["program", "export"];
    said(&[&export[..], &["sha256", "--log-rows", "6", "--set", "dev"]].concat(), "got `sha256`");
    said(&[&export[..], &["keccak", "--log-rows", "4", "--set", "dev"]].concat(), "expected 2^5 to 2^20");
    said(&[&export[..], &["poseidon2", "--log-rows", "3", "--set", "fold"]].concat(), "log2 of a height: expected ");
    said(&[&export[..], &["poseidon2", "--log-rows", "21", "--set", "fold"]].concat(), "21");
    said(&["leaf", "prove", "poseidon2"], "--log-rows and --set");
    said(&["leaf", "prove", "missing.program"], "missing.program: No such file");
    // A program file is at most 16 MiB; this one has no end.
    said(&["leaf", "prove", "/dev/zero"], "expected at most 16777216 bytes");
    let program = self::export(directory.path(), "poseidon2", 8, "dev");
    let name = program.to_str().unwrap();
    said(&["leaf", "prove", name, "--set", "dev"], "says both itself");
    let mut bytes = fs::read(&program).unwrap();
    // The first node of the table: a column that it does not have.
    let torn = bytes.len() - 8;
    bytes.truncate(torn);
    fs::write(&program, bytes).unwrap();
    said(&["leaf", "prove", name], "expected");
    let into_nothing = directory.path().join("none/x");
    let (code, message) = refused(
        sinter(&["program", "export", "poseidon2", "--log-rows", "8", "--set", "dev", "-o"]).arg(&into_nothing),
    );
    assert_eq!(code, Some(1));
    assert!(message.contains("writing ") && message.contains("No such file"), "{message}");
}

#[test]
fn a_height_that_would_not_fit_in_memory_is_refused_before_it_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("x");
    let words = ["leaf", "prove", "blake3", "--log-rows", "20", "--set", "fold", "-o"];
    let (code, message) = refused(sinter(&words).arg(&file));
    assert_eq!(code, Some(1));
    assert!(message.contains("of memory"), "{message}");
}

#[test]
fn a_packed_program_starts_with_and_without_its_variants() {
    let directory = tempfile::tempdir().unwrap();
    let (program, packed) = (env!("CARGO_BIN_EXE_sinter"), directory.path().join("sinter"));
    // Itself under the label of a better level: the switch is real, and what it switches to says what it is.
    let pack =
        |variant: &str| refused(sinter(&["pack-variants", program, "--variant", variant, "--output"]).arg(&packed));
    let (code, message) = pack("x86-64-v9=x");
    assert_eq!(code, Some(2));
    assert!(message.contains("got `x86-64-v9`"), "{message}");
    let text = directory.path().join("text");
    fs::write(&text, "#!/bin/sh").unwrap();
    let level =
        |number| format!("{}-v{number}", if cfg!(target_arch = "x86_64") { "x86-64" } else { std::env::consts::ARCH });
    let (code, message) = pack(&format!("{}={}", level(4), text.display()));
    assert_eq!(code, Some(2));
    assert!(message.contains("expected an ELF executable"), "{message}");
    assert_eq!(pack(&format!("{}={program}", level(4))), (Some(0), String::new()));

    let level_of =
        |line: &str, after: &str| line.split_once(after).unwrap().1.split([',', ';', '\n']).next().unwrap().to_owned();
    let baseline = level(4).rsplit_once("-v").unwrap().0.to_owned();
    let version = |max: Option<&str>| {
        let mut command = Command::new(&packed);
        // Tests are built for the machine at hand: as a release's baseline would, it looks for something better.
        command.arg("--version").env("CPU_VARIANT_PRETENDED", &baseline).stdin(Stdio::null());
        if let Some(max) = max {
            command.env("CPU_VARIANT_MAX", max);
        }
        let run = output(&mut command);
        assert!(run.status.success(), "{}", errors(&run));
        let text = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(text.starts_with(concat!("sinter ", env!("CARGO_PKG_VERSION"))), "{text}");
        text
    };
    let own = version(None);
    let (compiled, machine) = (level_of(&own, "compiled for "), level_of(&own, "the machine has "));
    if machine == level(4) {
        let expected = if compiled == machine { "a variant out of " } else { "could not be used" };
        assert!(own.contains(expected), "{own}");
    }
    // Where the machine has nothing better, or may not use it, the baseline starts.
    let capped = version(Some(&baseline));
    assert!(!capped.contains("a variant out of") && !capped.contains("could not be used"), "{capped}");
}
