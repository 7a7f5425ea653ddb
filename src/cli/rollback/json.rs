//! `--format json`: one object per target, each on a line of its own.

use jiff::SignedDuration;
use serde::Serialize;

use super::ends::{Ends, Version};
use crate::app::model::Model;
use crate::release::{PlanAction, PlanState, PlanStep, RollbackState};
use crate::watch::Moment;

/// Raised when a field changes its meaning or goes away; new fields may come at any time.
const SCHEMA: &str = "gonogo.rollback/1";

/// - Shape: a value that is not known is `null`, never a zero.
#[derive(Debug, Serialize)]
struct Told<'a> {
    schema: &'static str,
    release: &'a str,
    /// `deployment/app`, or an nginx by its upstream file.
    target: String,
    from: &'a Version,
    to: &'a Version,
    /// `armed`, `degraded`, `not-proven`, `disarmed`.
    arming: String,
    /// Limits and obstacles, in words.
    why: Vec<String>,
    actions: Vec<Action>,
    /// Units: milliseconds from the request to the answer.
    patch_accepted_ms: Option<u64>,
    /// Read back: all is as it was pinned, and has held.
    verified: bool,
    /// What was still waited for, in words.
    missing: Vec<String>,
    /// Units: milliseconds from the firing, and from the first bad signal, to the verified state.
    time_to_safe_ms: Option<i64>,
    since_first_bad_ms: Option<i64>,
}

#[derive(Debug, Serialize)]
struct Action {
    what: String,
    /// `waiting`, `sent`, `queued`, `done`, `failed`, `passed`: a person went on without it.
    state: &'static str,
    /// Units: milliseconds since the firing.
    at_ms: Option<i64>,
}

pub(super) fn lines(model: &Model, ends: &[Ends]) -> String {
    let line = |ends: &Ends| {
        let line = serde_json::to_string(&told(model, ends));
        line.expect("strings and numbers only, all of which JSON has") + "\n"
    };
    ends.iter().map(line).collect()
}

fn told<'a>(model: &'a Model, ends: &'a Ends) -> Told<'a> {
    let rollback = model.rollback();
    let arming = model.arming();
    let verified = rollback.is_some_and(|rollback| rollback.verified_at.is_some());
    let (safe, since_bad) = rollback.and_then(RollbackState::time_to_safe).unzip();
    let millis = |span: SignedDuration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    let is_of_target =
        |step: &&PlanStep| step.action.target().is_none_or(|target| ends.target.as_ref() == Some(target));
    let actions = rollback.iter().flat_map(|rollback| {
        let steps = rollback.plan.iter().filter(is_of_target);
        steps.map(|step| action(step, rollback.fired_at))
    });
    Told {
        schema: SCHEMA,
        release: &model.state().id.0,
        target: ends.what.clone(),
        from: &ends.from,
        to: &ends.to,
        arming: arming.state.word().to_lowercase().replace(' ', "-"),
        why: arming.why,
        actions: actions.collect(),
        patch_accepted_ms: rollback.and_then(|rollback| rollback.accepted_ms),
        verified,
        missing: if verified { Vec::new() } else { model.release.rollback_missing() },
        time_to_safe_ms: safe.map(millis),
        since_first_bad_ms: since_bad.flatten().map(millis),
    }
}

fn action(step: &PlanStep, fired_at: Moment) -> Action {
    let since = |at: &Moment| i64::try_from(at.world.duration_since(fired_at.world).as_millis()).ok();
    let (state, at_ms) = match &step.state {
        PlanState::Waiting => ("waiting", None),
        PlanState::Sent { at, .. } => ("sent", since(at)),
        PlanState::Queued { .. } => ("queued", None),
        PlanState::Done { at, .. } => ("done", since(at)),
        PlanState::Failed(_) => ("failed", None),
        PlanState::Passed { at, .. } => ("passed", since(at)),
    };
    Action { what: what(&step.action), state, at_ms }
}

pub(super) fn what(action: &PlanAction) -> String {
    match action {
        PlanAction::Abort(target) => format!("abort {target}"),
        PlanAction::Patch(target) => format!("patch {target}"),
        PlanAction::Promote(target) => format!("promote {target}"),
        PlanAction::Delete(target, blocker) => format!("delete pod {} of {target}", blocker.pod),
        PlanAction::Ready(target) => format!("ready {target}"),
        PlanAction::Route(route) => format!("route {route}"),
        PlanAction::Settle(target) => format!("settle {target}"),
        PlanAction::ReadBack => "traffic read back".to_owned(),
        PlanAction::Clear => "criteria and health clear".to_owned(),
    }
}
