//! The start panel: parameters, who answers for which role, and what was tested beforehand.

use std::collections::BTreeMap;

use ratatui::text::Line;

use super::{Sheet, policy, unclear};
use crate::app::action::Action;
use crate::app::model::{FieldKind, PreflightOutcome, StartForm};
use crate::release::unstaffed;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;

/// Lines of the document that are shown with their new value.
const CHANGES: usize = 12;

pub fn sheet<'a>(paint: &Paint<'a>, form: &'a StartForm, width: usize) -> Sheet<'a> {
    let workflow = paint.model.release.document();
    let mut title = paint.line("Start", Role::Title);
    title.spans.push(paint.span(format!(" ── {}", workflow.title), Role::Title));
    title.spans.push(paint.span(" ── nothing has been started", Role::Text));
    let mut sheet = Sheet::new(title, width);
    if let Some(goal) = &workflow.goal {
        sheet.text(paint, goal, Role::Dim);
        sheet.blank();
    }
    fields(paint, &mut sheet, form);
    roster(paint, &mut sheet, form);
    unclear::fields(paint, &mut sheet, form);
    policy::fields(paint, &mut sheet, form);
    sheet.blank();
    preflight(paint, &mut sheet);
    changes(paint, &mut sheet, form);
    diagnostics(paint, &mut sheet);
    let edit = match form.fields.get(form.selected).map(|field| &field.kind) {
        Some(FieldKind::Policy(_)) => paint.hint(Action::Accept, "accept, or withdraw that"),
        Some(FieldKind::Block(_)) => paint.hint(Action::Accept, unclear::TURN),
        _ => paint.hint(Action::Edit, "type a value"),
    };
    sheet.keys([
        edit,
        paint.hint(Action::Down, "next field"),
        paint.hint(Action::Run, "begin the release"),
        paint.hint(Action::Quit, "leave"),
    ]);
    sheet
}

fn fields<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, form: &'a StartForm) {
    let mut was_role = false;
    for (index, field) in form.fields.iter().enumerate() {
        let (name, is_role) = match &field.kind {
            FieldKind::Param(name) | FieldKind::Secret(name) => (name.as_str(), false),
            FieldKind::Role(role) => (role.as_str(), true),
            FieldKind::Policy(_) | FieldKind::Block(_) => continue,
        };
        if is_role && !was_role && index > 0 {
            sheet.blank();
        }
        was_role = is_role;
        let is_selected = index == form.selected;
        if is_selected {
            sheet.selected = Some(sheet.lines.len());
        }
        let value = if field.value.is_empty() {
            paint.span(if is_role { "nobody yet" } else { "no value yet" }, Role::Warning)
        } else {
            paint.span(field.value.as_str(), if is_selected { Role::Selection } else { Role::Title })
        };
        let mut line = Line::from_iter([
            paint.span(if is_selected { "▶ " } else { "  " }, Role::Focus),
            paint.span(format!("{:<20} ", text::elide(name, 20)), Role::Text),
            value,
        ]);
        if !field.note.is_empty() {
            line.spans.push(paint.span(format!("   {}", field.note), Role::Dim));
        }
        sheet.push(line);
    }
}

/// Which checks wait for people whom the roster does not name.
fn roster<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, form: &StartForm) {
    let named = form.fields.iter().filter_map(|field| match &field.kind {
        FieldKind::Role(role) => Some((role.clone(), field.value.clone())),
        FieldKind::Param(_) | FieldKind::Secret(_) | FieldKind::Policy(_) | FieldKind::Block(_) => None,
    });
    for words in unstaffed(paint.model.release.document(), &named.collect()) {
        sheet.hanging(paint, paint.line("  ▲ ", Role::Warning), &words, Role::Warning);
    }
}

fn preflight<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    for test in &paint.model.preflight {
        let (sign, role) = match test.outcome {
            PreflightOutcome::Asking => ("◌", Role::Dim),
            PreflightOutcome::Fine => ("✔", Role::Ok),
            PreflightOutcome::Limited => ("▲", Role::Warning),
            PreflightOutcome::Missing => ("✘", Role::Bad),
        };
        let head = Line::from_iter([
            paint.span(format!("{sign} "), role),
            paint.span(format!("{:<14} ", text::elide(&test.what, 14)), Role::Text),
        ]);
        let words = if test.outcome == PreflightOutcome::Asking && test.detail.is_empty() {
            "asking …"
        } else {
            test.detail.as_str()
        };
        let words = format::clean(words);
        let role = if test.outcome == PreflightOutcome::Fine { Role::Dim } else { role };
        sheet.hanging(paint, head, &words, role);
    }
}

/// The document's lines with the values in their places, for the operator to agree to.
fn changes<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, form: &StartForm) {
    let values: BTreeMap<String, String> = form
        .fields
        .iter()
        .filter(|field| !field.value.is_empty())
        .filter_map(|field| match &field.kind {
            FieldKind::Param(name) => Some((name.clone(), field.value.clone())),
            FieldKind::Secret(_) | FieldKind::Role(_) | FieldKind::Policy(_) | FieldKind::Block(_) => None,
        })
        .collect();
    let changes = paint.model.release.document().param_diff(&values);
    if changes.is_empty() {
        return;
    }
    sheet.blank();
    sheet.push(paint.line("what the values change in the document", Role::Dim));
    for change in changes.iter().take(CHANGES) {
        let line = change.place.line;
        let head = match &change.file {
            Some(file) => format!("      {file}:{line}  "),
            None => format!("{line:>4}  "),
        };
        let head = paint.line(head, Role::Dim);
        sheet.hanging(paint, head, &change.after, Role::Text);
    }
    if changes.len() > CHANGES {
        sheet.push(paint.line(format!("      and {} more", changes.len() - CHANGES), Role::Dim));
    }
}

fn diagnostics<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>) {
    use crate::workflow::Severity;
    let all = &paint.model.release.document().diagnostics;
    let serious = all.iter().filter(|known| known.severity != Severity::Info);
    let n_info = all.iter().filter(|known| known.severity == Severity::Info).count();
    let mut is_first = true;
    for known in serious {
        if std::mem::take(&mut is_first) {
            sheet.blank();
        }
        let (sign, role) = match known.severity {
            Severity::Error => ("✘ ", Role::Bad),
            _ => ("▲ ", Role::Warning),
        };
        let words = format!("line {}: {}", known.place.line, known.message);
        sheet.hanging(paint, paint.line(sign, role), &words, Role::Text);
    }
    if n_info > 0 && !is_first {
        sheet.push(paint.line(format!("  and {n_info} remarks: gonogo lint tells all"), Role::Dim));
    }
}
