//! Attempts that nobody starts.

use super::{Ask, found};
use crate::app::model::{Model, Panel};
use crate::release::{Fact, Run};

/// Answers [`crate::release::Effect::RunAgain`]: the attempt that was announced, unless it could not be
/// recorded or somebody else has the release in hand.
pub(super) fn run_again(model: &mut Model, run: Run) -> Vec<Ask> {
    let journal = &model.journal;
    if journal.failed.is_some() || journal.handed_to.is_some() || model.leaving.is_some() {
        return Vec::new();
    }
    let (command, attempt) = (run.command.clone(), run.attempt);
    let asks = found(model, Fact::CommandStarted(run));
    if let Some(Panel::Output { command: shown, attempt: before }) = &mut model.view.panel
        && *shown == command
        && *before + 1 == attempt
    {
        *before = attempt;
        model.view.panel_scroll = 0;
    }
    asks
}
