//! What is missing until every pod is up, by the workload's own counts and by its pods.

use super::{daemonset, doom, statefulset};
use crate::watch::facts::{PodFacts, UpdateStrategy, WorkloadFacts};
use crate::workflow::Kind;

/// Pods as the workload's own status counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    pub desired: u32,
    pub updated: u32,
    pub ready: u32,
    pub available: u32,
    /// Pods of earlier revisions that still count as replicas.
    pub old: u32,
}

impl Counts {
    pub(super) fn of(facts: &WorkloadFacts) -> Self {
        Self {
            desired: facts.spec_replicas,
            updated: facts.updated,
            ready: facts.ready,
            available: facts.available,
            old: facts.replicas.saturating_sub(facts.updated),
        }
    }
}

/// One fact with its stable name: see [`super::RolloutVerdict::decider`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    pub decider: &'static str,
    pub words: String,
}

impl Fact {
    pub fn new(decider: &'static str, words: impl Into<String>) -> Self {
        Self { decider, words: words.into() }
    }

    /// `what have < want`, when it is so.
    pub fn short(decider: &'static str, what: &str, have: u32, want: u32) -> Option<Self> {
        (have < want).then(|| Self::new(decider, format!("{what} {have} < {want}")))
    }
}

pub(super) const PODS_READY: &str = "pods.Ready";

/// Pods of the revision being rolled out that count: those on their way out do not, nor do those
/// that their node threw out.
pub(super) fn target_pods(facts: &WorkloadFacts) -> impl Iterator<Item = &PodFacts> {
    facts
        .pods
        .iter()
        .map(AsRef::as_ref)
        .filter(|pod| facts.is_new(pod) && !pod.ending && !doom::thrown_out(pod))
}

/// Pods of earlier revisions that are not on their way out.
pub(super) fn old_pods(facts: &WorkloadFacts) -> impl Iterator<Item = &PodFacts> {
    facts
        .pods
        .iter()
        .map(AsRef::as_ref)
        .filter(|pod| !facts.is_new(pod) && !pod.ending && !doom::thrown_out(pod))
}

/// What is missing until every pod is up, or `None`.
pub(super) fn missing(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<Fact> {
    match facts.target.kind {
        Kind::Deployment => deployment(facts, pods),
        Kind::StatefulSet => statefulset::missing(facts, pods),
        Kind::DaemonSet => daemonset::missing(facts, pods),
        Kind::Rollout => super::argo::missing(facts, pods),
    }
}

fn deployment(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<Fact> {
    let wanted = facts.spec_replicas;
    if let Some(short) = Fact::short("status.updatedReplicas", "updated", facts.updated, wanted) {
        return Some(short);
    }
    if facts.replicas > facts.updated {
        return Some(Fact::new("status.replicas", format!("{} old left", facts.replicas - facts.updated)));
    }
    available(facts).or_else(|| ready(pods, wanted))
}

/// Enough available, and none too many.
pub(super) fn available(facts: &WorkloadFacts) -> Option<Fact> {
    let wanted = facts.spec_replicas;
    // Kubernetes leaves `updated` above `wanted` while an autoscaler shrinks the workload.
    if facts.available < facts.updated.min(wanted) {
        return Fact::short("status.availableReplicas", "available", facts.available, wanted);
    }
    let too_many = facts.updated.checked_sub(wanted).filter(|more| *more > 0)?;
    Some(Fact::new("status.replicas", format!("{too_many} more than the {wanted} wanted")))
}

/// The pods themselves: what a status counts may be older than they are.
pub(super) fn ready(pods: &[&PodFacts], wanted: u32) -> Option<Fact> {
    let n_ready = u32::try_from(pods.iter().filter(|pod| pod.ready).count()).unwrap_or(u32::MAX);
    Fact::short(PODS_READY, "ready pods", n_ready, wanted)
}

/// Why these facts cannot be judged at all, if so: a guess would pass for a reading.
pub(super) fn unclear(facts: &WorkloadFacts) -> Option<Fact> {
    if let UpdateStrategy::Other(word) = &facts.strategy {
        let field = match facts.target.kind {
            Kind::Deployment | Kind::Rollout => "spec.strategy",
            Kind::StatefulSet | Kind::DaemonSet => "spec.updateStrategy.type",
        };
        return Some(Fact::new(field, format!("update strategy `{word}` is not known")));
    }
    claimed_twice(facts)
}

/// No revision carries the template, although there are pods that do.
///
/// - Shape: it passes where the news of a workload and of its revisions come by different ways.
pub(super) fn nameless(facts: &WorkloadFacts) -> Option<Fact> {
    // A revision is written by the same hand and before the count of the pods that carry it.
    let expects_one = facts.updated > 0 || facts.target.kind == Kind::StatefulSet;
    if facts.target_revision.is_none() && expects_one && facts.spec_replicas > 0 {
        let (field, words) = match facts.target.kind {
            Kind::Deployment => (DEPLOYMENT_REVISION, "no ReplicaSet of its own carries its template"),
            Kind::DaemonSet => (POD_REVISION, "no ControllerRevision of its own carries its template"),
            Kind::StatefulSet => ("status.updateRevision", "its status names no updateRevision"),
            Kind::Rollout => ("status.currentPodHash", "no ReplicaSet carries its currentPodHash"),
        };
        return Some(Fact::new(field, format!("{words}: which pods are new cannot be told")));
    }
    None
}

const DEPLOYMENT_REVISION: &str = "metadata.labels.pod-template-hash";
pub(super) const POD_REVISION: &str = "metadata.labels.controller-revision-hash";

/// Two revisions under one hash: each pod could be of either.
fn claimed_twice(facts: &WorkloadFacts) -> Option<Fact> {
    let target = facts.current_revision()?;
    let twin = facts.revisions.iter().find(|revision| {
        revision.name != target.name
            && !target.template_hash.is_empty()
            && revision.template_hash == target.template_hash
    })?;
    let field = match facts.target.kind {
        Kind::Deployment | Kind::Rollout => DEPLOYMENT_REVISION,
        Kind::StatefulSet | Kind::DaemonSet => POD_REVISION,
    };
    let words = format!("{} and {} both claim the hash {}", target.name, twin.name, target.template_hash);
    Some(Fact::new(field, words))
}
