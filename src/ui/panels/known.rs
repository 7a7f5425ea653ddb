//! Rows of the document's error table beside what failed.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::KnownOf;
use crate::release::summary;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::ui::widgets::text;
use crate::workflow::{KnownError, KnownMatch};

/// The surest row in at most `most` lines: what is known, what to do, and why it is shown here.
pub fn beside<'a>(paint: &Paint<'a>, found: &[KnownMatch], width: usize, most: usize) -> Vec<Line<'a>> {
    let rows = &paint.model.release.workflow().errors;
    let Some((first, row)) = found.first().and_then(|first| Some((first, rows.get(first.row)?))) else {
        return Vec::new();
    };
    let why = usize::from(most > 1);
    let advice = format::clean(&format!("known: {}", told(row))).into_owned();
    let advice = text::wrap(&advice, width.saturating_sub(2), most - why).into_iter();
    let mut lines: Vec<Line> = advice.map(|row| paint.line(format!("  {row}"), Role::Accent)).collect();
    if why > 0 {
        let mut words = format!("    line {} · {}", row.place.line, format::clean(&first.why));
        let more = match found.len() - 1 {
            0 => String::new(),
            more => format!("  {more} more"),
        };
        let key = paint.hint(Action::KnownErrors, "known");
        let mut right = if key.width() > 0 { key } else { Line::default() };
        right.spans.push(paint.span(more, Role::Dim));
        words.truncate(words.trim_end().len());
        lines.push(text::ends(paint.line(words, Role::Dim), right, width, width / 2));
    }
    lines
}

/// The surest row as a section of a panel.
pub fn section<'a>(paint: &Paint<'a>, sheet: &mut Sheet<'a>, found: &[KnownMatch]) {
    let rows = &paint.model.release.workflow().errors;
    let Some((first, row)) = found.first().and_then(|first| Some((first, rows.get(first.row)?))) else {
        return;
    };
    sheet.blank();
    sheet.fact(paint, "known", &format::clean(&told(row)), Role::Accent);
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!(" · {more} more of the table"),
    };
    let words = format!("line {} · {}{more}", row.place.line, format::clean(&first.why));
    sheet.fact(paint, "", &words, Role::Dim);
}

/// Every row that speaks of it.
pub fn sheet<'a>(paint: &Paint<'a>, of: &KnownOf, width: usize) -> Sheet<'a> {
    let model = paint.model;
    let what = match of {
        KnownOf::Command { command, attempt } => {
            let attempts = model.state().commands.get(command).map(|track| track.attempts.as_slice());
            let known = attempts.unwrap_or_default().iter().find(|known| known.run.attempt == *attempt);
            known.map_or_else(|| command.to_string(), |known| summary::first_line(&known.run.text))
        }
        KnownOf::Pods(target) => {
            let seen = model.observed.workloads.get(target);
            let trouble = seen.and_then(|seen| seen.verdict.trouble.as_ref());
            trouble.map_or_else(|| target.to_string(), |trouble| trouble.line())
        }
    };
    let mut title = paint.line("Known errors ── ", Role::Title);
    title.spans.push(paint.span(format::clean(&what).into_owned(), Role::Text));
    let mut sheet = Sheet::new(title, width);
    let rows = &model.release.workflow().errors;
    let mut asks_for_rollback = false;
    for found in model.known(of) {
        let Some(row) = rows.get(found.row) else { continue };
        sheet.blank();
        sheet.fact(paint, "symptom", &format::clean(&row.error), Role::Title);
        for (label, words) in [("cause", &row.cause), ("what to do", &row.solution)] {
            if !words.is_empty() {
                sheet.fact(paint, label, &format::clean(words), Role::Text);
            }
        }
        let why = format!("line {} of the document · {}", row.place.line, format::clean(&found.why));
        sheet.fact(paint, "", &why, Role::Dim);
        asks_for_rollback |= row.links.iter().any(|link| link == "rollback");
    }
    if sheet.lines.is_empty() {
        sheet.text(paint, "no row of the document's error table speaks of this any more", Role::Dim);
    }
    let rollback =
        if asks_for_rollback { paint.hint(Action::RollbackPanel, "rollback") } else { Line::default() };
    sheet.keys([rollback, paint.hint(Action::Close, "back")]);
    sheet
}

/// `Pods crash — a setting is missing → compare the environment`, without what the row leaves open.
fn told(row: &KnownError) -> String {
    let mut words = row.error.clone();
    if !row.cause.is_empty() {
        words.push_str(" — ");
        words.push_str(&row.cause);
    }
    if !row.solution.is_empty() {
        words.push_str(" → ");
        words.push_str(&row.solution);
    }
    words
}
