//! Core `v1` Pods.

use jiff::{SignedDuration, Timestamp};
use kube::core::ObjectMeta;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::probe::Probe;
use super::resource;
use super::wire::{Meta, WireCondition, conditions, count, lenient_time};
use crate::watch::{ContainerFacts, ContainerState, PodFacts, ProbeFacts, Shared, Termination};

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Pod {
    meta: ObjectMeta,
    pub entry: PodEntry,
}

/// A pod and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PodEntry {
    /// UID of the controlling object.
    pub owner: Option<String>,
    /// Label `controller-revision-hash`: a name for a StatefulSet's pods, a hash for a DaemonSet's.
    pub revision_hash: Option<String>,
    /// Without revision and node trouble until it is joined.
    pub facts: Shared<PodFacts>,
    /// By how much the times of `facts` were moved to our clock.
    pub moved: SignedDuration,
    /// Its place, until the pod or what that rests on changes.
    pub joined: Option<Joined>,
}

/// A pod's place within its workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Joined {
    /// The number of what it rests on.
    pub basis: u64,
    pub is_new: bool,
}

resource!(Pod, "Pod", "", "v1", "pods", NamespaceResourceScope);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    metadata: Meta<Option<Labels>, IgnoredAny>,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct Labels {
    #[serde(rename = "controller-revision-hash")]
    revision_hash: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<String>,
    init_containers: Option<Vec<Container>>,
    containers: Option<Vec<Container>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: String,
    readiness_probe: Option<Probe>,
    startup_probe: Option<Probe>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    reason: Option<String>,
    conditions: Option<Vec<WireCondition>>,
    init_container_statuses: Option<Vec<ContainerStatus>>,
    container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: String,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
    #[serde(rename = "imageID")]
    image_id: Option<String>,
    ready: bool,
    started: Option<bool>,
    restart_count: Option<i64>,
    state: State,
    last_state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    waiting: Option<Reasoned>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reasoned {
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Running {
    #[serde(deserialize_with = "lenient_time")]
    started_at: Option<Timestamp>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    exit_code: i32,
    reason: Option<String>,
    message: Option<String>,
    #[serde(deserialize_with = "lenient_time")]
    finished_at: Option<Timestamp>,
}

impl From<Terminated> for Termination {
    fn from(wire: Terminated) -> Self {
        Self {
            exit_code: wire.exit_code,
            reason: wire.reason.unwrap_or_default(),
            message: wire.message.unwrap_or_default(),
            finished: wire.finished_at,
        }
    }
}

impl From<State> for ContainerState {
    fn from(wire: State) -> Self {
        match wire {
            State { terminated: Some(end), .. } => Self::Terminated(end.into()),
            State { running: Some(running), .. } => Self::Running { since: running.started_at },
            State { waiting, .. } => {
                let Reasoned { reason, message } = waiting.unwrap_or_default();
                Self::Waiting { reason: reason.unwrap_or_default(), message: message.unwrap_or_default() }
            }
        }
    }
}

fn containers(
    specs: Option<Vec<Container>>,
    statuses: Option<Vec<ContainerStatus>>,
    init: bool,
) -> impl Iterator<Item = ContainerFacts> {
    let mut specs = specs.unwrap_or_default();
    statuses.unwrap_or_default().into_iter().map(move |status| {
        let spec = specs.iter_mut().find(|spec| spec.name == status.name);
        let (readiness, startup) =
            spec.map(|spec| (spec.readiness_probe.take(), spec.startup_probe.take())).unwrap_or_default();
        ContainerFacts {
            name: status.name,
            init,
            container_id: status.container_id.unwrap_or_default(),
            image_id: status.image_id.unwrap_or_default(),
            ready: status.ready,
            started: status.started.unwrap_or(status.ready),
            restarts: count(status.restart_count),
            state: status.state.into(),
            last_end: status.last_state.terminated.map(Termination::from),
            readiness: readiness.map(ProbeFacts::from),
            startup: startup.map(ProbeFacts::from),
        }
    })
}

impl From<Wire> for Pod {
    fn from(wire: Wire) -> Self {
        let Wire { metadata: meta, spec, status } = wire;
        let conditions = conditions(status.conditions);
        let condition = |kind: &str| conditions.iter().find(|condition| condition.kind == kind);
        let ready = condition("Ready");
        let unschedulable = condition("PodScheduled")
            .filter(|condition| condition.status == "False" && condition.reason == "Unschedulable")
            .map(|condition| condition.message.clone());
        let entry = PodEntry {
            owner: meta.owner(),
            facts: Shared::from(PodFacts {
                revision: None,
                phase: status.phase.unwrap_or_default(),
                reason: status.reason,
                ready: ready.is_some_and(|ready| ready.status == "True"),
                ready_since: ready.and_then(|ready| ready.last_update),
                created: meta.creation_timestamp,
                ending: meta.deletion_timestamp.is_some(),
                node: spec.node_name.filter(|name| !name.is_empty()),
                node_trouble: None,
                unschedulable,
                containers: containers(spec.init_containers, status.init_container_statuses, true)
                    .chain(containers(spec.containers, status.container_statuses, false))
                    .collect(),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
            }),
            revision_hash: None,
            moved: SignedDuration::ZERO,
            joined: None,
        };
        let thin = meta.thin();
        let revision_hash = meta.labels.and_then(|labels| labels.revision_hash);
        Self { meta: thin, entry: PodEntry { revision_hash, ..entry } }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pod_is_read_with_its_crash() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "app-1", "uid": "u", "resourceVersion": "7", "managedFields": [{"x": 1}],
                "creationTimestamp": "2026-11-22T14:00:00Z", "deletionTimestamp": null, "labels": null,
                "ownerReferences": [{"uid": "rs", "controller": true, "kind": "ReplicaSet"}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "app"}]},
            "status": {"phase": "Running",
                "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": "not a time"}],
                "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"name": "app", "containerID": "containerd://1", "restartCount": 3,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}]}
        }))
        .unwrap();
        assert_eq!(pod.meta.resource_version.as_deref(), Some("7"));
        assert_eq!(pod.entry.owner.as_deref(), Some("rs"));
        let facts = pod.entry.facts;
        assert_eq!(facts.containers.len(), 2);
        assert!(facts.containers[0].init);
        let app = &facts.containers[1];
        assert_eq!((app.restarts, app.last_end.as_ref().unwrap().exit_code), (3, 137));
        assert_eq!(
            app.state,
            ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }
        );
        assert_eq!(facts.ready_since, None, "an unreadable time is unknown");
        assert!(!facts.ending);
    }

    #[test]
    fn probes_and_the_revision_label_are_read_from_where_they_stand() {
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "db-0", "labels": {"app": "db", "controller-revision-hash": "db-78f"}},
            "spec": {"containers": [{"name": "log"},
                {"name": "app", "readinessProbe": {"httpGet": {"path": "/health", "port": 8080},
                    "periodSeconds": 5, "initialDelaySeconds": 3}}],
                "initContainers": [{"name": "proxy", "restartPolicy": "Always",
                    "startupProbe": {"tcpSocket": {"port": 15000}, "failureThreshold": 30}}]},
            "status": {"initContainerStatuses": [{"name": "proxy", "started": true}],
                "containerStatuses": [{"name": "app"}, {"name": "log"}]}
        }))
        .unwrap();
        assert_eq!(pod.entry.revision_hash.as_deref(), Some("db-78f"));
        let [proxy, app, log] = &pod.entry.facts.containers[..] else { panic!("three containers") };
        assert_eq!(proxy.startup.as_ref().map(|probe| probe.failure_threshold), Some(30));
        let readiness = app.readiness.as_ref().unwrap();
        assert_eq!((readiness.initial_delay_s, readiness.period_s, readiness.timeout_s), (3, 5, 1));
        assert_eq!(readiness.what, "GET :8080/health");
        assert_eq!((&log.readiness, &log.startup), (&None, &None));
    }
}
