//! Whom the document calls and after which time, and since when there is a reason to.
//!
//! Nobody is called from here, and no level is due by anything but the document's own times.

use jiff::{SignedDuration, Timestamp};

use super::Model;
use crate::release::{Answer, CommandState, Phase};
use crate::watch::rollout::RolloutState;
use crate::workflow::{Escalation, RoleName};

/// Notes of this beginning say that somebody was called.
const CALLED: &str = "escalated to ";

/// The trouble that has lasted longest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TroubleSince {
    /// On the release clock.
    pub since: Timestamp,
    pub what: String,
}

/// Whether a level's time has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// The document names no time: a person says when.
    Unsaid,
    /// Nothing is in trouble, so no clock runs.
    Quiet,
    In(SignedDuration),
    /// For that long.
    Now(SignedDuration),
}

/// One line of the document's escalation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level<'a> {
    pub line: &'a Escalation,
    pub due: Due,
    /// The last level whose time has come.
    pub is_current: bool,
    /// When somebody noted that this level was called, who did, and in which words.
    pub called: Vec<(Timestamp, &'a str, &'a str)>,
}

impl Model {
    /// The earliest open breach, failure or hold.
    pub fn in_trouble(&self) -> Option<TroubleSince> {
        let state = self.state();
        if matches!(state.phase, Phase::Preparing | Phase::Completed | Phase::Aborted | Phase::RolledBack) {
            return None;
        }
        let workflow = self.release.workflow();
        let mut found: Vec<TroubleSince> = Vec::new();
        let mut add = |since: Timestamp, what: String| found.push(TroubleSince { since, what });
        for (id, criterion) in &state.criteria {
            if criterion.verdict == crate::watch::Verdict::Fail {
                let text = workflow.criterion(id).map_or_else(|| id.to_string(), |known| known.text.clone());
                let first = state.first_bad.filter(|first| *first < criterion.at.world);
                add(first.unwrap_or(criterion.at.world), format!("breach: {text}"));
            }
        }
        for (id, track) in &state.commands {
            let (CommandState::Failed | CommandState::InDoubt, Some(last)) =
                (track.state, track.attempts.last())
            else {
                continue;
            };
            let ended = last.end.as_ref().map_or(last.started, |(at, _)| *at);
            let word = if track.state == CommandState::Failed { "failed" } else { "is in doubt" };
            let text = crate::release::summary::first_line(&last.run.text);
            let text = if text.is_empty() { id.to_string() } else { text };
            add(ended.world, format!("{text} {word}"));
        }
        for (id, mark) in &state.checks {
            if mark.answer == Answer::NoGo {
                let text = workflow.check(id).map_or_else(|| id.to_string(), |known| known.text.clone());
                add(mark.at.world, format!("NO-GO: {text}"));
            }
        }
        if let Some(hold) = &state.hold {
            add(hold.since.world, format!("held: {}", hold.reason));
        }
        // Silence is no verdict: what was seen last may have mended itself since.
        for seen in self.observed.workloads.values().filter(|_| self.cluster_silence().is_none()) {
            if matches!(seen.verdict.state, RolloutState::Failed | RolloutState::Stuck) {
                add(seen.verdict.since, format!("{} {}", seen.facts.target, seen.verdict.state.word()));
            }
        }
        if state.phase == Phase::RollbackFailed
            && let Some(rollback) = &state.rollback
        {
            add(rollback.fired_at.world, "the rollback failed".to_owned());
        }
        found.into_iter().min_by_key(|trouble| trouble.since)
    }

    /// The document's levels, in its order.
    pub fn escalation(&self) -> Vec<Level<'_>> {
        let lines = &self.release.workflow().escalation;
        let trouble = if lines.is_empty() { None } else { self.in_trouble() };
        let due = |line: &Escalation| match (line.after_s, &trouble) {
            (None, _) => Due::Unsaid,
            (Some(_), None) => Due::Quiet,
            (Some(after), Some(trouble)) => {
                let lasted = self.now.world.duration_since(trouble.since);
                let left = SignedDuration::from_secs(i64::try_from(after).unwrap_or(i64::MAX)) - lasted;
                if left.is_positive() { Due::In(left) } else { Due::Now(-left) }
            }
        };
        let mut levels: Vec<Level> = lines
            .iter()
            .map(|line| Level {
                line,
                due: due(line),
                is_current: false,
                called: self.called(line).collect(),
            })
            .collect();
        // The level that asks for the longest trouble among those whose time has come.
        let current = levels.iter().enumerate().filter(|(_, level)| matches!(level.due, Due::Now(_)));
        let current =
            current.max_by_key(|(index, level)| (level.line.after_s, *index)).map(|(index, _)| index);
        if let Some(level) = current.and_then(|index| levels.get_mut(index)) {
            level.is_current = true;
        }
        levels
    }

    /// The level that is due now and that nobody noted to have called yet.
    pub fn escalation_due(&self) -> Option<Level<'_>> {
        let mut levels = self.escalation().into_iter();
        levels.find(|level| level.is_current && level.called.is_empty())
    }

    /// Whom a line names, each role with the person who answers for it today.
    pub fn named(&self, roles: &[RoleName]) -> impl Iterator<Item = String> {
        roles.iter().map(|role| match self.state().roster.get(role) {
            Some(person) => format!("{role} ({person})"),
            None => role.to_string(),
        })
    }

    /// The same in one go: `ops (ana) + tech-lead`.
    pub fn whom(&self, roles: &[RoleName]) -> String {
        self.named(roles).collect::<Vec<_>>().join(" + ")
    }

    /// The note that says that a level was called.
    pub fn call_note(&self, line: &Escalation, how: &str) -> String {
        let whom = if line.roles.is_empty() { line.answer.clone() } else { self.whom(&line.roles) };
        let how = if how.is_empty() { String::new() } else { format!(": {how}") };
        format!("{CALLED}{whom} [line {}]{how}", line.place.line)
    }

    fn called<'a>(&'a self, line: &'a Escalation) -> impl Iterator<Item = (Timestamp, &'a str, &'a str)> {
        let mark = format!("[line {}]", line.place.line);
        self.state().notes.iter().filter_map(move |(at, by, text)| {
            let (_, rest) = text.strip_prefix(CALLED)?.split_once(&mark)?;
            Some((at.wall, by.as_str(), rest.trim_start_matches([':', ' '])))
        })
    }
}
