//! The values that the API server fills in, on plain JSON, as far as our kinds have them.

use serde_json::{Value, json};

use super::kind::Kind;
use crate::rehearsal::scenario::tag_of;

/// Completes `object` as the API server does before it validates and stores it.
pub fn fill(kind: Kind, object: &mut Value) {
    match kind {
        Kind::Deployment => {
            let spec = &mut object["spec"];
            default(spec, "replicas", json!(1));
            default(spec, "revisionHistoryLimit", json!(10));
            default(spec, "progressDeadlineSeconds", json!(600));
            fill_strategy(spec, "strategy", &json!({"maxSurge": "25%", "maxUnavailable": "25%"}));
        }
        Kind::ReplicaSet => default(&mut object["spec"], "replicas", json!(1)),
        Kind::StatefulSet => {
            let spec = &mut object["spec"];
            default(spec, "replicas", json!(1));
            default(spec, "revisionHistoryLimit", json!(10));
            default(spec, "podManagementPolicy", json!("OrderedReady"));
            let retain = json!({"whenDeleted": "Retain", "whenScaled": "Retain"});
            default(spec, "persistentVolumeClaimRetentionPolicy", retain);
            fill_strategy(spec, "updateStrategy", &json!({"partition": 0}));
        }
        Kind::DaemonSet => {
            let spec = &mut object["spec"];
            default(spec, "revisionHistoryLimit", json!(10));
            fill_strategy(spec, "updateStrategy", &json!({"maxSurge": 0, "maxUnavailable": 1}));
        }
        Kind::HorizontalPodAutoscaler => default(&mut object["spec"], "minReplicas", json!(1)),
        Kind::LimitRange => fill_limits(&mut object["spec"]),
        _ => {}
    }
    match kind {
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => {
            let template = &mut object["spec"]["template"];
            // An older client's `null` is no part of the template.
            if let Some(metadata) = template["metadata"].as_object_mut() {
                metadata.remove("creationTimestamp");
            }
            if kind == Kind::ReplicaSet && object["metadata"]["labels"].is_null() {
                object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
            }
            fill_pod(&mut object["spec"]["template"]["spec"]);
        }
        Kind::Pod => {
            fill_pod(&mut object["spec"]);
            default(&mut object["spec"], "enableServiceLinks", json!(true));
        }
        _ => {}
    }
}

/// The strategy's type, and the figures of a rolling update when it is one.
fn fill_strategy(spec: &mut Value, field: &str, rolling: &Value) {
    default(spec, field, json!({}));
    let strategy = &mut spec[field];
    default(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        default(strategy, "rollingUpdate", json!({}));
        for (name, value) in rolling.as_object().into_iter().flatten() {
            default(&mut strategy["rollingUpdate"], name, value.clone());
        }
    }
}

fn fill_pod(pod: &mut Value) {
    if !pod.is_object() {
        return;
    }
    default(pod, "restartPolicy", json!("Always"));
    default(pod, "terminationGracePeriodSeconds", json!(30));
    default(pod, "dnsPolicy", json!("ClusterFirst"));
    default(pod, "schedulerName", json!("default-scheduler"));
    default(pod, "securityContext", json!({}));
    for list in ["initContainers", "containers"] {
        pod[list].as_array_mut().into_iter().flatten().for_each(fill_container);
        if pod[list].is_null()
            && let Some(pod) = pod.as_object_mut()
        {
            // Looking at a missing field has made it.
            pod.remove(list);
        }
    }
}

fn fill_container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let policy = if tag_of(image) == "latest" { "Always" } else { "IfNotPresent" };
    default(container, "imagePullPolicy", json!(policy));
    default(container, "resources", json!({}));
    default(container, "terminationMessagePath", json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", json!("File"));
    // What is limited and not requested is requested as limited.
    if let Some(limits) = container["resources"].get("limits").and_then(Value::as_object).cloned() {
        for (resource, limit) in limits {
            default(&mut container["resources"], "requests", json!({}));
            default(&mut container["resources"]["requests"], &resource, limit);
        }
    }
    if container.get("ports").is_some() {
        for port in container["ports"].as_array_mut().into_iter().flatten() {
            default(port, "protocol", json!("TCP"));
        }
    }
    for probe in ["readinessProbe", "livenessProbe", "startupProbe"] {
        if container.get(probe).is_none_or(Value::is_null) {
            continue;
        }
        let probe = &mut container[probe];
        for (name, value) in
            [("periodSeconds", 10), ("timeoutSeconds", 1), ("successThreshold", 1), ("failureThreshold", 3)]
        {
            default(probe, name, json!(value));
        }
        if probe.get("httpGet").is_some() {
            default(&mut probe["httpGet"], "scheme", json!("HTTP"));
            default(&mut probe["httpGet"], "path", json!("/"));
        }
    }
}

/// A container's default limit is its maximum, and its default request is its default limit.
fn fill_limits(spec: &mut Value) {
    for limit in spec["limits"].as_array_mut().into_iter().flatten() {
        if limit["type"] != "Container" {
            continue;
        }
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            for (resource, value) in limit.get(from).and_then(Value::as_object).cloned().unwrap_or_default() {
                default(limit, to, json!({}));
                default(&mut limit[to], &resource, value);
            }
        }
    }
}

fn default(object: &mut Value, field: &str, value: Value) {
    if object.is_null() {
        *object = json!({});
    }
    if let Some(fields) = object.as_object_mut() {
        let known = fields.entry(field).or_insert(Value::Null);
        if known.is_null() {
            *known = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_requests_what_it_limits_and_pulls_a_moving_tag_always() {
        let mut pod = json!({"spec": {"containers": [
            {"name": "a", "image": "a", "resources": {"limits": {"cpu": "500m"}}},
            {"name": "b", "image": "b:1"},
        ]}});
        fill(Kind::Pod, &mut pod);
        let containers = &pod["spec"]["containers"];
        assert_eq!(containers[0]["resources"]["requests"]["cpu"], "500m");
        assert_eq!(containers[0]["imagePullPolicy"], "Always");
        assert_eq!(containers[1]["imagePullPolicy"], "IfNotPresent");
    }

    #[test]
    fn an_update_strategy_without_figures_gets_those_of_its_kind() {
        let mut set = json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}}});
        fill(Kind::StatefulSet, &mut set);
        assert_eq!(set["spec"]["updateStrategy"]["rollingUpdate"], json!({"partition": 0}));
        let mut set = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
        fill(Kind::DaemonSet, &mut set);
        assert_eq!(set["spec"]["updateStrategy"], json!({"type": "OnDelete"}));
    }
}
