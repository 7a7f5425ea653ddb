//! The plan of the way back as data: which actions in which order, and the one that a person adds.
//!
//! Traffic first, because an abort takes effect at once; then all templates, last released target
//! first; then what Argo Rollouts would walk in steps otherwise; then each target until it held.

use super::effect::{Measure, PatchBack};
use super::event::{Blocker, RolloutSeen};
use super::pin::Pin;
use super::state::{Phase, PlanAction, PlanState, PlanStep};
use super::{Effect, Refusal, Release};
use crate::watch::{Moment, TargetRef};
use crate::workflow::Kind;

/// What has to be done to return to `pins`, in order.
pub fn plan(pins: &[Pin]) -> Vec<PlanAction> {
    let all = || pins.iter().rev().map(|pin| pin.target.clone());
    let argo = || all().filter(|target| target.kind == Kind::Rollout);
    argo()
        .map(PlanAction::Abort)
        .chain(all().map(PlanAction::Patch))
        .chain(argo().map(PlanAction::Promote))
        .chain(all().map(PlanAction::Settle))
        .chain([PlanAction::Clear])
        .collect()
}

impl PlanAction {
    /// What it does to the cluster, and to which target; `None` for one that only looks.
    pub fn measure(&self) -> Option<(Measure, &TargetRef)> {
        match self {
            PlanAction::Abort(target) => Some((Measure::Abort, target)),
            PlanAction::Patch(target) => Some((Measure::Template, target)),
            PlanAction::Promote(target) => Some((Measure::Promote, target)),
            PlanAction::Delete(target, blocker) => Some((Measure::Delete(blocker.clone()), target)),
            PlanAction::Settle(_) | PlanAction::Clear => None,
        }
    }

    /// The workload that it is about; `None` for one about the release as a whole.
    pub fn target(&self) -> Option<&TargetRef> {
        match self {
            PlanAction::Settle(target) => Some(target),
            other => other.measure().map(|(_, target)| target),
        }
    }

    /// Whether the way back works without it too, only slower: its failure is told and holds up
    /// nothing. What it was for is read back all the same.
    pub fn is_help(&self) -> bool {
        matches!(self, PlanAction::Abort(_) | PlanAction::Promote(_) | PlanAction::Delete(..))
    }
}

impl PlanStep {
    pub(super) fn new(action: PlanAction) -> Self {
        Self { action, state: PlanState::Waiting, n_sent: 0 }
    }

    /// Whether the plan has nothing more to do here.
    pub fn is_over(&self) -> bool {
        match self.state {
            PlanState::Done { .. } => true,
            PlanState::Failed(_) => self.action.is_help(),
            PlanState::Waiting | PlanState::Sent { .. } | PlanState::Queued { .. } => false,
        }
    }
}

impl Release {
    /// The pod that holds the way back now, if there is one: the plan waits until a person says that
    /// it may be deleted. Never one whose deletion was asked for already.
    pub fn blocker(&self) -> Option<(&TargetRef, &Blocker)> {
        let rollback = self.state.rollback.as_ref()?;
        if !matches!(self.state.phase, Phase::RollingBack | Phase::RollbackFailed) {
            return None;
        }
        let asked = |blocker: &Blocker| {
            rollback.plan.iter().any(|step| {
                matches!(&step.action, PlanAction::Delete(_, known) if known.uid == blocker.uid)
                    && !matches!(step.state, PlanState::Failed(_))
            })
        };
        rollback.plan.iter().filter(|step| !step.is_over()).find_map(|step| {
            let PlanAction::Settle(target) = &step.action else { return None };
            let blocker = self.carries_pin(target)?.blocker.as_ref()?;
            (!asked(blocker)).then_some((target, blocker))
        })
    }

    /// What was last seen of a target, if it carries its pinned template again.
    fn carries_pin(&self, target: &TargetRef) -> Option<&RolloutSeen> {
        let pin = self.state.pins.iter().find(|pin| &pin.target == target)?;
        let seen = self.state.rollouts.get(target)?;
        (seen.template_print == pin.template_print).then_some(seen)
    }

    pub(super) fn delete_blocker(
        &mut self,
        at: Moment,
        target: &TargetRef,
        blocker: &Blocker,
    ) -> Result<Vec<Effect>, Refusal> {
        let plan = self.state.rollback.iter().flat_map(|rollback| &rollback.plan);
        let under_way = |step: &&PlanStep| {
            matches!(step.action, PlanAction::Delete(..))
                && matches!(step.state, PlanState::Sent { .. } | PlanState::Queued { .. })
        };
        if let Some(PlanAction::Delete(_, known)) = plan.clone().find(under_way).map(|step| &step.action) {
            return Err(Refusal::new(
                format!("pod {} is being deleted", known.pod),
                "one at a time: wait for the answer",
            ));
        }
        if self.blocker() != Some((target, blocker)) {
            return Err(Refusal::new(
                format!("pod {} does not hold {target} any more", blocker.pod),
                "look at the rollout first",
            ));
        }
        // Before the wait that it ends. Nothing behind this place was ever sent, so no answer that is
        // still to come means another step now.
        let settle = PlanAction::Settle(target.clone());
        let Some(index) = plan.clone().position(|step| step.action == settle) else { return Ok(Vec::new()) };
        if let Some(rollback) = &mut self.state.rollback {
            rollback.plan.insert(index, PlanStep::new(PlanAction::Delete(target.clone(), blocker.clone())));
            rollback.failure = None;
        }
        self.state.phase = Phase::RollingBack;
        Ok(self.send_step(at, index))
    }

    /// Sends an action of the plan.
    pub(super) fn send_step(&mut self, at: Moment, index: usize) -> Vec<Effect> {
        let Some(rollback) = &mut self.state.rollback else { return Vec::new() };
        let Some(step) = rollback.plan.get_mut(index) else { return Vec::new() };
        let Some((measure, target)) = step.action.measure() else { return Vec::new() };
        let Some(pin) = self.state.pins.iter().find(|pin| &pin.target == target) else { return Vec::new() };
        let shown = rollback.shown.iter().find(|shown| &shown.target == target).cloned();
        step.n_sent = step.n_sent.saturating_add(1);
        let attempt = step.n_sent;
        step.state = PlanState::Sent { attempt, at };
        vec![Effect::RollBack(Box::new(PatchBack { step: index, attempt, measure, pin: pin.clone(), shown }))]
    }
}
