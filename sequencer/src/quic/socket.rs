//! The UDP socket under an endpoint.

use quinn::{
    AsyncUdpSocket, Runtime as _, TokioRuntime, UdpPoller,
    udp::{RecvMeta, Transmit, UdpSocketState},
};
use std::{
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tracing::warn;

/// The kernel takes no larger UDP payload over IPv4, whole or as a batch of segments.
const SEND_BYTES_MAX: usize = 65_507;
/// Batches read in one system call. quinn offers 32; each one touched is 64 KiB of resident memory.
const RECEIVE_BATCHES: usize = 8;

/// quinn's tokio socket, with send batches cut to what the kernel takes (quinn sends ten segments, and with jumbo
/// frames they exceed it), and receive buffers sized for whole batches rather than for 64 times the largest datagram.
#[derive(Debug)]
pub(super) struct Socket {
    inner: Arc<dyn AsyncUdpSocket>,
}

impl Socket {
    /// Binds `address` with buffers of `buffer_bytes`, or what the system grants.
    pub(super) fn bind(address: SocketAddr, buffer_bytes: usize) -> io::Result<Arc<Self>> {
        let socket = UdpSocket::bind(address)?;
        let state = UdpSocketState::new((&socket).into())?;
        state.set_recv_buffer_size((&socket).into(), buffer_bytes)?;
        state.set_send_buffer_size((&socket).into(), buffer_bytes)?;
        // Linux reports twice what it granted, to count its own bookkeeping.
        let granted = [
            ("net.core.rmem_max", state.recv_buffer_size((&socket).into())? / 2),
            ("net.core.wmem_max", state.send_buffer_size((&socket).into())? / 2),
        ];
        for (setting, bytes) in granted {
            if bytes < buffer_bytes {
                warn!(%address, wanted = buffer_bytes, granted = bytes, setting, "the system grants smaller UDP buffers");
            }
        }
        Ok(Arc::new(Self { inner: TokioRuntime.wrap_udp_socket(socket)? }))
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        self.inner.clone().create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let Some(segment) = transmit.segment_size.filter(|_| transmit.contents.len() > SEND_BYTES_MAX) else {
            return self.inner.try_send(transmit);
        };
        // When the socket fills up between two parts, quinn sends all of them again: QUIC drops repeats.
        let part = (SEND_BYTES_MAX / segment).max(1) * segment;
        for contents in transmit.contents.chunks(part) {
            let segment_size = (contents.len() > segment).then_some(segment);
            self.inner.try_send(&Transmit { contents, segment_size, ..transmit.clone() })?;
        }
        Ok(())
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let batches = bufs.len().min(meta.len()).min(RECEIVE_BATCHES);
        self.inner.poll_recv(cx, &mut bufs[..batches], &mut meta[..batches])
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        // A batch, whatever its number of segments, is at most 64 KiB, and so is each of quinn's buffers: it
        // makes them of `max_udp_payload_size`, which `endpoint` sets to the largest there is.
        1
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}
