//! What every HTTP reader of ours shares: a careful client, a capped body, causes in plain words.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, StatusCode, Url};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("`{url}` is no address: {why}")]
    Address { url: String, why: String },
    #[error("the authorization value cannot stand in a header")]
    Authorization,
    #[error("no client for {url}: {why}")]
    Client { url: String, why: String },
    #[error("{cause}")]
    Unreachable { cause: String },
    #[error("did not answer within {}", seconds(*after))]
    TimedOut { after: Duration },
}

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) location: Option<String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The body went on beyond the cap.
    pub(super) cut: bool,
}

impl Answer {
    pub(super) fn is_html(&self) -> bool {
        let starts_like_markup = self.body.trim_ascii_start().starts_with(b"<");
        self.content_type.contains("text/html") || starts_like_markup
    }

    /// The first words a person would read in it, for an error message.
    pub(super) fn first_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let title = text.split_once("<title>").and_then(|(_, rest)| Some(rest.split_once("</title>")?.0));
        let mut words = String::new();
        let mut in_tag = false;
        for character in title.unwrap_or(&text).chars() {
            match character {
                '<' => in_tag = true,
                '>' if in_tag => {
                    in_tag = false;
                    words.push(' ');
                }
                _ if in_tag => {}
                _ if character.is_control() => words.push(' '),
                _ => words.push(character),
            }
        }
        let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = words.chars().take(60).collect();
        if short.len() < words.len() { format!("{short}…") } else { short }
    }
}

/// Asks one server. Redirects are never followed: an answer must come from where we asked.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    client: Client,
    base: Url,
    timeout: Duration,
    cap: usize,
}

impl Asker {
    /// - `timeout` covers the whole exchange, body included.
    /// - `cap`: bytes of a body that are read; the rest is left unread.
    pub(super) fn new(
        url: &str,
        authorization: Option<&str>,
        timeout: Duration,
        cap: usize,
    ) -> Result<Self, HttpError> {
        Self::with(url, authorization, timeout, cap, Client::builder())
    }

    /// Asks by a new connection each time: a kept one may end at a server that is on its way out.
    pub(super) fn anew(url: &str, timeout: Duration, cap: usize) -> Result<Self, HttpError> {
        Self::with(url, None, timeout, cap, Client::builder().pool_max_idle_per_host(0))
    }

    fn with(
        url: &str,
        authorization: Option<&str>,
        timeout: Duration,
        cap: usize,
        builder: reqwest::ClientBuilder,
    ) -> Result<Self, HttpError> {
        let address = |why: String| HttpError::Address { url: without_credentials(url), why };
        let base = Url::parse(url).map_err(|error| address(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(address("write http://… or https://…".to_owned()));
        }
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            let mut value = HeaderValue::from_str(value).map_err(|_| HttpError::Authorization)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // Without a provider reqwest panics; a second installation is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = builder
            .default_headers(headers)
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gonogo/", env!("CARGO_PKG_VERSION")));
        if base.scheme() == "http" {
            // Building a client fails on a machine without CA certificates, needed or not.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&base) {
            // A proxy would look for "localhost" on its own machine.
            builder = builder.no_proxy();
        }
        let shown = without_credentials(url);
        let client =
            builder.build().map_err(|error| HttpError::Client { url: shown, why: cause_of(&error) })?;
        Ok(Self { client, base, timeout, cap })
    }

    /// The address for people, without a password.
    pub(super) fn shown(&self) -> String {
        without_credentials(self.base.as_str()).trim_end_matches('/').to_owned()
    }

    /// Asks for `path` below the base address; an empty path asks for the base itself.
    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Answer, HttpError> {
        let mut url = self.base.clone();
        if !path.is_empty() {
            // `join` would drop the last part of a base such as http://host/prometheus.
            url.set_path(&format!("{}/{path}", self.base.path().trim_end_matches('/')));
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let failed = |error: reqwest::Error| {
            if error.is_timeout() {
                HttpError::TimedOut { after: self.timeout }
            } else {
                HttpError::Unreachable { cause: cause_of(&error) }
            }
        };
        let mut response = self.client.get(url).send().await.map_err(failed)?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        let content_type = header(CONTENT_TYPE).unwrap_or_default().to_owned();
        let location = header(LOCATION).map(str::to_owned);
        let headers = response.headers().clone();
        let (mut body, mut cut) = (Vec::new(), false);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = self.cap - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                cut = true;
                break;
            }
        }
        Ok(Answer { status: response.status(), content_type, location, headers, body, cut })
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

pub(super) fn without_credentials(url: &str) -> String {
    match Url::parse(url) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            // Both only fail for addresses that can have no credentials.
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.to_string()
        }
        _ => url.to_owned(),
    }
}

/// The innermost cause, which is what a person can act on: `connection refused`.
fn cause_of(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<std::io::Error>() {
        Some(io) if io.raw_os_error().is_some() => io.kind().to_string(),
        _ if error.source().is_some() => innermost.to_string(),
        // Only the outermost error carries the address, and with it a password.
        _ => "the request failed".to_owned(),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        let asker = Asker::new("http://bo:secret@127.0.0.1:9/prom/", None, Duration::from_secs(1), 10);
        assert_eq!(asker.expect("a good address").shown(), "http://127.0.0.1:9/prom");
        let error = Asker::new("ftp://bo:secret@host/", None, Duration::from_secs(1), 10).expect_err("ftp");
        assert_eq!(error.to_string(), "`ftp://host/` is no address: write http://… or https://…");
    }

    #[tokio::test]
    async fn a_refused_connection_is_told_in_plain_words() {
        // Port 9 (discard) is served nowhere.
        let asker =
            Asker::new("http://127.0.0.1:9", None, Duration::from_secs(5), 10).expect("a good address");
        let error = asker.get("", &[]).await.expect_err("nobody listens");
        assert_eq!(error.to_string(), "connection refused");
    }

    #[test]
    fn the_first_words_of_a_page_are_its_title_or_its_text() {
        let page = |body: &str| {
            let body = body.as_bytes().to_vec();
            let (content_type, location) = ("text/html".to_owned(), None);
            let headers = HeaderMap::new();
            Answer { status: StatusCode::OK, content_type, location, headers, body, cut: false }.first_words()
        };
        assert_eq!(page("<html><head><title>Sign in\n- Acme</title></head>"), "Sign in - Acme");
        assert_eq!(page("<h1>502</h1>Bad\u{1b}[2JGateway"), "502 Bad [2JGateway");
        assert_eq!(page(&"word ".repeat(40)).chars().count(), 61);
    }
}
