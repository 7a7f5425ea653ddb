//! One pod from creation to removal, as scheduler and kubelet drive it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodSpec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::container::{Container, State};
use super::dice::{chance, hash};
use super::event::{About, News, Reporter};
use super::hands::Draft;
use super::kind::Kind;
use super::meta::Meta;
use super::{Condition, after, render};
use crate::rehearsal::scenario::Scenario;
use crate::rehearsal::stage::{PART_OF, PRACTICE_SHOP};

const DEFAULT_GRACE_S: i64 = 30;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pod {
    pub meta: Meta,
    pub spec: PodSpec,
    pub node: Option<String>,
    pub ip: Option<String>,
    /// When the scheduler first looks at it; `None` once it did.
    pub look_at: Option<Timestamp>,
    /// When it got its node.
    pub scheduled: Timestamp,
    pub containers: Vec<Container>,
    pub conditions: Vec<Condition>,
    pub deletion: Option<Deletion>,
    /// The status as a client wrote it. From then on the client is this pod's kubelet, as it is on a
    /// node that nothing runs on.
    pub told: Option<Value>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Deletion {
    pub asked: Timestamp,
    pub grace_s: i64,
    /// When the last container will have ended and the pod goes.
    pub gone: Timestamp,
}

/// What a pod needs from the world around it.
#[derive(Debug)]
pub struct Surroundings<'a> {
    pub scenario: Scenario,
    pub now: Timestamp,
    /// Node and image: what needs no pulling.
    pub pulled: &'a mut std::collections::BTreeSet<String>,
    pub news: &'a mut Vec<News>,
}

impl Pod {
    pub fn new(draft: Draft, now: Timestamp, look_at: Timestamp, scenario: Scenario) -> Self {
        let Draft { meta, spec } = draft;
        let mut pod = Self {
            containers: spec.containers.iter().map(Container::new).collect(),
            meta,
            node: None,
            ip: None,
            look_at: Some(look_at),
            scheduled: now,
            spec,
            conditions: Vec::new(),
            deletion: None,
            told: None,
        };
        if let Some(node) = pod.spec.node_name.clone() {
            // Whoever names the node leaves the scheduler nothing to tell.
            pod.bind(node, now, scenario, &mut Vec::new());
        }
        pod
    }

    /// Takes a status from a client and leaves the pod to it.
    pub fn be_told(&mut self, status: Value) {
        for container in &mut self.containers {
            container.due = None;
            container.next_probe = None;
        }
        self.told = Some(status);
    }

    fn told_condition(&self, kind: &str) -> Option<&Value> {
        let conditions = self.told.as_ref()?["conditions"].as_array()?;
        conditions.iter().find(|condition| condition["type"] == kind)
    }

    /// Whether it is a pod of the controller with this meta.
    pub fn belongs_to(&self, owner: &Meta) -> bool {
        self.meta.is_controlled_by(&owner.uid)
    }

    /// Neither over nor asked to go: what controllers count.
    pub fn is_active(&self) -> bool {
        self.deletion.is_none() && !self.is_over()
    }

    /// Whether it ran to its end, well or not.
    pub fn is_over(&self) -> bool {
        matches!(self.phase(), "Failed" | "Succeeded")
    }

    pub fn is_ready(&self) -> bool {
        if self.told.is_some() {
            return self.told_condition("Ready").is_some_and(|ready| ready["status"] == "True");
        }
        !self.containers.is_empty() && self.containers.iter().all(|container| container.ready)
    }

    /// When all its containers became ready.
    pub fn ready_since(&self) -> Option<Timestamp> {
        if !self.is_ready() {
            return None;
        }
        if self.told.is_some() {
            let since = self.told_condition("Ready")?["lastTransitionTime"].as_str();
            return since.and_then(|since| since.parse().ok()).or(Some(self.meta.created));
        }
        self.containers.iter().filter_map(|container| container.ready_since).max()
    }

    /// Whether the rehearsal's metrics and health are about it.
    pub fn is_of_the_application(&self) -> bool {
        let has = |label: &str, value: &str| self.meta.labels.get(label).is_some_and(|it| it == value);
        has(PART_OF, PRACTICE_SHOP)
            || self.meta.namespace == super::NAMESPACE && has("app", super::APPLICATION)
    }

    /// Gets requests: ready, and not on its way out.
    pub fn serves(&self) -> bool {
        self.is_ready() && self.deletion.is_none()
    }

    pub fn restarts(&self) -> u32 {
        if let Some(told) = &self.told {
            let statuses = told["containerStatuses"].as_array().into_iter().flatten();
            return statuses.map(|one| one["restartCount"].as_u64().unwrap_or(0) as u32).sum();
        }
        self.containers.iter().map(|container| container.restarts).sum()
    }

    pub fn is_scheduled(&self) -> bool {
        self.node.is_some()
    }

    pub fn phase(&self) -> &str {
        if let Some(told) = &self.told {
            return told["phase"].as_str().unwrap_or("Pending");
        }
        let ran = self.containers.iter().all(|container| container.life.is_some());
        if self.is_scheduled() && ran { "Running" } else { "Pending" }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        let own = if self.is_scheduled() { None } else { self.look_at };
        let containers = self.containers.iter().flat_map(|container| [container.due, container.next_probe]);
        containers.chain([own, self.deletion.map(|deletion| deletion.gone)]).flatten().min()
    }

    /// Lets everything happen in its containers that is due.
    pub fn advance(&mut self, around: &mut Surroundings<'_>) {
        let now = around.now;
        if !self.is_scheduled() || self.deletion.is_some() {
            return;
        }
        for index in 0..self.containers.len() {
            self.advance_container(index, around);
        }
        self.refresh_conditions(now);
    }

    /// Sets a condition, also in a status that a client wrote.
    pub(super) fn note(&mut self, condition: Condition) {
        if let Some(told) = &mut self.told {
            let mut conditions = told["conditions"].as_array().cloned().unwrap_or_default();
            conditions.retain(|one| one["type"] != condition.kind);
            conditions.push(render::pod_condition(&condition));
            told["conditions"] = conditions.into();
        }
        self.conditions.retain(|one| one.kind != condition.kind);
        self.conditions.push(condition);
    }

    /// Asks the pod to go, as a DELETE does: it keeps running for some seconds to finish its requests.
    /// Without a node there is nobody to wait for.
    pub fn delete(&mut self, grace_s: Option<i64>, around: &mut Surroundings<'_>) {
        let now = around.now;
        if self.deletion.is_some() {
            if grace_s == Some(0) {
                self.deletion = Some(Deletion { asked: now, grace_s: 0, gone: now });
            }
            return;
        }
        let usual_s = self.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_S);
        let grace_s = if self.is_scheduled() { grace_s.unwrap_or(usual_s).max(0) } else { 0 };
        let running = self.containers.iter().any(|container| container.state == State::Running);
        let drain_s = around.scenario.draining_s(running && self.told.is_none(), chance(self.seed(), 4));
        let gone = after(now, drain_s.min(grace_s as f64));
        self.deletion = Some(Deletion { asked: now, grace_s, gone });
        if grace_s > 0 {
            self.meta.generation += 1;
        }
        for index in 0..self.containers.len() {
            let container = &mut self.containers[index];
            container.next_probe = None;
            container.due = None;
            if container.state == State::Running {
                if let Some(life) = &mut container.life {
                    life.stopping = Some(now);
                }
                let message = format!("Stopping container {}", container.name);
                around.news.push(self.news(Some(index), false, "Killing", message));
            }
        }
    }

    pub(super) fn bind(&mut self, node: String, now: Timestamp, scenario: Scenario, news: &mut Vec<News>) {
        let seed = self.seed();
        self.ip = Some(format!("10.12.{}.{}", 1 + hash(&node) % 200, 2 + (seed >> 8) % 250));
        let message = format!("Successfully assigned {}/{} to {node}", self.meta.namespace, self.meta.name);
        self.node = Some(node);
        self.look_at = None;
        self.scheduled = now;
        news.push(News { reporter: Reporter::Scheduler, ..self.news(None, false, "Scheduled", message) });
        for container in &mut self.containers {
            container.due = Some(after(now, scenario.creating_s()));
        }
        self.conditions.retain(|condition| condition.kind != "PodScheduled");
        self.refresh_conditions(now);
    }

    /// Notes why no node takes it; true when that was not known.
    pub(super) fn wait_for_a_node(&mut self, why: &str, now: Timestamp, news: &mut Vec<News>) -> bool {
        self.look_at = None;
        let known = self.conditions.iter_mut().find(|condition| condition.kind == "PodScheduled");
        match known {
            Some(known) if known.message == why => return false,
            Some(known) => known.message = why.to_owned(),
            None => {
                self.conditions.push(Condition::new("PodScheduled", "False", "Unschedulable", why, now));
            }
        }
        let told = self.news(None, true, "FailedScheduling", why.to_owned());
        news.push(News { reporter: Reporter::Scheduler, ..told });
        true
    }

    /// The four conditions that kubelet and scheduler keep on every pod.
    fn refresh_conditions(&mut self, now: Timestamp) {
        let waiting: Vec<&str> = self
            .containers
            .iter()
            .filter(|container| !container.ready)
            .map(|container| container.name.as_str())
            .collect();
        let (reason, message) = if waiting.is_empty() {
            (String::new(), String::new())
        } else {
            ("ContainersNotReady".into(), format!("containers with unready status: [{}]", waiting.join(" ")))
        };
        let ready = if waiting.is_empty() { "True" } else { "False" };
        let started = self.containers.iter().any(|container| container.life.is_some());
        for (kind, status, reason, message) in [
            (
                "PodReadyToStartContainers",
                if started { "True" } else { "False" },
                String::new(),
                String::new(),
            ),
            ("Initialized", "True", String::new(), String::new()),
            ("Ready", ready, reason.clone(), message.clone()),
            ("ContainersReady", ready, reason, message),
            ("PodScheduled", "True", String::new(), String::new()),
        ] {
            let known = self.conditions.iter_mut().find(|condition| condition.kind == kind);
            match known {
                Some(known) if known.status == status => {
                    known.reason = reason;
                    known.message = message;
                }
                Some(known) => *known = Condition::new(kind, status, &reason, &message, now),
                None => self.conditions.push(Condition::new(kind, status, &reason, &message, now)),
            }
        }
    }

    pub fn seed(&self) -> u64 {
        hash(&self.meta.uid)
    }

    pub(super) fn news(
        &self,
        container: Option<usize>,
        warning: bool,
        reason: &'static str,
        message: String,
    ) -> News {
        News {
            about: About {
                kind: Kind::Pod,
                namespace: self.meta.namespace.clone(),
                name: self.meta.name.clone(),
                uid: self.meta.uid.clone(),
                container: container.map(|index| self.containers[index].name.clone()),
            },
            reporter: Reporter::Kubelet,
            node: self.node.clone(),
            warning,
            reason,
            message,
        }
    }
}

/// Which of two pods a shrinking ReplicaSet gives up first: the less useful, then the younger one.
pub fn more_expendable(one: &Pod, other: &Pod) -> std::cmp::Ordering {
    let rank = |pod: &Pod| (pod.is_scheduled(), pod.phase() == "Running", pod.is_ready());
    rank(one)
        .cmp(&rank(other))
        .then_with(|| other.ready_since().cmp(&one.ready_since()))
        .then_with(|| other.restarts().cmp(&one.restarts()))
        .then_with(|| other.meta.created.cmp(&one.meta.created))
        .then_with(|| one.meta.name.cmp(&other.meta.name))
}

/// Whether a ready pod counts as available: ready for `min_ready_s`.
pub fn is_available(pod: &Pod, min_ready_s: i64, now: Timestamp) -> bool {
    pod.ready_since().is_some_and(|since| now.duration_since(since) >= SignedDuration::from_secs(min_ready_s))
}

/// When the next of these pods will count as available.
pub fn next_available<'p>(
    pods: impl Iterator<Item = &'p Pod>,
    min_ready_s: i64,
    now: Timestamp,
) -> Option<Timestamp> {
    let min_ready = SignedDuration::from_secs(min_ready_s);
    pods.filter_map(|pod| pod.ready_since()?.checked_add(min_ready).ok()).filter(|at| *at > now).min()
}
