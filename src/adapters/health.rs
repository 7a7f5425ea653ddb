//! Reads the health endpoint of the released service.
//!
//! The shape that is understood in full is `{status, version, checks: {name: {status, latency |
//! message}}}`; anything else is healthy or not by its HTTP status alone.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::http::{Answer, Asker, HttpError};
use super::link::LinkNews;
use crate::watch::{HealthPart, HealthReading, Moment, Observation, System};

/// A health answer is a few lines; a page that was served by mistake is not read to its end.
const LARGEST_ANSWER: usize = 64 * 1024;

/// More parts than a screen can show are a mistake, too.
const MOST_PARTS: usize = 100;

/// A part's words on one line of the screen. Units: characters.
const LONGEST_DETAIL: usize = 200;

/// One health endpoint.
#[derive(Debug)]
pub struct Health {
    asker: Asker,
    interval: Duration,
}

impl Health {
    /// - `interval`: world time between two questions; `timeout`: wall time for one answer.
    /// - Errors: the address cannot be used; nothing is asked yet.
    pub fn new(url: &str, interval: Duration, timeout: Duration) -> Result<Self, HttpError> {
        let asker = Asker::new(url, None, timeout, LARGEST_ANSWER)?;
        Ok(Self { asker, interval })
    }

    /// Asks once.
    ///
    /// - Shape: an unhealthy answer is a reading as well; redirects are not followed and read as
    ///   unhealthy, since it was not the service that answered.
    /// - Errors: there was no answer.
    pub async fn read(&self, clock: impl Fn() -> Moment) -> Result<HealthReading, HttpError> {
        let answer = self.asker.get("", &[]).await?;
        Ok(understood(&answer, clock()))
    }

    /// Tells readings and the state of the link until `stop`, or until nobody listens.
    ///
    /// `on_the_wall` turns a stretch of world time into wall time.
    pub async fn watch(
        self,
        clock: impl Fn() -> Moment + Send + Sync,
        on_the_wall: impl Fn(Duration) -> Duration + Send + Sync,
        tell: mpsc::Sender<Observation>,
        stop: CancellationToken,
    ) {
        let work = async {
            let pause = on_the_wall(self.interval).max(Duration::from_millis(10));
            let mut ticks = tokio::time::interval(pause);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut news = LinkNews::default();
            loop {
                ticks.tick().await;
                let answer = self.read(&clock).await;
                let link = match &answer {
                    Ok(_) => news.answered(),
                    Err(error) => Some(news.failed(error.to_string(), clock(), pause)),
                };
                let link = link.map(|link| Observation::Link { system: System::Health, link });
                let told = link.into_iter().chain(answer.ok().map(Observation::Health));
                for observation in told {
                    if tell.send(observation).await.is_err() {
                        return;
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            () = stop.cancelled() => {}
        }
    }
}

fn understood(answer: &Answer, at: Moment) -> HealthReading {
    let mut healthy = answer.status.is_success();
    let (mut version, mut parts) = (None, Vec::new());
    if let Some(location) = answer.location.as_ref().filter(|_| answer.status.is_redirection()) {
        parts.push(HealthPart {
            name: "redirect".to_owned(),
            ok: false,
            detail: Some(one_line(&format!("to {location}, which is not followed"))),
        });
    }
    if let Ok(Value::Object(body)) = serde_json::from_slice::<Value>(&answer.body) {
        // The service's own word can only make it worse: some always say "healthy" and let the HTTP
        // status tell.
        healthy &= body.get("status").and_then(means_ok).unwrap_or(true);
        version = body.get("version").and_then(as_words);
        let checks = ["checks", "components", "details"].iter().find_map(|key| body.get(*key));
        parts.extend(checks.map(parts_of).unwrap_or_default());
    }
    HealthReading { at, http_status: answer.status.as_u16(), healthy, version, parts }
}

/// Sub-checks as an object by name, or as a list of objects that carry their name.
fn parts_of(checks: &Value) -> Vec<HealthPart> {
    match checks {
        Value::Object(checks) => {
            checks.iter().take(MOST_PARTS).map(|(name, check)| part(name, check)).collect()
        }
        Value::Array(checks) => checks
            .iter()
            .take(MOST_PARTS)
            .filter_map(|check| Some(part(check.get("name")?.as_str()?, check)))
            .collect(),
        _ => Vec::new(),
    }
}

fn part(name: &str, check: &Value) -> HealthPart {
    let (word, detail) = match check {
        Value::Object(fields) => (fields.get("status"), detail(fields)),
        // `"database": "ok"`, `"database": true`
        plain => (Some(plain), None),
    };
    let ok = word.and_then(means_ok);
    // A word that we do not know is shown as it is, and is not taken for "ok".
    let detail = detail.or_else(|| word.filter(|_| ok.is_none()).and_then(as_words));
    HealthPart { name: one_line(name), ok: ok.unwrap_or(false), detail }
}

fn detail(fields: &Map<String, Value>) -> Option<String> {
    if let Some(message) = ["message", "error", "output"].iter().find_map(|key| as_words(fields.get(*key)?)) {
        return Some(message);
    }
    let latency =
        ["latency", "latency_ms", "latencyMs", "responseTime"].iter().find_map(|key| fields.get(*key))?;
    match latency {
        Value::Number(milliseconds) => Some(format!("{milliseconds} ms")),
        other => as_words(other),
    }
}

/// What a status word means; `None` for one that is not known.
fn means_ok(status: &Value) -> Option<bool> {
    if let Value::Bool(ok) = status {
        return Some(*ok);
    }
    match status.as_str()?.to_ascii_lowercase().as_str() {
        "ok" | "okay" | "healthy" | "up" | "pass" | "passing" | "passed" | "alive" | "ready" | "green" => {
            Some(true)
        }
        "error" | "fail" | "failed" | "failing" | "unhealthy" | "down" | "critical" | "degraded"
        | "out_of_service" | "ko" | "red" => Some(false),
        _ => None,
    }
}

fn as_words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.trim().is_empty() => None,
        Value::String(text) => Some(one_line(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        _ => None,
    }
}

fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::disallowed_methods, reason = "tests serve in tasks and read the clock")]

    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use proptest::prelude::*;

    use super::*;
    use crate::watch::Link;

    fn read(status: u16, body: &str) -> HealthReading {
        let answer = Answer {
            status: StatusCode::from_u16(status).expect("a status"),
            content_type: "application/json".to_owned(),
            location: None,
            headers: axum::http::HeaderMap::new(),
            body: body.as_bytes().to_vec(),
            cut: false,
        };
        understood(&answer, Moment::real(jiff::Timestamp::UNIX_EPOCH))
    }

    fn parts(reading: &HealthReading) -> Vec<(&str, bool, Option<&str>)> {
        reading.parts.iter().map(|part| (&*part.name, part.ok, part.detail.as_deref())).collect()
    }

    #[test]
    fn the_parts_of_a_service_are_read_with_their_words() {
        let reading = read(
            503,
            r#"{"status": "healthy", "timestamp": "2026-11-22T14:02:00Z", "version": "v1.3.0", "uptime": 12.5,
                "checks": {"database": {"status": "ok", "latency": "5ms"}, "redis": {"status": "ok"},
                "externalApi": {"status": "error", "message": "connect\nETIMEDOUT"}}}"#,
        );
        assert_eq!((reading.healthy, reading.http_status), (false, 503), "the HTTP status counts");
        assert_eq!(reading.version.as_deref(), Some("v1.3.0"));
        assert_eq!(
            parts(&reading),
            [
                ("database", true, Some("5ms")),
                ("externalApi", false, Some("connect ETIMEDOUT")),
                ("redis", true, None),
            ]
        );
    }

    #[test]
    fn a_service_that_says_it_is_ill_is_not_healthy_whatever_the_http_status() {
        assert!(!read(200, r#"{"status": "DOWN"}"#).healthy);
        assert!(!read(200, r#"{"status": "degraded"}"#).healthy);
        assert!(read(200, r#"{"status": "UP"}"#).healthy);
        assert!(
            read(200, r#"{"status": "serving"}"#).healthy,
            "an unknown word leaves it to the HTTP status"
        );
    }

    #[test]
    fn other_shapes_are_healthy_by_their_http_status() {
        for body in ["ok", "", "[1, 2]", "<html><body>fine</body></html>", "{\"status\": 7, \"checks\": 3}"] {
            let reading = read(200, body);
            assert!(reading.healthy && reading.parts.is_empty(), "{body}: {reading:?}");
            assert!(!read(500, body).healthy);
        }
    }

    #[test]
    fn neighbouring_shapes_of_sub_checks_are_understood() {
        let reading = read(
            200,
            r#"{"components": {"db": "ok", "queue": false, "disk": {"status": "UP", "latency_ms": 3}, "odd": {"status": "meh"}}}"#,
        );
        assert_eq!(
            parts(&reading),
            [
                ("db", true, None),
                ("disk", true, Some("3 ms")),
                ("odd", false, Some("meh")),
                ("queue", false, None),
            ]
        );
        let reading = read(200, r#"{"checks": [{"name": "db", "status": "pass"}, {"status": "fail"}]}"#);
        assert_eq!(parts(&reading), [("db", true, None)]);
    }

    /// A server that answers its first questions with these, and later ones with the last.
    async fn serving(answers: Vec<(StatusCode, &'static str, String)>) -> String {
        let next = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let handler = move || {
            let at = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst).min(answers.len() - 1);
            let (status, location, body) = answers[at].clone();
            async move { (status, [("location", location)], body).into_response() }
        };
        let router = axum::Router::new().route("/healthz", axum::routing::get(handler));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/healthz?full=1", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }

    fn now() -> Moment {
        Moment::real(jiff::Timestamp::now())
    }

    fn health(url: &str) -> Health {
        Health::new(url, Duration::from_millis(20), Duration::from_secs(60)).expect("a good address")
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed_and_not_healthy() {
        let url = serving(vec![(StatusCode::FOUND, "https://login.example/", String::new())]).await;
        let reading = health(&url).read(now).await.expect("an answer");
        assert!(!reading.healthy);
        assert_eq!(
            parts(&reading),
            [("redirect", false, Some("to https://login.example/, which is not followed"))]
        );
    }

    #[tokio::test]
    async fn a_huge_answer_is_left_unread() {
        let url = serving(vec![(StatusCode::OK, "", "x".repeat(50_000_000))]).await;
        let reading = health(&url).read(now).await.expect("an answer");
        assert!(reading.healthy && reading.parts.is_empty());
    }

    #[tokio::test]
    async fn readings_come_one_by_one_and_the_link_only_when_it_changes() {
        let ill = r#"{"status":"error"}"#.to_owned();
        let url =
            serving(vec![(StatusCode::OK, "", "ok".to_owned()), (StatusCode::SERVICE_UNAVAILABLE, "", ill)])
                .await;
        let (tell, mut told) = mpsc::channel(1);
        let stop = CancellationToken::new();
        let task = tokio::spawn(health(&url).watch(now, |world| world, tell, stop.clone()));
        let live = Observation::Link { system: System::Health, link: Link::Live };
        assert_eq!(told.recv().await, Some(live));
        for healthy in [true, false, false] {
            let Some(Observation::Health(reading)) = told.recv().await else { panic!("a reading") };
            assert_eq!(reading.healthy, healthy);
        }
        stop.cancel();
        task.await.expect("it ends when told");
    }

    #[tokio::test]
    async fn a_service_that_is_not_there_is_a_link_that_is_down() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        drop(listener);
        let (tell, mut told) = mpsc::channel(1);
        tokio::spawn(health(&url).watch(now, |world| world, tell, CancellationToken::new()));
        let Some(Observation::Link { system, link: Link::Down { since, cause, retry_at } }) =
            told.recv().await
        else {
            panic!("it is down")
        };
        assert_eq!((system, &*cause), (System::Health, "connection refused"));
        assert!(retry_at > Some(since.wall));
    }

    proptest! {
        #[test]
        fn no_answer_breaks_the_reader(body in "\\PC{0,200}", status in 100_u16..600) {
            let reading = read(status, &body);
            prop_assert!(!reading.healthy || (200..300).contains(&status));
        }
    }
}
