//! Start, stop, start again.

use super::committee::{Committee, Running};
use std::time::Duration;

#[test]
fn four_nodes_over_quic_agree_stop_and_go_on() {
    let committee = Committee::new(4);
    let mut before = 0;
    for _ in 0..2 {
        let nodes: Vec<_> = committee.configs.iter().cloned().map(Running::start).collect();
        std::thread::sleep(Duration::from_secs(6));
        for node in nodes {
            assert!(!node.is_finished());
            node.stop().unwrap();
        }
        let indices: Vec<_> = (0..4).map(|seat| committee.index(seat)).collect();
        let lowest = indices.iter().map(|index| index.tip().header.height).min().unwrap();
        assert!(lowest >= before + 10, "from height {before} to {lowest}");
        let headers: Vec<_> =
            indices.iter().map(|index| index.snapshot().unwrap().header(lowest).unwrap().unwrap()).collect();
        assert!(headers.windows(2).all(|pair| pair[0] == pair[1]));
        before = lowest;
    }
}
