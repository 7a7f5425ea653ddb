//! Which containers to follow when there are more than anybody can read.

use std::collections::HashSet;

use crate::watch::{ContainerFacts, ContainerState, PodFacts, Shared, WorkloadFacts};

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

/// Pods whose containers may be followed, as the watches last saw them.
///
/// Cheap to make anew: of five thousand pods a few have changed since the last, and all are shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(super) namespace: String,
    pub(super) pods: Vec<Shared<PodFacts>>,
    /// Whose pods are the new ones; without it all are.
    pub(super) target_revision: Option<String>,
    /// These containers alone; all when empty.
    pub(super) only: Vec<String>,
}

impl Offer {
    pub(crate) fn of(facts: &WorkloadFacts) -> Self {
        Self {
            namespace: facts.target.namespace.clone(),
            pods: facts.pods.clone(),
            target_revision: facts.target_revision.clone(),
            only: Vec::new(),
        }
    }

    /// All containers that have, or had, something to say; those of one pod stand together.
    pub(super) fn candidates(&self) -> impl Iterator<Item = Candidate<'_>> + Clone {
        self.pods.iter().flat_map(move |pod| {
            let is_new =
                self.target_revision.is_none() || pod.revision.as_deref() == self.target_revision.as_deref();
            let class = match (is_new, in_trouble(pod)) {
                (true, true) => Class::NewInTrouble,
                (true, false) => Class::New,
                (false, true) => Class::OldInTrouble,
                (false, false) => Class::Old,
            };
            let meant = move |container: &&ContainerFacts| {
                has_voice(container) && (self.only.is_empty() || self.only.contains(&container.name))
            };
            let candidate = move |container| Candidate { namespace: &self.namespace, pod, container, class };
            pod.containers.iter().filter(meant).map(candidate)
        })
    }
}

/// A container that could be followed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    namespace: &'a str,
    pub pod: &'a PodFacts,
    container: &'a ContainerFacts,
    class: Class,
}

impl<'a> Candidate<'a> {
    pub fn key(&self) -> Key {
        Key {
            namespace: self.namespace.to_owned(),
            pod: self.pod.name.clone(),
            pod_uid: self.pod.uid.clone(),
            container: self.container.name.clone(),
        }
    }

    pub fn has(&self, key: &Key) -> bool {
        self.pod.uid == key.pod_uid && self.container.name == key.container && self.namespace == key.namespace
    }

    pub fn life(&self) -> Life {
        life(self.container)
    }

    /// An init container that did its work: worth a reading, not a place in the crowd.
    pub fn is_done_init(&self) -> bool {
        self.container.init
            && matches!(&self.container.state, ContainerState::Terminated(end) if end.exit_code == 0)
    }

    fn names(&self) -> (&'a str, &'a str, &'a str, &'a str) {
        (self.namespace, &self.pod.name, &self.pod.uid, &self.container.name)
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

/// A candidate beside what we do about it already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub one: Candidate<'a>,
    /// Its stream, if it has one.
    pub key: Option<&'a Key>,
    pub rests: bool,
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
pub(super) fn choose<'a, 'c>(candidates: &'a [Asked<'c>], most: usize) -> (Vec<&'a Asked<'c>>, LeftOut) {
    let (mut chosen, mut awake): (Vec<&Asked<'_>>, Vec<&Asked<'_>>) =
        candidates.iter().partition(|asked| asked.rests);
    if awake.len() > most {
        // Of thousands only the first few are needed, and those in no order.
        awake.select_nth_unstable_by_key(most, |asked| {
            (asked.one.class, asked.key.is_none(), asked.one.pod.ready, asked.one.names())
        });
        awake.truncate(most);
    }
    chosen.append(&mut awake);
    let followed: HashSet<&str> = chosen.iter().map(|asked| asked.one.pod.uid.as_str()).collect();
    let mut left_out = LeftOut::default();
    let mut last = "";
    for asked in candidates {
        let uid = asked.one.pod.uid.as_str();
        if uid != last && !followed.contains(uid) {
            left_out.n_pods += 1;
            if left_out.names.len() < NAMES_TOLD {
                left_out.names.push(asked.one.pod.name.clone());
            }
        }
        last = uid;
    }
    (chosen, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::fixture::{self, container};

    fn pod(n: usize, revision: &str) -> PodFacts {
        PodFacts { revision: Some(revision.into()), ..fixture::pod(&format!("app-{n:03}")) }
    }

    /// Pods of which those named `new` are being rolled out.
    fn offer(pods: impl IntoIterator<Item = PodFacts>) -> Offer {
        Offer {
            namespace: "shop".into(),
            pods: pods.into_iter().map(Shared::from).collect(),
            target_revision: Some("new".into()),
            only: vec![],
        }
    }

    fn chosen(
        offer: &Offer,
        is_open: impl Fn(&str) -> bool,
        rests: impl Fn(&str) -> bool,
    ) -> (Vec<String>, LeftOut) {
        let keys: Vec<Key> =
            offer.candidates().filter(|one| is_open(&one.pod.name)).map(|one| one.key()).collect();
        let asked: Vec<Asked<'_>> = offer
            .candidates()
            .map(|one| Asked { key: keys.iter().find(|key| one.has(key)), rests: rests(&one.pod.name), one })
            .collect();
        let (chosen, left_out) = choose(&asked, 24);
        let name = |asked: &&Asked<'_>| asked.one.pod.name.clone();
        let mut names: Vec<String> = chosen.iter().map(name).collect();
        names.sort_unstable();
        (names, left_out)
    }

    #[test]
    fn new_pods_in_trouble_come_first_and_the_rest_is_named() {
        let mut pods: Vec<PodFacts> = (0..30).map(|n| pod(n, "old")).collect();
        pods[28].revision = Some("new".into());
        pods[29].revision = Some("new".into());
        pods[29].containers[0].restarts = 1;
        let (names, left_out) = chosen(&offer(pods), |_| false, |_| false);
        assert_eq!(names.len(), 24);
        assert!(names.ends_with(&["app-028".to_owned(), "app-029".to_owned()]), "{names:?}");
        let names = ["app-022", "app-023", "app-024"].map(String::from).to_vec();
        assert_eq!(left_out, LeftOut { n_pods: 6, names });
    }

    #[test]
    fn an_open_stream_is_not_given_up_for_another_of_its_kind() {
        let offer = offer((0..30).map(|n| pod(n, "new")));
        let (names, _) = chosen(&offer, |name| name == "app-029", |_| false);
        assert!(names.contains(&"app-029".to_owned()));
    }

    #[test]
    fn a_pod_that_is_not_ready_comes_before_its_ready_kin() {
        let offer = offer((0..30).map(|n| PodFacts { ready: n != 27, ..pod(n, "new") }));
        let (names, _) = chosen(&offer, |_| false, |_| false);
        assert!(names.contains(&"app-027".to_owned()));
    }

    #[test]
    fn a_life_that_was_read_to_its_end_takes_no_place() {
        let (names, left_out) =
            chosen(&offer((0..26).map(|n| pod(n, "new"))), |_| false, |name| name < "app-002");
        assert_eq!((names.len(), left_out.n_pods), (26, 0));
    }

    #[test]
    fn a_pod_of_two_containers_is_left_out_once() {
        let mut pods: Vec<PodFacts> = (0..24).map(|n| pod(n, "new")).collect();
        pods.push(PodFacts { containers: vec![container("a"), container("b")], ..pod(30, "old") });
        let (_, left_out) = chosen(&offer(pods), |_| false, |_| false);
        assert_eq!(left_out.n_pods, 1);
    }

    #[test]
    fn a_container_that_never_ran_or_was_not_asked_for_is_no_candidate() {
        let waiting = ContainerState::Waiting { reason: "ContainerCreating".into(), message: String::new() };
        let silent = ContainerFacts { state: waiting, ..container("silent") };
        let mut offer =
            offer([PodFacts { containers: vec![container("a"), silent, container("b")], ..pod(1, "new") }]);
        assert_eq!(offer.candidates().count(), 2);
        offer.only = vec!["b".into()];
        let keys: Vec<Key> = offer.candidates().map(|one| one.key()).collect();
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].container, "b");
    }
}
