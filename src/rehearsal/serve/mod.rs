//! The practice world over HTTP on loopback: the Kubernetes API, Prometheus and the health endpoint,
//! each on a port of its own.
#![expect(clippy::disallowed_methods, reason = "each server is a task of the practice world")]

mod discovery;
mod health;
mod kube;
mod line;
mod log;
mod nginx;
mod patch;
mod prometheus;
mod promql;
mod runs;
mod selector;
mod status;
pub mod table;
mod watch;
mod web;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

pub use self::discovery::PRACTICE;
use self::line::Line;
pub use self::line::Switch;
use super::clock::PracticeClock;
use super::sim::World;

/// What the servers, the driver and the saver share.
#[derive(Debug)]
pub struct Shared {
    world: Mutex<World>,
    pub clock: PracticeClock,
    /// The store's version, for watchers to wake on.
    version: channel::Sender<u64>,
    /// Called after a change by the API, before it is answered.
    save: Box<dyn Save>,
    pub closing: CancellationToken,
}

/// Puts the world where a later process finds it.
pub trait Save: std::fmt::Debug + Send + Sync {
    fn save(&self, world: &World);
}

impl Shared {
    pub fn new(world: World, clock: PracticeClock, save: Box<dyn Save>) -> Arc<Self> {
        let version = channel::Sender::new(world.store().version());
        Arc::new(Self { world: Mutex::new(world), clock, version, save, closing: CancellationToken::new() })
    }

    /// Looks at the world as it is now.
    pub fn look<T>(&self, look: impl FnOnce(&World) -> T) -> T {
        self.with(|world| look(world))
    }

    /// Changes the world on a client's behalf: on disk before the client is answered.
    pub fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        self.with(|world| {
            let answer = change(world);
            self.save.save(world);
            answer
        })
    }

    pub fn save(&self) {
        self.with(|world| self.save.save(world));
    }

    pub fn versions(&self) -> channel::Receiver<u64> {
        self.version.subscribe()
    }

    fn with<T>(&self, f: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        world.step(self.clock.now());
        let answer = f(&mut world);
        let version = world.store().version();
        drop(world);
        self.version.send_if_modified(|known| std::mem::replace(known, version) != version);
        answer
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic inside the simulation is a bug that a test shows; a rehearsal goes on.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The three addresses and the switches that cut them.
#[derive(Debug)]
pub struct Servers {
    pub kube: SocketAddr,
    pub prometheus: SocketAddr,
    pub health: SocketAddr,
    pub kube_switch: Switch,
    pub prometheus_switch: Switch,
    pub health_switch: Switch,
}

impl Servers {
    /// Starts all three on free ports; they stop when `shared.closing` is cancelled.
    pub async fn start(shared: &Arc<Shared>) -> std::io::Result<Self> {
        let (kube, kube_switch) = serve(kube::router(shared.clone()), shared).await?;
        let (prometheus, prometheus_switch) = serve(prometheus::router(shared.clone()), shared).await?;
        let (health, health_switch) = serve(health::router(shared.clone()), shared).await?;
        Ok(Self { kube, prometheus, health, kube_switch, prometheus_switch, health_switch })
    }
}

/// Serves the practice nginx, on the port that it had before if it had one.
pub async fn serve_nginx(
    site: std::path::PathBuf,
    port: Option<u16>,
    shared: &Arc<Shared>,
) -> std::io::Result<SocketAddr> {
    Ok(serve_at(nginx::router(site), port.unwrap_or(0), shared).await?.0)
}

async fn serve(router: Router, shared: &Arc<Shared>) -> std::io::Result<(SocketAddr, Switch)> {
    serve_at(router, 0, shared).await
}

async fn serve_at(router: Router, port: u16, shared: &Arc<Shared>) -> std::io::Result<(SocketAddr, Switch)> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let address = listener.local_addr()?;
    let switch = Switch::default();
    let line = Line { listener, switch: switch.clone(), kept: Vec::new() };
    let closing = shared.closing.clone();
    tokio::spawn(async move {
        let serving = axum::serve(line, router).into_future();
        tokio::select! {
            () = closing.cancelled() => {}
            _ = serving => {}
        }
    });
    Ok((address, switch))
}
