//! `apps/v1` StatefulSets.

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::resource;
use super::wire::{NotedMeta, Selector, WireCondition, count, rolling_bound};
use super::workload::{Common, Rolling, Workload};
use crate::watch::UpdateStrategy;

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Wire")]
pub(crate) struct StatefulSet {
    meta: ObjectMeta,
    pub workload: Workload,
}

resource!(StatefulSet, "StatefulSet", "apps", "v1", "statefulsets", NamespaceResourceScope);

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
    selector: Selector,
    template: Value,
    min_ready_seconds: Option<i64>,
    pod_management_policy: Option<String>,
    update_strategy: Value,
    ordinals: Option<Ordinals>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ordinals {
    start: Option<i64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: Option<i64>,
    replicas: Option<i64>,
    updated_replicas: Option<i64>,
    ready_replicas: Option<i64>,
    available_replicas: Option<i64>,
    current_revision: Option<String>,
    update_revision: Option<String>,
    conditions: Option<Vec<WireCondition>>,
}

fn strategy(spec: &Spec) -> UpdateStrategy {
    match spec.update_strategy.get("type").and_then(Value::as_str) {
        None | Some("RollingUpdate") => UpdateStrategy::Ordinals {
            start: count(spec.ordinals.as_ref().and_then(|ordinals| ordinals.start)),
            partition: count(
                spec.update_strategy.pointer("/rollingUpdate/partition").and_then(Value::as_i64),
            ),
            in_order: spec.pod_management_policy.as_deref().is_none_or(|policy| policy == "OrderedReady"),
        },
        Some("OnDelete") => UpdateStrategy::OnDelete,
        Some(other) => UpdateStrategy::Other(other.to_owned()),
    }
}

impl From<Wire> for StatefulSet {
    fn from(wire: Wire) -> Self {
        let Wire { metadata: meta, spec, status } = wire;
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        Self {
            meta: meta.thin(),
            workload: Workload {
                // Zero stands for "not yet": the first generation is one.
                observed_generation: status.observed_generation.filter(|generation| *generation > 0),
                strategy: strategy(&spec),
                spec_replicas: count(Some(spec.replicas.unwrap_or(1))),
                replicas: count(status.replicas),
                updated: count(status.updated_replicas),
                ready: count(status.ready_replicas),
                available: count(status.available_replicas),
                max_unavailable: rolling_bound(&spec.update_strategy, "maxUnavailable"),
                rolling: Rolling::Name {
                    target: named(status.update_revision),
                    stable: named(status.current_revision),
                },
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

    fn read(spec: Value, status: Value) -> Workload {
        let object = json!({"metadata": {"name": "db", "generation": 2}, "spec": spec, "status": status});
        serde_json::from_value::<StatefulSet>(object).unwrap().workload
    }

    #[test]
    fn ordinals_partition_and_order_are_read_with_their_defaults() {
        let plain = read(json!({}), json!({}));
        assert_eq!(plain.strategy, UpdateStrategy::Ordinals { start: 0, partition: 0, in_order: true });
        let spec = json!({"ordinals": {"start": 3}, "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 5, "maxUnavailable": "10%"}}});
        let special = read(spec, json!({}));
        assert_eq!(special.strategy, UpdateStrategy::Ordinals { start: 3, partition: 5, in_order: false });
        assert_eq!(special.max_unavailable.as_deref(), Some("10%"));
        let by_hand = read(json!({"updateStrategy": {"type": "OnDelete"}}), json!({}));
        assert_eq!(by_hand.strategy, UpdateStrategy::OnDelete);
    }

    #[test]
    fn a_stateful_set_without_status_names_no_revision_and_is_unobserved() {
        let fresh = read(json!({"replicas": 3}), json!({"observedGeneration": 0, "replicas": 0}));
        assert_eq!(fresh.observed_generation, None);
        assert_eq!(fresh.rolling, Rolling::Name { target: None, stable: None });
        assert_eq!((fresh.spec_replicas, fresh.progress_deadline_s), (3, None));
    }
}
