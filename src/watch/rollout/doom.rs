//! What a pod says about itself: doomed, in trouble, or thrown out by its node.

use crate::watch::facts::{ContainerFacts, ContainerState, PodFacts, Termination, WorkloadFacts};

/// One pod's trouble, or the workload's own, for one line on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub pod: Option<String>,
    pub container: Option<String>,
    /// `CrashLoopBackOff`, `Unschedulable`, `NotReady`, …
    pub reason: String,
    /// What Kubernetes says about it; may be empty.
    pub message: String,
    pub exit_code: Option<i32>,
    pub restarts: u32,
    /// It does not pass by waiting: worth "stuck" at once.
    pub blocks: bool,
}

impl Trouble {
    pub(super) fn of_workload(reason: &str, message: &str) -> Self {
        Self {
            pod: None,
            container: None,
            reason: reason.to_owned(),
            message: message.to_owned(),
            exit_code: None,
            restarts: 0,
            blocks: true,
        }
    }

    fn of_pod(pod: &PodFacts, reason: &str, message: &str) -> Self {
        Self { pod: Some(pod.name.clone()), restarts: pod.restarts(), ..Self::of_workload(reason, message) }
    }

    fn of_container(pod: &PodFacts, container: &ContainerFacts, reason: &str, message: &str) -> Self {
        Self {
            container: Some(container.name.clone()),
            restarts: container.restarts,
            exit_code: container_end(container).map(|end| end.exit_code),
            ..Self::of_pod(pod, reason, message)
        }
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

/// Whether a pod will not come up without a change, after krane's list.
pub(super) fn doomed(facts: &WorkloadFacts, pod: &PodFacts) -> Option<Trouble> {
    if pod.phase == "Failed" {
        let reason = pod.reason.as_deref().unwrap_or("Failed");
        return Some(match pod.containers.iter().find(|c| container_end(c).is_some()) {
            Some(container) => Trouble::of_container(pod, container, reason, &end_message(container)),
            None => Trouble::of_pod(pod, reason, ""),
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
            return Some(Trouble::of_container(pod, container, reason, &said));
        }
    }
    // 128 stands for trouble of the node, not of the container.
    let end = container_end(container)?;
    (end.reason == "ContainerCannotRun" && end.exit_code != 128)
        .then(|| Trouble::of_container(pod, container, &end.reason, &end.message))
}

fn pull_event(facts: &WorkloadFacts, pod: &PodFacts) -> Option<String> {
    let about = format!("Pod/{}", pod.name);
    facts
        .events
        .iter()
        .rev()
        .find(|event| {
            event.about == about && event.reason == "Failed" && event.message.contains("pull image")
        })
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

/// The pod among those not ready that most needs a look.
pub(super) fn worst(facts: &WorkloadFacts, pods: &[&PodFacts]) -> Option<Trouble> {
    let mut mildest = None;
    for pod in pods.iter().filter(|pod| !pod.ready) {
        let Some(trouble) = trouble(facts, pod) else { continue };
        if trouble.blocks {
            return Some(trouble);
        }
        mildest.get_or_insert(trouble);
    }
    mildest
}

/// A pod's trouble, or that it is simply not ready.
pub(super) fn trouble_of(facts: &WorkloadFacts, pod: &PodFacts) -> Trouble {
    doomed(facts, pod).or_else(|| trouble(facts, pod)).unwrap_or_else(|| {
        match pod.containers.iter().find(|container| container.last_end.is_some()) {
            Some(container) => {
                let reason = container.last_end.as_ref().map_or("", |end| end.reason.as_str());
                Trouble::of_container(pod, container, reason, &end_message(container))
            }
            None => Trouble::of_pod(pod, "NotReady", ""),
        }
    })
}

fn trouble(facts: &WorkloadFacts, pod: &PodFacts) -> Option<Trouble> {
    if let Some(message) = &pod.unschedulable {
        return Some(Trouble::of_pod(pod, "Unschedulable", message));
    }
    for container in pod.containers.iter().filter(|container| !container.ready) {
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
                    continue; // ContainerCreating and PodInitializing are ordinary
                }
                let said = pull_event(facts, pod).unwrap_or_else(|| message.clone());
                return Some(Trouble::of_container(pod, container, reason, &said));
            }
            ContainerState::Terminated(end) if end.exit_code != 0 => {
                let mut trouble = Trouble::of_container(pod, container, &end.reason, &end.message);
                trouble.blocks = false; // it may come back; CrashLoopBackOff says when it does not
                return Some(trouble);
            }
            ContainerState::Running { .. } if !container.init => {
                let message = unhealthy_event(facts, pod).unwrap_or_default();
                let mut trouble = Trouble::of_container(pod, container, "NotReady", &message);
                trouble.blocks = false; // readiness takes its time; no progress decides
                return Some(trouble);
            }
            _ => {}
        }
    }
    None
}

fn unhealthy_event(facts: &WorkloadFacts, pod: &PodFacts) -> Option<String> {
    let about = format!("Pod/{}", pod.name);
    let event =
        facts.events.iter().rev().find(|event| event.about == about && event.reason == "Unhealthy")?;
    let times = if event.count > 1 { format!(" ×{}", event.count) } else { String::new() };
    Some(format!("{}{times}", event.message))
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
    Some((Trouble::of_workload(reason, &condition.message), fatal))
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
