//! The release plus what the operator is looking at: all that `draw` sees.

mod edited;
mod escalation;
pub mod evidence;
#[cfg(test)]
pub mod fixture;
mod known;
mod lock;
pub mod observed;
pub mod offers;
pub mod palette;
pub mod rows;
mod story;
mod themes;
pub mod units;
pub mod view;
mod watching;

pub use edited::Edited;
pub use escalation::{Due, Level, TroubleSince};
pub use known::KnownOf;
pub use observed::{Observed, Seen};
pub use rows::Row;
pub use themes::ThemeChoices;
pub use view::*;
pub use watching::{Watching, no_release};

use std::collections::{BTreeMap, BTreeSet};

use super::keymap::Keymap;
use crate::release::{
    Arming, ArmingState, Current, Effect, Operator, Phase, Release, ReleaseId, RollbackState,
    SET_WITHOUT_TERMINAL, Shown, State,
};
use crate::watch::{Link, Moment, Need, System, TargetRef};
pub use crate::watch::{Preflight, PreflightOutcome};
use crate::workflow::{CheckGate, CheckTerms, Command, CommandId, Secrets, reads_variable};

#[derive(Debug)]
pub struct Model {
    pub now: Moment,
    pub release: Release,
    pub mode: Mode,
    /// Who sits here.
    pub me: Operator,
    pub secrets: Secrets,
    pub observed: Observed,
    pub view: View,
    pub journal: JournalState,
    pub preflight: Vec<Preflight>,
    pub keymap: Keymap,
    pub settings: Settings,
    /// How fast the world's clock runs against the wall; 1 outside a rehearsal.
    pub speed: f64,
    pub leaving: Option<Leaving>,
    /// What this terminal shows next, once the process has let go of its release.
    pub watch_next: Option<WatchNext>,
}

/// What this process is to the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    Driving,
    /// Another process holds the journal; this one follows it and changes nothing.
    Following {
        holder: String,
    },
    /// There is no release: workloads are looked at, and nothing else. [`Model::release`] is an empty
    /// one then, to which nothing ever happens and of which nothing is drawn.
    Watching(Watching),
}

/// What judgement and screen take from the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// How text that starts a command is read: `["bash", "-e"]`.
    pub shell: Vec<String>,
    /// Names of the variables that are set for commands.
    pub command_env: Vec<String>,
    /// Tags that the repository already has: a release does not make one twice.
    pub known_tags: BTreeSet<String>,
    /// Where the health endpoint and Prometheus are, for words; `None` when not configured.
    pub prometheus: Option<String>,
    pub health: Option<String>,
    /// Units: seconds of ready, restart-free pods before a rollout counts as complete.
    pub settle_s: u32,
    /// Nothing outside is changed: what would change it is answered "not started".
    pub read_only: bool,
    /// Draw without Unicode signs.
    pub ascii: bool,
    /// Where the operator sits: every wall time on the screen is told in it.
    pub zone: jiff::tz::TimeZone,
}

/// The write-ahead: what was appended, what is on disk, and what waits for it.
#[derive(Debug, Default)]
pub struct JournalState {
    pub appended: u64,
    pub durable: u64,
    /// Outside effects, each with the record that must be durable before it leaves.
    pub withheld: Vec<(u64, Effect)>,
    /// Why the disk takes nothing any more.
    pub failed: Option<String>,
    /// Who rolls this release back from another terminal: until they are gone nothing that changes
    /// the outside leaves this process.
    pub handed_to: Option<String>,
    /// This process writes a file of its own beside the journal: it rolls back when a person says so,
    /// and nothing fires in it by itself.
    pub is_beside: bool,
}

/// What somebody else releases, to be watched instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchNext {
    pub release: Option<ReleaseId>,
    pub target: TargetRef,
}

/// The process is on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaving {
    pub why: String,
    pub exit_code: u8,
}

/// The word in the status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateWord {
    Preparing,
    Running,
    Held,
    Poll,
    Breach,
    RollingBack,
    Safe,
    RollbackFailed,
    Completed,
    Aborted,
}

impl StateWord {
    pub fn text(self) -> &'static str {
        match self {
            StateWord::Preparing => "PREPARING",
            StateWord::Running => "RUNNING",
            StateWord::Held => "HELD",
            StateWord::Poll => "POLL",
            StateWord::Breach => "BREACH",
            StateWord::RollingBack => "ROLLING BACK",
            StateWord::Safe => "SAFE",
            StateWord::RollbackFailed => "ROLLBACK FAILED",
            StateWord::Completed => "COMPLETED",
            StateWord::Aborted => "ABORTED",
        }
    }
}

/// Why the way back does not work where nothing may be changed.
pub const READ_ONLY: &str = "read-only: nothing outside is changed";

impl Model {
    /// What one attempt of a command printed.
    pub fn output(&self, id: &CommandId, attempt: u32) -> Option<&Output> {
        // A reload may have moved the command; what it printed is kept under the id that it ran under.
        let ran = &self.state().attempt(id, attempt)?.run;
        self.view.outputs.get(&(ran.command.clone(), attempt))
    }

    pub fn state(&self) -> &State {
        self.release.state()
    }

    pub fn state_word(&self) -> StateWord {
        match self.state().phase {
            Phase::Preparing => StateWord::Preparing,
            Phase::Running | Phase::Held if self.state().is_breached() => StateWord::Breach,
            Phase::Held => StateWord::Held,
            Phase::Running => match self.release.current() {
                Current::Poll(_) => StateWord::Poll,
                _ => StateWord::Running,
            },
            Phase::RollingBack => StateWord::RollingBack,
            Phase::RolledBack => StateWord::Safe,
            Phase::RollbackFailed => StateWord::RollbackFailed,
            Phase::Completed => StateWord::Completed,
            Phase::Aborted => StateWord::Aborted,
        }
    }

    pub fn arming(&self) -> Arming {
        if self.settings.read_only {
            return Arming { state: ArmingState::Disarmed, why: vec![READ_ONLY.to_owned()] };
        }
        self.release.arming(self.observed.armed_at, self.now)
    }

    /// What runs now, for the rollback to be fired from.
    pub fn what_runs(&self) -> Vec<Shown> {
        let shown = |seen: &Seen| Shown {
            target: seen.facts.target.clone(),
            uid: seen.facts.uid.clone(),
            template_print: seen.facts.template_print.clone(),
        };
        self.observed.workloads.values().map(shown).collect()
    }

    pub fn rollback(&self) -> Option<&RollbackState> {
        self.state().rollback.as_ref()
    }

    /// Names of what is set in a command's environment by gonogo.
    pub fn command_env(&self) -> Vec<String> {
        let params = self.state().params.keys().chain(self.secrets.names()).cloned();
        params.chain(self.settings.command_env.iter().cloned()).collect()
    }

    /// Program and flags that read the text of a command.
    pub fn shell_of(&self, command: &Command) -> Vec<String> {
        match &command.annotated.shell {
            Some(shell) => shell.command_line(),
            None => self.settings.shell.clone(),
        }
    }

    /// What the document and the output of earlier commands set for a command, by variable. What stands at
    /// the command itself goes before, and a parameter before both.
    pub fn set_for(&self, command: &Command) -> BTreeMap<String, String> {
        let params = &self.state().params;
        let captured = self.state().captured().into_iter();
        let captured = captured.filter(|(name, _)| !params.contains_key(*name) && !self.secrets.has(name));
        let captured = captured.map(|(name, value)| (name.to_owned(), value.to_owned()));
        captured.chain(command.annotated.env.iter().cloned()).collect()
    }

    /// The variables that a text reads and that a command of the document still has to set, with the lines
    /// of those commands.
    pub fn unset_for(&self, text: &str) -> Vec<(String, usize)> {
        let known = self.state().captured();
        let commands = self.release.workflow().commands();
        let sets = commands.filter_map(|it| Some((it.annotated.capture.as_ref()?, it.place.line)));
        let unset = sets.filter(|(name, _)| !known.contains_key(name.as_str()) && reads_variable(text, name));
        unset.map(|(name, line)| (name.clone(), line)).collect()
    }

    /// What this machine must have for a command to start, beside what every command needs.
    pub fn needs_of(&self, command: &Command) -> Vec<Need> {
        let shell = command.annotated.shell.as_ref().map(|shell| Need::Program(shell.program().to_owned()));
        shell.into_iter().chain(self.stdin_of(command).map(Need::File)).collect()
    }

    /// The programs whose absence is a reason to skip this, where the document says so.
    pub fn may_miss(&self, row: &Row) -> Vec<Need> {
        let workflow = self.release.workflow();
        let command = match row {
            Row::Command(id) => workflow.command(id).filter(|command| command.annotated.skip_if_missing),
            Row::Check(id) => match workflow.check(id).map(|check| &check.annotated) {
                Some(CheckTerms {
                    skip_if_missing: true, gate: Some(CheckGate::Command(command)), ..
                }) => workflow.command(command),
                _ => None,
            },
            _ => None,
        };
        command.map(Command::programs).unwrap_or_default().into_iter().map(Need::Program).collect()
    }

    /// Why this may be skipped, as its document says; `None` while everything is here, once it is
    /// closed, and until it was looked for.
    pub fn skip_reason(&self, row: &Row) -> Option<String> {
        let is_closed = match row {
            Row::Command(id) => self.state().command(id).closes(),
            Row::Check(id) => self.release.is_closed(id),
            _ => true,
        };
        let missing = self.may_miss(row).into_iter().find(|need| self.observed.missing.contains(need))?;
        (!is_closed).then(|| missing.to_string())
    }

    /// Where a command runs.
    pub fn directory_of(&self, command: &Command) -> String {
        let own = &self.state().directory;
        match &command.annotated.directory {
            Some(below) => format!("{}/{below}", own.trim_end_matches('/')),
            None => own.clone(),
        }
    }

    /// The file that a command reads.
    pub fn stdin_of(&self, command: &Command) -> Option<String> {
        let file = command.annotated.stdin.as_ref()?;
        Some(format!("{}/{file}", self.directory_of(command).trim_end_matches('/')))
    }

    /// What of it is not here, as far as it was looked for. A terminal has an input of its own.
    pub fn missing_for(&self, command: &Command, tty: bool) -> Vec<Need> {
        let is_needed = |need: &Need| !(tty && matches!(need, Need::File(_)));
        let needs = self.needs_of(command).into_iter().filter(is_needed);
        needs.filter(|need| self.observed.missing.contains(need)).collect()
    }

    /// The same for a command that may have a terminal: there a pager and an editor have a screen.
    pub fn command_env_in(&self, tty: bool) -> Vec<String> {
        let mut names = self.command_env();
        if tty {
            names.retain(|name| !SET_WITHOUT_TERMINAL.contains(&name.as_str()));
            names.push("TERM".to_owned());
        }
        names
    }

    /// Since when the cluster has been silent, and why; `None` while it answers.
    pub fn cluster_silence(&self) -> Option<(Moment, &str)> {
        match self.observed.links.get(&System::Cluster)? {
            Link::Down { since, cause, .. } => Some((*since, cause)),
            Link::Live => None,
        }
    }

    /// What is selected: where the cursor stands, or else the current item.
    pub fn selected(&self) -> Option<Row> {
        let rows = self.rows();
        match &self.view.cursor {
            Some(row) if rows.contains(row) => Some(row.clone()),
            _ if self.state().phase.is_over() => Some(Row::Finish),
            _ => rows::of_current(&self.release.current()),
        }
    }

    pub fn rows(&self) -> Vec<Row> {
        rows::visible(&self.release, &self.view)
    }
}
