//! The checklist as the rows a cursor can stand on: the current step open, the others one line each.

use super::view::View;
use crate::release::{Current, Release, StepStatus};
use crate::workflow::{CheckId, CommandId, GateId, Item, Step, StepId};

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    Gate(GateId),
    Step(StepId),
    Command(CommandId),
    /// A titled group of checks, by step and index.
    Group(StepId, usize),
    Check(CheckId),
    Soak(StepId),
    Poll(StepId),
    Outputs,
    /// The end: completing the release, and then its report.
    Finish,
}

/// The row of the one thing to do next.
pub fn of_current(current: &Current) -> Option<Row> {
    Some(match current {
        Current::Check(id) => Row::Check(id.clone()),
        Current::Command(id) => Row::Command(id.clone()),
        Current::Poll(id) => Row::Poll(id.clone()),
        Current::Soak(id) => Row::Soak(id.clone()),
        Current::Finish => Row::Finish,
    })
}

/// - Shape: document order; a section shows its items while it holds the current item, or while the
///   operator has opened it.
pub fn visible(release: &Release, view: &View) -> Vec<Row> {
    let workflow = release.workflow();
    let current = of_current(&release.current());
    let mut rows = Vec::new();
    for gate in &workflow.gates {
        rows.push(Row::Gate(gate.id.clone()));
        let items: Vec<Row> = gate.checks.iter().map(|check| Row::Check(check.id.clone())).collect();
        extend_if_open(&mut rows, items, current.as_ref(), view, false);
    }
    for step in &workflow.steps {
        rows.push(Row::Step(step.id.clone()));
        // An unfinished step that does not gate stays open while the release has moved past it.
        let stands_open = release.step_status(step) == StepStatus::Current;
        extend_if_open(&mut rows, items_of(step), current.as_ref(), view, stands_open);
    }
    if !workflow.outputs.is_empty() {
        rows.push(Row::Outputs);
        let items: Vec<Row> = workflow.outputs.iter().map(|check| Row::Check(check.id.clone())).collect();
        extend_if_open(&mut rows, items, current.as_ref(), view, false);
    }
    if current == Some(Row::Finish) || release.state().phase.is_over() {
        rows.push(Row::Finish);
    }
    rows
}

fn extend_if_open(rows: &mut Vec<Row>, items: Vec<Row>, current: Option<&Row>, view: &View, open: bool) {
    let header = rows.last().cloned();
    let has_current = current.is_some_and(|current| items.contains(current));
    let has_cursor = view.cursor.as_ref().is_some_and(|cursor| items.contains(cursor));
    let opened = header.is_some_and(|header| view.opened.contains(&header));
    if open || has_current || has_cursor || opened {
        rows.extend(items);
    }
}

fn items_of(step: &Step) -> Vec<Row> {
    let mut rows = Vec::new();
    for item in &step.order {
        match item {
            Item::Command(index) => {
                rows.extend(step.commands.get(*index).map(|command| Row::Command(command.id.clone())));
            }
            Item::Group(index) => {
                let Some(group) = step.groups.get(*index) else { continue };
                if group.title.is_some() {
                    rows.push(Row::Group(step.id.clone(), *index));
                }
                rows.extend(group.checks.iter().map(|check| Row::Check(check.id.clone())));
            }
        }
    }
    if step.soak.is_some() {
        rows.push(Row::Soak(step.id.clone()));
    }
    if step.poll.is_some() {
        rows.push(Row::Poll(step.id.clone()));
    }
    rows
}
