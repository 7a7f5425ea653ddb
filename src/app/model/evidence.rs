//! The live line beneath a manual check: what is known about it right now, and how old that is.

use std::borrow::Cow;

use jiff::Timestamp;

use super::Model;
use crate::release::Evidence;
use crate::watch::rollout::RolloutState;
use crate::watch::{Moment, System};
use crate::workflow::{CheckId, EvidenceKind, Metric};

impl Model {
    /// What the screen shows beside a check at this moment, to be kept with the answer.
    ///
    /// - Shape: in the order of the check's own hints; a kind without a fact is left out.
    pub fn evidence_for(&self, check: &CheckId) -> Vec<Evidence> {
        let kinds =
            self.release.workflow().check(check).map(|check| check.evidence.as_slice()).unwrap_or_default();
        self.masked(kinds.iter().flat_map(|kind| self.evidence(*kind, check)).collect())
    }

    /// All that speaks for or against going on, for a poll.
    pub fn poll_evidence(&self) -> Vec<Evidence> {
        let mut evidence = self.rollout_evidence();
        evidence.extend(self.health_evidence());
        evidence.extend(self.metric_evidence(Metric::ErrorRate, "error rate"));
        evidence.extend(self.log_evidence());
        self.masked(evidence)
    }

    /// What was on screen when the rollback was fired.
    pub fn rollback_evidence(&self) -> Vec<Evidence> {
        let mut evidence = self.criteria_evidence();
        evidence.extend(self.rollout_evidence());
        evidence.extend(self.health_evidence());
        self.masked(evidence)
    }

    /// Evidence is what others say, so nobody could be asked to word it otherwise.
    fn masked(&self, mut evidence: Vec<Evidence>) -> Vec<Evidence> {
        for text in evidence.iter_mut().flat_map(|seen| [&mut seen.what, &mut seen.value]) {
            if let Cow::Owned(masked) = self.secrets.masked(text) {
                *text = masked;
            }
        }
        evidence
    }

    fn evidence(&self, kind: EvidenceKind, check: &CheckId) -> Vec<Evidence> {
        match kind {
            EvidenceKind::Rollout => self.rollout_evidence(),
            EvidenceKind::Health => self.health_evidence(),
            EvidenceKind::ErrorRate => self.metric_evidence(Metric::ErrorRate, "error rate"),
            EvidenceKind::Latency => self.metric_evidence(Metric::LatencyP95, "latency p95"),
            EvidenceKind::RequestRate => self.metric_evidence(Metric::RequestRate, "requests"),
            EvidenceKind::Restarts => self.metric_evidence(Metric::Restarts, "restarts"),
            EvidenceKind::Logs => self.log_evidence(),
            EvidenceKind::Criteria => self.criteria_evidence(),
            EvidenceKind::Command => self.command_evidence(check),
        }
    }

    fn rollout_evidence(&self) -> Vec<Evidence> {
        let silent = self.cluster_silence().is_some();
        let line = |seen: &super::Seen| {
            let verdict = &seen.verdict;
            let revision = seen.facts.revision.map(|revision| format!("rev {revision} ")).unwrap_or_default();
            let value = match verdict.state {
                RolloutState::Unknown => return None,
                RolloutState::Complete => {
                    let counts = verdict.counts;
                    format!("{revision}complete, {} of {} ready", counts.ready, counts.desired)
                }
                state => format!("{revision}{}, {}", state.name(), verdict.field),
            };
            let at = self.observed.last_ok.get(&System::Cluster).copied().unwrap_or(seen.at);
            Some(Evidence {
                what: seen.facts.target.to_string(),
                value,
                age_s: self.wall_age(at),
                stale: silent,
            })
        };
        self.observed.workloads.values().filter_map(line).collect()
    }

    fn health_evidence(&self) -> Vec<Evidence> {
        let Some(reading) = &self.observed.health else { return Vec::new() };
        let parts: Vec<String> = reading
            .parts
            .iter()
            .map(|part| format!("{} {}", part.name, if part.ok { "ok" } else { "DOWN" }))
            .collect();
        let word = if reading.healthy { "healthy" } else { "unhealthy" };
        let value = if parts.is_empty() {
            format!("{word} (HTTP {})", reading.http_status)
        } else {
            format!("{word}: {}", parts.join(" · "))
        };
        let age_s = self.wall_age(reading.at);
        vec![Evidence { what: "health".to_owned(), value, age_s, stale: age_s > 30 }]
    }

    fn metric_evidence(&self, metric: Metric, what: &str) -> Vec<Evidence> {
        let Some(series) = self.observed.metrics.series(metric) else { return Vec::new() };
        let Some((at, value)) = series.latest_number() else {
            let age_s = series.heard().map_or(0, |heard| self.wall_age(heard));
            return vec![Evidence { what: what.to_owned(), value: "no data".to_owned(), age_s, stale: true }];
        };
        let stale = self.observed.metrics.is_stale(metric, self.now);
        let value = super::units::metric(metric, value);
        vec![Evidence { what: what.to_owned(), value, age_s: self.world_age(at), stale }]
    }

    fn criteria_evidence(&self) -> Vec<Evidence> {
        let workflow = self.release.workflow();
        let line = |criterion: &crate::workflow::Criterion| {
            let state = self.state().criteria.get(&criterion.id).filter(|state| state.is_breached());
            let read = self.observed.metrics.reading(&criterion.id);
            let value = match (state, read) {
                (Some(state), _) => format!("MET: {}", state.why),
                (None, Some(read)) => read.why.clone(),
                (None, None) => return None,
            };
            Some(Evidence { what: criterion.text.clone(), value, age_s: 0, stale: false })
        };
        workflow.rollback.criteria.iter().filter_map(line).collect()
    }

    fn log_evidence(&self) -> Vec<Evidence> {
        let logs = &self.observed.logs;
        if logs.n_lines() == 0 {
            return Vec::new();
        }
        let n_errors: u64 = logs.streams().iter().map(|stream| stream.n_errors).sum();
        let value = format!("{n_errors} error lines, {} lines kept", logs.n_lines());
        let stale = self.cluster_silence().is_some();
        vec![Evidence { what: "logs".to_owned(), value, age_s: 0, stale }]
    }

    fn command_evidence(&self, check: &CheckId) -> Vec<Evidence> {
        let workflow = self.release.workflow();
        let holds = |step: &&crate::workflow::Step| step.checks().any(|known| &known.id == check);
        let Some(step) = workflow.steps.iter().find(holds) else { return Vec::new() };
        let attempts = step.commands.iter().filter_map(|command| self.state().last_attempt(&command.id));
        let Some(last) = attempts.max_by_key(|attempt| attempt.started) else { return Vec::new() };
        let what = crate::release::summary::first_line(&last.run.text);
        let (value, at) = match &last.end {
            Some((at, Some(exit))) => (exit.to_string(), *at),
            Some((at, None)) => ("in doubt".to_owned(), *at),
            None => ("running".to_owned(), last.started),
        };
        vec![Evidence { what, value, age_s: self.wall_age(at), stale: false }]
    }

    /// Seconds of wall time since a moment.
    pub fn wall_age(&self, at: Moment) -> u64 {
        u64::try_from(self.now.wall.duration_since(at.wall).as_secs()).unwrap_or(0)
    }

    /// Seconds of world time since a moment.
    pub fn world_age(&self, at: Timestamp) -> u64 {
        u64::try_from(self.now.world.duration_since(at).as_secs()).unwrap_or(0)
    }
}
