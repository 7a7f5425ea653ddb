//! The panels with a list to choose from: criteria, people, the document's rollback, workloads, the
//! palette.

use std::collections::BTreeSet;

use ratatui::text::{Line, Span};

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::Mode;
use crate::release::summary;
use crate::ui::paint::Paint;
use crate::ui::signs::Sign;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::watch::TargetRef;
use crate::workflow::CriterionKind;

fn pointer<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, is_selected: bool) -> Span<'a> {
    if is_selected {
        sheet.selected = Some(sheet.lines.len());
    }
    paint.span(if is_selected { "▶ " } else { "  " }, Role::Focus)
}

pub fn criteria<'a>(paint: &Paint<'a>, selected: usize, overriding: bool, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let title = if overriding {
        paint.spans([("Go on anyway", Role::Overridden), (" ── which criterion is overridden?", Role::Text)])
    } else {
        paint.spans([("Rollback criteria", Role::Title), (" ── declare one met, or withdraw it", Role::Text)])
    };
    let mut sheet = Sheet::new(title, width);
    for (index, criterion) in model.release.workflow().rollback.criteria.iter().enumerate() {
        let pointer = pointer(paint, &mut sheet, index == selected);
        let state = model.state().criteria.get(&criterion.id);
        let reading = model.observed.metrics.reading(&criterion.id);
        let (word, role) = match state {
            Some(state) if state.is_breached() => ("MET", Role::Bad),
            Some(state) if state.overridden.is_some() => ("overridden", Role::Overridden),
            _ if criterion.kind == CriterionKind::Declared => ("you say", Role::Dim),
            _ => ("measured", Role::Dim),
        };
        let role_of_text = if index == selected { Role::Title } else { Role::Text };
        let left = Line::from_iter([pointer, paint.span(criterion.text.as_str(), role_of_text)]);
        let line = text::ends(left, paint.line(word, role), width, 20);
        sheet.push(line);
        let why = state.map(|state| state.why.as_str()).filter(|why| !why.is_empty());
        if let Some(why) = why.or(reading.map(|reading| reading.why.as_str())) {
            sheet.hanging(paint, Line::from("    "), why, Role::Dim);
        }
        if let Some(reason) = state.and_then(|state| state.overridden.as_ref()) {
            sheet.hanging(paint, Line::from("    "), reason, Role::Overridden);
        }
    }
    if sheet.lines.is_empty() {
        sheet.text(paint, "the document names no rollback criteria", Role::Dim);
    }
    let choose = if overriding { "go on despite it, with a reason" } else { "say so, with a reason" };
    sheet.keys([paint.hint(Action::Choose, choose), paint.hint(Action::Close, "back")]);
    sheet
}

/// Who did something here, who answers for which role, and whom to call.
pub fn people<'a>(paint: &Paint<'a>, selected: usize, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let workflow = model.release.workflow();
    let mut sheet = Sheet::new(paint.line("People", Role::Title), width);
    for (index, (role, answers)) in workflow.people().into_iter().enumerate() {
        let pointer = pointer(paint, &mut sheet, index == selected);
        let person = model.state().roster.get(&role);
        let name = paint.span(format!("{:<20} ", text::elide(role.as_str(), 20)), Role::Text);
        let who = match person {
            Some(person) => paint.span(person.as_str(), Role::Title),
            None if answers => paint.span("nobody yet: a poll would wait", Role::Warning),
            None => paint.span("to be called", Role::Dim),
        };
        sheet.push(Line::from_iter([pointer, name, who]));
    }
    if matches!(model.mode, Mode::Driving) {
        let here = selected >= workflow.people().len();
        let pointer = pointer(paint, &mut sheet, here);
        let name = paint.span(format!("{:<20} ", "at the keyboard"), Role::Text);
        sheet.push(Line::from_iter([pointer, name, paint.span(model.me.name.as_str(), Role::Title)]));
    }
    if !model.state().operators.is_empty() {
        sheet.blank();
        sheet.push(paint.line("who did something here", Role::Dim));
    }
    for (operator, at) in model.state().operators.values() {
        let identity =
            operator.identity.as_ref().map(|identity| format!("   {identity}")).unwrap_or_default();
        let me =
            if operator.name == model.me.name && operator.host == model.me.host { "   (you)" } else { "" };
        let words =
            format!("  {:<12} from {}{identity}   {} ago{me}", operator.name, operator.host, paint.age(*at));
        sheet.push(paint.line(words, Role::Text));
    }
    let here = match &model.mode {
        Mode::Driving => format!("{} drives; others can watch with gonogo resume", model.me.name),
        Mode::Following { holder } => format!("{holder} drives; this view changes nothing"),
        Mode::Watching(_) => "nobody holds anything: nothing is released here".to_owned(),
    };
    sheet.fact(paint, "  here", &here, Role::Text);
    if let Some(story) = model.lock_story() {
        sheet.fact(paint, "  lock", &story, Role::Text);
    }
    if !workflow.escalation.is_empty() {
        sheet.blank();
        sheet.push(paint.line("whom to call", Role::Dim));
    }
    for line in &workflow.escalation {
        let parts: Vec<String> = model.named(&line.roles).chain(line.actions.iter().cloned()).collect();
        let head = paint.line(format!("  {} → ", line.trigger), Role::Text);
        sheet.hanging(paint, head, &parts.join(" + "), Role::Title);
    }
    sheet.keys([paint.hint(Action::Choose, "say who answers"), paint.hint(Action::Close, "back")]);
    sheet
}

/// The document's own way back, when gonogo has none.
pub fn rollback_commands<'a>(paint: &Paint<'a>, selected: usize, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let workflow = model.release.workflow();
    let title = [("Rollback", Role::Title), (" ── the document's own commands, unproven", Role::Warning)];
    let mut sheet = Sheet::new(paint.spans(title), width);
    for (index, command) in workflow.rollback.commands.iter().enumerate() {
        let pointer = pointer(paint, &mut sheet, index == selected);
        let role = if index == selected { Role::Title } else { Role::Text };
        let words = command.caption.clone().unwrap_or_else(|| summary::first_line(&command.text));
        sheet.push(Line::from_iter([pointer, paint.span(words, role)]));
        for line in command.text.trim_end().lines() {
            sheet.hanging(paint, Line::from("      "), line, Role::Dim);
        }
    }
    for call in &workflow.rollback.calls {
        let found = match (&call.answer, call.found) {
            (Some(answer), true) => format!(" (gonogo run {})", answer.file),
            (Some(_), false) => " (built in)".to_owned(),
            (None, true) => String::new(),
            (None, false) => " (not found next to the document)".to_owned(),
        };
        sheet.fact(paint, "  workflow", &format!("{}{found}", call.workflow), Role::Text);
    }
    if sheet.lines.is_empty() {
        sheet.text(paint, "the document says nothing about a rollback", Role::Warning);
    }
    sheet.keys([paint.hint(Action::Choose, "open it"), paint.hint(Action::Close, "back, nothing is done")]);
    sheet
}

/// The workloads of the namespace, to mark those that are watched.
pub fn workloads<'a>(
    paint: &Paint<'a>,
    selected: usize,
    marked: &BTreeSet<TargetRef>,
    width: usize,
) -> Sheet<'a> {
    let (namespace, offered) = match paint.model.watching() {
        Some(watching) => (watching.namespace.as_str(), watching.offered.as_slice()),
        None => ("", [].as_slice()),
    };
    let mut title = paint.line("Workloads", Role::Title);
    title
        .spans
        .push(paint.span(format!(" ── {} in {namespace}, which to watch?", offered.len()), Role::Text));
    let mut sheet = Sheet::new(title, width);
    for (index, target) in offered.iter().enumerate() {
        let pointer = pointer(paint, &mut sheet, index == selected);
        let is_marked = marked.contains(target);
        let sign = paint.sign(if is_marked { Sign::Ticked } else { Sign::Open });
        let role = if index == selected { Role::Title } else { Role::Text };
        let mark = paint.span(format!("{sign} "), if is_marked { Role::Ok } else { Role::Dim });
        let name = paint.span(target.to_string(), role);
        sheet.push(text::fit(Line::from_iter([pointer, mark, name]), width));
    }
    let what = if marked.is_empty() { "watch it" } else { "watch what is marked" };
    sheet.keys([
        paint.hint(Action::Choose, what),
        paint.hint(Action::Mark, "mark"),
        paint.hint(Action::MarkAll, "mark all"),
        paint.hint(Action::Close, "back"),
    ]);
    sheet
}

pub fn palette<'a>(paint: &Paint<'a>, selected: usize, width: usize) -> Sheet<'a> {
    let title = [("Commands", Role::Title), (" ── type part of a name", Role::Text)];
    let mut sheet = Sheet::new(paint.spans(title), width);
    let found = paint.model.palette();
    if found.is_empty() {
        sheet.text(paint, "no action has a name like this", Role::Dim);
    }
    for (index, action) in found.iter().enumerate() {
        let pointer = pointer(paint, &mut sheet, index == selected.min(found.len() - 1));
        let role = if index == selected { Role::Title } else { Role::Text };
        let left = Line::from_iter([
            pointer,
            paint.span(format!("{:<20} ", action.name()), role),
            paint.span(paint.model.help(*action), Role::Dim),
        ]);
        let key = paint.line(paint.key_for_list(*action).unwrap_or_default(), Role::Accent);
        sheet.push(text::ends(left, key, width, 20));
    }
    sheet
}
