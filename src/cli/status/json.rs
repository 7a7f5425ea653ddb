//! `--format json`: one object per target, each on a line of its own.

use serde::Serialize;

use super::picture::{Picture, Standing};
use crate::watch::Moment;

/// Raised when a field changes its meaning or goes away; new fields may come at any time.
const SCHEMA: &str = "gonogo.status/1";

/// - Shape: a value that is not known is `null`, never a zero.
#[derive(Debug, Serialize)]
struct Status<'a> {
    schema: &'static str,
    /// `deployment/app`.
    target: String,
    state: &'static str,
    /// The state was true once, and the cluster has been silent since.
    stale: bool,
    /// The deciding field or condition, by its stable name: `status.updatedReplicas`.
    field: &'a str,
    pod: Option<&'a str>,
    container: Option<&'a str>,
    reason: Option<&'a str>,
    /// Kubernetes' own words about the trouble, or else the deciding fact in ours.
    message: &'a str,
    /// Of the container in trouble; of its life before at a crash. Oldest first.
    last_lines: Vec<String>,
    revision: Option<u64>,
    replicas: Option<Replicas>,
    /// How old all of this is, at most. Units: milliseconds.
    age_ms: u64,
}

#[derive(Debug, Serialize)]
struct Replicas {
    desired: u32,
    updated: u32,
    ready: u32,
    available: u32,
    old: u32,
}

/// The whole picture, one line per target, in the order of the command line.
pub(super) fn lines(picture: &Picture, now: Moment) -> String {
    let mut text = String::new();
    for standing in &picture.standings {
        let line = serde_json::to_string(&status(picture, standing, now));
        text.push_str(&line.expect("strings and numbers only, all of which JSON has"));
        text.push('\n');
    }
    text
}

fn status<'a>(picture: &'a Picture, standing: &'a Standing, now: Moment) -> Status<'a> {
    let verdict = &standing.verdict;
    let trouble = verdict.trouble.as_ref();
    let counts = verdict.counts;
    Status {
        schema: SCHEMA,
        target: standing.target.to_string(),
        state: verdict.state.name(),
        stale: picture.is_stale(standing),
        field: verdict.decider,
        pod: trouble.and_then(|trouble| trouble.pod.as_deref()),
        container: trouble.and_then(|trouble| trouble.container.as_deref()),
        reason: trouble.map(|trouble| trouble.reason.as_str()),
        message: standing.message(),
        last_lines: picture.last_lines(standing),
        revision: verdict.revision,
        replicas: standing.is_there().then_some(Replicas {
            desired: counts.desired,
            updated: counts.updated,
            ready: counts.ready,
            available: counts.available,
            old: counts.old,
        }),
        age_ms: u64::try_from(picture.age(standing, now).as_millis()).unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::picture::tests::{at, crashing, facts, one, silent, up};
    use super::*;

    fn told(picture: &Picture, second: i64) -> Value {
        let text = lines(picture, at(second));
        assert_eq!(text.matches('\n').count(), 1, "one object on one line: {text}");
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_object_has_every_field_of_its_schema_and_no_other() {
        let mut picture = one();
        picture.take(crashing(), at(0));
        let told = told(&picture, 0);
        let mut names: Vec<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        let mut wanted = [
            "schema",
            "target",
            "state",
            "stale",
            "field",
            "pod",
            "container",
            "reason",
            "message",
            "last_lines",
            "revision",
            "replicas",
            "age_ms",
        ];
        wanted.sort_unstable();
        assert_eq!(names, wanted);
        assert_eq!(told["schema"], "gonogo.status/1");
        assert_eq!(told["target"], "deployment/app");
        assert_eq!((&told["state"], &told["stale"]), (&"failed".into(), &false.into()));
        assert_eq!((&told["pod"], &told["container"]), (&"app-1".into(), &"app".into()));
        assert_eq!(told["reason"], "CrashLoopBackOff");
        assert_eq!(told["field"], "containerStatuses.waiting.reason");
        assert_eq!(told["revision"], 8);
        let replicas = serde_json::json!({"desired": 1, "updated": 1, "ready": 0, "available": 0, "old": 0});
        assert_eq!(told["replicas"], replicas);
    }

    #[test]
    fn what_is_not_known_is_null_and_never_zero() {
        let told = told(&one(), 3);
        assert_eq!((&told["state"], &told["message"]), (&"unknown".into(), &"not read yet".into()));
        for name in ["pod", "container", "reason", "revision", "replicas"] {
            assert_eq!(told[name], Value::Null, "{name}");
        }
        assert_eq!(told["last_lines"], serde_json::json!([]));
        assert_eq!(told["age_ms"], 3000);
    }

    #[test]
    fn a_silent_cluster_leaves_the_state_as_it_was_and_says_stale_with_its_age() {
        let mut picture = one();
        picture.take(up(facts()), at(0));
        picture.take(silent(0), at(4));
        let told = told(&picture, 30);
        assert_eq!((&told["state"], &told["stale"]), (&"settling".into(), &true.into()));
        assert_eq!(told["age_ms"], 30_000);
    }
}
