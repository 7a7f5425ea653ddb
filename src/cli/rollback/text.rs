//! `--format text`: the plan before it is fired, then one line per change.

use jiff::SignedDuration;
use jiff::tz::TimeZone;

use super::ends::Ends;
use super::json::what;
use crate::app::model::Model;
use crate::release::{Finding, Outcome, PlanState, RollbackState};
use crate::ui::format;
use crate::watch::Moment;
use crate::watch::logs::clean;

/// What is still missing changes with every pod; it is told no more often than this.
const REMINDER: SignedDuration = SignedDuration::from_secs(5);

/// From what to what, how it was proven, and what would change.
pub(super) fn plan(model: &Model, ends: &[Ends]) -> String {
    let state = model.state();
    let arming = model.arming();
    let mut text = format!("rollback of {}   {}\n", state.id, arming.state.word());
    for ends in ends {
        text += &format!("  {}   {} → {}\n", ends.what, ends.from.words(), ends.to.words());
        if ends.is_there {
            text += "    is what was pinned\n";
        }
    }
    for line in &model.observed.diff {
        text += &format!("    {}\n", clean(line));
    }
    let fine: Vec<&str> = {
        let fine = |finding: &&Finding| finding.outcome == Outcome::Fine;
        let mut all: Vec<&str> = state.findings.iter().filter(fine).map(|it| it.what.as_str()).collect();
        all.dedup();
        all
    };
    if !fine.is_empty() {
        text += &format!("  tested      {}\n", fine.join(" · "));
    }
    for why in &arming.why {
        text += &format!("  limit       {}\n", clean(why));
    }
    let found = state.findings.iter().filter_map(Finding::stays);
    for what in model.release.workflow().irreversible.iter().cloned().chain(found) {
        text += &format!("  not undone  {}\n", clean(&what));
    }
    text
}

/// Remembers what was said, so that nothing is said twice.
#[derive(Debug)]
pub(super) struct Teller {
    zone: TimeZone,
    told: Vec<String>,
    missing: (String, Option<Moment>),
    was_silent: bool,
}

impl Teller {
    pub fn new(zone: TimeZone) -> Self {
        Self { zone, told: Vec::new(), missing: (String::new(), None), was_silent: false }
    }

    /// What changed since the last time, one line each.
    pub fn news(&mut self, model: &Model) -> String {
        let mut text = self.silence(model);
        let Some(rollback) = model.rollback() else { return text };
        for (n, step) in rollback.plan.iter().enumerate() {
            let what = what(&step.action);
            let words = match &step.state {
                PlanState::Waiting => continue,
                PlanState::Sent { attempt: 1, .. } => format!("{what}: sent"),
                PlanState::Sent { attempt, .. } => format!("{what}: sent, attempt {attempt}"),
                PlanState::Queued { why, .. } => format!("{what}: queued, {why}"),
                PlanState::Done { took_ms: Some(ms), .. } => {
                    format!("{what}: accepted after {}", format::took(*ms))
                }
                PlanState::Done { .. } => format!("{what}: done"),
                PlanState::Failed(failure) => format!("{what}: FAILED, {}", failure.summary),
                PlanState::Passed { by, .. } => format!("{what}: not waited for, by {by}"),
            };
            self.told.resize(self.told.len().max(n + 1), String::new());
            if self.told[n] != words {
                text += &self.note(&words, model.now);
                self.told[n] = words;
            }
        }
        let missing = model.release.rollback_missing().join(", ");
        let waited = self.missing.1.is_none_or(|at| model.now.wall.duration_since(at.wall) >= REMINDER);
        if waited && missing != self.missing.0 && !missing.is_empty() {
            text += &self.note(&format!("still missing: {missing}"), model.now);
            self.missing = (missing, Some(model.now));
        }
        text
    }

    fn silence(&mut self, model: &Model) -> String {
        let silence = model.cluster_silence();
        let was_silent = std::mem::replace(&mut self.was_silent, silence.is_some());
        match silence {
            Some((_, cause)) if !was_silent => {
                self.note(&format!("the API server does not answer ({cause}); trying again"), model.now)
            }
            None if was_silent => self.note("the API server answers again", model.now),
            _ => String::new(),
        }
    }

    /// How it ended.
    pub fn end(&self, model: &Model, ends: &[Ends]) -> String {
        let safe = model.rollback().and_then(RollbackState::time_to_safe);
        let words = match safe {
            Some((since_fired, since_bad)) => {
                let to: Vec<String> =
                    ends.iter().map(|ends| format!("{} on {}", ends.what, ends.to.words())).collect();
                let bad =
                    since_bad.map(|span| format!(", {} after the first bad signal", format::span(span)));
                format!(
                    "SAFE: {}; {} after the firing{}",
                    to.join(", "),
                    format::span(since_fired),
                    bad.unwrap_or_default()
                )
            }
            None => format!("NOT VERIFIED, still missing: {}", model.release.rollback_missing().join(", ")),
        };
        self.note(&words, model.now)
    }

    pub fn note(&self, words: &str, now: Moment) -> String {
        format!("{}  {}\n", format::wall(now.wall, &self.zone), clean(words))
    }
}
