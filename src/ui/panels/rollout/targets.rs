//! Several workloads of one release: all of them in one line, and a line for each.

use ratatui::text::{Line, Span};

use super::{is_stale, role};
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::TargetRef;
use crate::watch::rollout::RolloutState;

/// The aggregate, then as many workloads as there is room for, the one that is shown among them.
pub fn lines<'a>(paint: &Paint<'a>, targets: &[TargetRef], width: usize, most: usize) -> Vec<Line<'a>> {
    let mut lines = vec![aggregate(paint, width)];
    let shown = paint.model.chosen().or_else(|| Some(&paint.model.shown()?.facts.target));
    let at = shown.and_then(|shown| targets.iter().position(|target| target == shown)).unwrap_or(0);
    let room = most.saturating_sub(lines.len()).max(1);
    // Workloads that a rollout depends on come first; the list moves on only to keep the shown one.
    let first = (at + 1).saturating_sub(room);
    for target in targets.iter().skip(first).take(room) {
        lines.push(one_line(paint, target, shown == Some(target), width));
    }
    lines
}

fn aggregate<'a>(paint: &Paint<'a>, width: usize) -> Line<'a> {
    let model = paint.model;
    let targets = model.targets();
    let mut parts = Vec::new();
    use RolloutState as S;
    let groups: [(&[S], &str); 8] = [
        (&[S::Failed, S::Gone, S::Superseded], "FAILED"),
        (&[S::Unknown], "UNKNOWN"),
        (&[S::Stuck], "STUCK"),
        (&[S::Paused], "PAUSED"),
        (&[S::Progressing], "PROGRESSING"),
        (&[S::Settling], "SETTLING"),
        (&[S::Unobserved], "WAITING"),
        (&[S::Complete], "COMPLETE"),
    ];
    for (states, word) in groups {
        let seen = targets.iter().filter_map(|target| model.observed.workloads.get(target));
        let n = seen.filter(|seen| states.contains(&seen.verdict.state)).count();
        if n > 0 {
            let role = if is_stale(paint) { Role::Stale } else { role(states[0]) };
            parts.push(paint.line(format!("{n} {word}"), role));
        }
    }
    let unread = targets.iter().filter(|target| !model.observed.workloads.contains_key(*target)).count();
    if unread > 0 {
        parts.push(paint.line(format!("{unread} not read yet"), Role::Dim));
    }
    let mut line = paint.line(format!("{} targets  ", targets.len()), Role::Title);
    if is_stale(paint) {
        line.spans.push(paint.span("STALE, was ", Role::Stale));
    }
    let room = width.saturating_sub(line.width());
    line.spans.extend(text::joined(parts, " · ", room).spans);
    line
}

fn one_line<'a>(paint: &Paint<'a>, target: &TargetRef, is_shown: bool, width: usize) -> Line<'a> {
    let mark = if is_shown { paint.span("▶ ", Role::Accent) } else { Span::raw("  ") };
    let name = paint.span(format!("{target}  "), Role::Text);
    let Some(seen) = paint.model.observed.workloads.get(target) else {
        let words = paint.span("not read yet", Role::Dim);
        return text::fit(Line::from_iter([mark, name, words]), width);
    };
    let verdict = &seen.verdict;
    let role = if is_stale(paint) { Role::Stale } else { role(verdict.state) };
    let counts = verdict.counts;
    let line = Line::from_iter([
        mark,
        name,
        paint.span(verdict.state.word(), role),
        paint.span(format!("  {}", verdict.field), Role::Dim),
    ]);
    let right = paint.line(format!("{}/{} ready", counts.ready, counts.desired), Role::Text);
    text::ends(line, right, width, 12)
}
