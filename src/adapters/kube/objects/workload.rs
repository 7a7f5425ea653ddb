//! What the four kinds of workload have in common once they are read.

use serde_json::Value;

use super::wire::{Map, NotedMeta, Selector, WireCondition, conditions, count, gitops_owner, images};
use crate::watch::template;
use crate::watch::{ArgoFacts, Condition, Image, UpdateStrategy};

/// A workload of any kind, apart from what its revisions and pods say.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workload {
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
    /// The images that the next `kubectl apply` compares with; empty when it was never applied so.
    pub last_applied: Vec<Image>,
    /// As a label query; `None` when it cannot be written as one or would match everything.
    pub selector: Option<String>,
    /// The whole pod template, as the server holds it.
    pub template: Value,
    pub rolling: Rolling,
    pub argo: Option<Box<ArgoFacts>>,
    /// Of an Argo Rollout whose template is written in another object.
    pub borrowed: Option<BorrowedTemplate>,
}

/// How a workload tells which revision it is rolling out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rolling {
    /// The one whose template equals its own.
    Template,
    /// By name, as its status says: a StatefulSet's `updateRevision` and `currentRevision`.
    Name { target: Option<String>, stable: Option<String> },
    /// By the hash its controller gave, as its status says: an Argo Rollout's `currentPodHash` and
    /// `stableRS`.
    Hash { target: Option<String>, stable: Option<String> },
}

/// Where an Argo Rollout takes its pod template from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BorrowedTemplate {
    /// `Deployment`, `ReplicaSet` or `PodTemplate`; only the first is followed.
    pub kind: String,
    pub name: String,
    /// `status.workloadObservedGeneration`.
    pub observed_generation: Option<i64>,
}

/// What every kind has in the same place.
pub(super) struct Common {
    pub meta: NotedMeta,
    pub template: Value,
    pub selector: Selector,
    pub conditions: Option<Vec<WireCondition>>,
    pub min_ready_s: Option<i64>,
}

impl Workload {
    /// A workload of which only the common part is known; the rest is for its kind to fill.
    pub(super) fn of(common: Common) -> Self {
        let Common { meta, template, selector, conditions: wire, min_ready_s } = common;
        Self {
            gitops_owner: gitops_owner(&meta.labels, &meta.annotations),
            last_applied: last_applied(&meta.annotations),
            name: meta.name,
            uid: meta.uid,
            generation: meta.generation.unwrap_or(0),
            observed_generation: None,
            paused: false,
            strategy: UpdateStrategy::RollingUpdate,
            spec_replicas: 0,
            replicas: 0,
            updated: 0,
            ready: 0,
            available: 0,
            revision: None,
            template_print: template::print(&template),
            images: images(&template),
            conditions: conditions(wire),
            progress_deadline_s: None,
            min_ready_s: count(min_ready_s),
            max_surge: None,
            max_unavailable: None,
            selector: selector.query(),
            template,
            rolling: Rolling::Template,
            argo: None,
            borrowed: None,
        }
    }
}

/// Source: the annotation of `kubectl apply`.
fn last_applied(annotations: &Map) -> Vec<Image> {
    let kept = label(annotations, "kubectl.kubernetes.io/last-applied-configuration");
    let applied = kept.and_then(|kept| serde_json::from_str::<Value>(kept).ok());
    applied.as_ref().and_then(|applied| applied.pointer("/spec/template")).map(images).unwrap_or_default()
}

/// A template as its revision holds it, made comparable with that of its workload.
///
/// The history keeps it as a patch, and Argo's ReplicaSets carry one more label of the controller.
pub(super) fn as_written(mut template: Value) -> Value {
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(ROLLOUT_HASH);
    }
    template
}

/// The label by which Argo Rollouts tells the pods of its ReplicaSets apart.
pub(in crate::adapters::kube) const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";

/// A deadline in seconds; the server's own "never" is two to the 31st less one.
pub(super) fn deadline(seconds: Option<i64>) -> Option<u32> {
    seconds.filter(|seconds| *seconds < i64::from(i32::MAX)).map(|seconds| count(Some(seconds)))
}

pub(super) fn label<'m>(map: &'m Map, key: &str) -> Option<&'m str> {
    map.as_ref()?.get(key).map(String::as_str)
}
