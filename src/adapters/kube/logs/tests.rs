//! One follower against a loopback server that breaks off as real ones do.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::sync::watch;

use super::Reading;
use super::choice::{Key, Life, Stage};
use super::stream::{Follower, Hands, News};
use crate::watch::{LogBatch, LogMark, LogSource};

/// What the server does with one request for a log.
#[derive(Clone, Copy)]
enum Answer {
    /// Sends what is asked for up to this line, then ends as if all were said.
    UpTo(usize),
    /// The same, but the connection breaks in the middle of a line.
    CutAt(usize),
    Refuse,
    /// The log of the container's next life, without a word on that.
    NextLife,
}

#[derive(Default)]
struct Script {
    answers: Vec<Answer>,
    /// Requests for the life before that are answered as the kubelet does for a container that it
    /// has removed.
    n_removed: usize,
    asked: Vec<Vec<(String, String)>>,
}

type Shared = Arc<Mutex<Script>>;

/// Seven lines a second, so that most breaks fall within one.
fn at(n: usize) -> Timestamp {
    let start: Timestamp = "2026-11-22T14:00:00Z".parse().unwrap();
    start + SignedDuration::from_millis(n as i64 * 143)
}

fn log(lines: std::ops::Range<usize>) -> String {
    lines.map(|n| format!("{} line {}\n", at(n), n % 2)).collect()
}

/// What the next life says; it begins in the second in which the first forty lines end.
fn next_life() -> Vec<(Timestamp, String)> {
    (0..5).map(|n| (at(40) + SignedDuration::from_millis(n * 7), format!("again {n}"))).collect()
}

async fn serve_log(State(script): State<Shared>, Query(asked): Query<Vec<(String, String)>>) -> Response {
    let since = asked.iter().find(|(key, _)| key == "sinceTime").map(|(_, value)| value.parse().unwrap());
    let is_previous = asked.iter().any(|(key, _)| key == "previous");
    let mut script = script.lock().unwrap();
    script.asked.push(asked);
    if is_previous && script.n_removed > 0 {
        script.n_removed -= 1;
        return "unable to retrieve container logs for containerd://c0".into_response();
    }
    if is_previous {
        return log(0..40).into_response();
    }
    let answer = if script.answers.is_empty() { Answer::Refuse } else { script.answers.remove(0) };
    let from = (0..1000).find(|n| since.is_none_or(|since: Timestamp| at(*n) >= since)).unwrap();
    match answer {
        Answer::UpTo(end) => log(from..end).into_response(),
        Answer::CutAt(end) => {
            let whole = log(from..end + 1);
            let part = whole[..whole.len() - 3].to_owned();
            let cut = async {
                // The server writes out what it has only when it must wait for more.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("cut"))
            };
            let chunks = futures::stream::iter([Ok(part)]).chain(futures::stream::once(cut));
            Body::from_stream(chunks).into_response()
        }
        Answer::NextLife => {
            let lines =
                next_life().into_iter().filter(|(at, _)| since.is_none_or(|since: Timestamp| *at >= since));
            lines.map(|(at, text)| format!("{at} {text}\n")).collect::<String>().into_response()
        }
        Answer::Refuse => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

struct Following {
    script: Shared,
    news: watch::Sender<News>,
    told: Receiver<LogBatch>,
    lines: Vec<(Timestamp, String)>,
    marks: Vec<LogMark>,
}

impl Following {
    async fn start(answers: &[Answer], life: Life, tail: bool) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let script = Arc::new(Mutex::new(Script { answers: answers.to_vec(), ..Script::default() }));
        let router = Router::new()
            .route("/api/v1/namespaces/shop/pods/app-1/log", get(serve_log))
            .with_state(Arc::clone(&script));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut config = kube::Config::new(url.parse().unwrap());
        config.root_cert = Some(vec![]);
        config.default_retry = false;
        let client = kube::Client::try_from(config).unwrap();
        let key = Key {
            namespace: "shop".into(),
            pod: "app-1".into(),
            pod_uid: "u".into(),
            container: "app".into(),
        };
        let source = LogSource { pod: "app-1".into(), container: "app".into(), revision: None };
        let (out, told) = channel(4);
        let (news, life) = watch::channel(News::Life(life));
        let (_, recoveries) = watch::channel(0);
        let (resting, _) = tokio::sync::mpsc::unbounded_channel();
        let hands = Hands { client, reading: Reading::PANE, out, recoveries, resting };
        tokio::spawn(Follower::new(key, source, life, hands).run(tail));
        Self { script, news, told, lines: vec![], marks: vec![] }
    }

    /// Listens until a mark for which `is_last` holds.
    async fn until(&mut self, is_last: impl Fn(&LogMark) -> bool) {
        while let Some(batch) = self.told.recv().await {
            self.lines.extend(batch.lines.iter().map(|line| (line.at().unwrap(), line.text().into_owned())));
            if let Some(mark) = batch.mark {
                let is_done = is_last(&mark);
                self.marks.push(mark);
                if is_done {
                    return;
                }
            }
        }
        panic!("the follower ended; marks {:?}", self.marks);
    }

    /// Waits until the server has been asked so many times.
    async fn until_asked(&self, n_requests: usize) {
        while self.script.lock().unwrap().asked.len() < n_requests {
            tokio::task::yield_now().await;
        }
    }

    fn asked(&self, request: usize, key: &str) -> Option<String> {
        let script = self.script.lock().unwrap();
        let asked = &script.asked[request];
        asked.iter().find(|(name, _)| name == key).map(|(_, value)| value.clone())
    }
}

fn running(id: &str, restarts: u32) -> Life {
    let last_end = (restarts > 0).then(|| (1, "Error".to_owned()));
    Life { id: id.into(), stage: Stage::Running, restarts, last_end, last_end_s: None }
}

fn ended(id: &str) -> Life {
    let stage = Stage::Ended { exit_code: 1, reason: "Error".into() };
    Life { id: id.into(), stage, restarts: 0, last_end: None, last_end_s: None }
}

fn expected(lines: std::ops::Range<usize>) -> Vec<(Timestamp, String)> {
    lines.map(|n| (at(n), format!("line {}", n % 2))).collect()
}

#[tokio::test]
async fn no_line_is_lost_or_doubled_through_an_end_a_cut_and_a_refusal() {
    let answers = [Answer::UpTo(10), Answer::CutAt(20), Answer::Refuse, Answer::UpTo(30)];
    let mut following = Following::start(&answers, running("c1", 0), false).await;
    following.until(|mark| matches!(mark, LogMark::Retrying { .. })).await;
    following.until(|mark| *mark == LogMark::Reopened).await;
    // However often it asks before it hears of the end.
    following.script.lock().unwrap().answers.extend([Answer::UpTo(30); 100]);
    following.news.send(News::Life(ended("c1"))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Ended { .. })).await;
    assert_eq!(following.lines, expected(0..30));
    assert_eq!(following.asked(0, "sinceTime"), None, "a new container is read from its beginning");
    assert_eq!(following.asked(1, "sinceTime").as_deref(), Some("2026-11-22T14:00:01Z"), "floored");
    assert_eq!(following.marks.last(), Some(&LogMark::Ended { why: "container ended, Error exit 1".into() }));
    assert!(!following.marks.iter().any(|mark| matches!(mark, LogMark::Lost { .. })));
}

#[tokio::test]
async fn a_restart_brings_the_rest_of_the_life_before() {
    let mut following = Following::start(&[Answer::UpTo(33)], running("c1", 0), false).await;
    following.until(|mark| *mark == LogMark::Opened).await;
    following.news.send(News::Life(running("c2", 1))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Restarted { .. })).await;
    assert_eq!(following.lines, expected(0..40), "33 lines while it lived, the last words after");
    let restarted = LogMark::Restarted { exit_code: Some(1), reason: "Error".into() };
    assert_eq!(following.marks.last(), Some(&restarted));
}

#[tokio::test]
async fn a_pod_that_was_there_before_us_is_read_from_its_last_lines() {
    let mut following = Following::start(&[Answer::UpTo(5)], running("c1", 0), true).await;
    following.until(|mark| *mark == LogMark::Opened).await;
    assert_eq!(following.asked(0, "tailLines").as_deref(), Some("200"));
    following.news.send(News::Gone).unwrap();
    following.until(|mark| *mark == LogMark::Ended { why: "pod is gone".into() }).await;
}

#[tokio::test]
async fn a_crash_loop_met_between_two_lives_tells_its_last_words_once() {
    let waiting = Life { stage: Stage::Waiting, ..running("c3", 3) };
    let mut following = Following::start(&[Answer::Refuse], waiting, false).await;
    following.until(|mark| matches!(mark, LogMark::Ended { .. })).await;
    assert_eq!(following.lines, expected(0..40));
    assert_eq!(following.asked(0, "previous").as_deref(), Some("true"));
    following.news.send(News::Life(running("c4", 4))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Restarted { .. })).await;
    assert_eq!(following.lines.len(), 40, "the same words are not told twice");
}

#[tokio::test]
async fn the_log_of_the_next_life_is_not_taken_for_the_rest_of_this_one() {
    let answers = [Answer::UpTo(36), Answer::NextLife, Answer::NextLife];
    let mut following = Following::start(&answers, running("c1", 0), false).await;
    following.until(|mark| *mark == LogMark::Opened).await;
    following.until_asked(2).await;
    following.news.send(News::Life(running("c2", 1))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Restarted { .. })).await;
    assert_eq!(following.lines, expected(0..40), "this life whole, and nothing of the next one yet");
    following.until(|mark| matches!(mark, LogMark::Retrying { .. })).await;
    assert_eq!(following.lines, [expected(0..40), next_life()].concat());
}

#[tokio::test]
async fn a_life_that_was_served_in_place_of_the_one_before_is_told_once_and_so_is_that() {
    let mut following = Following::start(&[Answer::NextLife, Answer::NextLife], ended("c1"), false).await;
    following.until(|mark| matches!(mark, LogMark::Ended { .. })).await;
    assert_eq!(following.lines, next_life(), "nobody can know better yet");
    following.news.send(News::Life(running("c2", 1))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Retrying { .. })).await;
    assert_eq!(following.lines, [next_life(), expected(0..40)].concat());
    assert!(!following.marks.iter().any(|mark| matches!(mark, LogMark::Lost { .. })));
}

#[tokio::test]
async fn what_the_node_says_in_place_of_a_log_is_no_line_and_it_is_asked_again() {
    let waiting = Life { stage: Stage::Waiting, ..running("c3", 3) };
    let mut following = Following::start(&[], waiting, false).await;
    following.script.lock().unwrap().n_removed = 1;
    following.until(|mark| matches!(mark, LogMark::Ended { .. })).await;
    assert_eq!(following.lines, expected(0..40));
    assert!(
        !following.marks.iter().any(|mark| matches!(mark, LogMark::Lost { .. })),
        "{:?}",
        following.marks
    );
}

#[tokio::test]
async fn a_life_that_was_read_to_its_end_is_not_asked_for_again() {
    let mut following = Following::start(&[Answer::UpTo(10)], running("c1", 0), false).await;
    following.until(|mark| *mark == LogMark::Opened).await;
    following.script.lock().unwrap().answers.push(Answer::UpTo(10));
    following.news.send(News::Life(ended("c1"))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Ended { .. })).await;
    following.news.send(News::Life(running("c2", 1))).unwrap();
    following.until(|mark| matches!(mark, LogMark::Restarted { .. })).await;
    let script = following.script.lock().unwrap();
    assert!(!script.asked.iter().flatten().any(|(key, value)| key == "previous" && value == "true"));
}
