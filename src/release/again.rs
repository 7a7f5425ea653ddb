//! Attempts that nobody starts: a command that failed and whose document says `retries=` runs again after
//! a pause, where nobody else sees what it does.
//!
//! The pause is for a person, who reads and stops it in wall time. A new process never goes on with one:
//! what it did not see end is in doubt, and what it did not see begin is a person's to start.

use jiff::{SignedDuration, Timestamp};

use super::event::{Exit, Run};
use super::state::{CommandState, Phase, Track};
use super::{Effect, Release, Timer, WakeTime};
use crate::watch::Moment;
use crate::workflow::CommandId;

/// The longest pause between two attempts. Units: seconds of wall time.
const LONGEST_PAUSE_S: i64 = 30;

/// The next attempt of a command that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Again {
    /// Its number, counted over all attempts.
    pub attempt: u32,
    /// Wall time.
    pub at: Timestamp,
    /// Which one it is since a person started the command, the first included: 2 of 4.
    pub nth: u32,
    pub of: u32,
    /// Whether the pause is over.
    pub is_due: bool,
}

impl Release {
    /// When a command that failed runs again by itself, as long as the pause before that lasts.
    pub fn again(&self, command: &CommandId) -> Option<&Again> {
        self.state.commands.get(command)?.again.as_ref().filter(|again| !again.is_due)
    }

    /// After a failure: the pause before the next attempt, if there is to be one.
    pub(super) fn plan_again(&mut self, at: Moment, command: &CommandId, exit: &Exit) -> Vec<Effect> {
        // What was never started would not start in two seconds either: a program is missing, the disk
        // is full, gonogo is leaving.
        if matches!(exit, Exit::NotStarted(_)) || !self.runs_again_by_itself(command) {
            return Vec::new();
        }
        let retries = self.workflow.command(command).and_then(|known| known.annotated.retries).unwrap_or(0);
        let track = self.track(command);
        let attempts = track.attempts.iter().rev();
        let by_itself = attempts.take_while(|attempt| attempt.by.is_none()).count();
        let done = u32::try_from(by_itself).unwrap_or(u32::MAX);
        if done >= retries {
            return Vec::new();
        }
        let pause = SignedDuration::from_secs((2_i64 << done.min(8)).min(LONGEST_PAUSE_S));
        let until = at.wall.checked_add(pause).unwrap_or(Timestamp::MAX);
        let attempt = track.next_attempt();
        track.again = Some(Again { attempt, at: until, nth: done + 2, of: retries + 1, is_due: false });
        let timer = Timer::CommandAgain { command: command.clone(), attempt };
        vec![Effect::WakeAt { at: WakeTime::Wall(until), timer }]
    }

    /// Whether nothing has come between since it failed: the document was read for what it reaches, and
    /// what a person edited was not.
    fn runs_again_by_itself(&self, command: &CommandId) -> bool {
        let production = self.is_of_production(command) || self.has_rollback_command(command);
        let last = self.state.last_attempt(command);
        self.state.phase == Phase::Running
            && !self.state.is_breached()
            && !production
            && self.state.command(command) == CommandState::Failed
            && last.is_some_and(|last| !last.run.edited && !last.run.terms.tty && !last.stop_asked)
    }

    /// The pause is over: the same run under its next number, if it may start.
    pub(super) fn again_woke(&mut self, at: Moment, command: &CommandId, attempt: u32) -> Vec<Effect> {
        let Some(track) = self.state.commands.get_mut(command) else { return Vec::new() };
        let Some(again) = track.again.as_mut().filter(|again| again.attempt == attempt && !again.is_due)
        else {
            return Vec::new();
        };
        if at.wall < again.at {
            // The wall clock was set back meanwhile: nobody had the time that was promised.
            let timer = Timer::CommandAgain { command: command.clone(), attempt };
            return vec![Effect::WakeAt { at: WakeTime::Wall(again.at), timer }];
        }
        again.is_due = true;
        let run = next_run(track);
        let after = self.workflow.command(command).map(|known| known.annotated.after.as_slice());
        let is_open = self.command_is_reachable(command).is_ok()
            && after.is_some_and(|after| self.is_due(after).is_ok())
            && self.lock_refusal().is_none();
        match run.filter(|_| is_open) {
            Some(run) => vec![Effect::RunAgain(run)],
            None => {
                self.track(command).again = None;
                Vec::new()
            }
        }
    }

    /// Whether this is the attempt that the end of a pause asked for, word for word.
    pub(super) fn is_asked_again(&self, run: &Run) -> bool {
        self.state.commands.get(&run.command).is_some_and(|track| {
            track.again.as_ref().is_some_and(|again| again.is_due) && next_run(track).as_ref() == Some(run)
        })
    }

    /// After every event: what a person does, or what goes wrong, ends a pause.
    pub(super) fn drop_again(&mut self) {
        let waiting = self.state.commands.iter().filter(|(_, track)| track.again.is_some());
        let over = waiting.map(|(command, _)| command).filter(|command| !self.runs_again_by_itself(command));
        for command in over.cloned().collect::<Vec<CommandId>>() {
            self.track(&command).again = None;
        }
    }

    /// A process ended, and with it whoever could have stopped the next attempt.
    pub(super) fn forget_again(&mut self) {
        self.state.commands.values_mut().for_each(|track| track.again = None);
    }
}

fn next_run(track: &Track) -> Option<Run> {
    let last = track.attempts.last()?;
    Some(Run { attempt: track.next_attempt(), ..last.run.clone() })
}
