//! All that one cluster is watched by, against a server that falls silent.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc::{Receiver, channel};

use super::heartbeat::Pace;
use super::testing::{Reply, Server, soon};
use super::*;
use crate::watch::{Link, System, WorkloadFacts};
use crate::workflow::Kind;

/// A beat that is not answered is noticed soon, and one that is answered late on a slow machine is no
/// silence. Only the order of what happens is looked at.
const PACE: Pace = Pace { every: Duration::from_millis(20), patience: Duration::from_secs(2) };

/// How the server is doing. It never closes a watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// Connections are accepted, and nothing more.
    Mute,
    /// It knows `version` and so many replicas, and no history from before.
    Well { version: u32, replicas: u32 },
}

fn deployment(version: u32, replicas: u32) -> Value {
    json!({
        "metadata": {"name": "app", "namespace": "shop", "uid": "uid", "generation": 1,
            "resourceVersion": version.to_string()},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "app"}},
            "template": {"metadata": {"labels": {"app": "app"}},
                "spec": {"containers": [{"name": "app", "image": "myapp:v1"}]}}},
        "status": {"observedGeneration": 1, "replicas": replicas},
    })
}

fn watched(mood: Mood, path: &str) -> Reply {
    let Mood::Well { version, replicas } = mood else { return Reply::silence() };
    if path.starts_with("/livez") {
        return Reply::ok("ok");
    }
    if !path.contains("sendInitialEvents=true") {
        let gone = json!({"kind": "Status", "status": "Failure", "code": 410, "reason": "Expired",
            "message": "too old resource version"});
        return Reply::ok(format!("{}\n", json!({"type": "ERROR", "object": gone})));
    }
    let mut lines = String::new();
    if path.contains("/deployments?") {
        lines += &format!("{}\n", json!({"type": "ADDED", "object": deployment(version, replicas)}));
    }
    let end = json!({"metadata": {"resourceVersion": version.to_string(),
        "annotations": {"k8s.io/initial-events-end": "true"}}});
    lines += &format!("{}\n", json!({"type": "BOOKMARK", "object": end}));
    Reply::ok(lines).hanging()
}

/// One cluster and all that is heard of it.
struct Watching {
    server: Server,
    mood: Arc<Mutex<Mood>>,
    second: Arc<AtomicI64>,
    heard: Receiver<Observation>,
    cancel: CancellationToken,
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn at(second: i64) -> Moment {
    Moment::real(Timestamp::from_second(1_700_000_000 + second).unwrap())
}

impl Watching {
    async fn new(mood: Mood) -> Self {
        let mood = Arc::new(Mutex::new(mood));
        let asked = Arc::clone(&mood);
        let server = Server::start(move |_, path| watched(*asked.lock().unwrap(), path)).await;
        let pinned = Pinned {
            context: "test".into(),
            cluster: "test".into(),
            user: None,
            namespace: "shop".into(),
            host: server.url.clone(),
            files: Vec::new(),
        };
        let place = Place { host: pinned.host.clone(), context: pinned.context.clone() };
        let world = KubeWorld { client: server.client(), pinned, place };
        let target = TargetRef {
            kind: Kind::Deployment,
            namespace: "shop".into(),
            name: "app".into(),
            container: None,
        };
        let (out, heard) = channel(64);
        let cancel = CancellationToken::new();
        let second = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&second);
        let now = move || at(clock.load(Ordering::SeqCst));
        world.spawn_at(PACE, vec![target], out, cancel.clone(), now);
        Self { server, mood, second, heard, cancel }
    }

    fn becomes(&self, mood: Mood, second: i64) {
        self.second.store(second, Ordering::SeqCst);
        *self.mood.lock().unwrap() = mood;
    }

    async fn hear(&mut self) -> Observation {
        soon(self.heard.recv()).await.expect("the watches never end")
    }

    /// Everything up to the moment when the cluster is said to be back.
    async fn hear_until_live(&mut self) -> Vec<WorkloadFacts> {
        let mut facts = Vec::new();
        loop {
            match self.hear().await {
                Observation::Workload(told) => facts.push(*told),
                Observation::Link { system: System::Cluster, link: Link::Live } => return facts,
                Observation::Link { system: System::Cluster, link: Link::Down { .. } } => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn facts(&mut self) -> WorkloadFacts {
        loop {
            if let Observation::Workload(facts) = self.hear().await {
                return *facts;
            }
        }
    }

    /// What is told while the server is mute: that it is down since `second`, again and again.
    async fn hears_nothing_but_silence_since(&mut self, second: i64) {
        for _ in 0..4 {
            match self.hear().await {
                Observation::Link { system: System::Cluster, link: Link::Down { since, cause, .. } } => {
                    assert_eq!((since, cause.as_str()), (at(second), "no answer in time"));
                }
                other => panic!("nothing is known of a mute server: {other:?}"),
            }
        }
    }

    fn n_asked(&self, what: impl Fn(&str) -> bool) -> usize {
        self.server.asked().iter().filter(|path| what(path)).count()
    }
}

fn lists(path: &str) -> bool {
    path.contains("sendInitialEvents=true")
}

#[tokio::test]
async fn of_a_server_that_accepts_and_never_answers_nothing_is_known_until_it_does() {
    let mut watching = Watching::new(Mood::Mute).await;
    watching.hears_nothing_but_silence_since(0).await;
    watching.second.store(600, Ordering::SeqCst);
    watching.hears_nothing_but_silence_since(0).await;
    watching.becomes(Mood::Well { version: 7, replicas: 3 }, 601);
    let mut facts = watching.hear_until_live().await;
    if facts.is_empty() {
        facts.push(watching.facts().await);
    }
    assert_eq!((facts[0].spec_replicas, facts[0].unread.as_deref(), facts[0].gone), (3, None, false));
}

#[tokio::test]
async fn after_a_silence_in_the_middle_of_a_watch_all_is_read_anew_if_the_history_is_gone() {
    let mut watching = Watching::new(Mood::Well { version: 7, replicas: 3 }).await;
    assert_eq!(watching.facts().await.spec_replicas, 3);
    let n_lists = 4; // deployments, their ReplicaSets and pods, and warnings
    soon(async {
        while watching.n_asked(lists) < n_lists {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // The watches stay open and say nothing: only the heartbeat can tell.
    watching.becomes(Mood::Mute, 14);
    let since = loop {
        match watching.hear().await {
            Observation::Link { link: Link::Live, .. } => {}
            Observation::Link { link: Link::Down { since, .. }, .. } => break since,
            other => panic!("nothing is new: {other:?}"),
        }
    };
    let second = since.wall.duration_since(at(0).wall).as_secs();
    assert!((0..=14).contains(&second), "since the last answer: {second}");
    watching.second.store(600, Ordering::SeqCst);
    watching.hears_nothing_but_silence_since(second).await;
    assert_eq!(watching.n_asked(lists), n_lists, "nobody knocks at a server that does not answer");

    watching.becomes(Mood::Well { version: 900, replicas: 5 }, 614);
    let mut facts = watching.hear_until_live().await;
    while facts.last().is_none_or(|facts| facts.spec_replicas != 5) {
        facts.push(watching.facts().await);
    }
    assert!(facts.iter().all(|facts| !facts.gone && facts.unread.is_none()), "{facts:?}");
    let asked = || watching.server.asked();
    // The watch of warnings has no say in the facts, and may come last.
    soon(async {
        while asked().iter().filter(|path| lists(path)).count() < 2 * n_lists {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for listing in asked().iter().filter(|path| lists(path)) {
        let same = |path: &&String| *path == listing;
        assert_eq!(asked().iter().filter(same).count(), 2, "once at first, once on return: {listing}");
    }
    let resumed = watching.n_asked(|path| path.contains("resourceVersion=7"));
    assert_eq!(resumed, n_lists, "each watch asks to go on before it asks for everything");
}
