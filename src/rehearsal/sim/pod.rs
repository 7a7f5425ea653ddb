//! One pod from creation to removal, as scheduler and kubelet drive it.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::PodSpec;
use serde::{Deserialize, Serialize};

use super::container::{Container, State};
use super::dice::{chance, hash};
use super::event::{About, AboutKind, News, Reporter};
use super::{Condition, after};
use crate::rehearsal::scenario::Scenario;

const DEFAULT_GRACE_S: i64 = 30;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Pod {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    pub created: Timestamp,
    /// The ReplicaSet that made it.
    pub owner: String,
    pub owner_uid: String,
    pub labels: std::collections::BTreeMap<String, String>,
    pub annotations: std::collections::BTreeMap<String, String>,
    pub spec: PodSpec,
    pub node: Option<String>,
    pub ip: Option<String>,
    /// When the scheduler will have found a node, then when it did.
    pub scheduled: Timestamp,
    pub containers: Vec<Container>,
    pub conditions: Vec<Condition>,
    pub deletion: Option<Deletion>,
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
    pub fn is_ready(&self) -> bool {
        !self.containers.is_empty() && self.containers.iter().all(|container| container.ready)
    }

    /// When all its containers became ready.
    pub fn ready_since(&self) -> Option<Timestamp> {
        if !self.is_ready() {
            return None;
        }
        self.containers.iter().filter_map(|container| container.ready_since).max()
    }

    /// Gets requests: ready, and not on its way out.
    pub fn serves(&self) -> bool {
        self.is_ready() && self.deletion.is_none()
    }

    pub fn restarts(&self) -> u32 {
        self.containers.iter().map(|container| container.restarts).sum()
    }

    pub fn is_scheduled(&self) -> bool {
        self.node.is_some()
    }

    pub fn phase(&self) -> &'static str {
        let ran = self.containers.iter().all(|container| container.life.is_some());
        if self.is_scheduled() && ran { "Running" } else { "Pending" }
    }

    pub fn next_due(&self) -> Option<Timestamp> {
        let own = if self.is_scheduled() { None } else { Some(self.scheduled) };
        let containers = self.containers.iter().flat_map(|container| [container.due, container.next_probe]);
        containers.chain([own, self.deletion.map(|deletion| deletion.gone)]).flatten().min()
    }

    /// Lets everything happen that is due; true when the pod itself is over and must be removed.
    pub fn advance(&mut self, around: &mut Surroundings<'_>) -> bool {
        let now = around.now;
        if self.deletion.is_some_and(|deletion| deletion.gone <= now) {
            return true;
        }
        if !self.is_scheduled() {
            if self.scheduled > now {
                return false;
            }
            self.bind(around);
        }
        for index in 0..self.containers.len() {
            self.advance_container(index, around);
        }
        self.refresh_conditions(now);
        false
    }

    /// Asks the pod to go, as a DELETE does: it keeps running for some seconds to finish its requests.
    pub fn delete(&mut self, around: &mut Surroundings<'_>) {
        if self.deletion.is_some() {
            return;
        }
        let now = around.now;
        let grace_s = self.spec.termination_grace_period_seconds.unwrap_or(DEFAULT_GRACE_S).max(0);
        let running = self.containers.iter().any(|container| container.state == State::Running);
        let drain_s = if running { 4.0 + 5.0 * chance(self.seed(), 4) } else { 0.5 };
        let gone = after(now, drain_s.min(grace_s as f64));
        self.deletion = Some(Deletion { asked: now, grace_s, gone });
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

    fn bind(&mut self, around: &mut Surroundings<'_>) {
        let seed = self.seed();
        let node = format!("practice-node-{}", 1 + seed % 2);
        self.ip = Some(format!("10.12.{}.{}", 1 + seed % 2, 2 + (seed >> 8) % 250));
        self.node = Some(node.clone());
        let message = format!("Successfully assigned {}/{} to {node}", self.namespace, self.name);
        around
            .news
            .push(News { reporter: Reporter::Scheduler, ..self.news(None, false, "Scheduled", message) });
        for container in &mut self.containers {
            container.due = Some(after(self.scheduled, 0.8));
        }
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
        hash(&self.uid)
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
                kind: AboutKind::Pod,
                namespace: self.namespace.clone(),
                name: self.name.clone(),
                uid: self.uid.clone(),
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
        .then_with(|| other.created.cmp(&one.created))
        .then_with(|| one.name.cmp(&other.name))
}

/// Whether a ready pod counts as available: ready for `min_ready_s`.
pub fn is_available(pod: &Pod, min_ready_s: i64, now: Timestamp) -> bool {
    pod.ready_since().is_some_and(|since| now.duration_since(since) >= SignedDuration::from_secs(min_ready_s))
}
