//! One request and its answer as it comes in: the head first, then the body piece by piece.
//!
//! The client hides the head once it streams a body, and with it how long a busy server asks us to
//! stay away.

use std::pin::Pin;
use std::time::Duration;

use http_body::Body as _;
use jiff::Timestamp;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use tokio::time::{sleep, timeout};

use crate::adapters::kube::error::{Cause, cause_of_status, explain};

/// Nothing in Kubernetes is larger than etcd takes, which is a few megabytes.
const LONGEST_LINE: usize = 16 << 20;
/// Of an answer that says why not.
const LONGEST_REFUSAL: usize = 64 << 10;
/// A server that takes longer to begin an answer is treated as one that gives none.
const HEAD: Duration = Duration::from_secs(15);
/// How long a server may ask us to stay away before we try all the same.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A server writes each event by itself; in a rollout of thousands of pods each would wake us, and
/// the connection, by itself.
const GATHER: Duration = Duration::from_millis(25);
/// When nothing more comes for so long, what had come together was taken.
const TAKEN: Duration = Duration::from_millis(2);

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub code: u16,
    pub cause: Cause,
    pub detail: String,
    /// `Retry-After`: when the server wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Failure {
    pub fn of(cause: Cause, detail: impl Into<String>) -> Self {
        Self { code: 0, cause, detail: detail.into(), retry_after: None }
    }

    /// The history that we wanted to go on from is no longer kept.
    pub fn is_gone(&self) -> bool {
        self.code == 410
    }

    fn of_client(error: &kube::Error) -> Self {
        let (cause, detail) = explain(error);
        Self::of(cause, detail)
    }

    fn silence(of: Duration) -> Self {
        Self::of(Cause::TimedOut, format!("{} s", of.as_secs()))
    }
}

/// What the server says instead of what was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Refused {
    pub code: u16,
    pub message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    retry_after_seconds: Option<u64>,
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        let seconds = refused.details.and_then(|details| details.retry_after_seconds);
        Self {
            code: refused.code,
            cause: cause_of_status(refused.code),
            detail: refused.message,
            retry_after: pause(seconds),
        }
    }
}

fn pause(seconds: Option<u64>) -> Option<Duration> {
    seconds.filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds).min(LONGEST_PAUSE))
}

/// The body of an answer that is worth reading.
#[derive(Debug)]
pub(super) struct Answer {
    date: Option<Timestamp>,
    body: Body,
    buffer: Vec<u8>,
    /// Where in `buffer` the next line begins, and up to where no line end was found.
    begin: usize,
    searched: usize,
    /// Something came since we last let it come together.
    came: bool,
}

type Request = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

impl Answer {
    /// Sends a request and waits for the head of its answer.
    pub async fn to(client: &Client, request: Request) -> Result<Self, Failure> {
        let request = request.map_err(|error| Failure::of(Cause::Other, error.to_string()))?;
        let mut request = request.map(Body::from);
        // A compressed watch comes in pieces that only end with the compressor's block.
        if let Ok(identity) = "identity".parse() {
            request.headers_mut().insert("accept-encoding", identity);
        }
        let response = match timeout(HEAD, client.send(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::of_client(&error)),
            Err(_) => return Err(Failure::silence(HEAD)),
        };
        let code = response.status().as_u16();
        let header = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
        let retry_after = pause(header.and_then(|seconds| seconds.trim().parse().ok()));
        let date = response.headers().get("date").and_then(|value| value.to_str().ok());
        let date = date.and_then(super::heartbeat::date);
        let body = response.into_body();
        let mut answer = Self { date, body, buffer: Vec::new(), begin: 0, searched: 0, came: false };
        if (200..300).contains(&code) {
            return Ok(answer);
        }
        let said = answer.whole(LONGEST_REFUSAL, Duration::from_secs(5)).await.unwrap_or_default();
        Err(Failure {
            code,
            cause: cause_of_status(code),
            detail: sentence(&said),
            retry_after: retry_after.or_else(|| {
                let refused: Refused = serde_json::from_slice(&said).ok()?;
                Failure::from(refused).retry_after
            }),
        })
    }

    /// The server's clock when it began to answer, cut to whole seconds.
    pub fn date(&self) -> Option<Timestamp> {
        self.date
    }

    /// Reads the next line, without its end; `None` at the end of the body.
    ///
    /// - Errors: silence for longer than `patience`, a body that breaks off, a line without end.
    pub async fn line(&mut self, patience: Duration) -> Result<Option<&[u8]>, Failure> {
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.searched..]);
            if let Some(offset) = found {
                let (begin, end) = (self.begin, self.searched + offset);
                self.begin = end + 1;
                self.searched = self.begin;
                if begin < end {
                    return Ok(Some(&self.buffer[begin..end]));
                }
                continue;
            }
            self.buffer.drain(..self.begin);
            self.begin = 0;
            self.searched = self.buffer.len();
            if self.buffer.len() > LONGEST_LINE {
                return Err(Failure::of(Cause::Answer, "a line without end"));
            }
            if std::mem::take(&mut self.came) {
                match self.fill(TAKEN).await {
                    Ok(true) => continue,
                    Ok(false) => return Ok(None),
                    Err(failure) if failure.cause == Cause::TimedOut => sleep(GATHER).await,
                    Err(failure) => return Err(failure),
                }
            }
            if !self.fill(patience).await? {
                // A last line without its end was cut off, and says nothing reliable.
                return Ok(None);
            }
        }
    }

    /// Reads all of it.
    pub async fn whole(&mut self, limit: usize, patience: Duration) -> Result<Vec<u8>, Failure> {
        while self.fill(patience).await? {
            if self.buffer.len() > limit {
                return Err(Failure::of(Cause::Answer, format!("more than {limit} bytes")));
            }
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Takes the next piece; `false` when there is none.
    async fn fill(&mut self, patience: Duration) -> Result<bool, Failure> {
        let body = &mut self.body;
        let frame = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
        match timeout(patience, frame).await {
            Ok(Some(Ok(frame))) => {
                if let Some(bytes) = frame.data_ref() {
                    self.buffer.extend_from_slice(bytes);
                    self.came = true;
                }
                Ok(true)
            }
            Ok(Some(Err(error))) => Err(Failure::of_client(&error)),
            Ok(None) => Ok(false),
            Err(_) => Err(Failure::silence(patience)),
        }
    }
}

/// What a person can read of an answer: the server's own sentence, or the first words.
fn sentence(body: &[u8]) -> String {
    if let Ok(refused) = serde_json::from_slice::<Refused>(body)
        && !refused.message.is_empty()
    {
        return refused.message;
    }
    let text = String::from_utf8_lossy(body);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_a_proxy_is_told_by_its_first_words() {
        assert_eq!(sentence(b"<html>\r\n502 \x1b[2J Bad   Gateway"), "<html> 502 [2J Bad Gateway");
        assert_eq!(sentence(br#"{"kind":"Status","message":"etcd is slow"}"#), "etcd is slow");
        assert_eq!(sentence(&[b'x'; 500]).len(), 200);
    }

    #[test]
    fn a_server_may_not_send_us_away_for_ever() {
        assert_eq!(pause(Some(7)), Some(Duration::from_secs(7)));
        assert_eq!(pause(Some(u64::MAX)), Some(LONGEST_PAUSE));
        assert_eq!(pause(Some(0)), None);
    }
}
