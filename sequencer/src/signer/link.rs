//! Where a signer listens, and messages on a connection to it.

use super::message::{LENGTH_BYTES, MESSAGE_BYTES_MAX, MessageError};
use serde::{Deserialize, Serialize};
use sinter_primitives::address::NodeAddress;
use std::{fmt, io, path::PathBuf, str::FromStr, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};

/// What the two ends agree on in TLS: the protocol and its version.
pub(super) const ALPN: &[u8] = b"sinter-signer/1";
/// A message that began is over by then, or its connection is.
pub(super) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a signer listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Endpoint {
    /// A socket in the file system: `unix:/path`.
    Unix(PathBuf),
    /// TLS over TCP: `tls://host:port`.
    Tls(String),
}

/// What an endpoint looks like.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `unix:/path` or `tls://host:port`, got {got:?}")]
pub struct EndpointError {
    got: String,
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let unknown = || EndpointError { got: text.into() };
        if let Some(path) = text.strip_prefix("unix:").filter(|path| path.starts_with('/')) {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.strip_prefix("tls://").filter(|address| address.parse::<NodeAddress>().is_ok());
        address.map(|address| Self::Tls(address.into())).ok_or_else(unknown)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.to_string()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls(address) => write!(f, "tls://{address}"),
        }
    }
}

/// Bytes both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Message(#[from] MessageError),
    #[error("nothing was said for {0:?}")]
    Silent(Duration),
}

/// Sends a message.
pub(super) async fn send(stream: &mut dyn Stream, message: &[u8]) -> Result<(), LinkError> {
    let length = u16::try_from(message.len()).map_err(|_| MessageError::Length { got: message.len() })?;
    // In one piece: two would be two packets.
    let framed = [length.to_be_bytes().as_slice(), message].concat();
    let sent = timeout(MESSAGE_TIMEOUT, async {
        stream.write_all(&framed).await?;
        stream.flush().await
    });
    Ok(sent.await.map_err(|_| LinkError::Silent(MESSAGE_TIMEOUT))??)
}

/// Waits for a message to begin, and then for the rest of it.
pub(super) async fn receive(stream: &mut dyn Stream, idle: Duration) -> Result<Vec<u8>, LinkError> {
    let mut length = [0; LENGTH_BYTES];
    timeout(idle, stream.read_exact(&mut length[..1])).await.map_err(|_| LinkError::Silent(idle))??;
    let rest = timeout(MESSAGE_TIMEOUT, async {
        stream.read_exact(&mut length[1..]).await?;
        let got = usize::from(u16::from_be_bytes(length));
        if got > MESSAGE_BYTES_MAX {
            return Err(MessageError::Length { got }.into());
        }
        let mut message = vec![0; got];
        stream.read_exact(&mut message).await?;
        Ok(message)
    });
    rest.await.map_err(|_| LinkError::Silent(MESSAGE_TIMEOUT))?
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn endpoints_are_written_one_way() {
        for text in ["unix:/run/sinter-signer/socket", "tls://signer.example:7400", "tls://[::1]:7400"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        for text in
            ["", "/run/socket", "unix:socket", "unix:", "tls://", "tls://host", "tcp://host:1", "https://host:1"]
        {
            assert!(text.parse::<Endpoint>().is_err(), "{text:?}");
        }
    }
}
