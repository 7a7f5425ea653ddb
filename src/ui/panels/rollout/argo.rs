//! What is particular to an Argo Rollout: its steps, its traffic, its analyses, and what it was told.

use ratatui::text::{Line, Span};

use super::is_stale;
use crate::app::action::Action;
use crate::app::model::Seen;
use crate::release::{OrderState, StepResult};
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::rollout::RolloutState;
use crate::watch::rollout::argo::{self, Order};
use crate::watch::{ArgoFacts, UpdateStrategy};

pub fn lines<'a>(paint: &Paint<'a>, seen: &Seen, width: usize) -> Vec<Line<'a>> {
    let Some(argo) = seen.facts.argo.as_deref() else { return Vec::new() };
    let mut lines = Vec::new();
    lines.extend(steps(paint, seen, argo, width));
    lines.extend(blue_green(paint, seen, argo, width));
    lines.extend(pause(paint, seen, width));
    lines.extend(analyses(paint, argo, width));
    lines.extend(last_order(paint, seen, width));
    lines
}

fn tone(paint: &Paint, role: Role) -> Role {
    if is_stale(paint) { Role::Stale } else { role }
}

/// `canary  25 % new   ✔ setWeight 25 · ▶ pause · setWeight 50 · …`, from the step before on.
fn steps<'a>(paint: &Paint<'a>, seen: &Seen, argo: &ArgoFacts, width: usize) -> Option<Line<'a>> {
    if seen.facts.strategy != UpdateStrategy::Canary {
        return None;
    }
    let mut line = paint.line("canary  ", Role::Dim);
    if let Some(weight) = argo.weight {
        line.spans.push(paint.span(format!("{weight} % of traffic new   "), tone(paint, Role::Text)));
    }
    let at = argo.step.and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let first = at.saturating_sub(1);
    if first > 0 {
        line.spans.push(paint.span(format!("✔ {first} done · "), Role::Dim));
    }
    let parts = argo.steps.iter().enumerate().skip(first).map(|(n, step)| {
        let (mark, role) = match n.cmp(&at) {
            std::cmp::Ordering::Less => ("✔ ", Role::Dim),
            std::cmp::Ordering::Equal => ("▶ ", Role::Accent),
            std::cmp::Ordering::Greater => ("", Role::Text),
        };
        paint.line(format!("{mark}{}", argo::name_of(step)), tone(paint, role))
    });
    let room = width.saturating_sub(line.width());
    line.spans.extend(text::joined(parts, " · ", room).spans);
    Some(text::fit(line, width))
}

fn blue_green<'a>(paint: &Paint<'a>, seen: &Seen, argo: &ArgoFacts, width: usize) -> Option<Line<'a>> {
    if seen.facts.strategy != UpdateStrategy::BlueGreen {
        return None;
    }
    let (words, role) = match argo.is_active {
        Some(true) => ("traffic goes to the new version", Role::Ok),
        Some(false) => ("traffic goes to the old version", Role::Text),
        None => ("the active service is not known", Role::Dim),
    };
    let line = Line::from_iter([paint.span("blue-green  ", Role::Dim), paint.span(words, tone(paint, role))]);
    Some(text::fit(line, width))
}

/// How long it waits, for whom, and the keys that end it.
fn pause<'a>(paint: &Paint<'a>, seen: &Seen, width: usize) -> Option<Line<'a>> {
    let verdict = &seen.verdict;
    if verdict.state != RolloutState::Paused || is_stale(paint) {
        return None;
    }
    let mut line = match verdict.resumes_at {
        Some(at) => {
            let left = at.duration_since(paint.model.now.world).max(jiff::SignedDuration::ZERO);
            paint.line(format!("pause   goes on by itself in {}", format::clock(left)), Role::Text)
        }
        None => paint.line("pause   waits for a person", Role::Warning),
    };
    for order in [Order::Promote, Order::Abort] {
        let key = paint.model.keymap.key(&[crate::app::keymap::Context::Logs], Action::of_order(order));
        if let Some(key) = key.filter(|_| argo::why_not(&seen.facts, order).is_none()) {
            line.spans.push(Span::raw("   "));
            line.spans.push(paint.span(key.to_string(), Role::Accent));
            line.spans.push(paint.span(format!(" {order}"), Role::Text));
        }
    }
    Some(text::fit(line, width))
}

/// Those that run or went wrong, newest first; the good ones are counted.
fn analyses<'a>(paint: &Paint<'a>, argo: &ArgoFacts, width: usize) -> Option<Line<'a>> {
    if argo.analyses.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    let n_good = argo.analyses.iter().filter(|analysis| analysis.phase == "Successful").count();
    for analysis in argo.analyses.iter().rev().filter(|analysis| analysis.phase != "Successful") {
        let role = match analysis.phase.as_str() {
            "Failed" | "Error" => Role::Bad,
            "Inconclusive" => Role::Warning,
            _ => Role::Info,
        };
        let message =
            if analysis.message.is_empty() { String::new() } else { format!(": {}", analysis.message) };
        let words = format!("{} {}{message}", analysis.name, analysis.phase);
        parts.push(paint.line(format::clean(&words).into_owned(), tone(paint, role)));
    }
    if n_good > 0 {
        parts.push(paint.line(format!("{n_good} successful"), tone(paint, Role::Ok)));
    }
    let mut line = paint.line("analysis  ", Role::Dim);
    let room = width.saturating_sub(line.width());
    line.spans.extend(text::joined(parts, " · ", room).spans);
    Some(text::fit(line, width))
}

/// What a person told it last, as long as that is open or went wrong.
fn last_order<'a>(paint: &Paint<'a>, seen: &Seen, width: usize) -> Option<Line<'a>> {
    let orders = &paint.model.state().orders;
    let OrderState { at, by, ordered, answer } =
        orders.iter().rev().find(|known| known.ordered.target == seen.facts.target)?;
    let order = ordered.order;
    let (words, role) = match answer {
        None => (format!("{by} told it to {order} {} ago: no answer yet", paint.age(*at)), Role::Info),
        Some((_, StepResult::Failed(failure))) => (format!("{order}: {}", failure.summary), Role::Bad),
        Some((_, StepResult::AlreadyThere)) => (format!("{order}: it was so already"), Role::Dim),
        Some((at, StepResult::Accepted { .. })) => {
            (format!("{by} told it to {order} {} ago: accepted", paint.age(*at)), Role::Dim)
        }
    };
    Some(text::fit(paint.line(format!("told    {}", format::clean(&words)), role), width))
}
