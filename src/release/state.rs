//! All a screen or a report may ask about a release. Plain data; only `Release` changes it.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use super::again::Again;
use super::event::{
    Blocker, ByPolicy, Captured, Evidence, Exit, Failure, Operator, PracticeWorld, ReleaseId, RolloutOrdered,
    RolloutSeen, Run, Shown, StepResult, Verdict, Vote,
};
use super::lock::LockState;
use super::pin::{Finding, Pin};
use super::policy::PolicyState;
use super::route::{RoutePin, RouteRef};
use crate::watch::{Moment, TargetRef};
use crate::workflow::{CheckId, CommandId, CriterionId, RoleName, StepId};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Parameters, roster and preflight; nothing has been started.
    Preparing,
    Running,
    /// An explicit pause; nothing goes forward.
    Held,
    RollingBack,
    /// Rolled back and verified by reading back.
    RolledBack,
    RollbackFailed,
    Completed,
    Aborted,
}

impl Phase {
    /// Whether the release is over; a rollback can still reopen it.
    pub fn is_over(self) -> bool {
        matches!(self, Phase::RolledBack | Phase::Completed | Phase::Aborted)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub id: ReleaseId,
    pub phase: Phase,
    pub sha256: String,
    pub targets: Vec<TargetRef>,
    pub context: Option<String>,
    pub directory: String,
    pub practice: Option<PracticeWorld>,
    pub params: BTreeMap<String, String>,
    pub roster: BTreeMap<RoleName, String>,
    /// Everybody who did something, by name, with the moment of their latest deed.
    pub operators: BTreeMap<String, (Operator, Moment)>,
    pub opened_at: Moment,
    pub begun_at: Option<Moment>,
    pub ended_at: Option<Moment>,
    pub end_reason: Option<String>,
    pub hold: Option<Hold>,
    /// Every hold that ended: reason, from, to.
    pub holds: Vec<(String, Moment, Moment)>,
    pub checks: BTreeMap<CheckId, Mark>,
    /// Confirmations of checks that wait for more of them.
    pub approvals: BTreeMap<CheckId, Vec<Approval>>,
    pub commands: BTreeMap<CommandId, Track>,
    pub polls: BTreeMap<StepId, BTreeMap<RoleName, Ballot>>,
    /// When each step became the current one.
    pub entered: BTreeMap<StepId, Moment>,
    pub soaks: BTreeMap<StepId, SoakState>,
    /// When a group with a timebox opened, by step and index of the group.
    pub timeboxes: BTreeMap<(StepId, usize), Moment>,
    pub pins: Vec<Pin>,
    /// What steered traffic and capacity when the pins were taken.
    pub routes: Vec<RoutePin>,
    pub findings: Vec<Finding>,
    pub lock: LockState,
    pub baseline: Option<(Moment, BTreeMap<String, f64>)>,
    pub rollouts: BTreeMap<TargetRef, RolloutSeen>,
    /// The template that each target carried when it was first seen, if no command had run before.
    pub first_templates: BTreeMap<TargetRef, String>,
    pub criteria: BTreeMap<CriterionId, CriterionState>,
    pub health: Option<(bool, String)>,
    /// World time of the first reading of the breach that stands now, or stood when `Y` was pressed.
    pub first_bad: Option<Timestamp>,
    pub rollback: Option<RollbackState>,
    pub policy: PolicyState,
    /// What was asked of Argo Rollouts, oldest first.
    pub orders: Vec<OrderState>,
    /// Every time that the document was taken over anew, oldest first.
    pub reloads: Vec<Reloaded>,
    pub notes: Vec<(Moment, String, String)>,
    /// What people and the world did last, newest last, for a line each.
    pub recent: VecDeque<(Moment, String)>,
    /// When the latest answer was given, for the seconds that an item took.
    pub last_answer: Moment,
}

/// One order to an Argo Rollout, and its answer.
#[derive(Debug, Clone, PartialEq)]
pub struct OrderState {
    pub at: Moment,
    pub by: String,
    pub ordered: RolloutOrdered,
    pub answer: Option<(Moment, StepResult)>,
}

/// The document was taken over as it lay on disk then.
#[derive(Debug, Clone, PartialEq)]
pub struct Reloaded {
    pub at: Moment,
    pub by: String,
    /// Of the new text.
    pub sha256: String,
    /// How many answers, votes and commands that ran stayed as they were.
    pub n_kept: usize,
    /// What had been settled and was not any more, each in words.
    pub lost: Vec<String>,
    /// What had been run and stands in the new text no more as it was.
    pub ran: Vec<Attempt>,
    /// When the first command of a production step had started by then.
    pub production_since: Option<Moment>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Hold {
    pub since: Moment,
    pub reason: String,
    pub by: String,
}

/// An answer to a check.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    pub answer: Answer,
    /// `None` when it was sensed.
    pub by: Option<Operator>,
    pub at: Moment,
    pub reason: Option<String>,
    pub evidence: Vec<Evidence>,
    /// Units: seconds of wall time since the answer before it. Bursts tell of ticking unread.
    pub took_s: u64,
    /// Everybody who confirmed it, oldest first, where several people have to.
    pub approvals: Vec<Approval>,
}

/// One confirmation of a check that several people confirm.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    pub person: String,
    /// `None` where the check asks for no role.
    pub role: Option<RoleName>,
    /// Who sat at the keyboard.
    pub by: Option<Operator>,
    pub at: Moment,
    /// What they typed beside it.
    pub typed: Option<String>,
    pub evidence: Vec<Evidence>,
}

impl std::fmt::Display for Approval {
    /// `bo (qa): https://…`, and who pressed the key when it was another.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.person)?;
        self.role.iter().try_for_each(|role| write!(f, " ({role})"))?;
        let presser = self.by.as_ref().filter(|by| !super::same_person(&by.name, &self.person));
        presser.iter().try_for_each(|by| write!(f, ", key pressed by {}", by.name))?;
        self.typed.iter().try_for_each(|typed| write!(f, ": {typed}"))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Confirmed,
    NoGo,
    NotApplicable,
    Skipped,
    /// A person went against what was sensed, or without it.
    Overridden,
    Sensed {
        value: String,
    },
    /// A bound probe says "not yet" or "no".
    SensedFailing {
        value: String,
    },
}

impl Answer {
    pub fn closes(&self) -> bool {
        !matches!(self, Answer::NoGo | Answer::SensedFailing { .. })
    }
}

/// What became of one command.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Track {
    pub state: CommandState,
    pub attempts: Vec<Attempt>,
    /// Who left it out, when and why.
    pub set_aside: Option<(Operator, Moment, String)>,
    /// When it runs again by itself.
    pub again: Option<Again>,
    /// The highest number of an attempt that was made under this id and is told elsewhere, because a
    /// reload moved its command.
    pub used: u32,
}

impl Track {
    /// The number that the next attempt has, so that none is ever given twice under one id.
    pub fn next_attempt(&self) -> u32 {
        let last = self.attempts.iter().map(|attempt| attempt.run.attempt).max().unwrap_or(0);
        last.max(self.used) + 1
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CommandState {
    #[default]
    Ready,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    /// It was started and its end was not seen: a person says what is true.
    InDoubt,
    Skipped,
    NotApplicable,
    NothingToRun,
}

impl CommandState {
    /// Whether the step may close over it.
    pub fn closes(self) -> bool {
        matches!(
            self,
            CommandState::Succeeded
                | CommandState::Skipped
                | CommandState::NotApplicable
                | CommandState::NothingToRun
        )
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub run: Run,
    pub by: Option<Operator>,
    pub started: Moment,
    pub pid: Option<u32>,
    pub start_time: Option<u64>,
    pub stop_asked: bool,
    /// When and how it ended; the exit is missing for one in doubt.
    pub end: Option<(Moment, Option<Exit>)>,
    pub took_ms: Option<u64>,
    /// What it printed for a variable.
    pub captured: Option<Captured>,
    /// What a person said about an end that was not seen.
    pub settled: Option<String>,
}

impl Attempt {
    /// The variable that it sets, and its value.
    pub fn variable(&self) -> Option<(&str, &str)> {
        match &self.captured {
            Some(Captured::Value(value)) => Some((self.run.terms.capture.as_deref()?, value)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Ballot {
    pub vote: Option<Vote>,
    pub not_applicable: bool,
    /// Who answered for the role.
    pub person: String,
    pub at: Moment,
    pub reason: Option<String>,
    pub evidence: Vec<Evidence>,
}

impl Ballot {
    pub fn lets_go(&self) -> bool {
        self.not_applicable || self.vote == Some(Vote::Go)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct SoakState {
    pub since: Moment,
    /// World time.
    pub earliest: Timestamp,
    pub latest: Timestamp,
    pub over: bool,
    /// Who shortened it, in which role and why.
    pub shortened: Option<(String, RoleName, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CriterionState {
    pub verdict: Verdict,
    pub why: String,
    pub at: Moment,
    /// Declared by a person, and by whom.
    pub declared_by: Option<String>,
    pub overridden: Option<String>,
}

impl CriterionState {
    pub fn is_breached(&self) -> bool {
        self.verdict == Verdict::Fail && self.overridden.is_none()
    }

    /// Whether a person says so: readings do not clear it while the release goes forward.
    pub fn is_declared_met(&self) -> bool {
        self.verdict == Verdict::Fail && self.declared_by.is_some()
    }
}

/// A rollback under way, or done.
#[derive(Debug, Clone, PartialEq)]
pub struct RollbackState {
    pub fired_at: Moment,
    pub fired_by: String,
    /// None when a person pressed the key.
    pub policy: Option<ByPolicy>,
    pub reason: Option<String>,
    pub shown: Vec<Shown>,
    pub plan: Vec<PlanStep>,
    pub accepted_at: Option<Moment>,
    /// Milliseconds of wall time from the first patch sent to its acceptance.
    pub accepted_ms: Option<u64>,
    pub verified_at: Option<Moment>,
    /// Criteria that were breached when `Y` was pressed: they must read pass again.
    pub breached: Vec<CriterionId>,
    pub first_bad: Option<Timestamp>,
    /// The phase to return to when a queued rollback is withdrawn.
    pub before: Phase,
    pub failure: Option<String>,
    /// Whether a patch was sent whose answer never came: the API server may have done it.
    pub may_have_arrived: bool,
}

impl RollbackState {
    /// When the pinned template of a target was sent back and taken, or found to be there.
    pub fn patched_at(&self, target: &TargetRef) -> Option<Moment> {
        let patches = self.plan.iter().filter(|step| step.action == PlanAction::Patch(target.clone()));
        patches.filter_map(|step| step.state.done_at()).next()
    }

    /// What its time counts from, as a screen says it.
    pub fn trigger(&self) -> &'static str {
        if self.policy.is_some() { "the firing" } else { "Y" }
    }

    /// Time to safe in world time: since `Y`, and since the first bad reading when there was one.
    pub fn time_to_safe(&self) -> Option<(SignedDuration, Option<SignedDuration>)> {
        let safe = self.verified_at?.world;
        let since = |from: Timestamp| safe.duration_since(from);
        Some((since(self.fired_at.world), self.first_bad.map(since)))
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct PlanStep {
    pub action: PlanAction,
    pub state: PlanState,
    /// Patches sent for it, over every `Y`: an answer to an older one is told by its number.
    pub n_sent: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlanAction {
    /// Send the traffic of an Argo Rollout back to its stable version, if anything is under way. Its
    /// spec holds the bad version still.
    Abort(TargetRef),
    /// Put the pinned template back.
    Patch(TargetRef),
    /// Wait until the pinned template can take the traffic that is about to come.
    Ready(TargetRef),
    /// Put traffic, or the bounds of an autoscaler, back.
    Route(RouteRef),
    /// Let an Argo Rollout leave its steps out on the way to the pinned template, if that is not its
    /// stable version any more.
    Promote(TargetRef),
    /// Delete the pod that holds the way back: only after a person was shown it and said so.
    Delete(TargetRef, Blocker),
    /// Wait until the pinned template's rollout is complete and held.
    Settle(TargetRef),
    /// Look whether all that steers traffic is as it was pinned.
    ReadBack,
    /// Read criteria and health until they are clear.
    Clear,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PlanState {
    Waiting,
    Sent {
        attempt: u32,
        at: Moment,
    },
    /// The API server could not be reached: tried again at this moment of wall time.
    Queued {
        attempt: u32,
        until: Timestamp,
        why: String,
    },
    Done {
        at: Moment,
        took_ms: Option<u64>,
    },
    Failed(Failure),
    /// A person went on without waiting for it.
    Passed {
        at: Moment,
        by: String,
    },
}

impl PlanState {
    fn done_at(&self) -> Option<Moment> {
        match self {
            PlanState::Done { at, .. } => Some(*at),
            _ => None,
        }
    }
}

/// The version among the parameters of a release: `VERSION`, else what is named like one.
pub fn version_of(params: &BTreeMap<String, String>) -> Option<&String> {
    let named = ["VERSION", "TAG", "RELEASE"].into_iter().find_map(|name| params.get(name));
    let like = |suffix: &str| params.iter().find(|(name, _)| name.ends_with(suffix)).map(|(_, value)| value);
    named.or_else(|| like("_VERSION")).or_else(|| like("_TAG"))
}

impl State {
    /// What is being released, where a parameter says so.
    pub fn version(&self) -> Option<&String> {
        version_of(&self.params)
    }

    pub fn command(&self, id: &CommandId) -> CommandState {
        self.commands.get(id).map_or(CommandState::Ready, |track| track.state)
    }

    pub fn attempt(&self, id: &CommandId, attempt: u32) -> Option<&Attempt> {
        self.commands.get(id)?.attempts.iter().find(|known| known.run.attempt == attempt)
    }

    pub fn last_attempt(&self, id: &CommandId) -> Option<&Attempt> {
        self.commands.get(id)?.attempts.last()
    }

    /// What commands have printed for later ones, by variable: of each the latest attempt counts, and
    /// where several set one variable, the one that ended last.
    pub fn captured(&self) -> BTreeMap<&str, &str> {
        let succeeded = self.commands.values().filter(|track| track.state == CommandState::Succeeded);
        let mut attempts: Vec<&Attempt> = succeeded.filter_map(|track| track.attempts.last()).collect();
        attempts.sort_by_key(|attempt| attempt.end.as_ref().map(|(at, _)| *at));
        attempts.into_iter().filter_map(Attempt::variable).collect()
    }

    /// The template that a target had before this release touched it: as pinned, or as first seen.
    pub fn known_good(&self, target: &TargetRef) -> Option<&str> {
        let pin = self.pins.iter().find(|pin| &pin.target == target).map(|pin| &pin.template_print);
        pin.or_else(|| self.first_templates.get(target)).map(String::as_str)
    }

    /// Everything that was run, also what a reload took out of the document.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        let standing = self.commands.values().flat_map(|track| &track.attempts);
        standing.chain(self.reloads.iter().flat_map(|reload| &reload.ran))
    }

    /// Whether anything outside may have been changed by this release.
    pub fn changed_anything(&self) -> bool {
        self.rollback.is_some()
            || !self.orders.is_empty()
            || self.commands.values().any(|track| track.used > 0 || !track.attempts.is_empty())
    }

    pub fn is_breached(&self) -> bool {
        self.criteria.values().any(CriterionState::is_breached)
    }

    /// World time of work, holds left out: the T clock. `None` before the release began.
    pub fn t_clock(&self, now: Moment) -> Option<SignedDuration> {
        let begun = self.begun_at?;
        let end = self.ended_at.unwrap_or(now);
        let mut worked = end.world.duration_since(begun.world);
        for (_, from, to) in &self.holds {
            worked -= to.world.duration_since(from.world);
        }
        if let Some(hold) = &self.hold {
            worked -= end.world.duration_since(hold.since.world);
        }
        Some(worked.max(SignedDuration::ZERO))
    }
}
