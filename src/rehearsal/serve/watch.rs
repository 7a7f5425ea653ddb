//! Watches: changes as lines of JSON, from a resource version on.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::kube::{Parameters, stream_answer};
use super::selector::Selector;
use super::{Shared, status, table};
use crate::rehearsal::sim::World;
use crate::rehearsal::sim::change::Refusal;
use crate::rehearsal::sim::store::{Change, ChangeKind, Kind};

/// A quiet watch gets a bookmark this often.
const BOOKMARK_EVERY: Duration = Duration::from_secs(10);
/// The server ends a watch that names no end of its own.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What a client wants to watch.
#[derive(Debug)]
pub struct Wish {
    kind: Kind,
    namespace: String,
    selector: Selector,
    start: Start,
    bookmarks: bool,
    lasting: Duration,
    /// The `includeObject` of a client that wants tables.
    table: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Everything there is first, then changes; with a bookmark between them when asked.
    Everything {
        marked: bool,
    },
    After(u64),
}

impl Wish {
    pub fn read(
        parameters: &Parameters,
        kind: Kind,
        namespace: &str,
        selector: Selector,
        table: Option<String>,
    ) -> Result<Self, Refusal> {
        let parameter = |name: &str| parameters.get(name).map_or("", String::as_str);
        let flag = |name: &str| matches!(parameter(name), "true" | "1");
        let version = parameter("resourceVersion");
        let start = match version {
            _ if flag("sendInitialEvents") => Start::Everything { marked: true },
            "" | "0" => Start::Everything { marked: false },
            version => Start::After(version.parse().map_err(|_| {
                Refusal::BadRequest(format!(
                    "resourceVersion: Invalid value: {version:?}: it is not a number"
                ))
            })?),
        };
        let lasting = parameter("timeoutSeconds").parse().map_or(LONGEST, Duration::from_secs);
        let bookmarks = flag("allowWatchBookmarks");
        Ok(Self { kind, namespace: namespace.into(), selector, start, bookmarks, lasting, table })
    }
}

pub fn answer(shared: &Arc<Shared>, wish: Wish) -> Response {
    let end = Instant::now() + wish.lasting;
    let watch = Watch {
        shared: shared.clone(),
        versions: shared.versions(),
        cursor: None,
        end,
        over: false,
        headed: false,
        wish,
    };
    let lines = stream::unfold(watch, |mut watch| async move {
        let chunk = watch.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), watch))
    });
    stream_answer("application/json", Body::from_stream(lines))
}

struct Watch {
    shared: Arc<Shared>,
    versions: tokio::sync::watch::Receiver<u64>,
    wish: Wish,
    /// The last version told; `None` before the first chunk.
    cursor: Option<u64>,
    end: Instant,
    over: bool,
    /// Whether a table with its header was sent.
    headed: bool,
}

impl Watch {
    /// The next lines; `None` at the end of the watch.
    async fn next(&mut self) -> Option<String> {
        if self.over {
            return None;
        }
        loop {
            self.versions.mark_unchanged();
            let text = self.collect();
            if !text.is_empty() {
                return Some(text);
            }
            let changed = tokio::select! {
                changed = self.versions.changed() => changed.is_ok(),
                () = tokio::time::sleep(BOOKMARK_EVERY), if self.wish.bookmarks => {
                    return Some(self.bookmark(false));
                }
                () = tokio::time::sleep_until(self.end) => false,
                () = self.shared.closing.cancelled() => false,
            };
            if !changed {
                return None;
            }
        }
    }

    fn collect(&mut self) -> String {
        let shared = self.shared.clone();
        shared.look(|world| match (self.cursor, self.wish.start) {
            (None, Start::Everything { marked }) => self.everything(world, marked),
            (None, Start::After(version)) => self.changes(world, version),
            (Some(cursor), _) => self.changes(world, cursor),
        })
    }

    fn everything(&mut self, world: &World, marked: bool) -> String {
        let mut text = String::new();
        let objects: Vec<Arc<Value>> = world
            .store()
            .list(self.wish.kind, &self.wish.namespace)
            .filter(|(_, object)| self.wish.selector.matches(object))
            .map(|(_, object)| object.clone())
            .collect();
        for object in objects {
            text += &self.line(world, "ADDED", &object);
        }
        self.cursor = Some(world.store().version());
        if marked {
            text += &self.bookmark(true);
        }
        text
    }

    fn changes(&mut self, world: &World, after: u64) -> String {
        let changes = match world.store().changes_after(after) {
            Ok(changes) => changes,
            Err(too_old) => {
                self.over = true;
                return line("ERROR", &status::expired(after, too_old.oldest));
            }
        };
        let mut text = String::new();
        let mut cursor = after;
        for change in changes {
            cursor = change.version;
            if let Some(kind) = self.sees(change) {
                text += &self.line(world, kind, &change.object);
            }
        }
        self.cursor = Some(cursor);
        text
    }

    /// The kind of event that a change is for this watch: an object that leaves the selection is
    /// deleted for its watchers.
    fn sees(&self, change: &Change) -> Option<&'static str> {
        let place = change.key.kind == self.wish.kind
            && (self.wish.namespace.is_empty() || change.key.namespace == self.wish.namespace);
        if !place {
            return None;
        }
        let selector = &self.wish.selector;
        let was = change.before.as_ref().is_some_and(|before| selector.matches(before));
        let is = change.kind != ChangeKind::Deleted && selector.matches(&change.object);
        match (was, is) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn line(&mut self, world: &World, kind: &str, object: &Value) -> String {
        let Some(include) = &self.wish.table else { return line(kind, object) };
        let header = !std::mem::replace(&mut self.headed, true);
        let version = world.store().version();
        line(kind, &table::table(self.wish.kind, &[object], version, world.now(), include, header))
    }

    fn bookmark(&self, initial_end: bool) -> String {
        let mut metadata = json!({"resourceVersion": self.cursor.unwrap_or_default().to_string()});
        if initial_end {
            metadata["annotations"] = json!({"k8s.io/initial-events-end": "true"});
        }
        let kind = self.wish.kind;
        line(
            "BOOKMARK",
            &json!({"kind": kind.as_str(), "apiVersion": kind.api_version(), "metadata": metadata}),
        )
    }
}

fn line(kind: &str, object: &Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}
