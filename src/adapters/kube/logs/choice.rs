//! Which containers to follow when there are more than anybody can read.

use std::collections::HashSet;

use crate::watch::{ContainerFacts, ContainerState, PodFacts, WorkloadFacts};

/// Of the pods that nobody follows.
const NAMES_TOLD: usize = 3;

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
    pub(super) is_ready: bool,
    /// An init container that did its work: worth a reading, not a place in the crowd.
    pub(super) is_done_init: bool,
}

impl Candidate {
    pub(super) fn container(&self) -> &str {
        &self.key.container
    }
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
    /// … and when, as whole seconds since the epoch.
    pub last_end_s: Option<i64>,
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
        of_pod(&facts.target.namespace, pod, facts.is_new(pod), &mut found);
    }
    found
}

/// Adds the containers of one pod.
pub(super) fn of_pod(namespace: &str, pod: &PodFacts, is_new: bool, found: &mut Vec<Candidate>) {
    let class = match (is_new, in_trouble(pod)) {
        (true, true) => Class::NewInTrouble,
        (true, false) => Class::New,
        (false, true) => Class::OldInTrouble,
        (false, false) => Class::Old,
    };
    for container in pod.containers.iter().filter(|container| has_voice(container)) {
        found.push(Candidate {
            key: Key {
                namespace: namespace.to_owned(),
                pod: pod.name.clone(),
                pod_uid: pod.uid.clone(),
                container: container.name.clone(),
            },
            revision: pod.revision.clone(),
            class,
            life: life(container),
            is_ready: pod.ready,
            is_done_init: container.init
                && matches!(&container.state, ContainerState::Terminated(end) if end.exit_code == 0),
        });
    }
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

/// A container that never ran has nothing to say.
fn has_voice(container: &ContainerFacts) -> bool {
    !matches!(container.state, ContainerState::Waiting { .. }) || container.last_end.is_some()
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
        last_end_s: container.last_end.as_ref().and_then(|end| Some(end.finished?.as_second())),
    }
}

/// Pods that nobody follows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub n_pods: usize,
    /// The first few of them.
    pub names: Vec<String>,
}

/// Chooses whom to follow.
///
/// Within a class those already followed stay: a stream that comes and goes is worth nothing. One
/// that rests, because its container's life was read to the end, takes no place. The containers of
/// one pod stand together in `candidates`.
pub(super) fn choose<'c>(
    candidates: impl Iterator<Item = &'c Candidate> + Clone,
    most: usize,
    is_open: impl Fn(&Key) -> bool,
    rests: impl Fn(&Key) -> bool,
) -> (Vec<&'c Candidate>, LeftOut) {
    let (mut chosen, mut awake): (Vec<&Candidate>, Vec<&Candidate>) =
        candidates.clone().partition(|candidate| rests(&candidate.key));
    if awake.len() > most {
        // Of thousands only the first few are needed, and those in no order.
        awake.select_nth_unstable_by_key(most, |one| (one.class, !is_open(&one.key), one.is_ready, &one.key));
        awake.truncate(most);
    }
    chosen.append(&mut awake);
    let followed: HashSet<&str> = chosen.iter().map(|one| one.key.pod_uid.as_str()).collect();
    let mut left_out = LeftOut::default();
    let mut last = "";
    for one in candidates {
        let uid = one.key.pod_uid.as_str();
        if uid != last && !followed.contains(uid) {
            left_out.n_pods += 1;
            if left_out.names.len() < NAMES_TOLD {
                left_out.names.push(one.key.pod.clone());
            }
        }
        last = uid;
    }
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
            life: Life {
                id: "c".into(),
                stage: Stage::Running,
                restarts: 0,
                last_end: None,
                last_end_s: None,
            },
            is_ready: true,
            is_done_init: false,
        }
    }

    /// The names of those chosen, in order.
    fn names(chosen: &[&Candidate]) -> Vec<String> {
        let mut names: Vec<String> = chosen.iter().map(|one| one.key.pod.clone()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn new_pods_in_trouble_come_first_and_the_rest_is_named() {
        let all: Vec<Candidate> =
            (0..30).map(|n| candidate(n, if n == 29 { Class::NewInTrouble } else { Class::Old })).collect();
        let (chosen, left_out) = choose(all.iter(), 24, |_| false, |_| false);
        assert_eq!(chosen.len(), 24);
        assert!(names(&chosen).contains(&"app-029".to_owned()));
        let names = ["app-023", "app-024", "app-025"].map(String::from).to_vec();
        assert_eq!(left_out, LeftOut { n_pods: 6, names });
    }

    #[test]
    fn an_open_stream_is_not_given_up_for_another_of_its_kind() {
        let all: Vec<Candidate> = (0..30).map(|n| candidate(n, Class::New)).collect();
        let (chosen, _) = choose(all.iter(), 24, |key| key.pod == "app-029", |_| false);
        assert!(names(&chosen).contains(&"app-029".to_owned()));
    }

    #[test]
    fn a_pod_that_is_not_ready_comes_before_its_ready_kin() {
        let mut all: Vec<Candidate> = (0..30).map(|n| candidate(n, Class::New)).collect();
        all[27].is_ready = false;
        let (chosen, _) = choose(all.iter(), 24, |_| false, |_| false);
        assert!(names(&chosen).contains(&"app-027".to_owned()));
    }

    #[test]
    fn a_life_that_was_read_to_its_end_takes_no_place() {
        let all: Vec<Candidate> = (0..26).map(|n| candidate(n, Class::New)).collect();
        let (chosen, left_out) = choose(all.iter(), 24, |_| false, |key| key.pod.as_str() < "app-002");
        assert_eq!((chosen.len(), left_out.n_pods), (26, 0));
    }

    #[test]
    fn a_pod_of_two_containers_is_left_out_once() {
        let mut all: Vec<Candidate> = (0..24).map(|n| candidate(n, Class::New)).collect();
        all.extend(["a", "b"].map(|container| {
            let mut one = candidate(30, Class::Old);
            one.key.container = container.to_owned();
            one
        }));
        let (_, left_out) = choose(all.iter(), 24, |_| false, |_| false);
        assert_eq!(left_out.n_pods, 1);
    }
}
