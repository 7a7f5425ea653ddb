//! What happens next: the state machine of a release.
//!
//! [`Release::handle`] takes what happened and says what should be done about it. It reads no
//! clock and touches nothing: feeding it the same events again gives the same release, which is how
//! a journal becomes a live release again.

mod again;
mod checks;
mod commands;
pub mod effect;
pub mod event;
pub mod lock;
mod orders;
pub mod pin;
mod plan;
pub mod policy;
mod progress;
mod reload;
mod rollback;
pub mod route;
mod sign_off;
pub mod state;
pub mod summary;
pub mod table;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use again::Again;
pub use effect::{Effect, Errand, Measure, PatchBack, Replicas, Reroute, WakeTime};
pub use event::*;
pub use lock::{
    LockHolder, LockIntent, LockRecord, LockSight, LockStanding, LockState, LockVerdict, LockWanted,
    LockWatch, Takeover,
};
pub use pin::{Finding, Outcome, Pin, Template, To};
pub use plan::plan;
pub use policy::{Accepted, Countdown, CountdownEnd, PolicyState};
pub use progress::{Current, StepStatus};
pub use reload::Reload;
pub use rollback::{ARMING_INTERVAL, Arming, ArmingState, arming};
pub use route::{Held, RouteKind, RoutePin, RouteRef, Share, Shares};
pub use sign_off::{people_of, same_person, unstaffed};
pub use state::*;
use table::Deed;

pub use crate::watch::Moment;
use crate::workflow::{self, CommandId, Workflow};

/// How many lines of recent deeds a screen may ask for.
const RECENT: usize = 50;

/// Why something asked for is not done, and what can be done instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {way_out}")]
pub struct Refusal {
    pub why: String,
    pub way_out: String,
}

impl Refusal {
    pub(crate) fn new(why: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { why: why.into(), way_out: way_out.into() }
    }
}

/// One run of a workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Release {
    /// The document as it was read, literals and all.
    document: Arc<Workflow>,
    /// The document with this release's parameters in their places.
    workflow: Arc<Workflow>,
    state: State,
}

impl Release {
    /// Opens a release from the first event of its journal.
    ///
    /// - Errors: a [`Refusal`] when `event` is not [`Fact::Opened`], or when the document is not the
    ///   one that it names.
    pub fn open(document: Arc<Workflow>, event: &Event) -> Result<(Self, Vec<Effect>), Refusal> {
        let Fact::Opened { id, sha256, targets, context, directory, practice, called, settled, .. } =
            &event.fact
        else {
            return Err(Refusal::new("a journal starts with the opening of a release", "this one does not"));
        };
        if *sha256 != document.sha256 {
            return Err(Refusal::new(
                "the document is not the one that the release was opened with",
                "resume it from the copy beside its journal",
            ));
        }
        let document = match called {
            Some(files) if document.called.is_none() => {
                Arc::new(workflow::placed(Arc::unwrap_or_clone(document), &Arc::new(files.clone())))
            }
            _ => document,
        };
        let document = match document.settled == *settled {
            true => document,
            false => Arc::new(document.settled_as(settled)),
        };
        let mut operators = BTreeMap::new();
        if let Some(by) = &event.by {
            operators.insert(by.name.clone(), (by.clone(), event.at));
        }
        let state = State {
            id: id.clone(),
            phase: Phase::Preparing,
            sha256: sha256.clone(),
            targets: targets.clone(),
            context: context.clone(),
            directory: directory.clone(),
            practice: practice.clone(),
            params: BTreeMap::new(),
            roster: BTreeMap::new(),
            operators,
            opened_at: event.at,
            begun_at: None,
            ended_at: None,
            end_reason: None,
            hold: None,
            holds: Vec::new(),
            checks: BTreeMap::new(),
            approvals: BTreeMap::new(),
            commands: BTreeMap::new(),
            polls: BTreeMap::new(),
            entered: BTreeMap::new(),
            soaks: BTreeMap::new(),
            timeboxes: BTreeMap::new(),
            pins: Vec::new(),
            routes: Vec::new(),
            findings: Vec::new(),
            lock: LockState::default(),
            baseline: None,
            rollouts: BTreeMap::new(),
            first_templates: BTreeMap::new(),
            criteria: BTreeMap::new(),
            health: None,
            first_bad: None,
            rollback: None,
            policy: PolicyState::default(),
            orders: Vec::new(),
            reloads: Vec::new(),
            notes: Vec::new(),
            recent: VecDeque::new(),
            last_answer: event.at,
        };
        let release = Self { workflow: Arc::clone(&document), document, state };
        let effects = release.pin().into_iter().collect();
        Ok((release, effects))
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    /// The document with this release's parameters in their places.
    pub fn workflow(&self) -> &Arc<Workflow> {
        &self.workflow
    }

    /// The document as it was read.
    pub fn document(&self) -> &Arc<Workflow> {
        &self.document
    }

    pub fn is_finished(&self) -> bool {
        self.state.phase.is_over()
    }

    /// Takes what happened and answers with what should be done.
    ///
    /// - Shape: an event that is refused has changed nothing and must not be journaled. An answer of
    ///   the world that comes late or twice is taken and changes nothing.
    /// - Errors: a [`Refusal`] in words for the operator.
    pub fn handle(&mut self, event: &Event) -> Result<Vec<Effect>, Refusal> {
        let deed = Deed::of(&event.fact, self.is_rollback_command(&event.fact));
        if !table::takes(self.state.phase, deed) {
            return Err(self.refuse_phase(deed));
        }
        if matches!(deed, Deed::RunForward | Deed::PushRollout)
            && let Some(refusal) = self.lock_refusal()
        {
            return Err(refusal);
        }
        let summary = summary::of(event, &self.workflow, &self.state);
        let mut effects = self.apply(event)?;
        self.note_operator(event);
        if let Some(line) = summary {
            self.state.recent.push_back((event.at, line));
            if self.state.recent.len() > RECENT {
                self.state.recent.pop_front();
            }
        }
        self.drop_again();
        effects.extend(self.advance_rollback(event.at));
        effects.extend(self.advance_policy(event.at));
        effects.extend(self.enter_positions(event.at));
        Ok(effects)
    }

    fn apply(&mut self, event: &Event) -> Result<Vec<Effect>, Refusal> {
        let at = event.at;
        let by = event.by.as_ref();
        match &event.fact {
            Fact::Opened { .. } => Err(Refusal::new("this release is already open", "start another one")),
            Fact::Begun { params, roster } => self.begin(at, params, roster),
            Fact::Reopened => Ok(self.reopen(at)),
            Fact::Reloaded { edition } => self.reload(at, by, edition),
            Fact::Settled { block, meaning } => self.settle(at, by, block, *meaning),
            Fact::Left { .. } => Ok(Vec::new()),
            Fact::Held { reason } => {
                self.state.phase = Phase::Held;
                self.state.hold = Some(Hold { since: at, reason: reason.clone(), by: name(by) });
                Ok(Vec::new())
            }
            Fact::Released => {
                self.state.phase = Phase::Running;
                if let Some(hold) = self.state.hold.take() {
                    self.state.holds.push((hold.reason, hold.since, at));
                }
                let mut effects = self.unpark();
                // What was met meanwhile was not acted on: now it can be.
                effects.extend(self.left_to_people().next().map(|_| Effect::Ring));
                Ok(effects)
            }
            Fact::Aborted { reason } => {
                self.finish(Phase::Aborted, at);
                self.state.end_reason = Some(reason.clone());
                let mut effects = self.stop_all();
                effects.extend(self.drop_lock(format!("aborted: {reason}")));
                Ok(effects)
            }
            Fact::Completed => self.complete(at),
            Fact::Noted { text } => {
                self.state.notes.push((at, name(by), text.clone()));
                Ok(Vec::new())
            }
            Fact::RoleStaffed { role, person } => {
                if person.trim().is_empty() {
                    return Err(Refusal::new(format!("{role} is staffed by a name"), "type one"));
                }
                self.state.roster.insert(role.clone(), person.clone());
                Ok(Vec::new())
            }
            Fact::KeyboardTaken { from } => match by {
                Some(by) if !by.name.trim().is_empty() && !same_person(&by.name, from) => Ok(Vec::new()),
                _ => Err(Refusal::new("the keyboard changes hands only with a new name", "type it")),
            },
            Fact::Confirmed { check, evidence, person, typed } => {
                self.confirm(at, by, check, person.as_deref(), typed.as_ref(), evidence)
            }
            Fact::NoGo { check, reason, evidence } => {
                self.answer(at, by, check, Answer::NoGo, reason, evidence)
            }
            Fact::Overridden { check, reason, evidence } => {
                self.answer(at, by, check, Answer::Overridden, reason, evidence)
            }
            Fact::CheckReopened { check } => self.reopen_check(at, check),
            Fact::NotApplicable { item, reason } => {
                self.set_aside(at, by, item, reason, Answer::NotApplicable)
            }
            Fact::Skipped { item, reason } => self.set_aside(at, by, item, reason, Answer::Skipped),
            Fact::Sensed { check, pass, value } => {
                self.sense(at, check, *pass, value);
                Ok(Vec::new())
            }
            Fact::Voted { step, role, vote, reason, evidence } => {
                self.vote(at, by, step, role, *vote, reason.as_ref(), evidence)
            }
            Fact::RoleNotApplicable { step, role, reason } => {
                self.role_not_applicable(at, by, step, role, reason)
            }
            Fact::SoakShortened { step, role, reason } => self.shorten_soak(by, step, role, reason),
            Fact::CommandStarted(run) => self.start_command(at, by, run),
            Fact::CommandSpawned { command, attempt, pid, start_time } => {
                self.command_spawned(command, *attempt, *pid, *start_time);
                Ok(Vec::new())
            }
            Fact::OutputCaptured { command, attempt, captured } => {
                self.output_captured(command, *attempt, captured);
                Ok(Vec::new())
            }
            Fact::CommandEnded { command, attempt, exit, took_ms } => {
                Ok(self.command_ended(at, command, *attempt, exit, *took_ms))
            }
            Fact::CommandStopped { command, attempt } => self.stop_command(command, *attempt),
            Fact::DoubtSettled { command, attempt, succeeded, note } => {
                self.settle_doubt(command, *attempt, *succeeded, note)
            }
            Fact::NothingToRun { command, choice } => self.nothing_to_run(at, by, command, *choice),
            Fact::Pinned { pins, routes } => Ok(self.pinned(pins, routes)),
            Fact::Armed { findings } => {
                self.state.findings.clone_from(findings);
                Ok(Vec::new())
            }
            Fact::ArmingChanged { .. } => Ok(Vec::new()),
            Fact::BaselinePinned { values } => {
                let kept = values.iter().filter(|(_, value)| value.is_finite());
                let kept = kept.map(|(name, value)| (name.clone(), as_recorded(*value)));
                self.state.baseline.get_or_insert_with(|| (at, kept.collect()));
                Ok(Vec::new())
            }
            Fact::RolloutChanged(seen) => Ok(self.rollout_changed(at, seen)),
            Fact::CriterionRead { criterion, verdict, why, since } => {
                Ok(self.criterion_read(at, criterion, *verdict, why, *since))
            }
            Fact::CriterionDeclared { criterion, met, reason } => {
                self.criterion_declared(at, by, criterion, *met, reason)
            }
            Fact::CriterionOverridden { criterion, reason } => {
                self.criterion_overridden(by, criterion, reason)
            }
            Fact::HealthChanged { healthy, summary } => {
                self.state.health = Some((*healthy, summary.clone()));
                Ok(Vec::new())
            }
            Fact::Woke { timer } => Ok(self.woke(at, timer)),
            Fact::RollbackFired { reason, shown, policy, .. } => {
                self.fire(at, by, reason.as_ref(), shown, policy.as_ref())
            }
            Fact::RollbackReason { reason } => {
                if let Some(rollback) = &mut self.state.rollback {
                    rollback.reason = Some(reason.clone());
                }
                Ok(Vec::new())
            }
            Fact::RollbackCancelled => self.cancel_rollback(at),
            Fact::TrafficFirst { target } => self.send_traffic_first(at, by, target),
            Fact::BlockerDeleted { target, blocker } => self.delete_blocker(at, target, blocker),
            Fact::PolicyAccepted { criterion } => self.accept_policy(at, by, criterion),
            Fact::PolicyWithdrawn { criterion } => self.withdraw_policy(at, by, criterion),
            Fact::CountdownStarted { criterion, seconds } => {
                Ok(self.begin_countdown(at, criterion, *seconds))
            }
            Fact::CountdownStopped => self.stop_countdown(at, by),
            Fact::PolicyHeldBack { criterion, why } => Ok(self.hold_policy_back(at, criterion, why)),
            Fact::LockChanged { standing } => {
                self.lock_changed(standing);
                Ok(Vec::new())
            }
            Fact::LockTakenOver { from, reason } => self.take_lock_over(from.as_ref(), reason),
            Fact::LockGiven { reason } => self.give_lock(by, reason),
            Fact::RolloutOrdered(ordered) => self.order_rollout(at, by, ordered),
            Fact::RolloutOrderEnded { attempt, result } => {
                self.rollout_order_ended(at, *attempt, result);
                Ok(Vec::new())
            }
            Fact::RollbackStepEnded { step, attempt, result } => {
                Ok(self.rollback_step_ended(at, *step, *attempt, result))
            }
        }
    }

    fn begin(
        &mut self,
        at: Moment,
        params: &BTreeMap<String, String>,
        roster: &BTreeMap<crate::workflow::RoleName, String>,
    ) -> Result<Vec<Effect>, Refusal> {
        for param in &self.document.params {
            match params.get(&param.name) {
                Some(_) if param.is_secret() => {
                    let why = format!("{} is a secret, and would be written into the journal", param.name);
                    return Err(Refusal::new(why, "leave it out: commands find it in their environment"));
                }
                None if param.is_secret() => {}
                Some(value) => {
                    param.check(value).map_err(|why| Refusal::new(why, "type another value"))?;
                }
                None => {
                    let way_out = match param.default.as_str() {
                        "" => "type one".to_owned(),
                        example => format!("type one; {example} is only the document's example"),
                    };
                    return Err(Refusal::new(format!("{} has no value", param.name), way_out));
                }
            }
        }
        self.workflow = Arc::new(self.document.with_params(params));
        self.state.params.clone_from(params);
        self.state.roster.clone_from(roster);
        self.state.roster.retain(|_, person| !person.trim().is_empty());
        self.state.begun_at = Some(at);
        self.state.last_answer = at;
        self.state.phase = Phase::Running;
        let mut effects = self.take_lock();
        effects.extend(self.arm());
        Ok(effects)
    }

    /// What a new process has to do again, and what the old one left unsettled.
    fn reopen(&mut self, at: Moment) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.lose_running_commands(at);
        self.lose_orders(at);
        self.nobody_watched(at);
        self.forget_again();
        if !self.state.changed_anything() {
            effects.extend(self.pin());
        }
        effects.extend(self.retake_lock());
        effects.extend(self.arm());
        effects.extend(self.soak_timers());
        effects.extend(self.resend_rollback(at));
        effects
    }

    fn complete(&mut self, at: Moment) -> Result<Vec<Effect>, Refusal> {
        if let Some(blocker) = self.first_blocker() {
            return Err(Refusal::new(format!("the release cannot end: {blocker}"), "close it first"));
        }
        self.finish(Phase::Completed, at);
        Ok(self.drop_lock("completed".to_owned()))
    }

    fn finish(&mut self, phase: Phase, at: Moment) {
        if let Some(hold) = self.state.hold.take() {
            self.state.holds.push((hold.reason, hold.since, at));
        }
        self.state.phase = phase;
        self.state.ended_at = Some(at);
    }

    fn note_operator(&mut self, event: &Event) {
        if let Some(by) = &event.by {
            self.state.operators.insert(by.name.clone(), (by.clone(), event.at));
        }
    }

    fn is_rollback_command(&self, fact: &Fact) -> bool {
        let Fact::CommandStarted(run) = fact else { return false };
        self.has_rollback_command(&run.command)
    }

    pub(crate) fn has_rollback_command(&self, id: &CommandId) -> bool {
        self.workflow.rollback.commands.iter().any(|command| &command.id == id)
    }

    fn refuse_phase(&self, deed: Deed) -> Refusal {
        let way_out = match self.state.phase {
            Phase::Preparing => "begin the release first",
            Phase::Held => "press h to go on",
            Phase::RollingBack => "wait for the rollback, or open its panel with R",
            Phase::RollbackFailed => "open the rollback panel with R, or abort with q",
            Phase::RolledBack | Phase::Completed | Phase::Aborted => {
                "the release is over; its report is kept"
            }
            Phase::Running => match deed {
                Deed::Begin => "it has begun",
                Deed::Release => "nothing is held",
                _ => "see ? for what works now",
            },
        };
        Refusal::new(format!("not while {}", phase_words(self.state.phase)), way_out)
    }
}

/// A reading as its record gives it back: seventeen digits of JSON may differ in the last one, and a
/// replayed release must equal the live one. Nine digits say all that a measurement can.
fn as_recorded(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}

fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Preparing => "the release is being prepared",
        Phase::Running => "the release is running",
        Phase::Held => "the release is held",
        Phase::RollingBack => "the release is rolling back",
        Phase::RolledBack => "the release is rolled back",
        Phase::RollbackFailed => "the rollback has not worked yet",
        Phase::Completed => "the release is completed",
        Phase::Aborted => "the release is aborted",
    }
}

pub(crate) fn name(by: Option<&Operator>) -> String {
    by.map_or_else(|| "gonogo".to_owned(), |by| by.name.clone())
}

#[cfg(test)]
mod tests;
