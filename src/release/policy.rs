//! A rollback that fires without a key: of a criterion that a person accepted before this release
//! began, on a reading that fails, after a countdown that anybody at the keyboard stops.
//!
//! The release decides when a countdown begins and when its time is over. Whether the cluster can be
//! seen then, and what runs in it, the loop knows: it answers both questions by a fact.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{Operator, Verdict};
use super::pin::Outcome;
use super::state::{CriterionState, Phase};
use super::{Effect, Refusal, Release, Timer, WakeTime, name};
use crate::watch::Moment;
use crate::watch::rollout::RolloutState;
use crate::workflow::CriterionId;

/// What people accepted, and what became of it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PolicyState {
    pub accepted: BTreeMap<CriterionId, Accepted>,
    pub countdown: Option<Countdown>,
    /// Breaches that are proposed and no more, and why: each until its criterion reads pass.
    pub only_proposed: BTreeMap<CriterionId, String>,
    /// Why nothing fires by itself any more in this release.
    pub spent: Option<String>,
    /// How the last countdown ended that fired nothing.
    pub ended: Option<CountdownEnd>,
    /// Countdowns so far: the timer of an earlier one is told by its number.
    pub n_countdowns: u32,
}

/// The rule by which a rollback fired without a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPolicy {
    pub criterion: CriterionId,
    /// Who accepted it at the start of the release.
    pub accepted_by: String,
}

impl ByPolicy {
    /// Who answers for it, in place of a person's name.
    pub fn who(&self) -> String {
        format!("the policy that {} accepted", self.accepted_by)
    }
}

/// Who accepted a criterion, and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    pub by: String,
    pub at: Moment,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Countdown {
    pub criterion: CriterionId,
    pub since: Moment,
    /// Wall time, also in a rehearsal: the countdown is for a person, who reads and presses no faster
    /// in a practice world that runs at sixty times the speed.
    pub until: Timestamp,
    /// Countdowns of one release are numbered from 1.
    pub n: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CountdownEnd {
    pub at: Moment,
    pub criterion: CriterionId,
    /// `it reads pass again`, `it has no data`.
    pub why: String,
}

impl PolicyState {
    /// Whether a breach of this criterion would still begin a countdown, and fire.
    pub fn is_in_force(&self, criterion: &CriterionId) -> bool {
        self.spent.is_none() && self.accepted.contains_key(criterion)
    }
}

/// Whether readings say so, and nothing but readings: not a person, and no person goes on despite it.
fn is_read_breached(state: &CriterionState) -> bool {
    state.is_breached() && state.declared_by.is_none()
}

impl Release {
    /// The criteria that may be accepted at the start of this release, in the order of the document.
    pub fn policy_criteria(&self) -> &[CriterionId] {
        self.document.rollback.policy.as_ref().map_or(&[], |policy| &policy.auto)
    }

    pub(super) fn accept_policy(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        criterion: &CriterionId,
    ) -> Result<Vec<Effect>, Refusal> {
        let Some(person) = by else {
            return Err(Refusal::new("a rollback without a key is accepted by a person", "give a name"));
        };
        if !self.policy_criteria().contains(criterion) {
            return Err(Refusal::new(
                format!("the document does not propose to roll back by itself on {criterion}"),
                "its frontmatter says on what: rollback: {auto: […]}",
            ));
        }
        if self.state.policy.accepted.contains_key(criterion) {
            return Err(Refusal::new("it is accepted already", "space again withdraws that"));
        }
        let accepted = Accepted { by: person.name.clone(), at };
        self.state.policy.accepted.insert(criterion.clone(), accepted);
        Ok(Vec::new())
    }

    pub(super) fn withdraw_policy(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        criterion: &CriterionId,
    ) -> Result<Vec<Effect>, Refusal> {
        if self.state.policy.accepted.remove(criterion).is_none() {
            return Err(Refusal::new("nobody accepted it for this release", "a breach of it only proposes"));
        }
        if self.counts_down(criterion) {
            self.stop(at, format!("{} withdrew the acceptance while it counted down", name(by)));
        }
        Ok(Vec::new())
    }

    /// The loop can see the cluster: the seconds run.
    ///
    /// - Shape: changes nothing when no countdown is wanted, as an answer that comes too late.
    pub(super) fn begin_countdown(
        &mut self,
        at: Moment,
        criterion: &CriterionId,
        seconds: u64,
    ) -> Vec<Effect> {
        if self.wanted().as_ref() != Some(criterion) {
            return Vec::new();
        }
        let length = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let until = at.wall.checked_add(length).unwrap_or(Timestamp::MAX);
        let policy = &mut self.state.policy;
        policy.n_countdowns = policy.n_countdowns.saturating_add(1);
        let n = policy.n_countdowns;
        policy.countdown = Some(Countdown { criterion: criterion.clone(), since: at, until, n });
        policy.ended = None;
        let timer = Timer::Countdown { n };
        vec![Effect::Ring, Effect::WakeAt { at: WakeTime::Wall(until), timer }]
    }

    pub(super) fn stop_countdown(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
    ) -> Result<Vec<Effect>, Refusal> {
        if self.state.policy.countdown.is_none() {
            return Err(Refusal::new("nothing is counted down", "R opens the rollback panel"));
        }
        self.stop(at, format!("{} stopped the countdown", name(by)));
        Ok(Vec::new())
    }

    /// A person said no: not again in this release.
    fn stop(&mut self, at: Moment, why: String) {
        self.end_countdown(at, why.clone());
        self.state.policy.spent.get_or_insert(why);
    }

    /// The loop cannot see what it would act on: this breach is proposed, and no more.
    pub(super) fn hold_policy_back(&mut self, at: Moment, criterion: &CriterionId, why: &str) -> Vec<Effect> {
        let is_breached = self.state.criteria.get(criterion).is_some_and(is_read_breached);
        let known = self.state.policy.only_proposed.contains_key(criterion);
        if !self.state.policy.is_in_force(criterion) || !is_breached || known {
            return Vec::new();
        }
        if self.counts_down(criterion) {
            self.end_countdown(at, why.to_owned());
        }
        self.state.policy.only_proposed.insert(criterion.clone(), why.to_owned());
        vec![Effect::Ring]
    }

    /// The time of a countdown is over: the loop fires, or holds back.
    pub(super) fn countdown_woke(&self, at: Moment, n: u32) -> Vec<Effect> {
        match &self.state.policy.countdown {
            Some(countdown) if countdown.n == n && at.wall < countdown.until => {
                // The wall clock was set back meanwhile: nobody had the time that was promised.
                let timer = Timer::Countdown { n };
                vec![Effect::WakeAt { at: WakeTime::Wall(countdown.until), timer }]
            }
            Some(countdown) if countdown.n == n => {
                vec![Effect::FireByPolicy { criterion: countdown.criterion.clone() }]
            }
            _ => Vec::new(),
        }
    }

    /// Whether this rollback is the end of a countdown that ran its whole time.
    pub(super) fn may_fire_by_policy(&self, at: Moment, policy: &ByPolicy) -> Result<(), Refusal> {
        let due = self
            .state
            .policy
            .countdown
            .as_ref()
            .filter(|countdown| countdown.criterion == policy.criterion && at.wall >= countdown.until);
        if due.is_none() || !self.state.policy.is_in_force(&policy.criterion) {
            return Err(Refusal::new(
                format!("no countdown of {} has ended", policy.criterion),
                "press R then Y to roll back by hand",
            ));
        }
        match self.policy_obstacle() {
            Some(why) => Err(Refusal::new(format!("not by itself: {why}"), "press R then Y, if you mean it")),
            None => Ok(()),
        }
    }

    /// What keeps a policy from firing, as far as the release can tell: a person may know better, and
    /// has the keys.
    pub fn policy_obstacle(&self) -> Option<String> {
        let state = &self.state;
        if state.pins.is_empty() {
            return Some("no known-good state was pinned".to_owned());
        }
        if let Some((target, holder)) = state.lock.other() {
            return Some(format!("{} holds the lock of {target}", holder.name()));
        }
        let broken = state.findings.iter().find(|finding| matches!(finding.outcome, Outcome::Broken(_)));
        if let Some(finding) = broken {
            return Some(format!("the way back is DISARMED ({})", finding.what));
        }
        let mut seen = state.rollouts.values();
        let theirs = |state| matches!(state, RolloutState::Superseded | RolloutState::Gone);
        if let Some(seen) = seen.find(|seen| theirs(seen.state)) {
            return Some(format!("somebody else changed {}: {}", seen.target, seen.why));
        }
        let is_new = |pin: &super::Pin| {
            let seen = state.rollouts.get(&pin.target);
            seen.is_some_and(|seen| seen.template_print != pin.template_print)
        };
        if !state.pins.iter().any(is_new) {
            return Some("what was pinned runs still, as far as was seen".to_owned());
        }
        None
    }

    /// A rollback was fired, by whomever: none is fired by itself after it.
    pub(super) fn spend_policy(&mut self, at: Moment, by: Option<&Operator>, policy: Option<&ByPolicy>) {
        if policy.is_some() {
            self.state.policy.countdown = None;
            self.state.policy.spent.get_or_insert_with(|| "it fired".to_owned());
        } else {
            self.stop(at, format!("{} rolled back by hand", name(by)));
        }
    }

    /// A process ended, and with it whoever looked at its countdown.
    pub(super) fn nobody_watched(&mut self, at: Moment) {
        let why = "gonogo was gone meanwhile, and nobody watched";
        self.end_countdown(at, why.to_owned());
        self.leave_to_people(why);
    }

    /// What is met now is proposed, and no more.
    fn leave_to_people(&mut self, why: &str) {
        let policy = &self.state.policy;
        let in_force = policy.accepted.keys().filter(|id| policy.is_in_force(id));
        let met: Vec<CriterionId> = in_force.filter(|id| self.reads_breached(id)).cloned().collect();
        for id in met {
            self.state.policy.only_proposed.entry(id).or_insert_with(|| why.to_owned());
        }
    }

    /// The breaches that a person has to decide, although the policy speaks of them.
    pub fn left_to_people(&self) -> impl Iterator<Item = (&CriterionId, &str)> {
        let left = self.state.policy.only_proposed.iter();
        left.filter(|(id, _)| self.reads_breached(id)).map(|(id, why)| (id, why.as_str()))
    }

    /// After every event: ends a countdown that lost its ground, and asks for one that has it.
    pub(super) fn advance_policy(&mut self, at: Moment) -> Vec<Effect> {
        let passed = |id: &CriterionId| {
            self.state.criteria.get(id).is_some_and(|state| state.verdict == Verdict::Pass)
        };
        let over: Vec<CriterionId> =
            self.state.policy.only_proposed.keys().filter(|id| passed(id)).cloned().collect();
        for id in over {
            self.state.policy.only_proposed.remove(&id);
        }
        if let Some(countdown) = &self.state.policy.countdown
            && let Some(why) = self.lost_ground(&countdown.criterion)
        {
            self.end_countdown(at, why);
        }
        if self.state.phase == Phase::Held {
            self.leave_to_people("the release was held");
        }
        let seconds = self.document.rollback.policy.as_ref().map_or(0, |policy| policy.countdown_s);
        self.wanted().map(|criterion| Effect::CountDown { criterion, seconds }).into_iter().collect()
    }

    /// Why a countdown of this criterion may not go on.
    fn lost_ground(&self, criterion: &CriterionId) -> Option<String> {
        if self.state.phase != Phase::Running {
            return Some(match &self.state.hold {
                Some(hold) => format!("{} holds the release", hold.by),
                None => "the release does not run any more".to_owned(),
            });
        }
        let state = self.state.criteria.get(criterion)?;
        match state.verdict {
            Verdict::Pass if state.declared_by.is_some() => Some("a person withdrew the breach".to_owned()),
            Verdict::Pass => Some("it reads pass again".to_owned()),
            Verdict::NoData => Some("it has no data, and nothing fires on no data".to_owned()),
            Verdict::Error => Some("it cannot be read, and nothing fires on that".to_owned()),
            Verdict::Fail if state.overridden.is_some() => Some("a person goes on despite it".to_owned()),
            Verdict::Fail if state.declared_by.is_some() => Some("it is a person's word now".to_owned()),
            Verdict::Fail => None,
        }
    }

    /// The criterion for which a countdown should begin now.
    fn wanted(&self) -> Option<CriterionId> {
        let policy = &self.state.policy;
        if self.state.phase != Phase::Running || policy.countdown.is_some() {
            return None;
        }
        let mut accepted = policy.accepted.keys().filter(|id| policy.is_in_force(id));
        let is_due = |id: &&CriterionId| self.reads_breached(id) && !policy.only_proposed.contains_key(*id);
        accepted.find(is_due).cloned()
    }

    fn reads_breached(&self, criterion: &CriterionId) -> bool {
        self.state.criteria.get(criterion).is_some_and(is_read_breached)
    }

    fn counts_down(&self, criterion: &CriterionId) -> bool {
        self.state.policy.countdown.as_ref().is_some_and(|countdown| &countdown.criterion == criterion)
    }

    fn end_countdown(&mut self, at: Moment, why: String) {
        if let Some(countdown) = self.state.policy.countdown.take() {
            self.state.policy.ended = Some(CountdownEnd { at, criterion: countdown.criterion, why });
        }
    }
}
