//! Which containers to follow when there are more than anybody can read.

use std::collections::BTreeSet;

use crate::watch::{ContainerFacts, ContainerState, PodFacts, WorkloadFacts};

/// More streams than this cost more than they tell.
pub(super) const MOST_STREAMS: usize = 24;

/// One container of one pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub namespace: String,
    pub pod: String,
    pub pod_uid: String,
    pub container: String,
}

/// What the watches say of a container that could be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(super) key: Key,
    /// UID of the pod's ReplicaSet.
    pub(super) revision: Option<String>,
    pub(super) class: Class,
    pub(super) life: Life,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    NewInTrouble,
    New,
    OldInTrouble,
    Old,
}

/// Which life of a container it is, and how that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Life {
    /// The container ID; a runtime that gives none is told apart by the number of restarts.
    pub id: String,
    pub stage: Stage,
    pub restarts: u32,
    /// How the life before ended: exit code and reason.
    pub last_end: Option<(i32, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun, or between two lives.
    Waiting,
    Running,
    Ended {
        exit_code: i32,
        reason: String,
    },
}

/// All containers of a workload that have, or had, something to say.
pub(crate) fn candidates(facts: &WorkloadFacts) -> Vec<Candidate> {
    let mut found = Vec::with_capacity(facts.pods.len());
    for pod in &facts.pods {
        let class = match (facts.is_new(pod), in_trouble(pod)) {
            (true, true) => Class::NewInTrouble,
            (true, false) => Class::New,
            (false, true) => Class::OldInTrouble,
            (false, false) => Class::Old,
        };
        for container in pod.containers.iter().filter(|container| has_voice(container)) {
            found.push(Candidate {
                key: Key {
                    namespace: facts.target.namespace.clone(),
                    pod: pod.name.clone(),
                    pod_uid: pod.uid.clone(),
                    container: container.name.clone(),
                },
                revision: pod.revision.clone(),
                class,
                life: life(container),
            });
        }
    }
    found
}

fn in_trouble(pod: &PodFacts) -> bool {
    pod.phase == "Failed"
        || pod.restarts() > 0
        || pod.containers.iter().any(|container| match &container.state {
            ContainerState::Waiting { reason, .. } => {
                reason.ends_with("BackOff") || reason.ends_with("Error")
            }
            ContainerState::Terminated(end) => end.exit_code != 0,
            ContainerState::Running { .. } => false,
        })
}

/// An init container that did its work, and a container that never ran, have nothing to say.
fn has_voice(container: &ContainerFacts) -> bool {
    match &container.state {
        ContainerState::Running { .. } => true,
        ContainerState::Terminated(end) => !container.init || end.exit_code != 0,
        ContainerState::Waiting { .. } => container.last_end.is_some(),
    }
}

fn life(container: &ContainerFacts) -> Life {
    let stage = match &container.state {
        ContainerState::Waiting { .. } => Stage::Waiting,
        ContainerState::Running { .. } => Stage::Running,
        ContainerState::Terminated(end) => {
            Stage::Ended { exit_code: end.exit_code, reason: end.reason.clone() }
        }
    };
    let id = match container.container_id.as_str() {
        "" => format!("#{}", container.restarts),
        id => id.to_owned(),
    };
    Life {
        id,
        stage,
        restarts: container.restarts,
        last_end: container.last_end.as_ref().map(|end| (end.exit_code, end.reason.clone())),
    }
}

/// Chooses whom to follow; the second part says how many pods are left out.
///
/// Within a class those already followed stay: a stream that comes and goes is worth nothing.
pub(super) fn choose<'c>(
    candidates: impl Iterator<Item = &'c Candidate>,
    is_open: impl Fn(&Key) -> bool,
) -> (Vec<&'c Candidate>, Vec<&'c str>) {
    let mut ranked: Vec<(Class, bool, &Candidate)> =
        candidates.map(|candidate| (candidate.class, !is_open(&candidate.key), candidate)).collect();
    ranked.sort_by(|a, b| (a.0, a.1, &a.2.key).cmp(&(b.0, b.1, &b.2.key)));
    let chosen: Vec<&Candidate> = ranked.iter().take(MOST_STREAMS).map(|(_, _, one)| *one).collect();
    let followed: BTreeSet<&str> = chosen.iter().map(|one| one.key.pod_uid.as_str()).collect();
    let mut left_out: Vec<&str> = ranked
        .iter()
        .skip(MOST_STREAMS)
        .filter(|(_, _, one)| !followed.contains(one.key.pod_uid.as_str()))
        .map(|(_, _, one)| one.key.pod.as_str())
        .collect();
    left_out.sort_unstable();
    left_out.dedup();
    (chosen, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: usize, class: Class) -> Candidate {
        Candidate {
            key: Key {
                namespace: "shop".into(),
                pod: format!("app-{n:03}"),
                pod_uid: format!("u{n}"),
                container: "app".into(),
            },
            revision: None,
            class,
            life: Life { id: "c".into(), stage: Stage::Running, restarts: 0, last_end: None },
        }
    }

    #[test]
    fn new_pods_in_trouble_come_first_and_the_rest_is_named() {
        let all: Vec<Candidate> =
            (0..30).map(|n| candidate(n, if n == 29 { Class::NewInTrouble } else { Class::Old })).collect();
        let (chosen, left_out) = choose(all.iter(), |_| false);
        assert_eq!(chosen.len(), MOST_STREAMS);
        assert_eq!(chosen[0].key.pod, "app-029");
        assert_eq!(left_out, ["app-023", "app-024", "app-025", "app-026", "app-027", "app-028"]);
    }

    #[test]
    fn an_open_stream_is_not_given_up_for_another_of_its_kind() {
        let all: Vec<Candidate> = (0..30).map(|n| candidate(n, Class::New)).collect();
        let (chosen, _) = choose(all.iter(), |key| key.pod == "app-029");
        assert_eq!(chosen[0].key.pod, "app-029");
    }
}
