//! The lock: what is seen of it, and what a person does about it.

use super::{Ask, deed, flash, found, leave, panels, preflight, prompts};
use crate::app::model::{Model, Panel, Purpose, WatchNext};
use crate::release::{Effect, Fact, LockSight, LockStanding, Phase, ReleaseId};

pub(super) fn seen(model: &mut Model, sight: LockSight) {
    let line = model.lock_preflight(&sight);
    preflight(model, line);
    let is_free = sight.held.is_none();
    model.observed.lock = Some(sight);
    // What stood in the way has gone: the start panel is the only way on.
    if is_free && model.state().phase == Phase::Preparing && model.view.panel == Some(Panel::Lock) {
        model.view.prompt = None;
        panels::reopen_start(model);
        flash(model, "the lock is free now", false);
    }
}

/// Whether somebody else holds what this release is about to lock, and nobody decided about it.
pub(super) fn stands_in_the_way(model: &Model) -> bool {
    let Some((_, holder)) = model.lock_held_by() else { return false };
    let decided = model.state().lock.takeover.as_ref();
    // Where nothing can be changed no lock is taken either.
    !model.settings.read_only && decided.is_none_or(|intent| intent.from != holder.release)
}

pub(super) fn changed(model: &mut Model, standing: LockStanding) -> Vec<Ask> {
    let was_ours = model.state().lock.standing.as_ref().is_some_and(LockStanding::is_ours);
    let is_lost = matches!(standing, LockStanding::Lost { .. });
    let was_blocked = model.state().lock.other().is_some();
    let is_ours = standing.is_ours();
    let mut asks = found(model, Fact::LockChanged { standing });
    if was_ours && is_lost {
        asks.push(Ask::Do(Effect::Ring));
    }
    if was_blocked && is_ours {
        flash(model, "the lock is ours now", false);
        if model.view.panel == Some(Panel::Lock) {
            model.view.panel = None;
        }
    }
    asks
}

pub(super) fn take(model: &mut Model) -> Vec<Ask> {
    let Some((_, holder)) = model.lock_held_by() else {
        flash(model, "nobody else holds the lock: there is nothing to take over", true);
        return Vec::new();
    };
    let from = holder.release.clone();
    model.view.panel = Some(Panel::Lock);
    prompts::open(model, Purpose::TakeLock { from }, "");
    Vec::new()
}

/// The reason was typed. Before the release begins, this was the last thing in its way.
pub(super) fn taken_over(model: &mut Model, from: Option<ReleaseId>, reason: String) -> Vec<Ask> {
    let mut asks = deed(model, Fact::LockTakenOver { from, reason });
    if asks.is_empty() {
        return asks;
    }
    model.view.panel = None;
    if model.state().phase == Phase::Preparing
        && let Some(form) = model.view.start.clone()
    {
        panels::reopen_start(model);
        asks.extend(panels::begin(model, &form.fields));
    }
    asks
}

pub(super) fn give(model: &mut Model) -> Vec<Ask> {
    if model.may_give_lock() {
        prompts::open(model, Purpose::GiveLock, "");
    } else {
        let words = "the lock is given back in a hold (h), or when the release is over";
        flash(model, words, true);
    }
    Vec::new()
}

/// Gives this release up before it began, to watch the one that holds the lock.
pub(super) fn watch(model: &mut Model) -> Vec<Ask> {
    let held = model.lock_held_by().filter(|_| model.state().phase == Phase::Preparing);
    let Some((target, holder)) = held else {
        flash(model, "this release has begun: leave it, or roll it back", true);
        return Vec::new();
    };
    let next = WatchNext { release: holder.release.clone(), target: target.clone() };
    let reason = format!("{} holds the lock of {target}: watched instead", holder.name());
    let mut asks = deed(model, Fact::Aborted { reason });
    if !asks.is_empty() {
        model.watch_next = Some(next);
        asks.extend(leave(model, "to watch the release that holds the lock"));
    }
    asks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::model::fixture::{Script, target};
    use crate::app::msg::What;
    use crate::release::LockHolder;

    fn holder() -> LockHolder {
        LockHolder {
            who: "bo".to_owned(),
            host: "merlin".to_owned(),
            release: Some(ReleaseId("20261122-133000-release".to_owned())),
            reason: "release v1.2.9".to_owned(),
            version: None,
            since: Some("2026-11-22T13:30:00Z".parse().unwrap()),
            kept: None,
            takeover: None,
        }
    }

    /// The start panel of a release whose workload bo has locked, ready to begin.
    fn blocked() -> Script {
        let mut script = Script::start();
        // What else the fixture finds missing is no matter here.
        script.model.preflight.clear();
        if let Some(Panel::Start(form)) = &script.model.view.panel {
            script.model.view.start = Some(form.clone());
        }
        let held = Some((target(), holder()));
        script.send(What::Lock(Box::new(LockSight { held, local_only: None })));
        script
    }

    fn locks(script: &Script) -> Vec<Option<String>> {
        let lock = |ask: &Ask| match ask {
            Ask::Do(Effect::Lock(wanted)) => {
                Some(wanted.takeover.as_ref().map(|intent| intent.reason.clone()))
            }
            _ => None,
        };
        script.asked.iter().filter_map(lock).collect()
    }

    #[test]
    fn a_second_release_is_told_who_holds_the_lock_before_anything_begins() {
        let mut script = blocked();
        let line = &script.model.preflight[0];
        let words = "deployment/app held by bo at merlin since 13:30: release v1.2.9; r tells more";
        assert_eq!((line.what.as_str(), line.detail.as_str()), ("lock", words));
        script.key("r");
        assert_eq!(script.model.view.panel, Some(Panel::Lock));
        assert_eq!(script.model.state().phase, Phase::Preparing);
        script.key("q");
        assert!(matches!(script.model.view.panel, Some(Panel::Start(_))), "and back");
    }

    #[test]
    fn a_lock_is_taken_over_with_a_typed_reason_and_the_release_begins() {
        let mut script = blocked();
        script.key("r");
        script.key("t");
        script.type_text("bo is ill");
        script.key("enter");
        assert_eq!(script.model.state().phase, Phase::Running, "{:?}", script.model.view.flash);
        assert_eq!(locks(&script), [Some("bo is ill".to_owned())]);
    }

    #[test]
    fn a_lock_is_not_taken_over_without_a_reason() {
        let mut script = blocked();
        script.key("r");
        script.key("t");
        script.key("enter");
        assert_eq!(script.model.state().phase, Phase::Preparing);
        assert!(script.model.view.flash.as_ref().is_some_and(|flash| flash.text.contains("needs a reason")));
    }

    #[test]
    fn the_holder_is_watched_instead_and_nothing_is_released() {
        let mut script = blocked();
        script.key("r");
        script.key("w");
        let next = script.model.watch_next.clone().expect("there is something to watch");
        assert_eq!((next.release, next.target), (holder().release, target()));
        assert_eq!(script.model.state().phase, Phase::Aborted);
        assert!(script.asked.contains(&Ask::Drain));
        assert_eq!(locks(&script), []);
    }

    #[test]
    fn when_the_holder_lets_go_the_start_panel_is_back() {
        let mut script = blocked();
        script.key("r");
        script.send(What::Lock(Box::new(LockSight { held: None, local_only: None })));
        assert!(matches!(script.model.view.panel, Some(Panel::Start(_))));
        // The same key at the same moment would be one that is held down.
        script.at(2);
        script.key("r");
        assert_eq!(script.model.state().phase, Phase::Running);
        assert_eq!(locks(&script), [None]);
    }

    #[test]
    fn a_lock_that_is_taken_from_us_rings() {
        let mut script = Script::begun();
        let since = script.model.now.wall;
        let ours = LockStanding::Ours { since, local_only: None, takeovers: Vec::new() };
        script.event(None, Fact::LockChanged { standing: ours });
        script.asked.clear();
        script.event(
            None,
            Fact::LockChanged { standing: LockStanding::Lost { target: target(), holder: holder() } },
        );
        assert!(script.asked.contains(&Ask::Do(Effect::Ring)));
    }
}
