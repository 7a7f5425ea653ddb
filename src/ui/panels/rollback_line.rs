//! The line that says at all times whether the way back works, where to, and how that is known.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::action::Action;
use crate::release::{Arming, ArmingState, Outcome, Phase, RoutePin, State};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;

pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let arming = paint.model.arming();
    let details = details(paint, &arming);
    let line = if width >= 100 {
        let mut line = head(paint, &arming, true);
        line.spans.push(Span::raw("   "));
        let room = width.saturating_sub(line.width());
        let dots = details.into_iter().map(|words| paint.line(words, Role::Dim));
        line.spans.extend(text::joined(dots, " · ", room).spans);
        line
    } else {
        let mut line = head(paint, &arming, false);
        if let Some(why) = arming.why.first().filter(|_| arming.state != ArmingState::Armed) {
            line.spans.push(paint.span(format!(" {why}"), Role::Dim));
        }
        line
    };
    text::put(buffer, area, 0, &text::fit(line, width));
}

pub fn word(state: ArmingState) -> (&'static str, Role) {
    let role = match state {
        ArmingState::Armed => Role::Ok,
        ArmingState::Degraded | ArmingState::NotProven => Role::Warning,
        ArmingState::Disarmed => Role::Bad,
    };
    (state.word(), role)
}

/// Where the rollback goes to: `rev 7 myapp:v1.2.0`, how many targets, or the colour behind an nginx.
pub fn goal(state: &State, long: bool) -> String {
    match state.pins.as_slice() {
        [] => state.routes.iter().filter_map(RoutePin::outside).collect::<Vec<_>>().join(", "),
        [pin] => {
            let revision = pin.revision.map(|revision| format!("rev {revision} ")).unwrap_or_default();
            let image = if long { format::image(pin.image()) } else { format::tag(pin.image()) };
            format!("{revision}{image}")
        }
        pins => format!("{} targets as pinned", pins.len()),
    }
}

fn head<'a>(paint: &Paint<'a>, arming: &Arming, long: bool) -> Line<'a> {
    let state = paint.model.state();
    let mut line = Line::from(" ");
    if let Some(key) = paint.key_anywhere(Action::RollbackPanel) {
        line.spans.push(paint.span(key, Role::Accent));
    }
    line.spans.push(paint.span(if long { " rollback  " } else { " " }, Role::Text));
    let (word, role) = match state.phase {
        Phase::RollingBack => ("ROLLING BACK", Role::Warning),
        Phase::RolledBack => ("DONE", Role::Ok),
        Phase::RollbackFailed => ("FAILED", Role::Bad),
        _ => word(arming.state),
    };
    // Proven while it answered: true, but nothing is green on a silent cluster.
    let silent = paint.model.cluster_silence().is_some();
    let role = if silent && role == Role::Ok { Role::Stale } else { role };
    line.spans.push(paint.span(word, role));
    let under_way = matches!(state.phase, Phase::RollingBack | Phase::RolledBack | Phase::RollbackFailed);
    if arming.state == ArmingState::NotProven
        && !under_way
        && let Some(at) = paint.model.observed.armed_at
    {
        line.spans.push(paint.span(format!(" for {}", paint.age(at)), role));
    }
    let goal = goal(state, long);
    if !goal.is_empty() {
        line.spans.push(paint.span(format!(" → {goal}"), Role::Text));
    }
    if !long
        && !under_way
        && arming.state != ArmingState::NotProven
        && let Some(at) = paint.model.observed.armed_at
    {
        line.spans.push(paint.span(format!(" ({})", paint.age(at)), Role::Dim));
    }
    line
}

fn details(paint: &Paint, arming: &Arming) -> Vec<String> {
    let model = paint.model;
    let state = model.state();
    let mut parts = Vec::new();
    if let (Phase::RollingBack | Phase::RollbackFailed, Some(rollback)) = (state.phase, model.rollback()) {
        let since = format::span(paint.since(rollback.fired_at));
        parts.push(format!("{since} since {}", rollback.trigger()));
        parts.extend(rollback.failure.clone());
        return parts;
    }
    if let (Phase::RolledBack, Some(rollback)) = (state.phase, model.rollback())
        && let Some((since_y, _)) = rollback.time_to_safe()
    {
        return vec![format!("safe {} after {}", format::span(since_y), rollback.trigger())];
    }
    if arming.state == ArmingState::NotProven {
        parts.extend(arming.why.iter().cloned());
        if !state.pins.is_empty() {
            let fires = "the key works: it fires as soon as the API server answers, and says so";
            parts.push(fires.to_owned());
        }
        return parts;
    }
    if let Some(at) = model.observed.armed_at {
        parts.push(format!("checked {} ago", paint.age(at)));
    }
    if model.cluster_silence().is_some() {
        parts.push("the key works: it fires as soon as the API server answers".to_owned());
    }
    parts.extend(arming.why.iter().cloned());
    let mut fine: Vec<String> = Vec::new();
    for finding in state.findings.iter().filter(|finding| finding.outcome == Outcome::Fine) {
        let words = fine_words(&finding.what);
        if !fine.contains(&words) {
            fine.push(words);
        }
    }
    parts.extend(fine);
    if model.release.is_pinned()
        && let Some(first) = model.release.workflow().irreversible.first()
    {
        parts.push(format!("undoes the image, not {first}"));
    }
    parts
}

/// A test that went well, in a word or two: a permission reads "allowed", the rest "… ok".
fn fine_words(what: &str) -> String {
    if what.starts_with("may ") {
        "allowed".to_owned()
    } else if what.ends_with("kept") || what.ends_with("paused") || what.ends_with("owner") {
        what.to_owned()
    } else {
        format!("{what} ok")
    }
}
