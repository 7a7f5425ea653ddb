//! What makes an object invalid, with every cause at once and in the words of the API server.

use serde_json::Value;

use super::kind::Kind;
use super::quantity::milli;
use super::refusal::Cause;

/// The causes why `new` is no valid object; `current` is what it would replace.
pub fn causes(kind: Kind, new: &Value, current: Option<&Value>) -> Vec<Cause> {
    let mut causes = Vec::new();
    if new["metadata"]["name"].as_str().unwrap_or_default().is_empty() {
        causes.push(Cause {
            message: "Required value: name or generateName is required".into(),
            ..Cause::required("metadata.name".into())
        });
    }
    let spec = &new["spec"];
    match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicaSet => {
            workload(kind, spec, current.map(|current| &current["spec"]), &mut causes);
        }
        Kind::Pod => {
            containers(&spec["containers"], "spec", &mut causes);
            if let Some(current) = current {
                changed_pod(spec, &current["spec"], &mut causes);
            }
        }
        Kind::HorizontalPodAutoscaler => {
            let count = |field: &str| spec[field].as_i64().unwrap_or(0);
            if count("maxReplicas") < 1 {
                let value = count("maxReplicas").to_string();
                causes.push(Cause::invalid("spec.maxReplicas", &value, "must be greater than 0"));
            } else if count("maxReplicas") < count("minReplicas") {
                let why = "must be greater than or equal to `minReplicas`";
                causes.push(Cause::invalid("spec.maxReplicas", &count("maxReplicas").to_string(), why));
            }
        }
        _ => {}
    }
    causes
}

fn workload(kind: Kind, spec: &Value, current: Option<&Value>, causes: &mut Vec<Cause>) {
    if let Some(replicas) = spec["replicas"].as_i64().filter(|replicas| *replicas < 0) {
        let why = "must be greater than or equal to 0";
        causes.push(Cause::invalid("spec.replicas", &replicas.to_string(), why));
    }
    let selector = &spec["selector"];
    if let Some(current) = current
        && kind == Kind::StatefulSet
    {
        changed_stateful_set(spec, current, causes);
    } else if current.is_some_and(|current| current["selector"] != *selector) {
        causes.push(Cause::invalid("spec.selector", &selector.to_string(), "field is immutable"));
    }
    let has_selector = ["matchLabels", "matchExpressions"]
        .iter()
        .any(|field| !(selector[*field].is_null() || selector[*field] == serde_json::json!({})));
    if selector.is_null() {
        causes.push(Cause::required("spec.selector".into()));
    } else if !has_selector {
        let why = format!("empty selector is invalid for {}", kind.as_str().to_lowercase());
        causes.push(Cause::invalid("spec.selector", "{}", &why));
    }
    let labels = &spec["template"]["metadata"]["labels"];
    let wanted = selector["matchLabels"].as_object();
    if !wanted.into_iter().flatten().all(|(name, value)| labels.get(name) == Some(value)) {
        let shown = if labels.is_null() { "null".to_owned() } else { labels.to_string() };
        let why = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", &shown, why));
    }
    containers(&spec["template"]["spec"]["containers"], "spec.template.spec", causes);
    let policy = spec["template"]["spec"]["restartPolicy"].as_str().unwrap_or("Always");
    if policy != "Always" {
        causes.push(Cause {
            reason: "FieldValueNotSupported",
            message: format!("Unsupported value: {policy:?}: supported values: \"Always\""),
            field: "spec.template.spec.restartPolicy".into(),
        });
    }
    let strategy = if kind == Kind::Deployment { "strategy" } else { "updateStrategy" };
    let rolling = &spec[strategy]["rollingUpdate"];
    let is_zero = |value: &Value| value == 0 || value == "0%" || value == "0";
    if is_zero(&rolling["maxSurge"]) && is_zero(&rolling["maxUnavailable"]) {
        let field = format!("spec.{strategy}.rollingUpdate.maxUnavailable");
        let why = if kind == Kind::DaemonSet {
            "cannot be 0 when `maxSurge` is 0"
        } else {
            "may not be 0 when `maxSurge` is 0"
        };
        causes.push(Cause::invalid(&field, "0", why));
    }
}

fn changed_stateful_set(spec: &Value, current: &Value, causes: &mut Vec<Cause>) {
    let free = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ];
    let fixed = |spec: &Value| {
        let fields = spec.as_object().into_iter().flatten();
        let fixed = fields.filter(|(name, _)| !free.contains(&name.as_str()));
        fixed.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>()
    };
    if fixed(spec) != fixed(current) {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            message: "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', \
                      'template', 'updateStrategy', 'revisionHistoryLimit', \
                      'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
                .into(),
            field: "spec".into(),
        });
    }
}

fn containers(list: &Value, place: &str, causes: &mut Vec<Cause>) {
    let containers = list.as_array().map(Vec::as_slice).unwrap_or_default();
    if containers.is_empty() {
        causes.push(Cause::required(format!("{place}.containers")));
    }
    for (index, container) in containers.iter().enumerate() {
        let field = |name: &str| format!("{place}.containers[{index}].{name}");
        let name = container["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            causes.push(Cause::required(field("name")));
        } else if containers[..index].iter().any(|other| other["name"] == name) {
            causes.push(Cause::duplicate(field("name"), name));
        }
        if container["image"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(field("image")));
        }
        requests_within_limits(container, &field("resources.requests"), causes);
    }
}

fn requests_within_limits(container: &Value, field: &str, causes: &mut Vec<Cause>) {
    let resources = &container["resources"];
    for (resource, limit) in resources["limits"].as_object().into_iter().flatten() {
        let (Some(limit), Some(request)) = (limit.as_str(), resources["requests"][resource].as_str()) else {
            continue;
        };
        if milli(request) > milli(limit) {
            let why = format!("must be less than or equal to {resource} limit of {limit}");
            causes.push(Cause::invalid(field, &format!("{request:?}"), &why));
        }
    }
}

/// Of a pod only the images and the deadline change once it is made.
fn changed_pod(spec: &Value, current: &Value, causes: &mut Vec<Cause>) {
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        for container in spec["containers"].as_array_mut().into_iter().flatten() {
            container["image"] = Value::Null;
        }
        for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
            spec.as_object_mut().map(|spec| spec.remove(field));
        }
        spec
    };
    if fixed(spec) != fixed(current) {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            message: "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
                      `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
                      additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to \
                      be set to 1 if it was previously negative)"
                .into(),
            field: "spec".into(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(kind: Kind, new: &Value, current: Option<&Value>) -> Vec<String> {
        causes(kind, new, current)
            .into_iter()
            .map(|cause| format!("{}: {}", cause.field, cause.message))
            .collect()
    }

    #[test]
    fn a_request_above_its_limit_is_invalid() {
        let resources = json!({"requests": {"cpu": "1"}, "limits": {"cpu": "500m"}});
        let container = json!({"name": "app", "image": "a:1", "resources": resources});
        let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [container]}});
        let expected = "spec.containers[0].resources.requests: Invalid value: \"1\": must be less than or equal to cpu limit of 500m";
        assert_eq!(texts(Kind::Pod, &pod, None), [expected]);
    }

    #[test]
    fn the_image_of_a_pod_may_change_and_its_node_selector_may_not() {
        let pod = |image: &str, disk: &str| {
            json!({"metadata": {"name": "p"}, "spec": {
                "containers": [{"name": "app", "image": image}], "nodeSelector": {"disk": disk},
            }})
        };
        assert!(texts(Kind::Pod, &pod("a:2", "ssd"), Some(&pod("a:1", "ssd"))).is_empty());
        let refused = texts(Kind::Pod, &pod("a:1", "hdd"), Some(&pod("a:1", "ssd")));
        assert!(refused[0].starts_with("spec: Forbidden: pod updates"), "{refused:?}");
    }

    #[test]
    fn a_stateful_set_keeps_its_service() {
        let set = |service: &str, replicas: i32| {
            json!({"metadata": {"name": "db"}, "spec": {
                "replicas": replicas,
                "serviceName": service,
                "selector": {"matchLabels": {"app": "db"}},
                "template": {
                    "metadata": {"labels": {"app": "db"}},
                    "spec": {"containers": [{"name": "app", "image": "db:1"}]},
                },
            }})
        };
        assert!(texts(Kind::StatefulSet, &set("db", 5), Some(&set("db", 3))).is_empty());
        assert!(texts(Kind::StatefulSet, &set("other", 3), Some(&set("db", 3)))[0].contains("Forbidden"));
    }
}
