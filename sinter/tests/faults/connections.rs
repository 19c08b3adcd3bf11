//! Ten thousand connections to one member's interface, most of which say nothing, some half a request.

use crate::{
    cluster::{Cluster, STALL_MAX},
    process::wait_until,
};
use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const CONNECTIONS: usize = 10_000;

#[test]
fn ten_thousand_connections_do_not_stop_a_member() {
    let cluster = Cluster::start_all();
    let address: SocketAddr = cluster.rpc(0).trim_start_matches("http://").parse().unwrap();
    let mut held = Vec::with_capacity(CONNECTIONS);
    for number in 0..CONNECTIONS {
        match TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
            Ok(mut connection) => {
                if number % 2 == 0 {
                    // The member may have closed it already.
                    let _ = connection.write_all(b"POST / HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n{");
                }
                held.push(connection);
            }
            Err(error) => panic!("connection {number}: {error} (open files are limited by `ulimit -n`)"),
        }
    }
    // Consensus knows nothing of it: the member that is besieged still votes, and the others go on.
    cluster.wait_progress(1, 20, STALL_MAX);
    drop(held);
    wait_until("the member answers again", STALL_MAX, || cluster.status(0).is_some_and(|status| status.health.healthy));
    wait_until("it has kept up", STALL_MAX, || cluster.height(0) + 5 >= cluster.height(1));
    cluster.check_agreement();
}
