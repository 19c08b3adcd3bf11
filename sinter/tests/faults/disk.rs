//! A member whose disk is full.

use crate::{cluster::Cluster, process::wait_until};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// A file system of its own, in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Puts the contents of `directory` onto a disk of `megabytes`, mounted there.
    fn mount(directory: &Path, megabytes: u32) -> Self {
        let aside = directory.with_extension("aside");
        fs::rename(directory, &aside).unwrap();
        fs::create_dir(directory).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "tmpfs"]).arg(directory));
        let disk = Self(directory.to_path_buf());
        run(Command::new("cp").arg("-a").arg(aside.join(".")).arg(directory));
        disk
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no byte free.
    fn fill(&self) {
        let mut file = File::create(self.filler()).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

#[test]
#[ignore = "needs root: mounts a small file system"]
fn a_member_with_a_full_disk_stops_and_says_so_and_recovers() {
    let mut cluster = Cluster::create();
    let disk = SmallDisk::mount(&cluster.home(1).join("data"), 400);
    for node in 0..cluster.len() {
        cluster.start(node);
    }
    cluster.wait_healthy();

    disk.fill();
    let code = cluster.wait_for_end(1, Duration::from_secs(60));
    assert_eq!(code, Some(1));
    let log = cluster.log(1);
    let error =
        log.lines().rev().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("no error in {log}"));
    assert!(error.contains("disk") || error.contains("space"), "{error}");
    let height = cluster.height(0);
    cluster.wait_progress(0, 5, Duration::from_secs(30));

    fs::remove_file(disk.filler()).unwrap();
    cluster.start(1);
    wait_until("the member catches up", Duration::from_secs(60), || cluster.height(1) > height);
    cluster.wait_healthy();
    cluster.check_agreement();
    for node in 0..cluster.len() {
        cluster.stop(node);
    }
}
