//! A gate on the way to an API server: it counts the changes that pass, and stops at one of them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Only something that never comes takes this long.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Where it stops, by the number of changes that have been answered before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The next one does not reach the server.
    Before(usize),
    /// The next one reaches the server, and its answer never comes back.
    Unanswered(usize),
}

#[derive(Default)]
struct State {
    stop: Option<Stop>,
    is_reached: bool,
    changes: Vec<String>,
}

type Shared = Arc<(Mutex<State>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

pub struct Gate {
    pub address: SocketAddr,
    shared: Shared,
}

impl Gate {
    /// Its threads end with the connections, and the process with them.
    pub fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Shared::default());
        let theirs = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let shared = Arc::clone(&theirs);
                std::thread::spawn(move || pass(client, server, &shared));
            }
        });
        Self { address, shared }
    }

    pub fn set(&self, stop: Stop) {
        lock(&self.shared).stop = Some(stop);
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        lock(&self.shared).stop = None;
    }

    /// Waits until something was stopped.
    pub fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = lock(&self.shared);
        while !state.is_reached {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "nothing came to {:?}; passed: {:?}", state.stop, state.changes);
            (state, _) = self.shared.1.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The objects that were changed, as the server got to hear it.
    pub fn changes(&self) -> Vec<String> {
        lock(&self.shared).changes.clone()
    }
}

/// The object that a request changes for good; locks are taken and renewed beside all this.
fn changed(head: &str) -> Option<String> {
    let target = head.strip_prefix("PATCH ")?.split(' ').next()?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut names = path.rsplitn(3, '/');
    let (name, plural) = (names.next()?, names.next()?);
    (!query.contains("dryRun") && plural != "leases").then(|| format!("{plural}/{name}"))
}

fn pass(client: TcpStream, server: SocketAddr, shared: &Shared) {
    let Ok(server) = TcpStream::connect(server) else { return };
    let (mut to, mut from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let (mut answers, mut back) = (server, client);
    let is_mute = Arc::new(Mutex::new(false));
    let mute = Arc::clone(&is_mute);
    let answering = std::thread::spawn(move || {
        let mut bytes = [0; 16 * 1024];
        while let Ok(n @ 1..) = answers.read(&mut bytes) {
            if *is_mute.lock().unwrap() || back.write_all(&bytes[..n]).is_err() {
                break;
            }
        }
        let _ = back.shutdown(Shutdown::Write);
    });
    while let Some(request) = next(&mut from) {
        let head = String::from_utf8_lossy(&request);
        if let Some(object) = changed(&head) {
            let mut state = lock(shared);
            let n_done = state.changes.len();
            let stops = match state.stop {
                Some(Stop::Before(at) | Stop::Unanswered(at)) => at == n_done,
                None => false,
            };
            if stops && matches!(state.stop, Some(Stop::Before(_))) {
                state.is_reached = true;
                shared.1.notify_all();
                break;
            }
            state.changes.push(object);
            if stops {
                *mute.lock().unwrap() = true;
                drop(state);
                let _ = to.write_all(&request);
                // Its answer is the sign that it was done.
                let _ = answering.join();
                lock(shared).is_reached = true;
                shared.1.notify_all();
                return;
            }
        }
        if to.write_all(&request).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// The next whole request of a connection.
fn next(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut byte = [0; 1];
    while !request.ends_with(b"\r\n\r\n") {
        from.read_exact(&mut byte).ok()?;
        request.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let n_head = request.len();
    request.resize(n_head + length.map_or(0, |length| length.trim().parse().unwrap()), 0);
    from.read_exact(&mut request[n_head..]).ok()?;
    Some(request)
}
