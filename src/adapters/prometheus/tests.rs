//! The adapter against a server of ours on loopback that answers what each test says.

#![expect(clippy::disallowed_methods, reason = "tests serve in tasks and read the clock")]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use serde_json::json;

use super::*;
use crate::watch::Link;

/// Path and parameters.
type Question = (String, BTreeMap<String, String>);

/// What the server does with the next questions, and the questions it got.
#[derive(Clone)]
struct Fake {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Question>>>,
    /// When its newest sample was scraped, as each question for that finds it; then always noon.
    scraped: Arc<Mutex<VecDeque<&'static str>>>,
}

#[derive(Clone)]
enum Mood {
    /// Every metric has this value.
    Value(&'static str),
    Says(StatusCode, &'static str, String),
    Hangs,
}

impl Fake {
    async fn start(mood: Mood) -> (Self, String) {
        let mood = Arc::new(Mutex::new(mood));
        let fake = Self { mood, asked: Arc::default(), scraped: Arc::default() };
        let router = Router::new()
            .route("/prom/api/v1/query", get(answer))
            .route("/prom/api/v1/query_range", get(answer))
            .with_state(fake.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/prom", listener.local_addr().expect("bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        (fake, url)
    }

    fn feels(&self, mood: Mood) {
        *self.mood.lock().expect("no panic holds it") = mood;
    }

    fn asked(&self) -> Vec<Question> {
        self.asked.lock().expect("no panic holds it").clone()
    }
}

async fn answer(
    State(fake): State<Fake>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    Query(mut query): Query<BTreeMap<String, String>>,
) -> Response {
    if let Some(value) = headers.get("authorization") {
        query.insert("authorization".to_owned(), value.to_str().expect("text").to_owned());
    }
    fake.asked.lock().expect("no panic holds it").push((uri.path().to_owned(), query.clone()));
    let mood = fake.mood.lock().expect("no panic holds it").clone();
    match mood {
        Mood::Hangs => std::future::pending().await,
        Mood::Says(status, kind, body) => (status, [("content-type", kind)], body).into_response(),
        Mood::Value(_) if query["query"].contains("timestamp(") => {
            let at = fake.scraped.lock().expect("no panic holds it").pop_front();
            let body = vector(&[(1.0, at.unwrap_or("1795348800"))]);
            (StatusCode::OK, [("content-type", "application/json")], body).into_response()
        }
        Mood::Value(value) => {
            let number = |key: &str| query.get(key).and_then(|text| text.parse::<f64>().ok());
            let body = match (number("time"), number("start"), number("end"), number("step")) {
                (Some(time), ..) => vector(&[(time, value)]),
                (None, Some(start), Some(end), Some(step)) => {
                    // The point in the middle is missing.
                    let n = ((end - start) / step).round() as usize;
                    let points: Vec<_> = (0..=n)
                        .filter(|point| *point != n / 2)
                        .map(|point| json!([start + step * point as f64, value]))
                        .collect();
                    success("matrix", json!([{ "metric": {}, "values": points }]))
                }
                _ => panic!("neither an instant nor a range: {query:?}"),
            };
            (StatusCode::OK, [("content-type", "application/json")], body).into_response()
        }
    }
}

fn success(kind: &str, result: serde_json::Value) -> String {
    json!({ "status": "success", "data": { "resultType": kind, "result": result } }).to_string()
}

fn vector(points: &[(f64, &str)]) -> String {
    let series: Vec<_> =
        points.iter().map(|(at, value)| json!({ "metric": {}, "value": [at, value] })).collect();
    success("vector", json!(series))
}

/// Generous: only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(300);

fn settings(url: &str) -> PrometheusSettings {
    PrometheusSettings {
        interval: Duration::from_secs(15),
        window: Duration::from_secs(60),
        timeout: PATIENCE,
        ..PrometheusSettings::new(url)
    }
}

fn noon() -> Timestamp {
    "2026-11-22T12:00:00.250Z".parse().expect("a timestamp")
}

async fn said(status: StatusCode, kind: &'static str, body: impl Into<String>) -> String {
    let (_, url) = Fake::start(Mood::Says(status, kind, body.into())).await;
    let prometheus = Prometheus::new(&settings(&url), "prod", "app").expect("a good address");
    let answer = prometheus.read(Metric::RequestRate, noon()).await;
    match answer {
        Ok(sample) => format!("{:?}", sample.value),
        Err(error) => error.to_string().replace(&url, "URL"),
    }
}

const JSON: &str = "application/json";
const REFUSAL: &str = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;

#[tokio::test]
async fn a_value_is_asked_for_by_name_and_moment() {
    let (fake, url) = Fake::start(Mood::Value("12.5")).await;
    let settings = PrometheusSettings { authorization: Some("Bearer t".to_owned()), ..settings(&url) };
    let prometheus = Prometheus::new(&settings, "prod", "app").expect("a good address");
    let sample = prometheus.read(Metric::RequestRate, noon()).await.expect("a value");
    assert_eq!((sample.at, sample.value), (noon(), Some(12.5)));
    let (path, query) = fake.asked().remove(0);
    assert_eq!(path, "/prom/api/v1/query");
    assert_eq!(query["query"], r#"sum(rate(http_requests_total{namespace="prod",app="app"}[1m]))"#);
    assert_eq!((&*query["time"], &*query["authorization"]), ("1795348800.250", "Bearer t"));
}

#[tokio::test]
async fn a_window_keeps_its_gaps() {
    let (_, url) = Fake::start(Mood::Value("0.5")).await;
    let prometheus = Prometheus::new(&settings(&url), "prod", "app").expect("a good address");
    let samples = prometheus.read_window(Metric::ErrorRate, noon()).await.expect("a window");
    let values: Vec<_> = samples.iter().map(|sample| sample.value).collect();
    assert_eq!(values, [Some(0.5), Some(0.5), None, Some(0.5), Some(0.5)]);
    assert_eq!(samples.last().map(|sample| sample.at), Some(noon()));
    assert_eq!(samples[0].at, noon() - SignedDuration::from_secs(60));
}

#[tokio::test]
async fn what_is_no_number_is_no_value() {
    for value in ["NaN", "+Inf", "-Inf"] {
        assert_eq!(said(StatusCode::OK, JSON, vector(&[(1.0, value)])).await, "None");
    }
    assert_eq!(said(StatusCode::OK, JSON, vector(&[])).await, "None");
    assert_eq!(said(StatusCode::OK, JSON, success("scalar", json!([1.0, "3"]))).await, "Some(3.0)");
}

#[tokio::test]
async fn several_series_are_refused_with_a_way_out() {
    let error = said(StatusCode::OK, JSON, vector(&[(1.0, "1"), (1.0, "2")])).await;
    assert!(error.starts_with("the expression gives 2 series where one is needed: aggregate it"), "{error}");
    let error = said(StatusCode::OK, JSON, success("matrix", json!([]))).await;
    assert_eq!(error, "the expression gives a matrix; it must give one value at a time");
}

#[tokio::test]
async fn a_refused_query_says_what_prometheus_said() {
    let body = r#"{"status":"error","errorType":"bad_data","error":"parse error: unexpected end"}"#;
    let error = said(StatusCode::BAD_REQUEST, JSON, body).await;
    assert_eq!(error, "prometheus refused the query (bad_data): parse error: unexpected end");
}

#[tokio::test]
async fn other_servers_are_recognised() {
    let page = "<!doctype html><html><head><title>Grafana</title></head></html>";
    let error = said(StatusCode::OK, "text/html; charset=utf-8", page).await;
    assert_eq!(error, "URL answered HTML, is this Prometheus? It says: Grafana");
    let error = said(StatusCode::NOT_FOUND, "text/plain", "404 page not found\n").await;
    assert_eq!(error, "URL answered 404 Not Found: 404 page not found");
    let error = said(StatusCode::SERVICE_UNAVAILABLE, "text/html", page).await;
    assert_eq!(error, "URL answered 503 Service Unavailable");
    let error = said(StatusCode::OK, JSON, "{\"hello\": 1}").await;
    assert!(
        error.starts_with("URL answered something that is not Prometheus' JSON: missing field"),
        "{error}"
    );
    let error = said(StatusCode::OK, JSON, "[".repeat(LARGEST_ANSWER + 1)).await;
    assert!(error.ends_with("it is larger than 4 MiB"), "{error}");
}

/// The clock of a world that runs thirty times faster, from noon on.
fn fast_clock() -> impl Fn() -> Moment + Send + Sync {
    let start = Timestamp::now();
    move || {
        let wall = Timestamp::now();
        Moment { wall, world: noon() + wall.duration_since(start) * 30 }
    }
}

fn watched(url: &str) -> (mpsc::Receiver<Observation>, CancellationToken) {
    watched_with(&settings(url))
}

fn watched_with(settings: &PrometheusSettings) -> (mpsc::Receiver<Observation>, CancellationToken) {
    let prometheus = Prometheus::new(settings, "prod", "app").expect("a good address");
    let (tell, told) = mpsc::channel(16);
    let stop = CancellationToken::new();
    // 15 s of the practice world in 20 ms.
    tokio::spawn(prometheus.watch(fast_clock(), |world| world / 750, tell, stop.clone()));
    (told, stop)
}

async fn next(told: &mut mpsc::Receiver<Observation>) -> Observation {
    told.recv().await.expect("it watches on")
}

/// Skips to the next link news.
async fn next_link(told: &mut mpsc::Receiver<Observation>) -> Link {
    loop {
        if let Observation::Link { system: System::Metrics, link } = next(told).await {
            return link;
        }
    }
}

fn is_window(observation: &Observation) -> bool {
    matches!(observation, Observation::Metric { reading: MetricReading::Window(_), .. })
}

#[tokio::test]
async fn each_metric_starts_with_a_window_and_goes_on_by_single_values() {
    let (fake, url) = Fake::start(Mood::Value("1")).await;
    let (mut told, stop) = watched(&url);
    assert_eq!(next(&mut told).await, Observation::Link { system: System::Metrics, link: Link::Live });
    let mut metrics = Vec::new();
    for _ in METRICS {
        let observation = next(&mut told).await;
        assert!(is_window(&observation), "{observation:?}");
        if let Observation::Metric { metric, .. } = observation {
            metrics.push(metric);
        }
    }
    assert_eq!(metrics, METRICS, "the request rate comes first");
    for _ in METRICS {
        let observation = next(&mut told).await;
        assert!(
            matches!(observation, Observation::Metric { reading: MetricReading::Latest(_), .. }),
            "{observation:?}"
        );
    }
    stop.cancel();
    while told.recv().await.is_some() {}
    let ranges = fake.asked().iter().filter(|(path, _)| path.ends_with("query_range")).count();
    assert_eq!(ranges, METRICS.len());
}

#[tokio::test]
async fn a_reading_waits_for_the_scrape_that_is_due_and_not_for_ever() {
    let (fake, url) = Fake::start(Mood::Value("1")).await;
    fake.scraped.lock().expect("no panic holds it").extend(["1000", "1000", "1015"]);
    let (mut told, stop) = watched(&url);
    let rounds_of_readings = 4;
    for _ in 0..=METRICS.len() * rounds_of_readings {
        next(&mut told).await;
    }
    stop.cancel();
    let asked = fake.asked();
    let kinds: Vec<bool> = asked.iter().map(|(_, query)| query["query"].contains("timestamp(")).collect();
    let story: Vec<_> = kinds.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).take(6).collect();
    let (waited, read) = (true, false);
    assert_eq!(
        story,
        [(read, 4), (waited, 1), (read, 4), (waited, 2), (read, 4), (waited, 1)],
        "the second scrape was late"
    );
}

#[tokio::test]
async fn a_server_that_tells_no_scrape_is_read_at_its_interval() {
    let (fake, url) = Fake::start(Mood::Value("1")).await;
    let refused = Mood::Says(StatusCode::BAD_REQUEST, JSON, REFUSAL.to_owned());
    let (mut told, stop) = watched(&url);
    assert_eq!(next_link(&mut told).await, Link::Live);
    fake.feels(refused);
    for _ in 0..4 * METRICS.len() {
        next(&mut told).await;
    }
    stop.cancel();
    let asked = fake.asked();
    let n = asked.iter().filter(|(_, query)| query["query"].contains("timestamp(")).count();
    assert_eq!(n, 1, "it is asked once and believed");
}

#[tokio::test]
async fn an_outage_is_told_and_its_gap_filled_afterwards() {
    let (fake, url) = Fake::start(Mood::Value("1")).await;
    let (mut told, _stop) = watched(&url);
    assert_eq!(next_link(&mut told).await, Link::Live);
    fake.feels(Mood::Says(StatusCode::BAD_GATEWAY, "text/html", "<h1>oops</h1>".to_owned()));
    let Link::Down { since, cause, retry_at } = next_link(&mut told).await else { panic!("it is down") };
    assert_eq!(cause, "answered 502 Bad Gateway");
    assert!(retry_at > Some(since.wall));
    let Link::Down { since: again, .. } = next_link(&mut told).await else { panic!("it is still down") };
    assert_eq!(again, since, "the outage has one beginning");
    fake.feels(Mood::Value("2"));
    while next_link(&mut told).await != Link::Live {}
    for _ in METRICS {
        let observation = next(&mut told).await;
        assert!(is_window(&observation), "{observation:?}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_or_is_not_there_is_down() {
    let (_fake, url) = Fake::start(Mood::Hangs).await;
    let impatient = PrometheusSettings { timeout: Duration::from_millis(500), ..settings(&url) };
    let (mut told, _stop) = watched_with(&impatient);
    let Link::Down { cause, .. } = next_link(&mut told).await else { panic!("it is down") };
    assert_eq!(cause, "did not answer within 0.5 s");

    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let nobody = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let (mut told, _stop) = watched(&nobody);
    let Link::Down { cause, .. } = next_link(&mut told).await else { panic!("it is down") };
    assert_eq!(cause, "connection refused");
}

#[tokio::test]
async fn a_refused_query_leaves_the_link_alive() {
    let (_fake, url) = Fake::start(Mood::Says(StatusCode::BAD_REQUEST, JSON, REFUSAL.to_owned())).await;
    let (mut told, _stop) = watched(&url);
    assert_eq!(next_link(&mut told).await, Link::Live);
    let Observation::Metric { reading: MetricReading::Failed { why, .. }, .. } = next(&mut told).await else {
        panic!("the query was refused")
    };
    assert_eq!(why, "prometheus refused the query (bad_data): parse error");
}

#[tokio::test]
async fn an_empty_expression_turns_its_metric_off() {
    let off = BTreeMap::from([(Metric::Restarts, " ".to_owned())]);
    let settings = PrometheusSettings { expressions: off, ..settings("http://127.0.0.1:9") };
    let prometheus = Prometheus::new(&settings, "prod", "app").expect("a good address");
    assert_eq!(prometheus.expression(Metric::Restarts), None);
    assert!(prometheus.expression(Metric::ErrorRate).is_some());
}
