//! Wraps, folds and batches on the command line: what holds, what is refused, and what survives a process.

use crate::{
    process::{Guarded, errors, output, sinter, wait_until},
    proofs::{done, export, prove, refused},
    support::isolation::{isolated, run},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

const MINUTES: Duration = Duration::from_secs(300);

/// `sinter aggregate` of these files.
fn aggregate(files: &[PathBuf], programs: &[&Path], state: &Path, root: &Path) -> Command {
    let mut command = sinter(&["aggregate"]);
    command.args(files);
    for program in programs {
        command.arg("--program").arg(program);
    }
    command.arg("--dir").arg(state).arg("-o").arg(root);
    command
}

fn verify(root: &Path, option: &str, file: &Path) -> Command {
    let mut command = sinter(&["verify"]);
    command.arg(root).arg(option).arg(file);
    command
}

/// The files of a state directory whose names begin so.
fn stored(state: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(state) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    let whole = paths.filter(|path| path.extension().is_none());
    whole.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect()
}

#[test]
fn a_batch_survives_sigkill_and_its_root_cannot_be_forged() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let (small, large) =
        (export(directory.path(), "poseidon2", 8, "dev"), export(directory.path(), "keccak", 7, "dev"));
    let files = [prove(&small, 1), prove(&large, 2), prove(&small, 3)];
    let programs: [&Path; 2] = [&small, &large];

    let (state, root) = (at("state"), at("root"));
    let whole = done(&mut aggregate(&files, &programs, &state, &root));
    assert_eq!(whole["count"], 3);
    assert_eq!((stored(&state, "wrap-").len(), stored(&state, "fold-").len()), (3, 2));
    let statements = at("root.statements.json");
    let verified = done(&mut verify(&root, "--statements", &statements));
    assert_eq!((&verified["verified"], &verified["count"]), (&Value::from("root"), &Value::from(3)));
    assert_eq!(verified["statements_root"], whole["statements_root"]);
    assert_eq!(verified["fold_key"], whole["fold_key"]);

    killed_and_resumed(&aggregate_to(&files, &programs, &at("killed"), &at("root-2")), &at("killed"));
    assert_eq!(fs::read(at("root-2")).unwrap(), fs::read(&root).unwrap());

    // What is stored is checked: a proof of another node, and one that is torn.
    let folds = stored(&state, "fold-");
    fs::copy(&stored(&state, "wrap-")[0], &folds[0]).unwrap();
    let torn = fs::read(&folds[1]).unwrap();
    fs::write(&folds[1], &torn[..torn.len() / 2]).unwrap();
    let again = output(&mut aggregate(&files, &programs, &state, &at("root-3")));
    assert!(again.status.success(), "{}", errors(&again));
    assert_eq!(errors(&again).matches("does not hold, and is made again").count(), 2, "{}", errors(&again));
    assert_eq!(errors(&again).matches("was there, and holds").count(), 3, "{}", errors(&again));
    assert_eq!(fs::read(at("root-3")).unwrap(), fs::read(&root).unwrap());

    forgeries(&at("forged"), &root, &statements, &stored(&state, "wrap-")[0], &small);
}

fn aggregate_to(files: &[PathBuf], programs: &[&Path], state: &Path, root: &Path) -> impl Fn() -> Command {
    let (files, state, root) = (files.to_vec(), state.to_path_buf(), root.to_path_buf());
    let programs: Vec<PathBuf> = programs.iter().map(|path| path.to_path_buf()).collect();
    move || aggregate(&files, &programs.iter().map(PathBuf::as_path).collect::<Vec<_>>(), &state, &root)
}

/// Kills the command when it has folded once, and lets it go on.
fn killed_and_resumed(command: &impl Fn() -> Command, state: &Path) {
    let mut process = Guarded(command().stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap());
    wait_until("a fold is stored", MINUTES, || {
        assert!(process.0.try_wait().unwrap().is_none(), "it ended");
        !stored(state, "fold-").is_empty()
    });
    // Another process may not use the directory meanwhile.
    let (code, message) = refused(&mut command());
    assert_eq!(code, Some(1));
    assert!(message.contains("another process uses it"), "{message}");
    process.0.kill().unwrap();
    process.0.wait().unwrap();
    let resumed = output(&mut command());
    assert!(resumed.status.success(), "{}", errors(&resumed));
    assert!(errors(&resumed).matches("was there, and holds").count() >= 3, "{}", errors(&resumed));
}

/// What is done to a list of statements.
type Change<'a> = &'a dyn Fn(&mut Vec<Value>);

/// Roots and lists that are not those of the batch.
fn forgeries(file: &Path, root: &Path, statements: &Path, wrap: &Path, program: &Path) {
    let text = fs::read_to_string(statements).unwrap();
    let list: Value = serde_json::from_str(&text).unwrap();
    let with = |change: Change<'_>| {
        let mut list = list.clone();
        change(list["statements"].as_array_mut().unwrap());
        fs::write(file, list.to_string()).unwrap();
        refused(&mut verify(root, "--statements", file))
    };
    assert_eq!(with(&|_| {}).0, Some(0));
    let changes: [Change<'_>; 4] =
        [&|list| list.swap(0, 1), &|list| list.truncate(2), &|list| list.push(list[0].clone()), &|list| {
            list[2]["public_values"] = "0x00000001".into()
        }];
    for change in changes {
        let (code, message) = with(change);
        assert_eq!(code, Some(3), "{message}");
        assert!(message.contains("expected the root 0x"), "{message}");
    }
    let (code, message) = with(&|list| list.clear());
    assert_eq!(code, Some(2), "{message}");
    let (code, message) = with(&|list| list[0]["program_id"] = "0x00".into());
    assert_eq!(code, Some(2));
    assert!(message.contains("statement 0: `program_id`"), "{message}");

    // Another number of statements in the proof's own public values, and a changed opening.
    let good = fs::read(root).unwrap();
    let count_at = 40 + 4 * 16;
    assert_eq!(good[count_at], 3);
    for at in [count_at, 48, good.len() - 40] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        fs::write(file, bytes).unwrap();
        let (code, message) = refused(&mut verify(file, "--statements", statements));
        assert_eq!(code, Some(3), "byte {at}: {message}");
    }
    for bytes in [&good[..good.len() - 1], &good[..30], b"SNTF"] {
        fs::write(file, bytes).unwrap();
        assert_eq!(refused(&mut verify(file, "--statements", statements)).0, Some(2));
    }
    // A node that is no fold, and a fold that is no wrap.
    let (code, message) = refused(&mut verify(wrap, "--statements", statements));
    assert_eq!(code, Some(3));
    assert!(message.contains("under the fold key 0x"), "{message}");
    assert_eq!(refused(&mut verify(root, "--program", program)).0, Some(3));
    assert_eq!(done(sinter(&["verify"]).arg(root))["verified"], "fold");
}

#[test]
fn nodes_are_wrapped_and_folded_by_hand_and_join_a_batch() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let program = export(directory.path(), "poseidon2", 8, "dev");
    let other = export(directory.path(), "poseidon2", 9, "dev");
    let proof = prove(&program, 1);
    let wrap = |output: &Path| {
        let mut command = sinter(&["wrap"]);
        command.arg(&proof).arg("--program").arg(&program).arg("-o").arg(output);
        command
    };
    let wrapped = done(&mut wrap(&at("node")));
    let id = done(sinter(&["program", "id"]).arg(&program));
    assert_eq!(wrapped["program_id"], id["program_id"]);
    let verified = done(&mut verify(&at("node"), "--program", &program));
    assert_eq!((&verified["verified"], &verified["program_id"]), (&Value::from("wrap"), &id["program_id"]));
    assert_eq!(refused(&mut verify(&at("node"), "--program", &other)).0, Some(3));
    assert_eq!(done(sinter(&["verify"]).arg(at("node")))["verified"], "node");
    let (code, message) = refused(sinter(&["wrap"]).arg(&proof).arg("--program").arg(&other).arg("-o").arg(at("x")));
    assert_eq!(code, Some(3));
    assert!(message.contains("expected a proof of program"), "{message}");

    let fold = |left: &str, right: &str, output: &str| {
        let mut command = sinter(&["fold"]);
        command.arg(at(left)).arg(at(right)).arg("-o").arg(at(output));
        command
    };
    let folded = done(&mut fold("node", "node", "pair"));
    assert_eq!(folded["count"], 2);
    let (code, message) = refused(&mut fold("node", "pair", "x"));
    assert_eq!(code, Some(2));
    assert!(message.contains("got 1 and 2"), "{message}");
    fs::copy(&proof, at("leaf")).unwrap();
    let (code, message) = refused(&mut fold("leaf", "node", "x"));
    assert_eq!(code, Some(2));
    assert!(message.contains("`sinter wrap` makes one of it"), "{message}");
    let mut forged = fs::read(at("node")).unwrap();
    let middle = forged.len() / 2;
    forged[middle] ^= 1;
    fs::write(at("forged"), forged).unwrap();
    assert!(matches!(refused(&mut fold("forged", "node", "x")).0, Some(2 | 3)));
    assert!(!at("x").exists());

    // A node joins a batch as it is, a fold does not; a batch of one has a root too.
    let (code, message) = refused(&mut aggregate(&[at("pair")], &[], &at("state"), &at("root")));
    assert_eq!(code, Some(2));
    assert!(message.contains("got a fold"), "{message}");
    let alone = done(&mut aggregate(&[at("node")], &[], &at("state"), &at("root")));
    assert_eq!(alone["count"], 1);
    let verified = done(&mut verify(&at("root"), "--statements", &at("root.statements.json")));
    assert_eq!(verified["statements"], 1);
}

#[test]
fn a_batch_says_what_is_wrong_with_its_input() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    let program = export(directory.path(), "poseidon2", 8, "dev");
    let other = export(directory.path(), "poseidon2", 9, "dev");
    let proof = prove(&program, 1);
    let said = |files: &[PathBuf], programs: &[&Path], code: i32, expected: &str| {
        let run = refused(&mut aggregate(files, programs, &at("state"), &at("root")));
        assert_eq!(run.0, Some(code), "{}", run.1);
        assert!(run.1.contains(expected), "{}", run.1);
        assert!(!at("root").exists());
    };
    said(std::slice::from_ref(&proof), &[&other], 2, "which no --program is");
    said(&[at("missing")], &[&program], 2, "missing: No such file");
    said(std::slice::from_ref(&proof), &[&proof], 2, "expected magic");
    said(std::slice::from_ref(&program), &[&program], 2, "expected magic");
    let good = fs::read(&proof).unwrap();
    fs::write(at("torn"), &good[..good.len() - 1]).unwrap();
    said(&[at("torn")], &[&program], 2, "torn");
    let mut forged = good;
    let middle = forged.len() / 2;
    // The lowest byte of an element stays below the modulus, all but never.
    forged[middle - middle % 4 + 3] ^= 1;
    fs::write(at("forged"), forged).unwrap();
    let run = refused(&mut aggregate(&[at("forged")], &[&program], &at("state"), &at("root")));
    assert!(matches!(run.0, Some(2 | 3)), "{}", run.1);
    assert!(run.1.contains("forged"), "{}", run.1);
    fs::write(at("file"), "").unwrap();
    let run = refused(&mut aggregate(std::slice::from_ref(&proof), &[&program], &at("file"), &at("root")));
    assert_eq!(run.0, Some(2));
    assert!(run.1.contains("--dir: "), "{}", run.1);
    assert!(stored(&at("state"), "").iter().all(|path| path.ends_with("lock")));
}

#[test]
#[ignore = "needs root: mounts a small file system"]
fn a_batch_whose_disk_fills_up_says_so_and_goes_on_when_there_is_space() {
    isolated("aggregation::a_batch_whose_disk_fills_up_says_so_and_goes_on_when_there_is_space", || {
        let directory = tempfile::tempdir().unwrap();
        let program = export(directory.path(), "poseidon2", 8, "dev");
        let files = [prove(&program, 1), prove(&program, 2)];
        let (state, root) = (directory.path().join("state"), directory.path().join("root"));
        fs::create_dir(&state).unwrap();
        let disk = state.to_str().expect("a path in UTF-8");
        // Room for one node, and a part of the second.
        run("mount", &["-t", "tmpfs", "-o", "size=500k", "tmpfs", disk]);
        let (code, message) = refused(&mut aggregate(&files, &[&program], &state, &root));
        assert_eq!(code, Some(1), "{message}");
        assert!(message.contains("the disk is full: what was finished is kept"), "{message}");
        assert_eq!(stored(&state, "wrap-").len(), 1);
        run("mount", &["-o", "remount,size=10m", disk]);
        let resumed = output(&mut aggregate(&files, &[&program], &state, &root));
        assert!(resumed.status.success(), "{}", errors(&resumed));
        assert!(errors(&resumed).contains("wrapped 1 of 2: was there, and holds"), "{}", errors(&resumed));
        run("umount", &[disk]);
    });
}
