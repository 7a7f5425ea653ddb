//! `apps/v1` Deployments.

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::resource;
use super::wire::{NotedMeta, Selector, WireCondition, count, revision_number, rolling_bound};
use super::workload::{Common, Workload, deadline};
use crate::watch::UpdateStrategy;

pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct Deployment {
    meta: ObjectMeta,
    pub workload: Workload,
}

resource!(Deployment, "Deployment", "apps", "v1", "deployments", NamespaceResourceScope);

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    metadata: NotedMeta,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
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
struct Status {
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

impl From<Wire> for Deployment {
    fn from(wire: Wire) -> Self {
        let Wire { metadata: meta, spec, status } = wire;
        Self {
            meta: meta.thin(),
            workload: Workload {
                observed_generation: status.observed_generation,
                paused: spec.paused,
                strategy: strategy(&spec.strategy),
                spec_replicas: count(Some(spec.replicas.unwrap_or(1))),
                replicas: count(status.replicas),
                updated: count(status.updated_replicas),
                ready: count(status.ready_replicas),
                available: count(status.available_replicas),
                revision: revision_number(&meta.annotations, REVISION),
                progress_deadline_s: deadline(spec.progress_deadline_seconds),
                max_surge: rolling_bound(&spec.strategy, "maxSurge"),
                max_unavailable: rolling_bound(&spec.strategy, "maxUnavailable"),
                ..Workload::of(Common {
                    meta,
                    template: spec.template,
                    selector: spec.selector,
                    conditions: status.conditions,
                    min_ready_s: spec.min_ready_seconds,
                })
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::watch::Image;

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
        let deployment = deployment.workload;
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
}
