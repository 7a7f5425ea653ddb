//! The question before the edited document is taken over: what differs, what stays, what is asked again.

use ratatui::text::Line;

use super::Sheet;
use crate::app::action::Action;
use crate::app::model::Edited;
use crate::ui::format;
use crate::ui::paint::Paint;
use crate::ui::theme::Role;
use crate::workflow::LineChange;

/// Lines of one file that the panel shows; the file itself has them all.
const LINES: usize = 40;

pub fn sheet<'a>(paint: &Paint<'a>, edited: &Edited, width: usize) -> Sheet<'a> {
    let title = Line::from_iter([
        paint.span("Reload", Role::Title),
        paint.span(" ── the document as it lies on disk, nothing is taken over before r", Role::Text),
    ]);
    let mut sheet = Sheet::new(title, width);
    let release = &paint.model.release;
    let reload = release.reload_of(&edited.edition, &edited.document);
    for why in &reload.blocked {
        sheet.hanging(paint, paint.line("✘ not now   ", Role::Bad), &format::clean(why), Role::Text);
    }
    if !reload.blocked.is_empty() {
        sheet.blank();
    }
    let kept = match reload.n_kept {
        0 => "nothing that was settled".to_owned(),
        1 => "one answer, vote or command, as it is".to_owned(),
        n => format!("{n} answers, votes and commands, as they are"),
    };
    sheet.fact(paint, "kept", &kept, Role::Ok);
    if reload.lost.is_empty() {
        sheet.fact(paint, "again", "nothing: all that was settled stays so", Role::Text);
    }
    for (n, lost) in reload.lost.iter().enumerate() {
        sheet.fact(paint, if n == 0 { "again" } else { "" }, &format::clean(lost), Role::Warning);
    }
    sheet.fact(paint, "stays", "targets, pins, rollback section and criteria, as started", Role::Dim);
    let errors = reload.document.diagnostics.iter().filter(|found| {
        let is_old = |known: &&crate::workflow::Diagnostic| known.message == found.message;
        found.severity == crate::workflow::Severity::Error
            && !release.document().diagnostics.iter().any(|known| is_old(&known))
    });
    for found in errors {
        let words = format!("line {}: {}", found.place.line, found.message);
        sheet.hanging(paint, paint.line("✘ ", Role::Bad), &format::clean(&words), Role::Text);
    }
    for (file, changes) in &edited.changes {
        sheet.blank();
        sheet.push(paint.line(format::clean(file).into_owned(), Role::Dim));
        for change in changes.iter().take(LINES) {
            let (line, sign, words, role) = match change {
                LineChange::Gone(line, words) => (line, "-", words, Role::Bad),
                LineChange::New(line, words) => (line, "+", words, Role::Ok),
            };
            let head = paint.line(format!("{line:>4} {sign} "), role);
            sheet.hanging(paint, head, &format::clean(words), Role::Text);
        }
        if changes.len() > LINES {
            sheet.push(paint.line(format!("     and {} more", changes.len() - LINES), Role::Dim));
        }
    }
    if reload.blocked.is_empty() {
        sheet.keys([
            paint.hint(Action::Run, "go on with this text"),
            paint.hint(Action::Close, "back, the release keeps the one it has"),
        ]);
    } else {
        sheet.keys([paint.hint(Action::Close, "back, the release keeps the one it has")]);
    }
    sheet
}
