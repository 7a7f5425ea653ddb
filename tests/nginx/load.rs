//! Clients that go on asking while the colour is switched, and count every answer.
//!
//! Each speaks HTTP itself, so that no library hides a failure by asking again.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A client that was never told to stop ends here.
const MOST_PER_CLIENT: u64 = 10_000;

/// Between two requests of one client, so that the whole is a stream and no burst.
const PACE: Duration = Duration::from_millis(4);

#[derive(Debug, Default)]
pub struct Count {
    /// Answers by what was in them.
    pub answers: BTreeMap<String, u64>,
    /// Requests sent again because the kept connection was closed before a byte of an answer: nginx
    /// closes idle ones when it reloads, and every HTTP client does so (RFC 9112, 9.3.1).
    pub n_sent_again: u64,
    pub failures: Vec<String>,
}

impl Count {
    pub fn n_answers(&self) -> u64 {
        self.answers.values().sum()
    }
}

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One connection for as long as nginx lets it live.
    Kept,
    /// A connection for each request.
    New,
    /// As `New`, with answers that take a while.
    Slow,
}

/// Clients at work.
pub struct Load {
    clients: JoinSet<Count>,
    n_answers: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub fn start(proxy: SocketAddr, kinds: &[Kind]) -> Self {
        let (n_answers, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let mut clients = JoinSet::new();
        for kind in kinds {
            let client = Client {
                proxy,
                kind: *kind,
                kept: None,
                count: Count::default(),
                n_answers: n_answers.clone(),
                stop: stop.clone(),
            };
            clients.spawn(client.run());
        }
        Self { clients, n_answers, stop }
    }

    /// Waits until so many more answers came.
    pub async fn go_on_for(&self, n: u64) {
        let until = self.n_answers.load(Ordering::SeqCst) + n;
        while self.n_answers.load(Ordering::SeqCst) < until {
            assert!(!self.clients.is_empty(), "all clients ended");
            tokio::time::sleep(PACE).await;
        }
    }

    pub fn n_answers(&self) -> u64 {
        self.n_answers.load(Ordering::SeqCst)
    }

    pub async fn stop(mut self) -> Count {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Count::default();
        while let Some(count) = self.clients.join_next().await {
            let count = count.unwrap();
            for (what, n) in count.answers {
                *all.answers.entry(what).or_default() += n;
            }
            all.n_sent_again += count.n_sent_again;
            all.failures.extend(count.failures);
        }
        all
    }
}

struct Client {
    proxy: SocketAddr,
    kind: Kind,
    kept: Option<BufReader<TcpStream>>,
    count: Count,
    n_answers: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

/// Whether a byte of the answer had come.
struct Failed {
    is_begun: bool,
    why: io::Error,
}

impl Client {
    async fn run(mut self) -> Count {
        for _ in 0..MOST_PER_CLIENT {
            if self.stop.load(Ordering::SeqCst) {
                break;
            }
            match self.ask().await {
                Ok(answer) => {
                    *self.count.answers.entry(answer).or_default() += 1;
                    self.n_answers.fetch_add(1, Ordering::SeqCst);
                }
                Err(error) => self.count.failures.push(error.to_string()),
            }
            tokio::time::sleep(PACE).await;
        }
        self.count
    }

    async fn ask(&mut self) -> io::Result<String> {
        if let Some(kept) = self.kept.take() {
            match self.exchange(kept).await {
                Err(Failed { is_begun: false, .. }) => self.count.n_sent_again += 1,
                Err(Failed { why, .. }) => return Err(why),
                Ok(answer) => return Ok(answer),
            }
        }
        let fresh = BufReader::new(TcpStream::connect(self.proxy).await?);
        self.exchange(fresh).await.map_err(|failed| failed.why)
    }

    async fn exchange(&mut self, mut stream: BufReader<TcpStream>) -> Result<String, Failed> {
        let before = |why| Failed { is_begun: false, why };
        let after = |why| Failed { is_begun: true, why };
        let (path, connection) = match self.kind {
            Kind::Kept => ("/", "keep-alive"),
            Kind::New => ("/", "close"),
            Kind::Slow => ("/slow", "close"),
        };
        let request = format!("GET {path} HTTP/1.1\r\nHost: shop\r\nConnection: {connection}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(before)?;
        let mut status = String::new();
        if stream.read_line(&mut status).await.map_err(before)? == 0 {
            return Err(before(io::ErrorKind::UnexpectedEof.into()));
        }
        let (mut length, mut colour, mut is_kept) = (0, String::new(), true);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.map_err(after)? == 0 {
                return Err(after(io::ErrorKind::UnexpectedEof.into()));
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().unwrap(),
                "x-colour" => colour = value.to_owned(),
                "connection" => is_kept = value != "close",
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.map_err(after)?;
        let is_whole = status.starts_with("HTTP/1.1 200") && !colour.is_empty() && body == colour.as_bytes();
        if !is_whole {
            return Err(after(io::Error::other(format!("{} {colour:?} {body:?}", status.trim_end()))));
        }
        if is_kept && matches!(self.kind, Kind::Kept) {
            self.kept = Some(stream);
        }
        Ok(colour)
    }
}
