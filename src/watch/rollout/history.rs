//! What one judgement must remember for the next.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::counts::{self, Counts, missing};
use super::doom::{self, Look, Trouble};
use super::expectation::ExpectedTemplate;
use super::state::RolloutState;
use crate::watch::facts::{ContainerState, PodFacts, WorkloadFacts};

const RESTARTS: &str = "containerStatuses.restartCount";

/// What one judgement must remember for the next. One per workload and release.
#[derive(Debug, Clone, Default)]
pub struct RolloutHistory {
    /// The template judged last; a new one starts the clocks anew.
    print: Option<String>,
    /// Since when the revision that carries the template is not among those seen.
    pub(super) revision_missed_at: Option<Timestamp>,
    /// When the template changed before our eyes; `None` if it has been this one ever since.
    pub(super) changed_at: Option<Timestamp>,
    /// The template that was recognised as ours, under which expectation.
    pub(super) adopted: Option<(ExpectedTemplate, String)>,
    pub(super) progress: Option<Progress>,
    pub(super) settle: Option<Settle>,
    /// Pods once found doomed stay so until they are ready: a crash loop runs between two crashes,
    /// and a missing image alternates between two reasons.
    pub(super) doomed: BTreeMap<String, Trouble>,
    /// When containers that are not ready were first seen started, by pod UID, name and restarts.
    pub(super) started: BTreeMap<(String, String, u32), Timestamp>,
    /// A pod broke while settling; stands until a whole settle time has passed.
    pub(super) unstable: Option<Break>,
    pub(super) state: Option<(RolloutState, Timestamp)>,
    /// Since when nothing is seen, until the next judgement.
    unseen_since: Option<Timestamp>,
}

/// The counts at the last sign of progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    counts: Counts,
    /// Of an Argo Rollout: its step and weight.
    step: Option<u32>,
    weight: Option<u32>,
    pub at: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct Settle {
    pub since: Timestamp,
    /// Restarts by pod UID, of each pod when it was first seen up in the interval.
    pub restarts: BTreeMap<String, u32>,
    /// The interval was passed: the rollout was complete once.
    pub held: bool,
}

/// A pod that was up and is not what it was.
#[derive(Debug, Clone)]
pub(super) struct Break {
    pub decider: &'static str,
    pub words: String,
    pub trouble: Trouble,
}

impl RolloutHistory {
    /// Says that nothing is seen from `at` on. The next judgement ends that time, and no clock counts
    /// it: a rollout that nobody saw has neither stood still nor held.
    pub fn lose_sight(&mut self, at: Timestamp) {
        self.unseen_since.get_or_insert(at);
    }

    /// Sees again, and moves by the time without sight whatever is measured by watching. What the
    /// outside stamped itself, or is due by the clock on the wall, stays where it is.
    pub(super) fn regain_sight(&mut self, now: Timestamp) {
        let Some(since) = self.unseen_since.take() else { return };
        let moved = |at: Timestamp| {
            let unseen = now.duration_since(since.max(at)).max(SignedDuration::ZERO);
            at.saturating_add(unseen).unwrap_or(at)
        };
        self.revision_missed_at = self.revision_missed_at.map(moved);
        if let Some(progress) = &mut self.progress {
            progress.at = moved(progress.at);
        }
        for at in self.started.values_mut() {
            *at = moved(*at);
        }
        // An interval with a hole in it is none. The restarts counted so far are kept: one that
        // nobody saw is known by them.
        if let Some(settle) = self.settle.as_mut().filter(|settle| !settle.held && now > since) {
            settle.since = settle.since.max(now);
        }
    }

    pub(super) fn note_template(&mut self, facts: &WorkloadFacts, now: Timestamp) {
        if self.print.as_ref() == Some(&facts.template_print) {
            return;
        }
        if self.print.is_some() {
            self.changed_at = Some(now);
        }
        self.print = Some(facts.template_print.clone());
        self.progress = None;
        self.settle = None;
        self.doomed.clear();
        self.unstable = None;
    }

    /// A rollout that a person or an analysis holds neither progresses nor gets stuck: its clocks
    /// start anew when it goes on.
    pub(super) fn stop_the_clocks(&mut self) {
        self.progress = None;
        self.settle = None;
    }

    pub(super) fn note_progress(&mut self, facts: &WorkloadFacts, now: Timestamp) {
        let counts = Counts::of(facts);
        let argo = facts.argo.as_deref();
        let (step, weight) = (argo.and_then(|argo| argo.step), argo.and_then(|argo| argo.weight));
        let seen = Progress { counts, step, weight, at: now };
        let moved = self.progress.is_none_or(|Progress { counts: last, step, weight, .. }| {
            counts.updated > last.updated
                || counts.ready > last.ready
                || counts.available > last.available
                || counts.old < last.old
                || counts.desired != last.desired
                || seen.step != step
                || seen.weight != weight
        });
        if moved {
            self.progress = Some(seen);
        } else if let Some(last) = &mut self.progress {
            // A pod lost counts as loss, and its return as progress.
            *last = Progress { at: last.at, ..seen };
        }
    }

    pub(super) fn note_pods(&mut self, facts: &WorkloadFacts, now: Timestamp) {
        let mut doomed = std::mem::take(&mut self.doomed);
        // Old pods too: one of them can hold up a StatefulSet for ever.
        let counting = counts::counted_pods(facts).filter(|pod| !pod.ready && pod.node_trouble.is_none());
        for pod in counting {
            let known = doomed.remove(&pod.uid);
            if let Some(trouble) = doom::doomed(facts, pod).or(known) {
                self.doomed.insert(pod.uid.clone(), trouble);
            }
        }
        let mut alive = BTreeSet::new();
        for pod in facts.pods.iter().filter(|pod| !pod.ready && !pod.ending) {
            for container in pod.containers.iter().filter(|container| !container.ready && container.started) {
                if container.readiness.is_some() && matches!(container.state, ContainerState::Running { .. })
                {
                    let key = doom::container_key(pod, container);
                    self.started.entry(key.clone()).or_insert(now);
                    alive.insert(key);
                }
            }
        }
        self.started.retain(|key, _| alive.contains(key));
    }

    /// Notices a restart or a lost readiness since the settle interval began, and starts it anew.
    pub(super) fn note_break(
        &mut self,
        facts: &WorkloadFacts,
        pods: &[&PodFacts],
        now: Timestamp,
    ) -> Option<Break> {
        let Some(settle) = &self.settle else { return self.unstable.clone() };
        let broken = pods.iter().filter(|pod| pod.node_trouble.is_none()).find_map(|pod| {
            let before = settle.restarts.get(&pod.uid)?;
            if pod.restarts() > *before {
                Some((*pod, RESTARTS, "restarted"))
            } else if !pod.ready && !settle.held {
                Some((*pod, "Ready.status", "is not ready any more"))
            } else {
                None
            }
        });
        match broken {
            Some((pod, decider, what)) => {
                let look = Look { facts, history: self, now };
                let trouble = match decider {
                    RESTARTS => look.how_it_ended(pod),
                    _ => look.trouble_of(pod),
                };
                let words = format!("unstable: {} {what}", pod.name);
                self.settle = None;
                self.unstable = Some(Break { decider, words, trouble });
            }
            // Fewer pods than wanted, or more than before: the interval begins when all are up.
            None if missing(facts, pods).is_some() => {
                self.settle = self.settle.take().filter(|settle| settle.held);
                // A pod that was up is seen unready first and restarted then: that it was up is kept.
                if let Some(settle) = &mut self.settle {
                    settle.since = now;
                }
            }
            None => {}
        }
        self.unstable.clone()
    }
}
