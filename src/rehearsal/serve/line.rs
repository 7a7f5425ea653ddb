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
}

impl Switch {
    /// Breaks every connection now and drops new ones for `lasting` of real time.
    pub fn cut(&self, lasting: Duration) {
        let mut state = self.lock();
        state.dead_until = Instant::now().checked_add(lasting);
        std::mem::take(&mut state.alive).cancel();
    }

    pub fn restore(&self) {
        self.lock().dead_until = None;
    }

    /// A token for a new connection; `None` while the line is dead.
    fn connect(&self) -> Option<CancellationToken> {
        let state = self.lock();
        let dead = state.dead_until.is_some_and(|until| Instant::now() < until);
        (!dead).then(|| state.alive.child_token())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way, so a poisoned lock holds a whole state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub struct Line {
    pub listener: TcpListener,
    pub switch: Switch,
}

impl axum::serve::Listener for Line {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            // Small answers and long streams both want to leave at once.
            stream.set_nodelay(true).ok();
            if let Some(alive) = self.switch.connect() {
                return (Connection { stream, cut: Box::pin(alive.cancelled_owned()) }, address);
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
