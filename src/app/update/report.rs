//! The report, read on the screen: told from the journal, as `gonogo report` tells it.

use super::{Ask, flash};
use crate::app::model::{Model, Panel};
use crate::journal::ReadJournal;
use crate::release::Phase;
use crate::report::{self, Meta};

pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    if model.state().phase == Phase::Preparing {
        flash(model, "nothing has been started, so there is nothing to report", true);
        return Vec::new();
    }
    vec![Ask::ReadJournal]
}

/// Shows it, unless the operator has opened something else meanwhile.
pub(super) fn read(model: &mut Model, journal: &ReadJournal) {
    if model.view.panel.is_some() || model.view.prompt.is_some() {
        return;
    }
    let text = report::markdown(&model.release, &journal.records, &Meta::of(journal));
    model.view.panel_scroll = 0;
    model.view.panel = Some(Panel::Report { text });
}
