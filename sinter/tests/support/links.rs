//! Hosts that are joined by cables: a network namespace each, a bridge for each island.
//!
//! ```text
//!   test ─ 10.98.i.1 ───────── 10.98.i.2 ─ host i ─ 10.97.0.i+1 ─ island-a │ island-b
//! ```
//!
//! A host's peers are on its island; the test reaches every host over a cable of its own, which is never cut.

use super::{isolation::run, network::Place};
use std::process::{Child, Command, Stdio};

const QUIC_PORT: u16 = 7000;
const RPC_PORT: u16 = 8000;

/// Where a host is plugged in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Island {
    /// Where all hosts start.
    A,
    /// The other one.
    B,
}

impl Island {
    const fn bridge(self) -> &'static str {
        match self {
            Self::A => "island-a",
            Self::B => "island-b",
        }
    }
}

/// The hosts. Only inside [`super::isolation::isolated`].
pub struct Hosts {
    /// Processes that hold the namespaces open.
    holders: Vec<Child>,
}

impl Hosts {
    /// Makes `count` hosts, all on one island.
    pub fn new(count: usize) -> Self {
        for island in [Island::A, Island::B] {
            run("ip", &["link", "add", island.bridge(), "type", "bridge"]);
            run("ip", &["link", "set", island.bridge(), "up"]);
        }
        let mut hosts = Self { holders: Vec::new() };
        for host in 0..count {
            // It ends when this process closes the pipe, at the latest when it ends.
            let mut holder = Command::new("unshare");
            holder.args(["--net", "sh", "-c", "echo; exec cat"]).stdin(Stdio::piped()).stdout(Stdio::piped());
            let mut holder = holder.spawn().unwrap();
            // The first line says that the namespace is there.
            let mut line = [0];
            std::io::Read::read_exact(holder.stdout.as_mut().expect("a pipe"), &mut line).unwrap();
            hosts.holders.push(holder);
            hosts.cable(host, &format!("peers{host}"), "peers", &format!("10.97.0.{}/24", host + 1));
            hosts.cable(host, &format!("test{host}"), "test", &format!("10.98.{host}.2/24"));
            run("ip", &["address", "add", &format!("10.98.{host}.1/24"), "dev", &format!("test{host}")]);
            hosts.inside(host, &["ip", "link", "set", "lo", "up"]);
            hosts.plug(host, Island::A);
        }
        hosts
    }

    /// Lays a cable into a host.
    fn cable(&self, host: usize, outer: &str, inner: &str, address: &str) {
        let holder = self.holders[host].id().to_string();
        run("ip", &["link", "add", outer, "type", "veth", "peer", "name", inner, "netns", &holder]);
        run("ip", &["link", "set", outer, "up"]);
        self.inside(host, &["ip", "address", "add", address, "dev", inner]);
        self.inside(host, &["ip", "link", "set", inner, "up"]);
    }

    /// Plugs a host into an island, and so out of the other.
    pub fn plug(&self, host: usize, island: Island) {
        run("ip", &["link", "set", &format!("peers{host}"), "master", island.bridge()]);
    }

    /// Where each host's node runs.
    pub fn places(&self) -> Vec<Place> {
        let place = |host| Place {
            quic: format!("10.97.0.{}:{QUIC_PORT}", host + 1).parse().unwrap(),
            rpc: format!("10.98.{host}.2:{RPC_PORT}").parse().unwrap(),
            launcher: self.launcher(host),
        };
        (0..self.holders.len()).map(place).collect()
    }

    fn launcher(&self, host: usize) -> Vec<String> {
        vec!["nsenter".into(), format!("--net=/proc/{}/ns/net", self.holders[host].id())]
    }

    fn inside(&self, host: usize, command: &[&str]) {
        let launcher = self.launcher(host);
        let words: Vec<_> = launcher[1..].iter().map(String::as_str).chain(command.iter().copied()).collect();
        run(&launcher[0], &words);
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            let _ = holder.kill();
            let _ = holder.wait();
        }
    }
}
