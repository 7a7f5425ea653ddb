//! The plan of the way back as data: which actions in which order, and the one that a person adds.
//!
//! Aborts first, because they take effect at once. Then capacity before traffic, and names before
//! weights: the targets that had the traffic get their templates and pods back, last released first;
//! once they can take it, subsets, weights and selectors; then the other targets. What Argo Rollouts
//! would walk in steps is promoted behind its template. At the end each target until it held, and all
//! that steers traffic read once more.

use super::effect::{Errand, Measure, PatchBack, Replicas, Reroute};
use super::event::{Blocker, Operator, RolloutSeen};
use super::pin::Pin;
use super::route::{RoutePin, RouteRef, is_scaled, moves_traffic, serves};
use super::state::{Phase, PlanAction, PlanState, PlanStep};
use super::{Effect, Refusal, Release, name};
use crate::watch::{Moment, TargetRef};
use crate::workflow::Kind;

/// What has to be done to return to `pins` and `routes`, in order.
pub fn plan(pins: &[Pin], routes: &[RoutePin]) -> Vec<PlanAction> {
    let all = || pins.iter().rev().map(|pin| pin.target.clone());
    let argo = |target: &TargetRef| target.kind == Kind::Rollout;
    // Without traffic to move there is nothing to wait for in between.
    let moves = moves_traffic(routes);
    let (first, then): (Vec<_>, Vec<_>) = all().partition(|target| !moves || serves(routes, target));
    let ready = if moves { first.clone() } else { Vec::new() };
    let mut written: Vec<&RouteRef> =
        routes.iter().filter(|pin| pin.is_written()).map(|pin| &pin.route).collect();
    written.sort_unstable();
    let (traffic, bounds): (Vec<_>, Vec<_>) = written.into_iter().partition(|route| route.is_traffic());
    let route = |route: &RouteRef| PlanAction::Route(route.clone());
    let templates = |targets: Vec<TargetRef>| {
        let promoted: Vec<_> = targets.iter().filter(|target| argo(target)).cloned().collect();
        targets.into_iter().map(PlanAction::Patch).chain(promoted.into_iter().map(PlanAction::Promote))
    };
    let aborts = all().filter(argo).map(PlanAction::Abort);
    aborts
        .chain(bounds.into_iter().map(route))
        .chain(templates(first))
        .chain(ready.into_iter().map(PlanAction::Ready))
        .chain(traffic.into_iter().map(route))
        .chain(templates(then))
        .chain(all().map(PlanAction::Settle))
        .chain((!routes.is_empty()).then_some(PlanAction::ReadBack))
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
            PlanAction::Ready(_)
            | PlanAction::Route(_)
            | PlanAction::Settle(_)
            | PlanAction::ReadBack
            | PlanAction::Clear => None,
        }
    }

    /// Whether it is sent to the cluster, and its answer waited for.
    pub fn is_sent(&self) -> bool {
        self.measure().is_some() || matches!(self, PlanAction::Route(_) | PlanAction::ReadBack)
    }

    /// The workload that it is about; `None` for one about the release as a whole.
    pub fn target(&self) -> Option<&TargetRef> {
        match self {
            PlanAction::Settle(target) | PlanAction::Ready(target) => Some(target),
            other => other.measure().map(|(_, target)| target),
        }
    }

    /// Whether the way back works without it too, only slower: its failure is told and holds up
    /// nothing. What it was for is read back all the same.
    pub fn is_help(&self) -> bool {
        match self {
            PlanAction::Abort(_) | PlanAction::Promote(_) | PlanAction::Delete(..) => true,
            PlanAction::Route(route) => !route.is_traffic(),
            _ => false,
        }
    }
}

impl PlanStep {
    pub(super) fn new(action: PlanAction) -> Self {
        Self { action, state: PlanState::Waiting, n_sent: 0 }
    }

    /// Whether the plan has nothing more to do here.
    pub fn is_over(&self) -> bool {
        match self.state {
            PlanState::Done { .. } | PlanState::Passed { .. } => true,
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
            let (PlanAction::Settle(target) | PlanAction::Ready(target)) = &step.action else { return None };
            let blocker = self.carries_pin(target)?.blocker.as_ref()?;
            (!asked(blocker)).then_some((target, blocker))
        })
    }

    /// What was last seen of a target, if it carries its pinned template again.
    pub(super) fn carries_pin(&self, target: &TargetRef) -> Option<&RolloutSeen> {
        let pin = self.state.pins.iter().find(|pin| &pin.target == target)?;
        let seen = self.state.rollouts.get(target)?;
        (seen.template_print == pin.template_print).then_some(seen)
    }

    /// How many pods a target gets back with its template.
    fn replicas(&self, pin: &Pin) -> Replicas {
        let routes = &self.state.routes;
        if is_scaled(routes, &pin.target) {
            Replicas::Left(pin.replicas)
        } else if moves_traffic(routes) && !serves(routes, &pin.target) {
            Replicas::Exactly(pin.replicas)
        } else {
            Replicas::AtLeast(pin.replicas)
        }
    }

    /// How many pods the plan makes of the `now` that a target asks for; `None` where it leaves them.
    pub fn pods_back(&self, pin: &Pin, now: u32) -> Option<u32> {
        // A DaemonSet has as many as there are nodes.
        let wanted = self.replicas(pin).wanted(now);
        (pin.target.kind != Kind::DaemonSet && wanted != now).then_some(wanted)
    }

    /// What is asked for and not so yet of the replicas of a target, in words.
    ///
    /// What was seen of them may be from before the patch: a template that did not change says nothing.
    pub(super) fn replicas_missing(&self, seen: &RolloutSeen) -> Option<String> {
        let pin = self.state.pins.iter().find(|pin| pin.target == seen.target)?;
        let now = seen.replicas?;
        self.pods_back(pin, now).map(|wanted| format!("{now} pods asked for, {wanted} were pinned"))
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
        let waits = |step: &PlanStep| {
            let (PlanAction::Ready(of) | PlanAction::Settle(of)) = &step.action else { return false };
            of == target && !step.is_over()
        };
        let Some(index) = plan.clone().position(waits) else { return Ok(Vec::new()) };
        if let Some(rollback) = &mut self.state.rollback {
            rollback.plan.insert(index, PlanStep::new(PlanAction::Delete(target.clone(), blocker.clone())));
            rollback.failure = None;
        }
        self.state.phase = Phase::RollingBack;
        Ok(self.send_step(at, index))
    }

    /// The target for whose pods the traffic waits, if it waits: a person may send it back all the same.
    pub fn traffic_waits_for(&self) -> Option<&TargetRef> {
        let rollback = self.state.rollback.as_ref()?;
        if !matches!(self.state.phase, Phase::RollingBack | Phase::RollbackFailed) {
            return None;
        }
        match &rollback.plan.iter().find(|step| !step.is_over())?.action {
            PlanAction::Ready(target) => Some(target),
            _ => None,
        }
    }

    pub(super) fn send_traffic_first(
        &mut self,
        at: Moment,
        by: Option<&Operator>,
        target: &TargetRef,
    ) -> Result<Vec<Effect>, Refusal> {
        if self.traffic_waits_for() != Some(target) {
            return Err(Refusal::new(
                format!("the traffic does not wait for {target} any more"),
                "look at the plan first",
            ));
        }
        if let Some(rollback) = &mut self.state.rollback {
            rollback.failure = None;
            let waits = |step: &&mut PlanStep| matches!(step.action, PlanAction::Ready(_)) && !step.is_over();
            for step in rollback.plan.iter_mut().filter(waits) {
                step.state = PlanState::Passed { at, by: name(by) };
            }
        }
        self.state.phase = Phase::RollingBack;
        Ok(Vec::new())
    }

    /// Sends an action of the plan.
    pub(super) fn send_step(&mut self, at: Moment, index: usize) -> Vec<Effect> {
        let Some(rollback) = &self.state.rollback else { return Vec::new() };
        let Some(step) = rollback.plan.get(index) else { return Vec::new() };
        let attempt = step.n_sent.saturating_add(1);
        let Some(effect) = self.effect_of(index, attempt, &step.action.clone()) else { return Vec::new() };
        if let Some(step) = self.state.rollback.as_mut().and_then(|rollback| rollback.plan.get_mut(index)) {
            step.n_sent = attempt;
            step.state = PlanState::Sent { attempt, at };
        }
        vec![effect]
    }

    fn effect_of(&self, step: usize, attempt: u32, action: &PlanAction) -> Option<Effect> {
        let errand = match action {
            PlanAction::Route(route) => {
                Errand::PutBack(self.state.routes.iter().find(|pin| &pin.route == route)?.clone())
            }
            PlanAction::ReadBack => Errand::ReadBack(self.state.routes.clone()),
            workload => {
                let (measure, target) = workload.measure()?;
                let pin = self.state.pins.iter().find(|pin| &pin.target == target)?.clone();
                let shown = &self.state.rollback.as_ref()?.shown;
                let shown = shown.iter().find(|shown| &shown.target == target).cloned();
                let replicas = self.replicas(&pin);
                let patch = PatchBack { step, attempt, measure, pin, shown, replicas };
                return Some(Effect::RollBack(Box::new(patch)));
            }
        };
        Some(Effect::Reroute(Box::new(Reroute { step, attempt, errand })))
    }
}
