//! Sends datagrams that are no QUIC, or only look like it.

use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// Sends `count` datagrams of every shape to `address`.
pub async fn spray(address: SocketAddr, count: usize) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for index in 0..count {
        let mut datagram = vec![0_u8; [1, 20, 21, 64, 1200, 1452, 9000][index % 7]];
        for byte in &mut datagram {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (state >> 33) as u8;
        }
        match index % 3 {
            0 => {}
            1 => datagram[0] |= 0xc0, // a long header of an unknown version
            _ => {
                datagram[0] = 0xc3; // an Initial of version 1, with nonsense inside
                for (byte, version) in datagram.iter_mut().skip(1).zip([0, 0, 0, 1]) {
                    *byte = version;
                }
            }
        }
        let _ = socket.send_to(&datagram, address).await;
    }
}
