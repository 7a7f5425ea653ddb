//! The workloads that the scenarios play with, as an operator would apply them.

use serde_json::{Value, json};

/// The one workload of each scenario's namespace.
pub const NAME: &str = "app";
pub const OLD: &str = "v1.2.0";
/// By this label a scenario's pods find the nodes that are its own.
pub const NODE_LABEL: &str = "scenario";

pub fn image(tag: &str) -> String {
    format!("myapp:{tag}")
}

/// Three pods, replaced one by one: what is true of one new pod is then true of all.
pub fn deployment() -> Value {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}});
    workload(
        "apps/v1",
        "Deployment",
        json!({"replicas": 3, "progressDeadlineSeconds": 600, "strategy": strategy}),
    )
}

pub fn stateful_set() -> Value {
    let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}});
    let own = json!({"replicas": 3, "serviceName": NAME, "updateStrategy": strategy});
    workload("apps/v1", "StatefulSet", own)
}

pub fn daemon_set() -> Value {
    workload("apps/v1", "DaemonSet", json!({"updateStrategy": {"type": "RollingUpdate"}}))
}

/// With a probe whose first failures mean something soon: for what is never ready.
pub fn impatient(mut workload: Value) -> Value {
    workload["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]["failureThreshold"] = json!(3);
    workload
}

/// A canary of one pod, a pause that ends, a second pod, a pause for a person.
pub fn rollout() -> Value {
    let steps = json!([{"setWeight": 34}, {"pause": {"duration": "4s"}}, {"setWeight": 67}, {"pause": {}}]);
    let canary = json!({"steps": steps, "maxSurge": 1, "maxUnavailable": 0});
    let own = json!({"replicas": 3, "progressDeadlineSeconds": 600, "strategy": {"canary": canary}});
    workload("argoproj.io/v1alpha1", "Rollout", own)
}

fn workload(version: &str, kind: &str, own: Value) -> Value {
    let common = json!({
        "apiVersion": version, "kind": kind,
        "metadata": {"name": NAME},
        "spec": {"selector": {"matchLabels": {"app": NAME}}, "template": template()},
    });
    but(common, json!({"spec": own}))
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": NAME}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "affinity": on_common_nodes(),
            "containers": [{
                "name": "app",
                "image": image(OLD),
                "imagePullPolicy": "IfNotPresent",
                // It may fail for half a minute: neither a slow start nor a slow machine is trouble.
                "readinessProbe": {
                    "httpGet": {"path": "/ready", "port": 8080},
                    "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 30
                },
                // Only asked by real kubelets, and never failing there until a script says so.
                "livenessProbe": {
                    "httpGet": {"path": "/live", "port": 8080},
                    "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 2
                },
            }],
        }
    })
}

/// The nodes of other scenarios come and go.
fn on_common_nodes() -> Value {
    let common = json!({"key": NODE_LABEL, "operator": "DoesNotExist"});
    let terms = json!({"nodeSelectorTerms": [{"matchExpressions": [common]}]});
    json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}})
}

/// `workload` with its pods on the nodes of one scenario only.
pub fn on_own_nodes(mut workload: Value, scenario: &str) -> Value {
    let spec = &mut workload["spec"]["template"]["spec"];
    spec["affinity"] = json!({});
    spec["nodeSelector"] = json!({NODE_LABEL: scenario});
    workload
}

/// `object` with `patch` merged into it.
pub fn but(mut object: Value, patch: Value) -> Value {
    json_patch::merge(&mut object, &patch);
    object
}
