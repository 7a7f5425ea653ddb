//! Secrets of the release: typed once, kept in memory, never part of what is recorded.

use super::{Ask, flash, prompts};
use crate::app::model::{Model, Purpose};
use crate::release::{Captured, Fact};
use crate::workflow::reads_variable;

/// What stands in the field of a secret that was typed.
pub(super) const TYPED: &str = "•••••• typed";

/// Keeps a secret that a command asked for again: a resumed release has none any more.
pub(super) fn typed(model: &mut Model, name: &str, text: &str) -> Vec<Ask> {
    let document = std::sync::Arc::clone(model.release.document());
    let known = document.params.iter().find(|param| param.name == name);
    if let Some(why) = known.and_then(|param| param.check(text).err()) {
        flash(model, why, true);
        return Vec::new();
    }
    model.secrets.insert(name, text);
    flash(model, format!("{name} is known to this process; now run it"), false);
    vec![Ask::Keep(model.secrets.clone())]
}

/// Asks for a secret that a text reads and that is not here.
///
/// - Shape: whether something is asked now, so that nothing runs yet.
pub(super) fn asks_for(model: &mut Model, text: &str) -> bool {
    let document = std::sync::Arc::clone(model.release.document());
    let declared = document.params.iter().filter(|param| param.is_secret() && param.declared);
    let mut missing = declared.map(|param| &param.name).filter(|name| !model.secrets.has(name));
    let missing = missing.find(|name| reads_variable(text, name));
    let Some(name) = missing else { return false };
    prompts::open(model, Purpose::Secret(name.clone()), "");
    true
}

/// An output that may be written down: a secret may have been typed while its command ran.
pub(super) fn checked(model: &Model, captured: Captured) -> Captured {
    let found = match &captured {
        Captured::Value(value) => model.secrets.found_in(value),
        Captured::NotKept(_) => None,
    };
    match found {
        Some(name) => Captured::NotKept(format!("what it printed holds the value of {name}")),
        None => captured,
    }
}

/// Why a fact cannot be recorded: somebody typed the value of a secret into it.
pub(super) fn refuses(model: &Model, fact: &Fact) -> Option<String> {
    refuses_words(model, &serde_json::to_string(fact).ok()?)
}

/// The same for words that are looked at by themselves.
pub(super) fn refuses_words(model: &Model, words: &str) -> Option<String> {
    let name = model.secrets.found_in(words)?;
    Some(format!("the value of {name} stands in it, and would be written down; write ${name} instead"))
}
