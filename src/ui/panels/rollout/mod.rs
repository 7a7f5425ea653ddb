//! The upper part of pane 2: each workload's state beside the fact that decided it, and its pods.

mod argo;
mod pods;
mod targets;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::known;
use crate::app::action::Action;
use crate::app::model::{Seen, Watching};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::{bar, text};
use crate::watch::TargetRef;
use crate::watch::rollout::{RolloutState, Trouble};

/// From so many rows on there is room for more than the last line of a container.
const ROOMY: usize = 12;

/// The head of the pane: which workload, from which revision and image to which.
pub fn title<'a>(paint: &Paint<'a>, long: bool) -> Line<'a> {
    let model = paint.model;
    let state = model.state();
    let mut line = paint.line("Rollout", Role::Title);
    match model.targets() {
        [] => {}
        [target] => {
            if long {
                line.spans.push(paint.span(format!(" ── {target}"), Role::Text));
            }
            let seen = model.observed.workloads.get(target);
            let pin = state.pins.iter().find(|pin| &pin.target == target);
            let from = pin.and_then(|pin| pin.revision);
            let to = seen.and_then(|seen| seen.facts.revision);
            let revision = format::revision_change(from, to);
            if !revision.is_empty() {
                line.spans.push(paint.span(format!("  {revision}"), Role::Text));
            }
            let (old, new) = (pin.map(|pin| pin.image()), seen.map(|seen| image_of(seen, target)));
            let images = match (old, new) {
                (Some(old), Some(new)) => format::image_change(old, new),
                (Some(image), None) | (None, Some(image)) => format::image(image).to_owned(),
                (None, None) => String::new(),
            };
            if long && !images.is_empty() {
                line.spans.push(paint.span(format!("  {images}"), Role::Text));
            }
        }
        targets => {
            let at = model.shown().and_then(|seen| targets.iter().position(|t| *t == seen.facts.target));
            let words = match at {
                Some(at) if long => format!(" ── {} of {}  {}", at + 1, targets.len(), targets[at]),
                _ => format!(" ── {} targets", targets.len()),
            };
            line.spans.push(paint.span(words, Role::Text));
        }
    }
    if let Some((since, _)) = model.cluster_silence() {
        line.spans.push(paint.span(format!("  as of {}", paint.wall(since.wall)), Role::Stale));
    }
    line
}

fn image_of<'s>(seen: &'s Seen, target: &TargetRef) -> &'s str {
    let named = seen.facts.images.iter().find(|image| target.container.as_ref() == Some(&image.container));
    named.or(seen.facts.images.first()).map_or("", |image| image.image.as_str())
}

/// Draws the workloads; gives the rows that were needed.
pub fn draw(paint: &Paint, buffer: &mut Buffer, area: Rect) -> u16 {
    let lines = lines(paint, usize::from(area.width), usize::from(area.height));
    for (row, line) in lines.iter().enumerate() {
        text::put(buffer, area, row, line);
    }
    u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height)
}

fn lines<'a>(paint: &Paint<'a>, width: usize, most: usize) -> Vec<Line<'a>> {
    let model = paint.model;
    let targets = model.targets();
    if targets.is_empty() {
        let words = match model.watching() {
            None => "no target: nothing is watched; checklist and commands work without a cluster".to_owned(),
            Some(watching) => unchosen(paint, watching),
        };
        let words = words.as_str();
        return text::wrap(words, width, 2).into_iter().map(|row| paint.line(row, Role::Dim)).collect();
    }
    let mut lines = Vec::new();
    if targets.len() > 1 {
        lines.extend(targets::lines(paint, targets, width, most.saturating_sub(4).max(2)));
    }
    let Some(shown) = model.shown() else {
        let words = match model.cluster_silence() {
            Some((_, cause)) => format!("not read yet: {cause}"),
            None => "not read yet".to_owned(),
        };
        let name = model.chosen().map(|target| format!("{target}  ")).unwrap_or_default();
        lines.push(text::fit(paint.line(format!("{name}UNKNOWN  {words}"), Role::Dim), width));
        return lines;
    };
    lines.extend(head(paint, shown, width, targets.len() > 1));
    if let Some(trouble) = &shown.verdict.trouble {
        lines.extend(trouble_lines(paint, trouble, width, most));
        lines.extend(last_words(paint, trouble, width, if most < ROOMY { 1 } else { 2 }));
    }
    if let Some(warning) = &shown.verdict.warning {
        let mark = if is_stale(paint) { Role::Stale } else { Role::Warning };
        lines.push(text::fit(paint.line(format!("▲ {warning}"), mark), width));
    }
    lines.extend(argo::lines(paint, shown, width));
    lines.extend(pods::lines(paint, shown, width));
    lines.truncate(most);
    lines
}

/// Why nothing is watched yet, where workloads can be chosen.
fn unchosen(paint: &Paint, watching: &Watching) -> String {
    let Watching { context, namespace, offered, .. } = watching;
    match (paint.model.cluster_silence(), offered.len()) {
        (Some((_, cause)), 0) => format!("the workloads of {namespace} are not known: {cause}"),
        (None, 0) if paint.model.observed.links.is_empty() => {
            format!("asking for the workloads of {namespace} in {context}")
        }
        (None, 0) => format!("{namespace} in {context} has no workload: leave, and name another with -n"),
        (_, n) => {
            let key = paint.key_anywhere(Action::Workloads).unwrap_or_default();
            format!("{n} workloads in {namespace}: {key} chooses what is watched")
        }
    }
}

fn is_stale(paint: &Paint) -> bool {
    paint.model.cluster_silence().is_some()
}

pub fn role(state: RolloutState) -> Role {
    match state {
        RolloutState::Gone | RolloutState::Superseded | RolloutState::Failed => Role::Bad,
        RolloutState::Stuck | RolloutState::Paused => Role::Warning,
        RolloutState::Progressing | RolloutState::Settling => Role::Info,
        RolloutState::Complete => Role::Ok,
        RolloutState::Unobserved | RolloutState::Unknown => Role::Dim,
    }
}

/// State, deciding fact, bar, counts and clock, on one row where they fit and on two elsewhere.
fn head<'a>(paint: &Paint<'a>, seen: &Seen, width: usize, named: bool) -> Vec<Line<'a>> {
    let verdict = &seen.verdict;
    let counts = verdict.counts;
    let stale = is_stale(paint);
    let mut state = Line::default();
    if named {
        state.spans.push(paint.span(format!("{}  ", seen.facts.target), Role::Title));
    }
    if stale {
        state.spans.push(paint.span("STALE", Role::Stale));
        let was = format!("  was {}, {}", verdict.state.word(), verdict.field);
        state.spans.push(paint.span(was, Role::Stale));
    } else {
        state.spans.push(paint.span(verdict.state.word(), role(verdict.state)));
        state.spans.push(paint.span(format!("  {}", verdict.field), Role::Text));
    }
    let part = if !verdict.ours {
        // What is up belongs to another template: nothing of this rollout is there yet.
        0.0
    } else if counts.desired == 0 {
        f64::from(u8::from(verdict.state == RolloutState::Complete))
    } else {
        f64::from(counts.available.min(counts.updated)) / f64::from(counts.desired)
    };
    let mut numbers = vec![format!("{} ready", counts.ready)];
    if verdict.ours {
        numbers.insert(0, format!("{} updated", counts.updated));
    }
    if counts.old > 0 {
        numbers.push(format!("{} old", counts.old));
    }
    let number_role = if stale { Role::Stale } else { Role::Text };
    let numbers = paint.line(numbers.join(" · "), number_role);
    let clock = clock(paint, seen);
    let bar = |wide: usize| {
        let role = match (stale, verdict.state) {
            (true, _) => Role::Stale,
            (_, state) => role(state),
        };
        paint.span(bar::progress(part, wide, stale), role)
    };
    let gap = || Span::raw("   ");

    let wide = state.width() + 3 + 12 + 3 + numbers.width() + 3 + clock.width();
    if wide <= width {
        let mut line = state;
        line.spans.push(gap());
        line.spans.push(bar((width - wide + 12).min(20)));
        line.spans.push(gap());
        line.spans.extend(numbers.spans);
        return vec![text::ends(line, clock, width, width)];
    }
    let first = text::ends(state, clock, width, 20);
    let mut second = Line::default();
    if let Some(room) = width.checked_sub(numbers.width() + 2).filter(|room| *room >= 4) {
        second.spans.push(bar(room.min(20)));
        second.spans.push(Span::raw("  "));
    }
    second.spans.extend(numbers.spans);
    vec![first, text::fit(second, width)]
}

/// How long the state has lasted, against Kubernetes' own deadline while it progresses.
fn clock<'a>(paint: &Paint<'a>, seen: &Seen) -> Line<'a> {
    if is_stale(paint) {
        return Line::default();
    }
    let lasted = format::clock(paint.world_since(seen.verdict.since));
    match (seen.verdict.state, seen.facts.progress_deadline_s) {
        (RolloutState::Progressing, Some(deadline)) => {
            let deadline = format::clock(jiff::SignedDuration::from_secs(deadline.into()));
            paint.line(format!("{lasted} of {deadline}"), Role::Dim)
        }
        (RolloutState::Unknown | RolloutState::Gone, _) => Line::default(),
        _ => paint.line(format!("for {lasted}"), Role::Dim),
    }
}

/// The pod most in need of a look, and the row of the document's error table that speaks of it.
fn trouble_lines<'a>(paint: &Paint<'a>, trouble: &Trouble, width: usize, most: usize) -> Vec<Line<'a>> {
    let role = match (is_stale(paint), trouble.blocks) {
        (true, _) => Role::Stale,
        (_, true) => Role::Bad,
        _ => Role::Warning,
    };
    let words = format::clean(&trouble.line()).into_owned();
    let mut lines: Vec<Line> =
        text::wrap(&format!("▲ {words}"), width, 2).into_iter().map(|row| paint.line(row, role)).collect();
    let found = paint.model.known_of_trouble(trouble);
    lines.extend(known::beside(paint, &found, width, if most < ROOMY { 2 } else { 3 }));
    lines
}

/// What a container said before it ended: in the log it scrolls away while the others go on.
fn last_words<'a>(paint: &Paint<'a>, trouble: &Trouble, width: usize, n: usize) -> Vec<Line<'a>> {
    let (Some(pod), Some(_)) = (&trouble.pod, trouble.exit_code) else { return Vec::new() };
    let role = if is_stale(paint) { Role::Stale } else { Role::Text };
    let rows = paint.model.observed.logs.last_words(pod, trouble.container.as_deref(), n);
    rows.into_iter().map(|row| text::fit(paint.line(format!("  │ {}", row.text), role), width)).collect()
}
