use futures::StreamExt;
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::adapters::kube::objects::ReplicaSet;
use crate::adapters::kube::testing::{Reply, Server, soon};

/// A line of a watch about a ReplicaSet.
fn line(kind: &str, name: &str, version: u32) -> String {
    let object = json!({"metadata": {"name": name, "uid": name, "resourceVersion": version.to_string(),
        "managedFields": [{"manager": "kube-controller-manager"}]}});
    format!("{}\n", json!({"type": kind, "object": object}))
}

fn bookmark(version: u32, ends_listing: bool) -> String {
    let annotations = match ends_listing {
        true => json!({"k8s.io/initial-events-end": "true"}),
        false => json!({}),
    };
    let object = json!({"kind": "ReplicaSet", "apiVersion": "apps/v1",
        "metadata": {"resourceVersion": version.to_string(), "creationTimestamp": null, "annotations": annotations}});
    format!("{}\n", json!({"type": "BOOKMARK", "object": object}))
}

fn failure(code: u16, message: &str) -> String {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message})
        .to_string()
}

/// What a watch of the server tells, in short: `+a` listed, `=` synced, `~a` changed, `-a` removed.
struct Listener {
    told: futures::stream::BoxStream<'static, Told<ReplicaSet>>,
    recovered: watch::Sender<u64>,
}

impl Listener {
    fn to(server: &Server) -> Self {
        let (recovered, recoveries) = watch::channel(0);
        let source = Source { client: server.client(), recoveries };
        let path = ReplicaSet::url_path(&(), Some("shop"));
        Self { told: endless::<ReplicaSet>(&source, path, None, Some("app=web")).boxed(), recovered }
    }

    async fn hear(&mut self, n: usize) -> String {
        let mut heard = Vec::new();
        for _ in 0..n {
            let told = soon(self.told.next()).await.expect("it never ends");
            heard.push(match told.map(|set| set.entry.facts.name) {
                Told::Restart => "(".to_owned(),
                Told::Listed(name) => format!("+{name}"),
                Told::Synced => ")".to_owned(),
                Told::Changed(name) => format!("~{name}"),
                Told::Removed(name) => format!("-{name}"),
                Told::Refused(refusal) => format!("refused: {}", refusal.detail),
                Told::Failed => "failed".to_owned(),
            });
        }
        heard.join(" ")
    }
}

fn is_listing(path: &str) -> bool {
    path.contains("sendInitialEvents=true") || !path.contains("watch=true")
}

fn resumed_from(path: &str) -> Option<&str> {
    path.split('&')
        .find_map(|pair| pair.strip_prefix("resourceVersion="))
        .filter(|version| !version.is_empty())
}

#[tokio::test]
async fn after_a_break_a_watch_goes_on_from_where_it_was_without_a_listing() {
    let server = Server::start(|n, path| match n {
        0 => Reply::ok(line("ADDED", "a", 3) + &bookmark(7, true) + &line("MODIFIED", "a", 8)),
        // The server ended that watch, and ends the next one in the middle of a line.
        1 => Reply::ok(line("ADDED", "b", 9) + "{\"type\":\"MODIFIED\",\"object\":{\"meta"),
        2 => Reply::ok(bookmark(12, false)),
        _ => {
            assert_eq!(resumed_from(path), Some("12"), "also a bookmark is a place to go on from");
            Reply::ok(line("DELETED", "a", 13)).hanging()
        }
    })
    .await;
    let mut listener = Listener::to(&server);
    assert_eq!(listener.hear(6).await, "( +a ) ~a ~b -a");
    let asked = server.asked();
    assert!(is_listing(&asked[0]) && asked[0].contains("labelSelector=app%3Dweb"), "{asked:?}");
    let resumed: Vec<_> = asked[1..].iter().map(|path| resumed_from(path)).collect();
    assert_eq!(resumed, [Some("8"), Some("9"), Some("12")]);
}

#[tokio::test]
async fn a_history_that_is_no_longer_kept_costs_one_listing_whichever_way_it_is_told() {
    let gone = failure(410, "too old resource version: 7 (900)");
    let in_stream = format!(
        "{}\n",
        json!({"type": "ERROR", "object": serde_json::from_str::<serde_json::Value>(&gone).unwrap()})
    );
    let server = Server::start(move |n, _| match n {
        0 => Reply::ok(line("ADDED", "a", 3) + &bookmark(7, true) + &line("MODIFIED", "a", 8)),
        1 => Reply::ok(in_stream.clone()),
        2 => Reply::ok(line("ADDED", "b", 800) + &bookmark(900, true) + &line("MODIFIED", "b", 901)),
        3 => Reply::status("410 Gone", gone.clone()),
        _ => Reply::ok(line("ADDED", "c", 990) + &bookmark(999, true)).hanging(),
    })
    .await;
    let mut listener = Listener::to(&server);
    assert_eq!(listener.hear(11).await, "( +a ) ~a ( +b ) ~b ( +c )", "nothing is gone in between");
    let listings = server.asked().iter().filter(|path| is_listing(path)).count();
    assert_eq!((listings, server.asked().len()), (3, 5));
}

#[tokio::test]
async fn the_return_of_the_cluster_wakes_a_watch_that_hangs_and_it_lists_nothing() {
    let server = Server::start(|n, _| match n {
        0 => Reply::ok(bookmark(7, true)).hanging(),
        _ => Reply::ok(line("MODIFIED", "a", 8)).hanging(),
    })
    .await;
    let mut listener = Listener::to(&server);
    assert_eq!(listener.hear(2).await, "( )");
    listener.recovered.send_modify(|times| *times += 1);
    assert_eq!(listener.hear(1).await, "~a");
    assert_eq!(resumed_from(&server.asked()[1]), Some("7"));
}

#[tokio::test]
async fn a_server_that_cannot_list_within_a_watch_is_read_page_by_page() {
    let server = Server::start(|_, path| {
        let page = |names: &[&str], next: &str| {
            let items: Vec<_> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
            let list = json!({"metadata": {"resourceVersion": "40", "continue": next}, "items": items});
            Reply::ok(list.to_string())
        };
        match path {
            path if path.contains("sendInitialEvents") => {
                Reply::status("422 Unprocessable Entity", failure(422, "sendInitialEvents is forbidden"))
            }
            path if path.contains("continue=more") => page(&["c"], ""),
            path if is_listing(path) => page(&["a", "b"], "more"),
            _ => Reply::ok(line("MODIFIED", "a", 41)).hanging(),
        }
    })
    .await;
    let mut listener = Listener::to(&server);
    assert_eq!(listener.hear(6).await, "( +a +b +c ) ~a");
    assert_eq!(resumed_from(&server.asked()[3]), Some("40"));
    assert!(server.asked()[1].contains("limit=500"));
}

#[tokio::test]
async fn whatever_a_server_says_instead_of_an_answer_is_a_failure_that_passes() {
    let webhook =
        "Internal error occurred: failed calling webhook \"x.example.com\": context deadline exceeded";
    let server = Server::start(move |n, _| match n {
        0 => Reply::status("500 Internal Server Error", failure(500, webhook)),
        1 => Reply::status("503 Service Unavailable", "apiserver is shutting down"),
        2 => Reply::ok("{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":"),
        3 => Reply::ok("<html>Sign in</html>\n"),
        _ => Reply::ok(line("ADDED", "a", 3) + &bookmark(7, true)).hanging(),
    })
    .await;
    let mut listener = Listener::to(&server);
    assert_eq!(listener.hear(9).await, "failed failed ( failed ( failed ( +a )");
}

#[tokio::test]
async fn what_is_forbidden_or_not_installed_is_refused_and_asked_again_later() {
    let server = Server::start(|n, _| match n {
        0 => Reply::status("403 Forbidden", failure(403, "replicasets.apps is forbidden")),
        1 => Reply::status("404 Not Found", "404 page not found\n"),
        _ => Reply::ok(bookmark(7, true)).hanging(),
    })
    .await;
    let mut listener = Listener::to(&server);
    assert_eq!(listener.hear(1).await, "refused: replicasets.apps is forbidden");
    listener.recovered.send_modify(|times| *times += 1);
    assert_eq!(listener.hear(1).await, "refused: 404 page not found");
    listener.recovered.send_modify(|times| *times += 1);
    assert_eq!(listener.hear(2).await, "( )");
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let server = Server::start(|_, path| match path.contains("leases") {
        true => Reply::status("429 Too Many Requests", "Too many requests, please try again later.\n")
            .header("Retry-After", "17"),
        false => {
            let mut body: serde_json::Value =
                serde_json::from_str(&failure(503, "storage is (re)initializing")).unwrap();
            body["details"] = json!({"retryAfterSeconds": 3});
            Reply::status("503 Service Unavailable", body.to_string())
        }
    })
    .await;
    let ask = |path: &str| {
        let request = Request::new(path).list(&ListParams::default());
        let client = server.client();
        async move { Answer::to(&client, request).await.unwrap_err() }
    };
    let busy = ask("/leases").await;
    assert_eq!((busy.cause, busy.retry_after), (Cause::Busy, Some(Duration::from_secs(17))));
    assert_eq!(busy.detail, "Too many requests, please try again later.");
    let starting = ask("/pods").await;
    assert_eq!((starting.cause, starting.retry_after), (Cause::Server, Some(Duration::from_secs(3))));

    let mut watch = idle(&server);
    assert!(matches!(watch.failed(busy), Some(Told::Failed)));
    assert_eq!(watch.pause, Some(Duration::from_secs(17)));
    assert_eq!(watch.version.as_deref(), Some("7"), "being busy is no reason to list again");
}

fn idle(server: &Server) -> Endless<ReplicaSet> {
    let (_, recoveries) = watch::channel(0);
    Endless {
        source: Source { client: server.client(), recoveries },
        request: Request::new("/apis"),
        fields: None,
        labels: None,
        phase: Phase::Idle,
        version: Some("7".into()),
        streams_lists: true,
        has_news: false,
        n_failures: 0,
        n_gone: 0,
        pause: None,
    }
}

#[tokio::test]
async fn a_server_that_forgets_at_once_is_not_asked_for_everything_in_a_circle() {
    let server = Server::start(|_, _| Reply::silence()).await;
    let mut watch = idle(&server);
    let mut pauses = Vec::new();
    for _ in 0..8 {
        watch.failed(Failure { code: 410, ..Failure::of(Cause::Rejected, "expired") });
        pauses.push(watch.pause.unwrap());
    }
    assert!(pauses[7] >= BACKOFF_LAST / 2 && pauses[0] < BACKOFF_LAST / 2, "{pauses:?}");
}

#[test]
fn the_backoff_grows_to_its_ceiling_and_is_never_zero() {
    for n in 1..40 {
        let delay = backoff(n);
        assert!(delay >= BACKOFF_FIRST / 2 && delay <= BACKOFF_LAST, "{n}: {delay:?}");
    }
    assert!(backoff(39) >= BACKOFF_LAST / 2);
}
