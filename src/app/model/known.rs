//! The rows of the document's error table that speak of what went wrong here.

use super::Model;
use crate::release::Exit;
use crate::watch::TargetRef;
use crate::watch::rollout::Trouble;
use crate::workflow::{CommandId, Failed, KnownMatch, known_errors};

/// What failed, for the panel that shows every row about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownOf {
    Command { command: CommandId, attempt: u32 },
    Pods(TargetRef),
}

/// Lines of either stream that are looked at: what it failed by is told at the end.
const LINES: usize = 60;

/// What a container said before it ended.
const LAST_WORDS: usize = 20;

impl Model {
    /// The rows about what failed, surest first; none while nothing has failed.
    pub fn known(&self, of: &KnownOf) -> Vec<KnownMatch> {
        match of {
            KnownOf::Command { command, attempt } => self.known_of_command(command, *attempt),
            KnownOf::Pods(target) => {
                let seen = self.observed.workloads.get(target);
                let trouble = seen.and_then(|seen| seen.verdict.trouble.as_ref());
                trouble.map_or_else(Vec::new, |trouble| self.known_of_trouble(trouble))
            }
        }
    }

    pub fn known_of_command(&self, id: &CommandId, attempt: u32) -> Vec<KnownMatch> {
        let rows = &self.release.workflow().errors;
        let known = self.state().attempt(id, attempt);
        let exit = known.and_then(|known| known.end.as_ref()).and_then(|(_, exit)| exit.as_ref());
        let (Some(known), Some(exit), false) = (known, exit, rows.is_empty()) else { return Vec::new() };
        let exit_code = match exit {
            Exit::Code(0) | Exit::NotStarted(_) => return Vec::new(),
            Exit::Code(code) => *code,
            // As a shell tells it.
            Exit::Signal(signal) => 128 + signal,
        };
        let output = self.output(id, attempt);
        let of_stream = |is_stderr: bool| {
            let lines = output.into_iter().flat_map(|output| output.lines.iter().rev());
            lines.filter(move |line| line.is_stderr == is_stderr).take(LINES).map(|line| &*line.text)
        };
        let mut lines: Vec<&str> = of_stream(true).chain(of_stream(false)).collect();
        lines.reverse();
        let failed =
            Failed { reason: "", command: &known.run.text, exit_code: Some(exit_code), lines: &lines };
        known_errors(rows, &failed)
    }

    pub fn known_of_trouble(&self, trouble: &Trouble) -> Vec<KnownMatch> {
        let rows = &self.release.workflow().errors;
        if rows.is_empty() {
            return Vec::new();
        }
        let last_words = match (&trouble.pod, trouble.exit_code) {
            (Some(pod), Some(_)) => {
                self.observed.logs.last_words(pod, trouble.container.as_deref(), LAST_WORDS)
            }
            _ => Vec::new(),
        };
        let mut lines: Vec<&str> = last_words.iter().map(|row| &*row.text).collect();
        lines.push(&trouble.message);
        let failed =
            Failed { reason: &trouble.reason, command: "", exit_code: trouble.exit_code, lines: &lines };
        known_errors(rows, &failed)
    }

    /// What failed where the operator stands, when a row speaks of it.
    pub fn known_here(&self) -> Option<KnownOf> {
        use super::{Panel, Row};
        let of_command = |command: &CommandId| {
            let attempt = self.state().last_attempt(command)?.run.attempt;
            Some(KnownOf::Command { command: command.clone(), attempt })
        };
        let near = match &self.view.panel {
            Some(Panel::Output { command, attempt }) => {
                Some(KnownOf::Command { command: command.clone(), attempt: *attempt })
            }
            Some(Panel::Run(panel)) => of_command(&panel.command),
            None => match self.selected() {
                Some(Row::Command(command)) => of_command(&command),
                _ => None,
            },
            Some(_) => None,
        };
        let has_rows = |of: &KnownOf| !self.known(of).is_empty();
        let pods = || self.shown().map(|seen| KnownOf::Pods(seen.facts.target.clone()));
        near.filter(has_rows).or_else(|| pods().filter(has_rows))
    }
}
