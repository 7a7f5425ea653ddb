//! Objects as the API server writes them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::container::{Container, Life, State, not_found};
use super::daemonset::DaemonSet;
use super::deployment::Deployment;
use super::event::{Event, Reporter};
use super::pod::Pod;
use super::replica_set::ReplicaSet;
use super::revision::Revision;
use super::statefulset::StatefulSet;
use super::{Condition, seconds};
use crate::rehearsal::scenario::{Scenario, behaviour};
use crate::rehearsal::sim::dice::hash;

pub fn deployment(it: &Deployment) -> Value {
    let status = &it.status;
    let mut shown = Map::new();
    // A count of zero is left out by the API server, as its type says `omitempty`.
    for (name, count) in [
        ("observedGeneration", status.observed_generation),
        ("replicas", status.replicas.into()),
        ("updatedReplicas", status.updated.into()),
        ("readyReplicas", status.ready.into()),
        ("availableReplicas", status.available.into()),
        ("unavailableReplicas", status.unavailable.into()),
    ] {
        if count != 0 {
            shown.insert(name.into(), count.into());
        }
    }
    if status.observed_generation != 0 {
        shown.insert("terminatingReplicas".into(), status.terminating.into());
    }
    if !it.conditions.is_empty() {
        let conditions = it.conditions.iter().map(|condition| {
            json!({
                "type": condition.kind,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message,
                "lastUpdateTime": seconds(condition.updated),
                "lastTransitionTime": seconds(condition.transitioned),
            })
        });
        shown.insert("conditions".into(), conditions.collect());
    }
    if it.collisions > 0 {
        shown.insert("collisionCount".into(), it.collisions.into());
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": it.meta.shown(),
        "spec": plain(&it.spec),
        "status": shown,
    })
}

pub fn replica_set(it: &ReplicaSet) -> Value {
    let status = &it.status;
    let mut shown = json!({"replicas": status.replicas, "terminatingReplicas": status.terminating});
    for (name, count) in [
        ("observedGeneration", status.observed_generation),
        ("fullyLabeledReplicas", status.replicas.into()),
        ("readyReplicas", status.ready.into()),
        ("availableReplicas", status.available.into()),
    ] {
        if count != 0 {
            shown[name] = count.into();
        }
    }
    if !it.conditions.is_empty() {
        shown["conditions"] = it
            .conditions
            .iter()
            .map(|condition| {
                json!({
                    "type": condition.kind,
                    "status": condition.status,
                    "reason": condition.reason,
                    "message": condition.message,
                    "lastTransitionTime": seconds(condition.transitioned),
                })
            })
            .collect();
    }
    let mut spec = json!({
        "replicas": it.replicas,
        "selector": plain(&it.selector),
        "template": plain(&it.template),
    });
    if it.min_ready_s > 0 {
        spec["minReadySeconds"] = it.min_ready_s.into();
    }
    let metadata = it.meta.shown();
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec, "status": shown})
}

pub fn stateful_set(it: &StatefulSet) -> Value {
    let status = &it.status;
    let mut shown = json!({"replicas": status.replicas});
    if status.observed_generation != 0 {
        // Not left out when zero: the API server has them without `omitempty`.
        shown["availableReplicas"] = status.available.into();
        shown["collisionCount"] = 0.into();
    }
    for (name, count) in [
        ("observedGeneration", status.observed_generation),
        ("readyReplicas", status.ready.into()),
        ("currentReplicas", status.current.into()),
        ("updatedReplicas", status.updated.into()),
    ] {
        if count != 0 {
            shown[name] = count.into();
        }
    }
    for (name, revision) in
        [("currentRevision", &status.current_revision), ("updateRevision", &status.update_revision)]
    {
        if !revision.is_empty() {
            shown[name] = revision.clone().into();
        }
    }
    let (metadata, spec) = (it.meta.shown(), plain(&it.spec));
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec, "status": shown})
}

pub fn daemon_set(it: &DaemonSet) -> Value {
    let status = &it.status;
    let mut shown = json!({
        "currentNumberScheduled": status.current,
        "desiredNumberScheduled": status.desired,
        "numberMisscheduled": status.misscheduled,
        "numberReady": status.ready,
    });
    for (name, count) in [
        ("observedGeneration", status.observed_generation),
        ("updatedNumberScheduled", status.updated.into()),
        ("numberAvailable", status.available.into()),
        ("numberUnavailable", (status.desired - status.available).into()),
    ] {
        if count != 0 {
            shown[name] = count.into();
        }
    }
    let (metadata, spec) = (it.meta.shown(), plain(&it.spec));
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": spec, "status": shown})
}

pub fn revision(it: &Revision) -> Value {
    let mut template = plain(&it.template);
    template["$patch"] = "replace".into();
    let mut metadata = it.meta.shown();
    if let Some(fields) = metadata.as_object_mut() {
        fields.remove("generation");
    }
    json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": metadata,
        "data": {"spec": {"template": template}},
        "revision": it.number,
    })
}

pub fn pod(it: &Pod, scenario: Scenario) -> Value {
    let mut metadata = it.meta.shown();
    if let Some(deletion) = &it.deletion {
        let latest = super::after(deletion.asked, deletion.grace_s as f64);
        metadata["deletionTimestamp"] = seconds(latest).into();
        metadata["deletionGracePeriodSeconds"] = deletion.grace_s.into();
    }
    let mut spec = plain(&it.spec);
    if let Some(node) = &it.node {
        spec["nodeName"] = node.clone().into();
    }
    let status = it.told.clone().unwrap_or_else(|| pod_status(it, scenario));
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
}

fn pod_status(it: &Pod, scenario: Scenario) -> Value {
    let mut status = json!({"phase": it.phase(), "qosClass": quality(it)});
    if !it.conditions.is_empty() {
        status["conditions"] = it.conditions.iter().map(pod_condition).collect();
    }
    if it.node.is_some() {
        status["startTime"] = seconds(it.scheduled).into();
        status["hostIP"] = "10.10.0.1".into();
        status["podIP"] = json!(it.ip);
        status["podIPs"] = json!([{"ip": it.ip}]);
        status["containerStatuses"] =
            it.containers.iter().map(|container| container_status(it, container, scenario)).collect();
    }
    status
}

fn quality(pod: &Pod) -> &'static str {
    let resources = || pod.spec.containers.iter().filter_map(|container| container.resources.as_ref());
    let named =
        |amounts: &Option<_>| amounts.as_ref().is_some_and(|amounts: &BTreeMap<_, _>| !amounts.is_empty());
    if !resources().any(|one| named(&one.limits) || named(&one.requests)) {
        return "BestEffort";
    }
    let whole = resources().all(|one| {
        named(&one.limits)
            && one.limits == one.requests
            && one.limits.iter().flatten().filter(|(name, _)| *name == "cpu" || *name == "memory").count()
                == 2
    });
    if whole { "Guaranteed" } else { "Burstable" }
}

pub fn pod_condition(it: &Condition) -> Value {
    let mut shown = json!({
        "type": it.kind,
        "status": it.status,
        "lastProbeTime": null,
        "lastTransitionTime": seconds(it.transitioned),
    });
    if !it.reason.is_empty() {
        shown["reason"] = it.reason.clone().into();
        shown["message"] = it.message.clone().into();
    }
    shown
}

fn container_status(pod: &Pod, it: &Container, scenario: Scenario) -> Value {
    let waiting = |reason: &str, message: String| {
        if message.is_empty() {
            json!({"waiting": {"reason": reason}})
        } else {
            json!({"waiting": {"reason": reason, "message": message}})
        }
    };
    let state = match (&it.state, &it.life) {
        (State::Running, Some(life)) => json!({"running": {"startedAt": seconds(life.started)}}),
        (State::Ended, Some(life)) => json!({"terminated": terminated(pod, it, life, scenario)}),
        (State::BackOff { wait_s }, _) => {
            let name = &it.name;
            let place = format!("pod={}_{}({})", pod.meta.name, pod.meta.namespace, pod.meta.uid);
            let wait = go_duration(*wait_s);
            waiting("CrashLoopBackOff", format!("back-off {wait} restarting failed container={name} {place}"))
        }
        (State::PullFailed { backing_off: false, .. }, _) => waiting("ErrImagePull", not_found(&it.image)),
        (State::PullFailed { backing_off: true, .. }, _) => waiting(
            "ImagePullBackOff",
            format!("Back-off pulling image \"{0}\": ErrImagePull: {1}", it.image, not_found(&it.image)),
        ),
        _ => waiting("ContainerCreating", String::new()),
    };
    // While it waits for its next life, the life that ended is the last state.
    let last = match (&it.state, &it.life) {
        (State::BackOff { .. }, Some(life)) => Some(life),
        _ => it.previous.as_ref(),
    };
    let last =
        last.map_or_else(|| json!({}), |life| json!({"terminated": terminated(pod, it, life, scenario)}));
    let mut shown = json!({
        "name": it.name,
        "image": it.image,
        "imageID": "",
        "ready": it.ready,
        "started": it.state == State::Running,
        "restartCount": it.restarts,
        "state": state,
        "lastState": last,
    });
    if let Some(life) = &it.life {
        shown["imageID"] = image_id(&it.image).into();
        shown["containerID"] = container_id(pod, it, life).into();
    }
    shown
}

fn terminated(pod: &Pod, it: &Container, life: &Life, scenario: Scenario) -> Value {
    let mut shown = json!({
        "exitCode": life.exit_code,
        "reason": if life.exit_code == 0 { "Completed" } else { "Error" },
        "startedAt": seconds(life.started),
        "finishedAt": seconds(life.ended.unwrap_or(life.started)),
        "containerID": container_id(pod, it, life),
    });
    let policy = pod.spec.containers.iter().find(|spec| spec.name == it.name);
    let from_logs =
        policy.and_then(|spec| spec.termination_message_policy.as_deref()) == Some("FallbackToLogsOnError");
    if let Some(crash) = behaviour(scenario, &it.image).crash.filter(|_| from_logs) {
        shown["message"] = crash.last_lines.join("\n").into();
    }
    shown
}

fn container_id(pod: &Pod, it: &Container, life: &Life) -> String {
    let seed = format!("{}/{}/{}", pod.meta.uid, it.name, life.number);
    format!("containerd://{}", digest(&seed))
}

fn image_id(image: &str) -> String {
    let (name, _) = image.rsplit_once(':').unwrap_or((image, ""));
    format!("docker.io/library/{name}@sha256:{}", digest(image))
}

/// 64 hexadecimal digits that depend on the text only.
fn digest(text: &str) -> String {
    (0..4).map(|part| format!("{:016x}", hash(&format!("{part}{text}{part}")))).collect()
}

/// Seconds as Go prints a duration: `40s`, `2m40s`, `5m0s`.
fn go_duration(total_s: u32) -> String {
    if total_s < 60 { format!("{total_s}s") } else { format!("{}m{}s", total_s / 60, total_s % 60) }
}

pub fn event(it: &Event) -> Value {
    let about = &it.about;
    let mut involved = json!({
        "apiVersion": about.kind.api_version(),
        "kind": about.kind.as_str(),
        "name": about.name,
        "namespace": it.namespace,
        "uid": about.uid,
    });
    if let Some(container) = &about.container {
        involved["fieldPath"] = format!("spec.containers{{{container}}}").into();
    }
    let component = match it.reporter {
        Reporter::Deployments => "deployment-controller",
        Reporter::ReplicaSets => "replicaset-controller",
        Reporter::StatefulSets => "statefulset-controller",
        Reporter::DaemonSets => "daemonset-controller",
        Reporter::Autoscaler => "horizontal-pod-autoscaler",
        Reporter::Scheduler => "default-scheduler",
        Reporter::Kubelet => "kubelet",
    };
    let mut shown = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": metadata(&it.namespace, &it.name, &it.uid, it.first),
        "involvedObject": involved,
        "reason": it.reason,
        "message": it.message,
        "type": if it.warning { "Warning" } else { "Normal" },
        "reportingComponent": component,
        "reportingInstance": "",
    });
    if it.reporter == Reporter::Scheduler {
        // The scheduler writes the newer kind of event, which has only the precise time.
        let micro = it.first.as_microsecond();
        let precise = Timestamp::from_microsecond(micro).unwrap_or(it.first);
        shown["eventTime"] = format!("{precise:.6}").into();
        shown["firstTimestamp"] = Value::Null;
        shown["lastTimestamp"] = Value::Null;
        shown["action"] = if it.warning { "Scheduling" } else { "Binding" }.into();
        shown["source"] = json!({});
        shown["reportingInstance"] = "default-scheduler-practice".into();
        return shown;
    }
    shown["eventTime"] = Value::Null;
    shown["firstTimestamp"] = seconds(it.first).into();
    shown["lastTimestamp"] = seconds(it.last).into();
    shown["count"] = it.count.into();
    shown["source"] = match &it.node {
        Some(node) => json!({"component": component, "host": node}),
        None => json!({"component": component}),
    };
    if let Some(node) = &it.node {
        shown["reportingInstance"] = node.clone().into();
    }
    shown
}

pub fn namespace(name: &str, uid: &str, created: Timestamp) -> Value {
    let labels = json!({"kubernetes.io/metadata.name": name});
    json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "uid": uid, "creationTimestamp": seconds(created), "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    })
}

fn metadata(namespace: &str, name: &str, uid: &str, created: Timestamp) -> Value {
    json!({"name": name, "namespace": namespace, "uid": uid, "creationTimestamp": seconds(created)})
}

/// A typed object of the API as JSON.
fn plain(it: &impl serde::Serialize) -> Value {
    serde_json::to_value(it).expect("objects of the API have only text for keys")
}
