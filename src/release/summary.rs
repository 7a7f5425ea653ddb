//! One line of plain words for what happened: the screen's "last" lines and the report read it.

use super::event::{Captured, Event, Fact, ItemId, StepResult, Verdict, Vote};
use super::lock::LockStanding;
use super::name;
use super::pin::Pin;
use super::route::RoutePin;
use super::state::{PlanAction, State};
use crate::watch::rollout::RolloutState;
use crate::workflow::{CheckId, CommandId, Meaning, StepId, Workflow};

/// - Shape: `None` for facts that a reader of the story does not need, such as a timer.
///   `state` tells what a command really ran: one of its alternatives, or an edited text.
pub fn of(event: &Event, workflow: &Workflow, state: &State) -> Option<String> {
    let who = name(event.by.as_ref());
    let check = |id: &CheckId| workflow.check(id).map_or_else(|| id.to_string(), |check| check.text.clone());
    let command = |id: &CommandId| command(workflow, id);
    let ran = |id: &CommandId, attempt: u32| {
        let attempts = state.commands.get(id).map(|track| track.attempts.as_slice()).unwrap_or_default();
        let known = attempts.iter().find(|known| known.run.attempt == attempt);
        known.map_or_else(|| command(id), |known| first_line(&known.run.text))
    };
    let step = |id: &StepId| workflow.step(id).map_or_else(|| id.to_string(), |step| step.title.clone());
    let item = |id: &ItemId| match id {
        ItemId::Check(id) => check(id),
        ItemId::Command(id) => command(id),
    };
    let criterion = |id| workflow.criterion(id).map_or_else(|| format!("{id}"), |known| known.text.clone());
    Some(match &event.fact {
        Fact::Opened { title, .. } => format!("{who} opened {title}"),
        Fact::Begun { .. } => format!("{who} began the release"),
        Fact::Reopened => format!("{who} took the release up again"),
        Fact::Reloaded { .. } => format!("{who} reloaded {}", workflow.file),
        Fact::Settled { block, meaning } => {
            let what = workflow.settling(block).map(|known| first_line(&known.text)).unwrap_or_default();
            let said = meaning.map_or("a question again", Meaning::words);
            format!("{who} said what “{what}” is: {said}")
        }
        Fact::Left { why } => format!("{who} left: {why}"),
        Fact::Held { reason } => format!("{who} HOLD: {reason}"),
        Fact::Released => format!("{who} ended the hold"),
        Fact::Aborted { reason } => format!("{who} ABORTED: {reason}"),
        Fact::Completed => format!("{who} completed the release"),
        Fact::Noted { text } => format!("{who} noted: {text}"),
        Fact::RoleStaffed { role, person } => format!("{person} answers for {role}"),
        Fact::KeyboardTaken { from } => format!("{who} is at the keyboard, after {from}"),
        Fact::Confirmed { check: id, person, .. } => {
            format!("{} ☑ {}", person.as_deref().unwrap_or(&who), check(id))
        }
        Fact::CheckReopened { check: id } => format!("{who} opened again: {}", check(id)),
        Fact::NoGo { check: id, reason, .. } => format!("{who} ✘ {}: {reason}", check(id)),
        Fact::NotApplicable { item: id, reason } => format!("{who} – {}: {reason}", item(id)),
        Fact::Skipped { item: id, reason } => format!("{who} skipped {}: {reason}", item(id)),
        Fact::Overridden { check: id, reason, .. } => format!("{who} ◆ {}: {reason}", check(id)),
        Fact::Sensed { check: id, pass: true, value } => format!("◉ {}: {value}", check(id)),
        Fact::Voted { role, vote, reason, .. } => {
            let vote = match vote {
                Vote::Go => "GO",
                Vote::NoGo => "NO-GO",
                Vote::Abstain => "abstains",
            };
            let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!("{who} {vote} {role}{reason}")
        }
        Fact::RoleNotApplicable { role, reason, .. } => format!("{who} – {role}: {reason}"),
        Fact::SoakShortened { step: id, role, reason } => {
            format!("{who} as {role} shortened the soak of {}: {reason}", step(id))
        }
        Fact::CommandStarted(run) => format!("{who} ran {}", first_line(&run.text)),
        Fact::OutputCaptured { command: id, attempt, captured } => {
            let attempts = state.commands.get(id).map(|track| track.attempts.as_slice()).unwrap_or_default();
            let run = attempts.iter().map(|known| &known.run).find(|run| run.attempt == *attempt)?;
            let name = run.terms.capture.as_ref()?;
            match captured {
                Captured::Value(value) => format!("{name}={}", first_line(value)),
                Captured::NotKept(why) => format!("{name} is not set: {why}"),
            }
        }
        Fact::CommandEnded { command: id, attempt, exit, .. } => format!("{exit}: {}", ran(id, *attempt)),
        Fact::CommandStopped { command: id, attempt } => format!("{who} stopped {}", ran(id, *attempt)),
        Fact::DoubtSettled { command: id, attempt, succeeded, .. } => {
            let how = if *succeeded { "succeeded" } else { "failed" };
            format!("{who} says it {how}: {}", ran(id, *attempt))
        }
        Fact::NothingToRun { command: id, choice } => {
            let choice = workflow.command(id).and_then(|known| known.choices.get(*choice));
            format!("{who} chose: {}", choice.map_or("nothing to run", |choice| choice.label.as_str()))
        }
        Fact::Pinned { pins, routes } => format!("pinned as known good: {}", known_good(pins, routes)),
        Fact::RolloutChanged(seen) => match seen.state {
            RolloutState::Complete => format!("{} complete: {}", seen.target, seen.image),
            RolloutState::Failed | RolloutState::Gone | RolloutState::Superseded => {
                format!("{} failed: {}", seen.target, seen.why)
            }
            RolloutState::Stuck => format!("{} stuck: {}", seen.target, seen.why),
            _ => return None,
        },
        Fact::CriterionRead { criterion: id, verdict: Verdict::Fail, why, .. } => {
            format!("▲ {}: {why}", criterion(id))
        }
        // What ended a countdown is part of the story.
        Fact::CriterionRead { criterion: id, verdict, .. }
            if state.policy.countdown.as_ref().is_some_and(|countdown| &countdown.criterion == id) =>
        {
            let reads = if *verdict == Verdict::Pass { "reads pass again" } else { "has no data" };
            format!("the countdown ended: {} {reads}", criterion(id))
        }
        Fact::CriterionDeclared { criterion: id, met: true, reason } => {
            format!("{who} ▲ {}: {reason}", criterion(id))
        }
        Fact::CriterionDeclared { criterion: id, reason, .. } => {
            format!("{who} withdrew {}: {reason}", criterion(id))
        }
        Fact::CriterionOverridden { criterion: id, reason } => {
            format!("{who} ◆ goes on despite {}: {reason}", criterion(id))
        }
        Fact::RollbackFired { policy: None, .. } => format!("{who} ROLLBACK"),
        Fact::RollbackFired { policy: Some(policy), .. } => {
            format!("ROLLBACK by {}: {}", policy.who(), criterion(&policy.criterion))
        }
        Fact::PolicyAccepted { criterion: id } => {
            format!("{who} accepted that it rolls back by itself: {}", criterion(id))
        }
        Fact::PolicyWithdrawn { criterion: id } => {
            format!("{who} withdrew that it rolls back by itself: {}", criterion(id))
        }
        Fact::CountdownStarted { criterion: id, seconds } => {
            let by = state.policy.accepted.get(id).map_or("somebody", |accepted| accepted.by.as_str());
            format!("▲ rolls back by itself in {seconds} s, as {by} accepted: {}", criterion(id))
        }
        Fact::CountdownStopped => format!("{who} stopped the countdown"),
        Fact::PolicyHeldBack { criterion: id, why } => {
            format!("not rolled back by itself on {}: {why}", criterion(id))
        }
        Fact::RollbackReason { reason } => format!("{who} rolls back because: {reason}"),
        Fact::RollbackCancelled => format!("{who} withdrew the rollback"),
        Fact::TrafficFirst { target } => format!("{who} sends the traffic back before {target} is ready"),
        Fact::BlockerDeleted { target, blocker } => {
            format!("{who} deletes pod {}, which holds {target}", blocker.pod)
        }
        Fact::RollbackStepEnded { step, result: StepResult::Accepted { took_ms }, .. } => {
            let plan = state.rollback.as_ref().map(|rollback| rollback.plan.as_slice()).unwrap_or_default();
            let what = match plan.get(*step).map(|step| &step.action) {
                Some(PlanAction::Abort(target)) => format!("abort of {target}"),
                Some(PlanAction::Promote(target)) => format!("promotion of {target}"),
                Some(PlanAction::Delete(_, blocker)) => format!("deletion of {}", blocker.pod),
                Some(PlanAction::Route(route)) => format!("of {route}"),
                _ => "patch".to_owned(),
            };
            format!("rollback {what} accepted after {took_ms} ms")
        }
        Fact::RollbackStepEnded { result: StepResult::Failed(failure), .. } => {
            format!("rollback: {}", failure.summary)
        }
        Fact::LockChanged { standing } => lock_line(standing)?,
        Fact::LockTakenOver { reason, .. } => format!("{who} takes the lock over: {reason}"),
        Fact::LockGiven { reason } => format!("{who} gives the lock back: {reason}"),
        Fact::RolloutOrdered(ordered) => format!("{who} told {} to {}", ordered.target, ordered.order),
        Fact::RolloutOrderEnded { attempt, result } => {
            let known = state.orders.iter().find(|known| known.ordered.attempt == *attempt)?;
            let target = &known.ordered.target;
            match result {
                StepResult::Accepted { .. } => format!("{target} took the order to {}", known.ordered.order),
                StepResult::AlreadyThere => format!("{target}: nothing to do"),
                StepResult::Failed(failure) => format!("{target}: {}", failure.summary),
            }
        }
        Fact::Sensed { .. }
        | Fact::CommandSpawned { .. }
        | Fact::Armed { .. }
        | Fact::ArmingChanged { .. }
        | Fact::BaselinePinned { .. }
        | Fact::CriterionRead { .. }
        | Fact::HealthChanged { .. }
        | Fact::Woke { .. }
        | Fact::RollbackStepEnded { .. } => return None,
    })
}

fn lock_line(standing: &LockStanding) -> Option<String> {
    Some(match standing {
        LockStanding::Ours { local_only, takeovers, .. } => {
            let place = local_only.as_ref().map(|why| format!(", local only: {why}")).unwrap_or_default();
            let from = takeovers.iter().map(|takeover| format!("{} ({})", takeover.from, takeover.because));
            let from: Vec<String> = from.collect();
            let from =
                if from.is_empty() { from.join("") } else { format!(", taken from {}", from.join(", ")) };
            format!("the lock is ours{from}{place}")
        }
        LockStanding::Held { target, holder } => {
            format!("{} holds the lock of {target}: {}", holder.name(), holder.words())
        }
        LockStanding::Lost { target, holder } => {
            format!("{} took the lock of {target}: {}", holder.name(), holder.words())
        }
        LockStanding::Free => "the lock is given back".to_owned(),
        LockStanding::Without { why } => format!("goes on without a lock: {why}"),
    })
}

/// What a command does, by its first line.
pub(super) fn command(workflow: &Workflow, id: &CommandId) -> String {
    workflow.command(id).map_or_else(|| id.to_string(), |known| first_line(&known.text))
}

/// The first line that does something: comments above it say why, not what.
pub fn first_line(text: &str) -> String {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.clone().find(|line| !line.starts_with('#'));
    first.or_else(|| lines.next()).unwrap_or_default().to_owned()
}

/// What was pinned: images, and the colours before the cluster.
pub fn known_good(pins: &[Pin], routes: &[RoutePin]) -> String {
    let images = pins.iter().map(|pin| pin.image().to_owned());
    images.chain(routes.iter().filter_map(RoutePin::outside)).collect::<Vec<_>>().join(", ")
}
