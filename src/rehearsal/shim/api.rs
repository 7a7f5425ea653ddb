//! The HTTP side of the shims.

use axum::http::{Method, header};
use futures::{Stream, StreamExt};
use serde_json::Value;

use super::ShimError;

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[derive(Debug)]
pub struct Api {
    client: reqwest::Client,
    server: String,
}

impl Api {
    pub fn new(server: &str) -> Result<Self, ShimError> {
        // A second installation fails, and that is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let unreachable =
            |error: reqwest::Error| ShimError::Unreachable { server: server.into(), why: error.to_string() };
        // The practice world is on loopback without TLS: no certificates, no proxy.
        let client = reqwest::Client::builder().tls_certs_only([]).no_proxy().build().map_err(unreachable)?;
        Ok(Self { client, server: server.to_owned() })
    }

    /// Whether the server calls itself a practice world.
    pub async fn is_practice(&self) -> Result<bool, ShimError> {
        let version = self.get("/version").await?;
        let suffix = format!("+{}", crate::rehearsal::serve::PRACTICE);
        Ok(version["gitVersion"].as_str().is_some_and(|version| version.ends_with(&suffix)))
    }

    pub async fn get(&self, path: &str) -> Result<Value, ShimError> {
        self.send(Method::GET, path, "application/json", None).await
    }

    pub async fn table(&self, path: &str) -> Result<Value, ShimError> {
        let request = self.client.get(self.url(path)).header(header::ACCEPT, TABLE);
        self.read(request).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> Result<Value, ShimError> {
        let mut request = self.client.request(method, self.url(path));
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, content_type).body(body.to_string());
        }
        self.read(request).await
    }

    pub async fn patch(&self, path: &str, kind: &str, body: &Value) -> Result<Value, ShimError> {
        self.send(Method::PATCH, path, &format!("application/{kind}+json"), Some(body)).await
    }

    /// The lines of a streamed answer, as they come.
    pub async fn lines(
        &self,
        path: &str,
        table: bool,
    ) -> Result<impl Stream<Item = Result<String, ShimError>> + Unpin + use<>, ShimError> {
        let accept = if table { TABLE } else { "application/json" };
        let request = self.client.get(self.url(path)).header(header::ACCEPT, accept);
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        if !answer.status().is_success() {
            let text = answer.text().await.unwrap_or_default();
            return Err(refused(&text));
        }
        let server = self.server.clone();
        let chunks = answer.bytes_stream().map(move |chunk| {
            chunk.map_err(|error| ShimError::Unreachable { server: server.clone(), why: error.to_string() })
        });
        Ok(Box::pin(futures::stream::unfold((chunks, Vec::<u8>::new(), false), next_line)))
    }

    async fn read(&self, request: reqwest::RequestBuilder) -> Result<Value, ShimError> {
        let answer = request.send().await.map_err(|error| self.unreachable(&error))?;
        let ok = answer.status().is_success();
        let text = answer.text().await.map_err(|error| self.unreachable(&error))?;
        if !ok {
            return Err(refused(&text));
        }
        serde_json::from_str(&text)
            .map_err(|error| ShimError::Usage(format!("the server's answer is no JSON: {error}")))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server)
    }

    fn unreachable(&self, error: &reqwest::Error) -> ShimError {
        let server = self.server.trim_start_matches("http://").to_owned();
        ShimError::Unreachable { server, why: error.to_string() }
    }
}

/// One line from a stream of chunks; at the end what is left without a line end.
async fn next_line<S, B>(
    (mut chunks, mut pending, mut over): (S, Vec<u8>, bool),
) -> Option<(Result<String, ShimError>, (S, Vec<u8>, bool))>
where
    S: Stream<Item = Result<B, ShimError>> + Unpin,
    B: AsRef<[u8]>,
{
    loop {
        if let Some(end) = memchr::memchr(b'\n', &pending) {
            let line: Vec<u8> = pending.drain(..=end).collect();
            let text = String::from_utf8_lossy(&line[..end]).into_owned();
            return Some((Ok(text), (chunks, pending, over)));
        }
        if over {
            return None;
        }
        match chunks.next().await {
            Some(Ok(chunk)) => pending.extend_from_slice(chunk.as_ref()),
            Some(Err(error)) => return Some((Err(error), (chunks, Vec::new(), true))),
            None => {
                over = true;
                if !pending.is_empty() {
                    pending.push(b'\n');
                }
            }
        }
    }
}

fn refused(text: &str) -> ShimError {
    let status: Value = serde_json::from_str(text).unwrap_or_default();
    ShimError::Server {
        reason: status["reason"].as_str().unwrap_or("Unknown").to_owned(),
        message: status["message"].as_str().unwrap_or(text).to_owned(),
    }
}

/// A text as part of a URL's query.
pub fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}
