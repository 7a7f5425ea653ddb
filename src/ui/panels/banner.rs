//! The one or two lines under the status line: what must not be missed, and what to press.

use ratatui::text::Line;

use crate::app::action::Action;
use crate::app::model::Panel;
use crate::release::{CommandState, Current, Phase, RollbackState};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::watch::{Link, System};
use crate::workflow::CriterionId;

/// What has to be said now, the most urgent first; never more than two lines are shown.
pub fn lines<'a>(paint: &Paint<'a>) -> Vec<Line<'a>> {
    let all = [journal, rollback, breach, silence, leaving, hold, doubt, document, over]
        .map(|banner| banner(paint));
    all.into_iter().flatten().take(2).collect()
}

fn line<'a>(paint: &Paint<'a>, sign: &str, parts: Vec<String>, role: Role) -> Line<'a> {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    paint.line(format!(" {sign} {}", format::clean(&parts.join(" · "))), role)
}

fn press(paint: &Paint, action: Action, what: &str) -> String {
    paint.key(action).map_or(String::new(), |key| format!("{key} {what}"))
}

fn journal<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let why = paint.model.journal.failed.as_ref()?;
    let parts = vec![
        format!("the journal cannot be written: {why}"),
        "nothing new starts".to_owned(),
        "a rollback still fires, but will not be recorded".to_owned(),
    ];
    Some(line(paint, "✘", parts, Role::Bad))
}

fn rollback<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let state = paint.model.rollback()?;
    match paint.model.state().phase {
        Phase::RollingBack => Some(rolling_back(paint, state)),
        Phase::RolledBack => Some(safe(paint, state)),
        Phase::RollbackFailed => {
            let why = state.failure.clone().unwrap_or_else(|| "it was not seen to work".to_owned());
            let again = if matches!(paint.model.view.panel, Some(Panel::Rollback { .. })) {
                press(paint, Action::Fire, "tries the rest again")
            } else {
                press(paint, Action::RollbackPanel, "opens it and tries the rest again")
            };
            Some(line(paint, "✘ ROLLBACK FAILED ", vec![why, again], Role::Bad))
        }
        _ => None,
    }
}

fn rolling_back<'a>(paint: &Paint<'a>, rollback: &RollbackState) -> Line<'a> {
    let pins = &paint.model.state().pins;
    let to = match pins.as_slice() {
        [pin] => match pin.revision {
            Some(revision) => format!("rolling back to rev {revision}"),
            None => format!("rolling back to {}", format::image(pin.image())),
        },
        pins => format!("rolling back {} targets", pins.len()),
    };
    let since = format!("{} since Y", format::span(paint.since(rollback.fired_at)));
    let accepted = rollback.accepted_ms.map_or(String::new(), |millis| {
        format!("patch accepted after {}.{:02}s", millis / 1000, millis % 1000 / 10)
    });
    let missing = paint.model.release.rollback_missing();
    let missing =
        if missing.is_empty() { String::new() } else { format!("still missing: {}", missing.join(", ")) };
    let withdraw = if paint.model.rollback_is_queued() {
        press(paint, Action::CancelRollback, "withdraws it")
    } else {
        String::new()
    };
    line(paint, "◀", vec![to, since, accepted, missing, withdraw], Role::Warning)
}

fn safe<'a>(paint: &Paint<'a>, rollback: &RollbackState) -> Line<'a> {
    let model = paint.model;
    let mut parts = Vec::new();
    for pin in &model.state().pins {
        let seen = model.observed.workloads.get(&pin.target);
        let image = format::image(pin.image());
        parts.push(match seen {
            Some(seen) => {
                let counts = seen.verdict.counts;
                format!("{image} on {} of {} pods", counts.ready, counts.desired)
            }
            None => image.to_owned(),
        });
    }
    // What was bad and reads well again is the other half of "safe".
    for id in &rollback.breached {
        if let Some(state) = model.state().criteria.get(id)
            && !state.is_breached()
            && state.declared_by.is_none()
        {
            parts.push(measured(paint, id, &state.why));
        }
    }
    if let Some((since_y, since_bad)) = rollback.time_to_safe() {
        let y = format!("{} from Y", format::span(since_y));
        parts.push(match since_bad {
            Some(bad) => format!("time to safe {} from the first bad reading, {y}", format::span(bad)),
            None => format!("time to safe {y}"),
        });
    }
    line(paint, "■ SAFE ", parts, Role::Ok)
}

fn breach<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
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
    let proposal = match &model.view.panel {
        Some(Panel::Rollback { .. }) => match paint.key(Action::Fire) {
            Some(fire) => format!("nothing happens until you press {fire}"),
            None => String::new(),
        },
        _ => {
            let (panel, fire) = (paint.key(Action::RollbackPanel), paint.key_anywhere(Action::Fire));
            match (panel, fire) {
                (Some(panel), Some(fire)) => {
                    format!("proposed: roll back · nothing happens until you press {panel} then {fire}")
                }
                _ => "proposed: roll back".to_owned(),
            }
        }
    };
    Some(line(paint, "▲", vec![what, more, since, proposal], Role::Bad))
}

/// A reading with the name of what was read: `error rate 3.1 % > 1 % for 3 of 3 readings`.
fn measured(paint: &Paint, id: &CriterionId, why: &str) -> String {
    let criterion = paint.model.release.workflow().criterion(id);
    match criterion.and_then(super::signals::subject) {
        Some(subject) => format!("{subject} {why}"),
        None => why.to_owned(),
    }
}

fn silence<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let (since, cause) = paint.model.cluster_silence()?;
    let retry = match paint.model.observed.links.get(&System::Cluster) {
        Some(Link::Down { retry_at: Some(at), .. }) => {
            let wait = at.duration_since(paint.model.now.wall).as_secs().max(0);
            if wait == 0 { "trying again now".to_owned() } else { format!("trying again in {wait}s") }
        }
        _ => String::new(),
    };
    let parts = vec![
        format!("the API server has not answered since {} ({cause})", paint.wall(since.wall)),
        retry,
        format!("what you see below is {} old", paint.age(since)),
    ];
    Some(line(paint, "?", parts, Role::Warning))
}

fn leaving<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let leaving = paint.model.leaving.as_ref()?;
    let parts = vec![
        format!("leaving: {}", leaving.why),
        "nothing new starts".to_owned(),
        "changes under way get their grace and are recorded".to_owned(),
    ];
    Some(line(paint, "◀", parts, Role::Warning))
}

fn hold<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let hold = paint.model.state().hold.as_ref()?;
    let parts = vec![
        format!("{} holds: {}", hold.by, hold.reason),
        format!("since {}, {}", paint.wall(hold.since.wall), format::span(paint.since(hold.since))),
        press(paint, Action::Hold, "goes on"),
    ];
    Some(line(paint, "■ HELD ", parts, Role::Warning))
}

fn doubt<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let model = paint.model;
    let Current::Command(id) = model.release.current() else { return None };
    if model.state().command(&id) != CommandState::InDoubt || model.view.panel.is_some() {
        return None;
    }
    let parts = vec![
        "a command was started and its end was not seen".to_owned(),
        press(paint, Action::Open, "tells what ran and how to find out"),
    ];
    Some(line(paint, "?", parts, Role::Warning))
}

fn document<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    if !paint.model.view.document_differs {
        return None;
    }
    let file = &paint.model.release.workflow().file;
    let parts = vec![
        format!("{file} was changed on disk since the release started"),
        "the release goes on with the document that it was started with".to_owned(),
    ];
    Some(line(paint, "?", parts, Role::Warning))
}

fn over<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let state = paint.model.state();
    let t = state.t_clock(paint.model.now).map_or(String::new(), |t| format!("after {}", format::span(t)));
    let report = press(paint, Action::Open, "shows the report");
    match state.phase {
        Phase::Completed => {
            let watched = "the rollout is watched on until you leave".to_owned();
            Some(line(paint, "■ COMPLETED ", vec![t, report, watched], Role::Ok))
        }
        Phase::Aborted => {
            let why = state.end_reason.clone().unwrap_or_default();
            Some(line(paint, "■ ABORTED ", vec![why, t, report], Role::Warning))
        }
        _ => None,
    }
}
