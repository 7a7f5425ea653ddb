//! The pods of a workload: new ones and old ones, those in trouble first.

use std::cmp::Reverse;

use ratatui::text::{Line, Span};

use super::is_stale;
use crate::app::model::Seen;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::rollout::statefulset;
use crate::watch::{ContainerState, NodeTrouble, PodFacts, UpdateStrategy};
use crate::workflow::Kind;

/// Pods that are named; the others are counted.
const PODS: usize = 24;

/// How a pod is called: by what tells it from the others of its kind.
#[derive(Clone, Copy)]
enum Called {
    /// By the end of its name.
    Suffix,
    /// By its whole name: a StatefulSet's pods keep theirs.
    Name,
    /// By its node: a DaemonSet has one on each.
    Node,
}

pub fn lines<'a>(paint: &Paint<'a>, seen: &Seen, width: usize) -> Vec<Line<'a>> {
    let facts = &seen.facts;
    // Those in trouble first: with thousands of pods only they are worth a name.
    let (mut new, mut old) = ((Vec::new(), 0_usize), (Vec::new(), 0_usize));
    for wants_ready in [false, true] {
        let pods = facts.pods.iter().map(AsRef::as_ref);
        for pod in pods.filter(|pod: &&PodFacts| (pod.ready && !pod.ending) == wants_ready) {
            let (kept, n) = if facts.is_new(pod) { &mut new } else { &mut old };
            *n += 1;
            if kept.len() < PODS {
                kept.push(pod);
            }
        }
    }
    let called = match facts.target.kind {
        Kind::StatefulSet => Called::Name,
        Kind::DaemonSet => Called::Node,
        Kind::Deployment | Kind::Rollout => Called::Suffix,
    };
    if facts.target.kind == Kind::StatefulSet {
        // In the order in which they are replaced.
        for (kept, _) in [&mut new, &mut old] {
            kept.sort_by_key(|pod| Reverse(statefulset::index_of(facts, pod)));
        }
    }
    let label = if old.1 == 0 && !is_changed(paint, seen) { "pods" } else { "new" };
    let keeps = matches!(facts.strategy, UpdateStrategy::Ordinals { partition: 1.., .. });
    let mut lines = pod_rows(paint, label, called, &new.0, new.1, width, 3);
    let label = if keeps { "kept" } else { "old" };
    lines.extend(pod_rows(paint, label, called, &old.0, old.1, width, 2));
    lines
}

/// Whether the workload carries another template than the one that was known as good.
fn is_changed(paint: &Paint, seen: &Seen) -> bool {
    let known = paint.model.state().known_good(&seen.facts.target);
    known.is_some_and(|known| known != seen.facts.template_print)
}

fn pod_rows<'a>(
    paint: &Paint<'a>,
    label: &'static str,
    called: Called,
    pods: &[&PodFacts],
    total: usize,
    width: usize,
    most: usize,
) -> Vec<Line<'a>> {
    if pods.is_empty() {
        return Vec::new();
    }
    let head = |label: &'static str| paint.line(format!("{label:<4} "), Role::Dim);
    let long = width >= 60;
    let gap = if long { "    " } else { "  " };
    let mut rows = vec![head(label)];
    let mut shown = 0;
    for pod in pods {
        let words = pod_words(paint, pod, called, long);
        let row = rows.last_mut().expect("the rows begin with one");
        let is_first = row.spans.len() == 1;
        let needed = words.width() + if is_first { 0 } else { gap.len() };
        if !is_first && row.width() + needed > width {
            if rows.len() == most {
                break;
            }
            let mut next = head("");
            next.spans.extend(words.spans);
            rows.push(text::fit(next, width));
        } else {
            if !is_first {
                row.spans.push(Span::raw(gap));
            }
            row.spans.extend(words.spans);
            let whole = std::mem::take(row);
            *row = text::fit(whole, width);
        }
        shown += 1;
    }
    if shown < total
        && let Some(row) = rows.last_mut()
    {
        let more = paint.line(format!("+{} more", total - shown), Role::Dim);
        let whole = std::mem::take(row);
        *row = text::ends(whole, more, width, 8);
    }
    rows
}

/// `…9k-x2 ● 41s`, and what ails it.
fn pod_words<'a>(paint: &Paint<'a>, pod: &PodFacts, called: Called, long: bool) -> Line<'a> {
    let stale = is_stale(paint);
    let (sign, role) = match (stale, pod.ending, pod.ready) {
        (true, ..) => ("?", Role::Stale),
        (_, true, _) => ("○", Role::Dim),
        (_, _, true) => ("●", Role::Ok),
        _ => ("◌", Role::Warning),
    };
    let name = match (called, &pod.node) {
        (Called::Node, Some(node)) => node.clone(),
        (Called::Name, _) if long => pod.name.clone(),
        (Called::Suffix | Called::Node, _) if long => format::pod_with_set(&pod.name),
        _ => format::pod(&pod.name).to_owned(),
    };
    let mut line = Line::from_iter([
        paint.span(name, if stale { Role::Stale } else { Role::Text }),
        Span::raw(" "),
        paint.span(sign, role),
    ]);
    let since = if pod.ready { pod.ready_since } else { pod.created };
    if let Some(since) = since.filter(|_| long) {
        line.spans.push(paint.span(format!(" {}", format::age(paint.world_since(since))), Role::Dim));
    }
    let what = ailment(pod);
    if !what.is_empty() {
        line.spans.push(paint.span(format!(" {what}"), if stale { Role::Stale } else { role }));
    }
    line
}

fn ailment(pod: &PodFacts) -> String {
    if pod.ending {
        return "terminating".to_owned();
    }
    if pod.ready {
        let restarts = pod.restarts();
        return if restarts > 0 { format!("restarted ×{restarts}") } else { String::new() };
    }
    if let Some(trouble) = pod.node_trouble {
        return match trouble {
            NodeTrouble::Cordoned => "node cordoned",
            NodeTrouble::NotReady => "node not ready",
            NodeTrouble::Gone => "node gone",
        }
        .to_owned();
    }
    if pod.unschedulable.is_some() {
        return "Unschedulable".to_owned();
    }
    if let Some(reason) = &pod.reason {
        return reason.clone();
    }
    let waiting = pod.containers.iter().find_map(|container| match &container.state {
        ContainerState::Waiting { reason, .. } if !reason.is_empty() => Some(reason.clone()),
        ContainerState::Terminated(end) if end.exit_code != 0 => {
            Some(format!("{} exit {}", end.reason, end.exit_code))
        }
        _ => None,
    });
    let restarts = pod.restarts();
    let times = if restarts > 0 { format!(" ×{restarts}") } else { String::new() };
    match waiting {
        Some(reason) => format!("{reason}{times}"),
        None if restarts > 0 => format!("not ready{times}"),
        None => "not ready".to_owned(),
    }
}
