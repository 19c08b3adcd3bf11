//! The appliance's image: built, and started in QEMU to its self-test, which folds two proofs (`ops/image/test.sh`).
//!
//! Done by `cargo ci image` and `cargo ci --all`, never by plain `cargo ci`. Each run builds the image and starts it. What takes long,
//! machines with UEFI and a TPM, is done when a file under [`PATHS`] is not what it was when all of it last passed in this
//! target directory; in a fresh one, always. A part that is left out is named.

use crate::{
    Outcome,
    install::Apt,
    shell::{Workspace, read, run},
};
use std::fs;

/// What the tests with firmware are about.
const PATHS: [&str; 4] =
    ["ops/image", "ops/systemd/sinter-aggregator.service", "ops/systemd/sinter.sysusers.conf", ".ci/src/image.rs"];

/// Programs that build the image and try it, how to see that they are there, and Debian's packages that bring them.
const PROGRAMS: [(&str, &[&str], &str); 15] = [
    ("mmdebstrap", &["--version"], "mmdebstrap"),
    ("mksquashfs", &["-version"], "squashfs-tools"),
    ("veritysetup", &["--version"], "cryptsetup-bin"),
    ("sbsign", &["--version"], "sbsigntool"),
    ("cert-to-efi-sig-list", &["--version"], "efitools"),
    ("objcopy", &["--version"], "binutils"),
    ("minisign", &["-v"], "minisign"),
    ("sfdisk", &["--version"], "fdisk"),
    ("mkfs.vfat", &["--help"], "dosfstools"),
    ("mdir", &["--version"], "mtools"),
    ("cpio", &["--version"], "cpio"),
    ("zstd", &["--version"], "zstd"),
    ("modprobe", &["--version"], "kmod"),
    ("swtpm", &["--version"], "swtpm"),
    ("qemu-system-x86_64", &["--version"], "qemu-system-x86"),
];
/// Files that are no programs, and the packages that have them.
const FILES: [(&str, &str); 3] = [
    ("/usr/lib/systemd/boot/efi/linuxx64.efi.stub", "systemd-boot-efi"),
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "ovmf"),
    ("/bin/busybox", "busybox-static"),
];
/// The best that QEMU's own processor runs: it has no AVX-512, which the builder's may have.
const LEVEL: &str = "x86-64-v3";

/// Builds the image and tries it.
pub fn check(workspace: &Workspace) -> Outcome {
    if std::env::consts::ARCH != "x86_64" {
        return Outcome::Skipped("the image is x86-64's".into());
    }
    let mut apt = Apt::here(workspace);
    if !apt.is_root() {
        return Outcome::Skipped("only root can build a Debian".into());
    }
    for package in missing(workspace) {
        if let Err(reason) = apt.install(&[package]) {
            return Outcome::Skipped(format!("no {package}: {reason}"));
        }
    }
    match try_out(workspace) {
        Ok(None) => Outcome::Passed,
        Ok(Some(without)) => Outcome::PassedWithout(vec![without]),
        Err(reason) => Outcome::Failed(reason),
    }
}

fn missing(workspace: &Workspace) -> Vec<&'static str> {
    let programs = PROGRAMS.iter().filter(|(program, probe, _)| !workspace.answers(program, probe));
    let files = FILES.iter().filter(|(file, _)| !fs::exists(file).unwrap_or(false));
    programs.map(|(_, _, package)| *package).chain(files.map(|(_, package)| *package)).collect()
}

/// What was left out, if something was.
fn try_out(workspace: &Workspace) -> Result<Option<String>, String> {
    let target = workspace.target.join("image");
    let mut build = workspace.cargo(&["build", "--locked", "--package", "sinter", "--target-dir"]);
    build.arg(&target).env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", format!("-C target-cpu={LEVEL}"));
    run(&mut build)?;
    let program = target.join("sinter");
    run(workspace.command("strip").arg("-o").arg(&program).arg(target.join("debug/sinter")))?;
    let (now, stamp) = (digests(workspace)?, workspace.tools.join("image-passed"));
    let is_as_it_was = fs::read_to_string(&stamp).is_ok_and(|then| then == now);
    let what = if is_as_it_was { "short" } else { "all" };
    run(workspace.command("ops/image/test.sh").arg(&program).arg(target.join("parts")).arg(what))?;
    if is_as_it_was {
        return Ok(Some("UEFI, TPM, tampering, rollback, update: nothing of it changed since it passed here".into()));
    }
    fs::write(&stamp, now).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(None)
}

/// Every file that the tests with firmware are about, with its hash.
fn digests(workspace: &Workspace) -> Result<String, String> {
    let listed =
        read(workspace.command("git").args(["ls-files", "--cached", "--others", "--exclude-standard"]).args(PATHS))?;
    let present = listed.lines().filter(|file| workspace.root.join(file).exists());
    read(workspace.command("sha256sum").args(present))
}
