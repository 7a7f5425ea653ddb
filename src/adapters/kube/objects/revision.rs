//! What a workload was and is: ReplicaSets, and the ControllerRevisions of the kinds without them.

use kube::core::ObjectMeta;
use serde::Deserialize;
use serde_json::Value;

use super::deployment::REVISION;
use super::resource;
use super::rollout::ROLLOUT_REVISION;
use super::wire::{NotedMeta, WireCondition, conditions, count, images, revision_number};
use super::workload::{ROLLOUT_HASH, as_written, label};
use crate::watch::RevisionFacts;
use crate::watch::template;

/// A revision and whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RevisionEntry {
    /// UID of the controlling object.
    pub owner: Option<String>,
    pub facts: RevisionFacts,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "WireSet")]
pub(crate) struct ReplicaSet {
    meta: ObjectMeta,
    pub entry: RevisionEntry,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(from = "WireRevision")]
pub(crate) struct ControllerRevision {
    meta: ObjectMeta,
    pub entry: RevisionEntry,
}

resource!(ReplicaSet, "ReplicaSet", "apps", "v1", "replicasets", NamespaceResourceScope);
resource!(
    ControllerRevision,
    "ControllerRevision",
    "apps",
    "v1",
    "controllerrevisions",
    NamespaceResourceScope
);

/// The template that a ReplicaSet or a ControllerRevision holds, as it was written.
pub(crate) fn kept_template(object: &Value) -> Option<Value> {
    let template = object.pointer("/data/spec/template").or_else(|| object.pointer("/spec/template"));
    template.cloned().map(as_written)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireSet {
    metadata: NotedMeta,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    replicas: Option<i64>,
    template: Value,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    replicas: Option<i64>,
    ready_replicas: Option<i64>,
    conditions: Option<Vec<WireCondition>>,
}

impl From<WireSet> for ReplicaSet {
    fn from(wire: WireSet) -> Self {
        let WireSet { metadata: meta, spec, status } = wire;
        let number = |key| revision_number(&meta.annotations, key);
        let hash = label(&meta.labels, template::HASH_LABEL).or(label(&meta.labels, ROLLOUT_HASH));
        let written = as_written(spec.template);
        Self {
            meta: meta.thin(),
            entry: RevisionEntry {
                owner: meta.owner(),
                facts: RevisionFacts {
                    revision: number(REVISION).or(number(ROLLOUT_REVISION)),
                    template_hash: hash.unwrap_or_default().to_owned(),
                    template_print: template::print(&written),
                    images: images(&written),
                    spec_replicas: count(Some(spec.replicas.unwrap_or(1))),
                    replicas: count(status.replicas),
                    ready: count(status.ready_replicas),
                    conditions: conditions(status.conditions),
                    name: meta.name,
                    uid: meta.uid,
                },
            },
        }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireRevision {
    metadata: NotedMeta,
    data: Value,
    revision: Option<i64>,
}

impl From<WireRevision> for ControllerRevision {
    fn from(mut wire: WireRevision) -> Self {
        let meta = wire.metadata;
        // A DaemonSet's history has the label of its pods, a StatefulSet's one of its own.
        let hash = label(&meta.labels, "controller-revision-hash")
            .or(label(&meta.labels, "controller.kubernetes.io/hash"));
        let template = wire.data.pointer_mut("/spec/template").map(Value::take);
        // Somebody else's history may hold anything: without a template it equals none.
        let written = template.map(as_written);
        Self {
            meta: meta.thin(),
            entry: RevisionEntry {
                owner: meta.owner(),
                facts: RevisionFacts {
                    revision: wire.revision.and_then(|number| u64::try_from(number).ok()),
                    template_hash: hash.unwrap_or_default().to_owned(),
                    template_print: written.as_ref().map(template::print).unwrap_or_default(),
                    images: written.as_ref().map(images).unwrap_or_default(),
                    spec_replicas: 0,
                    replicas: 0,
                    ready: 0,
                    conditions: vec![],
                    name: meta.name,
                    uid: meta.uid,
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_controller_revision_has_the_print_of_the_template_it_keeps() {
        let template = json!({"metadata": {"labels": {"app": "db"}},
            "spec": {"containers": [{"name": "app", "image": "x:2"}]}});
        let mut kept = template.clone();
        kept["$patch"] = "replace".into();
        let revision: ControllerRevision = serde_json::from_value(json!({
            "metadata": {"name": "db-78f", "uid": "r", "labels": {"controller.kubernetes.io/hash": "78f"},
                "ownerReferences": [{"uid": "s", "controller": true}]},
            "data": {"spec": {"template": kept}}, "revision": 2}))
        .unwrap();
        let RevisionEntry { owner, facts, .. } = revision.entry;
        assert_eq!(owner.as_deref(), Some("s"));
        assert_eq!((facts.revision, facts.template_hash.as_str()), (Some(2), "78f"));
        assert_eq!(facts.template_print, template::print(&template));
        assert_eq!(facts.images[0].image, "x:2");
    }

    #[test]
    fn a_history_without_a_template_equals_no_template() {
        let revision: ControllerRevision = serde_json::from_value(
            json!({"metadata": {"name": "odd"}, "data": {"raw": "bytes"}, "revision": -1}),
        )
        .unwrap();
        assert_eq!(revision.entry.facts.template_print, "");
        assert_eq!(revision.entry.facts.revision, None);
    }

    #[test]
    fn a_replica_set_of_a_rollout_is_known_by_the_rollouts_own_hash() {
        let set: ReplicaSet = serde_json::from_value(json!({
            "metadata": {"name": "web-6c9", "annotations": {"rollout.argoproj.io/revision": "4"},
                "labels": {"rollouts-pod-template-hash": "6c9"}},
            "spec": {"replicas": 0, "template": {"metadata": {"labels": {"app": "web",
                "rollouts-pod-template-hash": "6c9"}}, "spec": {}}}}))
        .unwrap();
        let facts = set.entry.facts;
        assert_eq!((facts.revision, facts.template_hash.as_str(), facts.spec_replicas), (Some(4), "6c9", 0));
        assert_eq!(
            facts.template_print,
            template::print(&json!({"metadata": {"labels": {"app": "web"}}, "spec": {}}))
        );
    }
}
