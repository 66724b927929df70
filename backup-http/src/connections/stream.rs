//! A connection's socket, which says what passes over it.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::registry::Connection;

/// What is read at once of what is dropped.
const DROPPED_BYTES: usize = 16 * 1024;

/// The socket, and the connection's entry in the registry.
#[derive(Debug)]
pub(crate) struct TrackedStream {
    socket: TcpStream,
    connection: Arc<Connection>,
    end: End,
}

/// How far the end of the connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    NotYet,
    /// Our side is closed. What the client has sent is read, and until it closes its side too where it may still be
    /// sending: when a socket is closed over unread bytes, the client may lose its answer.
    Lingering {
        is_sending: bool,
    },
    Done,
}

impl TrackedStream {
    pub(crate) fn new(socket: TcpStream, connection: Arc<Connection>) -> Self {
        Self { socket, connection, end: End::NotYet }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>, offered: usize) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(bytes)) => self.connection.took(*bytes, offered),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.connection.blocked(),
        }
        written
    }

    /// Reads and drops until the client closes its side, or has nothing on its way. How long it may take is the
    /// registry's to decide.
    fn poll_linger(&mut self, cx: &mut Context<'_>, is_sending: bool) -> Poll<()> {
        let mut dropped = [0; DROPPED_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut dropped);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Pending if is_sending => return Poll::Pending,
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.connection.received();
        } else if read.is_pending() {
            self.connection.has_nothing_to_read();
        }
        read
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.wrote(written, slices.iter().map(|slice| slice.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.end == End::NotYet {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.end = End::Lingering { is_sending: self.connection.lingers() };
        }
        if let End::Lingering { is_sending } = self.end {
            ready!(self.poll_linger(cx, is_sending));
            self.end = End::Done;
        }
        Poll::Ready(Ok(()))
    }
}
