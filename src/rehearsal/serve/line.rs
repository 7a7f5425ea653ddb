//! A listener that can go dead: connections break and new ones are dropped, as in an outage.
#![expect(clippy::disallowed_methods, reason = "an outage lasts real time")]

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Cuts and restores one server's line.
#[derive(Debug, Clone, Default)]
pub struct Switch {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// Cancelled by the next cut; each connection holds a child.
    alive: CancellationToken,
    dead_until: Option<Instant>,
    /// Whether new connections are kept without an answer instead of dropped.
    hangs: bool,
}

impl Switch {
    /// Breaks every connection now and drops new ones for `lasting` of real time.
    pub fn cut(&self, lasting: Duration) {
        self.kill(lasting, false);
    }

    /// Breaks every connection now and leaves new ones without an answer for `lasting` of real time, as
    /// a firewall does that swallows packets.
    pub fn hang(&self, lasting: Duration) {
        self.kill(lasting, true);
    }

    fn kill(&self, lasting: Duration, hangs: bool) {
        let mut state = self.lock();
        state.dead_until = Instant::now().checked_add(lasting);
        state.hangs = hangs;
        std::mem::take(&mut state.alive).cancel();
    }

    pub fn restore(&self) {
        self.lock().dead_until = None;
    }

    /// What becomes of a new connection.
    fn connect(&self) -> Welcome {
        let state = self.lock();
        let dead = state.dead_until.is_some_and(|until| Instant::now() < until);
        match (dead, state.hangs) {
            (false, _) => Welcome::Served(state.alive.child_token()),
            (true, false) => Welcome::Dropped,
            (true, true) => Welcome::Kept,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way, so a poisoned lock holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
enum Welcome {
    /// Until the token is cancelled.
    Served(CancellationToken),
    Dropped,
    Kept,
}

#[derive(Debug)]
pub struct Line {
    pub listener: TcpListener,
    pub switch: Switch,
    /// Connections that wait in vain; dropped when the line lives again.
    pub kept: Vec<TcpStream>,
}

impl axum::serve::Listener for Line {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            // Small answers and long streams both want to leave at once.
            stream.set_nodelay(true).ok();
            match self.switch.connect() {
                Welcome::Served(alive) => {
                    self.kept.clear();
                    return (Connection { stream, cut: Box::pin(alive.cancelled_owned()) }, address);
                }
                Welcome::Dropped => {}
                Welcome::Kept => self.kept.push(stream),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends with an error when its line is cut.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connection {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionReset.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
