//! Without a release: which workloads are looked at.

use std::collections::BTreeSet;

use super::{Ask, flash};
use crate::app::model::{Mode, Model, Panel, Watching};
use crate::watch::TargetRef;

/// So many are watched without asking: they fit on the smallest screen.
const FEW: usize = 4;

/// Takes in what the namespace has: a few are watched at once, of many the operator chooses.
pub(super) fn offered(model: &mut Model, offered: Vec<TargetRef>) -> Vec<Ask> {
    let Mode::Watching(watching) = &mut model.mode else { return Vec::new() };
    watching.offered = offered;
    let (offered, is_chosen) = (watching.offered.clone(), !watching.targets.is_empty());
    if is_chosen || offered.is_empty() {
        return Vec::new();
    }
    if offered.len() <= FEW {
        return watch(model, offered);
    }
    open(model)
}

/// Opens the list to choose from, with what is watched marked.
pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    let Some(Watching { targets, offered, .. }) = model.watching() else { return Vec::new() };
    if offered.is_empty() {
        flash(model, "the command line says what is watched", true);
        return Vec::new();
    }
    let selected = offered.iter().position(|target| targets.contains(target)).unwrap_or(0);
    let marked: BTreeSet<TargetRef> = targets.iter().cloned().collect();
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Workloads { selected, marked });
    Vec::new()
}

/// Marks the selected workload, or takes its mark back.
pub(super) fn mark(model: &mut Model) {
    let Mode::Watching(watching) = &model.mode else { return };
    let Some(Panel::Workloads { selected, marked }) = &mut model.view.panel else { return };
    let Some(target) = watching.offered.get(*selected) else { return };
    if !marked.remove(target) {
        marked.insert(target.clone());
    }
    *selected = (*selected + 1).min(watching.offered.len() - 1);
}

/// Marks all, or none when all are marked.
pub(super) fn mark_all(model: &mut Model) {
    let Mode::Watching(watching) = &model.mode else { return };
    let Some(Panel::Workloads { marked, .. }) = &mut model.view.panel else { return };
    if marked.len() == watching.offered.len() {
        marked.clear();
    } else {
        marked.extend(watching.offered.iter().cloned());
    }
}

/// Watches what is marked, or else what is selected.
pub(super) fn choose(model: &mut Model) -> Vec<Ask> {
    let Mode::Watching(watching) = &model.mode else { return Vec::new() };
    let Some(Panel::Workloads { selected, marked }) = model.view.panel.take() else { return Vec::new() };
    let is_meant = |(index, target): &(usize, &TargetRef)| match marked.is_empty() {
        true => *index == selected,
        false => marked.contains(target),
    };
    let chosen = watching.offered.iter().enumerate().filter(is_meant).map(|(_, target)| target.clone());
    let chosen: Vec<TargetRef> = chosen.collect();
    watch(model, chosen)
}

fn watch(model: &mut Model, targets: Vec<TargetRef>) -> Vec<Ask> {
    let Mode::Watching(watching) = &mut model.mode else { return Vec::new() };
    if watching.targets == targets {
        return Vec::new();
    }
    watching.targets.clone_from(&targets);
    // What is no longer watched would only grow old.
    model.observed.workloads.retain(|target, _| targets.contains(target));
    vec![Ask::Watch(targets)]
}
