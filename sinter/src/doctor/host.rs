//! What every machine needs: a clock that is right, files that can be opened, UDP buffers, free disk, ports.

use super::{Finding, Verdict};
use crate::{aggregation::text, firmware};
use rustix::process::{Resource, getrlimit};
use sinter_sequencer::quic::QuicConfig;
use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    path::Path,
    time::Duration,
};

/// How long a program of the system may take to answer.
const PROGRAM_TIMEOUT: Duration = Duration::from_secs(5);
/// Files that a machine under load opens: connections, and some for storage.
const FILES_MIN: u64 = 16_384;
/// Disk that is free on a machine that will still run in some weeks.
const DISK_COMFORT_BYTES: u64 = 20 << 30;

/// What does not depend on what runs here.
pub(super) async fn findings() -> Vec<Finding> {
    vec![clock().await, files(), udp_buffers("net.core.rmem_max"), udp_buffers("net.core.wmem_max")]
}

/// Whether something keeps the clock right.
async fn clock() -> Finding {
    let remedy = "see to it that systemd-timesyncd or chrony runs and reaches its servers: members vote late on blocks from ahead of \
                  their clock";
    let mut command = tokio::process::Command::new("timedatectl");
    command.args(["show", "--property=NTPSynchronized", "--value"]).kill_on_drop(true);
    let asked = tokio::time::timeout(PROGRAM_TIMEOUT, command.output()).await;
    let answer = asked.ok().and_then(Result::ok).filter(|output| output.status.success()).map(|output| output.stdout);
    match answer.as_deref().map(<[u8]>::trim_ascii) {
        Some(b"yes") => Finding::ok("clock", "synchronized"),
        Some(b"no") => Finding::new("clock", Verdict::Wrong, "nothing synchronizes it", remedy),
        _ => Finding::skipped("clock", "timedatectl does not tell whether it is synchronized", remedy),
    }
}

/// Whether enough files may be open.
fn files() -> Finding {
    let limit = getrlimit(Resource::Nofile).current;
    match limit {
        Some(limit) if limit < FILES_MIN => Finding::new(
            "open files",
            Verdict::Warning,
            format!("{limit} here, where {FILES_MIN} are wanted: connections will be refused under load"),
            "ulimit -n 65536; Sinter's systemd units set it themselves (LimitNOFILE)",
        ),
        limit => Finding::ok("open files", limit.map_or("no limit".to_owned(), |limit| limit.to_string())),
    }
}

/// Whether the system grants the UDP buffers that the transport asks for.
fn udp_buffers(setting: &'static str) -> Finding {
    let wanted = QuicConfig::SOCKET_BUFFER_BYTES;
    let file = Path::new("/proc/sys").join(setting.replace('.', "/"));
    let remedy = || format!("sysctl -w {setting}={wanted}, and the same in /etc/sysctl.d/");
    match fs::read_to_string(&file).map(|text| text.trim().parse::<usize>()) {
        Ok(Ok(granted)) if granted >= wanted => Finding::ok(setting, text::bytes(granted as u64)),
        Ok(Ok(granted)) => Finding::new(
            setting,
            Verdict::Warning,
            format!(
                "{} where {} are wanted: blocks lose packets",
                text::bytes(granted as u64),
                text::bytes(wanted as u64)
            ),
            remedy(),
        ),
        Ok(Err(_)) | Err(_) => Finding::skipped(setting, format!("{} cannot be read", file.display()), remedy()),
    }
}

/// Whether there is room to work in, and some for the weeks to come.
pub(super) fn disk(data_dir: &Path, min_bytes: u64) -> Finding {
    // A directory that is not there yet will be made on the disk of its first ancestor that is.
    let existing = data_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let remedy = format!("free some space under {}, or move `data_dir` to a larger disk", existing.display());
    match rustix::fs::statvfs(existing) {
        Err(error) => Finding::new("disk", Verdict::Wrong, format!("{}: {error}", existing.display()), remedy),
        Ok(stat) => {
            let free_bytes = stat.f_bavail.saturating_mul(stat.f_frsize);
            let found = format!("{} free under {}", text::bytes(free_bytes), existing.display());
            if free_bytes < min_bytes {
                let found = format!("{found}, where {} must be", text::bytes(min_bytes));
                Finding::new("disk", Verdict::Wrong, found, remedy)
            } else if free_bytes < DISK_COMFORT_BYTES {
                Finding::new("disk", Verdict::Warning, found, remedy)
            } else {
                Finding::ok("disk", found)
            }
        }
    }
}

/// Whether an address can be listened on, or its own machine listens there already.
pub(super) fn port(check: &'static str, address: SocketAddr, udp: bool, runs: bool) -> Finding {
    let bound = if udp { UdpSocket::bind(address).map(drop) } else { TcpListener::bind(address).map(drop) };
    match bound {
        Ok(()) if runs => Finding::new(
            check,
            Verdict::Wrong,
            format!("{address} is free, though the machine says that it runs"),
            "start it again: it listens elsewhere",
        ),
        Ok(()) => Finding::ok(check, format!("{address} can be listened on")),
        Err(error) if runs && error.kind() == std::io::ErrorKind::AddrInUse => {
            Finding::ok(check, format!("{address}, where it listens now"))
        }
        Err(error) => Finding::new(
            check,
            Verdict::Wrong,
            format!("{address}: {error}"),
            format!("`ss -lpn '( sport = :{} )'` names who holds it", address.port()),
        ),
    }
}

/// Whether GPUs and firmware are as a profile wants them.
pub(super) async fn firmware(profile: &str) -> Finding {
    match firmware::host_drift(profile).await {
        Err(failure) => Finding::new(
            "firmware",
            Verdict::Wrong,
            failure.to_string(),
            "install what it needs, or name another profile: `sinter firmware profiles`",
        ),
        Ok(drift) if drift.is_empty() => Finding::ok("firmware", format!("as profile {profile} wants it")),
        Ok(drift) => Finding::new(
            "firmware",
            Verdict::Warning,
            drift.join("; "),
            format!("sinter firmware host --profile {profile} shows it; drain the machine before you add --apply"),
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_full_disk_is_wrong_and_a_small_one_a_warning() {
        let here = tempfile::tempdir().unwrap();
        let missing = here.path().join("not/yet/there");
        let full = disk(&missing, u64::MAX);
        assert_eq!(full.verdict, Verdict::Wrong);
        assert!(full.found.contains("must be") && full.remedy.is_some(), "{full:?}");
        assert_ne!(disk(&missing, 0).verdict, Verdict::Wrong);
    }

    #[test]
    fn a_port_that_somebody_holds_is_wrong_unless_it_is_the_machine_itself() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        assert_eq!(port("rpc", address, false, false).verdict, Verdict::Wrong);
        assert_eq!(port("rpc", address, false, true).verdict, Verdict::Ok);
        drop(held);
        assert_eq!(port("rpc", address, false, false).verdict, Verdict::Ok);
        assert_eq!(port("rpc", address, false, true).verdict, Verdict::Wrong);
        let held = UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(port("peers", held.local_addr().unwrap(), true, false).verdict, Verdict::Wrong);
    }
}
