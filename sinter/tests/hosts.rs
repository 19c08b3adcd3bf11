//! Hosts of the test's own: network namespaces, joined by a bridge that can be cut in two. Needs root.

use std::process::Command;

/// As many hosts as a cluster has nodes, and a link from this process to them.
pub struct Hosts {
    tag: u32,
    count: usize,
}

impl Hosts {
    /// Makes the hosts. This process reaches them at [`Hosts::address`].
    pub fn create(count: usize) -> Self {
        let hosts = Self { tag: std::process::id() % 10_000, count };
        let hub = hosts.hub();
        ip(&["netns", "add", &hub]);
        for bridge in ["whole", "part"] {
            ip(&["-n", &hub, "link", "add", bridge, "type", "bridge"]);
            ip(&["-n", &hub, "link", "set", bridge, "up"]);
        }
        for host in 0..count {
            let (name, port) = (hosts.name(host), format!("port{host}"));
            ip(&["netns", "add", &name]);
            ip(&["-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &name]);
            ip(&["-n", &hub, "link", "set", &port, "master", "whole", "up"]);
            ip(&["-n", &name, "address", "add", &format!("{}/24", hosts.address(host)), "dev", "eth0"]);
            ip(&["-n", &name, "link", "set", "eth0", "up"]);
            ip(&["-n", &name, "link", "set", "lo", "up"]);
        }
        let here = hosts.link();
        ip(&[
            "-n",
            &hub,
            "link",
            "add",
            "here",
            "type",
            "veth",
            "peer",
            "name",
            &here,
            "netns",
            &std::process::id().to_string(),
        ]);
        ip(&["-n", &hub, "link", "set", "here", "master", "whole", "up"]);
        ip(&["address", "add", &format!("{}/24", hosts.address(253)), "dev", &here]);
        ip(&["link", "set", &here, "up"]);
        hosts
    }

    /// A host's address.
    pub fn address(&self, host: usize) -> String {
        // A network of its own for each process that runs tests.
        format!("10.77.{}.{}", self.tag % 250, host + 1)
    }

    /// A command that runs `program` on a host.
    pub fn command(&self, host: usize, program: &Command) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name(host)]).arg(program.get_program()).args(program.get_args());
        command
    }

    /// Cuts some hosts off from the others, and from this process.
    pub fn cut(&self, hosts: &[usize]) {
        self.join(hosts, "part");
    }

    /// Joins all hosts again.
    pub fn heal(&self) {
        self.join(&(0..self.count).collect::<Vec<_>>(), "whole");
    }

    fn join(&self, hosts: &[usize], bridge: &str) {
        for host in hosts {
            ip(&["-n", &self.hub(), "link", "set", &format!("port{host}"), "master", bridge]);
        }
    }

    fn hub(&self) -> String {
        format!("sinter-{}-hub", self.tag)
    }

    fn name(&self, host: usize) -> String {
        format!("sinter-{}-{host}", self.tag)
    }

    fn link(&self) -> String {
        format!("sinter{}", self.tag)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        // The links go with the namespaces that they end in.
        for name in (0..self.count).map(|host| self.name(host)).chain([self.hub()]) {
            let _ = Command::new("ip").args(["netns", "delete", &name]).status();
        }
    }
}

fn ip(arguments: &[&str]) {
    let output = Command::new("ip").args(arguments).output().unwrap();
    assert!(output.status.success(), "ip {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
}
