//! Times of a cluster whose clock differs from ours, told by ours.
//!
//! The judgement compares them with our own moments: a pod that was ready for a second would look
//! ready for a minute to a machine that is a minute ahead, and a rollout complete that is not.

use jiff::{SignedDuration, Timestamp};

use crate::watch::{ContainerState, PodFacts, Termination, WorkloadFacts};

fn shift(time: &mut Option<Timestamp>, by: SignedDuration) {
    *time = time.and_then(|time| time.checked_add(by).ok());
}

pub(super) fn pod(pod: &mut PodFacts, by: SignedDuration) {
    shift(&mut pod.ready_since, by);
    shift(&mut pod.created, by);
    let end = |end: &mut Termination| shift(&mut end.finished, by);
    for container in &mut pod.containers {
        match &mut container.state {
            ContainerState::Running { since } => shift(since, by),
            ContainerState::Terminated(termination) => end(termination),
            ContainerState::Waiting { .. } => {}
        }
        if let Some(termination) = &mut container.last_end {
            end(termination);
        }
    }
}

/// All but the pods.
pub(super) fn workload(facts: &mut WorkloadFacts, by: SignedDuration) {
    let of_revisions = facts.revisions.iter_mut().flat_map(|revision| &mut revision.conditions);
    for condition in facts.conditions.iter_mut().chain(of_revisions) {
        shift(&mut condition.last_update, by);
    }
    for event in &mut facts.events {
        shift(&mut event.at, by);
    }
    for pause in facts.argo.iter_mut().flat_map(|argo| &mut argo.pauses) {
        shift(&mut pause.since, by);
    }
}
