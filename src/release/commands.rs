//! Commands: attempts, their ends, and the ends that nobody saw.

use super::event::{Captured, Exit, Operator, Run};
use super::progress::breach_refusal;
use super::state::{Attempt, CommandState, Track};
use super::table::{self, CommandInput};
use super::{Effect, Refusal, Release, name};
use crate::watch::Moment;
use crate::workflow::{Command, CommandId, CommandKind, Word};

impl Release {
    pub(super) fn start_command(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        run: &Run,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(command) = self.workflow.command(&run.command) else {
            return Err(Refusal::new(
                format!("the workflow has no command {}", run.command),
                "see the checklist",
            ));
        };
        match command.kind {
            CommandKind::Run | CommandKind::Stream | CommandKind::Offer => {}
            CommandKind::Choice => {
                let chosen = run.choice.and_then(|index| command.choices.get(index));
                if chosen.is_none_or(|choice| choice.text.is_none()) {
                    return Err(Refusal::new(
                        "nothing runs before one alternative is chosen",
                        "choose with its number",
                    ));
                }
            }
            CommandKind::Note | CommandKind::Reference => {
                if command.settling.as_ref().is_some_and(|settling| settling.ruling.is_none()) {
                    return Err(Refusal::new(
                        "nobody has said yet whether this block is commands",
                        "open it with enter, and say it",
                    ));
                }
                return Err(Refusal::new("this block is text, not a command", "read it, and go on"));
            }
        }
        self.command_is_reachable(&run.command)?;
        self.is_due(&command.annotated.after)?;
        self.word_is_typed(command, run)?;
        let is_rollback = self.has_rollback_command(&run.command);
        let production = self.is_of_production(&run.command);
        // Following a log changes nothing, and a breach is when one wants to read it.
        let follows = command.kind == CommandKind::Stream;
        if production && !is_rollback && !follows && self.state.is_breached() {
            return Err(breach_refusal());
        }
        if by.is_none() && !self.is_asked_again(run) {
            return Err(Refusal::new("no command starts by itself", "open it with enter, and run it"));
        }
        let expected = self.state.commands.get(&run.command).map_or(1, Track::next_attempt);
        if run.attempt != expected {
            return Err(Refusal::new(
                format!("this would be attempt {expected}, not {}", run.attempt),
                "open the run panel again",
            ));
        }
        self.step_command(&run.command, CommandInput::Start)?;
        let track = self.track(&run.command);
        track.set_aside = None;
        track.again = None;
        track.attempts.push(Attempt {
            run: run.clone(),
            by: by.cloned(),
            started: at,
            pid: None,
            start_time: None,
            stop_asked: false,
            end: None,
            took_ms: None,
            captured: None,
            settled: None,
        });
        let mut effects = Vec::new();
        if production && self.state.baseline.is_none() {
            effects.push(Effect::PinBaseline { until: at.world });
        }
        effects.push(Effect::Run(run.clone()));
        Ok(effects)
    }

    pub(super) fn command_spawned(
        &mut self,
        command: &CommandId,
        attempt: u32,
        pid: u32,
        start_time: Option<u64>,
    ) {
        // What is over has no process: its number may be somebody else's by now.
        let open = |attempt: &&mut Attempt| attempt.end.is_none() && attempt.pid.is_none();
        if let Some(attempt) = self.attempt(command, attempt).filter(open) {
            attempt.pid = Some(pid);
            attempt.start_time = start_time;
        }
    }

    pub(super) fn output_captured(&mut self, command: &CommandId, number: u32, captured: &Captured) {
        let open = |attempt: &&mut Attempt| {
            attempt.end.is_none() && attempt.captured.is_none() && attempt.run.terms.capture.is_some()
        };
        if let Some(attempt) = self.attempt(command, number).filter(open) {
            attempt.captured = Some(captured.clone());
        }
    }

    pub(super) fn command_ended(
        &mut self,
        at: Moment,
        command: &CommandId,
        number: u32,
        exit: &Exit,
        took_ms: u64,
    ) -> Vec<Effect> {
        let Some(attempt) = self.attempt(command, number).filter(|attempt| attempt.end.is_none()) else {
            return Vec::new();
        };
        attempt.end = Some((at, Some(exit.clone())));
        attempt.took_ms = Some(took_ms);
        let input = match (exit.succeeded(), attempt.stop_asked) {
            (true, _) => CommandInput::Succeed,
            (false, true) => CommandInput::Cancel,
            (false, false) => CommandInput::Fail,
        };
        // The attempt was running, so the table has a row for each of the three.
        let _ = self.step_command(command, input);
        self.sense_command(at, command, exit.succeeded(), &exit.to_string());
        let mut effects = self.plan_again(at, command, exit);
        effects.extend(self.after_change());
        effects
    }

    /// What may be typed for the word that an annotation asks for before a command runs; nothing where
    /// there is none to type.
    fn words_of(&self, word: &Word) -> Vec<String> {
        let target = self.state.targets.first();
        match word {
            Word::Context => self.state.context.iter().cloned().collect(),
            Word::Namespace => target.map(|target| target.namespace.clone()).into_iter().collect(),
            // As every screen writes it, or by its name alone.
            Word::Target => target.map_or_else(Vec::new, |it| vec![it.to_string(), it.name.clone()]),
            Word::Param(name) => self.state.params.get(name).cloned().into_iter().collect(),
        }
    }

    fn word_is_typed(&self, command: &Command, run: &Run) -> Result<(), Refusal> {
        let Some(word) = &command.annotated.confirm else { return Ok(()) };
        let label = word.label();
        // The document asks for a word; where there is none, typing its name is still a pause.
        let words = self.words_of(word);
        let is_wanted = |typed: &str| match words.as_slice() {
            [] => typed == label,
            words => words.iter().any(|word| word == typed),
        };
        match run.terms.typed.as_deref() {
            Some(typed) if is_wanted(typed) => Ok(()),
            Some(_) => Err(Refusal::new(
                format!("that is not the {label} of this release"),
                "look, and type it again",
            )),
            None => {
                Err(Refusal::new(format!("the {label} is typed before this runs"), "press r and type it"))
            }
        }
    }

    pub(super) fn stop_command(&mut self, command: &CommandId, number: u32) -> Result<Vec<Effect>, Refusal> {
        if self.waits_to_run_again(command, number) {
            self.track(command).again = None;
            return Ok(Vec::new());
        }
        match self.attempt(command, number).filter(|attempt| attempt.end.is_none()) {
            Some(attempt) => {
                attempt.stop_asked = true;
                Ok(vec![Effect::Stop { command: command.clone(), attempt: number }])
            }
            None => Err(Refusal::new("it is not running any more", "see how it ended")),
        }
    }

    fn waits_to_run_again(&self, command: &CommandId, number: u32) -> bool {
        let last = self.state.last_attempt(command);
        self.again(command).is_some() && last.is_some_and(|last| last.run.attempt == number)
    }

    /// Whether a command stands in a step that acts on production.
    pub(super) fn is_of_production(&self, command: &CommandId) -> bool {
        let mut steps = self.workflow.steps.iter().filter(|step| step.production);
        steps.any(|step| step.commands.iter().any(|known| &known.id == command))
    }

    /// Asks every running command to stop.
    pub(super) fn stop_all(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (command, track) in &mut self.state.commands {
            for attempt in track.attempts.iter_mut().filter(|attempt| attempt.end.is_none()) {
                attempt.stop_asked = true;
                effects.push(Effect::Stop { command: command.clone(), attempt: attempt.run.attempt });
            }
        }
        effects
    }

    /// After a crash: what was started and has no end is in doubt, and only a person can say.
    pub(super) fn lose_running_commands(&mut self, at: Moment) {
        let lost: Vec<CommandId> = self
            .state
            .commands
            .iter()
            .filter(|(_, track)| track.state == CommandState::Running)
            .map(|(command, _)| command.clone())
            .collect();
        for command in lost {
            if let Some(attempt) = self.track(&command).attempts.last_mut() {
                attempt.end = Some((at, None));
            }
            // A running command can always be lost: the table has that row.
            let _ = self.step_command(&command, CommandInput::Lose);
        }
    }

    pub(super) fn settle_doubt(
        &mut self,
        command: &CommandId,
        number: u32,
        succeeded: bool,
        note: &str,
    ) -> Result<Vec<Effect>, Refusal> {
        let input = if succeeded { CommandInput::SettleGood } else { CommandInput::SettleBad };
        let last = self.state.last_attempt(command).map_or(0, |attempt| attempt.run.attempt);
        if number != last {
            return Err(Refusal::new(
                format!("attempt {last} was the last, not {number}"),
                "open the command again with enter",
            ));
        }
        self.step_command(command, input)?;
        if let Some(attempt) = self.attempt(command, number) {
            attempt.settled = Some(note.to_owned());
        }
        let at = self.state.last_attempt(command).and_then(|attempt| attempt.end.as_ref()).map(|(at, _)| *at);
        if let Some(at) = at {
            let value =
                if succeeded { "a person said that it succeeded" } else { "a person said that it failed" };
            self.sense_command(at, command, succeeded, value);
        }
        Ok(self.after_change())
    }

    pub(super) fn nothing_to_run(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        command: &CommandId,
        choice: usize,
    ) -> Result<Vec<Effect>, Refusal> {
        let chosen = self.workflow.command(command).and_then(|known| known.choices.get(choice));
        let Some(choice) = chosen.filter(|choice| choice.text.is_none()) else {
            return Err(Refusal::new("this alternative has something to run", "run it with r"));
        };
        let label = choice.label.clone();
        self.command_is_reachable(command)?;
        self.step_command(command, CommandInput::ChooseNothing)?;
        let by =
            by.cloned().unwrap_or_else(|| Operator { name: name(None), host: String::new(), identity: None });
        self.track(command).set_aside = Some((by, at, label));
        Ok(Vec::new())
    }

    /// The way back is tested again after each change, and what the change may have made true is read.
    fn after_change(&self) -> Vec<Effect> {
        let mut effects = self.arm();
        effects.extend(self.workflow.probes().into_iter().map(|probe| Effect::Sense { probe }));
        effects
    }

    pub(super) fn step_command(&mut self, command: &CommandId, input: CommandInput) -> Result<(), Refusal> {
        let state = self.state.command(command);
        let Some(next) = table::next(state, input) else {
            let (why, way_out) = match state {
                CommandState::Running => ("it is running", "wait for its end, or stop it"),
                CommandState::InDoubt => {
                    ("how it ended is in doubt", "say what happened first: open it with enter")
                }
                CommandState::Succeeded => {
                    ("it has already succeeded", "run it again with enter, r if you mean to")
                }
                _ => ("it is already settled", "run it with enter, r if you mean to"),
            };
            return Err(Refusal::new(why, way_out));
        };
        self.track(command).state = next;
        Ok(())
    }

    pub(super) fn track(&mut self, command: &CommandId) -> &mut Track {
        self.state.commands.entry(command.clone()).or_default()
    }

    fn attempt(&mut self, command: &CommandId, number: u32) -> Option<&mut Attempt> {
        let attempts = &mut self.state.commands.get_mut(command)?.attempts;
        attempts.iter_mut().find(|attempt| attempt.run.attempt == number)
    }
}
