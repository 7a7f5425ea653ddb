//! Where the release stands: what is current, what is open, and what still stands in the way.

use jiff::SignedDuration;

use super::state::{Answer, SoakState};
use super::{Effect, Refusal, Release, Timer, WakeTime};
use crate::watch::Moment;
use crate::workflow::{Check, CheckId, Command, CommandId, CommandKind, Group, Item, Step, StepId};

/// The one thing to do next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Current {
    Check(CheckId),
    Command(CommandId),
    Poll(StepId),
    Soak(StepId),
    /// Everything that gates is closed: the release can be completed.
    Finish,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    Pending,
    Current,
    Done,
}

impl Release {
    /// The first open item in the order of the document.
    pub fn current(&self) -> Current {
        let gates = self.workflow.gates.iter().flat_map(|gate| &gate.checks);
        if let Some(check) = gates.into_iter().find(|check| !self.is_closed(&check.id)) {
            return Current::Check(check.id.clone());
        }
        for step in &self.workflow.steps {
            if let Some(open) = self.open_in(step) {
                return open;
            }
        }
        let mut outputs = self.workflow.outputs.iter();
        match outputs.find(|check| !self.is_closed(&check.id)) {
            Some(check) => Current::Check(check.id.clone()),
            None => Current::Finish,
        }
    }

    fn open_in(&self, step: &Step) -> Option<Current> {
        for item in &step.order {
            match item {
                Item::Command(index) => {
                    let command = step.commands.get(*index)?;
                    if awaits(command) && !self.state.command(&command.id).closes() {
                        return Some(Current::Command(command.id.clone()));
                    }
                }
                Item::Group(index) => {
                    let open = |check: &&Check| !self.is_closed(&check.id);
                    if let Some(check) = step.groups.get(*index)?.checks.iter().find(open) {
                        return Some(Current::Check(check.id.clone()));
                    }
                }
            }
        }
        if step.soak.is_some() && self.state.soaks.get(&step.id).is_none_or(|soak| !soak.over) {
            return Some(Current::Soak(step.id.clone()));
        }
        (!self.poll_is_go(step)).then(|| Current::Poll(step.id.clone()))
    }

    pub fn step_status(&self, step: &Step) -> StepStatus {
        if self.state.begun_at.is_none() || !self.is_reachable(step) {
            StepStatus::Pending
        } else if self.step_blockers(step, true).is_empty() {
            StepStatus::Done
        } else {
            StepStatus::Current
        }
    }

    pub fn is_closed(&self, check: &CheckId) -> bool {
        self.state.checks.get(check).is_some_and(|mark| mark.answer.closes())
    }

    pub fn gates_closed(&self) -> bool {
        self.workflow.gates.iter().flat_map(|gate| &gate.checks).all(|check| self.is_closed(&check.id))
    }

    /// What keeps the release from being completed, in words; `None` when nothing does.
    pub fn first_blocker(&self) -> Option<String> {
        if self.state.is_breached() {
            return Some(BREACH.to_owned());
        }
        if !self.gates_closed() {
            return Some("the prerequisites are not closed".to_owned());
        }
        for step in self.workflow.steps.iter().filter(|step| step.gating) {
            if let Some(blocker) = self.step_blockers(step, true).into_iter().next() {
                return Some(format!("{}: {blocker}", step.title));
            }
        }
        let open = self.workflow.outputs.iter().find(|check| !self.is_closed(&check.id))?;
        Some(format!("“{}” is open", open.text))
    }

    /// When the first command of a production step was started, also one that a reload took out of the
    /// document.
    pub fn production_started(&self) -> Option<Moment> {
        let steps = self.workflow.steps.iter().filter(|step| step.production);
        let commands = steps.flat_map(|step| &step.commands);
        let attempts = commands.filter_map(|command| self.state.commands.get(&command.id)?.attempts.first());
        let before = self.state.reloads.iter().filter_map(|reload| reload.production_since);
        attempts.map(|attempt| attempt.started).chain(before).min()
    }

    /// Open items of steps that do not gate: they may stay open, and the report names them.
    pub fn pending(&self) -> Vec<&Check> {
        let loose = self.workflow.steps.iter().filter(|step| !step.gating);
        loose.flat_map(Step::checks).filter(|check| !self.is_closed(&check.id)).collect()
    }

    /// Everything that still stands in the way of closing a step, in the order of the document.
    pub(super) fn step_blockers(&self, step: &Step, with_poll: bool) -> Vec<String> {
        let mut blockers = self.open_items(step, with_poll);
        // A step that the release has gone past stays closed: a breach is no reason to jump back.
        if step.production && self.state.is_breached() && !self.was_left(step) {
            blockers.push(BREACH.to_owned());
        }
        blockers
    }

    fn was_left(&self, step: &Step) -> bool {
        let later = self.workflow.steps.iter().skip_while(|known| known.id != step.id).skip(1);
        later.into_iter().any(|later| self.state.entered.contains_key(&later.id))
    }

    fn open_items(&self, step: &Step, with_poll: bool) -> Vec<String> {
        let mut blockers = Vec::new();
        for command in step.commands.iter().filter(|command| awaits(command)) {
            let state = self.state.command(&command.id);
            if !state.closes() {
                blockers.push(format!("a command is {}", command_words(state)));
            }
        }
        for check in step.checks() {
            match self.state.checks.get(&check.id).map(|mark| &mark.answer) {
                Some(answer) if answer.closes() => {}
                Some(Answer::NoGo) => blockers.push(format!("NO-GO on “{}”", check.text)),
                _ => blockers.push(format!("“{}” is open", check.text)),
            }
        }
        if step.soak.is_some() && self.state.soaks.get(&step.id).is_none_or(|soak| !soak.over) {
            blockers.push("the soak is not over".to_owned());
        }
        if with_poll && !self.poll_is_go(step) {
            blockers.push("the poll is not GO".to_owned());
        }
        blockers
    }

    fn poll_is_go(&self, step: &Step) -> bool {
        let Some(poll) = &step.poll else { return true };
        let ballots = self.state.polls.get(&step.id);
        poll.roles
            .iter()
            .all(|role| ballots.and_then(|ballots| ballots.get(role)).is_some_and(|ballot| ballot.lets_go()))
    }

    /// Whether the release has come to this step: everything before it is closed, and no breach keeps
    /// it from beginning.
    pub fn is_reachable(&self, step: &Step) -> bool {
        self.earlier_are_closed(step) && !self.is_kept_from_beginning(step)
    }

    fn earlier_are_closed(&self, step: &Step) -> bool {
        let mut earlier = self.workflow.steps.iter().take_while(|earlier| earlier.id != step.id);
        self.gates_closed()
            && earlier.all(|earlier| !earlier.gating || self.open_items(earlier, true).is_empty())
    }

    fn is_kept_from_beginning(&self, step: &Step) -> bool {
        step.production && self.state.is_breached() && !self.state.entered.contains_key(&step.id)
    }

    pub(super) fn step_is_open(&self, step: &Step) -> Result<(), Refusal> {
        if self.is_reachable(step) {
            return Ok(());
        }
        if self.earlier_are_closed(step) {
            return Err(breach_refusal());
        }
        let at = match self.current() {
            Current::Check(id) => self.workflow.check(&id).map_or(String::new(), |check| check.text.clone()),
            Current::Command(_) => "a command".to_owned(),
            Current::Poll(_) => "the poll".to_owned(),
            Current::Soak(_) => "the soak".to_owned(),
            Current::Finish => "the end".to_owned(),
        };
        Err(Refusal::new(format!("“{}” comes later", step.title), format!("the release stands at “{at}”")))
    }

    /// Whether a check may be answered now: its step is open and the timeboxed group before it closed.
    pub(super) fn check_is_open(&self, check: &CheckId) -> Result<(), Refusal> {
        if self.workflow.gates.iter().flat_map(|gate| &gate.checks).any(|known| &known.id == check) {
            return Ok(());
        }
        for step in &self.workflow.steps {
            let Some(index) = step.groups.iter().position(|group| holds(group, check)) else { continue };
            self.step_is_open(step)?;
            let earlier = step.groups.iter().take(index).filter(|group| group.timebox_s.is_some());
            let open = earlier.flat_map(|group| &group.checks).find(|known| !self.is_closed(&known.id));
            return match open {
                Some(known) => Err(Refusal::new(
                    "the group before it is still open",
                    format!("close “{}” first", known.text),
                )),
                None => Ok(()),
            };
        }
        let gating = self.workflow.steps.iter().filter(|step| step.gating);
        match gating.into_iter().find(|step| !self.step_blockers(step, true).is_empty()) {
            Some(step) => Err(Refusal::new(
                "the outputs are confirmed at the end",
                format!("“{}” is still open", step.title),
            )),
            None => Ok(()),
        }
    }

    pub(super) fn command_is_reachable(&self, command: &CommandId) -> Result<(), Refusal> {
        if self.has_rollback_command(command) {
            return Ok(());
        }
        let step =
            self.workflow.steps.iter().find(|step| step.commands.iter().any(|known| &known.id == command));
        match step {
            None => Err(Refusal::new(format!("the workflow has no command {command}"), "see the checklist")),
            Some(step) if !self.gates_closed() => Err(Refusal::new(
                format!("nothing of “{}” runs before the prerequisites are closed", step.title),
                "close them first",
            )),
            Some(step) => self.step_is_open(step),
        }
    }

    /// Notes when steps, soaks and timeboxed groups begin, and asks to be woken for their ends.
    pub(super) fn enter_positions(&mut self, at: Moment) -> Vec<Effect> {
        if self.state.begun_at.is_none() || self.state.phase.is_over() {
            return Vec::new();
        }
        let workflow = std::sync::Arc::clone(&self.workflow);
        let mut effects = Vec::new();
        let reachable: Vec<&Step> = workflow.steps.iter().filter(|step| self.is_reachable(step)).collect();
        for step in reachable {
            self.state.entered.entry(step.id.clone()).or_insert(at);
            // What is watched must be there: the time runs once the step's commands are through.
            let is_through = |command: &Command| !awaits(command) || self.state.command(&command.id).closes();
            if let Some(soak) = step.soak
                && !self.state.soaks.contains_key(&step.id)
                && step.commands.iter().all(is_through)
            {
                let after =
                    |seconds: u64| at.world + SignedDuration::from_secs(seconds.min(MAX_SOAK_S) as i64);
                let state = SoakState {
                    since: at,
                    earliest: after(soak.min_s),
                    latest: after(soak.max_s),
                    over: soak.min_s == 0,
                    shortened: None,
                };
                self.state.soaks.insert(step.id.clone(), state);
                effects.extend(self.soak_timer(&step.id));
            }
            for (index, group) in
                step.groups.iter().enumerate().filter(|(_, group)| group.timebox_s.is_some())
            {
                let opens = group.checks.first().is_some_and(|check| self.check_is_open(&check.id).is_ok());
                if opens {
                    self.state.timeboxes.entry((step.id.clone(), index)).or_insert(at);
                }
            }
        }
        effects
    }

    pub(super) fn soak_timers(&self) -> Vec<Effect> {
        self.state.soaks.keys().filter_map(|step| self.soak_timer(step)).collect()
    }

    fn soak_timer(&self, step: &StepId) -> Option<Effect> {
        let soak = self.state.soaks.get(step).filter(|soak| !soak.over)?;
        Some(Effect::WakeAt { at: WakeTime::World(soak.earliest), timer: Timer::SoakEarliest(step.clone()) })
    }

    pub(super) fn woke(&mut self, at: Moment, timer: &Timer) -> Vec<Effect> {
        match timer {
            Timer::SoakEarliest(step) => {
                if let Some(soak) = self.state.soaks.get_mut(step)
                    && at.world >= soak.earliest
                {
                    soak.over = true;
                }
                Vec::new()
            }
            Timer::RollbackRetry { step, attempt } => self.retry_rollback(at, *step, *attempt),
            Timer::Countdown { n } => self.countdown_woke(at, *n),
            Timer::CommandAgain { command, attempt } => self.again_woke(at, command, *attempt),
        }
    }
}

const BREACH: &str = "a rollback criterion is met";

pub(super) fn breach_refusal() -> Refusal {
    Refusal::new(BREACH, "roll back with R, or say why you go on with `:override`")
}

/// No soak of a release lasts longer than a month; a larger number is a typing error.
const MAX_SOAK_S: u64 = 31 * 24 * 3600;

/// Whether a step waits for this command's end.
pub(super) fn awaits(command: &Command) -> bool {
    matches!(command.kind, CommandKind::Run | CommandKind::Choice)
}

fn holds(group: &Group, check: &CheckId) -> bool {
    group.checks.iter().any(|known| &known.id == check)
}

fn command_words(state: super::CommandState) -> &'static str {
    use super::CommandState as S;
    match state {
        S::Ready => "not run yet",
        S::Running => "running",
        S::Failed => "failed",
        S::Cancelled => "cancelled",
        S::InDoubt => "in doubt",
        S::Succeeded | S::Skipped | S::NotApplicable | S::NothingToRun => "closed",
    }
}
