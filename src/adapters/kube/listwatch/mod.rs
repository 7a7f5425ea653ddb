//! A watch that outlives everything: it begins with all there is, goes on from where it was, and
//! asks for everything anew only when the server no longer knows that place.
//!
//! Written on the bare requests because an outage is decided by what a ready-made watcher hides:
//! where to go on after a break (a list of everything by every watch of every client is what brings
//! a recovering server down again), and how long a busy server wants to be left alone. It also
//! reads each object straight from the bytes of its line.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures::stream::Stream;
use kube::api::{ListParams, WatchParams};
use kube::core::Request;
use kube::{Client, Resource};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::time::sleep;

use super::answer::{Answer, Failure, Refused};
use super::error::Cause;
use super::told::{Refusal, Told};

const BACKOFF_FIRST: Duration = Duration::from_millis(300);
const BACKOFF_LAST: Duration = Duration::from_secs(15);
/// A right is not given, nor a kind installed, while somebody waits for it.
const REFUSED: Duration = Duration::from_secs(60);
/// The server ends a watch after this long. Units: seconds; proxies cut idle ones at five minutes.
const LIFETIME: u32 = 290;
/// A watch whose end does not come either is dead.
const IDLE: Duration = Duration::from_secs(LIFETIME as u64 + 5);
/// Between two pieces of a listing.
const LISTING: Duration = Duration::from_secs(30);
/// Objects to a page, for servers that cannot list within a watch.
const PAGE: u32 = 500;
const LARGEST_PAGE: usize = 256 << 20;

/// The client, and the news that the cluster is back.
#[derive(Clone)]
pub(super) struct Source {
    pub client: Client,
    pub recoveries: watch::Receiver<u64>,
}

/// Watches without end: `path` is that of the collection.
pub(super) fn endless<K>(
    source: &Source,
    path: String,
    fields: Option<&str>,
    labels: Option<&str>,
) -> impl Stream<Item = Told<K>> + Send + use<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    let watch = Endless {
        source: source.clone(),
        request: Request::new(path),
        fields: fields.map(str::to_owned),
        labels: labels.map(str::to_owned),
        phase: Phase::Idle,
        version: None,
        streams_lists: true,
        has_news: false,
        n_failures: 0,
        n_gone: 0,
        pause: None,
    };
    futures::stream::unfold(watch, |mut watch| async move {
        let told = watch.next().await;
        Some((told, watch))
    })
}

struct Endless<K> {
    source: Source,
    request: Request,
    fields: Option<String>,
    labels: Option<String>,
    phase: Phase<K>,
    /// Where to go on; `None` when everything must be told anew.
    version: Option<String>,
    /// Whether the server tells what there is at the beginning of a watch, as it does since 1.32.
    streams_lists: bool,
    /// Whether this connection brought anything yet.
    has_news: bool,
    n_failures: u32,
    /// How often in a row the place to go on from was lost before anything was heard from it.
    n_gone: u32,
    pause: Option<Duration>,
}

enum Phase<K> {
    Idle,
    /// A watch that begins with everything, up to a mark.
    Opening(Answer),
    Watching(Answer),
    Paging {
        /// The page that was read last, still to be told.
        items: VecDeque<K>,
        next: Option<String>,
        version: String,
    },
}

#[derive(Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
enum Line<K> {
    Added(K),
    Modified(K),
    Deleted(K),
    Bookmark(Bookmark),
    Error(Refused),
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: Mark,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mark {
    resource_version: String,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize, Default)]
struct Annotations {
    #[serde(rename = "k8s.io/initial-events-end")]
    end: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Page<K> {
    metadata: PageMark,
    items: Option<Vec<K>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct PageMark {
    resource_version: String,
    #[serde(rename = "continue")]
    next: String,
}

impl<K> Endless<K>
where
    K: Resource<DynamicType = ()> + DeserializeOwned + Send + 'static,
{
    async fn next(&mut self) -> Told<K> {
        loop {
            let mut recoveries = self.source.recoveries.clone();
            let step = tokio::select! {
                step = self.step() => Some(step),
                () = woken(&mut recoveries) => None,
            };
            self.source.recoveries = recoveries;
            match step {
                Some(Ok(Some(told))) => return told,
                Some(Ok(None)) => {}
                Some(Err(failure)) => {
                    if let Some(told) = self.failed(failure) {
                        return told;
                    }
                }
                // A connection from before the break may be dead without knowing it.
                None => {
                    self.phase = Phase::Idle;
                    self.pause = None;
                }
            }
        }
    }

    /// Goes one step on; may be dropped at any point, and then goes on from there.
    async fn step(&mut self) -> Result<Option<Told<K>>, Failure> {
        if let Some(pause) = self.pause {
            sleep(pause).await;
            self.pause = None;
        }
        match &mut self.phase {
            Phase::Idle => self.begin().await,
            Phase::Opening(_) => self.opening().await,
            Phase::Watching(_) => self.watching().await,
            Phase::Paging { .. } => self.paging().await,
        }
    }

    async fn begin(&mut self) -> Result<Option<Told<K>>, Failure> {
        self.has_news = false;
        match (self.version.clone(), self.streams_lists) {
            (Some(version), _) => {
                let answer = Answer::to(&self.source.client, self.watch(&version)).await?;
                self.phase = Phase::Watching(answer);
                Ok(None)
            }
            (None, true) => match Answer::to(&self.source.client, self.watch("")).await {
                Ok(answer) => {
                    self.phase = Phase::Opening(answer);
                    Ok(Some(Told::Restart))
                }
                Err(failure) if matches!(failure.code, 400 | 422) => {
                    self.streams_lists = false;
                    Ok(None)
                }
                Err(failure) => Err(failure),
            },
            (None, false) => {
                self.phase = Phase::Paging {
                    items: VecDeque::new(),
                    next: Some(String::new()),
                    version: String::new(),
                };
                Ok(Some(Told::Restart))
            }
        }
    }

    /// The request for a watch; an empty version asks for everything there is first.
    fn watch(&self, version: &str) -> Result<http::Request<Vec<u8>>, kube::core::request::Error> {
        let parameters = WatchParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            timeout: Some(LIFETIME),
            bookmarks: true,
            send_initial_events: version.is_empty(),
        };
        self.request.watch(&parameters, version)
    }

    async fn opening(&mut self) -> Result<Option<Told<K>>, Failure> {
        let Phase::Opening(answer) = &mut self.phase else { return Ok(None) };
        let line = match answer.line(LISTING).await {
            Ok(Some(line)) => read::<K>(line)?,
            Ok(None) => return Err(Failure::of(Cause::Broken, "the listing broke off")),
            Err(failure) if failure.cause == Cause::TimedOut && self.n_failures > 0 => {
                // Older servers take the question for an ordinary watch, and never mark the end.
                self.streams_lists = false;
                return Err(failure);
            }
            Err(failure) => return Err(failure),
        };
        match line {
            Line::Added(object) | Line::Modified(object) => Ok(Some(Told::Listed(object))),
            Line::Bookmark(bookmark) if bookmark.metadata.annotations.end.is_some() => {
                let Phase::Opening(answer) = std::mem::replace(&mut self.phase, Phase::Idle) else {
                    return Ok(None);
                };
                self.version = Some(bookmark.metadata.resource_version);
                self.phase = Phase::Watching(answer);
                self.n_failures = 0;
                Ok(Some(Told::Synced))
            }
            Line::Bookmark(_) => Ok(None),
            // What went while the listing was under way.
            Line::Deleted(object) => Ok(Some(Told::Removed(object))),
            Line::Error(refused) => Err(refused.into()),
        }
    }

    async fn watching(&mut self) -> Result<Option<Told<K>>, Failure> {
        let Phase::Watching(answer) = &mut self.phase else { return Ok(None) };
        let Some(line) = answer.line(IDLE).await? else {
            self.phase = Phase::Idle;
            if self.has_news {
                return Ok(None);
            }
            // A server that hangs up at once must not be called in a circle.
            return Err(Failure::of(Cause::Broken, "the watch ended before it began"));
        };
        let line = read::<K>(line)?;
        if !matches!(line, Line::Error(_)) {
            self.has_news = true;
            self.n_failures = 0;
            self.n_gone = 0;
        }
        let (version, told) = match line {
            Line::Added(object) | Line::Modified(object) => {
                (version_of(&object)?, Some(Told::Changed(object)))
            }
            Line::Deleted(object) => (version_of(&object)?, Some(Told::Removed(object))),
            Line::Bookmark(bookmark) => (bookmark.metadata.resource_version, None),
            Line::Error(refused) => return Err(refused.into()),
        };
        self.version = Some(version);
        Ok(told)
    }

    async fn paging(&mut self) -> Result<Option<Told<K>>, Failure> {
        let Phase::Paging { items, next, version } = &mut self.phase else { return Ok(None) };
        if let Some(object) = items.pop_front() {
            return Ok(Some(Told::Listed(object)));
        }
        let Some(token) = next.clone() else {
            self.version = Some(std::mem::take(version));
            self.phase = Phase::Idle;
            self.n_failures = 0;
            return Ok(Some(Told::Synced));
        };
        let parameters = ListParams {
            label_selector: self.labels.clone(),
            field_selector: self.fields.clone(),
            limit: Some(PAGE),
            continue_token: (!token.is_empty()).then_some(token),
            ..ListParams::default()
        };
        let mut answer = Answer::to(&self.source.client, self.request.list(&parameters)).await?;
        let body = answer.whole(LARGEST_PAGE, LISTING).await?;
        let page: Page<K> = serde_json::from_slice(&body).map_err(|error| unreadable(&error))?;
        if page.metadata.resource_version.is_empty() {
            return Err(Failure::of(Cause::Answer, "no resource version in the answer"));
        }
        *items = page.items.unwrap_or_default().into();
        *version = page.metadata.resource_version;
        *next = Some(page.metadata.next).filter(|token| !token.is_empty());
        Ok(None)
    }

    /// Decides when to try again, and from where; `None` when that is nobody's concern.
    fn failed(&mut self, failure: Failure) -> Option<Told<K>> {
        let was_listing = matches!(self.phase, Phase::Opening(_) | Phase::Paging { .. });
        self.phase = Phase::Idle;
        let plural = K::plural(&());
        if failure.is_gone() {
            self.version = None;
            self.n_gone = self.n_gone.saturating_add(1);
            self.pause = Some(backoff(self.n_gone).max(failure.retry_after.unwrap_or_default()));
            tracing::info!(
                "watch of {plural}: what it went on from is no longer kept: everything is read anew"
            );
            return None;
        }
        if matches!(failure.cause, Cause::Forbidden | Cause::NotFound) {
            self.version = None;
            self.pause = Some(REFUSED);
            return Some(Told::Refused(Refusal { cause: failure.cause, detail: failure.detail }));
        }
        if failure.cause == Cause::Answer {
            // Going on from the same place would meet the same answer.
            self.version = None;
        }
        self.n_failures = self.n_failures.saturating_add(1);
        self.pause = Some(backoff(self.n_failures).max(failure.retry_after.unwrap_or_default()));
        let what = if was_listing { "listing" } else { "watch" };
        tracing::warn!("{what} of {plural}: {}: {}", failure.cause.words(), failure.detail);
        Some(Told::Failed)
    }
}

fn read<K: DeserializeOwned>(line: &[u8]) -> Result<Line<K>, Failure> {
    serde_json::from_slice(line).map_err(|error| unreadable(&error))
}

/// Where it could not be read, without what stands there: that may be anything.
fn unreadable(error: &serde_json::Error) -> Failure {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "cut off",
        serde_json::error::Category::Syntax => "no JSON",
        _ => "not what we expect",
    };
    Failure::of(Cause::Answer, format!("{what} at column {}", error.column()))
}

fn version_of<K: Resource>(object: &K) -> Result<String, Failure> {
    let version = object.meta().resource_version.clone().filter(|version| !version.is_empty());
    version.ok_or_else(|| Failure::of(Cause::Answer, "an object without resource version"))
}

/// Waits until the cluster is back after a break.
pub(super) async fn woken(recoveries: &mut watch::Receiver<u64>) {
    if recoveries.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Doubles up to a ceiling; jitter between half and whole keeps many watches from knocking at once.
pub(super) fn backoff(n_failures: u32) -> Duration {
    let whole = BACKOFF_FIRST.saturating_mul(1 << n_failures.clamp(1, 8).saturating_sub(1)).min(BACKOFF_LAST);
    let dice = (RandomState::new().hash_one(n_failures) % 1000) as u32;
    whole / 2 + whole * dice / 2000
}
