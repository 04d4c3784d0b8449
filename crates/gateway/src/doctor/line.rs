//! The way that the doctor's SIP travels: datagrams, or a stream.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UdpSocket;

use super::message::Message;

/// Longest message that is read from a stream, bytes.
const LONGEST: usize = 65_536;

/// Both halves of a stream, in clear or under TLS.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A socket that leads to the trunk.
pub(super) enum Line {
    Datagrams { socket: UdpSocket, buffer: Vec<u8> },
    Connection { stream: Box<dyn Stream>, read: Vec<u8> },
}

impl Line {
    /// Takes a socket.
    pub(super) fn datagrams(socket: UdpSocket) -> Self {
        Self::Datagrams { socket, buffer: vec![0; LONGEST] }
    }

    /// Takes a stream that is open.
    pub(super) fn connection(stream: Box<dyn Stream>) -> Self {
        Self::Connection { stream, read: Vec::new() }
    }

    /// Whether what is sent may be lost, and is to be repeated.
    pub(super) const fn is_lossy(&self) -> bool {
        matches!(self, Self::Datagrams { .. })
    }

    /// Sends a message; a stream knows by itself where to.
    ///
    /// # Errors
    /// If the stream is gone. A datagram that cannot leave is lost.
    pub(super) async fn send(&mut self, text: &str, to: SocketAddr) -> io::Result<()> {
        match self {
            Self::Datagrams { socket, .. } => {
                // A port that is closed says so by an error of the next call: silence tells as much.
                drop(socket.send_to(text.as_bytes(), to).await);
                Ok(())
            }
            Self::Connection { stream, .. } => {
                stream.write_all(text.as_bytes()).await?;
                stream.flush().await
            }
        }
    }

    /// Waits for the next message, and whence a datagram came; may be given up at any time without a loss.
    ///
    /// # Errors
    /// If the stream ends, or holds what is no SIP.
    pub(super) async fn receive(&mut self) -> io::Result<(Message, Option<SocketAddr>)> {
        match self {
            Self::Datagrams { socket, buffer } => loop {
                if let Ok((length, source)) = socket.recv_from(buffer).await {
                    return Ok((Message::read(&buffer[..length]), Some(source)));
                }
            },
            Self::Connection { stream, read } => loop {
                if let Some(length) = framed(read)? {
                    let whole: Vec<u8> = read.drain(..length).collect();
                    return Ok((Message::read(&whole), None));
                }
                if stream.read_buf(read).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            },
        }
    }
}

/// Returns how long the first message is, if it is whole (RFC 3261 §18.3). Line ends before it are
/// pings, or answers to them (RFC 5626 §3.5.1).
fn framed(read: &mut Vec<u8>) -> io::Result<Option<usize>> {
    let blank = read.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    read.drain(..blank);
    let end = read.windows(4).position(|four| four == b"\r\n\r\n");
    let Some(end) = end else {
        return if read.len() > LONGEST {
            Err(io::ErrorKind::InvalidData.into())
        } else {
            Ok(None)
        };
    };
    let head = Message::read(&read[..end + 4]);
    let body = head.header("Content-Length").and_then(|length| length.parse::<usize>().ok());
    let body = body.filter(|body| *body <= LONGEST).ok_or(io::ErrorKind::InvalidData)?;
    let length = end + 4 + body;
    Ok((read.len() >= length).then_some(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_of_a_stream_are_told_apart() {
        let (near, mut far) = tokio::io::duplex(1_024);
        let mut line = Line::connection(Box::new(near));
        far.write_all(b"\r\n\r\nBYE a SIP/2.0\r\nl: 2\r\n\r\nxyACK a SIP/2.0\r\nl: 0\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(line.receive().await.unwrap().0.body(), "xy");
        assert_eq!(line.receive().await.unwrap().0.body(), "");
        drop(far);
        assert!(line.receive().await.is_err());
    }
}
