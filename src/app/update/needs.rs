//! Whether this machine has what a command needs: looked at before anybody runs it.

use super::{Ask, flash};
use crate::app::model::{Model, Panel, Row};
use crate::watch::Need;
use crate::workflow::Command;

/// A program may be installed while somebody looks at what needs it. Units: seconds of wall time.
const LOOK_EVERY: i64 = 2;

/// Looks for what the row or the panel before the operator needs.
pub(super) fn look(model: &mut Model) -> Vec<Ask> {
    model.observed.needs_asked_at = Some(model.now);
    let row = match &model.view.panel {
        Some(Panel::Run(panel)) => Some(Row::Command(panel.command.clone())),
        _ => model.selected(),
    };
    let Some(row) = row else { return Vec::new() };
    let command = match &row {
        Row::Command(id) => model.release.workflow().command(id),
        _ => None,
    };
    let mut needs = command.map(|command| model.needs_of(command)).unwrap_or_default();
    needs.extend(model.may_miss(&row));
    if needs.is_empty() { Vec::new() } else { vec![Ask::Look(needs)] }
}

/// Looks again after a while.
pub(super) fn look_again(model: &mut Model) -> Vec<Ask> {
    let age = model.observed.needs_asked_at.map(|at| model.now.wall.duration_since(at.wall).as_secs());
    if age.is_some_and(|age| age < LOOK_EVERY) { Vec::new() } else { look(model) }
}

pub(super) fn looked(model: &mut Model, found: Vec<(Need, bool)>) {
    for (need, is_here) in found {
        if is_here {
            model.observed.missing.remove(&need);
        } else {
            model.observed.missing.insert(need);
        }
    }
}

/// Whether a command may not run because something is not here; then it is told.
pub(super) fn keeps_back(model: &mut Model, command: &Command, tty: bool) -> bool {
    let Some(missing) = model.missing_for(command, tty).into_iter().next() else { return false };
    let way_out = match missing {
        Need::Program(_) => "install it, or name another shell in the document",
        Need::File(_) => "put it there: it is what the command reads",
    };
    flash(model, format!("nothing runs: {missing}; {way_out}"), true);
    true
}
