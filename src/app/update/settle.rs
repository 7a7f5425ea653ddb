//! What an unclear block is: a question, commands, or text, one after the other by one key.

use super::{Ask, deed};
use crate::app::model::{Model, Panel};
use crate::release::Fact;
use crate::workflow::{BlockPrint, Meaning};

/// Says the next of the three, and makes the start panel ask for what the document then asks for.
pub(super) fn turn(model: &mut Model, block: &BlockPrint) -> Vec<Ask> {
    let settling = model.release.document().settling(block).and_then(|command| command.settling.clone());
    let Some(settling) = settling else { return Vec::new() };
    let meaning = match settling.ruling.map(|ruling| ruling.meaning) {
        None => Some(Meaning::Commands),
        Some(Meaning::Commands) => Some(Meaning::Text),
        Some(Meaning::Text) => None,
    };
    let asks = deed(model, Fact::Settled { block: block.clone(), meaning });
    if let Some(Panel::Start(form)) = &mut model.view.panel {
        form.fit(model.release.document());
        model.view.start = Some(form.clone());
    }
    asks
}
