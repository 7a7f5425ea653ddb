//! The line on top: what is released where, how it stands, and whether all of it is live.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::model::{Mode, StateWord, Watching};
use crate::release::{Current, StepStatus};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::rollout::Aggregate;
use crate::watch::{Link, System};
use crate::workflow::StepId;

pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect) {
    let width = usize::from(area.width);
    let versions = [Detail::Full, Detail::Middle, Detail::Short, Detail::Least];
    for detail in versions {
        let (left, right) = (left(paint, detail), right(paint, detail));
        // The name may lose its end before the clocks go, but not become unreadable.
        let least = left.width().min(if detail == Detail::Full { 200 } else { 12 });
        let fits = least + usize::from(least > 0) * 2 + right.width() <= width;
        if fits || detail == Detail::Least {
            let line = if fits { text::ends(left, right, width, least) } else { text::fit(right, width) };
            text::put(buffer, area, 0, &line);
            return;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Detail {
    Least,
    Short,
    Middle,
    Full,
}

fn left<'a>(paint: &Paint<'a>, detail: Detail) -> Line<'a> {
    if let Some(watching) = paint.model.watching() {
        return watched(paint, watching, detail);
    }
    let state = paint.model.state();
    let workflow = paint.model.release.workflow();
    let version = state.version();
    let name = match (version, detail) {
        (Some(version), Detail::Full) => format!("{} {version}", workflow.name),
        (Some(version), _) => version.clone(),
        (None, _) => workflow.name.clone(),
    };
    let mut line = Line::default();
    match detail {
        Detail::Full => line.spans.push(paint.span(" gonogo  ", Role::Dim)),
        Detail::Least => return Line::default(),
        _ => line.spans.push(Span::raw(" ")),
    }
    line.spans.push(paint.span(name, Role::Title));
    let target = target(paint, detail);
    if !target.is_empty() && detail >= Detail::Middle {
        line.spans.push(paint.span(" → ", Role::Dim));
        line.spans.push(paint.span(target, Role::Text));
    }
    line
}

/// Without a release the place is all there is to name.
fn watched<'a>(paint: &Paint<'a>, watching: &'a Watching, detail: Detail) -> Line<'a> {
    let Watching { context, namespace, targets, .. } = watching;
    let names = match targets.as_slice() {
        [] => String::new(),
        [only] => only.to_string(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    };
    let names = if detail == Detail::Short { names.rsplit('/').next().unwrap_or_default() } else { &names };
    let place: &[&str] = match detail {
        Detail::Full => &[context, namespace, names],
        Detail::Middle => &[namespace, names],
        Detail::Short => &[names],
        Detail::Least => return Line::default(),
    };
    let place: Vec<&str> = place.iter().copied().filter(|part| !part.is_empty()).collect();
    let mut line = Line::from(" ");
    if detail == Detail::Full {
        line.spans.push(paint.span("gonogo  ", Role::Dim));
    }
    line.spans.push(paint.span("watch  ", Role::Accent));
    line.spans.push(paint.span(place.join(" / "), Role::Title));
    line
}

/// The worst of what is watched, since no release has a state.
fn watched_word<'a>(paint: &Paint<'a>) -> Option<Line<'a>> {
    let model = paint.model;
    let states = model.targets().iter().map(|target| {
        let seen = model.observed.workloads.get(target)?;
        Some(seen.verdict.state)
    });
    let worst = Aggregate::of(states).worst()?;
    Some(match model.cluster_silence() {
        Some(_) => paint.line("STALE", Role::Stale),
        None => paint.line(worst.word(), super::rollout::role(worst)),
    })
}

fn target(paint: &Paint, detail: Detail) -> String {
    let state = paint.model.state();
    let Some(first) = state.targets.first() else {
        return if detail == Detail::Full { "no target".to_owned() } else { String::new() };
    };
    let more = state.targets.len() - 1;
    let more = if more > 0 { format!(" +{more}") } else { String::new() };
    if detail == Detail::Full {
        let context = state.context.iter().cloned();
        let parts: Vec<String> = context.chain([first.namespace.clone(), first.to_string()]).collect();
        format!("{}{more}", parts.join(" / "))
    } else {
        format!("{}/{}{more}", first.namespace, first.name)
    }
}

fn right<'a>(paint: &Paint<'a>, detail: Detail) -> Line<'a> {
    let gap = if detail == Detail::Full { "   " } else { "  " };
    let mut parts: Vec<Line<'a>> = Vec::new();
    if let Some(practice) = practice(paint) {
        parts.push(paint.line(practice, Role::Accent));
    }
    if let Mode::Following { holder } = &paint.model.mode {
        let words = if detail >= Detail::Middle {
            format!("WATCHING, {holder} drives")
        } else {
            "WATCHING".to_owned()
        };
        parts.push(paint.line(words, Role::Accent));
    }
    if paint.model.settings.read_only && paint.model.watching().is_none() {
        parts.push(paint.line("READ-ONLY", Role::Accent));
    }
    match paint.model.watching() {
        Some(_) => parts.extend(watched_word(paint)),
        None => parts.push(state_word(paint, detail)),
    }
    let now = paint.model.now;
    if let Some(t) = paint.model.state().t_clock(now).filter(|_| detail > Detail::Least) {
        let full = format::t_clock(t);
        let short = full.replace("T+00:", "T+");
        parts.push(paint.line(if detail == Detail::Full { full } else { short }, Role::Text));
    }
    if detail >= Detail::Middle {
        let zone = &paint.model.settings.zone;
        let wall = match detail {
            Detail::Full => format::wall(now.wall, zone),
            _ => format::wall_short(now.wall, zone),
        };
        parts.push(paint.line(wall, Role::Text));
        // Without a release nobody is at work on one.
        let people = paint.model.state().operators.keys().filter(|_| paint.model.watching().is_none());
        let names: Vec<&str> = people.map(String::as_str).collect();
        let plus = if detail == Detail::Full { " + " } else { "+" };
        if !names.is_empty() {
            parts.push(paint.line(names.join(plus), Role::Text));
        }
    }
    parts.extend(lock(paint, detail));
    parts.extend(connection(paint, detail));
    let mut line = Line::default();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            line.spans.push(Span::raw(if detail == Detail::Least { " " } else { gap }));
        }
        line.spans.extend(part.spans);
    }
    if detail == Detail::Full {
        line.spans.push(Span::raw(" "));
    }
    line
}

fn practice(paint: &Paint) -> Option<String> {
    let practice = paint.model.state().practice.as_ref()?;
    let speed = if paint.model.speed > 0.0 { paint.model.speed } else { practice.speed };
    Some(if speed == 1.0 { "practice".to_owned() } else { format!("practice ×{speed}") })
}

fn state_word<'a>(paint: &Paint<'a>, detail: Detail) -> Line<'a> {
    let word = paint.model.state_word();
    let mut line = paint.line(word.text(), word_role(word));
    if word == StateWord::Held
        && let Some(hold) = &paint.model.state().hold
    {
        line.spans.push(paint.span(format!(" {}", format::clock(paint.since(hold.since))), Role::Warning));
    }
    let takes_steps =
        matches!(word, StateWord::Running | StateWord::Held | StateWord::Poll | StateWord::Breach);
    if takes_steps
        && detail > Detail::Least
        && let Some((n, of)) = position(paint)
    {
        let words = if detail == Detail::Full { format!("   step {n}/{of}") } else { format!(" {n}/{of}") };
        line.spans.push(paint.span(words, Role::Text));
    }
    line
}

pub fn word_role(word: StateWord) -> Role {
    match word {
        StateWord::Preparing => Role::Info,
        StateWord::Running => Role::Info,
        StateWord::Held | StateWord::RollingBack => Role::Warning,
        StateWord::Poll => Role::Accent,
        StateWord::Breach | StateWord::RollbackFailed => Role::Bad,
        StateWord::Safe | StateWord::Completed => Role::Ok,
        StateWord::Aborted => Role::Dim,
    }
}

/// Which step the release stands in, counted from 1; `None` in the gates and after the last step.
fn position(paint: &Paint) -> Option<(usize, usize)> {
    let release = &paint.model.release;
    let steps = &release.workflow().steps;
    let in_step = |step: &StepId| steps.iter().position(|known| &known.id == step);
    let index = match release.current() {
        Current::Check(id) => steps.iter().position(|step| step.checks().any(|check| check.id == id)),
        Current::Command(id) => {
            steps.iter().position(|step| step.commands.iter().any(|command| command.id == id))
        }
        Current::Poll(id) | Current::Soak(id) => in_step(&id),
        Current::Finish => None,
    };
    let index =
        index.or_else(|| steps.iter().position(|step| release.step_status(step) == StepStatus::Current))?;
    Some((index + 1, steps.len()))
}

/// Who holds the lock: always when it is somebody else.
fn lock<'a>(paint: &Paint<'a>, detail: Detail) -> Option<Line<'a>> {
    let (name, is_ours) = paint.model.lock_word()?;
    let least = if is_ours { Detail::Full } else { Detail::Short };
    let role = if is_ours { Role::Text } else { Role::Warning };
    (detail >= least).then(|| paint.line(format!("lock: {name}"), role))
}

fn connection<'a>(paint: &Paint<'a>, detail: Detail) -> Option<Line<'a>> {
    if let Some((since, _)) = paint.model.cluster_silence() {
        let age = paint.age(since);
        let words = match detail {
            Detail::Full => format!("✘ cluster silent {age}"),
            Detail::Middle => format!("✘ silent {age}"),
            _ => format!("✘ {age}"),
        };
        return Some(paint.line(words, Role::Bad));
    }
    let (words, role) = match paint.model.observed.links.get(&System::Cluster) {
        Some(Link::Live) => (if detail == Detail::Full { "● live" } else { "●" }, Role::Ok),
        _ if paint.model.targets().is_empty() => return None,
        _ => (if detail == Detail::Full { "◌ connecting" } else { "◌" }, Role::Dim),
    };
    Some(paint.line(words, role))
}
