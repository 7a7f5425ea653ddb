//! An API server for tests, on loopback: it says what a test makes it say, also what no good server
//! says, and remembers what it was asked.

use std::future::Future;
use std::sync::{Arc, Mutex};

use kube::Client;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

/// What the server says to one request, piece by piece.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    head: String,
    pieces: Vec<String>,
    /// The connection stays open and silent after the last piece.
    hangs: bool,
}

impl Reply {
    /// An answer whose body ends with the connection.
    pub fn ok(body: impl Into<String>) -> Self {
        Self::status("200 OK", body)
    }

    pub fn status(status: &str, body: impl Into<String>) -> Self {
        Self { head: format!("HTTP/1.1 {status}\r\n"), pieces: vec![body.into()], hangs: false }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head += &format!("{name}: {value}\r\n");
        self
    }

    pub fn hanging(self) -> Self {
        Self { hangs: true, ..self }
    }

    /// Not even a head.
    pub fn silence() -> Self {
        Self { head: String::new(), pieces: vec![], hangs: true }
    }
}

pub(super) struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    /// `answer`: what to say to the n-th request, counted from 0, by its path with query.
    pub async fn start(answer: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        Self::answering(move |n, head| answer(n, path_of(head))).await
    }

    /// `answer`: what to say to the n-th request, counted from 0, by its whole head.
    pub async fn answering(answer: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (answer, remembered) = (Arc::new(answer), Arc::clone(&asked));
        let serving = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, asked) = (Arc::clone(&answer), Arc::clone(&remembered));
                connections.spawn(serve(stream, asked, move |n, head: &str| answer(n, head)));
            }
        });
        Self { url, asked, serving }
    }

    pub fn client(&self) -> Client {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut config = kube::Config::new(self.url.parse().unwrap());
        config.root_cert = Some(Vec::new());
        config.proxy_url = None;
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    /// Everything that was asked so far, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    stream: tokio::net::TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    answer: impl Fn(usize, &str) -> Reply,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await? > 2 {}
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    head += &String::from_utf8_lossy(&body);
    let reply = {
        let mut asked = asked.lock().unwrap();
        asked.push(path_of(&head).to_owned());
        answer(asked.len() - 1, &head)
    };
    let stream = stream.get_mut();
    if !reply.head.is_empty() {
        stream.write_all(format!("{}connection: close\r\n\r\n", reply.head).as_bytes()).await?;
    }
    for piece in reply.pieces {
        stream.write_all(piece.as_bytes()).await?;
        stream.flush().await?;
    }
    if reply.hangs {
        std::future::pending::<()>().await;
    }
    stream.shutdown().await
}

fn path_of(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

/// Waits for something that must come; a test that waits in vain fails instead of hanging.
pub(super) async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(std::time::Duration::from_secs(300), what).await.expect("it comes soon")
}
