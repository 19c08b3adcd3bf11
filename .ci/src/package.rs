//! The release as others get it: a Debian package, a list of everything that it is made of, and checksums that can be signed.

use crate::{
    Outcome,
    ansible::containers_missing,
    notices::{self, manifests},
    shell::{Workspace, read, run, run_quiet},
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

/// Names a file with the secret key that checksums are signed with; nothing is signed without it.
const KEY_VARIABLE: &str = "MINISIGN_SECRET_KEY_FILE";
/// Cargo's tools, which are built where they are first needed, and how each says its version.
const TOOLS: [(&str, &str, &[&str]); 2] =
    [("cargo-deb", "3.8.0", &["--version"]), ("cargo-cyclonedx", "0.5.9", &["cyclonedx", "--version"])];
const SBOM: &str = "sinter.cdx.json";
/// Where `sinter/Cargo.toml` has it from.
const NOTICES: &str = "third-party-licences.txt";
const SUMS: &str = "SHA256SUMS";

/// How much time the package's compression may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    /// For a package that is thrown away.
    Fast,
    /// For one that is handed on.
    Best,
}

/// Makes what is handed on of the program in `target/dist`, beside it.
///
/// # Errors
/// One line that says what could not be made.
pub fn release(workspace: &Workspace) -> Result<(), String> {
    let directory = make(workspace, &workspace.target, Compression::Best)?;
    match std::env::var_os(KEY_VARIABLE) {
        Some(key) => sign(workspace, &directory, Path::new(&key)),
        None => {
            println!("{SUMS} is not signed: {KEY_VARIABLE} names no key");
            Ok(())
        }
    }
}

/// The package of the program that `build` makes: signed, looked at, installed, removed and purged.
pub fn check(workspace: &Workspace) -> Outcome {
    match try_out(workspace) {
        Ok(without) if without.is_empty() => Outcome::Passed,
        Ok(without) => Outcome::PassedWithout(without),
        Err(reason) => Outcome::Failed(reason),
    }
}

fn try_out(workspace: &Workspace) -> Result<Vec<String>, String> {
    let target = workspace.target.join("package");
    let program = target.join("dist/sinter");
    fs::remove_dir_all(&target)
        .or_else(|error| if target.exists() { Err(format!("{target:?}: {error}")) } else { Ok(()) })?;
    create(&target.join("dist"))?;
    run(workspace.command("strip").arg("-o").arg(&program).arg(workspace.sinter()))?;
    let directory = make(workspace, &target, Compression::Fast)?;
    let package = packages(&directory)?;
    signatures(workspace, &directory, &package)?;
    let mut without = Vec::new();
    if workspace.answers("lintian", &["--version"]) {
        // There is no archive with bugs to close, and what stops a template's instances is systemctl.
        let waived = "no-manual-page,initial-upload-closes-no-bugs,maintainer-script-calls-systemctl";
        let mut lintian = workspace.command("lintian");
        run(lintian.args(["--allow-root", "--fail-on", "error,warning", "--suppress-tags", waived]).arg(&package))?;
    } else {
        without.push("no lintian".into());
    }
    match containers_missing(workspace) {
        None => run(workspace.command("ops/package/test.sh").arg(&package).arg(workspace.tools.join("containers")))?,
        Some(reason) => without.push(format!("installing the package: {reason}")),
    }
    Ok(without)
}

/// Packs `target/dist/sinter`, and says what is in it; all of it lies in `target/dist`.
fn make(workspace: &Workspace, target: &Path, compression: Compression) -> Result<PathBuf, String> {
    tools(workspace)?;
    let directory = target.join("dist");
    for old in
        [packages(&directory).unwrap_or_default(), directory.join(SUMS), directory.join(format!("{SUMS}.minisig"))]
    {
        if old.is_file() {
            fs::remove_file(&old).map_err(|error| format!("{}: {error}", old.display()))?;
        }
    }
    notices::write(workspace, &directory.join(NOTICES))?;
    let mut deb = workspace.command("cargo-deb");
    deb.args(["--quiet", "--package", "sinter", "--no-build", "--no-strip", "--locked", "--output"]).arg(&directory);
    if compression == Compression::Fast {
        deb.arg("--fast");
    }
    run(deb.env("CARGO_TARGET_DIR", target))?;
    sbom(workspace, &directory)?;
    let package = packages(&directory)?;
    let name = package.file_name().unwrap_or_default();
    let sums = read(workspace.command("sha256sum").arg(name).args([SBOM, "sinter"]).current_dir(&directory))?;
    print!("{sums}");
    fs::write(directory.join(SUMS), sums).map_err(|error| format!("{SUMS}: {error}"))?;
    Ok(directory)
}

/// The one package in a folder.
fn packages(directory: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let files = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let mut found: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|kind| kind == "deb")).collect();
    match (found.pop(), found.len()) {
        (Some(package), 0) => Ok(package),
        (last, others) => {
            let got = others + usize::from(last.is_some());
            Err(format!("{}: expected one package, got {got}", directory.display()))
        }
    }
}

/// Everything that the program is made of, as CycloneDX has it. The tool puts one file into the folder of every crate, with the
/// paths of this machine in it: the program's is taken, without them, and the others are removed.
fn sbom(workspace: &Workspace, directory: &Path) -> Result<(), String> {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cyclonedx = workspace.command("cargo-cyclonedx");
    cyclonedx.args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--target", &target]);
    let named = SBOM.trim_end_matches(".json");
    cyclonedx.args(["--override-filename", named, "--manifest-path", "sinter/Cargo.toml"]);
    let made = run(&mut cyclonedx);
    let text = fs::read_to_string(workspace.root.join("sinter").join(SBOM));
    for manifest in manifests(workspace)?.iter().filter(|manifest| manifest.starts_with(&workspace.root)) {
        let file = manifest.with_file_name(SBOM);
        if file.exists() {
            fs::remove_file(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    made?;
    let text = text.map_err(|error| format!("sinter/{SBOM}: {error}"))?;
    let text = text.replace(&workspace.root.display().to_string(), "");
    fs::write(directory.join(SBOM), text).map_err(|error| format!("{SBOM}: {error}"))
}

/// Signs the checksums. A key that has a password asks for it.
fn sign(workspace: &Workspace, directory: &Path, key: &Path) -> Result<(), String> {
    let mut minisign = workspace.command("minisign");
    minisign.args(["-S", "-m", SUMS, "-s"]).arg(workspace.root.join(key)).stdin(Stdio::inherit());
    run(minisign.current_dir(directory))
}

/// What the documentation says to do with a download: the key's owner signed the checksums, and the files have them.
fn verify(workspace: &Workspace, directory: &Path, key: &Path) -> Result<(), String> {
    run(workspace.command("minisign").args(["-V", "-m", SUMS, "-p"]).arg(key).current_dir(directory))?;
    run(workspace.command("sha256sum").args(["--check", "--strict", SUMS]).current_dir(directory))
}

/// A key of the test's own signs; a changed byte anywhere, and another key, are refused.
fn signatures(workspace: &Workspace, directory: &Path, package: &Path) -> Result<(), String> {
    let key = |name: &str| {
        let (public, secret) = (directory.join(format!("{name}.pub")), directory.join(format!("{name}.key")));
        let mut minisign = workspace.command("minisign");
        run_quiet(minisign.args(["-G", "-W", "-f", "-p"]).arg(&public).arg("-s").arg(&secret))?;
        Ok::<_, String>((public, secret))
    };
    let ((public, secret), (other, _)) = (key("test")?, key("other")?);
    sign(workspace, directory, &secret)?;
    verify(workspace, directory, &public)?;
    refused("another key's signature", verify(workspace, directory, &other))?;
    for file in [&directory.join(SUMS), package, &directory.join(SBOM)] {
        let whole = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        fs::write(file, changed).map_err(|error| format!("{}: {error}", file.display()))?;
        refused(&format!("{} with a changed byte", file.display()), verify(workspace, directory, &public))?;
        fs::write(file, whole).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    verify(workspace, directory, &public)
}

fn refused(what: &str, result: Result<(), String>) -> Result<(), String> {
    match result {
        Ok(()) => Err(format!("{what}: expected it to be refused, but it was taken")),
        Err(reason) => {
            println!("refused, as it should be: {what}: {reason}");
            Ok(())
        }
    }
}

/// Builds Cargo's tools, once.
fn tools(workspace: &Workspace) -> Result<(), String> {
    for (tool, version, probe) in TOOLS {
        let found = read(workspace.command(tool).args(probe));
        if found.is_ok_and(|found| found.split_whitespace().any(|word| word == version)) {
            continue;
        }
        let mut install =
            workspace.cargo(&["install", "--quiet", "--locked", "--force", "--version", &format!("={version}"), tool]);
        run(install.arg("--root").arg(workspace.cargo_tools()))?;
    }
    Ok(())
}

fn create(directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(|error| format!("cannot make {}: {error}", directory.display()))
}
