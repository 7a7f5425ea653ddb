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
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {
            "replicas": 3,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "selector": {"matchLabels": {"app": NAME}},
            "template": template(),
        }
    })
}

fn template() -> Value {
    json!({
        "metadata": {"labels": {"app": NAME}},
        "spec": {
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "containers": [{
                "name": "app",
                "image": image(OLD),
                "imagePullPolicy": "IfNotPresent",
                "readinessProbe": {
                    "httpGet": {"path": "/ready", "port": 8080},
                    "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": 3
                },
            }],
        }
    })
}

/// `object` with `patch` merged into it.
pub fn but(mut object: Value, patch: Value) -> Value {
    json_patch::merge(&mut object, &patch);
    object
}
