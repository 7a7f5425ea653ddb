//! Escalation: the levels of the document, and the note that somebody was called.

use super::{Ask, deed, flash, prompts};
use crate::app::model::{Model, Panel, Purpose};
use crate::release::Fact;

/// Opens the levels, at the one whose time has come.
pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    if model.release.workflow().escalation.is_empty() {
        flash(model, "the document does not say whom to call: it has no escalation", true);
        return Vec::new();
    }
    let selected = model.escalation().iter().position(|level| level.is_current).unwrap_or(0);
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Escalation { selected });
    Vec::new()
}

/// Asks how it went before it is noted.
pub(super) fn choose(model: &mut Model, selected: usize) -> Vec<Ask> {
    prompts::open(model, Purpose::Called(selected), "");
    Vec::new()
}

/// Notes in the journal that a level was called.
pub(super) fn called(model: &mut Model, selected: usize, how: &str) -> Vec<Ask> {
    let workflow = std::sync::Arc::clone(model.release.workflow());
    let Some(line) = workflow.escalation.get(selected) else { return Vec::new() };
    let text = model.call_note(line, how);
    deed(model, Fact::Noted { text })
}
