//! The way back: its pin, its arming, its plan, and the reading back that makes it "safe".
//!
//! The plan is data: every action is idempotent, so one whose answer was never seen is simply sent
//! again. Its order stands in [`mod@super::plan`]; at its end the readings that were bad are read again.

use jiff::{SignedDuration, Timestamp};

use super::event::{ByPolicy, Failure, FailureKind, Operator, RolloutSeen, Shown, StepResult, Verdict};
use super::pin::{Finding, Outcome, Pin};
use super::plan::plan;
use super::route::RoutePin;
use super::state::{CriterionState, Phase, PlanAction, PlanState, PlanStep, RollbackState, State};
use super::{Effect, Refusal, Release, Timer, WakeTime, name};
use crate::watch::rollout::RolloutState;
use crate::watch::{Moment, TargetRef};
use crate::workflow::{CriterionId, CriterionKind};

/// The way back is tested this often while nothing happens. Units: wall time.
pub const ARMING_INTERVAL: SignedDuration = SignedDuration::from_secs(30);

/// A queued rollback knocks again after 1, 2, 4 and then every 5 seconds of wall time.
const RETRY_CEILING_S: i64 = 5;

/// So many unanswered aborts are enough: the template goes back without one.
const ABORTS: u32 = 3;

/// Whether the rollback key would work, as the line at the bottom says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arming {
    pub state: ArmingState,
    /// Limits, causes or gaps, in words; empty when armed.
    pub why: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArmingState {
    Armed,
    /// Works, with the limits that are named.
    Degraded,
    /// No check came back within two intervals: the key works as soon as the cluster answers.
    NotProven,
    /// Cannot work.
    Disarmed,
}

impl ArmingState {
    pub fn word(self) -> &'static str {
        match self {
            ArmingState::Armed => "ARMED",
            ArmingState::Degraded => "DEGRADED",
            ArmingState::NotProven => "NOT PROVEN",
            ArmingState::Disarmed => "DISARMED",
        }
    }
}

/// Concludes from what was tested, and from how long ago, whether the way back works.
///
/// - Shape: without a target and without traffic the document's own commands are all there is: degraded;
///   so it is when some of the targets are not part of the plan.
/// - Units: `checked` and `now` are compared on the wall clock.
pub fn arming(
    targets: &[TargetRef],
    pins: &[Pin],
    routes: &[RoutePin],
    findings: &[Finding],
    checked: Option<Moment>,
    now: Moment,
) -> Arming {
    if targets.is_empty() && routes.is_empty() {
        let why = "no target: the document's own commands, unproven".to_owned();
        return Arming { state: ArmingState::Degraded, why: vec![why] };
    }
    let broken = words(findings, |outcome| match outcome {
        Outcome::Broken(why) => Some(why),
        _ => None,
    });
    if !broken.is_empty() {
        return Arming { state: ArmingState::Disarmed, why: broken };
    }
    let unpinned = || targets.iter().filter(|target| !pins.iter().any(|pin| &pin.target == *target));
    let fresh = checked.is_some_and(|at| now.wall.duration_since(at.wall) <= ARMING_INTERVAL * 2);
    let is_pinned = !pins.is_empty() || targets.is_empty();
    if !is_pinned || !fresh || findings.is_empty() {
        let why = unpinned().map(|target| format!("{target} was not read yet")).collect();
        return Arming { state: ArmingState::NotProven, why };
    }
    let mut limited = words(findings, |outcome| match outcome {
        Outcome::Limited(why) | Outcome::Unknown(why) => Some(why),
        _ => None,
    });
    if unpinned().next().is_some() {
        limited.insert(0, format!("not {}: the document's own commands, unproven", names(unpinned())));
    }
    let state = if limited.is_empty() { ArmingState::Armed } else { ArmingState::Degraded };
    Arming { state, why: limited }
}

fn names<'a>(targets: impl Iterator<Item = &'a TargetRef>) -> String {
    targets.map(TargetRef::to_string).collect::<Vec<_>>().join(", ")
}

fn words(findings: &[Finding], pick: impl Fn(&Outcome) -> Option<&String>) -> Vec<String> {
    findings
        .iter()
        .filter_map(|finding| Some(format!("{}: {}", finding.what, pick(&finding.outcome)?)))
        .collect()
}

impl Release {
    /// Whether the rollback key would work; see [`arming`].
    pub fn arming(&self, checked: Option<Moment>, now: Moment) -> Arming {
        let State { targets, pins, routes, findings, .. } = &self.state;
        let mut arming = arming(targets, pins, routes, findings, checked, now);
        // What the document names and nobody could read stays as the release leaves it.
        if self.is_pinned()
            && self.workflow.nginx.is_some()
            && routes.iter().all(|pin| pin.route.is_in_cluster())
        {
            arming.why.push("not nginx, which could not be read at the start".to_owned());
            if arming.state == ArmingState::Armed {
                arming.state = ArmingState::Degraded;
            }
        }
        arming
    }

    /// Whether gonogo has a way back of its own.
    pub fn is_pinned(&self) -> bool {
        !self.state.pins.is_empty() || !self.state.routes.is_empty()
    }

    /// Asks for the known-good state, if there is any to read that was not read yet.
    pub fn pin(&self) -> Option<Effect> {
        let (targets, nginx) = (&self.state.targets, &self.workflow.nginx);
        let is_any = !targets.is_empty() || nginx.is_some();
        (is_any && !self.is_pinned())
            .then(|| Effect::Pin { targets: targets.clone(), nginx: nginx.clone().map(Box::new) })
    }

    /// Tests the way back, if there is one to test.
    pub fn arm(&self) -> Vec<Effect> {
        if self.is_pinned() {
            vec![Effect::Arm { pins: self.state.pins.clone(), routes: self.state.routes.clone() }]
        } else {
            Vec::new()
        }
    }

    /// Known good is what ran before this release touched anything: a later reading is not taken.
    pub(super) fn pinned(&mut self, pins: &[Pin], routes: &[RoutePin]) -> Vec<Effect> {
        if self.production_started().is_some() || self.state.rollback.is_some() || self.is_pinned() {
            return Vec::new();
        }
        self.state.pins = pins.to_vec();
        self.state.routes = routes.to_vec();
        self.arm()
    }

    pub(super) fn rollout_changed(&mut self, at: Moment, seen: &RolloutSeen) -> Vec<Effect> {
        if !self.state.changed_anything() && !seen.template_print.is_empty() {
            let print = || seen.template_print.clone();
            self.state.first_templates.entry(seen.target.clone()).or_insert_with(print);
        }
        let known = self.state.known_good(&seen.target);
        let is_new = known.is_some_and(|known| known != seen.template_print);
        let had_failed = self.failed_rollout().is_some();
        self.state.rollouts.insert(seen.target.clone(), seen.clone());
        let mut effects = Vec::new();
        if is_new && self.state.baseline.is_none() && self.state.begun_at.is_some() {
            effects.push(Effect::PinBaseline { until: at.world });
        }
        // A failed rollout is a bad signal like any other: time to safe counts from it.
        match (had_failed, self.failed_rollout().is_some()) {
            (false, true) => {
                self.state.first_bad.get_or_insert(at.world);
                effects.push(Effect::Ring);
            }
            (true, false) if !self.state.is_breached() => self.state.first_bad = None,
            _ => {}
        }
        effects
    }

    /// A rollout away from the pinned state that has failed, if there is one.
    pub fn failed_rollout(&self) -> Option<&RolloutSeen> {
        self.state.rollouts.values().find(|seen| {
            let known = self.state.known_good(&seen.target);
            seen.state.is_failure() && known.is_some_and(|known| known != seen.template_print)
        })
    }

    pub(super) fn criterion_read(
        &mut self,
        at: Moment,
        criterion: &CriterionId,
        verdict: Verdict,
        why: &str,
        since: Option<Timestamp>,
    ) -> Vec<Effect> {
        if self.workflow.criterion(criterion).is_none_or(|known| known.kind == CriterionKind::Declared) {
            return Vec::new();
        }
        let before = self.state.criteria.get(criterion);
        // A person may know before the metric does: what they declared stands until they withdraw it,
        // or until the image that they said it of is on its way out.
        let rolls_back =
            matches!(self.state.phase, Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed);
        if before.is_some_and(|state| state.is_declared_met()) && !rolls_back {
            return Vec::new();
        }
        let was_breached = before.is_some_and(CriterionState::is_breached);
        // An override speaks of one breach; when the reading clears and fails anew, it is asked anew.
        let overridden =
            before.and_then(|state| state.overridden.clone()).filter(|_| verdict == Verdict::Fail);
        let state = CriterionState { verdict, why: why.to_owned(), at, declared_by: None, overridden };
        let is_breached = state.is_breached();
        self.state.criteria.insert(criterion.clone(), state);
        self.note_breach(at, was_breached, is_breached, since)
    }

    pub(super) fn criterion_declared(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        criterion: &CriterionId,
        met: bool,
        reason: &str,
    ) -> Result<Vec<Effect>, Refusal> {
        if self.workflow.criterion(criterion).is_none() {
            return Err(Refusal::new(
                format!("the workflow has no criterion {criterion}"),
                "see the signals pane",
            ));
        }
        if reason.trim().is_empty() {
            return Err(Refusal::new("declaring a criterion needs a reason", "type one"));
        }
        let was_breached = self.state.criteria.get(criterion).is_some_and(CriterionState::is_breached);
        let verdict = if met { Verdict::Fail } else { Verdict::Pass };
        let state = CriterionState {
            verdict,
            why: reason.to_owned(),
            at,
            declared_by: Some(name(by)),
            overridden: None,
        };
        self.state.criteria.insert(criterion.clone(), state);
        Ok(self.note_breach(at, was_breached, met, None))
    }

    pub(super) fn criterion_overridden(
        &mut self,
        by: Option<&Operator>,
        criterion: &CriterionId,
        reason: &str,
    ) -> Result<Vec<Effect>, Refusal> {
        if reason.trim().is_empty() {
            return Err(Refusal::new("going on against a criterion needs a reason", "type one"));
        }
        match self.state.criteria.get_mut(criterion).filter(|state| state.is_breached()) {
            Some(state) => {
                state.overridden = Some(format!("{}: {reason}", name(by)));
                if !self.state.is_breached() {
                    self.state.first_bad = None;
                }
                Ok(Vec::new())
            }
            None => Err(Refusal::new("this criterion is not met", "there is nothing to override")),
        }
    }

    fn note_breach(&mut self, at: Moment, was: bool, is: bool, since: Option<Timestamp>) -> Vec<Effect> {
        if is && !was {
            let began = since.unwrap_or(at.world);
            self.state.first_bad = Some(self.state.first_bad.map_or(began, |first| first.min(began)));
            return vec![Effect::Ring];
        }
        if !self.state.is_breached() && self.failed_rollout().is_none() {
            self.state.first_bad = None;
        }
        Vec::new()
    }

    pub(super) fn fire(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        reason: Option<&String>,
        shown: &[Shown],
        policy: Option<&ByPolicy>,
    ) -> Result<Vec<Effect>, Refusal> {
        if let Some(policy) = policy {
            self.may_fire_by_policy(at, policy)?;
        }
        if !self.is_pinned() {
            return Err(Refusal::new(
                "gonogo pinned no known-good state",
                "the document's own rollback commands are below: choose one with enter",
            ));
        }
        if let Arming { state: ArmingState::Disarmed, why } = self.arming(Some(at), at) {
            return Err(Refusal::new(
                format!("the rollback cannot work: {}", why.join(", ")),
                "mend that, or use the document's own commands",
            ));
        }
        let before = self.state.phase;
        match &mut self.state.rollback {
            // The rest of a plan that failed on the way: what is done stays done.
            Some(rollback) if self.state.phase == Phase::RollbackFailed => {
                rollback.shown = shown.to_vec();
                rollback.failure = None;
                // What a person asked for once is not asked for by another `Y`.
                let is_asked = |step: &PlanStep| matches!(step.action, PlanAction::Delete(..));
                rollback.plan.retain(|step| matches!(step.state, PlanState::Done { .. }) || !is_asked(step));
                let is_done =
                    |step: &PlanStep| matches!(step.state, PlanState::Done { .. } | PlanState::Passed { .. });
                // What was moved again since it was put back is put back again: where it is not, that
                // is found out and nothing is sent.
                let is_read = |step: &PlanStep| step.action == PlanAction::ReadBack && !is_done(step);
                let moved_again = rollback.plan.iter().any(is_read);
                for step in &mut rollback.plan {
                    let again = moved_again && matches!(step.action, PlanAction::Route(_));
                    if again || !is_done(step) {
                        step.state = PlanState::Waiting;
                    }
                }
            }
            _ => {
                let steps =
                    plan(&self.state.pins, &self.state.routes).into_iter().map(PlanStep::new).collect();
                let breached = self.state.criteria.iter().filter(|(_, state)| state.is_breached());
                self.state.rollback = Some(RollbackState {
                    fired_at: at,
                    fired_by: policy.map_or_else(|| name(by), ByPolicy::who),
                    policy: policy.cloned(),
                    reason: reason.cloned(),
                    shown: shown.to_vec(),
                    plan: steps,
                    accepted_at: None,
                    accepted_ms: None,
                    verified_at: None,
                    breached: breached.map(|(criterion, _)| criterion.clone()).collect(),
                    first_bad: self.state.first_bad,
                    before,
                    failure: None,
                    may_have_arrived: false,
                });
            }
        }
        self.spend_policy(at, by, policy);
        self.state.phase = Phase::RollingBack;
        self.state.ended_at = None;
        // A deployment command that still runs would work against the way back.
        let mut effects = self.stop_all();
        effects.extend(self.lock_for_rollback());
        Ok(effects)
    }

    pub(super) fn cancel_rollback(&mut self, at: Moment) -> Result<Vec<Effect>, Refusal> {
        let Some(rollback) = &self.state.rollback else {
            return Err(Refusal::new("no rollback is under way", "there is nothing to withdraw"));
        };
        let untouched = rollback
            .plan
            .iter()
            .all(|step| matches!(step.state, PlanState::Waiting | PlanState::Queued { .. }));
        if !untouched {
            return Err(Refusal::new("the rollback has already been sent", "let it finish"));
        }
        if rollback.may_have_arrived {
            return Err(Refusal::new(
                "a patch was sent, and may have arrived although no answer came",
                "let it finish",
            ));
        }
        self.state.phase = rollback.before;
        self.state.ended_at = rollback.before.is_over().then_some(at);
        self.state.rollback = None;
        Ok(Vec::new())
    }

    pub(super) fn rollback_step_ended(
        &mut self,
        at: Moment,
        index: usize,
        attempt: u32,
        result: &StepResult,
    ) -> Vec<Effect> {
        let Some(rollback) = &mut self.state.rollback else { return Vec::new() };
        let Some(step) = rollback.plan.get_mut(index) else { return Vec::new() };
        let answers_us = matches!(step.state, PlanState::Sent { attempt: sent, .. } if sent == attempt);
        if !answers_us {
            return Vec::new();
        }
        // From here on the pinned template is what is expected; an abort changes no template.
        let is_patch = matches!(step.action, PlanAction::Patch(_));
        match result {
            StepResult::Accepted { took_ms } => {
                step.state = PlanState::Done { at, took_ms: Some(*took_ms) };
                if is_patch {
                    rollback.accepted_at.get_or_insert(at);
                    rollback.accepted_ms.get_or_insert(*took_ms);
                }
                Vec::new()
            }
            StepResult::AlreadyThere => {
                step.state = PlanState::Done { at, took_ms: None };
                if is_patch {
                    rollback.accepted_at.get_or_insert(at);
                }
                Vec::new()
            }
            StepResult::Failed(Failure {
                kind: kind @ (FailureKind::Unreachable | FailureKind::TimedOut | FailureKind::NotYet),
                summary,
            }) => {
                rollback.may_have_arrived |= *kind == FailureKind::TimedOut;
                // A server that answers, and cannot do this, must not keep the template waiting.
                if *kind == FailureKind::TimedOut
                    && matches!(step.action, PlanAction::Abort(_))
                    && attempt >= ABORTS
                {
                    let failure = Failure { kind: *kind, summary: summary.clone() };
                    step.state = PlanState::Failed(failure);
                    return vec![Effect::Ring];
                }
                let wait = 1_i64.checked_shl(attempt.saturating_sub(1).min(8)).unwrap_or(RETRY_CEILING_S);
                let until = at.wall + SignedDuration::from_secs(wait.min(RETRY_CEILING_S));
                step.state = PlanState::Queued { attempt, until, why: summary.clone() };
                let timer = Timer::RollbackRetry { step: index, attempt };
                vec![Effect::WakeAt { at: WakeTime::Wall(until), timer }]
            }
            StepResult::Failed(failure) if step.action.is_help() => {
                step.state = PlanState::Failed(failure.clone());
                vec![Effect::Ring]
            }
            StepResult::Failed(failure) => {
                step.state = PlanState::Failed(failure.clone());
                rollback.failure = Some(failure.summary.clone());
                self.state.phase = Phase::RollbackFailed;
                vec![Effect::Ring]
            }
        }
    }

    pub(super) fn retry_rollback(&mut self, at: Moment, index: usize, attempt: u32) -> Vec<Effect> {
        let queued =
            |step: &PlanStep| matches!(step.state, PlanState::Queued { attempt: was, .. } if was == attempt);
        if self.state.phase != Phase::RollingBack {
            return Vec::new();
        }
        match self.state.rollback.as_ref().and_then(|rollback| rollback.plan.get(index)) {
            Some(step) if queued(step) => self.send_step(at, index),
            _ => Vec::new(),
        }
    }

    /// After a crash: a patch whose answer was not seen is sent again, which is harmless.
    pub(super) fn resend_rollback(&mut self, at: Moment) -> Vec<Effect> {
        if self.state.phase != Phase::RollingBack {
            return Vec::new();
        }
        let plan = self.state.rollback.iter().flat_map(|rollback| rollback.plan.iter().enumerate());
        let unseen = plan.filter_map(|(index, step)| {
            matches!(step.state, PlanState::Sent { .. } | PlanState::Queued { .. }).then_some(index)
        });
        let unseen: Vec<usize> = unseen.collect();
        if let Some(rollback) = &mut self.state.rollback {
            let was_sent = |step: &PlanStep| matches!(step.state, PlanState::Sent { .. });
            rollback.may_have_arrived |= rollback.plan.iter().any(was_sent);
        }
        unseen.into_iter().flat_map(|index| self.send_step(at, index)).collect()
    }

    /// Takes the plan as far as the facts allow.
    pub(super) fn advance_rollback(&mut self, at: Moment) -> Vec<Effect> {
        if !matches!(self.state.phase, Phase::RollingBack | Phase::RollbackFailed) {
            return Vec::new();
        }
        loop {
            let Some(rollback) = &self.state.rollback else { return Vec::new() };
            let Some(index) = rollback.plan.iter().position(|step| !step.is_over()) else {
                if let Some(rollback) = &mut self.state.rollback {
                    rollback.verified_at = Some(at);
                    rollback.failure = None;
                }
                self.finish(Phase::RolledBack, at);
                let mut effects = self.keep_lock(at);
                effects.push(Effect::Ring);
                return effects;
            };
            let step = &rollback.plan[index];
            let done = match &step.action {
                action if action.is_sent() => {
                    return match step.state {
                        PlanState::Waiting => self.send_step(at, index),
                        _ => Vec::new(),
                    };
                }
                PlanAction::Ready(target) | PlanAction::Settle(target) => {
                    let is_enough: &[_] = match &step.action {
                        PlanAction::Ready(_) => &[RolloutState::Settling, RolloutState::Complete],
                        _ => &[RolloutState::Complete],
                    };
                    match self.stands(target, is_enough) {
                        Ok(done) => done,
                        Err(why) => return self.does_not_settle(why),
                    }
                }
                _ => self.unclear().is_empty(),
            };
            if !done {
                return Vec::new();
            }
            if let Some(rollback) = &mut self.state.rollback {
                rollback.plan[index].state = PlanState::Done { at, took_ms: None };
            }
            // A rollback that seemed not to settle and then did is on its way again.
            self.state.phase = Phase::RollingBack;
        }
    }

    /// Whether the pinned template stands, in one of the states that are enough.
    fn stands(&self, target: &TargetRef, is_enough: &[RolloutState]) -> Result<bool, String> {
        let Some(seen) = self.carries_pin(target) else { return Ok(false) };
        match seen.state {
            state if is_enough.contains(&state) => Ok(self.replicas_missing(seen).is_none()),
            RolloutState::Failed | RolloutState::Gone => {
                Err(format!("{target} does not settle: {}", seen.why))
            }
            _ => Ok(false),
        }
    }

    fn does_not_settle(&mut self, why: String) -> Vec<Effect> {
        if let Some(rollback) = &mut self.state.rollback {
            rollback.failure = Some(why);
        }
        let already = self.state.phase == Phase::RollbackFailed;
        self.state.phase = Phase::RollbackFailed;
        if already { Vec::new() } else { vec![Effect::Ring] }
    }

    /// What is not clear yet, in words. What only a person can see was declared by a person, and the
    /// image that it was said of is gone: it does not hold up "safe", the report names it.
    fn unclear(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let breached = self.state.rollback.iter().flat_map(|rollback| &rollback.breached);
        for id in self.state.criteria.keys() {
            let Some(criterion) = self.workflow.criterion(id) else { continue };
            if criterion.kind == CriterionKind::Declared {
                continue;
            }
            let verdict = self.state.criteria.get(id).map(|state| state.verdict);
            let was_bad = breached.clone().any(|bad| bad == id);
            if verdict == Some(Verdict::Fail) || (was_bad && verdict != Some(Verdict::Pass)) {
                missing.push(format!("“{}” clear", criterion.text));
            }
        }
        if let Some((false, summary)) = &self.state.health {
            missing.push(format!("health ({summary})"));
        }
        missing
    }

    /// What a running rollback still waits for, in words for the banner.
    pub fn rollback_missing(&self) -> Vec<String> {
        let Some(rollback) = &self.state.rollback else { return Vec::new() };
        let mut missing = Vec::new();
        for step in rollback.plan.iter().filter(|step| !step.is_over()) {
            let sent = match &step.action {
                PlanAction::Abort(target) => Some(format!("the abort of {target}")),
                PlanAction::Patch(target) => Some(format!("the patch of {target}")),
                PlanAction::Promote(target) => Some(format!("the promotion of {target}")),
                PlanAction::Delete(_, blocker) => Some(format!("the deletion of pod {}", blocker.pod)),
                PlanAction::Route(route) => Some(route.to_string()),
                PlanAction::ReadBack => Some("traffic as it was pinned".to_owned()),
                PlanAction::Ready(_) | PlanAction::Settle(_) | PlanAction::Clear => None,
            };
            match (&step.action, &step.state) {
                (_, PlanState::Queued { why, .. }) => {
                    missing.extend(sent.map(|sent| format!("{sent}, queued: {why}")));
                }
                // It is waited for again below, until it held.
                (PlanAction::Ready(_), _) => {}
                (PlanAction::Settle(target), _) => {
                    let pin = self.state.pins.iter().find(|pin| &pin.target == target);
                    let ours = self.carries_pin(target);
                    let why = ours.map(|seen| self.replicas_missing(seen).unwrap_or(seen.why.clone()));
                    missing.push(match why.filter(|why| !why.is_empty()) {
                        Some(why) => format!("{target}: {why}"),
                        None => format!("{target} on {}", pin.map_or("", Pin::image)),
                    });
                }
                (PlanAction::Clear, _) => missing.extend(self.unclear()),
                _ => missing.extend(sent),
            }
        }
        missing
    }
}
