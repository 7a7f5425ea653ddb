//! Kubernetes objects cut down to what a rollout needs, turned into our facts while they are read.
//!
//! A pod as the server sends it is several kilobytes, half of it bookkeeping of who wrote which
//! field; with thousands of pods that is what a watcher spends its time and memory on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::watch::template;
use crate::watch::{
    Condition, ContainerFacts, ContainerState, Image, PodFacts, RevisionFacts, Termination, UpdateStrategy,
    WarningEvent,
};

/// Declares a kind that the watcher can list and watch.
macro_rules! resource {
    ($name:ident, $kind:literal, $group:literal, $plural:literal) => {
        impl Resource for $name {
            type DynamicType = ();
            type Scope = NamespaceResourceScope;

            fn kind(_: &()) -> Cow<'_, str> {
                $kind.into()
            }
            fn group(_: &()) -> Cow<'_, str> {
                $group.into()
            }
            fn version(_: &()) -> Cow<'_, str> {
                "v1".into()
            }
            fn plural(_: &()) -> Cow<'_, str> {
                $plural.into()
            }
            fn meta(&self) -> &ObjectMeta {
                &self.meta
            }
            fn meta_mut(&mut self) -> &mut ObjectMeta {
                &mut self.meta
            }
        }
    };
}

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "wire::Deployment")]
pub(super) struct Deployment {
    meta: ObjectMeta,
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub observed_generation: Option<i64>,
    pub paused: bool,
    pub strategy: UpdateStrategy,
    pub spec_replicas: u32,
    pub replicas: u32,
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    pub revision: Option<u64>,
    pub template_print: String,
    pub images: Vec<Image>,
    pub conditions: Vec<Condition>,
    pub progress_deadline_s: Option<u32>,
    pub min_ready_s: u32,
    pub max_surge: Option<String>,
    pub max_unavailable: Option<String>,
    pub gitops_owner: Option<String>,
    /// As a label query; `None` when it cannot be written as one or would match everything.
    pub selector: Option<String>,
    /// The whole pod template, as the server holds it.
    pub template: Value,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "wire::ReplicaSet")]
pub(super) struct ReplicaSet {
    meta: ObjectMeta,
    /// UID of the controlling object.
    pub owner: Option<String>,
    pub facts: RevisionFacts,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "wire::Pod")]
pub(super) struct Pod {
    meta: ObjectMeta,
    /// UID of the controlling object.
    pub owner: Option<String>,
    pub facts: PodFacts,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "wire::Event")]
pub(super) struct Warning {
    meta: ObjectMeta,
    pub facts: WarningEvent,
}

resource!(Deployment, "Deployment", "apps", "deployments");
resource!(ReplicaSet, "ReplicaSet", "apps", "replicasets");
resource!(Pod, "Pod", "", "pods");
resource!(Warning, "Event", "", "events");

/// Names the GitOps tool that owns an object and would undo a change by hand.
pub(super) fn gitops_owner(
    labels: &BTreeMap<String, String>,
    annotations: &BTreeMap<String, String>,
) -> Option<String> {
    let label = |key: &str| labels.get(key).filter(|value| !value.is_empty());
    if let Some(id) = annotations.get("argocd.argoproj.io/tracking-id") {
        let application = id.split(':').next().unwrap_or(id);
        return Some(format!("argocd: {application}"));
    }
    if let Some(name) = label("argocd.argoproj.io/instance") {
        return Some(format!("argocd: {name}"));
    }
    if let Some(name) = label("kustomize.toolkit.fluxcd.io/name") {
        return Some(format!("flux kustomization: {name}"));
    }
    label("helm.toolkit.fluxcd.io/name").map(|name| format!("flux helm release: {name}"))
}

const REVISION: &str = "deployment.kubernetes.io/revision";

fn images(template: &Value) -> Vec<Image> {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    containers
        .into_iter()
        .flatten()
        .map(|container| Image { container: text(container, "name"), image: text(container, "image") })
        .collect()
}

fn count(number: Option<i64>) -> u32 {
    u32::try_from(number.unwrap_or(0).max(0)).unwrap_or(u32::MAX)
}

/// `3` and `"25%"` alike.
fn int_or_text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time that cannot be read is an unknown time, not a reason to lose the whole list.
fn lenient_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<Cow<'de, str>>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// The JSON of the API, field by field, with everything else left unread.
mod wire {
    use super::*;

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Meta {
        name: String,
        uid: String,
        resource_version: Option<String>,
        generation: Option<i64>,
        #[serde(deserialize_with = "lenient_time")]
        creation_timestamp: Option<Timestamp>,
        #[serde(deserialize_with = "lenient_time")]
        deletion_timestamp: Option<Timestamp>,
        owner_references: Vec<Owner>,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Owner {
        uid: String,
        controller: bool,
    }

    impl Meta {
        /// What the watcher itself needs: who it is, and where to resume.
        fn thin(&self) -> ObjectMeta {
            ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: self.resource_version.clone(),
                ..ObjectMeta::default()
            }
        }

        fn owner(&self) -> Option<String> {
            self.owner_references.iter().find(|owner| owner.controller).map(|owner| owner.uid.clone())
        }
    }

    /// Metadata of the few objects whose labels and annotations matter.
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Notes {
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct NotedMeta {
        #[serde(flatten)]
        meta: Meta,
        #[serde(flatten)]
        notes: Notes,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct WireCondition {
        #[serde(rename = "type")]
        kind: String,
        status: String,
        reason: Option<String>,
        message: Option<String>,
        #[serde(deserialize_with = "lenient_time")]
        last_update_time: Option<Timestamp>,
        #[serde(deserialize_with = "lenient_time")]
        last_transition_time: Option<Timestamp>,
    }

    impl From<WireCondition> for Condition {
        fn from(wire: WireCondition) -> Self {
            Self {
                kind: wire.kind,
                status: wire.status,
                reason: wire.reason.unwrap_or_default(),
                message: wire.message.unwrap_or_default(),
                last_update: wire.last_update_time.or(wire.last_transition_time),
            }
        }
    }

    fn conditions(wire: Option<Vec<WireCondition>>) -> Vec<Condition> {
        wire.unwrap_or_default().into_iter().map(Condition::from).collect()
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    pub struct Deployment {
        metadata: NotedMeta,
        spec: WorkloadSpec,
        status: WorkloadStatus,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct WorkloadSpec {
        replicas: Option<i64>,
        paused: bool,
        selector: Selector,
        template: Value,
        progress_deadline_seconds: Option<i64>,
        min_ready_seconds: Option<i64>,
        strategy: Value,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Selector {
        match_labels: Option<BTreeMap<String, String>>,
        match_expressions: Option<Vec<Requirement>>,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Requirement {
        key: String,
        operator: String,
        values: Option<Vec<String>>,
    }

    impl Selector {
        fn query(&self) -> Option<String> {
            let mut terms: Vec<String> = Vec::new();
            for (key, value) in self.match_labels.iter().flatten() {
                terms.push(format!("{key}={value}"));
            }
            for requirement in self.match_expressions.iter().flatten() {
                let Requirement { key, operator, values } = requirement;
                let values = values.iter().flatten().cloned().collect::<Vec<_>>().join(",");
                terms.push(match operator.as_str() {
                    "In" => format!("{key} in ({values})"),
                    "NotIn" => format!("{key} notin ({values})"),
                    "Exists" => key.clone(),
                    "DoesNotExist" => format!("!{key}"),
                    _ => return None,
                });
            }
            (!terms.is_empty()).then(|| terms.join(","))
        }
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct WorkloadStatus {
        observed_generation: Option<i64>,
        replicas: Option<i64>,
        updated_replicas: Option<i64>,
        ready_replicas: Option<i64>,
        available_replicas: Option<i64>,
        conditions: Option<Vec<WireCondition>>,
    }

    fn strategy(wire: &Value) -> UpdateStrategy {
        match wire.get("type").and_then(Value::as_str) {
            None | Some("RollingUpdate") => UpdateStrategy::RollingUpdate,
            Some("Recreate") => UpdateStrategy::Recreate,
            Some(other) => UpdateStrategy::Other(other.to_owned()),
        }
    }

    impl From<Deployment> for super::Deployment {
        fn from(wire: Deployment) -> Self {
            let Deployment { metadata: NotedMeta { meta, notes }, spec, status } = wire;
            let labels = notes.labels.unwrap_or_default();
            let annotations = notes.annotations.unwrap_or_default();
            let rolling =
                |key: &str| int_or_text(spec.strategy.get("rollingUpdate").and_then(|r| r.get(key)));
            // The server's own "never": two to the 31st less one.
            let never = i64::from(i32::MAX);
            Self {
                meta: meta.thin(),
                name: meta.name,
                uid: meta.uid,
                generation: meta.generation.unwrap_or(0),
                observed_generation: status.observed_generation,
                paused: spec.paused,
                strategy: strategy(&spec.strategy),
                spec_replicas: count(Some(spec.replicas.unwrap_or(1))),
                replicas: count(status.replicas),
                updated: count(status.updated_replicas),
                ready: count(status.ready_replicas),
                available: count(status.available_replicas),
                revision: annotations.get(REVISION).and_then(|text| text.parse().ok()),
                template_print: template::print(&spec.template),
                images: images(&spec.template),
                conditions: conditions(status.conditions),
                progress_deadline_s: spec
                    .progress_deadline_seconds
                    .filter(|seconds| *seconds < never)
                    .map(|seconds| count(Some(seconds))),
                min_ready_s: count(spec.min_ready_seconds),
                max_surge: rolling("maxSurge"),
                max_unavailable: rolling("maxUnavailable"),
                gitops_owner: gitops_owner(&labels, &annotations),
                selector: spec.selector.query(),
                template: spec.template,
            }
        }
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    pub struct ReplicaSet {
        metadata: NotedMeta,
        spec: WorkloadSpec,
        status: WorkloadStatus,
    }

    impl From<ReplicaSet> for super::ReplicaSet {
        fn from(wire: ReplicaSet) -> Self {
            let ReplicaSet { metadata: NotedMeta { meta, notes }, spec, status } = wire;
            let labels = notes.labels.unwrap_or_default();
            let annotations = notes.annotations.unwrap_or_default();
            Self {
                meta: meta.thin(),
                owner: meta.owner(),
                facts: RevisionFacts {
                    name: meta.name,
                    uid: meta.uid,
                    revision: annotations.get(REVISION).and_then(|text| text.parse().ok()),
                    template_hash: labels.get(template::HASH_LABEL).cloned().unwrap_or_default(),
                    template_print: template::print(&spec.template),
                    images: images(&spec.template),
                    spec_replicas: count(Some(spec.replicas.unwrap_or(1))),
                    replicas: count(status.replicas),
                    ready: count(status.ready_replicas),
                    conditions: conditions(status.conditions),
                },
            }
        }
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    pub struct Pod {
        metadata: Meta,
        spec: PodSpec,
        status: PodStatus,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct PodSpec {
        node_name: Option<String>,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct PodStatus {
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

    fn containers(wire: Option<Vec<ContainerStatus>>, init: bool) -> impl Iterator<Item = ContainerFacts> {
        wire.unwrap_or_default().into_iter().map(move |status| ContainerFacts {
            name: status.name,
            init,
            container_id: status.container_id.unwrap_or_default(),
            image_id: status.image_id.unwrap_or_default(),
            ready: status.ready,
            started: status.started.unwrap_or(status.ready),
            restarts: count(status.restart_count),
            state: status.state.into(),
            last_end: status.last_state.terminated.map(Termination::from),
            readiness: None,
            startup: None,
        })
    }

    impl From<Pod> for super::Pod {
        fn from(wire: Pod) -> Self {
            let Pod { metadata: meta, spec, status } = wire;
            let conditions = conditions(status.conditions);
            let condition = |kind: &str| conditions.iter().find(|condition| condition.kind == kind);
            let ready = condition("Ready");
            let unschedulable = condition("PodScheduled")
                .filter(|condition| condition.status == "False" && condition.reason == "Unschedulable")
                .map(|condition| condition.message.clone());
            Self {
                meta: meta.thin(),
                owner: meta.owner(),
                facts: PodFacts {
                    revision: None,
                    phase: status.phase.unwrap_or_default(),
                    reason: status.reason,
                    ready: ready.is_some_and(|ready| ready.status == "True"),
                    ready_since: ready.and_then(|ready| ready.last_update),
                    created: meta.creation_timestamp,
                    ending: meta.deletion_timestamp.is_some(),
                    node: spec.node_name,
                    node_trouble: None,
                    unschedulable,
                    containers: containers(status.init_container_statuses, true)
                        .chain(containers(status.container_statuses, false))
                        .collect(),
                    name: meta.name,
                    uid: meta.uid,
                },
            }
        }
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    pub struct Event {
        metadata: Meta,
        involved_object: Involved,
        reason: Option<String>,
        message: Option<String>,
        count: Option<i64>,
        #[serde(deserialize_with = "lenient_time")]
        first_timestamp: Option<Timestamp>,
        #[serde(deserialize_with = "lenient_time")]
        last_timestamp: Option<Timestamp>,
        #[serde(deserialize_with = "lenient_time")]
        event_time: Option<Timestamp>,
        series: Option<Series>,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Involved {
        kind: String,
        name: String,
    }

    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Series {
        count: Option<i64>,
        #[serde(deserialize_with = "lenient_time")]
        last_observed_time: Option<Timestamp>,
    }

    impl From<Event> for super::Warning {
        fn from(wire: Event) -> Self {
            let series = wire.series.unwrap_or_default();
            Self {
                meta: wire.metadata.thin(),
                facts: WarningEvent {
                    uid: wire.metadata.uid,
                    at: series
                        .last_observed_time
                        .or(wire.last_timestamp)
                        .or(wire.event_time)
                        .or(wire.first_timestamp)
                        .or(wire.metadata.creation_timestamp),
                    about: format!("{}/{}", wire.involved_object.kind, wire.involved_object.name),
                    reason: wire.reason.unwrap_or_default(),
                    message: wire.message.unwrap_or_default(),
                    count: count(series.count.or(wire.count)).max(1),
                },
            }
        }
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
                "creationTimestamp": "2026-11-22T14:00:00Z", "deletionTimestamp": null,
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
        assert_eq!(pod.owner.as_deref(), Some("rs"));
        assert_eq!(pod.facts.containers.len(), 2);
        assert!(pod.facts.containers[0].init);
        let app = &pod.facts.containers[1];
        assert_eq!((app.restarts, app.last_end.as_ref().unwrap().exit_code), (3, 137));
        assert_eq!(
            app.state,
            ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: String::new() }
        );
        assert_eq!(pod.facts.ready_since, None, "an unreadable time is unknown");
        assert!(!pod.facts.ending);
    }

    #[test]
    fn a_deployment_without_status_is_read_as_unobserved() {
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {"name": "app", "uid": "u", "generation": 1,
                "labels": {"argocd.argoproj.io/instance": "shop"},
                "annotations": {"deployment.kubernetes.io/revision": "many"}},
            "spec": {"selector": {"matchLabels": {"app": "x"},
                        "matchExpressions": [{"key": "tier", "operator": "In", "values": ["a", "b"]}]},
                "progressDeadlineSeconds": 2147483647,
                "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}},
                "template": {"spec": {"containers": [{"name": "app", "image": "x:1"}]}}}
        }))
        .unwrap();
        assert_eq!(deployment.observed_generation, None);
        assert_eq!(deployment.revision, None);
        assert_eq!(deployment.spec_replicas, 1, "the server's default");
        assert_eq!(deployment.progress_deadline_s, None);
        assert_eq!(deployment.max_surge.as_deref(), Some("1"));
        assert_eq!(deployment.max_unavailable.as_deref(), Some("25%"));
        assert_eq!(deployment.selector.as_deref(), Some("app=x,tier in (a,b)"));
        assert_eq!(deployment.gitops_owner.as_deref(), Some("argocd: shop"));
        assert_eq!(deployment.images, [Image { container: "app".into(), image: "x:1".into() }]);
    }

    #[test]
    fn an_empty_selector_is_not_turned_into_a_query_for_everything() {
        let deployment: Deployment = serde_json::from_value(json!({"spec": {"selector": {}}})).unwrap();
        assert_eq!(deployment.selector, None);
    }

    #[test]
    fn a_warning_of_the_new_events_api_counts_its_series() {
        let warning: Warning = serde_json::from_value(json!({
            "metadata": {"name": "e", "uid": "e1"}, "reason": "Unhealthy", "message": "503",
            "involvedObject": {"kind": "Pod", "name": "app-1"}, "eventTime": "2026-11-22T14:00:00.000000Z",
            "series": {"count": 4, "lastObservedTime": "2026-11-22T14:01:00.000000Z"}
        }))
        .unwrap();
        assert_eq!((warning.facts.about.as_str(), warning.facts.count), ("Pod/app-1", 4));
        assert_eq!(warning.facts.at, Some("2026-11-22T14:01:00Z".parse().unwrap()));
    }
}
