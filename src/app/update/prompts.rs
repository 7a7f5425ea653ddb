//! Text fields: what is typed there is text and never a key.

use crossterm::event::KeyCode;
use tui_input::Input;
use tui_input::InputRequest;

use super::{Ask, deed, escalation, flash, keys, lock, logs, panels, secrets};
use crate::app::keymap::Key;
use crate::app::model::{Model, Panel, Prompt, Purpose, Row};
use crate::release::{Fact, ItemId, Vote};
use crate::watch::logs::{LogQuery, Pattern};

/// No reason, note or edited command is longer than this; a paste beyond it is cut. Units: characters.
const LONGEST_INPUT: usize = 4_000;

/// Asks why something is skipped; a reason that the document knows is written already.
pub(super) fn skip(model: &mut Model, row: Row) {
    let reason = model.skip_reason(&row).unwrap_or_default();
    open(model, Purpose::Skip(row), &reason);
}

pub(super) fn open(model: &mut Model, purpose: Purpose, text: &str) {
    model.view.flash = None;
    model.view.prompt = Some(Prompt { purpose, input: Input::new(text.to_owned()) });
}

pub(super) fn paste(model: &mut Model, text: &str) {
    let Some(prompt) = &mut model.view.prompt else {
        flash(model, "pasted text is never keys: nothing was done with it", true);
        return;
    };
    for c in text.chars().filter(|c| !c.is_control() || *c == '\n' || *c == '\t').take(LONGEST_INPUT) {
        // A text field is one line; a pasted line end becomes a space rather than an answer.
        let c = if c == '\n' || c == '\t' { ' ' } else { c };
        prompt.input.handle(InputRequest::InsertChar(c));
    }
    typed(model);
}

pub(super) fn key(model: &mut Model, key: Key) -> Vec<Ask> {
    let Some(prompt) = &mut model.view.prompt else { return Vec::new() };
    let request = match (key.code, key.ctrl) {
        (KeyCode::Char('r'), true) => {
            // Over the panel itself the key leads back to it, and never closes it.
            if matches!(model.view.panel, Some(Panel::Rollback { .. })) {
                model.view.prompt = None;
                return Vec::new();
            }
            return keys::open_rollback(model);
        }
        (KeyCode::Esc, _) | (KeyCode::Char('c' | 'g'), true) => {
            let was = model.view.prompt.take().map(|prompt| prompt.purpose);
            if was == Some(Purpose::Palette) {
                model.view.panel = None;
            }
            return Vec::new();
        }
        (KeyCode::Enter, _) => {
            let Some(prompt) = model.view.prompt.take() else { return Vec::new() };
            let text = prompt.input.value().trim().to_owned();
            return submit(model, prompt.purpose, &text);
        }
        (KeyCode::Up, _) if prompt.purpose == Purpose::Palette => return panels::select(model, -1),
        (KeyCode::Down, _) if prompt.purpose == Purpose::Palette => return panels::select(model, 1),
        (KeyCode::Char('u'), true) => InputRequest::DeleteLine,
        (KeyCode::Char('w'), true) => InputRequest::DeletePrevWord,
        (KeyCode::Char('a'), true) | (KeyCode::Home, _) => InputRequest::GoToStart,
        (KeyCode::Char('e'), true) | (KeyCode::End, _) => InputRequest::GoToEnd,
        (KeyCode::Left, _) => InputRequest::GoToPrevChar,
        (KeyCode::Right, _) => InputRequest::GoToNextChar,
        (KeyCode::Backspace, _) => InputRequest::DeletePrevChar,
        (KeyCode::Delete, _) => InputRequest::DeleteNextChar,
        (KeyCode::Char(c), false) => InputRequest::InsertChar(c),
        _ => return Vec::new(),
    };
    prompt.input.handle(request);
    typed(model);
    Vec::new()
}

/// The list beside a palette's text field starts at its best match again.
fn typed(model: &mut Model) {
    if let Some(Panel::Palette { selected }) = &mut model.view.panel {
        *selected = 0;
    }
}

fn submit(model: &mut Model, purpose: Purpose, text: &str) -> Vec<Ask> {
    let reason = text.to_owned();
    let fact = match purpose {
        Purpose::NoGoCheck(check) => {
            let evidence = model.evidence_for(&check);
            Fact::NoGo { check, reason, evidence }
        }
        Purpose::Override(check) => {
            let evidence = model.evidence_for(&check);
            Fact::Overridden { check, reason, evidence }
        }
        Purpose::Skip(row) => match item(row) {
            Some(item) => Fact::Skipped { item, reason },
            None => return Vec::new(),
        },
        Purpose::NotApplicable(row) => match item(row) {
            Some(item) => Fact::NotApplicable { item, reason },
            None => return Vec::new(),
        },
        Purpose::NoGoPoll { step, role } => {
            let evidence = model.poll_evidence();
            Fact::Voted { step, role, vote: Vote::NoGo, reason: Some(reason), evidence }
        }
        Purpose::Abstain { step, role } => {
            let evidence = model.poll_evidence();
            Fact::Voted { step, role, vote: Vote::Abstain, reason: Some(reason), evidence }
        }
        Purpose::RoleNotApplicable { step, role } => Fact::RoleNotApplicable { step, role, reason },
        Purpose::Staff(role) => {
            if text.is_empty() {
                return Vec::new();
            }
            Fact::RoleStaffed { role, person: reason }
        }
        Purpose::Keyboard => return panels::keyboard_taken(model, text),
        Purpose::Approve(_) if text.is_empty() => return Vec::new(),
        Purpose::Approve(check) => return keys::confirm_by(model, &check, Some(reason)),
        Purpose::Typed { check, person } => {
            let evidence = model.evidence_for(&check);
            Fact::Confirmed { check, evidence, person, typed: Some(reason) }
        }
        Purpose::Declare { criterion, met } => {
            model.view.panel = None;
            Fact::CriterionDeclared { criterion, met, reason }
        }
        Purpose::OverrideCriterion(criterion) => {
            model.view.panel = None;
            Fact::CriterionOverridden { criterion, reason }
        }
        Purpose::TakeLock { from } => return lock::taken_over(model, from, reason),
        Purpose::GiveLock => {
            model.view.panel = None;
            Fact::LockGiven { reason }
        }
        Purpose::ShortenSoak { step, role } => Fact::SoakShortened { step, role, reason },
        Purpose::Hold if text.is_empty() => {
            flash(model, "a hold needs a reason: others read it", true);
            return Vec::new();
        }
        Purpose::Hold => Fact::Held { reason },
        Purpose::Called(level) => return escalation::called(model, level, text),
        Purpose::Note if text.is_empty() => return Vec::new(),
        Purpose::Note => Fact::Noted { text: reason },
        Purpose::RollbackReason => {
            // Nothing that belongs to the way back is refused later: its words are looked at here.
            if let Some(why) = secrets::refuses_words(model, text) {
                flash(model, why, true);
                return Vec::new();
            }
            if model.rollback().is_none() {
                model.view.rollback_reason = Some(reason);
                return Vec::new();
            }
            Fact::RollbackReason { reason }
        }
        Purpose::Abort if text.is_empty() => {
            flash(model, "aborting needs a reason: it is the first thing asked tomorrow", true);
            return Vec::new();
        }
        Purpose::Abort => {
            let mut asks = deed(model, Fact::Aborted { reason });
            if !asks.is_empty() {
                asks.extend(super::leave(model, "aborted"));
            }
            return asks;
        }
        Purpose::EditCommand => {
            panels::edited(model, text);
            return Vec::new();
        }
        Purpose::TypeToRun(panel) => return panels::word_typed(model, &panel, text),
        Purpose::Field(index) => return panels::field_typed(model, index, text),
        Purpose::Secret(name) => return secrets::typed(model, &name, text),
        Purpose::Doubt { command, attempt, succeeded } => {
            model.view.panel = None;
            Fact::DoubtSettled { command, attempt, succeeded, note: reason }
        }
        Purpose::Search | Purpose::Filter => {
            let is_search = purpose == Purpose::Search;
            match if is_search { Pattern::search(text) } else { Pattern::filter(text) } {
                Ok(pattern) if is_search => search(model, text, pattern),
                Ok(pattern) => filter(model, text, pattern),
                // What is wrong stands beside the text until it is mended.
                Err(_) => open(model, purpose, text),
            }
            return Vec::new();
        }
        Purpose::Palette => return panels::run_palette(model, text),
    };
    deed(model, fact)
}

fn search(model: &mut Model, text: &str, pattern: Pattern) {
    model.view.log.match_at = None;
    model.view.log.search = (!text.is_empty()).then_some(pattern.regex);
    if model.view.log.search.is_some() {
        logs::search(model, false);
    }
}

fn filter(model: &mut Model, text: &str, pattern: Pattern) {
    let Pattern { regex, is_inverse } = pattern;
    let is_one = !regex.as_str().is_empty();
    let pattern = is_one.then_some(regex);
    let (include, exclude) = if is_inverse { (None, pattern) } else { (pattern, None) };
    model.view.log.filter = is_one.then(|| text.to_owned());
    model.view.log.selection = None;
    model.view.log.view.set_query(LogQuery { include, exclude, ..LogQuery::default() });
    model.view.log.view.update(&model.observed.logs);
}

fn item(row: Row) -> Option<ItemId> {
    match row {
        Row::Check(id) => Some(ItemId::Check(id)),
        Row::Command(id) => Some(ItemId::Command(id)),
        _ => None,
    }
}
