//! Members on hosts of their own, and a network between them that breaks and heals.

use crate::{
    cluster::{Cluster, STALL_MAX},
    hosts::Hosts,
    process::wait_until,
};
use std::{fs, time::Duration};

const HEAL_MAX: Duration = Duration::from_secs(60);

/// Moves every node to a host of its own.
fn spread(cluster: &mut Cluster, hosts: &Hosts) {
    let seats = cluster.trusted().committee.seats().to_vec();
    let quic = |node: usize| format!("{}:7000", hosts.address(node));
    let peers: toml::Table = seats
        .iter()
        .enumerate()
        .map(|(node, seat)| (hex::encode(seat.node_key), toml::Value::String(quic(node))))
        .collect();
    for node in 0..cluster.len() {
        let file = cluster.home(node).join("node.toml");
        let mut values: toml::Table = fs::read_to_string(&file).unwrap().parse().unwrap();
        let rpc = format!("{}:7001", hosts.address(node));
        values.insert("listen".into(), quic(node).into());
        values.insert("rpc_listen".into(), rpc.clone().into());
        values.insert("peers".into(), peers.clone().into());
        fs::write(&file, toml::to_string(&values).unwrap()).unwrap();
        cluster.move_rpc(node, format!("http://{rpc}"));
        let command = hosts.command(node, &cluster.command(node));
        cluster.start_as(node, command);
    }
    cluster.wait_healthy();
}

#[test]
#[ignore = "needs root: network namespaces"]
fn a_partition_that_heals_loses_nothing() {
    let mut cluster = Cluster::create();
    let hosts = Hosts::create(cluster.len());
    spread(&mut cluster, &hosts);
    let before = cluster.send(0).unwrap();
    wait_until("a transaction is final", STALL_MAX, || cluster.is_final(0, before));

    // Halves: nobody has a quorum.
    hosts.cut(&[2, 3]);
    std::thread::sleep(Duration::from_secs(3));
    let height = cluster.height(0);
    let waiting = cluster.send(0).unwrap();
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(cluster.height(0), height, "half a committee is no quorum");
    assert!(!cluster.is_final(0, waiting));
    hosts.heal();
    wait_until("the halves agree again", HEAL_MAX, || cluster.is_final(3, waiting));

    // One cut off: the others go on, and it catches up.
    hosts.cut(&[1]);
    cluster.wait_progress(0, 10, HEAL_MAX);
    let meanwhile = cluster.send(2).unwrap();
    wait_until("three of four finalize", STALL_MAX, || cluster.is_final(2, meanwhile));
    hosts.heal();
    wait_until("the one that was away catches up", HEAL_MAX, || cluster.is_final(1, meanwhile));
    cluster.check_agreement();
}
