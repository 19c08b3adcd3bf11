//! Frames: a length and a p2p message, and the little that the transport reads of the latter.
//!
//! `lookup` encodes its messages as `0 ‖ channel (varint) ‖ length (varint) ‖ payload`, or `1` for a ping.
//! Channel ids below 128 make the varint one byte.

/// Most bytes in one message. p2p's own limit, which is checked for every frame, is at most this.
pub const MESSAGE_BYTES_MAX: u32 = 1 << 26;

/// Bytes of a frame's length.
pub(super) const LENGTH_BYTES: usize = 4;
/// Most bytes in a frame of the control stream: pings are one byte.
pub(super) const CONTROL_BYTES_MAX: u32 = 64;

const DATA: u8 = 0;
const PING: u8 = 1;

/// Where a p2p message belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Control,
    Channel(u8),
}

/// Reads a message's route from its first two bytes.
pub(super) fn route(first: Option<u8>, second: Option<u8>) -> Option<Route> {
    match (first?, second) {
        (PING, None) => Some(Route::Control),
        (DATA, Some(channel)) if channel < 0x80 => Some(Route::Channel(channel)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        assert_eq!(route(Some(1), None), Some(Route::Control));
        assert_eq!(route(Some(0), Some(3)), Some(Route::Channel(3)));
        assert_eq!(route(Some(0), Some(0x83)), None);
        assert_eq!(route(Some(0), None), None);
        assert_eq!(route(Some(1), Some(0)), None);
        assert_eq!(route(Some(2), Some(0)), None);
        assert_eq!(route(None, None), None);
    }
}
