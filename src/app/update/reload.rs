//! The document that was edited while its release runs: noticed, shown, and taken over when asked to.

use std::sync::Arc;

use super::{Ask, deed, flash};
use crate::app::model::{Edited, Mode, Model, Panel};
use crate::release::{Fact, Phase};
use crate::workflow::Edition;

/// What lies on disk now.
pub(super) fn seen(model: &mut Model, edition: Edition) {
    model.view.edited = Edited::of(model.release.document(), edition).map(Arc::new);
}

/// Shows what taking it over would do.
pub(super) fn open(model: &mut Model) -> Vec<Ask> {
    let why = match (&model.view.edited, model.state().phase) {
        (None, _) => Some("the document on disk is what the release runs: there is nothing to reload"),
        (_, Phase::Preparing) => Some("the release has not begun: leave it and start it with the new text"),
        (_, Phase::Running | Phase::Held) if model.mode == Mode::Driving => None,
        (_, Phase::Running | Phase::Held) => Some("who drives the release reloads its document"),
        _ => Some("the document of a release is not changed any more once it is over or goes back"),
    };
    match (why, model.view.edited.clone()) {
        (Some(why), _) => flash(model, why, true),
        (None, Some(edited)) => {
            model.view.panel_scroll = 0;
            model.view.panel = Some(Panel::Reload(edited));
        }
        (None, None) => {}
    }
    Vec::new()
}

/// Takes over what the panel shows, whatever lies on disk by now.
pub(super) fn take_over(model: &mut Model, edited: &Edited) -> Vec<Ask> {
    let before = model.state().reloads.len();
    let asks = deed(model, Fact::Reloaded { edition: Box::new(edited.edition.clone()) });
    let Some(reload) = model.state().reloads.get(before) else { return asks };
    let words = match reload.lost.len() {
        0 => format!("reloaded: all {} that was settled stays so", reload.n_kept),
        n => format!("reloaded: {} kept, {n} to be settled again", reload.n_kept),
    };
    model.view.panel = None;
    model.view.cursor = None;
    flash(model, words, false);
    if let Some(later) = model.view.edited.take() {
        seen(model, later.edition.clone());
    }
    asks
}
