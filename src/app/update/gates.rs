//! Checks that an annotation bound to a metric or a rollout: answered by what is seen.

use jiff::{SignedDuration, Timestamp};

use super::observations::complete;
use super::{Ask, found};
use crate::app::model::Model;
use crate::release::{Answer, Fact, Phase, StepStatus};
use crate::watch::TargetRef;
use crate::workflow::{Check, CheckGate, RolloutGate, Step};

/// Tells the release what gates say, when it is news. A gate of the step under way is read on after
/// it has passed: it has to hold until the step is left.
pub(super) fn sense(model: &mut Model) -> Vec<Ask> {
    if model.state().phase != Phase::Running {
        return Vec::new();
    }
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let mut asks = Vec::new();
    let steps = workflow.steps.iter().flat_map(|step| step.checks().map(move |check| (Some(step), check)));
    let others = workflow.gates.iter().flat_map(|gate| &gate.checks).chain(&workflow.outputs);
    for (step, check) in others.map(|check| (None, check)).chain(steps) {
        let Some(gate) = &check.annotated.gate else { continue };
        if !is_asked(model, step, check) {
            continue;
        }
        let since = step.and_then(|step| since(model, step));
        let (pass, value) = match gate {
            CheckGate::Command(_) => continue, // the release itself knows how its commands ended
            CheckGate::Metric(gate) => {
                let read = model.observed.metrics.gate(gate, since, model.now);
                (read.passes, read.why)
            }
            // What was complete when it was last seen closes no item today.
            CheckGate::Rollout(_) if model.cluster_silence().is_some() => continue,
            CheckGate::Rollout(gate) => rollout(model, gate, since),
        };
        let same = match model.state().checks.get(&check.id).map(|mark| &mark.answer) {
            Some(Answer::Sensed { .. }) => pass,
            Some(Answer::SensedFailing { value: known }) => !pass && *known == value,
            Some(_) => true,
            None => false,
        };
        if !same {
            asks.extend(found(model, Fact::Sensed { check: check.id.clone(), pass, value }));
        }
    }
    asks
}

fn is_asked(model: &Model, step: Option<&Step>, check: &Check) -> bool {
    match step {
        None => !model.release.is_closed(&check.id),
        Some(step) => {
            model.state().entered.contains_key(&step.id)
                && (!model.release.is_closed(&check.id)
                    || model.release.step_status(step) == StepStatus::Current)
        }
    }
}

/// Since when readings speak of what the step has done: its begin, or the end of its last command.
/// World time.
fn since(model: &Model, step: &Step) -> Option<Timestamp> {
    let entered = model.state().entered.get(&step.id)?.world;
    let attempts = step.commands.iter().filter_map(|command| model.state().last_attempt(&command.id));
    let ends = attempts.filter_map(|attempt| Some(attempt.end.as_ref()?.0.world));
    Some(ends.fold(entered, Timestamp::max))
}

fn rollout(model: &Model, gate: &RolloutGate, since: Option<Timestamp>) -> (bool, String) {
    let state = model.state();
    let elsewhere = gate.context.is_some() && gate.context != state.context;
    let is_meant = |target: &&TargetRef| {
        let here = gate.namespace.as_ref().is_none_or(|namespace| *namespace == target.namespace);
        target.kind == gate.kind && target.name == gate.name && here && !elsewhere
    };
    let meant: Vec<&TargetRef> = state.targets.iter().filter(is_meant).collect();
    if meant.is_empty() {
        return (false, format!("{}/{} is no target of this release", gate.kind.as_str(), gate.name));
    }
    let (pass, value) = complete(model, meant.iter().copied());
    if let (Some(most), true) = (gate.max_restarts, pass) {
        let seen = meant.iter().filter_map(|target| model.observed.workloads.get(*target));
        let restarts = seen.flat_map(|seen| &seen.facts.pods).map(|pod| pod.restarts()).max().unwrap_or(0);
        if restarts > most {
            return (false, format!("a pod restarted {restarts} times, at most {most} pass"));
        }
    }
    let late = gate.timeout_s.zip(since).filter(|(seconds, since)| {
        let limit = SignedDuration::from_secs(i64::try_from(*seconds).unwrap_or(i64::MAX));
        model.now.world.duration_since(*since) > limit
    });
    match late {
        Some((seconds, _)) if !pass => (false, format!("late, after {seconds} s: {value}")),
        _ => (pass, value),
    }
}
