//! A DaemonSet: one pod on each node, and the nodes that cannot be asked for one.

use std::collections::BTreeSet;

use super::counts::{self, Fact};
use crate::watch::facts::{NodeTrouble, PodFacts, WorkloadFacts};

/// Cordoned nodes whose pod is not up: somebody is emptying them, and the update cannot wait for
/// that. A node that is merely not ready does count: the new version may be what broke it.
fn left_out(facts: &WorkloadFacts) -> BTreeSet<&str> {
    let node = |pod: &'_ PodFacts| pod.node_trouble == Some(NodeTrouble::Cordoned);
    let cordoned = facts.pods.iter().filter(|pod| node(pod)).filter_map(|pod| pod.node.as_deref());
    let up: BTreeSet<&str> =
        counts::target_pods(facts).filter(|pod| pod.ready).filter_map(|pod| pod.node.as_deref()).collect();
    cordoned.filter(|node| !up.contains(node)).collect()
}

pub(super) fn missing(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<Fact> {
    let left_out = u32::try_from(left_out(facts).len()).unwrap_or(u32::MAX);
    let wanted = facts.spec_replicas.saturating_sub(left_out);
    Fact::short("status.updatedNumberScheduled", "updated", facts.updated, wanted)
        .or_else(|| Fact::short("status.numberAvailable", "available", facts.available, wanted))
        .or_else(|| counts::ready(pods, wanted))
}

/// Complete, but for nodes that are being emptied.
pub(super) fn kept_back(facts: &WorkloadFacts) -> Option<String> {
    let nodes: Vec<&str> = left_out(facts).into_iter().collect();
    let (first, more) = (nodes.first()?, nodes.len() - 1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("not counted, because cordoned: {first}{more}"))
}
