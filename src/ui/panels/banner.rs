//! The one or two lines under the status line: what must not be missed, and what to press.

use ratatui::text::Line;

use super::{policy, rollback_line};
use crate::app::action::Action;
use crate::app::model::{Panel, Preflight, PreflightOutcome, Row};
use crate::release::{CommandState, Current, LockStanding, Phase, RollbackState};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::{Link, System};
use crate::workflow::CriterionId;

/// What has to be said now, the most urgent first; never more than two lines are shown.
pub fn lines<'a>(paint: &Paint<'a>, width: usize) -> Vec<Line<'a>> {
    let all = [
        journal,
        rollback,
        breach,
        uncounted,
        failed_rollout,
        lock,
        silence,
        limits,
        leaving,
        hold,
        doubt,
        document,
        over,
    ];
    let said = all.into_iter().filter_map(|banner| banner(paint));
    said.take(2).map(|banner| banner.line(paint, width)).collect()
}

/// One banner before it knows how wide it may be.
struct Banner {
    sign: &'static str,
    role: Role,
    parts: Vec<Part>,
}

/// A piece of a banner; on a narrow screen the least important ones give way first.
struct Part {
    long: String,
    short: String,
    /// From 0, which never gives way.
    rank: u8,
}

/// What must be said even where nothing else fits.
fn must(text: impl Into<String>) -> Part {
    let long: String = text.into();
    Part { short: long.clone(), long, rank: 0 }
}

fn may(rank: u8, text: impl Into<String>) -> Part {
    Part { long: text.into(), short: String::new(), rank }
}

fn or_short(rank: u8, long: impl Into<String>, short: impl Into<String>) -> Part {
    Part { long: long.into(), short: short.into(), rank }
}

impl Banner {
    fn new(sign: &'static str, role: Role, parts: Vec<Part>) -> Option<Banner> {
        Some(Banner { sign, role, parts })
    }

    fn line<'a>(mut self, paint: &Paint<'a>, width: usize) -> Line<'a> {
        loop {
            let words: Vec<&str> =
                self.parts.iter().map(|part| part.long.as_str()).filter(|words| !words.is_empty()).collect();
            let line = paint.line(format!(" {} {}", self.sign, format::clean(&words.join(" · "))), self.role);
            let least = self.parts.iter_mut().filter(|part| part.rank > 0).max_by_key(|part| part.rank);
            match least {
                Some(part) if line.width() > width => {
                    part.long = std::mem::take(&mut part.short);
                    part.rank = 0;
                }
                _ => return text::fit(line, width),
            }
        }
    }
}

fn press(paint: &Paint, action: Action, what: &str) -> String {
    paint.key(action).map_or(String::new(), |key| format!("{key} {what}"))
}

/// Said only where the key does it: at the end of the checklist.
fn report(paint: &Paint) -> String {
    match paint.model.selected() {
        Some(Row::Finish) => press(paint, Action::Open, "shows the report"),
        _ => String::new(),
    }
}

fn journal(paint: &Paint) -> Option<Banner> {
    let why = paint.model.journal.failed.as_ref()?;
    let parts = vec![
        must("the journal cannot be written"),
        may(1, why.clone()),
        may(2, "nothing new starts"),
        or_short(3, "a rollback still fires, but will not be recorded", "a rollback still fires, unrecorded"),
    ];
    Banner::new("✘", Role::Bad, parts)
}

fn rollback(paint: &Paint) -> Option<Banner> {
    let state = paint.model.rollback()?;
    match paint.model.state().phase {
        Phase::RollingBack => rolling_back(paint, state),
        Phase::RolledBack => safe(paint, state),
        Phase::RollbackFailed => {
            let why = state.failure.clone().unwrap_or_else(|| "it was not seen to work".to_owned());
            let again = if matches!(paint.model.view.panel, Some(Panel::Rollback { .. })) {
                press(paint, Action::Fire, "tries the rest again")
            } else {
                press(paint, Action::RollbackPanel, "opens it")
            };
            Banner::new("✘ ROLLBACK FAILED ", Role::Bad, vec![must(again), must(why)])
        }
        _ => None,
    }
}

fn rolling_back(paint: &Paint, rollback: &RollbackState) -> Option<Banner> {
    let pins = &paint.model.state().pins;
    let to = match pins.as_slice() {
        [pin] => match pin.revision {
            Some(revision) => format!("rolling back to rev {revision}"),
            None => format!("rolling back to {}", format::image(pin.image())),
        },
        [] => format!("back to {}", rollback_line::goal(paint.model.state(), true)),
        pins => format!("rolling back {} targets", pins.len()),
    };
    let since = format::span(paint.since(rollback.fired_at));
    let accepted = rollback.accepted_ms.map_or(String::new(), |millis| {
        format!("patch accepted after {}.{:02}s", millis / 1000, millis % 1000 / 10)
    });
    let missing = paint.model.release.rollback_missing();
    let short = missing.first().map_or(String::new(), |first| match missing.len() {
        1 => format!("missing: {first}"),
        n => format!("missing: {first}, {} more", n - 1),
    });
    let long =
        if missing.is_empty() { String::new() } else { format!("still missing: {}", missing.join(", ")) };
    let withdraw = if paint.model.rollback_is_queued() {
        press(paint, Action::CancelRollback, "withdraws it")
    } else {
        String::new()
    };
    // Only a person gets it going again: this comes before all that is only waited for.
    let delete = paint.model.release.blocker().map(|(_, blocker)| {
        let pod = &blocker.pod;
        if matches!(paint.model.view.panel, Some(Panel::Rollback { .. })) {
            press(paint, Action::DeleteBlocker, &format!("deletes {pod}, which holds it"))
        } else {
            press(paint, Action::RollbackPanel, &format!("opens it: {pod} holds it, until it is deleted"))
        }
    });
    let parts = vec![
        must(delete.unwrap_or_default()),
        or_short(3, to, ""),
        must(format!("{since} since {}", rollback.trigger())),
        may(4, accepted),
        or_short(2, long, short),
        must(withdraw),
    ];
    Banner::new("◀", Role::Warning, parts)
}

fn safe(paint: &Paint, rollback: &RollbackState) -> Option<Banner> {
    let model = paint.model;
    let mut parts = Vec::new();
    for pin in &model.state().pins {
        let image = format::image(pin.image());
        parts.push(match model.observed.workloads.get(&pin.target) {
            Some(seen) => {
                let counts = seen.verdict.counts;
                let long = format!("{image} on {} of {} pods", counts.ready, counts.desired);
                or_short(2, long, image)
            }
            None => must(image),
        });
    }
    if parts.is_empty() {
        parts.push(must(rollback_line::goal(model.state(), true)));
    }
    // What was bad and reads well again is the other half of "safe".
    for id in &rollback.breached {
        if let Some(state) = model.state().criteria.get(id)
            && !state.is_breached()
            && state.declared_by.is_none()
        {
            parts.push(may(3, measured(paint, id, &state.why)));
        }
    }
    if let Some((since_y, since_bad)) = rollback.time_to_safe() {
        let y = format!("{} from {}", format::span(since_y), rollback.trigger());
        parts.push(match since_bad {
            Some(bad) => {
                let bad = format::span(bad);
                let long = format!("time to safe {bad} from the first bad reading, {y}");
                or_short(1, long, format!("{bad} to safe, {y}"))
            }
            None => must(format!("time to safe {y}")),
        });
    }
    parts.push(may(4, report(paint)));
    Banner::new("■ SAFE ", Role::Ok, parts)
}

fn breach(paint: &Paint) -> Option<Banner> {
    let model = paint.model;
    let state = model.state();
    if !state.is_breached() || matches!(state.phase, Phase::RollingBack | Phase::RolledBack) {
        return None;
    }
    let breached: Vec<_> = state.criteria.iter().filter(|(_, known)| known.is_breached()).collect();
    let (id, first) = breached.first()?;
    let name = model.release.workflow().criterion(id).map_or(id.as_str(), |known| known.text.as_str());
    let what = match &first.declared_by {
        Some(person) => format!("{person} declared “{name}”: {}", first.why),
        None if first.why.is_empty() => name.to_owned(),
        None => measured(paint, id, &first.why),
    };
    let more = if breached.len() > 1 { format!("and {} more", breached.len() - 1) } else { String::new() };
    let since = state
        .first_bad
        .map_or(String::new(), |at| format!("first {} ago", format::age(paint.world_since(at))));
    let short = what.split_once(" for ").map_or(what.as_str(), |(reading, _)| reading).to_owned();
    if let Some([by_itself, stop]) = policy::counting(paint) {
        // The seconds and the key that stops them come before all that explains them.
        let parts = vec![
            or_short(2, by_itself.0, by_itself.1),
            or_short(3, stop.0, stop.1),
            or_short(4, what, short),
            or_short(5, format!("{} rolls back now", keys_of_fire(paint)), ""),
        ];
        return Banner::new("▲", Role::Bad, parts);
    }
    // Somebody who counts on it must know that it does not: this gives way last.
    let why_not = policy::why_not(paint, id).unwrap_or_default();
    let why_not = or_short(1, why_not.clone(), if why_not.is_empty() { "" } else { "not by itself" });
    let parts = vec![or_short(2, what, short), must(more), may(4, since), why_not, proposal(paint)];
    Banner::new("▲", Role::Bad, parts)
}

/// A countdown that ended for want of readings: nothing fires on no data, and nothing is clear either.
fn uncounted(paint: &Paint) -> Option<Banner> {
    let state = paint.model.state();
    if state.is_breached() || state.phase != Phase::Running {
        return None;
    }
    let why = policy::ended_blind(paint)?;
    Banner::new("?", Role::Warning, vec![must("the countdown ended"), must(why), proposal(paint)])
}

fn keys_of_fire(paint: &Paint) -> String {
    let (panel, fire) = (paint.key_anywhere(Action::RollbackPanel), paint.key_anywhere(Action::Fire));
    match (&paint.model.view.panel, panel, fire) {
        (Some(Panel::Rollback { .. }), _, Some(fire)) => fire,
        (_, Some(panel), Some(fire)) => format!("{panel} then {fire}"),
        _ => String::new(),
    }
}

/// The way back, and the keys that start it.
fn proposal(paint: &Paint) -> Part {
    let (panel, fire) = (paint.key(Action::RollbackPanel), paint.key_anywhere(Action::Fire));
    match (&paint.model.view.panel, panel, fire) {
        (Some(Panel::Rollback { .. }), _, Some(fire)) => {
            or_short(3, format!("nothing happens until you press {fire}"), format!("{fire} rolls back"))
        }
        (_, Some(panel), Some(fire)) => or_short(
            3,
            format!("proposed: roll back · nothing happens until you press {panel} then {fire}"),
            format!("{panel} then {fire} rolls back"),
        ),
        _ => may(3, "proposed: roll back"),
    }
}

/// No criterion of the document speaks of it, and it is a reason to go back all the same.
fn failed_rollout(paint: &Paint) -> Option<Banner> {
    let model = paint.model;
    let state = model.state();
    if state.is_breached() || !matches!(state.phase, Phase::Running | Phase::Held) {
        return None;
    }
    let seen = model.release.failed_rollout()?;
    let why = may(2, seen.why.clone());
    Banner::new("▲", Role::Bad, vec![must(format!("{} FAILED", seen.target)), why, proposal(paint)])
}

/// A reading with the name of what was read: `error rate 3.1 % > 1 % for 3 of 3 readings`.
fn measured(paint: &Paint, id: &CriterionId, why: &str) -> String {
    let criterion = paint.model.release.workflow().criterion(id);
    match criterion.and_then(super::signals::subject) {
        Some(subject) => format!("{subject} {why}"),
        None => why.to_owned(),
    }
}

/// Somebody else works on the same workload: nothing forward starts here.
fn lock(paint: &Paint) -> Option<Banner> {
    let state = paint.model.state();
    if state.phase == Phase::RolledBack && paint.model.may_give_lock() {
        let parts = vec![
            must("the lock stays after you leave"),
            or_short(1, "until a person gives it back with a reason: `:lock`", "`:lock` gives it back"),
        ];
        return Banner::new("▲", Role::Info, parts);
    }
    let (target, holder) = state.lock.other().filter(|_| !state.phase.is_over())?;
    let is_lost = matches!(state.lock.standing, Some(LockStanding::Lost { .. }));
    let verb = if is_lost { "took" } else { "holds" };
    let since = holder.since.map_or(String::new(), |at| format!(" at {}", paint.wall(at)));
    let since = if is_lost { since } else { since.replace(" at ", " since ") };
    let why = holder.takeover.as_ref().map_or(holder.reason.clone(), |takeover| takeover.because.clone());
    let parts = vec![
        or_short(
            2,
            format!("{} {verb} the lock of {target}{since}", holder.name()),
            format!("{} {verb} the lock", holder.who),
        ),
        may(3, why),
        must("nothing forward starts"),
        may(4, "R still rolls back"),
        or_short(1, "`:lock` tells more, and takes it over", ":lock"),
    ];
    Banner::new("▲", Role::Warning, parts)
}

fn silence(paint: &Paint) -> Option<Banner> {
    let (since, cause) = paint.model.cluster_silence()?;
    let retry = match paint.model.observed.links.get(&System::Cluster) {
        Some(Link::Down { retry_at: Some(at), .. }) => {
            let wait = at.duration_since(paint.model.now.wall).as_secs().max(0);
            if wait == 0 { "trying again now".to_owned() } else { format!("trying again in {wait}s") }
        }
        _ => String::new(),
    };
    let at = paint.wall(since.wall);
    let parts = vec![
        or_short(
            1,
            format!("the API server has not answered since {at} ({cause})"),
            format!("no answer since {at}"),
        ),
        may(3, retry),
        or_short(
            2,
            format!("what you see below is {} old", paint.age(since)),
            format!("below is {} old", paint.age(since)),
        ),
    ];
    Banner::new("?", Role::Warning, parts)
}

/// What is out of reach; a release tells it among its preflight.
fn limits(paint: &Paint) -> Option<Banner> {
    paint.model.watching()?;
    let limited = |line: &&Preflight| line.outcome == PreflightOutcome::Limited;
    let mut lines = paint.model.preflight.iter().filter(limited);
    let first = lines.next()?;
    let more = match lines.count() {
        0 => String::new(),
        n => format!("and {n} more"),
    };
    let parts = vec![must(first.what.clone()), may(1, first.detail.clone()), may(2, more)];
    Banner::new("▲", Role::Warning, parts)
}

fn leaving(paint: &Paint) -> Option<Banner> {
    let leaving = paint.model.leaving.as_ref().filter(|_| paint.model.watching().is_none())?;
    let parts = vec![
        must(format!("leaving: {}", leaving.why)),
        may(2, "nothing new starts"),
        may(1, "changes under way get their grace and are recorded"),
    ];
    Banner::new("◀", Role::Warning, parts)
}

fn hold(paint: &Paint) -> Option<Banner> {
    let hold = paint.model.state().hold.as_ref()?;
    let lasted = format::span(paint.since(hold.since));
    let parts = vec![
        must(press(paint, Action::Hold, "goes on")),
        must(format!("{} holds: {}", hold.by, hold.reason)),
        or_short(1, format!("since {}, {lasted}", paint.wall(hold.since.wall)), lasted),
    ];
    Banner::new("■ HELD ", Role::Warning, parts)
}

fn doubt(paint: &Paint) -> Option<Banner> {
    let model = paint.model;
    let Current::Command(id) = model.release.current() else { return None };
    if model.state().command(&id) != CommandState::InDoubt || model.view.panel.is_some() {
        return None;
    }
    let parts = vec![
        or_short(1, "a command was started and its end was not seen", "a command's end was not seen"),
        or_short(
            2,
            press(paint, Action::Open, "tells what ran and how to find out"),
            press(paint, Action::Open, "tells more"),
        ),
    ];
    Banner::new("?", Role::Warning, parts)
}

fn document(paint: &Paint) -> Option<Banner> {
    let changed = &paint.model.view.edited.as_ref()?.changes;
    let own = &paint.model.release.document().file;
    let file = changed.first().map_or(own.as_str(), |(file, _)| file.as_str());
    let others = changed.len().saturating_sub(1);
    let file = if others > 0 { format!("{file} and {others} more were") } else { format!("{file} was") };
    let n: usize = changed.iter().map(|(_, lines)| lines.len()).sum();
    let parts = vec![
        must(format!("{file} changed on disk")),
        may(2, format!("{n} lines differ")),
        or_short(
            1,
            "the release goes on with the document that it was started with, :reload shows what differs",
            "the release keeps its own, :reload shows it",
        ),
    ];
    Banner::new("?", Role::Warning, parts)
}

fn over(paint: &Paint) -> Option<Banner> {
    let state = paint.model.state();
    let t = state.t_clock(paint.model.now).map_or(String::new(), |t| format!("after {}", format::span(t)));
    let report = report(paint);
    match state.phase {
        Phase::Completed => {
            let watched = may(1, "the rollout is watched on until you leave");
            Banner::new("■ COMPLETED ", Role::Ok, vec![must(t), must(report), watched])
        }
        Phase::Aborted => {
            let why = state.end_reason.clone().unwrap_or_default();
            Banner::new("■ ABORTED ", Role::Warning, vec![must(report), must(why), may(1, t)])
        }
        _ => None,
    }
}
