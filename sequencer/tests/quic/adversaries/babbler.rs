//! An authenticated peer that sends what breaks the framing.

use super::impostor::Attempt;
use quinn::{SendStream, VarInt};
use sinter_sequencer::channels::{BLOCKS, VOTES};

#[derive(Clone, Copy, Debug)]
pub enum Babble {
    /// Announces a frame of this length and sends a little of it.
    FrameOf(u32),
    /// A blocks message on the votes stream.
    OtherChannel,
    /// A frame that is no p2p message.
    NoKind,
    /// Ends a stream within a frame.
    CutShort,
    /// Resets a stream.
    Reset,
    /// A stream for a channel that does not exist.
    UnknownChannel,
    /// Two streams for one channel.
    SecondStream,
    /// Far more than a ping on the control stream.
    LargeControl,
}

async fn open(attempt: &Attempt, channel: u64) -> SendStream {
    let mut stream = attempt.connection.open_uni().await.unwrap();
    stream.write_all(&[channel as u8]).await.unwrap();
    stream
}

async fn frame(stream: &mut SendStream, length: u32, bytes: &[u8]) {
    // The other side may cut us off while we write.
    let _ = stream.write_all(&length.to_be_bytes()).await;
    let _ = stream.write_all(bytes).await;
}

/// Sends `babble`, and keeps the streams open behind it.
pub async fn say(attempt: &Attempt, babble: Babble) {
    let mut votes = open(attempt, VOTES).await;
    frame(&mut votes, 3, &[0, 0, 7]).await; // a proper message first
    match babble {
        Babble::FrameOf(length) => frame(&mut votes, length, &[0; 2][..length.min(2) as usize]).await,
        Babble::OtherChannel => frame(&mut votes, 3, &[0, BLOCKS as u8, 7]).await,
        Babble::NoKind => frame(&mut votes, 3, &[9, 9, 9]).await,
        Babble::CutShort => {
            frame(&mut votes, 100, &[0, 0]).await;
            let _ = votes.finish();
        }
        Babble::Reset => {
            let _ = votes.reset(VarInt::from_u32(1));
        }
        Babble::UnknownChannel => attempt.keep(open(attempt, 77).await),
        Babble::SecondStream => attempt.keep(open(attempt, VOTES).await),
        Babble::LargeControl => {
            let mut control = attempt.take_control();
            frame(&mut control, 65, &[1; 65]).await;
            attempt.keep(control);
        }
    }
    attempt.keep(votes);
}
