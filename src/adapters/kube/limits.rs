//! What may not be read, told once and with what follows from it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::Sender;

use super::error::Cause;
use super::told::{Refusal, Told};
use crate::watch::{Observation, Preflight};

/// Remembers what was told, so that a watch that is refused again and again is news once.
#[derive(Clone)]
pub(super) struct Limits {
    out: Sender<Observation>,
    known: Arc<Mutex<BTreeMap<String, Refusal>>>,
}

impl Limits {
    pub fn new(out: Sender<Observation>) -> Self {
        Self { out, known: Arc::default() }
    }

    /// Takes note of what a watch of `plural` said; `namespace` is empty for the whole cluster.
    pub async fn heard<V>(&self, plural: &str, namespace: &str, told: &Told<V>) {
        let Some(line) = self.news(plural, namespace, told) else { return };
        // Nobody listens any more when the loop has ended.
        let _ = self.out.send(Observation::Limit(line)).await;
    }

    fn news<V>(&self, plural: &str, namespace: &str, told: &Told<V>) -> Option<Preflight> {
        let what = match namespace {
            "" => plural.to_owned(),
            namespace => format!("{plural} in {namespace}"),
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match told {
            // Every Kubernetes has nodes; what has none is a rehearsal.
            Told::Refused(refusal) if plural == "nodes" && refusal.cause == Cause::NotFound => None,
            Told::Refused(refusal) if known.get(&what) != Some(refusal) => {
                known.insert(what.clone(), refusal.clone());
                let why = match refusal.cause {
                    Cause::Forbidden => format!("may not list {plural}"),
                    Cause::NotFound => format!("this cluster knows no {plural}"),
                    cause => format!("{plural}: {}", cause.words()),
                };
                tracing::info!(detail = %refusal.detail, "{why}");
                Some(Preflight::limited(what, format!("{why}: {}", consequence(plural))))
            }
            Told::Synced | Told::Changed(_) if known.remove(&what).is_some() => {
                Some(Preflight::fine(what, format!("{plural} can be read now")))
            }
            _ => None,
        }
    }
}

/// What a person will miss.
pub(super) fn consequence(plural: &str) -> &'static str {
    match plural {
        "pods" => "no pod is shown, and a failure is seen late or not at all",
        "pods/log" => "the log pane stays empty",
        "events" => "reasons such as failed pulls and probes are missing",
        "nodes" => "a pod's trouble is not told from that of its node",
        "replicasets" | "controllerrevisions" => "new pods are not told from old ones",
        "analysisruns" => "analyses are not shown",
        _ => "its rollout stays unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_that_repeats_itself_is_told_once_and_its_end_too() {
        let (out, _told) = tokio::sync::mpsc::channel(1);
        let limits = Limits::new(out);
        let refused =
            || Told::<()>::Refused(Refusal { cause: Cause::Forbidden, detail: "user may not".into() });
        let line = limits.news("nodes", "", &refused()).unwrap();
        assert_eq!(line.detail, "may not list nodes: a pod's trouble is not told from that of its node");
        assert_eq!(limits.news("nodes", "", &refused()), None);
        assert_eq!(limits.news("nodes", "", &Told::<()>::Restart), None);
        assert_eq!(
            limits.news("nodes", "", &Told::<()>::Synced),
            Some(Preflight::fine("nodes", "nodes can be read now"))
        );
        assert_eq!(limits.news("nodes", "", &Told::<()>::Synced), None);
        assert!(limits.news("nodes", "", &refused()).is_some(), "a right that was taken away again");
    }
}
