//! A StatefulSet: ordinals, partition, and the trap from which it does not free itself.
//!
//! Checked against the StatefulSet controller of Kubernetes 1.36: a partition counts from the first
//! ordinal, and a pod that is not ready holds everything behind it, also when its template is gone.

use jiff::Timestamp;

use super::counts::{self, Fact, POD_REVISION};
use super::doom::{Look, Trouble};
use super::{Blocker, plus};
use crate::watch::facts::{PodFacts, UpdateStrategy, WorkloadFacts};

/// How long a pod of another revision may be unready before it is called a trap on that ground
/// alone: kubectl-status waits as long. Units: seconds.
const TRAPPED_AFTER_S: u32 = 600;

/// The place of a pod in the order, from 0; `None` for a pod whose name has none.
pub fn index_of(facts: &WorkloadFacts, pod: &PodFacts) -> Option<u32> {
    let UpdateStrategy::Ordinals { start, .. } = facts.strategy else { return ordinal(facts, pod) };
    ordinal(facts, pod)?.checked_sub(start)
}

fn ordinal(facts: &WorkloadFacts, pod: &PodFacts) -> Option<u32> {
    pod.name.strip_prefix(&facts.target.name)?.strip_prefix('-')?.parse().ok()
}

/// How many of the wanted pods keep the old revision.
fn kept(facts: &WorkloadFacts) -> u32 {
    match facts.strategy {
        UpdateStrategy::Ordinals { partition, .. } => partition.min(facts.spec_replicas),
        _ => 0,
    }
}

pub(super) fn missing(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<Fact> {
    let wanted = facts.spec_replicas;
    let updating = wanted - kept(facts);
    let by_counts = Fact::short("status.updatedReplicas", "updated", facts.updated, updating)
        .or_else(|| {
            let too_many = facts.replicas.checked_sub(wanted).filter(|more| *more > 0)?;
            Some(Fact::new("status.replicas", format!("{too_many} more than the {wanted} wanted")))
        })
        .or_else(|| Fact::short("status.readyReplicas", "ready", facts.ready, wanted))
        .or_else(|| Fact::short("status.availableReplicas", "available", facts.available, wanted))
        .or_else(|| not_yet_current(facts));
    by_counts.or_else(|| {
        let of_the_update = |pod: &&&PodFacts| index_of(facts, pod).is_none_or(|at| at >= kept(facts));
        let pods: Vec<&PodFacts> = pods.iter().filter(of_the_update).copied().collect();
        counts::ready(&pods, updating)
    })
}

/// The controller's own last word on an update of all pods; kubectl does not wait for it.
fn not_yet_current(facts: &WorkloadFacts) -> Option<Fact> {
    // Under OnDelete and with a partition the controller never moves it.
    let UpdateStrategy::Ordinals { partition: 0, .. } = facts.strategy else { return None };
    let (Some(target), Some(current)) = (&facts.target_revision, &facts.stable_revision) else { return None };
    (target != current).then(|| {
        Fact::new("status.currentRevision", format!("currentRevision {current} is not yet {target}"))
    })
}

/// Complete, with pods that a partition keeps on another revision.
pub(super) fn kept_back(facts: &WorkloadFacts) -> Option<String> {
    let UpdateStrategy::Ordinals { partition, .. } = facts.strategy else { return None };
    let mut kept: Vec<&PodFacts> = counts::old_pods(facts).collect();
    if kept.is_empty() {
        return None;
    }
    kept.sort_by_key(|pod| index_of(facts, pod));
    let names = some_of(&kept);
    let revision = kept[0].revision.as_deref().unwrap_or("an unknown revision");
    let verb = if kept.len() == 1 { "stays" } else { "stay" };
    Some(format!("partition {partition}: {names} {verb} on {revision}"))
}

/// The first few names, and how many more.
pub(super) fn some_of(pods: &[&PodFacts]) -> String {
    const NAMED: usize = 3;
    let names: Vec<&str> = pods.iter().take(NAMED).map(|pod| pod.name.as_str()).collect();
    match pods.len().saturating_sub(NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// A pod that blocks the update and that the controller will never replace.
#[derive(Debug)]
pub(super) struct Trap {
    pub fact: Fact,
    pub trouble: Trouble,
    pub blocker: Blocker,
}

#[derive(Debug)]
pub(super) enum Trapped {
    Now(Box<Trap>),
    /// Unless the pod comes up before.
    At(Timestamp),
}

/// Finds the pod that holds the update for ever: not ready, of neither the wanted revision nor one
/// that the partition keeps.
///
/// The controller replaces pods from the highest ordinal down, and first waits for every pod to be
/// ready; so an old pod that cannot become ready is never replaced, though its replacement would
/// cure it. Ten unready minutes are the known rule. In strict order the facts suffice at once when
/// the pod itself says that it will not come up (a crash loop, an image that cannot be pulled, no
/// node, a probe that fails past its window). With parallel pods it depends on the server's version
/// and gates, so there only the ten minutes count.
pub(super) fn trap(look: &Look<'_>) -> Option<Trapped> {
    let facts = look.facts;
    let UpdateStrategy::Ordinals { partition, in_order, .. } = facts.strategy else { return None };
    let target = facts.target_revision.as_deref()?;
    let (pod, at) = facts
        .pods
        .iter()
        .filter(|pod| !pod.ready)
        .filter_map(|pod| Some((pod, index_of(facts, pod)?)))
        .filter(|(_, at)| *at < facts.spec_replicas)
        .min_by_key(|(_, at)| *at)?;
    // A pod whose phase is Failed is the one kind that the controller does replace.
    let is_replaced = pod.ending || pod.phase == "Failed" || pod.phase == "Succeeded";
    let revision = pod.revision.as_deref()?;
    if at < partition || is_replaced || pod.node_trouble.is_some() || revision == target {
        return None;
    }
    let seen = look.at(pod);
    let is_hopeless = in_order && seen.trouble.as_ref().is_some_and(|trouble| trouble.blocks);
    let unready_since = pod.ready_since.or(pod.created);
    let ripe = unready_since.map(|since| plus(since, TRAPPED_AFTER_S));
    if !is_hopeless && ripe.is_none_or(|ripe| look.now < ripe) {
        let soonest = if in_order { [ripe, seen.changes_at].into_iter().flatten().min() } else { ripe };
        return soonest.map(Trapped::At);
    }
    let name = &pod.name;
    let words =
        format!("delete pod {name}: it is not ready on {revision}, and is not replaced before it is ready");
    let trouble = seen.trouble.unwrap_or_else(|| look.trouble_of(pod));
    let blocker = Blocker { pod: name.clone(), uid: pod.uid.clone(), revision: revision.to_owned() };
    let trouble = Trouble { blocks: true, ..trouble };
    let trap = Trap { fact: Fact::new(POD_REVISION, words), trouble, blocker };
    Some(Trapped::Now(Box::new(trap)))
}
