//! What a pod says about itself: doomed, in trouble, or thrown out by its node.

use jiff::{SignedDuration, Timestamp};

use super::history::RolloutHistory;
use super::readiness;
use crate::watch::facts::{
    ContainerFacts, ContainerState, NodeTrouble, PodFacts, ProbeFacts, Termination, WarningEvent,
    WorkloadFacts,
};

/// One pod's trouble, or the workload's own, for one line on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub pod: Option<String>,
    pub container: Option<String>,
    /// `CrashLoopBackOff`, `Unschedulable`, `NotReady`, …
    pub reason: String,
    /// Where that was read, by its stable name: `containerStatuses.waiting.reason`.
    pub decider: &'static str,
    /// What Kubernetes says about it; may be empty.
    pub message: String,
    pub exit_code: Option<i32>,
    pub restarts: u32,
    /// It does not pass by waiting: worth "stuck" at once.
    pub blocks: bool,
}

impl Trouble {
    pub(super) fn of_workload(decider: &'static str, reason: &str, message: &str) -> Self {
        Self {
            pod: None,
            container: None,
            reason: reason.to_owned(),
            decider,
            message: message.to_owned(),
            exit_code: None,
            restarts: 0,
            blocks: true,
        }
    }

    fn of_pod(pod: &PodFacts, decider: &'static str, reason: &str, message: &str) -> Self {
        Self {
            pod: Some(pod.name.clone()),
            restarts: pod.restarts(),
            ..Self::of_workload(decider, reason, message)
        }
    }

    fn of_container(
        pod: &PodFacts,
        container: &ContainerFacts,
        decider: &'static str,
        reason: &str,
        message: &str,
    ) -> Self {
        Self {
            container: Some(container.name.clone()),
            restarts: container.restarts,
            exit_code: container_end(container).map(|end| end.exit_code),
            ..Self::of_pod(pod, decider, reason, message)
        }
    }

    /// It may pass by waiting.
    fn passing(self) -> Self {
        Self { blocks: false, ..self }
    }

    /// Pod, reason and what is known beside it, on one line.
    pub fn line(&self) -> String {
        let mut words: Vec<String> = self.pod.iter().cloned().collect();
        words.extend(self.container.clone());
        words.push(self.reason.clone());
        words.extend(self.exit_code.map(|code| format!("exit {code}")));
        if self.restarts > 0 {
            words.push(format!("×{}", self.restarts));
        }
        if !self.message.is_empty() {
            words.push(self.message.clone());
        }
        words.join(" ")
    }
}

/// A pod that its node refused or gave up, which says nothing about the version.
pub(super) fn thrown_out(pod: &PodFacts) -> bool {
    const BY_THE_NODE: [&str; 9] = [
        "Evicted",
        "Preempting",
        "Preempted",
        "NodeLost",
        "NodeShutdown",
        "Shutdown",
        "Terminated",
        "NodeAffinity",
        "UnexpectedAdmissionError",
    ];
    let Some(reason) = pod.reason.as_deref() else { return false };
    (pod.phase == "Failed" && (BY_THE_NODE.contains(&reason) || reason.starts_with("OutOf")))
        || pod.phase == "Unknown"
}

const PHASE: &str = "status.phase";
const READY: &str = "Ready.status";
const SCHEDULED: &str = "PodScheduled.reason";
const WAITING: &str = "containerStatuses.waiting.reason";
const TERMINATED: &str = "containerStatuses.terminated.reason";
const CONTAINER_READY: &str = "containerStatuses.ready";

/// Whether a pod will not come up without a change, after krane's list.
pub(super) fn doomed(facts: &WorkloadFacts, pod: &PodFacts) -> Option<Trouble> {
    if pod.phase == "Failed" {
        let reason = pod.reason.as_deref().unwrap_or("Failed");
        return Some(match pod.containers.iter().find(|c| container_end(c).is_some()) {
            Some(container) => Trouble::of_container(pod, container, PHASE, reason, &end_message(container)),
            None => Trouble::of_pod(pod, PHASE, reason, ""),
        });
    }
    pod.containers.iter().find_map(|container| doomed_container(facts, pod, container))
}

fn doomed_container(facts: &WorkloadFacts, pod: &PodFacts, container: &ContainerFacts) -> Option<Trouble> {
    if let ContainerState::Waiting { reason, message } = &container.state {
        let hopeless = match reason.as_str() {
            "CrashLoopBackOff" => true,
            "ErrImagePull" => message.to_ascii_lowercase().contains("not found"),
            // By itself it says only "tried before"; the event beside it says why.
            "ImagePullBackOff" => pull_event(facts, pod).is_some_and(|text| text.contains("not found")),
            // The kubelet's cache lags behind a fresh ConfigMap or Secret; that passes.
            "CreateContainerConfigError" => {
                !(message.contains("failed to sync") && message.contains("cache"))
            }
            _ => false,
        };
        if hopeless {
            let said = match container.last_end.as_ref().filter(|end| !end.message.is_empty()) {
                Some(end) => end.message.clone(),
                None if reason == "ImagePullBackOff" => {
                    pull_event(facts, pod).unwrap_or_else(|| message.clone())
                }
                None => message.clone(),
            };
            return Some(Trouble::of_container(pod, container, WAITING, reason, &said));
        }
    }
    // 128 stands for trouble of the node, not of the container.
    let end = container_end(container)?;
    (end.reason == "ContainerCannotRun" && end.exit_code != 128)
        .then(|| Trouble::of_container(pod, container, TERMINATED, &end.reason, &end.message))
}

/// Node and API server each stamp by their own clock, in whole seconds.
const CLOCKS_APART: SignedDuration = SignedDuration::from_secs(2);

/// Warnings about this very pod, newest first: a StatefulSet gives a name to one pod after another.
fn events_of<'a>(facts: &'a WorkloadFacts, pod: &'a PodFacts) -> impl Iterator<Item = &'a WarningEvent> {
    let born = pod.created.and_then(|created| created.checked_sub(CLOCKS_APART).ok());
    facts.events.iter().rev().filter(move |event| {
        event.about.strip_prefix("Pod/") == Some(pod.name.as_str())
            && !matches!((event.at, born), (Some(at), Some(born)) if at < born)
    })
}

fn pull_event(facts: &WorkloadFacts, pod: &PodFacts) -> Option<String> {
    events_of(facts, pod)
        .find(|event| event.reason == "Failed" && event.message.contains("pull image"))
        .map(|event| event.message.clone())
}

fn container_end(container: &ContainerFacts) -> Option<&Termination> {
    match &container.state {
        ContainerState::Terminated(end) => Some(end),
        _ => container.last_end.as_ref(),
    }
}

fn end_message(container: &ContainerFacts) -> String {
    container_end(container).map(|end| end.message.clone()).unwrap_or_default()
}

/// The latest end of a life among its containers.
fn last_end(pod: &PodFacts) -> Option<Trouble> {
    let ended = pod.containers.iter().filter_map(|container| Some((container, container.last_end.as_ref()?)));
    let (container, end) = ended.max_by_key(|(_, end)| end.finished)?;
    Some(Trouble::of_container(pod, container, TERMINATED, &end.reason, &end.message))
}

/// The probe's failure that ended the pod's last life, if it was one.
fn ended_by_probe<'a>(facts: &'a WorkloadFacts, pod: &'a PodFacts) -> Option<&'a WarningEvent> {
    // What a pod is given at most, as a rule, to end after the last failure.
    const AT_MOST_BEFORE: SignedDuration = SignedDuration::from_secs(60);
    let ended = pod.containers.iter().filter_map(|container| container.last_end.as_ref()?.finished).max()?;
    let mut failures = events_of(facts, pod).filter(|event| {
        event.reason == "Unhealthy"
            && ["Liveness probe", "Startup probe"].iter().any(|probe| event.message.starts_with(probe))
    });
    failures.find(|event| {
        event.at.is_some_and(|at| at <= ended + CLOCKS_APART && ended.duration_since(at) <= AT_MOST_BEFORE)
    })
}

/// Pods looked at from one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    pub facts: &'a WorkloadFacts,
    pub history: &'a RolloutHistory,
    pub now: Timestamp,
}

/// What ails a pod, and when that may change by time alone.
#[derive(Debug, Default)]
pub(super) struct Sight {
    pub trouble: Option<Trouble>,
    pub changes_at: Option<Timestamp>,
}

impl Sight {
    fn of(trouble: Trouble) -> Self {
        Self { trouble: Some(trouble), changes_at: None }
    }
}

impl Look<'_> {
    /// The pod among those not ready that most needs a look; `changes_at` is the soonest of all.
    pub fn worst<'p>(&self, pods: impl IntoIterator<Item = &'p PodFacts>) -> Sight {
        let mut worst = Sight::default();
        for pod in pods.into_iter().filter(|pod| !pod.ready) {
            let seen = self.at(pod);
            worst.changes_at = [worst.changes_at, seen.changes_at].into_iter().flatten().min();
            let outranks = |trouble: &Trouble| {
                worst.trouble.as_ref().is_none_or(|known| trouble.blocks && !known.blocks)
            };
            if seen.trouble.as_ref().is_some_and(outranks) {
                worst.trouble = seen.trouble;
            }
        }
        worst
    }

    /// A pod's trouble, or that it is simply not ready.
    pub fn trouble_of(&self, pod: &PodFacts) -> Trouble {
        let not_ready = || Trouble::of_pod(pod, READY, "NotReady", "");
        self.at(pod).trouble.or_else(|| last_end(pod)).unwrap_or_else(not_ready)
    }

    /// Why a pod restarted: how the life before ended says more than that the new one is not up yet.
    ///
    /// A program that obeys is `Completed` with exit code 0 although its probe had failed.
    pub fn how_it_ended(&self, pod: &PodFacts) -> Trouble {
        if let Some(doomed) = doomed(self.facts, pod) {
            return doomed;
        }
        let Some(mut trouble) = last_end(pod) else { return self.trouble_of(pod) };
        if trouble.message.is_empty() {
            trouble.message = ended_by_probe(self.facts, pod).map(told).unwrap_or_default();
        }
        trouble
    }

    pub fn at(&self, pod: &PodFacts) -> Sight {
        // Whatever a pod says from a node in trouble, it says nothing about the version.
        if let Some(trouble) = pod.node_trouble.filter(|_| !pod.ready) {
            let (reason, what) = match trouble {
                NodeTrouble::Cordoned => ("NodeCordoned", "is being emptied"),
                NodeTrouble::NotReady => ("NodeNotReady", "is not ready"),
                NodeTrouble::Gone => ("NodeGone", "does not exist any more"),
            };
            let message = format!("node {} {what}", pod.node.as_deref().unwrap_or("unknown"));
            return Sight::of(Trouble::of_pod(pod, "spec.nodeName", reason, &message).passing());
        }
        if let Some(trouble) = doomed(self.facts, pod)
            .or_else(|| self.history.doomed.get(&pod.uid).filter(|_| !pod.ready).cloned())
        {
            return Sight::of(trouble);
        }
        if let Some(message) = &pod.unschedulable {
            return Sight::of(Trouble::of_pod(pod, SCHEDULED, "Unschedulable", message));
        }
        let unready = pod.containers.iter().filter(|container| !container.ready);
        if let Some(seen) = unready.filter_map(|container| self.at_container(pod, container)).next() {
            return seen;
        }
        let mut own = pod.containers.iter().filter(|container| !container.init).peekable();
        if !pod.ready && own.peek().is_some() && own.all(|container| container.ready) {
            let words = "all its containers are ready, the pod is not";
            return Sight::of(Trouble::of_pod(pod, READY, "NotReady", words).passing());
        }
        Sight::default()
    }

    fn at_container(&self, pod: &PodFacts, container: &ContainerFacts) -> Option<Sight> {
        match &container.state {
            ContainerState::Waiting { reason, message } => {
                const BLOCKING: [&str; 6] = [
                    "ImagePullBackOff",
                    "ErrImagePull",
                    "ErrImageNeverPull",
                    "InvalidImageName",
                    "CreateContainerError",
                    "RunContainerError",
                ];
                if !BLOCKING.contains(&reason.as_str()) {
                    return None; // ContainerCreating and PodInitializing are ordinary
                }
                let said = pull_event(self.facts, pod).unwrap_or_else(|| message.clone());
                Some(Sight::of(Trouble::of_container(pod, container, WAITING, reason, &said)))
            }
            // It may come back; CrashLoopBackOff says when it does not.
            ContainerState::Terminated(end) if end.exit_code != 0 => {
                let trouble = Trouble::of_container(pod, container, TERMINATED, &end.reason, &end.message);
                Some(Sight::of(trouble.passing()))
            }
            ContainerState::Running { .. } if !container.init => Some(self.at_unready(pod, container)),
            _ => None,
        }
    }

    /// A container that runs and does not answer its probe: young, or in trouble.
    fn at_unready(&self, pod: &PodFacts, container: &ContainerFacts) -> Sight {
        let asked = if container.started { &container.readiness } else { &container.startup };
        let event = events_of(self.facts, pod).find(|event| event.reason == "Unhealthy");
        let message = match (asked, event) {
            (Some(probe), event) => words_of(probe, event),
            (None, Some(event)) => told(event),
            (None, None) => String::new(),
        };
        let trouble = Trouble::of_container(pod, container, CONTAINER_READY, "NotReady", &message);
        let has_failed = events_of(self.facts, pod)
            .any(|event| event.reason == "Unhealthy" && event.message.starts_with("Readiness probe"));
        let seen = self.history.started.get(&container_key(pod, container)).copied().unwrap_or(self.now);
        match readiness::overdue_at(container, seen, has_failed) {
            Some(overdue) if self.now >= overdue => Sight::of(trouble),
            changes_at => Sight { trouble: Some(trouble.passing()), changes_at },
        }
    }
}

/// One life of a container.
pub(super) fn container_key(pod: &PodFacts, container: &ContainerFacts) -> (String, String, u32) {
    (pod.uid.clone(), container.name.clone(), container.restarts)
}

fn told(event: &WarningEvent) -> String {
    let times = if event.count > 1 { format!(" ×{}", event.count) } else { String::new() };
    format!("{}{times}", event.message)
}

/// The probe by its name, and what it last said.
fn words_of(probe: &ProbeFacts, event: Option<&WarningEvent>) -> String {
    match event {
        Some(event) if probe.what.is_empty() => told(event),
        Some(event) => format!("{}: {}", probe.what, told(event)),
        None => probe.what.clone(),
    }
}

/// A ReplicaSet that cannot make pods: the words, and whether waiting is in vain.
pub(super) fn replica_failure(facts: &WorkloadFacts) -> Option<(Trouble, bool)> {
    let of_set = facts.current_revision().map(|set| set.conditions.as_slice()).unwrap_or_default();
    let condition = of_set
        .iter()
        .chain(&facts.conditions)
        .find(|condition| condition.kind == "ReplicaFailure" && condition.status == "True")?;
    let fatal = if condition.message.contains("exceeded quota") {
        !old_pods_can_make_room(facts)
    } else {
        condition.message.contains("is invalid")
    };
    let reason = if condition.reason.is_empty() { "ReplicaFailure" } else { &condition.reason };
    Some((Trouble::of_workload("ReplicaFailure.reason", reason, &condition.message), fatal))
}

/// Whether the rolling update will still scale an old ReplicaSet down, and so free its quota.
fn old_pods_can_make_room(facts: &WorkloadFacts) -> bool {
    if facts.pods.iter().any(|pod| pod.ending) {
        return true;
    }
    let old_left = facts.replicas.saturating_sub(facts.updated);
    let unavailable = absolute(facts.max_unavailable.as_deref(), facts.spec_replicas);
    let must_stay = facts.spec_replicas.saturating_sub(unavailable);
    old_left > 0 && facts.available > must_stay
}

/// `25%` of the replicas, rounded down as Kubernetes does for maxUnavailable, or a plain number.
fn absolute(value: Option<&str>, replicas: u32) -> u32 {
    let Some(value) = value else { return replicas / 4 };
    match value.strip_suffix('%').map(str::parse::<u32>) {
        Some(Ok(percent)) => (u64::from(replicas) * u64::from(percent) / 100) as u32,
        Some(Err(_)) => 0,
        None => value.parse().unwrap_or(0),
    }
}
