//! `apps/v1` DaemonSets.

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::resource;
use super::wire::{NotedMeta, Selector, WireCondition, count, rolling_bound};
use super::workload::{Common, Workload};
use crate::watch::UpdateStrategy;

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct DaemonSet {
    meta: ObjectMeta,
    pub workload: Workload,
}

resource!(DaemonSet, "DaemonSet", "apps", "v1", "daemonsets", NamespaceResourceScope);

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
    selector: Selector,
    template: Value,
    min_ready_seconds: Option<i64>,
    update_strategy: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: Option<i64>,
    desired_number_scheduled: Option<i64>,
    current_number_scheduled: Option<i64>,
    updated_number_scheduled: Option<i64>,
    number_ready: Option<i64>,
    number_available: Option<i64>,
    conditions: Option<Vec<WireCondition>>,
}

fn strategy(wire: &Value) -> UpdateStrategy {
    match wire.get("type").and_then(Value::as_str) {
        None | Some("RollingUpdate") => UpdateStrategy::RollingUpdate,
        Some("OnDelete") => UpdateStrategy::OnDelete,
        Some(other) => UpdateStrategy::Other(other.to_owned()),
    }
}

impl From<Wire> for DaemonSet {
    fn from(wire: Wire) -> Self {
        let Wire { metadata: meta, spec, status } = wire;
        Self {
            meta: meta.thin(),
            workload: Workload {
                observed_generation: status.observed_generation.filter(|generation| *generation > 0),
                strategy: strategy(&spec.update_strategy),
                spec_replicas: count(status.desired_number_scheduled),
                replicas: count(status.current_number_scheduled),
                updated: count(status.updated_number_scheduled),
                ready: count(status.number_ready),
                available: count(status.number_available),
                max_surge: rolling_bound(&spec.update_strategy, "maxSurge"),
                max_unavailable: rolling_bound(&spec.update_strategy, "maxUnavailable"),
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

    #[test]
    fn a_daemon_set_wants_as_many_pods_as_there_are_nodes_for_it() {
        let agent: DaemonSet = serde_json::from_value(json!({
            "metadata": {"name": "agent", "generation": 4},
            "spec": {"updateStrategy": {"type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "20%"}}},
            "status": {"observedGeneration": 4, "desiredNumberScheduled": 5, "currentNumberScheduled": 4,
                "updatedNumberScheduled": 3, "numberReady": 2, "numberAvailable": 1, "numberMisscheduled": 1}
        }))
        .unwrap();
        let agent = agent.workload;
        let counts = (agent.spec_replicas, agent.replicas, agent.updated, agent.ready, agent.available);
        assert_eq!(counts, (5, 4, 3, 2, 1));
        assert_eq!(agent.max_unavailable.as_deref(), Some("20%"));
        assert_eq!(agent.progress_deadline_s, None);
    }
}
