//! Whether a log was rotated while it was followed.
//!
//! The kubelet's follower turns to the new file as soon as that is there, while the runtime may still
//! write to the old one: lines of that moment come in no stream, and of a rotated log the kubelet
//! serves nothing. Nothing in the stream shows it; the first line of the log does, which is another one
//! then. Seen on Kubernetes 1.36: 29 of 140 000 lines, in one of four rotations.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{AsyncReadExt as _, FutureExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, LogParams};
use tokio::time::{Instant, timeout};

use super::lines;
use crate::watch::LogMark;

/// The kubelet looks at sizes every ten seconds, and not more often than every three.
const UNDER_LOAD: Duration = Duration::from_secs(2);
/// Units: bytes. A log is not rotated for less.
const LOAD: usize = 1 << 20;
const AT_EASE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(10);
/// Units: bytes. A time and a little more.
const HEAD: i64 = 64;

/// What is known of the first line of one life's log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotation {
    /// Its time, and that of the newest line that had come when it was asked for. Units: nanoseconds
    /// since the epoch.
    head_ns: Option<i64>,
    newest_ns: i64,
    /// The same of what is being asked for.
    asking_ns: i64,
    /// Bytes that came since it was looked at.
    n_bytes: usize,
    looked: Instant,
}

/// What the first line of a log is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    At(i64),
    /// It has none.
    Empty,
    /// It could not be asked for.
    Unknown,
}

impl Rotation {
    pub fn new() -> Self {
        Self { head_ns: None, newest_ns: i64::MIN, asking_ns: i64::MIN, n_bytes: 0, looked: Instant::now() }
    }

    /// A log is read from its beginning, and this is its first line.
    pub fn begins(&mut self, head_ns: i64) {
        if self.head_ns.is_none() {
            (self.head_ns, self.newest_ns) = (Some(head_ns), head_ns);
        }
    }

    /// A gap was told: whatever is found next is no news.
    pub fn forget(&mut self) {
        self.head_ns = None;
    }

    /// Takes note of bytes that came; when to look, at the latest.
    pub fn came(&mut self, n_bytes: usize) -> Instant {
        self.n_bytes += n_bytes;
        let is_urgent = self.n_bytes >= LOAD || self.head_ns.is_none();
        self.looked + if is_urgent { UNDER_LOAD } else { AT_EASE }
    }

    /// Whether anything came that a rotation could have cost lines of.
    pub fn is_due(&self) -> bool {
        self.n_bytes > 0
    }

    /// Begins to look; `newest_ns` is the time of the newest line that came.
    pub fn look(
        &mut self,
        api: Api<Pod>,
        pod: String,
        container: String,
        newest_ns: Option<i64>,
    ) -> BoxFuture<'static, Head> {
        self.asking_ns = newest_ns.unwrap_or(i64::MIN);
        self.n_bytes = 0;
        self.looked = Instant::now();
        async move {
            let params = LogParams {
                container: Some(container),
                timestamps: true,
                limit_bytes: Some(HEAD),
                ..LogParams::default()
            };
            let mut head = Vec::new();
            let reading = async {
                // Not every kubelet keeps to the limit, and this log may have no end.
                let stream = api.log_stream(&pod, &params).await.ok()?;
                stream.take(HEAD.unsigned_abs()).read_to_end(&mut head).await.ok()
            };
            match timeout(PATIENCE, reading).await {
                Ok(Some(0)) => Head::Empty,
                Ok(Some(_)) => lines::time_of(&head).map_or(Head::Unknown, Head::At),
                _ => Head::Unknown,
            }
        }
        .boxed()
    }

    /// Takes the answer; the mark that is due when the log was rotated since the last one.
    pub fn found(&mut self, head: Head) -> Option<LogMark> {
        let found = match head {
            Head::Unknown => return None,
            Head::Empty => None,
            Head::At(ns) => Some(ns),
        };
        let known = std::mem::replace(&mut self.head_ns, found);
        let newest_ns = std::mem::replace(&mut self.newest_ns, self.asking_ns);
        // A server that forgets old lines one by one has a new first line, too, but an old one.
        if known? == found.unwrap_or(i64::MAX) || found.is_some_and(|ns| ns <= newest_ns) {
            return None;
        }
        let at = found.and_then(|ns| Timestamp::from_nanosecond(ns.into()).ok());
        let at = at.map(|at| at.strftime(" at %H:%M:%S UTC").to_string()).unwrap_or_default();
        let why = format!("the node rotated the log{at} and may have left out lines of that moment");
        Some(LogMark::Lost { lines: 0, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::kube::testing::{Reply, Server, soon};

    const SECOND: i64 = 1_000_000_000;

    #[tokio::test]
    async fn each_rotation_is_told_once() {
        let mut rotation = Rotation::new();
        rotation.begins(5 * SECOND);
        assert_eq!(rotation.found(Head::At(5 * SECOND)), None);
        let Some(LogMark::Lost { lines: 0, why }) = rotation.found(Head::At(7 * SECOND)) else { panic!() };
        assert_eq!(
            why,
            "the node rotated the log at 00:00:07 UTC and may have left out lines of that moment"
        );
        assert_eq!(rotation.found(Head::At(7 * SECOND)), None);
        assert!(rotation.found(Head::Empty).is_some());
        assert_eq!(rotation.found(Head::At(9 * SECOND)), None, "the first line of the log that was empty");
    }

    #[tokio::test]
    async fn a_server_that_forgets_old_lines_has_not_rotated_anything() {
        let mut rotation = Rotation::new();
        rotation.begins(SECOND);
        (rotation.newest_ns, rotation.asking_ns) = (90 * SECOND, 110 * SECOND);
        assert_eq!(rotation.found(Head::At(50 * SECOND)), None);
        assert!(rotation.found(Head::At(111 * SECOND)).is_some());
    }

    #[tokio::test]
    async fn what_is_not_known_is_no_rotation() {
        let mut rotation = Rotation::new();
        assert_eq!(rotation.found(Head::At(SECOND)), None, "nothing to compare with");
        assert_eq!(rotation.found(Head::Unknown), None);
        rotation.forget();
        assert_eq!(rotation.found(Head::At(3 * SECOND)), None, "a gap was told already");
    }

    #[tokio::test]
    async fn a_server_that_knows_no_limit_is_not_read_to_the_end() {
        let log = format!("{}\n", "1970-01-01T00:00:09Z a line as long as a line of a log is now and then");
        let server = Server::start(move |_, _| Reply::ok(log.clone()).hanging()).await;
        let api = Api::namespaced(server.client(), "shop");
        let head = soon(Rotation::new().look(api, "app-1".into(), "app".into(), None)).await;
        assert!(matches!(head, Head::At(ns) if ns == 9 * SECOND), "{head:?}");
        assert!(server.asked()[0].contains("limitBytes=64"));
    }

    #[tokio::test]
    async fn a_log_that_grows_fast_is_looked_at_more_often() {
        let mut rotation = Rotation::new();
        rotation.begins(SECOND);
        assert!(!rotation.is_due());
        assert_eq!(rotation.came(100) - rotation.looked, AT_EASE);
        assert_eq!(rotation.came(LOAD) - rotation.looked, UNDER_LOAD);
        assert!(rotation.is_due());
    }
}
