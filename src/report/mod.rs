//! What is left behind: a release told in Markdown, for people who were not there.
//!
//! Pure: a release and its records in, text out. What a record's story needs beyond the release's
//! state (who held, which evidence stood beside a rollback) comes from the records.

mod burst;
mod items;
mod lock;
mod rollback;
pub mod stats;
mod text;

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::journal::{ReadJournal, Record};
use crate::release::{Answer, Evidence, Fact, Phase, Release, State, name, summary};
use crate::watch::Moment;
use text::{code, length, table, time, words};

/// What the report says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meta {
    /// Of the gonogo that writes the report.
    pub version: String,
    /// How many bytes of a torn last line the journal ends with; 0 for none.
    pub torn_bytes: usize,
}

impl Meta {
    /// What this gonogo says of a journal that was read.
    pub fn of(read: &ReadJournal) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            torn_bytes: read.torn.as_ref().map_or(0, |torn| torn.bytes.len()),
        }
    }
}

/// Tells a release as a Markdown document.
///
/// - Shape: sections without content are left out; somebody's words never become markup.
/// - Units: times are UTC on the wall clock; soaks, holds and time to safe are world time.
pub fn markdown(release: &Release, records: &[Record], meta: &Meta) -> String {
    let story = Story { release, records };
    let mut text = story.head();
    let sections: [(&str, String); 16] = [
        ("Rollback", story.rollback()),
        ("Breaches", story.breaches()),
        ("Reloaded", story.reloads()),
        ("Skipped", story.skipped()),
        ("Overridden", story.overridden()),
        ("⚠ Weaker than written", story.weakened()),
        ("Not applicable", story.not_applicable()),
        ("Answered in a burst", story.bursts()),
        ("Still pending", story.pending()),
        ("Holds", story.holds()),
        ("Polls", story.polls()),
        ("Soaks", story.soaks()),
        ("Checks", story.checks()),
        ("Commands", story.commands()),
        ("Notes", story.notes()),
        ("Timeline", story.timeline()),
    ];
    for (title, section) in sections.iter().filter(|(_, section)| !section.is_empty()) {
        let _ = write!(text, "\n## {title}\n\n{}\n", section.trim_end());
    }
    let _ = write!(text, "\n---\n\nWritten by gonogo {} from its journal", words(&meta.version));
    if meta.torn_bytes > 0 {
        let _ = write!(
            text,
            ", whose last line was torn by a crash ({} bytes, nothing that had been confirmed)",
            meta.torn_bytes
        );
    }
    text + ".\n"
}

/// A release and how it came about.
struct Story<'a> {
    release: &'a Release,
    records: &'a [Record],
}

impl Story<'_> {
    fn state(&self) -> &State {
        self.release.state()
    }

    fn time(&self, at: Moment) -> String {
        self.wall(at.wall)
    }

    fn wall(&self, at: Timestamp) -> String {
        time(at, self.state().opened_at.wall)
    }

    /// The moment up to which the story goes.
    fn end(&self) -> Moment {
        let last = self.records.last().map_or(self.state().opened_at, |record| record.event.at);
        self.state().ended_at.unwrap_or(last)
    }

    fn head(&self) -> String {
        let state = self.state();
        let workflow = self.release.workflow();
        let mut title = format!("# {}", words(&workflow.title));
        for value in state.params.values() {
            let _ = write!(title, " · {}", words(value));
        }
        let mut rows = vec![row("Outcome", self.outcome()), row("Release", code(&state.id.0))];
        let sha: String = state.sha256.chars().take(12).collect();
        rows.push(row("Workflow", format!("{}, SHA-256 {}…", code(&workflow.file), code(&sha))));
        for target in &state.targets {
            let container = target.container.as_ref().map(|name| format!(", container {}", code(name)));
            rows.push(row(
                "Target",
                format!(
                    "{} in namespace {}{}",
                    code(&target.to_string()),
                    code(&target.namespace),
                    container.unwrap_or_default()
                ),
            ));
        }
        if let Some(context) = &state.context {
            rows.push(row("Context", code(context)));
        }
        for (param, value) in &state.params {
            rows.push(row("Parameter", format!("{} = {}", code(param), code(value))));
        }
        for (operator, _) in state.operators.values() {
            let identity = operator.identity.as_ref().map(|id| format!(", to the cluster {}", code(id)));
            rows.push(row(
                "Operator",
                format!(
                    "{} at {}{}",
                    words(&operator.name),
                    words(&operator.host),
                    identity.unwrap_or_default()
                ),
            ));
        }
        for (role, person) in &state.roster {
            rows.push(row("Role", format!("{}: {}", words(role.as_str()), words(person))));
        }
        rows.push(row("Opened", format!("{} UTC", state.opened_at.wall.strftime("%F %T"))));
        if let Some(begun) = state.begun_at {
            rows.push(row("Begun", self.time(begun)));
        }
        if let Some(ended) = state.ended_at {
            rows.push(row("Ended", self.time(ended)));
        }
        let end = self.end();
        if let Some(worked) = state.t_clock(end) {
            let elapsed = end.wall.duration_since(state.opened_at.wall);
            rows.push(row("Took", format!("{} of work, {} in all", length(worked), length(elapsed))));
        }
        for (id, accepted) in &state.policy.accepted {
            let criterion = workflow.criterion(id).map_or_else(|| id.to_string(), |known| known.text.clone());
            let (by, at) = (words(&accepted.by), self.time(accepted.at));
            rows.push(row("By itself", format!("on “{}”, accepted by {by} at {at}", words(&criterion))));
        }
        rows.extend(self.lock().into_iter().map(|line| row("Lock", line)));
        rows.push(row("Checks", self.automation()));
        let mut text = format!("{title}\n\n{}", table(&["", ""], &rows));
        if let Some(practice) = &state.practice {
            let _ = write!(
                text,
                "> A rehearsal in the practice world: scenario {}, at {} times the speed. Soaks, holds and \
                 time to safe are measured on its clock.\n\n",
                words(&practice.scenario),
                practice.speed
            );
        }
        text.trim_end().to_owned() + "\n"
    }

    fn outcome(&self) -> String {
        let state = self.state();
        let word = match state.phase {
            Phase::Completed => "completed",
            Phase::Aborted => "ABORTED",
            Phase::RolledBack => "ROLLED BACK, and verified by reading back",
            Phase::RollbackFailed => "ROLLBACK FAILED",
            Phase::RollingBack => "still rolling back",
            Phase::Held => "still open, held",
            Phase::Running => "still open",
            Phase::Preparing => "never begun",
        };
        match &state.end_reason {
            Some(reason) if state.phase == Phase::Aborted => format!("**{word}**: {}", words(reason)),
            _ => format!("**{word}**"),
        }
    }

    /// How much of the list answered itself.
    fn automation(&self) -> String {
        let n_all = self.release.workflow().checks().count();
        let count = |wanted: fn(&Answer) -> bool| {
            self.state().checks.values().filter(|mark| wanted(&mark.answer)).count()
        };
        let n_automated = count(|answer| matches!(answer, Answer::Sensed { .. }));
        let n_by_hand = count(|answer| *answer == Answer::Confirmed);
        format!("{n_automated} of {n_all} checks automated, {n_by_hand} confirmed by hand")
    }

    fn holds(&self) -> String {
        let held = self.records.iter().filter_map(|record| match &record.event.fact {
            Fact::Held { reason } => Some((reason, &record.event)),
            _ => None,
        });
        let ends = self.state().holds.iter().map(|(_, _, to)| Some(*to)).chain([None]);
        let rows = held.zip(ends).map(|((reason, event), end)| {
            let until = end.unwrap_or(self.end());
            vec![
                self.time(event.at),
                length(until.world.duration_since(event.at.world))
                    + if end.is_none() { ", not over" } else { "" },
                words(&name(event.by.as_ref())),
                words(reason),
            ]
        });
        table(&["From", "Length", "By", "Reason"], &rows.collect::<Vec<_>>())
    }

    fn notes(&self) -> String {
        let notes = self.state().notes.iter();
        notes.map(|(at, by, text)| format!("- {} {}: {}\n", self.time(*at), words(by), words(text))).collect()
    }

    fn timeline(&self) -> String {
        let lines = self.records.iter().filter_map(|record| {
            let line = summary::of(&record.event, self.release.workflow(), self.state())?;
            Some(format!("- {} {}\n", self.time(record.event.at), words(&line)))
        });
        lines.collect()
    }
}

fn row(what: &str, value: String) -> Vec<String> {
    vec![what.to_owned(), value]
}

/// `rollout: 4 of 4 updated (2s old); …`
fn evidence(evidence: &[Evidence]) -> String {
    let one = |reading: &Evidence| {
        let stale = if reading.stale { ", STALE" } else { "" };
        format!("{}: {} ({}s old{stale})", words(&reading.what), words(&reading.value), reading.age_s)
    };
    evidence.iter().map(one).collect::<Vec<_>>().join("; ")
}
