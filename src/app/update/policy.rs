//! A rollback without a key: what the loop alone can tell when a countdown should begin, and when it
//! is over. Nothing is rolled back that cannot be seen.

use super::{Ask, arm, deed, flash, found, record};
use crate::app::model::{FieldKind, Mode, Model, Panel, READ_ONLY};
use crate::release::{ArmingState, ByPolicy, Effect, Event, Fact};
use crate::workflow::CriterionId;

/// Answers [`Effect::CountDown`].
pub(super) fn count_down(model: &mut Model, criterion: CriterionId, seconds: u64) -> Vec<Ask> {
    if !is_ours(model) {
        return Vec::new();
    }
    let why = blindness(model).or_else(|| {
        let arming = model.arming();
        (arming.state == ArmingState::Disarmed).then(|| disarmed(&arming.why))
    });
    if let Some(why) = why {
        return found(model, Fact::PolicyHeldBack { criterion, why });
    }
    let mut asks = found(model, Fact::CountdownStarted { criterion, seconds });
    // Whether the way back works is known anew before it is needed.
    asks.extend(arm(model));
    asks
}

/// Answers [`Effect::FireByPolicy`]: the rollback that `Y` would fire, from what runs now.
pub(super) fn fire(model: &mut Model, criterion: CriterionId) -> Vec<Ask> {
    if !is_ours(model) {
        return Vec::new();
    }
    let accepted = model.state().policy.accepted.get(&criterion);
    let Some(accepted_by) = accepted.map(|accepted| accepted.by.clone()) else { return Vec::new() };
    if let Some(why) = blindness(model).or_else(|| unproven(model)) {
        return found(model, Fact::PolicyHeldBack { criterion, why });
    }
    let shown = model.what_runs();
    let evidence = model.rollback_evidence();
    let policy = Some(ByPolicy { criterion: criterion.clone(), accepted_by });
    let fact = Fact::RollbackFired { reason: None, shown, evidence, policy };
    match record(model, Event { at: model.now, by: None, fact }) {
        Ok(asks) => asks,
        // Whatever it is: a countdown that ended and fired nothing is said to have done so.
        Err(refusal) => found(model, Fact::PolicyHeldBack { criterion, why: refusal.why }),
    }
}

/// Whether this process counts: the one that holds the journal, as long as nobody rolls back from
/// another terminal.
fn is_ours(model: &Model) -> bool {
    model.mode == Mode::Driving && !model.journal.is_beside && model.journal.handed_to.is_none()
}

/// Why nothing may begin that no person watches over.
fn blindness(model: &Model) -> Option<String> {
    if model.settings.read_only {
        return Some(READ_ONLY.to_owned());
    }
    if model.leaving.is_some() {
        return Some("gonogo was leaving".to_owned());
    }
    if let Some(why) = &model.journal.failed {
        return Some(format!("the journal cannot be written: {why}"));
    }
    model.cluster_silence().map(|(_, cause)| format!("the cluster does not answer ({cause})"))
}

/// Why it is not known that the way back works now.
fn unproven(model: &Model) -> Option<String> {
    let arming = model.arming();
    match arming.state {
        ArmingState::Armed | ArmingState::Degraded => {}
        ArmingState::NotProven => return Some("the way back is NOT PROVEN".to_owned()),
        ArmingState::Disarmed => return Some(disarmed(&arming.why)),
    }
    let is_read = |pin: &&crate::release::Pin| {
        let seen = model.observed.workloads.get(&pin.target);
        seen.is_some_and(|seen| seen.facts.unread.is_none() && seen.facts.uid == pin.uid)
    };
    if let Some(pin) = model.state().pins.iter().find(|pin| !is_read(pin)) {
        return Some(format!("{} is not as it was read", pin.target));
    }
    model.release.policy_obstacle()
}

fn disarmed(why: &[String]) -> String {
    format!("the way back is DISARMED ({})", why.join(", "))
}

/// The process leaves: nobody would see the seconds run, nor stop them.
pub(super) fn leave(model: &mut Model) -> Vec<Ask> {
    match model.state().policy.countdown.clone().filter(|_| is_ours(model)) {
        Some(countdown) => {
            let why = "gonogo was leaving".to_owned();
            found(model, Fact::PolicyHeldBack { criterion: countdown.criterion, why })
        }
        None => Vec::new(),
    }
}

/// The cluster answers again: what was met meanwhile can be decided now.
pub(super) fn propose_again(model: &mut Model) -> Vec<Ask> {
    let left = model.release.left_to_people().next().map(|(id, _)| id.clone());
    let Some(text) = left.and_then(|id| Some(model.release.workflow().criterion(&id)?.text.clone())) else {
        return Vec::new();
    };
    flash(model, format!("the cluster answers again, and “{text}” is met: R proposes the rollback"), false);
    vec![Ask::Do(Effect::Ring)]
}

/// Accepts what is selected on the start panel, or withdraws that.
pub(super) fn toggle(model: &mut Model) -> Vec<Ask> {
    let Some(Panel::Start(form)) = &model.view.panel else { return Vec::new() };
    let Some(FieldKind::Policy(criterion)) = form.fields.get(form.selected).map(|field| &field.kind) else {
        flash(model, "space accepts a rollback without a key; a value is typed with e", true);
        return Vec::new();
    };
    let criterion = criterion.clone();
    if model.state().policy.accepted.contains_key(&criterion) {
        return deed(model, Fact::PolicyWithdrawn { criterion });
    }
    if model.settings.read_only {
        flash(model, READ_ONLY, true);
        return Vec::new();
    }
    deed(model, Fact::PolicyAccepted { criterion })
}

/// Withdraws what is selected in the panel of the policy.
pub(super) fn withdraw(model: &mut Model, selected: usize) -> Vec<Ask> {
    match model.release.policy_criteria().get(selected).cloned() {
        Some(criterion) => deed(model, Fact::PolicyWithdrawn { criterion }),
        None => Vec::new(),
    }
}
